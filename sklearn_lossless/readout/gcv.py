"""The ridge readout of sums alone: alpha by generalised cross-validation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .alpha_search import find_least
from .decomposition import MOST_DECOMPOSED, Decomposition, RidgePath
from .factorisation import FactoredRidge
from .leave_one_out import RidgeSolution
from .moments import default_alphas
from .statistics import RidgeStatistics

__all__ = ["fit_by_gcv"]

Array = npt.NDArray[Any]


def fit_by_gcv(
    statistics: RidgeStatistics,
    step_size: Array,
    alphas: Array | None = None,
    units: Array | float = 1.0,
) -> tuple[RidgeSolution, RidgePath | FactoredRidge]:
    """Fit ridge regressions with intercept, keep that of least cross-validation.

    With up to 1024 features for all alphas by one eigendecomposition; with more each
    alpha that is tried costs a factorisation and the inverse of the factor.

    Parameters
    ----------
    statistics : RidgeStatistics
        Stay as they are.
    step_size : ndarray of shape (n_features,), dtype float64
        The features are codes times this.
    alphas : ndarray of shape (n_alphas,) or None, default=None
        Regularisations to try. None: as in `fit_ridge`.
    units : ndarray of shape (n_targets,) or float, default=1
        Of the targets, in which squared errors are averaged.

    Returns
    -------
    RidgeSolution
    RidgePath or FactoredRidge
        The same, for predictions without a sample.
    """
    moments = statistics.moments(step_size)
    grid = default_alphas(moments.mean_eigenvalue) if alphas is None else alphas
    ridge: RidgePath | FactoredRidge
    if len(step_size) <= MOST_DECOMPOSED:
        decomposition = Decomposition.of(statistics, step_size)
        losses = decomposition.gcv_losses(grid, units)
        best = int(losses.argmin())
        coef = decomposition.coef(grid[best])
        ridge = decomposition.path(grid[[best]])
    else:
        tried: dict[int, float] = {}

        def loss_at(place: int) -> float:
            one = FactoredRidge.of(statistics, step_size, float(grid[place]))
            tried[place] = one.gcv_loss(units)
            return tried[place]

        if alphas is None:
            best = find_least(loss_at, len(grid))
        else:
            best = min(range(len(grid)), key=loss_at)
        ridge = FactoredRidge.of(statistics, step_size, float(grid[best]))
        coef = ridge.coef
        places = sorted(tried)
        grid, losses = grid[places], np.array([tried[each] for each in places])
        best = places.index(best)
    intercept = moments.intercept(coef)
    return RidgeSolution(coef, intercept, float(grid[best]), grid, losses), ridge
