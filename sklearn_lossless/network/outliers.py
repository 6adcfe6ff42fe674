"""Ranges of columns without the few values that lie far outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ._checks import canonical
from .quantizer import ValueRange

__all__ = ["ranges_without_outliers"]

FloatArray = npt.NDArray[np.float64]

#: Ranges are cut where that makes the common one smaller by this factor, or not at all.
_DOMINANT = 8

#: Share of the weight that may be cut off at each end.
_SHARE = 5e-3

#: A range of more than this many deviations may be that of outliers.
_MANY_DEVIATIONS = 12

#: Share of the widest range below which deviations are too coarse to tell.
_NARROW = 2.0**-12

#: Bins of a range; columns whose values are counted together.
_BINS = 256
_COLUMNS = 4096

#: Dense values, and rows of sparse ones, that are looked at together.
_BLOCK_SIZE = 2**17
_SPARSE_ROWS = 2**16

#: Cuts of one range: outliers of that many different scales.
_MOST_CUTS = 20


def ranges_without_outliers(
    total: Callable[[Callable[..., Any]], Any],
    low: FloatArray,
    high: FloatArray,
    window: FloatArray,
    std: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Return the ranges of columns; where outliers alone make some wide, their bulk.

    The common range is what the widest column asks for. If it is eight times the widest
    bulk, columns eight times as wide as that bulk are cut to their own. Where no bulk
    varies, the median range counts in its place.

    Parameters
    ----------
    total : callable
        Maps a function of a part's ``X, sample_weight`` to the sum of its values
        over all parts.
    low, high : ndarray of shape (n_features,)
        Range of each column.
    window, std : ndarray of shape (n_features,)
        What each column asks for, and its deviation.

    Returns
    -------
    low, high : ndarray of shape (n_features,)
        The arguments themselves where nothing is cut.
    """
    width = high - low
    suspect = (width / _MANY_DEVIATIONS > std) | (width < _NARROW * width.max())
    of_others = window[~suspect].max(initial=0.0)
    most = window.max() / _DOMINANT
    if of_others > most:
        return low, high
    columns = np.flatnonzero(suspect & (width > of_others))
    bulk_low, bulk_high = _bulk_ranges(total, columns, low[columns], high[columns])
    common = max(of_others, (bulk_high - bulk_low).max())
    if common == 0:  # all values but a few are the same, in every column
        common = np.median(width[columns])
    if common > most:
        return low, high
    is_cut = width[columns] >= _DOMINANT * common
    low, high = low.copy(), high.copy()
    low[columns[is_cut]], high[columns[is_cut]] = bulk_low[is_cut], bulk_high[is_cut]
    return low, high


def _bulk_ranges(
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
            some = some[low[some] / 2 < high[some] / 2]
            if not len(some):
                break
            bins = _Bins(columns[some], low[some], high[some])
            first, last = _bulk(total(bins.weights))
            is_cut = (last - first + 1) * _DOMINANT <= _BINS
            some = some[is_cut]
            if not len(some):
                break
            inside = total(
                partial(bins.of(is_cut).range_of, first[is_cut], last[is_cut])
            )
            low[some], high[some] = inside.low, inside.high
    return low, high


def _bulk(counts: FloatArray) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return first and last bin of what is left without a share at each end."""
    # A little more: sums of weights are rounded, in the order of the rows.
    allowed = _SHARE * (1 + 1e-9) * counts.sum(axis=1, keepdims=True)
    first = (np.cumsum(counts, axis=1) > allowed).argmax(axis=1)
    last = (np.cumsum(counts[:, ::-1], axis=1) > allowed).argmax(axis=1)
    return first, counts.shape[1] - 1 - last


class _Entries(NamedTuple):
    """Values, their places among the columns, and their weights; they broadcast."""

    values: FloatArray
    places: npt.NDArray[np.intp]
    weight: FloatArray


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
        counts = np.zeros(len(self.columns) * _BINS)
        for each in self._blocks(X, sample_weight):
            bins = self._bins(each)
            bins += _BINS * each.places
            weight = np.broadcast_to(each.weight, bins.shape)
            counts += np.bincount(bins.ravel(), weight.ravel(), minlength=len(counts))
        return counts.reshape(-1, _BINS)

    def range_of(self, first: Any, last: Any, X: Any, sample_weight: Any) -> ValueRange:
        """Return the range of the values in the bins from `first` to `last`."""
        low, high = (np.full(len(self.columns), x) for x in (np.inf, -np.inf))
        for each in self._blocks(X, sample_weight):
            values, at, weight = each
            bins = self._bins(each)
            inside = (bins >= first[at]) & (bins <= last[at]) & (weight > 0)
            # What was cut off before is in the outermost bins, too.
            inside &= (values >= self.low[at]) & (values <= self.high[at])
            at = np.broadcast_to(at, inside.shape)[inside]
            np.minimum.at(low, at, values[inside])
            np.maximum.at(high, at, values[inside])
        return ValueRange(low, high)

    def _bins(self, entries: _Entries) -> npt.NDArray[np.intp]:
        # Halves, for ranges beyond the largest double.
        low, high = self.low[entries.places] / 2, self.high[entries.places] / 2
        bins = entries.values / 2
        with np.errstate(over="ignore"):  # infinite is far enough
            bins -= low
            bins /= high - low
            bins *= _BINS
        return np.clip(bins, 0, _BINS - 1, out=bins).astype(np.intp)

    def _blocks(self, X: Any, sample_weight: Any) -> Iterator[_Entries]:
        """Yield the entries of some rows after the others."""
        is_sparse = sparse.issparse(X)
        X = canonical(X)
        weight = np.ones(X.shape[0]) if sample_weight is None else sample_weight
        # At least as many values as there are counts.
        dense_rows = max(_BINS, _BLOCK_SIZE // len(self.columns))
        size = _SPARSE_ROWS if is_sparse else dense_rows
        for start in range(0, X.shape[0], size):
            rows = slice(start, start + size)
            block = X[rows][:, self.columns]
            yield (_sparse_entries if is_sparse else _dense_entries)(
                block, weight[rows]
            )


def _dense_entries(X: npt.NDArray[Any], weight: FloatArray) -> _Entries:
    """Return all entries, (n_rows, n_columns)."""
    return _Entries(X.astype(np.float64), np.arange(X.shape[1]), weight[:, np.newaxis])


def _sparse_entries(X: Any, weight: FloatArray) -> _Entries:
    """Return the stored entries, and one for the zeros of each column."""
    n_columns = X.shape[1]
    of_stored = np.repeat(weight, np.diff(X.indptr))
    n_zeros = np.count_nonzero(weight) - np.bincount(
        X.indices, of_stored > 0, n_columns
    )
    of_zeros = weight.sum() - np.bincount(X.indices, of_stored, n_columns)
    return _Entries(
        np.concatenate([X.data.astype(np.float64), np.zeros(n_columns)]),
        np.concatenate([X.indices, np.arange(n_columns)]),
        np.concatenate([of_stored, np.where(n_zeros > 0, of_zeros, 0.0)]),
    )
