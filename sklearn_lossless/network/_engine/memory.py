"""What the kernels take, before anything is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .layer import BLOCK, GROUP, N_WORDS
from .pictures import CHUNK_BYTES, WINDOW_CODES

__all__ = ["ConvolutionShape", "LayerShape", "convolution_bytes", "forward_bytes"]

#: Bytes of a row of inputs.
_ROW = 8 * N_WORDS

#: Batches up to this many samples are never packed in blocks.
_MAX_LANES = 64


class LayerShape(NamedTuple):
    """Numbers of a layer that its memory depends on."""

    n_inputs: int
    n_outputs: int
    n_nonzeros: int
    n_thresholds: int
    input_bits: int
    output_bits: int


def forward_bytes(layers: Sequence[LayerShape], n_samples: int) -> int:
    """Bound the memory of prepared layers, and of a thread's `forward` with them.

    Parameters
    ----------
    layers : sequence of LayerShape
        The first one first.
    n_samples : int
        Samples in a call.

    Returns
    -------
    int
        Bytes, what is only there while layers are prepared included.
    """
    prepared, taps, planes, preparing = 0, 0, 0, 0
    for layer in layers:
        n_taps = -(-layer.n_nonzeros // GROUP) * GROUP * layer.n_outputs
        n_thresholds = layer.n_thresholds * layer.n_outputs
        taps += 4 * n_taps
        prepared += 4 * n_thresholds + 16 * layer.n_outputs
        wide = 5 * n_taps * 64 // max(64, layer.n_outputs) + 80 * layer.n_inputs
        preparing = max(preparing, 8 * n_thresholds + wide)
        planes += plane_bytes(layer)
    prepared += taps + (planes if planes_pay(planes, taps) else 0)
    widths = [layers[0].n_inputs, *(layer.n_outputs for layer in layers)]
    padded = [width + BLOCK for width in widths]
    working = _ROW * sum(padded) + _MAX_LANES * padded[0]
    if n_samples > _MAX_LANES:
        bits = [layers[0].input_bits, *(layer.output_bits for layer in layers)]
        blocks = sum(_ROW * n * each for n, each in zip(padded, bits, strict=True))
        blocks += (BLOCK + _ROW) * padded[0] + BLOCK * max(padded[1:])
        working += blocks
    return prepared + preparing + working


class ConvolutionShape(NamedTuple):
    """Numbers of a convolution, and of a pooling after it, that memory depends on."""

    filters: LayerShape
    n_padded: int
    n_positions: int
    n_windows: int
    area: int


def convolution_bytes(layer: ConvolutionShape) -> int:
    """Bound the memory of a prepared convolution, and of a thread that runs it.

    Parameters
    ----------
    layer : ConvolutionShape

    Returns
    -------
    int
        Bytes, the pooling after it included. Codes that go in and come out are not
        counted.
    """
    filters = layer.filters
    # Filters on planes: inputs with zeros behind, and what a few filters make of them.
    n_rows = 2 * (layer.n_padded + BLOCK)
    planes = _ROW * n_rows * filters.input_bits + BLOCK * n_rows
    at_once = max(1, CHUNK_BYTES // (layer.n_positions * filters.output_bits * _ROW))
    at_once = min(at_once, filters.n_outputs)
    n_made = layer.n_positions * at_once + BLOCK
    n_pooled = layer.n_windows * at_once + BLOCK
    planes += _ROW * (filters.output_bits * n_made + 8 * n_pooled)
    planes += BLOCK * max(n_made, n_pooled) + 32 * layer.area * n_pooled
    n_taps = -(-filters.n_nonzeros // GROUP) * GROUP * filters.n_outputs
    # All sizes twice: those of the last filters are others.
    planes = 2 * planes + 16 * n_taps + 64 * layer.n_positions
    # Windows as samples.
    widest = max(filters.n_inputs, filters.n_outputs)
    windows = 8 * max(WINDOW_CODES, layer.n_positions * widest) + layer.n_padded
    dense = forward_bytes([filters], max(layer.n_positions, BLOCK))
    return planes + windows + dense


def plane_bytes(layer: LayerShape) -> int:
    """Return the size of `PreparedLayer.weight_planes`."""
    sum_bits = (layer.n_nonzeros * (2**layer.input_bits - 1) + 1).bit_length()
    n_rows = 2 * (layer.n_inputs + 1) + layer.n_thresholds * (sum_bits + 1)
    return -(-layer.n_outputs // (64 * N_WORDS)) * n_rows * _ROW


def planes_pay(planes: int, taps: int) -> bool:
    """Return whether layers are worth planes of weights for samples one by one.

    Parameters
    ----------
    planes, taps : int
        Bytes of the planes and of the lists of inputs. Next to no weights, or next to
        no neurons, in many planes: going through the lists is as fast, and the lists
        are there.
    """
    return planes <= max(2**24, 8 * taps)
