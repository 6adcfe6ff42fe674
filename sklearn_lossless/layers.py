"""Hidden layers as users describe them: small values, named as in Keras and torch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any

__all__ = ["Conv2D", "Dense", "Pool2D"]


@dataclass(frozen=True)
class Conv2D:
    """A convolution: the same filters at every position of a picture.

    Parameters
    ----------
    n_filters : int
        Number of filters, the channels of what comes out.
    kernel_size : int or tuple of 2 int
        Height and width of a filter's window.
    stride : int, default=1
        From one position to the next, in both directions.
    padding : {"valid", "same"} or int, default="valid"
        "valid": windows lie inside the picture. "same": there are as many positions as
        the picture has places, over `stride`; outside of it codes are 0, the lowest. A
        number: as many places outside, on each side, as in torch.
    eps : float or None, default=None
        Share of zero weights, in [0, 1). None: that of the estimator.
    weights : {"random", "patches"}, default="random"
        "random": drawn from the seed. "patches": signs of the largest and the smallest
        weights of whitened patches of the training data, which have to be stored.
        Filters that are trained begin with random ones.
    balanced : bool, default=True
        Whether a random filter has as many +1 as -1 weights, so that brightness drops
        out. Filters from patches always have. Windows of fewer than 8 inputs are too
        small for either: there the signs are independent.

    Examples
    --------
    >>> from sklearn_lossless import Conv2D
    >>> Conv2D(100, 7)
    Conv2D(n_filters=100, kernel_size=7)
    """

    n_filters: int
    kernel_size: int | tuple[int, int]
    stride: int = 1
    padding: str | int = "valid"
    eps: float | None = None
    weights: str = "random"
    balanced: bool = True

    def __post_init__(self) -> None:
        _check_count(self, "n_filters")
        _check_count(self, "stride")
        _check_sides(self, "kernel_size")
        if not _is_count(self.padding):
            _check_name(self, "padding", ("valid", "same"))
        _check_name(self, "weights", ("random", "patches"))
        _check_eps(self)

    def __repr__(self) -> str:
        return _short(self)


@dataclass(frozen=True)
class Pool2D:
    """Sums, or largest values, of each channel in windows of a picture.

    Parameters
    ----------
    size : int, tuple of 2 int or None, default=None
        Height and width of the windows, which lie side by side; what is left at the
        lower and the right end is not seen.
    grid : int, tuple of 2 int or None, default=None
        Number of windows, down and across, that are spread evenly over the picture:
        equally large, and no larger than to leave nothing out.
    kind : {"sum", "max"}, default="sum"
        What is taken over a window.

    Examples
    --------
    >>> from sklearn_lossless import Pool2D
    >>> Pool2D(grid=4)
    Pool2D(grid=4)
    """

    size: int | tuple[int, int] | None = None
    grid: int | tuple[int, int] | None = None
    kind: str = "sum"

    def __post_init__(self) -> None:
        if (self.size is None) == (self.grid is None):
            raise ValueError(
                f"Pool2D needs either size or grid, got size={self.size!r}, "
                f"grid={self.grid!r}."
            )
        _check_sides(self, "size" if self.grid is None else "grid")
        _check_name(self, "kind", ("sum", "max"))

    def __repr__(self) -> str:
        return _short(self)


@dataclass(frozen=True)
class Dense:
    """A layer in which every neuron sees the whole picture.

    Parameters
    ----------
    n_units : int
        Number of neurons.
    eps : float or None, default=None
        Share of zero weights, in [0, 1). None: that of the estimator, or 0.9.

    Examples
    --------
    >>> from sklearn_lossless import Dense
    >>> Dense(64, eps=0.5)
    Dense(n_units=64, eps=0.5)
    """

    n_units: int
    eps: float | None = None

    def __post_init__(self) -> None:
        _check_count(self, "n_units")
        _check_eps(self)

    def __repr__(self) -> str:
        return _short(self)


def sides(value: int | tuple[int, int]) -> tuple[int, int]:
    """Return height and width, of one number for both or of two."""
    height, width = value if isinstance(value, tuple) else (value, value)
    return int(height), int(width)


def to_plain(layer: Any) -> list[Any]:
    """Return a layer's name and the arguments that are not the defaults."""
    return [type(layer).__name__, _arguments(layer)]


def from_plain(name: Any, arguments: Any) -> Any:
    """Return the layer that `to_plain` was given; raise ValueError if there is none."""
    kinds: dict[str, Any] = {kind.__name__: kind for kind in (Conv2D, Pool2D, Dense)}
    if name not in kinds or not isinstance(arguments, dict):
        raise ValueError(f"no layer {name!r}")
    pairs: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in arguments.items()
    }
    try:
        return kinds[name](**pairs)
    except TypeError as error:
        raise ValueError(str(error)) from None


def _arguments(layer: Any) -> dict[str, Any]:
    """Return the arguments of a layer that are not the defaults."""
    return {
        field.name: getattr(layer, field.name)
        for field in fields(layer)
        if getattr(layer, field.name) != field.default
    }


def _short(layer: Any) -> str:
    arguments = ", ".join(f"{k}={v!r}" for k, v in _arguments(layer).items())
    return f"{type(layer).__name__}({arguments})"


def _is_count(value: Any) -> bool:
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    return is_whole and bool(value > 0)


def _fail(layer: Any, name: str, expected: str) -> ValueError:
    return ValueError(
        f"{name} of {type(layer).__name__} must be {expected}, got "
        f"{getattr(layer, name)!r}."
    )


def _check_count(layer: Any, name: str) -> None:
    if not _is_count(getattr(layer, name)):
        raise _fail(layer, name, "a positive int")


def _check_sides(layer: Any, name: str) -> None:
    value = getattr(layer, name)
    two = isinstance(value, tuple) and len(value) == 2 and all(map(_is_count, value))
    if not (_is_count(value) or two):
        raise _fail(layer, name, "a positive int or a tuple of two")


def _check_name(layer: Any, name: str, allowed: tuple[str, ...]) -> None:
    if getattr(layer, name) not in allowed:
        raise _fail(layer, name, f"one of {allowed}")


def _check_eps(layer: Any) -> None:
    eps: Any = layer.eps
    if eps is not None and not (isinstance(eps, Real) and 0 <= float(eps) < 1):
        raise _fail(layer, "eps", "None or a number in [0, 1)")


def channels_first(shape: tuple[int, ...]) -> bool:
    """Return whether a shape looks as if its first number was that of channels."""
    height, width, channels = shape
    return height in (1, 3) and width == channels > height
