"""What a readout is trained on: codes, targets and weights of some rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from ..data import Part, Report, row_blocks
from ..data.base import join_rows, take_rows
from ..network import CompressedNetwork
from .classes import SignTargets

__all__ = ["Samples", "feature_squares", "samples_of"]

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
    weight : ndarray of shape (n_samples,) or None
        Weight of each sample's error, that of its class included.
    report : callable or None
        Takes lines of text about the progress.
    """

    codes: Any
    Y: Any
    labels: npt.NDArray[np.intp] | None = None
    weight: Array | None = None
    report: Report | None = None

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return int(self.codes.shape[0])

    def take(self, rows: npt.NDArray[np.intp]) -> Self:
        """Return these rows, with their codes in memory."""
        labels = take_rows(self.labels, rows)
        signs = isinstance(self.Y, SignTargets)
        return self._replace(
            codes=self.codes[rows],
            Y=self.Y.with_labels(labels) if signs else self.Y[rows],
            labels=labels,
            weight=take_rows(self.weight, rows),
        )

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Return the rows of all parts, in their order."""
        codes, Y, labels, weights, _ = zip(*parts, strict=True)
        labels = join_rows(labels)
        signs = isinstance(Y[0], SignTargets)
        return parts[0]._replace(
            codes=join_rows(codes),
            Y=Y[0].with_labels(labels) if signs else join_rows(Y),
            labels=labels,
            weight=_join_weights(weights, codes),
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


#: Maps a part to the targets of its rows, their labels and their weights.
Targets = Callable[[Part], tuple[Any, npt.NDArray[np.intp] | None, Array | None]]


def samples_of(part: Part, network: CompressedNetwork, targets: Targets) -> Samples:
    """Return what a readout of `network` is trained on."""
    Y, labels, weight = targets(part)
    return Samples(part.codes(network), Y, labels, weight, part.report)


def feature_squares(samples: Samples, offset: Array, step_size: Array) -> Array:
    """Return the weighted sum of the features' squared norms, and of the weights."""
    sums = np.zeros(2)
    for rows in row_blocks(samples.codes):
        features = offset + step_size * samples.codes[rows]
        norms = np.square(features).sum(axis=1)
        weight = np.ones(len(norms))
        if samples.weight is not None:
            weight = samples.weight[rows]
        sums += weight @ norms, weight.sum()
    return sums
