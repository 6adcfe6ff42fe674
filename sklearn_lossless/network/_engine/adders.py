"""Carry-save adders of eight and sixteen parts of rows, each one step for Numba.

What Numba takes for each operation that it sees is most of the time of compiling a
kernel; here it sees one for some fifty. LLVM gets the same instructions.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .vector import PART, PART_WORDS, emit_load, emit_load_row, emit_majority

__all__ = [
    "COUNTER",
    "FIRST",
    "HALF",
    "add_eight",
    "add_sixteen",
    "add_sixteen_complements",
    "complement",
    "complement_first",
    "eight_rows",
    "emit_add",
    "emit_halves",
]

_EIGHT = types.UniTuple(PART, 8)
#: Levels of a counter that are added to at once, `low` and `high`.
HALF = 4
_FOUR = types.UniTuple(PART, HALF)
COUNTER = types.Tuple((_FOUR, _FOUR))

#: Masks for `complement_first`: eight times ones, then as many zeros.
FIRST = np.repeat(np.array([-1, 0]).view(np.uint64), 8 * PART_WORDS)


@intrinsic
def eight_rows(typingctx, planes, first, rows, position):  # type: ignore[no-untyped-def]
    """Read the vectors of eight rows, numbered by `rows` from `position` on."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        planes, first, rows, position = args
        places = [
            builder.add(position, ir.Constant(position.type, i)) for i in range(8)
        ]
        found = [
            emit_load_row(
                context, builder, sig.args, (planes, first, rows, place), PART.llvm
            )
            for place in places
        ]
        return context.make_tuple(builder, sig.return_type, found)

    return _EIGHT(planes, types.intp, rows, types.intp), codegen


@intrinsic
def complement(typingctx, x):  # type: ignore[no-untyped-def]
    """Complement a tuple of vectors."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        found = [builder.not_(each) for each in cgutils.unpack_tuple(builder, args[0])]
        return context.make_tuple(builder, sig.return_type, found)

    return x(x), codegen


@intrinsic
def complement_first(typingctx, x, masks, number):  # type: ignore[no-untyped-def]
    """Complement the first `number` of eight vectors; `masks` are `FIRST`.

    The number may be below 0 and above 8.
    """

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        x, masks, number = args
        zero, eight = (ir.Constant(number.type, n) for n in (0, 8))
        number = builder.select(builder.icmp_signed("<", number, zero), zero, number)
        number = builder.select(builder.icmp_signed(">", number, eight), eight, number)
        first = builder.sub(eight, number)
        found = []
        for i, each in enumerate(cgutils.unpack_tuple(builder, x)):
            place = builder.add(first, ir.Constant(first.type, i))
            at = builder.mul(place, ir.Constant(place.type, PART_WORDS))
            mask = emit_load(context, builder, sig.args[1], masks, at, PART.llvm)
            found.append(builder.xor(each, mask))
        return context.make_tuple(builder, sig.return_type, found)

    return x(x, masks, types.intp), codegen


def emit_halves(context: Any, builder: Any, levels: Sequence[Any]) -> list[Any]:
    """Return `low` and `high` of eight levels."""
    parts = levels[:HALF], levels[HALF:]
    return [context.make_tuple(builder, _FOUR, part) for part in parts]


def emit_add(context: Any, builder: Any, a: Any, b: Any, c: Any) -> tuple[Any, Any]:
    """Return sum and carry of three vectors."""
    sum_ = builder.xor(builder.xor(a, b), c)
    return sum_, emit_majority(context, builder, a, b, c)


def _emit_eight(
    context: Any, builder: Any, x: Sequence[Any], levels: Sequence[Any]
) -> tuple[Any, ...]:
    """Add eight bits to three levels; return them and the carry of weight 8.

    The inputs are added to each other first, so that only the last adder of the ones
    has to wait for the group before.
    """
    add = partial(emit_add, context, builder)
    ones, twos, fours = levels
    one_a, two_a = add(x[0], x[1], x[2])
    one_b, two_b = add(x[3], x[4], x[5])
    twos, four_a = add(two_a, two_b, twos)
    one_c, two_a = add(x[6], x[7], ones)
    ones, two_b = add(one_a, one_b, one_c)
    twos, four_b = add(two_a, two_b, twos)
    fours, eight = add(four_a, four_b, fours)
    return ones, twos, fours, eight


def _with_carry(
    context: Any, builder: Any, sig: Any, low: Any, carry: Any, high: Any
) -> Any:
    """Ripple the carry of weight 16 through `high`; return `low` and `high`."""
    rippled = []
    for level in cgutils.unpack_tuple(builder, high):
        rippled.append(builder.xor(level, carry))
        carry = builder.and_(level, carry)
    halves = emit_halves(context, builder, [*low, *rippled])
    return context.make_tuple(builder, sig.return_type, halves)


@intrinsic
def add_eight(typingctx, x, low, high):  # type: ignore[no-untyped-def]
    """Add eight bits to a counter of eight levels, the four lowest in `low`."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        x, (*levels, eights) = (cgutils.unpack_tuple(builder, a) for a in args[:2])
        *levels, eight = _emit_eight(context, builder, x, levels)
        low = *levels, builder.xor(eights, eight)
        carry = builder.and_(eights, eight)
        return _with_carry(context, builder, sig, low, carry, args[2])

    return COUNTER(_EIGHT, _FOUR, _FOUR), codegen


def _add_sixteen(is_complement: bool) -> Any:
    @intrinsic
    def add(typingctx, x, y, low, high):  # type: ignore[no-untyped-def]
        def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
            x, y, low, high = (
                *map(partial(cgutils.unpack_tuple, builder), args[:3]),
                args[3],
            )
            *levels, eights = low
            *levels, eight_a = _emit_eight(context, builder, x, levels)
            *levels, eight_b = _emit_eight(context, builder, y, levels)
            eights, carry = emit_add(context, builder, eight_a, eight_b, eights)
            if is_complement:
                carry = builder.not_(carry)
            low = *levels, eights
            return _with_carry(context, builder, sig, low, carry, high)

        return COUNTER(_EIGHT, _EIGHT, _FOUR, _FOUR), codegen

    return add


#: Add twice eight bits to a counter of eight levels, as `add_eight` does.
add_sixteen = _add_sixteen(False)

#: Add the complements of sixteen bits; `low` is complemented, before and after: an
#: adder of complements gives the complements of sum and carry.
add_sixteen_complements = _add_sixteen(True)
