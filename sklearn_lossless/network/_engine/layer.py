"""A layer in the arrangement that the kernels read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "BLOCK",
    "GROUP",
    "N_WORDS",
    "PreparedLayer",
    "Scratch",
    "aligned_zeros",
    "prepare_layer",
    "prepare_readout",
]

#: Inputs that are added together; those of a neuron are padded to a multiple.
GROUP = 8

#: 64-bit words in a row of inputs: one cache line, one register with AVX-512, two
#: with AVX2.
N_WORDS = 8

#: Samples in a block: a row of a plane has one bit of each.
BLOCK = 64 * N_WORDS

#: Inputs of neurons that are arranged together.
_TAPS_AT_ONCE = 2**20

#: Neurons whose thresholds are arranged together.
_NEURONS_AT_ONCE = 2**12


def aligned_zeros(size: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return a flat array that starts at a cache line.

    A vector is a cache line. Loads that straddle two lines cost a sixth of the speed.
    """
    n_bytes = size * np.dtype(dtype).itemsize
    buffer = np.zeros(n_bytes + 64, dtype=np.uint8)
    start = -buffer.__array_interface__["data"][0] % 64  # quicker than `ctypes`
    return buffer[start : start + n_bytes].view(dtype)


class Scratch:
    """Arrays that one thread makes once and uses for all its blocks of samples.

    Fresh memory is handed out page by page, which takes longer than the arithmetic of
    a narrow layer. Arrays begin as zeros and keep what is written to them.
    """

    def __init__(self) -> None:
        #: Blocks that were run with it.
        self.n_blocks = 0
        self._arrays: dict[Any, npt.NDArray[Any]] = {}
        self._others: dict[Any, Scratch] = {}

    def part(self, name: Any) -> Scratch:
        """Return the scratch `name`, with arrays of its own."""
        return self._others.setdefault(name, Scratch())

    def zeros(self, name: Any, size: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return the array `name`, which always has the same size and dtype."""
        if name not in self._arrays:
            self._arrays[name] = aligned_zeros(size, dtype)
        return self._arrays[name]


@dataclass(frozen=True, eq=False)
class PreparedLayer:
    """A layer in the arrangement that the kernels read.

    Every sum of codes is kept as the nonnegative ``sum + largest_code * n_minus``,
    which is the sum with the codes of all subtracted inputs complemented.

    Attributes
    ----------
    tap_offsets : ndarray of shape (n_outputs, n_taps), dtype int32
        `N_WORDS` times the inputs of each neuron, first those that are subtracted.
        Padded to a multiple of `GROUP` with input number `n_inputs`, always zero.
    n_minus : ndarray of shape (n_outputs,), dtype int32
        Number of subtracted inputs.
    thresholds : ndarray of shape (n_outputs, n_thresholds), dtype int32
        For the nonnegative sums, from 0 (always reached) to one more than the
        largest sum (never).
    level_changes : ndarray of shape (n_thresholds,), dtype uint8
        Bits of the output code that change at each threshold.
    first_level : int
        Output code below all thresholds.
    n_inputs : int
        Number of inputs.
    input_bits, output_bits : int
        Bits of an input code and of an output code.
    sum_bits : int
        Bits of the largest threshold.
    """

    tap_offsets: npt.NDArray[np.int32]
    n_minus: npt.NDArray[np.int32]
    thresholds: npt.NDArray[np.int32]
    level_changes: npt.NDArray[np.uint8]
    first_level: int
    n_inputs: int
    input_bits: int
    output_bits: int
    sum_bits: int

    @property
    def n_outputs(self) -> int:
        """Number of neurons."""
        return len(self.n_minus)

    @property
    def largest_code(self) -> int:
        """Largest input code."""
        return 2**self.input_bits - 1

    @cached_property
    def for_samples(self) -> tuple[Any, ...]:
        """What `layer_on_sample` takes from the layer, in its order."""
        return (
            self.weight_planes,
            self.level_changes,
            self.first_level,
            self.input_bits,
            self.sum_bits,
            self.output_bits,
        )

    @property
    def plane_bytes(self) -> int:
        """Size of `weight_planes`."""
        n_blocks = -(-self.n_outputs // (64 * N_WORDS))
        n_rows = 2 * (self.n_inputs + 1)
        n_rows += self.thresholds.shape[1] * (self.sum_bits + 1)
        return 8 * n_blocks * n_rows * N_WORDS

    @property
    def weight_planes(self) -> npt.NDArray[np.uint64]:
        """Weights and thresholds with the neurons along vectors.

        For each block of `64 * N_WORDS` neurons: a row of `N_WORDS` words for each
        input and one of zeros, with a bit for each neuron that adds it; as many for
        those that subtract it; for each threshold the complements of its
        ``sum_bits + 1`` bits, where sums are kept as ``sum + 2**sum_bits - 1``.
        """
        n_rows = self.n_inputs + 1
        n_bits = self.sum_bits + 1
        flat = aligned_zeros(self.plane_bytes // 8, np.uint64)
        blocks = flat.reshape(-(-self.n_outputs // (64 * N_WORDS)), -1, N_WORDS)
        offset = self.largest_code * self.n_minus.astype(np.int64)
        reached_from = self.thresholds + (2**self.sum_bits - 1 - offset)[:, np.newaxis]
        for first in range(0, self.n_outputs, 64):
            neurons = slice(first, first + 64)
            block, word = divmod(first // 64, N_WORDS)
            inputs = self.tap_offsets[neurons] // N_WORDS
            n_minus = self.n_minus[neurons]
            column = blocks[block, :, word]
            plus = [row[n:] for row, n in zip(inputs, n_minus, strict=True)]
            column[:n_rows] = _words(_bits_of_neurons(n_rows, plus))
            minus = [row[:n] for row, n in zip(inputs, n_minus, strict=True)]
            column[n_rows : 2 * n_rows] = _words(_bits_of_neurons(n_rows, minus))
            for number, threshold in enumerate(reached_from[neurons].T):
                start = 2 * n_rows + number * n_bits
                not_bits = threshold >> np.arange(n_bits)[:, np.newaxis] & 1 == 0
                column[start : start + n_bits] = _words(not_bits)
        return flat


def _bits_of_neurons(
    n_rows: int, inputs: Sequence[npt.NDArray[np.int32]]
) -> npt.NDArray[np.bool_]:
    """Mark the inputs of each neuron; the last row is padding."""
    bits = np.zeros((n_rows, len(inputs)), dtype=bool)
    for neuron, of_neuron in enumerate(inputs):
        bits[of_neuron, neuron] = True
    bits[-1] = False
    return bits


def _words(bits: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    """Pack rows of up to 64 bits, the lowest first."""
    packed = np.zeros((len(bits), 8), dtype=np.uint8)
    part = np.packbits(bits, axis=1, bitorder="little")
    packed[:, : part.shape[1]] = part
    return packed.view(np.uint64)[:, 0]


def prepare_layer(
    indices: npt.NDArray[np.int32],
    n_plus: npt.NDArray[np.int32],
    thresholds: npt.NDArray[np.int64],
    levels: npt.NDArray[np.uint8],
    n_inputs: int,
    input_bits: int,
) -> PreparedLayer:
    """Arrange a layer for `forward`.

    Parameters
    ----------
    indices : ndarray of shape (n_outputs, n_nonzeros), dtype int32
        Inputs of each neuron; the first `n_plus` are added, the rest subtracted.
    n_plus : ndarray of shape (n_outputs,), dtype int32
        Number of added inputs.
    thresholds : ndarray of shape (n_outputs, n_thresholds), dtype int64
        Nondecreasing in each row.
    levels : ndarray of shape (n_thresholds + 1,), dtype uint8
        Output code, below 16, by the number of thresholds that the sum reaches.
    n_inputs : int
        Number of inputs.
    input_bits : int
        Bits of an input code, 1 to 8.

    Returns
    -------
    PreparedLayer
    """
    n_outputs, n_nonzeros = indices.shape
    n_minus = n_nonzeros - n_plus.astype(np.int32)
    n_taps = -(-n_nonzeros // GROUP) * GROUP
    tap_offsets = np.full((n_outputs, n_taps), n_inputs, dtype=np.int32)
    n_at_once = max(1, _TAPS_AT_ONCE // n_nonzeros)
    for start in range(0, n_outputs, n_at_once):
        rows = slice(start, start + n_at_once)
        is_plus = np.arange(n_nonzeros) < n_plus[rows, np.newaxis]
        # Up and down again: what was read last is read first, from the nearest
        # cache, also by the next neuron.
        order = np.where(is_plus, 2 * n_inputs - indices[rows], indices[rows])
        order.sort(axis=1)
        down = order >= n_inputs
        tap_offsets[rows, :n_nonzeros] = np.where(down, 2 * n_inputs - order, order)
    tap_offsets *= N_WORDS
    largest_sum = n_nonzeros * (2**input_bits - 1)
    offset = n_minus[:, None].astype(np.int64) * (2**input_bits - 1)
    reachable = np.empty(thresholds.shape, dtype=np.int32)
    for start in range(0, n_outputs, _NEURONS_AT_ONCE):
        rows = slice(start, start + _NEURONS_AT_ONCE)
        low, high = -offset[rows], largest_sum + 1 - offset[rows]
        reachable[rows] = np.clip(thresholds[rows], low, high) + offset[rows]
    return PreparedLayer(
        tap_offsets=tap_offsets,
        n_minus=n_minus,
        thresholds=reachable,
        level_changes=levels[:-1] ^ levels[1:],
        first_level=int(levels[0]),
        n_inputs=n_inputs,
        input_bits=input_bits,
        output_bits=max(1, int(levels.max()).bit_length()),
        sum_bits=(largest_sum + 1).bit_length(),
    )


def prepare_readout(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Arrange a readout for `read_out`: each target's weights fill whole cache lines.

    Parameters
    ----------
    weights : ndarray of shape (n_features, n_targets), dtype float64
        Whole numbers.

    Returns
    -------
    ndarray of shape (n_targets, n_padded), dtype float64
    """
    n_features, n_targets = weights.shape
    n_padded = -(-n_features // 8) * 8
    by_target = aligned_zeros(n_targets * n_padded, np.float64)
    by_target = by_target.reshape(n_targets, n_padded)
    by_target[:, :n_features] = weights.T
    return by_target
