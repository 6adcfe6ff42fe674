"""Pipelines as one estimator: scalers become part of the input quantiser."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    RobustScaler,
    StandardScaler,
)
from sklearn.utils.validation import check_is_fitted

from ..network import Column, Quantizer, ScaledQuantizer, ThresholdQuantizer
from ..network.quantizer import AnyQuantizer
from ._kinds import kind_of

__all__ = ["fold", "folded"]

Array = npt.NDArray[np.float64]

#: An operation on columns, with its numbers: one, or one for each column.
_Operation = tuple[str, Any]

#: The operations of a `ScaledQuantizer` in their order, with what changes nothing.
_NEUTRAL = {"subtracted": 0.0, "divisor": 1.0, "factor": 1.0, "added": 0.0}

#: Why steps that users put here are no scaling of columns, and what to do instead.
_HINTS = {
    "Normalizer": "It divides each row by a norm of that row, so that the code of a "
    "value depends on the other values. Normalise the rows yourself.",
    "ColumnTransformer": "Tables of numbers and categories need no preprocessing with "
    "input_encoding='thresholds'.",
    "OneHotEncoder": "With input_encoding='thresholds' columns of categories need no "
    "encoder.",
    "OrdinalEncoder": "With input_encoding='thresholds' columns of categories need no "
    "encoder.",
    "SimpleImputer": "With input_encoding='thresholds' missing values need no imputer.",
    "QuantileTransformer": "With input_encoding='thresholds' only the order of values "
    "counts: leave the step out.",
    "PowerTransformer": "With input_encoding='thresholds' only the order of values "
    "counts: leave the step out.",
}


def fold(pipeline: Any) -> Any:
    """Return the last step of a fitted pipeline, with its scalers inside.

    The result is an estimator of the last step's class that takes what the pipeline
    takes: raw columns. So do the files and programs that are made of it. :func:`save`,
    :func:`to_c` and :func:`to_onnx` do this themselves when they are given a pipeline.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted. Its last step is an estimator of this package. Steps before are
        `StandardScaler`, `MinMaxScaler`, `MaxAbsScaler`, `RobustScaler`,
        ``"passthrough"`` or pipelines of these.

    Returns
    -------
    NTKCompressor, CompressedMLPClassifier or CompressedMLPRegressor
        Fitted. The pipeline and its steps stay as they are. ``fit`` of the result
        starts from raw columns without the scalers, which are no parameters of it.

    Raises
    ------
    NotFittedError
        If a step is not fitted.
    TypeError
        If `pipeline` is not a pipeline, or its last step is not of this package.
    ValueError
        If a step is no scaling of columns, or clips values that have codes of their
        own.

    See Also
    --------
    to_c : The estimator as C source.

    Notes
    -----
    Codes are those of the pipeline bit for bit, for float64 and integer `X`, with one
    scaler and with a `MinMaxScaler` after one of the others. The operations of
    other chains are multiplied out: a value within a few roundings of the border of a
    cell may fall in the cell beside it. With ``input_encoding="thresholds"`` every
    chain is exact. For float32 and sparse `X` scikit-learn rounds otherwise: values
    near a border may change cells, more of float32 in columns that lie far from zero.

    ``mean_`` and ``scale_`` stay those of the scaled columns.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_lossless import CompressedMLPClassifier
    >>> from sklearn_lossless.export import fold
    >>> X, y = load_wine(return_X_y=True)
    >>> clf = CompressedMLPClassifier((200,), eps=0.5, random_state=0)
    >>> pipeline = make_pipeline(StandardScaler(), clf).fit(X, y)
    >>> folded = fold(pipeline)
    >>> bool((folded.decision_function(X) == pipeline.decision_function(X)).all())
    True
    """
    if not isinstance(pipeline, Pipeline):
        raise TypeError(f"Expected a fitted Pipeline, got {pipeline!r}.")
    *scalers, (name, last) = _steps(pipeline)
    if kind_of(last) is None:
        raise TypeError(
            f"The last step of a pipeline, {name!r}, must be an NTKCompressor, "
            f"CompressedMLPClassifier or CompressedMLPRegressor, got {last!r}. If one "
            "is before it, pass that part of the pipeline: pipeline[:n]."
        )
    check_is_fitted(last)
    operations = [each for step in scalers for each in _operations(*step)]
    quantizer = _quantizer(last.network_.quantizer, operations)
    names = getattr(scalers[0][1] if scalers else last, "feature_names_in_", None)
    return _with_quantizer(last, quantizer, names)


def folded(estimator: Any) -> Any:
    """Return what `fold` makes of a pipeline, and any other estimator as it is."""
    return fold(estimator) if isinstance(estimator, Pipeline) else estimator


def _steps(pipeline: Pipeline) -> Iterator[tuple[str, Any]]:
    """Yield names and estimators of all steps, those of inner pipelines too."""
    for name, step in pipeline.steps:
        if isinstance(step, FrozenEstimator):
            step = step.estimator
        if isinstance(step, Pipeline):
            yield from ((f"{name}__{inner}", each) for inner, each in _steps(step))
        elif step is not None and not isinstance(step, str):
            yield name, step


def _operations(name: str, scaler: Any) -> list[_Operation]:
    """Return what a fitted scaler does to columns, one rounding after the other."""
    kind = type(scaler)
    if kind not in (StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler):
        hint = _HINTS.get(kind.__name__, "")
        if isinstance(scaler, Normalizer):
            hint = _HINTS["Normalizer"]
        raise ValueError(
            f"Step {name!r}, {scaler!r}, cannot be folded into the input quantiser: "
            "only StandardScaler, MinMaxScaler, MaxAbsScaler and RobustScaler can. "
            f"{hint or 'Export the last step, and do this one before it yourself.'}"
        )
    check_is_fitted(scaler)
    clip: list[_Operation] = []
    if kind is StandardScaler:
        centre = scaler.mean_ if scaler.with_mean else None
        scale = scaler.scale_ if scaler.with_std else None
    elif kind is RobustScaler:
        centre = scaler.center_ if scaler.with_centering else None
        scale = scaler.scale_ if scaler.with_scaling else None
    elif kind is MinMaxScaler:
        if scaler.clip:
            clip = [("clip", tuple(map(float, scaler.feature_range)))]
        return [("factor", scaler.scale_), ("added", scaler.min_), *clip]
    else:
        if getattr(scaler, "clip", False):  # not in scikit-learn 1.8
            clip = [("clip", (-1.0, 1.0))]
        return [("divisor", scaler.scale_), *clip]
    both = (("subtracted", centre), ("divisor", scale))
    return [(kind, each) for kind, each in both if each is not None]


def _apply(x: Array, operations: list[_Operation]) -> Array:
    """Do operations on columns in float64, as scikit-learn does."""
    with np.errstate(over="ignore"):
        for kind, values in operations:
            if kind == "subtracted":
                x = x - values
            elif kind == "divisor":
                x = x / values
            elif kind == "factor":
                x = x * values
            elif kind == "added":
                x = x + values
            else:
                x = np.clip(x, *values)
    return x


def _quantizer(quantizer: AnyQuantizer, operations: list[_Operation]) -> AnyQuantizer:
    """Return a quantiser that takes what is there before the operations."""
    if not operations:
        return quantizer
    if isinstance(quantizer, ThresholdQuantizer):
        return _with_raw_thresholds(quantizer, operations)
    if isinstance(quantizer, ScaledQuantizer):  # what was folded before
        inner: list[_Operation] = [*quantizer.operations.items()]
        return _scaled(quantizer.cells, [*operations, *inner])
    return _scaled(quantizer, operations)


def _scaled(cells: Quantizer, operations: list[_Operation]) -> ScaledQuantizer:
    """Return cells of columns that are scaled first."""
    n_features, order = cells.n_features, list(_NEUTRAL)
    done = {name: np.full(n_features, value) for name, value in _NEUTRAL.items()}
    last = -1  # the operation done last: those after it are free
    for place, (kind, values) in enumerate(operations):
        if kind == "clip":
            _check_clip(cells, operations[place:])
        elif order.index(kind) > last:
            last = order.index(kind)
            done[kind] = np.array(np.broadcast_to(values, n_features), np.float64)
        else:  # multiplied out into the last two
            last = len(order)
            slope = 1 / values if kind == "divisor" else values
            if kind in ("divisor", "factor"):
                done["factor"] = done["factor"] * slope
                done["added"] = done["added"] * slope
            else:
                moved = -values if kind == "subtracted" else values
                done["added"] = done["added"] + moved
    return ScaledQuantizer(cells, **done)


def _check_clip(cells: Quantizer, operations: list[_Operation]) -> None:
    """Raise ValueError unless a clip leaves all codes: the cells' own ends do it."""
    low, high = operations[0][1]
    ends = np.array([[low], [high]]) * np.ones(cells.n_features)
    codes = cells.codes(_apply(ends, operations[1:]))
    inside = (codes[0] > 0) | (codes[1] < 2**cells.n_bits - 1)
    if inside.any():
        raise ValueError(
            f"A scaler with clip=True clips values to {low} ... {high}, inside the "
            "range of the input quantiser, in "
            f"{np.count_nonzero(inside)} columns, first {int(np.argmax(inside))}. Fit "
            "the pipeline with clip=False: the quantiser clips by itself."
        )


