"""Linear readout of integer codes: ridge path and leave-one-out in one go.

Codes come in blocks of rows, from an array or from anything else that has `shape`
and `dtype` and gives rows for a slice, so that they need not exist all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg, optimize, special

__all__ = [
    "Decomposition",
    "LossSums",
    "RidgePath",
    "RidgeReadout",
    "RidgeStatistics",
    "SignTargets",
    "all_scores",
    "best_alpha",
    "best_factor",
    "fit_ridge",
    "fit_temperature",
    "leave_one_out",
    "left_out_prediction",
    "log_loss_sum",
    "row_blocks",
    "zero_one_loss",
]

Array = npt.NDArray[Any]
Loss = Callable[[Array, Array], Array]
Report = Callable[[str], None]

#: Regularisations tried, in units of the mean eigenvalue of the Gram matrix.
_RELATIVE_ALPHAS = np.logspace(-6, 4, 21)

#: Sums of this many products of 4-bit codes stay below 2**24, exact in float32.
_EXACT_ROWS = 2**24 // 15**2

#: Rows and entries of a block; the entries take 8 MB in float32.
_BLOCK_ROWS = 8192
_BLOCK_SIZE = 2**21

#: Rows of codes that are in float64 at once.
_DOUBLE_ROWS = 256

#: Rows of scores taken together.
_SCORE_ROWS = 2**14

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
    codes: Any,
    Y: Any,
    *,
    scale: Array | None = None,
    sample_weight: Array | None = None,
    costs: Array | None = None,
    alphas: Array | None = None,
    loss: Loss | None = None,
    report: Report | None = None,
) -> RidgeReadout:
    """Fit a ridge regression with intercept for every alpha, keep the best.

    One eigendecomposition, of the smaller of the Gram and the kernel matrix of
    the centred codes, gives all solutions and all leave-one-out residuals
    ``(y_i - yhat_i) / (1 - H_ii)``. A sample of weight above 1 stands for several;
    one of them is left out, so that whole weights mean repeated rows here too.

    The codes are gone through three times, block by block: for the Gram matrix, for
    the leave-one-out losses, and for the predictions of the best alpha.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_features), dtype uint8
        Codes below 16, or an object that gives them for slices of rows. Real
        features serve as well, at half the speed.
    Y : ndarray of shape (n_samples, n_targets), dtype float64
        Or an object that gives it for slices of rows.
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
    report : callable or None, default=None
        Takes lines of text about the progress.

    Returns
    -------
    RidgeReadout

    References
    ----------
    Rifkin, Lippert, "Notes on regularized least squares", MIT CSAIL 2007,
    sections 3 and 4.
    """
    n_samples, n_features = codes.shape
    scale = np.ones(n_features) if scale is None else scale
    weight = product(sample_weight, costs)
    if weight is not None and np.all(weight == 1.0):
        weight = None
    if n_samples <= n_features:
        return _fit_few(codes, Y, scale, sample_weight, costs, alphas, loss)
    statistics = RidgeStatistics(n_features, Y.shape[1])
    statistics.update(codes, Y, weight, report)
    decomposition = Decomposition(statistics, scale)
    del statistics
    if alphas is None:
        alphas = decomposition.default_alphas()
    path = decomposition.path(alphas)
    del decomposition
    sums, slack = leave_one_out(
        path, codes, Y, sample_weight, costs, loss, report=report
    )
    best, losses = best_alpha(sums)
    slack = slack[:, best].copy()
    return RidgeReadout(
        coef=path.coefs[best],
        intercept=path.intercept(best),
        alpha=float(alphas[best]),
        alphas=alphas,
        loo_losses=losses,
        loo_prediction=left_out_prediction(path, best, codes, Y, slack, report),
    )


class RidgeStatistics:
    """Sums over samples from which ridge regressions follow; those of parts add up.

    The sums of unweighted codes and of targets of -1 and +1 are integers: they do
    not depend on the order of the samples or on the parts.

    Parameters
    ----------
    n_features, n_targets : int
        Number of columns of the codes and of the targets.
    """

    def __init__(self, n_features: int, n_targets: int) -> None:
        #: Sum of the products of codes: of a column-major matrix the upper half.
        self.gram = np.zeros((n_features, n_features), order="F")
        self.cross = np.zeros((n_features, n_targets))
        self.total = np.zeros(n_features)
        self.y_total = np.zeros(n_targets)
        self.y_squares = np.zeros(n_targets)
        self.weight = 0.0
        self.n_samples = 0

    def update(
        self,
        codes: Any,
        Y: Any,
        weight: Array | None = None,
        report: Report | None = None,
    ) -> RidgeStatistics:
        """Add samples, and return self.

        Parameters
        ----------
        codes, Y, report
            As in `fit_ridge`.
        weight : ndarray of shape (n_samples,) or None, default=None
            Weights in the squared error.
        """
        exact = codes.dtype == np.uint8 and weight is None
        # Products of codes add up to integers below 2**24: exact.
        part = np.zeros_like(self.gram if exact else [], dtype=np.float32)
        n_in_part = 0
        for rows in row_blocks(codes, "Gram matrix", report):
            block, Y_block = codes[rows], np.asarray(Y[rows], dtype=np.float64)
            if exact:
                if n_in_part + len(block) > _EXACT_ROWS:
                    self.gram += part
                    part[:], n_in_part = 0.0, 0
                n_in_part += len(block)
                single = block.astype(np.float32, order="C")
                linalg.blas.ssyrk(1.0, single.T, 1.0, part, overwrite_c=True)
                del single
            else:
                root = block if weight is None else block * np.sqrt(weight[rows, None])
                root = np.ascontiguousarray(root, dtype=np.float64)
                linalg.blas.dsyrk(1.0, root.T, 1.0, self.gram, overwrite_c=True)
                del root
            self._add_linear(block, Y_block, None if weight is None else weight[rows])
        if exact:
            self.gram += part
        self.n_samples += codes.shape[0]
        return self

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

    def zeros(self) -> RidgeStatistics:
        """Return the sums of no samples."""
        return RidgeStatistics(*self.cross.shape)

    def __add__(self, other: RidgeStatistics) -> RidgeStatistics:
        """Return the sums of both."""
        both = RidgeStatistics.__new__(RidgeStatistics)
        for name, value in vars(self).items():
            setattr(both, name, value + getattr(other, name))
        return both


@dataclass(frozen=True, eq=False)
class RidgePath:
    """Ridge regressions for several alphas, and the leverages of samples.

    Parameters
    ----------
    alphas : ndarray of shape (n_alphas,), dtype float64
    coefs : ndarray of shape (n_alphas, n_targets, n_features), dtype float64
    y_mean : ndarray of shape (n_targets,), dtype float64
    code_mean, scale : ndarray of shape (n_features,), dtype float64
        The features are the centred codes times the scale.
    weight : float
        Sum of the weights of all samples.
    vectors : ndarray of shape (n_features, rank)
    inverse : ndarray of shape (rank, n_alphas)
        ``(x @ vectors)**2 @ inverse`` is ``x' (G + alpha)^-1 x`` for every alpha,
        where G is the Gram matrix of the features.
    """

    alphas: Array
    coefs: Array
    y_mean: Array
    code_mean: Array
    scale: Array
    weight: float
    vectors: Array
    inverse: Array

    def intercept(self, number: int) -> Array:
        """Return the intercepts of regression `number`."""
        offset: Array = self.coefs[number] @ (self.scale * self.code_mean)
        return self.y_mean - offset

    def features(self, codes: Array) -> Array:
        """Return the centred features, in the precision of the leverages."""
        dtype = self.vectors.dtype
        centred = codes.astype(dtype)
        centred -= self.code_mean.astype(dtype)
        centred *= self.scale.astype(dtype)
        return centred

    def leverages(self, features: Array) -> Array:
        """Return the leverage of rows of centred features for each alpha."""
        rotated = features @ self.vectors
        leverages: Array = np.square(rotated, out=rotated) @ self.inverse
        return leverages + 1 / self.weight


class Decomposition:
    """Eigendecomposition of the features' Gram matrix.

    Parameters
    ----------
    statistics : RidgeStatistics
        Its Gram matrix is overwritten.
    scale : ndarray of shape (n_features,), dtype float64
        The features are the codes times this.
    """

    def __init__(self, statistics: RidgeStatistics, scale: Array) -> None:
        self.scale = scale
        self.n_samples, self.weight = statistics.n_samples, statistics.weight
        self.code_mean = statistics.total / self.weight
        self.y_mean = statistics.y_total / self.weight
        self.y_variance = np.maximum(
            statistics.y_squares - statistics.y_total * self.y_mean, 0.0
        )
        gram = statistics.gram
        for column, total in enumerate(statistics.total):  # no third matrix
            gram[:, column] -= self.code_mean * total
            gram[:, column] *= scale * scale[column]
        cross = statistics.cross - np.outer(statistics.total, self.y_mean)
        self._mean_eigenvalue = float(np.trace(gram) / len(scale))
        # "evr" needs no work space but for the vectors.
        values, self._vectors = linalg.eigh(
            gram, lower=False, overwrite_a=True, check_finite=False, driver="evr"
        )
        self._values = np.maximum(values, 0.0)
        self._rotated = self._vectors.T @ (cross * scale[:, np.newaxis])

    def default_alphas(self) -> Array:
        """Return 21 regularisations around the mean eigenvalue."""
        return _RELATIVE_ALPHAS * (self._mean_eigenvalue or 1.0)

    def coefs(self, alphas: Array) -> Array:
        """Return the solution of each alpha."""
        return np.array(
            [
                (self._vectors @ (self._rotated / (self._values + alpha)[:, None])).T
                for alpha in alphas
            ]
        )

    def path(self, alphas: Array) -> RidgePath:
        """Return the solutions of all alphas, and what gives the leverages."""
        # With leverages near 1 the quotient needs every digit.
        exact = self.n_samples < 4 * len(self.scale)
        dtype = np.float64 if exact else np.float32
        return RidgePath(
            alphas,
            self.coefs(alphas),
            self.y_mean,
            self.code_mean,
            self.scale,
            self.weight,
            self._vectors.astype(dtype, copy=False),
            (1 / (self._values[:, np.newaxis] + alphas)).astype(dtype),
        )

    def gcv_losses(self, alphas: Array) -> Array:
        """Return the generalised cross-validation of the squared error.

        It needs no sample: ``n |y - H y|^2 / (n - tr H)^2`` follows from the Gram
        matrix, averaged over targets.

        References
        ----------
        Golub, Heath, Wahba, "Generalized cross-validation as a method for choosing
        a good ridge parameter", Technometrics 1979, equation 1.4.
        """
        values = self._values[:, np.newaxis]
        kept = values / (values + alphas)
        squares = np.square(self._rotated).sum(axis=1)[:, np.newaxis]
        explained = squares * (1 + alphas / (values + alphas)) / (values + alphas)
        residual = np.maximum(self.y_variance.sum() - explained.sum(axis=0), 0.0)
        slack = np.maximum(1 - (1 + kept.sum(axis=0)) / self.weight, _LEAST_SLACK)
        return residual / (self.weight * len(self.y_mean)) / slack**2


def _fit_few(
    codes: Any,
    Y: Any,
    scale: Array,
    sample_weight: Array | None,
    costs: Array | None,
    alphas: Array | None,
    loss: Loss | None,
) -> RidgeReadout:
    """Fit as `fit_ridge`, by the kernel matrix of not more samples than features."""
    everything = slice(0, codes.shape[0])
    codes, Y = codes[everything], np.asarray(Y[everything], dtype=np.float64)
    ones = np.ones(len(Y))
    weight = product(sample_weight, costs)
    weight = ones if weight is None else weight
    code_mean = weight @ codes / weight.sum()
    y_mean = weight @ Y / weight.sum()
    root = np.sqrt(weight)[:, np.newaxis]
    features = (codes - code_mean) * scale
    weighted = root * features
    kernel = weighted @ weighted.T
    if alphas is None:
        mean_eigenvalue = float(np.trace(kernel)) / codes.shape[1]
        alphas = _RELATIVE_ALPHAS * (mean_eigenvalue or 1.0)
    values, vectors = linalg.eigh(
        kernel, overwrite_a=True, check_finite=False, driver="evd"
    )
    # Zero up to rounding is zero: centring and repeated samples bring many of these.
    rounding = len(values) * np.finfo(float).eps * values.max(initial=0.0)
    values = np.where(values > rounding, values, 0.0)[:, np.newaxis]
    rotated = vectors.T @ (root * (Y - y_mean))
    coefs = np.array(
        [(vectors @ (rotated / (values + a))).T @ weighted for a in alphas]
    )
    # Residuals and 1 - leverage are sums of small terms, not small differences.
    left = alphas / (values + alphas)
    residuals = np.array([vectors @ (c[:, np.newaxis] * rotated) for c in left.T])
    slack = np.square(vectors) @ left - weight[:, np.newaxis] / weight.sum()
    seen = weight > 0
    residuals[:, seen] /= root[seen]
    residuals[:, ~seen] = Y[~seen] - y_mean - features[~seen] @ coefs.swapaxes(1, 2)
    share = np.ones_like(slack)  # of a sample's weight, what is left out
    if sample_weight is not None:
        share[seen] = 1 / np.maximum(sample_weight[seen, np.newaxis], 1.0)
        share[~seen] = 0.0
    slack = np.maximum((1 - share) + share * slack, _LEAST_SLACK)
    residuals /= slack.T[..., np.newaxis]

    best, losses = best_alpha(_loss_sums(residuals, Y, weight, loss))
    return RidgeReadout(
        coef=coefs[best],
        intercept=y_mean - coefs[best] @ (scale * code_mean),
        alpha=float(alphas[best]),
        alphas=alphas,
        loo_losses=losses,
        loo_prediction=Y - residuals[best],
    )


@dataclass(frozen=True, eq=False)
class LossSums:
    """Sums of leave-one-out losses over samples; those of parts add up.

    Parameters
    ----------
    losses, squares : ndarray of shape (n_alphas,), dtype float64
        By the loss asked for, and squared errors averaged over targets.
    weight : float
    """

    losses: Array
    squares: Array
    weight: float

    def __add__(self, other: LossSums) -> LossSums:
        """Return the sums of both."""
        return LossSums(
            self.losses + other.losses,
            self.squares + other.squares,
            self.weight + other.weight,
        )


def leave_one_out(
    path: RidgePath,
    codes: Any,
    Y: Any,
    sample_weight: Array | None = None,
    costs: Array | None = None,
    loss: Loss | None = None,
    report: Report | None = None,
) -> tuple[LossSums, Array]:
    """Leave out each of the samples that `path` was fitted on.

    Parameters
    ----------
    path : RidgePath
    codes, Y, sample_weight, costs, loss, report
        As in `fit_ridge`; any part of the samples.

    Returns
    -------
    sums : LossSums
    slack : ndarray of shape (n_samples, n_alphas), dtype of the leverages
        ``1 - H_ii``, by which the residuals are divided.
    """
    n_alphas = len(path.alphas)
    dtype = path.vectors.dtype
    stacked = path.coefs.reshape(-1, len(path.scale)).T.astype(dtype)
    slack = np.empty((codes.shape[0], n_alphas), dtype=dtype)
    sums = LossSums(np.zeros(n_alphas), np.zeros(n_alphas), 0.0)
    for rows in row_blocks(codes, "leave-one-out", report):
        features = path.features(codes[rows])
        Y_block = np.asarray(Y[rows], dtype=np.float64)
        fitted: Array = (features @ stacked).reshape(len(Y_block), n_alphas, -1)
        leverage = path.leverages(features)
        del features
        leverage *= _left_out(sample_weight, costs, rows, len(Y_block))[:, np.newaxis]
        np.maximum(1 - leverage, _LEAST_SLACK, out=slack[rows])
        residuals = (Y_block - path.y_mean)[:, np.newaxis] - fitted
        residuals /= slack[rows][..., np.newaxis]
        weight = product(sample_weight, costs, rows)
        weight = np.ones(len(Y_block)) if weight is None else weight
        sums += _loss_sums(residuals.swapaxes(0, 1), Y_block, weight, loss)
    return sums, slack


def _loss_sums(
    residuals: Array, Y: Array, weight: Array, loss: Loss | None
) -> LossSums:
    """Sum up losses of residuals of shape (n_alphas, n_samples, n_targets)."""
    squares = np.square(residuals).mean(axis=2) @ weight
    losses = squares
    if loss is not None:
        losses = np.array([weight @ loss(Y, Y - r) for r in residuals])
    return LossSums(losses, squares, weight.sum())


def best_alpha(sums: LossSums) -> tuple[int, Array]:
    """Return which alpha has the least loss, and the mean loss of each."""
    best = int(np.lexsort((sums.squares, sums.losses))[0])
    return best, sums.losses / sums.weight


def left_out_prediction(
    path: RidgePath,
    number: int,
    codes: Any,
    Y: Any,
    slack: Array,
    report: Report | None = None,
) -> Array:
    """Return the prediction for each sample by the regression without it.

    Parameters
    ----------
    path : RidgePath
    number : int
        Which of its regressions.
    codes, Y, report
        As in `fit_ridge`; any part of the samples.
    slack : ndarray of shape (n_samples,)
        As `leave_one_out` gives it, for this regression.

    Returns
    -------
    ndarray of shape (n_samples, n_targets), dtype float64
    """
    prediction = np.empty(Y.shape)
    coef = path.coefs[number].T.astype(path.vectors.dtype)
    for rows in row_blocks(codes, "left-out scores", report):
        Y_block = np.asarray(Y[rows], dtype=np.float64)
        residuals = Y_block - path.y_mean - path.features(codes[rows]) @ coef
        prediction[rows] = Y_block - residuals / slack[rows, np.newaxis]
    return prediction


class SignTargets:
    """Targets +1 for a sample's class and -1 for the others, made block by block.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,), dtype intp
        Index of each sample's class.
    n_classes : int
        Two classes share one column, +1 for the second.
    """

    def __init__(self, labels: npt.NDArray[np.intp], n_classes: int) -> None:
        self.labels = labels
        self._columns = np.arange(n_classes)[1 if n_classes == 2 else 0 :]
        self.shape = (len(labels), len(self._columns))

    def __getitem__(self, rows: slice) -> Array:
        """Return the targets of `rows`."""
        return np.where(self.labels[rows, np.newaxis] == self._columns, 1.0, -1.0)


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
    weight = len(labels) if sample_weight is None else sample_weight.sum()
    return best_factor(
        lambda factor: log_loss_sum(factor, decision, labels, sample_weight) / weight
    )


def best_factor(log_loss: Callable[[float], float]) -> float:
    """Return the factor between 1e-4 and 1e4 of least `log_loss`."""
    bounds = np.log([1e-4, 1e4])
    found = optimize.minimize_scalar(
        lambda log_factor: log_loss(float(np.exp(log_factor))),
        bounds=bounds,
        method="bounded",
    )
    return float(np.exp(found.x))


def log_loss_sum(
    factor: float,
    decision: Array,
    labels: npt.NDArray[np.intp],
    sample_weight: Array | None = None,
) -> float:
    """Return the summed log-loss of the softmax of `factor` times `decision`."""
    total = 0.0
    for start in range(0, len(labels), _SCORE_ROWS):
        rows = slice(start, start + _SCORE_ROWS)
        scaled = factor * all_scores(decision[rows])
        own = np.take_along_axis(scaled, labels[rows, np.newaxis], axis=1)[:, 0]
        losses = special.logsumexp(scaled, axis=1) - own
        total += losses.sum() if sample_weight is None else sample_weight[rows] @ losses
    return float(total)


def product(a: Any, b: Any, rows: slice = slice(None)) -> Any:
    """Return the product of weights of which either may be None."""
    if a is None or b is None:
        either = b if a is None else a
        return None if either is None else either[rows]
    return a[rows] * b[rows]


def row_blocks(
    rows: Any, title: str = "", report: Report | None = None
) -> Iterator[slice]:
    """Cut `rows` into blocks of about 8 MB in float32; report every tenth."""
    n_rows, n_features = rows.shape
    block = min(_BLOCK_ROWS, max(256, 2 ** round(np.log2(_BLOCK_SIZE / n_features))))
    for start in range(0, n_rows, block):
        stop = min(start + block, n_rows)
        yield slice(start, stop)
        if report is not None and (10 * start) // n_rows < (10 * stop) // n_rows:
            report(f"{title}: {stop} of {n_rows} rows")


def _left_out(
    sample_weight: Array | None, costs: Array | None, rows: slice, n_rows: int
) -> Array:
    """Return the weight that is taken away when one of a sample's copies is left."""
    copies = None if sample_weight is None else np.minimum(sample_weight[rows], 1.0)
    weight = product(copies, None if costs is None else costs[rows])
    return np.ones(n_rows) if weight is None else weight
