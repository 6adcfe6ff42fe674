"""Carry-save adders of eight and sixteen vectors, each a single step for Numba.

What Numba takes for each operation that it sees is most of the time of compiling a
kernel; here it sees one for some fifty. LLVM gets the same instructions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .vector import VECTOR, emit_load_row, emit_majority, emit_splat

__all__ = ["add_eight", "add_sixteen", "complement", "complement_first", "eight_rows"]

_EIGHT = types.UniTuple(VECTOR, 8)
_LOW = types.UniTuple(VECTOR, 4)


@intrinsic
def eight_rows(typingctx, planes, first, rows, position):  # type: ignore[no-untyped-def]
    """Read the vectors of eight rows, numbered by `rows` from `position` on."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        planes, first, rows, position = args
        places = [
            builder.add(position, ir.Constant(position.type, i)) for i in range(8)
        ]
        found = [
            emit_load_row(context, builder, sig.args, (planes, first, rows, place))
            for place in places
        ]
        return context.make_tuple(builder, sig.return_type, found)

    return _EIGHT(planes, types.intp, rows, types.intp), codegen


@intrinsic
def complement(typingctx, x):  # type: ignore[no-untyped-def]
    """Complement eight vectors."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        found = [builder.not_(each) for each in cgutils.unpack_tuple(builder, args[0])]
        return context.make_tuple(builder, sig.return_type, found)

    return _EIGHT(_EIGHT), codegen


@intrinsic
def complement_first(typingctx, x, number):  # type: ignore[no-untyped-def]
    """Complement the first `number` of eight vectors."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        found = []
        for i, each in enumerate(cgutils.unpack_tuple(builder, args[0])):
            is_first = builder.icmp_signed(">", args[1], ir.Constant(args[1].type, i))
            mask = builder.sext(is_first, ir.IntType(64))
            found.append(builder.xor(each, emit_splat(builder, mask, each.type)))
        return context.make_tuple(builder, sig.return_type, found)

    return _EIGHT(_EIGHT, types.intp), codegen


def _emit_eight(
    context: Any, builder: Any, x: Sequence[Any], levels: Sequence[Any]
) -> tuple[Any, ...]:
    """Add eight bits to three levels; return them and the carry of weight 8.

    The inputs are added to each other first, so that only the last adder of the ones
    has to wait for the group before.
    """

    def add(a: Any, b: Any, c: Any) -> tuple[Any, Any]:
        sum_ = builder.xor(builder.xor(a, b), c)
        return sum_, emit_majority(context, builder, a, b, c)

    ones, twos, fours = levels
    one, two_a = add(x[0], x[1], x[2])
    one, two_b = add(one, x[3], x[4])
    twos, four_a = add(two_a, two_b, twos)
    one, two_a = add(one, x[5], x[6])
    ones, two_b = add(one, x[7], ones)
    twos, four_b = add(two_a, two_b, twos)
    fours, eight = add(four_a, four_b, fours)
    return ones, twos, fours, eight


def _with_carry(context: Any, builder: Any, sig: Any, low: Any, carry: Any) -> Any:
    low = context.make_tuple(builder, _LOW, low)
    return context.make_tuple(builder, sig.return_type, (low, carry))


@intrinsic
def add_eight(typingctx, x, low):  # type: ignore[no-untyped-def]
    """Add eight bits to the levels in registers; return them and the carry."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        x, (*levels, eights) = (cgutils.unpack_tuple(builder, each) for each in args)
        *levels, eight = _emit_eight(context, builder, x, levels)
        low = (*levels, builder.xor(eights, eight))
        return _with_carry(context, builder, sig, low, builder.and_(eights, eight))

    return types.Tuple((_LOW, VECTOR))(_EIGHT, _LOW), codegen


@intrinsic
def add_sixteen(typingctx, x, y, low):  # type: ignore[no-untyped-def]
    """Add twice eight bits to the levels in registers; return them and the carry."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        x, y, (*levels, eights) = (cgutils.unpack_tuple(builder, each) for each in args)
        *levels, eight_a = _emit_eight(context, builder, x, levels)
        *levels, eight_b = _emit_eight(context, builder, y, levels)
        carry = emit_majority(context, builder, eight_a, eight_b, eights)
        sum_ = builder.xor(builder.xor(eight_a, eight_b), eights)
        return _with_carry(context, builder, sig, (*levels, sum_), carry)

    return types.Tuple((_LOW, VECTOR))(_EIGHT, _EIGHT, _LOW), codegen
