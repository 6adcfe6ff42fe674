"""Leave-one-out of ridge regressions: losses by which alpha is chosen, predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import linalg

from ..data import row_blocks, weight_of
from ..data.base import take_rows
from .decomposition import RidgePath
from .factorisation import FactoredRidge
from .moments import LEAST_SLACK, default_alphas
from .samples import Samples

__all__ = [
    "Loss",
    "LossSums",
    "RidgeSolution",
    "best_alpha",
    "fit_by_kernel",
    "predict_left_out",
    "sum_left_out_losses",
]

Array = npt.NDArray[Any]

#: Maps targets and left-out predictions to the loss of each sample.
Loss = Callable[[Array, Array], Array]


@dataclass(frozen=True, eq=False)
class LossSums:
    """Sums of leave-one-out losses over samples; those of parts add up.

    Parameters
    ----------
    losses, squared_errors : ndarray of shape (n_alphas,), dtype float64
        By the loss asked for, and squared errors averaged over targets.
    weight : float
    """

    losses: Array
    squared_errors: Array
    weight: float

    @classmethod
    def zeros(cls, n_alphas: int) -> LossSums:
        """Return the sums of no samples."""
        return cls(np.zeros(n_alphas), np.zeros(n_alphas), 0.0)

    def add(
        self,
        number: int,
        residuals: Array,
        Y: Array,
        weight: Array,
        loss: Loss | None,
        units: Array | None = None,
    ) -> None:
        """Add residuals of shape (n_samples, n_targets) for alpha `number`."""
        errors = residuals if units is None else residuals * units
        squared_errors = weight @ np.square(errors).mean(axis=1)
        self.squared_errors[number] += squared_errors
        self.losses[number] += (
            squared_errors if loss is None else weight @ loss(Y, Y - residuals)
        )

    def __add__(self, other: LossSums) -> LossSums:
        """Return the sums of both."""
        return LossSums(
            self.losses + other.losses,
            self.squared_errors + other.squared_errors,
            self.weight + other.weight,
        )


def best_alpha(sums: LossSums) -> tuple[int, Array]:
    """Return which alpha has the least loss, and the mean loss of each."""
    best = int(np.lexsort((sums.squared_errors, sums.losses))[0])
    return best, sums.losses / sums.weight


def sum_left_out_losses(
    samples: Samples,
    ridge: RidgePath | FactoredRidge,
    loss: Loss | None = None,
    units: Array | None = None,
) -> LossSums:
    """Leave out each of the samples that `ridge` was fitted on.

    Parameters
    ----------
    samples : Samples
        Any part of them.
    ridge : RidgePath or FactoredRidge
    loss : callable or None, default=None
        Maps targets and leave-one-out predictions to the loss of each sample. None:
        squared error.
    units : ndarray of shape (n_targets,) or None, default=None
        Of the targets, in which squared errors are averaged. None: 1.

    Returns
    -------
    LossSums
    """
    codes, Y, weight = samples.codes, samples.Y, weight_of(samples)
    sums = LossSums.zeros(len(ridge.alphas))
    total = 0.0
    for rows in row_blocks(codes, ridge.title, samples.report, Y.shape[1]):
        Y_block = np.asarray(Y[rows], dtype=np.float64)
        own = take_rows(samples.weight, rows)
        for number, residuals in ridge.left_out(codes[rows], Y_block, own):
            sums.add(number, residuals, Y_block, weight[rows], loss, units)
        total += weight[rows].sum()
    return replace(sums, weight=total)


def predict_left_out(samples: Samples, ridge: RidgePath | FactoredRidge) -> Array:
    """Return the prediction for samples by the regression without each.

    Parameters
    ----------
    samples : Samples
        Any part of those that `ridge` was fitted on.
    ridge : RidgePath or FactoredRidge
        For one alpha.

    Returns
    -------
    ndarray of shape (n_samples, n_targets), dtype float64
    """
    codes, Y = samples.codes, samples.Y
    prediction = np.empty((samples.n_samples, Y.shape[1]))
    for rows in row_blocks(codes, "left-out scores", samples.report, Y.shape[1]):
        Y_block = np.asarray(Y[rows], dtype=np.float64)
        own = take_rows(samples.weight, rows)
        ((_, residuals),) = ridge.left_out(codes[rows], Y_block, own)
        prediction[rows] = Y_block - residuals
    return prediction


class RidgeSolution(NamedTuple):
    """The ridge regression of least leave-one-out loss.

    Attributes
    ----------
    coef : ndarray of shape (n_targets, n_features), dtype float64
        Coefficients of the features.
    intercept : ndarray of shape (n_targets,), dtype float64
        For features that are the codes times their scale.
    alpha : float
    alphas, losses : ndarray of shape (n_alphas,), dtype float64
    """

    coef: Array
    intercept: Array
    alpha: float
    alphas: Array
    losses: Array


def fit_by_kernel(
    samples: Samples,
    scale: Array,
    alphas: Array | None = None,
    loss: Loss | None = None,
    units: Array | None = None,
) -> tuple[RidgeSolution, Array]:
    """Fit by the kernel matrix of not more samples than features.

    Parameters
    ----------
    samples : Samples
        All with weight, codes and targets in memory.
    scale : ndarray of shape (n_features,), dtype float64
        The features are the codes times this.
    alphas : ndarray of shape (n_alphas,) or None, default=None
        Regularisations to try. None: 21 around the mean eigenvalue.
    loss, units : default=None
        As in `sum_left_out_losses`.

    Returns
    -------
    RidgeSolution
    prediction : ndarray of shape (n_samples, n_targets), dtype float64
        For each sample by the regression without it.
    """
    codes, Y = samples.codes, np.asarray(samples.Y[:], dtype=np.float64)
    weight = weight_of(samples)
    code_mean = weight @ codes / weight.sum()
    y_mean = weight @ Y / weight.sum()
    root = np.sqrt(weight)[:, np.newaxis]
    features = (codes - code_mean) * scale
    features *= root
    kernel = features @ features.T
    if alphas is None:
        mean_eigenvalue = float(np.trace(kernel)) / codes.shape[1]
        alphas = default_alphas(mean_eigenvalue)
    values, vectors = linalg.eigh(
        kernel, overwrite_a=True, check_finite=False, driver="evr"
    )
    # Zero up to rounding is zero: centring and repeated samples bring many of these.
    rounding = len(values) * np.finfo(float).eps * values.max(initial=0.0)
    values = np.where(values > rounding, values, 0.0)[:, np.newaxis]
    rotated = vectors.T @ (root * (Y - y_mean))
    # Residuals and 1 - leverage are sums of small terms, not small differences.
    left = alphas / (values + alphas)
    one_minus_leverage = np.square(vectors) @ left
    one_minus_leverage -= weight[:, np.newaxis] / weight.sum()
    one_minus_leverage = np.maximum(one_minus_leverage, LEAST_SLACK)

    def coef_of(number: int) -> Array:
        solution = vectors @ (rotated / (values + alphas[number]))
        return np.asarray(solution.T @ features)

    def residuals_of(number: int) -> Array:
        residuals = np.asarray(vectors @ (left[:, [number]] * rotated))
        residuals /= root
        return residuals / one_minus_leverage[:, [number]]

    sums = LossSums.zeros(len(alphas))
    for number in range(len(alphas)):
        sums.add(number, residuals_of(number), Y, weight, loss, units)
    best, losses = best_alpha(replace(sums, weight=weight.sum()))
    coef = coef_of(best)
    intercept = y_mean - coef @ (scale * code_mean)
    solution = RidgeSolution(coef, intercept, float(alphas[best]), alphas, losses)
    return solution, Y - residuals_of(best)
