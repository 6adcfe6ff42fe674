"""Dual activations: products of an activation of two correlated Gaussians.

For (u, v) Gaussian with variances q, r and covariance k: ``E sigma(u) sigma(v)`` and
its slope in k, which by Price's theorem is ``E sigma'(u) sigma'(v)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.polynomial import chebyshev

from ._checks import no_slope
from ._kinks import Kinks, hermite
from .activations import Activation, gaussian_moments, get_activation
from .steps import StepActivation, normal_density

__all__ = ["Dual", "Side", "get_dual"]

FloatArray = npt.NDArray[np.float64]

#: Terms of the Hermite series. Up to correlation 0.9 the terms left out are below
#: 0.9**160 = 5e-8 of the remaining variance. Above 0.9, kinks are added in closed form
#: and steep functions get more terms.
_N_TERMS = 160
_SERIES_LIMIT = 0.9
_MAX_TERMS = 1280
_REST = 1e-11

#: Degrees of polynomials in the logarithm of the variance.
_DEGREES = (32, 64, 128)

#: Where the normal density is small even next to a Hermite polynomial, and the panels
#: of the quadrature between two kinks.
_END = 13.0
_N_PANELS = 56
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)

#: Samples whose coefficients are integrated at once, and pairs beyond the limit.
_CHUNK = 64
_PAIRS = 2**14


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
    kinked : ndarray of shape (n_terms, n), or None
        Those of its kinks alone.
    """

    variance: FloatArray
    mean: FloatArray
    coefficients: FloatArray | None = None
    kinked: FloatArray | None = None

    def rows(self, rows: slice | npt.NDArray[np.int64]) -> Side:
        """Return some of the samples."""
        series = (self.coefficients, self.kinked)
        parts = [None if each is None else each[:, rows] for each in series]
        return Side(self.variance[rows], self.mean[rows], *parts)


