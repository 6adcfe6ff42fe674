"""The ridge readout of data in parts, with its regularisation path."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..data import Data, has_weight
from .calibration import LeftOut, sample_rows
from .leave_one_out import (
    Loss,
    RidgeSolution,
    best_alpha,
    fit_by_kernel,
    predict_left_out,
    sum_left_out_losses,
)
from .linear import LinearReadout
from .statistics import Decomposition, RidgePath, RidgeStatistics
from .target_line import TargetLine

__all__ = ["fit_ridge"]

Array = npt.NDArray[Any]


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
    """Fit a ridge regression with intercept for every alpha, keep the best.

    One eigendecomposition, of the smaller of the Gram and the kernel matrix of
    the centred features, gives all solutions and all leave-one-out residuals
    ``(y_i - yhat_i) / (1 - H_ii)``. A sample is left out as a whole, whatever its
    weight, so that a factor common to all weights changes nothing.

    Parameters
    ----------
    data : Data
        Its parts are `Samples`. They are gone through three times, block by block: for
        the Gram matrix, for the leave-one-out losses, and for a sample of rows.
    offset, step_size : ndarray of shape (n_features,), dtype float64
        The features are ``offset + step_size * codes``.
    alphas : ndarray of shape (n_alphas,) or None, default=None
        Regularisations to try, against the sum of the weights. None: 21 from 1e-6 to
        1e4 times the mean eigenvalue of the Gram matrix.
    loss : callable or None, default=None
        Maps targets and leave-one-out predictions to the loss of each sample, by
        which alpha is chosen; ties go by the squared error. None: squared error.
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
    n_features, statistics, left_out = len(step_size), None, None
    units = None if line is None else line.units
    if data.n_samples > n_features:
        statistics = data.total(RidgeStatistics.of, keep=True)
        if data.fetch(data.apply(_n_samples, statistics)) <= n_features:
            statistics = None
    if statistics is None:
        # Samples without weight are as if they were not there.
        samples = data.take(np.flatnonzero(data.gather(has_weight)))
        solution, scores = fit_by_kernel(samples, step_size, alphas, loss, units)
        if n_left_out:
            left_out = LeftOut.of(samples, scores)
    else:
        # Dask may need the sums again.
        decomposition = data.apply(
            Decomposition.of, statistics, step_size, data.in_memory
        )
        del statistics
        path = data.apply(_path, decomposition, alphas)
        best, losses = best_alpha(data.total(sum_left_out_losses, path, loss, units))
        if n_left_out:
            samples = data.take(sample_rows(data, n_left_out))
            scores = data.fetch(data.apply(predict_left_out, samples, path, best))
            left_out = LeftOut.of(samples, scores)
        del path
        solution = data.fetch(
            data.apply(_solution, decomposition, alphas, best, losses)
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


def _path(decomposition: Decomposition, alphas: Array | None) -> RidgePath:
    return decomposition.path(
        decomposition.default_alphas() if alphas is None else alphas
    )


def _solution(
    decomposition: Decomposition, alphas: Array | None, best: int, losses: Array
) -> RidgeSolution:
    if alphas is None:
        alphas = decomposition.default_alphas()
    coef = decomposition.coef(alphas[best])
    intercept = decomposition.intercept(coef)
    return RidgeSolution(coef, intercept, float(alphas[best]), alphas, losses)
