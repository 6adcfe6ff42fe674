"""Fit and predict on dask arrays: workers get the network and give back sums.

This module is imported only when a dask array is given. A chunk of rows is a part;
what is taken from the parts adds up, on the cluster, in a tree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from functools import partial
from typing import Any, NamedTuple

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask.base import persist
from dask.delayed import delayed
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from ._compat import check_sample_weight
from ._readout import (
    Decomposition,
    LossSums,
    RidgePath,
    RidgeStatistics,
    best_alpha,
    leave_one_out,
    left_out_prediction,
    product,
)
from ._scores import (
    SignTargets,
    best_factor,
    log_loss_sum,
    zero_one_loss,
)
from .network import CompressedNetwork, LazyCodes

__all__ = ["Parts", "fit_classifier", "fit_compressor", "fit_regressor", "map_rows"]

Array = npt.NDArray[Any]

#: Sums that are added up by one task.
_FAN_IN = 4

#: Dtypes of chunks that are taken as they are; others become float64.
_INPUT_DTYPES = (np.float64, np.float32, np.uint8)


class Part(NamedTuple):
    """A chunk of rows: inputs, targets, weights."""

    X: Any
    y: Any
    weight: Array | None


class Parts:
    """The chunks of X and y, checked where they are.

    Parameters
    ----------
    X : dask array of shape (n_samples, n_features)
    y : dask array or array-like of shape (n_samples, ...), or None
    sample_weight : dask array or array-like of shape (n_samples,), or None
    labels : bool, default=True
        Whether `y` are class labels, else numbers.

    Raises
    ------
    TypeError
        If `X` is not a dask array.
    ValueError
        If `X` is not 2-D, or the numbers of rows differ.
    """

    def __init__(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, labels: bool = True
    ) -> None:
        if not isinstance(X, da.Array):
            raise TypeError(
                f"X must be a dask array if anything is, got {type(X).__name__}; a "
                "data frame becomes one by .to_dask_array(lengths=True)."
            )
        if X.ndim != 2:
            raise ValueError(f"Expected 2D array, got {X.ndim}D array instead.")
        X = _known(X).rechunk({1: -1})
        self.n_samples, self.n_features = X.shape
        if self.n_samples < 2:
            raise ValueError(
                f"Found array with {self.n_samples} sample(s) (shape={X.shape}) while "
                "a minimum of 2 is required."
            )
        columns = [_aligned(each, X) for each in (y, sample_weight)]
        chunks = X.to_delayed().ravel()
        self._parts = [
            delayed(_checked)(*part, self.n_features, labels)
            for part in zip(chunks, *columns, strict=True)
        ]

    def map(self, f: Callable[..., Any], *shared: Any) -> list[Any]:
        """Return a task for ``f(part, *shared)`` of each part."""
        return [delayed(f)(part, *shared) for part in self._parts]

    def total(self, f: Callable[..., Any], *shared: Any) -> Any:
        """Return the sum of ``f(part, *shared)`` over all parts."""
        return tree_sum(self.map(f, *shared)).compute()

    def total_inputs(self, f: Callable[..., Any]) -> Any:
        """Return the sum of ``f(X, sample_weight)`` over all parts."""
        return self.total(partial(_of_inputs, f))


def fit_compressor(compressor: Any, X: Any, sample_weight: Any) -> None:
    """Fit the hidden layers of an `NTKCompressor` to a dask array.

    Parameters
    ----------
    compressor : NTKCompressor
    X : dask array of shape (n_samples, n_features)
    sample_weight : array of shape (n_samples,) or None
    """
    parts = Parts(X, None, sample_weight)
    compressor._fit_parts(parts.total_inputs, parts.n_features)
    _keep_features(compressor, parts)


def fit_classifier(classifier: Any, X: Any, y: Any, sample_weight: Any) -> None:
    """Fit a `CompressedMLPClassifier` with a ridge readout to dask arrays.

    Parameters
    ----------
    classifier : CompressedMLPClassifier
    X : dask array of shape (n_samples, n_features)
    y : array of shape (n_samples,)
    sample_weight : array of shape (n_samples,) or None
    """
    if classifier.readout != "ridge":
        raise ValueError(
            "The readout of dask arrays must be 'ridge', which follows from sums; "
            f"got readout={classifier.readout!r}."
        )
    _check_targets(classifier, y)
    parts = Parts(X, y, sample_weight)
    counts = parts.total(_label_counts)
    _check_weight(sum(counts.weights.values()))
    classes = classifier._check_several(np.unique(list(counts.weights)))
    compressor = _fitted_compressor(classifier, parts)
    costs = classifier._class_costs(
        classes, np.array([counts.weights[each] for each in classes])
    )
    targets = partial(_sign_targets, classes, costs)
    ridge = _RidgeFit(classifier, compressor, parts, targets, zero_one_loss)
    temperature = ridge.temperature()
    classifier._keep_compressor(compressor)
    classifier.classes_ = classes
    classifier._keep_ridge(*ridge.result)
    classifier.temperature_ = temperature


def fit_regressor(regressor: Any, X: Any, y: Any, sample_weight: Any) -> None:
    """Fit a `CompressedMLPRegressor` to dask arrays.

    Parameters
    ----------
    regressor : CompressedMLPRegressor
    X : dask array of shape (n_samples, n_features)
    y : array of shape (n_samples,) or (n_samples, n_targets)
    sample_weight : array of shape (n_samples,) or None
    """
    _check_targets(regressor, y)
    parts = Parts(X, y, sample_weight, labels=False)
    y_ndim = np.ndim(y)
    weight, *target_sums = parts.total(_target_sums)
    _check_weight(weight)
    offset = np.array(target_sums) / weight
    compressor = _fitted_compressor(regressor, parts)
    targets = partial(_real_targets, offset)
    ridge = _RidgeFit(regressor, compressor, parts, targets, None)
    regressor._keep_compressor(compressor)
    regressor._keep_ridge(*ridge.result)
    regressor.intercept_ += offset
    if y_ndim == 1:
        regressor.coef_, regressor.intercept_ = (
            regressor.coef_[0],
            regressor.intercept_[0],
        )


def _check_targets(estimator: Any, y: Any) -> None:
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} needs targets for dask arrays, got y=None."
        )


def _check_weight(total: float) -> None:
    if not total:
        raise ValueError("sample_weight is zero for every sample.")


def _fitted_compressor(estimator: Any, parts: Parts) -> Any:
    _keep_features(estimator, parts)
    compressor = estimator._given_compressor(parts.n_features)
    if compressor is None:
        compressor = estimator._make_compressor()
        compressor._fit_parts(parts.total_inputs, parts.n_features)
    return compressor


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
    light = copy(estimator)
    light.__dict__.pop("_online", None)
    shared = delayed(light, traverse=False)
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


class _RidgeFit:
    """The steps of `fit_ridge`, with all that has the size of the data on the cluster.

    The decomposition is a task too: if a worker is lost, it can be made again.
    """

    def __init__(
        self, estimator: Any, compressor: Any, parts: Parts, targets: Any, loss: Any
    ) -> None:
        _, scale = compressor.code_line_
        network = delayed(compressor.network_, traverse=False)
        alphas = None if estimator.alpha is None else np.array([estimator.alpha])
        statistics = tree_sum(parts.map(_statistics, network, targets))
        decomposition = delayed(_decompose)(statistics, scale)
        path = delayed(_path)(decomposition, alphas)
        self._parts, self._network, self._targets = parts, network, targets
        decomposition, self._path, *self._left_out = persist(
            decomposition,
            path,
            *parts.map(_leave_one_out, network, path, targets, loss),
        )
        sums = tree_sum([delayed(_first)(pair) for pair in self._left_out]).compute()
        self._best, losses = best_alpha(sums)
        picked = delayed(_pick)(decomposition, self._path, self._best)
        coef, intercept, alphas = picked.compute()
        self.result = coef, intercept, alphas[self._best], alphas, losses

    def temperature(self) -> float:
        """Return the factor that calibrates the left-out scores."""
        best = self._best, self._network, self._path, self._targets
        scores = persist(
            *(
                delayed(_left_out_scores)(part, pair, *best)
                for part, pair in zip(self._parts._parts, self._left_out, strict=True)
            )
        )

        def log_loss(factor: float) -> float:
            tasks = [delayed(_log_loss)(part, factor) for part in scores]
            total, weight = tree_sum(tasks).compute()
            return float(total / weight)

        return best_factor(log_loss)


class _LabelCounts:
    """Weight of each label; those of parts add up."""

    def __init__(self, weights: dict[Any, float]) -> None:
        self.weights = weights

    def __add__(self, other: _LabelCounts) -> _LabelCounts:
        both = dict(self.weights)
        for label, weight in other.weights.items():
            both[label] = both.get(label, 0.0) + weight
        return _LabelCounts(both)


# --- what workers do ----------------------------------------------------------------


def _checked(X: Any, y: Any, weight: Any, n_features: int, labels: bool) -> Part:
    """Validate a chunk as scikit-learn does an array."""
    X = check_array(X, accept_sparse="csr", dtype=_INPUT_DTYPES, ensure_min_samples=0)
    if X.shape[1] != n_features:
        raise ValueError(
            f"A chunk of X has {X.shape[1]} features, but the dask array has "
            f"{n_features}."
        )
    if y is not None:
        if labels:
            y = column_or_1d(y)
            if len(y):
                check_classification_targets(y)
        else:
            y = check_array(
                y, ensure_2d=False, dtype=np.float64, ensure_min_samples=0
            ).reshape(len(y), -1)
        if len(y) != X.shape[0]:
            raise ValueError(
                f"A chunk of X has {X.shape[0]} rows, but that of y has {len(y)}."
            )
    if weight is not None:
        weight = check_sample_weight(
            weight,
            X,
            dtype=np.float64,
            ensure_non_negative=True,
            allow_all_zero_weights=True,  # in one chunk, not in all
        )
    return Part(X, y, weight)


def _of_inputs(f: Callable[..., Any], part: Part) -> Any:
    return f(part.X, part.weight)


def _target_sums(part: Part) -> Array:
    """Return the sum of the weights, and those of the weighted targets."""
    weight = np.ones(len(part.y)) if part.weight is None else part.weight
    return np.append(weight.sum(), weight @ part.y)


def _label_counts(part: Part) -> _LabelCounts:
    labels, inverse = np.unique(part.y, return_inverse=True)
    weights = np.bincount(inverse, part.weight, minlength=len(labels))
    return _LabelCounts(dict(zip(labels, weights.astype(float), strict=True)))


def _sign_targets(
    classes: Array, costs: Array | None, part: Part
) -> tuple[SignTargets, Array | None]:
    labels = np.searchsorted(classes, part.y)
    return (
        SignTargets(labels, len(classes)),
        None if costs is None else costs[labels],
    )


def _real_targets(offset: Array, part: Part) -> tuple[Array, None]:
    return part.y - offset, None


def _statistics(part: Part, network: CompressedNetwork, targets: Any) -> Any:
    Y, costs = targets(part)
    sums = RidgeStatistics(network.n_features_out, Y.shape[1])
    return sums.update(LazyCodes(network, part.X), Y, product(part.weight, costs))


def _decompose(sums: RidgeStatistics, scale: Array) -> Decomposition:
    # Dask may need the sums again.
    return Decomposition(sums + sums.zeros(), scale)


def _path(decomposition: Decomposition, alphas: Array | None) -> RidgePath:
    return decomposition.path(
        decomposition.default_alphas() if alphas is None else alphas
    )


def _leave_one_out(
    part: Part, network: CompressedNetwork, path: RidgePath, targets: Any, loss: Any
) -> tuple[LossSums, Array | None]:
    Y, costs = targets(part)
    codes = LazyCodes(network, part.X)
    return leave_one_out(path, codes, Y, part.weight, costs, loss)


def _left_out_scores(
    part: Part,
    left_out: tuple[LossSums, Array | None],
    best: int,
    network: CompressedNetwork,
    path: RidgePath,
    targets: Any,
) -> tuple[Array, Array, Array | None]:
    Y, costs = targets(part)
    assert left_out[1] is not None
    slack = left_out[1][:, best]
    scores = left_out_prediction(path, best, LazyCodes(network, part.X), Y, slack)
    return scores, Y.labels, product(part.weight, costs)


def _log_loss(scored: tuple[Array, Array, Array | None], factor: float) -> Array:
    scores, labels, weight = scored
    total = log_loss_sum(factor, scores, labels, weight)
    return np.array([total, len(labels) if weight is None else weight.sum()])


def _pick(
    decomposition: Decomposition, path: RidgePath, best: int
) -> tuple[Array, Array, Array]:
    coef = decomposition.coef(path.alphas[best])
    return coef, decomposition.intercept(coef), path.alphas


def _apply(estimator: Any, method: str, block: Any) -> Array:
    if not block.shape[0]:
        block = np.zeros((1, block.shape[1]), block.dtype)
        return np.asarray(getattr(estimator, method)(block))[:0]
    return np.asarray(getattr(estimator, method)(block))


def _first(pair: tuple[Any, Any]) -> Any:
    return pair[0]


def _add(values: Sequence[Any]) -> Any:
    total, *rest = values
    for value in rest:
        total = total + value
    return total


# --- arrays -------------------------------------------------------------------------


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


def _keep_features(estimator: Any, parts: Parts) -> None:
    estimator.n_features_in_ = parts.n_features
    estimator.__dict__.pop("feature_names_in_", None)
