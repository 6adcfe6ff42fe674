"""The kinds of layers: what, beside the seed, determines each."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .._printing import short_repr
from .ternary import TernaryWeights

__all__ = [
    "BIAS_UNIT",
    "FIXED_POINT",
    "Dense",
    "integer_thresholds",
    "line_of_codes",
    "n_nonzeros",
    "neuron_offsets",
    "per_layer",
]

#: Thresholds, centres and biases are integers in 1/256 of a sum of codes.
FIXED_POINT = 256

#: Weights that are summed up together.
_WEIGHTS_AT_ONCE = 2**20

#: bias = 18-bit integer * `Dense.bias_scale` / 2**16.
BIAS_UNIT = 2**16


@dataclass(frozen=True, eq=False)
class Dense:
    """What, beside the seed, determines a layer in which every neuron sees all inputs.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Shape of the layer.
    n_nonzeros : int
        Nonzero weights of each neuron.
    thresholds : ndarray of shape (n_thresholds,) or (n_outputs, n_thresholds), \
            dtype int64
        Where the activation steps, in 1/256 of a centred sum of input codes; for
        all neurons or for each.
    levels : ndarray of shape (n_thresholds + 1,), dtype uint8
        Codes of the activation's cells, from left to right.
    centre : ndarray of shape (1,) or (n_inputs,), dtype int64
        Mean code of all inputs or of each, in 1/256.
    bias_scale : int, default=0
        Size of the random biases; 0 for none.
    weights : TernaryWeights or None, default=None
        The weights, where they are not drawn from the seed.
    offset, step_size : float, default=0.0, 1.0
        A code stands for the feature ``offset + step_size * code``.
    balanced : bool, default=False
        Whether neurons whose weights are drawn have as many +1 as -1.
    """

    __repr__ = short_repr

    n_inputs: int
    n_outputs: int
    n_nonzeros: int
    thresholds: npt.NDArray[np.int64]
    levels: npt.NDArray[np.uint8]
    centre: npt.NDArray[np.int64]
    bias_scale: int = 0
    weights: TernaryWeights | None = None
    offset: float = 0.0
    step_size: float = 1.0
    balanced: bool = False

    @property
    def neurons(self) -> Dense:
        """The layer's neurons as a dense layer."""
        return self

    def with_line(self, offset: float, step_size: float) -> Dense:
        """Return the layer with another value of code 0 and step size.

        Parameters
        ----------
        offset, step_size : float

        Returns
        -------
        Dense
        """
        return replace(self, offset=offset, step_size=step_size)

    @property
    def shape_in(self) -> tuple[int, ...]:
        """Shape of the codes of one sample that the layer sees."""
        return (self.n_inputs,)

    @property
    def shape_out(self) -> tuple[int, ...]:
        """Shape of the codes of one sample that the layer puts out."""
        return (self.n_outputs,)

    @property
    def n_weights(self) -> int:
        """Number of weights, zeros included."""
        return self.n_inputs * self.n_outputs

    @property
    def n_nonzero_weights(self) -> int:
        """Number of weights that are not zero."""
        return self.n_nonzeros * self.n_outputs

    @property
    def largest_code(self) -> int:
        """Largest code that the layer puts out."""
        return int(self.levels.max())

    @property
    def n_bits(self) -> int:
        """Bits of an output code."""
        return self.largest_code.bit_length()


def line_of_codes(step: Any, mean: float, n_outputs: int) -> tuple[float, float]:
    """Return `offset` and `step_size` of a layer with the activation `step`.

    Features are centred, and their inner products are means over the neurons.

    Parameters
    ----------
    step : StepActivation
    mean : float
        Mean of the step.
    n_outputs : int
        Number of neurons.

    Returns
    -------
    offset, step_size : float
    """
    root = math.sqrt(n_outputs)
    return float((step.offset - mean) / root), float(step.scale / root)


def integer_thresholds(layer: Dense, weights: TernaryWeights) -> npt.NDArray[np.int64]:
    """Return the least integer sum that reaches each threshold of each neuron.

    A neuron reaches a threshold if its centred sum plus its bias does; all three
    are integers in 1/256, so that ties are decided here and nowhere else.

    Parameters
    ----------
    layer : Dense
    weights : TernaryWeights
        Weights of the layer; a bias counts `layer.bias_scale` times.

    Returns
    -------
    ndarray of shape (n_outputs, n_thresholds), dtype int64
    """
    offset = neuron_offsets(layer, weights)
    # In place: many neurons times many thresholds are large.
    thresholds = layer.thresholds + offset[:, np.newaxis]
    np.negative(thresholds, out=thresholds)
    thresholds //= FIXED_POINT
    return np.negative(thresholds, out=thresholds)


def neuron_offsets(layer: Dense, weights: TernaryWeights) -> npt.NDArray[np.int64]:
    """Return the constant that is subtracted from each neuron's sum, in 1/256.

    It is the sum of the signed centres, minus the bias.

    Parameters
    ----------
    layer : Dense
    weights : TernaryWeights
        Weights of the layer; a bias counts `layer.bias_scale` times.

    Returns
    -------
    ndarray of shape (n_outputs,), dtype int64
    """
    if len(layer.centre) == 1:
        offset = layer.centre * (2 * weights.n_plus.astype(np.int64) - layer.n_nonzeros)
    else:
        offset = np.empty(layer.n_outputs, dtype=np.int64)
        n_at_once = max(1, _WEIGHTS_AT_ONCE // layer.n_nonzeros)
        for start in range(0, layer.n_outputs, n_at_once):
            rows = slice(start, start + n_at_once)
            part = TernaryWeights(
                weights.indices[rows], weights.n_plus[rows], weights.bias[rows]
            )
            centre = layer.centre[part.indices]
            offset[rows] = (part.signs() * centre).sum(axis=1)
    return offset - (weights.bias * layer.bias_scale) // BIAS_UNIT


def per_layer(name: str, value: Any, n_layers: int) -> list[Any]:
    """Return one value for each layer.

    Parameters
    ----------
    name : str
        What it is, for messages.
    value : number or array-like
        One for all layers, or one per layer.
    n_layers : int
        Number of layers.

    Returns
    -------
    list
        Python's numbers, where `value` is an array.

    Raises
    ------
    ValueError
        If there are more or fewer values than layers.
    """
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, Iterable):
        return [value] * n_layers
    values = list(value)
    if len(values) != n_layers:
        raise ValueError(
            f"{name} must be one number, or one per hidden layer: got {len(values)} "
            f"numbers for {n_layers} hidden layers, {name}={value!r}."
        )
    return values


def n_nonzeros(n_inputs: int, eps: float, at_least: int = 1) -> int:
    """Return how many of a neuron's `n_inputs` weights are not zero.

    Parameters
    ----------
    n_inputs : int
        Number of inputs.
    eps : float
        Share of zeros, in [0, 1).
    at_least : int, default=1
        Lower bound where there are as many inputs.

    Returns
    -------
    int
    """
    return max(round((1.0 - eps) * n_inputs), min(at_least, n_inputs))
