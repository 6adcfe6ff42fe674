"""Sums over samples, and the ridge regressions that follow from them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import linalg

from ..data import row_blocks
from .samples import Samples

__all__ = ["Decomposition", "RidgePath", "RidgeStatistics"]

Array = npt.NDArray[Any]

#: Regularisations tried, in units of the mean eigenvalue of the Gram matrix.
RELATIVE_ALPHAS = np.logspace(-6, 4, 21)

#: Integers below this are exact in float32.
_EXACT = 2**24

#: Rows of codes that are in float64 at once.
_DOUBLE_ROWS = 256

#: Targets of several regressions that are predicted together.
_COLUMNS = 256

#: Floor of 1 - leverage: a sample that fits itself exactly is left at its residual.
LEAST_SLACK = 1e-10


@dataclass(eq=False)
class RidgeStatistics:
    """Sums over samples from which ridge regressions follow; those of parts add up.

    The sums of unweighted codes and of targets of -1 and +1 are integers: they do
    not depend on the order of the samples or on the parts.

    Parameters
    ----------
    gram : ndarray of shape (n_features, n_features), dtype float64
        Sum of the products of codes: of a column-major matrix the upper half.
    cross : ndarray of shape (n_features, n_targets), dtype float64
    total : ndarray of shape (n_features,), dtype float64
    y_total, y_squares : ndarray of shape (n_targets,), dtype float64
    weight, squared_weight : float
        Sums of the weights and of their squares.
    weight_norm : float
        Root of the sum of the squared weights, for which squares need be no floats.
    n_samples : int
        Number of samples that have weight.
    """

    gram: Array
    cross: Array
    total: Array
    y_total: Array
    y_squares: Array
    weight: float = 0.0
    squared_weight: float = 0.0
    weight_norm: float = 0.0
    n_samples: int = 0

    @property
    def n_effective(self) -> float:
        """Number of samples of equal weight that tell as much.

        References
        ----------
        Kish, "Survey sampling", 1965, section 11.7.
        """
        if not 1e-280 < self.squared_weight < np.inf:  # beyond the range of squares
            return (self.weight / self.weight_norm) ** 2 if self.weight else 0.0
        return self.weight * (self.weight / self.squared_weight)

    @classmethod
    def zeros(cls, n_features: int, n_targets: int) -> Self:
        """Return the sums of no samples."""
        return cls(
            gram=np.zeros((n_features, n_features), order="F"),
            cross=np.zeros((n_features, n_targets)),
            total=np.zeros(n_features),
            y_total=np.zeros(n_targets),
            y_squares=np.zeros(n_targets),
        )

    @classmethod
    def of(cls, samples: Samples) -> Self:
        """Return the sums over samples.

        Parameters
        ----------
        samples : Samples
            Gone through once, block by block.

        Returns
        -------
        RidgeStatistics
        """
        codes, Y, weight = samples.codes, samples.Y, samples.weight
        if weight is not None and np.all(weight == 1.0):
            weight = None
        sums = cls.zeros(codes.shape[1], Y.shape[1])
        # Products of integers add up to integers: exact below 2**24.
        integers = codes.dtype == np.uint8 and weight is None
        part = np.zeros_like(sums.gram if integers else [], dtype=np.float32)
        in_part = 0
        for rows in row_blocks(codes, "Gram matrix", samples.report):
            block, Y_block = codes[rows], np.asarray(Y[rows], dtype=np.float64)
            bound = len(block) * int(block.max()) ** 2 if integers else _EXACT
            if bound < _EXACT:
                if in_part + bound >= _EXACT:
                    sums.gram += part
                    part[:], in_part = 0.0, 0
                in_part += bound
                single = block.astype(np.float32, order="C")
                linalg.blas.ssyrk(1.0, single.T, 1.0, part, overwrite_c=True)
                del single
            else:
                root = block if weight is None else block * np.sqrt(weight[rows, None])
                root = np.ascontiguousarray(root, dtype=np.float64)
                linalg.blas.dsyrk(1.0, root.T, 1.0, sums.gram, overwrite_c=True)
                del root
            sums._add_linear(block, Y_block, None if weight is None else weight[rows])
        if integers:
            sums.gram += part
        n_seen = codes.shape[0] if weight is None else np.count_nonzero(weight)
        sums.n_samples = int(n_seen)
        return sums

    def _add_linear(self, codes: Array, Y: Array, weight: Array | None) -> None:
        """Add to all sums but that of the products of codes."""
        weight = np.ones(len(codes)) if weight is None else weight
        for start in range(0, len(codes), _DOUBLE_ROWS):
            rows = slice(start, start + _DOUBLE_ROWS)
            doubles = codes[rows].astype(np.float64)
            weighted = weight[rows, np.newaxis] * Y[rows]
            self.total += weight[rows] @ doubles
            self.cross += doubles.T @ weighted
            self.y_total += weighted.sum(axis=0)
            self.y_squares += (weighted * Y[rows]).sum(axis=0)
            self.weight += weight[rows].sum()
            with np.errstate(over="ignore", under="ignore"):
                self.squared_weight += np.square(weight[rows]).sum()
            self.weight_norm = math.hypot(self.weight_norm, *weight[rows])

    def in_units(self, exponent: Array) -> RidgeStatistics:
        """Return the sums with targets in units of ``2**exponent``."""
        return replace(
            self,
            cross=np.ldexp(self.cross, -exponent),
            y_total=np.ldexp(self.y_total, -exponent),
            y_squares=np.ldexp(self.y_squares, -2 * exponent),
        )

    def __add__(self, other: RidgeStatistics) -> RidgeStatistics:
        """Return the sums of both."""
        return RidgeStatistics(
            self.gram + other.gram,
            self.cross + other.cross,
            self.total + other.total,
            self.y_total + other.y_total,
            self.y_squares + other.y_squares,
            self.weight + other.weight,
            self.squared_weight + other.squared_weight,
            math.hypot(self.weight_norm, other.weight_norm),
            self.n_samples + other.n_samples,
        )


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
    y_mean, y_scale : ndarray of shape (n_targets,), dtype float64
        Means and deviations of the targets.
    code_mean, scale : ndarray of shape (n_features,), dtype float64
        The features are the centred codes times the scale.
    mean_weight : float
        Of the samples that have weight.
    n_samples : int
        Their number.
    """

    alphas: Array
    vectors: Array
    inverse: Array
    rotated: Array
    y_mean: Array
    y_scale: Array
    code_mean: Array
    scale: Array
    mean_weight: float
    n_samples: int

    def features(self, codes: Array) -> Array:
        """Return the centred features, in the precision of the leverages."""
        dtype = self.vectors.dtype
        centred = codes.astype(dtype)
        centred -= self.code_mean.astype(dtype)
        centred *= self.scale.astype(dtype)
        return centred

    def predictions(self, rotated_rows: Array) -> Iterator[tuple[slice, Array]]:
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

    def leverages(self, rotated_rows: Array) -> Array:
        """Return the leverage of rows for each alpha; `rotated_rows` is overwritten.

        It is that of rows of mean weight: to be multiplied by relative weights.
        """
        leverages: Array = np.square(rotated_rows, out=rotated_rows) @ self.inverse
        return leverages + 1 / self.n_samples

    def of(self, number: int) -> RidgePath:
        """Return the path that is one of these regressions."""
        one = [number]
        return replace(self, alphas=self.alphas[one], inverse=self.inverse[:, one])


