"""What a training step does element by element, between the matrix products."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from .vector import kernel

__all__ = [
    "SLOPE_CELLS",
    "SLOPE_RANGE",
    "TINY",
    "adam",
    "backward",
    "forward",
    "ternarise",
]

Array = npt.NDArray[Any]

#: Cells of a table of slopes, over inputs from -SLOPE_RANGE to SLOPE_RANGE.
SLOPE_CELLS = 1024
SLOPE_RANGE = 8.0

#: Added to variances, as is usual.
TINY = 1e-5

#: Columns that are gone through together: their sums stay in the cache.
_COLUMNS = 64

#: Training is not the same to the last bit on every machine anyway: BLAS is not. Loops
#: with quotients become vectors only where a zero below raises nothing.
_fast = partial(kernel, fastmath={"contract", "nsz", "arcp"}, error_model="numpy")


@_fast
def forward(
    sums: Array,
    gain: Array,
    shift: Array,
    thresholds: Array,
    jumps: Array,
    first: float,
    codes: Array,
    mean: Array,
    rate: Array,
) -> None:
    """Normalise each column over the batch, put out the codes of the step.

    `sums` becomes the normalised ones; `mean` and `rate` what was subtracted, then
    multiplied.
    """
    n_rows, n_columns = sums.shape
    for block in range(-(-n_columns // _COLUMNS)):
        start, stop = block * _COLUMNS, min((block + 1) * _COLUMNS, n_columns)
        total = np.zeros(stop - start, dtype=np.float32)
        squares = np.zeros(stop - start, dtype=np.float32)
        for row in range(n_rows):
            total += sums[row, start:stop]
        total /= np.float32(n_rows)
        for row in range(n_rows):
            for i in range(start, stop):
                centred = sums[row, i] - total[i - start]
                sums[row, i] = centred
                squares[i - start] += centred * centred
        for i in range(start, stop):
            mean[i] = total[i - start]
            rate[i] = np.float32(1) / np.sqrt(
                squares[i - start] / np.float32(n_rows) + np.float32(TINY)
            )
        u, code = np.empty_like(total), np.empty_like(total)
        for row in range(n_rows):
            for i in range(start, stop):
                x = sums[row, i] * rate[i]
                sums[row, i] = x
                u[i - start] = gain[i] * x + shift[i]
            code[:] = first
            for level in range(len(thresholds)):
                threshold, jump = thresholds[level], jumps[level]
                for i in range(stop - start):
                    code[i] += jump if u[i] >= threshold else np.float32(0)
            codes[row, start:stop] = code


@_fast
def backward(
    delta: Array,
    normalised: Array,
    gain: Array,
    shift: Array,
    slopes: Array,
    rate: Array,
    gain_gradient: Array,
    shift_gradient: Array,
) -> None:
    """Turn the gradient of the codes into that of the sums, in place."""
    n_rows, n_columns = delta.shape
    per_unit = np.float32(len(slopes) / (2 * SLOPE_RANGE))
    last = len(slopes) - 1
    for block in range(-(-n_columns // _COLUMNS)):
        start, stop = block * _COLUMNS, min((block + 1) * _COLUMNS, n_columns)
        gain_total = np.zeros(stop - start, dtype=np.float32)
        shift_total = np.zeros(stop - start, dtype=np.float32)
        for row in range(n_rows):
            for i in range(start, stop):
                x = normalised[row, i]
                u = gain[i] * x + shift[i]
                cell = int((u + np.float32(SLOPE_RANGE)) * per_unit)
                d = delta[row, i] * slopes[min(max(cell, 0), last)]
                delta[row, i] = d
                shift_total[i - start] += d
                gain_total[i - start] += d * x
        for i in range(start, stop):
            gain_gradient[i] = gain_total[i - start]
            shift_gradient[i] = shift_total[i - start]
        gain_total /= np.float32(n_rows)
        shift_total /= np.float32(n_rows)
        for row in range(n_rows):
            for i in range(start, stop):
                rest = delta[row, i] - shift_total[i - start]
                rest -= normalised[row, i] * gain_total[i - start]
                delta[row, i] = gain[i] * rate[i] * rest


@_fast
def ternarise(weights: Array, n_nonzeros: int, least: Array, signs: Array) -> None:
    """Write the signs of the largest weights of each row, zero for the others.

    `least` is the smallest size that is kept in each row. Close to it, it is looked for
    first the next time.
    """
    n_rows, n_columns = weights.shape
    near = np.empty(n_columns + 1, dtype=np.float32)
    for row in range(n_rows):
        low, high = least[row] * np.float32(0.97), least[row] * np.float32(1.03)
        n_near, n_above = 0, 0
        for i in range(n_columns):  # without branches, which could not be foreseen
            size = abs(weights[row, i])
            near[n_near] = size
            n_near += (size >= low) & (size <= high)
            n_above += size > high
        wanted = n_nonzeros - n_above
        if not 0 < wanted <= n_near:
            near[:n_columns] = np.abs(weights[row])
            n_near, wanted = n_columns, n_nonzeros
        of_near = near[:n_near]
        smallest = np.partition(of_near, n_near - wanted)[n_near - wanted]
        least[row] = smallest
        for i in range(n_columns):
            weight = weights[row, i]
            sign = np.float32(weight >= smallest) - np.float32(weight <= -smallest)
            signs[row, i] = sign
        n_equal, n_not_less = wanted, 0
        for i in range(n_near):
            n_equal -= of_near[i] > smallest
            n_not_less += of_near[i] >= smallest
        if n_not_less == wanted and smallest > 0:
            continue
        for i in range(n_columns):  # of equal ones, the first
            if abs(weights[row, i]) == smallest:
                n_equal -= 1
                sign = np.float32(1) if weights[row, i] >= 0 else np.float32(-1)
                signs[row, i] = sign if n_equal >= 0 else np.float32(0)


@_fast
def adam(
    weights: Array,
    gradient: Array,
    first: Array,
    second: Array,
    learning_rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> None:
    """Make a step of Adam, in place."""
    for row in range(weights.shape[0]):
        for i in range(weights.shape[1]):
            g = gradient[row, i]
            m = beta_1 * first[row, i] + (np.float32(1) - beta_1) * g
            v = beta_2 * second[row, i] + (np.float32(1) - beta_2) * g * g
            first[row, i], second[row, i] = m, v
            weights[row, i] -= learning_rate * m / (np.sqrt(v) + epsilon)
