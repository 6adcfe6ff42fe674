"""A first layer of very many inputs of long codes, some inputs at a time.

Planes of all inputs of a block of samples would not fit in the caches, and each neuron
would fetch them from memory. Here as many inputs as fit in the second cache meet all
neurons before the next ones do, and the sums so far are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import blocks
from .lanes import sums_of_pairs
from .layer import N_WORDS, PreparedLayer, Scratch
from .packing import TILE, spread_pairs
from .pictures import MAX_PLANES
from .vector import (
    add_lanes,
    broadcast,
    kernel,
    load,
    shift_lanes_right,
    store,
)

__all__ = ["run"]

#: Inputs that meet all neurons at once, and neurons whose sums are kept.
_INPUTS, _NEURONS = 2048, 1024

#: Up to so many bytes, inputs of the other kernels stay in the caches well enough.
_IN_CACHES = 2**22

#: Samples that lie side by side, and whose sums are kept.
_SIDE_BY_SIDE, _SAMPLES = 64, 512

#: Up to so many samples that are left over are faster by the other kernels.
_FEW = 32

#: Subtracted inputs, and as many added ones, whose sum fits in 16 bits.
_IN_16_BITS = 128

#: The lower half of each 32 bits.
_LOWER = np.uint64(0x0000FFFF0000FFFF)


def run(
    codes: npt.NDArray[np.uint8],
    layers: Sequence[PreparedLayer],
    outs: Sequence[npt.NDArray[Any]],
    scratch: Scratch,
) -> None:
    """Fill `outs` with the codes of each layer, unless they have no columns."""
    if not _is_wide(layers[0]):
        blocks.run(codes, layers, outs, scratch)
        return
    first, others = layers[0], layers[1:]
    n_samples = len(codes)
    if n_samples % _SIDE_BY_SIDE <= _FEW:
        n_samples -= n_samples % _SIDE_BY_SIDE
    if n_samples:
        of_first = np.empty((n_samples, first.n_outputs), dtype=np.uint8)
        for start in range(0, n_samples, _SAMPLES):
            rows = slice(start, min(start + _SAMPLES, n_samples))
            _run_wide(codes[rows], first, of_first[rows], scratch.part("wide"))
        if outs[0].shape[1]:
            outs[0][:n_samples] = of_first
        if others:
            rest = [out[:n_samples] for out in outs[1:]]
            blocks.run(of_first, others, rest, scratch.part("after wide"))
    if n_samples < len(codes):
        left = [out[n_samples:] for out in outs]
        blocks.run(codes[n_samples:], layers, left, scratch)


def _is_wide(layer: PreparedLayer) -> bool:
    """Return whether what the other kernels make of the inputs exceeds the caches."""
    if layer.input_bits <= MAX_PLANES:
        return False
    n_planes = 1 if layer.sum_bits < 16 else layer.input_bits  # pairs of bytes, or bits
    return 8 * N_WORDS * n_planes * layer.n_inputs > _IN_CACHES


def _run_wide(
    codes: npt.NDArray[np.uint8],
    layer: PreparedLayer,
    out: npt.NDArray[np.uint8],
    scratch: Scratch,
) -> None:
    """Fill `out` with the codes that a layer makes of up to `_SAMPLES` samples."""
    n_samples, n_inputs = codes.shape
    some_codes = scratch.zeros("codes", _SIDE_BY_SIDE * _INPUTS, np.uint8)
    by_sample = some_codes.reshape(_SIDE_BY_SIDE, _INPUTS)
    tile = scratch.zeros("tile", TILE, np.uint64)
    words = scratch.zeros("pairs", _INPUTS * N_WORDS, np.uint64)
    all_sums = scratch.zeros("sums", _SAMPLES * _NEURONS, np.int32)
    sums = all_sums.reshape(_SAMPLES // _SIDE_BY_SIDE, -1)
    for o in range(0, layer.n_outputs, _NEURONS):
        neurons = slice(o, o + _NEURONS)
        taps, n_minus = layer.tap_offsets[neurons], layer.n_minus[neurons]
        sums[:] = 0
        places = np.zeros((4, len(taps)), dtype=np.int32)
        places[2] = (taps[0] < n_inputs * N_WORDS).sum()  # less than with padding
        for start in range(0, n_inputs, _INPUTS):
            some = codes[:, start : start + _INPUTS]
            _find_taps(taps, n_minus, (start + _INPUTS) * N_WORDS, places)
            for group, sample in enumerate(range(0, n_samples, _SIDE_BY_SIDE)):
                part = some[sample : sample + _SIDE_BY_SIDE]
                by_sample[: len(part), : part.shape[1]] = part
                spread_pairs(some_codes, _INPUTS, 0, tile, words)
                _add_pairs(
                    words.view(np.int16),
                    start,
                    layer.largest_code,
                    taps,
                    places,
                    sums[group],
                )
        for group, sample in enumerate(range(0, n_samples, _SIDE_BY_SIDE)):
            _codes_of_sums(
                sums[group],
                layer.thresholds[neurons],
                layer.level_changes,
                layer.first_level,
                out[sample : sample + _SIDE_BY_SIDE, neurons],
            )


@kernel
def _find_taps(tap_offsets, n_minus, stop, places):  # type: ignore[no-untyped-def]
    """Move `places` on to the inputs before `stop`, by bisection.

    Those that a neuron subtracts ascend, those that it adds descend. `places` are
    where the former begin and end, and the latter.
    """
    for o in range(n_minus.size):
        places[0, o] = places[1, o]
        low, high = places[0, o], n_minus[o]
        while low < high:
            middle = (low + high) // 2
            if tap_offsets[o, middle] < stop:
                low = middle + 1
            else:
                high = middle
        places[1, o] = low
        places[3, o] = places[2, o]
        low, high = n_minus[o], places[3, o]
        while low < high:
            middle = (low + high) // 2
            if tap_offsets[o, middle] < stop:
                high = middle
            else:
                low = middle + 1
        places[2, o] = low


@kernel
def _add_pairs(values, first_input, largest_code, tap_offsets, places, sums):  # type: ignore[no-untyped-def]
    """Add inputs to the sums of 64 samples; what is subtracted is complemented.

    `values` has two codes in each 16-bit lane, as by `spread_pairs`, from the first
    input on.
    """
    n_outputs, n_taps = tap_offsets.shape
    taps = tap_offsets.reshape(tap_offsets.size)
    base = -first_input * N_WORDS * (8 // values.itemsize)
    lower = broadcast(_LOWER)
    for o in range(n_outputs):
        minus, minus_end = o * n_taps + places[0, o], o * n_taps + places[1, o]
        plus, plus_end = o * n_taps + places[2, o], o * n_taps + places[3, o]
        at = 8 * N_WORDS * o
        while minus < minus_end or plus < plus_end:
            minus_stop = min(minus + _IN_16_BITS, minus_end)
            plus_stop = min(plus + _IN_16_BITS, plus_end)
            subtracted, added = (minus, minus_stop), (plus, plus_stop)
            low, high = sums_of_pairs(
                values, base, taps, largest_code, subtracted, added
            )
            minus, plus = minus_stop, plus_stop
            # None is negative now: each other lane, and those between.
            total = add_lanes(sums, load(sums, at), low & lower)
            store(sums, at, total)
            more = shift_lanes_right(sums, low, 16)
            total = add_lanes(sums, load(sums, at + 16), more)
            store(sums, at + 16, total)
            total = add_lanes(sums, load(sums, at + 32), high & lower)
            store(sums, at + 32, total)
            more = shift_lanes_right(sums, high, 16)
            total = add_lanes(sums, load(sums, at + 48), more)
            store(sums, at + 48, total)


@kernel
def _codes_of_sums(sums, thresholds, level_changes, first_level, out):  # type: ignore[no-untyped-def]
    """Fill `out` with the codes of sums, samples in the order of `_add_pairs`."""
    n_samples, n_outputs = out.shape
    codes = np.empty(64, dtype=np.uint8)
    for o in range(n_outputs):
        codes[:] = first_level
        for t in range(level_changes.size):
            # Inside it is a loop of vectors.
            change, least = level_changes[t], thresholds[o, t]
            for place in range(64):
                reached = sums[64 * o + place] >= least
                codes[place] ^= change if reached else np.uint8(0)
        for sample in range(n_samples):
            half, lane = sample // 32, sample % 32
            out[sample, o] = codes[32 * half + 16 * (lane % 2) + lane // 2]
