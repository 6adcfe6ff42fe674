"""Conjugate kernels of pictures: exact, of real filters, of a compressed network.

The reference network has infinitely many filters. What it makes of a few pictures is
computed for all pairs of positions that a pooled feature sees, so there are as many
pictures as some seconds allow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..network import Convolution, Pooling
from ..network.layers import FIXED_POINT
from ..theory import spectral_error
from ..theory._picture_kernels import PictureKernel, PictureLayer, fields
from ._kernels import KernelDistance, reference_activations, sample_rows

__all__ = ["check_picture_kernel", "picture_kernel_distance"]

FloatArray = npt.NDArray[np.float64]

#: Work of one measurement: nanoseconds of a usual processor.
_BUDGET = 2.5e9

#: Work by pair of positions, with a dual in closed form or as a series; by position,
#: of a series; of a real filter by position, and by input of it.
_CLOSED_PAIR, _SERIES_PAIR, _SERIES_POSITION = 60.0, 1000.0, 150_000.0
_FILTER, _FILTER_INPUT = 10.0, 0.3

#: Least number of pictures, if there are as many.
_LEAST = 20

#: Most pictures that the units of later layers are measured on.
_UNITS = 100

#: Numbers of all windows of the pictures, of their features, and of a block.
_WINDOWS, _FEATURES, _BLOCK = 2**22, 2**23, 2**20


@dataclass(frozen=True, eq=False)
class _Chain:
    """Layers of the reference network.

    Parameters
    ----------
    network : CompressedNetwork
        The compressed network.
    layers : list of PictureLayer
        Those of the reference network, first to last.
    ends : list of int
        Number of the last layer before the next convolution, of each convolution.
    unit : float or None
        Variance of the first sums that counts as 1, as `fit` has measured it.
    """

    network: Any
    layers: list[PictureLayer]
    ends: list[int]
    unit: float | None

    def windows(self, X: Any) -> FloatArray:
        """Return what the first filters see, scaled as `PictureKernel` takes it."""
        codes = self.network.quantizer.codes(X)
        outside = np.zeros((len(codes), 1), dtype=codes.dtype)
        first = self.network.layers[0]
        seen = np.hstack([codes, outside])[:, first.patches].astype(np.float64)
        seen -= first.filters.centre / FIXED_POINT
        free = seen.shape[2]
        if self.layers[0].balanced:
            seen -= seen.mean(axis=2, keepdims=True)
            free -= 1
        unit = self.unit
        if unit is None:
            unit = float(np.square(seen).sum(axis=2).mean()) / free
        seen /= np.sqrt(free * (unit or 1.0))
        return seen

    @property
    def stages(self) -> list[tuple[Any, PictureLayer, list[PictureLayer]]]:
        """Filters of each convolution, the convolution, and poolings that follow."""
        starts = [0, *(end + 1 for end in self.ends[:-1])]
        return [
            (
                self.network.layers[start].filters,
                self.layers[start],
                self.layers[start + 1 : end + 1],
            )
            for start, end in zip(starts, self.ends, strict=True)
        ]


def check_picture_kernel(network: Any) -> None:
    """Raise ValueError if theory does not tell the kernel of layers of pictures.

    Parameters
    ----------
    network : CompressedNetwork
        Of random weights.
    """
    told = "; theory tells the kernel of pictures after convolutions and sums."
    for number, layer in enumerate(network.layers):
        if isinstance(layer, Pooling):
            if layer.kind != "sum":
                raise ValueError(f"there are largest values of windows{told}")
        elif not isinstance(layer, Convolution):
            raise ValueError(f"there are dense layers after those of pictures{told}")
        elif number and layer.margins != ((0, 0), (0, 0)):
            raise ValueError(
                "there is a convolution with places outside of what it sees, after "
                f"other layers{told}"
            )


def picture_kernel_distance(
    estimator: Any, X: Any, *, n_draws: int = 3, random_state: int = 0
) -> KernelDistance:
    """Measure how far the compressed network's kernel is from the reference network's.

    Parameters
    ----------
    estimator : fitted NTKConvCompressor
        Of random weights.
    X : ndarray of shape (n_samples, n_features)
        Pictures. Some are drawn with a fixed seed, as many as some seconds allow.
    n_draws : int, default=3
        Networks of real filters that the yardstick is the mean of.
    random_state : int, default=0
        Draws them.

    Returns
    -------
    KernelDistance
        After each convolution and the poolings that follow it.

    Raises
    ------
    ValueError
        If theory does not tell the kernel, or that would take too long.
    """
    network = estimator.network_
    check_picture_kernel(network)
    chain = _chain_of(estimator)
    least = min(_LEAST, len(X))
    X = X[sample_rows(X, _WINDOWS // network.layers[0].patches.size)]
    n = _n_affordable(chain, len(X), n_draws)
    if n < max(least, 1):
        raise ValueError(
            "the pictures have too many pairs of positions, or the layers too many "
            f"filters, to compare {_LEAST} of them in some seconds."
        )
    few, windows = sample_rows(X, n), chain.windows(X)
    measured = windows[:: 1 + len(windows) // (_UNITS + 1)]
    chain = _with_units(chain, measured if _is_closed(chain) else windows[few])
    windows, X = windows[few], X[few]
    kernel = PictureKernel(windows, chain.layers)
    exact = [kernel.matrix(end) for end in chain.ends]
    rng = np.random.default_rng(random_state)
    draws = [_errors(_real_kernels(chain, windows, rng), exact) for _ in range(n_draws)]
    return KernelDistance(
        n_samples=n,
        n_draws=n_draws,
        compressed=tuple(_errors(_compressed_kernels(chain, X), exact)),
        dense=tuple(np.mean(draws, axis=0).tolist()),
    )


def _errors(kernels: Sequence[FloatArray], exact: Sequence[FloatArray]) -> list[float]:
    return [spectral_error(K, E) for K, E in zip(kernels, exact, strict=True)]


def _chain_of(estimator: Any) -> _Chain:
    """Return the layers of the reference network, in units that are not known yet."""
    network = estimator.network_
    activations = iter(reference_activations(estimator))
    layers: list[PictureLayer] = []
    ends: list[int] = []
    for layer in network.layers:
        if isinstance(layer, Pooling):
            layers.append(PictureLayer(layer.windows))
            ends[-1] += 1
            continue
        channels = layer.shape_in[2]
        places = layer.patches[:, ::channels] // channels
        balanced = layer.filters.balanced
        layers.append(PictureLayer(places, next(activations), balanced))
        ends.append(len(layers) - 1)
    filters = network.layers[0].filters
    asked = estimator.matching_.layers[0].step.thresholds
    widest = int(np.argmax(np.abs(asked)))
    unit = None
    if asked[widest]:  # a step at zero has no unit
        deviation = filters.thresholds[widest] / FIXED_POINT / asked[widest]
        unit = float(deviation**2 / filters.n_nonzeros)
    return _Chain(network, layers, ends, unit)


def _is_closed(chain: _Chain) -> bool:
    """Return whether all duals have closed forms."""
    return all(
        layer.dual.is_closed for layer in chain.layers if layer.activation is not None
    )


def _n_affordable(chain: _Chain, n_most: int, n_draws: int) -> int:
    """Return how many pictures can be compared."""
    layers = chain.layers
    closed = _is_closed(chain)
    pairs = sum(
        sum(size**2 for size in field)
        for end in chain.ends
        for field in fields(layers[: end + 1])
    )
    alone, widest = 0.0, 1  # work by picture, and its features
    for filters, convolution, poolings in chain.stages:
        n_positions = len(convolution.inside)
        alone += 0.0 if closed else _SERIES_POSITION * n_positions
        by_position = filters.n_outputs * (_FILTER + _FILTER_INPUT * filters.n_inputs)
        alone += n_draws * n_positions * by_position
        last = poolings[-1] if poolings else convolution
        widest = max(widest, len(last.inside) * filters.n_outputs)
    by_pair = pairs * (_CLOSED_PAIR if closed else _SERIES_PAIR)
    n = np.arange(1, n_most + 1)
    fits = (n * alone + n * (n + 1) / 2 * by_pair <= _BUDGET) & (n * widest < _FEATURES)
    return int(np.count_nonzero(fits))


def _with_units(chain: _Chain, windows: FloatArray) -> _Chain:
    """Return the chain with the mean variance of later sums, of these pictures."""
    layers = list(chain.layers)
    for end in chain.ends[:-1]:
        below = PictureKernel(windows, layers[: end + 1])
        variance = float(below.variances(layers[end + 1], end).mean())
        layers[end + 1] = replace(layers[end + 1], unit=variance or 1.0)
    return replace(chain, layers=layers)


def _compressed_kernels(chain: _Chain, X: Any) -> list[FloatArray]:
    """Return the compressed network's kernel after each convolution and poolings."""
    kernels = []
    for end in chain.ends:
        part = replace(
            chain.network, layers=chain.network.layers[: end + 1], readout_layers="last"
        )
        Z = part.features(X)
        kernels.append(np.asarray(Z @ Z.T, dtype=np.float64))
    return kernels


def _real_kernels(
    chain: _Chain, windows: FloatArray, rng: np.random.Generator
) -> list[FloatArray]:
    """Return the kernels of as many filters with Gaussian weights."""
    kernels = []
    Z: FloatArray = windows
    for number, (filters, convolution, poolings) in enumerate(chain.stages):
        W = rng.standard_normal((filters.n_inputs, filters.n_outputs))
        if number:
            W /= np.sqrt(filters.n_inputs * convolution.unit)
            if convolution.balanced:
                W -= W.mean(axis=0)
        n_positions = len(convolution.inside)
        size = max(1, _BLOCK // (n_positions * max(W.shape)))
        parts = []
        for start in range(0, len(Z), size):
            part = Z[start : start + size]
            if number:
                part = part[:, convolution.inside].reshape(len(part), n_positions, -1)
            part = convolution.activation(part @ W) - convolution.centre
            for pooling in poolings:
                part = part[:, pooling.inside].mean(axis=2)
            parts.append(part)
        Z = np.concatenate(parts)
        flat = Z.reshape(len(Z), -1)
        kernels.append(flat @ flat.T / flat.shape[1])
    return kernels
