"""Linear readout of integer codes: ridge path and leave-one-out in one go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg, optimize, special

__all__ = [
    "RidgeReadout",
    "all_scores",
    "fit_ridge",
    "fit_temperature",
    "zero_one_loss",
]

Array = npt.NDArray[Any]

#: Regularisations tried, in units of the mean eigenvalue of the Gram matrix.
_RELATIVE_ALPHAS = np.logspace(-6, 4, 21)

#: Block sums of products of 4-bit codes stay below 2**24, exact in float32.
_BLOCK_ROWS = 8192

#: Floor of 1 - leverage: a sample that fits itself exactly is left at its residual.
_LEAST_SLACK = 1e-10


@dataclass(frozen=True, eq=False)
class RidgeReadout:
    """A ridge regression on codes, and what its leave-one-out says.

    Parameters
    ----------
    coef : ndarray of shape (n_targets, n_features), dtype float64
        Coefficients of the codes, times their scale.
    intercept : ndarray of shape (n_targets,), dtype float64
    alpha : float
        The regularisation with the least leave-one-out loss.
    alphas, loo_losses : ndarray of shape (n_alphas,), dtype float64
        What was tried, and the mean leave-one-out loss of each.
    loo_prediction : ndarray of shape (n_samples, n_targets), dtype float64
        Prediction for each sample by the readout fitted without it.
    """

    coef: Array
    intercept: Array
    alpha: float
    alphas: Array
    loo_losses: Array
    loo_prediction: Array


def fit_ridge(
    codes: Array,
    Y: Array,
    *,
    scale: Array | None = None,
    sample_weight: Array | None = None,
    costs: Array | None = None,
    alphas: Array | None = None,
    loss: Callable[[Array, Array], Array] | None = None,
) -> RidgeReadout:
    """Fit a ridge regression with intercept for every alpha, keep the best.

    One eigendecomposition, of the smaller of the Gram and the kernel matrix of
    the centred codes, gives all solutions and all leave-one-out residuals
    ``(y_i - yhat_i) / (1 - H_ii)``. A sample of weight above 1 stands for several;
    one of them is left out, so that whole weights mean repeated rows here too.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_features), dtype uint8
        Codes below 16. Real features serve as well, at half the speed.
    Y : ndarray of shape (n_samples, n_targets), dtype float64
    scale : ndarray of shape (n_features,) or None, default=None
        The features are the codes times this. None: the codes themselves.
    sample_weight : ndarray of shape (n_samples,) or None, default=None
        How many samples each one stands for.
    costs : ndarray of shape (n_samples,) or None, default=None
        What an error costs on each of them; multiplies the weights in the loss.
    alphas : ndarray of shape (n_alphas,) or None, default=None
        Regularisations to try. None: 21 from 1e-6 to 1e4 times the mean
        eigenvalue of the Gram matrix.
    loss : callable or None, default=None
        Maps targets and leave-one-out predictions to the loss of each sample, by
        which alpha is chosen; ties go by the squared error. None: squared error.

    Returns
    -------
    RidgeReadout

    References
    ----------
    Rifkin, Lippert, "Notes on regularized least squares", MIT CSAIL 2007,
    sections 3 and 4.
    """
    scale = np.ones(codes.shape[1]) if scale is None else scale
    copies = np.ones(len(Y)) if sample_weight is None else sample_weight
    costs = np.ones(len(Y)) if costs is None else costs
    weight = copies * costs
    left_out = np.minimum(copies, 1.0) * costs
    y_mean = weight @ Y / weight.sum()
    decompose = _Primal if codes.shape[0] > codes.shape[1] else _Dual
    uniform = np.all(weight == 1.0)
    gram: _Primal | _Dual = decompose(
        codes, scale, Y - y_mean, None if uniform else weight
    )
    if alphas is None:
        alphas = _RELATIVE_ALPHAS * (gram.mean_eigenvalue or 1.0)

    # With leverages near 1 the quotient below needs every digit.
    dtype = np.float32 if codes.shape[0] >= 4 * codes.shape[1] else np.float64
    coefs = gram.coefs(alphas)
    stacked = coefs.reshape(-1, codes.shape[1]).T.astype(dtype)
    leverage_of = gram.leverage(alphas, dtype)
    loo_residuals = np.empty((len(alphas), *Y.shape), dtype=np.float32)
    for rows in _blocks(codes):
        centred: Array = ((codes[rows] - gram.code_mean) * scale).astype(dtype)
        fitted: Array = (centred @ stacked).reshape(-1, len(alphas), Y.shape[1])
        residuals = (Y[rows] - y_mean)[:, np.newaxis] - fitted
        leverage = leverage_of(centred) + 1 / weight.sum()
        slack = np.maximum(1 - left_out[rows, np.newaxis] * leverage, _LEAST_SLACK)
        loo_residuals[:, rows] = (residuals / slack[..., np.newaxis]).swapaxes(0, 1)
    squares = np.array([weight @ np.square(r, dtype=np.float64) for r in loo_residuals])
    losses = squares = squares.mean(axis=1) / weight.sum()
    if loss is not None:
        losses = np.array([weight @ loss(Y, Y - r) for r in loo_residuals])
        losses /= weight.sum()
    best = int(np.lexsort((squares, losses))[0])
    return RidgeReadout(
        coef=coefs[best],
        intercept=y_mean - coefs[best] @ (scale * gram.code_mean),
        alpha=float(alphas[best]),
        alphas=alphas,
        loo_losses=losses,
        loo_prediction=Y - loo_residuals[best],
    )


def all_scores(scores: Array) -> Array:
    """Return one column per class, also where one score serves two classes."""
    return np.hstack([-scores, scores]) if scores.shape[1] == 1 else scores


def zero_one_loss(Y: Array, scores: Array) -> Array:
    """Return whether the largest score is not that of the true class."""
    return all_scores(Y).argmax(axis=1) != all_scores(scores).argmax(axis=1)


def fit_temperature(
    decision: Array, labels: npt.NDArray[np.intp], sample_weight: Array | None = None
) -> float:
    """Return the factor of `decision` that makes its softmax best calibrated.

    Parameters
    ----------
    decision : ndarray of shape (n_samples, n_classes)
        Scores on samples that the scores were not fitted on.
    labels : ndarray of shape (n_samples,), dtype intp
        Index of the true class of each sample.
    sample_weight : ndarray of shape (n_samples,) or None, default=None

    Returns
    -------
    float
        The factor of least log-loss, between 1e-4 and 1e4.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks",
    ICML 2017, section 4.2.
    """
    rows = np.arange(len(labels))

    def log_loss(log_factor: float) -> float:
        scaled = np.exp(log_factor) * decision
        losses = special.logsumexp(scaled, axis=1) - scaled[rows, labels]
        return float(np.average(losses, weights=sample_weight))

    bounds = np.log([1e-4, 1e4])
    return float(
        np.exp(optimize.minimize_scalar(log_loss, bounds=bounds, method="bounded").x)
    )


class _Primal:
    """Eigendecomposition of the features' Gram matrix: many samples."""

    def __init__(
        self, codes: Array, scale: Array, Yc: Array, sample_weight: Array | None
    ) -> None:
        n_features = codes.shape[1]
        gram = np.zeros((n_features, n_features))
        cross = np.zeros((n_features, Yc.shape[1]))
        total, count = np.zeros(n_features), 0.0
        for rows in _blocks(codes):
            if sample_weight is None:
                # Products of codes add up to integers below 2**24: exact.
                exact = np.float32 if codes.dtype == np.uint8 else np.float64
                block: Array = codes[rows].astype(exact)
                gram += block.T @ block
                weighted = block.astype(np.float64, copy=False)
                count += len(block)
            else:
                weight = sample_weight[rows, np.newaxis]
                root = codes[rows] * np.sqrt(weight)
                gram += root.T @ root
                weighted = codes[rows] * weight
                count += weight.sum()
            total += weighted.sum(axis=0)
            cross += weighted.T @ Yc[rows]
        self.code_mean = total / count
        gram -= np.outer(total, self.code_mean)
        gram *= scale[:, np.newaxis]
        gram *= scale
        cross *= scale[:, np.newaxis]
        self.mean_eigenvalue = np.trace(gram) / n_features
        values, self._vectors = linalg.eigh(
            gram, overwrite_a=True, check_finite=False, driver="evd"
        )
        self._values = np.maximum(values, 0.0)
        # Yc has mean zero, so centring the codes does not change the product.
        self._rotated = self._vectors.T @ cross

    def coefs(self, alphas: Array) -> Array:
        return np.array(
            [
                (self._vectors @ (self._rotated / (self._values + alpha)[:, None])).T
                for alpha in alphas
            ]
        )

    def leverage(self, alphas: Array, dtype: Any) -> Callable[[Array], Array]:
        """Return the function of centred codes x that gives x' (G + alpha)^-1 x."""
        vectors = self._vectors.astype(dtype)
        inverse = (1 / (self._values[:, None] + alphas)).astype(dtype)
        return lambda centred: np.square(centred @ vectors) @ inverse


