"""Codes of many samples that are never all there."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ._checks import check_features
from .network import CompressedNetwork

__all__ = ["LazyCodes"]


class LazyCodes:
    """The codes of samples, made when they are asked for and not kept.

    A forward pass takes less time than what is done with its codes, so going
    through the samples again is cheaper than memory for them.

    Parameters
    ----------
    network : CompressedNetwork
    X : ndarray or sparse matrix of shape (n_samples, n_features_in)
        Finite numbers.
    n_jobs : int or None, default=None
        Threads, as in joblib.
    """

    dtype = np.dtype(np.uint8)

    def __init__(
        self, network: CompressedNetwork, X: Any, n_jobs: int | None = None
    ) -> None:
        X = check_features(X, network.n_features_in, type(network).__name__)
        self._network, self._X, self._n_jobs = network, X, n_jobs
        self.shape = (X.shape[0], network.n_features_out)

    def __getitem__(self, rows: slice | npt.NDArray[np.intp]) -> npt.NDArray[np.uint8]:
        """Return the codes of `rows`."""
        return self._network.forward(self._X[rows], n_jobs=self._n_jobs)
