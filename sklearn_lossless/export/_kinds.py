"""The estimators that exports take. They announce themselves, as nothing imports up."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any, TypeVar

__all__ = ["Kind", "exported_as", "kind_in_file", "kind_of"]

_Class = TypeVar("_Class", bound=type[Any])


class Kind(IntEnum):
    """A kind of estimator, by its number in a model file."""

    COMPRESSOR = 0
    CLASSIFIER = 1
    REGRESSOR = 2

    @property
    def estimator(self) -> Any:
        """The estimator's class."""
        return _CLASSES[self]


_CLASSES: dict[Kind, type[Any]] = {}


def exported_as(kind: Kind) -> Callable[[_Class], _Class]:
    """Announce a class as the estimator of its kind."""

    def announce(cls: _Class) -> _Class:
        _CLASSES[kind] = cls
        return cls

    return announce


def kind_of(estimator: Any) -> Kind | None:
    """Return the kind of an estimator, or of one derived from it; None if foreign."""
    kinds = (kind for kind, cls in _CLASSES.items() if isinstance(estimator, cls))
    return next(kinds, None)


def kind_in_file(estimator: Any) -> Kind:
    """Return the kind of an estimator that a file can hold, or raise TypeError.

    A derived class would come back as the one of this package.
    """
    kinds = (kind for kind, cls in _CLASSES.items() if type(estimator) is cls)
    kind = next(kinds, None)
    if kind is None:
        names = ", ".join(_CLASSES[kind].__name__ for kind in Kind)
        raise TypeError(f"Only {names} can be saved, got {estimator!r}.")
    return kind
