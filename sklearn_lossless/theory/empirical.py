"""Conjugate and neural tangent kernels of finite networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ._checks import (
    activation_list,
    check_memory,
    input_deviation,
    matrix,
    no_slope,
    real_array,
)
from .activations import FloatArray, gaussian_moments, get_activation

__all__ = ["empirical_ck", "empirical_ntk"]


def empirical_ck(
    network: Any, X: npt.ArrayLike | None = None, Y: npt.ArrayLike | None = None
) -> FloatArray:
    """Return the conjugate kernel of a finite network: products of its features.

    Parameters
    ----------
    network : fitted transformer, or array-like of shape (n_samples_X, n_features_out)
        A network with a method `transform`, as
        :class:`sklearn_lossless.NTKCompressor`, or the features that it gave. Features
        are those of the last layer, centred and over sqrt(width).
    X : array-like of shape (n_samples_X, n_features), default=None
        Samples of a network. With features: None.
    Y : array-like of shape (n_samples_Y, n_features), default=None
        Other samples, or features of other samples; None: as `X`.

    Returns
    -------
    ndarray of shape (n_samples_X, n_samples_Y)

    Raises
    ------
    ValueError
        If the features are not finite matrices of one width, or the result does not
        fit into the memory of this machine.
    TypeError
        If there are samples and no network to transform them, or the reverse.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_lossless import NTKCompressor
    >>> from sklearn_lossless.theory import empirical_ck
    >>> X = np.random.default_rng(0).normal(size=(100, 20))
    >>> compressor = NTKCompressor((500,), eps=0.5, random_state=0).fit(X)
    >>> empirical_ck(compressor, X).shape
    (100, 100)
    >>> empirical_ck([[1.0, 2.0], [0.0, 1.0]])
    array([[5., 2.],
           [2., 1.]])
    """
    if hasattr(network, "transform"):
        if X is None:
            raise TypeError("a network needs samples X to have a kernel.")
        features = network.transform(X)
        others = None if Y is None else network.transform(Y)
    elif X is not None:
        raise TypeError(
            "X is given, but no network with a method transform to take it: got "
            f"{type(network).__name__}. Features of other samples are Y."
        )
    else:
        features, others = network, Y
    Z = matrix(_dense(features), "the features")
    V = Z if others is None else matrix(_dense(others), "the other features")
    if V.shape[1] != Z.shape[1]:
        raise ValueError(
            f"the features have {Z.shape[1]} columns, the others {V.shape[1]}."
        )
    check_memory(len(Z), len(V))
    return Z @ V.T


def _dense(features: Any) -> Any:
    return features.toarray() if hasattr(features, "toarray") else features


def empirical_ntk(
    X: npt.ArrayLike,
    weights: Sequence[npt.ArrayLike],
    readout: npt.ArrayLike,
    activations: Sequence[Any],
    *,
    tau0: float | None = None,
) -> FloatArray:
    """Compute the neural tangent kernel of a finite dense network, for checking.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Samples.
    weights : sequence of array-like of shape (d_l, d_(l-1))
        Weights of each layer, of variance 1.
    readout : array-like of shape (d_L,)
        Weights of the output, of variance 1.
    activations : sequence of str, callable or Activation
        The activation of each layer.
    tau0 : float or None, default=None
        As in :func:`conjugate_kernel`.

    Returns
    -------
    ndarray of shape (n_samples, n_samples)
        Products of the gradients of the output in all weights. It approaches
        :func:`neural_tangent_kernel` as the widths grow.

    Raises
    ------
    ValueError
        If the shapes do not fit together, or an activation is a step.

    References
    ----------
    Jacot, Gabriel, Hongler, NeurIPS 2018, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_lossless.theory import empirical_ntk
    >>> rng = np.random.default_rng(0)
    >>> W, a = rng.normal(size=(5000, 2)), rng.normal(size=5000)
    >>> empirical_ntk(np.eye(2), [W], a, ["relu"]).shape
    (2, 2)
    """
    Z = matrix(X, "X")
    activations = activation_list(activations)
    check_memory(len(Z), len(Z), 3)
    if not len(weights) == len(activations):
        raise ValueError(
            f"got {len(weights)} weight matrices for {len(activations)} activations."
        )
    tau = input_deviation(Z, tau0)
    inputs, slopes, matrices = [], [], []
    for number, (given, activation) in enumerate(
        zip(weights, activations, strict=True)
    ):
        W = matrix(given, f"weights[{number}]")
        if W.shape[1] != Z.shape[1]:
            raise ValueError(
                f"weights[{number}] must have {Z.shape[1]} columns, got {W.shape}."
            )
        activation = get_activation(activation)
        moments = gaussian_moments(activation, tau)
        if not math.isfinite(moments.derivative_sq):
            raise no_slope(activation.name)
        preactivation = Z @ W.T
        inputs.append(Z)
        matrices.append(W)
        step = 1e-5 * tau
        rise = activation(preactivation + step) - activation(preactivation - step)
        slopes.append(rise / (2 * step * math.sqrt(len(W))))
        Z = (activation(preactivation) - moments.mean) / math.sqrt(len(W))
        tau = moments.tau
    a = real_array(readout, "readout")
    if a.shape != (Z.shape[1],):
        raise ValueError(f"readout must have shape ({Z.shape[1]},), got {a.shape}.")
    kernel = Z @ Z.T
    gradient = np.broadcast_to(a, Z.shape)
    for layer in range(len(matrices) - 1, -1, -1):
        gradient = gradient * slopes[layer]
        kernel += (gradient @ gradient.T) * (inputs[layer] @ inputs[layer].T)
        gradient = gradient @ matrices[layer]
    return kernel
