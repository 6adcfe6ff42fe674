"""How objects that hold arrays are printed: on a few lines."""

from __future__ import annotations

import textwrap
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

__all__ = ["short_repr"]

#: Characters of a line.
_WIDTH = 88

#: Values of a sequence that are shown.
_N_SHOWN = 6


def short_repr(self: Any) -> str:
    """Return class and fields of a dataclass or named tuple, arrays by their shapes."""
    names = [each.name for each in fields(self)] if is_dataclass(self) else self._fields
    parts = [f"{name}={_short(getattr(self, name))}" for name in names]
    name = type(self).__name__
    # What is inside of a part stays together.
    text = f"{name}({', '.join(part.replace(' ', chr(0)) for part in parts)})"
    lines = textwrap.wrap(text, _WIDTH, subsequent_indent="    ")
    return "\n".join(lines).replace(chr(0), " ")


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.size > _N_SHOWN:
        shape = " x ".join(map(str, value.shape))
        return f"<{shape} of {value.dtype}>"
    if isinstance(value, np.ndarray):
        return str(value.tolist())
    if isinstance(value, float):
        return f"{value:.6g}"
    if is_dataclass(value) or hasattr(value, "_fields"):
        return f"<{type(value).__name__}>"
    if isinstance(value, (tuple, list)):
        if len(value) <= _N_SHOWN:
            inside = ", ".join(map(_short, value))
            return f"[{inside}]" if isinstance(value, list) else f"({inside})"
        return f"<{len(value)} of {type(value[0]).__name__}>"
    if isinstance(value, dict):
        return f"<dict of {len(value)}>"
    text = repr(value)
    return text if len(text) <= _WIDTH // 2 else f"<{type(value).__name__}>"
