"""Steps of two levels: a single step, and sigma_T and sigma_Q of the paper.

Gu et al., NeurIPS 2022 (arXiv 2403.00258), Algorithm 1. In units of the input
deviation; goals are four numbers as in `_newton`.
"""

from __future__ import annotations

import math
from itertools import chain

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from ._newton import (
    Fit,
    four_numbers,
    least_variance,
    minimise,
    rank_starts,
    symmetric_basis,
)
from .activations import FloatArray
from .steps import normal_density

__all__ = ["fit_sigma_q", "fit_sigma_t", "fit_single_step", "least_binary_variance"]


def fit_single_step(goal: FloatArray) -> Fit | None:
    """Fit one step, which has only m1 and m2 to give."""
    h1, h2 = goal[:2]
    if abs(h2) > 6 * h1:
        return None
    u = np.array([h2 / h1])
    return Fit(np.array([0.0, 1.0]), u, float(h1 / normal_density(u)[0]))


def _sigma_t_edges(m: FloatArray, rho: float) -> tuple[FloatArray, FloatArray]:
    """Return the thresholds with midpoint m and E[(xi^2-1) s] / E[xi s] = rho.

    The ratio is m - w coth(m w) at half width w, so with x = m w one solves
    x coth x = m (m - rho).
    """
    product = np.maximum(m * (m - rho), 1.0)
    x = np.sqrt(3 * (product - 1)) + 1e-12  # exact for small x, below the root
    for _ in range(12):  # Newton on a convex function
        slope = 1 / np.tanh(x) - x / np.sinh(np.minimum(x, 300)) ** 2
        x = np.maximum(x - (x / np.tanh(x) - product) / slope, 1e-12)
    return m - x / m, m + x / m


def fit_sigma_t(goal: FloatArray) -> tuple[Fit, bool]:
    """Fit sigma_T; also return whether the third equation is met.

    All roots in the one number left when scale and ratio are eliminated.
    """
    h1, h2, f = (float(each) for each in goal[:3])
    codes = np.array([1.0, 0.0, 1.0])

    def family(m: FloatArray, rho: float) -> FloatArray:
        edges = (-m, m) if h1 == 0 else _sigma_t_edges(m, rho)
        return np.stack(edges, axis=-1)

    def scaled(u: FloatArray) -> FloatArray:
        values = four_numbers(u, codes)
        scale = (h2 / values[..., 1]) if h1 == 0 else (h1 / values[..., 0])
        return np.abs(scale)

    def gap(m: FloatArray, rho: float) -> FloatArray:
        values = four_numbers(family(m, rho), codes)
        return values[..., 2] / h2**2 - f / h2**4 * values[..., 1] ** 2

    roots: list[Fit] = []
    near: list[Fit] = []
    for rho in (0.0,) if h1 == 0 else (h2 / h1, -h2 / h1):
        first = 0.02 if h1 == 0 else (rho + math.sqrt(rho**2 + 4)) / 2
        m = first + np.geomspace(1e-8, 8, 300)
        u = family(m, rho)
        inside = np.abs(u).max(axis=1) < 7
        if not inside.any():
            continue
        m, u = m[inside], u[inside]
        g = gap(m, rho)
        for at in np.flatnonzero(g[1:] * g[:-1] < 0):
            root = brentq(gap, m[at], m[at + 1], args=(rho,), xtol=1e-15, rtol=1e-14)
            edges = family(np.array(root), rho)
            roots.append(Fit(codes, edges, float(scaled(edges))))
        scale = scaled(u)
        values = four_numbers(u, codes) * scale[:, None] ** np.array([1, 1, 2, 2])
        cost = _compromise(values, goal)
        best = int(np.argmin(cost))
        near.append(Fit(codes, u[best], float(scale[best])))
    if roots:
        return min(roots, key=lambda fit: float(fit.values[3])), True
    return min(near, key=lambda fit: float(_compromise(fit.values, goal))), False


def _compromise(values: FloatArray, goal: FloatArray) -> FloatArray:
    """Return how far f is off, and a little of the variance."""
    return np.asarray(10 * (values[..., 2] - goal[2]) ** 2 + values[..., 3])


def least_binary_variance(h1: float, h2: float) -> float:
    """Bound from below the variance of binary steps with these Hermite coefficients.

    Among sets of given probability, those above a level of the parabola
    h1 xi + h2 (xi^2 - 1) / 2 have the largest covariance with it.
    """
    u = np.linspace(-6, 6, 1201)
    mirrored = np.full_like(u, -np.inf)
    if h2 > 0:
        vertex = -h1 / h2
        u = u[u > vertex]
        mirrored = 2 * vertex - u
    inside = ndtr(-u) + ndtr(mirrored)
    covariance = h1 * normal_density(u) + h2 / 2 * u * normal_density(u)
    if h2 > 0:
        covariance -= (h1 + h2 / 2 * mirrored) * normal_density(mirrored)
    explained = covariance**2 / np.maximum(inside * (1 - inside), 1e-300)
    return (h1**2 + h2**2 / 2) ** 2 / float(explained.max())


def fit_sigma_q(goal: FloatArray, sigma_t: Fit) -> Fit:
    """Fit sigma_Q, r1 - r2 = r3 - r4, to all four numbers if that is possible.

    Else the one of least variance with the first three; sigma_T, the limit of one
    gap in the tail, if that has less or no binary step can have so little.
    """
    if goal[3] < least_binary_variance(goal[0], goal[1]):
        return sigma_t
    codes = np.array([1.0, 0.0, 1.0, 0.0, 1.0])
    axes: tuple[FloatArray, ...]
    if goal[0] == 0:
        rows, basis = [1, 2], symmetric_basis(2, False)
        axes = (np.linspace(0.1, 2.5, 25), np.linspace(0.2, 3.5, 34))
    else:
        rows = [0, 1, 2]
        basis = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 1, 1]], dtype=float)
        axes = (np.linspace(-3, 0.5, 15),) + (np.linspace(-2.6, 3.4, 16),) * 2
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))
    # (1, 0, 1, 0, 1) cannot be turned upside down: h2 of either sign will do.
    goals = [goal * np.array([1, sign, 1, 1]) for sign in (1, -1)]
    starts = [
        (each, fit)
        for each in goals
        for fit in rank_starts(codes, basis, grid, each, 4)
    ]
    four = least_variance(
        minimise(fit, basis, each, [*rows, 3]) for each, fit in starts
    )
    if four is not None:
        return four
    three = (minimise(fit, basis, each, rows) for each, fit in starts[::2])
    return least_variance(chain([sigma_t], three)) or sigma_t
