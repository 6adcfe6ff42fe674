"""Ternary matrices as short strings of bytes: arithmetic coding with contexts.

Weights that were trained or fitted are not drawn evenly: neighbours tend to be kept
together and to have the same sign, and some inputs are kept by many neurons. What has
been coded already says what to expect, so fewer bytes do than independent signs need.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .vector import inlined, kernel

__all__ = ["EVEN", "best_lag", "decode_signs", "encode_signs"]

Array = npt.NDArray[Any]

#: Probabilities are in 1/2**22; the coder takes their upper 16 bits.
_ONE = 22

#: Of the n-th outcome in a context, the probability moves 1 / (n + 1.5) of the way.
_RATES = (2**20 / (np.arange(1024) + 1.5)).astype(np.int64)

#: How often an input was kept so far, in 1/32 of what is usual, to one of 7 classes.
_DENSITIES = np.searchsorted([5, 13, 26, 38, 54, 80], np.arange(81), "right")

#: Contexts: density and two neighbours for zero or not; sign before, how long ago, and
#: sign of the distant neighbour for the sign.
_N_OF_ZEROS = 7 * 4
_N_CONTEXTS = _N_OF_ZEROS + 3 * 4 * 3

#: Largest distance of two inputs that may be neighbours, as in the rows of an image.
_MOST_LAG = 2**10

#: In place of a lag: all places and signs are equally likely, and nothing is learned.
#: Best for small matrices.
EVEN = 1

#: Bytes of the end that need not be written: they are zero.
_ZEROS_AT_END = 3


def encode_signs(signs: npt.NDArray[np.int8], n_nonzeros: int, lag: int) -> bytes:
    """Return the code of a matrix.

    Parameters
    ----------
    signs : ndarray of shape (n_rows, n_columns), dtype int8
        -1, 0 and 1.
    n_nonzeros : int
        Of each row.
    lag : int
        Columns so far apart count as neighbours; 0 for none; `EVEN` for no contexts.

    Returns
    -------
    bytes
        At least one.
    """
    stream = np.zeros(signs.size // 2 + 64, dtype=np.uint8)
    while True:
        length = _code(signs, n_nonzeros, lag, stream, True)
        if length <= len(stream):
            return stream[:length].tobytes()
        stream = np.zeros(2 * len(stream), dtype=np.uint8)


def decode_signs(
    code: Any, n_rows: int, n_columns: int, n_nonzeros: int, lag: int
) -> npt.NDArray[np.int8] | None:
    """Return the matrix of this shape that `encode_signs` wrote.

    Parameters
    ----------
    code : buffer
    n_rows, n_columns, n_nonzeros, lag : int
        ``0 <= n_nonzeros <= n_columns``.

    Returns
    -------
    ndarray of shape (n_rows, n_columns), dtype int8, or None
        None, if the code is longer or shorter than that of such a matrix.
    """
    signs = np.zeros((n_rows, n_columns), dtype=np.int8)
    padded = bytes(code) + bytes(_ZEROS_AT_END)
    stream = np.frombuffer(padded, dtype=np.uint8).copy()
    length = _code(signs, n_nonzeros, lag, stream, False)
    return signs if length == len(stream) else None


def best_lag(signs: npt.NDArray[np.int8]) -> int:
    """Return the distance, beyond 1, of columns that have the same sign most often.

    Parameters
    ----------
    signs : ndarray of shape (n_rows, n_columns), dtype int8

    Returns
    -------
    int
        0 if there are too few columns.
    """
    last = min(_MOST_LAG, signs.shape[1] // 2)
    if last < 2:
        return 0
    return 2 + int(np.argmax(_agreements(signs, last)[2:]))


@kernel
def _agreements(signs: Array, last: int) -> Array:
    """Return the sum of products of columns at each distance up to `last`."""
    n_rows, n_columns = signs.shape
    sums = np.zeros(last + 1, dtype=np.int64)
    kept = np.empty(n_columns, dtype=np.int64)
    for row in range(n_rows):
        n_kept = 0
        for column in range(n_columns):
            if signs[row, column] != 0:
                kept[n_kept] = column
                n_kept += 1
        for i in range(n_kept):
            for j in range(i + 1, n_kept):
                distance = kept[j] - kept[i]
                if distance > last:
                    break
                sums[distance] += signs[row, kept[i]] * signs[row, kept[j]]
    return sums


@inlined
def _bit_of_chance(
    bit: int, chance: int, coder: Array, stream: Array, encoding: bool
) -> int:
    """Code a bit that is 1 with a chance in 1/2**16, or take one.

    `coder`: low, high, value, position.
    """
    low, high = coder[0], coder[1]
    width = high - low
    middle = low + (width >> 16) * chance + (((width & 0xFFFF) * chance) >> 16)
    if not encoding:
        bit = 1 if coder[2] <= middle else 0
    if bit:
        high = middle
    else:
        low = middle + 1
    while (low ^ high) >> 24 == 0:
        if encoding:
            if coder[3] < len(stream):
                stream[coder[3]] = high >> 24
        else:
            coder[2] = (coder[2] << 8) & 0xFFFFFFFF
            if coder[3] < len(stream):
                coder[2] |= stream[coder[3]]
        coder[3] += 1
        low = (low << 8) & 0xFFFFFFFF
        high = ((high << 8) & 0xFFFFFFFF) | 0xFF
    coder[0], coder[1] = low, high
    return bit


@inlined
def _bit(
    bit: int,
    context: int,
    chances: Array,
    counts: Array,
    coder: Array,
    stream: Array,
    encoding: bool,
) -> int:
    """Code a bit in a context, or take one."""
    chance = min(max(chances[context] >> (_ONE - 16), 16), 65536 - 16)
    bit = _bit_of_chance(bit, chance, coder, stream, encoding)
    wanted = (1 << _ONE) if bit else 0
    chances[context] += ((wanted - chances[context]) * _RATES[counts[context]]) >> 20
    counts[context] = min(counts[context] + 1, len(_RATES) - 1)
    return bit


@kernel
def _code(
    signs: Array, n_nonzeros: int, lag: int, stream: Array, encoding: bool
) -> int:
    """Write `signs` to `stream`, or the other way; return the number of bytes.

    References
    ----------
    Witten, Neal, Cleary, "Arithmetic coding for data compression", Commun. ACM 30(6),
    1987; with contexts, Rissanen, Langdon, "Universal modeling and coding", IEEE Trans.
    Inf. Theory 27(1), 1981.
    """
    n_rows, n_columns = signs.shape
    chances = np.full(_N_CONTEXTS, 1 << (_ONE - 1), dtype=np.int64)
    counts = np.zeros(_N_CONTEXTS, dtype=np.int64)
    kept = np.zeros(n_columns, dtype=np.int64)
    coder = np.array([0, 0xFFFFFFFF, 0, 0], dtype=np.int64)
    if not encoding:
        for _ in range(4):
            coder[2] = coder[2] << 8
            if coder[3] < len(stream):
                coder[2] |= stream[coder[3]]
            coder[3] += 1
    for row in range(n_rows):
        usual = (row + 2) * n_nonzeros
        left, before, last = n_nonzeros, 0, -n_columns
        for column in range(n_columns):
            if left == 0:
                break
            if lag == EVEN:
                bit = 1 if signs[row, column] != 0 else 0
                sign = 1 if signs[row, column] > 0 else 0
                if n_columns - column > left:
                    chance = max(16, min(65520, (left << 16) // (n_columns - column)))
                    bit = _bit_of_chance(bit, chance, coder, stream, encoding)
                else:
                    bit = 1
                if bit:
                    bit = _bit_of_chance(sign, 1 << 15, coder, stream, encoding)
                    signs[row, column] = 2 * bit - 1
                    left -= 1
                continue
            far = signs[row, column - lag] if 0 < lag <= column else 0
            bit = 1
            if n_columns - column > left:
                density = 32 * (kept[column] * n_columns + 2 * n_nonzeros) // usual
                context = 4 * _DENSITIES[min(density, len(_DENSITIES) - 1)]
                context += 2 * (far != 0) + (last == column - 1)
                bit = 1 if signs[row, column] != 0 else 0
                bit = _bit(bit, context, chances, counts, coder, stream, encoding)
            if bit == 0:
                continue
            gap = column - last
            age = (gap > 1) + (gap > 3) + (gap > 9)
            context = _N_OF_ZEROS + 3 * (3 * age + before + 1) + far + 1
            bit = 1 if signs[row, column] > 0 else 0
            bit = _bit(bit, context, chances, counts, coder, stream, encoding)
            before = 2 * bit - 1
            signs[row, column] = before
            kept[column] += 1
            last = column
            left -= 1
    if encoding:  # a number between low and high, whose other bytes are zero
        if coder[3] < len(stream):
            stream[coder[3]] = (coder[0] >> 24) + 1
        coder[3] += 1
    return coder[3]
