"""Stored weights and thresholds of neurons, to bytes and back, near their entropy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..network import TernaryWeights, _engine
from ._coding import Reader, pack_numbers

__all__ = [
    "pack_in_contexts",
    "pack_lines",
    "pack_rice",
    "unpack_in_contexts",
    "unpack_lines",
    "unpack_rice",
]

Integers = npt.NDArray[np.int64]

#: Neurons times inputs up to which contexts are used: they go through all of them.
MAX_IN_CONTEXTS = 2**24

#: Up to this size matrices may be too small for contexts to be learned.
_SMALL = 2**16

#: Remainders have at most this many bits.
_MAX_SHIFT = 40

#: Thresholds between the first and the last are at shares in units of 2**-16.
_SHARE_BITS = 16


def pack_in_contexts(
    weights: TernaryWeights, n_inputs: int
) -> tuple[bytes, bytes] | None:
    """Return the signs of weights in arithmetic code; None if there are too many.

    First what the code is like, then the code.

    See Also
    --------
    sklearn_lossless.network._engine.context_code : What the code expects.
    """
    n_outputs, n_nonzeros = weights.indices.shape
    if n_outputs * n_inputs > MAX_IN_CONTEXTS:
        return None
    signs = np.zeros((n_outputs, n_inputs), dtype=np.int8)
    np.put_along_axis(signs, weights.indices, weights.signs(), axis=1)
    lags = [_engine.context_code.best_lag(signs)]
    if signs.size <= _SMALL:
        lags.append(_engine.context_code.EVEN)
    codes = {
        lag: _engine.context_code.encode_signs(signs, n_nonzeros, lag) for lag in lags
    }
    lag = min(codes, key=lambda lag: len(codes[lag]))
    return pack_numbers("HI", lag, len(codes[lag])), codes[lag]


def unpack_in_contexts(
    reader: Reader, codes: Reader, n_inputs: int, n_outputs: int, n_nonzeros: int
) -> TernaryWeights:
    """Take weights that `pack_in_contexts` wrote, without biases."""
    lag, size = reader.numbers("HI")
    if n_inputs * n_outputs > MAX_IN_CONTEXTS:
        raise reader.fail(f"{n_inputs} x {n_outputs} weights in arithmetic code")
    signs = _engine.context_code.decode_signs(
        codes.take(size), n_outputs, n_inputs, n_nonzeros, lag
    )
    if signs is None:
        raise reader.fail(f"{size} bytes are not those of the weights")
    return TernaryWeights.of_signs(signs)


def pack_rice(weights: TernaryWeights) -> bytes:
    """Return the signs of weights at about the entropy of evenly drawn ones.

    The inputs of a neuron in increasing order, as gaps from one to the next, less
    one, in Golomb-Rice code, then all signs (1 for minus) as a string of bits.
    """
    order = np.argsort(weights.indices, axis=1)
    positions = np.take_along_axis(weights.indices, order, axis=1).astype(np.int64)
    minus = np.take_along_axis(weights.signs() < 0, order, axis=1)
    gaps = np.diff(positions, axis=1, prepend=-1) - 1
    if gaps.size and gaps.min() < 0:
        raise ValueError("A neuron has one of its inputs twice.")
    return _rice(gaps) + np.packbits(minus).tobytes()


def unpack_rice(
    reader: Reader, n_inputs: int, n_outputs: int, n_nonzeros: int
) -> TernaryWeights:
    """Take weights that `pack_rice` wrote, without biases."""
    count = n_outputs * n_nonzeros
    gaps = _from_rice(reader, count)
    if gaps.max(initial=0) >= n_inputs:
        raise reader.fail(f"a gap of {gaps.max()} between {n_inputs} inputs")
    positions = np.cumsum(gaps.reshape(n_outputs, n_nonzeros) + 1, axis=1) - 1
    if positions[:, -1].max(initial=0) >= n_inputs:
        raise reader.fail(f"a weight beyond the {n_inputs} inputs")
    signs = _bits(reader, count).reshape(n_outputs, n_nonzeros)
    order = np.argsort(signs, axis=1, kind="stable")
    return TernaryWeights(
        np.take_along_axis(positions, order, axis=1).astype(np.int32),
        (n_nonzeros - signs.sum(axis=1)).astype(np.int32),
        np.zeros(n_outputs, dtype=np.int64),
    )


def pack_lines(thresholds: Integers) -> bytes | None:
    """Return thresholds of neurons that are those of one step, moved and stretched.

    None where they are not. With integers for each neuron and shares s for all, a
    neuron's thresholds are ``unit * (first + (width * s >> 16))``; more exactly,
    ``(first << bits) + ((width << bits) * s >> 16)``, all times a power of two.

    Parameters
    ----------
    thresholds : ndarray of shape (n_outputs, n_thresholds), dtype int64
        Each row in increasing order.

    Returns
    -------
    bytes or None
    """
    if np.abs(thresholds).max() >= 2**45:
        return None
    unit_bits = _zeros_at_end(thresholds)
    whole = thresholds >> unit_bits
    first, width = whole[:, 0], whole[:, -1] - whole[:, 0]
    bits = _zeros_at_end(np.stack([first, width]))
    between = (whole - whole[:, :1])[:, 1:-1]
    shares = np.zeros(between.shape[1], dtype=np.int64)
    moving = width > 0
    if moving.any():
        # Of each neuron, the shares that give its thresholds are an interval.
        widths = width[moving, np.newaxis]
        lowest = -((-between[moving] << _SHARE_BITS) // widths)
        shares = lowest.max(axis=0)
    if np.any(shares >= 1 << _SHARE_BITS):
        return None
    if np.any(width[:, np.newaxis] * shares >> _SHARE_BITS != between):
        return None
    head = pack_numbers("BB", unit_bits, bits) + shares.astype("<u2").tobytes()
    return head + _numbers(first >> bits) + _numbers(width >> bits)


def unpack_lines(reader: Reader, n_outputs: int, n_thresholds: int) -> Integers:
    """Take thresholds that `pack_lines` wrote."""
    unit_bits, bits = reader.numbers("BB")
    shares = np.zeros(n_thresholds, dtype=np.int64)
    shares[1:-1] = reader.array("u2", max(0, n_thresholds - 2))
    if n_thresholds > 1:
        shares[-1] = 1 << _SHARE_BITS
    first, width = (_from_numbers(reader, n_outputs) for _ in range(2))
    reader.spend_integers(n_outputs * n_thresholds)
    largest = max(1, int(np.abs(first).max()), int(np.abs(width).max()))
    if largest.bit_length() + bits > 46 or unit_bits > 46:
        raise reader.fail("a threshold is too large")
    first, width = first[:, np.newaxis] << bits, width[:, np.newaxis] << bits
    thresholds = first + (width * shares >> _SHARE_BITS)
    largest = max(1, int(np.abs(thresholds).max()))
    if largest.bit_length() + unit_bits > 61:
        raise reader.fail("a threshold is too large")
    return np.asarray(thresholds << unit_bits)


def _zeros_at_end(values: Integers) -> int:
    """Return the number of zero bits that all values end with."""
    joined = int(np.bitwise_or.reduce(values, axis=None))
    return (joined & -joined).bit_length() - 1 if joined else 0


def _numbers(values: Integers) -> bytes:
    """Return integers in Golomb-Rice code, as distances from their median."""
    centre = int(np.median(values))
    distances = values - centre
    return pack_numbers("q", centre) + _rice(distances << 1 ^ distances >> 63)


def _from_numbers(reader: Reader, count: int) -> Integers:
    """Take integers that `_numbers` wrote."""
    (centre,) = reader.numbers("q")
    if abs(centre) > 2**46:
        raise reader.fail(f"a median of {centre}")
    folded = _from_rice(reader, count)
    values: Integers = centre + ((folded >> 1) ^ -(folded & 1))
    return values


def _rice(values: Integers) -> bytes:
    """Return numbers from 0 in Golomb-Rice code.

    All quotients in unary, then all remainders, each a string of bits, the highest
    bit of a byte first.

    References
    ----------
    Rice, Plaunt, "Adaptive variable-length coding for efficient compression of
    spacecraft television data", IEEE Trans. Commun. Technol. 19(6), 1971.
    """
    shifts = range(_MAX_SHIFT + 1)
    bits = [int((values >> shift).sum()) + values.size * shift for shift in shifts]
    shift = int(np.argmin(bits))
    ends = np.cumsum((values >> shift).ravel() + 1) - 1
    unary = np.zeros(ends[-1] + 1, dtype=bool)
    unary[ends] = True
    remainders = (values.reshape(-1, 1) >> np.arange(shift)[::-1]) & 1
    streams = [np.packbits(each).tobytes() for each in (unary, remainders)]
    return pack_numbers("BI", shift, len(streams[0])) + b"".join(streams)


def _from_rice(reader: Reader, count: int) -> Integers:
    """Take `count` numbers that `_rice` wrote."""
    shift, n_unary = reader.numbers("BI")
    if shift > _MAX_SHIFT:
        raise reader.fail(f"remainders of {shift} bits")
    if not count <= 8 * n_unary <= len(reader) * 8:
        raise reader.fail(f"{count} numbers in {n_unary} of {len(reader)} bytes")
    ends = np.flatnonzero(_bits(reader, 8 * n_unary))
    if len(ends) != count:
        raise reader.fail(f"{len(ends)} numbers instead of {count}")
    values = np.diff(ends, prepend=-1) - 1
    if int(values.max(initial=0)).bit_length() + shift > 62:
        raise reader.fail("a number has more than 62 bits")
    remainders = _bits(reader, count * shift).reshape(count, shift)
    for bit in range(shift):
        values = values << 1 | remainders[:, bit]
    return values


def _bits(reader: Reader, count: int) -> npt.NDArray[np.uint8]:
    """Take `count` bits, and those that fill the last byte."""
    packed = np.frombuffer(reader.take(-(-count // 8)), dtype=np.uint8)
    return np.unpackbits(packed, count=count)
