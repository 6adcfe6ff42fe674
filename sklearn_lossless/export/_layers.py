"""The layers of section NETW, to bytes and back, by their kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..network import Addition, Convolution, Dense, Pooling
from ..network.kinds import Layer
from ._coding import Reader, pack_integers, pack_numbers, unpack_integers
from ._weights import (
    pack_in_contexts,
    pack_lines,
    pack_rice,
    unpack_in_contexts,
    unpack_lines,
    unpack_rice,
)

__all__ = ["check_range", "decode_layer", "encode_layer"]

# Bounds of the format, so that a forged size costs nothing.
_MAX_WIDTH = 2**20
_MAX_LEVEL = 15
_MAX_SIDE = 2**12
_MAX_OUTPUTS = 2**24

# Flags of a layer; bits 3 and 4 are its kind.
_THRESHOLDS_PER_NEURON = 1
_CENTRE_PER_INPUT = 2
_STORED_WEIGHTS = 4
_THRESHOLDS_IN_LINES = 32
_WEIGHTS_IN_CONTEXTS = 64
_BALANCED = 128  # of drawn weights
_NO_BIASES = 128  # of stored weights: biases are 0, and so is the centre
_KIND_SHIFT, _KIND_MASK = 3, 3

#: Flags that contradict each other.
_TOO_MANY = _STORED_WEIGHTS | _NO_BIASES | _CENTRE_PER_INPUT

#: Flags that come with others only.
_NEEDS = {
    _THRESHOLDS_IN_LINES: _THRESHOLDS_PER_NEURON,
    _WEIGHTS_IN_CONTEXTS: _STORED_WEIGHTS,
}


def encode_layer(layer: Layer, codes: list[bytes] | None = None) -> bytes:
    """Return the bytes of a layer.

    Parameters
    ----------
    layer : Dense, Convolution, Pooling or Addition
    codes : list of bytes or None, default=None
        Gets the arithmetic code of stored weights; None: it is among the bytes.

    Returns
    -------
    bytes
        One for the kind and the flags, then those of the kind.
    """
    for number, kind in _KINDS.items():
        if type(layer) is kind.layer:
            flags, content = kind.encode(layer, codes)
            return pack_numbers("B", flags | number << _KIND_SHIFT) + content
    raise ValueError(f"A file holds no layer of type {type(layer).__name__}.")


def decode_layer(
    reader: Reader,
    number: int,
    sources: Sequence[tuple[tuple[int, ...], int]],
    codes: Reader | None = None,
) -> Layer:
    """Take a layer that `encode_layer` wrote, safe to run.

    Parameters
    ----------
    reader : Reader
    number : int
        Number of the layer, from 0, for messages.
    sources : sequence of tuples of tuple and int
        Shape and largest of the input codes, and of those of each layer before; as long
        as there is no layer, the inputs' shape is their number.
    codes : Reader or None, default=None
        Of the arithmetic code of stored weights; None: the same.

    Returns
    -------
    Dense, Convolution, Pooling or Addition
    """
    (flags,) = reader.numbers("B")
    kind = _KINDS.get(flags >> _KIND_SHIFT & _KIND_MASK)
    if (
        kind is None
        or flags & kind.unknown
        or (kind.layer is Addition and not number)
        or flags & _TOO_MANY == _TOO_MANY
        or any(
            flags & special and not flags & general
            for special, general in _NEEDS.items()
        )
    ):
        raise reader.fail(f"layer {number} has unknown flags {flags}")
    shape_in, largest_in = sources[-1]
    if len(shape_in) == 1 and number and kind.layer is not Dense:
        raise reader.fail(f"layer {number} sees no picture")
    codes = reader if codes is None else codes
    before = _Before(reader, number, shape_in, largest_in, codes, sources)
    return kind.decode(before, flags)


class _Before(NamedTuple):
    """What a layer comes after."""

    reader: Reader
    number: int
    shape_in: tuple[int, ...]
    largest_in: int
    codes: Reader
    sources: Sequence[tuple[tuple[int, ...], int]]

    def picture(self) -> tuple[int, int, int]:
        """Take height and width of the picture that the layer sees."""
        height, width = self.reader.numbers("HH")
        n_inputs = math.prod(self.shape_in)
        n_places = height * width
        shape = (height, width, n_inputs // max(1, n_places))
        if not (
            1 <= min(height, width) <= max(height, width) <= _MAX_SIDE
            and math.prod(shape) == n_inputs
            and (len(self.shape_in) == 1 or shape == self.shape_in)
        ):
            raise self.reader.fail(
                f"layer {self.number} sees {self.shape_in} as {height} x {width}"
            )
        return shape


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


def _encode_dense(layer: Dense, codes: list[bytes] | None) -> tuple[int, bytes]:
    flags = _THRESHOLDS_PER_NEURON * (layer.thresholds.ndim == 2)
    flags |= _CENTRE_PER_INPUT * (len(layer.centre) > 1)
    flags |= _BALANCED * (layer.balanced and layer.weights is None)
    thresholds = pack_integers(layer.thresholds)
    lines = pack_lines(layer.thresholds) if layer.thresholds.ndim == 2 else None
    if lines is not None and len(lines) < len(thresholds):
        thresholds = lines
        flags |= _THRESHOLDS_IN_LINES
    sizes = layer.n_outputs, layer.n_nonzeros, layer.bias_scale, len(layer.levels)
    parts = [
        pack_numbers("IIqB", *sizes),
        layer.levels.astype(np.uint8).tobytes(),
        thresholds,
    ]
    no_biases = layer.weights is not None and not (
        layer.weights.bias.any() or layer.centre.any() or len(layer.centre) > 1
    )
    if no_biases:
        flags |= _NO_BIASES
    else:
        parts.append(pack_integers(layer.centre))
    if layer.weights is not None:
        flags |= _STORED_WEIGHTS
        weights = pack_rice(layer.weights)
        in_contexts = pack_in_contexts(layer.weights, layer.n_inputs)
        if in_contexts is not None and sum(map(len, in_contexts)) < len(weights):
            flags |= _WEIGHTS_IN_CONTEXTS
            if codes is None:
                weights = b"".join(in_contexts)
            else:
                weights = in_contexts[0]
                codes.append(in_contexts[1])
        parts.append(weights)
        if not no_biases:
            parts.append(pack_integers(layer.weights.bias))
    return flags, b"".join(parts)


def _decode_dense(before: _Before, flags: int) -> Dense:
    reader, number = before.reader, before.number
    n_inputs = math.prod(before.shape_in)
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
    no_biases = flags & _STORED_WEIGHTS and flags & _NO_BIASES
    centre = np.zeros(1, dtype=np.int64)
    if not no_biases:
        n_centres = n_inputs if flags & _CENTRE_PER_INPUT else 1
        centre = unpack_integers(reader, (n_centres,))
        check_range(reader, "centre", centre, 2**32)
    weights = None
    if flags & _STORED_WEIGHTS:
        sizes = n_inputs, n_outputs, n_nonzeros
        if flags & _WEIGHTS_IN_CONTEXTS:
            weights = unpack_in_contexts(reader, before.codes, *sizes)
        else:
            weights = unpack_rice(reader, *sizes)
        if not no_biases:
            weights = weights._replace(bias=unpack_integers(reader, (n_outputs,)))
            largest = 2**60 // max(1, abs(bias_scale))
            check_range(reader, "bias", weights.bias, largest)
    return Dense(
        n_inputs=n_inputs,
        n_outputs=n_outputs,
        n_nonzeros=n_nonzeros,
        thresholds=thresholds,
        levels=levels,
        centre=centre,
        bias_scale=bias_scale,
        weights=weights,
        balanced=weights is None and bool(flags & _BALANCED),
    )


def _encode_convolution(
    layer: Convolution, codes: list[bytes] | None
) -> tuple[int, bytes]:
    flags, filters = _encode_dense(layer.filters, codes)
    numbers = *layer.shape_in[:2], *layer.size, layer.stride, _padding_byte(layer)
    return flags, pack_numbers("HHHHHB", *numbers) + filters


def _padding_byte(layer: Convolution) -> int:
    """Return how a file says what is outside of pictures."""
    if isinstance(layer.padding, str):
        return _PADDINGS.index(layer.padding)
    if not layer.padding:
        return _PADDINGS.index("valid")
    byte = layer.padding + len(_PADDINGS) - 1
    if byte > 255:
        raise ValueError(f"a convolution has {layer.padding} places on each side")
    return byte


def _decode_convolution(before: _Before, flags: int) -> Convolution:
    reader, number = before.reader, before.number
    shape = before.picture()
    *size, stride, byte = reader.numbers("HHHB")
    outside = max(0, byte + 1 - len(_PADDINGS))
    padding = outside or _PADDINGS[byte]
    inside = all(
        1 <= length <= (_MAX_SIDE if padding == "same" else whole + 2 * outside)
        for length, whole in zip(size, shape, strict=False)
    )
    if not inside or not 1 <= stride <= _MAX_SIDE:
        raise reader.fail(f"layer {number} has windows of {size}, {stride}, {byte}")
    n_taps = math.prod(size) * shape[2]
    if n_taps > _MAX_WIDTH:
        raise reader.fail(f"layer {number} has {n_taps} weights a filter")
    filters = _decode_dense(before._replace(shape_in=(n_taps,)), flags)
    layer = Convolution(filters, shape, (size[0], size[1]), stride, padding)
    if layer.n_outputs > _MAX_OUTPUTS:
        raise reader.fail(f"layer {number} has {layer.n_outputs} outputs")
    return layer


def _encode_pooling(layer: Pooling, codes: list[bytes] | None) -> tuple[int, bytes]:
    starts = layer.row_starts, layer.column_starts
    numbers = *layer.shape_in[:2], *layer.size, *map(len, starts)
    head = pack_numbers("HHHHHHB", *numbers, _POOLINGS.index(layer.kind))
    places = [*layer.row_starts, *layer.column_starts]
    return 0, head + pack_numbers(f"{len(places)}H", *places)


def _decode_pooling(before: _Before, flags: int) -> Pooling:
    reader, number = before.reader, before.number
    shape = before.picture()
    height, width, n_rows, n_columns, kind = reader.numbers("HHHHB")
    if kind >= len(_POOLINGS) or not n_rows * n_columns * height * width:
        raise reader.fail(
            f"layer {number} is an unknown pooling {kind}, or an empty one"
        )
    starts = [reader.numbers(f"{n}H") for n in (n_rows, n_columns)]
    if max(starts[0]) + height > shape[0] or max(starts[1]) + width > shape[1]:
        raise reader.fail(f"layer {number} has windows outside of the picture")
    if n_rows * n_columns * max(shape[2], height * width) > _MAX_OUTPUTS:
        raise reader.fail(f"layer {number} has {n_rows} x {n_columns} windows")
    return Pooling(
        shape,
        (height, width),
        starts[0],
        starts[1],
        before.largest_in,
        _POOLINGS[kind],
    )


def _encode_addition(layer: Addition, codes: list[bytes] | None) -> tuple[int, bytes]:
    shortcut, flags, around = layer.shortcut, 0, b""
    kind = next(n for n, each in _SHORTCUTS.items() if isinstance(shortcut, each))
    if shortcut is not None:
        flags, around = _KINDS[kind].encode(shortcut, codes)
    head = pack_numbers("BBH", kind, layer.skip + 1, layer.first_channel)
    return flags, head + around


def _decode_addition(before: _Before, flags: int) -> Addition:
    reader, number = before.reader, before.number
    kind, source, first_channel = reader.numbers("BBH")
    if kind not in _SHORTCUTS or source > number:
        raise reader.fail(f"layer {number} adds a kind {kind} of codes {source}")
    shape, largest = before.sources[source]
    if len(before.shape_in) != 3 or len(shape) != 3:
        raise reader.fail(f"layer {number} adds what are no pictures")
    if flags & (_KINDS[kind].unknown if kind else _NO_FLAGS):
        raise reader.fail(f"layer {number} has unknown flags {flags}")
    shortcut = None
    if kind:
        around = before._replace(shape_in=shape, largest_in=largest)
        shortcut = _KINDS[kind].decode(around, flags)
    shape_in, shape_skip = ((h, w, c) for h, w, c in (before.shape_in, shape))
    try:
        return Addition(
            shape_in,
            before.largest_in,
            source - 1,
            shape_skip,
            largest,
            shortcut,
            first_channel,
        )
    except ValueError as error:
        raise reader.fail(f"layer {number}: {error}") from None


_PADDINGS = ("valid", "same")
_POOLINGS = ("sum", "max")


class _LayerKind(NamedTuple):
    """What a file says of one kind of layer."""

    layer: type[Any]
    #: From a layer to its flags and its bytes; a list gets the code of its weights.
    encode: Callable[[Any, list[bytes] | None], tuple[int, bytes]]
    #: From what is before the layer, and its flags, to the layer.
    decode: Callable[[_Before, int], Any]
    #: Flags that such a layer never has.
    unknown: int = 0


#: All flags but the kind.
_NO_FLAGS = 255 ^ _KIND_MASK << _KIND_SHIFT

#: Kinds of layers by their number, bits 3 and 4 of the flags.
_KINDS = {
    0: _LayerKind(Dense, _encode_dense, _decode_dense),
    1: _LayerKind(Convolution, _encode_convolution, _decode_convolution),
    2: _LayerKind(Pooling, _encode_pooling, _decode_pooling, unknown=_NO_FLAGS),
    3: _LayerKind(Addition, _encode_addition, _decode_addition),
}

#: Kinds of shortcuts, by the numbers of these layers; 0 for none.
_SHORTCUTS = {0: type(None), 1: Convolution, 2: Pooling}
