"""Seeded sparse ternary weights: (seed, layer, shape) -> which inputs a neuron sums.

The seed is the weights. Every number below comes from SplitMix64, a generator
of three lines that gives the same words in any language, so a model stores its
seed and any program can grow the same network from it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["BIAS_STD", "TernaryWeights", "splitmix64", "ternary_weights"]

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = 0xFFFFFFFFFFFFFFFF

#: Standard deviation of `TernaryWeights.bias`: four independent 16-bit uniforms.
BIAS_STD = (4 * (2**32 - 1) / 12) ** 0.5

#: Neurons drawn at once; bounds the membership table to a few megabytes.
_NEURONS_AT_ONCE = 1024


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

    indices: npt.NDArray[np.int32]
    n_plus: npt.NDArray[np.int32]
    bias: npt.NDArray[np.int64]

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
    seed: int, layer: int, n_inputs: int, n_outputs: int, n_nonzeros: int
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
    layer_key = splitmix64(seed & _MASK, layer)
    parts = [
        _draw_neurons(
            splitmix64(layer_key, np.arange(start, stop)), n_inputs, n_nonzeros
        )
        for start in range(0, n_outputs, _NEURONS_AT_ONCE)
        for stop in [min(start + _NEURONS_AT_ONCE, n_outputs)]
    ]
    return TernaryWeights(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _draw_neurons(
    keys: npt.NDArray[np.uint64], n_inputs: int, n_nonzeros: int
) -> TernaryWeights:
    """Draw the neurons whose streams start at `keys`."""
    n_outputs = len(keys)
    neurons = np.arange(n_outputs)
    # 0: not an input of this neuron; 1: weight +1; 2: weight -1.
    table = np.zeros((n_outputs, n_inputs), dtype=np.uint8)
    for i in range(n_nonzeros):
        word = splitmix64(keys, i)
        last = n_inputs - n_nonzeros + i
        place = (
            ((word >> np.uint64(32)) * np.uint64(last + 1)) >> np.uint64(32)
        ).astype(np.intp)
        place[table[neurons, place] != 0] = last
        table[neurons, place] = 1 + (word & np.uint64(1)).astype(np.uint8)

    # A stable sort by (plus, minus, zero) leaves each part in increasing order.
    n_plus = np.count_nonzero(table == 1, axis=1).astype(np.int32)
    rows_plus, plus = np.nonzero(table == 1)
    rows_minus, minus = np.nonzero(table == 2)
    rows = np.concatenate([rows_plus, rows_minus])
    order = np.argsort(rows, kind="stable")
    indices = np.concatenate([plus, minus])[order].astype(np.int32)

    word = splitmix64(keys, n_nonzeros)
    bias = np.full(n_outputs, -2 * 0xFFFF, dtype=np.int64)
    for shift in (0, 16, 32, 48):
        bias += ((word >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.int64)
    return TernaryWeights(indices.reshape(n_outputs, n_nonzeros), n_plus, bias)
