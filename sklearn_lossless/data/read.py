"""From what users pass to `Data`: arrays in memory, or dask arrays."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from scipy import sparse
from sklearn.utils.multiclass import check_classification_targets

from .._columns import Columns, distinct_values
from .._validation import (
    check_labels_known,
    takes_tables,
    validate_input,
    validate_weight,
)
from ..network._checks import check_width
from .base import Data, Part, Report, is_dask
from .memory import MemoryData

__all__ = ["over_chunks", "read_data"]

_Method = TypeVar("_Method", bound=Callable[..., Any])


def read_data(
    estimator: Any,
    X: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    targets: str | None = None,
    reset: bool = True,
    like: Any = None,
    min_samples: int = 2,
    report: Report | None = None,
) -> Data:
    """Validate the data of a fit, wherever they are.

    Sets the number and the names of features of `estimator`, or with ``reset=False``
    compares them.

    Parameters
    ----------
    estimator : NTKCompressor, CompressedMLPClassifier or CompressedMLPRegressor
    X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
    y : array-like or dask array of shape (n_samples, ...), default=None
    sample_weight : array-like or dask array of shape (n_samples,), default=None
    targets : {"labels", "numbers"} or None, default=None
        What `y` holds: class labels, numbers in one or several columns, or nothing.
    reset : bool, default=True
        As in :func:`sklearn.utils.validation.validate_data`.
    like : fitted estimator, default=None
        Whose categories count, in place of those of the data.
    min_samples : int, default=2
        Least number of rows in memory.
    report : callable or None, default=None
        Takes lines of text about the progress.

    Returns
    -------
    Data
        Parts are `Part`; numbers have two dimensions, labels one.
    """
    if is_dask(X, y, sample_weight):
        from .dask import DaskData

        if targets is not None and y is None:
            raise ValueError(
                f"{type(estimator).__name__} needs targets for dask arrays, got y=None."
            )
        is_table = takes_tables(estimator)
        if like is not None:
            is_table = like._columns is not None
        data = DaskData.of(X, y, sample_weight, targets=targets, allow_missing=is_table)
        if not reset:
            check_width(X, estimator.n_features_in_, type(estimator).__name__)
        estimator.n_features_in_ = data.n_features
        if hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
        estimator._columns = None
        return _numbered(estimator, data, like) if is_table else data
    y_shape = None
    options: dict[str, Any] = {
        "reset": reset,
        "like": like,
        "ensure_min_samples": min_samples,
    }
    if targets is None:
        X, y = validate_input(estimator, X, **options), None
    elif targets == "labels":
        check_labels_known(y)
        X, y = validate_input(estimator, X, y, **options)
        check_classification_targets(y)
        y_shape = y.shape
    else:
        if sparse.issparse(y):
            raise TypeError(
                "Sparse data was passed for y, but dense data is required. Use "
                "'.toarray()' to convert to a dense numpy array."
            )
        options |= {"multi_output": True, "y_numeric": True}
        X, y = validate_input(estimator, X, y, **options)
        y_shape = y.shape
        y = y.reshape(len(y), -1).astype(np.float64)
    if sample_weight is not None:
        sample_weight = validate_weight(sample_weight, X)
    part = Part(X, y, sample_weight, n_jobs=estimator.n_jobs, report=report)
    return MemoryData.of(part, y_shape)


def _numbered(estimator: Any, data: Data, like: Any) -> Data:
    """Return tables in chunks with categories as numbers, and learn which they are."""
    if like is not None:
        columns = like._columns
    else:
        empty = np.empty((0, data.n_features))
        columns = Columns.of(empty, estimator.categorical_features)
        numbers = np.flatnonzero(columns.n_categories).tolist()
        if numbers:
            seen = data.total_inputs(partial(_Values.of, numbers))
            columns = columns.with_categories(seen.by_column)
    estimator._columns = columns
    return data.map(_as_numbers, columns)


def _as_numbers(part: Part, columns: Columns) -> Part:
    return part._replace(X=columns.numbers(part.X))


class _Values(NamedTuple):
    """Values of some columns; those of parts add up."""

    by_column: dict[int, set[Any]]

    @classmethod
    def of(cls, numbers: list[int], X: Any, sample_weight: Any) -> _Values:
        return cls({j: distinct_values(X, j) for j in numbers})

    def __add__(self, other: Any) -> _Values:
        return _Values(
            {j: self.by_column[j] | other.by_column[j] for j in self.by_column}
        )


def over_chunks(method: _Method) -> _Method:
    """Let a method that works row by row return a dask array for a dask array."""

    @wraps(method)
    def of_any(self: Any, X: Any) -> Any:
        if not is_dask(X):
            return method(self, X)
        from .dask import map_rows

        return map_rows(self, method.__name__, X)

    return cast(_Method, of_any)
