"""The layer kernels with one integer per sample: for few samples and for long codes.

Additions of whole integers cost the same for codes of any length, and a vector of
16-bit integers holds 32 samples instead of 512. So they win where bit planes would
be mostly empty or many: for small batches, and for a first layer of long codes.

The sums start from the constant that complemented inputs give to the bit-sliced
ones; hence both kinds of kernel share the thresholds.
"""

from __future__ import annotations

import numpy as np

from .layer import N_WORDS
from .vector import (
    add_lanes,
    at_least_lanes,
    broadcast_lanes,
    inlined,
    kernel,
    lane_mask,
    load_row,
    shift_lanes_left,
    shift_lanes_right,
    shift_left,
    store,
    sub_lanes,
)

__all__ = ["layer_on_lanes", "layer_on_pairs_to_planes", "sums_of_pairs"]


@inlined
def _code(values, total, thresholds, o, level_changes, first_level):  # type: ignore[no-untyped-def]
    """Return the codes of the sums of neuron `o`."""
    code = broadcast_lanes(values, np.int64(first_level))
    for t in range(level_changes.size):
        threshold = broadcast_lanes(values, np.int64(thresholds[o, t]))
        change = broadcast_lanes(values, np.int64(level_changes[t]))
        code = code ^ (at_least_lanes(values, total, threshold) & change)
    return code


@kernel
def layer_on_lanes(  # type: ignore[no-untyped-def]
    values,
    largest_code,
    tap_offsets,
    n_minus,
    thresholds,
    level_changes,
    first_level,
    out,
):
    """Fill `out` with the codes that a layer makes of `values`; both as by `spread`.

    The other parameters are those of `PreparedLayer`.
    """
    n_outputs, n_taps = tap_offsets.shape
    taps = tap_offsets.reshape(tap_offsets.size)
    n_lanes = 8 * N_WORDS // values.itemsize
    for o in range(n_outputs):
        start, stop = o * n_taps, (o + 1) * n_taps
        plus_start = start + n_minus[o]
        total = broadcast_lanes(values, np.int64(largest_code) * n_minus[o])
        for position in range(start, plus_start):
            total = sub_lanes(values, total, load_row(values, 0, taps, position))
        for position in range(plus_start, stop):
            total = add_lanes(values, total, load_row(values, 0, taps, position))
        code = _code(values, total, thresholds, o, level_changes, first_level)
        store(out, o * n_lanes, code)


@inlined
def sums_of_pairs(values, moved, taps, largest_code, minus, plus):  # type: ignore[no-untyped-def]
    """Sum 16-bit lanes of two codes each; return sums of the low and the high bytes.

    `minus` and `plus` are where taps begin and end that are subtracted, as complements,
    and added. Sums of whole lanes are ``low + 256 * high`` modulo 2**16, so the sums of
    the high bytes alone give both.
    """
    both = high = broadcast_lanes(values, np.int64(0))
    for position in range(minus[0], minus[1]):
        pair = load_row(values, moved, taps, position)
        both = sub_lanes(values, both, pair)
        high = sub_lanes(values, high, shift_lanes_right(values, pair, 8))
    for position in range(plus[0], plus[1]):
        pair = load_row(values, moved, taps, position)
        both = add_lanes(values, both, pair)
        high = add_lanes(values, high, shift_lanes_right(values, pair, 8))
    low = sub_lanes(values, both, shift_lanes_left(values, high, 8))
    offset = broadcast_lanes(values, np.int64(largest_code) * (minus[1] - minus[0]))
    return add_lanes(values, low, offset), add_lanes(values, high, offset)


@kernel
def layer_on_pairs_to_planes(  # type: ignore[no-untyped-def]
    values,
    largest_code,
    tap_offsets,
    n_minus,
    thresholds,
    level_changes,
    first_level,
    n_out_bits,
    part,
    out,
    positions,
):
    """Fill two parts of the planes `out`: those of the 64 samples in `values`.

    `values` has two codes in each 16-bit lane, as by `spread_pairs`. `out` has 32-bit
    integers. `positions` are the words that inputs are moved by; all outputs of the
    first one come first. The other parameters are those of `PreparedLayer`.
    """
    n_outputs, n_taps = tap_offsets.shape
    taps = tap_offsets.reshape(tap_offsets.size)
    plane_size = out.size // n_out_bits
    for p in range(positions.size):
        moved = 4 * positions[p]
        for o in range(n_outputs):
            start = o * n_taps
            middle = start + n_minus[o]
            minus, plus = (start, middle), (middle, start + n_taps)
            low, high = sums_of_pairs(values, moved, taps, largest_code, minus, plus)
            low = _code(values, low, thresholds, o, level_changes, first_level)
            high = _code(values, high, thresholds, o, level_changes, first_level)
            for b in range(n_out_bits):
                # Bit b becomes the sign; sixteen parts of 32 samples make a row.
                at = b * plane_size + 16 * (p * n_outputs + o) + part
                out[at] = lane_mask(values, shift_left(low, 15 - b))
                out[at + 1] = lane_mask(values, shift_left(high, 15 - b))
