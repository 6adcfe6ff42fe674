"""Checks of what users pass in, and the names taken from private scikit-learn."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from inspect import signature
from types import FrameType
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
import sklearn
from scipy import sparse
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_array, check_X_y
from sklearn.utils._param_validation import (
    Interval,
    RealNotInt,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.validation import _check_sample_weight, validate_data

from ._columns import Columns, is_frame
from .network._checks import canonical

__all__ = [
    "INPUT_DTYPES",
    "Interval",
    "RealNotInt",
    "StrOptions",
    "check_labels_known",
    "check_sample_weight",
    "check_weight_sum",
    "fit_context",
    "params_of_fit",
    "takes_tables",
    "validate_input",
    "validate_parameter_constraints",
    "validate_weight",
    "warn_of_lost_columns",
    "warn_user",
]

_Method = TypeVar("_Method", bound=Callable[..., Any])

#: Dtypes of inputs that are taken as they are; others become float64.
INPUT_DTYPES = (np.float64, np.float32, np.uint8)

#: Bound of the sum of weights: times squares of codes and sums of these it is a float.
MAX_WEIGHT = 1e280

#: Code that a warning should not point into: ours and scikit-learn's.
_LIBRARIES = tuple(
    os.path.dirname(os.path.abspath(file)) + os.sep
    for file in (__file__, sklearn.__file__)
)


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[_Method], _Method]:
    """Validate the parameters before a method; where it fails, undo what it has set.

    The first half is scikit-learn's. The second keeps a fitted estimator usable when
    it is given bad data, down to the number of features that it expects. A fitted one
    remembers its parameters (`params_of_fit`).
    """
    validates = _fit_context(
        prefer_skip_nested_validation=prefer_skip_nested_validation
    )

    def decorate(method: _Method) -> _Method:
        validated = validates(method)

        @wraps(method)
        def fit(self: Any, *args: Any, **kwargs: Any) -> Any:
            before = vars(self).copy()
            try:
                fitted = validated(self, *args, **kwargs)
                self._params_of_fit = _params_now(self, method.__name__)
                return fitted
            except BaseException:
                vars(self).clear()
                vars(self).update(before)
                raise

        return cast(_Method, fit)

    return decorate


#: Parameters that change nothing of what is fitted.
_OF_NO_FIT = {"n_jobs", "verbose"}

#: Parameters that each batch reads anew; the others are those of the first.
_OF_BATCHES = {"alpha", "class_weight"}


def _params_now(estimator: Any, method: str) -> dict[str, Any]:
    """Return the parameters that a fit, or the last of some batches, has read."""
    params = estimator.get_params(deep=False)
    if method == "partial_fit":
        earlier = getattr(estimator, "_params_of_fit", params)
        params |= {name: earlier[name] for name in params.keys() - _OF_BATCHES}
    return params


def params_of_fit(estimator: Any) -> dict[str, Any]:
    """Return the parameters of a fitted estimator as they were when it was fitted."""
    params: dict[str, Any] = estimator.get_params(deep=False)
    earlier = getattr(estimator, "_params_of_fit", params)
    changed = params.keys() & earlier.keys() - _OF_NO_FIT
    return params | {name: earlier[name] for name in changed}


def validate_input(
    estimator: BaseEstimator,
    X: Any,
    y: Any = "no_validation",
    *,
    like: Any = None,
    **options: Any,
) -> Any:
    """Validate `X` as dense float64, float32, uint8, or canonical CSR of these.

    Tables that are coded by thresholds become numbers, and may have missing values.

    Parameters
    ----------
    estimator : estimator
        Whose number and names of features are set or, with ``reset=False``, compared.
        So are the categories of tables.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    y : array-like, optional
    like : fitted estimator, default=None
        Has the categories, in place of the parameters of `estimator`.
    **options
        Of :func:`sklearn.utils.validation.validate_data`.

    Returns
    -------
    X, or (X, y) if `y` is given
    """
    if hasattr(estimator, "_as_rows"):  # pictures may have axes of their own
        X = estimator._as_rows(X)
    reset = options.setdefault("reset", True)
    options.setdefault("ensure_min_samples", 2 if reset else 1)
    if like is not None:
        estimator._columns = like._columns
    elif reset:
        estimator._columns = Columns(()) if takes_tables(estimator) else None
    if estimator._columns is not None:
        return _validate_table(estimator, X, y, learn=reset and like is None, **options)
    has_tables = not hasattr(estimator, "_as_rows")
    with _note_on_text(
        "input_encoding='thresholds' takes data frames with columns of text."
        if has_tables
        else "Pictures are numbers."
    ):
        return validate_data(
            estimator,
            canonical(X),  # first: sums depend on the dtype
            y,
            accept_sparse="csr",
            dtype=INPUT_DTYPES,
            **options,
        )


def check_labels_known(y: Any) -> None:
    """Raise ValueError if some labels among text or objects are missing.

    NumPy would say that they cannot be sorted. Those among numbers scikit-learn finds.
    """
    # Of a list NumPy would make text of NaN.
    labels = np.asarray(y, dtype=object if isinstance(y, (list, tuple)) else None)
    if labels.dtype != object or not labels.ndim:
        return
    for number, label in enumerate(labels.ravel()):
        is_nan = isinstance(label, float) and label != label
        if label is None or is_nan or type(label).__name__ == "NAType":
            raise ValueError(
                f"Input y contains NaN: y[{number}] is {label!r}. Leave out rows "
                "without a label, or give them one of their own."
            )


@contextmanager
def _note_on_text(note: str) -> Iterator[None]:
    """Add a note to scikit-learn's error about text that is no number."""
    try:
        yield
    except ValueError as error:
        if "could not convert string to float" in str(error):
            error.add_note(note)
        raise


