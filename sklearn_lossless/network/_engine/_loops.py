"""Kernels in plain loops, compiled by numba at their first call."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(nogil=True, cache=True)
def quantize(X, inv_step, shift, max_code, out):  # type: ignore[no-untyped-def]
    """Fill `out` with ``clip(floor(X * inv_step + shift), 0, max_code)``."""
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            cell = np.floor(np.float64(X[i, j]) * inv_step + shift[j])
            out[i, j] = min(max(cell, 0.0), np.float64(max_code))


@numba.njit(nogil=True, cache=True)
def layer_kernel(codes, indices, n_plus, thresholds, levels, out):  # type: ignore[no-untyped-def]
    """Fill `out` (n_outputs, n_samples) from `codes` (n_inputs, n_samples)."""
    n_samples = codes.shape[1]
    sums = np.empty(n_samples, dtype=np.int32)
    reached = np.empty(n_samples, dtype=np.uint8)
    for o in range(indices.shape[0]):
        sums[:] = 0
        for i in range(n_plus[o]):
            row = codes[indices[o, i]]
            for s in range(n_samples):
                sums[s] += row[s]
        for i in range(n_plus[o], indices.shape[1]):
            row = codes[indices[o, i]]
            for s in range(n_samples):
                sums[s] -= row[s]
        reached[:] = 0
        for t in range(thresholds.shape[1]):
            threshold = np.int32(thresholds[o, t])
            for s in range(n_samples):
                reached[s] += sums[s] >= threshold
        for s in range(n_samples):
            out[o, s] = levels[reached[s]]
