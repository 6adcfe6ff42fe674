"""Layers of pictures with the weights of a reference network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ._hidden_layers import draw_seed
from .data import Data, spread_rows
from .layers import Conv2D, Pool2D
from .network import CompressedNetwork
from .network.build_convolution import output_shapes
from .network.convolution_from_weights import convolution_from_weights
from .reference.pictures import PictureReference
from .theory import LayerMatch, NetworkMatch, match_activation

__all__ = ["fitted_pictures"]

#: Share of zeros of filters and of dense layers where none is given.
_EPS = {True: 0.3, False: 0.8}

#: Pictures that sums are fitted on: at most, at least, and numbers of the widest layer
#: of theirs.
_MOST, _LEAST, _NUMBERS = 2048, 256, 2**23


def fitted_pictures(
    estimator: Any,
    data: Data,
    reference: PictureReference,
    n_levels: Sequence[int],
    shape: tuple[int, int, int],
    quantizer: Any,
) -> tuple[CompressedNetwork, NetworkMatch]:
    """Make layers that keep the signs of a reference network's largest weights.

    Parameters
    ----------
    estimator : NTKConvCompressor
        Its parameters count.
    data : Data
    reference : PictureReference
    n_levels : sequence of int
        Of each layer but poolings.
    shape : tuple of 3 int
        Height, width and channels of the pictures.
    quantizer : Quantizer
        Of the inputs.

    Returns
    -------
    network : CompressedNetwork
    matching : NetworkMatch
        Each step is matched for the deviation that its inputs have in the reference
        network.
    """
    layers = reference.layers
    active = [layer for layer in layers if not isinstance(layer, Pool2D)]
    places = [n for n, each in enumerate(layers, 1) if not isinstance(each, Pool2D)]
    matches: list[LayerMatch] = []

    def match(number: int, tau: float) -> tuple[Any, float]:
        found = match_activation(
            reference.activations[number],
            tau,
            n_levels=n_levels[number],
            layer=places[number],
        )
        matches.append(found)
        return found.step, found.achieved.mean

    eps = [
        _EPS[isinstance(layer, Conv2D)] if estimator.eps is None else estimator.eps
        for layer in active
    ]
    widest = max(math.prod(each) for each in (shape, *output_shapes(shape, layers)))
    network, correlations = convolution_from_weights(
        quantizer,
        shape,
        spread_rows(data, min(_MOST, max(_LEAST, _NUMBERS // widest))),
        layers,
        reference.weights_at(shape)[:-1],
        reference.activations,
        match,
        eps=eps,
        seed=draw_seed(estimator.random_state),
        readout_layers=estimator.readout_layers,
    )
    if estimator._progress is not None:
        means = ", ".join(f"{each.mean():.3f}" for each in correlations)
        estimator._progress(
            f"correlation with the fitted filters' inputs, mean of each layer: {means}"
        )
    return network, NetworkMatch(tuple(matches))
