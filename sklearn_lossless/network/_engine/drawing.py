"""Places of drawn weights: Floyd's sample without replacement."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from . import fallback
from .vector import kernel

__all__ = ["draw_places"]

_HALF = np.uint64(32)
_LOWEST = np.uint64(1)

#: With so many words, weights of a neuron, and inputs of all neurons together, NumPy
#: takes about a millisecond.
_FEW_WORDS = 2**15
_FEW_NONZEROS = 2**8
_FEW_INPUTS = 2**20


def draw_places(
    words: npt.NDArray[np.uint64], n_inputs: int, places: npt.NDArray[np.int32]
) -> None:
    """Fill `places` with the inputs that the words of each neuron choose.

    Parameters
    ----------
    words : ndarray of shape (n_neurons, n_nonzeros), dtype uint64
        Upper halves place the weights, lowest bits are their signs.
    n_inputs : int
        Number of inputs.
    places : ndarray of shape (n_neurons, n_nonzeros), dtype int32
        Inputs without repeats; `n_inputs` more where the weight is -1.
    """
    n_neurons, n_nonzeros = words.shape
    is_small = words.size <= _FEW_WORDS and n_neurons * n_inputs <= _FEW_INPUTS
    if is_small and n_nonzeros <= _FEW_NONZEROS:
        fallback.draw_places(words, n_inputs, places)
    else:
        _draw(words, n_inputs, np.zeros(n_inputs, dtype=np.bool_), places)


@kernel
def _draw(words, n_inputs, taken, places):  # type: ignore[no-untyped-def]
    n_neurons, n_nonzeros = words.shape
    for o in range(n_neurons):
        for i in range(n_nonzeros):
            last = n_inputs - n_nonzeros + i
            word = words[o, i]
            place = np.int64(((word >> _HALF) * np.uint64(last + 1)) >> _HALF)
            if taken[place]:
                place = last
            taken[place] = True
            places[o, i] = place + n_inputs * np.int64(word & _LOWEST)
        for i in range(n_nonzeros):
            taken[places[o, i] % n_inputs] = False
