"""Parameters, class labels and names as JSON, and back."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .._not_restored import NotRestored
from ..layers import Conv2D, Dense, Pool2D
from ..layers import from_plain as layer_from_plain
from ..layers import to_plain as layer_to_plain
from ._coding import Reader

__all__ = [
    "MAX_NAME_BYTES",
    "classes_from_plain",
    "from_json",
    "from_plain",
    "names_from_json",
    "plain",
    "plain_classes",
    "to_json",
]

#: Bounds of the format, so that a forged size costs nothing.
MAX_NAME_BYTES = 2**24
_MAX_DEPTH = 16

#: White space of JSON.
_SPACE = re.compile(r"[ \t\n\r]*")


def to_json(value: Any) -> bytes:
    """Return the text of JSON values."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode(errors="surrogatepass")


def from_json(reader: Reader, data: bytes) -> Any:
    """Return the JSON values that a text says."""
    try:
        return json.loads(_decoded(reader, data))
    except (ValueError, RecursionError) as error:
        raise reader.fail(f"not JSON ({error})") from None


def names_from_json(reader: Reader, data: bytes, count: int) -> list[str]:
    """Return the `count` strings of a JSON list; no more than these are parsed."""
    wrong = reader.fail(f"not a list of {count} names")
    text, decoder = _decoded(reader, data), json.JSONDecoder()
    names: list[str] = []
    place = _SPACE.match(text).end()  # type: ignore[union-attr]
    for opening in "[" + "," * (count - 1):
        if text[place : place + 1] != opening:
            raise wrong
        place = _SPACE.match(text, place + 1).end()  # type: ignore[union-attr]
        if text[place : place + 1] == "]":
            raise wrong
        if text[place : place + 1] != '"':
            raise reader.fail("a name is not a string")
        try:
            name, place = decoder.raw_decode(text, place)
        except ValueError as error:
            raise reader.fail(f"not JSON ({error})") from None
        names.append(name)
        place = _SPACE.match(text, place).end()  # type: ignore[union-attr]
    if text[place:].strip(" \t\n\r") != "]":
        raise wrong
    return names


def _decoded(reader: Reader, data: bytes) -> str:
    try:
        return data.decode(errors="surrogatepass")
    except UnicodeDecodeError as error:
        raise reader.fail(f"not JSON ({error})") from None


def plain(value: Any) -> Any:
    """Return `value` as JSON; what JSON lacks becomes an object of one key."""
    if hasattr(value, "tolist"):  # arrays, Series and their numbers
        value = value.tolist()
    if isinstance(value, range):
        value = list(value)
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, tuple):
        return {"tuple": [plain(each) for each in value]}
    if isinstance(value, Mapping):
        return {"dict": [[plain(key), plain(value[key])] for key in value]}
    if isinstance(value, NotRestored):
        return {"lost": value.what}
    if isinstance(value, (Conv2D, Dense, Pool2D)):
        return {"layer": plain(layer_to_plain(value))}
    kind = type(value).__name__
    name = getattr(value, "__name__", "")
    return {"lost": f"the {kind} {name}".rstrip()}


def from_plain(reader: Reader, value: Any, depth: int = 0) -> Any:
    """Return what `plain` was given."""
    if depth > _MAX_DEPTH:
        raise reader.fail(f"parameters nested deeper than {_MAX_DEPTH}")
    depth += 1
    if isinstance(value, list):
        return [from_plain(reader, each, depth) for each in value]
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
        return tuple(from_plain(reader, each, depth) for each in inner)
    if (
        key == "dict"
        and isinstance(inner, list)
        and all(isinstance(each, list) and len(each) == 2 for each in inner)
    ):
        pairs = [[from_plain(reader, each, depth) for each in pair] for pair in inner]
        if all(isinstance(key, (bool, int, float, str)) for key, _ in pairs):
            return dict(pairs)
    if key == "layer":
        try:
            return layer_from_plain(*from_plain(reader, inner, depth))
        except (TypeError, ValueError) as error:
            raise reader.fail(f"a layer: {error}") from None
    raise reader.fail(f"a value of unknown kind {key!r}")


#: Types of class labels, and of their JSON values.
_CLASS_TYPES: dict[str, Any] = {
    "str": str,
    "object": str,
    "bool": bool,
    **{f"{sign}int{bits}": int for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": float for bits in (16, 32, 64)},
}


def plain_classes(classes: npt.NDArray[Any]) -> dict[str, Any]:
    """Return class labels as JSON."""
    name = "str" if classes.dtype.kind == "U" else classes.dtype.name
    values = classes.tolist()
    expected = _CLASS_TYPES.get(name)
    if expected is None or not all(isinstance(each, expected) for each in values):
        raise ValueError(
            f"Class labels of dtype {classes.dtype} cannot be saved; expected strings, "
            f"numbers or booleans, got {values[0]!r}."
        )
    return {"dtype": name, "values": values}


def classes_from_plain(reader: Reader, stored: Any) -> npt.NDArray[Any]:
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
    if name == "str" and len(values) * max(map(len, values)) > MAX_NAME_BYTES:
        raise reader.fail("class labels of too many characters")
    try:
        classes = np.array(values, dtype=name)
    except OverflowError as error:
        raise reader.fail(str(error)) from None
    if classes.dtype.kind == "f" and not np.isfinite(classes).all():
        raise reader.fail("a class label is not finite")
    if not np.all(classes[1:] > classes[:-1]):
        raise reader.fail("the class labels are not in increasing order")
    return classes
