"""From trained layers to integer ones: normalisation goes into the thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data import Data, has_weight, row_blocks
from ..network import CompressedNetwork, Convolution, Dense, TernaryWeights, _engine
from ..network.kinds import lines_of
from ..network.layers import FIXED_POINT
from .layers import Neurons
from .pictures import PictureLayers, TrainedFilters, blocks_of
from .sums import Sums

__all__ = ["folded_network", "lines_of_thresholds"]

Array = npt.NDArray[Any]

#: Steps of a neuron's thresholds between its first and its second, at least.
_RESOLUTION = 8

#: Thresholds are spread over no more than this many times the largest sum.
_MOST_SPREAD = 64

#: Thresholds between the first and the last lie at shares of the way in units of this.
_SHARE_BITS = 16


def folded_network(
    network: CompressedNetwork, layers: Sequence[Any], data: Data
) -> CompressedNetwork:
    """Return the integer network of trained layers.

    Each layer's sums are normalised by their mean and deviation over all rows that have
    weight, in place of those of a batch.

    Parameters
    ----------
    network : CompressedNetwork
        Without layers.
    layers : sequence of TrainedLayer or PictureLayers
    data : Data
        Its parts are `Part`.

    Returns
    -------
    CompressedNetwork
    """
    folded: list[Neurons] = []
    for layer in layers:
        for each in layer.layers if isinstance(layer, PictureLayers) else [layer]:
            made: list[Any] = []
            if isinstance(each, Neurons):
                folded.append(each)
                made.append(_folded(network, each, data))
            # The step rises, so that pooling may be after it.
            pooling = getattr(each, "pooling", None)
            if pooling is not None:
                made.append(pooling)
            network = replace(network, layers=(*network.layers, *made))
    steps = [(each.step, each.step.moments(each.tau).mean) for each in folded]
    lines = lines_of(network.layers, steps)
    of_lines = [
        layer.with_line(*line)
        for layer, line in zip(network.layers, lines, strict=True)
    ]
    return replace(network, layers=tuple(of_lines))


def _folded(
    network: CompressedNetwork, layer: Neurons, data: Data
) -> Dense | Convolution:
    """Return the integer layer of trained neurons that come next in a network."""
    step, signs = layer.step, layer.signs
    count, total, squares = data.total(_totals, network, layer)
    mean = total / count
    deviation = np.sqrt(
        np.maximum(squares / count - mean**2, 0.0) + _engine.gradient.TINY
    )
    gain, shift = layer.gain.astype(float), layer.shift.astype(float)
    # A negative gain is a positive one of opposite weights.
    flip = np.where(gain < 0, -1.0, 1.0)
    largest = int(_largest_sum(network, layer.n_nonzeros))
    # Beyond the cap thresholds are out of reach of all sums, or next to the shift.
    cap = _MOST_SPREAD * largest
    rate = np.minimum(deviation / np.maximum(np.abs(gain), 1e-12), cap)
    first = flip * mean + (step.thresholds[0] - shift) * rate
    span = (step.thresholds[-1] - step.thresholds[0]) * rate
    # In fractions: sums of bits are so small that whole numbers are too coarse.
    first, span = FIXED_POINT * first, FIXED_POINT * span
    dense = Dense(
        n_inputs=signs.shape[1],
        n_outputs=len(gain),
        n_nonzeros=layer.n_nonzeros,
        thresholds=lines_of_thresholds(first, span, step.thresholds),
        levels=step.levels.astype(np.uint8),
        centre=np.zeros(1, dtype=np.int64),
        weights=TernaryWeights.of_signs(signs * flip[:, np.newaxis]),
    )
    if isinstance(layer, TrainedFilters):
        return replace(layer.frame, filters=dense)
    return dense


def lines_of_thresholds(
    first: Array, span: Array, thresholds: Array
) -> npt.NDArray[np.int64]:
    """Return thresholds of neurons that are those of one step, moved and stretched.

    They follow from two small integers for each neuron, so that files can store these.

    Parameters
    ----------
    first : ndarray of shape (n_outputs,)
        First threshold of each neuron, in 1/256.
    span : ndarray of shape (n_outputs,)
        From the first to the last.
    thresholds : ndarray of shape (n_thresholds,)
        Of the step, at any scale.

    Returns
    -------
    ndarray of shape (n_outputs, n_thresholds), dtype int64
    """
    n_thresholds = len(thresholds)
    typical = np.median(span) / max(n_thresholds - 1, 1)
    if n_thresholds == 1:
        typical = np.median(np.abs(first))
    bits = max(0, int(np.floor(np.log2(max(typical / _RESOLUTION, 1.0)))))
    unit = 1 << bits
    low, width = (np.rint(each / unit).astype(np.int64) for each in (first, span))
    shares = np.zeros(1)
    if n_thresholds > 1:
        shares = (thresholds - thresholds[0]) / (thresholds[-1] - thresholds[0])
    whole = np.rint(shares * (1 << _SHARE_BITS)).astype(np.int64)
    between = (unit * width[:, np.newaxis] * whole) >> _SHARE_BITS
    return unit * low[:, np.newaxis] + between


def _largest_sum(network: CompressedNetwork, n_nonzeros: int) -> int:
    if network.layers:
        return n_nonzeros * network.layers[-1].largest_code
    return n_nonzeros * (2**network.quantizer.n_bits - 1)


def _totals(part: Any, network: CompressedNetwork, layer: Neurons) -> Sums:
    """Return number, sum and sum of squares of what a layer sums up, of a part."""
    weighted = has_weight(part)
    found = Sums(0, 0.0, 0.0)
    source = None
    if network.layers:
        source = part.codes(network.with_readout_layers("last"))
    for rows in row_blocks(part.X):
        codes = (
            network.quantizer.codes(part.X[rows]) if source is None else source[rows]
        )
        codes = codes[weighted[rows]]
        if isinstance(layer, TrainedFilters):
            for planes in blocks_of(codes, layer.frame.shape_in, [layer]):
                found += layer.totals(layer.sums(planes)[1])
        else:
            sums = codes.astype(np.float32) @ layer.signs.T
            sums = sums.astype(np.float64)  # integers: sums of these are exact
            found += Sums(len(sums), sums.sum(axis=0), np.square(sums).sum(axis=0))
    return found
