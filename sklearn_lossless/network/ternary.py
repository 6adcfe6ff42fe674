"""Seeded sparse ternary weights: (seed, layer, shape) -> which inputs a neuron sums.

The seed is the weights. Every number below comes from SplitMix64, a generator
of three lines that gives the same words in any language, so a model stores its
seed and any program can grow the same network from it.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from .._printing import short_repr
from . import _engine

__all__ = ["BIAS_STD", "TernaryWeights", "splitmix64", "ternary_weights"]

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = 0xFFFFFFFFFFFFFFFF

#: Standard deviation of `TernaryWeights.bias`: four independent 16-bit uniforms.
BIAS_STD = (4 * (2**32 - 1) / 12) ** 0.5

#: Words, and neurons times inputs, that are drawn from together: some megabytes each.
_WORDS_AT_ONCE = 2**20
_INPUTS_AT_ONCE = 2**26


class TernaryWeights(NamedTuple):
    """Sparse ternary weights of one layer, and one random bias per neuron.

    Attributes
    ----------
    indices : ndarray of shape (n_outputs, n_nonzeros), dtype int32
        Inputs of each neuron, without repeats. The first `n_plus` of a row have
        weight +1, the others -1; both parts are in increasing order.
    n_plus : ndarray of shape (n_outputs,), dtype int32
        Number of +1 weights of each neuron.
    bias : ndarray of shape (n_outputs,), dtype int64
        Integers of mean 0 and standard deviation `BIAS_STD`, nearly Gaussian.
    """

    def __repr__(self) -> str:
        return short_repr(self)

    indices: npt.NDArray[np.int32]
    n_plus: npt.NDArray[np.int32]
    bias: npt.NDArray[np.int64]

    @classmethod
    def of_signs(cls, signs: npt.NDArray[Any]) -> Self:
        """Return the weights that a matrix of -1, 0 and 1 holds, without biases.

        Parameters
        ----------
        signs : ndarray of shape (n_outputs, n_inputs)
            With as many nonzeros in each row.

        Returns
        -------
        TernaryWeights
        """
        n_outputs, n_inputs = signs.shape
        n_nonzeros = int(np.count_nonzero(signs[0]))
        indices = np.empty((n_outputs, n_nonzeros), dtype=np.int32)
        n_rows = max(1, _WORDS_AT_ONCE // n_inputs)
        for start in range(0, n_outputs, n_rows):
            rows = slice(start, start + n_rows)
            # A stable sort leaves each kind in increasing order.
            kinds = np.choose(np.sign(signs[rows]).astype(np.int8) + 1, (1, 2, 0))
            order = np.argsort(kinds, axis=1, kind="stable")
            indices[rows] = order[:, :n_nonzeros]
        n_plus = np.count_nonzero(signs > 0, axis=1).astype(np.int32)
        return cls(indices, n_plus, np.zeros(n_outputs, dtype=np.int64))

    def signs(self) -> npt.NDArray[np.int8]:
        """Return the nonzero weights, in the order of `indices`.

        Returns
        -------
        ndarray of shape (n_outputs, n_nonzeros), dtype int8
            +1 or -1.
        """
        is_plus = np.arange(self.indices.shape[1]) < self.n_plus[:, np.newaxis]
        return np.where(is_plus, np.int8(1), np.int8(-1))

    def dense(self, n_inputs: int) -> npt.NDArray[np.int8]:
        """Return all weights as a matrix.

        Parameters
        ----------
        n_inputs : int
            Number of inputs.

        Returns
        -------
        ndarray of shape (n_inputs, n_outputs), dtype int8
        """
        matrix = np.zeros((n_inputs, len(self.n_plus)), dtype=np.int8)
        neurons = np.arange(len(self.n_plus))[:, np.newaxis]
        matrix[self.indices, neurons] = self.signs()
        return matrix


def splitmix64(key: npt.ArrayLike, counter: npt.ArrayLike) -> npt.NDArray[np.uint64]:
    """Return word number `counter` of the SplitMix64 stream that starts at `key`.

    Parameters
    ----------
    key : array_like of uint64
        Start of the stream.
    counter : array_like of uint64
        Position in the stream, from 0; broadcast against `key`.

    Returns
    -------
    ndarray of uint64
        Independent uniform 64-bit words.

    References
    ----------
    Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
    OOPSLA 2014, Figure 17.

    Examples
    --------
    >>> from sklearn_lossless.network.ternary import splitmix64
    >>> [int(word) for word in splitmix64(1234567, [0, 1])]
    [6457827717110365317, 3203168211198807973]
    """
    steps = np.atleast_1d(np.asarray(counter, dtype=np.uint64)) + np.uint64(1)
    z = np.asarray(key, dtype=np.uint64) + steps * np.uint64(_GOLDEN)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def ternary_weights(
    seed: int,
    layer: int,
    n_inputs: int,
    n_outputs: int,
    n_nonzeros: int,
    balanced: bool = False,
) -> TernaryWeights:
    """Draw the weights of one layer.

    Each neuron has a stream of its own, keyed by (seed, layer, neuron). Word i
    of it places nonzero number i (upper 32 bits) and gives its sign (lowest
    bit); word `n_nonzeros` is the bias. The places are a uniform sample without
    replacement by Floyd's algorithm, which needs one bit of memory per input.

    Parameters
    ----------
    seed : int
        64-bit seed of the network.
    layer : int
        Number of the layer, from 0.
    n_inputs, n_outputs : int
        Shape of the layer.
    n_nonzeros : int
        Nonzero weights of each neuron, 1 to `n_inputs`.
    balanced : bool, default=False
        Whether there are as many +1 as -1: those of the smaller lower halves of their
        words are +1. Of an odd number one more is +1 where the bias's word is odd.

    Returns
    -------
    TernaryWeights

    References
    ----------
    Bentley, Floyd, "Programming pearls: a sample of brilliance", Communications
    of the ACM 30(9), 1987.

    Examples
    --------
    >>> from sklearn_lossless.network.ternary import ternary_weights
    >>> weights = ternary_weights(seed=0, layer=0, n_inputs=9, n_outputs=2,
    ...                           n_nonzeros=3)
    >>> weights.indices.shape
    (2, 3)
    """
    keys = splitmix64(splitmix64(seed & _MASK, layer), np.arange(n_outputs))
    indices = np.empty((n_outputs, n_nonzeros), dtype=np.int32)
    n_plus = np.empty(n_outputs, dtype=np.int32)
    n_at_once = max(1, min(_WORDS_AT_ONCE // n_nonzeros, _INPUTS_AT_ONCE // n_inputs))
    for start in range(0, n_outputs, n_at_once):
        rows = slice(start, start + n_at_once)
        words = splitmix64(keys[rows, np.newaxis], np.arange(n_nonzeros))
        if balanced:
            extra = splitmix64(keys[rows], n_nonzeros) & np.uint64(1)
            words = _with_balanced_signs(words, extra)
        places = indices[rows]
        _engine.draw_places(words, n_inputs, places)
        places.sort(axis=1)
        is_minus = places >= n_inputs
        n_plus[rows] = n_nonzeros - np.count_nonzero(is_minus, axis=1)
        places[is_minus] -= n_inputs
    word = splitmix64(keys, n_nonzeros)
    bias = np.full(n_outputs, -2 * 0xFFFF, dtype=np.int64)
    for shift in (0, 16, 32, 48):
        bias += ((word >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.int64)
    return TernaryWeights(indices, n_plus, bias)


def _with_balanced_signs(
    words: npt.NDArray[np.uint64], extra: npt.NDArray[np.uint64]
) -> npt.NDArray[np.uint64]:
    """Return the words with the lowest bit, the sign, 0 for half of each row."""
    n = words.shape[1]
    ranks = np.argsort(np.argsort(words << np.uint64(32), kind="stable"), kind="stable")
    n_plus = (n + extra.astype(np.int64)) // 2
    is_minus = (ranks >= n_plus[:, np.newaxis]).astype(np.uint64)
    return words & ~np.uint64(1) | is_minus
