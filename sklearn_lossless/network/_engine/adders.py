"""Carry-save adders of eight and sixteen parts of rows, each one step for Numba.

What Numba takes for each operation that it sees is most of the time of compiling a
kernel; here it sees one for some hundred. LLVM gets the same instructions.

Two bits of the same weight go together from the inputs up to the highest level: two
such pairs and the bit that a level has make its new bit and one pair of carries. Where
there is an instruction for any function of three bits, a pair is two bits, and that is
two full adders of two instructions each. Elsewhere a pair is one bit and whether the
other differs, which takes eight operations instead of the ten of two full adders
(Demenkov, Kojevnikov, Kulikov, Yaroslavtsev: New upper bounds on the Boolean circuit
complexity of symmetric functions, Information Processing Letters 110, 2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .vector import (
    PART,
    PART_WORDS,
    emit_load,
    emit_load_row,
    emit_majority,
    has_ternary_logic,
)

__all__ = [
    "COUNTER",
    "FIRST",
    "HALF",
    "add_complements",
    "add_eight",
    "add_eight_mixed",
    "add_mixed",
    "add_sixteen",
    "complement",
    "emit_add",
    "emit_halves",
]

#: Levels of a counter that are added to at once, `low` and `high`.
HALF = 4
_FOUR = types.UniTuple(PART, HALF)
COUNTER = types.Tuple((_FOUR, _FOUR))

_MOST_ROWS = 2**HALF

#: Masks for mixed rows: so many times ones, then as many zeros.
FIRST = np.repeat(np.array([-1, 0]).view(np.uint64), _MOST_ROWS * PART_WORDS)


@intrinsic
def complement(typingctx, x):  # type: ignore[no-untyped-def]
    """Complement a tuple of vectors."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        found = [builder.not_(each) for each in cgutils.unpack_tuple(builder, args[0])]
        return context.make_tuple(builder, sig.return_type, found)

    return x(x), codegen


def emit_halves(context: Any, builder: Any, levels: Sequence[Any]) -> list[Any]:
    """Return `low` and `high` of eight levels."""
    parts = levels[:HALF], levels[HALF:]
    return [context.make_tuple(builder, _FOUR, part) for part in parts]


def emit_add(context: Any, builder: Any, a: Any, b: Any, c: Any) -> tuple[Any, Any]:
    """Return sum and carry of three vectors."""
    sum_ = builder.xor(builder.xor(a, b), c)
    return sum_, emit_majority(context, builder, a, b, c)


class _Bits:
    """Pairs of bits as they are, and their sums."""

    def __init__(self, context: Any, builder: Any) -> None:
        self._context, self._builder = context, builder

    def pair(self, a: Any, b: Any) -> tuple[Any, Any]:
        return a, b

    def add_pair(self, bit: Any, pair: tuple[Any, Any]) -> tuple[Any, Any]:
        """Return sum and carry."""
        return emit_add(self._context, self._builder, bit, *pair)

    def add_pairs(
        self, bit: Any, first: tuple[Any, Any], second: tuple[Any, Any]
    ) -> tuple[Any, tuple[Any, Any]]:
        """Return the sum and a pair of carries."""
        bit, carry = self.add_pair(bit, first)
        bit, other = self.add_pair(bit, second)
        return bit, (carry, other)


class _Differences(_Bits):
    """Pairs of one bit and whether the other differs."""

    def pair(self, a: Any, b: Any) -> tuple[Any, Any]:
        return a, self._builder.xor(a, b)

    def add_pair(self, bit: Any, pair: tuple[Any, Any]) -> tuple[Any, Any]:
        sum_, _, carry = self._add(bit, pair)
        return sum_, carry

    def add_pairs(
        self, bit: Any, first: tuple[Any, Any], second: tuple[Any, Any]
    ) -> tuple[Any, tuple[Any, Any]]:
        builder = self._builder
        sum_, either, carry = self._add(bit, first)
        a, differs = second
        both = builder.and_(builder.xor(sum_, a), builder.not_(differs))
        return builder.xor(sum_, differs), (carry, builder.xor(either, both))

    def _add(self, bit: Any, pair: tuple[Any, Any]) -> tuple[Any, Any, Any]:
        builder = self._builder
        a, differs = pair
        sum_ = builder.xor(bit, differs)
        either = builder.or_(builder.xor(bit, a), differs)
        return sum_, either, builder.xor(sum_, either)


