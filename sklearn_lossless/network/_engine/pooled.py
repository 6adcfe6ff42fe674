"""Convolutions on bit planes, with the pooling after them, a few filters at a time."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from .adders import add_eight, add_sixteen
from .bitsliced import SUMS_WORDS, layer_on_planes
from .counter import COUNTER_WORDS, FIRST_BASE, ONES, nothing
from .lanes import layer_on_pairs_to_planes
from .layer import BLOCK, GROUP, N_WORDS, Scratch
from .packing import TILE, pack, padded, spread_pairs, unpack
from .pictures import CHUNK_BYTES, MAX_PLANES, PreparedConvolution, PreparedPooling
from .running_sum import double, make_room, start_sum, store_sum
from .vector import PART_WORDS, broadcast, kernel, load, load_row, majority, store

__all__ = ["convolve_on_planes"]


def convolve_on_planes(
    codes: npt.NDArray[np.uint8],
    layer: PreparedConvolution,
    pooling: PreparedPooling | None,
    out: npt.NDArray[np.uint8],
    scratch: Scratch,
) -> None:
    """Fill `out` with the codes of a convolution, or of the pooling after it.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_inputs), dtype uint8
        At most `BLOCK` samples.
    layer : PreparedConvolution
    pooling : PreparedPooling or None
    out : ndarray of shape (n_samples, n_outputs), dtype uint8
    scratch : Scratch
        Always with the same layers.
    """
    neurons, n_positions = layer.neurons, math.prod(layer.grid)
    n_samples, n_filters = len(codes), neurons.n_outputs
    n_padded = math.prod(layer.shape_padded)
    n_features = padded(n_padded)
    codes_in = scratch.zeros("codes in", BLOCK * n_features, np.uint8)
    pictures = codes_in.reshape(BLOCK, n_features)[:n_samples, :n_padded]
    pictures = pictures.reshape(n_samples, *layer.shape_padded)
    pictures[layer.inside] = codes.reshape(-1, *layer.shape_in)
    # Behind the inputs are zeros, as far as a position moves the first of them.
    n_rows = n_features + int(layer.positions[-1]) // N_WORDS + 1
    in_lanes = neurons.input_bits > MAX_PLANES and neurons.sum_bits < 16
    arrange = _Lanes if in_lanes else _Planes
    inputs = arrange(layer, codes_in, n_samples, n_features, n_rows, scratch)
    tile = scratch.zeros("tile", TILE, np.uint64)
    out_bits = neurons.output_bits
    at_once = CHUNK_BYTES // (n_positions * out_bits * 8 * N_WORDS)
    at_once = min(n_filters, max(1, at_once))
    n_places = n_positions if pooling is None else pooling.n_windows
    by_place = out.reshape(n_samples, n_places, n_filters)
    for first in range(0, n_filters, at_once):
        filters = slice(first, min(first + at_once, n_filters))
        n_some = filters.stop - first
        size = out_bits * padded(n_positions * n_some) * N_WORDS
        some = scratch.zeros(("planes", n_some), size, np.uint64)
        inputs.filter(filters, some)
        n_bits = out_bits
        if pooling is not None:
            some = _pool(some, n_some, n_positions, pooling, scratch)
            n_bits = pooling.output_bits
        n_out_rows = padded(n_places * n_some)
        codes_out = scratch.zeros(("codes", n_some), BLOCK * n_out_rows, np.uint8)
        unpack(some, n_bits, tile, codes_out)
        rows = codes_out.reshape(BLOCK, -1)[:n_samples, : n_places * n_some]
        by_place[:, :, filters] = rows.reshape(n_samples, n_places, n_some)


class _Planes:
    """Inputs of a convolution in bit planes: for short codes."""

    def __init__(
        self,
        layer: PreparedConvolution,
        codes: npt.NDArray[np.uint8],
        n_samples: int,
        n_features: int,
        n_rows: int,
        scratch: Scratch,
    ) -> None:
        self._layer = layer
        n_bits = layer.neurons.input_bits
        self._planes = scratch.zeros("planes in", n_bits * n_rows * N_WORDS, np.uint64)
        self._counter = scratch.zeros("sums", SUMS_WORDS, np.uint64)
        tile = scratch.zeros("tile", TILE, np.uint64)
        pack(codes, n_bits, tile, self._planes)
        self._taps = layer.tap_offsets(n_features)

    def filter(self, filters: slice, out: npt.NDArray[np.uint64]) -> None:
        """Fill the planes `out` with the codes of some filters at all positions."""
        neurons = self._layer.neurons
        layer_on_planes(
            self._planes,
            neurons.input_bits,
            self._taps[filters],
            neurons.n_minus[filters],
            neurons.thresholds[filters],
            neurons.level_changes,
            neurons.first_level,
            neurons.sum_bits,
            self._counter,
            neurons.output_bits,
            out,
            self._layer.positions,
        )


class _Lanes:
    """Inputs of a convolution as integers, 64 samples in a row: for long codes."""

    def __init__(
        self,
        layer: PreparedConvolution,
        codes: npt.NDArray[np.uint8],
        n_samples: int,
        n_features: int,
        n_rows: int,
        scratch: Scratch,
    ) -> None:
        self._layer = layer
        tile = scratch.zeros("tile", TILE, np.uint64)
        self._groups = []
        for sample in range(0, n_samples, 64):
            words = scratch.zeros(("pairs", sample), n_rows * N_WORDS, np.uint64)
            spread_pairs(codes, n_features, sample, tile, words)
            self._groups.append((sample // 32, words.view(np.int16)))
        taps = layer.tap_offsets(n_features)
        # Without what fills the taps up to a multiple.
        n_taps = int(np.count_nonzero(taps[0] != n_features * N_WORDS))
        self._taps = np.ascontiguousarray(taps[:, :n_taps])

    def filter(self, filters: slice, out: npt.NDArray[np.uint64]) -> None:
        """Fill the planes `out` with the codes of some filters at all positions."""
        neurons = self._layer.neurons
        for part, values in self._groups:
            layer_on_pairs_to_planes(
                values,
                neurons.largest_code,
                self._taps[filters],
                neurons.n_minus[filters],
                neurons.thresholds[filters],
                neurons.level_changes,
                neurons.first_level,
                neurons.output_bits,
                part,
                out.view(np.uint32),
                self._layer.positions,
            )


def _pool(
    planes: npt.NDArray[np.uint64],
    n_channels: int,
    n_positions: int,
    pooling: PreparedPooling,
    scratch: Scratch,
) -> npt.NDArray[np.uint64]:
    """Return planes of pooled codes, all channels of the first window first."""
    channels = np.arange(n_channels)[:, np.newaxis]
    rows = pooling.places[:, np.newaxis, :] * n_channels + channels
    rows = rows.reshape(pooling.n_windows * n_channels, -1)
    n_bits = pooling.output_bits
    size = n_bits * padded(len(rows)) * N_WORDS
    out = scratch.zeros(("pooled", n_channels), size, np.uint64)
    if pooling.kind == "max":
        tap_offsets = (rows * N_WORDS).astype(np.int32)
        _largest_on_planes(planes, pooling.input_bits, tap_offsets, out)
        return out
    n_taps = -(-rows.shape[1] // GROUP) * GROUP
    # The row behind the last one is zero.
    tap_offsets = np.full((len(rows), n_taps), n_positions * n_channels, dtype=np.int32)
    tap_offsets[:, : rows.shape[1]] = rows
    sum_bits = n_bits + pooling.shift
    counter = scratch.zeros("counter", COUNTER_WORDS, np.uint64)
    _sum_on_planes(
        planes,
        pooling.input_bits,
        tap_offsets * np.int32(N_WORDS),
        sum_bits,
        pooling.shift,
        counter,
        out,
    )
    return out


@kernel
def _sum_on_planes(  # type: ignore[no-untyped-def]
    planes, n_bits, tap_offsets, sum_bits, shift, counter, out
):
    """Fill the planes `out` with sums of rows of `planes`, without `shift` bits."""
    n_outputs, n_taps = tap_offsets.shape
    taps = tap_offsets.reshape(tap_offsets.size)
    plane_words = planes.size // n_bits
    n_out_bits = sum_bits - shift
    out_words = out.size // n_out_bits
    for o in range(n_outputs):
        stop = (o + 1) * n_taps
        base = np.int64(FIRST_BASE)
        most_then = start_sum(counter, sum_bits)
        for part in range(0, N_WORDS, PART_WORDS):
            base = np.int64(FIRST_BASE)
            most = most_then
            low, high = nothing()
            for bit in range(n_bits - 1, -1, -1):
                plane = bit * plane_words + part
                position = o * n_taps
                while position < stop - GROUP:
                    high, most = make_room(
                        counter, part, base, sum_bits, high, most, 2 * GROUP
                    )
                    low, high = add_sixteen(planes, plane, taps, position, low, high)
                    position += 2 * GROUP
                if position < stop:
                    high, most = make_room(
                        counter, part, base, sum_bits, high, most, GROUP
                    )
                    low, high = add_eight(planes, plane, taps, position, low, high)
                if bit:
                    low, high, most = double(
                        counter, part, base, sum_bits, low, high, most
                    )
                    base -= 1
            store_sum(counter, part, base, sum_bits, low, high)
        for b in range(n_out_bits):
            bits = load(counter, (base + shift + b) * N_WORDS)
            store(out, b * out_words + o * N_WORDS, bits)


@kernel
def _largest_on_planes(planes, n_bits, tap_offsets, out):  # type: ignore[no-untyped-def]
    """Fill the planes `out` with the largest codes of rows of `planes`."""
    n_outputs, n_taps = tap_offsets.shape
    taps = tap_offsets.reshape(tap_offsets.size)
    plane_words = planes.size // n_bits
    out_words = out.size // n_bits
    for o in range(n_outputs):
        for b in range(n_bits):
            first = load_row(planes, b * plane_words, taps, o * n_taps)
            store(out, b * out_words + o * N_WORDS, first)
        for position in range(o * n_taps + 1, (o + 1) * n_taps):
            larger = broadcast(ONES)
            for b in range(n_bits):
                new = load_row(planes, b * plane_words, taps, position)
                old = load(out, b * out_words + o * N_WORDS)
                larger = majority(new, ~old, larger)
            for b in range(n_bits):
                new = load_row(planes, b * plane_words, taps, position)
                at = b * out_words + o * N_WORDS
                old = load(out, at)
                store(out, at, old ^ ((new ^ old) & larger))
