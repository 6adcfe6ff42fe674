"""Dual activations: products of an activation of two correlated Gaussians.

For (u, v) Gaussian with variances q, r and covariance k: ``E sigma(u) sigma(v)`` and
its slope in k, which by Price's theorem is ``E sigma'(u) sigma'(v)``.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.polynomial import Chebyshev
from scipy import special

from . import activations as named
from .activations import Activation, gaussian_moments, get_activation
from .steps import StepActivation, normal_density

__all__ = ["Dual", "get_dual", "no_slope"]

FloatArray = npt.NDArray[np.float64]

#: Terms of the Hermite series. Its rest is below 0.9**160 = 5e-8 of what is left of
#: the variance, itself below 0.1, at correlations up to 0.9, whatever the activation.
_N_TERMS = 160
_SERIES_LIMIT = 0.9

#: Degree of the polynomials in the logarithm of the variance.
_DEGREE = 24

#: Where a standard normal ends, and the panels of the quadrature between two kinks.
_END = 9.5
_N_PANELS = 40
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)

#: Samples whose coefficients are integrated at once.
_CHUNK = 64


class Side(NamedTuple):
    """What a dual needs to know of the samples on one side of a kernel matrix.

    Attributes
    ----------
    variance : ndarray of shape (n,)
        Variance of the Gaussians.
    mean : ndarray of shape (n,)
        Mean of the activation.
    coefficients : ndarray of shape (n_terms, n), or None
        Its Hermite coefficients, where the dual is a series.
    """

    variance: FloatArray
    mean: FloatArray
    coefficients: FloatArray | None


class Dual:
    """Dual of an activation without closed form, by its Hermite series.

    ``E sigma(u) sigma(v) = sum_k a_k(q) a_k(r) rho^k`` with rho the correlation and
    ``a_k(q) = E[sigma(sqrt(q) xi) h_k(xi)]``, h_k the normalised Hermite polynomials
    (Mehler's formula).
    """

    def __init__(self, activation: Activation) -> None:
        self.activation = activation

    def side(self, variance: FloatArray) -> Side:
        """Return what is needed of samples with these variances."""
        coefficients = np.empty((_N_TERMS, len(variance)))
        for start in range(0, len(variance), _CHUNK):
            rows = slice(start, start + _CHUNK)
            coefficients[:, rows] = self._coefficients(np.sqrt(variance[rows]))
        return Side(variance, coefficients[0], coefficients)

    def _coefficients(self, deviation: FloatArray) -> FloatArray:
        xi, weight = _nodes(np.array(self.activation.kinks), deviation)
        weighted = weight * self.activation(deviation[:, np.newaxis] * xi)
        coefficients = np.empty((_N_TERMS, len(deviation)))
        h, previous = np.ones_like(xi), np.zeros_like(xi)
        for k in range(_N_TERMS):
            coefficients[k] = (weighted * h).sum(axis=1)
            h, previous = (
                (xi * h - math.sqrt(k) * previous) / math.sqrt(k + 1),
                h,
            )
        return coefficients

    def product(self, k: FloatArray, x: Side, y: Side) -> FloatArray:
        """Return ``E sigma(u) sigma(v)`` for covariances `k` of shape (n_x, n_y)."""
        rho = _correlation(k, x, y)
        total = np.zeros_like(rho)
        # Horner's scheme, from the highest order.
        for a, b in zip(*_significant(x, y), strict=True):
            total *= rho
            total += np.outer(a, b)
        return total

    def slope(self, k: FloatArray, x: Side, y: Side) -> FloatArray:
        """Return ``E sigma'(u) sigma'(v)``."""
        rho = _correlation(k, x, y)
        total = np.zeros_like(rho)
        coefficients = list(zip(*_significant(x, y), strict=True))
        orders = range(len(coefficients) - 1, 0, -1)
        for order, (a, b) in zip(orders, coefficients, strict=False):
            total *= rho
            total += order * np.outer(a, b)
        return total / np.sqrt(np.outer(x.variance, y.variance))

    def square(self, variance: FloatArray) -> FloatArray:
        """Return ``E sigma(u)^2``."""
        return self._moments(variance, lambda m: m.tau**2 + m.mean**2)

    def slope_square(self, variance: FloatArray) -> FloatArray:
        """Return ``E sigma'(u)^2``."""
        largest = gaussian_moments(self.activation, math.sqrt(variance.max()))
        if not math.isfinite(largest.derivative_sq):
            raise no_slope(self.activation)
        return self._moments(variance, lambda m: m.derivative_sq)

    def _moments(self, variance: FloatArray, function: Any) -> FloatArray:
        # Integrals are smooth in the variance: a few dozen make a polynomial.
        low, high = math.log(variance.min()), math.log(variance.max() * (1 + 1e-12))

        def at(log_variances: FloatArray) -> FloatArray:
            deviations = np.exp(log_variances / 2)
            moments = [gaussian_moments(self.activation, t) for t in deviations]
            return np.array([function(each) for each in moments])

        polynomial = Chebyshev.interpolate(at, _DEGREE, domain=[low, high])
        return polynomial(np.log(variance))


class _StepDual(Dual):
    """Dual of a step: the series, and bivariate normal probabilities beyond it."""

    def __init__(self, activation: Activation, step: StepActivation) -> None:
        super().__init__(activation)
        self.step = step
        self._jumps = step.scale * np.diff(step.levels).astype(np.float64)
        self._left = step.offset + step.scale * float(step.levels[0])

    def _coefficients(self, deviation: FloatArray) -> FloatArray:
        # E[h_k(xi) 1{xi >= u}] = phi(u) h_(k-1)(u) / sqrt(k).
        u = self.step.thresholds / deviation[:, np.newaxis]
        weighted = self._jumps * normal_density(u)
        coefficients = np.empty((_N_TERMS, len(deviation)))
        coefficients[0] = self._left + special.ndtr(-u) @ self._jumps
        h, previous = np.ones_like(u), np.zeros_like(u)
        for k in range(1, _N_TERMS):
            coefficients[k] = (weighted * h).sum(axis=1) / math.sqrt(k)
            h, previous = (u * h - math.sqrt(k - 1) * previous) / math.sqrt(k), h
        return coefficients

    def product(self, k: FloatArray, x: Side, y: Side) -> FloatArray:
        total = super().product(k, x, y)
        rho = _correlation(k, x, y)
        i, j = np.nonzero(np.abs(rho) > _SERIES_LIMIT)
        if len(i):
            u = self.step.thresholds / np.sqrt(x.variance[i])[:, np.newaxis]
            v = self.step.thresholds / np.sqrt(y.variance[j])[:, np.newaxis]
            both = _both_above(u[:, :, None], v[:, None, :], rho[i, j, None, None])
            total[i, j] = (
                np.einsum("nij,i,j->n", both, self._jumps, self._jumps)
                + self._left * (x.mean[i] + y.mean[j])
                - self._left**2
            )
        return total

    def slope(self, k: FloatArray, x: Side, y: Side) -> FloatArray:
        raise no_slope(self.activation)

    def square(self, variance: FloatArray) -> FloatArray:
        tau_mean = [self.step.moments(math.sqrt(q)) for q in variance]
        return np.array([m.tau**2 + m.mean**2 for m in tau_mean])

    def slope_square(self, variance: FloatArray) -> FloatArray:
        raise no_slope(self.activation)


class _ClosedDual(Dual):
    """Dual in closed form."""

    def __init__(
        self, activation: Activation, mean: Any, product: Any, slope: Any
    ) -> None:
        super().__init__(activation)
        self._mean, self._product, self._slope = mean, product, slope

    def side(self, variance: FloatArray) -> Side:
        mean = np.broadcast_to(self._mean(variance), variance.shape)
        return Side(variance, mean, None)

    def product(self, k: FloatArray, x: Side, y: Side) -> FloatArray:
        return self._product(k, x.variance[:, np.newaxis], y.variance)

    def slope(self, k: FloatArray, x: Side, y: Side) -> FloatArray:
        if self._slope is None:
            raise no_slope(self.activation)
        return self._slope(k, x.variance[:, np.newaxis], y.variance)

    def square(self, variance: FloatArray) -> FloatArray:
        return np.asarray(self._product(variance, variance, variance))

    def slope_square(self, variance: FloatArray) -> FloatArray:
        if self._slope is None:
            raise no_slope(self.activation)
        slope = self._slope(variance, variance, variance)
        return np.broadcast_to(slope, variance.shape)


def get_dual(activation: Any) -> Dual:
    """Return the dual of an activation.

    Parameters
    ----------
    activation : str, callable, Activation or StepActivation

    Returns
    -------
    Dual
    """
    if isinstance(activation, StepActivation):
        return _StepDual(get_activation(activation), activation)
    activation = get_activation(activation)
    closed = activation.closed_form
    if isinstance(activation.function, StepActivation):
        return _StepDual(activation, activation.function)
    if isinstance(closed, partial) and closed.func is named._piecewise_linear:
        p, q = closed.keywords["p"], closed.keywords["q"]
        return _ClosedDual(
            activation,
            lambda v: q * np.sqrt(2 / np.pi * v),
            lambda k, v, w: p**2 * k + q**2 * _abs_abs(k, v, w),
            lambda k, v, w: p**2 + q**2 * _sign_sign(k, v, w),
        )
    if closed in _CLOSED:
        return _ClosedDual(activation, *_CLOSED[closed])
    return Dual(activation)


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


#: By the closed form of the moments: mean, product and slope.
_CLOSED: dict[Any, tuple[Any, Any, Any]] = {
    named._erf: (np.zeros_like, _erf_erf, _erf_slopes),
    named._sin: (np.zeros_like, _sin_sin, _cos_cos),
    named._cos: (lambda v: np.exp(-v / 2), _cos_cos, _sin_sin),
    named._exp: (lambda v: np.exp(v / 2), _exp_exp, _exp_exp),
    named._sign: (np.zeros_like, _sign_sign, None),
    named._quadratic: (
        lambda v: v,
        lambda k, v, w: v * w + 2 * k**2,
        lambda k, v, w: 4 * k,
    ),
}


def no_slope(activation: Activation) -> ValueError:
    """Return the error of an activation without a neural tangent kernel."""
    return ValueError(
        f"the neural tangent kernel of activation {activation.name!r} does not exist: "
        "E sigma'(u)^2 is infinite for steps; ask for the conjugate kernel."
    )


def _significant(x: Side, y: Side) -> tuple[FloatArray, FloatArray]:
    """Return the coefficients that count, the highest order first."""
    assert x.coefficients is not None
    assert y.coefficients is not None
    size = np.abs(x.coefficients).max(axis=1) * np.abs(y.coefficients).max(axis=1)
    rest = np.cumsum((np.arange(len(size)) * size)[::-1])[::-1]
    n_terms = max(2, int(np.count_nonzero(rest > 1e-12 * size.max())))
    return x.coefficients[:n_terms][::-1], y.coefficients[:n_terms][::-1]


def _correlation(k: FloatArray, x: Side, y: Side) -> FloatArray:
    rho = k / np.sqrt(np.outer(x.variance, y.variance))
    return np.clip(rho, -1, 1, out=rho)


def _nodes(kinks: FloatArray, deviation: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return Gauss-Legendre nodes between the kinks, and weights with the density."""
    inner = np.clip(kinks / deviation[:, np.newaxis], -_END, _END)
    ends = np.full((len(deviation), 1), _END)
    edges = np.concatenate([-ends, np.sort(inner, axis=1), ends], axis=1)
    share = np.linspace(0, 1, _N_PANELS + 1)
    low = edges[:, :-1, np.newaxis] + np.diff(edges)[..., np.newaxis] * share[:-1]
    half = np.diff(edges)[..., np.newaxis, np.newaxis] / (2 * _N_PANELS)
    xi = low[..., np.newaxis] + half * (1 + _NODES)
    weight = half * _WEIGHTS * normal_density(xi)
    n_samples = len(deviation)
    return xi.reshape(n_samples, -1), weight.reshape(n_samples, -1)


def _both_above(h: FloatArray, k: FloatArray, rho: FloatArray) -> FloatArray:
    """Return P(xi >= h, eta >= k) of standard normals with correlation rho.

    By Owen's T function (Owen, "Tables for computing bivariate normal probabilities",
    Annals of Mathematical Statistics 1956, equation 2.1).
    """
    h, k, rho = np.broadcast_arrays(-h, -k, rho)
    # T(0, a) is the limit of T(h, a); the signs of 0/0 do not matter then.
    h, k = (np.where(np.abs(each) < 1e-200, 1e-200, each) for each in (h, k))
    root = np.sqrt(np.maximum((1 - rho) * (1 + rho), 1e-300))
    with np.errstate(over="ignore"):  # infinity is the right limit
        t = special.owens_t(h, (k / h - rho) / root)
        t += special.owens_t(k, (h / k - rho) / root)
    both = (special.ndtr(h) + special.ndtr(k)) / 2 - t
    return np.where(h * k < 0, both - 0.5, both)
