"""What a training step does with pictures: sums of ternary filters and their gradient.

Pictures are planes, in blocks of samples: (channels, height, width, samples), float32.
So the innermost loops run over neighbours in memory, whatever the shapes are, and
filters take as much work as they have weights that are not zero.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from .vector import exact_sums, kernel

__all__ = ["add_to_inputs", "convolve", "fast", "totals", "weight_gradient"]

Array = npt.NDArray[Any]

#: Training is not the same to the last bit on every machine, but it is on one: the
#: order of sums follows from the shapes.
fast = partial(
    kernel,
    fastmath={"contract", "nsz", "arcp", "reassoc"},
    error_model="numpy",
)


@fast
def convolve(
    pictures: Array, starts: Array, signs: Array, stride: int, sums: Array
) -> None:
    """Put the sums of filters at all positions of pictures into `sums`.

    Parameters
    ----------
    pictures : ndarray of shape (n_channels, height, width, n_samples)
        With their margins.
    starts : ndarray of shape (n_filters, n_taps), dtype int64
        Where the inputs of the first position are in the pictures of one sample, for
        each filter; `n_taps` is a multiple of 4.
    signs : ndarray of shape (n_filters, n_taps), dtype float32
        Their weights, some of them 0.
    stride : int
    sums : ndarray of shape (n_filters, n_rows, n_columns, n_samples)
    """
    n_filters, n_rows, n_columns, n_samples = sums.shape
    width = pictures.shape[2]
    n_taps = starts.shape[1]
    source, out = pictures.reshape(-1), sums.reshape(-1)
    run, n_runs = n_columns * n_samples, 1
    if stride > 1:
        run, n_runs = n_samples, n_columns
    for row in range(n_rows):
        for f in range(n_filters):
            for number in range(n_runs):
                place = (row * stride * width + number * stride) * n_samples
                begin = ((f * n_rows + row) * n_runs + number) * run
                into = out[begin : begin + run]
                into[:] = 0
                for tap in range(0, n_taps, 4):
                    a = place + starts[f, tap] * n_samples
                    b = place + starts[f, tap + 1] * n_samples
                    c = place + starts[f, tap + 2] * n_samples
                    d = place + starts[f, tap + 3] * n_samples
                    of_a, of_b = signs[f, tap], signs[f, tap + 1]
                    of_c, of_d = signs[f, tap + 2], signs[f, tap + 3]
                    A, B = source[a : a + run], source[b : b + run]
                    C, D = source[c : c + run], source[d : d + run]
                    for i in range(run):
                        into[i] += (of_a * A[i] + of_b * B[i]) + (
                            of_c * C[i] + of_d * D[i]
                        )


@fast
def add_to_inputs(
    delta: Array, starts: Array, signs: Array, stride: int, gradient: Array
) -> None:
    """Add to `gradient`, of pictures with margins, what that of the sums gives."""
    n_filters, n_rows, n_columns, n_samples = delta.shape
    width = gradient.shape[2]
    source, out = delta.reshape(-1), gradient.reshape(-1)
    run, n_runs = n_columns * n_samples, 1
    if stride > 1:
        run, n_runs = n_samples, n_columns
    for row in range(n_rows):
        for f in range(n_filters):
            for number in range(n_runs):
                place = (row * stride * width + number * stride) * n_samples
                begin = ((f * n_rows + row) * n_runs + number) * run
                own = source[begin : begin + run]
                for tap in range(starts.shape[1]):
                    sign = signs[f, tap]
                    if sign != 0:
                        start = place + starts[f, tap] * n_samples
                        into = out[start : start + run]
                        for i in range(run):
                            into[i] += sign * own[i]


@fast
def weight_gradient(
    pictures: Array, starts: Array, delta: Array, stride: int, gradient: Array
) -> None:
    """Put into `gradient` that of all weights, (n_filters, n_taps).

    `starts` are as those of `convolve`, of all inputs of a window.
    """
    n_filters, n_rows, n_columns, n_samples = delta.shape
    width, n_taps = pictures.shape[2], len(starts)
    source, deltas = pictures.reshape(-1), delta.reshape(-1)
    run, n_runs = n_columns * n_samples, 1
    if stride > 1:
        run, n_runs = n_samples, n_columns
    plane = n_rows * n_runs * run
    zero = np.float32(0)
    for f in range(0, n_filters, 4):
        # Beyond the last one there is the last one again.
        f0, f1 = f * plane, min(f + 1, n_filters - 1) * plane
        f2 = min(f + 2, n_filters - 1) * plane
        f3 = min(f + 3, n_filters - 1) * plane
        for tap in range(0, n_taps, 4):
            t0 = starts[tap] * n_samples
            t1 = starts[min(tap + 1, n_taps - 1)] * n_samples
            t2 = starts[min(tap + 2, n_taps - 1)] * n_samples
            t3 = starts[min(tap + 3, n_taps - 1)] * n_samples
            s00 = s01 = s02 = s03 = zero
            s10 = s11 = s12 = s13 = zero
            s20 = s21 = s22 = s23 = zero
            s30 = s31 = s32 = s33 = zero
            for number in range(n_rows * n_runs):
                row, column = number // n_runs, number % n_runs
                place = (row * stride * width + column * stride) * n_samples
                begin = number * run
                d0 = deltas[f0 + begin : f0 + begin + run]
                d1 = deltas[f1 + begin : f1 + begin + run]
                d2 = deltas[f2 + begin : f2 + begin + run]
                d3 = deltas[f3 + begin : f3 + begin + run]
                x0 = source[t0 + place : t0 + place + run]
                x1 = source[t1 + place : t1 + place + run]
                x2 = source[t2 + place : t2 + place + run]
                x3 = source[t3 + place : t3 + place + run]
                for i in range(run):
                    s00 += d0[i] * x0[i]
                    s01 += d0[i] * x1[i]
                    s02 += d0[i] * x2[i]
                    s03 += d0[i] * x3[i]
                    s10 += d1[i] * x0[i]
                    s11 += d1[i] * x1[i]
                    s12 += d1[i] * x2[i]
                    s13 += d1[i] * x3[i]
                    s20 += d2[i] * x0[i]
                    s21 += d2[i] * x1[i]
                    s22 += d2[i] * x2[i]
                    s23 += d2[i] * x3[i]
                    s30 += d3[i] * x0[i]
                    s31 += d3[i] * x1[i]
                    s32 += d3[i] * x2[i]
                    s33 += d3[i] * x3[i]
            block = (
                (s00, s01, s02, s03),
                (s10, s11, s12, s13),
                (s20, s21, s22, s23),
                (s30, s31, s32, s33),
            )
            for i in range(min(4, n_filters - f)):
                for j in range(min(4, n_taps - tap)):
                    gradient[f + i, tap + j] = block[i][j]


@exact_sums
def totals(sums: Array, total: Array, squares: Array) -> None:
    """Put the sums over positions and samples, and of their squares, into arrays."""
    n_filters = len(sums)
    planes = sums.reshape(n_filters, -1)
    for f in range(n_filters):
        plane = planes[f]
        first, second = 0.0, 0.0
        for i in range(len(plane)):
            x = np.float64(plane[i])
            first += x
            second += x * x
        total[f], squares[f] = first, second
