"""Layers of a network as entries and tables of the C source, by their kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..network import (
    Addition,
    CompressedNetwork,
    Dense,
    splitmix64,
)
from ..network.layers import FIXED_POINT, neuron_offsets
from ._c_pictures import picture_members
from ._c_text import Piece, c_type, gaps, signed, table

__all__ = [
    "Layer",
    "lay_out",
    "layers_piece",
    "log2_codes_per_byte",
    "workspace_members",
]


class Table(NamedTuple):
    """Weights as constants."""

    #: Inputs between those of a neuron, byte by byte.
    gaps: npt.NDArray[np.uint8]
    #: Number of +1 weights of each neuron.
    n_plus: npt.NDArray[np.int32]
    #: What is subtracted from each neuron's sum, in 1/256.
    offsets: npt.NDArray[np.int64]


class Layer(NamedTuple):
    """Neurons, or filters, as the program has them."""

    spec: Dense
    #: Key of the streams that its weights are drawn from.
    key: int
    #: Its weights; None if they are drawn.
    table: Table | None
    #: Bound of a neuron's sum, in 1/256.
    largest_sum: int


def lay_out(network: CompressedNetwork, weights: str) -> list[Layer | None]:
    """Lay out the neurons of each layer of `network`; poolings have none.

    Parameters
    ----------
    network : CompressedNetwork
    weights : {"table", "seed"}
        Where weights are that come from the seed.

    Returns
    -------
    list of Layer or None
    """
    layers: list[Layer | None] = []
    largest_codes = [2**network.quantizer.n_bits - 1]
    # A filter would be drawn again at each position.
    all_in_table = weights == "table" or not network.is_dense
    for number, layer in enumerate(network.layers):
        spec = layer.neurons
        if spec is None:
            layers.append(None)
        else:
            in_table = all_in_table or spec.weights is not None
            source = layer.skip + 1 if isinstance(layer, Addition) else -1
            largest_code = largest_codes[source]
            layers.append(_lay_out(network, number, spec, in_table, largest_code))
        largest_codes.append(layer.largest_code)
    return layers


def _lay_out(
    network: CompressedNetwork,
    number: int,
    spec: Dense,
    in_table: bool,
    largest_code: int,
) -> Layer:
    key = int(splitmix64(network.seed % 2**64, number)[0])
    if in_table:
        drawn = network.weights(number)
        in_bytes = gaps(drawn, spec.n_inputs)
        constants = Table(in_bytes, drawn.n_plus, neuron_offsets(spec, drawn))
        largest_offset = int(np.abs(constants.offsets).max())
    else:
        constants = None
        # A bias is a sum of four times 16 bits, less its mean, over 2**16.
        largest_offset = spec.n_nonzeros * int(np.abs(spec.centre).max())
        largest_offset += 2 * abs(spec.bias_scale) + 1
    largest_sum = FIXED_POINT * spec.n_nonzeros * largest_code + largest_offset
    return Layer(spec, key, constants, largest_sum)


def layers_piece(all_layers: Sequence[Layer | None], *, packed: bool) -> Piece:
    """Return the types and tables of all layers, and the list of layers.

    Parameters
    ----------
    all_layers : sequence of Layer or None
    packed : bool
        Whether codes between layers are packed.

    Returns
    -------
    Piece
    """
    layers = [layer for layer in all_layers if layer is not None]
    specs = [layer.spec for layer in layers]
    drawn = [layer.spec for layer in layers if layer.table is None]
    tables = [layer.table for layer in layers if layer.table is not None]
    types = {
        "sum_type": signed(max(layer.largest_sum for layer in layers)),
        "threshold_type": c_type(*(spec.thresholds for spec in specs)),
        "n_plus_type": c_type(*(each.n_plus for each in tables)),
        "offset_type": c_type(*(each.offsets for each in tables)),
        "centre_type": c_type(*(spec.centre for spec in drawn)),
    }
    entries, texts = [], []
    for number, layer in enumerate(all_layers):
        if layer is None:
            entries.append("    {0}")
            continue
        head = _common_fields(number, layer, types)
        if packed:
            head.fields.append(log2_codes_per_byte(layers) if number else 0)
        weights = _table_fields(number, layer, types, unused=not tables)
        streams = _stream_fields(number, layer, types, unused=not drawn)
        parts = [head, weights, streams]
        fields = [str(field) for part in parts for field in part.fields]
        entries.append("    {" + ", ".join(fields) + "}")
        texts += [text for part in parts for text in part.tables]
    return Piece({**types, "layers": ",\n".join(entries)}, texts)


def log2_codes_per_byte(layers: Sequence[Layer]) -> int:
    """Return how many codes fit in a byte, as a power of two."""
    n_bits = max(layer.spec.n_bits for layer in layers)
    return 3 - max(n_bits - 1, 0).bit_length()


def workspace_members(
    network: CompressedNetwork, layers: Sequence[Layer], *, packed: bool
) -> list[tuple[str, str, int]]:
    """Return what hidden layers work in.

    Parameters
    ----------
    network : CompressedNetwork
    layers : sequence of Layer
    packed : bool
        Whether codes between layers are packed.

    Returns
    -------
    list of tuples of str, str and int
        Type, name and number of each array.
    """
    if not network.is_dense:
        return picture_members(network)
    members = []
    widths = [layer.spec.n_inputs for layer in layers if layer.table is None]
    if widths:
        members.append(("uint32_t", "seen", -(-max(widths) // 32)))
    packing = log2_codes_per_byte(layers) if packed else 0
    for name, first in (("even", 0), ("odd", 1)):
        stored = [layer.spec.n_outputs for layer in layers[first:-1:2]]
        if stored:
            members.append(("uint8_t", name, -(-max(stored) // 2**packing)))
    return members


class _Fields(NamedTuple):
    """Members of a layer in C, and the tables that they point to."""

    fields: list[Any]
    tables: list[str]


def _common_fields(number: int, layer: Layer, types: dict[str, str]) -> _Fields:
    spec = layer.spec
    n_thresholds = spec.thresholds.shape[-1]
    stride = n_thresholds if spec.thresholds.ndim == 2 else 0
    names = [f"thresholds_{number}", f"levels_{number}"]
    tables = [
        table(types["threshold_type"], names[0], spec.thresholds),
        table("uint8_t", names[1], spec.levels),
    ]
    sizes = [spec.n_inputs, spec.n_outputs, spec.n_nonzeros, n_thresholds, stride]
    return _Fields([*sizes, *(f"model_{name}" for name in names)], tables)


def _table_fields(
    number: int, layer: Layer, types: dict[str, str], *, unused: bool
) -> _Fields:
    """Return what a table of weights takes; `unused` if no layer has one."""
    if layer.table is None:
        return _Fields([] if unused else [0, 0, 0], [])
    names = [f"gaps_{number}", f"n_plus_{number}", f"offsets_{number}"]
    kinds = ["uint8_t", types["n_plus_type"], types["offset_type"]]
    tables = map(table, kinds, names, layer.table)
    return _Fields([f"model_{name}" for name in names], [*tables])


def _stream_fields(
    number: int, layer: Layer, types: dict[str, str], *, unused: bool
) -> _Fields:
    """Return what drawing weights takes; `unused` if no layer draws."""
    if layer.table is not None:
        return _Fields([] if unused else [0, 0, 0, 0], [])
    spec, name = layer.spec, f"centres_{number}"
    stride = 1 if len(spec.centre) > 1 else 0
    fields = [f"0x{layer.key:016X}u", spec.bias_scale, f"model_{name}", stride]
    return _Fields(fields, [table(types["centre_type"], name, spec.centre)])
