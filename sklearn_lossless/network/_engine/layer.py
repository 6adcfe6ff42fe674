"""A layer in the arrangement that the kernels read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["GROUP", "N_WORDS", "PreparedLayer", "prepare_layer"]

#: Inputs that are added together; those of a neuron are padded to a multiple.
GROUP = 8

#: 64-bit words in a row of inputs: one cache line, one register with AVX-512, two
#: with AVX2.
N_WORDS = 8


class PreparedLayer(NamedTuple):
    """A layer in the arrangement that the kernels read.

    Every sum of codes is kept as the nonnegative ``sum + largest_code * n_minus``,
    which is the sum with the codes of all subtracted inputs complemented.

    Attributes
    ----------
    rows : ndarray of shape (n_outputs, n_taps), dtype int32
        `N_WORDS` times the inputs of each neuron, first those that are subtracted.
        Padded to a multiple of `GROUP` with input number `n_inputs`, always zero.
    n_minus : ndarray of shape (n_outputs,), dtype int32
        Number of subtracted inputs.
    thresholds : ndarray of shape (n_outputs, n_thresholds), dtype int32
        For the nonnegative sums, from 0 (always reached) to one more than the
        largest sum (never).
    flips : ndarray of shape (n_thresholds,), dtype uint8
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

    rows: npt.NDArray[np.int32]
    n_minus: npt.NDArray[np.int32]
    thresholds: npt.NDArray[np.int32]
    flips: npt.NDArray[np.uint8]
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
    rows = np.full((n_outputs, n_taps), n_inputs, dtype=np.int32)
    for row, inputs, n_added in zip(rows, indices, n_plus, strict=True):
        # Up and down again: what was read last is read first, from the nearest
        # cache, also by the next neuron.
        row[: n_nonzeros - n_added] = np.sort(inputs[n_added:])
        row[n_nonzeros - n_added : n_nonzeros] = np.sort(inputs[:n_added])[::-1]
    rows *= N_WORDS
    largest_sum = n_nonzeros * (2**input_bits - 1)
    offset = n_minus[:, None].astype(np.int64) * (2**input_bits - 1)
    reachable = np.clip(thresholds, -offset, largest_sum + 1 - offset)
    return PreparedLayer(
        rows=rows,
        n_minus=n_minus,
        thresholds=(reachable + offset).astype(np.int32),
        flips=levels[:-1] ^ levels[1:],
        first_level=int(levels[0]),
        n_inputs=n_inputs,
        input_bits=input_bits,
        output_bits=max(1, int(levels.max()).bit_length()),
        sum_bits=(largest_sum + 1).bit_length(),
    )
