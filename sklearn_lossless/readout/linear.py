"""A fitted linear readout, as one value, and its integer form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .._printing import short_repr
from ..network import CompressedNetwork

__all__ = ["CodeReadout", "LinearReadout", "scores_of"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class CodeReadout:
    """A readout of codes: ``scores = (codes @ weights) * grid + offset``.

    The sums are exact, so that scores do not depend on the batch, the threads or the
    machine.

    Parameters
    ----------
    weights : ndarray of shape (n_codes, n_targets), dtype float64
        Whole numbers of at most 31 bits.
    grid : ndarray of shape (n_targets,), dtype float64
        Powers of two.
    offset : ndarray of shape (n_targets,), dtype float64
    """

    weights: npt.NDArray[np.float64]
    grid: npt.NDArray[np.float64]
    offset: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LinearReadout:
    """A linear model of features, and how its regularisation was chosen.

    Parameters
    ----------
    coef : ndarray of shape (n_targets, n_features_out), dtype float64
        Coefficients of the features.
    intercept : ndarray of shape (n_targets,), dtype float64
    alpha : float or None, default=None
        Regularisation used; None where it is not known.
    alphas, losses : ndarray of shape (n_alphas,) or None, default=None
        Regularisations tried, and the loss of each.
    criterion : {"loo", "gcv", "held_out"} or None, default=None
        What the losses are: leave-one-out, generalised cross-validation, or on samples
        that were held out.
    temperature : float or None, default=None
        Factor of the scores in a softmax; None unless they are of classes.
    single : bool, default=False
        Whether there is one target without an axis of its own.
    """

    __repr__ = short_repr

    coef: npt.NDArray[np.float64]
    intercept: npt.NDArray[np.float64]
    alpha: float | None = None
    alphas: npt.NDArray[np.float64] | None = None
    losses: npt.NDArray[np.float64] | None = None
    criterion: str | None = None
    temperature: float | None = None
    single: bool = False

    @property
    def coef_(self) -> npt.NDArray[np.float64]:
        """Coefficients of the features, shaped as scikit-learn's linear models do."""
        return self.coef[0] if self.single else self.coef

    @property
    def intercept_(self) -> Any:
        """Intercepts, shaped likewise."""
        return self.intercept[0] if self.single else self.intercept

    @property
    def n_targets(self) -> int:
        """Number of scores."""
        return len(self.coef)

    def on_codes(
        self, offset: Array, step_size: Array, largest_code: int = 15
    ) -> CodeReadout:
        """Return the readout of codes; features are ``offset + step_size * codes``.

        Parameters
        ----------
        offset, step_size : ndarray of shape (n_features_out,), dtype float64
        largest_code : int, default=15
            The grid is as fine as exact sums of 53 bits allow, at most 31 bits.

        Returns
        -------
        CodeReadout
        """
        sum_bits = (largest_code * len(offset)).bit_length()
        n_bits = min(31, 53 - sum_bits)
        constants, step = _on_grid((self.coef * offset).T, n_bits)
        weights, grid = _on_grid((self.coef * step_size).T, n_bits)
        return CodeReadout(weights, grid, self.intercept + constants.sum(axis=0) * step)


def scores_of(
    readout: LinearReadout,
    network: CompressedNetwork,
    X: Any,
    *,
    then: Callable[[npt.NDArray[np.float64]], Array] | None = None,
    out: Array | None = None,
    n_jobs: int | None = None,
) -> Array:
    """Return the scores of rows, or fill `out` with what is made of them.

    Parameters
    ----------
    readout : LinearReadout
    network : CompressedNetwork
    X : ndarray or sparse matrix of shape (n_samples, n_features_in)
    then : callable, optional
        Takes the scores of some rows, and returns what takes their place in `out`.
    out : ndarray of shape (n_samples, ...), optional
        Where to put the result. By default a new array of the scores' shape.
    n_jobs : int or None, default=None
        Threads, as in joblib.

    Returns
    -------
    ndarray of shape (n_samples, n_targets), dtype float64, or `out`
    """
    on_codes = readout.on_codes(*network.code_line, network.largest_code)

    def finish(products: npt.NDArray[np.float64]) -> Array:
        products *= on_codes.grid
        products += on_codes.offset
        return products if then is None else then(products)

    return network.scores(X, on_codes.weights, then=finish, out=out, n_jobs=n_jobs)


def _on_grid(
    weights: npt.NDArray[np.float64], n_bits: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Round each column of `weights` to integers of `n_bits` times a power of two."""
    _, exponents = np.frexp(np.abs(weights).max(axis=0, initial=0.0))
    grid = np.ldexp(1.0, np.maximum(exponents - n_bits, -1074))
    return np.rint(weights / grid), grid
