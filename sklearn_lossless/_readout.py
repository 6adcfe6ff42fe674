"""Linear readout of integer codes: ridge path and leave-one-out in one go.

Codes come in blocks of rows, from an array or from anything else that has `shape`
and `dtype` and gives rows for a slice, so that they need not exist all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg

__all__ = [
    "Decomposition",
    "LossSums",
    "RidgePath",
    "RidgeReadout",
    "RidgeStatistics",
    "best_alpha",
    "fit_ridge",
    "leave_one_out",
    "left_out_prediction",
    "product",
    "row_blocks",
]

Array = npt.NDArray[Any]
Loss = Callable[[Array, Array], Array]
Report = Callable[[str], None]

#: Regularisations tried, in units of the mean eigenvalue of the Gram matrix.
_RELATIVE_ALPHAS = np.logspace(-6, 4, 21)

#: Sums of this many products of 4-bit codes stay below 2**24, exact in float32.
_EXACT_ROWS = 2**24 // 15**2

#: Rows and entries of a block; the entries take 2 to 8 MB in float32.
_BLOCK_ROWS = 8192
_BLOCK_SIZES = 2**19, 2**21

#: Rows of codes that are in float64 at once.
_DOUBLE_ROWS = 256

#: Targets of several regressions that are predicted together.
_COLUMNS = 256

#: Bytes about samples that may be kept whatever the size of their codes.
_KEPT_BYTES = 2**23

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
    loo_prediction : ndarray of shape (n_left_out, n_targets) or None, dtype float64
        Prediction for some samples by the readout fitted without each.
    loo_rows : ndarray of shape (n_left_out,), dtype intp, or slice
        Which samples these are; a slice if all of them.
    """

    coef: Array
    intercept: Array
    alpha: float
    alphas: Array
    loo_losses: Array
    loo_prediction: Array | None
    loo_rows: npt.NDArray[np.intp] | slice = field(default_factory=lambda: slice(None))


