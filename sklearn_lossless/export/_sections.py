"""The sections of a model file: from plain numbers to bytes and back."""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .._not_restored import NotRestored
from ..network import CompressedNetwork, Dense, Quantizer
from ..network.layers import line_of_codes
from ..theory import GaussianMoments, NetworkMatch, StepActivation
from ..theory.matching import LayerMatch, MomentEquation
from ._coding import (
    READOUT_DTYPES,
    Reader,
    pack_integers,
    pack_readout,
    pack_weights,
    unpack_integers,
    unpack_readout,
    unpack_weights,
)

__all__ = ["KINDS", "MAGIC", "Model", "NotRestored", "decode", "encode"]

#: As in PNG: a byte above 127, the name, and line ends that careless copies change.
MAGIC = b"\x89LNN\r\n\x1a\n"

_VERSION = 1

#: Estimators by their number in the file.
KINDS = ("NTKCompressor", "CompressedMLPClassifier", "CompressedMLPRegressor")

_READOUT_LAYERS = ("last", "all")

#: Sections that this version knows; unknown ones in small letters are skipped.
_SECTIONS = (b"META", b"NETW", b"MTCH", b"READ", b"name")

# Bounds of version 1, so that a forged size costs nothing.
_MAX_FEATURES = 2**20
_MAX_WIDTH = 2**20
_MAX_LAYERS = 64
_MAX_WEIGHTS = 2**32
_MAX_NONZEROS = 2**27
_MAX_DEPTH = 16
_MAX_NAME_BYTES = 2**24

_MOMENTS = ("mean", "m1", "m2", "f", "tau", "derivative_sq")
_EQUATIONS = ("m1", "m2", "f", "tau")


@dataclass(frozen=True, eq=False)
class Model:
    """What a file holds, in plain numbers.

    Parameters
    ----------
    kind : str
        Name of the estimator's class.
    params : dict
        Constructor parameters.
    scale : float
        ``scale_`` of the compressor.
    network : CompressedNetwork
    matching : NetworkMatch
    coef : ndarray of shape (n_targets, n_features_out) or None
    intercept : ndarray of shape (n_targets,) or None
    single : bool
        Whether there is one target without an axis of its own.
    classes : ndarray of shape (n_classes,) or None
    fitted : dict of str to float
        Further fitted numbers.
    feature_names : ndarray of shape (n_features_in,) or None
    """

    kind: str
    params: dict[str, Any]
    scale: float
    network: CompressedNetwork
    matching: NetworkMatch
    coef: npt.NDArray[np.float64] | None = None
    intercept: npt.NDArray[np.float64] | None = None
    single: bool = False
    classes: npt.NDArray[Any] | None = None
    fitted: dict[str, float] = field(default_factory=dict)
    feature_names: npt.NDArray[Any] | None = None


def encode(model: Model, readout_dtype: str) -> bytes:
    """Return the bytes of a file."""
    meta: dict[str, Any] = {
        "params": {name: _plain(value) for name, value in model.params.items()},
        "fitted": {"scale_": model.scale, **model.fitted},
    }
    if model.classes is not None:
        meta["classes"] = _plain_classes(model.classes)
    sections = {
        b"META": _json(meta),
        b"NETW": _encode_network(model.network),
        b"MTCH": _encode_matching(model.matching),
    }
    if model.coef is not None and model.intercept is not None:
        head = struct.pack(
            "<BBI",
            list(READOUT_DTYPES).index(readout_dtype),
            model.single,
            len(model.coef),
        )
        _, unit = model.network.code_line
        body = pack_readout(model.coef, unit, readout_dtype)
        sections[b"READ"] = head + model.intercept.astype("<f8").tobytes() + body
    if model.feature_names is not None:
        names = _json([str(name) for name in model.feature_names])
        sections[b"name"] = zlib.compress(names, 9)
    parts = [MAGIC, struct.pack("<BBH", _VERSION, KINDS.index(model.kind), 0)]
    for tag, payload in sections.items():
        parts += [tag, struct.pack("<I", len(payload)), payload]
    data = b"".join(parts)
    return data + struct.pack("<I", zlib.crc32(data))


