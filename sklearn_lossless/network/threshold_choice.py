"""Which thresholds and categories get a bit: from counts, and from a sample of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ._checks import check_features, check_weight
from .thresholds import Column, ThresholdQuantizer

__all__ = [
    "MAX_COLUMN_BITS",
    "ColumnCounts",
    "choose_columns",
    "column_counts",
    "fit_threshold_quantizer",
    "quantile_thresholds",
]

FloatArray = npt.NDArray[np.float64]

#: Bits of a column, at most: more categories are nearly always names of rows.
MAX_COLUMN_BITS = 4096

#: Rows that are looked at together.
_BLOCK_ROWS = 2**14

#: Rounds in which the share of frequent values is found; each leaves fewer.
_ROUNDS = 64


@dataclass(frozen=True, eq=False)
class ColumnCounts:
    """Weight of missing values and of categories; counts of parts add up.

    Parameters
    ----------
    missing : ndarray of shape (n_features,)
        Weight of the rows where the column is missing.
    categories : ndarray of shape (n_categories of all columns,)
        Weight of each category, column after column.
    count : float
        Weight of all rows.
    """

    missing: FloatArray
    categories: FloatArray
    count: float

    def __add__(self, other: ColumnCounts) -> ColumnCounts:
        """Return the counts of both."""
        return ColumnCounts(
            self.missing + other.missing,
            self.categories + other.categories,
            self.count + other.count,
        )


def column_counts(
    n_categories: Sequence[int], X: Any, sample_weight: Any = None
) -> ColumnCounts:
    """Count missing values and categories.

    Parameters
    ----------
    n_categories : sequence of int
        Number of categories of each column; 0 for one of numbers.
    X : ndarray of shape (n_samples, n_features)
    sample_weight : ndarray of shape (n_samples,) or None, default=None

    Returns
    -------
    ColumnCounts
    """
    X = check_features(X, len(n_categories), "column_counts")
    check_weight(sample_weight, X)
    starts = np.cumsum([0, *n_categories])
    missing: FloatArray = np.zeros(len(n_categories))
    categories = np.zeros(starts[-1])
    count = 0.0
    for first in range(0, X.shape[0], _BLOCK_ROWS):
        block = np.asarray(X[first : first + _BLOCK_ROWS])
        weight = np.ones(len(block))
        if sample_weight is not None:
            weight = sample_weight[first : first + _BLOCK_ROWS]
        missing = missing + weight @ np.isnan(block)
        count += float(weight.sum())
        for column in np.flatnonzero(n_categories).tolist():
            values = block[:, column]
            known = values >= 0  # neither missing nor unknown
            categories[starts[column] : starts[column + 1]] += np.bincount(
                values[known].astype(np.intp),
                weight[known],
                minlength=n_categories[column],
            )
    return ColumnCounts(missing, categories, count)


def quantile_thresholds(
    values: FloatArray, weight: FloatArray, n_thresholds: int
) -> FloatArray:
    """Choose thresholds for the values of a column.

    They are values themselves, so that of the values order alone counts. Where there
    are few distinct ones, each but the largest is a threshold. Else the cells have
    equal weight, as near as may be; a value that has more than a cell's gets one of
    its own, and the others share the rest.

    Parameters
    ----------
    values : ndarray of shape (n_samples,)
        NaN is left out.
    weight : ndarray of shape (n_samples,)
        Values of weight zero are left out.
    n_thresholds : int
        At most so many.

    Returns
    -------
    ndarray of shape (n_chosen,), dtype float64
        Ascending.
    """
    known = ~np.isnan(values) & (weight > 0)
    distinct, place = np.unique(values[known].astype(np.float64), return_inverse=True)
    if len(distinct) <= n_thresholds + 1:
        return distinct[:-1]
    share = np.bincount(place, weight[known])
    n_cells = n_thresholds + 1
    for _ in range(_ROUNDS):
        cell = share.sum() / n_cells
        if share.max() <= cell:
            break
        share = np.minimum(share, cell)
    reached = np.cumsum(share)
    wanted = reached[-1] * np.arange(1, n_cells) / n_cells
    last = np.minimum(np.searchsorted(reached, wanted), len(distinct) - 2)
    return distinct[np.unique(last)]


def choose_columns(
    counts: ColumnCounts,
    X: Any,
    sample_weight: Any = None,
    *,
    n_thresholds: int = 32,
    n_categories: Sequence[int],
    min_frequency: float | None = None,
    max_categories: int | None = None,
    names: Sequence[Any] | None = None,
) -> ThresholdQuantizer:
    """Choose the bits of all columns.

    Parameters
    ----------
    counts : ColumnCounts
        Of all rows.
    X : ndarray of shape (n_rows, n_features)
        All rows, or a uniform sample of them: quantiles are theirs.
    sample_weight : ndarray of shape (n_rows,) or None, default=None
        Their weights.
    n_thresholds : int, default=32
        Most thresholds of a column.
    n_categories : sequence of int
        As in `column_counts`.
    min_frequency : int, float or None, default=None
        Categories of less weight than this (int), or than this share of the rows
        (float), share a bit.
    max_categories : int or None, default=None
        Most bits of a column's categories; the rarest share the last one.
    names : sequence or None, default=None
        Of the columns, for messages.

    Returns
    -------
    ThresholdQuantizer

    Raises
    ------
    ValueError
        If no column has two values, or one has too many categories.
    """
    X = check_features(X, len(n_categories), "choose_columns")
    check_weight(sample_weight, X)
    weight = np.ones(X.shape[0]) if sample_weight is None else sample_weight
    starts = np.cumsum([0, *n_categories])
    columns = []
    for number, n_known in enumerate(n_categories):
        missing = float(counts.missing[number])
        has_missing = 0 < missing < counts.count
        if not n_known:
            chosen = quantile_thresholds(X[:, number], weight, n_thresholds)
            columns.append(Column(chosen, None, has_missing))
            continue
        of_column = counts.categories[starts[number] : starts[number + 1]]
        groups = _groups(of_column, counts.count, min_frequency, max_categories)
        if groups.max() < 1 and not has_missing:  # all rows are alike
            groups[:] = -1
        column = Column(np.zeros(0), groups, has_missing)
        if column.n_bits > MAX_COLUMN_BITS:
            name = number if names is None else repr(names[number])
            raise ValueError(
                f"Column {name} of X has {column.n_known} categories, more than "
                f"{MAX_COLUMN_BITS}: let rare ones share a bit by max_categories or "
                "min_frequency, or leave it out if it names the rows."
            )
        columns.append(column)
    quantizer = ThresholdQuantizer(tuple(columns))
    if not quantizer.n_codes:
        raise ValueError(
            "X is constant: every feature has a single value, so there is nothing "
            "to compress; expected at least one feature that varies."
        )
    return quantizer


def _groups(
    weights: FloatArray,
    count: float,
    min_frequency: float | None,
    max_categories: int | None,
) -> npt.NDArray[np.int64]:
    """Return the bit of each category: its own, that of the rare ones, or -1."""
    seen = weights > 0
    rare = np.zeros(len(weights), dtype=bool)
    if min_frequency is not None:
        is_share = not isinstance(min_frequency, (int, np.integer))
        rare = weights < min_frequency * (count if is_share else 1)
    frequent = np.flatnonzero(seen & ~rare)
    if max_categories is not None and (
        len(frequent) + bool((seen & rare).any()) > max_categories
    ):
        order = frequent[np.argsort(-weights[frequent], kind="stable")]
        rare[order[max_categories - 1 :]] = True
    groups = np.full(len(weights), -1, dtype=np.int64)
    own = seen & ~rare
    groups[own] = np.arange(np.count_nonzero(own))
    groups[seen & rare] = np.count_nonzero(own)
    return groups


def fit_threshold_quantizer(
    X: Any,
    n_thresholds: int = 32,
    sample_weight: Any = None,
    *,
    n_categories: Sequence[int] | None = None,
    min_frequency: float | None = None,
    max_categories: int | None = None,
) -> ThresholdQuantizer:
    """Choose the bits of the columns of a table in memory.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Numbers, or numbers of categories from 0; NaN is missing, infinite values are
        values like others.
    n_thresholds : int, default=32
        Most thresholds of a column of numbers.
    sample_weight : ndarray of shape (n_samples,) or None, default=None
        Nonnegative weights. Whole numbers give the same result as repeated rows.
    n_categories : sequence of int or None, default=None
        Number of categories of each column; 0 for one of numbers. None: all are.
    min_frequency : int, float or None, default=None
        Categories of less weight than this (int), or than this share of the rows
        (float), share a bit.
    max_categories : int or None, default=None
        Most bits of a column's categories; the rarest share the last one.

    Returns
    -------
    ThresholdQuantizer

    Raises
    ------
    ValueError
        If no column has two values, or one has too many categories.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_lossless.network import fit_threshold_quantizer
    >>> X = np.array([[1.0, 2.0], [3.0, 0.0], [8.0, np.nan]])
    >>> fit_threshold_quantizer(X).codes(X)
    array([[0, 0, 1, 0],
           [1, 0, 0, 0],
           [1, 1, 0, 1]], dtype=uint8)
    """
    X = check_features(X, None, "fit_threshold_quantizer")
    n_categories = [0] * X.shape[1] if n_categories is None else n_categories
    counts = column_counts(n_categories, X, sample_weight)
    return choose_columns(
        counts,
        X,
        sample_weight,
        n_thresholds=n_thresholds,
        n_categories=n_categories,
        min_frequency=min_frequency,
        max_categories=max_categories,
    )
