"""Layers of pictures: convolution and pooling, as integers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from .._printing import short_repr
from . import _engine
from .layers import Dense

__all__ = [
    "Convolution",
    "Pooling",
    "grid_starts",
]

#: Height, width and channels of a picture; rows of codes have the channels last.
Shape: TypeAlias = tuple[int, int, int]

#: Bits of a pooled code; sums of more lose their lowest ones.
_POOLED_BITS = 8


@dataclass(frozen=True, eq=False)
class Convolution:
    """Neurons that see a small window of a picture, the same ones at every position.

    Parameters
    ----------
    filters : Dense
        The neurons. Input ``(row * width + column) * channels + channel`` of a window
        is at that place in it.
    shape_in : tuple of 3 int
        Height, width and channels of the codes that the layer sees.
    size : tuple of 2 int
        Height and width of the window.
    stride : int, default=1
        From one position to the next, in both directions.
    padding : {"valid", "same"} or int, default="valid"
        "valid": windows lie inside the picture. "same": there are as many positions as
        the picture has places, over `stride`; outside of it codes are 0. A number: as
        many places outside, on each side, as in PyTorch.
    """

    __repr__ = short_repr

    filters: Dense
    shape_in: Shape
    size: tuple[int, int]
    stride: int = 1
    padding: str | int = "valid"

    @property
    def neurons(self) -> Dense:
        """The filters, as a dense layer on one window."""
        return self.filters

    def with_line(self, offset: float, step_size: float) -> Convolution:
        """Return the layer with another value of code 0 and step size.

        Parameters
        ----------
        offset, step_size : float

        Returns
        -------
        Convolution
        """
        return replace(self, filters=self.filters.with_line(offset, step_size))

    @property
    def margins(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Places outside the picture: above and below, left and right.

        An odd one is below and to the right, as in TensorFlow (ONNX's "SAME_UPPER").
        """
        if self.padding == "valid":
            return (0, 0), (0, 0)
        if isinstance(self.padding, int):
            return (self.padding, self.padding), (self.padding, self.padding)
        rows, columns = (
            _margins(length, size, self.stride)
            for length, size in zip(self.shape_in, self.size, strict=False)
        )
        return rows, columns

    @property
    def grid(self) -> tuple[int, int]:
        """Number of positions, down and across."""
        rows, columns = (
            (length + sum(margin) - size) // self.stride + 1
            for length, margin, size in zip(
                self.shape_in, self.margins, self.size, strict=False
            )
        )
        return rows, columns

    @cached_property
    def patches(self) -> npt.NDArray[np.int64]:
        """Inputs of the window at each position, (n_positions, n_taps).

        Number `n_inputs` stands for what is outside the picture.
        """
        height, width, channels = self.shape_in
        (above, _), (left, _) = self.margins
        rows, columns = (
            self.stride * np.arange(n)[:, np.newaxis] + np.arange(size) - margin
            for n, size, margin in zip(self.grid, self.size, (above, left), strict=True)
        )
        rows = rows[:, np.newaxis, :, np.newaxis, np.newaxis]
        columns = columns[np.newaxis, :, np.newaxis, :, np.newaxis]
        inputs = (rows * width + columns) * channels + np.arange(channels)
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        inputs = np.where(inside, inputs, self.n_inputs)
        return inputs.reshape(math.prod(self.grid), -1)

    def prepared(self, neurons: _engine.PreparedLayer) -> _engine.PreparedConvolution:
        """Return the layer as the engine takes it.

        Parameters
        ----------
        neurons : PreparedLayer
            Its filters.

        Returns
        -------
        PreparedConvolution
        """
        return _engine.PreparedConvolution(
            neurons, self.shape_in, self.margins, self.size, self.grid, self.stride
        )

    @property
    def shape_out(self) -> Shape:
        """Shape of the codes of one sample that the layer puts out."""
        return (*self.grid, self.filters.n_outputs)

    @property
    def n_inputs(self) -> int:
        """Number of input codes."""
        return math.prod(self.shape_in)

    @property
    def n_outputs(self) -> int:
        """Number of output codes."""
        return math.prod(self.shape_out)

    @property
    def n_weights(self) -> int:
        """Number of weights, zeros included; positions share them."""
        return self.filters.n_weights

    @property
    def n_nonzero_weights(self) -> int:
        """Number of weights that are not zero."""
        return self.filters.n_nonzero_weights

    @property
    def largest_code(self) -> int:
        """Largest code that the layer puts out."""
        return self.filters.largest_code

    @property
    def n_bits(self) -> int:
        """Bits of an output code."""
        return self.filters.n_bits

    @property
    def offset(self) -> float:
        """Value of the feature at code 0."""
        return self.filters.offset

    @property
    def step_size(self) -> float:
        """Difference of the feature from code to code."""
        return self.filters.step_size


