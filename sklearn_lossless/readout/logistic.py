"""The logistic readout: on features in memory, or streamed."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedShuffleSplit
from threadpoolctl import threadpool_limits

from ..data import Data, Report, weight_of
from .linear import LinearReadout
from .streamed_logistic import (
    MAX_ITERATIONS,
    StreamedLogistic,
    labels_of,
)

__all__ = ["fit_logistic", "logistic_readout"]

Array = npt.NDArray[Any]

#: Values of alpha to try, times the mean weight of a sample; only the first if a class
#: has fewer than 5 samples.
_ALPHAS = (0.01, 1.0, 0.1, 0.001, 0.0001)

#: The fifth of the samples by which the regularisation is chosen.
_HELD_OUT = StratifiedShuffleSplit(1, test_size=0.2, random_state=0)

#: Coefficients up to which Newton's method is the solver: its dense Hessian grows with
#: their square, and takes more time than all iterations of L-BFGS from here on.
_NEWTON_SIZE = 300

#: Of L-BFGS, on features of size 1: probabilities are those of Newton's method to some
#: 1e-3.
_TOLERANCE = 1e-5

#: Products in an evaluation up to which threads of BLAS take longer than they save.
_SERIAL_SIZE = 2**26

#: Bytes of float64 features up to which they are held in memory; beyond, every
#: iteration computes them again.
_DENSE_BYTES = 2**28


def logistic_readout(
    data: Data,
    n_classes: int,
    offset: Array,
    step_size: Array,
    *,
    sum_of_squares: float,
    alpha: float | None = None,
    report: Report | None = None,
) -> tuple[LinearReadout, LogisticRegression]:
    """Fit the logistic readout of a classifier.

    Parameters
    ----------
    data, n_classes, offset, step_size, alpha, report
        As in `fit_logistic`.
    sum_of_squares : float
        Expected sum of the squared features of a sample.

    Returns
    -------
    LinearReadout
    LogisticRegression
        The same, as scikit-learn has it.
    """
    scale = float(np.sqrt(sum_of_squares / len(offset)))
    own, alpha = fit_logistic(
        data,
        n_classes,
        offset=offset,
        step_size=step_size,
        scale=scale,
        alpha=alpha,
        report=report,
    )
    # Half of [-s, s] has the logistic function of s as its softmax.
    temperature = 0.5 if n_classes == 2 else 1.0
    readout = LinearReadout(
        own.coef_,
        own.intercept_,
        alpha,
        criterion="held_out",
        temperature=temperature,
    )
    return readout, own


def fit_logistic(
    data: Data,
    n_classes: int,
    *,
    offset: Array,
    step_size: Array,
    scale: float,
    alpha: float | None = None,
    report: Report | None = None,
) -> tuple[LogisticRegression, float]:
    """Fit a logistic regression on features ``offset + step_size * codes``.

    Parameters
    ----------
    data : Data
        Its parts are `Samples`. Their labels and weights are held in this process, and
        all their codes if the features take no more than 256 MB.
    n_classes : int
    offset, step_size : ndarray of shape (n_features,), dtype float64
        Feature of code 0, and the step from code to code.
    scale : float
        Typical size of a feature; the solvers work on features of size 1.
    alpha : float or None, default=None
        L2 regularisation of the coefficients, against the sum of the weighted losses.
        None: that of least log-loss on a held-out fifth of the samples; 0.01 times the
        mean weight where a class has fewer than 5.
    report : callable or None, default=None
        Takes lines of text about the progress.

    Returns
    -------
    readout : LogisticRegression
        Of the features, with labels as its classes.
    alpha : float
        The regularisation used.
    """
    labels, weight = data.gather(labels_of), data.gather(weight_of)
    seen = np.flatnonzero(weight)
    mean_weight = float(weight.sum() / len(seen))
    alphas = tuple(each * mean_weight for each in _ALPHAS)
    counts = np.bincount(labels[seen])
    if alpha is not None:
        alphas = (alpha,)
    elif np.count_nonzero(counts) < 2 or counts[counts > 0].min() < 5:
        alphas = alphas[:1]
    # Samples without weight are as if they were not there.
    kept = held_out = seen[:0]
    if len(alphas) > 1:
        kept, held_out = (
            seen[part] for part in next(_HELD_OUT.split(seen, labels[seen]))
        )
    if 8 * data.n_samples * len(offset) > _DENSE_BYTES:
        solver = StreamedLogistic(
            data,
            n_classes,
            offset=offset,
            step_size=step_size,
            scale=scale,
            report=report,
        )
        return _fit_streamed(solver, labels, alphas, weight, held_out)
    codes = data.take_all().codes
    Z = codes[slice(0, data.n_samples)] * (step_size / scale)
    Z += offset / scale
    return _fit_dense(Z, labels, n_classes, scale, alphas, weight, (kept, held_out))


def _fit_dense(
    Z: Array,
    labels: npt.NDArray[np.intp],
    n_classes: int,
    scale: float,
    alphas: tuple[float, ...],
    weight: Array,
    split: tuple[Array, Array],
) -> tuple[LogisticRegression, float]:
    """Fit to scaled features in memory; choose from `alphas` if there are several."""
    size = Z.shape[1] * (n_classes if n_classes > 2 else 1)
    options: dict[str, Any] = {"solver": "newton-cholesky"}
    if size > _NEWTON_SIZE:
        options = {"solver": "lbfgs", "tol": _TOLERANCE}
    whole = np.arange(len(labels))

    def fitted(alpha: float, rows: npt.NDArray[np.intp]) -> LogisticRegression:
        readout = LogisticRegression(
            C=scale**2 / alpha, max_iter=MAX_ITERATIONS, **options
        )
        features = Z if rows is whole else Z[rows]
        return readout.fit(features, labels[rows], sample_weight=weight[rows])

    def held_out_loss(alpha: float) -> float:
        kept, tested = split
        readout = fitted(alpha, kept)
        said = readout.predict_proba(Z[tested])
        options = {"sample_weight": weight[tested], "labels": readout.classes_}
        return float(log_loss(labels[tested], said, **options))

    few = len(Z) * size <= _SERIAL_SIZE
    with threadpool_limits(1, "blas") if few else nullcontext():
        alpha = min(alphas, key=held_out_loss) if len(alphas) > 1 else alphas[0]
        readout = fitted(alpha, whole)
    readout.coef_ /= scale
    return readout, alpha


def _fit_streamed(
    solver: StreamedLogistic,
    labels: npt.NDArray[np.intp],
    alphas: tuple[float, ...],
    weight: Array,
    held_out: Array,
) -> tuple[LogisticRegression, float]:
    """Fit as `_fit_dense`, without the features in memory."""
    if len(alphas) > 1:
        fitted, alpha = solver.choose(alphas, weight, held_out)
    else:
        alpha = alphas[0]
        fitted = solver.fit(weight, alpha)
    readout = LogisticRegression(C=solver.scale**2 / alpha, max_iter=MAX_ITERATIONS)
    readout.classes_ = np.unique(labels)
    readout.n_features_in_ = fitted.coef.shape[1]
    readout.coef_, readout.intercept_ = fitted.coef, fitted.intercept
    readout.n_iter_ = np.array([fitted.n_iter])
    return readout, alpha
