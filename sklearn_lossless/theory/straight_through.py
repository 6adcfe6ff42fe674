"""The tangent kernel of networks of steps that are trained straight through.

A step has no derivative to descend, so training puts another function's in its place,
that of the activation that the step is matched to. The outputs still answer by the
step. In a wide network that answer is smooth, an average over many neurons of which
few are at a threshold, and there is a kernel again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ._checks import (
    activation_list,
    check_memory,
    check_number,
    input_deviation,
    matrix,
)
from ._duals import Dual, Side, get_dual
from .activations import Activation, get_activation
from .steps import StepActivation, normal_density

__all__ = ["straight_through_kernel"]

FloatArray = npt.NDArray[np.float64]

#: Half the interval of a slope, over the deviation of the input.
_SLOPE_WIDTH = 1e-5


def straight_through_kernel(
    X: npt.ArrayLike,
    activations: Sequence[Any],
    steps: Sequence[StepActivation],
    Y: npt.ArrayLike | None = None,
    *,
    tau0: float | None = None,
    hidden_rate: float = 1.0,
) -> FloatArray:
    """Compute the tangent kernel of straight-through training, at infinite width.

    ``T_L = K_L + S_L`` with ``S_l = (c K_(l-1) + S_(l-1)) * E s_l'(u) g_l'(v)``
    elementwise and S_0 = 0; s the steps, g the activations whose slopes take their
    place in the gradient, K the conjugate kernels of the steps, (u, v) Gaussian with
    the covariance of K_(l-1), c the rate of the hidden weights.

    Parameters
    ----------
    X : array-like of shape (n_samples_X, n_features)
        Samples, where outputs are looked at.
    activations : sequence of str, callable or Activation
        Whose slopes are taken, one for each layer.
    steps : sequence of StepActivation
        What is computed, as by :func:`match_network`.
    Y : array-like of shape (n_samples_Y, n_features), default=None
        Samples that are trained on. None: `X`.
    tau0 : float or None, default=None
        As in :func:`conjugate_kernel`.
    hidden_rate : float, default=1.0
        Learning rate of hidden weights over that of the readout, times what a change of
        real weights makes of those that are used: 1 where they are the same.

    Returns
    -------
    ndarray of shape (n_samples_X, n_samples_Y)
        Without `Y` the mean of it and its transpose, which differ by little in high
        dimension. To 1e-6 up to correlations of 0.9; some per cent of the hidden part
        near 1, but exact on the diagonal.

    Raises
    ------
    ValueError
        As :func:`conjugate_kernel`, and if there is not one step for each activation,
        or `hidden_rate` is negative.
    TypeError
        If a sequence is none, or has what is no step.

    Notes
    -----
    Derived in the documentation, "Learning dynamics". ``E s'(u) g'(v)`` is the slope in
    the covariance of ``E s(u) g(v)`` (Price's theorem); with Hermite coefficients a of
    s and b of g it is ``sum_k k a_k b_k rho^(k-1) / (deviations)``, and on the diagonal
    the sum over thresholds r of jump, density and g'(r).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_lossless.theory import match_network, straight_through_kernel
    >>> steps = [layer.step for layer in match_network(["relu"]).layers]
    >>> straight_through_kernel(np.eye(2), ["relu"], steps).diagonal().round(3)
    array([0.848, 0.848])
    """
    layers, stairs = activation_list(activations), activation_list(steps)
    if len(layers) != len(stairs):
        raise ValueError(f"got {len(stairs)} steps for {len(layers)} activations.")
    if not all(isinstance(each, StepActivation) for each in stairs):
        raise TypeError("steps must be StepActivation, one for each activation.")
    check_number("hidden_rate", hidden_rate)
    if hidden_rate < 0:
        raise ValueError(f"hidden_rate must be 0 or more, got {hidden_rate!r}.")
    X = matrix(X, "X")
    Z = X if Y is None else matrix(Y, "Y")
    if X.shape[1] != Z.shape[1]:
        raise ValueError(f"X has {X.shape[1]} features, Y has {Z.shape[1]}.")
    check_memory(len(X), len(Z), 4)
    tau = input_deviation(X, tau0)
    k, hidden = X @ Z.T, np.zeros((len(X), len(Z)))
    q, r = np.sum(X**2, axis=1), np.sum(Z**2, axis=1)
    if not (np.all(q > 0) and np.all(r > 0)):
        raise ValueError("samples must have positive norms, as one is zero.")
    for step, given in zip(stairs, layers, strict=True):
        activation = get_activation(given)
        dual, centre = get_dual(step), step.moments(tau).mean
        left, right = dual.side(q), dual.side(r)
        slope = _cross_slope(k, left, Dual(activation, tau).side(r))
        if Y is None:
            np.fill_diagonal(slope, _diagonal_slope(q, step, activation))
        hidden = (hidden_rate * k + hidden) * slope
        k = dual.product(k, left, right)
        k -= centre * (left.mean[:, np.newaxis] + right.mean) - centre**2
        q = dual.square(q) - centre * (2 * left.mean - centre)
        r = dual.square(r) - centre * (2 * right.mean - centre)
        if Y is None:
            np.fill_diagonal(k, q)
        tau = step.moments(tau).tau
    kernel = k + hidden
    return (kernel + kernel.T) / 2 if Y is None else kernel


def _cross_slope(k: FloatArray, left: Side, right: Side) -> FloatArray:
    """Return ``E s'(u) g'(v)``, from the series of both."""
    assert left.coefficients is not None
    assert right.coefficients is not None
    scale = np.sqrt(np.outer(left.variance, right.variance))
    rho, total = k / scale, np.zeros_like(k)
    n_terms = min(len(left.coefficients), len(right.coefficients))
    for order in range(n_terms - 1, 0, -1):
        total *= rho
        total += order * np.outer(left.coefficients[order], right.coefficients[order])
    return np.asarray(total / scale)


def _diagonal_slope(
    variance: FloatArray, step: StepActivation, activation: Activation
) -> FloatArray:
    """Return ``E s'(u) g'(u)``: the slopes of g at the thresholds, by their density."""
    deviation = np.sqrt(variance)
    width = _SLOPE_WIDTH * math.sqrt(variance.mean())
    points = step.thresholds
    slopes = (activation(points + width) - activation(points - width)) / (2 * width)
    jumps = step.scale * np.diff(step.levels)
    density = normal_density(points / deviation[:, np.newaxis])
    return np.asarray(density @ (jumps * slopes) / deviation)
