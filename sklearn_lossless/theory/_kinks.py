"""Kinks of activations: where they are, how large, and their dual in closed form.

Hermite series of smooth functions converge in a few terms, of kinked ones slowly where
samples are nearly parallel. What makes them slow are the jumps of the function and of
its first derivatives: ``sum_j sum_m d_jm (t - t_j)_+^m / m!`` has the same jumps, and
the product of two of them has a closed form.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import special

from .activations import Activation
from .steps import normal_density

__all__ = ["Kinks", "hermite"]

FloatArray = npt.NDArray[np.float64]

#: Derivatives of higher order than this may jump: their series converge as they are.
_MAX_ORDER = 6

#: Bisection for kinks: edges of the first panels in units of the deviation, values
#: that a polynomial must meet, and the width below which a panel holds a kink.
_REACH = 40.0
_FIRST_WIDTH = 0.5
_TOLERANCE = 1e-11
_KINK_WIDTH = 2**-8
_LEAST_WIDTH = 1e-13
_MAX_PANELS = 4096
_NODES = np.polynomial.chebyshev.chebpts1(16)
_HALVES = np.concatenate([(_NODES - 1) / 2, (_NODES + 1) / 2])
_TO_HALVES = np.polynomial.chebyshev.chebvander(_HALVES, 15) @ np.linalg.inv(
    np.polynomial.chebyshev.chebvander(_NODES, 15)
)

#: Kinks whose products are summed up, and their size in units of the function.
_MAX_KINKS = 64
_MAX_RATIO = 1e3

#: Entries of a temporary array.
_CHUNK = 2**15


class Kinks:
    """Jumps of a function and of its derivatives.

    Parameters
    ----------
    points : ndarray of shape (n_kinks,)
        Where they are, ascending.
    jumps : ndarray of shape (n_kinks, n_orders)
        Jumps of the function, the first derivative and so on; points without any are
        left to the quadrature.
    """

    def __init__(self, points: FloatArray, jumps: FloatArray) -> None:
        present = np.flatnonzero(np.any(jumps != 0, axis=0))
        self.points = points
        kept = np.any(jumps != 0, axis=1)
        self._jumping = points[kept]
        self.jumps = jumps[kept, : present.max(initial=-1) + 1]

    def __bool__(self) -> bool:
        return self.jumps.size > 0

    @classmethod
    def of(cls, activation: Activation, tau: float) -> Kinks:
        """Find the kinks of an activation of inputs of deviation `tau`.

        Points that the activation names are taken, others looked for by bisection.
        """
        known = np.array(activation.kinks, dtype=np.float64)
        with np.errstate(all="ignore"):
            found = _search(activation, known, tau)
            for _ in range(3):
                found = _polish(activation, found, tau)
            points = np.union1d(known, found)
            jumps = _measure(activation, points, tau)
            jumps = _bounded(activation, points, jumps, tau)
        return cls(points, jumps)

    def coefficients(self, deviation: FloatArray, n_terms: int) -> FloatArray:
        """Return Hermite coefficients, of shape (n_terms, n_samples)."""
        found = np.zeros((n_terms, len(deviation)))
        u = self._jumping / deviation[:, np.newaxis]
        for m in range(self.jumps.shape[1]):
            # Weights of the kinks at each sample.
            jumps = self.jumps[:, m] * deviation[:, np.newaxis] ** m
            # The k-th coefficient is the mean of the k-th derivative over sqrt(k!):
            # means of powers first, then derivatives of the density.
            for k, mean in enumerate(_one_sided_means(-u, 1.0, m + 1)[::-1]):
                found[k] += (jumps * mean).sum(axis=1) / math.sqrt(math.factorial(k))
            weighted = jumps * normal_density(u)
            for k, h in enumerate(hermite(u, weighted, n_terms - m - 1), m + 1):
                falling = math.prod(range(k - m, k + 1))
                found[k] += h.sum(axis=1) / math.sqrt(falling)
        return found

    def product(self, s: FloatArray, t: FloatArray, rho: FloatArray) -> FloatArray:
        """Return the mean of the product at pairs of deviations and correlations."""
        found = np.empty(len(rho))
        n_kinks, n_orders = self.jumps.shape
        n_pairs = max(1, _CHUNK // max(1, n_kinks**2))
        for start in range(0, len(rho), n_pairs):
            part = slice(start, start + n_pairs)
            left, right, r = s[part], t[part], rho[part]
            u = self._jumping / left[:, np.newaxis]
            v = self._jumping / right[:, np.newaxis]
            total = np.zeros(len(r))
            for m, n, mean in _power_products(u, v, r, n_orders):
                weight = np.outer(self.jumps[:, m], self.jumps[:, n])
                if weight.any():
                    scale = left**m * right**n
                    total += scale * np.einsum("pij,ij->p", mean, weight)
            found[part] = total
        return found

    def derivative(self) -> Kinks:
        """Return the kinks of the derivative, of a function without jumps."""
        return Kinks(self._jumping, self.jumps[:, 1:])


def hermite(x: FloatArray, weight: FloatArray, n: int) -> Iterator[FloatArray]:
    """Yield the first `n` normalised Hermite polynomials of `x`, times a weight."""
    h, previous = weight, np.zeros_like(weight)
    for k in range(n):
        yield h
        h, previous = (x * h - math.sqrt(k) * previous) / math.sqrt(k + 1), h


def _root_mean_square(activation: Activation, tau: float) -> float:
    """Return that of a function of Gaussian inputs, where it is finite."""
    xi = np.linspace(-9, 9, 721)
    squares = np.nan_to_num(activation(tau * xi) ** 2, posinf=0.0)
    return math.sqrt(float(squares @ normal_density(xi)) * (xi[1] - xi[0]))


def _search(activation: Activation, known: FloatArray, tau: float) -> FloatArray:
    """Return points where no polynomial fits, however narrow the panel."""
    # Not at 0 or other round numbers, where a kink between two panels would hide.
    ends = (np.arange(-_REACH, _REACH + 1, _FIRST_WIDTH) - 0.2718) * tau
    edges = np.union1d(ends, known)
    low, high = edges[:-1], edges[1:]
    usual = _root_mean_square(activation, tau)
    kinked: list[tuple[float, float]] = []
    while 0 < len(low) <= _MAX_PANELS:
        half, middle = (high - low)[:, None] / 2, (high + low)[:, None] / 2
        values = activation(middle + half * _NODES)
        expected = activation(middle + half * _HALVES)
        error = np.abs(values @ _TO_HALVES.T - expected).max(axis=1)
        size = np.maximum(np.abs(values).max(axis=1), usual)
        # Values that are not finite are beyond what the Gaussian reaches.
        split = np.isfinite(size) & (error > _TOLERANCE * size)
        narrow = split & ((high - low) < _KINK_WIDTH * tau)
        kinked += zip(low[narrow], high[narrow], strict=True)
        split &= (high - low) >= _LEAST_WIDTH * tau
        low, high = low[split], high[split]
        middle = (low + high) / 2
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
    if len(low):  # noise, which no panels resolve
        return np.zeros(0)
    # The narrowest panels first: those they came from hold the same kinks.
    found: list[float] = []
    for start, end in sorted(kinked, key=lambda panel: panel[1] - panel[0]):
        centre, width = (start + end) / 2, end - start
        if all(abs(centre - each) > width for each in (*known, *found)):
            found.append(centre)
    return np.array(sorted(found))


def _polish(activation: Activation, points: FloatArray, tau: float) -> FloatArray:
    """Move kinks of a continuous function to where both sides meet."""
    jumps = _measure(activation, points, tau)
    size = np.abs(jumps) * (_FIRST_WIDTH * tau) ** np.arange(_MAX_ORDER + 1)
    moved = points.copy()
    for number, each in enumerate(size):
        order = int(np.argmax(each > 1e-3 * each.max()))
        if order and each[order]:
            step = jumps[number, order - 1] / jumps[number, order]
            moved[number] -= np.clip(step, -_KINK_WIDTH * tau, _KINK_WIDTH * tau)
    return moved


def _measure(activation: Activation, points: FloatArray, tau: float) -> FloatArray:
    """Return the jumps at `points` from a polynomial on either side of each."""
    jumps = np.zeros((len(points), _MAX_ORDER + 1))
    gaps = np.diff(points, prepend=-np.inf, append=np.inf)
    orders = np.arange(_MAX_ORDER + 1)
    for number, point in enumerate(points):
        rounding = np.zeros(_MAX_ORDER + 1)
        for sign, gap in ((1, gaps[number + 1]), (-1, gaps[number])):
            fit, width = _one_sided(
                activation, point, sign, min(_FIRST_WIDTH * tau, float(gap))
            )
            size = 1e-12 * np.abs(fit.coef).sum()
            rounding = np.maximum(rounding, size * (200 / width) ** orders)
            for order in orders:
                jumps[number, order] += sign * float(fit(point))
                fit = fit.deriv()
        jumps[number, ~(np.abs(jumps[number]) > rounding)] = 0
    return jumps


def _one_sided(
    activation: Activation, point: float, sign: int, width: float
) -> tuple[np.polynomial.Chebyshev, float]:
    """Return a polynomial of the function beside a point, and how far it reaches."""
    while True:
        x = point + sign * width * (1 + _NODES) / 2
        ends = np.sort([point, point + sign * width])
        fit = np.polynomial.Chebyshev.fit(x, activation(x), 15, domain=ends)
        size = np.abs(fit.coef)
        narrow = width < 1e-9 * (1 + abs(point))
        if narrow or not size[-2:].max() > 1e-13 * size.max():
            return fit, width
        width /= 2


def _bounded(
    activation: Activation, points: FloatArray, jumps: FloatArray, tau: float
) -> FloatArray:
    """Leave out jumps that would cost digits or time.

    Any jumps will do, the measured ones merely make the series short. But what they
    make up must not be much larger than the function, or the difference is rounding.
    """
    if np.count_nonzero(jumps.any(axis=1)) > _MAX_KINKS:
        jumps = np.where(np.abs(points)[:, np.newaxis] < 6 * tau, jumps, 0.0)
        if np.count_nonzero(jumps.any(axis=1)) > _MAX_KINKS:
            return np.zeros_like(jumps)
    xi = np.linspace(-9, 9, 721)
    density = normal_density(xi) * (xi[1] - xi[0])
    allowed = _MAX_RATIO * _root_mean_square(activation, tau)
    above = np.maximum(tau * xi - points[:, np.newaxis], 0.0)
    total = 0.0
    for order in range(jumps.shape[1]):
        power = above**order / math.factorial(order) if order else above > 0
        size = np.abs(jumps[:, order]) * np.sqrt(np.square(power) @ density)
        total += float(size.sum())
        if not total <= allowed:
            jumps[:, order:] = 0
            break
    return jumps


def _one_sided_means(a: FloatArray, c: FloatArray | float, n: int) -> list[FloatArray]:
    """Return the means of ``(a + c xi)_+^m / m!`` for m from 0 to n - 1."""
    z = a / np.maximum(c, 1e-150)
    means = [special.ndtr(z), a * special.ndtr(z) + c * normal_density(z)]
    for m in range(2, n):
        means.append((a * means[-1] + c**2 * means[-2]) / m)
    return means[: max(n, 1)]


def _power_products(
    u: FloatArray, v: FloatArray, rho: FloatArray, n_orders: int
) -> Iterator[tuple[int, int, FloatArray]]:
    """Yield m, n and ``E (xi - u)_+^m (eta - v)_+^n / (m! n!)``, all pairs of kinks.

    Integration by parts gives every order from the two before; the first are
    probabilities.
    """
    a, b = u[:, :, np.newaxis], v[:, np.newaxis, :]
    r = rho[:, np.newaxis, np.newaxis]
    a, b, r = np.broadcast_arrays(a, b, r)
    c = np.sqrt(np.maximum((1 - r) * (1 + r), 0))
    # Order -1: the derivative of a step, a point mass at the kink.
    at_a = [normal_density(a) * m for m in _one_sided_means(r * a - b, c, n_orders)]
    at_b = [normal_density(b) * m for m in _one_sided_means(r * b - a, c, n_orders)]
    found: dict[tuple[int, int], FloatArray] = {(0, 0): _both_above(a, b, r)}
    found.update({(-1, n): mean for n, mean in enumerate(at_a)})
    found.update({(m, -1): mean for m, mean in enumerate(at_b)})
    for m in range(n_orders):
        for n in range(n_orders):
            if m:
                found[m, n] = (
                    found[m - 2, n] + r * found[m - 1, n - 1] - a * found[m - 1, n]
                ) / m
            elif n:
                found[0, n] = (
                    found[0, n - 2] + r * found[-1, n - 1] - b * found[0, n - 1]
                ) / n
            yield m, n, found[m, n]


def _both_above(h: FloatArray, k: FloatArray, rho: FloatArray) -> FloatArray:
    """Return P(xi >= h, eta >= k) of standard normals with correlation rho.

    By Owen's T function (Owen, "Tables for computing bivariate normal probabilities",
    Annals of Mathematical Statistics 1956, equation 2.1).
    """
    # T(0, a) is the limit of T(h, a); the signs of 0/0 do not matter then.
    h, k = (np.where(np.abs(each) < 1e-200, 1e-200, -each) for each in (h, k))
    root = np.sqrt(np.maximum((1 - rho) * (1 + rho), 1e-300))
    with np.errstate(over="ignore"):  # infinity is the right limit
        t = special.owens_t(h, (k / h - rho) / root)
        t += special.owens_t(k, (h / k - rho) / root)
    both = (special.ndtr(h) + special.ndtr(k)) / 2 - t
    return np.where(h * k < 0, both - 0.5, both)
