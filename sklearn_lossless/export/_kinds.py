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
    CONV_COMPRESSOR = 3
    CNN_CLASSIFIER = 4
    CNN_REGRESSOR = 5

    @property
    def role(self) -> Kind:
        """What the estimator does: one of the first three."""
        return Kind(self % 3)

    @property
    def estimator(self) -> Any:
        """The estimator's class."""
        return _CLASSES[self]

    @property
    def compressor(self) -> Any:
        """The class of the estimator's hidden layers."""
        return _CLASSES[Kind(self - self.role)]


_CLASSES: dict[Kind, type[Any]] = {}


def exported_as(kind: Kind) -> Callable[[_Class], _Class]:
    """Announce a class as the estimator of its kind."""

    def announce(cls: _Class) -> _Class:
        _CLASSES[kind] = cls
        return cls

    return announce


def kind_of(estimator: Any) -> Kind | None:
    """Return the kind of an estimator, or of one derived from it; None if foreign."""
    kinds = {cls: kind for kind, cls in _CLASSES.items()}
    found = (kinds[cls] for cls in type(estimator).__mro__ if cls in kinds)
    return next(found, None)


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
