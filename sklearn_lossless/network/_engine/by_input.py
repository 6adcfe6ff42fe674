"""The weights of a first layer by input, for rows with few entries.

Where a row is sparse, most of its codes are those of zero. What these give to the sums
of the neurons is a constant, which goes into the thresholds. An entry adds what its
code has more than that of zero to the sums of the neurons that see its input. So time
grows with the entries, not with the inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["LayerByInput", "arrange_by_input", "by_input_bytes", "entries_pay"]

#: Layers of fewer inputs are as fast with all codes.
_MIN_INPUTS = 1024

#: Making and moving a code takes as long as adding an entry to one sum; in blocks of
#: samples, 32 codes of 8 bits are added in that time.
_CODES_PER_SUM = 32


@dataclass(frozen=True, eq=False)
class LayerByInput:
    """A layer in the arrangement that `layer_on_entries` reads.

    Attributes
    ----------
    zero : ndarray of shape (n_inputs,), dtype uint8
        Codes of zero.
    starts : ndarray of shape (n_inputs + 1,), dtype int64
        Where the neurons of each input begin.
    neurons : ndarray of uint16 or int32
        Those that see an input; `n_outputs` more where it is subtracted.
    thresholds : ndarray of shape (n_thresholds, n_outputs), dtype int32
        For sums of what codes have more than those of zero.
    level_changes : ndarray of shape (n_thresholds,), dtype uint8
        Bits of the output code that change at each threshold.
    first_level : int
        Output code below all thresholds.
    """

    zero: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]
    neurons: npt.NDArray[np.uint16] | npt.NDArray[np.int32]
    thresholds: npt.NDArray[np.int32]
    level_changes: npt.NDArray[np.uint8]
    first_level: int

    @property
    def n_outputs(self) -> int:
        """Number of neurons."""
        return int(self.thresholds.shape[1])


def entries_pay(n_entries: float, n_inputs: int, n_sums: float, n_bits: int) -> bool:
    """Return whether a layer is faster on the entries of rows than on all codes.

    Parameters
    ----------
    n_entries : float
        Entries of a row, in the mean.
    n_inputs : int
        Inputs of the layer.
    n_sums : float
        Neurons that see an input, in the mean.
    n_bits : int
        Bits of an input code.
    """
    of_code = 1 + n_sums * n_bits / (8 * _CODES_PER_SUM)
    return n_inputs >= _MIN_INPUTS and n_entries * n_sums < n_inputs * of_code


def by_input_bytes(
    n_inputs: int, n_outputs: int, n_nonzeros: int, n_thresholds: int
) -> int:
    """Bound the memory of a layer by input.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Shape of the layer.
    n_nonzeros, n_thresholds : int
        Of a neuron.
    """
    of_neuron = _neuron_type(n_outputs).itemsize * n_nonzeros + 4 * n_thresholds + 32
    return of_neuron * n_outputs + 32 * n_inputs


def _neuron_type(n_outputs: int) -> np.dtype[Any]:
    """Return the type of the numbers of neurons, once more where they subtract."""
    return np.dtype(np.uint16 if 2 * n_outputs <= 2**16 else np.int32)


def arrange_by_input(
    indices: npt.NDArray[np.int32],
    n_plus: npt.NDArray[np.int32],
    thresholds: npt.NDArray[np.int64],
    levels: npt.NDArray[np.uint8],
    zero: npt.NDArray[np.uint8],
    fill: Callable[..., None],
) -> LayerByInput:
    """Arrange a layer for `layer_on_entries`.

    Parameters
    ----------
    indices : ndarray of shape (n_outputs, n_nonzeros), dtype int32
        Inputs of each neuron; the first `n_plus` are added, the rest subtracted.
    n_plus : ndarray of shape (n_outputs,), dtype int32
        Number of added inputs.
    thresholds : ndarray of shape (n_outputs, n_thresholds), dtype int64
        Nondecreasing in each row.
    levels : ndarray of shape (n_thresholds + 1,), dtype uint8
        Output code by the number of thresholds that the sum reaches.
    zero : ndarray of shape (n_inputs,), dtype uint8
        Codes of zero.
    fill : callable
        The kernel `fill_by_input`.

    Returns
    -------
    LayerByInput
    """
    n_outputs, n_nonzeros = indices.shape
    starts = np.zeros(len(zero) + 1, dtype=np.int64)
    neurons = np.empty(indices.size, dtype=_neuron_type(n_outputs))
    of_zero = np.zeros(n_outputs, dtype=np.int64)
    fill(indices, n_plus, zero, starts, neurons, of_zero)
    largest_sum = 255 * n_nonzeros
    more = np.empty(thresholds.T.shape, dtype=np.int32)
    for least, row in zip(thresholds.T, more, strict=True):
        row[:] = np.clip(least - of_zero, -largest_sum, largest_sum + 1)
    return LayerByInput(
        zero=zero,
        starts=starts,
        neurons=neurons,
        thresholds=more,
        level_changes=levels[:-1] ^ levels[1:],
        first_level=int(levels[0]),
    )