def decode(data: bytes) -> Model:
    """Return what the bytes of a file say, checked."""
    kind, sections = _sections(data)
    reader = Reader(sections[b"NETW"], "section NETW")
    network = _decode_network(reader)
    matching = _decode_matching(Reader(sections[b"MTCH"], "section MTCH"), network)
    network = _with_lines(network, matching)
    meta = Reader(sections[b"META"], "section META")
    params, fitted, classes = _decode_meta(meta)
    scale = fitted.pop("scale_", None)
    if scale is None:
        raise meta.fail("no scale_")
    model: dict[str, Any] = {
        "kind": kind,
        "params": params,
        "scale": scale,
        "network": network,
        "matching": matching,
    }
    if b"name" in sections:
        names = Reader(sections[b"name"], "section name")
        model["feature_names"] = _decode_names(names, network.n_features_in)
    if kind == "NTKCompressor":
        return Model(**model)

    readout = Reader(sections.get(b"READ", b""), "section READ")
    coef, intercept, single = _decode_readout(readout, Model(**model))
    classifier = kind == "CompressedMLPClassifier"
    if classifier != (classes is not None) or classifier != ("temperature_" in fitted):
        raise meta.fail(f"classes or temperature_ do not suit a {kind}")
    if classifier and not isinstance(params.get("readout", "ridge"), str):
        raise meta.fail("the readout is not a name")
    if classes is not None:
        n_targets = 1 if len(classes) == 2 else len(classes)
        if len(coef) != n_targets or single:
            raise readout.fail(f"{len(coef)} scores for {len(classes)} classes")
    return Model(
        **model,
        coef=coef,
        intercept=intercept,
        single=single,
        classes=classes,
        fitted=fitted,
    )


def _sections(data: bytes) -> tuple[str, dict[bytes, memoryview]]:
    """Return the estimator's class and the sections of a file that is whole."""
    reader = Reader(data, "the file")
    if data[: len(MAGIC)] != MAGIC:
        raise reader.fail(f"it begins with {data[: len(MAGIC)]!r}, not {MAGIC!r}")
    reader.take(len(MAGIC))
    version, kind, reserved = reader.numbers("BBH")
    if version != _VERSION:
        raise reader.fail(
            f"its version is {version}; this version of sklearn-lossless reads "
            f"version {_VERSION}"
        )
    if len(reader) < 4:
        raise reader.fail("it ends before its checksum")
    if zlib.crc32(data[:-4]) != struct.unpack("<I", data[-4:])[0]:
        raise reader.fail("the checksum does not fit: it is damaged or cut off")
    if kind >= len(KINDS) or reserved:
        raise reader.fail(f"it holds an estimator of unknown kind {kind}, {reserved}")
    sections: dict[bytes, memoryview] = {}
    while len(reader) > 4:
        tag, size = reader.numbers("4sI")
        if len(reader) < size + 4:
            raise reader.fail(f"section {tag!r} of {size} bytes is cut off")
        if tag in sections:
            raise reader.fail(f"section {tag!r} is there twice")
        if tag not in _SECTIONS and not tag.islower():
            raise reader.fail(
                f"section {tag!r} is unknown: the file comes from a later version"
            )
        sections[tag] = reader.take(size)
    for tag in (b"META", b"NETW", b"MTCH"):
        if tag not in sections:
            raise reader.fail(f"section {tag!r} is missing")
    return KINDS[kind], sections


def _encode_network(network: CompressedNetwork) -> bytes:
    """Return section NETW."""
    quantizer = network.quantizer
    parts = [
        struct.pack(
            "<BdIQBB",
            quantizer.n_bits,
            quantizer.inv_step,
            quantizer.n_features,
            network.seed % 2**64,
            _READOUT_LAYERS.index(network.readout_layers),
            len(network.layers),
        ),
        pack_integers(quantizer.shift),
    ]
    for spec in network.layers:
        flags = (
            (spec.thresholds.ndim == 2)
            | (len(spec.centre) > 1) << 1
            | (spec.weights is not None) << 2
        )
        parts += [
            struct.pack(
                "<BIIqB",
                flags,
                spec.n_outputs,
                spec.n_nonzeros,
                spec.bias_scale,
                len(spec.levels),
            ),
            spec.levels.astype(np.uint8).tobytes(),
            pack_integers(spec.thresholds),
            pack_integers(spec.centre),
        ]
        if spec.weights is not None:
            parts.append(pack_weights(spec.weights))
    return b"".join(parts)


