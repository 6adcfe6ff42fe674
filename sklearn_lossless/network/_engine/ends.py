"""The two ends of the forward pass: real inputs -> codes, and codes -> scores."""

from __future__ import annotations

import numpy as np

from .vector import exact_sums, kernel

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


@exact_sums
def read_out(codes, weights, out):  # type: ignore[no-untyped-def]
    """Fill `out` with ``codes @ weights.T``.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_features), dtype uint8
    weights : ndarray of shape (n_targets, n_features), dtype float64
        Whole numbers, such that no sum reaches 2**53.
    out : ndarray of shape (n_samples, n_targets), dtype float64
    """
    row = np.empty(codes.shape[1])
    for i in range(codes.shape[0]):
        for j in range(row.size):
            row[j] = codes[i, j]
        for target in range(weights.shape[0]):
            total = 0.0
            for j in range(row.size):
                total += row[j] * weights[target, j]
            out[i, target] = total
