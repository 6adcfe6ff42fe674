"""The kernels of a first layer whose weights are arranged by input."""

from __future__ import annotations

import numpy as np

from .vector import kernel

__all__ = ["fill_by_input", "layer_on_entries"]


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
    """
    n_outputs, n_nonzeros = indices.shape
    # Counts are two places on, so that places that are used up are starts.
    for o in range(n_outputs):
        for i in range(n_nonzeros):
            if indices[o, i] + 2 < starts.size:
                starts[indices[o, i] + 2] += 1
    for j in range(2, starts.size):
        starts[j] += starts[j - 1]
    for o in range(n_outputs):
        total = np.int64(0)
        for i in range(n_nonzeros):
            j = indices[o, i]
            is_minus = i >= n_plus[o]
            total += -np.int64(zero[j]) if is_minus else np.int64(zero[j])
            neurons[starts[j + 1]] = o + n_outputs * is_minus
            starts[j + 1] += 1
        of_zero[o] = total


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
