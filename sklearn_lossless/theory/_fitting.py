"""Steps that have given moments: the solvers behind `matching`.

Everything but `fit_step` is in units of the input deviation, and the four numbers that
a step is fitted by are its Hermite coefficients E[xi s] and E[(xi^2 - 1) s], and
E[(xi^2 - 1) s^2] and E[s^2]: m1, m2, f and the variance at tau = 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from .activations import FloatArray, GaussianMoments
from .steps import StepActivation, cell_probabilities, normal_density

__all__ = ["fit_step"]


@dataclass(frozen=True, eq=False)
class _Fit:
    """A step in units of the input deviation, and its four numbers."""

    codes: FloatArray
    u: FloatArray
    scale: float

    @property
    def values(self) -> FloatArray:
        return _values(self.u, self.codes) * self.scale ** np.array([1, 1, 2, 2])


def _values(u: FloatArray, codes: FloatArray) -> FloatArray:
    """Return the four numbers of steps of scale 1 with thresholds u (..., m)."""
    weights, cells = normal_density(u), cell_probabilities(u)
    jumps, mean = np.diff(codes), np.sum(cells * codes, axis=-1, keepdims=True)
    square_jumps = jumps * (codes[1:] + codes[:-1] - 2 * mean)
    terms = (jumps, jumps * u, square_jumps * u)
    sums = [np.sum(weights * each, axis=-1) for each in terms]
    variance = np.sum(cells * (codes - mean) ** 2, axis=-1)
    return np.stack([*sums, variance], axis=-1)


def _linearise(
    u: FloatArray, codes: FloatArray, scale: float
) -> tuple[FloatArray, FloatArray]:
    """Return the four numbers, and their derivatives by thresholds and scale."""
    weights, cells = normal_density(u), cell_probabilities(u)
    jumps, mean = codes[1:] - codes[:-1], cells @ codes
    square_jumps = jumps * (codes[1:] + codes[:-1] - 2 * mean)
    powers = np.array([scale, scale, scale**2, scale**2])
    hermite2 = 1 - u**2
    values = np.empty(4)
    slopes = np.empty((4, len(codes)))
    values[0] = jumps @ weights
    values[1] = jumps @ (u * weights)
    values[2] = square_jumps @ (u * weights)
    values[3] = cells @ (codes - mean) ** 2
    slopes[0, :-1] = -jumps * u
    slopes[1, :-1] = jumps * hermite2
    slopes[2, :-1] = square_jumps * hermite2 + 2 * jumps * values[1]
    slopes[3, :-1] = -square_jumps
    slopes[:, :-1] *= powers[:, None] * weights
    slopes[:, -1] = values * (1, 1, 2 * scale, 2 * scale)
    return values * powers, slopes


def _minimise(
    start: _Fit,
    basis: FloatArray,
    goal: FloatArray,
    rows: list[int],
) -> _Fit | None:
    """Least variance under the equations `rows`; thresholds stay in span(basis).

    Newton steps in the tangent space of the equations, each followed by Newton steps
    back to them. General solvers gain nothing here: there are few unknowns.
    """
    codes = start.codes
    to_full = np.zeros((len(start.u) + 1, basis.shape[1] + 1))
    to_full[:-1, :-1], to_full[-1, -1] = basis, 1
    atol = 1e-11 * np.maximum(1, np.abs(goal[rows]))

    @lru_cache(maxsize=2)
    def evaluate(key: bytes) -> tuple[FloatArray, FloatArray]:
        x = to_full @ np.frombuffer(key)
        values, slopes = _linearise(x[:-1], codes, float(x[-1]))
        return values - goal, slopes @ to_full

    def meet(x: FloatArray, n_steps: int) -> FloatArray | None:
        """Take Newton steps of least norm to the equations."""
        for _ in range(n_steps):
            gap, slopes = evaluate(x.tobytes())
            step = np.linalg.lstsq(slopes[rows], gap[rows], rcond=None)[0]
            size = float(np.abs(step).max())
            if not math.isfinite(size):
                return None
            x = x - step / max(1.0, 2 * size)
            if not (np.abs(to_full @ x).max() < 50 and x[-1] > 0):
                return None
            if size < 1e-13:
                break
        met = np.all(np.abs(evaluate(x.tobytes())[0][rows]) <= atol)
        return x if met else None

    def descend(x: FloatArray) -> FloatArray | None:
        """Take one Newton step of the variance along the equations, if it helps."""
        _, slopes = evaluate(x.tobytes())
        free = np.linalg.svd(slopes[rows])[2][len(rows) :]
        # Gradient of the Lagrangian along the equations, and its derivative.
        multipliers = np.linalg.lstsq(slopes[rows].T, slopes[3], rcond=None)[0]
        lagrangian = np.zeros(4)
        lagrangian[3], lagrangian[rows] = 1, -multipliers
        gradient = free @ (lagrangian @ slopes)
        if np.abs(gradient).max(initial=0.0) < 1e-7:
            return None
        moved = [lagrangian @ evaluate((x + 1e-6 * e).tobytes())[1] for e in free]
        hessian = (np.array(moved) @ free.T - gradient) / 1e-6
        curvatures, axes = np.linalg.eigh((hessian + hessian.T) / 2)
        # Downhill also where the variance is concave or next to flat.
        curvatures = np.maximum(np.abs(curvatures), 1e-4 * np.abs(curvatures).max())
        step = -(axes / curvatures) @ (axes.T @ gradient) @ free
        step *= min(1.0, 0.5 / float(np.abs(step).max()))
        variance = evaluate(x.tobytes())[0][3]
        for _ in range(6):
            trial = meet(x + step, 8)
            if trial is not None and evaluate(trial.tobytes())[0][3] < variance:
                return trial
            step = step / 3
        return None

    x = np.append(np.linalg.lstsq(basis, start.u, rcond=None)[0], start.scale)
    solution = meet(x, 40)
    if solution is None:
        return None
    for _ in range(40):
        better = descend(solution)
        if better is None:
            break
        solution = better
    fit = _Fit(codes, basis @ solution[:-1], float(solution[-1]))
    # A threshold far out in the tail is a level lost; so is an empty cell.
    proper = np.all(np.diff(fit.u) > 1e-6) and np.abs(fit.u).max() < 6
    return fit if proper else None


def _best(fits: Iterable[_Fit | None]) -> _Fit | None:
    """Return the fit of least variance."""
    return min(
        (fit for fit in fits if fit is not None),
        key=lambda fit: float(fit.values[3]),
        default=None,
    )


def _spread(h1: float, h2: float, n_levels: int, fold: bool) -> _Fit:
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
    values = _values(right, codes)
    # Distance from the parabola, at the best scale.
    overlap = h1 * values[:, 0] + h2 * values[:, 1] / 2
    at = int(np.argmax(overlap**2 / values[:, 3]))
    return _Fit(codes, right[at], float(overlap[at] / values[at, 3]))


def _truncate(fit: _Fit, n_left: int, n_levels: int) -> _Fit:
    """Keep only the `n_left` innermost thresholds of the left branch."""
    drop = len(fit.u) - (n_levels - 1) - n_left
    return _Fit(fit.codes[drop:], fit.u[drop:], fit.scale)


def _staircases(
    goal: FloatArray, rows: list[int], n_levels: int, match_tau: bool
) -> Iterator[_Fit | None]:
    """Fit a monotone staircase, or else one that comes down on the left too.

    A two-sided one has less variance (K=8, ReLU: 1.03 instead of 1.07), but as it
    hugs the parabola it lacks what a monotone activation has beyond its first two
    Hermite coefficients, and real data miss that more than the variance.
    """
    h1, h2 = goal[:2]
    start = _spread(h1, h2, n_levels, fold=False)
    fit = _minimise(start, np.eye(len(start.u)), goal, rows)
    yield fit
    if fit is not None and not (match_tau and fit.values[3] > goal[3]):
        return
    folded = _spread(h1, h2, n_levels, fold=True)
    # Further out a threshold gains next to nothing.
    n_left = min(3, int(np.sum(folded.u[: 1 - n_levels] > -3.3)))
    for left in range(n_left, 0, -1):
        start = _truncate(folded, left, n_levels)
        fit = _minimise(start, np.eye(len(start.u)), goal, rows)
        yield fit
        if fit is not None:
            return


def _ranked(
    codes: FloatArray, basis: FloatArray, grid: FloatArray, goal: FloatArray, n: int
) -> list[_Fit]:
    """Return `n` members of a grid that nearly meet the equations, well apart."""
    grid = grid @ basis.T
    grid = grid[np.all(np.diff(grid, axis=1) > 0.05, axis=1)]
    values = _values(grid, codes)
    scale = values[:, :2] @ goal[:2] / np.sum(values[:, :2] ** 2 + 1e-300, axis=1)
    gap = values * scale[:, None] ** np.array([1, 1, 2, 2]) - goal
    score = np.sum(gap[:, :3] ** 2, axis=1) + 0.05 * np.abs(gap[:, 3])
    score[scale <= 0] = np.inf
    chosen: list[int] = []
    while len(chosen) < n and np.isfinite(score).any():
        chosen.append(int(np.argmin(score)))
        score[np.abs(grid - grid[chosen[-1]]).max(axis=1) < 0.5] = np.inf
    return [_Fit(codes, grid[at], float(scale[at])) for at in chosen]


def _symmetric(n: int, middle: bool) -> FloatArray:
    """Return the basis of thresholds (-w reversed, [0,] w) for n numbers w."""
    centre = np.zeros((int(middle), n))
    return np.concatenate([-np.eye(n)[::-1], centre, np.eye(n)])


def _single_step(goal: FloatArray) -> _Fit | None:
    """Fit one step, which has only m1 and m2 to give."""
    h1, h2 = goal[:2]
    if abs(h2) > 6 * h1:
        return None
    u = np.array([h2 / h1])
    return _Fit(np.array([0.0, 1.0]), u, float(h1 / normal_density(u)[0]))


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


def _sigma_t(goal: FloatArray) -> tuple[_Fit, bool]:
    """Fit sigma_T; also return whether the third equation is met.

    All roots in the one number left when scale and ratio are eliminated.
    """
    h1, h2, f = (float(each) for each in goal[:3])
    codes = np.array([1.0, 0.0, 1.0])

    def family(m: FloatArray, rho: float) -> FloatArray:
        edges = (-m, m) if h1 == 0 else _sigma_t_edges(m, rho)
        return np.stack(edges, axis=-1)

    def scaled(u: FloatArray) -> FloatArray:
        values = _values(u, codes)
        scale = (h2 / values[..., 1]) if h1 == 0 else (h1 / values[..., 0])
        return np.abs(scale)

    def gap(m: FloatArray, rho: float) -> FloatArray:
        values = _values(family(m, rho), codes)
        return values[..., 2] / h2**2 - f / h2**4 * values[..., 1] ** 2

    roots: list[_Fit] = []
    near: list[_Fit] = []
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
            roots.append(_Fit(codes, edges, float(scaled(edges))))
        scale = scaled(u)
        values = _values(u, codes) * scale[:, None] ** np.array([1, 1, 2, 2])
        cost = _compromise(values, goal)
        best = int(np.argmin(cost))
        near.append(_Fit(codes, u[best], float(scale[best])))
    if roots:
        return min(roots, key=lambda fit: float(fit.values[3])), True
    return min(near, key=lambda fit: float(_compromise(fit.values, goal))), False


def _compromise(values: FloatArray, goal: FloatArray) -> FloatArray:
    """Return how far f is off, and a little of the variance."""
    return np.asarray(10 * (values[..., 2] - goal[2]) ** 2 + values[..., 3])


def _least_binary_variance(h1: float, h2: float) -> float:
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


def _sigma_q(goal: FloatArray, sigma_t: _Fit) -> _Fit:
    """Fit sigma_Q, r1 - r2 = r3 - r4, to all four numbers if that is possible.

    Else the one of least variance with the first three; sigma_T, the limit of one
    gap in the tail, if that has less or no binary step can have so little.
    """
    if goal[3] < _least_binary_variance(goal[0], goal[1]):
        return sigma_t
    codes = np.array([1.0, 0.0, 1.0, 0.0, 1.0])
    axes: tuple[FloatArray, ...]
    if goal[0] == 0:
        rows, basis = [1, 2], _symmetric(2, False)
        axes = (np.linspace(0.1, 2.5, 25), np.linspace(0.2, 3.5, 34))
    else:
        rows = [0, 1, 2]
        basis = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 1, 1]], dtype=float)
        axes = (np.linspace(-3, 0.5, 15),) + (np.linspace(-2.6, 3.4, 16),) * 2
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))
    # (1, 0, 1, 0, 1) cannot be turned upside down: h2 of either sign will do.
    goals = [goal * np.array([1, sign, 1, 1]) for sign in (1, -1)]
    starts = [
        (each, fit) for each in goals for fit in _ranked(codes, basis, grid, each, 4)
    ]
    four = _best(_minimise(fit, basis, each, [*rows, 3]) for each, fit in starts)
    if four is not None:
        return four
    three = (_minimise(fit, basis, each, rows) for each, fit in starts[::2])
    return _best(chain([sigma_t], three)) or sigma_t


def _with_tau(
    base: _Fit, basis: FloatArray, goal: FloatArray, rows: list[int]
) -> Iterator[_Fit | None]:
    """Move a fit of least variance to one of the goal's variance.

    The variance is stationary at `base`, so start from some way off.
    """
    for shift in (0.02, -0.02, 0.1, -0.1, 0.3, -0.3):
        direction = np.linspace(1, 2, basis.shape[1])
        start = _Fit(base.codes, base.u + shift * basis @ direction, base.scale)
        fit = _minimise(start, basis, goal, [*rows, 3])
        yield fit
        if fit is not None:
            return


def _staircase(
    goal: FloatArray, n_levels: int, match_tau: bool, meet_f: bool = True
) -> _Fit | None:
    """Fit a staircase of uniform levels, symmetric where the goal is.

    Without `meet_f`, only as near to f as it goes.
    """
    h1, h2 = goal[:2]
    codes = np.arange(n_levels, dtype=np.float64)
    x = np.linspace(0, 1, n_levels - 1)
    if h2 == 0:
        rows, basis = [0, 2], _symmetric((n_levels - 1) // 2, n_levels % 2 == 0)
        inner = np.arange(1, basis.shape[1] + 1) - (0 if n_levels % 2 == 0 else 0.5)
        grid = np.linspace(0.05, 3.3, 60)[:, None] * inner / inner[-1]
    elif h1 == 0:
        rows, basis = [1, 2], _symmetric(n_levels - 1, False)
        codes = np.concatenate([codes[:0:-1], codes])
    else:
        rows, basis = [0, 1, 2], np.eye(n_levels - 1)
    if h2 != 0:
        low = np.linspace(0.05 if h1 == 0 else -3, 1.5, 19)[:, None, None]
        high = np.linspace(0.3, 3.6, 23)[:, None]
        curve = np.stack([x**power for power in (0.6, 1.0)])[:, None, None]
        grid = (low + (high - low) * curve).reshape(-1, n_levels - 1)

    def fits(rows: list[int]) -> Iterator[_Fit | None]:
        if h1 and h2:
            yield from _staircases(goal, rows, n_levels, match_tau)
        elif h2:
            start = _spread(0.0, float(h2), n_levels, fold=True)
            yield _minimise(start, basis, goal, rows)

    def grid_fits(rows: list[int]) -> Iterator[_Fit | None]:
        found = 0
        for start in _ranked(codes, basis, grid, goal, 8):
            fit = _minimise(start, basis, goal, rows)
            yield fit
            found += fit is not None
            if found == 2:
                return

    def span(fit: _Fit) -> FloatArray:
        return np.eye(len(fit.u)) if h1 and h2 else basis

    if meet_f:
        fit = _best(fits(rows)) or _best(grid_fits(rows))
        if fit is not None and match_tau and fit.values[3] <= goal[3]:
            fit = _best(_with_tau(fit, span(fit), goal, rows)) or fit
        return fit
    fit = _best(fits(rows[:-1])) or _best(grid_fits(rows[:-1]))
    return fit and _approach_f(fit, span(fit), goal, rows)


def _approach_f(
    fit: _Fit, basis: FloatArray, goal: FloatArray, rows: list[int]
) -> _Fit:
    """Move a fit from its f to the goal's, or as far towards it as it goes."""
    first, share, stride = fit.values[2], 0.0, 0.5
    for _ in range(14):
        aim = min(1.0, share + stride)
        nearer = goal.copy()
        nearer[2] = first + aim * (goal[2] - first)
        moved = _minimise(fit, basis, nearer, rows)
        if moved is None:
            stride /= 3
        else:
            fit, share, stride = moved, aim, 1.5 * stride
        if share == 1.0:
            break
    return fit


