"""The ends of the forward pass: inputs to codes, codes to features or scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .layer import aligned_zeros
from .vector import exact_sums, kernel

__all__ = ["decode", "quantize", "read_out", "threshold_bits"]

#: Samples that share each weight of a readout, and features of theirs that are taken at
#: once: they fit in the nearest cache.
_ROWS, _FEATURES = 4, 512

#: Up to so many samples have nothing to share, and need no kernel.
_FEW = 2

#: Weights of a readout that meet all samples of a block before others do: half of a
#: small second cache.
_WEIGHTS = 2**15


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
def threshold_bits(X, starts, bounds, missing, groups, group_starts, out):  # type: ignore[no-untyped-def]
    """Fill `out` with the bits of columns.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_columns)
        Numbers of any type; NaN is missing.
    starts : ndarray of shape (n_columns + 1,), dtype int64
        First bit of each column.
    bounds : ndarray of shape (n_bits,), dtype float64
        Each bit says whether the value is above its bound; NaN: it is not.
    missing : ndarray of shape (n_columns,), dtype int64
        Bit that is set for missing values, or -1.
    groups : ndarray of shape (n_categories,), dtype int64
        Bit of each category, from its column's first; or -1.
    group_starts : ndarray of shape (n_columns + 1,), dtype int64
        First category of each column.
    out : ndarray of shape (n_samples, n_bits), dtype uint8
    """
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            x = np.float64(X[i, j])
            for bit in range(starts[j], starts[j + 1]):
                out[i, bit] = x > bounds[bit]
            if np.isnan(x):
                if missing[j] >= 0:
                    out[i, missing[j]] = 1
            elif 0 <= x < group_starts[j + 1] - group_starts[j] and x == np.floor(x):
                group = groups[group_starts[j] + int(x)]
                if group >= 0:
                    out[i, starts[j] + group] = 1


@kernel
def decode(codes, offset, step_size, out):  # type: ignore[no-untyped-def]
    """Fill `out` with ``offset + step_size * codes``.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_features), dtype uint8
    offset, step_size : ndarray of shape (n_features,)
        Of the type of `out`.
    out : ndarray of shape (n_samples, n_features)
        Floating-point numbers.
    """
    for i in range(codes.shape[0]):
        for j in range(codes.shape[1]):
            out[i, j] = offset[j] + step_size[j] * codes[i, j]


def read_out(
    codes: npt.NDArray[np.uint8],
    weights: npt.NDArray[np.float64],
    out: npt.NDArray[np.float64],
) -> None:
    """Fill `out` with the products of codes and weights.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_features), dtype uint8
    weights : ndarray of shape (n_targets, n_padded), dtype float64
        Whole numbers, such that no sum reaches 2**53, as by `prepare_readout`.
    out : ndarray of shape (n_samples, n_targets), dtype float64
    """
    if len(codes) <= _FEW:  # exact in any order
        of_codes = weights[:, : codes.shape[1]]
        np.einsum("ij,kj->ik", codes.astype(np.float64), of_codes, out=out)
        return
    n_targets, n_padded = weights.shape
    scratch = aligned_zeros(_ROWS * min(n_padded, _FEATURES), np.float64)
    out[:] = 0.0
    for start in range(0, n_padded, _FEATURES):
        size = min(_FEATURES, n_padded - start)
        rows = scratch[: _ROWS * size].reshape(_ROWS, size)
        n_at_once = max(1, _WEIGHTS // size)
        for first in range(0, n_targets, n_at_once):
            stop = min(first + n_at_once, n_targets)
            _add_products(codes, weights, start, first, stop, rows, out)


@exact_sums
def _add_products(codes, weights, start, first, stop, rows, out):  # type: ignore[no-untyped-def]
    """Add the products of the features from `start` on with a range of targets.

    `rows` has as many columns as there are features of them, in floating point. What
    is left in it where there is no code meets weights of zero.
    """
    size = rows.shape[1]
    n_codes = min(size, codes.shape[1] - start)
    last = codes.shape[0] - 1
    for i in range(0, last + 1, _ROWS):
        for s in range(_ROWS):  # the last one again, where there are no four
            of_sample = codes[min(i + s, last), start : start + n_codes]
            for j in range(n_codes):
                rows[s, j] = of_sample[j]
        for target in range(first, stop):
            of_target = weights[target, start : start + size]
            a = b = c = d = 0.0
            for j in range(size):
                a += rows[0, j] * of_target[j]
                b += rows[1, j] * of_target[j]
                c += rows[2, j] * of_target[j]
                d += rows[3, j] * of_target[j]
            out[i, target] += a
            if i + 1 <= last:
                out[i + 1, target] += b
            if i + 2 <= last:
                out[i + 2, target] += c
            if i + 3 <= last:
                out[i + 3, target] += d
