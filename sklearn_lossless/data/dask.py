"""Data in dask arrays, on this machine or a cluster.

This module is imported only when a dask array is given. Each chunk of rows is a part.
Workers compute sums over their parts, which are added up in a tree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask.base import compute, is_dask_collection, persist
from dask.delayed import delayed
from scipy import sparse
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from .._validation import (
    INPUT_DTYPES,
    check_labels_known,
    check_sample_weight,
    check_weight_sum,
)
from ..network._checks import canonical
from .base import Part

__all__ = ["DaskData", "map_rows", "tree_sum"]

Array = npt.NDArray[Any]

#: Sums that are added up by one task.
_FAN_IN = 4


class DaskData:
    """Chunks of dask arrays, as `Data`.

    Parameters
    ----------
    parts : list of Delayed
        Of a `Part`, or of a named tuple with `n_samples`, `take` and `join`.
    lengths : tuple of int
        Rows of each part.
    n_features : int
        Number of columns of X.
    is_sparse : bool, default=False
        Whether X is sparse.
    y_shape : tuple of int or None, default=None
        Shape of y as it was given.
    is_weighted : bool, default=False
        Whether rows have weights.
    """

    in_memory = False

    def __init__(
        self,
        parts: list[Any],
        lengths: tuple[int, ...],
        n_features: int,
        is_sparse: bool = False,
        y_shape: tuple[int, ...] | None = None,
        is_weighted: bool = False,
    ) -> None:
        self._parts, self._lengths = parts, lengths
        self.is_weighted = is_weighted
        self.n_samples = sum(lengths)
        self.n_features = n_features
        self.is_sparse = is_sparse
        self.y_shape = y_shape

    @classmethod
    def of(
        cls,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        targets: str | None,
        allow_missing: bool = False,
    ) -> DaskData:
        """Return the chunks of X, y and the weights, checked where they are.

        Parameters
        ----------
        X : dask array of shape (n_samples, n_features)
        y : dask array or array-like of shape (n_samples, ...), or None
        sample_weight : dask array or array-like of shape (n_samples,), or None
        targets : {"labels", "numbers"} or None
            What `y` holds.
        allow_missing : bool, default=False
            Whether X may have NaN and infinite values; it must not be sparse then.

        Raises
        ------
        TypeError
            If `X` is not a dask array.
        ValueError
            If `X` is not 2-D, or the numbers of rows differ.
        """
        if not isinstance(X, da.Array):
            raise TypeError(
                "X must be a dask array if y or sample_weight is one, got "
                f"{type(X).__name__}. A data frame becomes one by "
                ".to_dask_array(lengths=True)."
            )
        if X.ndim != 2:
            raise ValueError(f"Expected 2D array, got {X.ndim}D array instead.")
        X = _known(X).rechunk({1: -1})
        n_samples, n_features = X.shape
        if n_samples < 2:
            raise ValueError(
                f"Found array with {n_samples} sample(s) (shape={X.shape}) while "
                "a minimum of 2 is required."
            )
        columns = [_aligned(each, X) for each in (y, sample_weight)]
        chunks = X.to_delayed().ravel()
        parts = [
            delayed(_checked)(*part, n_features, targets, allow_missing)
            for part in zip(chunks, *columns, strict=True)
        ]
        y_shape = None if y is None else np.shape(y)
        return cls(
            parts,
            X.chunks[0],
            n_features,
            sparse.issparse(X._meta),
            y_shape,
            sample_weight is not None,
        )

    def map(
        self, f: Callable[..., Any], *shared: Any, beside: Array | None = None
    ) -> DaskData:
        """Return data whose parts are ``f(part, *shared)``, made when they are used."""
        shared = tuple(_handle(each) for each in shared)
        rows: list[Any] = [()] * len(self._parts)
        if beside is not None:
            ends = np.cumsum(self._lengths)[:-1]
            rows = [(delayed(each),) for each in np.split(beside, ends)]
        parts = [
            delayed(f)(part, *row, *shared)
            for part, row in zip(self._parts, rows, strict=True)
        ]
        return DaskData(
            parts,
            self._lengths,
            self.n_features,
            self.is_sparse,
            self.y_shape,
            self.is_weighted,
        )

    def total(self, f: Callable[..., Any], *shared: Any, keep: bool = False) -> Any:
        """Return the sum of ``f(part, *shared)`` over all parts, or keep it there."""
        shared = tuple(_handle(each) for each in shared)
        task = tree_sum([delayed(f)(part, *shared) for part in self._parts])
        return persist(task)[0] if keep else task.compute()

    def apply(self, f: Callable[..., Any], *values: Any) -> Any:
        """Return ``f(*values)`` as a task that is kept on the cluster.

        If the worker that has it is lost, it is made again.
        """
        (kept,) = persist(delayed(f)(*(_handle(each) for each in values)))
        return kept

    def fetch(self, kept: Any) -> Any:
        """Compute a task."""
        return kept.compute()

    def gather(self, f: Callable[..., Any], *shared: Any) -> Array:
        """Return the arrays ``f(part, *shared)`` end to end."""
        shared = tuple(_handle(each) for each in shared)
        tasks = [delayed(f)(part, *shared) for part in self._parts]
        return np.concatenate(compute(*tasks))

    def take(self, rows: npt.NDArray[np.intp]) -> Any:
        """Return the rows of these ascending numbers as one part."""
        ends = np.cumsum(self._lengths)
        places = np.split(rows, np.searchsorted(rows, ends)[:-1])
        tasks = [
            delayed(_take)(part, place - start)
            for part, place, start in zip(
                self._parts, places, ends - self._lengths, strict=True
            )
            if len(place)
        ]
        first, *rest = compute(*tasks)
        return type(first).join([first, *rest])

    def take_all(self) -> Any:
        """Return all rows as one part."""
        return self.take(np.arange(self.n_samples))

    def total_inputs(self, f: Callable[..., Any]) -> Any:
        """Return the sum of ``f(X, weight)`` over all parts."""
        return self.total(_of_inputs, f)


def map_rows(estimator: Any, method: str, X: Any) -> Any:
    """Apply a method of a fitted estimator to the chunks of `X`, when it is computed.

    Parameters
    ----------
    estimator : NTKCompressor, CompressedMLPClassifier or CompressedMLPRegressor
    method : str
        A method that maps rows to rows.
    X : dask array of shape (n_samples, n_features)

    Returns
    -------
    dask array of shape (n_samples,) or (n_samples, n_columns)
    """
    check_is_fitted(estimator)
    if not isinstance(X, da.Array) or X.ndim != 2:
        raise ValueError(f"Expected a dask array of 2 dimensions, got {X!r}.")
    # One row tells whether the features fit, and what comes out.
    one = np.asarray(getattr(estimator, method)(np.zeros((1, X.shape[1]), X.dtype)))
    X = X.rechunk({1: -1})
    shared = delayed(estimator._predictor(), traverse=False)
    blocks = [
        da.from_delayed(
            delayed(_apply)(shared, method, chunk), (n_rows, *one.shape[1:]), one.dtype
        )
        for n_rows, chunk in zip(X.chunks[0], X.to_delayed().ravel(), strict=True)
    ]
    return da.concatenate(blocks, allow_unknown_chunksizes=True)


def tree_sum(values: Sequence[Any]) -> Any:
    """Return the task that adds up the results of tasks."""
    values = list(values)
    while len(values) > 1:
        values = [
            delayed(_add)(values[start : start + _FAN_IN])
            for start in range(0, len(values), _FAN_IN)
        ]
    return values[0]


# --- what workers do ----------------------------------------------------------------


def _checked(
    X: Any,
    y: Any,
    weight: Any,
    n_features: int,
    targets: str | None,
    allow_missing: bool,
) -> Part:
    """Validate a chunk as scikit-learn does an array."""
    X = check_array(
        canonical(X),
        accept_sparse=False if allow_missing else "csr",
        dtype=INPUT_DTYPES,
        ensure_all_finite=not allow_missing,
        ensure_min_samples=0,
    )
    if X.shape[1] != n_features:
        raise ValueError(
            f"A chunk of X has {X.shape[1]} features, but the dask array has "
            f"{n_features}."
        )
    if y is not None:
        if targets == "labels" and len(y):
            check_labels_known(y)
            y = column_or_1d(y)
            check_classification_targets(y)
        elif targets == "labels":
            y = np.ravel(y)
        else:
            y = check_array(y, ensure_2d=False, dtype=np.float64, ensure_min_samples=0)
            y = y[:, np.newaxis] if y.ndim == 1 else y
        if len(y) != X.shape[0]:
            raise ValueError(
                f"A chunk of X has {X.shape[0]} rows, but that of y has {len(y)}."
            )
    if weight is not None and len(weight):
        weight = check_sample_weight(weight, X)  # zero in one chunk, not in all
        check_weight_sum(weight)
    return Part(X, y, weight)


def _of_inputs(part: Part, f: Callable[..., Any]) -> Any:
    return f(part.X, part.weight)


def _take(part: Any, rows: npt.NDArray[np.intp]) -> Any:
    return part.take(rows)


def _apply(estimator: Any, method: str, block: Any) -> Array:
    if not block.shape[0]:
        block = np.zeros((1, block.shape[1]), block.dtype)
        return np.asarray(getattr(estimator, method)(block))[:0]
    return np.asarray(getattr(estimator, method)(block))


def _add(values: Sequence[Any]) -> Any:
    total, *rest = values
    for value in rest:
        total = total + value
    return total


# --- arrays -------------------------------------------------------------------------


def _handle(value: Any) -> Any:
    """Return a task for a value that all parts share; dask looks not into it."""
    return value if is_dask_collection(value) else delayed(value, traverse=False)


def _known(array: Any) -> Any:
    """Find out the lengths of chunks, if they are unknown."""
    if np.isnan(array.shape[0]):
        array = copy(array)  # the user's stays as it is
        array.compute_chunk_sizes()
    return array


def _aligned(array: Any, X: Any) -> list[Any]:
    """Return one chunk of `array` for each chunk of rows of `X`."""
    rows = X.chunks[0]
    if array is None:
        return [None] * len(rows)
    if not isinstance(array, da.Array):
        array = da.from_array(np.asarray(array), chunks=-1)
    if not array.ndim:
        raise ValueError(
            f"Expected one value for each of {X.shape[0]} samples, got a single one."
        )
    array = _known(array)
    if array.shape[0] != X.shape[0]:
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: "
            f"{[X.shape[0], array.shape[0]]}"
        )
    array = array.rechunk({0: rows, **dict.fromkeys(range(1, array.ndim), -1)})
    return list(array.to_delayed().ravel())