class _Dual:
    """Eigendecomposition of the samples' kernel matrix: many features."""

    def __init__(
        self, codes: Array, scale: Array, Yc: Array, sample_weight: Array | None
    ) -> None:
        weight = np.ones(len(Yc)) if sample_weight is None else sample_weight
        self.code_mean = weight @ codes / weight.sum()
        root = np.sqrt(weight)[:, None]
        self._features = root * (codes - self.code_mean) * scale
        kernel = self._features @ self._features.T
        self.mean_eigenvalue = np.trace(kernel) / codes.shape[1]
        values, self._vectors = linalg.eigh(
            kernel, overwrite_a=True, check_finite=False, driver="evd"
        )
        self._values = np.maximum(values, 0.0)
        self._rotated = self._vectors.T @ (root * Yc)

    def coefs(self, alphas: Array) -> Array:
        return np.array(
            [
                (self._vectors @ (self._rotated / (self._values + alpha)[:, None])).T
                @ self._features
                for alpha in alphas
            ]
        )

    def leverage(self, alphas: Array, dtype: Any) -> Callable[[Array], Array]:
        """Return the function of centred codes x that gives x' (G + alpha)^-1 x.

        Directions without samples are left out: every x lies in the others.
        """
        usable = self._values > np.finfo(float).eps * self._values.max(initial=0.0)
        values = self._values[usable, None]
        vectors = self._features.T @ self._vectors[:, usable]
        inverse = 1 / (values * (values + alphas))
        return lambda centred: np.square(centred @ vectors) @ inverse


def _blocks(codes: Array) -> Iterator[slice]:
    """Cut the rows into blocks of at most 64 MB in float32."""
    n_rows, n_features = codes.shape
    block = min(_BLOCK_ROWS, max(256, 2**24 // n_features))
    for start in range(0, n_rows, block):
        yield slice(start, min(start + block, n_rows))
