"""The compiled functions, or the same in NumPy for ``NUMBA_DISABLE_JIT=1``."""

from __future__ import annotations

import numba

from .pictures import OnPlanes

if numba.config.DISABLE_JIT:
    from .fallback import (
        decode,
        draw_places,
        fill_by_input,
        layer_on_entries,
        quantize,
        read_out,
        run,
        threshold_bits,
    )

    convolve_on_planes: OnPlanes | None = None
else:
    from .drawing import draw_places
    from .ends import decode, quantize, read_out, threshold_bits
    from .entries import fill_by_input, layer_on_entries
    from .pooled import convolve_on_planes
    from .wide import run

__all__ = [
    "convolve_on_planes",
    "decode",
    "draw_places",
    "fill_by_input",
    "layer_on_entries",
    "quantize",
    "read_out",
    "run",
    "threshold_bits",
]