def _with_raw_thresholds(
    quantizer: ThresholdQuantizer, operations: list[_Operation]
) -> ThresholdQuantizer:
    """Return the thresholds of raw values that set the same bits."""
    columns = quantizer.columns
    for number, column in enumerate(columns):
        if column.groups is not None:
            raise ValueError(
                f"Column {number} holds categories and is scaled before the last step: "
                "its numbers are no categories any more. Leave the scaler out: with "
                "input_encoding='thresholds' only the order of values counts."
            )
    most = max(len(column.thresholds) for column in columns)
    bounds = np.full((most, len(columns)), np.nan)
    for number, column in enumerate(columns):
        bounds[: len(column.thresholds), number] = column.thresholds
    raw = _last_not_above(bounds, operations)
    return ThresholdQuantizer(
        tuple(
            Column(raw[: len(each.thresholds), j].copy(), None, each.has_missing)
            for j, each in enumerate(columns)
        )
    )


def _last_not_above(bounds: Array, operations: list[_Operation]) -> Array:
    """Return the largest doubles that operations do not bring above bounds.

    Rounded operations with positive factors never decrease, so a bisection over all
    doubles finds them. Infinite where no finite value is above, or every one is.
    """
    largest = np.finfo(np.float64).max
    low = np.full(bounds.shape, _place(np.array(-largest)))
    high = np.full(bounds.shape, _place(np.array(largest)))
    always = _apply(_value(low), operations) > bounds
    never = ~(_apply(_value(high), operations) > bounds)
    while (low + 1 < high).any():  # the value at `low` is not above, that at `high` is
        middle = low // 2 + high // 2 + (low % 2 + high % 2) // 2
        above = _apply(_value(middle), operations) > bounds
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    raw = _value(low)
    raw[always], raw[never] = -np.inf, np.inf
    return raw