def _decode_network(reader: Reader) -> CompressedNetwork:
    """Return the network of section NETW, safe to run."""
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
    _check_range(reader, "shift", shift, 2**60)
    layers: list[Dense] = []
    for number in range(n_layers):
        n_inputs = layers[-1].n_outputs if layers else n_features
        layers.append(_decode_layer(reader, number, n_inputs))
    reader.finish()
    total = sum(spec.n_outputs * spec.n_nonzeros for spec in layers)
    if total > _MAX_NONZEROS:
        raise reader.fail(f"{total} weights that are not 0, over {_MAX_NONZEROS}")
    total = sum(spec.n_outputs * spec.n_inputs for spec in layers)
    if total > _MAX_WEIGHTS:
        raise reader.fail(f"{total} weights, over {_MAX_WEIGHTS}")
    quantizer = Quantizer(inv_step, shift, n_bits)
    return CompressedNetwork(quantizer, tuple(layers), seed, _READOUT_LAYERS[which])


def _decode_layer(reader: Reader, number: int, n_inputs: int) -> Dense:
    """Take one layer."""
    flags, n_outputs, n_nonzeros, bias_scale, n_levels = reader.numbers("BIIqB")
    if flags > 7:
        raise reader.fail(f"layer {number} has unknown flags {flags}")
    if not 1 <= n_outputs <= _MAX_WIDTH:
        raise reader.fail(f"layer {number} has {n_outputs} neurons, over {_MAX_WIDTH}")
    if not 1 <= n_nonzeros <= n_inputs:
        raise reader.fail(f"layer {number} has {n_nonzeros} of {n_inputs} weights")
    if abs(bias_scale) > 2**40:
        raise reader.fail(f"layer {number} has a bias scale of {bias_scale}")
    levels = reader.array("u1", n_levels)
    if not 1 <= levels.max(initial=0) <= 15 or len(levels) < 2:
        raise reader.fail(f"layer {number} has levels {levels.tolist()}")
    n_thresholds = n_levels - 1
    shape = (n_outputs, n_thresholds) if flags & 1 else (n_thresholds,)
    thresholds = unpack_integers(reader, shape)
    _check_range(reader, "threshold", thresholds, 2**60)
    if np.any(thresholds[..., 1:] < thresholds[..., :-1]):
        raise reader.fail(f"the thresholds of layer {number} decrease")
    centre = unpack_integers(reader, (n_inputs if flags & 2 else 1,))
    _check_range(reader, "centre", centre, 2**32)
    weights = None
    if flags & 4:
        weights = unpack_weights(reader, n_inputs, n_outputs, n_nonzeros)
        _check_range(reader, "bias", weights.bias, 2**60 // max(1, abs(bias_scale)))
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


def _check_range(
    reader: Reader, name: str, values: npt.NDArray[np.int64], limit: int
) -> None:
    if values.max() > limit or values.min() < -limit:
        raise reader.fail(f"a {name} is beyond {limit}")


def _encode_matching(matching: NetworkMatch) -> bytes:
    """Return section MTCH."""
    parts = []
    for layer in matching.layers:
        name = layer.activation.encode(errors="replace")[:255]
        step = layer.step
        moments = [
            getattr(side, moment)
            for side in (layer.target, layer.achieved)
            for moment in _MOMENTS
        ]
        taus = [layer.tau_in, layer.tau_in_compressed]
        required = sum(each.required << bit for bit, each in enumerate(layer.equations))
        residuals = [each.residual for each in layer.equations]
        numbers = [step.scale, step.offset, *taus, *moments, *residuals]
        parts += [
            struct.pack("<B", len(name)) + name,
            struct.pack("<B", len(step.levels)) + bytes(step.levels.tolist()),
            step.thresholds.astype("<f8").tobytes(),
            struct.pack(f"<B{len(numbers)}d", required, *numbers),
        ]
    return b"".join(parts)


def _decode_matching(reader: Reader, network: CompressedNetwork) -> NetworkMatch:
    """Return the matching of section MTCH, for the layers of `network`."""
    layers = []
    for number, spec in enumerate(network.layers, start=1):
        name = bytes(reader.take(*reader.numbers("B"))).decode(errors="ignore")
        levels = reader.array("u1", *reader.numbers("B"))
        if not np.array_equal(levels, spec.levels):
            raise reader.fail(f"the levels of layer {number} are not the network's")
        thresholds = reader.array("f8", len(levels) - 1)
        required, *numbers = reader.numbers("B20d")
        scale, offset, tau_in, tau_in_compressed, *numbers = numbers
        target = GaussianMoments(*numbers[:6])
        achieved = GaussianMoments(*numbers[6:12])
        if required > 15 or not math.isfinite(achieved.mean):
            raise reader.fail(f"the moments of layer {number} are not numbers")
        try:
            step = StepActivation(thresholds, levels, scale, offset)
        except ValueError as error:
            raise reader.fail(f"layer {number}: {error}") from None
        equations = tuple(
            MomentEquation(
                moment,
                getattr(target, moment),
                getattr(achieved, moment),
                bool(required >> bit & 1),
                residual,
            )
            for bit, (moment, residual) in enumerate(
                zip(_EQUATIONS, numbers[12:], strict=True)
            )
        )
        layers.append(
            LayerMatch(
                number,
                name,
                step,
                target,
                achieved,
                tau_in,
                tau_in_compressed,
                equations,
            )
        )
    reader.finish()
    return NetworkMatch(tuple(layers))


def _with_lines(
    network: CompressedNetwork, matching: NetworkMatch
) -> CompressedNetwork:
    """Return the network with offset and step size of each layer's codes."""
    layers = []
    for layer, match in zip(network.layers, matching.layers, strict=True):
        offset, step_size = line_of_codes(
            match.step, match.achieved.mean, layer.n_outputs
        )
        layers.append(replace(layer, offset=offset, step_size=step_size))
    return replace(network, layers=tuple(layers))


def _decode_readout(
    reader: Reader, model: Model
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], bool]:
    """Return coefficients, intercepts, and whether there is one target."""
    dtype, single, n_targets = reader.numbers("BBI")
    if dtype >= len(READOUT_DTYPES) or single > 1:
        raise reader.fail(f"a readout of unknown type {dtype}, {single}")
    if n_targets < 1 or (single and n_targets > 1):
        raise reader.fail(f"a readout of {n_targets} targets")
    intercept = reader.array("f8", n_targets)
    name = list(READOUT_DTYPES)[dtype]
    n_weights = n_targets * model.network.n_features_out
    if len(reader) * 8 < n_weights * READOUT_DTYPES[name]:
        raise reader.fail(f"{n_weights} weights of {name} in {len(reader)} bytes")
    _, unit = model.network.code_line
    coef = unpack_readout(reader, unit, n_targets, name)
    reader.finish()
    if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
        raise reader.fail("a coefficient is not finite")
    return coef, intercept, bool(single)


