"""The layers of section NETW, to bytes and back, by their kind."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..network import Dense
from ._coding import Reader, pack_integers, unpack_integers
from ._weights import (
    pack_in_contexts,
    pack_lines,
    pack_rice,
    unpack_in_contexts,
    unpack_lines,
    unpack_rice,
)

__all__ = ["check_range", "decode_layer", "encode_layer"]

# Bounds of version 1, so that a forged size costs nothing.
_MAX_WIDTH = 2**20
_MAX_LEVEL = 15

# Flags of a layer; bits 3 and 4 are its kind.
_THRESHOLDS_PER_NEURON = 1
_CENTRE_PER_INPUT = 2
_STORED_WEIGHTS = 4
_THRESHOLDS_IN_LINES = 32
_WEIGHTS_IN_CONTEXTS = 64
_KIND_SHIFT, _KIND_MASK = 3, 3

#: Flags that come with others only.
_NEEDS = {
    _THRESHOLDS_IN_LINES: _THRESHOLDS_PER_NEURON,
    _WEIGHTS_IN_CONTEXTS: _STORED_WEIGHTS,
}


def encode_layer(layer: Dense) -> bytes:
    """Return the bytes of a layer.

    Parameters
    ----------
    layer : Dense

    Returns
    -------
    bytes
        One for the kind and the flags, then those of the kind.
    """
    for number, kind in _KINDS.items():
        if type(layer) is kind.layer:
            flags, content = kind.encode(layer)
            return struct.pack("<B", flags | number << _KIND_SHIFT) + content
    raise ValueError(f"A file holds no layer of type {type(layer).__name__}.")


def decode_layer(reader: Reader, number: int, shape_in: tuple[int, ...]) -> Dense:
    """Take a layer that `encode_layer` wrote, safe to run.

    Parameters
    ----------
    reader : Reader
    number : int
        Number of the layer, from 0, for messages.
    shape_in : tuple of int
        Shape of the codes that it sees.

    Returns
    -------
    Dense
    """
    (flags,) = reader.numbers("B")
    kind = _KINDS.get(flags >> _KIND_SHIFT & _KIND_MASK)
    if (
        kind is None
        or flags > 127
        or any(
            flags & special and not flags & general
            for special, general in _NEEDS.items()
        )
    ):
        raise reader.fail(f"layer {number} has unknown flags {flags}")
    return kind.decode(reader, number, shape_in, flags)


def check_range(
    reader: Reader,
    name: str,
    values: npt.NDArray[np.int64],
    highest: int,
    lowest: int | None = None,
) -> None:
    """Raise ValueError if a value is beyond `highest`, or -`highest`."""
    lowest = -highest if lowest is None else lowest
    if values.max() > highest or values.min() < lowest:
        raise reader.fail(f"a {name} is beyond {highest}")


def _encode_dense(layer: Dense) -> tuple[int, bytes]:
    flags = _THRESHOLDS_PER_NEURON * (layer.thresholds.ndim == 2)
    flags |= _CENTRE_PER_INPUT * (len(layer.centre) > 1)
    thresholds = pack_integers(layer.thresholds)
    lines = pack_lines(layer.thresholds) if layer.thresholds.ndim == 2 else None
    if lines is not None and len(lines) < len(thresholds):
        thresholds = lines
        flags |= _THRESHOLDS_IN_LINES
    sizes = layer.n_outputs, layer.n_nonzeros, layer.bias_scale, len(layer.levels)
    parts = [
        struct.pack("<IIqB", *sizes),
        layer.levels.astype(np.uint8).tobytes(),
        thresholds,
        pack_integers(layer.centre),
    ]
    if layer.weights is not None:
        flags |= _STORED_WEIGHTS
        weights = pack_rice(layer.weights)
        in_contexts = pack_in_contexts(layer.weights, layer.n_inputs)
        if in_contexts is not None and len(in_contexts) < len(weights):
            weights = in_contexts
            flags |= _WEIGHTS_IN_CONTEXTS
        parts += [weights, pack_integers(layer.weights.bias)]
    return flags, b"".join(parts)


def _decode_dense(
    reader: Reader, number: int, shape_in: tuple[int, ...], flags: int
) -> Dense:
    n_inputs = math.prod(shape_in)
    n_outputs, n_nonzeros, bias_scale, n_levels = reader.numbers("IIqB")
    if not 1 <= n_outputs <= _MAX_WIDTH:
        raise reader.fail(f"layer {number} has {n_outputs} neurons, over {_MAX_WIDTH}")
    if not 1 <= n_nonzeros <= n_inputs:
        raise reader.fail(f"layer {number} has {n_nonzeros} of {n_inputs} weights")
    if abs(bias_scale) > 2**40:
        raise reader.fail(f"layer {number} has a bias scale of {bias_scale}")
    levels = reader.array("u1", n_levels)
    if not 1 <= levels.max(initial=0) <= _MAX_LEVEL or len(levels) < 2:
        raise reader.fail(f"layer {number} has levels {levels.tolist()}")
    n_thresholds = n_levels - 1
    if flags & _THRESHOLDS_IN_LINES:
        thresholds = unpack_lines(reader, n_outputs, n_thresholds)
    else:
        per_neuron = flags & _THRESHOLDS_PER_NEURON
        shape = (n_outputs, n_thresholds) if per_neuron else (n_thresholds,)
        thresholds = unpack_integers(reader, shape)
    check_range(reader, "threshold", thresholds, 2**60)
    if np.any(thresholds[..., 1:] < thresholds[..., :-1]):
        raise reader.fail(f"the thresholds of layer {number} decrease")
    n_centres = n_inputs if flags & _CENTRE_PER_INPUT else 1
    centre = unpack_integers(reader, (n_centres,))
    check_range(reader, "centre", centre, 2**32)
    weights = None
    if flags & _STORED_WEIGHTS:
        in_contexts = flags & _WEIGHTS_IN_CONTEXTS
        unpack = unpack_in_contexts if in_contexts else unpack_rice
        weights = unpack(reader, n_inputs, n_outputs, n_nonzeros)
        weights = weights._replace(bias=unpack_integers(reader, (n_outputs,)))
        check_range(reader, "bias", weights.bias, 2**60 // max(1, abs(bias_scale)))
    return Dense(
        n_inputs=n_inputs,
        n_outputs=n_outputs,
        n_nonzeros=n_nonzeros,
        thresholds=thresholds,
        levels=levels,
        centre=centre,
        bias_scale=bias_scale,
        weights=weights,
    )


class _LayerKind(NamedTuple):
    """What a file says of one kind of layer."""

    layer: type[Any]
    #: From a layer to its flags and its bytes.
    encode: Callable[[Any], tuple[int, bytes]]
    #: From reader, number of the layer, shape of its inputs and flags to a layer.
    decode: Callable[[Reader, int, tuple[int, ...], int], Any]


#: Kinds of layers by their number, bits 3 and 4 of the flags.
_KINDS = {0: _LayerKind(Dense, _encode_dense, _decode_dense)}
