"""Ranges of columns without the few values that lie far outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from .quantizer import ValueRange

__all__ = ["DOMINANT", "bulk_ranges", "may_have_outliers"]

FloatArray = npt.NDArray[np.float64]

#: A range is cut where that makes it smaller by this factor, or not at all.
DOMINANT = 8

#: Share of the weight that may be cut off at each end.
_SHARE = 5e-3

#: A range of more than this many deviations may be that of outliers.
_MANY_DEVIATIONS = 12

#: Bins of a range; columns whose values are counted together.
_BINS = 256
_COLUMNS = 4096

#: Values that are looked at together.
_BLOCK_SIZE = 2**20

#: Cuts of one range: outliers of that many different scales.
_MOST_CUTS = 20


def may_have_outliers(
    window: FloatArray, width: FloatArray, std: FloatArray
) -> npt.NDArray[np.intp]:
    """Return the columns that alone make the common window large, if they may be cut.

    Parameters
    ----------
    window : ndarray of shape (n_features,)
        What each column asks for.
    width, std : ndarray of shape (n_features,)
        Range and deviation.

    Returns
    -------
    ndarray of dtype intp
        None, where a column without outliers asks for as much.
    """
    large = window * DOMINANT > window.max()
    suspect = large & (width > _MANY_DEVIATIONS * std)
    return np.flatnonzero(suspect) if suspect[large].all() else np.empty(0, np.intp)


def bulk_ranges(
    total: Callable[[Callable[..., Any]], Any],
    columns: npt.NDArray[np.intp],
    low: FloatArray,
    high: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Return the ranges of some columns without outliers.

    A range is cut into bins of equal width. Where all but a share of 0.005 of the
    weight on each side lies in an eighth of them, it is cut to the values there; again
    and again. Counts and ranges are those of rows in any order and parts.

    Parameters
    ----------
    total : callable
        Maps a function of a part's ``X, sample_weight`` to the sum of its values
        over all parts.
    columns : ndarray of dtype intp
    low, high : ndarray of shape (n_columns,)
        Their ranges.

    Returns
    -------
    low, high : ndarray of shape (n_columns,)
    """
    low, high = low.copy(), high.copy()
    for start in range(0, len(columns), _COLUMNS):
        some = np.arange(start, min(start + _COLUMNS, len(columns)))
        for _ in range(_MOST_CUTS):
            bins = _Bins(columns[some], low[some], high[some])
            first, last = _bulk(total(bins.weights))
            is_cut = (last - first + 1) * DOMINANT <= _BINS
            if not is_cut.any():
                break
            some = some[is_cut]
            inside = total(
                partial(bins.of(is_cut).range_of, first[is_cut], last[is_cut])
            )
            low[some], high[some] = inside.low, inside.high
            some = some[low[some] < high[some]]
            if not len(some):
                break
    return low, high


def _bulk(counts: FloatArray) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return first and last bin of what is left without a share at each end."""
    allowed = _SHARE * counts.sum(axis=1, keepdims=True)
    first = (np.cumsum(counts, axis=1) > allowed).argmax(axis=1)
    last = (np.cumsum(counts[:, ::-1], axis=1) > allowed).argmax(axis=1)
    return first, counts.shape[1] - 1 - last


class _Bins(NamedTuple):
    """Bins of equal width of some columns; beyond their range, the outermost."""

    columns: npt.NDArray[np.intp]
    low: FloatArray
    high: FloatArray

    def of(self, chosen: npt.NDArray[np.bool_]) -> Self:
        """Return the bins of some of the columns."""
        return type(self)(self.columns[chosen], self.low[chosen], self.high[chosen])

    def weights(self, X: Any, sample_weight: Any) -> FloatArray:
        """Return the weight of the values in each bin, (n_columns, n_bins)."""
        n_columns = len(self.columns)
        counts = np.zeros(n_columns * _BINS)
        for values, weight in self._blocks(X, sample_weight):
            places = self._places(values) + _BINS * np.arange(n_columns)
            of_values = np.broadcast_to(weight[:, np.newaxis], values.shape).ravel()
            counts += np.bincount(places.ravel(), of_values, minlength=len(counts))
        return counts.reshape(n_columns, _BINS)

    def range_of(self, first: Any, last: Any, X: Any, sample_weight: Any) -> ValueRange:
        """Return the range of the values in the bins from `first` to `last`."""
        low, high = (np.full(len(self.columns), x) for x in (np.inf, -np.inf))
        for values, weight in self._blocks(X, sample_weight):
            places = self._places(values)
            inside = (places >= first) & (places <= last) & (weight > 0)[:, np.newaxis]
            low = np.minimum(low, np.where(inside, values, np.inf).min(axis=0))
            high = np.maximum(high, np.where(inside, values, -np.inf).max(axis=0))
        return ValueRange(low, high)

    def _places(self, values: FloatArray) -> npt.NDArray[np.intp]:
        # Halves, for ranges beyond the largest double.
        share = (values / 2 - self.low / 2) / (self.high / 2 - self.low / 2)
        return np.clip(share * _BINS, 0, _BINS - 1).astype(np.intp)

    def _blocks(self, X: Any, sample_weight: Any) -> Iterator[tuple[Any, Any]]:
        """Yield the values of some rows, and their weights."""
        size = max(1, _BLOCK_SIZE // len(self.columns))
        for start in range(0, X.shape[0], size):
            rows = slice(start, start + size)
            values = X[rows][:, self.columns]
            if sparse.issparse(values):
                values = values.toarray()
            weight = np.ones(len(values))
            if sample_weight is not None:
                weight = sample_weight[rows]
            yield values.astype(np.float64), weight
