"""Trained hidden layers of pictures, as the parameters of an estimator ask for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ._hidden_layers import MIN_NONZEROS, checkpoint_for, train_network
from .layers import Conv2D, Dense, Pool2D
from .network import CompressedNetwork, n_nonzeros
from .network.build_convolution import frame_of, pooling_of
from .theory import NetworkMatch
from .training import Checkpoint, Course, Goal, LayerPlan

__all__ = ["earlier_pictures", "train_pictures"]

#: Share of the weights of a filter that are not zero where no eps is given, and the
#: least number of them.
_SHARE, _LEAST = 1 / 6, 12

#: Share of zeros of dense layers where none is given.
_EPS = 0.9

#: `LayerPlan.deviation` of filters, and of dense layers after them.
_DEVIATION = 1.0


def earlier_pictures(
    earlier: Course | None,
    shape: tuple[int, int, int],
    layers: Sequence[Any],
    estimator: Any,
    goal: Goal | None,
) -> Checkpoint | None:
    """Return where an earlier training has ended; raise if none can go on there."""
    checkpoint = checkpoint_for(goal, earlier)
    if checkpoint is not None:
        checkpoint.check_pictures(_asked(shape, layers), estimator.input_bits)
    return checkpoint


def _asked(shape: tuple[int, int, int], layers: Sequence[Any]) -> tuple[Any, Any]:
    """Return what layers have to have in common for one training to follow another."""
    return shape, [
        layer if isinstance(layer, Pool2D) else replace(layer, eps=None)
        for layer in layers
    ]


def train_pictures(
    estimator: Any,
    data: Any,
    activations: Sequence[Any],
    matching: NetworkMatch,
    shape: tuple[int, int, int],
    layers: Sequence[Any],
    quantizer: Any,
    statistics: Any,
    goal: Goal | None,
    earlier: Course | None,
) -> tuple[CompressedNetwork, Course]:
    """Train layers of pictures.

    Parameters
    ----------
    estimator : NTKConvCompressor
        Its parameters count.
    data : Data
    activations : sequence of Activation
        Of each layer but poolings.
    matching : NetworkMatch
        The steps that match them.
    shape : tuple of 3 int
        Height, width and channels of the pictures.
    layers : sequence of Conv2D, Pool2D or Dense
    quantizer : Quantizer
        Of the inputs.
    statistics : CodeStatistics
        Of the codes of each channel.
    goal : ClassGoal or NumberGoal
    earlier : Course or None
        Of the training that this one goes on from.

    Returns
    -------
    network : CompressedNetwork
    course : Course
    """
    if not statistics.variance.any():
        raise ValueError(
            "X is constant on the scale of the previous call to fit, with which "
            "warm_start=True goes on."
        )
    plans: list[Any] = []
    seen: tuple[int, ...] = shape
    largest = 2**quantizer.n_bits - 1
    matches = zip(activations, matching.layers, strict=True)
    for layer in layers:
        if isinstance(layer, Pool2D):
            pooling = pooling_of(layer, (seen[0], seen[1], seen[2]), largest)
            plans.append(pooling)
            seen, largest = pooling.shape_out, pooling.largest_code
        else:
            plan = _plan(layer, seen, *next(matches), estimator.eps)
            plans.append(plan)
            seen = (plan.n_outputs,) if plan.frame is None else plan.frame.shape_out
            largest = int(plan.step.levels.max())
    return train_network(
        estimator,
        data,
        plans,
        quantizer,
        np.tile(statistics.variance > 0, plans[0].n_inputs // shape[2]),
        goal,
        earlier,
        pictures=_asked(shape, layers),
    )


def _plan(
    layer: Conv2D | Dense,
    seen: tuple[int, ...],
    activation: Any,
    match: Any,
    eps: float | None,
) -> LayerPlan:
    """Return what is to be trained of a layer that sees codes of this shape."""
    eps = eps if layer.eps is None else layer.eps
    if isinstance(layer, Dense):
        frame, n_inputs, n_outputs = None, math.prod(seen), layer.n_units
        k = n_nonzeros(n_inputs, _EPS if eps is None else eps, MIN_NONZEROS)
    else:
        frame = frame_of(layer, (seen[0], seen[1], seen[2]))
        n_inputs, n_outputs = frame.filters.n_inputs, layer.n_filters
        k = n_nonzeros(n_inputs, 1 - _SHARE, _LEAST)
        if eps is not None:
            k = n_nonzeros(n_inputs, eps)
    tau = match.tau_in_compressed
    return LayerPlan(
        activation,
        match.step,
        tau,
        n_inputs,
        n_outputs,
        k,
        frame,
        _DEVIATION,
        saturates=True,
    )
