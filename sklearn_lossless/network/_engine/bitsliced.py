"""The layer kernel on bit planes: a vector holds one bit of `64 * N_WORDS` samples.

Subtracted inputs. Adding NOT x instead of subtracting x turns every sum into
``sum + (largest code) * (number of subtracted inputs)``, never negative, and the
constant goes into the thresholds.
"""

from __future__ import annotations

import numpy as np

from .adders import (
    FIRST,
    HALF,
    add_complements,
    add_eight_mixed,
    add_mixed,
    add_sixteen,
    complement,
)
from .counter import (
    COUNTER_WORDS,
    FIRST_BASE,
    MASKS,
    MOST,
    MOST_LOW,
    REGISTERS,
    UNROLLED,
    at_least,
    clear_levels,
    close_sum,
    flush,
    keep,
    kept,
    kept_twice,
    nothing,
)
from .layer import GROUP, N_WORDS
from .vector import PART_WORDS, broadcast_part, inlined, kernel, load_part, store

__all__ = ["SUMS_WORDS", "layer_on_planes"]

_PAIR = 2 * GROUP

#: Inputs that are added in one part of their rows before the other parts have their
#: turn. Their rows, a cache line each, are then still in the nearest cache. So many
#: and twice `MOST_LOW` are no more than `MOST`.
_AT_ONCE = 224

#: Neurons whose sums are made plane by plane: one plane of the inputs, and not all of
#: them, is then in the second nearest cache.
_NEURONS = 64

#: Words of the scratch array of `layer_on_planes`.
SUMS_WORDS = _NEURONS * COUNTER_WORDS


@inlined
def _within(number, least, most):  # type: ignore[no-untyped-def]
    """Return a number between bounds."""
    number = number if number > least else least
    return number if number < most else most


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
    sums,
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
    sums : ndarray of shape (SUMS_WORDS,), dtype uint64
        Scratch.
    positions : ndarray of shape (n_positions,), dtype int64
        Words that inputs are moved by; all outputs of the first position come first.
    """
    n_outputs, n_taps = tap_offsets.shape
    taps = tap_offsets.reshape(tap_offsets.size)
    plane_words = planes.size // n_bits
    out_words = out.size // n_out_bits
    is_long = sum_bits > REGISTERS
    n_levels = sum_bits if sum_bits > UNROLLED else UNROLLED
    for p in range(positions.size):
        for first_o in range(0, n_outputs, _NEURONS):
            most_before = np.int64(0)  # of the planes before
            for bit in range(n_bits - 1, -1, -1):
                plane = bit * plane_words + positions[p]
                base = FIRST_BASE - n_bits + 1 + bit
                most = most_before
                for o in range(first_o, _within(first_o + _NEURONS, 0, n_outputs)):
                    start = o * n_taps
                    minus_stop = start + n_minus[o]
                    own = (o - first_o) * COUNTER_WORDS
                    if is_long and bit == n_bits - 1:
                        clear_levels(sums, own, base + HALF, base + n_levels)
                    most = most_before
                    for first in range(start, start + n_taps, _AT_ONCE):
                        last = _within(first + _AT_ONCE, first, start + n_taps)
                        stop = last - (last - first) % _PAIR
                        mixed = minus_stop - n_minus[o] % _PAIR
                        added = _within(mixed + _PAIR, first, stop)
                        mixed = _within(mixed, first, stop)
                        is_next = first == start and bit < n_bits - 1
                        is_full = is_long and (most << is_next) + last - first > MOST
                        most = (MOST_LOW if is_full else most) << is_next
                        most += last - first
                        if is_long and is_next:
                            clear_levels(sums, own, base + HALF, base + HALF + 1)
                        for part in range(N_WORDS // PART_WORDS):
                            at = own + part * PART_WORDS
                            rows = plane + part * PART_WORDS
                            if is_full:
                                flush(sums, at, base + is_next, sum_bits)
                            low, high = nothing()
                            if is_next:
                                low, high = kept_twice(sums, at)
                            elif first > start:
                                low, high = kept(sums, at)
                            low = complement(low)
                            for tap in range(first, mixed, _PAIR):
                                low, high = add_complements(
                                    planes, rows, taps, tap, low, high
                                )
                            low = complement(low)
                            for tap in range(mixed, added, _PAIR):
                                n_first = minus_stop - tap
                                low, high = add_mixed(
                                    planes, rows, taps, tap, low, high, FIRST, n_first
                                )
                            for tap in range(added, stop, _PAIR):
                                low, high = add_sixteen(
                                    planes, rows, taps, tap, low, high
                                )
                            if stop < last:
                                n_first = minus_stop - stop
                                low, high = add_eight_mixed(
                                    planes, rows, taps, stop, low, high, FIRST, n_first
                                )
                            if bit > 0 or last < start + n_taps:
                                keep(sums, at, low, high)
                                continue
                            close_sum(sums, at, base, sum_bits, high)
                            to = (p * n_outputs + o) * N_WORDS + part * PART_WORDS
                            for b in range(n_out_bits):
                                code = MASKS[1 - ((first_level >> b) & 1)]
                                store(out, b * out_words + to, broadcast_part(code))
                            for t in range(thresholds.shape[1]):
                                threshold = thresholds[o, t]
                                reached = at_least(
                                    sums, at, base, sum_bits, low, high, threshold
                                )
                                for b in range(n_out_bits):
                                    if (level_changes[t] >> b) & 1:
                                        word = b * out_words + to
                                        code = load_part(out, word)
                                        store(out, word, code ^ reached)
                most_before = most
