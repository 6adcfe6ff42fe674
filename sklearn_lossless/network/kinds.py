"""Layers of any kind, and what is asked of all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .addition import Addition
from .convolution import Convolution, Pooling
from .layers import Dense

__all__ = ["Layer", "centre_of_inputs", "lines_of"]

#: Layers of any kind.
Layer: TypeAlias = Dense | Convolution | Pooling | Addition


def lines_of(
    layers: Sequence[Layer], steps: Sequence[tuple[Any, float]]
) -> list[tuple[float, float]]:
    """Return value at code 0 and step size of each layer's features.

    Parameters
    ----------
    layers : sequence of Dense, Convolution, Pooling or Addition
    steps : sequence of tuples of StepActivation and float
        Activation of each layer that has one, and its mean.

    Returns
    -------
    list of tuples of 2 float
        Those of poolings are of the means, or largest, of the values before; those of
        additions of the sums of values, which have one step size.
    """
    remaining = iter(steps)
    # Of the values that are no features yet; the inputs' are not known.
    lines: list[tuple[float, float]] = [(0.0, 1.0)]
    for layer in layers:
        offset, step_size = lines[-1]
        if layer.neurons is not None:
            step, mean = next(remaining)
            own = step.offset - mean, step.scale
        if isinstance(layer, Pooling):
            offset, step_size = layer.line_after(offset, step_size)
        elif isinstance(layer, Addition):
            added = own if layer.neurons is not None else lines[layer.skip + 1]
            offset += added[0]
        else:
            offset, step_size = own
        lines.append((offset, step_size))
    roots = [math.sqrt(layer.n_outputs) for layer in layers]
    return [
        (float(offset / root), float(step_size / root))
        for (offset, step_size), root in zip(lines[1:], roots, strict=True)
    ]


def centre_of_inputs(layer: Layer) -> npt.NDArray[np.int64]:
    """Return the codes that a first layer is centred at, in 1/256: one, or each."""
    if isinstance(layer, Convolution):
        of_channels = layer.filters.centre[: layer.shape_in[2]]
        return np.resize(of_channels, layer.n_inputs)
    return layer.centre if isinstance(layer, Dense) else np.zeros(1, np.int64)
