"""Rows of X as pictures: their shape, the layers that fit it, statistics by channel."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ._validation import warn_user
from .data import Data, evenly_spread, rows_with_weight, weight_of
from .layers import Conv2D, Dense, Pool2D, channels_first, sides
from .network import CompressedNetwork, Quantizer, code_sums, value_range
from .network.build_convolution import Sample, check_layers, output_shapes
from .network.layers import per_layer
from .network.quantizer import CodeSums, ValueRange
from .reference.architecture import N_LEVELS, warn_ignored, warn_of_unused_weights
from .reference.pictures import PictureReference
from .reference.torch_pictures import read_pictures
from .theory import Activation, get_activation

__all__ = [
    "OfPictures",
    "Plan",
    "as_rows",
    "check_shape_parameter",
    "draw_sample",
    "fit_shape",
    "on_channels",
    "read_plan",
    "tiled",
    "widest_measured",
]

#: Hidden layers where none are asked for, and pictures are large enough.
DEFAULT = (Conv2D(100, 6), Pool2D(grid=4))
TRAINED_DEFAULT = (
    Conv2D(16, 5),
    Pool2D(2, kind="max"),
    Conv2D(32, 3),
    Pool2D(grid=2),
    Dense(64),
)

#: Smaller pictures are hardly any.
_LEAST_SIDE = 4

#: Rows that thresholds are measured on, and codes of the widest layer of theirs.
_SAMPLE_ROWS = 2048
_SAMPLE_CODES = 2**27

#: Rows that are looked at together, channel by channel.
_ROWS_AT_ONCE = 4096


class Plan(NamedTuple):
    """What the parameters ask for.

    Parameters
    ----------
    layers : list of Conv2D, Pool2D or Dense
    activations : list of Activation
        Of each layer but poolings.
    n_levels : list of int
        Likewise.
    is_default : bool
        Whether none were asked for, and windows are to suit the pictures.
    reference : PictureReference or None, default=None
        The network that they are those of, where there is one.
    """

    layers: list[Any]
    activations: list[Activation]
    n_levels: list[int]
    is_default: bool
    reference: PictureReference | None = None


class OfPictures:
    """What all estimators of pictures have in place of parameters, and of dense layers.

    Shared code asks for the attributes: no column is a category.
    """

    image_shape: tuple[int, ...] | None
    network_: CompressedNetwork

    input_encoding = "linear"
    categorical_features = None

    def _as_rows(self, X: Any) -> Any:
        """Return pictures with axes of their own as rows."""
        return as_rows(X, self.image_shape)

    @property
    def image_shape_(self) -> tuple[int, int, int]:
        """Height, width and channels of the pictures."""
        height, width, channels = self.network_.layers[0].shape_in
        return height, width, channels


def read_plan(estimator: Any) -> Plan:
    """Return the hidden layers that an estimator's parameters ask for, or raise."""
    reference = _read_reference(estimator)
    is_default = reference is None and estimator.hidden_layers is None
    trains = estimator.hidden_weights == "trained"
    asked, activation = estimator.hidden_layers, estimator.activation
    if reference is not None:
        asked, activation = reference.layers, reference.activations
    elif is_default:
        asked = TRAINED_DEFAULT if trains else DEFAULT
    layers = check_layers(asked)
    for number, layer in enumerate(layers):
        if trains and isinstance(layer, Conv2D) and layer.weights != "random":
            raise ValueError(
                f"hidden_layers[{number}]={layer!r} has weights={layer.weights!r}, but "
                "hidden_weights='trained' starts from random ones: leave it out."
            )
    n_steps = sum(not isinstance(layer, Pool2D) for layer in layers)
    if not isinstance(activation, (list, tuple)):
        activation = [activation] * n_steps
    if len(activation) != n_steps:
        raise ValueError(
            f"activation must be one, or one per layer but poolings: got "
            f"{len(activation)} for {n_steps} layers."
        )
    n_levels = per_layer("n_levels", estimator.n_levels, n_steps)
    for each in n_levels:
        if not N_LEVELS.is_satisfied_by(each):
            raise ValueError(f"n_levels must be {N_LEVELS}, got {each!r}.")
    shape = check_shape_parameter(estimator.image_shape)
    if shape is not None and reference is not None:
        reference.check(shape)
    if shape is not None and not is_default:
        output_shapes(shape, layers)
    activations = [get_activation(each) for each in activation]
    return Plan(layers, activations, n_levels, is_default, reference)


