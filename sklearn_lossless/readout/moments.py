"""Means and variances of features and targets, and rows as they are about these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["LEAST_SLACK", "Moments", "default_alphas"]

Array = npt.NDArray[Any]

#: Regularisations tried, in units of the mean eigenvalue of the Gram matrix.
_RELATIVE_ALPHAS = np.logspace(-6, 4, 21)

#: Floor of 1 - leverage: a sample that fits itself exactly is left at its residual.
LEAST_SLACK = 1e-10


def default_alphas(mean_eigenvalue: float) -> Array:
    """Return 21 regularisations around the mean eigenvalue of the Gram matrix."""
    return _RELATIVE_ALPHAS * (mean_eigenvalue or 1.0)


@dataclass(frozen=True, eq=False)
class Moments:
    """Means and variances of features and targets.

    Parameters
    ----------
    scale : ndarray of shape (n_features,), dtype float64
        The features are the centred codes times this.
    code_mean : ndarray of shape (n_features,), dtype float64
    y_mean, y_variance : ndarray of shape (n_targets,), dtype float64
        Mean of the targets, and the weighted sum of their squares about it.
    weight : float
        Sum of the weights of all samples.
    n_samples : int
        Number of samples that have weight.
    n_effective : float
        Number of samples of equal weight that tell as much.
    mean_eigenvalue : float
        Of the Gram matrix of the features: the unit of regularisations.
    """

    scale: Array
    code_mean: Array
    y_mean: Array
    y_variance: Array
    weight: float
    n_samples: int
    n_effective: float
    mean_eigenvalue: float

    @property
    def mean_weight(self) -> float:
        """Weight of a sample: large and small ones would leave single precision."""
        return self.weight / self.n_samples

    @property
    def y_scale(self) -> Array:
        """Deviation of each target: large and small ones would leave it as well."""
        scale: Array = np.sqrt(self.y_variance / self.weight)
        scale[~(scale > 0)] = 1.0
        return scale

    @property
    def dtype(self) -> type[np.floating[Any]]:
        """Precision of predictions and leverages."""
        # With leverages near 1 the quotient needs every digit.
        exact = self.n_effective < 4 * len(self.scale)
        return np.float64 if exact else np.float32

    def features(self, codes: Array) -> Array:
        """Return the centred features of rows."""
        centred = codes.astype(self.dtype)
        centred -= self.code_mean.astype(self.dtype)
        centred *= self.scale.astype(self.dtype)
        return centred

    def intercept(self, coef: Array) -> Array:
        """Return the intercepts that go with coefficients of codes times `scale`."""
        offset: Array = coef @ (self.scale * self.code_mean)
        return self.y_mean - offset

    def leverages(self, of_features: Array, weight: Array | None) -> Array:
        """Return the leverages of rows.

        Parameters
        ----------
        of_features : ndarray of shape (n_rows, ...)
            ``x' (G + alpha)^-1 x`` times the mean weight, x the features of each row.
        weight : ndarray of shape (n_rows,) or None
            Of the rows. None: 1.
        """
        leverages = of_features + 1 / self.n_samples
        if weight is not None:
            relative = weight / self.mean_weight
            leverages *= relative.reshape(-1, *[1] * (leverages.ndim - 1))
        return leverages

    def residuals(self, fitted: Array, leverages: Array, Y: Array) -> Array:
        """Return the residuals of rows by the regressions without each.

        Parameters
        ----------
        fitted : ndarray of shape (n_rows, n_targets)
            Predictions less the mean, over the deviation of each target.
        leverages : ndarray of shape (n_rows,)
        Y : ndarray of shape (n_rows, n_targets), dtype float64

        Returns
        -------
        ndarray of shape (n_rows, n_targets), dtype float64
        """
        residuals = Y - self.y_mean
        residuals -= fitted * self.y_scale
        residuals /= np.maximum(1 - leverages, LEAST_SLACK)[:, np.newaxis]
        return residuals
