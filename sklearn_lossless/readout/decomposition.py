"""Ridge regressions for all alphas from one eigendecomposition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import linalg

from .moments import LEAST_SLACK, Moments
from .statistics import RidgeStatistics

__all__ = ["MOST_DECOMPOSED", "Decomposition", "RidgePath"]

Array = npt.NDArray[Any]

#: Features up to which one decomposition takes less time than some factorisations.
MOST_DECOMPOSED = 1024

#: Targets of several regressions that are predicted together.
_COLUMNS = 256


@dataclass(frozen=True, eq=False)
class RidgePath:
    """Ridge regressions for several alphas, and the leverages of samples.

    Parameters
    ----------
    alphas : ndarray of shape (n_alphas,), dtype float64
    vectors : ndarray of shape (n_features, rank), dtype float32 or float64
        Eigenvectors of the Gram matrix of the features.
    inverse : ndarray of shape (rank, n_alphas)
        ``(x @ vectors)**2 @ inverse`` is ``x' (G + alpha)^-1 x`` times the mean weight
        for every alpha, where G is that matrix.
    rotated : ndarray of shape (rank, n_targets)
        ``vectors @ (rotated * inverse[:, [i]]) * y_scale`` are the coefficients for
        alpha i.
    moments : Moments
    """

    alphas: Array
    vectors: Array
    inverse: Array
    rotated: Array
    moments: Moments

    title = "leave-one-out"

    def left_out(
        self, codes: Array, Y: Array, weight: Array | None
    ) -> Iterator[tuple[int, Array]]:
        """Yield the residuals of rows by the regressions without each.

        Parameters
        ----------
        codes : ndarray of shape (n_rows, n_features)
        Y : ndarray of shape (n_rows, n_targets), dtype float64
        weight : ndarray of shape (n_rows,) or None

        Yields
        ------
        number : int
            Of the alpha.
        residuals : ndarray of shape (n_rows, n_targets), dtype float64
        """
        moments, n_alphas = self.moments, len(self.alphas)
        rotated_rows = moments.features(codes) @ self.vectors
        parts: Iterable[tuple[slice, Array]] = self._predictions(rotated_rows)
        if n_alphas * Y.shape[1] <= codes.shape[1]:
            parts = list(parts)  # smaller than a copy
        else:
            rotated_rows = rotated_rows.copy()
        squares = np.square(rotated_rows, out=rotated_rows)
        leverages = moments.leverages(squares @ self.inverse, weight)
        for some, part in parts:
            for number in range(n_alphas)[some]:
                fitted = part[:, number - some.start]
                yield number, moments.residuals(fitted, leverages[:, number], Y)

    def _predictions(self, rotated_rows: Array) -> Iterator[tuple[slice, Array]]:
        """Yield predictions less the mean, over `y_scale`, for some alphas at a time.

        Parameters
        ----------
        rotated_rows : ndarray of shape (n_rows, rank)
            Features times `vectors`.
        """
        n_targets = self.rotated.shape[1]
        step = max(1, _COLUMNS // n_targets)
        for start in range(0, len(self.alphas), step):
            some = slice(start, start + step)
            solutions = self.rotated[:, np.newaxis] * self.inverse[:, some, np.newaxis]
            fitted = rotated_rows @ solutions.reshape(len(solutions), -1)
            yield some, fitted.reshape(len(rotated_rows), -1, n_targets)

    def of(self, number: int) -> RidgePath:
        """Return the path that is one of these regressions."""
        one = [number]
        return replace(self, alphas=self.alphas[one], inverse=self.inverse[:, one])


@dataclass(frozen=True, eq=False)
class Decomposition:
    """Eigendecomposition of the features' Gram matrix; made by `of`.

    Parameters
    ----------
    moments : Moments
    values : ndarray of shape (n_features,), dtype float64
        Eigenvalues of the Gram matrix of the centred features.
    vectors : ndarray of shape (n_features, n_features), dtype float64
        Its eigenvectors.
    rotated : ndarray of shape (n_features, n_targets), dtype float64
        Products of the eigenvectors with those of features and targets.
    """

    moments: Moments
    values: Array
    vectors: Array
    rotated: Array

    @classmethod
    def of(
        cls, statistics: RidgeStatistics, scale: Array, overwrite: bool = False
    ) -> Self:
        """Decompose the Gram matrix of `statistics`.

        Parameters
        ----------
        statistics : RidgeStatistics
        scale : ndarray of shape (n_features,), dtype float64
            The features are the codes times this.
        overwrite : bool, default=False
            Whether the Gram matrix may be overwritten, which saves a copy.

        Returns
        -------
        Decomposition
        """
        moments = statistics.moments(scale)
        gram, cross = statistics.centred(moments, overwrite)
        # "evr" needs no work space but for the vectors.
        values, vectors = linalg.eigh(
            gram, lower=False, overwrite_a=True, check_finite=False, driver="evr"
        )
        return cls(moments, np.maximum(values, 0.0), vectors, vectors.T @ cross)

    def coef(self, alpha: float) -> Array:
        """Return the coefficients for an alpha, of shape (n_targets, n_features)."""
        solution: Array = self.vectors @ (
            self.rotated / (self.values + alpha)[:, np.newaxis]
        )
        return np.ascontiguousarray(solution.T)

    def path(self, alphas: Array) -> RidgePath:
        """Return what gives predictions and leverages for all alphas."""
        moments = self.moments
        dtype, mean_weight = moments.dtype, moments.mean_weight
        inverse = mean_weight / (self.values[:, np.newaxis] + alphas)
        return RidgePath(
            alphas=alphas,
            vectors=self.vectors.astype(dtype, copy=False),
            inverse=inverse.astype(dtype),
            rotated=(self.rotated / (moments.y_scale * mean_weight)).astype(dtype),
            moments=moments,
        )

    def gcv_losses(self, alphas: Array, units: Array | float = 1.0) -> Array:
        """Return the generalised cross-validation of the squared error.

        It needs no sample: ``n |y - H y|^2 / (n - tr H)^2`` follows from the Gram
        matrix, averaged over targets. With weights, n is the effective number of
        samples, which makes ``tr H / n`` their weighted mean leverage. `units` are
        those of the targets, in which squared errors are averaged.

        References
        ----------
        Golub, Heath, Wahba, "Generalized cross-validation as a method for choosing
        a good ridge parameter", Technometrics 1979, equation 1.4.
        """
        moments = self.moments
        # A power of two: squares of large or small weights are no floats.
        unit = np.ldexp(1.0, min(-int(np.frexp(moments.weight)[1]), 1000))
        values, alphas = self.values[:, np.newaxis] * unit, alphas * unit
        kept = values / (values + alphas)
        squares = np.square(self.rotated * (units * unit)).sum(axis=1)[:, np.newaxis]
        explained = squares * (1 + alphas / (values + alphas)) / (values + alphas)
        total = (moments.y_variance * unit * np.square(units)).sum()
        residual = np.maximum(total - explained.sum(axis=0), 0.0)
        used = (1 + kept.sum(axis=0)) / moments.n_effective
        n_targets = len(moments.y_mean)
        mean = residual / (moments.weight * unit * n_targets)
        return mean / np.maximum(1 - used, LEAST_SLACK) ** 2