def _read_reference(estimator: Any) -> PictureReference | None:
    """Return the reference network of an estimator, where it has one, or raise."""
    if estimator.estimator is None:
        if estimator.hidden_weights == "fitted":
            raise ValueError(
                "hidden_weights='fitted' needs the estimator that has the weights, "
                "got estimator=None."
            )
        return None
    reference = read_pictures(estimator.estimator)
    warn_ignored(estimator, ("hidden_layers", "activation"), "the network's")
    if estimator.hidden_weights is None:
        warn_of_unused_weights(reference.name)
    return reference


def check_shape_parameter(image_shape: Any) -> tuple[int, int, int] | None:
    """Return height, width and channels; None of None."""
    if image_shape is None:
        return None
    try:
        height, width, channels = (*map(int, image_shape), 1)[:3]
        right = len(image_shape) in (2, 3) and min(height, width, channels) >= 1
    except (TypeError, ValueError):
        right = False
    if not right:
        raise ValueError(
            "image_shape must be (height, width), (height, width, channels) or None, "
            f"got {image_shape!r}."
        )
    return height, width, channels


def _guessed_shape(n_features: int) -> tuple[int, int, int] | None:
    """Return the shape of a square picture of one channel, or of three."""
    for channels in (1, 3):
        side = math.isqrt(n_features // channels)
        if side * side * channels == n_features:
            return side, side, channels
    return None


def as_rows(X: Any, image_shape: Any) -> Any:
    """Return pictures with axes of their own as rows; other input as it is."""
    n_axes = getattr(X, "ndim", 2)
    if n_axes not in (3, 4):
        return X
    shape = check_shape_parameter(image_shape)
    own = (*X.shape[1:], 1)[:3]
    expected = shape or _guessed_shape(math.prod(own))
    if own != expected:
        raise ValueError(
            f"X has pictures of shape {X.shape[1:]}, but image_shape={image_shape!r}"
            + (f" stands for {expected}." if shape is None else ".")
            + (" Channels come last." if channels_first(own) else "")
        )
    return X.reshape(X.shape[0], -1)


def fit_shape(
    plan: Plan, image_shape: Any, n_features: int
) -> tuple[tuple[int, int, int], list[Any]]:
    """Return the shape of the pictures, and the layers that are to see them.

    Parameters
    ----------
    plan : Plan
    image_shape : tuple or None
        None: square pictures of one channel or three. Other numbers of features are
        taken as a single row, and windows that are larger than the picture cut.
    n_features : int

    Returns
    -------
    shape : tuple of 3 int
    layers : list of Conv2D, Pool2D or Dense
    """
    shape = check_shape_parameter(image_shape)
    if shape is not None:
        if math.prod(shape) != n_features:
            product = " x ".join(map(str, shape))
            raise ValueError(
                f"X has {n_features} features, but image_shape={image_shape!r} stands "
                f"for {math.prod(shape)}: {product}, height, width and channels."
            )
        if channels_first(shape):
            height, width, channels = shape
            warn_user(
                f"image_shape={image_shape!r} stands for pictures of {height} x "
                f"{width} places with {channels} channels: channels come last. If "
                "these are square pictures, set image_shape="
                f"{(width, channels, height)!r}"
                + (", and move the axis of X." if height > 1 else ".")
            )
        layers = _cut(plan.layers, shape, 2) if plan.is_default else plan.layers
        return shape, layers
    guessed = _guessed_shape(n_features)
    shape = guessed or (1, n_features, 1)
    if plan.reference is not None:
        plan.reference.check(shape)
        return shape, plan.layers
    layers = _cut(plan.layers, shape, 2 if plan.is_default else 1)
    if plan.is_default and guessed is not None and min(shape[:2]) >= _LEAST_SIDE:
        return shape, layers
    if guessed is None or layers != plan.layers:
        what = "no square pictures" if guessed is None else f"{shape[0]} x {shape[1]}"
        warn_user(
            f"X has {n_features} features: {what}. They are taken as pictures of "
            f"{shape[0]} x {shape[1]} places, and windows are cut to fit. Set "
            "image_shape if they have another shape."
        )
    return shape, layers


def _cut(
    layers: Sequence[Any], shape: tuple[int, int, int], part: int = 1
) -> list[Any]:
    """Return the layers with windows and grids no larger than what they see.

    Filters no larger than a `part` of it, in each direction.
    """
    cut: list[Any] = []
    seen: tuple[int, ...] = shape
    for layer in layers:
        for name in ("kernel_size", "size", "grid"):
            value = getattr(layer, name, None)
            if value is not None:
                height, width = sides(value)
                most = part if name == "kernel_size" else 1
                smaller = (
                    min(height, -(-seen[0] // most)),
                    min(width, -(-seen[1] // most)),
                )
                if smaller != (height, width):
                    layer = replace(layer, **{name: smaller})
        cut.append(layer)
        if not isinstance(layer, Dense):
            seen = output_shapes((seen[0], seen[1], 1), [layer])[0]
    return cut


def on_channels(
    total: Callable[[Callable[..., Any]], Any], n_places: int, n_channels: int
) -> Callable[[Callable[..., Any]], Any]:
    """Return `total` for functions of places, whose columns are the channels.

    Parameters
    ----------
    total : callable
        Maps a function of a part's ``X, sample_weight`` to the sum of its values.
    n_places, n_channels : int
        Of a picture.
    """

    def of_places(f: Callable[..., Any]) -> Any:
        # These two are faster pixel by pixel; their values of all pixels add up.
        if f is value_range:
            seen = total(value_range)
            low, high = (each.reshape(-1, n_channels) for each in (seen.low, seen.high))
            return ValueRange(low.min(axis=0), high.max(axis=0))
        if isinstance(f, partial) and f.func is code_sums:
            sums = total(partial(code_sums, tiled(f.args[0], n_places)))
            return CodeSums(
                sums.total.reshape(-1, n_channels).sum(axis=0),
                sums.squares.reshape(-1, n_channels).sum(axis=0),
                n_places * sums.count,
            )
        return total(partial(_of_places, f, n_channels))

    return of_places


def tiled(quantizer: Quantizer, n_places: int) -> Quantizer:
    """Return the quantiser of pictures, from that of the channels of a place."""
    return replace(quantizer, shift=np.tile(quantizer.shift, n_places))


def _of_places(
    f: Callable[..., Any], n_channels: int, X: Any, sample_weight: Any = None
) -> Any:
    """Return the value of `f` for all places of the pictures, each one a row."""
    n_places = X.shape[1] // n_channels
    sums = None
    for start in range(0, max(1, X.shape[0]), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        block = X[rows]
        places = block.reshape((block.shape[0] * n_places, n_channels))
        weight = None
        if sample_weight is not None:
            weight = np.repeat(sample_weight[rows], n_places)
        value = f(places, weight)
        sums = value if sums is None else sums + value
    return sums


def draw_sample(data: Data, quantizer: Quantizer, widest: int) -> Sample:
    """Return typical pictures: rows that have weight, at equal distances.

    Parameters
    ----------
    data : Data
    quantizer : Quantizer
    widest : int
        Codes of a picture in the widest layer that is made of the sample.
    """
    usable = rows_with_weight(data)
    n_rows = min(_SAMPLE_ROWS, max(64, _SAMPLE_CODES // widest))
    part = data.take(evenly_spread(usable, n_rows))
    return Sample(quantizer.codes(part.X), weight_of(part))


def widest_measured(
    shape: tuple[int, int, int], layers: Sequence[Conv2D | Pool2D | Dense]
) -> int:
    """Return the codes of a picture in the widest layer that others come after."""
    sizes = [math.prod(shape)]
    shapes = output_shapes(shape, layers)
    for number, each in enumerate(shapes[:-1]):
        pooled = isinstance(layers[number + 1], Pool2D)
        if not (isinstance(layers[number], Conv2D) and pooled):
            sizes.append(math.prod(each))
    return max(sizes)