class Dual:
    """Dual of an activation without closed form, by its Hermite series.

    ``E sigma(u) sigma(v) = sum_k a_k(q) a_k(r) rho^k`` with rho the correlation and
    ``a_k(q) = E[sigma(sqrt(q) xi) h_k(xi)]``, h_k the normalised Hermite polynomials
    (Mehler's formula).
    """

    #: Whether there is a closed form, which is much faster.
    is_closed = False

    def __init__(self, activation: Activation, tau: float) -> None:
        self.kinks = Kinks.of(activation, tau)
        points = tuple(self.kinks.points.tolist())
        self.activation = replace(activation, kinks=points)

    def side(self, variance: FloatArray) -> Side:
        """Return what is needed of samples with these variances."""
        n_terms = _N_TERMS
        while True:
            kinked = self.kinks.coefficients(np.sqrt(variance), n_terms)
            smooth = _interpolated(partial(self._smooth, n_terms), variance)
            coefficients = kinked + smooth
            # The last eighth of the slope's series tells what is beyond it.
            order = np.arange(n_terms)[:, np.newaxis]
            size = np.abs(coefficients) + np.abs(kinked)
            rest = (order * size * np.abs(smooth))[-(n_terms // 8) :].sum(axis=0)
            whole = (order * size**2).sum(axis=0)
            if n_terms == _MAX_TERMS or np.all(rest <= _REST * whole):
                return Side(variance, coefficients[0], coefficients, kinked)
            n_terms *= 2

    def _smooth(self, n_terms: int, variance: FloatArray) -> FloatArray:
        """Return the coefficients without those of the kinks, by quadrature."""
        deviation = np.sqrt(variance)
        xi, weight = _nodes(self.kinks.points, deviation, n_terms)
        weighted = weight * self.activation(deviation[:, np.newaxis] * xi)
        sums = [h.sum(axis=1) for h in hermite(xi, weighted, n_terms)]
        return np.array(sums) - self.kinks.coefficients(deviation, n_terms)

    def product(self, k: FloatArray, x: Side, y: Side) -> FloatArray:
        """Return ``E sigma(u) sigma(v)`` for covariances `k` of shape (n_x, n_y)."""
        rho = _correlation(k, x, y)
        total = np.zeros_like(rho)
        # Horner's scheme, from the highest order.
        for a, b in zip(*_significant(x, y), strict=True):
            total *= rho
            total += np.outer(a, b)
        self._add_rest(total, rho, x, y, self.kinks, slope=False)
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
        total /= np.sqrt(np.outer(x.variance, y.variance))
        self._add_rest(total, rho, x, y, self.kinks.derivative(), slope=True)
        return total

    def _add_rest(
        self,
        total: FloatArray,
        rho: FloatArray,
        x: Side,
        y: Side,
        kinks: Kinks,
        *,
        slope: bool,
    ) -> None:
        """Add what kinks have in the terms that the series of `total` leaves out."""
        assert x.coefficients is not None
        assert y.coefficients is not None
        assert x.kinked is not None
        assert y.kinked is not None
        n_terms = min(len(x.kinked), len(y.kinked))
        if not kinks and n_terms == _N_TERMS:
            return
        pairs = np.nonzero(np.abs(rho) > _SERIES_LIMIT)
        for start in range(0, len(pairs[0]), _PAIRS):
            i, j = (each[start : start + _PAIRS] for each in pairs)
            s, t, r = np.sqrt(x.variance[i]), np.sqrt(y.variance[j]), rho[i, j]
            rest = np.zeros_like(r)
            for order in range(n_terms - 1, 0 if slope else -1, -1):
                term = -x.kinked[order, i] * y.kinked[order, j]
                if order >= _N_TERMS:
                    term += x.coefficients[order, i] * y.coefficients[order, j]
                rest *= r
                rest += order * term if slope else term
            if slope:
                rest /= s * t
            total[i, j] += rest + kinks.product(s, t, r)

    def square(self, variance: FloatArray) -> FloatArray:
        """Return ``E sigma(u)^2``."""
        return self._moments(variance, lambda m: m.tau**2 + m.mean**2)

    def slope_square(self, variance: FloatArray) -> FloatArray:
        """Return ``E sigma'(u)^2``."""
        largest = gaussian_moments(self.activation, math.sqrt(variance.max()))
        if not largest.derivative_sq < math.inf:
            raise no_slope(self.activation.name)
        return self._moments(variance, lambda m: m.derivative_sq)

    def _moments(self, variance: FloatArray, function: Any) -> FloatArray:
        def at(variances: FloatArray) -> FloatArray:
            deviations = np.sqrt(variances)
            moments = [gaussian_moments(self.activation, t) for t in deviations]
            return np.array([[function(each) for each in moments]])

        return _interpolated(at, variance)[0]


class _StepDual(Dual):
    """Dual of a step, which is all kinks."""

    def __init__(self, activation: Activation, step: StepActivation) -> None:
        self.activation = activation
        jumps = step.scale * np.diff(step.levels).astype(np.float64)
        self.kinks = Kinks(step.thresholds, jumps[:, np.newaxis])
        self._left = step.offset + step.scale * float(step.levels[0])

    def _smooth(self, n_terms: int, variance: FloatArray) -> FloatArray:
        coefficients = np.zeros((n_terms, len(variance)))
        coefficients[0] = self._left
        return coefficients

    def slope(self, k: FloatArray, x: Side, y: Side) -> FloatArray:
        raise no_slope(self.activation.name)

    def slope_square(self, variance: FloatArray) -> FloatArray:
        raise no_slope(self.activation.name)


class _ClosedDual(Dual):
    """Dual in closed form."""

    is_closed = True

    def __init__(
        self, activation: Activation, mean: Any, product: Any, slope: Any
    ) -> None:
        self.activation = activation
        self._mean, self._product, self._slope = mean, product, slope

    def side(self, variance: FloatArray) -> Side:
        mean = np.broadcast_to(self._mean(variance), variance.shape)
        return Side(variance, mean)

    def product(self, k: FloatArray, x: Side, y: Side) -> FloatArray:
        return self._product(k, x.variance[:, np.newaxis], y.variance)

    def slope(self, k: FloatArray, x: Side, y: Side) -> FloatArray:
        if self._slope is None:
            raise no_slope(self.activation.name)
        return self._slope(k, x.variance[:, np.newaxis], y.variance)

    def square(self, variance: FloatArray) -> FloatArray:
        return np.asarray(self._product(variance, variance, variance))

    def slope_square(self, variance: FloatArray) -> FloatArray:
        if self._slope is None:
            raise no_slope(self.activation.name)
        slope = self._slope(variance, variance, variance)
        return np.broadcast_to(slope, variance.shape)


def get_dual(activation: Any, tau: float = 1.0) -> Dual:
    """Return the dual of an activation.

    Parameters
    ----------
    activation : str, callable, Activation or StepActivation
    tau : float, default=1.0
        Usual deviation of its inputs: kinks are looked for up to 40 of them.

    Returns
    -------
    Dual
    """
    if isinstance(activation, StepActivation):
        return _StepDual(get_activation(activation), activation)
    activation = get_activation(activation)
    if isinstance(activation.function, StepActivation):
        return _StepDual(activation, activation.function)
    if activation.dual is not None:
        return _ClosedDual(activation, *activation.dual)
    return Dual(activation, tau)


def _significant(x: Side, y: Side) -> tuple[FloatArray, FloatArray]:
    """Return the coefficients that count, the highest order first."""
    assert x.coefficients is not None
    assert y.coefficients is not None
    first, second = x.coefficients[:_N_TERMS], y.coefficients[:_N_TERMS]
    size = np.abs(first).max(axis=1) * np.abs(second).max(axis=1)
    rest = np.cumsum((np.arange(len(size)) * size)[::-1])[::-1]
    n_terms = max(2, int(np.count_nonzero(rest > 1e-12 * size.max())))
    return first[:n_terms][::-1], second[:n_terms][::-1]


def _correlation(k: FloatArray, x: Side, y: Side) -> FloatArray:
    rho = k / np.sqrt(np.outer(x.variance, y.variance))
    # Kernels of steps fall from 1 like a root, which would magnify rounding.
    parallel = np.abs(rho) > 1 - 4e-15
    rho[parallel] = np.sign(rho[parallel])
    return rho


def _interpolated(
    function: Callable[[FloatArray], FloatArray], variance: FloatArray
) -> FloatArray:
    """Return a function's values, of shape (n_values, n_variances).

    Integrals are smooth in the variance, so that a polynomial through a few dozen of
    them often serves for all.
    """
    distinct, inverse = np.unique(variance, return_inverse=True)
    log = np.log(distinct)
    for degree in _DEGREES:
        if degree >= len(distinct):
            break
        nodes = chebyshev.chebpts1(degree + 1)
        half, middle = (log[-1] - log[0]) / 2, (log[-1] + log[0]) / 2
        values = function(np.exp(middle + half * nodes))
        weights = np.linalg.solve(chebyshev.chebvander(nodes, degree), values.T)
        if np.abs(weights[-4:]).max() <= 1e-12 * np.abs(values).max():
            return (chebyshev.chebvander((log - middle) / half, degree) @ weights)[
                inverse
            ].T
    chunks = range(0, len(distinct), _CHUNK)
    parts = [function(distinct[start : start + _CHUNK]) for start in chunks]
    return np.concatenate(parts, axis=1)[:, inverse]


def _nodes(
    kinks: FloatArray, deviation: FloatArray, n_terms: int
) -> tuple[FloatArray, FloatArray]:
    """Return Gauss-Legendre nodes between the kinks, and weights with the density."""
    # Hermite polynomials oscillate by the root of their order.
    n_panels = _N_PANELS * math.sqrt(n_terms / _N_TERMS)
    n_panels = math.ceil(n_panels * min(1.0, 4 / (1 + len(kinks))))
    inner = np.clip(kinks / deviation[:, np.newaxis], -_END, _END)
    ends = np.full((len(deviation), 1), _END)
    edges = np.concatenate([-ends, np.sort(inner, axis=1), ends], axis=1)
    share = np.linspace(0, 1, n_panels + 1)
    low = edges[:, :-1, np.newaxis] + np.diff(edges)[..., np.newaxis] * share[:-1]
    half = np.diff(edges)[..., np.newaxis, np.newaxis] / (2 * n_panels)
    xi = low[..., np.newaxis] + half * (1 + _NODES)
    weight = half * _WEIGHTS * normal_density(xi)
    n_samples = len(deviation)
    return xi.reshape(n_samples, -1), weight.reshape(n_samples, -1)
