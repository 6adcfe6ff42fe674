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

from .vector import N_WORDS, broadcast, inlined, load, majority, store

__all__ = [
    "COUNTER_WORDS",
    "FIRST_BASE",
    "LEVELS",
    "MASKS",
    "MEMORY_LEVEL",
    "ONES",
    "ZEROS",
    "add_carry",
    "double",
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
