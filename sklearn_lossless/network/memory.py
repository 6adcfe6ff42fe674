"""What a network takes when it is used, from its sizes alone."""

from __future__ import annotations

import math

from . import _engine
from .addition import Addition
from .convolution import Convolution, Pooling
from .kinds import Layer
from .layers import Dense
from .network import CompressedNetwork, chunk_rows, kept_between

__all__ = ["prediction_bytes"]

#: Arrays of a fixed size: words that weights are drawn from, and what is made of them.
_FIXED = 2**27


def prediction_bytes(network: CompressedNetwork) -> int:
    """Bound the memory that predictions of a network take, beside its own arrays.

    Parameters
    ----------
    network : CompressedNetwork

    Returns
    -------
    int
        Bytes of drawn weights, in all arrangements, and of what one thread works in.
        The input and the result of a prediction are not counted.
    """
    shapes: list[_engine.LayerShape] = []  # of the dense layers at the end
    bits = [network.quantizer.n_bits]  # of the inputs, and of each layer's codes
    n_rows = chunk_rows(network)
    drawing, others = 0, 0
    for number, layer in enumerate(network.layers):
        neurons = layer.neurons
        if neurons is not None:
            source = layer.skip + 1 if isinstance(layer, Addition) else -1
            shape = _shape(neurons, bits[source])
            of_layer = 4 * neurons.n_nonzero_weights + 64 * neurons.n_outputs
            drawing = max(drawing, of_layer)
        if isinstance(layer, Dense):
            shapes.append(shape)
        elif isinstance(layer, Convolution):
            pooling = network.layers[number + 1 : number + 2]
            others += _convolution_bytes(layer, shape, *pooling)
        elif isinstance(layer, Addition):
            others += 2 * n_rows * math.prod(layer.shape_added)
            if isinstance(layer.shortcut, Convolution):
                others += _convolution_bytes(layer.shortcut, shape)
        bits.append(layer.n_bits)
    for layer in kept_between(network):
        if not isinstance(layer, Dense):  # before and after
            others += 2 * n_rows * layer.n_outputs
    if isinstance(network.layers[0], Convolution):
        others += n_rows * network.n_features_in
    # Codes of the inputs and those that are put out, and positions of the cells.
    ends = 2 * n_rows * network.quantizer.n_codes + n_rows * network.n_features_out
    ends += 32 * network.quantizer.n_codes
    dense = _engine.forward_bytes(shapes, n_rows) if shapes else 0
    first = network.layers[0]
    if isinstance(first, Dense):  # once more, for sparse rows
        others += _engine.by_input_bytes(*shapes[0][:4])
    return _FIXED + drawing + others + ends + dense


def _shape(layer: Dense, input_bits: int) -> _engine.LayerShape:
    """Return what the memory of a dense layer depends on."""
    return _engine.LayerShape(
        layer.n_inputs,
        layer.n_outputs,
        layer.n_nonzeros,
        layer.thresholds.shape[-1],
        input_bits,
        max(1, layer.n_bits),
    )


def _convolution_bytes(
    layer: Convolution, filters: _engine.LayerShape, following: Layer | None = None
) -> int:
    """Bound what a convolution takes, with a pooling that may follow."""
    (above, below), (left, right) = layer.margins
    height, width, channels = layer.shape_in
    n_padded = (height + above + below) * (width + left + right) * channels
    n_windows, area = 0, 0
    if isinstance(following, Pooling):
        n_windows, area = math.prod(following.shape_out[:2]), following.area
    shape = _engine.ConvolutionShape(
        filters, n_padded, math.prod(layer.grid), n_windows, area
    )
    return _engine.convolution_bytes(shape)
