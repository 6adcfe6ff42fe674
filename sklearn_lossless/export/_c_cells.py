"""Cells of columns in C: what turns values into codes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..network import Quantizer, ScaledQuantizer
from ._c_text import Piece, c_type, double, table

__all__ = ["Affine", "affine_uint8", "cells_piece"]


class Affine(NamedTuple):
    """``code = clip((x * multiplier + offset) >> shift)`` of 8-bit inputs."""

    multiplier: npt.NDArray[np.int64]
    offset: npt.NDArray[np.int64]
    shift: int
    is_identity: bool


def affine_uint8(quantizer: Quantizer | ScaledQuantizer) -> Affine | None:
    """Find integers that give the codes of all 256 inputs of every feature.

    None if 31 bits are not enough.
    """
    x = np.arange(256)[:, np.newaxis]
    n_features = quantizer.n_features
    codes = quantizer.codes(np.repeat(x, n_features, axis=1)).astype(np.int64)
    clipped = codes == 2**quantizer.n_bits - 1
    slope = np.full(n_features, quantizer.inv_step)
    if isinstance(quantizer, ScaledQuantizer):
        slope = slope * quantizer.factor / quantizer.divisor
    far = np.int64(2**40)
    for shift in range(31):
        if not (255 * slope.max() * 2.0**shift < 2**31):
            return None
        multiplier = np.rint(slope * 2.0**shift).astype(np.int64)
        # Offsets for which each input falls in its cell, or outside where clipped.
        low = (codes << shift) - x * multiplier
        high = low + (1 << shift) - 1
        lowest = np.where(codes > 0, low, -far).max(axis=0)
        highest = np.where(clipped, far, high).min(axis=0)
        if (lowest > highest).any():
            continue
        if lowest.max() <= highest.min():
            lowest, highest = lowest.max(), highest.min()
        # The one next to zero.
        offset = np.broadcast_to(np.clip(0, lowest, highest), n_features)
        if 255 * int(multiplier.max()) + int(np.abs(offset).max()) >= 2**31:
            return None
        return Affine(multiplier, offset, shift, bool((codes == x).all()))
    return None


def cells_piece(quantizer: Quantizer | ScaledQuantizer) -> Piece:
    """Return what turns values into codes: cells of one width.

    Parameters
    ----------
    quantizer : Quantizer or ScaledQuantizer
        The cells are those of the columns, or of the scaled columns.

    Returns
    -------
    Piece
    """
    if quantizer.n_bits > 8:
        raise ValueError(
            f"Input codes of {quantizer.n_bits} bits do not fit in a byte."
        )
    tables = []
    is_scaled = isinstance(quantizer, ScaledQuantizer)
    cells = quantizer.cells if isinstance(quantizer, ScaledQuantizer) else quantizer
    if isinstance(quantizer, ScaledQuantizer):
        for name, each in quantizer.operations.items():
            tables.append(table("double", f"input_{name}", each))
    values: dict[str, Any] = {
        "inv_step": double(cells.inv_step),
        "max_code": 2**cells.n_bits - 1,
        "use_i": "" if is_scaled else "    (void)i;\n",
    }
    if len(np.unique(cells.shift)) == 1:
        values["shift_i"] = f"{cells.shift[0]}"
    else:
        values |= {"shift_i": "(double)model_shifts[i]", "use_i": ""}
        tables.append(table(c_type(cells.shift), "shifts", cells.shift))
    affine = affine_uint8(quantizer)
    is_code = affine is not None and affine.is_identity
    if affine is not None and not is_code:
        values["u8_shift"] = affine.shift
        whole = {"multiplier": affine.multiplier, "offset": affine.offset}
        for name, numbers in whole.items():
            values[f"u8_{name}"] = f"{numbers[0]}"
            if len(np.unique(numbers)) > 1:
                values[f"u8_{name}"] = f"model_{name}s_u8[i]"
                tables.append(table(c_type(numbers), f"{name}s_u8", numbers))
    flags = {
        "u8_double": affine is None,
        "u8_is_code": is_code,
        "affine": affine is not None and not is_code,
    }
    return Piece(values, tables, flags=flags)
