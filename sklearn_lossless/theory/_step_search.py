"""The search for a step that has the moments of an activation.

`fit_step` tries the shapes a step may have; for each, `_newton` finds the thresholds
and the scale of least variance. All but `fit_step` is in units of the input deviation;
goals are four numbers as in `_newton`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ._binary_steps import fit_sigma_q, fit_sigma_t, fit_single_step
from ._newton import (
    Fit,
    four_numbers,
    least_variance,
    minimise,
    rank_starts,
    symmetric_basis,
)
from .activations import FloatArray, GaussianMoments
from .steps import StepActivation, cell_probabilities

__all__ = ["fit_step"]


def _spread(h1: float, h2: float, n_levels: int, fold: bool) -> Fit:
    """Quantise the parabola h1 u + h2 (u^2 - 1) / 2 with uniform levels, roughly.

    The first and last threshold on the right of the vertex are swept over a grid,
    those between follow; with `fold` the left branch has its own.
    """
    low = np.linspace(0.01 - min(h1 / max(h2, 1e-9), 3.0), 1.0, 24)[:, None, None]
    high = np.linspace(1.05, 3.8, 23)[:, None]
    # (u - vertex) in terms of the rise from the vertex; a line far from it.
    rise = np.linspace(0.0, 1.0, n_levels - 1)
    if h2 > 1e-6 * h1:
        vertex = -h1 / h2
        square = (low - vertex) ** 2 * (1 - rise) + (high - vertex) ** 2 * rise
        right = vertex + np.sqrt(square)
    else:
        vertex, right = -np.inf, low + (high - low) * rise
    codes = np.arange(n_levels, dtype=np.float64)
    right = right.reshape(-1, n_levels - 1)
    if fold and vertex > -4:
        right = np.concatenate([2 * vertex - right[:, ::-1], right], axis=1)
        codes = np.concatenate([codes[:0:-1], codes])
    values = four_numbers(right, codes)
    # Distance from the parabola, at the best scale.
    overlap = h1 * values[:, 0] + h2 * values[:, 1] / 2
    at = int(np.argmax(overlap**2 / values[:, 3]))
    return Fit(codes, right[at], float(overlap[at] / values[at, 3]))


def _truncate(fit: Fit, n_left: int, n_levels: int) -> Fit:
    """Keep only the `n_left` innermost thresholds of the left branch."""
    drop = len(fit.u) - (n_levels - 1) - n_left
    return Fit(fit.codes[drop:], fit.u[drop:], fit.scale)


def _staircases(
    goal: FloatArray, rows: list[int], n_levels: int, match_tau: bool
) -> Iterator[Fit | None]:
    """Fit a monotone staircase, or else one that comes down on the left too.

    A two-sided one has less variance (K=8, ReLU: 1.03 instead of 1.07). But it follows
    the parabola and so loses the higher Hermite coefficients of a monotone activation.
    On real data this costs more than the variance gains.
    """
    h1, h2 = goal[:2]
    start = _spread(h1, h2, n_levels, fold=False)
    fit = minimise(start, np.eye(len(start.u)), goal, rows)
    yield fit
    if fit is not None and not (match_tau and fit.values[3] > goal[3]):
        return
    folded = _spread(h1, h2, n_levels, fold=True)
    # Further out a threshold gains next to nothing.
    n_left = min(3, int(np.sum(folded.u[: 1 - n_levels] > -3.3)))
    for left in range(n_left, 0, -1):
        start = _truncate(folded, left, n_levels)
        fit = minimise(start, np.eye(len(start.u)), goal, rows)
        yield fit
        if fit is not None:
            return


def _with_tau(
    base: Fit, basis: FloatArray, goal: FloatArray, rows: list[int]
) -> Iterator[Fit | None]:
    """Move a fit of least variance to one of the goal's variance.

    The variance is stationary at `base`, so start from some way off.
    """
    for shift in (0.02, -0.02, 0.1, -0.1, 0.3, -0.3):
        direction = np.linspace(1, 2, basis.shape[1])
        start = Fit(base.codes, base.u + shift * basis @ direction, base.scale)
        fit = minimise(start, basis, goal, [*rows, 3])
        yield fit
        if fit is not None:
            return


def _staircase(
    goal: FloatArray, n_levels: int, match_tau: bool, meet_f: bool = True
) -> Fit | None:
    """Fit a staircase of uniform levels, symmetric where the goal is.

    Without `meet_f`, only as near to f as it goes.
    """
    h1, h2 = goal[:2]
    codes = np.arange(n_levels, dtype=np.float64)
    x = np.linspace(0, 1, n_levels - 1)
    if h2 == 0:
        rows, basis = [0, 2], symmetric_basis((n_levels - 1) // 2, n_levels % 2 == 0)
        inner = np.arange(1, basis.shape[1] + 1) - (0 if n_levels % 2 == 0 else 0.5)
        grid = np.linspace(0.05, 3.3, 60)[:, None] * inner / inner[-1]
    elif h1 == 0:
        rows, basis = [1, 2], symmetric_basis(n_levels - 1, False)
        codes = np.concatenate([codes[:0:-1], codes])
    else:
        rows, basis = [0, 1, 2], np.eye(n_levels - 1)
    if h2 != 0:
        low = np.linspace(0.05 if h1 == 0 else -3, 1.5, 19)[:, None, None]
        high = np.linspace(0.3, 3.6, 23)[:, None]
        curve = np.stack([x**power for power in (0.6, 1.0)])[:, None, None]
        grid = (low + (high - low) * curve).reshape(-1, n_levels - 1)

    def fits(rows: list[int]) -> Iterator[Fit | None]:
        if h1 and h2:
            yield from _staircases(goal, rows, n_levels, match_tau)
        elif h2:
            start = _spread(0.0, float(h2), n_levels, fold=True)
            yield minimise(start, basis, goal, rows)

    def grid_fits(rows: list[int]) -> Iterator[Fit | None]:
        found = 0
        for start in rank_starts(codes, basis, grid, goal, 8):
            fit = minimise(start, basis, goal, rows)
            yield fit
            found += fit is not None
            if found == 2:
                return

    def span(fit: Fit) -> FloatArray:
        return np.eye(len(fit.u)) if h1 and h2 else basis

    if meet_f:
        fit = least_variance(fits(rows)) or least_variance(grid_fits(rows))
        if fit is not None and match_tau and fit.values[3] <= goal[3]:
            fit = least_variance(_with_tau(fit, span(fit), goal, rows)) or fit
        return fit
    fit = least_variance(fits(rows[:-1])) or least_variance(grid_fits(rows[:-1]))
    return fit and _approach_f(fit, span(fit), goal, rows)


def _approach_f(fit: Fit, basis: FloatArray, goal: FloatArray, rows: list[int]) -> Fit:
    """Move a fit from its f to the goal's, or as far towards it as it goes."""
    first, share, stride = fit.values[2], 0.0, 0.5
    for _ in range(14):
        aim = min(1.0, share + stride)
        nearer = goal.copy()
        nearer[2] = first + aim * (goal[2] - first)
        moved = minimise(fit, basis, nearer, rows)
        if moved is None:
            stride /= 3
        else:
            fit, share, stride = moved, aim, 1.5 * stride
        if share == 1.0:
            break
    return fit


