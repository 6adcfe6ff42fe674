"""The layer kernel on bit planes: a vector holds one bit of `64 * N_WORDS` samples.

Subtracted inputs. Adding NOT x instead of subtracting x turns every sum into
``sum + (largest code) * (number of subtracted inputs)``, never negative, and the
constant goes into the thresholds.
"""

from __future__ import annotations

import numpy as np

from .adders import (
    FIRST,
    add_eight,
    add_sixteen,
    add_sixteen_complements,
    complement,
    complement_first,
    eight_rows,
)
from .counter import (
    FIRST_BASE,
    MASKS,
    ONES,
    double,
    keep,
    kept,
    make_room,
    start_sum,
    store_sum,
)
from .layer import GROUP, N_WORDS
from .vector import PART_WORDS, broadcast, inlined, kernel, load, majority, store

__all__ = ["layer_on_planes"]

_PAIR = 2 * GROUP

#: Inputs that are added in one part of their rows before the other parts have their
#: turn. Their rows, a cache line each, are then still in the nearest cache.
_AT_ONCE = 256


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
    # All neurons subtract the inputs of the first pairs of groups, and add the last.
    n_first, n_mixed = np.int64(n_taps), np.int64(0)
    for o in range(n_outputs):
        n_first = n_minus[o] if n_minus[o] < n_first else n_first
        n_mixed = n_minus[o] if n_minus[o] > n_mixed else n_mixed
    n_first -= n_first % _PAIR
    n_mixed += -n_mixed % _PAIR
    n_mixed -= _PAIR if n_mixed > n_taps else 0
    for p in range(positions.size):
        for o in range(n_outputs):
            start = o * n_taps
            minus_stop = start + n_minus[o]
            base = np.int64(FIRST_BASE)
            most_then = start_sum(counter, sum_bits)
            for bit in range(n_bits - 1, -1, -1):
                plane = bit * plane_words + positions[p]
                for first in range(0, n_taps, _AT_ONCE):
                    last = first + _AT_ONCE if first + _AT_ONCE < n_taps else n_taps
                    mixed = n_first if n_first < last else last
                    added = n_mixed if n_mixed < last else last
                    mixed = mixed if mixed > first else first
                    added = added if added > first else first
                    is_next = first == 0 and bit < n_bits - 1
                    most = most_then
                    for part in range(0, N_WORDS, PART_WORDS):
                        low, high = kept(counter, part)
                        most = most_then
                        if is_next:
                            low, high, most = double(
                                counter, part, base, sum_bits, low, high, most
                            )
                        now = base - is_next
                        low = complement(low)
                        for tap in range(first, mixed, _PAIR):
                            high, most = make_room(
                                counter, part, now, sum_bits, high, most, _PAIR
                            )
                            at = start + tap
                            x = eight_rows(planes, plane + part, taps, at)
                            y = eight_rows(planes, plane + part, taps, at + GROUP)
                            low, high = add_sixteen_complements(x, y, low, high)
                        low = complement(low)
                        for tap in range(mixed, added, _PAIR):
                            high, most = make_room(
                                counter, part, now, sum_bits, high, most, _PAIR
                            )
                            at = start + tap
                            x = eight_rows(planes, plane + part, taps, at)
                            y = eight_rows(planes, plane + part, taps, at + GROUP)
                            x = complement_first(x, FIRST, minus_stop - at)
                            y = complement_first(y, FIRST, minus_stop - at - GROUP)
                            low, high = add_sixteen(x, y, low, high)
                        for tap in range(added, last - GROUP, _PAIR):
                            high, most = make_room(
                                counter, part, now, sum_bits, high, most, _PAIR
                            )
                            at = start + tap
                            x = eight_rows(planes, plane + part, taps, at)
                            y = eight_rows(planes, plane + part, taps, at + GROUP)
                            low, high = add_sixteen(x, y, low, high)
                        if last % _PAIR:
                            high, most = make_room(
                                counter, part, now, sum_bits, high, most, GROUP
                            )
                            at = start + last - GROUP
                            x = eight_rows(planes, plane + part, taps, at)
                            x = complement_first(x, FIRST, minus_stop - at)
                            low, high = add_eight(x, low, high)
                        if bit == 0 and last == n_taps:
                            store_sum(counter, part, now, sum_bits, low, high)
                        else:
                            keep(counter, part, low, high)
                    most_then = most
                    base -= is_next
            row = (p * n_outputs + o) * N_WORDS
            for b in range(n_out_bits):
                code = broadcast(MASKS[1 - ((first_level >> b) & 1)])
                store(out, b * out_words + row, code)
            for t in range(thresholds.shape[1]):
                reached = _at_least(counter, base, sum_bits, thresholds[o, t], MASKS)
                for b in range(n_out_bits):
                    if (level_changes[t] >> b) & 1:
                        at = b * out_words + row
                        store(out, at, load(out, at) ^ reached)