def _decode_names(reader: Reader, n_features: int) -> npt.NDArray[Any]:
    """Return the feature names of section name."""
    names = _from_json(reader, reader.inflated(len(reader), _MAX_NAME_BYTES))
    if not isinstance(names, list) or len(names) != n_features:
        raise reader.fail(f"not a list of {n_features} names")
    if not all(isinstance(each, str) for each in names):
        raise reader.fail("a name is not a string")
    return np.array(names, dtype=object)


def _decode_meta(
    reader: Reader,
) -> tuple[dict[str, Any], dict[str, float], npt.NDArray[Any] | None]:
    """Return parameters, fitted numbers and classes of section META."""
    meta = _from_json(reader, bytes(reader.take(len(reader))))
    if not isinstance(meta, dict):
        raise reader.fail("not an object")
    params, fitted = meta.get("params"), meta.get("fitted")
    if not isinstance(params, dict) or not isinstance(fitted, dict):
        raise reader.fail("params or fitted is missing")
    for name, value in fitted.items():
        if name not in ("scale_", "alpha_", "temperature_") or not (
            isinstance(value, float) and math.isfinite(value)
        ):
            raise reader.fail(f"fitted number {name!r} is {value!r}")
    classes = None
    if "classes" in meta:
        classes = _classes(reader, meta["classes"])
    restored = {name: _restored(reader, value) for name, value in params.items()}
    return restored, fitted, classes