@dataclass(frozen=True, eq=False)
class Pooling:
    """Sums or largest codes of each channel in windows of a picture.

    Parameters
    ----------
    shape_in : tuple of 3 int
        Height, width and channels of the codes that the layer sees.
    size : tuple of 2 int
        Height and width of a window.
    row_starts, column_starts : tuple of int
        First row of each row of windows, and first column of each column.
    largest_in : int
        Largest code that the layer sees.
    kind : {"sum", "max"}, default="sum"
        "sum": sums over the window; if they may have more than 8 bits, the highest 8.
    offset, step_size : float, default=0.0, 1.0
        A code stands for the feature ``offset + step_size * code``.
    """

    __repr__ = short_repr

    shape_in: Shape
    size: tuple[int, int]
    row_starts: tuple[int, ...]
    column_starts: tuple[int, ...]
    largest_in: int
    kind: str = "sum"
    offset: float = 0.0
    step_size: float = 1.0

    #: There are none.
    neurons = None
    n_weights = n_nonzero_weights = 0

    def with_line(self, offset: float, step_size: float) -> Pooling:
        """Return the layer with another value of code 0 and step size.

        Parameters
        ----------
        offset, step_size : float

        Returns
        -------
        Pooling
        """
        return replace(self, offset=offset, step_size=step_size)

    def prepared(self, input_bits: int) -> _engine.PreparedPooling:
        """Return the layer as the engine takes it.

        Parameters
        ----------
        input_bits : int
            Bits of an input code.

        Returns
        -------
        PreparedPooling
        """
        return _engine.PreparedPooling(
            self.shape_in,
            self.size,
            self.row_starts,
            self.column_starts,
            self.kind,
            self.shift,
            input_bits,
            max(1, self.n_bits),
        )

    @property
    def shape_out(self) -> Shape:
        """Shape of the codes of one sample that the layer puts out."""
        return len(self.row_starts), len(self.column_starts), self.shape_in[2]

    @property
    def n_inputs(self) -> int:
        """Number of input codes."""
        return math.prod(self.shape_in)

    @property
    def n_outputs(self) -> int:
        """Number of output codes."""
        return math.prod(self.shape_out)

    @property
    def area(self) -> int:
        """Places in a window."""
        return math.prod(self.size)

    @property
    def shift(self) -> int:
        """Lowest bits of a sum that are left out."""
        if self.kind == "max":
            return 0
        return max(0, (self.area * self.largest_in).bit_length() - _POOLED_BITS)

    @property
    def largest_code(self) -> int:
        """Largest code that the layer puts out."""
        if self.kind == "max":
            return self.largest_in
        return self.area * self.largest_in >> self.shift

    @property
    def n_bits(self) -> int:
        """Bits of an output code."""
        return self.largest_code.bit_length()

    def line_after(self, offset: float, step_size: float) -> tuple[float, float]:
        """Return value at code 0 and step size of the means, or of the largest values.

        Parameters
        ----------
        offset, step_size : float
            Of the values in the windows.

        Returns
        -------
        offset, step_size : float
        """
        if self.kind == "max":
            return offset, step_size
        # A code stands for the middle of the sums that become it.
        unit = step_size / self.area
        return offset + unit * (2**self.shift - 1) / 2, unit * 2**self.shift

    @property
    def windows(self) -> npt.NDArray[np.int64]:
        """Places of each window, (n_windows, area); times the channels are inputs."""
        return self.prepared(1).places


def grid_starts(length: int, size: int, n: int) -> tuple[int, ...]:
    """Return the first places of `n` windows that are spread over `length` places.

    Parameters
    ----------
    length, size : int
        Places there are, and places in a window.
    n : int
        Number of windows.

    Returns
    -------
    tuple of int
        The first window begins at the first place, the last one ends at the last.
    """
    return tuple(i * (length - size) // max(1, n - 1) for i in range(n))


def _margins(length: int, size: int, stride: int) -> tuple[int, int]:
    """Return the places before and after, for one position each `stride` places."""
    n_positions = -(-length // stride)
    total = max(0, (n_positions - 1) * stride + size - length)
    return total // 2, total - total // 2
