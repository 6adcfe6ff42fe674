"""Forward pass of sparse ternary layers on integer codes.

The only compiled code of the package. Nothing outside knows how it works: callers
pass row-major codes, the inputs of each neuron and its integer thresholds, and get
row-major codes. All kernels release the GIL and run on the calling thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ._loops import layer_kernel, quantize

__all__ = ["PreparedLayer", "forward", "prepare_layer", "quantize"]

#: Samples handled together: a block of codes of a wide layer stays in cache.
_BLOCK = 128


class PreparedLayer(NamedTuple):
    """A layer in the arrangement that the kernels read."""

    indices: npt.NDArray[np.int32]
    n_plus: npt.NDArray[np.int32]
    thresholds: npt.NDArray[np.int64]
    levels: npt.NDArray[np.uint8]
    n_inputs: int


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
    thresholds : ndarray of shape (n_outputs, n_thresholds), dtype int64
        Nondecreasing in each row.
    levels : ndarray of shape (n_thresholds + 1,), dtype uint8
        Output code by the number of thresholds that the sum reaches.
    n_inputs : int
        Number of inputs.
    input_bits : int
        Bits of an input code, 1 to 8.

    Returns
    -------
    PreparedLayer
    """
    # No sum leaves this range, so thresholds beyond it say no less when clipped.
    limit = indices.shape[1] * (2**input_bits - 1) + 1
    return PreparedLayer(
        indices, n_plus, np.clip(thresholds, -limit, limit), levels, n_inputs
    )


def forward(
    codes: npt.NDArray[np.uint8], layers: Sequence[PreparedLayer]
) -> npt.NDArray[np.uint8]:
    """Run codes through layers.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_inputs), dtype uint8
        C-contiguous.
    layers : sequence of PreparedLayer

    Returns
    -------
    ndarray of shape (n_samples, n_outputs), dtype uint8
    """
    n_samples = len(codes)
    result = np.empty((n_samples, len(layers[-1].n_plus)), dtype=np.uint8)
    for start in range(0, n_samples, _BLOCK):
        rows = slice(start, min(start + _BLOCK, n_samples))
        block = np.ascontiguousarray(codes[rows].T)
        for layer in layers:
            out = np.empty((len(layer.n_plus), block.shape[1]), dtype=np.uint8)
            layer_kernel(
                block, layer.indices, layer.n_plus, layer.thresholds, layer.levels, out
            )
            block = out
        result[rows] = block.T
    return result