def _json(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode(errors="surrogatepass")


def _from_json(reader: Reader, data: bytes) -> Any:
    try:
        return json.loads(data.decode(errors="surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise reader.fail(f"not JSON ({error})") from None


def _plain(value: Any) -> Any:
    """Return `value` as JSON; what JSON lacks becomes an object of one key."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, tuple):
        return {"tuple": [_plain(each) for each in value]}
    if isinstance(value, Mapping):
        return {"dict": [[_plain(key), _plain(value[key])] for key in value]}
    if isinstance(value, NotRestored):
        return {"lost": value.what}
    kind = type(value).__name__
    name = getattr(value, "__name__", "")
    return {"lost": f"the {kind} {name}".rstrip()}


def _restored(reader: Reader, value: Any, depth: int = 0) -> Any:
    """Return what `_plain` was given."""
    if depth > _MAX_DEPTH:
        raise reader.fail(f"parameters nested deeper than {_MAX_DEPTH}")
    depth += 1
    if isinstance(value, list):
        return [_restored(reader, each, depth) for each in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1:
        raise reader.fail(f"an object of {len(value)} keys")
    ((key, inner),) = value.items()
    if key == "float" and inner in ("inf", "-inf", "nan"):
        return float(inner)
    if key == "lost" and isinstance(inner, str):
        return NotRestored(inner)
    if key == "tuple" and isinstance(inner, list):
        return tuple(_restored(reader, each, depth) for each in inner)
    if (
        key == "dict"
        and isinstance(inner, list)
        and all(isinstance(each, list) and len(each) == 2 for each in inner)
    ):
        pairs = [[_restored(reader, each, depth) for each in pair] for pair in inner]
        if all(isinstance(key, (bool, int, float, str)) for key, _ in pairs):
            return dict(pairs)
    raise reader.fail(f"a value of unknown kind {key!r}")


#: Types of class labels, and of their JSON values.
_CLASS_TYPES: dict[str, Any] = {
    "str": str,
    "object": str,
    "bool": bool,
    **{f"{sign}int{bits}": int for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": float for bits in (16, 32, 64)},
}


def _plain_classes(classes: npt.NDArray[Any]) -> dict[str, Any]:
    name = "str" if classes.dtype.kind == "U" else classes.dtype.name
    values = classes.tolist()
    expected = _CLASS_TYPES.get(name)
    if expected is None or not all(isinstance(each, expected) for each in values):
        raise ValueError(
            f"Class labels of dtype {classes.dtype} cannot be saved; expected strings, "
            f"numbers or booleans, got {values[0]!r}."
        )
    return {"dtype": name, "values": values}


def _classes(reader: Reader, stored: Any) -> npt.NDArray[Any]:
    """Return the class labels."""
    name, values = None, None
    if isinstance(stored, dict):
        name, values = stored.get("dtype"), stored.get("values")
    if not isinstance(name, str) or name not in _CLASS_TYPES:
        raise reader.fail(f"class labels of type {name!r}")
    if not isinstance(values, list) or len(values) < 2:
        raise reader.fail("fewer than 2 classes")
    if not all(type(each) is _CLASS_TYPES[name] for each in values):
        raise reader.fail(f"a class label is not of type {name}")
    if name == "str" and len(values) * max(map(len, values)) > _MAX_NAME_BYTES:
        raise reader.fail("class labels of too many characters")
    try:
        classes = np.array(values, dtype=name)
    except OverflowError as error:
        raise reader.fail(str(error)) from None
    if not np.all(classes[1:] > classes[:-1]):
        raise reader.fail("the class labels are not in increasing order")
    return classes
