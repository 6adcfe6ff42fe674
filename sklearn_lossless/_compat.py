"""The few names that are taken from private modules of scikit-learn."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from sklearn.base import _fit_context
from sklearn.utils._param_validation import (
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

__all__ = [
    "Interval",
    "StrOptions",
    "check_sample_weight",
    "fit_context",
    "validate_parameter_constraints",
]


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[..., Any]:
    """Validate the parameters before a method; where it fails, undo what it has set.

    The first half is scikit-learn's. The second keeps a fitted estimator usable when
    it is given bad data, down to the number of features that it expects.
    """
    validates = _fit_context(
        prefer_skip_nested_validation=prefer_skip_nested_validation
    )

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        validated = validates(method)

        @wraps(method)
        def fit(self: Any, *args: Any, **kwargs: Any) -> Any:
            before = vars(self).copy()
            try:
                return validated(self, *args, **kwargs)
            except BaseException:
                vars(self).clear()
                vars(self).update(before)
                raise

        return fit

    return decorate
