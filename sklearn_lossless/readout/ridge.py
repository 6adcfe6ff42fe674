"""The ridge readout of data in parts, and the choice of its regularisation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..data import Data, has_weight
from .alpha_search import find_least
from .calibration import LeftOut, sample_rows
from .decomposition import MOST_DECOMPOSED, Decomposition, RidgePath
from .factorisation import FactoredRidge
from .leave_one_out import (
    Loss,
    LossSums,
    RidgeSolution,
    best_alpha,
    fit_by_kernel,
    predict_left_out,
    sum_left_out_losses,
)
from .linear import LinearReadout
from .moments import default_alphas
from .statistics import RidgeStatistics
from .target_line import TargetLine

__all__ = ["fit_ridge"]

Array = npt.NDArray[Any]

#: Part of an error rate by which another must be lower: less is chance.
_CHANCE = 1e-3


def fit_ridge(
    data: Data,
    offset: Array,
    step_size: Array,
    *,
    alphas: Array | None = None,
    loss: Loss | None = None,
    n_left_out: int = 0,
    line: TargetLine | None = None,
) -> tuple[LinearReadout, LeftOut | None]:
    """Fit ridge regressions with intercept for several alphas, keep the best.

    It is that of least leave-one-out loss, with residuals
    ``(y_i - yhat_i) / (1 - H_ii)``. A sample is left out as a whole, whatever its
    weight, so that a factor common to all weights changes nothing.

    With up to 1024 features, or no more samples than features, one eigendecomposition,
    of the smaller of the Gram and the kernel matrix, gives all solutions and residuals.
    With more, each alpha that is tried costs a Cholesky factorisation, and small
    leverages are estimated, as `FactoredRidge` says; `find_least` says which are tried.

    Parameters
    ----------
    data : Data
        Its parts are `Samples`. They are gone through block by block: once for the Gram
        matrix, once for a sample of rows, and for the leave-one-out losses once, or
        once for each alpha that is tried.
    offset, step_size : ndarray of shape (n_features,), dtype float64
        The features are ``offset + step_size * codes``.
    alphas : ndarray of shape (n_alphas,) or None, default=None
        Regularisations to try, against the sum of the weights. None: 21 from 1e-6 to
        1e4 times the mean eigenvalue of the Gram matrix, or some of these: the search
        stops where neither neighbour has a lower loss.
    loss : callable or None, default=None
        Maps targets and leave-one-out predictions to the loss of each sample, by
        which alpha is chosen; ties go by the squared error. In a search it is lower by
        a thousandth, or not at all. None: squared error.
    n_left_out : int, default=0
        Samples with weight whose left-out scores are asked for. Of more samples a
        fixed subset is drawn; where there are fewer than features all have theirs.
    line : TargetLine or None, default=None
        On which the targets are; the readout and its losses are of what is off it.

    Returns
    -------
    LinearReadout
    LeftOut or None
        Left-out scores, where they were asked for.

    References
    ----------
    Rifkin, Lippert, "Notes on regularized least squares", MIT CSAIL 2007,
    sections 3 and 4.
    """
    n_features, statistics = len(step_size), None
    units = None if line is None else line.units
    if data.n_samples > n_features:
        statistics = data.total(RidgeStatistics.of, keep=True)
        if data.fetch(data.apply(_n_samples, statistics)) <= n_features:
            statistics = None
    if statistics is None:
        # Samples without weight are as if they were not there.
        samples = data.take(np.flatnonzero(data.gather(has_weight)))
        solution, scores = fit_by_kernel(samples, step_size, alphas, loss, units)
        left_out = LeftOut.of(samples, scores) if n_left_out else None
    else:
        asked = alphas, loss, units, n_left_out
        if n_features <= MOST_DECOMPOSED:
            # Dask may need the sums again.
            overwrite = data.in_memory
            fitted = data.apply(Decomposition.of, statistics, step_size, overwrite)
            del statistics
            solution, left_out = _fit_by_decomposition(data, fitted, *asked)
        else:
            solution, left_out = _fit_by_factorisations(
                data, statistics, step_size, *asked
            )
    readout = LinearReadout(
        coef=solution.coef,
        # From codes to features.
        intercept=solution.intercept - solution.coef @ offset,
        alpha=solution.alpha,
        alphas=solution.alphas,
        losses=solution.losses if line is None else line.losses(solution.losses),
        criterion="loo",
    )
    return readout if line is None else line.undo(readout), left_out


def _n_samples(statistics: RidgeStatistics) -> int:
    return statistics.n_samples


# --- one decomposition ----------------------------------------------------------------


def _fit_by_decomposition(
    data: Data,
    decomposition: Any,
    alphas: Array | None,
    loss: Loss | None,
    units: Array | None,
    n_left_out: int,
) -> tuple[RidgeSolution, LeftOut | None]:
    left_out = None
    path = data.apply(_path, decomposition, alphas)
    best, losses = best_alpha(data.total(sum_left_out_losses, path, loss, units))
    if n_left_out:
        samples = data.take(sample_rows(data, n_left_out))
        one = data.apply(_one_of, path, best)
        scores = data.fetch(data.apply(predict_left_out, samples, one))
        left_out = LeftOut.of(samples, scores)
    solution = data.fetch(data.apply(_solution, decomposition, alphas, best, losses))
    return solution, left_out


def _path(decomposition: Decomposition, alphas: Array | None) -> RidgePath:
    if alphas is None:
        alphas = default_alphas(decomposition.moments.mean_eigenvalue)
    return decomposition.path(alphas)


def _one_of(path: RidgePath, number: int) -> RidgePath:
    return path.of(number)


def _solution(
    decomposition: Decomposition, alphas: Array | None, best: int, losses: Array
) -> RidgeSolution:
    if alphas is None:
        alphas = default_alphas(decomposition.moments.mean_eigenvalue)
    coef = decomposition.coef(alphas[best])
    intercept = decomposition.moments.intercept(coef)
    return RidgeSolution(coef, intercept, float(alphas[best]), alphas, losses)


# --- a factorisation for each alpha ---------------------------------------------------


def _fit_by_factorisations(
    data: Data,
    statistics: Any,
    step_size: Array,
    alphas: Array | None,
    loss: Loss | None,
    units: Array | None,
    n_left_out: int,
) -> tuple[RidgeSolution, LeftOut | None]:
    unit = data.fetch(data.apply(_mean_eigenvalue, statistics, step_size))
    grid = default_alphas(unit) if alphas is None else alphas
    overwrite = data.in_memory and len(grid) == 1
    samples = data.take(sample_rows(data, n_left_out)) if n_left_out else None
    left_out: LeftOut | None = None
    tried: dict[int, LossSums] = {}
    best: tuple[int, tuple[Array, Array]]

    def is_less(first: tuple[float, float], second: tuple[float, float]) -> bool:
        """Compare losses; where they are equal, squared errors."""
        if loss is None or alphas is not None:
            return first < second
        clearly = first[0] < (1 - _CHANCE) * second[0]
        return clearly or (first[0] <= second[0] and first[1] < second[1])

    def losses_at(number: int) -> tuple[float, float]:
        """Fit with one alpha; keep the fit if it is the best so far."""
        nonlocal best, left_out
        alpha = float(grid[number])
        ridge = data.apply(FactoredRidge.of, statistics, step_size, alpha, overwrite)
        tried[number] = sums = data.total(sum_left_out_losses, ridge, loss, units)
        if len(tried) == 1 or is_less(_order(sums), _order(tried[best[0]])):
            best = number, data.fetch(data.apply(_coefficients, ridge))
            if samples is not None:
                scores = data.fetch(data.apply(predict_left_out, samples, ridge))
                left_out = LeftOut.of(samples, scores)
        return _order(sums)

    if alphas is None:
        find_least(losses_at, len(grid), is_less)
    else:
        for number in range(len(grid)):
            losses_at(number)
    places = sorted(tried)
    number, (coef, intercept) = best
    losses = np.array([tried[each].losses[0] / tried[each].weight for each in places])
    solution = RidgeSolution(coef, intercept, float(grid[number]), grid[places], losses)
    return solution, left_out


def _order(sums: LossSums) -> tuple[float, float]:
    return float(sums.losses[0]), float(sums.squared_errors[0])


def _mean_eigenvalue(statistics: RidgeStatistics, step_size: Array) -> float:
    return statistics.moments(step_size).mean_eigenvalue


def _coefficients(ridge: FactoredRidge) -> tuple[Array, Array]:
    return ridge.coef, ridge.moments.intercept(ridge.coef)
