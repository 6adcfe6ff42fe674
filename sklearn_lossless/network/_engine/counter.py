"""A counter of bits: carry-save addition of vectors of bits.

A row holds one bit of `64 * N_WORDS` samples. A full adder turns three vectors of the
same weight into their sum and a carry of twice the weight, so sixteen inputs take
fifteen of them to become one vector of weight 16 (Harley and Seal's counter).

The eight lowest levels of a sum are in registers while inputs are added: `low` and
`high`, four each, of one part of the row. In between, `keep` puts them aside. Before
they could hold more than 255, `high` goes to the levels in memory and starts again.
Sums below 256 never do.

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
from .vector import (
    PART,
    PART_WORDS,
    VECTOR,
    emit_load,
    emit_majority,
    emit_splat,
    emit_store,
)

__all__ = [
    "COUNTER_WORDS",
    "FIRST_BASE",
    "LEVELS",
    "MASKS",
    "MOST",
    "MOST_LOW",
    "ONES",
    "REGISTERS",
    "UNROLLED",
    "ZEROS",
    "at_least",
    "clear_levels",
    "close_sum",
    "emit_at",
    "emit_clear",
    "emit_flush",
    "flush",
    "keep",
    "kept",
    "kept_twice",
    "nothing",
]

#: Levels in registers.
REGISTERS = 2 * HALF

#: What the levels in registers hold at most, and those in `low`.
MOST = 2**REGISTERS - 1
MOST_LOW = 2**HALF - 1

#: Levels that `at_least` reads without a loop.
UNROLLED = 12

#: Levels of a counter: sums are below 2**24, and doubling moves the base down by
#: one for each plane. Behind them is what `keep` puts aside.
LEVELS = 35
FIRST_BASE = 8
COUNTER_WORDS = (LEVELS + REGISTERS) * N_WORDS

ZEROS = np.uint64(0)
ONES = np.uint64(0xFFFFFFFFFFFFFFFF)

#: The complement of a bit, in all 64 places.
MASKS = np.array([ONES, ZEROS])


def emit_at(builder: Any, level: Any, part: Any) -> Any:
    """Return where a part of a level is, in LLVM."""
    row = builder.mul(level, ir.Constant(level.type, N_WORDS))
    return builder.add(row, part)


def _emit_kept_at(builder: Any, i: int, part: Any) -> Any:
    """Return where level `i` is put aside, in LLVM."""
    return emit_at(builder, ir.Constant(part.type, LEVELS + i), part)


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
def nothing(typingctx):  # type: ignore[no-untyped-def]
    """Return the levels in registers of a sum that is 0."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        levels = [ir.Constant(PART.llvm, None)] * REGISTERS
        halves = emit_halves(context, builder, levels)
        return context.make_tuple(builder, sig.return_type, halves)

    return COUNTER(), codegen


def _kept(is_twice: bool) -> Any:
    @intrinsic
    def kept(typingctx, counter, part):  # type: ignore[no-untyped-def]
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
                for i in range(REGISTERS - is_twice)
            ]
            if is_twice:
                levels.insert(0, ir.Constant(PART.llvm, None))
            halves = emit_halves(context, builder, levels)
            return context.make_tuple(builder, sig.return_type, halves)

        return COUNTER(counter, types.intp), codegen

    return kept


#: Return the levels that were put aside.
kept = _kept(False)

#: Return those of twice the sum.
kept_twice = _kept(True)


def emit_flush(context: Any, builder: Any, array: Any, args: Any, high: Any) -> None:
    """Add `high` to the levels in memory, in LLVM.

    It goes through memory to a function of its own: that is rare, and compiled once.
    """
    counter, part = args[:2]
    for i, each in enumerate(high):
        at = _emit_kept_at(builder, HALF + i, part)
        emit_store(context, builder, array, counter, at, each)
    _emit_call(context, builder, array, args)


def _emit_call(context: Any, builder: Any, array: Any, args: Any) -> None:
    """Call the function that adds what was put aside to the levels in memory."""
    counter, part, base, width = args
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


