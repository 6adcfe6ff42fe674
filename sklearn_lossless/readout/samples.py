"""What a readout is trained on: codes, targets and weights of some rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from ..data import Part, Report
from ..data.base import join_rows, take_rows
from ..network import CompressedNetwork
from .classes import SignTargets

__all__ = ["Samples", "combined_weight", "samples_of"]

Array = npt.NDArray[Any]


class Samples(NamedTuple):
    """Codes, targets and weights of some rows.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_features), dtype uint8
        Or an object that has `shape` and `dtype` and gives them for rows, so that they
        need not exist all at once. Real features serve as well, at half the speed.
    Y : ndarray of shape (n_samples, n_targets), dtype float64
        Targets, or an object that gives them for rows.
    labels : ndarray of shape (n_samples,) or None, dtype intp
        Index of each sample's class; None for real targets.
    sample_weight : ndarray of shape (n_samples,) or None
        How many samples each one stands for.
    costs : ndarray of shape (n_samples,) or None
        Weight of each sample's error, for class weights. Unlike `sample_weight` it does
        not stand for copies.
    report : callable or None
        Takes lines of text about the progress.
    """

    codes: Any
    Y: Any
    labels: npt.NDArray[np.intp] | None = None
    sample_weight: Array | None = None
    costs: Array | None = None
    report: Report | None = None

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return int(self.codes.shape[0])

    @property
    def weight(self) -> Array | None:
        """Weights in the loss; None if all are 1."""
        weight = combined_weight(self.sample_weight, self.costs)
        return None if weight is None or np.all(weight == 1.0) else weight

    def take(self, rows: npt.NDArray[np.intp]) -> Self:
        """Return these rows, with their codes in memory."""
        labels = take_rows(self.labels, rows)
        signs = isinstance(self.Y, SignTargets)
        return self._replace(
            codes=self.codes[rows],
            Y=self.Y.with_labels(labels) if signs else self.Y[rows],
            labels=labels,
            sample_weight=take_rows(self.sample_weight, rows),
            costs=take_rows(self.costs, rows),
        )

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Return the rows of all parts, in their order."""
        codes, Y, labels, sample_weight, costs, _ = zip(*parts, strict=True)
        labels = join_rows(labels)
        signs = isinstance(Y[0], SignTargets)
        return parts[0]._replace(
            codes=join_rows(codes),
            Y=Y[0].with_labels(labels) if signs else join_rows(Y),
            labels=labels,
            sample_weight=_join_weights(sample_weight, codes),
            costs=_join_weights(costs, codes),
        )


def _join_weights(weights: Sequence[Any], codes: Sequence[Any]) -> Any:
    """Return weights end to end, 1 for samples that have none; None if all have."""
    if all(each is None for each in weights):
        return None
    return np.concatenate(
        [
            np.ones(of.shape[0]) if each is None else each
            for each, of in zip(weights, codes, strict=True)
        ]
    )


#: Maps a part to the targets of its rows, their labels and their costs.
Targets = Callable[[Part], tuple[Any, npt.NDArray[np.intp] | None, Array | None]]


def samples_of(part: Part, network: CompressedNetwork, targets: Targets) -> Samples:
    """Return what a readout of `network` is trained on."""
    Y, labels, costs = targets(part)
    codes = part.codes(network)
    return Samples(codes, Y, labels, part.weight, costs, part.report)


def combined_weight(a: Any, b: Any, rows: Any = slice(None)) -> Any:
    """Return the product of weights of which either may be None."""
    if a is None or b is None:
        either = b if a is None else a
        return None if either is None else either[rows]
    return a[rows] * b[rows]
