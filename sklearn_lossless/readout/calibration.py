"""Probabilities from scores: a sample of rows, and the temperature fitted on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy import optimize

from ..data import row_blocks
from ..network import splitmix64
from .classes import log_loss_sum
from .samples import Samples, combined_weight

__all__ = ["LeftOut", "RowSample", "fit_temperature"]

Array = npt.NDArray[Any]

#: Rows that probabilities are calibrated on.
SAMPLE_SIZE = 4096


class LeftOut(NamedTuple):
    """Scores of samples by a readout that was fitted without each.

    Attributes
    ----------
    scores : ndarray of shape (n_samples, n_targets), dtype float64
    labels : ndarray of shape (n_samples,), dtype intp
    weight : ndarray of shape (n_samples,) or None
    """

    scores: Array
    labels: npt.NDArray[np.intp]
    weight: Array | None

    @classmethod
    def of(cls, samples: Samples, scores: Array) -> Self:
        """Return the scores of samples in memory; without labels all are of class 0."""
        labels = samples.labels
        if labels is None:
            labels = np.zeros(samples.n_samples, dtype=np.intp)
        weight = combined_weight(samples.sample_weight, samples.costs)
        return cls(scores, labels, weight)

    def temperature(self) -> float:
        """Return the factor that makes the softmax of the scores best calibrated."""
        return fit_temperature(self.scores, self.labels, self.weight)


@dataclass(frozen=True, eq=False)
class RowSample:
    """The samples with the smallest hashes; those of parts add up.

    They are the same in whatever order and parts the samples come.

    Parameters
    ----------
    samples : Samples
        In memory, all with weight.
    hashes : ndarray of shape (n_samples,), dtype uint64
    size : int
        Number of samples that are kept.

    References
    ----------
    Cohen, Kaplan, "Summarizing data using bottom-k sketches", PODC 2007.
    """

    samples: Samples
    hashes: npt.NDArray[np.uint64]
    size: int

    @classmethod
    def of(cls, samples: Samples, size: int) -> Self:
        """Return a sample of samples.

        Parameters
        ----------
        samples : Samples
        size : int
            Number of samples that are kept.

        Returns
        -------
        RowSample
        """
        weight = samples.weight
        usable = np.arange(samples.n_samples)
        if weight is not None:
            usable = np.flatnonzero(weight)
        if len(usable) > size:
            hashes = _hashes(samples)[usable]
            kept = np.sort(np.argsort(hashes, kind="stable")[:size])
            return cls(samples.take(usable[kept]), hashes[kept], size)
        few = samples.take(usable)
        return cls(few, _hashes(few), size)

    def __add__(self, other: Self) -> Self:
        """Return the sample of both."""
        hashes = np.concatenate([self.hashes, other.hashes])
        both = Samples.join([self.samples, other.samples])
        if len(hashes) > self.size:
            kept = np.sort(np.argsort(hashes, kind="stable")[: self.size])
            both, hashes = both.take(kept), hashes[kept]
        return type(self)(both, hashes, self.size)


def _hashes(samples: Samples) -> npt.NDArray[np.uint64]:
    """Return a number for each sample that depends on its codes and label alone."""
    codes, labels = samples.codes, samples.labels
    n_words = -(-codes.shape[1] // 8)
    factors = splitmix64(0, np.arange(n_words)) | np.uint64(1)
    sums = np.empty(samples.n_samples, dtype=np.uint64)
    for rows in row_blocks(codes):
        block = codes[rows]
        words = np.zeros((len(block), 8 * n_words), dtype=np.uint8)
        words[:, : block.shape[1]] = block
        sums[rows] = words.view("<u8") @ factors
    return splitmix64(sums, np.zeros(len(sums), np.intp) if labels is None else labels)


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

    def log_loss(log_factor: float) -> float:
        factor = float(np.exp(log_factor))
        return log_loss_sum(factor, decision, labels, sample_weight) / weight

    bounds = np.log([1e-4, 1e4])
    found = optimize.minimize_scalar(log_loss, bounds=bounds, method="bounded")
    return float(np.exp(found.x))
