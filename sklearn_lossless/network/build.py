"""From matched steps and a seed to the integer network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ._checks import check_shape
from .layers import BIAS_UNIT, FIXED_POINT, Dense, line_of_codes, n_nonzeros, per_layer
from .network import CompressedNetwork
from .quantizer import AnyQuantizer, CodeStatistics
from .ternary import BIAS_STD

__all__ = ["build_network"]


def build_network(
    quantizer: AnyQuantizer,
    statistics: CodeStatistics,
    steps: Sequence[Any],
    taus: Sequence[float],
    hidden_layer_sizes: Sequence[int],
    *,
    eps: float | Iterable[float],
    seed: int,
    bias_std: float = 0.0,
    min_nonzeros: int = 1,
    readout_layers: str = "last",
) -> CompressedNetwork:
    """Turn matched steps into integer layers.

    Parameters
    ----------
    quantizer : Quantizer or ThresholdQuantizer
        Quantiser of the inputs.
    statistics : CodeStatistics
        Mean and variance of the codes it gives.
    steps : sequence of StepActivation
        Activation of each layer, for inputs of mean squared norm 1.
    taus : sequence of float
        Standard deviation of the input of each layer's activation.
    hidden_layer_sizes : sequence of int
        Width of each layer.
    eps : float or array-like of float, one per layer
        Share of zero weights, in [0, 1).
    seed : int
        64-bit seed of the weights.
    bias_std : float, default=0.0
        Standard deviation of the first layer's random biases, in units of the
        root mean squared norm of the centred inputs.
    min_nonzeros : int, default=1
        Least number of nonzero weights of a neuron in the first layer.
    readout_layers : {"last", "all"}, default="last"
        Which layers' codes are put out.

    Returns
    -------
    CompressedNetwork
    """
    layers: list[Dense] = []
    n_inputs = quantizer.n_codes
    check_shape(statistics.mean, (n_inputs,), "statistics.mean")
    centre = _fixed(statistics.mean)
    # Codes per unit of a centred input, times the square root of their number.
    unit = math.sqrt(statistics.total_variance)
    zeros = per_layer("eps", eps, len(steps))
    for step, tau, n_outputs, share in zip(
        steps, taus, hidden_layer_sizes, zeros, strict=True
    ):
        first = not layers
        k = n_nonzeros(n_inputs, share, min_nonzeros if first else 1)
        sum_unit = unit * math.sqrt(k / n_inputs)
        mean = step.moments(tau).mean
        offset, step_size = line_of_codes(step, mean, n_outputs)
        layers.append(
            Dense(
                n_inputs=n_inputs,
                n_outputs=n_outputs,
                n_nonzeros=k,
                thresholds=_fixed(step.thresholds * sum_unit),
                levels=step.levels.astype(np.uint8),
                centre=centre,
                bias_scale=round(
                    bias_std * sum_unit * FIXED_POINT * BIAS_UNIT / BIAS_STD
                )
                if first
                else 0,
                offset=offset,
                step_size=step_size,
            )
        )
        n_inputs = n_outputs
        mean_code = (mean - step.offset) / step.scale
        centre = _fixed(np.array([mean_code]))
        unit = math.sqrt(n_outputs) / abs(step.scale)
    return CompressedNetwork(quantizer, tuple(layers), seed, readout_layers)


def _fixed(x: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Round to the fixed-point grid."""
    return np.rint(x * FIXED_POINT).astype(np.int64)
