"""The kernels of a first layer whose weights are arranged by input."""

from __future__ import annotations

import numpy as np

from .vector import kernel

__all__ = ["fill_by_input", "layer_on_entries"]

_INPUTS_AT_ONCE = 2**13


@kernel
def fill_by_input(indices, n_plus, zero, starts, neurons, of_zero):  # type: ignore[no-untyped-def]
    """Fill `starts`, `neurons` and what the codes `zero` give to each neuron.

    Parameters
    ----------
    indices, n_plus, zero
        As for `arrange_by_input`.
    starts : ndarray of shape (n_inputs + 1,), dtype int64
        Zeros at first.
    neurons : ndarray of shape (n_outputs * n_nonzeros,)
    of_zero : ndarray of shape (n_outputs,), dtype int64
        Zeros at first, too.
    """
    n_outputs, n_nonzeros = indices.shape
    last = starts.size - 1
    # Those of inputs that are near each other together: their places stay in cache.
    # Right in any order of the indices, and fast in ascending order.
    at = np.empty((2, n_outputs), dtype=np.int64)
    for counting in (True, False):
        at[0], at[1] = 0, n_plus
        for stop in range(_INPUTS_AT_ONCE, last + _INPUTS_AT_ONCE, _INPUTS_AT_ONCE):
            for part in range(2):  # added, subtracted
                for o in range(n_outputs):
                    i, end = at[part, o], n_nonzeros if part else n_plus[o]
                    total = np.int64(0)
                    while i < end and indices[o, i] < stop:
                        j = indices[o, i]
                        if not counting:
                            neurons[starts[j + 1]] = o + n_outputs * part
                            starts[j + 1] += 1
                            total += zero[j]
                        elif j + 2 <= last:
                            starts[j + 2] += 1
                        i += 1
                    at[part, o] = i
                    of_zero[o] += -total if part else total
        if counting:
            # Two places on: starts that are counted up become the next ones.
            for j in range(2, last + 1):
                starts[j] += starts[j - 1]


@kernel
def layer_on_entries(  # type: ignore[no-untyped-def]
    row_starts,
    columns,
    codes,
    zero,
    starts,
    neurons,
    thresholds,
    level_changes,
    first_level,
    out,
):
    """Fill `out` with the codes that a layer makes of sparse rows.

    Parameters
    ----------
    row_starts : ndarray of shape (n_samples + 1,), dtype int64
        Where the entries of each row begin.
    columns : ndarray of shape (n_entries,), dtype int32
        No column twice in a row.
    codes : ndarray of shape (n_entries,), dtype uint8
    zero, starts, neurons, thresholds, level_changes, first_level
        Those of `LayerByInput`.
    out : ndarray of shape (n_samples, n_outputs), dtype uint8
    """
    n_outputs = out.shape[1]
    both = np.empty(2 * n_outputs, dtype=np.int32)  # of added, of subtracted inputs
    for row in range(out.shape[0]):
        both[:] = 0
        for entry in range(row_starts[row], row_starts[row + 1]):
            column = columns[entry]
            more = np.int32(codes[entry]) - np.int32(zero[column])
            if more != 0:
                for at in range(starts[column], starts[column + 1]):
                    both[neurons[at]] += more
        codes_out = out[row]
        for o in range(n_outputs):
            both[o] -= both[n_outputs + o]
            codes_out[o] = first_level
        for t in range(level_changes.size):
            # Outside the loop, which becomes one of vectors.
            change, least = level_changes[t], thresholds[t]
            for o in range(n_outputs):
                codes_out[o] ^= change if both[o] >= least[o] else np.uint8(0)
