"""A counter of bits: carry-save addition of vectors of bits.

A vector holds one bit of `64 * N_WORDS` samples. A full adder turns three vectors
of the same weight into their sum and a carry of twice the weight, so sixteen inputs
take fifteen adders to become one vector of weight 16 (Harley and Seal's counter).
Those vectors are added like the digits of a binary counter: at each level one
waits in `pending` for the next one, and the two go through one more adder. In all
that is one full adder per input, and no ripple.

Codes of several bits. Planes go from the highest bit to the lowest. Between two of
them the counter is doubled, which only shifts the levels up by one.
"""

from __future__ import annotations

import numpy as np

from .vector import N_WORDS, broadcast, inlined, load, load_row, majority, store

__all__ = [
    "COUNTER_WORDS",
    "FIRST_BASE",
    "LEVELS",
    "MASKS",
    "MEMORY_LEVEL",
    "ONES",
    "ZEROS",
    "add_carry",
    "add_eight",
    "add_sixteen",
    "double",
    "eight_rows",
    "final_sum",
]

#: Levels below this one are in registers, those from it on in memory.
MEMORY_LEVEL = 4

#: Levels of a counter: sums are below 2**24, and doubling moves the base down by
#: one for each plane.
LEVELS = 40
FIRST_BASE = 8
_PENDING = LEVELS * N_WORDS
COUNTER_WORDS = 2 * _PENDING

ZEROS = np.uint64(0)
ONES = np.uint64(0xFFFFFFFFFFFFFFFF)

#: The complement of a bit, in all 64 places.
MASKS = np.array([ONES, ZEROS])


@inlined
def _add_eight(x, ones, twos, fours):  # type: ignore[no-untyped-def]
    """Add eight bits to three levels; return them and the carry of weight 8.

    The inputs are added to each other first, so that only the last adder of the ones
    has to wait for the group before.
    """
    one, two_a = x[0] ^ x[1] ^ x[2], majority(x[0], x[1], x[2])
    one, two_b = one ^ x[3] ^ x[4], majority(one, x[3], x[4])
    four_a = majority(two_a, two_b, twos)
    twos = two_a ^ two_b ^ twos
    one, two_a = one ^ x[5] ^ x[6], majority(one, x[5], x[6])
    two_b = majority(one, x[7], ones)
    ones = one ^ x[7] ^ ones
    four_b = majority(two_a, two_b, twos)
    twos = two_a ^ two_b ^ twos
    eight = majority(four_a, four_b, fours)
    fours = four_a ^ four_b ^ fours
    return ones, twos, fours, eight


@inlined
def add_eight(x, low):  # type: ignore[no-untyped-def]
    """Add eight bits to the levels in registers; return them and the carry."""
    ones, twos, fours, eights = low
    ones, twos, fours, eight = _add_eight(x, ones, twos, fours)
    return (ones, twos, fours, eights ^ eight), eights & eight


@inlined
def add_sixteen(x, y, low):  # type: ignore[no-untyped-def]
    """Add twice eight bits to the levels in registers; return them and the carry."""
    ones, twos, fours, eights = low
    ones, twos, fours, eight_a = _add_eight(x, ones, twos, fours)
    ones, twos, fours, eight_b = _add_eight(y, ones, twos, fours)
    carry = majority(eight_a, eight_b, eights)
    return (ones, twos, fours, eight_a ^ eight_b ^ eights), carry


@inlined
def eight_rows(planes, first, rows, position):  # type: ignore[no-untyped-def]
    """Read the vectors of eight rows, numbered by `rows` from `position` on."""
    return (
        load_row(planes, first, rows, position),
        load_row(planes, first, rows, position + 1),
        load_row(planes, first, rows, position + 2),
        load_row(planes, first, rows, position + 3),
        load_row(planes, first, rows, position + 4),
        load_row(planes, first, rows, position + 5),
        load_row(planes, first, rows, position + 6),
        load_row(planes, first, rows, position + 7),
    )


@inlined
def add_carry(counter, base, n_carries, carry):  # type: ignore[no-untyped-def]
    """Add a carry of weight 16 after `n_carries` others.

    Like the digits of `n_carries`, level by level: a 1 means that a vector waits.
    """
    at = (base + MEMORY_LEVEL) * N_WORDS
    while n_carries & 1:
        sum_ = load(counter, at)
        waiting = load(counter, _PENDING + at)
        store(counter, at, sum_ ^ waiting ^ carry)
        carry = majority(sum_, waiting, carry)
        at += N_WORDS
        n_carries >>= 1
    store(counter, _PENDING + at, carry)


@inlined
def double(counter, base, low):  # type: ignore[no-untyped-def]
    """Shift the levels below `MEMORY_LEVEL` up by one; the base moves down."""
    ones, twos, fours, eights = low
    store(counter, (base - 1 + MEMORY_LEVEL) * N_WORDS, eights)
    return broadcast(ZEROS), ones, twos, fours


@inlined
def final_sum(counter, base, width, low, n_carries):  # type: ignore[no-untyped-def]
    """Add the vectors that still wait; leave the sum in levels `base` and up."""
    store(counter, base * N_WORDS, low[0])
    store(counter, (base + 1) * N_WORDS, low[1])
    store(counter, (base + 2) * N_WORDS, low[2])
    store(counter, (base + 3) * N_WORDS, low[3])
    carry = broadcast(ZEROS)
    for level in range(base + MEMORY_LEVEL, base + width):
        at = level * N_WORDS
        sum_ = load(counter, at)
        if n_carries & 1:
            waiting = load(counter, _PENDING + at)
            store(counter, at, sum_ ^ waiting ^ carry)
            carry = majority(sum_, waiting, carry)
        else:
            store(counter, at, sum_ ^ carry)
            carry = sum_ & carry
        n_carries >>= 1