def takes_tables(estimator: Any) -> bool:
    """Return whether the parameters ask for inputs that are coded as tables."""
    if estimator.input_encoding == "thresholds":
        return True
    asked = estimator.categorical_features
    if asked is not None and not isinstance(asked, str):
        raise ValueError(
            f"categorical_features={asked!r} needs input_encoding='thresholds'; with "
            "'linear' all columns are numbers."
        )
    return False


def _validate_table(
    estimator: Any, X: Any, y: Any, *, reset: bool, learn: bool, **options: Any
) -> Any:
    """Validate a table and return it as numbers, where NaN is missing."""
    of_y = {name: options.pop(name, False) for name in ("multi_output", "y_numeric")}
    checks = {"ensure_all_finite": False, "estimator": estimator, **options}
    if sparse.issparse(X):
        raise TypeError(
            "Sparse data was passed for X, but input_encoding='thresholds' takes dense "
            "data only: use X.toarray(), or input_encoding='linear'."
        )
    if not is_frame(X):
        asked = estimator.categorical_features
        may_be_text = not learn or not (asked is None or isinstance(asked, str))
        may_be_text &= learn or any(estimator._columns.n_categories)
        dtype = None if may_be_text else INPUT_DTYPES
        with _note_on_text(
            "Of an array with text, pass a data frame, or name the columns in "
            "categorical_features."
        ):
            X = check_array(X, dtype=dtype, input_name="X", **checks)
    validate_data(estimator, X, y, reset=reset, skip_check_array=True)
    if learn:
        names = getattr(estimator, "feature_names_in_", None)
        names = list(X.columns) if names is None and is_frame(X) else names
        estimator._columns = Columns.of(X, estimator.categorical_features, names)
    X = estimator._columns.numbers(X)
    if isinstance(y, str) and y == "no_validation":
        return check_array(X, dtype=INPUT_DTYPES, input_name="X", **checks)
    return check_X_y(X, y, dtype=INPUT_DTYPES, **of_y, **checks)


#: scikit-learn 1.8 lets all weights be zero without being asked to.
_MAY_BE_ZERO = (
    {"allow_all_zero_weights": True}
    if "allow_all_zero_weights" in signature(_check_sample_weight).parameters
    else {}
)


def check_sample_weight(sample_weight: Any, X: Any) -> npt.NDArray[np.float64]:
    """Validate `sample_weight` as nonnegative float64; all may be zero."""
    weight: npt.NDArray[np.float64] = _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True, **_MAY_BE_ZERO
    )
    return weight


def check_weight_sum(weight: npt.NDArray[np.float64]) -> None:
    """Raise ValueError if sums over weighted rows might be no floats."""
    with np.errstate(over="ignore"):
        total = weight.sum()
    if not total < MAX_WEIGHT:
        raise ValueError(
            f"sample_weight is too large: it adds up to {total:.3g}, expected less "
            f"than {MAX_WEIGHT:g}. Divide the weights by their mean."
        )


def validate_weight(sample_weight: Any, X: Any) -> npt.NDArray[np.float64]:
    """Validate `sample_weight` as nonnegative float64, not all of them zero."""
    weight = check_sample_weight(sample_weight, X)
    if not weight.any():
        raise ValueError("sample_weight is zero for every sample.")
    check_weight_sum(weight)
    return weight


def warn_of_lost_columns(
    varies: npt.NDArray[np.bool_],
    lost: npt.NDArray[np.bool_],
    names: npt.NDArray[Any] | None,
) -> None:
    """Warn if most columns that vary have a single code.

    Parameters
    ----------
    varies, lost : ndarray of shape (n_features,), dtype bool
        Which columns have several values, and which of these a single code.
    names : ndarray of shape (n_features,) or None
        Of the columns.
    """
    columns = np.flatnonzero(lost)
    if 2 * len(columns) < np.count_nonzero(varies) or not len(columns):
        return
    shown = [str(each) if names is None else repr(names[each]) for each in columns[:5]]
    more = f" and {len(columns) - 5} more" if len(columns) > 5 else ""
    one = len(columns) == 1
    warn_user(
        f"Column{'' if one else 's'} {', '.join(shown)}{more} of X "
        f"{'varies' if one else 'vary'} too little beside the others: one scale serves "
        f"all columns, and {'it is' if one else 'they are'} constant on it. Scale X "
        "first, with "
        "StandardScaler, or where values lie far out with RobustScaler or "
        "QuantileTransformer."
    )


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line that called us, through whatever layers of libraries.

    Parameters
    ----------
    message : str
    category : type, default=UserWarning
    """
    level = 2
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_LIBRARIES):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
