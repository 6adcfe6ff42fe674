"""The two ends of the forward pass: real inputs -> codes, and codes -> scores."""

from __future__ import annotations

import numpy as np

from .vector import kernel

__all__ = ["quantize", "read_out"]


@kernel
def quantize(X, inv_step, shift, max_code, out):  # type: ignore[no-untyped-def]
    """Fill `out` with ``clip(floor(X * inv_step + shift), 0, max_code)``.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Finite numbers of any type.
    inv_step : float
        Scale of all features.
    shift : ndarray of shape (n_features,), dtype float64
        Offset of each feature.
    max_code : float
        Largest code.
    out : ndarray of shape (n_samples, n_features)
        Unsigned integers.
    """
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            cell = np.floor(np.float64(X[i, j]) * inv_step + shift[j])
            out[i, j] = min(max(cell, 0.0), max_code)


@kernel
def read_out(codes, weights, out):  # type: ignore[no-untyped-def]
    """Fill `out` with ``codes @ weights``, adding in the order of the features.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_features), dtype uint8
    weights : ndarray of shape (n_features, n_targets), dtype float64
    out : ndarray of shape (n_samples, n_targets), dtype float64
    """
    sums = np.empty(weights.shape[1])
    for i in range(codes.shape[0]):
        sums[:] = 0.0
        for j in range(codes.shape[1]):
            code = np.float64(codes[i, j])
            for target in range(sums.size):
                sums[target] += code * weights[j, target]
        out[i] = sums
