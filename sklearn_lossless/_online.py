"""What `partial_fit` keeps of the data: sums, and a sample for the calibration."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ._readout import (
    Decomposition,
    RidgeStatistics,
    left_out_prediction,
    product,
    row_blocks,
)
from ._scores import (
    SignTargets,
    fit_temperature,
)
from .network import CompressedNetwork, LazyCodes, splitmix64

__all__ = ["OnlineRidge", "RowSample", "Solution"]

Array = npt.NDArray[Any]

#: Rows that are kept for the calibration of probabilities.
_SAMPLE_SIZE = 4096


@dataclass(frozen=True, eq=False)
class Solution:
    """A ridge readout from sums alone.

    Parameters
    ----------
    coef : ndarray of shape (n_targets, n_features), dtype float64
        Coefficients of the codes, times their scale.
    intercept : ndarray of shape (n_targets,), dtype float64
    alpha : float
        The regularisation of least generalised cross-validation.
    alphas, gcv_losses : ndarray of shape (n_alphas,), dtype float64
    temperature : float or None
        Factor of the scores in a softmax, if there is a sample to calibrate it.
    """

    coef: Array
    intercept: Array
    alpha: float
    alphas: Array
    gcv_losses: Array
    temperature: float | None


class OnlineRidge:
    """Sums over the batches seen so far, and a sample of their rows.

    Parameters
    ----------
    network : CompressedNetwork
        Gives the codes; fixed from the first batch on.
    n_targets : int
        Number of columns of the targets.
    n_classes : int or None, default=None
        Number of classes, for probabilities; None for real targets.
    offset : ndarray of shape (n_targets,) or float, default=0.0
        Taken from the targets, so that sums of products lose less to rounding.
    y_ndim : int, default=2
        Dimensions of the targets as they were given.
    """

    def __init__(
        self,
        network: CompressedNetwork,
        n_targets: int,
        *,
        n_classes: int | None = None,
        offset: Array | float = 0.0,
        y_ndim: int = 2,
    ) -> None:
        self.y_ndim = y_ndim
        self.n_targets = n_targets
        self.offset = offset
        self._network = network
        self._n_classes = n_classes
        self._statistics = RidgeStatistics(network.n_features_out, n_targets)
        self._sample = RowSample(network, _SAMPLE_SIZE)

    def update(
        self,
        X: Any,
        Y: Any,
        sample_weight: Array | None = None,
        *,
        labels: npt.NDArray[np.intp] | None = None,
        costs: Array | None = None,
        n_jobs: int | None = None,
        report: Any = None,
    ) -> None:
        """Add a batch.

        Parameters
        ----------
        X : ndarray or CSR matrix of shape (n_samples, n_features_in)
        Y : ndarray of shape (n_samples, n_targets), dtype float64
            Targets less the offset, or an object that gives them for slices.
        sample_weight, costs, report
            As in `fit_ridge`.
        labels : ndarray of shape (n_samples,), dtype intp, or None
            Index of the class of each sample; None for real targets.
        n_jobs : int or None, default=None
            Threads of the forward pass.
        """
        codes = LazyCodes(self._network, X, n_jobs)
        # Apart at first: where a batch breaks off, the sums before stay as they are.
        batch = self._statistics.zeros()
        batch.update(codes, Y, product(sample_weight, costs), report)
        if labels is not None:
            self._sample.update(X, labels, sample_weight, costs)
        self._statistics = self._statistics + batch

    def solve(self, scale: Array, alpha: float | None) -> Solution:
        """Return the readout of all batches so far.

        Parameters
        ----------
        scale : ndarray of shape (n_features,), dtype float64
            The features are the codes times this.
        alpha : float or None
            Regularisation. None: the best by generalised cross-validation.
        """
        decomposition = Decomposition(deepcopy(self._statistics), scale)
        alphas = decomposition.default_alphas()
        if alpha is not None:
            alphas = np.array([alpha])
        losses = decomposition.gcv_losses(alphas)
        best = int(losses.argmin())
        coef = decomposition.coef(alphas[best])
        path = decomposition.path(alphas[[best]])
        temperature = None
        if self._n_classes is not None:
            sample = self._sample
            Y = SignTargets(sample.labels, self._n_classes)
            weights = sample.sample_weight, sample.costs
            decision = left_out_prediction(path, 0, sample.codes, Y, None, *weights)
            temperature = fit_temperature(decision, sample.labels, product(*weights))
        return Solution(
            coef,
            decomposition.intercept(coef) + self.offset,
            float(alphas[best]),
            alphas,
            losses,
            temperature,
        )


class RowSample:
    """The samples with the smallest hashes, the same in whatever order they come.

    Parameters
    ----------
    network : CompressedNetwork
        Gives the codes that are kept.
    size : int
        Number of samples that are kept.

    References
    ----------
    Cohen, Kaplan, "Summarizing data using bottom-k sketches", PODC 2007.
    """

    def __init__(self, network: CompressedNetwork, size: int) -> None:
        self._network, self._size = network, size
        self._hashes = np.empty(0, dtype=np.uint64)
        self.codes = np.empty((0, network.n_features_out), dtype=np.uint8)
        self.labels = np.empty(0, dtype=np.intp)
        self.sample_weight = np.empty(0)
        self.costs = np.empty(0)

    def update(
        self,
        X: Any,
        labels: npt.NDArray[np.intp],
        sample_weight: Array | None = None,
        costs: Array | None = None,
    ) -> None:
        """Look at a batch; parameters as in `OnlineRidge.update`."""
        ones = np.ones(len(labels))
        weights = [ones if w is None else w for w in (sample_weight, costs)]
        hashes = self._hash(X, labels)
        new = np.flatnonzero(weights[0] > 0)
        new = new[np.argsort(hashes[new], kind="stable")[: self._size]]
        merged = np.concatenate([self._hashes, hashes[new]])
        kept = np.argsort(merged, kind="stable")[: self._size]
        n_old = len(self._hashes)
        new = new[np.sort(kept[kept >= n_old]) - n_old]
        old = np.sort(kept[kept < n_old])
        self._hashes = np.concatenate([self._hashes[old], hashes[new]])
        self.codes = np.concatenate([self.codes[old], self._network.forward(X[new])])
        self.labels = np.concatenate([self.labels[old], labels[new]])
        self.sample_weight = np.concatenate([self.sample_weight[old], weights[0][new]])
        self.costs = np.concatenate([self.costs[old], weights[1][new]])

    def _hash(self, X: Any, labels: npt.NDArray[np.intp]) -> npt.NDArray[np.uint64]:
        """Return a number for each sample that depends on nothing but the sample."""
        n_words = -(-X.shape[1] // 8)
        factors = splitmix64(0, np.arange(n_words)) | np.uint64(1)
        sums = np.empty(len(labels), dtype=np.uint64)
        for rows in row_blocks(X):
            codes = self._network.quantizer.codes(X[rows])
            words = np.zeros((len(codes), 8 * n_words), dtype=np.uint8)
            words[:, : codes.shape[1]] = codes
            sums[rows] = words.view("<u8") @ factors
        return splitmix64(sums, labels)
