"""What the kernels are compiled for."""

from __future__ import annotations

import os

import llvmlite.binding
import numba

__all__ = ["has_avx512", "machine"]

#: Features of processors, widest vectors first, and what they are called.
_VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2", "neon": "NEON", "sse2": "SSE2"}


def has_avx512() -> bool:
    """Return whether Numba compiles for registers of 512 bits."""
    features = numba.config.CPU_FEATURES
    if features is not None:
        return "+avx512f" in features.split(",")
    host = llvmlite.binding.get_host_cpu_features()
    return bool(numba.config.ENABLE_AVX and host.get("avx512f"))


def machine() -> dict[str, str]:
    """Return processor, vectors and cores, in words."""
    name = numba.config.CPU_NAME
    if name is None:
        name = llvmlite.binding.get_host_cpu_name()
        known = llvmlite.binding.get_host_cpu_features()
        vectors = next((_VECTORS[each] for each in _VECTORS if known.get(each)), "?")
    else:
        vectors = "those of NUMBA_CPU_NAME"
    return {
        "processor": name,
        "vectors": "none: NUMBA_DISABLE_JIT" if numba.config.DISABLE_JIT else vectors,
        "cores": str(os.cpu_count()),
    }
