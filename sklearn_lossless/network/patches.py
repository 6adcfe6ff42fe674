"""Filters from the data: signs of whitened patches, in closed form."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import linalg

from .ternary import TernaryWeights, splitmix64

__all__ = ["filters_from_patches"]

#: Added to the eigenvalues of the covariance, as a share of their mean.
_SHRINKAGE = 0.1


def filters_from_patches(
    patches: npt.NDArray[np.uint8],
    weight: npt.NDArray[np.float64],
    n_filters: int,
    k: int,
    seed: int,
    number: int,
) -> TernaryWeights:
    """Return filters that are the signs of whitened patches.

    A filter adds the `k` / 2 inputs where its patch, whitened, is largest, and
    subtracts the `k` / 2 where it is smallest. Which patches is drawn from the seed, of
    those with more contrast than the mean. The order of the patches does not matter,
    and a weight stands for as many equal ones.

    Parameters
    ----------
    patches : ndarray of shape (n_patches, n_inputs), dtype uint8
        Patches of the training data.
    weight : ndarray of shape (n_patches,), dtype float64
        How much each counts.
    n_filters : int
        Number of filters.
    k : int
        Nonzero weights of each, an even number, or 1.
    seed : int
        64-bit seed of the network.
    number : int
        Number of the layer.

    Returns
    -------
    TernaryWeights

    References
    ----------
    Coates, Ng, Lee, "An analysis of single-layer networks in unsupervised feature
    learning", AISTATS 2011, sections 3.1 and 4.1.
    """
    patches = np.ascontiguousarray(patches)
    in_order = np.argsort(patches.view(f"S{patches.shape[1]}").ravel(), kind="stable")
    patches, weight = patches[in_order], weight[in_order]
    contrast = patches.std(axis=1)
    lively = contrast >= weight @ contrast / weight.sum()
    shares = np.cumsum(weight * lively)
    key = splitmix64(seed % 2**64, number)
    uniform = splitmix64(key, np.arange(n_filters)) / 2.0**64
    chosen = np.searchsorted(shares, uniform * shares[-1], side="right")
    chosen = np.minimum(chosen, np.flatnonzero(lively)[-1])

    centred = patches - patches.mean(axis=1, dtype=np.float64, keepdims=True)
    centred -= weight @ centred / weight.sum()
    covariance = (centred.T * weight) @ centred / weight.sum()
    values, vectors = linalg.eigh(covariance)
    values = np.maximum(values, 0) + _SHRINKAGE * values.mean() + 1e-300
    whitening = (vectors / np.sqrt(values)) @ vectors.T
    order = np.argsort(-(centred[chosen] @ whitening), axis=1, kind="stable")
    signs = np.zeros(order.shape, dtype=np.int8)
    half = k // 2
    np.put_along_axis(signs, order[:, : k - half], 1, axis=1)
    np.put_along_axis(signs, order[:, len(order[0]) - half :], -1, axis=1)
    return TernaryWeights.of_signs(signs)
