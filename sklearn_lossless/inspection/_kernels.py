"""Conjugate kernels: of the reference network, of a dense and a compressed one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse

from .._printing import short_repr
from ..theory import (
    Activation,
    NetworkMatch,
    conjugate_kernel,
    gaussian_moments,
    get_activation,
    spectral_error,
)

__all__ = [
    "KernelDistance",
    "check_kernel_is_known",
    "compressed_kernels",
    "dense_kernels",
    "exact_kernels",
    "input_gram",
    "kernel_distance",
    "reference_activations",
    "root",
    "sample_rows",
    "was_trained",
]

FloatArray = npt.NDArray[np.float64]

#: Numbers in a subsample of dense data; wider data give fewer rows.
_SAMPLE_SIZE = 2**22

#: Least number of rows of a subsample, whatever their width.
_LEAST_ROWS = 20


@dataclass(frozen=True)
class KernelDistance:
    """How far two networks of finite width are from the reference network's kernel.

    Distances are operator norms of the difference from the conjugate kernel of the
    reference network at infinite width, over the norm of that kernel.

    Parameters
    ----------
    n_samples : int
        Samples that the kernels are taken on.
    n_draws : int
        Dense networks that were drawn.
    compressed : tuple of float
        Distance of the compressed network after each layer.
    dense : tuple of float
        The yardstick: mean distance after each layer of dense networks of the same
        widths with Gaussian weights and the reference network's activations. Of
        pictures: of as many filters, all of whose weights are Gaussian.
    """

    __repr__ = short_repr

    n_samples: int
    n_draws: int
    compressed: tuple[float, ...]
    dense: tuple[float, ...]


def check_kernel_is_known(compressor: Any) -> None:
    """Raise ValueError if theory does not tell the kernel of the network."""
    if not compressor.network_.has_stored_weights:
        if compressor.network_.is_dense:
            return
        raise ValueError(
            "there are layers of pictures; theory tells the kernel of dense layers."
        )
    origin = "not random ones"
    if was_trained(compressor):
        origin = "learned from the targets and not random"
    raise ValueError(
        f"there are layers with weights of their own, {origin}; theory does not tell "
        "their kernel."
    )


def was_trained(compressor: Any) -> bool:
    """Say whether the hidden layers were trained, as far as is known.

    Parameters
    ----------
    compressor : fitted NTKCompressor

    Returns
    -------
    bool
    """
    if hasattr(compressor, "_course"):
        return compressor._course is not None
    # Files do not tell the course of a training, only what was asked for.
    asked = compressor.hidden_weights == "trained"
    return asked and bool(compressor.network_.has_stored_weights)


def kernel_distance(
    estimator: Any, X: Any, *, n_draws: int = 3, random_state: int = 0
) -> KernelDistance:
    """Measure how far the compressed network's kernel is from the reference network's.

    Parameters
    ----------
    estimator : fitted NTKCompressor
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        Validated samples.
    n_draws : int, default=3
        Dense networks that the yardstick is the mean of.
    random_state : int, default=0
        Draws them.

    Returns
    -------
    KernelDistance

    Raises
    ------
    ValueError
        If the activations of the reference network are not known.
    """
    matching = estimator.matching_
    activations = reference_activations(estimator)
    gram = input_gram(estimator, X)
    exact = exact_kernels(gram, activations, matching)
    widths = [spec.n_outputs for spec in estimator.network_.layers]
    rng = np.random.default_rng(random_state)
    draws = [
        _errors(dense_kernels(gram, widths, activations, matching, rng), exact)
        for _ in range(n_draws)
    ]
    return KernelDistance(
        n_samples=len(gram),
        n_draws=n_draws,
        compressed=tuple(_errors(compressed_kernels(estimator, X), exact)),
        dense=tuple(np.mean(draws, axis=0).tolist()),
    )


def _errors(kernels: Sequence[FloatArray], exact: Sequence[FloatArray]) -> list[float]:
    return [spectral_error(K, E) for K, E in zip(kernels, exact, strict=True)]


def input_gram(estimator: Any, X: Any) -> FloatArray:
    """Return the products of the network's inputs: centred, scaled, with the bias.

    Parameters
    ----------
    estimator : fitted NTKCompressor
    X : ndarray or CSR matrix of shape (n_samples, n_features)

    Returns
    -------
    ndarray of shape (n_samples, n_samples)
    """
    mean, scale = estimator.mean_, estimator.scale_
    X = estimator.network_.quantizer.inputs(X)
    if sparse.issparse(X):
        X = X.astype(np.float64)
        cross = np.asarray(X @ mean)
        gram = np.asarray((X @ X.T).todense())
        gram = gram - cross[:, np.newaxis] - cross + mean @ mean
    else:
        centred = X - mean
        gram = centred @ centred.T
    # The inputs have mean squared norm 1; tau_0**2 - 1 is the variance of the bias.
    bias = max(estimator.matching_.tau[0] ** 2 - 1, 0.0)
    return np.asarray(scale**2 * gram + bias)


def exact_kernels(
    gram: FloatArray, activations: Sequence[Activation], matching: NetworkMatch
) -> list[FloatArray]:
    """Return the reference network's conjugate kernel at infinite width, by layer.

    Parameters
    ----------
    gram : ndarray of shape (n_samples, n_samples)
        Products of the inputs, on which alone the kernels depend.
    activations : sequence of Activation
        Activation of each layer.
    matching : NetworkMatch
        Has the deviation of each layer's input.

    Returns
    -------
    list of ndarray of shape (n_samples, n_samples)
    """
    kernels = [gram]
    for activation, tau in zip(activations, matching.tau, strict=False):
        inputs = root(kernels[-1])  # a layer sees its input only through products
        kernels.append(conjugate_kernel(inputs, [activation], tau0=tau))
    return kernels[1:]


def compressed_kernels(estimator: Any, X: Any) -> list[FloatArray]:
    """Return the compressed network's conjugate kernel after each layer.

    Parameters
    ----------
    estimator : fitted NTKCompressor
    X : ndarray or CSR matrix of shape (n_samples, n_features)

    Returns
    -------
    list of ndarray of shape (n_samples, n_samples)
    """
    network = estimator.network_.with_readout_layers("all")
    Z = network.features(X)
    ends = np.cumsum([spec.n_outputs for spec in network.layers])[:-1]
    return [part @ part.T for part in np.split(Z, ends, axis=1)]


def dense_kernels(
    gram: FloatArray,
    widths: Sequence[int],
    activations: Sequence[Activation],
    matching: NetworkMatch,
    rng: np.random.Generator,
) -> list[FloatArray]:
    """Return the conjugate kernels of a dense network with Gaussian weights.

    Given the layer below, the neurons of a layer are independent Gaussian vectors over
    the samples, with the layer's kernel as covariance. They are drawn as such: the law
    is that of a network of these widths, at a cost that does not depend on the number
    of weights.

    Parameters
    ----------
    gram : ndarray of shape (n_samples, n_samples)
        Products of the inputs.
    widths : sequence of int
        Neurons of each layer.
    activations : sequence of Activation
        Activation of each layer.
    matching : NetworkMatch
        Has the means that the activations are centred by.
    rng : Generator
        Draws the network.

    Returns
    -------
    list of ndarray of shape (n_samples, n_samples)
    """
    kernels = [gram]
    for width, activation, match in zip(
        widths, activations, matching.layers, strict=True
    ):
        inputs = root(kernels[-1]) @ rng.standard_normal((len(gram), width))
        Z = (activation(inputs) - match.target.mean) / math.sqrt(width)
        kernels.append(Z @ Z.T)
    return kernels[1:]


def reference_activations(estimator: Any) -> list[Activation]:
    """Return the activations of the reference network, checked by their moments.

    Parameters
    ----------
    estimator : fitted NTKCompressor

    Returns
    -------
    list of Activation
        One per layer.

    Raises
    ------
    ValueError
        If a function that was compressed is no longer known.
    """
    layers = estimator.matching_.layers
    asked = estimator.activation
    if not isinstance(asked, (list, tuple)) or len(asked) != len(layers):
        asked = [asked] * len(layers)
    found = []
    for match, each in zip(layers, asked, strict=True):
        candidates = [_known(each), _known(match.activation)]
        fitting = [a for a in candidates if a is not None and _has_moments(a, match)]
        if not fitting:
            raise ValueError(
                f"the function {match.activation!r} of layer {match.layer} is not "
                "known: parameter activation is no longer what was fitted."
            )
        found.append(fitting[0])
    return found


def _known(activation: Any) -> Activation | None:
    try:
        return get_activation(activation)
    except (TypeError, ValueError):
        return None


def _has_moments(activation: Activation, match: Any) -> bool:
    try:
        moments = gaussian_moments(activation, match.tau_in)
    except ValueError:
        return False
    pairs = [(moments.m1, match.target.m1), (moments.m2, match.target.m2)]
    pairs += [(moments.mean, match.target.mean), (moments.tau, match.target.tau)]
    return all(math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9) for a, b in pairs)


def draw_rows(
    n_rows: int, n_features: int, n_samples: int, is_sparse: bool
) -> npt.NDArray[np.intp]:
    """Draw at most `n_samples` of `n_rows` numbers, with a fixed seed, ascending.

    Fewer are drawn of very wide dense data.
    """
    if not is_sparse:
        n_samples = min(n_samples, max(_LEAST_ROWS, _SAMPLE_SIZE // n_features))
    n_samples = min(n_samples, n_rows)
    return np.sort(np.random.default_rng(0).choice(n_rows, n_samples, replace=False))


def sample_rows(X: Any, n_samples: int) -> npt.NDArray[np.intp]:
    """Draw at most `n_samples` rows of `X`, as `draw_rows`."""
    n_rows, n_features = X.shape
    return draw_rows(n_rows, n_features, n_samples, sparse.issparse(X))


def root(gram: FloatArray) -> FloatArray:
    """Return a matrix whose products of rows are `gram`."""
    values, vectors = linalg.eigh(gram, driver="evd")
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
