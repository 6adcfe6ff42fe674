"""Sums that are made in one go, in the counter of `counter`.

Where a kernel adds all inputs of one part before it turns to the next, the levels stay
in registers from the first plane to the last. `most` bounds what they hold.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .adders import HALF, emit_halves
from .counter import (
    FIRST_BASE,
    MOST,
    MOST_LOW,
    REGISTERS,
    emit_at,
    emit_clear,
    emit_flush,
)
from .vector import PART, emit_store

__all__ = ["double", "make_room", "start_sum", "store_sum"]


@intrinsic
def start_sum(typingctx, counter, width):  # type: ignore[no-untyped-def]
    """Make a sum of `width` bits 0, in both parts; return its `most`."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        counter, width = args

        def constant(number: int) -> Any:
            return ir.Constant(width.type, number)

        is_short = builder.icmp_signed("<=", width, constant(REGISTERS))
        stop = builder.select(is_short, constant(0), width)
        first = constant(FIRST_BASE + HALF)
        stop = builder.add(stop, constant(FIRST_BASE))
        where = counter, constant(0)
        emit_clear(context, builder, sig.args[0], where, first, stop)
        # For ever below any bound, or nothing yet.
        return builder.select(is_short, constant(-(2**40)), constant(0))

    return types.intp(counter, types.intp), codegen


def _emit_room(
    context: Any, builder: Any, array: Any, others: Any, high: Any, most: Any, more: Any
) -> tuple[Any, Any]:
    """Return `high` and `most` with room for inputs that add up to `more`, in LLVM."""
    before = builder.block
    bound = builder.sub(ir.Constant(most.type, MOST), more)
    is_full = builder.icmp_signed(">", most, bound)
    with builder.if_then(is_full, likely=False):
        emit_flush(context, builder, array, others, high)
        flushed = builder.block
    found = []
    for each in high:
        phi = builder.phi(each.type)
        phi.add_incoming(each, before)
        phi.add_incoming(ir.Constant(each.type, None), flushed)
        found.append(phi)
    bound = builder.phi(most.type)
    bound.add_incoming(most, before)
    bound.add_incoming(ir.Constant(most.type, MOST_LOW), flushed)
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
        at = emit_at(builder, level, part)
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
                at = emit_at(builder, level, part)
                emit_store(context, builder, array, counter, at, each)

        put(low, 0)
        is_short = builder.icmp_signed("<=", width, ir.Constant(width.type, REGISTERS))
        with builder.if_else(is_short) as (short, long):
            with short:
                put(high, HALF)
            with long:
                emit_flush(context, builder, array, args[:4], high)
        return context.get_dummy_value()

    numbers = (types.intp,) * 3
    return types.void(counter, *numbers, low, high), codegen
