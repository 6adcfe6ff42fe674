"""Ternary layers with the weights of a trained network instead of random ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ._checks import check_features, check_shape
from .layers import FIXED_POINT, Dense, line_of_codes, n_nonzeros, per_layer
from .network import CompressedNetwork
from .quantizer import Quantizer
from .ternary import TernaryWeights

__all__ = ["layer_from_weights", "network_from_weights", "ternarise"]

FloatArray = npt.NDArray[np.float64]

#: Share of the samples that stay inside the outermost threshold.
_REACHED = 0.99


def ternarise(W: npt.NDArray[np.floating], eps: float) -> TernaryWeights:
    """Keep the signs of the largest weights of each neuron.

    Parameters
    ----------
    W : ndarray of shape (n_inputs, n_outputs)
        Dense weights.
    eps : float
        Share of zeros, in [0, 1).

    Returns
    -------
    TernaryWeights
        With as many nonzeros in each neuron, those of the largest magnitude; of equal
        ones the first. No biases.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_lossless.network import ternarise
    >>> weights = ternarise(np.array([[0.1], [-2.0], [0.3], [0.5]]), eps=0.5)
    >>> weights.indices, weights.n_plus
    (array([[3, 1]], dtype=int32), array([1], dtype=int32))
    """
    check_shape(W, ("n_inputs", "n_outputs"), "W")
    k = n_nonzeros(len(W), eps)
    largest = np.argsort(-np.abs(W), axis=0, kind="stable")[:k].T
    minus = np.take_along_axis(W.T, largest, axis=1) < 0
    signs = np.zeros(W.T.shape, dtype=np.int8)
    np.put_along_axis(signs, largest, np.where(minus, -1, 1).astype(np.int8), axis=1)
    return TernaryWeights.of_signs(signs)


def layer_from_weights(
    W: npt.NDArray[np.floating],
    codes: npt.NDArray[np.unsignedinteger],
    preactivation: npt.NDArray[np.floating],
    thresholds: FloatArray,
    levels: npt.NDArray[np.integer],
    eps: float,
) -> tuple[Dense, FloatArray, FloatArray]:
    """Make a layer of stored weights that follows a reference network's preactivations.

    The preactivation of each neuron is fitted by a line in its sum, by least squares;
    the line goes into the thresholds. These are those of one step for all neurons,
    scaled neuron by neuron: 1 % of the samples pass the outermost threshold on one
    side of zero, and no more than that on the other.

    Parameters
    ----------
    W : ndarray of shape (n_inputs, n_outputs)
        Weights of the reference network, times the step size of each input's codes.
    codes : ndarray of shape (n_samples, n_inputs), dtype uint8
        Codes that the layer sees.
    preactivation : ndarray of shape (n_samples, n_outputs)
        What the reference network's neurons see of the same samples.
    thresholds : ndarray of shape (n_thresholds,)
        Of the step, at any scale.
    levels : ndarray of shape (n_thresholds + 1,)
        Codes of the step.
    eps : float
        Share of zeros, in [0, 1).

    Returns
    -------
    Dense
        Neurons whose sum is not positively correlated with the reference
        preactivation always put out the first level.
    scale : ndarray of shape (n_outputs,), dtype float64
        Preactivation of each neuron that stands for 1 in the step's input.
    correlation : ndarray of shape (n_outputs,), dtype float64
        Between the sums and the reference preactivations.
    """
    weights = ternarise(W, eps)
    n_inputs, n_outputs = W.shape
    check_shape(codes, ("n_samples", n_inputs), "codes")
    check_shape(preactivation, (len(codes), n_outputs), "preactivation")
    # Integers, so the sums are exact.
    sums = codes.astype(np.float64) @ weights.dense(n_inputs).astype(np.float64)
    sum_mean, mean = sums.mean(axis=0), preactivation.mean(axis=0, dtype=np.float64)
    covariance = np.mean((sums - sum_mean) * (preactivation - mean), axis=0)
    variance = sums.var(axis=0)
    deviation = preactivation.std(axis=0, dtype=np.float64)
    alive = covariance > 1e-12 * np.sqrt(variance) * deviation
    alive &= (variance > 0) & (deviation > 0)
    slope = np.where(alive, covariance, 1.0) / np.where(alive, variance, 1.0)
    fitted = mean + slope * (sums - sum_mean)
    scale = _step_scale(fitted, thresholds)
    in_sums = scale[:, np.newaxis] * thresholds - mean[:, np.newaxis]
    in_sums = in_sums / slope[:, np.newaxis] + sum_mean[:, np.newaxis]
    # Sums are integers, so thresholds can be rounded up to integers; this makes files
    # smaller.
    fixed = FIXED_POINT * np.ceil(in_sums).astype(np.int64)
    never = FIXED_POINT * (n_inputs * int(codes.max(initial=1)) + 1)
    fixed[~alive] = never
    layer = Dense(
        n_inputs=n_inputs,
        n_outputs=n_outputs,
        n_nonzeros=weights.indices.shape[1],
        thresholds=fixed,
        levels=levels.astype(np.uint8),
        centre=np.zeros(1, dtype=np.int64),
        weights=weights,
    )
    product = np.where(alive, np.sqrt(variance) * deviation, 1.0)
    return layer, scale, np.where(alive, covariance, 0.0) / product


def _step_scale(fitted: FloatArray, thresholds: FloatArray) -> FloatArray:
    """Return the scale at which 1 % of the samples pass an outermost threshold."""
    low, high = np.quantile(fitted, [1 - _REACHED, _REACHED], axis=0)
    above = high / thresholds[-1] if thresholds[-1] > 0 else np.zeros_like(high)
    below = low / thresholds[0] if thresholds[0] < 0 else np.zeros_like(low)
    root_mean_square = np.sqrt(np.mean(np.square(fitted), axis=0))
    return np.maximum(np.maximum(above, below), 0.01 * root_mean_square + 1e-300)


def network_from_weights(
    quantizer: Quantizer,
    X: npt.NDArray[np.floating],
    weights: Sequence[npt.NDArray[np.floating]],
    biases: Sequence[npt.NDArray[np.floating]],
    activations: Sequence[Callable[[FloatArray], FloatArray]],
    steps: Sequence[Any],
    taus: Sequence[float],
    *,
    eps: float | Iterable[float],
    seed: int,
    readout_layers: str = "last",
) -> tuple[CompressedNetwork, list[FloatArray]]:
    """Make a network of the signs of a trained network's largest weights.

    Parameters
    ----------
    quantizer : Quantizer
        Quantiser of the inputs.
    X : ndarray of shape (n_samples, n_features)
        Typical samples, to which the sums of the layers are fitted one by one.
    weights : sequence of ndarray of shape (n_inputs, n_outputs)
        Hidden weights of the reference network.
    biases : sequence of ndarray of shape (n_outputs,)
    activations : sequence of callable
        Activation of each layer of the reference network.
    steps : sequence of StepActivation
        Steps that match them.
    taus : sequence of float
        Deviation of the inputs that each step was matched for.
    eps : float or array-like of float, one per layer
        Share of zero weights, in [0, 1).
    seed : int
        Kept in the network, which draws nothing from it.
    readout_layers : {"last", "all"}, default="last"
        Which layers' codes are put out.

    Returns
    -------
    CompressedNetwork
    correlations : list of ndarray of shape (n_outputs,)
        Between each neuron's sum and what the reference network's neuron sees.
    """
    X = check_features(X, quantizer.n_features, type(quantizer).__name__)
    n_inputs = quantizer.n_features
    for number, (W, bias) in enumerate(zip(weights, biases, strict=True)):
        check_shape(W, (n_inputs, "n_outputs"), f"weights[{number}]")
        n_inputs = W.shape[1]
        check_shape(bias, (n_inputs,), f"biases[{number}]")
    network = CompressedNetwork(quantizer, (), seed, readout_layers)
    correlations = []
    codes: npt.NDArray[Any] = quantizer.codes(X)
    Z = np.asarray(X, dtype=np.float64)
    unit = np.ones(X.shape[1])
    zeros = per_layer("eps", eps, len(steps))
    for W, bias, activation, step, tau, share in zip(
        weights, biases, activations, steps, taus, zeros, strict=True
    ):
        H = Z @ W + bias
        layer, unit, correlation = layer_from_weights(
            W * unit[:, np.newaxis], codes, H, step.thresholds / tau, step.levels, share
        )
        mean = step.moments(tau).mean
        offset, step_size = line_of_codes(step, mean, layer.n_outputs)
        layer = replace(layer, offset=offset, step_size=step_size)
        correlations.append(correlation)
        network = replace(network, layers=(*network.layers, layer))
        codes = replace(network, readout_layers="last").forward(X)
        Z = np.asarray(activation(H), dtype=np.float64)
    return network, correlations
