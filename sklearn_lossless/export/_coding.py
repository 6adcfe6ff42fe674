"""Arrays to bytes and back, for the model file; every size is checked before use."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "READOUT_DTYPES",
    "Reader",
    "pack_integers",
    "pack_numbers",
    "pack_readout",
    "unpack_integers",
    "unpack_readout",
]

#: Integers of all integer arrays of a file together.
MAX_INTEGERS = 2**22

#: Readout types by their number in the file, with bits per weight.
READOUT_DTYPES = {"float64": 64, "float32": 32, "float16": 16, "int8": 8, "int4": 4}

#: Bits of the integers that have one letter in the module `struct`; q has a sign.
_BITS = {"B": 8, "H": 16, "I": 32, "Q": 64, "q": 64}

#: Integer arrays are stored as differences of the order that takes least room.
_MAX_ORDER = 2

#: Scales tried for an integer readout, relative to the one that clips nothing.
_RELATIVE_SCALES = np.linspace(0.3, 1.0, 36)


class Reader:
    """Take values off the front of `data`, or raise ValueError.

    Parameters
    ----------
    data : bytes
        All there is.
    name : str
        What the data are, for messages.
    compact : bool, default=True
        Whether single integers are as short as `pack_numbers` makes them, since
        version 2, or as long as their type.
    """

    def __init__(
        self, data: bytes | memoryview, name: str, compact: bool = True
    ) -> None:
        self._data = memoryview(data)
        self._name = name
        self._compact = compact
        self._integers_left = MAX_INTEGERS

    def __len__(self) -> int:
        """Return the number of bytes left."""
        return len(self._data)

    def fail(self, reason: str) -> ValueError:
        """Return the error to raise."""
        where = f"{self._name}: " if self._name else ""
        return ValueError(f"Not a valid model file: {where}{reason}.")

    def take(self, size: int) -> memoryview:
        """Take `size` bytes."""
        if size > len(self._data):
            raise self.fail(
                f"{size} bytes were announced, but {len(self._data)} are left"
            )
        taken, self._data = self._data[:size], self._data[size:]
        return taken

    def numbers(self, layout: str) -> tuple[Any, ...]:
        """Take little-endian numbers, as in the module `struct`."""
        if self._compact:
            return tuple(map(self._number, _letters(layout)))
        layout = "<" + layout
        return struct.unpack(layout, self.take(struct.calcsize(layout)))

    def _number(self, letter: str) -> Any:
        """Take a number that `pack_numbers` wrote."""
        if letter == "d":
            return struct.unpack("<d", self.take(8))[0]
        value, shift, more = 0, 0, True
        while more:
            if shift > 63:
                raise self.fail("an integer does not end")
            (byte,) = self.take(1)
            value |= (byte & 127) << shift
            shift, more = shift + 7, byte > 127
        if value >> _BITS[letter]:
            raise self.fail(f"an integer of more than {_BITS[letter]} bits")
        return (value >> 1) ^ -(value & 1) if letter == "q" else value

    def array(self, dtype: str, count: int) -> npt.NDArray[Any]:
        """Take an array of `count` little-endian numbers."""
        layout = np.dtype(dtype).newbyteorder("<")
        raw = np.frombuffer(self.take(count * layout.itemsize), dtype=layout)
        return raw.astype(layout.newbyteorder("="))

    def inflated(self, size: int, limit: int, dictionary: bytes | None = None) -> bytes:
        """Take `size` bytes of a zlib stream of at most `limit` bytes.

        With a dictionary that it refers to, it is one without header and checksum.
        """
        stream = zlib.decompressobj()
        if dictionary is not None:
            stream = zlib.decompressobj(wbits=-15, zdict=dictionary)
        try:
            data = stream.decompress(self.take(size), limit + 1)
        except zlib.error as error:
            raise self.fail(f"damaged zlib stream ({error})") from None
        if len(data) > limit or not stream.eof or stream.unused_data:
            raise self.fail(f"a zlib stream is not one of at most {limit} bytes")
        return data

    def spend_integers(self, count: int) -> None:
        """Count integers that are about to be allocated."""
        self._integers_left -= count
        if self._integers_left < 0:
            raise self.fail(f"more than {MAX_INTEGERS} integers are announced")

    def finish(self) -> None:
        """Check that nothing is left."""
        if self._data:
            raise self.fail(f"{len(self._data)} bytes too many")


def _letters(layout: str) -> Iterator[str]:
    """Yield the letter of each number of a layout, such as "Hd20q"."""
    for count, letter in re.findall(r"(\d*)([A-Za-z])", layout):
        yield from letter * int(count or 1)


def pack_numbers(layout: str, *values: Any) -> bytes:
    """Return numbers; the layout is as in the module `struct`.

    Integers have seven bits in each byte, the lowest first, and the highest bit set
    in all bytes but the last; those with a sign are folded (0, -1, 1, -2 become 0, 1,
    2, 3). Doubles are as they are.
    """
    packed = bytearray()
    for letter, value in zip(_letters(layout), values, strict=True):
        if letter == "d":
            packed += struct.pack("<d", value)
            continue
        struct.pack("<" + letter, value)  # raises if it is out of range
        rest = int(value)
        if letter == "q":
            rest = rest << 1 if rest >= 0 else ~(rest << 1)
        while rest > 127:
            packed.append(rest & 127 | 128)
            rest >>= 7
        packed.append(rest)
    return bytes(packed)


def pack_integers(values: npt.NDArray[np.int64]) -> bytes:
    """Return the shortest coding of `values` among a few.

    Differences along the last axis, of order 0 to 2 and modulo 2**64, are folded to
    unsigned numbers (0, -1, 1, -2 become 0, 1, 2, 3) of as many bytes as the largest
    needs; first all lowest bytes, then all second ones, and so on, deflated.
    """
    codings = []
    differences = values.astype(np.uint64)
    for order in range(_MAX_ORDER + 1):
        if order:
            differences = np.diff(differences, axis=-1, prepend=np.uint64(0))
        folded = (differences << np.uint64(1)) ^ -(differences >> np.uint64(63))
        width = -(-int(folded.max(initial=1)).bit_length() // 8)
        as_bytes = folded.astype("<u8").reshape(-1, 1).view(np.uint8)
        planes = np.ascontiguousarray(as_bytes[:, :width].T)
        stream = zlib.compress(planes.tobytes(), 9)
        codings.append(pack_numbers("BBI", order, width, len(stream)) + stream)
    return min(codings, key=len)


def unpack_integers(reader: Reader, shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Take an array of `shape` that `pack_integers` wrote."""
    order, width, size = reader.numbers("BBI")
    if order > _MAX_ORDER or not 1 <= width <= 8:
        raise reader.fail(f"integers of {width} bytes and order {order}")
    count = 1
    for length in shape:
        count *= length
    reader.spend_integers(count)
    planes = reader.inflated(size, count * width)
    if len(planes) != count * width:
        raise reader.fail(f"{len(planes)} bytes of integers, not {count * width}")
    as_bytes = np.zeros((count, 8), dtype=np.uint8)
    as_bytes[:, :width] = np.frombuffer(planes, np.uint8).reshape(width, count).T
    folded = as_bytes.view("<u8").astype(np.uint64).reshape(shape)
    values = (folded >> np.uint64(1)) ^ -(folded & np.uint64(1))
    for _ in range(order):
        values = np.cumsum(values, axis=-1, dtype=np.uint64)
    return values.view(np.int64)


