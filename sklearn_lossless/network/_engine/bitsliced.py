"""The layer kernel on bit planes: carry-save addition of one-bit inputs.

A vector holds one bit of `64 * N_WORDS` samples. A full adder turns three vectors
of the same weight into their sum and a carry of twice the weight, so eight inputs
take seven adders to become one vector of weight 8 (Harley and Seal's counter).
Those vectors are added like the digits of a binary counter: at each level one
waits in `pending` for the next one, and the two go through one more adder. In all
that is one full adder, five instructions, per input, and no ripple.

Subtracted inputs. Adding NOT x instead of subtracting x turns every sum into
``sum + (largest code) * (number of subtracted inputs)``, never negative, and the
constant goes into the thresholds. A full adder whose three inputs are complemented
puts out the complements of its outputs; so, rather than complementing each input
of a run of subtracted ones, the kernel complements the counter before and after.

Codes of several bits. Planes go from the highest bit to the lowest. Between two of
them the counter is doubled, which only shifts the levels up by one.
"""

from __future__ import annotations

import numpy as np

from .layer import GROUP, N_WORDS
from .vector import broadcast, kernel, load, load_row, store

__all__ = ["COUNTER_WORDS", "layer_on_planes"]

#: A group of inputs puts out a carry of weight ``GROUP = 2**_GROUP_LEVEL``.
_GROUP_LEVEL = 3

#: Levels of a counter: sums are below 2**24, and doubling moves the base down by
#: one for each plane.
_LEVELS = 40
_FIRST_BASE = 8
COUNTER_WORDS = 2 * _LEVELS * N_WORDS
_PENDING = _LEVELS * N_WORDS

_ZEROS = np.uint64(0)
_ONES = np.uint64(0xFFFFFFFFFFFFFFFF)

#: The complement of a bit, in all 64 places.
_MASKS = np.array([_ONES, _ZEROS])


@kernel
def _majority(a, b, c):  # type: ignore[no-untyped-def]
    """Return the carry of ``a + b + c``; their sum is ``a ^ b ^ c``."""
    return (a & b) | ((a ^ b) & c)


@kernel
def _add_eight(x, ones, twos, fours):  # type: ignore[no-untyped-def]
    """Add eight bits to a counter; return it and the carry of weight 8."""
    two_a = _majority(x[0], x[1], ones)
    ones = (x[0] ^ x[1]) ^ ones
    two_b = _majority(x[2], x[3], ones)
    ones = (x[2] ^ x[3]) ^ ones
    four_a = _majority(two_a, two_b, twos)
    twos = (two_a ^ two_b) ^ twos
    two_a = _majority(x[4], x[5], ones)
    ones = (x[4] ^ x[5]) ^ ones
    two_b = _majority(x[6], x[7], ones)
    ones = (x[6] ^ x[7]) ^ ones
    four_b = _majority(two_a, two_b, twos)
    twos = (two_a ^ two_b) ^ twos
    eight = _majority(four_a, four_b, fours)
    fours = (four_a ^ four_b) ^ fours
    return ones, twos, fours, eight


@kernel
def _eight_rows(planes, base, rows, position):  # type: ignore[no-untyped-def]
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
def _complement_first(x, n_minus):  # type: ignore[no-untyped-def]
    """Complement the first `n_minus` of eight vectors."""
    return (
        x[0] ^ broadcast(_MASKS[int(n_minus <= 0)]),
        x[1] ^ broadcast(_MASKS[int(n_minus <= 1)]),
        x[2] ^ broadcast(_MASKS[int(n_minus <= 2)]),
        x[3] ^ broadcast(_MASKS[int(n_minus <= 3)]),
        x[4] ^ broadcast(_MASKS[int(n_minus <= 4)]),
        x[5] ^ broadcast(_MASKS[int(n_minus <= 5)]),
        x[6] ^ broadcast(_MASKS[int(n_minus <= 6)]),
        x[7] ^ broadcast(_MASKS[int(n_minus <= 7)]),
    )


@kernel
def _carry(counter, level, n_groups, eight):  # type: ignore[no-untyped-def]
    """Add a carry of weight 8 after `n_groups` others.

    Like the digits of `n_groups`, level by level: a 1 means that a vector waits.
    """
    at = level * N_WORDS
    while n_groups & 1:
        sum_ = load(counter, at)
        waiting = load(counter, _PENDING + at)
        store(counter, at, sum_ ^ waiting ^ eight)
        eight = _majority(sum_, waiting, eight)
        at += N_WORDS
        n_groups >>= 1
    store(counter, _PENDING + at, eight)


@kernel
def _complement(counter, level, stop):  # type: ignore[no-untyped-def]
    for at in range(level * N_WORDS, stop * N_WORDS, N_WORDS):
        store(counter, at, ~load(counter, at))
        store(counter, _PENDING + at, ~load(counter, _PENDING + at))


