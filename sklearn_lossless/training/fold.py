"""From trained layers to integer ones: normalisation goes into the thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data import Data, has_weight, row_blocks
from ..network import CompressedNetwork, Dense, TernaryWeights
from ..network._engine.gradient import TINY
from ..network.layers import FIXED_POINT, line_of_codes
from .layers import TrainedLayer
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
    network: CompressedNetwork,
    layers: Sequence[TrainedLayer],
    steps: Sequence[Any],
    taus: Sequence[float],
    data: Data,
) -> CompressedNetwork:
    """Return the integer network of trained layers.

    Each layer's sums are normalised by their mean and deviation over all rows that have
    weight, in place of those of a batch.

    Parameters
    ----------
    network : CompressedNetwork
        Without layers.
    layers : sequence of TrainedLayer
    steps : sequence of StepActivation
        Of each layer.
    taus : sequence of float
        Deviations that the steps are matched for.
    data : Data
        Its parts are `Part`.

    Returns
    -------
    CompressedNetwork
    """
    for layer, step, tau in zip(layers, steps, taus, strict=True):
        signs = layer.signs
        n_rows, total, squares = data.total(_sums, network, signs)
        mean = total / n_rows
        deviation = np.sqrt(np.maximum(squares / n_rows - mean**2, 0.0) + TINY)
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
        thresholds = lines_of_thresholds(first, span, step.thresholds)
        offset, step_size = line_of_codes(step, step.moments(tau).mean, len(gain))
        dense = Dense(
            n_inputs=signs.shape[1],
            n_outputs=len(gain),
            n_nonzeros=layer.n_nonzeros,
            thresholds=thresholds,
            levels=step.levels.astype(np.uint8),
            centre=np.zeros(1, dtype=np.int64),
            weights=TernaryWeights.of_signs(signs * flip[:, np.newaxis]),
            offset=offset,
            step_size=step_size,
        )
        network = replace(network, layers=(*network.layers, dense))
    return network


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


def _sums(part: Any, network: CompressedNetwork, signs: Array) -> Any:
    """Return number of rows, sums of a layer's sums, and of their squares."""
    weighted = has_weight(part)
    total, squares = np.zeros(len(signs)), np.zeros(len(signs))
    source = part.codes(network) if network.layers else None
    for rows in row_blocks(part.X):
        codes = (
            network.quantizer.codes(part.X[rows]) if source is None else source[rows]
        )
        sums = codes[weighted[rows]].astype(np.float32) @ signs.T
        sums = sums.astype(np.float64)  # integers: sums of these are exact
        total += sums.sum(axis=0)
        squares += np.square(sums).sum(axis=0)
    return Sums(np.count_nonzero(weighted), total, squares)
