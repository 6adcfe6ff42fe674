"""The layer kernel for one sample: a vector holds one bit of many neurons.

One sample would leave 511 of the 512 places of a bit plane empty, so here the
weights are the planes: two bits per weight, "added" and "subtracted", with the
neurons along the vector. A row of weights is counted for every bit that is set in
the sample's code of that input; half of the codes of a ReLU are 0 and cost nothing.
The counter is the one of `layer_on_planes`, and so are its doublings from bit to bit.

The cost does not depend on the sparsity; gathering the inputs of each neuron would
win only below half a percent of nonzero weights.
"""

from __future__ import annotations

import numpy as np

from .adders import add_eight, add_sixteen
from .counter import COUNTER_WORDS, FIRST_BASE, MASKS, ONES, ZEROS, nothing
from .layer import GROUP, N_WORDS
from .running_sum import double, make_room, start_sum, store_sum
from .vector import PART_WORDS, broadcast, inlined, kernel, load, majority, store

__all__ = ["SAMPLE_WORDS", "layer_on_sample"]

#: Words of the scratch array of `layer_on_sample`: two counters and planes of codes.
SAMPLE_WORDS = 2 * COUNTER_WORDS + 8 * N_WORDS

_EACH_BYTE = np.uint64(0x0101010101010101)
_DIAGONAL = np.uint64(0x8040201008040201)
_SEVEN_BITS = np.uint64(0x7F7F7F7F7F7F7F7F)


@inlined
def _list_rows(codes, n_bits, rows, ends):  # type: ignore[no-untyped-def]
    """List, from the highest bit to the lowest, the rows of codes with that bit set.

    Padded to a multiple of `GROUP` with the row after the last, which is zero.
    """
    not_zero = rows[n_bits * (codes.size + GROUP) :]
    n_not_zero = position = np.int64(0)
    for i in range(codes.size):
        not_zero[n_not_zero] = i
        n_not_zero += codes[i] != 0
    for bit in range(n_bits - 1, -1, -1):
        for i in not_zero[:n_not_zero]:
            rows[position] = N_WORDS * i
            position += (codes[i] >> bit) & 1
        while position % GROUP:
            rows[position] = N_WORDS * codes.size
            position += 1
        ends[bit] = position


@inlined
def _count(planes, first_row, rows, ends, width, counter):  # type: ignore[no-untyped-def]
    """Sum the listed rows, times the values of their bits; return the lowest level."""
    most_then = start_sum(counter, width)
    base = np.int64(FIRST_BASE)
    for part in range(0, N_WORDS, PART_WORDS):
        base = np.int64(FIRST_BASE)
        most = most_then
        low, high = nothing()
        position = np.int64(0)
        for bit in range(ends.size - 1, -1, -1):
            while position < ends[bit] - GROUP:
                high, most = make_room(
                    counter, part, base, width, high, most, 2 * GROUP
                )
                low, high = add_sixteen(
                    planes, first_row + part, rows, position, low, high
                )
                position += 2 * GROUP
            if position < ends[bit]:
                high, most = make_room(counter, part, base, width, high, most, GROUP)
                low, high = add_eight(
                    planes, first_row + part, rows, position, low, high
                )
                position += GROUP
            if bit:
                low, high, most = double(counter, part, base, width, low, high, most)
                base -= 1
        store_sum(counter, part, base, width, low, high)
    return base


@inlined
def _subtract(plus, minus, base, width):  # type: ignore[no-untyped-def]
    """Leave ``plus - minus + 2**width - 1`` in `plus`: add the complement."""
    carry = broadcast(ZEROS)
    for at in range(base * N_WORDS, (base + width) * N_WORDS, N_WORDS):
        a, b = load(plus, at), ~load(minus, at)
        store(plus, at, (a ^ b) ^ carry)
        carry = majority(a, b, carry)
    store(plus, (base + width) * N_WORDS, carry)


@inlined
def _at_least(counter, base, n_levels, complements, first):  # type: ignore[no-untyped-def]
    """Return where the sums reach thresholds, each with its own."""
    reached = broadcast(ONES)
    for level in range(n_levels):
        bit = load(counter, (base + level) * N_WORDS)
        not_bit = load(complements, first + level * N_WORDS)
        reached = majority(bit, not_bit, reached)
    return reached


@inlined
def _unpack(planes, n_bits, codes):  # type: ignore[no-untyped-def]
    """Fill `codes`, eight at a time, from planes of one bit each."""
    for i in range(codes.size):
        eight = np.uint64(0)
        for b in range(n_bits):
            word = planes[b * N_WORDS + i // 8] >> np.uint64(8 * (i % 8))
            copies = (word & np.uint64(0xFF)) * _EACH_BYTE
            bits = ((copies & _DIAGONAL) + _SEVEN_BITS) >> np.uint64(7)
            eight |= (bits & _EACH_BYTE) << np.uint64(b)
        codes[i] = eight


@kernel
def layer_on_sample(  # type: ignore[no-untyped-def]
    codes,
    planes,
    level_changes,
    first_level,
    n_bits,
    sum_bits,
    n_out_bits,
    rows,
    scratch,
    out,
):
    """Fill `out` with the codes that a layer makes of one sample.

    Parameters
    ----------
    codes : ndarray of shape (n_inputs,), dtype uint8
    planes : ndarray of uint64
        `PreparedLayer.weight_planes`.
    level_changes, first_level, n_bits, sum_bits, n_out_bits
        Those of `PreparedLayer`; `n_bits` are those of the inputs.
    rows : ndarray of shape ((n_bits + 1) * (n_inputs + GROUP),), dtype int32
        Scratch.
    scratch : ndarray of shape (SAMPLE_WORDS,), dtype uint64
        Scratch.
    out : ndarray of uint64
        Eight codes each; a multiple of `8 * N_WORDS` words.
    """
    plus, minus = scratch[:COUNTER_WORDS], scratch[COUNTER_WORDS:]
    code_planes = scratch[2 * COUNTER_WORDS :]
    ends = rows[rows.size - n_bits :]
    _list_rows(codes, n_bits, rows, ends)
    row_words = (codes.size + 1) * N_WORDS
    threshold_words = (sum_bits + 1) * N_WORDS
    start = base = np.int64(0)
    for first in range(0, out.size, 8 * N_WORDS):
        for part in range(2):  # added, subtracted
            counter = scratch[part * COUNTER_WORDS :]
            base = _count(planes, start, rows, ends, sum_bits, counter)
            start += row_words
        _subtract(plus, minus, base, sum_bits)
        for b in range(n_out_bits):
            store(
                code_planes, b * N_WORDS, broadcast(MASKS[1 - ((first_level >> b) & 1)])
            )
        for t in range(level_changes.size):
            reached = _at_least(plus, base, sum_bits + 1, planes, start)
            start += threshold_words
            for b in range(n_out_bits):
                if (level_changes[t] >> b) & 1:
                    at = b * N_WORDS
                    store(code_planes, at, load(code_planes, at) ^ reached)
        _unpack(code_planes, n_out_bits, out[first : first + 8 * N_WORDS])
