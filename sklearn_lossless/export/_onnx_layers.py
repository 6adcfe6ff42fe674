"""Layers of a network as nodes of an ONNX graph, by their kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..network import Addition, CompressedNetwork, Convolution, Dense, Pooling
from ..network.layers import integer_thresholds
from ..network.ternary import TernaryWeights
from ._onnx_graph import Graph

__all__ = ["add_layer"]


def _dense(
    graph: Graph, codes: str, layer: Dense, network: CompressedNetwork, number: int
) -> str:
    """Add a dense layer; return the name of its codes."""
    return _neurons(graph, codes, layer, network.weights(number))


def _convolution(
    graph: Graph,
    codes: str,
    layer: Convolution,
    network: CompressedNetwork,
    number: int,
) -> str:
    """Add a convolution: its filters, on the inputs of each window."""
    if layer.padding != "valid":  # one more code, always 0
        first = graph.add("Gather", codes, np.array([0]), axis=1)
        codes = graph.add("Concat", codes, graph.add("Sub", first, first), axis=1)
    windows = graph.add("Gather", codes, layer.patches, axis=1)
    codes = _neurons(graph, windows, layer.filters, network.weights(number))
    return graph.add("Reshape", codes, np.array([-1, layer.n_outputs]))


def _pooling(
    graph: Graph, codes: str, layer: Pooling, network: CompressedNetwork, number: int
) -> str:
    """Add a pooling: sums or largest codes of windows, channel by channel."""
    from onnx import TensorProto

    n_channels = layer.shape_in[2]
    n_places = layer.n_inputs // n_channels
    real = graph.add("Cast", codes, to=TensorProto.INT32)
    places = graph.add("Reshape", real, np.array([-1, n_places, n_channels]))
    windows = graph.add("Gather", places, layer.windows, axis=1)
    if layer.kind == "max":
        pooled = graph.add("ReduceMax", windows, axes=[2], keepdims=0)
    else:
        pooled = graph.add("ReduceSum", windows, np.array([2]), keepdims=0)
        if layer.shift:
            pooled = graph.add("Div", pooled, np.int32(2**layer.shift))
    pooled = graph.add("Cast", pooled, to=TensorProto.UINT8)
    return graph.add("Reshape", pooled, np.array([-1, layer.n_outputs]))


def _addition(
    graph: Graph,
    outputs: Sequence[str],
    layer: Addition,
    network: CompressedNetwork,
    number: int,
) -> str:
    """Add a sum of the last codes and of earlier ones; `outputs` are all of them."""
    from onnx import TensorProto

    around = outputs[layer.skip + 1]
    if layer.shortcut is not None:
        add = _LAYERS[type(layer.shortcut)]
        around = add(graph, around, layer.shortcut, network, number)
    # Of fewer channels, with zeros beside them.
    n_before, n_channels = layer.first_channel, layer.shape_added[2]
    n_behind = layer.shape_in[2] - n_before - n_channels
    real = graph.add("Cast", around, to=TensorProto.INT32)
    if n_before or n_behind:
        n_places = layer.n_inputs // layer.shape_in[2]
        real = graph.add("Reshape", real, np.array([-1, n_places, n_channels]))
        pads = np.array([0, 0, n_before, 0, 0, n_behind])
        real = graph.add("Pad", real, pads, np.int32(0))
        real = graph.add("Reshape", real, np.array([-1, layer.n_inputs]))
    codes = graph.add("Cast", outputs[-1], to=TensorProto.INT32)
    return graph.add("Cast", graph.add("Add", codes, real), to=TensorProto.UINT8)


def _neurons(graph: Graph, codes: str, layer: Dense, weights: TernaryWeights) -> str:
    """Add neurons that see the last axis of the codes."""
    from onnx import TensorProto

    # Products of codes with +-1 cannot saturate in pairs, as larger weights do in
    # some kernels for 8 bits.
    sums = graph.add("MatMulInteger", codes, weights.dense(layer.n_inputs))
    thresholds = _in_int32(integer_thresholds(layer, weights))
    levels = layer.levels.astype(np.int32)
    code = ""
    for column, step in zip(thresholds.T, np.diff(levels), strict=True):
        if step == 0:
            continue
        reached = graph.add("GreaterOrEqual", sums, column)
        reached = graph.add("Cast", reached, to=TensorProto.INT32)
        change = reached if step == 1 else graph.add("Mul", reached, step)
        code = graph.add("Add", code or levels[:1], change)
    if not code:
        code = graph.add("Mul", sums, np.int32(0))
        code = graph.add("Add", code, levels[:1])
    return graph.add("Cast", code, to=TensorProto.UINT8)


#: What adds a layer of each kind.
_LAYERS: dict[type[Any], Callable[..., str]] = {
    Dense: _dense,
    Convolution: _convolution,
    Pooling: _pooling,
}


def add_layer(
    graph: Graph, outputs: Sequence[str], network: CompressedNetwork, number: int
) -> str:
    """Add a layer of any kind to a graph.

    Parameters
    ----------
    graph : Graph
        With `add`, which adds a node.
    outputs : sequence of str
        Names of the input codes, and of the codes of each layer before.
    network : CompressedNetwork
    number : int
        Number of the layer.

    Returns
    -------
    str
        Name of its codes, uint8 of shape (n_samples, n_outputs).
    """
    layer = network.layers[number]
    if isinstance(layer, Addition):
        return _addition(graph, outputs, layer, network, number)
    return _LAYERS[type(layer)](graph, outputs[-1], layer, network, number)


def _in_int32(thresholds: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Return thresholds in 32 bits; those beyond are beyond every sum, too."""
    return np.clip(thresholds, -(2**31), 2**31 - 1).astype(np.int32)