def _place(x: Array) -> npt.NDArray[np.int64]:
    """Return the numbers of finite doubles in increasing order; 0 for both zeros."""
    bits = np.abs(x).view(np.int64)
    return np.where(np.signbit(x), -bits, bits)


def _value(place: npt.NDArray[np.int64]) -> Array:
    """Return the doubles with these numbers."""
    x = np.abs(place).view(np.float64)
    return np.where(place < 0, -x, x)


def _with_quantizer(estimator: Any, quantizer: AnyQuantizer, names: Any) -> Any:
    """Return a copy of a fitted estimator, with its compressor, of other inputs."""
    other = copy(estimator)
    network = replace(estimator.network_, quantizer=quantizer)
    parts = [other]
    if hasattr(other, "compressor_"):
        other.compressor_ = copy(other.compressor_)
        parts.append(other.compressor_)
    course = getattr(other, "_course", None)
    if course is not None and course.checkpoint is not None:
        checkpoint = replace(course.checkpoint, quantizer=quantizer)
        course = replace(course, checkpoint=checkpoint)
    for each in parts:
        each.network_ = network
        if hasattr(each, "_course"):
            each._course = course
        if each._columns is not None:
            each._columns = replace(each._columns, names=names)
        vars(each).pop("feature_names_in_", None)
        if names is not None:
            each.feature_names_in_ = names
    return other
