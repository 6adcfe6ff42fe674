"""The layer kernel on bit planes: a vector holds one bit of `64 * N_WORDS` samples.

Subtracted inputs. Adding NOT x instead of subtracting x turns every sum into
``sum + (largest code) * (number of subtracted inputs)``, never negative, and the
constant goes into the thresholds.
"""

from __future__ import annotations

import numpy as np

from .adders import (
    add_eight,
    add_sixteen,
    complement,
    complement_first,
    eight_rows,
)
from .counter import (
    FIRST_BASE,
    MASKS,
    MEMORY_LEVEL,
    ONES,
    ZEROS,
    add_carry,
    double,
    final_sum,
)
from .layer import GROUP, N_WORDS
from .vector import broadcast, inlined, kernel, load, majority, store

__all__ = ["layer_on_planes"]


@inlined
def _at_least(counter, base, width, threshold, masks):  # type: ignore[no-untyped-def]
    """Return where the sum reaches a threshold, from the lowest bit upwards."""
    reached = broadcast(ONES)
    for level in range(base, base + width):
        not_bit = broadcast(masks[threshold & 1])
        bit = load(counter, level * N_WORDS)
        reached = majority(bit, not_bit, reached)
        threshold >>= 1
    return reached


@kernel
def layer_on_planes(  # type: ignore[no-untyped-def]
    planes,
    n_bits,
    tap_offsets,
    n_minus,
    thresholds,
    level_changes,
    first_level,
    sum_bits,
    counter,
    n_out_bits,
    out,
    positions,
):
    """Fill the planes `out` with the codes that a layer makes of `planes`.

    Parameters
    ----------
    planes, out : ndarray of uint64
        As made by `pack`.
    n_bits, n_out_bits : int
        Number of planes of either.
    tap_offsets, n_minus, thresholds, level_changes, first_level, sum_bits
        Those of `PreparedLayer`.
    counter : ndarray of shape (COUNTER_WORDS,), dtype uint64
        Scratch.
    positions : ndarray of shape (n_positions,), dtype int64
        Words that inputs are moved by; all outputs of the first position come first.
    """
    n_outputs, n_taps = tap_offsets.shape
    taps = tap_offsets.reshape(tap_offsets.size)
    plane_words = planes.size // n_bits
    out_words = out.size // n_out_bits
    zero = broadcast(ZEROS)
    for p in range(positions.size):
        for o in range(n_outputs):
            row = (p * n_outputs + o) * N_WORDS
            stop = (o + 1) * n_taps
            minus_stop = o * n_taps + n_minus[o]
            base = np.int64(FIRST_BASE)
            for level in range(base + MEMORY_LEVEL, base + sum_bits):
                store(counter, level * N_WORDS, zero)
            low = zero, zero, zero, zero
            n_carries = np.int64(0)
            for bit in range(n_bits - 1, -1, -1):
                plane = bit * plane_words + positions[p]
                position = o * n_taps
                while position < stop - GROUP:
                    # Three times the same with and without complements: rows that are
                    # added where they are read need no registers to wait in.
                    n_left = minus_stop - position
                    if n_left <= 0:
                        x = eight_rows(planes, plane, taps, position)
                        y = eight_rows(planes, plane, taps, position + GROUP)
                        low, carry = add_sixteen(x, y, low)
                    elif n_left >= 2 * GROUP:
                        x = eight_rows(planes, plane, taps, position)
                        y = eight_rows(planes, plane, taps, position + GROUP)
                        low, carry = add_sixteen(complement(x), complement(y), low)
                    else:
                        x = eight_rows(planes, plane, taps, position)
                        y = eight_rows(planes, plane, taps, position + GROUP)
                        x = complement_first(x, n_left)
                        y = complement_first(y, n_left - GROUP)
                        low, carry = add_sixteen(x, y, low)
                    add_carry(counter, base, n_carries, carry)
                    n_carries += 1
                    position += 2 * GROUP
                if position < stop:
                    x = eight_rows(planes, plane, taps, position)
                    x = complement_first(x, minus_stop - position)
                    low, carry = add_eight(x, low)
                    add_carry(counter, base, n_carries, carry)
                    n_carries += 1
                if bit:
                    low = double(counter, base, low)
                    base -= 1
                    n_carries *= 2
            final_sum(counter, base, sum_bits, low, n_carries)
            for b in range(n_out_bits):
                first = broadcast(MASKS[1 - ((first_level >> b) & 1)])
                store(out, b * out_words + row, first)
            for t in range(thresholds.shape[1]):
                reached = _at_least(counter, base, sum_bits, thresholds[o, t], MASKS)
                for b in range(n_out_bits):
                    if (level_changes[t] >> b) & 1:
                        at = b * out_words + row
                        store(out, at, load(out, at) ^ reached)
