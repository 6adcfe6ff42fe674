"""Runs networks with layers of pictures, block by block of samples.

Between two layers codes are in rows, one for each sample; but a convolution and the
pooling after it are done together, a few filters at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .layer import N_WORDS, PreparedLayer, Scratch

__all__ = [
    "CHUNK_BYTES",
    "MAX_PLANES",
    "WINDOW_CODES",
    "OnPlanes",
    "Prepared",
    "PreparedAddition",
    "PreparedConvolution",
    "PreparedPooling",
    "pool",
    "run_pictures",
]

Codes: TypeAlias = npt.NDArray[np.uint8]

#: Samples that go through the layers together.
_BLOCK = 64 * N_WORDS

#: Fewer samples than this are faster with their windows as samples than on planes.
_FEW = 40

#: Windows times places up to which sums are products with a matrix; below 2**16
#: places, sums of bytes are exact in float32.
_MATRIX_SIZE = 2**16

#: Layers of longer codes are faster on lanes of integers than on planes of bits.
MAX_PLANES = 4

#: Bytes of the planes that a few filters make, before they are pooled.
CHUNK_BYTES = 2**19

#: Inputs of windows, and codes of filters, that are there at once, of few samples.
WINDOW_CODES = 2**22


@dataclass(frozen=True, eq=False)
class PreparedConvolution:
    """Filters in the arrangement that the kernels read, and where they are put.

    Attributes
    ----------
    neurons : PreparedLayer
        The filters, as a layer whose samples are windows.
    shape_in : tuple of 3 int
        Height, width, channels.
    margins : tuple of 2 tuples of 2 int
        Places of code 0 above and below, left and right of the picture.
    size, grid : tuple of 2 int
        Shape of the window, and of the positions.
    stride : int
        From one position to the next.
    """

    neurons: PreparedLayer
    shape_in: tuple[int, int, int]
    margins: tuple[tuple[int, int], tuple[int, int]]
    size: tuple[int, int]
    grid: tuple[int, int]
    stride: int

    @property
    def n_inputs(self) -> int:
        """Number of inputs."""
        return math.prod(self.shape_in)

    @property
    def n_outputs(self) -> int:
        """Number of outputs, all positions."""
        return math.prod(self.grid) * self.neurons.n_outputs

    @property
    def input_bits(self) -> int:
        """Bits of an input code."""
        return self.neurons.input_bits

    @property
    def output_bits(self) -> int:
        """Bits of an output code."""
        return self.neurons.output_bits

    @property
    def shape_padded(self) -> tuple[int, int, int]:
        """Shape of the picture with its margins."""
        height, width, channels = self.shape_in
        rows, columns = self.margins
        return height + sum(rows), width + sum(columns), channels

    @property
    def inside(self) -> tuple[slice, slice, slice]:
        """Where the picture is within its margins, of one more axis in front."""
        (above, _), (left, _) = self.margins
        height, width, _ = self.shape_in
        return slice(None), slice(above, above + height), slice(left, left + width)

    @cached_property
    def positions(self) -> npt.NDArray[np.int64]:
        """Words between the first window's inputs and those of each window."""
        _, width, channels = self.shape_padded
        rows, columns = (self.stride * np.arange(n) for n in self.grid)
        places = rows[:, np.newaxis] * width + columns
        return np.ascontiguousarray(places.ravel() * (channels * N_WORDS))

    def tap_offsets(self, zero_row: int) -> npt.NDArray[np.int32]:
        """Return `PreparedLayer.tap_offsets` of the first window, in the picture.

        Parameters
        ----------
        zero_row : int
            Stands for no input.
        """
        _, width, channels = self.shape_padded
        rows, columns = (np.arange(n) for n in self.size)
        places = (rows[:, np.newaxis] * width + columns)[..., np.newaxis] * channels
        inputs = np.append((places + np.arange(channels)).ravel(), zero_row)
        taps = inputs[self.neurons.tap_offsets // N_WORDS] * N_WORDS
        return taps.astype(np.int32)

    def windows(self, codes: Codes) -> Codes:
        """Return the inputs of all windows, (n_samples * n_positions, n_taps)."""
        pictures = np.zeros((len(codes), *self.shape_padded), dtype=np.uint8)
        pictures[self.inside] = codes.reshape(-1, *self.shape_in)
        views = np.lib.stride_tricks.sliding_window_view(pictures, self.size, (1, 2))
        views = views[:, :: self.stride, :: self.stride].transpose(0, 1, 2, 4, 5, 3)
        return views.reshape(-1, self.neurons.n_inputs)


@dataclass(frozen=True, eq=False)
class PreparedPooling:
    """Windows over which codes are summed up, or the largest is taken.

    Attributes
    ----------
    shape_in : tuple of 3 int
        Height, width, channels.
    size : tuple of 2 int
        Shape of a window.
    row_starts, column_starts : tuple of int
        Where windows begin.
    kind : {"sum", "max"}
    shift : int
        Lowest bits of sums that are left out.
    input_bits, output_bits : int
        Bits of an input code and of an output code.
    """

    shape_in: tuple[int, int, int]
    size: tuple[int, int]
    row_starts: tuple[int, ...]
    column_starts: tuple[int, ...]
    kind: str
    shift: int
    input_bits: int
    output_bits: int

    @property
    def n_inputs(self) -> int:
        """Number of inputs."""
        return math.prod(self.shape_in)

    @property
    def n_windows(self) -> int:
        """Number of windows."""
        return len(self.row_starts) * len(self.column_starts)

    @property
    def n_outputs(self) -> int:
        """Number of outputs."""
        return self.n_windows * self.shape_in[2]

    @cached_property
    def places(self) -> npt.NDArray[np.int64]:
        """Places of each window, (n_windows, area)."""
        rows, columns = (
            np.array(starts)[:, np.newaxis] + np.arange(size)
            for starts, size in zip(
                (self.row_starts, self.column_starts), self.size, strict=True
            )
        )
        rows = rows[:, np.newaxis, :, np.newaxis]
        places = rows * self.shape_in[1] + columns[np.newaxis, :, np.newaxis, :]
        return places.reshape(self.n_windows, -1)

    @property
    def has_matrix(self) -> bool:
        """Whether sums are exact products with a small matrix, the fastest way."""
        n_places = self.shape_in[0] * self.shape_in[1]
        is_small = self.n_windows * n_places <= _MATRIX_SIZE
        return self.kind == "sum" and is_small

    @cached_property
    def matrix(self) -> npt.NDArray[np.float32]:
        """Mark the places of each window, (n_windows, n_places)."""
        n_places = self.shape_in[0] * self.shape_in[1]
        marks = np.zeros((self.n_windows, n_places), dtype=np.float32)
        np.put_along_axis(marks, self.places, 1, axis=1)
        return marks


@dataclass(frozen=True, eq=False)
class PreparedAddition:
    """Codes of an earlier layer that are added to those of the layer before.

    Attributes
    ----------
    shape_in : tuple of 3 int
        Height, width, channels.
    skip : int
        Number of the earlier layer; -1 for the codes that go in.
    shortcut : PreparedConvolution, PreparedPooling or None
        What its codes go through.
    channels : slice
        Where they are added.
    input_bits, output_bits : int
        Bits of a code of the layer before and of a sum.
    """

    shape_in: tuple[int, int, int]
    skip: int
    shortcut: PreparedConvolution | PreparedPooling | None
    channels: slice
    input_bits: int
    output_bits: int

    @property
    def n_inputs(self) -> int:
        """Number of inputs."""
        return math.prod(self.shape_in)

    @property
    def n_outputs(self) -> int:
        """Number of outputs."""
        return math.prod(self.shape_in)

    def sums(self, codes: Codes, added: Codes) -> Codes:
        """Return sums of codes; those added may have fewer channels."""
        sums = codes.copy()
        pictures = sums.reshape(-1, *self.shape_in)[..., self.channels]
        pictures += added.reshape(pictures.shape)
        return sums


#: Layers of any kind.
Prepared: TypeAlias = (
    PreparedLayer | PreparedConvolution | PreparedPooling | PreparedAddition
)

#: Fills an array of codes with what a convolution, and maybe a pooling, make of others.
OnPlanes: TypeAlias = Callable[
    [Codes, PreparedConvolution, PreparedPooling | None, Codes, Scratch], None
]


def run_pictures(
    codes: Codes,
    layers: Sequence[Prepared],
    outs: Sequence[npt.NDArray[Any]],
    scratch: Scratch,
    run: Callable[..., None],
    on_planes: OnPlanes | None,
) -> None:
    """Fill `outs` with the codes of each layer, unless they have no columns.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_inputs), dtype uint8
    layers : sequence of prepared layers
    outs : sequence of ndarray of shape (n_samples, n_outputs) or (n_samples, 0)
    scratch : Scratch
    run : callable
        What runs dense layers alone.
    on_planes : callable or None
        What runs a convolution on many samples.
    """
    skips = {each.skip for each in layers if isinstance(each, PreparedAddition)}

    def convolved(
        values: Codes,
        layer: PreparedConvolution,
        pooling: PreparedPooling | None,
        name: Any,
    ) -> Codes:
        part = scratch.part(name)
        return _convolve(values, layer, pooling, part, run, on_planes)

    for start in range(0, len(codes), _BLOCK):
        rows = slice(start, start + _BLOCK)
        values = codes[rows]
        kept = {-1: values}  # by the number of the layer, for additions
        number = 0
        while number < len(layers):
            layer = layers[number]
            if isinstance(layer, PreparedLayer):  # and so are all that follow
                rest = [out[rows] for out in outs[number:]]
                run(values, layers[number:], rest, scratch.part("dense"))
                break
            if isinstance(layer, PreparedConvolution):
                pooling = None
                needed = outs[number].shape[1] or number in skips
                if number + 1 < len(layers) and not needed:
                    following = layers[number + 1]
                    if isinstance(following, PreparedPooling):
                        pooling = following
                        number += 1
                values = convolved(values, layer, pooling, number)
            elif isinstance(layer, PreparedPooling):
                values = pool(values, layer)
            else:
                added = kept[layer.skip]
                if isinstance(layer.shortcut, PreparedConvolution):
                    added = convolved(added, layer.shortcut, None, number)
                elif layer.shortcut is not None:
                    added = pool(added, layer.shortcut)
                values = layer.sums(values, added)
            if number in skips:
                kept[number] = values
            if outs[number].shape[1]:
                outs[number][rows] = values
            number += 1


def pool(codes: Codes, layer: PreparedPooling) -> Codes:
    """Return the codes of a pooling, from rows of codes."""
    pictures = codes.reshape(-1, *layer.shape_in)
    out = np.empty((len(codes), layer.n_outputs), dtype=np.uint8)
    by_window = out.reshape(len(codes), layer.n_windows, layer.shape_in[2])
    if layer.has_matrix:
        height, width, n_channels = layer.shape_in
        places = codes.reshape(len(codes), height * width, n_channels)
        sums = layer.matrix @ places.astype(np.float32)
        by_window[:] = sums.astype(np.uint32) >> np.uint32(layer.shift)
        return out
    height, width = layer.size
    number = 0
    for row in layer.row_starts:
        for column in layer.column_starts:
            window = pictures[:, row : row + height, column : column + width]
            if layer.kind == "max":
                by_window[:, number] = window.max(axis=(1, 2))
            else:
                sums = window.sum(axis=(1, 2), dtype=np.uint32)
                by_window[:, number] = sums >> np.uint32(layer.shift)
            number += 1
    return out


def _convolve(
    codes: Codes,
    layer: PreparedConvolution,
    pooling: PreparedPooling | None,
    scratch: Scratch,
    run: Callable[..., None],
    on_planes: OnPlanes | None,
) -> Codes:
    """Return the codes of a convolution, or of the pooling after it."""
    n_outputs = layer.n_outputs if pooling is None else pooling.n_outputs
    out = np.empty((len(codes), n_outputs), dtype=np.uint8)
    if on_planes is not None and len(codes) >= _FEW:
        on_planes(codes, layer, pooling, out, scratch)
        return out
    n_positions = math.prod(layer.grid)
    widest = max(layer.neurons.n_inputs, layer.neurons.n_outputs)
    at_once = max(1, WINDOW_CODES // (n_positions * widest))
    for start in range(0, len(codes), at_once):
        rows = slice(start, start + at_once)
        windows = layer.windows(codes[rows])
        filtered = np.empty((len(windows), layer.neurons.n_outputs), dtype=np.uint8)
        # Not the arrays of whole pictures, which are larger.
        run(windows, [layer.neurons], [filtered], scratch.part("windows"))
        filtered = filtered.reshape(-1, layer.n_outputs)
        out[rows] = filtered if pooling is None else pool(filtered, pooling)
    return out
