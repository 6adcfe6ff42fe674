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
    rows = aligned_zeros(_ROWS * min(weights.shape[1], _FEATURES), np.float64)
    _read_out(codes, weights, rows.reshape(_ROWS, -1), out)


@exact_sums
def _read_out(codes, weights, rows, out):  # type: ignore[no-untyped-def]
    n_samples, n_features = codes.shape
    n_targets, n_padded = weights.shape
    n_together = n_samples - n_samples % _ROWS
    for start in range(0, n_padded, _FEATURES):
        stop = min(start + _FEATURES, n_padded)
        n_codes = min(stop, n_features) - start
        rows[:, n_codes:] = 0.0
        n_at_once = max(1, _WEIGHTS // (stop - start))
        for first in range(0, n_targets, n_at_once):
            targets = range(first, min(first + n_at_once, n_targets))
            # Four samples share each weight that is loaded.
            a_row = rows[0, : stop - start]
            b_row = rows[1, : stop - start]
            c_row = rows[2, : stop - start]
            d_row = rows[3, : stop - start]
            for i in range(0, n_together, _ROWS):
                for s in range(_ROWS):
                    row, of_sample = rows[s], codes[i + s, start : start + n_codes]
                    for j in range(n_codes):
                        row[j] = of_sample[j]
                for target in targets:
                    weight = weights[target, start:stop]
                    a = b = c = d = 0.0
                    if start:
                        a, b = out[i, target], out[i + 1, target]
                        c, d = out[i + 2, target], out[i + 3, target]
                    for j in range(stop - start):
                        a += a_row[j] * weight[j]
                        b += b_row[j] * weight[j]
                        c += c_row[j] * weight[j]
                        d += d_row[j] * weight[j]
                    out[i, target], out[i + 1, target] = a, b
                    out[i + 2, target], out[i + 3, target] = c, d
            for i in range(n_together, n_samples):
                of_sample = codes[i, start : start + n_codes]
                for j in range(n_codes):
                    a_row[j] = of_sample[j]
                for target in targets:
                    weight = weights[target, start:stop]
                    a = out[i, target] if start else 0.0
                    for j in range(stop - start):
                        a += a_row[j] * weight[j]
                    out[i, target] = a
