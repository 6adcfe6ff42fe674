"""From descriptions of layers, matched steps and typical pictures to the network.

Layer by layer: what a layer sees is measured on codes of the layers below.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..layers import Conv2D, Pool2D, channels_first, sides
from ..layers import Dense as DenseSpec
from . import _engine
from .convolution import Convolution, Pooling, Shape, grid_starts
from .kinds import Layer, lines_of
from .layers import FIXED_POINT, Dense, n_nonzeros
from .network import CompressedNetwork
from .patches import filters_from_patches
from .quantizer import Quantizer
from .ternary import splitmix64

__all__ = [
    "Sample",
    "build_convolution",
    "check_layers",
    "frame_of",
    "output_shapes",
    "pooling_of",
]

FloatArray = npt.NDArray[np.float64]

#: Nonzero weights of a filter where no eps is given: drawn ones, those from patches.
N_TAPS = {"random": 12, "patches": 24}

#: Share of zeros of dense layers where none is given.
_EPS = 0.9

#: Smaller windows have few balanced filters, which would all be alike.
LEAST_TAPS = 8

#: Windows that sums are measured on.
_WINDOWS = 2**15

#: Products of windows and filters that are there at once.
_SUMS_AT_ONCE = 2**22


@dataclass(frozen=True, eq=False)
class Sample:
    """Typical pictures.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_features), dtype uint8
        Their input codes.
    weight : ndarray of shape (n_samples,), dtype float64
        None of them zero.
    """

    codes: npt.NDArray[np.uint8]
    weight: FloatArray


def check_layers(hidden_layers: Any) -> list[Conv2D | Pool2D | DenseSpec]:
    """Return the layers as a list, or say what is wrong with them.

    Parameters
    ----------
    hidden_layers : sequence of Conv2D, Pool2D or Dense
        A whole number stands for a dense layer of that many neurons.
    """
    if isinstance(hidden_layers, (str, bytes)) or not hasattr(
        hidden_layers, "__iter__"
    ):
        hidden_layers = [hidden_layers]
    layers = [
        DenseSpec(int(each)) if isinstance(each, (int, np.integer)) else each
        for each in hidden_layers
    ]
    for number, layer in enumerate(layers):
        if not isinstance(layer, (Conv2D, Pool2D, DenseSpec)):
            raise ValueError(
                f"hidden_layers[{number}] must be a Conv2D, a Pool2D or a Dense, got "
                f"{layer!r}."
            )
    if not layers or not isinstance(layers[0], Conv2D):
        raise ValueError(
            "hidden_layers must begin with a Conv2D, got "
            f"{layers[0] if layers else hidden_layers!r}."
        )
    kinds = [isinstance(layer, DenseSpec) for layer in layers]
    if kinds != sorted(kinds):
        raise ValueError(
            "hidden_layers must have their Dense layers last: after a Dense there is "
            f"no picture any more. Got {layers!r}."
        )
    return layers


def output_shapes(
    shape: Shape, layers: Sequence[Conv2D | Pool2D | DenseSpec]
) -> list[tuple[int, ...]]:
    """Return the shape that each layer puts out; ValueError if a window does not fit.

    Parameters
    ----------
    shape : tuple of 3 int
        Height, width and channels of the pictures.
    layers : sequence of Conv2D, Pool2D or Dense
    """
    shapes: list[tuple[int, ...]] = []
    seen: tuple[int, ...] = shape
    for number, layer in enumerate(layers):
        if isinstance(layer, DenseSpec):
            seen = (layer.n_units,)
        else:
            _check_window(layer, number, seen, shape)
            if isinstance(layer, Pool2D):
                seen = pooling_of(layer, (seen[0], seen[1], seen[2]), 1).shape_out
            else:
                seen = frame_of(layer, (seen[0], seen[1], seen[2])).shape_out
        shapes.append(seen)
    return shapes


def _check_window(
    layer: Conv2D | Pool2D, number: int, seen: tuple[int, ...], shape: Shape
) -> None:
    if isinstance(layer, Conv2D):
        window, padding = sides(layer.kernel_size), layer.padding
    else:
        window, padding = sides(layer.size or layer.grid or 1), "valid"
    if padding == "same":
        return
    outside = 0 if isinstance(padding, str) else 2 * padding
    if any(s > n + outside for s, n in zip(window, seen, strict=False)):
        raise ValueError(
            f"hidden_layers[{number}]={layer!r} does not fit: the picture that it sees "
            f"has {seen[0]} x {seen[1]} places."
            + (f" Channels come last in {shape}." if channels_first(shape) else "")
        )


def n_taps_kept(layer: Conv2D, n_taps: int, eps: float | None) -> int:
    """Return how many of the `n_taps` weights of a filter are not zero.

    Parameters
    ----------
    layer : Conv2D
    n_taps : int
        Weights of a filter.
    eps : float or None
        Share of zeros where the layer has none of its own.
    """
    share = eps if layer.eps is None else layer.eps
    k = min(N_TAPS[layer.weights], n_taps)
    if share is not None:
        k = n_nonzeros(n_taps, share)
    if layer.balanced or layer.weights == "patches":
        k = max(2, k - k % 2)
    return k


def build_convolution(
    quantizer: Quantizer,
    shape: Shape,
    channel_means: FloatArray,
    layers: Sequence[Conv2D | Pool2D | DenseSpec],
    steps: Sequence[tuple[Any, float]],
    sample: Sample,
    *,
    eps: float | None,
    seed: int,
    readout_layers: str = "last",
) -> CompressedNetwork:
    """Build the integer layers, from the first to the last.

    Parameters
    ----------
    quantizer : Quantizer
        Of the inputs; the same for all places of a channel.
    shape : tuple of 3 int
        Height, width and channels of the pictures.
    channel_means : ndarray of shape (n_channels,)
        Mean code of each channel.
    layers : sequence of Conv2D, Pool2D or Dense
    steps : sequence of tuples of StepActivation and float
        Activation of each layer that has one, for inputs of deviation 1; and its mean.
    sample : Sample
        What thresholds are measured on.
    eps : float or None
        Share of zeros where a layer has none of its own; None for the defaults.
    seed : int
        64-bit seed of the weights.
    readout_layers : {"last", "all"}, default="last"
        Which layers' codes are put out.

    Returns
    -------
    CompressedNetwork
    """
    built: list[Layer] = []
    codes, largest = sample.codes, 2**quantizer.n_bits - 1
    n_done = 0  # layers that the codes are of
    remaining = iter(steps)
    for number, spec in enumerate(layers):
        seen: Any = built[-1].shape_out if built else shape
        if isinstance(spec, Pool2D):
            layer: Layer = pooling_of(spec, seen, largest)
        else:
            step, _ = next(remaining)
            if n_done < number:
                alone = CompressedNetwork(quantizer, tuple(built), seed)
                codes = _engine.forward(codes, alone._prepared.all[n_done:])
                n_done = number
            if isinstance(spec, Conv2D):
                means = channel_means if not built else _mean_code(codes, sample)
                centre = _fixed(means)
                layer = _filters(
                    spec, seen, step, centre, codes, sample.weight, eps, seed, number
                )
            else:
                layer = _dense(spec, step, codes, sample.weight, eps)
        built.append(layer)
        largest = layer.largest_code
    lines = lines_of(built, steps)
    built = [layer.with_line(*line) for layer, line in zip(built, lines, strict=True)]
    return CompressedNetwork(quantizer, tuple(built), seed, readout_layers)


def frame_of(spec: Conv2D, shape: Shape, filters: Dense | None = None) -> Convolution:
    """Return a convolution with these filters, or some that only have the shape."""
    size = sides(spec.kernel_size)
    if filters is None:
        none = np.zeros(1, dtype=np.int64)
        n_taps = math.prod(size) * shape[2]
        levels = np.arange(2, dtype=np.uint8)
        filters = Dense(n_taps, spec.n_filters, 1, none, levels, none)
    return Convolution(filters, shape, size, spec.stride, spec.padding)


def pooling_of(spec: Pool2D, shape: Shape, largest: int) -> Pooling:
    """Return the pooling that is described, of pictures with codes up to `largest`."""
    if spec.grid is not None:
        grid = sides(spec.grid)
        size = tuple(-(-n // g) for n, g in zip(shape, grid, strict=False))
        starts = [grid_starts(*each) for each in zip(shape, size, grid, strict=False)]
    else:
        assert spec.size is not None
        size = sides(spec.size)
        starts = [
            tuple(range(0, n - s + 1, s)) for n, s in zip(shape, size, strict=False)
        ]
    return Pooling(shape, (size[0], size[1]), starts[0], starts[1], largest, spec.kind)


def _filters(
    spec: Conv2D,
    shape: Shape,
    step: Any,
    centre: npt.NDArray[np.int64],
    codes: npt.NDArray[np.uint8],
    weight: FloatArray,
    eps: float | None,
    seed: int,
    number: int,
) -> Convolution:
    """Return a convolution with thresholds that suit the windows it sees."""
    frame = frame_of(spec, shape)
    n_taps = frame.filters.n_inputs
    if n_taps < LEAST_TAPS:
        spec = replace(spec, weights="random", balanced=False)
    k = n_taps_kept(spec, n_taps, eps)
    windows, of_windows = _some_windows(frame, codes, weight)
    centres = centre if len(centre) == 1 else np.tile(centre, n_taps // len(centre))
    filters = replace(
        frame.filters,
        n_nonzeros=k,
        levels=step.levels.astype(np.uint8),
        centre=centres,
        balanced=spec.balanced and spec.weights == "random",
    )
    if spec.weights == "patches":
        weights = filters_from_patches(
            windows, of_windows, spec.n_filters, k, seed, number
        )
        units = _sum_deviations(windows, of_windows, weights, centres)
        # Sums are integers; whole thresholds make smaller files.
        thresholds = np.ceil(np.multiply.outer(units, step.thresholds))
        filters = replace(
            filters,
            weights=weights,
            thresholds=FIXED_POINT * thresholds.astype(np.int64),
        )
    else:
        unit = math.sqrt(_sum_variance(windows, of_windows, centres, filters))
        filters = replace(filters, thresholds=_fixed(step.thresholds * (unit or 1.0)))
    return frame_of(spec, shape, filters)


def _dense(
    spec: DenseSpec,
    step: Any,
    codes: npt.NDArray[np.uint8],
    weight: FloatArray,
    eps: float | None,
) -> Dense:
    """Return a dense layer with thresholds that suit the codes it sees."""
    share = eps if spec.eps is None else spec.eps
    n_inputs = codes.shape[1]
    k = n_nonzeros(n_inputs, _EPS if share is None else share, 4)
    total = float(weight.sum())
    doubles = codes.astype(np.float64)
    means = weight @ doubles / total
    variance = np.maximum(weight @ np.square(doubles) / total - means**2, 0.0)
    unit = math.sqrt(k / n_inputs * math.fsum(variance))
    return Dense(
        n_inputs=n_inputs,
        n_outputs=spec.n_units,
        n_nonzeros=k,
        thresholds=_fixed(step.thresholds * (unit or 1.0)),
        levels=step.levels.astype(np.uint8),
        centre=_fixed(means),
    )


def _some_windows(
    layer: Convolution, codes: npt.NDArray[np.uint8], weight: FloatArray
) -> tuple[npt.NDArray[np.uint8], FloatArray]:
    """Return all windows of the pictures, or some at random, and their weights."""
    patches = layer.patches
    n_windows = len(codes) * len(patches)
    chosen = np.arange(n_windows)
    if n_windows > _WINDOWS:
        words = splitmix64(0, np.arange(_WINDOWS))
        chosen = (words % np.uint64(n_windows)).astype(np.int64)
    rows, positions = np.divmod(chosen, len(patches))
    outside = np.zeros((len(codes), 1), dtype=np.uint8)
    with_outside = np.hstack([codes, outside])
    windows = with_outside[rows[:, np.newaxis], patches[positions]]
    return windows, weight[rows]


def _sum_variance(
    windows: npt.NDArray[np.uint8],
    weight: FloatArray,
    centre: npt.NDArray[np.int64],
    filters: Dense,
) -> float:
    """Return the mean square of a drawn filter's centred sum.

    Of independent signs it is k times the mean square of the inputs. A pair of
    opposite signs at two places has twice the variance within the window.
    """
    n_taps, k = filters.n_inputs, filters.n_nonzeros
    centred = windows - centre / FIXED_POINT
    total = float(weight.sum())
    energy = float(weight @ np.square(centred).mean(axis=1)) / total
    if not filters.balanced or n_taps == 1:
        return k * energy
    within = float(weight @ centred.var(axis=1, ddof=1)) / total
    single = k % 2
    return (k - single) * within + single * energy


def _sum_deviations(
    windows: npt.NDArray[np.uint8],
    weight: FloatArray,
    weights: Any,
    centre: npt.NDArray[np.int64],
) -> FloatArray:
    """Return the root mean square of each filter's centred sum."""
    signs = weights.dense(windows.shape[1]).astype(np.float32)
    offset = np.broadcast_to(centre / FIXED_POINT, len(signs)) @ signs
    squares = np.zeros(signs.shape[1])
    at_once = max(1, _SUMS_AT_ONCE // signs.shape[1])
    for start in range(0, len(windows), at_once):
        rows = slice(start, start + at_once)
        # Integers below 2**24 are exact.
        sums = (windows[rows].astype(np.float32) @ signs).astype(np.float64)
        squares += weight[rows] @ np.square(sums - offset)
    deviations = np.sqrt(squares / weight.sum())
    return np.where(deviations > 0, deviations, 1.0)


def _mean_code(codes: npt.NDArray[np.uint8], sample: Sample) -> FloatArray:
    """Return the mean of all codes, of any channel."""
    means = codes.mean(axis=1)
    return np.array([sample.weight @ means / sample.weight.sum()])


def _fixed(x: FloatArray) -> npt.NDArray[np.int64]:
    """Round to the fixed-point grid."""
    return np.rint(x * FIXED_POINT).astype(np.int64)
