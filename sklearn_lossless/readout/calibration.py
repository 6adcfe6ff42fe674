"""Probabilities from scores: a sample of rows, and the temperature fitted on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy import optimize

from ..data import Data, has_weight, row_blocks, weight_of
from ..network import splitmix64
from .classes import log_loss_slope
from .samples import Samples

__all__ = ["LeftOut", "RowCounts", "RowSample", "fit_temperature", "sample_rows"]

Array = npt.NDArray[Any]
Keys = npt.NDArray[np.uint64]

#: Rows that probabilities are calibrated on.
SAMPLE_SIZE = 4096

#: Different rows of a stream that are told apart; they take 16 bytes each.
_MOST_KEYS = 2**18

#: Least and largest temperature.
_BOUNDS = 1e-4, 1e4


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
        return cls(scores, labels, samples.weight)

    def temperature(self) -> float:
        """Return the factor that makes the softmax of the scores best calibrated."""
        return fit_temperature(self.scores, self.labels, self.weight)


# --- a sample of rows -----------------------------------------------------------------
#
# A row is taken if its tag is among the smallest. The tag is a hash of what the row
# holds and of how many equal rows came before: the sample is uniform over rows, however
# often they repeat, and the same in whatever order and parts they come (bottom-k
# sampling: Cohen, Kaplan, "Summarizing data using bottom-k sketches", PODC 2007).


def sample_rows(data: Data, size: int) -> npt.NDArray[np.intp]:
    """Return the numbers of `size` rows that have weight; of all, if there are fewer.

    Parameters
    ----------
    data : Data
        Its parts are `Samples`.
    size : int

    Returns
    -------
    ndarray of dtype intp
        Ascending.
    """
    keys, weighted = data.gather(_keys_and_weighted).T
    rows = np.flatnonzero(weighted)
    if len(rows) > size:
        keys = keys[rows]
        rows = rows[_smallest(splitmix64(keys, _occurrences(keys)), size)]
    return rows


@dataclass(frozen=True, eq=False)
class RowCounts:
    """How often each row of a stream has come, by its key.

    Beyond a bound on their number keys are merged, by their leading bits.

    Parameters
    ----------
    keys : ndarray of shape (n_keys,), dtype uint64
        Sorted.
    numbers : ndarray of shape (n_keys,), dtype uint64
        Rows of each.
    shift : int
        Trailing bits in which rows of one key may differ.
    """

    keys: Keys
    numbers: Keys
    shift: int = 0

    def occurrences(self, keys: Keys) -> tuple[Keys, Keys]:
        """Return the merged keys of rows, and how many equal ones came before each."""
        keys = _leading(keys, self.shift)
        places = np.searchsorted(self.keys, keys)
        places[places == len(self.keys)] = 0
        numbers = _occurrences(keys)
        if len(self.keys):
            numbers += np.where(self.keys[places] == keys, self.numbers[places], 0)
        return keys, numbers

    def with_rows(self, keys: Keys) -> Self:
        """Return the counts with those of more rows."""
        shift = self.shift
        new, counts = np.unique(_leading(keys, shift), return_counts=True)
        keys = np.concatenate([self.keys, new])
        numbers = np.concatenate([self.numbers, counts.astype(np.uint64)])
        while True:
            keys, inverse = np.unique(keys, return_inverse=True)
            total = np.zeros(len(keys), dtype=np.uint64)
            np.add.at(total, inverse, numbers)
            if len(keys) <= _MOST_KEYS:
                return type(self)(keys, total, shift)
            shift += 1
            keys, numbers = _leading(keys, shift), total


@dataclass(frozen=True, eq=False)
class RowSample:
    """A uniform sample of the rows of a stream; a batch makes a new one.

    It is that of `sample_rows`, as long as no keys are merged.

    Parameters
    ----------
    samples : Samples
        In memory, all with weight.
    tags : ndarray of shape (n_samples,), dtype uint64
    counts : RowCounts
        Of all rows of the stream that have weight.
    size : int
        Number of samples that are kept.
    """

    samples: Samples
    tags: Keys
    counts: RowCounts
    size: int

    @classmethod
    def of(cls, samples: Samples, size: int) -> Self:
        """Return the sample of a first batch."""
        none = np.empty(0, dtype=np.uint64)
        start = cls(
            samples.take(np.empty(0, dtype=np.intp)), none, RowCounts(none, none), size
        )
        return start.with_batch(samples)

    def with_batch(self, samples: Samples) -> Self:
        """Return the sample of one more batch."""
        keys, weighted = _keys_and_weighted(samples).T
        rows = np.flatnonzero(weighted)
        counts = self.counts.with_rows(keys[rows])
        new = splitmix64(*self.counts.occurrences(keys[rows]))
        tags = np.concatenate([self.tags, new])
        kept = _smallest(tags, self.size)
        old, added = np.split(kept, [np.searchsorted(kept, len(self.tags))])
        both = Samples.join(
            [self.samples.take(old), samples.take(rows[added - len(self.tags)])]
        )
        return type(self)(both, tags[kept], counts, self.size)


def _smallest(tags: Keys, size: int) -> npt.NDArray[np.intp]:
    """Return the ascending numbers of the smallest tags."""
    return np.sort(np.argsort(tags, kind="stable")[:size])


def _leading(keys: Keys, shift: int) -> Keys:
    """Return keys without their trailing bits."""
    return keys >> np.uint64(shift) << np.uint64(shift)


def _occurrences(keys: Keys) -> Keys:
    """Return for each key how many equal ones are before it."""
    order = np.argsort(keys, kind="stable")
    ranks = np.arange(len(keys), dtype=np.uint64)
    _, first, counts = np.unique(keys[order], return_index=True, return_counts=True)
    numbers = np.empty_like(ranks)
    numbers[order] = ranks - np.repeat(ranks[first], counts)
    return numbers


def _keys_and_weighted(samples: Samples) -> Keys:
    """Return a key for what each row holds, and beside it whether it has weight."""
    codes = samples.codes
    n_words = -(-codes.shape[1] // 8)
    factors = splitmix64(0, np.arange(n_words)) | np.uint64(1)
    keys = np.empty((samples.n_samples, 2), dtype=np.uint64)
    for rows in row_blocks(codes):
        block = codes[rows]
        words = np.zeros((len(block), 8 * n_words), dtype=np.uint8)
        words[:, : block.shape[1]] = block
        keys[rows, 0] = words.view("<u8") @ factors
    weight = weight_of(samples)
    labels = np.zeros(len(keys)) if samples.labels is None else samples.labels
    keys[:, 0] = splitmix64(splitmix64(keys[:, 0], labels), weight.view(np.uint64))
    keys[:, 1] = has_weight(samples)
    return keys


# --- temperature ----------------------------------------------------------------------


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
        The factor of least log-loss, between 1e-4 and 1e4, rounded to 20 bits: it is
        known far less exactly, and the rounding hides in which order a machine adds.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks",
    ICML 2017, section 4.2.
    """

    def slope(log_factor: float) -> float:
        return log_loss_slope(math.exp(log_factor), decision, labels, sample_weight)

    low, high = map(math.log, _BOUNDS)
    # The log-loss is convex in the factor.
    if slope(low) >= 0:
        found = low
    elif slope(high) <= 0:
        found = high
    else:
        found = optimize.brentq(slope, low, high, xtol=1e-12)
    mantissa, exponent = math.frexp(math.exp(found))
    return math.ldexp(round(math.ldexp(mantissa, 20)), exponent - 20)
