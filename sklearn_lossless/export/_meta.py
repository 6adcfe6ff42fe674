"""Section META of a model file: parameters, fitted numbers and labels, as JSON."""

from __future__ import annotations

import math
from typing import Any

import numpy.typing as npt

from ..readout import LinearReadout
from ._coding import Reader
from ._values import (
    classes_from_plain,
    from_json,
    from_plain,
    plain,
    plain_classes,
    to_json,
)

__all__ = ["decode_meta", "encode_meta"]


def encode_meta(
    params: dict[str, Any],
    scale: float,
    readout: LinearReadout | None,
    classes: npt.NDArray[Any] | None,
) -> bytes:
    """Return section META."""
    fitted = {"scale_": scale}
    if readout is not None:
        numbers = {"alpha_": readout.alpha, "temperature_": readout.temperature}
        fitted |= {name: float(x) for name, x in numbers.items() if x is not None}
    meta: dict[str, Any] = {
        "params": {name: plain(value) for name, value in params.items()},
        "fitted": fitted,
    }
    if classes is not None:
        meta["classes"] = plain_classes(classes)
    return to_json(meta)


def decode_meta(
    reader: Reader,
) -> tuple[dict[str, Any], dict[str, float], npt.NDArray[Any] | None]:
    """Return parameters, fitted numbers and classes of section META."""
    meta = from_json(reader, bytes(reader.take(len(reader))))
    if not isinstance(meta, dict):
        raise reader.fail("not an object")
    params, fitted = meta.get("params"), meta.get("fitted")
    if not isinstance(params, dict) or not isinstance(fitted, dict):
        raise reader.fail("params or fitted is missing")
    for name, value in fitted.items():
        if name not in ("scale_", "alpha_", "temperature_") or not (
            isinstance(value, float)
            and math.isfinite(value)
            and (value > 0 if name == "scale_" else value >= 0)
        ):
            raise reader.fail(f"fitted number {name!r} is {value!r}")
    classes = None
    if "classes" in meta:
        classes = classes_from_plain(reader, meta["classes"])
    restored = {name: from_plain(reader, value) for name, value in params.items()}
    return restored, fitted, classes
