"""Gaussian moments of functions without closed form, by adaptive quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Literal

import numpy as np

from ._gaussian import FloatArray, GaussianMoments

__all__ = ["Parity", "integrate_moments"]

Parity = Literal["even", "odd"]
Function = Callable[[FloatArray], FloatArray]

# Gauss-Legendre rule of a panel, and differentiation of the polynomial through its
# nodes (barycentric formula).
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_BARY = (-1.0) ** np.arange(16) * np.sqrt((1 - _NODES**2) * _WEIGHTS)
_DIFF = _BARY / _BARY[:, None] / (_NODES[:, None] - _NODES + np.eye(16))
np.fill_diagonal(_DIFF, 0)
np.fill_diagonal(_DIFF, -_DIFF.sum(axis=1))

#: Halvings of a panel that holds a jump; narrower ones no longer matter.
_MAX_HALVINGS = 44
#: Panels at once: more only for noise, which no rule integrates.
_MAX_PANELS = 20_000
_OUTER = np.array([12.0, 16.0, 21.0, 28.0, 37.0])
_EDGES = np.concatenate([-_OUTER[::-1], np.linspace(-9, 9, 37), _OUTER])


def integrate_moments(
    function: Function, kinks: FloatArray, parity: Parity | None, tau: float
) -> GaussianMoments:
    """Integrate the moments of a function.

    Parameters
    ----------
    function : callable
        Maps a float64 array to one of the same shape.
    kinks : ndarray of shape (n_kinks,)
        Points where it or a derivative jumps, as far as they are known.
    parity : {"even", "odd"} or None
        Its symmetry.
    tau : float
        Deviation of the input.

    Returns
    -------
    GaussianMoments
        Not a number where the integrals do not exist.
    """
    edges = _panel_edges(kinks / tau)
    low, high = edges[:-1], edges[1:]
    # A first guess of the mean saves the moments of the square from cancellation.
    shift = float(_integrals(function, tau, 0.0, low, high)[:, 0].sum())
    integrate = partial(_integrals, function, tau, shift)
    whole = integrate(low, high)
    scale = _scale(whole)
    if not np.all(np.isfinite(scale[:5])):
        return GaussianMoments(*[math.nan] * 6)
    tolerance = np.array([1e-15] * 5 + [1e-12]) * scale
    # The function's own rounding error is of this size.
    tolerance += 1e-16 * abs(shift) * np.array([1, 1, 1, 0, 0, 0])
    tolerance[5] += (1e-12 * shift / tau) ** 2
    done, rest = _bisect(integrate, low, high, whole, tolerance)
    total = done + rest
    # What remains at a jump or a pole of the derivative does not shrink.
    if rest[5] > 1e-6 * (total[5] - rest[5]):
        total[5] = np.inf
    if _has_jump(function, tau, edges[1:-1], 1e-6 * math.sqrt(total[3])):
        total[5] = np.inf
    excess, m1, m2, square, f, derivative_sq = map(float, total)
    m1, m2 = m1 / tau, m2 / tau**2
    return GaussianMoments(
        mean=shift + excess,
        m1=0.0 if parity == "even" else m1,
        m2=0.0 if parity == "odd" else m2,
        f=f / tau**2 - 2 * excess * m2,
        tau=math.sqrt(max(square - excess**2, 0.0)),
        derivative_sq=derivative_sq,
    )


def _panel_edges(kinks: FloatArray) -> FloatArray:
    """Return the edges of the first panels, in units of the deviation."""
    kinks = kinks[np.abs(kinks) < _EDGES[-1] - 1e-6]
    # An edge beside a kink would leave a panel as narrow as rounding.
    apart = np.abs(_EDGES[:, np.newaxis] - kinks).min(axis=1, initial=1.0) > 1e-6
    return np.unique(np.concatenate([_EDGES[apart], kinks]))


def _integrals(
    function: Function, tau: float, shift: float, low: FloatArray, high: FloatArray
) -> FloatArray:
    """Return six integrals over each panel, of shape (n_panels, 6).

    With s the function less `shift`: s, xi s, (xi^2 - 1) s, s^2, (xi^2 - 1) s^2 and the
    square of the slope.
    """
    half = (high - low)[:, None] / 2
    xi = (high + low)[:, None] / 2 + half * _NODES
    s = function(tau * xi) - shift
    hermite2 = xi**2 - 1
    slope = s @ _DIFF.T / (half * tau)
    terms = (s, xi * s, hermite2 * s, s**2, hermite2 * s**2, slope**2)
    weight = half * _WEIGHTS * np.exp(-(xi**2) / 2) / math.sqrt(2 * math.pi)
    return np.stack([np.sum(weight * each, axis=1) for each in terms], axis=1)


def _scale(whole: FloatArray) -> FloatArray:
    """Return the size of each integral, infinite where it does not exist."""
    scale = np.asarray(np.abs(whole).sum(axis=0))
    if np.any(np.abs(whole[[0, -1], :5]) > 1e-9 * scale[:5]):
        scale[:] = np.inf  # the square grows as fast as the density falls
    return scale


def _bisect(
    integrate: Callable[[FloatArray, FloatArray], FloatArray],
    low: FloatArray,
    high: FloatArray,
    whole: FloatArray,
    tolerance: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Halve panels until the halves agree with the whole.

    Returns the integrals over the panels where they do, and over those where they do
    not, however narrow.
    """
    done = np.zeros(6)
    for _ in range(_MAX_HALVINGS):
        middle = (low + high) / 2
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
        fine = integrate(low, high)
        both = fine[: len(whole)] + fine[len(whole) :]
        split = ~np.all(np.abs(both - whole) <= tolerance, axis=1)
        done += both[~split].sum(axis=0)
        low, high, whole = (each[np.tile(split, 2)] for each in (low, high, fine))
        if not 0 < len(low) < _MAX_PANELS:
            break
    return done, whole.sum(axis=0)


def _has_jump(function: Function, tau: float, points: FloatArray, least: float) -> bool:
    """Whether the function jumps at one of the inner edges, by more than `least`.

    Such a jump is in neither of the panels. Unlike a slope it does not grow with the
    distance.
    """
    gap = 1e-9 * (1 + np.abs(points))
    near, far = (
        np.abs(function(tau * (points + d)) - function(tau * (points - d)))
        for d in (gap, 10 * gap)
    )
    return bool(np.any((near > least) & (2 * near > far)))