@intrinsic
def flush(typingctx, counter, part, base, width):  # type: ignore[no-untyped-def]
    """Add the half `high` of what was put aside to the levels in memory.

    It is 0 afterwards.
    """

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        _emit_call(context, builder, sig.args[0], args)
        nothing = ir.Constant(PART.llvm, None)
        for i in range(HALF, REGISTERS):
            at = _emit_kept_at(builder, i, args[1])
            emit_store(context, builder, sig.args[0], args[0], at, nothing)
        return context.get_dummy_value()

    numbers = (types.intp,) * 3
    return types.void(counter, *numbers), codegen


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
        builder.add(base, constant(REGISTERS)),
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
def close_sum(typingctx, counter, part, base, width, high):  # type: ignore[no-untyped-def]
    """Add `high` to the levels in memory, if the sum has any."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        *others, high = args
        width = others[-1]
        is_long = builder.icmp_signed(">", width, ir.Constant(width.type, REGISTERS))
        with builder.if_then(is_long):
            high = cgutils.unpack_tuple(builder, high)
            emit_flush(context, builder, sig.args[0], others, high)
        return context.get_dummy_value()

    numbers = (types.intp,) * 3
    return types.void(counter, *numbers, high), codegen


def emit_clear(
    context: Any, builder: Any, array: Any, args: Any, first: Any, stop: Any
) -> None:
    """Make the levels in memory from `first` to `stop` 0, in LLVM."""
    counter, own = args
    nothing = ir.Constant(VECTOR.llvm, None)
    one = ir.Constant(first.type, 1)
    with cgutils.for_range_slice(builder, first, stop, one) as (level, _):
        at = emit_at(builder, level, own)
        emit_store(context, builder, array, counter, at, nothing)


@intrinsic
def clear_levels(typingctx, counter, own, first, stop):  # type: ignore[no-untyped-def]
    """Make levels in memory 0."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        *where, first, stop = args
        emit_clear(context, builder, sig.args[0], where, first, stop)
        return context.get_dummy_value()

    numbers = (types.intp,) * 3
    return types.void(counter, *numbers), codegen


@intrinsic
def at_least(typingctx, counter, part, base, width, low, high, threshold):  # type: ignore[no-untyped-def]
    """Return where the sum reaches a threshold, from the lowest bit upwards.

    Of sums of more than eight bits, `high` is in the levels in memory.
    """

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        counter, part, base, width, low, high, threshold = args
        low, high = (cgutils.unpack_tuple(builder, half) for half in (low, high))
        word = ir.IntType(64)

        def step(level: Any, bit: Any, reached: Any) -> Any:
            is_zero = builder.icmp_unsigned("==", bit, ir.Constant(PART.llvm, None))
            not_bit = builder.sext(is_zero, PART.llvm)
            return emit_majority(context, builder, level, not_bit, reached)

        def level(i: Any) -> Any:
            at = emit_at(builder, builder.add(base, i), part)
            return emit_load(context, builder, sig.args[0], counter, at, PART.llvm)

        bits = emit_splat(builder, threshold, PART.llvm)

        def bit(i: int) -> Any:
            ones = ir.Constant(PART.llvm, [ir.Constant(word, 2**i)] * PART_WORDS)
            return builder.and_(bits, ones)

        reached = ir.Constant(PART.llvm, [ir.Constant(word, -1)] * PART_WORDS)
        for i, each in enumerate(low):
            reached = step(each, bit(i), reached)
        found = cgutils.alloca_once_value(builder, reached)
        is_short = builder.icmp_signed("<=", width, ir.Constant(width.type, REGISTERS))
        with builder.if_else(is_short) as (short, long):
            with short:
                for i, each in enumerate(high, HALF):
                    reached = step(each, bit(i), reached)
                builder.store(reached, found)
            with long:
                reached = builder.load(found)
                for i in range(HALF, UNROLLED):
                    reached = step(level(ir.Constant(width.type, i)), bit(i), reached)
                builder.store(reached, found)
                with cgutils.for_range_slice(
                    builder,
                    ir.Constant(width.type, UNROLLED),
                    width,
                    ir.Constant(width.type, 1),
                ) as (i, _):
                    one = builder.and_(builder.lshr(threshold, i), ir.Constant(word, 1))
                    one = emit_splat(builder, one, PART.llvm)
                    reached = step(level(i), one, builder.load(found))
                    builder.store(reached, found)
        return builder.load(found)

    numbers = (types.intp,) * 3
    return PART(counter, *numbers, low, high, types.int64), codegen
