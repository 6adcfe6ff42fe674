"""Closed forms of the Gaussian moments and of the duals of named activations."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ._gaussian import FloatArray, GaussianMoments

__all__ = ["CLOSED_FORMS", "ClosedDual", "piecewise_linear"]


class ClosedDual(NamedTuple):
    """Closed forms of the dual of an activation, elementwise.

    For Gaussians u and u' of variances v and w and covariance k. The functions must
    accept arrays that broadcast against each other.

    Attributes
    ----------
    mean : callable
        Maps v to ``E sigma(u)``.
    product : callable
        Maps k, v and w to ``E sigma(u) sigma(u')``.
    slope : callable or None
        Maps k, v and w to ``E sigma'(u) sigma'(u')``. None where ``E sigma'(u)^2`` is
        infinite, so that there is no neural tangent kernel.
    """

    mean: Callable[[FloatArray], Any]
    product: Callable[[FloatArray, FloatArray, FloatArray], Any]
    slope: Callable[[FloatArray, FloatArray, FloatArray], Any] | None


def piecewise_linear(
    p: float, q: float
) -> tuple[Callable[[float], GaussianMoments], ClosedDual]:
    """Return the moments and the dual of p u + q |u|."""
    dual = ClosedDual(
        partial(_piecewise_linear_mean, q=q),
        partial(_piecewise_linear_product, p=p, q=q),
        partial(_piecewise_linear_slope, p=p, q=q),
    )
    return partial(_piecewise_linear, p=p, q=q), dual


def _piecewise_linear(t: float, *, p: float, q: float) -> GaussianMoments:
    """Moments of p u + q |u|."""
    mean = q * t * math.sqrt(2 / math.pi)
    return GaussianMoments(
        mean=mean,
        m1=p,
        m2=q * math.sqrt(2 / math.pi) / t,
        f=2 * (p**2 + q**2) - 4 * q**2 / math.pi,
        tau=t * math.sqrt(p**2 + q**2 * (1 - 2 / math.pi)),
        derivative_sq=p**2 + q**2,
    )


# Below, f = 2 d E[s^2] / d(t^2) at fixed mean (heat equation), and v = t^2.


def _erf(t: float) -> GaussianMoments:
    v = t * t
    ratio = 2 * v / (1 + 2 * v)
    return GaussianMoments(
        mean=0.0,
        m1=2 / math.sqrt(math.pi * (1 + 2 * v)),
        m2=0.0,
        f=8 / (math.pi * (1 + 2 * v) * math.sqrt(1 + 4 * v)),
        tau=math.sqrt(2 / math.pi * math.asin(ratio)),
        derivative_sq=4 / (math.pi * math.sqrt(1 + 4 * v)),
    )


def _sin(t: float) -> GaussianMoments:
    v = t * t
    return GaussianMoments(
        mean=0.0,
        m1=math.exp(-v / 2),
        m2=0.0,
        f=2 * math.exp(-2 * v),
        tau=math.sqrt(-math.expm1(-2 * v) / 2),
        derivative_sq=(1 + math.exp(-2 * v)) / 2,
    )


def _cos(t: float) -> GaussianMoments:
    v = t * t
    return GaussianMoments(
        mean=math.exp(-v / 2),
        m1=0.0,
        m2=-math.exp(-v / 2),
        f=-2 * math.exp(-v) * math.expm1(-v),
        tau=-math.expm1(-v) / math.sqrt(2),
        derivative_sq=-math.expm1(-2 * v) / 2,
    )


def _exp(t: float) -> GaussianMoments:
    v = np.float64(t) ** 2  # overflows to infinity instead of raising
    mean = float(np.exp(v / 2))
    square = float(np.exp(2 * v))
    return GaussianMoments(
        mean=mean,
        m1=mean,
        m2=mean,
        f=4 * square - 2 * mean**2 if math.isfinite(square) else math.inf,
        tau=float(np.sqrt(np.exp(v) * np.expm1(v))),
        derivative_sq=square,
    )


def _sign(t: float) -> GaussianMoments:
    m1 = math.sqrt(2 / math.pi) / t
    return GaussianMoments(0.0, m1, 0.0, 0.0, 1.0, math.inf)


def _quadratic(t: float) -> GaussianMoments:
    v = t * t
    return GaussianMoments(v, 0.0, 2.0, 8 * v, math.sqrt(2) * v, 4 * v)


# Duals.


def _sign_sign(k: FloatArray, v: FloatArray, w: FloatArray) -> FloatArray:
    return 2 / np.pi * np.arcsin(np.clip(k / np.sqrt(v * w), -1, 1))


def _abs_abs(k: FloatArray, v: FloatArray, w: FloatArray) -> FloatArray:
    # The arc-cosine kernel of degree 1 (Cho, Saul, NeurIPS 2009, equation 6).
    root = np.sqrt(v * w)
    rho = np.clip(k / root, -1, 1)
    return 2 / np.pi * root * (np.sqrt(1 - rho**2) + rho * np.arcsin(rho))


def _erf_erf(k: FloatArray, v: FloatArray, w: FloatArray) -> FloatArray:
    # Williams, "Computing with infinite networks", NIPS 1996, equation 11.
    ratio = 2 * k / np.sqrt((1 + 2 * v) * (1 + 2 * w))
    return 2 / np.pi * np.arcsin(np.clip(ratio, -1, 1))


def _erf_slopes(k: FloatArray, v: FloatArray, w: FloatArray) -> FloatArray:
    return 4 / np.pi / np.sqrt((1 + 2 * v) * (1 + 2 * w) - 4 * k**2)


def _sin_sin(k: FloatArray, v: FloatArray, w: FloatArray) -> FloatArray:
    return (np.exp(k - (v + w) / 2) - np.exp(-k - (v + w) / 2)) / 2


def _cos_cos(k: FloatArray, v: FloatArray, w: FloatArray) -> FloatArray:
    return (np.exp(k - (v + w) / 2) + np.exp(-k - (v + w) / 2)) / 2


def _exp_exp(k: FloatArray, v: FloatArray, w: FloatArray) -> FloatArray:
    return np.exp(k + (v + w) / 2)


def _piecewise_linear_mean(v: FloatArray, *, q: float) -> FloatArray:
    return np.asarray(q * np.sqrt(2 / np.pi * v))


def _piecewise_linear_product(
    k: FloatArray, v: FloatArray, w: FloatArray, *, p: float, q: float
) -> FloatArray:
    return p**2 * k + q**2 * _abs_abs(k, v, w)


def _piecewise_linear_slope(
    k: FloatArray, v: FloatArray, w: FloatArray, *, p: float, q: float
) -> FloatArray:
    return p**2 + q**2 * _sign_sign(k, v, w)


def _exp_mean(v: FloatArray) -> FloatArray:
    return np.exp(v / 2)


def _cos_mean(v: FloatArray) -> FloatArray:
    return np.exp(-v / 2)


def _quadratic_product(k: FloatArray, v: FloatArray, w: FloatArray) -> FloatArray:
    return v * w + 2 * k**2


def _quadratic_slope(k: FloatArray, v: FloatArray, w: FloatArray) -> FloatArray:
    return 4 * k


#: Moments and dual of each activation, by its name.
CLOSED_FORMS: dict[str, tuple[Callable[[float], GaussianMoments], ClosedDual]] = {
    "erf": (_erf, ClosedDual(np.zeros_like, _erf_erf, _erf_slopes)),
    "sin": (_sin, ClosedDual(np.zeros_like, _sin_sin, _cos_cos)),
    "cos": (_cos, ClosedDual(_cos_mean, _cos_cos, _sin_sin)),
    "exp": (_exp, ClosedDual(_exp_mean, _exp_exp, _exp_exp)),
    "sign": (_sign, ClosedDual(np.zeros_like, _sign_sign, None)),
    "quadratic": (
        _quadratic,
        ClosedDual(np.positive, _quadratic_product, _quadratic_slope),
    ),
}
