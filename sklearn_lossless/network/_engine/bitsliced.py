"""The layer kernel on bit planes: a vector holds one bit of `64 * N_WORDS` samples.

Subtracted inputs. Adding NOT x instead of subtracting x turns every sum into
``sum + (largest code) * (number of subtracted inputs)``, never negative, and the
constant goes into the thresholds. A full adder whose three inputs are complemented
puts out the complements of its outputs; so, rather than complementing each input
of a run of subtracted ones, the kernel complements the counter before and after.
"""

from __future__ import annotations

from .counter import (
    FIRST_BASE,
    GROUP_LEVEL,
    MASKS,
    ONES,
    ZEROS,
    add_carry,
    add_eight,
    complement,
    eight_rows,
    final_sum,
)
from .layer import GROUP, N_WORDS
from .vector import broadcast, kernel, load, store

__all__ = ["layer_on_planes"]


@kernel
def _complement_first(x, n_minus):  # type: ignore[no-untyped-def]
    """Complement the first `n_minus` of eight vectors."""
    return (
        x[0] ^ broadcast(MASKS[int(n_minus <= 0)]),
        x[1] ^ broadcast(MASKS[int(n_minus <= 1)]),
        x[2] ^ broadcast(MASKS[int(n_minus <= 2)]),
        x[3] ^ broadcast(MASKS[int(n_minus <= 3)]),
        x[4] ^ broadcast(MASKS[int(n_minus <= 4)]),
        x[5] ^ broadcast(MASKS[int(n_minus <= 5)]),
        x[6] ^ broadcast(MASKS[int(n_minus <= 6)]),
        x[7] ^ broadcast(MASKS[int(n_minus <= 7)]),
    )


@kernel
def _at_least(counter, base, width, threshold, masks):  # type: ignore[no-untyped-def]
    """Return where the sum reaches a threshold, from the lowest bit upwards."""
    reached = broadcast(ONES)
    for level in range(base, base + width):
        not_bit = broadcast(masks[threshold & 1])
        bit = load(counter, level * N_WORDS)
        reached = (bit & not_bit) | ((bit | not_bit) & reached)
        threshold >>= 1
    return reached


@kernel
def layer_on_planes(  # type: ignore[no-untyped-def]
    planes,
    n_bits,
    rows,
    n_minus,
    thresholds,
    flips,
    first_level,
    sum_bits,
    counter,
    n_out_bits,
    out,
):
    """Fill the planes `out` with the codes that a layer makes of `planes`.

    Parameters
    ----------
    planes, out : ndarray of uint64
        As made by `pack`.
    n_bits, n_out_bits : int
        Number of planes of either.
    rows, n_minus, thresholds, flips, first_level, sum_bits
        Those of `PreparedLayer`.
    counter : ndarray of shape (COUNTER_WORDS,), dtype uint64
        Scratch.
    """
    n_outputs, n_taps = rows.shape
    flat_rows = rows.reshape(rows.size)
    plane_words = planes.size // n_bits
    out_words = out.size // n_out_bits
    zero = broadcast(ZEROS)
    for o in range(n_outputs):
        n_mixed = n_minus[o] % GROUP
        minus_stop = o * n_taps + n_minus[o] - n_mixed
        base = FIRST_BASE
        for level in range(base + GROUP_LEVEL, base + sum_bits):
            store(counter, level * N_WORDS, ~zero)
        ones = twos = fours = ~zero
        n_groups = 0
        for bit in range(n_bits - 1, -1, -1):
            plane = bit * plane_words
            level = base + GROUP_LEVEL
            position = o * n_taps
            # The counter is complemented here.
            while position < minus_stop:
                x = eight_rows(planes, plane, flat_rows, position)
                ones, twos, fours, eight = add_eight(x, ones, twos, fours)
                add_carry(counter, level, n_groups, eight)
                n_groups += 1
                position += GROUP
            complement(counter, level, base + sum_bits)
            ones, twos, fours = ~ones, ~twos, ~fours
            if n_mixed:
                x = _complement_first(
                    eight_rows(planes, plane, flat_rows, position), n_mixed
                )
                ones, twos, fours, eight = add_eight(x, ones, twos, fours)
                add_carry(counter, level, n_groups, eight)
                n_groups += 1
                position += GROUP
            while position < (o + 1) * n_taps:
                x = eight_rows(planes, plane, flat_rows, position)
                ones, twos, fours, eight = add_eight(x, ones, twos, fours)
                add_carry(counter, level, n_groups, eight)
                n_groups += 1
                position += GROUP
            if bit:
                # Double the counter: one level up, for the next lower plane.
                store(counter, (level - 1) * N_WORDS, fours)
                ones, twos, fours = ~zero, ~ones, ~twos
                base -= 1
                n_groups *= 2
                complement(counter, base + GROUP_LEVEL, base + sum_bits)
        final_sum(counter, base, sum_bits, n_groups, ones, twos, fours)
        for b in range(n_out_bits):
            first = broadcast(MASKS[1 - ((first_level >> b) & 1)])
            store(out, b * out_words + o * N_WORDS, first)
        for t in range(thresholds.shape[1]):
            reached = _at_least(counter, base, sum_bits, thresholds[o, t], MASKS)
            for b in range(n_out_bits):
                if (flips[t] >> b) & 1:
                    at = b * out_words + o * N_WORDS
                    store(out, at, load(out, at) ^ reached)
