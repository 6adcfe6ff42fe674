"""Multinomial logistic regression on codes that come in parts and blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize, special
from sklearn.exceptions import ConvergenceWarning

from .._validation import warn_user
from ..data import Data, Report, row_blocks, weight_of
from .classes import log_loss_sum
from .samples import Samples

__all__ = ["LogisticFit", "StreamedLogistic", "labels_of"]

Array = npt.NDArray[Any]

#: The solver stops where no derivative of the mean loss is larger.
_TOLERANCE = 1e-4
MAX_ITERATIONS = 1000


def labels_of(samples: Samples) -> npt.NDArray[np.intp]:
    """Return the index of the class of each sample."""
    assert samples.labels is not None
    return samples.labels


@dataclass(frozen=True, eq=False)
class LogisticFit:
    """A logistic regression on features.

    Parameters
    ----------
    coef : ndarray of shape (n_scores, n_features), dtype float64
        One row per class, or one for two classes.
    intercept : ndarray of shape (n_scores,), dtype float64
    n_iter : int
        Iterations of the solver.
    """

    coef: Array
    intercept: Array
    n_iter: int


@dataclass(frozen=True, eq=False)
class _Objective:
    """Log-loss of samples, and its gradient; those of parts add up.

    Parameters
    ----------
    n_scores : int
        One for two classes.
    offset, step_size : ndarray of shape (n_features,), dtype float64
        Of features of size 1.
    """

    n_scores: int
    offset: Array
    step_size: Array

    def scores(self, samples: Samples, x: Array, rows: slice) -> tuple[Array, Array]:
        """Return codes in float32 and scores in float64."""
        codes = samples.codes[rows].astype(np.float32)
        coef, constant = x[:, :-1], x[:, :-1] @ self.offset + x[:, -1]
        scores = codes @ (coef * self.step_size).T.astype(np.float32)
        return codes, scores.astype(np.float64) + constant

    def log_loss(self, samples: Samples, x: Array) -> float:
        """Return the weighted sum of the log-loss."""
        labels, weight = labels_of(samples), weight_of(samples)
        total = 0.0
        for rows in row_blocks(samples.codes):
            if weight[rows].any():
                _, scores = self.scores(samples, x, rows)
                # Two classes have one score; log_loss_sum takes it for both signs.
                factor = 0.5 if self.n_scores == 1 else 1.0
                total += log_loss_sum(factor, scores, labels[rows], weight[rows])
        return total

    def loss_and_gradient(self, samples: Samples, x: Array) -> Array:
        """Return the weighted sums of loss and gradient, the loss first."""
        loss, gradient = 0.0, np.zeros_like(x)
        of_samples, weight = labels_of(samples), weight_of(samples)
        for rows in row_blocks(samples.codes):
            codes, scores = self.scores(samples, x, rows)
            w, labels = weight[rows], of_samples[rows]
            if self.n_scores == 1:
                signs = np.where(labels == 1, 1.0, -1.0)
                margins = signs * scores[:, 0]
                loss += w @ np.logaddexp(0, -margins)
                slopes = (-signs * special.expit(-margins) * w)[:, np.newaxis]
            else:
                own = np.arange(len(labels)), labels
                log_sums = special.logsumexp(scores, axis=1)
                loss += w @ (log_sums - scores[own])
                slopes = np.exp(scores - log_sums[:, np.newaxis])
                slopes[own] -= 1
                slopes *= w[:, np.newaxis]
            total = slopes.sum(axis=0)
            gradient[:, :-1] += self.step_size * (slopes.T.astype(np.float32) @ codes)
            gradient[:, :-1] += np.outer(total, self.offset)
            gradient[:, -1] += total
        return np.append(loss, gradient)


class StreamedLogistic:
    """Logistic regressions on features ``(offset + step_size * codes) / scale``.

    The objective is that of scikit-learn's `LogisticRegression`, the solver L-BFGS;
    each evaluation goes through the codes once.

    Parameters
    ----------
    data : Data
        Its parts are `Samples`.
    n_classes : int
    offset, step_size : ndarray of shape (n_features,), dtype float64
        Feature of code 0, and the step from code to code.
    scale : float
        Typical size of a feature; the solver works on features of size 1.
    report : callable or None, default=None
        Takes lines of text about the progress.
    """

    def __init__(
        self,
        data: Data,
        n_classes: int,
        *,
        offset: Array,
        step_size: Array,
        scale: float,
        report: Report | None = None,
    ) -> None:
        n_scores = 1 if n_classes == 2 else n_classes
        self._data = data
        self._objective = _Objective(n_scores, offset / scale, step_size / scale)
        self.scale = scale
        self._report = report

    def fit(
        self, weight: Array, alpha: float, start: LogisticFit | None = None
    ) -> LogisticFit:
        """Minimise the log-loss plus ``alpha / 2`` times the squared coefficients.

        Parameters
        ----------
        weight : ndarray of shape (n_samples,)
            Weights of the samples; where they are zero, samples are left out.
        alpha : float
            L2 regularisation of the coefficients of the unscaled features.
        start : LogisticFit or None, default=None
            Where the solver starts. None: from zero.

        Returns
        -------
        LogisticFit
        """
        objective = self._objective
        shape = objective.n_scores, len(objective.offset) + 1
        x = np.zeros(shape)
        if start is not None:
            x[:, :-1], x[:, -1] = start.coef * self.scale, start.intercept
        total_weight = weight.sum()
        penalty = alpha / (self.scale**2 * total_weight)
        data = self._data.map(_with_weight, beside=weight)

        def mean_loss(flat: Array) -> tuple[float, Array]:
            x = flat.reshape(shape)
            sums = data.total(_loss_and_gradient, objective, x) / total_weight
            gradient = sums[1:].reshape(shape)
            gradient[:, :-1] += penalty * x[:, :-1]
            return float(sums[0] + penalty / 2 * np.square(x[:, :-1]).sum()), sums[1:]

        found = optimize.minimize(
            mean_loss,
            x.ravel(),
            jac=True,
            method="L-BFGS-B",
            options={
                "maxiter": MAX_ITERATIONS,
                "gtol": _TOLERANCE,
                "ftol": 64 * np.finfo(float).eps,
            },
        )
        if found.nit >= MAX_ITERATIONS:
            warn_user(
                f"The logistic readout did not converge in {found.nit} iterations. "
                "Choose a larger alpha, or readout='ridge'.",
                ConvergenceWarning,
            )
        x = found.x.reshape(shape)
        if self._report is not None:
            self._report(
                f"logistic readout: alpha={alpha:.3g}, {found.nit} iterations, "
                f"objective {found.fun:.4g}"
            )
        return LogisticFit(x[:, :-1] / self.scale, x[:, -1].copy(), found.nit)

    def log_loss(self, readout: LogisticFit, weight: Array) -> float:
        """Return the weighted mean log-loss of a readout."""
        x = np.column_stack([readout.coef * self.scale, readout.intercept])
        data = self._data.map(_with_weight, beside=weight)
        return float(data.total(_log_loss, self._objective, x) / weight.sum())

    def choose(
        self, alphas: Sequence[float], weight: Array, held_out: npt.NDArray[np.intp]
    ) -> tuple[LogisticFit, float]:
        """Fit with the alpha of least log-loss on some samples that are held out.

        Parameters
        ----------
        alphas : sequence of float
        weight : ndarray of shape (n_samples,)
        held_out : ndarray of dtype intp
            Numbers of the samples by which alpha is chosen.

        Returns
        -------
        readout : LogisticFit
            Fitted on all samples.
        alpha : float
        """
        kept, tested = weight.copy(), np.zeros_like(weight)
        kept[held_out], tested[held_out] = 0.0, weight[held_out]
        readout, fits = None, {}
        for alpha in sorted(alphas, reverse=True):
            readout = self.fit(kept, alpha, readout)
            fits[alpha] = readout, self.log_loss(readout, tested)
        best = min(fits, key=lambda alpha: fits[alpha][1])
        return self.fit(weight, best, fits[best][0]), best


def _with_weight(samples: Samples, weight: Array) -> Samples:
    return samples._replace(weight=weight)


def _loss_and_gradient(samples: Samples, objective: _Objective, x: Array) -> Array:
    return objective.loss_and_gradient(samples, x)


def _log_loss(samples: Samples, objective: _Objective, x: Array) -> float:
    return objective.log_loss(samples, x)
