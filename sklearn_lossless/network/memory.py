"""What a network takes when it is used, from its sizes alone."""

from __future__ import annotations

from . import _engine
from .network import CompressedNetwork, chunk_rows

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
    shapes, input_bits = [], network.quantizer.n_bits
    drawing = 0
    for layer in network.layers:
        n_thresholds = layer.thresholds.shape[-1]
        shapes.append(
            _engine.LayerShape(
                layer.n_inputs,
                layer.n_outputs,
                layer.n_nonzeros,
                n_thresholds,
                input_bits,
                max(1, layer.n_bits),
            )
        )
        input_bits = layer.n_bits
        of_layer = 4 * layer.n_nonzero_weights + 64 * layer.n_outputs
        drawing = max(drawing, of_layer)
    n_rows = chunk_rows(network)
    # Codes of the inputs and those that are put out, and positions of the cells.
    ends = 2 * n_rows * network.quantizer.n_codes + n_rows * network.n_features_out
    ends += 32 * network.quantizer.n_codes
    return _FIXED + drawing + ends + _engine.forward_bytes(shapes, n_rows)
