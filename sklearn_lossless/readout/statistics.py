"""Sums over samples, from which ridge regressions follow."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import linalg

from ..data import row_blocks
from .moments import Moments
from .samples import Samples

__all__ = ["RidgeStatistics"]

Array = npt.NDArray[Any]

#: Integers below this are exact in float32.
_EXACT = 2**24

#: Rows of codes that are in float64 at once.
_DOUBLE_ROWS = 256


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

    def moments(self, scale: Array) -> Moments:
        """Return means and variances of features, codes times `scale`, and targets."""
        weight = self.weight
        y_mean = self.y_total / weight
        code_mean = self.total / weight
        squares = (self.gram.diagonal() - code_mean * self.total) * scale**2
        return Moments(
            scale=scale,
            code_mean=code_mean,
            y_mean=y_mean,
            y_variance=np.maximum(self.y_squares - self.y_total * y_mean, 0.0),
            weight=weight,
            n_samples=self.n_samples,
            n_effective=self.n_effective,
            mean_eigenvalue=float(squares.sum() / len(scale)),
        )

    def centred(self, moments: Moments, overwrite: bool) -> tuple[Array, Array]:
        """Return the Gram matrix of the features, and their products with the targets.

        Parameters
        ----------
        moments : Moments
            Of these sums.
        overwrite : bool
            Whether the sums of products may be overwritten, which saves a copy.

        Returns
        -------
        gram : ndarray of shape (n_features, n_features), dtype float64
            Of a column-major matrix the upper half.
        cross : ndarray of shape (n_features, n_targets), dtype float64
        """
        scale = moments.scale
        gram = self.gram if overwrite else self.gram.copy(order="F")
        for column, total in enumerate(self.total):  # no third matrix
            gram[:, column] -= moments.code_mean * total
            gram[:, column] *= scale * scale[column]
        cross = self.cross - np.outer(self.total, moments.y_mean)
        return gram, cross * scale[:, np.newaxis]
