"""A counter of bits: carry-save addition of vectors of bits.

A row holds one bit of `64 * N_WORDS` samples. A full adder turns three vectors of the
same weight into their sum and a carry of twice the weight, so sixteen inputs take
fifteen adders to become one vector of weight 16 (Harley and Seal's counter).

The eight lowest levels of a sum are in registers: `low` and `high`, four each, of one
part of the row. `most` bounds what they hold; before it could be more than 255, `high`
goes to the levels in memory and starts again. Sums below 256 never do. While the other
part has its turn, `keep` puts the registers aside.

Codes of several bits. Planes go from the highest bit to the lowest. Between two of
them the sum is doubled: levels in registers move up by one, those in memory by moving
their base.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .adders import COUNTER, HALF, emit_add, emit_halves
from .layer import N_WORDS
from .vector import PART, VECTOR, emit_load, emit_store

__all__ = [
    "COUNTER_WORDS",
    "FIRST_BASE",
    "LEVELS",
    "MASKS",
    "ONES",
    "ZEROS",
    "double",
    "keep",
    "kept",
    "make_room",
    "start_sum",
    "store_sum",
]

#: Levels in registers.
_REGISTERS = 2 * HALF

#: What the levels in registers hold at most, and those in `low`.
_MOST = 2**_REGISTERS - 1
_LOW = 2**HALF - 1

#: Levels of a counter: sums are below 2**24, and doubling moves the base down by
#: one for each plane. Behind them is what `keep` puts aside.
LEVELS = 40
FIRST_BASE = 8
COUNTER_WORDS = (LEVELS + _REGISTERS) * N_WORDS

ZEROS = np.uint64(0)
ONES = np.uint64(0xFFFFFFFFFFFFFFFF)

#: The complement of a bit, in all 64 places.
MASKS = np.array([ONES, ZEROS])


def _emit_at(builder: Any, level: Any, part: Any) -> Any:
    """Return where a part of a level is, in LLVM."""
    row = builder.mul(level, ir.Constant(level.type, N_WORDS))
    return builder.add(row, part)


def _emit_kept_at(builder: Any, i: int, part: Any) -> Any:
    """Return where level `i` is put aside, in LLVM."""
    return _emit_at(builder, ir.Constant(part.type, LEVELS + i), part)


@intrinsic
def keep(typingctx, counter, part, low, high):  # type: ignore[no-untyped-def]
    """Put the levels in registers aside."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        counter, part, *halves = args
        levels = [x for half in halves for x in cgutils.unpack_tuple(builder, half)]
        for i, each in enumerate(levels):
            at = _emit_kept_at(builder, i, part)
            emit_store(context, builder, sig.args[0], counter, at, each)
        return context.get_dummy_value()

    return types.void(counter, types.intp, low, high), codegen


@intrinsic
def kept(typingctx, counter, part):  # type: ignore[no-untyped-def]
    """Return the levels that were put aside."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        counter, part = args
        levels = [
            emit_load(
                context,
                builder,
                sig.args[0],
                counter,
                _emit_kept_at(builder, i, part),
                PART.llvm,
            )
            for i in range(_REGISTERS)
        ]
        halves = emit_halves(context, builder, levels)
        return context.make_tuple(builder, sig.return_type, halves)

    return COUNTER(counter, types.intp), codegen


def _emit_flush(context: Any, builder: Any, array: Any, args: Any, high: Any) -> None:
    """Add `high` to the levels in memory, in LLVM.

    It goes through memory to a function of its own: that is rare, and compiled once.
    """
    counter, part, base, width = args
    for i, each in enumerate(high):
        at = _emit_kept_at(builder, HALF + i, part)
        emit_store(context, builder, array, counter, at, each)
    data = context.make_array(array)(context, builder, counter).data
    number = base.type
    words = ir.IntType(64).as_pointer()
    function_type = ir.FunctionType(ir.VoidType(), [words, number, number])
    name = "add_high_to_levels"
    function = builder.module.globals.get(name)
    if function is None:
        function = ir.Function(builder.module, function_type, name)
        function.linkage = "internal"
        for attribute in ("noinline", "cold", "nounwind"):
            function.attributes.add(attribute)
        body = ir.IRBuilder(function.append_basic_block())
        _define_flush(context, body, *function.args)
    first = builder.bitcast(builder.gep(data, [part]), words)
    builder.call(function, [first, base, width])


def _define_flush(
    context: Any, builder: Any, first: Any, base: Any, width: Any
) -> None:
    """Write the function that adds the levels put aside to those in memory."""

    def pointer(level: Any) -> Any:
        row = builder.mul(level, ir.Constant(level.type, N_WORDS))
        return builder.bitcast(builder.gep(first, [row]), PART.llvm.as_pointer())

    def constant(number: int) -> Any:
        return ir.Constant(base.type, number)

    carry = ir.Constant(PART.llvm, None)
    for i in range(HALF):
        high = builder.load(pointer(constant(LEVELS + HALF + i)), align=1)
        place = pointer(builder.add(base, constant(HALF + i)))
        old = builder.load(place, align=1)
        new, carry = emit_add(context, builder, old, high, carry)
        builder.store(new, place, align=1)
    rippling = cgutils.alloca_once_value(builder, carry)
    with cgutils.for_range_slice(
        builder,
        builder.add(base, constant(_REGISTERS)),
        builder.add(base, width),
        constant(1),
    ) as (level, _):
        place = pointer(level)
        old = builder.load(place, align=1)
        carry = builder.load(rippling)
        builder.store(builder.xor(old, carry), place, align=1)
        builder.store(builder.and_(old, carry), rippling)
    builder.ret_void()


@intrinsic
def start_sum(typingctx, counter, width):  # type: ignore[no-untyped-def]
    """Make a sum of `width` bits 0, in both parts; return its `most`."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        counter, width = args
        nothing = ir.Constant(VECTOR.llvm, None)

        def constant(number: int) -> Any:
            return ir.Constant(width.type, number)

        def empty(level: Any) -> None:
            at = _emit_at(builder, level, constant(0))
            emit_store(context, builder, sig.args[0], counter, at, nothing)

        for i in range(_REGISTERS):
            empty(constant(LEVELS + i))
        is_short = builder.icmp_signed("<=", width, constant(_REGISTERS))
        stop = builder.select(is_short, constant(0), width)
        with cgutils.for_range_slice(
            builder,
            constant(FIRST_BASE + HALF),
            builder.add(stop, constant(FIRST_BASE)),
            constant(1),
        ) as (level, _):
            empty(level)
        # For ever below any bound, or nothing yet.
        return builder.select(is_short, constant(-(2**40)), constant(0))

    return types.intp(counter, types.intp), codegen


