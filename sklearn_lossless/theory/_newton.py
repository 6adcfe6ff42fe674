"""Newton's method for steps of least variance with given moments.

In units of the input deviation. The four numbers that a step is fitted by are its
Hermite coefficients E[xi s] and E[(xi^2 - 1) s], and E[(xi^2 - 1) s^2] and E[s^2]: m1,
m2, f and the variance at tau = 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .activations import FloatArray
from .steps import step_terms

__all__ = [
    "Fit",
    "four_numbers",
    "least_variance",
    "minimise",
    "rank_starts",
    "symmetric_basis",
]

#: Powers of the scale in the four numbers.
_POWERS = np.array([1, 1, 2, 2])


@dataclass(frozen=True, eq=False)
class Fit:
    """A step in units of the input deviation, and its four numbers."""

    codes: FloatArray
    u: FloatArray
    scale: float

    @property
    def values(self) -> FloatArray:
        numbers = four_numbers(self.u[np.newaxis], self.codes)[0]
        return numbers * self.scale**_POWERS


def four_numbers(u: FloatArray, codes: FloatArray) -> FloatArray:
    """Return the four numbers of steps of scale 1 with thresholds u (..., m)."""
    return step_terms(u, codes).moments_of_many(u)


def minimise(
    start: Fit, basis: FloatArray, goal: FloatArray, rows: list[int]
) -> Fit | None:
    """Find the step of least variance next to a start, under equations.

    Parameters
    ----------
    start : Fit
        Codes are kept, thresholds and scale are changed.
    basis : ndarray of shape (n_thresholds, n_unknowns)
        Thresholds stay in its span.
    goal : ndarray of shape (4,)
        The four numbers to meet.
    rows : list of int
        Which of them are to be met.

    Returns
    -------
    Fit or None
        None if the equations are not met, or a level is lost.
    """
    newton = _Newton(start.codes, basis, goal, rows)
    x = np.append(np.linalg.lstsq(basis, start.u, rcond=None)[0], start.scale)
    point = newton.meet_equations(newton.evaluate(x), 40)
    if point is None:
        return None
    for _ in range(40):
        better = newton.descend(point)
        if better is None:
            break
        point = better
    fit = Fit(start.codes, basis @ point.x[:-1], float(point.x[-1]))
    # A threshold far out in the tail is a level lost; so is an empty cell.
    proper = np.all(np.diff(fit.u) > 1e-6) and np.abs(fit.u).max() < 6
    return fit if proper else None


class _Point(NamedTuple):
    """Values of the unknowns, the four numbers less the goal, and their derivatives."""

    x: FloatArray
    gap: FloatArray
    slopes: FloatArray


class _Newton:
    """Newton steps of the variance along the equations, and back to them.

    General solvers gain nothing here: there are few unknowns. They are the thresholds'
    coordinates in the basis, and the scale.
    """

    def __init__(
        self, codes: FloatArray, basis: FloatArray, goal: FloatArray, rows: list[int]
    ) -> None:
        self._codes, self._goal, self._rows = codes, goal, rows
        self._to_full = np.zeros((len(basis) + 1, basis.shape[1] + 1))
        self._to_full[:-1, :-1], self._to_full[-1, -1] = basis, 1
        self._atol = 1e-11 * np.maximum(1, np.abs(goal[rows]))

    def evaluate(self, x: FloatArray) -> _Point:
        """Return the numbers and their derivatives at `x`."""
        full = self._to_full @ x
        values, slopes = _linearise(full[:-1], self._codes, float(full[-1]))
        return _Point(x, values - self._goal, slopes @ self._to_full)

    def meet_equations(self, point: _Point, n_steps: int) -> _Point | None:
        """Take Newton steps of least norm to the equations."""
        for _ in range(n_steps):
            step = np.linalg.lstsq(
                point.slopes[self._rows], point.gap[self._rows], rcond=None
            )[0]
            size = float(np.abs(step).max())
            if not math.isfinite(size):
                return None
            x = point.x - step / max(1.0, 2 * size)
            if not (np.abs(self._to_full @ x).max() < 50 and x[-1] > 0):
                return None
            point = self.evaluate(x)
            if size < 1e-13:
                break
        met = np.all(np.abs(point.gap[self._rows]) <= self._atol)
        return point if met else None

    def descend(self, point: _Point) -> _Point | None:
        """Take one Newton step of the variance along the equations, if it helps."""
        step = self._downhill(point)
        if step is None:
            return None
        for _ in range(6):
            trial = self.meet_equations(self.evaluate(point.x + step), 8)
            if trial is not None and trial.gap[3] < point.gap[3]:
                return trial
            step = step / 3
        return None

    def _downhill(self, point: _Point) -> FloatArray | None:
        """Return that step, or None where the variance is stationary."""
        equations = point.slopes[self._rows]
        free = np.linalg.svd(equations)[2][len(self._rows) :]
        # Gradient of the Lagrangian along the equations, and its derivative.
        multipliers = np.linalg.lstsq(equations.T, point.slopes[3], rcond=None)[0]
        lagrangian = np.zeros(4)
        lagrangian[3], lagrangian[self._rows] = 1, -multipliers
        gradient = free @ (lagrangian @ point.slopes)
        if np.abs(gradient).max(initial=0.0) < 1e-7:
            return None
        moved = [lagrangian @ self.evaluate(point.x + 1e-6 * e).slopes for e in free]
        hessian = (np.array(moved) @ free.T - gradient) / 1e-6
        curvatures, axes = np.linalg.eigh((hessian + hessian.T) / 2)
        # Downhill also where the variance is concave or next to flat.
        curvatures = np.maximum(np.abs(curvatures), 1e-4 * np.abs(curvatures).max())
        step = -(axes / curvatures) @ (axes.T @ gradient) @ free
        return np.asarray(step * min(1.0, 0.5 / float(np.abs(step).max())))


def _linearise(
    u: FloatArray, codes: FloatArray, scale: float
) -> tuple[FloatArray, FloatArray]:
    """Return the four numbers, and their derivatives by thresholds and scale."""
    terms = step_terms(u, codes)
    values = terms.moments(u)
    powers = np.array([scale, scale, scale**2, scale**2])
    hermite2 = 1 - u**2
    slopes = np.empty((4, len(codes)))
    slopes[0, :-1] = -terms.jumps * u
    slopes[1, :-1] = terms.jumps * hermite2
    slopes[2, :-1] = terms.square_jumps * hermite2 + 2 * terms.jumps * values[1]
    slopes[3, :-1] = -terms.square_jumps
    slopes[:, :-1] *= powers[:, None] * terms.density
    slopes[:, -1] = values * (1, 1, 2 * scale, 2 * scale)
    return values * powers, slopes


def least_variance(fits: Iterable[Fit | None]) -> Fit | None:
    """Return the fit of least variance, None if there is none."""
    return min(
        (fit for fit in fits if fit is not None),
        key=lambda fit: float(fit.values[3]),
        default=None,
    )


def rank_starts(
    codes: FloatArray, basis: FloatArray, grid: FloatArray, goal: FloatArray, n: int
) -> list[Fit]:
    """Return `n` members of a grid that nearly meet the equations, well apart."""
    grid = grid @ basis.T
    grid = grid[np.all(np.diff(grid, axis=1) > 0.05, axis=1)]
    values = four_numbers(grid, codes)
    scale = values[:, :2] @ goal[:2] / np.sum(values[:, :2] ** 2 + 1e-300, axis=1)
    gap = values * scale[:, None] ** _POWERS - goal
    score = np.sum(gap[:, :3] ** 2, axis=1) + 0.05 * np.abs(gap[:, 3])
    score[scale <= 0] = np.inf
    chosen: list[int] = []
    while len(chosen) < n and np.isfinite(score).any():
        chosen.append(int(np.argmin(score)))
        score[np.abs(grid - grid[chosen[-1]]).max(axis=1) < 0.5] = np.inf
    return [Fit(codes, grid[at], float(scale[at])) for at in chosen]


def symmetric_basis(n: int, middle: bool) -> FloatArray:
    """Return the basis of thresholds (-w reversed, [0,] w) for n numbers w."""
    centre = np.zeros((int(middle), n))
    return np.concatenate([-np.eye(n)[::-1], centre, np.eye(n)])
