"""A counter of bits: carry-save addition of vectors of bits.

A vector holds one bit of `64 * N_WORDS` sums. A full adder turns three vectors
of the same weight into their sum and a carry of twice the weight, so eight inputs
take seven adders to become one vector of weight 8 (Harley and Seal's counter).
Those vectors are added like the digits of a binary counter: at each level one
waits in `pending` for the next one, and the two go through one more adder. In all
that is one full adder, five instructions, per input, and no ripple.

Codes of several bits. Planes go from the highest bit to the lowest. Between two of
them the counter is doubled, which only shifts the levels up by one.
"""

from __future__ import annotations

import numpy as np

from .vector import N_WORDS, broadcast, kernel, load, load_row, store

__all__ = [
    "COUNTER_WORDS",
    "FIRST_BASE",
    "GROUP_LEVEL",
    "LEVELS",
    "MASKS",
    "ONES",
    "ZEROS",
    "add_carry",
    "add_eight",
    "complement",
    "eight_rows",
    "final_sum",
    "majority",
]

#: A group of inputs puts out a carry of weight ``GROUP = 2**GROUP_LEVEL``.
GROUP_LEVEL = 3

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


@kernel
def majority(a, b, c):  # type: ignore[no-untyped-def]
    """Return the carry of ``a + b + c``; their sum is ``a ^ b ^ c``."""
    return (a & b) | ((a ^ b) & c)


@kernel
def add_eight(x, ones, twos, fours):  # type: ignore[no-untyped-def]
    """Add eight bits to a counter; return it and the carry of weight 8."""
    two_a = majority(x[0], x[1], ones)
    ones = (x[0] ^ x[1]) ^ ones
    two_b = majority(x[2], x[3], ones)
    ones = (x[2] ^ x[3]) ^ ones
    four_a = majority(two_a, two_b, twos)
    twos = (two_a ^ two_b) ^ twos
    two_a = majority(x[4], x[5], ones)
    ones = (x[4] ^ x[5]) ^ ones
    two_b = majority(x[6], x[7], ones)
    ones = (x[6] ^ x[7]) ^ ones
    four_b = majority(two_a, two_b, twos)
    twos = (two_a ^ two_b) ^ twos
    eight = majority(four_a, four_b, fours)
    fours = (four_a ^ four_b) ^ fours
    return ones, twos, fours, eight


@kernel
def eight_rows(planes, base, rows, position):  # type: ignore[no-untyped-def]
    """Read the vectors of eight rows, numbered by `rows` from `position` on."""
    return (
        load_row(planes, base, rows, position),
        load_row(planes, base, rows, position + 1),
        load_row(planes, base, rows, position + 2),
        load_row(planes, base, rows, position + 3),
        load_row(planes, base, rows, position + 4),
        load_row(planes, base, rows, position + 5),
        load_row(planes, base, rows, position + 6),
        load_row(planes, base, rows, position + 7),
    )


@kernel
def add_carry(counter, level, n_groups, eight):  # type: ignore[no-untyped-def]
    """Add a carry of weight 8 after `n_groups` others.

    Like the digits of `n_groups`, level by level: a 1 means that a vector waits.
    """
    at = level * N_WORDS
    while n_groups & 1:
        sum_ = load(counter, at)
        waiting = load(counter, _PENDING + at)
        store(counter, at, sum_ ^ waiting ^ eight)
        eight = majority(sum_, waiting, eight)
        at += N_WORDS
        n_groups >>= 1
    store(counter, _PENDING + at, eight)


@kernel
def complement(counter, level, stop):  # type: ignore[no-untyped-def]
    """Complement the vectors of some levels, also those that wait."""
    for at in range(level * N_WORDS, stop * N_WORDS, N_WORDS):
        store(counter, at, ~load(counter, at))
        store(counter, _PENDING + at, ~load(counter, _PENDING + at))


@kernel
def final_sum(counter, base, width, n_groups, ones, twos, fours):  # type: ignore[no-untyped-def]
    """Add the vectors that still wait; leave the sum in levels `base` and up."""
    store(counter, base * N_WORDS, ones)
    store(counter, (base + 1) * N_WORDS, twos)
    store(counter, (base + 2) * N_WORDS, fours)
    carry = broadcast(ZEROS)
    for level in range(base + GROUP_LEVEL, base + width):
        at = level * N_WORDS
        sum_ = load(counter, at)
        if n_groups & 1:
            waiting = load(counter, _PENDING + at)
            store(counter, at, (sum_ ^ waiting) ^ carry)
            carry = majority(sum_, waiting, carry)
        else:
            store(counter, at, sum_ ^ carry)
            carry = sum_ & carry
        n_groups >>= 1