def pack_readout(
    coef: npt.NDArray[np.float64],
    step_size: npt.NDArray[np.float64],
    dtype: str,
    deflated: bool = False,
) -> bytes:
    """Return the coefficients of features, rounded to `dtype`.

    Floating-point types hold the coefficients themselves, integer types those of
    the codes, which are `step_size` times as large.

    Parameters
    ----------
    coef : ndarray of shape (n_targets, n_features), dtype float64
    step_size : ndarray of shape (n_features,), dtype float64
        Of each feature, from code to code.
    dtype : {"float64", "float32", "float16", "int8", "int4"}
    deflated : bool, default=False
        Whether numbers of integer types are a byte each, deflated, and their scales the
        upper halves of float32.
    """
    if dtype == "float64":
        return coef.astype("<f8").tobytes()
    largest = np.abs(coef).max(axis=1)
    if dtype == "float32":
        if largest.max() > np.finfo(np.float32).max:
            raise ValueError(
                "readout_dtype='float32' cannot hold a coefficient of "
                f"{largest.max():.3g}; use 'float64' or an integer type."
            )
        return coef.astype("<f4").tobytes()
    if dtype == "float16":
        # Powers of two that bring the largest coefficient to [2**14, 2**15).
        exponents = np.clip(np.frexp(largest)[1] - 15, -120, 120)
        scales = np.ldexp(np.float32(1), exponents)
        with np.errstate(over="ignore"):
            halves = (coef / scales[:, np.newaxis]).astype("<f2")
        _check_scaled(halves, dtype, largest)
        return scales.astype("<f4").tobytes() + halves.tobytes()
    top = 2 ** (READOUT_DTYPES[dtype] - 1) - 1
    weights = coef * step_size
    rows = [_whole_numbers(row, top, deflated) for row in weights]
    scales, whole = zip(*rows, strict=True)
    _check_scaled(np.array(scales), dtype, largest)
    numbers = np.concatenate(whole)
    if deflated:
        # Few numbers repeat each other: mostly Huffman codes alone are shortest. But
        # several windows may have the same coefficients.
        streams = [
            zlib.compressobj(9, wbits=-15, strategy=each)
            for each in (zlib.Z_HUFFMAN_ONLY, zlib.Z_DEFAULT_STRATEGY)
        ]
        ways = [each.compress(numbers.tobytes()) + each.flush() for each in streams]
        in_bytes = min(ways, key=len)
        halves = np.array(scales, dtype="<f4").view("<u4") >> 16
        return halves.astype("<u2").tobytes() + in_bytes
    if dtype == "int4":
        numbers = np.append(numbers, np.zeros(len(numbers) % 2, np.int8)) & 15
        numbers = numbers[::2] | numbers[1::2] << 4
    return np.array(scales, dtype="<f4").tobytes() + numbers.tobytes()