def _any_levels(goal: FloatArray, n_levels: int, match_tau: bool) -> _Fit | None:
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
        sigma_t, exact = _sigma_t(goal)
        fit = sigma_t if exact else None
    return fit or near


def fit_step(
    target: GaussianMoments, tau: float, n_levels: int, match_tau: bool = False
) -> StepActivation:
    """Find a step with given m1, m2 (up to signs) and f, and little variance.

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
    >>> from sklearn_lossless.theory._fitting import fit_step
    >>> fit_step(gaussian_moments("sign"), 1.0, n_levels=2).thresholds
    array([0.])
    """
    h1, h2 = abs(target.m1) * tau, abs(target.m2) * tau**2
    unit = math.hypot(h1, h2 / math.sqrt(2))
    goal = np.array([h1 / unit, h2 / unit, target.f * (tau / unit) ** 2, 0.0])
    goal[3] = (target.tau / unit) ** 2
    goal[:3][np.abs(goal[:3]) < 1e-10] = 0.0
    single = _single_step(goal)
    if single is not None and (
        np.allclose(single.values[:3], goal[:3], rtol=1e-10, atol=1e-10)
        or (goal[1] == 0 and n_levels == 2)
    ):
        fit = single
    elif n_levels == 2:
        fit, exact = _sigma_t(goal)
        if match_tau and exact:
            fit = _sigma_q(goal, fit)
    else:
        fit = _any_levels(goal, n_levels, match_tau) or single or _sigma_t(goal)[0]
    u, codes, values = fit.u, fit.codes, fit.values
    scale = unit * fit.scale
    # Signs are not observable, but look like the given activation where possible.
    if n_levels > 2 and (target.m2 < 0 or (goal[1] == 0 and target.m1 < 0)):
        codes, values = codes.max() - codes, -values
    if values[0] * target.m1 < 0:
        u, codes = -u[::-1], codes[::-1]
    mean = float(cell_probabilities(u) @ codes)
    offset = 0.0 if n_levels == 2 and len(u) > 1 else target.mean - scale * mean
    return StepActivation(tau * u, codes.astype(np.int64), scale, offset)
