"""Scores of classes: targets for them, their losses, the weights of classes."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special
from sklearn.utils import compute_class_weight

from ..data import Part

__all__ = [
    "LabelWeights",
    "SignTargets",
    "all_scores",
    "class_costs",
    "label_weights",
    "log_loss_slope",
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

    def with_labels(self, labels: npt.NDArray[np.intp]) -> SignTargets:
        """Return the targets of other samples, for the same classes."""
        other = copy(self)
        other.labels, other.shape = labels, (len(labels), self.shape[1])
        return other


def all_scores(scores: Array) -> Array:
    """Return one column per class, also where one score serves two classes."""
    return np.hstack([-scores, scores]) if scores.shape[1] == 1 else scores


def zero_one_loss(Y: Array, scores: Array) -> Array:
    """Return whether the largest score is not that of the true class."""
    return all_scores(Y).argmax(axis=1) != all_scores(scores).argmax(axis=1)


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


def log_loss_slope(
    factor: float,
    decision: Array,
    labels: npt.NDArray[np.intp],
    sample_weight: Array | None = None,
) -> float:
    """Return how the log-loss of the softmax of `factor` times `decision` grows.

    It is the derivative with respect to `factor`, summed over samples.
    """
    total = 0.0
    for start in range(0, len(labels), _SCORE_ROWS):
        rows = slice(start, start + _SCORE_ROWS)
        scores = all_scores(decision[rows])
        # Less the own score of each sample, so that nothing cancels.
        scores = scores - np.take_along_axis(scores, labels[rows, np.newaxis], axis=1)
        slopes = (special.softmax(factor * scores, axis=1) * scores).sum(axis=1)
        total += slopes.sum() if sample_weight is None else sample_weight[rows] @ slopes
    return float(total)


@dataclass(frozen=True, eq=False)
class LabelWeights:
    """Labels that occur, and the weight of each; those of parts add up.

    Parameters
    ----------
    labels : ndarray of shape (n_labels,)
        Sorted. A label stays, even if none of its samples has weight.
    weights : ndarray of shape (n_labels,), dtype float64
    """

    labels: Array
    weights: Array

    def of(self, classes: Array) -> npt.NDArray[np.float64]:
        """Return the weight of each of sorted `classes`, among which all labels are."""
        weights = np.zeros(len(classes))
        weights[np.searchsorted(classes, self.labels)] = self.weights
        return weights

    def __add__(self, other: LabelWeights) -> LabelWeights:
        """Return the weights of both."""
        return _label_weights(
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.weights, other.weights]),
        )


def _label_weights(y: Array, weight: Array | None) -> LabelWeights:
    labels, inverse = np.unique(y, return_inverse=True)
    weights = np.bincount(inverse, weight, minlength=len(labels))
    return LabelWeights(labels, weights.astype(float))


def label_weights(part: Part) -> LabelWeights:
    """Return the labels of a part and their weights."""
    return _label_weights(part.y, part.weight)


def class_costs(
    class_weight: Any, classes: Array, weights: Array
) -> npt.NDArray[np.float64] | None:
    """Return the weight of each class in the loss.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
    classes : ndarray of shape (n_classes,)
    weights : ndarray of shape (n_classes,)
        Sum of the sample weights of each class.

    Returns
    -------
    ndarray of shape (n_classes,) or None
        0 for a class without any weight, where it should be balanced.
    """
    if class_weight is None:
        return None
    with np.errstate(divide="ignore"):
        costs = compute_class_weight(
            class_weight, classes=classes, y=classes, sample_weight=weights
        )
    return np.where(np.isfinite(costs), costs, 0.0)