def _any_levels(goal: FloatArray, n_levels: int, match_tau: bool) -> Fit | None:
    """Fit a staircase, or what comes closest to one."""
    fit = _staircase(goal, n_levels, match_tau)
    if fit is not None:
        return fit
    near = _staircase(goal, n_levels, match_tau, meet_f=False)
    if near is not None and math.isclose(near.values[2], goal[2], rel_tol=1e-10):
        return near
    # Four antisymmetric levels reach less of f than three, for instance.
    fit = _staircase(goal, n_levels - 1, match_tau) if n_levels > 3 else None
    if fit is None and goal[1]:
        sigma_t, exact = fit_sigma_t(goal)
        fit = sigma_t if exact else None
    return fit or near


def fit_step(
    target: GaussianMoments, tau: float, n_levels: int, match_tau: bool = False
) -> StepActivation:
    """Find a step with the m1, m2 (up to signs) and f of a target, and little variance.

    Parameters
    ----------
    target : GaussianMoments
        Moments to meet; m1 and m2 are not both 0.
    tau : float
        Deviation of the input of the step.
    n_levels : int
        Levels of the step, 2 to 16.
    match_tau : bool, default=False
        Whether to meet the variance too.

    Returns
    -------
    StepActivation
        Meets m1 and m2; f and the variance if possible.

    Notes
    -----
    The equations of Gu et al., NeurIPS 2022 (arXiv 2403.00258), Algorithm 1.

    Examples
    --------
    >>> from sklearn_lossless.theory import gaussian_moments
    >>> from sklearn_lossless.theory._step_search import fit_step
    >>> fit_step(gaussian_moments("sign"), 1.0, n_levels=2).thresholds
    array([0.])
    """
    h1, h2 = abs(target.m1) * tau, abs(target.m2) * tau**2
    unit = math.hypot(h1, h2 / math.sqrt(2))
    goal = np.array([h1 / unit, h2 / unit, target.f * (tau / unit) ** 2, 0.0])
    goal[3] = (target.tau / unit) ** 2
    goal[:3][np.abs(goal[:3]) < 1e-10] = 0.0
    single = fit_single_step(goal)
    if single is not None and (
        np.allclose(single.values[:3], goal[:3], rtol=1e-10, atol=1e-10)
        or (goal[1] == 0 and n_levels == 2)
    ):
        fit = single
    elif n_levels == 2:
        fit, exact = fit_sigma_t(goal)
        if match_tau and exact:
            fit = fit_sigma_q(goal, fit)
    else:
        fit = _any_levels(goal, n_levels, match_tau) or single or fit_sigma_t(goal)[0]
    u, codes, values = fit.u, fit.codes, fit.values
    scale = unit * fit.scale
    # The kernel does not depend on signs: look like the activation where possible.
    if n_levels > 2 and (target.m2 < 0 or (goal[1] == 0 and target.m1 < 0)):
        codes, values = codes.max() - codes, -values
    if values[0] * target.m1 < 0:
        u, codes = -u[::-1], codes[::-1]
    mean = float(cell_probabilities(u) @ codes)
    offset = 0.0 if n_levels == 2 and len(u) > 1 else target.mean - scale * mean
    return StepActivation(tau * u, codes.astype(np.int64), scale, offset)
