"""Section SCAL of the model file: how columns are scaled before they are cut."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace

import numpy as np

from ..network import CompressedNetwork, Quantizer, ScaledQuantizer
from ._coding import Reader

__all__ = ["encode_scaling", "with_scaling"]

#: Operations in their order, each a bit of the flags, with what changes nothing.
_NEUTRAL = {"subtracted": 0.0, "divisor": 1.0, "factor": 1.0, "added": 0.0}

_POSITIVE = ("divisor", "factor")


def encode_scaling(quantizer: ScaledQuantizer) -> bytes:
    """Return section SCAL.

    Parameters
    ----------
    quantizer : ScaledQuantizer

    Returns
    -------
    bytes
    """
    done = quantizer.operations
    flags = sum(1 << bit for bit, name in enumerate(_NEUTRAL) if name in done)
    numbers = [each.astype("<f8").tobytes() for each in done.values()]
    return struct.pack("<B", flags) + zlib.compress(b"".join(numbers), 9)


def with_scaling(reader: Reader, network: CompressedNetwork) -> CompressedNetwork:
    """Return a network with the scaling of its columns.

    Parameters
    ----------
    reader : Reader
        Of section SCAL.
    network : CompressedNetwork
        Its quantiser cuts the scaled columns.

    Returns
    -------
    CompressedNetwork
    """
    (flags,) = reader.numbers("B")
    if flags >> len(_NEUTRAL):
        raise reader.fail(f"unknown operations {flags}")
    names = [name for bit, name in enumerate(_NEUTRAL) if flags >> bit & 1]
    n_features = network.n_features_in
    size = 8 * n_features * len(names)
    numbers = Reader(reader.inflated(len(reader), size), "section SCAL")
    operations = {name: np.full(n_features, value) for name, value in _NEUTRAL.items()}
    for name in names:
        values = operations[name] = numbers.array("f8", n_features)
        if not np.isfinite(values).all():
            raise reader.fail(f"{name} is not finite")
        if name in _POSITIVE and not (values > 0).all():
            raise reader.fail(f"{name} is not positive")
    numbers.finish()
    assert isinstance(network.quantizer, Quantizer)
    return replace(network, quantizer=ScaledQuantizer(network.quantizer, **operations))
