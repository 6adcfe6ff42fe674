"""Scores of classes: targets for them, their losses, and their calibration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

__all__ = [
    "SignTargets",
    "all_scores",
    "best_factor",
    "fit_temperature",
    "log_loss_sum",
    "zero_one_loss",
]

Array = npt.NDArray[Any]

#: Rows of scores taken together.
_SCORE_ROWS = 2**14


class SignTargets:
    """Targets +1 for a sample's class and -1 for the others, made block by block.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,), dtype intp
        Index of each sample's class.
    n_classes : int
        Two classes share one column, +1 for the second.
    """

    def __init__(self, labels: npt.NDArray[np.intp], n_classes: int) -> None:
        self.labels = labels
        self._columns = np.arange(n_classes)[1 if n_classes == 2 else 0 :]
        self.shape = (len(labels), len(self._columns))

    def __getitem__(self, rows: slice) -> Array:
        """Return the targets of `rows`."""
        return np.where(self.labels[rows, np.newaxis] == self._columns, 1.0, -1.0)


def all_scores(scores: Array) -> Array:
    """Return one column per class, also where one score serves two classes."""
    return np.hstack([-scores, scores]) if scores.shape[1] == 1 else scores


def zero_one_loss(Y: Array, scores: Array) -> Array:
    """Return whether the largest score is not that of the true class."""
    return all_scores(Y).argmax(axis=1) != all_scores(scores).argmax(axis=1)


def fit_temperature(
    decision: Array, labels: npt.NDArray[np.intp], sample_weight: Array | None = None
) -> float:
    """Return the factor of `decision` that makes its softmax best calibrated.

    Parameters
    ----------
    decision : ndarray of shape (n_samples, n_classes)
        Scores on samples that the scores were not fitted on.
    labels : ndarray of shape (n_samples,), dtype intp
        Index of the true class of each sample.
    sample_weight : ndarray of shape (n_samples,) or None, default=None

    Returns
    -------
    float
        The factor of least log-loss, between 1e-4 and 1e4.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks",
    ICML 2017, section 4.2.
    """
    weight = len(labels) if sample_weight is None else sample_weight.sum()
    return best_factor(
        lambda factor: log_loss_sum(factor, decision, labels, sample_weight) / weight
    )


def best_factor(log_loss: Callable[[float], float]) -> float:
    """Return the factor between 1e-4 and 1e4 of least `log_loss`."""
    bounds = np.log([1e-4, 1e4])
    found = optimize.minimize_scalar(
        lambda log_factor: log_loss(float(np.exp(log_factor))),
        bounds=bounds,
        method="bounded",
    )
    return float(np.exp(found.x))


def log_loss_sum(
    factor: float,
    decision: Array,
    labels: npt.NDArray[np.intp],
    sample_weight: Array | None = None,
) -> float:
    """Return the summed log-loss of the softmax of `factor` times `decision`."""
    total = 0.0
    for start in range(0, len(labels), _SCORE_ROWS):
        rows = slice(start, start + _SCORE_ROWS)
        scaled = factor * all_scores(decision[rows])
        own = np.take_along_axis(scaled, labels[rows, np.newaxis], axis=1)[:, 0]
        losses = special.logsumexp(scaled, axis=1) - own
        total += losses.sum() if sample_weight is None else sample_weight[rows] @ losses
    return float(total)