def _check_scaled(
    numbers: npt.NDArray[Any], dtype: str, largest: npt.NDArray[np.float64]
) -> None:
    if not np.isfinite(numbers).all():
        raise ValueError(
            f"readout_dtype={dtype!r} cannot hold a coefficient of "
            f"{largest.max():.3g}; use 'float64'."
        )


def _whole_numbers(
    weights: npt.NDArray[np.float64], top: int, short: bool
) -> tuple[np.float32, npt.NDArray[np.int8]]:
    """Round `weights` to whole numbers times the scale of least squared error.

    Of a short scale the lower half is 0.
    """
    largest = np.abs(weights).max()
    if largest < 2.0**-120:
        return np.float32(1), np.zeros(len(weights), dtype=np.int8)

    def rounded(scale: np.float32) -> npt.NDArray[np.float64]:
        return np.clip(np.rint(weights / np.float64(scale)), -top, top)

    def squared_error(scale: np.float32) -> float:
        error = weights - np.float64(scale) * rounded(scale)
        return float(error @ error)

    # A scale of 24 bits times a whole number is exact in double precision.
    with np.errstate(over="ignore"):
        scales = (_RELATIVE_SCALES * largest / top).astype(np.float32)
    if short:  # downwards, so that the largest number is always `top`
        scales = (scales.view(np.uint32) >> 16 << 16).view(np.float32)
    best = min(scales, key=squared_error) if np.isfinite(scales).all() else scales[-1]
    return best, rounded(best).astype(np.int8)


def unpack_readout(
    reader: Reader,
    step_size: npt.NDArray[np.float64],
    n_targets: int,
    dtype: str,
    deflated: bool = False,
) -> npt.NDArray[np.float64]:
    """Take coefficients of shape (n_targets, n_features) that `pack_readout` wrote."""
    shape = (n_targets, len(step_size))
    count = n_targets * len(step_size)
    if dtype in ("float64", "float32"):
        coef = reader.array(f"f{READOUT_DTYPES[dtype] // 8}", count).reshape(shape)
        return coef.astype(np.float64)
    if deflated:
        halves = reader.array("u2", n_targets).astype(np.uint32) << 16
        singles = halves.view(np.float32)
    else:
        singles = reader.array("f4", n_targets)
    scales = singles.astype(np.float64)[:, np.newaxis]
    if dtype == "float16":
        return reader.array("f2", count).reshape(shape) * scales
    if deflated:
        reader.spend_integers(count)
        stream = reader.inflated(len(reader), count, dictionary=b"")
        numbers = np.frombuffer(stream, np.int8)
        if len(numbers) != count:
            raise reader.fail(f"{len(numbers)} weights, not {count}")
    elif dtype == "int4":
        pairs = reader.array("u1", -(-count // 2))
        numbers = np.column_stack([pairs & 15, pairs >> 4]).ravel()[:count]
        numbers = (numbers ^ 8).astype(np.int8) - np.int8(8)
    else:
        numbers = reader.array("i1", count)
    weights: npt.NDArray[np.float64] = numbers.reshape(shape) * scales
    return weights / step_size
