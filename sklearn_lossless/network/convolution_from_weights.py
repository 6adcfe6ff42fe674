"""Layers of pictures with the weights of a trained network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..layers import Conv2D, Pool2D
from ..layers import Dense as DenseSpec
from ._checks import check_shape
from .build_convolution import frame_of, pooling_of
from .convolution import Convolution, Pooling, Shape
from .from_weights import layer_from_weights
from .kinds import Layer, lines_of
from .network import CompressedNetwork
from .quantizer import Quantizer
from .ternary import splitmix64

__all__ = ["convolution_from_weights", "filter_sums", "pooled_values"]

FloatArray = npt.NDArray[np.float64]

#: Windows that the sums of a layer are fitted on.
_WINDOWS = 2**14

#: Numbers that are there at once of windows.
_AT_ONCE = 2**20


def convolution_from_weights(
    quantizer: Quantizer,
    shape: Shape,
    X: npt.NDArray[np.floating],
    layers: Sequence[Conv2D | Pool2D | DenseSpec],
    weights: Sequence[tuple[FloatArray, FloatArray]],
    activations: Sequence[Callable[[FloatArray], FloatArray]],
    match: Callable[[int, float], tuple[Any, float]],
    *,
    eps: Sequence[float],
    seed: int,
    readout_layers: str = "last",
) -> tuple[CompressedNetwork, list[FloatArray]]:
    """Make a network of the signs of a trained network's largest weights.

    Layer by layer, as `network_from_weights`: each sum is fitted to what the reference
    network's filter sees of the same windows.

    Parameters
    ----------
    quantizer : Quantizer
        Quantiser of the inputs.
    shape : tuple of 3 int
        Height, width and channels of the pictures.
    X : ndarray of shape (n_samples, n_features)
        Typical pictures, channels last.
    layers : sequence of Conv2D, Pool2D or Dense
        First to last.
    weights : sequence of tuples of ndarray of shape (n_inputs, n_outputs) and \
            (n_outputs,)
        Weights and biases of each layer but poolings, inputs with channels last.
    activations : sequence of callable
        Of these layers in the reference network.
    match : callable
        Maps the number of such a layer, from 0, and the deviation of its inputs in the
        reference network to a step, and the mean of the step.
    eps : sequence of float, one for each of these layers
        Share of zero weights, in [0, 1).
    seed : int
        Kept in the network, which draws nothing from it.
    readout_layers : {"last", "all"}, default="last"
        Which layers' codes are put out.

    Returns
    -------
    CompressedNetwork
    correlations : list of ndarray of shape (n_outputs,)
        Between each filter's sum and what the reference network's filter sees.
    """
    built: list[Layer] = []
    steps: list[tuple[Any, float]] = []
    correlations: list[FloatArray] = []
    Z = np.asarray(X, dtype=np.float64)
    codes: npt.NDArray[Any] = quantizer.codes(X)
    largest = 2**quantizer.n_bits - 1
    # Value in the reference network of a step of an input's code, up to one factor.
    unit = np.ones(shape[2])
    seen: Any = shape
    for spec in layers:
        layer: Layer
        if isinstance(spec, Pool2D):
            layer = pooling_of(spec, seen, largest)
            Z = pooled_values(Z, layer)
        else:
            number = len(steps)
            W, bias = weights[number]
            frame = frame_of(spec, seen) if isinstance(spec, Conv2D) else None
            n_inputs = Z.shape[1] if frame is None else frame.filters.n_inputs
            check_shape(W, (n_inputs, "n_outputs"), f"weights[{number}]")
            inputs = np.resize(unit, n_inputs)  # channels are last
            H = filter_sums(Z, frame, W, bias)
            tau = float(np.sqrt(np.mean(np.square(H)))) or 1.0
            step, mean = match(number, tau)
            some = _some(H.shape[0], H.shape[1])
            neurons, unit, correlation = layer_from_weights(
                W * inputs[:, np.newaxis],
                _windows(codes, frame, *some),
                H[some],
                step.thresholds / tau,
                step.levels,
                eps[number],
            )
            correlations.append(correlation)
            steps.append((step, mean))
            layer = neurons if frame is None else replace(frame, filters=neurons)
            Z = np.asarray(activations[number](H), dtype=np.float64)
            Z = Z.reshape(len(Z), -1)
        codes = CompressedNetwork(quantizer, (*built, layer), seed).forward(X)
        built.append(layer)
        largest = layer.largest_code
        seen = getattr(layer, "shape_out", (layer.n_outputs,))
    lines = lines_of(built, steps)
    built = [layer.with_line(*line) for layer, line in zip(built, lines, strict=True)]
    network = CompressedNetwork(quantizer, tuple(built), seed, readout_layers)
    return network, correlations


def filter_sums(
    Z: FloatArray, frame: Convolution | None, W: FloatArray, bias: FloatArray
) -> FloatArray:
    """Return the sums of real filters, or of dense neurons.

    Parameters
    ----------
    Z : ndarray of shape (n_samples, n_inputs)
        Values of the layer below, channels last.
    frame : Convolution or None
        Says where filters lie; None: neurons see all inputs.
    W : ndarray of shape (n_taps, n_filters)
    bias : ndarray of shape (n_filters,)

    Returns
    -------
    ndarray of shape (n_samples, n_positions, n_filters)
    """
    if frame is None:
        return (Z @ W + bias)[:, np.newaxis]
    n_positions, n_taps = frame.patches.shape
    H = np.empty((len(Z), n_positions, W.shape[1]))
    size = max(1, _AT_ONCE // (n_positions * n_taps))
    for start in range(0, len(Z), size):
        rows = Z[start : start + size]
        outside = np.zeros((len(rows), 1))
        H[start : start + size] = np.hstack([rows, outside])[:, frame.patches] @ W
    return H + bias


def _some(
    n_samples: int, n_positions: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return pictures and positions of all windows, or of some at random."""
    n_windows = n_samples * n_positions
    chosen = np.arange(n_windows)
    if n_windows > _WINDOWS:
        words = splitmix64(0, np.arange(_WINDOWS))
        chosen = (words % np.uint64(n_windows)).astype(np.int64)
    rows, positions = np.divmod(chosen, n_positions)
    return rows, positions


def _windows(
    codes: npt.NDArray[Any],
    frame: Convolution | None,
    rows: npt.NDArray[np.int64],
    positions: npt.NDArray[np.int64],
) -> npt.NDArray[Any]:
    """Return the codes in windows; of a dense layer all of them."""
    if frame is None:
        return codes[rows]
    outside = np.zeros((len(codes), 1), dtype=codes.dtype)
    padded = np.hstack([codes, outside])
    return np.asarray(padded[rows[:, np.newaxis], frame.patches[positions]])


def pooled_values(Z: FloatArray, layer: Pooling) -> FloatArray:
    """Return means, or largest values, of windows; rows are pictures."""
    pictures = Z.reshape(len(Z), -1, layer.shape_in[2])[:, layer.windows]
    pooled = pictures.max(axis=2) if layer.kind == "max" else pictures.mean(axis=2)
    return pooled.reshape(len(Z), -1)
