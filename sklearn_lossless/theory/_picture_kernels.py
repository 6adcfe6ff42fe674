"""Exact kernels of convolutions and poolings, a few pairs of pictures at a time.

The kernels are those of :func:`sklearn_lossless.theory.convolution_kernel`. Here the
pairs of positions that one output needs are there only while it is computed, so that
memory does not grow with the square of pictures times positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._duals import Dual, Side, get_dual
from .activations import gaussian_moments
from .convolution import LEAST_VARIANCE, moved, pooled

__all__ = ["PictureKernel", "PictureLayer", "fields"]

FloatArray = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

#: Pairs of positions that are there at once are squares of these: of pairs of
#: pictures, and of pictures with themselves.
_ROWS, _OWN_ROWS = 256, 64


@dataclass(frozen=True, eq=False)
class PictureLayer:
    """A convolution with infinitely many filters, or a pooling by means.

    Parameters
    ----------
    inside : ndarray of shape (n_outputs, n_places)
        Positions of the layer below that each window has. Of the first layer only
        their number counts.
    activation : str, callable, Activation or StepActivation, default=None
        None: a pooling.
    balanced : bool, default=False
        Whether filters have as many +1 as -1.
    unit : float, default=1.0
        Variance of the filters' sums that counts as 1. The first layer's windows are
        in such units already.
    """

    inside: Places
    activation: Any = None
    balanced: bool = False
    unit: float = 1.0

    @cached_property
    def dual(self) -> Dual:
        """The dual of the activation."""
        return get_dual(self.activation)

    @cached_property
    def centre(self) -> float:
        """Mean of the activation."""
        return float(gaussian_moments(self.activation).mean)


class _Activated(NamedTuple):
    """A convolution of these pictures: one entry for each position of each of them."""

    side: Side
    square: FloatArray  # of centred values


class PictureKernel:
    """Kernel of some pictures after layers, the first of which is a convolution.

    Parameters
    ----------
    windows : ndarray of shape (n_samples, n_positions, n_inputs)
        What the first layer sees. Their products are the covariances of its sums.
    layers : sequence of PictureLayer
        First to last.

    References
    ----------
    Novak et al., "Bayesian deep convolutional networks with many channels are Gaussian
    processes", ICLR 2019, equations 7 and 14.
    """

    def __init__(self, windows: FloatArray, layers: Sequence[PictureLayer]) -> None:
        self._windows = windows
        self._layers = list(layers)
        self._activated: dict[int, _Activated] = {}
        # Means over the filters at each position of each picture, after each layer.
        self._means: list[FloatArray] = []
        for number, layer in enumerate(self._layers):
            if layer.activation is None:
                self._means.append(self._means[-1][:, layer.inside].mean(axis=2))
                continue
            if number:
                variance = self.variances(layer, number - 1) / layer.unit
            else:
                variance = np.square(windows).sum(axis=2)
            shape, variance = variance.shape, np.maximum(variance, LEAST_VARIANCE)
            side = layer.dual.side(variance.ravel())
            square = layer.dual.square(side.variance)
            square = square - layer.centre * (2 * side.mean - layer.centre)
            self._activated[number] = _Activated(side, square)
            self._means.append((side.mean - layer.centre).reshape(shape))

    def matrix(self, number: int) -> FloatArray:
        """Return the kernel after a layer, the mean over its outputs.

        Parameters
        ----------
        number : int
            Of the layer, from 0.

        Returns
        -------
        ndarray of shape (n_samples, n_samples)
        """
        n = len(self._windows)
        kernel = np.zeros((n, n))
        seen = fields(self._layers[: number + 1])
        for output, field in enumerate(seen):
            outputs, size = np.array([output]), max(1, _ROWS // field[0])
            blocks = np.split(np.arange(n), range(size, n, size))
            for first, a in enumerate(blocks):
                for b in blocks[first:]:
                    part = self._between(number, outputs, a, b)
                    kernel[np.ix_(a, b)] += part / len(seen)
        return np.asarray(np.triu(kernel) + np.triu(kernel, 1).T)

    def variances(self, layer: PictureLayer, below: int) -> FloatArray:
        """Return the variance of the sums that filters have.

        Parameters
        ----------
        layer : PictureLayer
            A convolution that is to see a layer of these.
        below : int
            Number of the layer that it is to see.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
        """
        variance = self._own(below)[:, layer.inside].mean(axis=2)
        if layer.balanced:
            variance -= self._means[below][:, layer.inside].mean(axis=2) ** 2
        return np.asarray(variance)

    def _own(self, number: int) -> FloatArray:
        """Return the products of pictures with themselves at each output of a layer."""
        n = len(self._windows)
        if number in self._activated:
            return self._activated[number].square.reshape(n, -1)
        seen = fields(self._layers[: number + 1])
        own = np.empty((n, len(seen)))
        for output, field in enumerate(seen):
            outputs, size = np.array([output]), max(1, _OWN_ROWS // field[0])
            for a in np.split(np.arange(n), range(size, n, size)):
                own[a, output] = np.diagonal(self._between(number, outputs, a, a))
        return own

    def _between(self, number: int, outputs: Places, a: Places, b: Places) -> Any:
        """Return the kernel between outputs of a layer, of pictures `a` and `b`."""
        layer = self._layers[number]
        if number:
            inside = layer.inside[outputs]
            needed, places = np.unique(inside, return_inverse=True)
            places = places.reshape(inside.shape)
            K = self._between(number - 1, needed, a, b)
            if layer.activation is None:
                return pooled(K, (len(a), len(b)), places)
            K = moved(K, (len(a), len(b)), places)
            if layer.balanced:
                means = self._means[number - 1]
                of_windows = [means[each][:, inside].mean(axis=2) for each in (a, b)]
                K -= np.outer(*of_windows)
            K /= layer.unit
        else:
            n_inputs = self._windows.shape[2]
            of_a, of_b = (
                self._windows[each[:, np.newaxis], outputs].reshape(-1, n_inputs)
                for each in (a, b)
            )
            K = of_a @ of_b.T
        width = self._means[number].shape[1]
        rows, columns = (
            (each[:, np.newaxis] * width + outputs).ravel() for each in (a, b)
        )
        activated = self._activated[number]
        x, y = activated.side.rows(rows), activated.side.rows(columns)
        K = layer.dual.product(K, x, y)
        K -= layer.centre * (x.mean[:, np.newaxis] + y.mean - layer.centre)
        if a is b:
            np.fill_diagonal(K, activated.square[rows])
        return K


def fields(layers: Sequence[PictureLayer]) -> list[tuple[int, ...]]:
    """Return how many positions of each convolution the last layer's outputs see.

    Parameters
    ----------
    layers : sequence of PictureLayer

    Returns
    -------
    list of tuples of int
        One for each output, the first convolution first. The squares are the pairs of
        positions that a pair of pictures needs.
    """
    found = []
    for output in range(len(layers[-1].inside)):
        seen, sizes = np.array([output]), []
        for number in range(len(layers) - 1, -1, -1):
            if layers[number].activation is not None:
                sizes.append(len(seen))
            seen = np.unique(layers[number].inside[seen]) if number else seen
        found.append(tuple(reversed(sizes)))
    return found