def fit_ridge(
    codes: Any,
    Y: Any,
    *,
    scale: Array | None = None,
    sample_weight: Array | None = None,
    costs: Array | None = None,
    alphas: Array | None = None,
    loss: Loss | None = None,
    predict: bool = True,
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
    predict : bool, default=True
        Whether leave-one-out predictions are asked for: of all samples, or of as many
        of those with weight as take no more memory than packed codes.
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
    # Samples without weight are as if they were not there.
    seen = None if weight is None or np.all(weight > 0) else np.flatnonzero(weight)
    if (n_samples if seen is None else len(seen)) <= n_features:
        few: Any = slice(0, n_samples) if seen is None else seen
        weights = [None if w is None else w[few] for w in (sample_weight, costs)]
        fitted = _fit_few(
            codes[few], Y[few], scale, weights[0], weights[1], alphas, loss
        )
        return fitted if seen is None else replace(fitted, loo_rows=seen)
    statistics = RidgeStatistics(n_features, Y.shape[1])
    statistics.update(codes, Y, weight, report)
    decomposition = Decomposition(statistics, scale)
    del statistics
    if alphas is None:
        alphas = decomposition.default_alphas()
    path = decomposition.path(alphas)
    # What is kept of each sample should be less than its codes are, packed.
    allowed = max(n_samples * n_features // 8, _KEPT_BYTES)
    keep = predict and n_samples * path.row_bytes <= allowed
    sums, slack = leave_one_out(
        path, codes, Y, sample_weight, costs, loss, keep=keep, report=report
    )
    best, losses = best_alpha(sums)
    prediction: Array | None = None
    rows: npt.NDArray[np.intp] | None = None
    if predict:
        rows = _some_rows(n_samples, seen, max(1, allowed // (8 * Y.shape[1])))
        if slack is not None:
            slack = slack[:, best].copy()
        prediction = left_out_prediction(
            path, best, codes, Y, slack, sample_weight, costs, rows, report
        )
    del path
    coef = decomposition.coef(alphas[best])
    return RidgeReadout(
        coef=coef,
        intercept=decomposition.intercept(coef),
        alpha=float(alphas[best]),
        alphas=alphas,
        loo_losses=losses,
        loo_prediction=prediction,
        loo_rows=slice(None) if rows is None else rows,
    )


def _some_rows(
    n_samples: int, seen: npt.NDArray[np.intp] | None, most: int
) -> npt.NDArray[np.intp] | None:
    """Draw rows that have weight, if there are more than `most`; None: all rows."""
    if n_samples <= most:
        return None
    seen = np.arange(n_samples) if seen is None else seen
    if len(seen) <= most:
        return seen
    # Not at equal distances, which rows in some order might have too.
    drawn = np.random.default_rng(0).choice(len(seen), most, replace=False)
    return np.asarray(seen[np.sort(drawn)])


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
        n_seen = codes.shape[0] if weight is None else np.count_nonzero(weight)
        self.n_samples += int(n_seen)
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
    vectors : ndarray of shape (n_features, rank), dtype float32 or float64
        Eigenvectors of the Gram matrix of the features.
    inverse : ndarray of shape (rank, n_alphas)
        ``(x @ vectors)**2 @ inverse`` is ``x' (G + alpha)^-1 x`` for every alpha,
        where G is that matrix.
    rotated : ndarray of shape (rank, n_targets)
        ``vectors @ (rotated * inverse[:, [i]]) * y_scale`` are the coefficients for
        alpha i.
    y_mean, y_scale : ndarray of shape (n_targets,), dtype float64
        Means and deviations of the targets.
    code_mean, scale : ndarray of shape (n_features,), dtype float64
        The features are the centred codes times the scale.
    weight : float
        Sum of the weights of all samples.
    """

    alphas: Array
    vectors: Array
    inverse: Array
    rotated: Array
    y_mean: Array
    y_scale: Array
    code_mean: Array
    scale: Array
    weight: float

    @property
    def row_bytes(self) -> int:
        """Bytes of the leverages of a sample."""
        return self.inverse.itemsize * len(self.alphas)

    def features(self, codes: Array) -> Array:
        """Return the centred features, in the precision of the leverages."""
        dtype = self.vectors.dtype
        centred = codes.astype(dtype)
        centred -= self.code_mean.astype(dtype)
        centred *= self.scale.astype(dtype)
        return centred

    def predictions(self, turned: Array) -> Iterator[tuple[slice, Array]]:
        """Yield predictions less the mean, over `y_scale`, for some alphas at a time.

        Parameters
        ----------
        turned : ndarray of shape (n_rows, rank)
            Features times `vectors`.
        """
        n_targets = self.rotated.shape[1]
        step = max(1, _COLUMNS // n_targets)
        for start in range(0, len(self.alphas), step):
            some = slice(start, start + step)
            solutions = self.rotated[:, np.newaxis] * self.inverse[:, some, np.newaxis]
            fitted = turned @ solutions.reshape(len(solutions), -1)
            yield some, fitted.reshape(len(turned), -1, n_targets)

    def leverages(self, turned: Array) -> Array:
        """Return the leverage of rows for each alpha; `turned` is overwritten."""
        leverages: Array = np.square(turned, out=turned) @ self.inverse
        return leverages + 1 / self.weight

    def of(self, number: int) -> RidgePath:
        """Return the path that is one of these regressions."""
        one = [number]
        return replace(self, alphas=self.alphas[one], inverse=self.inverse[:, one])


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

    def coef(self, alpha: float) -> Array:
        """Return the coefficients for an alpha, of shape (n_targets, n_features)."""
        solution: Array = self._vectors @ (
            self._rotated / (self._values + alpha)[:, np.newaxis]
        )
        return np.ascontiguousarray(solution.T)

    def intercept(self, coef: Array) -> Array:
        """Return the intercepts that go with coefficients."""
        offset: Array = coef @ (self.scale * self.code_mean)
        return self.y_mean - offset

    def path(self, alphas: Array) -> RidgePath:
        """Return what gives predictions and leverages for all alphas."""
        # With leverages near 1 the quotient needs every digit.
        exact = self.n_samples < 4 * len(self.scale)
        dtype = np.float64 if exact else np.float32
        # In single precision large targets would overflow, small ones vanish.
        y_scale = np.sqrt(self.y_variance / self.weight)
        y_scale[~(y_scale > 0)] = 1.0
        return RidgePath(
            alphas=alphas,
            vectors=self._vectors.astype(dtype, copy=False),
            inverse=(1 / (self._values[:, np.newaxis] + alphas)).astype(dtype),
            rotated=(self._rotated / y_scale).astype(dtype),
            y_mean=self.y_mean,
            y_scale=y_scale,
            code_mean=self.code_mean,
            scale=self.scale,
            weight=self.weight,
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
        # Weights below 1 do not make fewer samples.
        n_samples = max(self.weight, self.n_samples)
        slack = np.maximum(1 - (1 + kept.sum(axis=0)) / n_samples, _LEAST_SLACK)
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
    Y = np.asarray(Y, dtype=np.float64)
    ones = np.ones(len(Y))
    weight = product(sample_weight, costs)
    weight = ones if weight is None else weight
    code_mean = weight @ codes / weight.sum()
    y_mean = weight @ Y / weight.sum()
    root = np.sqrt(weight)[:, np.newaxis]
    features = (codes - code_mean) * scale
    features *= root
    kernel = features @ features.T
    if alphas is None:
        mean_eigenvalue = float(np.trace(kernel)) / codes.shape[1]
        alphas = _RELATIVE_ALPHAS * (mean_eigenvalue or 1.0)
    values, vectors = linalg.eigh(
        kernel, overwrite_a=True, check_finite=False, driver="evr"
    )
    # Zero up to rounding is zero: centring and repeated samples bring many of these.
    rounding = len(values) * np.finfo(float).eps * values.max(initial=0.0)
    values = np.where(values > rounding, values, 0.0)[:, np.newaxis]
    rotated = vectors.T @ (root * (Y - y_mean))
    # Residuals and 1 - leverage are sums of small terms, not small differences.
    left = alphas / (values + alphas)
    slack = np.square(vectors) @ left - weight[:, np.newaxis] / weight.sum()
    share = np.ones_like(slack)  # of a sample's weight, what is left out
    if sample_weight is not None:
        share /= np.maximum(sample_weight[:, np.newaxis], 1.0)
    slack = np.maximum((1 - share) + share * slack, _LEAST_SLACK)

    def coef_of(number: int) -> Array:
        solution = vectors @ (rotated / (values + alphas[number]))
        return np.asarray(solution.T @ features)

    def residuals_of(number: int) -> Array:
        residuals = np.asarray(vectors @ (left[:, [number]] * rotated))
        residuals /= root
        return residuals / slack[:, [number]]

    sums = LossSums.zeros(len(alphas))
    for number in range(len(alphas)):
        sums.add(number, residuals_of(number), Y, weight, loss)
    best, losses = best_alpha(replace(sums, weight=weight.sum()))
    coef = coef_of(best)
    return RidgeReadout(
        coef=coef,
        intercept=y_mean - coef @ (scale * code_mean),
        alpha=float(alphas[best]),
        alphas=alphas,
        loo_losses=losses,
        loo_prediction=Y - residuals_of(best),
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

    @classmethod
    def zeros(cls, n_alphas: int) -> LossSums:
        """Return the sums of no samples."""
        return cls(np.zeros(n_alphas), np.zeros(n_alphas), 0.0)

    def add(
        self, number: int, residuals: Array, Y: Array, weight: Array, loss: Loss | None
    ) -> None:
        """Add residuals of shape (n_samples, n_targets) for alpha `number`."""
        squares = weight @ np.square(residuals).mean(axis=1)
        self.squares[number] += squares
        self.losses[number] += (
            squares if loss is None else weight @ loss(Y, Y - residuals)
        )

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
    *,
    keep: bool = True,
    report: Report | None = None,
) -> tuple[LossSums, Array | None]:
    """Leave out each of the samples that `path` was fitted on.

    Parameters
    ----------
    path : RidgePath
    codes, Y, sample_weight, costs, loss, report
        As in `fit_ridge`; any part of the samples.
    keep : bool, default=True
        Whether to return the slack too.

    Returns
    -------
    sums : LossSums
    slack : ndarray of shape (n_samples, n_alphas), dtype of the leverages, or None
        ``1 - H_ii``, by which the residuals are divided.
    """
    n_alphas = len(path.alphas)
    kept = np.empty((codes.shape[0], n_alphas), path.inverse.dtype) if keep else None
    sums = LossSums.zeros(n_alphas)
    total = 0.0
    for rows in row_blocks(codes, "leave-one-out", report, Y.shape[1]):
        Y_block = np.asarray(Y[rows], dtype=np.float64)
        turned = path.features(codes[rows]) @ path.vectors
        parts: Iterable[tuple[slice, Array]] = path.predictions(turned)
        if n_alphas * Y.shape[1] <= codes.shape[1]:
            parts = list(parts)  # smaller than a copy
        else:
            turned = turned.copy()
        slack = _slack(path, turned, sample_weight, costs, rows)
        if kept is not None:
            kept[rows] = slack
        weight = product(sample_weight, costs, rows)
        weight = np.ones(len(Y_block)) if weight is None else weight
        centred = Y_block - path.y_mean
        for some, part in parts:
            for number in range(n_alphas)[some]:
                residuals = centred - part[:, number - some.start] * path.y_scale
                residuals /= slack[:, [number]]
                sums.add(number, residuals, Y_block, weight, loss)
        total += weight.sum()
    return replace(sums, weight=total), kept


def _slack(
    path: RidgePath,
    turned: Array,
    sample_weight: Array | None,
    costs: Array | None,
    rows: slice | npt.NDArray[np.intp],
) -> Array:
    """Return ``1 - H_ii`` of rows; `turned` is overwritten."""
    leverage = path.leverages(turned)
    copies = None if sample_weight is None else np.minimum(sample_weight[rows], 1.0)
    # The weight that goes when one of a sample's copies is left out.
    gone = product(copies, None if costs is None else costs[rows])
    if gone is not None:
        leverage *= gone[:, np.newaxis]
    return np.maximum(1 - leverage, _LEAST_SLACK)


def best_alpha(sums: LossSums) -> tuple[int, Array]:
    """Return which alpha has the least loss, and the mean loss of each."""
    best = int(np.lexsort((sums.squares, sums.losses))[0])
    return best, sums.losses / sums.weight


def left_out_prediction(
    path: RidgePath,
    number: int,
    codes: Any,
    Y: Any,
    slack: Array | None = None,
    sample_weight: Array | None = None,
    costs: Array | None = None,
    rows: npt.NDArray[np.intp] | None = None,
    report: Report | None = None,
) -> Array:
    """Return the prediction for samples by the regression without each.

    Parameters
    ----------
    path : RidgePath
    number : int
        Which of its regressions.
    codes, Y, sample_weight, costs, report
        As in `fit_ridge`; any part of the samples.
    slack : ndarray of shape (n_samples,) or None, default=None
        As `leave_one_out` gives it, for this regression. None: computed again.
    rows : ndarray of shape (n_left_out,), dtype intp, or None, default=None
        Which samples, ascending. None: all of them.

    Returns
    -------
    ndarray of shape (n_left_out, n_targets), dtype float64
    """
    path = path.of(number)
    n_left_out = codes.shape[0] if rows is None else len(rows)
    prediction = np.empty((n_left_out, Y.shape[1]))
    coef = path.vectors @ (path.rotated * path.inverse)
    for block in row_blocks(codes, "left-out scores", report, Y.shape[1]):
        some: Any = block
        place = block
        if rows is not None:
            place = slice(*np.searchsorted(rows, [block.start, block.stop]))
            some = rows[place]
            if not len(some):
                continue
        Y_block = np.asarray(Y[some], dtype=np.float64)
        features = path.features(codes[some])
        residuals = Y_block - path.y_mean - (features @ coef) * path.y_scale
        if slack is not None:
            residuals /= slack[some, np.newaxis]
        else:
            turned = features @ path.vectors
            residuals /= _slack(path, turned, sample_weight, costs, some)
        prediction[place] = Y_block - residuals
    return prediction


def product(a: Any, b: Any, rows: Any = slice(None)) -> Any:
    """Return the product of weights of which either may be None."""
    if a is None or b is None:
        either = b if a is None else a
        return None if either is None else either[rows]
    return a[rows] * b[rows]


def row_blocks(
    rows: Any, title: str = "", report: Report | None = None, n_targets: int = 1
) -> Iterator[slice]:
    """Cut `rows` into blocks; report every tenth of them all."""
    n_rows, n_features = rows.shape
    # Small beside the d x d matrices, but for small d.
    size = np.clip(n_features**2, *_BLOCK_SIZES) / max(n_features, n_targets)
    block = min(_BLOCK_ROWS, max(256, 2 ** round(np.log2(size))))
    for start in range(0, n_rows, block):
        stop = min(start + block, n_rows)
        yield slice(start, stop)
        if report is not None and (10 * start) // n_rows < (10 * stop) // n_rows:
            report(f"{title}: {stop} of {n_rows} rows")