def _emit_inputs(
    context: Any, builder: Any, x: Sequence[Any], levels: list[Any], is_minus: bool
) -> None:
    """Add 2**n bits to the n lowest levels, and their carry to those above."""
    bits = (_Bits if has_ternary_logic(context) else _Differences)(context, builder)
    n = len(x).bit_length() - 1

    def pair(level: int, number: int) -> tuple[Any, Any]:
        if level == 0:
            return bits.pair(x[2 * number], x[2 * number + 1])
        below = level - 1
        first, second = pair(below, 2 * number), pair(below, 2 * number + 1)
        levels[below], carries = bits.add_pairs(levels[below], first, second)
        return carries

    levels[n - 1], carry = bits.add_pair(levels[n - 1], pair(n - 1, 0))
    if is_minus:
        carry = builder.not_(carry)
    for level in range(n, len(levels)):
        old = levels[level]
        levels[level], carry = builder.xor(old, carry), builder.and_(old, carry)


def _emit_mixed(
    context: Any, builder: Any, masks_type: Any, masks: Any, x: Any, number: Any
) -> list[Any]:
    """Complement the first `number` of vectors; `masks` are `FIRST`."""
    for predicate, bound in (("<", 0), (">", len(x))):
        limit = ir.Constant(number.type, bound)
        is_beyond = builder.icmp_signed(predicate, number, limit)
        number = builder.select(is_beyond, limit, number)
    first = builder.sub(ir.Constant(number.type, _MOST_ROWS), number)
    found = []
    for i, each in enumerate(x):
        place = builder.add(first, ir.Constant(first.type, i))
        at = builder.mul(place, ir.Constant(place.type, PART_WORDS))
        mask = emit_load(context, builder, masks_type, masks, at, PART.llvm)
        found.append(builder.xor(each, mask))
    return found


def _emit_adder(
    context: Any, builder: Any, sig: Any, args: Any, n_rows: int, is_minus: bool = False
) -> Any:
    """Write the adder of so many rows; return `low` and `high`."""
    (*where, position, low, high), mixed = args[:6], args[6:]
    x = []
    for i in range(n_rows):
        at = builder.add(position, ir.Constant(position.type, i))
        x.append(emit_load_row(context, builder, sig.args, (*where, at), PART.llvm))
    if mixed:
        masks, number = mixed
        x = _emit_mixed(context, builder, sig.args[6], masks, x, number)
    levels = [v for half in (low, high) for v in cgutils.unpack_tuple(builder, half)]
    _emit_inputs(context, builder, x, levels, is_minus)
    halves = emit_halves(context, builder, levels)
    return context.make_tuple(builder, sig.return_type, halves)


def _adder(n_rows: int, is_minus: bool = False) -> Any:
    @intrinsic
    def add(typingctx, planes, first, rows, position, low, high):  # type: ignore[no-untyped-def]
        def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
            return _emit_adder(context, builder, sig, args, n_rows, is_minus)

        return COUNTER(planes, types.intp, rows, types.intp, _FOUR, _FOUR), codegen

    return add


def _mixed_adder(n_rows: int) -> Any:
    @intrinsic
    def add(typingctx, planes, first, rows, position, low, high, masks, number):  # type: ignore[no-untyped-def]
        def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
            return _emit_adder(context, builder, sig, args, n_rows)

        where = types.intp, rows, types.intp
        return COUNTER(planes, *where, _FOUR, _FOUR, masks, types.intp), codegen

    return add


#: Add the vectors of rows, numbered by `rows` from `position` on, to a counter of eight
#: levels.
add_eight = _adder(8)
add_sixteen = _adder(16)

#: Add the complements of sixteen; `low` is complemented, before and after: an adder of
#: complements gives the complements of sum and carry.
add_complements = _adder(16, is_minus=True)

#: Add the complements of the first ones, so many as `number` says, and the others. It
#: may be below 0 and above all; `masks` are `FIRST`.
add_eight_mixed = _mixed_adder(8)
add_mixed = _mixed_adder(16)
