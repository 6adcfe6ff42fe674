"""Ridge readouts of codes that stand by themselves, without a network."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from sklearn_lossless.data import MemoryData
from sklearn_lossless.readout import Samples, fit_ridge, gcv, ridge


def ridge_of(codes, Y, sample_weight=None, *, scale=None, alphas=None, **options):
    """Fit scaled codes, with left-out predictions of all rows with weight."""
    labels = getattr(Y, "labels", None)
    samples = Samples(codes, Y, labels, sample_weight)
    scale = np.ones(codes.shape[1]) if scale is None else scale
    options = {"n_left_out": codes.shape[0], "alphas": alphas, **options}
    data = MemoryData(samples, codes.shape[1])
    readout, left_out = fit_ridge(data, 0 * scale, scale, **options)
    weight = samples.weight
    rows = np.arange(codes.shape[0]) if weight is None else np.flatnonzero(weight)
    return SimpleNamespace(
        coef=readout.coef,
        intercept=readout.intercept,
        alpha=readout.alpha,
        alphas=readout.alphas,
        loo_losses=readout.losses,
        loo_prediction=None if left_out is None else left_out.scores,
        loo_rows=rows,
    )


def with_readout(fitted, **changes):
    """Change fields of a fitted readout, each by a function of its value."""
    readout = fitted._readout
    values = {name: change(getattr(readout, name)) for name, change in changes.items()}
    fitted._keep_readout(replace(readout, **values))
    return fitted


def without_decompositions(patch):
    """Let every fit of more samples than features go by factorisations."""
    for module in (ridge, gcv):
        patch.setattr(module, "MOST_DECOMPOSED", 0)
