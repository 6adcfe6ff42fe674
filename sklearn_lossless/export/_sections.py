"""The sections of a model file: from plain numbers to bytes and back."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .._columns import Columns
from ..network import (
    CompressedNetwork,
    Quantizer,
    ScaledQuantizer,
    ThresholdQuantizer,
)
from ..network.kinds import Layer
from ..network.layers import FIXED_POINT
from ..network.memory import prediction_bytes
from ..network.quantizer import AnyQuantizer
from ..readout import LinearReadout
from ..theory import NetworkMatch
from ._coding import (
    READOUT_DTYPES,
    Reader,
    pack_integers,
    pack_numbers,
    pack_readout,
    unpack_integers,
    unpack_readout,
)
from ._container import pack_sections, unpack_sections
from ._kinds import Kind
from ._layers import check_range, decode_layer, encode_layer
from ._matching import decode_matching, encode_matching, with_lines
from ._meta import decode_meta, encode_meta
from ._scaling import encode_scaling, with_scaling
from ._table import encode_table, with_table
from ._values import (
    MAX_NAME_BYTES,
    names_from_json,
    to_json,
)

__all__ = [
    "FileContent",
    "decode",
    "encode",
    "encode_network",
    "encode_readout",
]

_READOUT_LAYERS = ("last", "all")

#: Types of readouts whose numbers may be deflated; what is then added to the type, and
#: where intercepts are float32.
_INTEGERS = ("int8", "int4")
_DEFLATED = 16
_SHORT_INTERCEPTS = 32

# Bounds of the format, so that a forged size costs nothing.
_MAX_FEATURES = 2**20
_MAX_LAYERS = 64
_MAX_WEIGHTS = 2**32
_MAX_NONZEROS = 2**27


@dataclass(frozen=True, eq=False)
class FileContent:
    """What a file holds, in plain numbers.

    Parameters
    ----------
    kind : Kind
    params : dict
        Constructor parameters.
    scale : float
        ``scale_`` of the compressor.
    network : CompressedNetwork
    matching : NetworkMatch
    readout : LinearReadout or None, default=None
        None for a compressor.
    classes : ndarray of shape (n_classes,) or None, default=None
        None unless it is a classifier.
    feature_names : ndarray of shape (n_features_in,) or None, default=None
    mean : ndarray of shape (n_features_in,) or None, default=None
        Mean input codes in 1/256; None where the first layer's centre has them.
    columns : Columns or None, default=None
        Categories of tables.
    """

    kind: Kind
    params: dict[str, Any]
    scale: float
    network: CompressedNetwork
    matching: NetworkMatch
    readout: LinearReadout | None = None
    classes: npt.NDArray[Any] | None = None
    feature_names: npt.NDArray[Any] | None = None
    mean: npt.NDArray[np.int64] | None = None
    columns: Columns | None = None


def encode(content: FileContent, readout_dtype: str) -> bytes:
    """Return the bytes of a file.

    Parameters
    ----------
    content : FileContent
    readout_dtype : str
        One of `READOUT_DTYPES`.

    Returns
    -------
    bytes
    """
    codes: list[bytes] = []
    sections = {
        b"META": encode_meta(
            content.params, content.scale, content.readout, content.classes
        ),
        b"NETW": encode_network(content.network, codes),
        b"MTCH": encode_matching(content.matching),
    }
    if codes:
        sections[b"SIGN"] = b"".join(codes)
    quantizer = content.network.quantizer
    if isinstance(quantizer, ThresholdQuantizer):
        sections[b"TABL"] = encode_table(quantizer, content.columns)
    if isinstance(quantizer, ScaledQuantizer):
        sections[b"SCAL"] = encode_scaling(quantizer)
    if content.readout is not None:
        sections[b"READ"] = encode_readout(content, readout_dtype)
    if content.feature_names is not None:
        names = to_json([str(name) for name in content.feature_names])
        sections[b"name"] = zlib.compress(names, 9)
    if content.mean is not None:
        sections[b"mean"] = pack_integers(content.mean)
    return pack_sections(content.kind, sections)


def decode(data: bytes, max_memory: float | None = None) -> FileContent:
    """Return what the bytes of a file say, checked.

    Parameters
    ----------
    data : bytes
    max_memory : float or None, default=None
        Bytes that predictions may take; None for any number.

    Returns
    -------
    FileContent
    """
    kind, sections = unpack_sections(data)
    network = _decode_network(sections[b"NETW"], sections.get(b"SIGN"))
    columns = None
    if b"TABL" in sections:
        network, columns = with_table(sections[b"TABL"], network)
    elif b"SCAL" in sections:
        network = with_scaling(sections[b"SCAL"], network)
    needed = prediction_bytes(network)
    if max_memory is not None and needed > max_memory:
        raise ValueError(
            f"Predictions of this model may take {needed:,} bytes of memory, more than "
            f"max_memory={max_memory:,}. If you trust the file, pass a larger number."
        )
    matching = decode_matching(sections[b"MTCH"], network)
    network = with_lines(network, matching)
    meta = sections[b"META"]
    params, fitted, classes = decode_meta(meta)
    if "scale_" not in fitted:
        raise meta.fail("no scale_")
    scale = fitted["scale_"]
    content = FileContent(kind, params, scale, network, matching, columns=columns)
    if b"name" in sections:
        names = sections[b"name"]
        names_in = _decode_names(names, network.n_features_in)
        content = replace(content, feature_names=names_in)
        if columns is not None:
            columns = replace(columns, names=names_in.tolist())
            content = replace(content, columns=columns)
    if b"mean" in sections:
        mean = sections[b"mean"]
        content = replace(content, mean=_decode_mean(mean, network.quantizer))
    if kind.role is Kind.COMPRESSOR:
        return content

    reader = sections.get(b"READ", Reader(b"", "section READ"))
    readout = _decode_readout(reader, network, fitted)
    is_classifier = kind.role is Kind.CLASSIFIER
    if is_classifier != (classes is not None) or is_classifier != (
        "temperature_" in fitted
    ):
        name = kind.estimator.__name__
        raise meta.fail(f"classes or temperature_ do not suit a {name}")
    if is_classifier and not isinstance(params.get("readout"), str | None):
        raise meta.fail("the readout is not a name")
    if classes is not None:
        n_targets = 1 if len(classes) == 2 else len(classes)
        if readout.n_targets != n_targets or readout.single:
            raise reader.fail(f"{readout.n_targets} scores for {len(classes)} classes")
    return replace(content, readout=readout, classes=classes)


def encode_network(
    network: CompressedNetwork, codes: list[bytes] | None = None
) -> bytes:
    """Return section NETW; the arithmetic code of weights is put into `codes`."""
    quantizer = network.quantizer
    if isinstance(quantizer, ThresholdQuantizer):  # its bits are inputs; see TABL
        quantizer = Quantizer(1.0, np.zeros(quantizer.n_codes, np.int64), 1)
    if isinstance(quantizer, ScaledQuantizer):  # see SCAL
        quantizer = quantizer.cells
    head = pack_numbers(
        "BdIQBB",
        quantizer.n_bits,
        quantizer.inv_step,
        quantizer.n_features,
        network.seed % 2**64,
        _READOUT_LAYERS.index(network.readout_layers),
        len(network.layers),
    )
    layers = [encode_layer(layer, codes) for layer in network.layers]
    return b"".join([head, pack_integers(quantizer.shift), *layers])


def _decode_network(reader: Reader, codes: Reader | None = None) -> CompressedNetwork:
    """Return the network of section NETW, and SIGN, safe to run."""
    n_bits, inv_step, n_features, seed, which, n_layers = reader.numbers("BdIQBB")
    if not 1 <= n_bits <= 8:
        raise reader.fail(f"input codes of {n_bits} bits, not 1 to 8")
    if not (math.isfinite(inv_step) and inv_step > 0):
        raise reader.fail(f"inverse step {inv_step}")
    if not 1 <= n_features <= _MAX_FEATURES:
        raise reader.fail(f"{n_features} features, not 1 to {_MAX_FEATURES}")
    if which >= len(_READOUT_LAYERS) or not 1 <= n_layers <= _MAX_LAYERS:
        raise reader.fail(f"{n_layers} layers, not 1 to {_MAX_LAYERS}, choice {which}")
    shift = unpack_integers(reader, (n_features,))
    check_range(reader, "shift", shift, 2**60)
    layers: list[Layer] = []
    sources: list[tuple[tuple[int, ...], int]]
    sources = [((n_features,), 2**n_bits - 1)]  # of the inputs, and of each layer
    for number in range(n_layers):
        layer = decode_layer(reader, number, sources, codes)
        if not number:
            sources[0] = layer.shape_in, sources[0][1]
        layers.append(layer)
        sources.append((layer.shape_out, layer.largest_code))
    reader.finish()
    if codes is not None:
        codes.finish()
    total = sum(layer.n_nonzero_weights for layer in layers)
    if total > _MAX_NONZEROS:
        raise reader.fail(f"{total} weights that are not 0, over {_MAX_NONZEROS}")
    total = sum(layer.n_weights for layer in layers)
    if total > _MAX_WEIGHTS:
        raise reader.fail(f"{total} weights, over {_MAX_WEIGHTS}")
    quantizer = Quantizer(inv_step, shift, n_bits)
    return CompressedNetwork(quantizer, tuple(layers), seed, _READOUT_LAYERS[which])


def encode_readout(content: FileContent, readout_dtype: str) -> bytes:
    """Return section READ, the only one that depends on `readout_dtype`.

    Parameters
    ----------
    content : FileContent
        With a readout.
    readout_dtype : str
        One of `READOUT_DTYPES`.

    Returns
    -------
    bytes
    """
    readout = content.readout
    assert readout is not None
    number = list(READOUT_DTYPES).index(readout_dtype)
    # Files of dense networks are as they have always been.
    deflated = readout_dtype in _INTEGERS and not content.network.is_dense
    number += _DEFLATED * deflated
    intercept = readout.intercept.astype("<f8")
    if deflated and content.classes is not None:  # numbers may be far from 0
        number += _SHORT_INTERCEPTS
        intercept = intercept.astype("<f4")
    head = pack_numbers("BBI", number, readout.single, readout.n_targets)
    _, step_size = content.network.code_line
    body = pack_readout(readout.coef, step_size, readout_dtype, deflated)
    return head + intercept.tobytes() + body


def _decode_readout(
    reader: Reader, network: CompressedNetwork, fitted: dict[str, float]
) -> LinearReadout:
    """Return the readout of section READ, with what META says of it."""
    kind, single, n_targets = reader.numbers("BBI")
    dtype = kind % _DEFLATED
    deflated, short = bool(kind & _DEFLATED), bool(kind & _SHORT_INTERCEPTS)
    known = dtype < len(READOUT_DTYPES) and single <= 1 and kind < 64
    integer = known and list(READOUT_DTYPES)[dtype] in _INTEGERS
    if not known or short > deflated or deflated > integer:
        raise reader.fail(f"a readout of unknown type {kind}, {single}")
    if n_targets < 1 or (single and n_targets > 1):
        raise reader.fail(f"a readout of {n_targets} targets")
    intercept = reader.array("f4" if short else "f8", n_targets).astype(float)
    name = list(READOUT_DTYPES)[dtype]
    n_weights = n_targets * network.n_features_out
    if not deflated and len(reader) * 8 < n_weights * READOUT_DTYPES[name]:
        raise reader.fail(f"{n_weights} weights of {name} in {len(reader)} bytes")
    _, step_size = network.code_line
    coef = unpack_readout(reader, step_size, n_targets, name, deflated)
    reader.finish()
    if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
        raise reader.fail("a coefficient is not finite")
    readout = LinearReadout(
        coef,
        intercept,
        alpha=fitted.get("alpha_"),
        temperature=fitted.get("temperature_"),
        single=bool(single),
    )
    exact = readout.on_codes(*network.code_line, network.largest_code)
    largest = np.abs(exact.weights).sum(axis=0) * network.largest_code
    scores = largest * exact.grid + np.abs(exact.offset)
    if not np.isfinite(scores).all():
        raise reader.fail("scores are not finite")
    if not np.isfinite(scores * (readout.temperature or 0.0)).all():
        raise reader.fail(f"temperature_ {readout.temperature} is too large")
    return readout


def _decode_names(reader: Reader, n_features: int) -> npt.NDArray[Any]:
    """Return the feature names of section name."""
    text = reader.inflated(len(reader), MAX_NAME_BYTES)
    return np.array(names_from_json(reader, text, n_features), dtype=object)


def _decode_mean(reader: Reader, quantizer: AnyQuantizer) -> npt.NDArray[np.int64]:
    """Return the mean input codes of section mean, in 1/256."""
    mean = unpack_integers(reader, (quantizer.n_codes,))
    reader.finish()
    largest = FIXED_POINT * (2**quantizer.n_bits - 1)
    check_range(reader, "mean code", mean, largest, 0)
    return mean