def _emit_room(
    context: Any, builder: Any, array: Any, others: Any, high: Any, most: Any, more: Any
) -> tuple[Any, Any]:
    """Return `high` and `most` with room for inputs that add up to `more`, in LLVM."""
    before = builder.block
    bound = builder.sub(ir.Constant(most.type, _MOST), more)
    is_full = builder.icmp_signed(">", most, bound)
    with builder.if_then(is_full, likely=False):
        _emit_flush(context, builder, array, others, high)
        flushed = builder.block
    found = []
    for each in high:
        phi = builder.phi(each.type)
        phi.add_incoming(each, before)
        phi.add_incoming(ir.Constant(each.type, None), flushed)
        found.append(phi)
    bound = builder.phi(most.type)
    bound.add_incoming(most, before)
    bound.add_incoming(ir.Constant(most.type, _LOW), flushed)
    return found, builder.add(bound, more)


@intrinsic
def make_room(typingctx, counter, part, base, width, high, most, more):  # type: ignore[no-untyped-def]
    """Return `high` and `most` with room for inputs that add up to `more`.

    A step of its own for Numba: a function with branches would count references to
    `counter`.
    """

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        *others, high, most, more = args
        high = cgutils.unpack_tuple(builder, high)
        found = _emit_room(context, builder, sig.args[0], others, high, most, more)
        high = context.make_tuple(builder, sig.args[4], found[0])
        return context.make_tuple(builder, sig.return_type, [high, found[1]])

    numbers = (types.intp,) * 3
    returned = types.Tuple((high, types.intp))
    return returned(counter, *numbers, high, types.intp, types.intp), codegen


@intrinsic
def double(typingctx, counter, part, base, width, low, high, most):  # type: ignore[no-untyped-def]
    """Return levels and bound of twice the sum, whose base is one below `base`."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        *others, low, high, most = args
        low, high = (cgutils.unpack_tuple(builder, half) for half in (low, high))
        array = sig.args[0]
        high, most = _emit_room(context, builder, array, others, high, most, most)
        nothing = ir.Constant(PART.llvm, None)
        counter, part, base, _ = others
        level = builder.add(base, ir.Constant(base.type, HALF - 1))
        at = _emit_at(builder, level, part)
        emit_store(context, builder, array, counter, at, nothing)
        levels = [nothing, *low, *high[:-1]]
        halves = emit_halves(context, builder, levels)
        return context.make_tuple(builder, sig.return_type, [*halves, most])

    numbers = (types.intp,) * 3
    returned = types.Tuple((low, high, types.intp))
    return returned(counter, *numbers, low, high, types.intp), codegen


@intrinsic
def store_sum(typingctx, counter, part, base, width, low, high):  # type: ignore[no-untyped-def]
    """Leave the sum in levels `base` and up."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        counter, part, base, width, *halves = args
        array = sig.args[0]
        low, high = (cgutils.unpack_tuple(builder, half) for half in halves)

        def put(levels: Any, first: int) -> None:
            for i, each in enumerate(levels):
                level = builder.add(base, ir.Constant(base.type, first + i))
                at = _emit_at(builder, level, part)
                emit_store(context, builder, array, counter, at, each)

        put(low, 0)
        is_short = builder.icmp_signed("<=", width, ir.Constant(width.type, _REGISTERS))
        with builder.if_else(is_short) as (short, long):
            with short:
                put(high, HALF)
            with long:
                _emit_flush(context, builder, array, args[:4], high)
        return context.get_dummy_value()

    numbers = (types.intp,) * 3
    return types.void(counter, *numbers, low, high), codegen