@dataclass(frozen=True, eq=False)
class Decomposition:
    """Eigendecomposition of the features' Gram matrix; made by `of`.

    Parameters
    ----------
    scale : ndarray of shape (n_features,), dtype float64
        The features are the codes times this.
    code_mean : ndarray of shape (n_features,), dtype float64
    y_mean, y_variance : ndarray of shape (n_targets,), dtype float64
        Mean of the targets, and the weighted sum of their squares about it.
    weight : float
        Sum of the weights of all samples.
    n_samples : int
    n_effective : float
        Number of samples of equal weight that tell as much.
    values : ndarray of shape (n_features,), dtype float64
        Eigenvalues of the Gram matrix of the centred features.
    vectors : ndarray of shape (n_features, n_features), dtype float64
        Its eigenvectors.
    rotated : ndarray of shape (n_features, n_targets), dtype float64
        Products of the eigenvectors with those of features and targets.
    mean_eigenvalue : float
        The unit of regularisations.
    """

    scale: Array
    code_mean: Array
    y_mean: Array
    y_variance: Array
    weight: float
    n_samples: int
    n_effective: float
    values: Array
    vectors: Array
    rotated: Array
    mean_eigenvalue: float

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
        weight = statistics.weight
        code_mean = statistics.total / weight
        y_mean = statistics.y_total / weight
        y_variance = statistics.y_squares - statistics.y_total * y_mean
        gram = statistics.gram if overwrite else statistics.gram.copy(order="F")
        for column, total in enumerate(statistics.total):  # no third matrix
            gram[:, column] -= code_mean * total
            gram[:, column] *= scale * scale[column]
        cross = statistics.cross - np.outer(statistics.total, y_mean)
        mean_eigenvalue = float(np.trace(gram) / len(scale))
        # "evr" needs no work space but for the vectors.
        values, vectors = linalg.eigh(
            gram, lower=False, overwrite_a=True, check_finite=False, driver="evr"
        )
        return cls(
            scale=scale,
            code_mean=code_mean,
            y_mean=y_mean,
            y_variance=np.maximum(y_variance, 0.0),
            weight=weight,
            n_samples=statistics.n_samples,
            n_effective=statistics.n_effective,
            values=np.maximum(values, 0.0),
            vectors=vectors,
            rotated=vectors.T @ (cross * scale[:, np.newaxis]),
            mean_eigenvalue=mean_eigenvalue,
        )

    def default_alphas(self) -> Array:
        """Return 21 regularisations around the mean eigenvalue."""
        return RELATIVE_ALPHAS * (self.mean_eigenvalue or 1.0)

    def coef(self, alpha: float) -> Array:
        """Return the coefficients for an alpha, of shape (n_targets, n_features)."""
        solution: Array = self.vectors @ (
            self.rotated / (self.values + alpha)[:, np.newaxis]
        )
        return np.ascontiguousarray(solution.T)

    def intercept(self, coef: Array) -> Array:
        """Return the intercepts that go with coefficients."""
        offset: Array = coef @ (self.scale * self.code_mean)
        return self.y_mean - offset

    def path(self, alphas: Array) -> RidgePath:
        """Return what gives predictions and leverages for all alphas."""
        # With leverages near 1 the quotient needs every digit.
        exact = self.n_effective < 4 * len(self.scale)
        dtype = np.float64 if exact else np.float32
        # In single precision large targets would overflow, small ones vanish.
        y_scale = np.sqrt(self.y_variance / self.weight)
        y_scale[~(y_scale > 0)] = 1.0
        # So would large and small weights.
        mean_weight = self.weight / self.n_samples
        inverse = mean_weight / (self.values[:, np.newaxis] + alphas)
        return RidgePath(
            alphas=alphas,
            vectors=self.vectors.astype(dtype, copy=False),
            inverse=inverse.astype(dtype),
            rotated=(self.rotated / (y_scale * mean_weight)).astype(dtype),
            y_mean=self.y_mean,
            y_scale=y_scale,
            code_mean=self.code_mean,
            scale=self.scale,
            mean_weight=mean_weight,
            n_samples=self.n_samples,
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
        # A power of two: squares of large or small weights are no floats.
        unit = np.ldexp(1.0, min(-int(np.frexp(self.weight)[1]), 1000))
        values, alphas = self.values[:, np.newaxis] * unit, alphas * unit
        kept = values / (values + alphas)
        squares = np.square(self.rotated * (units * unit)).sum(axis=1)[:, np.newaxis]
        explained = squares * (1 + alphas / (values + alphas)) / (values + alphas)
        total = (self.y_variance * unit * np.square(units)).sum()
        residual = np.maximum(total - explained.sum(axis=0), 0.0)
        slack = np.maximum(1 - (1 + kept.sum(axis=0)) / self.n_effective, LEAST_SLACK)
        return residual / (self.weight * unit * len(self.y_mean)) / slack**2
