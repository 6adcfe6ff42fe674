"""Exact conjugate kernels of convolutional networks on small sets of pictures.

Of infinitely many filters, with independent weights of mean 0 and equal variance. One
layer is ``z = (sigma(u) - c) / sqrt(n_filters)`` at each position, where u are the
filters' sums over the window, scaled to mean square 1 over all positions and pictures,
and ``c = E sigma(xi)``; as in the estimators.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..layers import Conv2D, Pool2D, sides
from ._checks import activation_list, check_memory, matrix
from ._duals import get_dual
from .activations import gaussian_moments

__all__ = ["LEAST_VARIANCE", "convolution_kernel", "moved", "pooled"]

FloatArray = npt.NDArray[np.float64]

#: Variance of windows that are all zero, beside a mean of 1.
LEAST_VARIANCE = 1e-12


def convolution_kernel(
    X: npt.ArrayLike,
    image_shape: tuple[int, ...],
    layers: Sequence[Conv2D | Pool2D],
    activations: Sequence[Any],
) -> FloatArray:
    """Compute the conjugate kernel of an infinitely wide convolutional network.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Pictures, channels last; centred channel by channel, as the theory wants.
    image_shape : tuple of int
        (height, width) or (height, width, channels).
    layers : sequence of Conv2D or Pool2D
        First to last. Numbers of filters and of zeros, and where weights come from, do
        not count. Poolings are means over windows; "max" has no such kernel.
    activations : sequence of str, callable, Activation or StepActivation
        Activation of each convolution.

    Returns
    -------
    ndarray of shape (n_samples, n_samples), dtype float64
        Mean over all positions, or windows, of the last layer.

    Raises
    ------
    ValueError
        If `X` does not fit `image_shape`, the layers do not fit, or all pairs of
        positions do not fit into the memory of this machine.

    Notes
    -----
    Between positions i and j of two pictures, windows P have the covariance
    ``<P_i, P'_j> / p``; of filters with as many +1 as -1 the windows are less their
    means. K_1 at (i, j) is ``E (sigma(u) - c)(sigma(v) - c)``, (u, v) Gaussian with
    that covariance. A second convolution has the mean of K_1 over ``(i + d, j + d)`` in
    its window, a pooling the mean over all pairs in two windows. So all pairs of
    positions are kept: work and memory are squares of pictures times positions.

    What mean and variance of the weights determine is this kernel, in the limit of
    many weights in a filter. Filters of a dozen nonzero weights are near it.

    References
    ----------
    Novak et al., "Bayesian deep convolutional networks with many channels are Gaussian
    processes", ICLR 2019, equations 7 and 14.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_lossless import Conv2D, Pool2D
    >>> from sklearn_lossless.theory import convolution_kernel
    >>> X = np.random.default_rng(0).normal(size=(3, 36))
    >>> K = convolution_kernel(X, (6, 6), [Conv2D(1, 3), Pool2D(grid=2)], ["relu"])
    >>> K.shape
    (3, 3)
    """
    X = matrix(X, "X")
    height, width, channels = (*image_shape, 1)[:3]
    shape = (height, width, channels)
    if math.prod(shape) != X.shape[1]:
        raise ValueError(
            f"X has {X.shape[1]} features, image_shape={image_shape!r} stands for "
            f"{math.prod(shape)}."
        )
    if not layers or not isinstance(layers[0], Conv2D):
        raise ValueError(f"layers must begin with a Conv2D, got {layers!r}.")
    remaining = iter(activation_list(activations))
    n = len(X)
    places = X.reshape(n, -1, shape[2])
    K: FloatArray = np.empty(0)
    means: FloatArray = np.empty(0)
    size: tuple[int, int] = shape[:2]
    for number, layer in enumerate(layers):
        starts, window = _windows(layer, size)
        inside = _inside(starts, window, size)
        size = (len(starts[0]), len(starts[1]))
        check_memory(n * math.prod(size), n * math.prod(size), 3)
        if isinstance(layer, Pool2D):
            K, means = pooled(K, (n, n), inside), _window_means(means, n, inside)
            continue
        if number:
            K = moved(K, (n, n), inside)
            if layer.balanced:
                of_windows = _window_means(means, n, inside)
                K -= np.outer(of_windows, of_windows)
        else:
            K = _of_windows(places, inside, layer)
        try:
            activation = next(remaining)
        except StopIteration:
            raise ValueError("activations are fewer than convolutions.") from None
        K, means = _activated(K, activation)
    n_positions = math.prod(size)
    pairs = K.reshape(n, n_positions, n, n_positions)
    return np.asarray(np.einsum("aibi->ab", pairs) / n_positions)


def _windows(
    layer: Conv2D | Pool2D, size: tuple[int, int]
) -> tuple[list[npt.NDArray[np.int64]], tuple[int, int]]:
    """Return first rows and first columns of a layer's windows, and their size."""
    if isinstance(layer, Conv2D):
        if layer.padding != "valid":
            raise ValueError("Kernels are those of padding='valid'.")
        window, step = sides(layer.kernel_size), (layer.stride, layer.stride)
    elif layer.kind != "sum":
        raise ValueError("Kernels are those of pooling by sums.")
    elif layer.size is not None:
        window = step = sides(layer.size)
    else:
        assert layer.grid is not None
        grid = sides(layer.grid)
        window = (-(-size[0] // grid[0]), -(-size[1] // grid[1]))
        spread = [
            np.arange(g) * (length - w) // max(1, g - 1)
            for g, length, w in zip(grid, size, window, strict=True)
        ]
        return spread, window
    if any(w > length for w, length in zip(window, size, strict=True)):
        raise ValueError(f"{layer!r} does not fit a picture of {size[0]} x {size[1]}.")
    starts = [
        np.arange(0, length - w + 1, s)
        for length, w, s in zip(size, window, step, strict=True)
    ]
    return starts, window


def _inside(
    starts: list[npt.NDArray[np.int64]], window: tuple[int, int], size: tuple[int, int]
) -> npt.NDArray[np.int64]:
    """Return the places in each window, (n_windows, n_places)."""
    rows = starts[0][:, np.newaxis] + np.arange(window[0])
    columns = starts[1][:, np.newaxis] + np.arange(window[1])
    places = rows[:, np.newaxis, :, np.newaxis] * size[1] + columns[:, np.newaxis]
    return places.reshape(len(starts[0]) * len(starts[1]), -1)


def _of_windows(
    places: FloatArray, inside: npt.NDArray[np.int64], layer: Conv2D
) -> FloatArray:
    """Return the covariance of a filter's sums over all windows of all pictures."""
    windows = places[:, inside].reshape(len(places) * len(inside), -1)
    if layer.balanced:
        windows = windows - windows.mean(axis=1, keepdims=True)
    return windows @ windows.T


def moved(
    K: FloatArray, n_pictures: tuple[int, int], inside: npt.NDArray[np.int64]
) -> FloatArray:
    """Return the mean over pairs of places that lie alike in two windows.

    Parameters
    ----------
    K : ndarray of shape (n_rows, n_columns)
        Kernel between all places of some pictures, and all of some others.
    n_pictures : tuple of 2 int
        How many pictures the rows are of, and the columns.
    inside : ndarray of shape (n_windows, n_places)
        Places in each window.

    Returns
    -------
    ndarray of shape (n_pictures[0] * n_windows, n_pictures[1] * n_windows)
    """
    n, m = n_pictures
    pairs = K.reshape(n, len(K) // n, m, -1)
    result = np.zeros((n, len(inside), m, len(inside)))
    for place in inside.T:
        result += pairs[:, place][:, :, :, place]
    return result.reshape(n * len(inside), -1) / inside.shape[1]


def pooled(
    K: FloatArray, n_pictures: tuple[int, int], inside: npt.NDArray[np.int64]
) -> FloatArray:
    """Return the mean over all pairs of places in two windows; see `moved`."""
    for n in n_pictures:
        rows = K.reshape(n, len(K) // n, -1)
        K = rows[:, inside].mean(axis=2).reshape(n * len(inside), -1).T
    return K


def _window_means(
    means: FloatArray, n: int, inside: npt.NDArray[np.int64]
) -> FloatArray:
    """Return the means over windows."""
    return means.reshape(n, -1)[:, inside].mean(axis=2).ravel()


def _activated(K: FloatArray, activation: Any) -> tuple[FloatArray, FloatArray]:
    """Return covariance and means after an activation of inputs of mean square 1."""
    variance = np.diagonal(K).copy()
    unit = float(variance.mean())
    if not unit > 0:
        raise ValueError("All windows are constant: there is nothing to tell apart.")
    # A window without variance has no correlation with others.
    variance = np.maximum(variance / unit, LEAST_VARIANCE)
    dual, centre = get_dual(activation), gaussian_moments(activation).mean
    side = dual.side(variance)
    out = dual.product(K / unit, side, side)
    out -= centre * (side.mean[:, np.newaxis] + side.mean) - centre**2
    square = dual.square(variance) - centre * (2 * side.mean - centre)
    np.fill_diagonal(out, square)
    return (out + out.T) / 2, side.mean - centre
