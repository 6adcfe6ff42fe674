"""The engine in plain NumPy, for ``NUMBA_DISABLE_JIT=1``.

What takes no time while a model is fitted is done here also with Numba, if there is
little of it: compiling a kernel takes a third of a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .layer import N_WORDS, PreparedLayer, Scratch

__all__ = [
    "decode",
    "draw_places",
    "fill_by_input",
    "layer_on_entries",
    "quantize",
    "read_out",
    "run",
    "threshold_bits",
]


def quantize(
    X: npt.NDArray[Any],
    inv_step: float,
    shift: npt.NDArray[np.float64],
    max_code: float,
    out: npt.NDArray[Any],
) -> None:
    """Fill `out` with ``clip(floor(X * inv_step + shift), 0, max_code)``."""
    with np.errstate(over="ignore"):  # infinite is far enough
        cells = np.multiply(X, inv_step, dtype=np.float64)
        cells += shift
    np.floor(cells, out=cells)
    out[:] = np.clip(cells, 0, max_code, out=cells)


def threshold_bits(
    X: npt.NDArray[Any],
    starts: npt.NDArray[np.int64],
    bounds: npt.NDArray[np.float64],
    missing: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    group_starts: npt.NDArray[np.int64],
    out: npt.NDArray[np.uint8],
) -> None:
    """Fill `out` with the bits of columns."""
    X = X.astype(np.float64)
    for j, x in enumerate(X.T):
        out[:, starts[j] : starts[j + 1]] = (
            x[:, np.newaxis] > bounds[starts[j] : starts[j + 1]]
        )
        if missing[j] >= 0:
            out[:, missing[j]] = np.isnan(x)
        of_column = groups[group_starts[j] : group_starts[j + 1]]
        rows = np.flatnonzero((x >= 0) & (x < len(of_column)) & (x == np.floor(x)))
        group = of_column[x[rows].astype(np.intp)]
        out[rows[group >= 0], starts[j] + group[group >= 0]] = 1


def draw_places(
    words: npt.NDArray[np.uint64], n_inputs: int, places: npt.NDArray[np.int32]
) -> None:
    """Fill `places` with the inputs that the words of each neuron choose."""
    n_neurons, n_nonzeros = words.shape
    half = np.uint64(32)
    last = np.arange(n_inputs - n_nonzeros, n_inputs)
    chosen = ((words >> half) * (last + 1).astype(np.uint64)) >> half
    # Places of all neurons in one array.
    first = n_inputs * np.arange(n_neurons)
    in_turn = chosen.T.astype(np.int64) + first
    taken = np.zeros(n_neurons * n_inputs, dtype=bool)
    for place, otherwise in zip(in_turn, last, strict=True):
        np.copyto(place, first + otherwise, where=taken[place])
        taken[place] = True
    places[:] = (in_turn - first).T
    places += n_inputs * (words & np.uint64(1)).astype(np.int32)


def decode(
    codes: npt.NDArray[np.uint8],
    offset: npt.NDArray[Any],
    step_size: npt.NDArray[Any],
    out: npt.NDArray[Any],
) -> None:
    """Fill `out` with ``offset + step_size * codes``."""
    out[:] = offset + step_size * codes


def read_out(
    codes: npt.NDArray[np.uint8],
    weights: npt.NDArray[np.float64],
    out: npt.NDArray[np.float64],
) -> None:
    """Fill `out` with the products of codes and weights."""
    out[:] = codes.astype(np.float64) @ weights[:, : codes.shape[1]].T


def fill_by_input(
    indices: npt.NDArray[np.int32],
    n_plus: npt.NDArray[np.int32],
    zero: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    neurons: npt.NDArray[Any],
    of_zero: npt.NDArray[np.int64],
) -> None:
    """Fill `starts`, `neurons` and what the codes `zero` give to each neuron."""
    n_outputs, n_nonzeros = indices.shape
    is_minus = np.arange(n_nonzeros) >= n_plus[:, np.newaxis]
    order = np.argsort(indices, axis=None, kind="stable")
    neurons[:] = (order // n_nonzeros) + n_outputs * is_minus.ravel()[order]
    starts[1:] = np.cumsum(np.bincount(indices.ravel(), minlength=len(zero)))
    of_zero[:] = (zero[indices] * (1 - 2 * is_minus.astype(np.int64))).sum(axis=1)


def layer_on_entries(
    row_starts: npt.NDArray[np.int64],
    columns: npt.NDArray[np.int32],
    codes: npt.NDArray[np.uint8],
    zero: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    neurons: npt.NDArray[Any],
    thresholds: npt.NDArray[np.int32],
    level_changes: npt.NDArray[np.uint8],
    first_level: int,
    out: npt.NDArray[np.uint8],
) -> None:
    """Fill `out` with the codes that a layer makes of sparse rows."""
    n_outputs = out.shape[1]
    more = codes.astype(np.int64) - zero[columns]
    for row, codes_out in enumerate(out):
        both = np.zeros(2 * n_outputs, dtype=np.int64)
        for entry in range(row_starts[row], row_starts[row + 1]):
            start, stop = starts[columns[entry] : columns[entry] + 2]
            both[neurons[start:stop]] += more[entry]
        total = both[:n_outputs] - both[n_outputs:]
        codes_out[:] = _codes(total, thresholds, level_changes, first_level)


def run(
    codes: npt.NDArray[np.uint8],
    layers: Sequence[PreparedLayer],
    outs: Sequence[npt.NDArray[Any]],
    scratch: Scratch,
) -> None:
    """Fill `outs` with the codes of each layer, unless they have no columns."""
    for layer, out in zip(layers, outs, strict=True):
        codes = _layer(codes, layer)
        out[:] = codes[:, : out.shape[1]]


def _layer(codes: npt.NDArray[np.uint8], layer: PreparedLayer) -> npt.NDArray[np.uint8]:
    by_feature = np.zeros((layer.n_inputs + 1, len(codes)), dtype=np.int64)
    by_feature[:-1] = codes.T
    result = np.empty((len(codes), layer.n_outputs), dtype=np.uint8)
    for o, n_minus in enumerate(layer.n_minus):
        inputs = layer.tap_offsets[o] // N_WORDS
        total = by_feature[inputs[n_minus:]].sum(axis=0)
        total += (layer.largest_code - by_feature[inputs[:n_minus]]).sum(axis=0)
        result[:, o] = _codes(
            total, layer.thresholds[o], layer.level_changes, layer.first_level
        )
    return result


def _codes(
    total: npt.NDArray[np.int64],
    thresholds: npt.NDArray[np.int32],
    level_changes: npt.NDArray[np.uint8],
    first_level: int,
) -> npt.NDArray[np.uint8]:
    """Return the codes of sums; each threshold is a number or one for each sum."""
    code = np.full(len(total), first_level, dtype=np.uint8)
    for threshold, change in zip(thresholds, level_changes, strict=True):
        code ^= np.where(total >= threshold, change, np.uint8(0))
    return code
