"""What a training step does with the sums of filters: normalise, step, pool, and back.

Pictures are planes, as those of `picture_gradient`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .gradient import SLOPE_RANGE
from .picture_gradient import fast

__all__ = [
    "fill_gradient",
    "max_backward",
    "max_forward",
    "step_backward",
    "step_forward",
    "sum_backward",
    "sum_forward",
]

Array = npt.NDArray[Any]


@fast
def step_forward(
    sums: Array,
    size: tuple[int, int],
    row_starts: Array,
    column_starts: Array,
    mean: Array,
    rate: Array,
    gain: Array,
    shift: Array,
    thresholds: Array,
    jumps: Array,
    first: float,
    best: Array,
    chosen: Array,
    codes: Array,
) -> None:
    """Put out the codes of normalised sums, the largest of each window.

    A rising step of the largest sum is the largest step; where the gain is negative, of
    the smallest.

    Parameters
    ----------
    sums : ndarray of shape (n_filters, height, width, n_samples)
    size : tuple of 2 int
        Of the windows.
    row_starts, column_starts : ndarray of dtype int64
        Where they begin.
    mean, rate, gain, shift : ndarray of shape (n_filters,)
        ``gain * (rate * (sum - mean)) + shift`` is what the step sees.
    thresholds, jumps : ndarray of shape (n_thresholds,)
        Of the step, and by how much it rises there.
    first : float
        Its first level.
    best, codes : ndarray of shape (n_filters, n_rows, n_columns, n_samples)
        The sums that were chosen, and their codes.
    chosen : ndarray of the same shape, dtype int32
        Their places in the windows; not used for windows of one place.
    """
    n_filters, n_rows, n_columns, n_samples = codes.shape
    height, width = size
    x, best_flat = sums.reshape(-1), best.reshape(-1)
    chosen_flat, code_flat = chosen.reshape(-1), codes.reshape(-1)
    run = n_rows * n_columns * n_samples
    u = np.empty(n_columns * n_samples, dtype=np.float32)
    for f in range(n_filters):
        sign = np.float32(-1) if gain[f] < 0 else np.float32(1)
        for i in range(n_rows):
            for j in range(n_columns):
                begin = f * run + (i * n_columns + j) * n_samples
                into = best_flat[begin : begin + n_samples]
                which = chosen_flat[begin : begin + n_samples]
                for p in range(height):
                    row = (f * sums.shape[1] + row_starts[i] + p) * sums.shape[2]
                    for q in range(width):
                        start = (row + column_starts[j] + q) * n_samples
                        of_place = x[start : start + n_samples]
                        number = np.int32(p * width + q)
                        if number == 0:
                            into[:] = of_place
                            which[:] = 0
                        else:
                            for b in range(n_samples):
                                larger = sign * of_place[b] > sign * into[b]
                                into[b] = of_place[b] if larger else into[b]
                                which[b] = number if larger else which[b]
            begin = f * run + i * n_columns * n_samples
            into = best_flat[begin : begin + n_columns * n_samples]
            out = code_flat[begin : begin + n_columns * n_samples]
            for b in range(len(u)):
                u[b] = gain[f] * ((into[b] - mean[f]) * rate[f]) + shift[f]
                out[b] = first
            for level in range(len(thresholds)):
                threshold, jump = thresholds[level], jumps[level]
                for b in range(len(u)):
                    out[b] += jump if u[b] >= threshold else np.float32(0)


@fast
def step_backward(
    delta: Array,
    best: Array,
    mean: Array,
    rate: Array,
    gain: Array,
    shift: Array,
    slopes: Array,
    gain_gradient: Array,
    shift_gradient: Array,
) -> None:
    """Turn the gradient of the codes into that of what the step sees, in place."""
    n_filters = len(delta)
    per_unit = np.float32(len(slopes) / (2 * SLOPE_RANGE))
    last = len(slopes) - 1
    deltas, chosen = delta.reshape(n_filters, -1), best.reshape(n_filters, -1)
    for f in range(n_filters):
        own, sums = deltas[f], chosen[f]
        of_gain, of_shift = np.float32(0), np.float32(0)
        for i in range(len(own)):
            x = (sums[i] - mean[f]) * rate[f]
            u = gain[f] * x + shift[f]
            cell = int((u + np.float32(SLOPE_RANGE)) * per_unit)
            d = own[i] * slopes[min(max(cell, 0), last)]
            own[i] = d
            of_shift += d
            of_gain += d * x
        gain_gradient[f], shift_gradient[f] = of_gain, of_shift


@fast
def fill_gradient(
    delta: Array,
    chosen: Array,
    size: tuple[int, int],
    row_starts: Array,
    column_starts: Array,
    mean: Array,
    rate: Array,
    gain: Array,
    mean_delta: Array,
    mean_product: Array,
    sums: Array,
) -> None:
    """Turn sums into their gradient, in place.

    `mean_delta` and `mean_product` are the means over positions and samples of the
    gradient of the step's inputs, and of its product with the normalised sums.
    """
    n_filters, n_rows, n_columns, n_samples = delta.shape
    height, width = size
    out, chosen_flat, deltas = sums.reshape(-1), chosen.reshape(-1), delta.reshape(-1)
    plane = sums.shape[1] * sums.shape[2] * n_samples
    run = n_rows * n_columns * n_samples
    for f in range(n_filters):
        factor = gain[f] * rate[f]
        own = out[f * plane : (f + 1) * plane]
        for i in range(plane):
            x = (own[i] - mean[f]) * rate[f]
            own[i] = -factor * (mean_delta[f] + x * mean_product[f])
        for i in range(n_rows):
            for j in range(n_columns):
                begin = f * run + (i * n_columns + j) * n_samples
                d = deltas[begin : begin + n_samples]
                which = chosen_flat[begin : begin + n_samples]
                for p in range(height):
                    row = (row_starts[i] + p) * sums.shape[2]
                    for q in range(width):
                        start = (row + column_starts[j] + q) * n_samples
                        into = own[start : start + n_samples]
                        number = np.int32(p * width + q)
                        for b in range(n_samples):
                            is_it = which[b] == number
                            into[b] += factor * d[b] if is_it else np.float32(0)


@fast
def max_forward(
    pictures: Array,
    size: tuple[int, int],
    row_starts: Array,
    column_starts: Array,
    chosen: Array,
    codes: Array,
) -> None:
    """Put out the largest code of each window, and where it is."""
    n_channels, n_rows, n_columns, n_samples = codes.shape
    for c in range(n_channels):
        for i in range(n_rows):
            for j in range(n_columns):
                into, which = codes[c, i, j], chosen[c, i, j]
                into[:] = -1
                for p in range(size[0]):
                    for q in range(size[1]):
                        place = pictures[c, row_starts[i] + p, column_starts[j] + q]
                        for b in range(n_samples):
                            larger = place[b] > into[b]
                            into[b] = place[b] if larger else into[b]
                            number = np.int32(p * size[1] + q)
                            which[b] = number if larger else which[b]


@fast
def max_backward(
    delta: Array,
    size: tuple[int, int],
    row_starts: Array,
    column_starts: Array,
    chosen: Array,
    gradient: Array,
) -> None:
    """Add the gradient of the largest codes to that of the pictures."""
    n_channels, n_rows, n_columns, n_samples = delta.shape
    for c in range(n_channels):
        for i in range(n_rows):
            for j in range(n_columns):
                for b in range(n_samples):
                    p, q = divmod(chosen[c, i, j, b], size[1])
                    row, column = row_starts[i] + p, column_starts[j] + q
                    gradient[c, row, column, b] += delta[c, i, j, b]


@fast
def sum_forward(
    pictures: Array,
    size: tuple[int, int],
    row_starts: Array,
    column_starts: Array,
    unit: float,
    codes: Array,
) -> None:
    """Put out the sum of each window in whole units, as the integer layer does."""
    n_channels, n_rows, n_columns, n_samples = codes.shape
    for c in range(n_channels):
        for i in range(n_rows):
            for j in range(n_columns):
                into = codes[c, i, j]
                into[:] = 0
                for p in range(size[0]):
                    for q in range(size[1]):
                        place = pictures[c, row_starts[i] + p, column_starts[j] + q]
                        for b in range(n_samples):
                            into[b] += place[b]
                for b in range(n_samples):
                    into[b] = np.floor(into[b] / unit)


@fast
def sum_backward(
    delta: Array,
    size: tuple[int, int],
    row_starts: Array,
    column_starts: Array,
    unit: float,
    gradient: Array,
) -> None:
    """Add the gradient of the sums to that of the pictures."""
    n_channels, n_rows, n_columns, n_samples = delta.shape
    for c in range(n_channels):
        for i in range(n_rows):
            for j in range(n_columns):
                for p in range(size[0]):
                    for q in range(size[1]):
                        row, column = row_starts[i] + p, column_starts[j] + q
                        for b in range(n_samples):
                            gradient[c, row, column, b] += delta[c, i, j, b] / unit
