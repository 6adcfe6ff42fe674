"""Between row-major codes and bit planes.

A block holds `BLOCK` samples. In plane `b` of a block, every feature is a row of
`N_WORDS` words with one bit per sample: bit `b` of the sample's code. Planes
of one block lie after each other in a flat array.

Both directions work on tiles of 64 samples times ``8 * N_WORDS`` features. Eight
bytes of eight features each, from eight groups of eight samples, are an 8 x 8
matrix of bytes in every word of eight vectors; its transpose has in each word one
feature of 64 samples.
"""

from __future__ import annotations

import numpy as np

from .layer import BLOCK
from .vector import (
    N_WORDS,
    broadcast,
    inlined,
    kernel,
    load,
    shift_left,
    shift_right,
    store,
)

__all__ = [
    "TILE",
    "TILE_FEATURES",
    "pack",
    "padded",
    "spread",
    "spread_pairs",
    "unpack",
]

#: Features that `pack` and `unpack` handle together.
TILE_FEATURES = 8 * N_WORDS

#: Words of the scratch array of `pack` and `unpack`.
TILE = 8 * N_WORDS


def padded(n_features: int) -> int:
    """Round up to whole tiles, with room for the input that is always zero."""
    return -(-(n_features + 1) // TILE_FEATURES) * TILE_FEATURES


_LOWEST_BYTE = np.uint64(0xFF)
_LOWEST_BITS = np.uint64(0x0101010101010101)


@inlined
def _transpose_bytes(tile):  # type: ignore[no-untyped-def]
    """Swap, in each word of the 8 vectors of `tile`, vector number and byte number."""
    for distance, mask in (
        (4, np.uint64(0x00000000FFFFFFFF)),
        (2, np.uint64(0x0000FFFF0000FFFF)),
        (1, np.uint64(0x00FF00FF00FF00FF)),
    ):
        low_bytes = broadcast(mask)
        for i in range(8):
            if i & distance == 0:
                j = i + distance
                upper = load(tile, i * N_WORDS)
                lower = load(tile, j * N_WORDS)
                swap = (shift_right(upper, 8 * distance) ^ lower) & low_bytes
                store(tile, i * N_WORDS, upper ^ shift_left(swap, 8 * distance))
                store(tile, j * N_WORDS, lower ^ swap)


@kernel
def pack(codes, n_bits, tile, planes):  # type: ignore[no-untyped-def]
    """Fill the `n_bits` planes of a block.

    `codes` is flat, `BLOCK` rows of a multiple of `TILE_FEATURES` features; the
    planes have as many features, or more, which are left as they are.
    """
    n_features = codes.size // BLOCK
    n_rows = planes.size // (n_bits * N_WORDS)
    ones = broadcast(_LOWEST_BITS)
    for bit in range(n_bits):
        for feature in range(0, n_features, TILE_FEATURES):
            for word in range(N_WORDS):
                for group in range(8):
                    first = (64 * word + 8 * group) * n_features + feature
                    bits = shift_right(load(codes, first), bit) & ones
                    for s in range(1, 8):
                        row = load(codes, first + s * n_features)
                        bits = bits | shift_left(shift_right(row, bit) & ones, s)
                    store(tile, group * N_WORDS, bits)
                _transpose_bytes(tile)
                for i in range(8):
                    for lane in range(N_WORDS):
                        row_number = bit * n_rows + feature + 8 * lane + i
                        planes[row_number * N_WORDS + word] = tile[i * N_WORDS + lane]


@kernel
def unpack(planes, n_bits, tile, codes):  # type: ignore[no-untyped-def]
    """Fill `codes` from planes: the inverse of `pack`."""
    n_features = codes.size // BLOCK
    ones = broadcast(_LOWEST_BITS)
    for feature in range(0, n_features, TILE_FEATURES):
        for word in range(N_WORDS):
            for bit in range(n_bits):
                for i in range(8):
                    for lane in range(N_WORDS):
                        row_number = bit * n_features + feature + 8 * lane + i
                        tile[i * N_WORDS + lane] = planes[row_number * N_WORDS + word]
                _transpose_bytes(tile)
                for group in range(8):
                    bits = load(tile, group * N_WORDS)
                    for s in range(8):
                        at = (64 * word + 8 * group + s) * n_features + feature
                        row = shift_left(shift_right(bits, s) & ones, bit)
                        if bit:
                            row = row | load(codes, at)
                        store(codes, at, row)


@kernel
def spread(codes, n_features, first_sample, tile, values):  # type: ignore[no-untyped-def]
    """Fill lanes with the codes of the samples from `first_sample` on.

    A feature is a row of `N_WORDS` words of `values`, with one sample per element.
    """
    n_lanes = values.size // n_features
    for feature in range(0, n_features, TILE_FEATURES):
        for group in range(0, n_lanes, 8):
            for i in range(8):
                row = (first_sample + group + i) * n_features + feature
                store(tile, i * N_WORDS, load(codes, row))
            _transpose_bytes(tile)
            for i in range(8):
                for word in range(N_WORDS):
                    samples = tile[i * N_WORDS + word]
                    at = (feature + 8 * word + i) * n_lanes + group
                    for j in range(8):
                        values[at + j] = (samples >> np.uint64(8 * j)) & _LOWEST_BYTE


@kernel
def spread_pairs(codes, n_features, first_sample, tile, words):  # type: ignore[no-untyped-def]
    """Fill bytes with the codes of 64 samples from `first_sample` on.

    A feature is a row of `N_WORDS` words. Byte 2i is sample i, byte 2i + 1 sample
    32 + i, so that in 16-bit lanes the low and the high bytes are 32 samples each.
    """
    for feature in range(0, n_features, TILE_FEATURES):
        for group in range(8):
            for i in range(8):
                sample = first_sample + 32 * (i % 2) + 4 * group + i // 2
                store(tile, i * N_WORDS, load(codes, sample * n_features + feature))
            _transpose_bytes(tile)
            for i in range(8):
                for word in range(N_WORDS):
                    at = (feature + 8 * word + i) * N_WORDS + group
                    words[at] = tile[i * N_WORDS + word]