@kernel
def _final_sum(counter, base, width, n_groups, ones, twos, fours):  # type: ignore[no-untyped-def]
    """Add the vectors that still wait; leave the sum in levels `base` and up."""
    store(counter, base * N_WORDS, ones)
    store(counter, (base + 1) * N_WORDS, twos)
    store(counter, (base + 2) * N_WORDS, fours)
    carry = broadcast(_ZEROS)
    for level in range(base + _GROUP_LEVEL, base + width):
        at = level * N_WORDS
        sum_ = load(counter, at)
        if n_groups & 1:
            waiting = load(counter, _PENDING + at)
            store(counter, at, (sum_ ^ waiting) ^ carry)
            carry = _majority(sum_, waiting, carry)
        else:
            store(counter, at, sum_ ^ carry)
            carry = sum_ & carry
        n_groups >>= 1


@kernel
def _at_least(counter, base, width, threshold, masks):  # type: ignore[no-untyped-def]
    """Return where the sum reaches a threshold, from the lowest bit upwards."""
    reached = broadcast(_ONES)
    for level in range(base, base + width):
        not_bit = broadcast(masks[threshold & 1])
        bit = load(counter, level * N_WORDS)
        reached = (bit & not_bit) | ((bit | not_bit) & reached)
        threshold >>= 1
    return reached


@kernel
def layer_on_planes(  # type: ignore[no-untyped-def]
    planes,
    n_bits,
    rows,
    n_minus,
    thresholds,
    flips,
    first_level,
    sum_bits,
    counter,
    n_out_bits,
    out,
):
    """Fill the planes `out` with the codes that a layer makes of `planes`.

    Parameters
    ----------
    planes, out : ndarray of uint64
        As made by `pack`.
    n_bits, n_out_bits : int
        Number of planes of either.
    rows, n_minus, thresholds, flips, first_level, sum_bits
        Those of `PreparedLayer`.
    counter : ndarray of shape (COUNTER_WORDS,), dtype uint64
        Scratch.
    """
    n_outputs, n_taps = rows.shape
    flat_rows = rows.reshape(rows.size)
    plane_words = planes.size // n_bits
    out_words = out.size // n_out_bits
    zero = broadcast(_ZEROS)
    for o in range(n_outputs):
        n_mixed = n_minus[o] % GROUP
        minus_stop = o * n_taps + n_minus[o] - n_mixed
        base = _FIRST_BASE
        for level in range(base + _GROUP_LEVEL, base + sum_bits):
            store(counter, level * N_WORDS, ~zero)
        ones = twos = fours = ~zero
        n_groups = 0
        for bit in range(n_bits - 1, -1, -1):
            plane = bit * plane_words
            level = base + _GROUP_LEVEL
            position = o * n_taps
            # The counter is complemented here.
            while position < minus_stop:
                x = _eight_rows(planes, plane, flat_rows, position)
                ones, twos, fours, eight = _add_eight(x, ones, twos, fours)
                _carry(counter, level, n_groups, eight)
                n_groups += 1
                position += GROUP
            _complement(counter, level, base + sum_bits)
            ones, twos, fours = ~ones, ~twos, ~fours
            if n_mixed:
                x = _complement_first(
                    _eight_rows(planes, plane, flat_rows, position), n_mixed
                )
                ones, twos, fours, eight = _add_eight(x, ones, twos, fours)
                _carry(counter, level, n_groups, eight)
                n_groups += 1
                position += GROUP
            while position < (o + 1) * n_taps:
                x = _eight_rows(planes, plane, flat_rows, position)
                ones, twos, fours, eight = _add_eight(x, ones, twos, fours)
                _carry(counter, level, n_groups, eight)
                n_groups += 1
                position += GROUP
            if bit:
                # Double the counter: one level up, for the next lower plane.
                store(counter, (level - 1) * N_WORDS, fours)
                ones, twos, fours = ~zero, ~ones, ~twos
                base -= 1
                n_groups *= 2
                _complement(counter, base + _GROUP_LEVEL, base + sum_bits)
        _final_sum(counter, base, sum_bits, n_groups, ones, twos, fours)
        for b in range(n_out_bits):
            first = broadcast(_MASKS[1 - ((first_level >> b) & 1)])
            store(out, b * out_words + o * N_WORDS, first)
        for t in range(thresholds.shape[1]):
            reached = _at_least(counter, base, sum_bits, thresholds[o, t], _MASKS)
            for b in range(n_out_bits):
                if (flips[t] >> b) & 1:
                    at = b * out_words + o * N_WORDS
                    store(out, at, load(out, at) ^ reached)
