"""Tables and text of the C source."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..network import TernaryWeights

__all__ = [
    "Piece",
    "array",
    "bytes_of",
    "c_type",
    "double",
    "fill",
    "gaps",
    "labels",
    "select",
    "signed",
    "table",
]

#: Characters of a line of a table.
_LINE = 96


class Piece(NamedTuple):
    """Part of what fills the templates."""

    #: Text by the name that stands for it.
    values: dict[str, Any]
    #: Definitions of tables.
    tables: Sequence[str] = ()
    #: Definitions of tables that the header declares, under their final names.
    public: Sequence[str] = ()
    #: Whether the lines of a flag are kept.
    flags: Mapping[str, bool] = {}


def gaps(weights: TernaryWeights, n_inputs: int) -> npt.NDArray[np.uint8]:
    """Return the numbers of inputs between those of each neuron, byte by byte."""
    minus = weights.signs() < 0
    # Inputs that are added come first, each part in increasing order.
    place = np.sort(weights.indices + n_inputs * minus, axis=1) % n_inputs
    before = np.full_like(place, -1)
    before[:, 1:] = place[:, :-1]
    before[np.diff(minus, axis=1, prepend=False)] = -1
    gap = (place - before - 1).ravel()
    ends = np.cumsum(gap // 255 + 1) - 1
    in_bytes = np.full(ends[-1] + 1, 255, dtype=np.uint8)
    in_bytes[ends] = gap % 255
    return in_bytes


def labels(classes: npt.NDArray[Any]) -> tuple[str, list[Any]]:
    """Return the C type of class labels, and their text."""
    if classes.dtype.kind in "biu":
        numbers = [int(label) for label in classes]
        if numbers[-1] >= 2**63:
            return "uint64_t ", [f"{number}u" for number in numbers]
        return f"{c_type(np.array(numbers + [-1]))} ", [*map(_integer, numbers)]
    if classes.dtype.kind == "f":
        return "double ", [double(float(label)) for label in classes]
    return "char *const ", [_quoted(str(label)) for label in classes]


def _integer(number: int) -> str:
    """Return an integer of C; a minus sign is no part of its constants."""
    return f"{number}" if number > -(2**63) else f"({number + 1} - 1)"


def double(number: float) -> str:
    """Return a constant that is `number` in whatever precision C evaluates it."""
    if math.isinf(number):  # without a macro of the library
        return "(1.0 / 0.0)" if number > 0 else "(-1.0 / 0.0)"
    whole = number.is_integer() and abs(number) < 2**53
    return repr(number) if whole else number.hex()


def _quoted(text: str) -> str:
    """Return `text` as a C string, UTF-8."""
    plain = set(range(32, 127)) - set(b'"\\?')
    return (
        '"'
        + "".join(
            chr(byte) if byte in plain else f"\\{byte:03o}"
            for byte in text.encode("utf-8")
        )
        + '"'
    )


def c_type(*arrays: npt.NDArray[Any]) -> str:
    """Return the smallest integer type of C that holds all values."""
    if not any(array.size for array in arrays):
        return "uint8_t"
    low = min(int(array.min()) for array in arrays if array.size)
    high = max(int(array.max()) for array in arrays if array.size)
    for bits in (8, 16, 32, 64):
        # Unsigned types that C promotes to a signed one are safe to mix.
        if low >= 0 and high < 2**bits and bits < 32:
            return f"uint{bits}_t"
        if low >= -(2 ** (bits - 1)) and high < 2 ** (bits - 1):
            return f"int{bits}_t"
    raise ValueError(f"No integer of C holds values from {low} to {high}.")


def signed(bound: float) -> str:
    """Return the signed type for numbers up to `bound`, of 32 bits at least."""
    return "int32_t" if bound < 2**31 else "int64_t"


def bytes_of(kind: str) -> int:
    """Return the size of a C type."""
    return 8 if kind == "double" else int(re.sub(r"\D", "", kind)) // 8


def array(name: str, values: Any, size: str = "") -> str:
    """Return a definition of a C array, without its type."""
    flat = np.asarray(values)
    if flat.dtype.kind == "f":
        texts = [double(value) for value in flat.ravel().tolist()]
    else:
        texts = [str(value) for value in flat.ravel().tolist()]
    per_line = max(1, _LINE // (max(map(len, texts), default=0) + 1))
    lines = [
        "    " + ",".join(texts[start : start + per_line])
        for start in range(0, len(texts), per_line)
    ]
    return f"{name}[{size}] = {{\n" + ",\n".join(lines or ["    0"]) + "\n};"


def table(kind: str, name: str, values: Any) -> str:
    """Return the definition of a table that only the source sees."""
    return f"static const {kind} {array(f'model_{name}', values)}"


def select(text: str, flags: Mapping[str, bool]) -> str:
    """Keep the lines between ``@if flag`` and ``@end`` whose flags are all set."""
    kept, stack = [], [True]
    for line in text.splitlines(keepends=True):
        word, *rest = line.split() or [""]
        if word == "@if":
            stack.append(stack[-1] and flags[rest[0]])
        elif word == "@end":
            stack.pop()
        elif stack[-1]:
            kept.append(line)
    return "".join(kept)


def fill(text: str, values: Mapping[str, Any]) -> str:
    """Put values in place of ``{names}``."""
    return re.sub(r"\{([a-z]\w*)\}", lambda found: str(values[found.group(1)]), text)
