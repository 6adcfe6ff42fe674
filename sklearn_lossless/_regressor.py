"""Compressed networks with a trained readout that gives numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import MultiOutputMixin, RegressorMixin

from ._base import Agreement, CompressedMLP
from ._teaching import Taught
from ._validation import fit_context
from .data import Data, Part, over_chunks, weight_of
from .export._kinds import Kind, exported_as
from .readout import OnlineRidge
from .readout.target_line import TargetSums
from .readout.targets import NumberTargets, target_sums
from .training import NumberGoal

__all__ = ["CompressedMLPRegressor"]

#: Powers of two by which targets of later batches may exceed those of the first.
_ROOM = 200


@exported_as(Kind.REGRESSOR)
class CompressedMLPRegressor(Taught, RegressorMixin, MultiOutputMixin, CompressedMLP):
    """Regressor of a sparse ternary network with a ridge readout.

    The weights of the hidden layers are -1, 0 and +1. By default they are drawn from a
    seed, as in :class:`NTKCompressor`, and only the readout, a linear model of their
    outputs, is fitted. `hidden_weights` chooses trained hidden layers, or those of a
    network that is given.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(1000,)
        Width of each hidden layer.
    activation : str, callable or list of them, default="relu"
        Activation of the reference network, for all layers or one per layer.
    eps : float, array-like of float, one per hidden layer, or "auto", default="auto"
        Share of zero weights, in [0, 1). "auto": 0.9, or what is good for tables.
    n_levels : int or array-like of int, one per hidden layer, default=8
        Levels of the compressed activations, 2 to 16.
    input_bits : int, default=8
        Bits that each input feature is rounded to, 1 to 8.
    input_encoding : {"linear", "thresholds"}, default="linear"
        How inputs become integers; "thresholds" for tables, with columns of any units,
        categories and missing values. See :class:`NTKCompressor`, as for the next four.
    n_thresholds : int, default=32
        Most thresholds of a column, 1 to 255.
    categorical_features : array-like, "from_dtype" or None, default="from_dtype"
        Mask, numbers or names of columns that hold categories.
    min_frequency : int, float or None, default=None
        Categories of fewer rows, or of a smaller share, get one bit together.
    max_categories : int or None, default=None
        Most bits of a column's categories.
    readout_layers : {"last", "all"}, default="last"
        Whether the readout sees the last layer, or all of them.
    estimator : MLPClassifier, MLPRegressor, torch.nn.Sequential or NTKCompressor, \
            default=None
        The reference network, fitted or not: its widths and activations replace
        `hidden_layer_sizes` and `activation`. See :class:`NTKCompressor`. Or a fitted
        NTKCompressor: its hidden layers are used unchanged. Searches and ensembles
        copy the estimator, and copies of fitted ones are not fitted: put it into a
        :class:`~sklearn.frozen.FrozenEstimator`.
    widen : int, default=1
        Factor of the widths of `estimator`.
    hidden_weights : {"random", "fitted", "trained"}, default=None
        "random": drawn from the seed; so is None, with a warning where a fitted
        `estimator` is no teacher either. "fitted": signs of its largest weights.
        "trained": found by gradient, for `target`.
    target : {"labels", "teacher", "both"}, default="labels"
        What the readout is trained for: `y`; what the fitted `estimator` predicts for
        `X`, for which `y` is not needed; or the mean of both.
    alpha : float or None, default=None
        L2 regularisation, for the features that :meth:`NTKCompressor.transform`
        gives. None: chosen by leave-one-out error.
    max_iter, batch_size, n_iter_no_change : int
        Of training, see :class:`NTKCompressor`.
    early_stopping, warm_start : bool
        Likewise.
    learning_rate_init, tol, validation_fraction : float
        Likewise.
    random_state : int, RandomState instance or None, default=None
        Draws the 64-bit seed of the hidden weights.
    n_jobs : int or None, default=None
        Threads of the forward pass, as in joblib.
    verbose : int, default=0
        Whether to print what was matched and chosen.

    Attributes
    ----------
    readout_ : LinearReadout
        The fitted readout. Its `coef_`, of shape (n_features_out,) or (n_targets,
        n_features_out), and `intercept_` are of the features that the hidden layers
        give, not of the columns of `X`, whose importance
        :func:`sklearn.inspection.permutation_importance` tells.
    alpha_ : float
        Regularisation used.
    alphas_, loo_losses_ : ndarray of shape (n_alphas,)
        Regularisations tried, and the mean squared leave-one-out error of each.
    gcv_losses_ : ndarray of shape (n_alphas,)
        In place of `loo_losses_` after :meth:`partial_fit`: the generalised
        cross-validation of each.
    teacher_agreement_ : float
        R^2 of the predictions for the training data as those of `estimator`, where it
        is the teacher.
    training_r2_ : float
        R^2 of the same predictions as `y`, where there is a teacher and `y` is given.
    compressor_ : NTKCompressor
        The fitted hidden layers; :attr:`network_`, :attr:`matching_`,
        :attr:`mean_` and :attr:`scale_` are its attributes.
    network_ : CompressedNetwork
        The integer network.
    matching_ : NetworkMatch
        Target and achieved moments, layer by layer.
    report_ : CompressionReport
        Moments, distance from the reference network's kernel, bytes.
    mean_ : ndarray of shape (n_features,)
        Mean of the quantised inputs.
    scale_ : float
        Factor that makes the mean squared norm of the centred inputs 1.
    n_features_in_ : int
        Number of input features.
    categories_ : list of list or None
        Of tables, the categories of each column, in the order of their numbers in C;
        None for a column of numbers.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the input features, where `X` has string names.

    See Also
    --------
    CompressedMLPClassifier : The same for classification.

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> from sklearn_lossless import CompressedMLPRegressor
    >>> X, y = make_friedman1(n_samples=600, n_features=20, random_state=0)
    >>> reg = CompressedMLPRegressor(eps=0.5, random_state=0).fit(X[:400], y[:400])
    >>> reg.score(X[400:], y[400:]) > 0.7
    True
    """

    def __init__(
        self,
        hidden_layer_sizes: int | Iterable[int] = (1000,),
        activation: Any = "relu",
        *,
        eps: float | Iterable[float] | str = "auto",
        n_levels: int | Iterable[int] = 8,
        input_bits: int = 8,
        input_encoding: str = "linear",
        n_thresholds: int = 32,
        categorical_features: Any = "from_dtype",
        min_frequency: float | None = None,
        max_categories: int | None = None,
        readout_layers: str = "last",
        estimator: Any = None,
        widen: int = 1,
        hidden_weights: str | None = None,
        target: str = "labels",
        alpha: float | None = None,
        max_iter: int = 200,
        batch_size: int | str = "auto",
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        warm_start: bool = False,
        learning_rate_init: float = 0.001,
        tol: float = 1e-4,
        validation_fraction: float = 0.1,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.eps = eps
        self.n_levels = n_levels
        self.input_bits = input_bits
        self.input_encoding = input_encoding
        self.n_thresholds = n_thresholds
        self.categorical_features = categorical_features
        self.min_frequency = min_frequency
        self.max_categories = max_categories
        self.readout_layers = readout_layers
        self.estimator = estimator
        self.widen = widen
        self.hidden_weights = hidden_weights
        self.target = target
        self.alpha = alpha
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.warm_start = warm_start
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fix the hidden layers and train the readout.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Relative importance of the samples: how much the error of each counts. A
            factor common to all changes no prediction, unless `alpha` is given, which
            stands against their sum as in :class:`sklearn.linear_model.Ridge`.

        Returns
        -------
        self : CompressedMLPRegressor
            Fitted regressor.

        Raises
        ------
        ValueError
            If a parameter is out of range, if `X` is constant or has values that are
            not finite, or if `estimator` is for other data.
        TypeError
            If `estimator` is no network, or only some of the arrays are dask arrays.
        NotFittedError
            If `estimator` has to be fitted and is not.
        """
        hidden, earlier = self._hidden(), self._earlier_training()
        data = self._read(X, y, sample_weight, "numbers", hidden, earlier)
        if self.target != "labels":
            data, _ = self._teach(data, hidden)
            self._check_outputs(hidden, data.y_shape)
        sums = data.total(target_sums, NumberTargets(target=self.target))
        if not sums.weight:
            raise ValueError("sample_weight is zero for every sample.")
        line = sums.line()
        targets = NumberTargets(line, self.target)
        trains = self.hidden_weights == "trained"
        goal = NumberGoal.of(data, targets) if trains else None
        self._fit_hidden(data, hidden, goal, earlier)
        readout, _ = self._fit_ridge(data, targets, calibrate=False, line=line)
        shape = data.y_shape
        single = readout.n_targets == 1 if shape is None else len(shape) == 1
        self._keep_readout(replace(readout, single=single))
        if self.target != "labels":
            compared = [NumberTargets(target="teacher")]
            compared += [] if y is None else [NumberTargets()]
            self._agreement = Agreement(*_r2(data, self._predictor(), compared))
        return self

    def _check_outputs(self, hidden: Any, y_shape: tuple[int, ...] | None) -> None:
        """Raise ValueError unless the teacher has an output for each target."""
        n_outputs = hidden.reference.n_outputs
        if y_shape is not None and (*y_shape, 1)[1] != n_outputs:
            raise ValueError(
                f"y has shape {y_shape}, the estimator has {n_outputs} outputs."
            )

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train the readout on one more batch.

        Batches add up: after all of them the readout is that of one fit on all the
        samples, in whatever order and portions they came. `alpha` is that of the last
        batch. The hidden layers are
        fixed by the first batch, whose mean, scale and range should therefore be
        typical; or by an earlier :meth:`fit`, of which the hidden layers are kept,
        but not the readout. Without `alpha`, the regularisation is chosen by
        generalised cross-validation, which needs no sample again. A first batch whose
        rows are all equal, or a single one, is kept until another row tells the scale
        of the inputs.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Relative importance of the samples, as in :meth:`fit`.

        Returns
        -------
        self : CompressedMLPRegressor
            Regressor of all batches so far. The readout is solved when it is asked
            for, by a prediction or by an attribute.

        Raises
        ------
        ValueError
            As in :meth:`fit`, or if `y` has another number of targets than before.
            The batches before stay as they were.

        Warns
        -----
        UserWarning
            If the readout of an earlier :meth:`fit` is given up.
        """
        hidden = None if hasattr(self, "compressor_") else self._hidden()
        data = self._read_batch(X, y, sample_weight, "numbers", hidden)
        sums = data.total(target_sums, NumberTargets())
        line, exponent = sums.line(), sums.exponent
        online, before = self._kept, None
        if isinstance(online, OnlineRidge):
            before = online.n_targets
        elif self._waiting is not None:
            before = self._waiting.y.shape[1]
        if before not in (None, len(exponent)):
            raise ValueError(
                f"y has shape {data.y_shape}, but the batches before had "
                f"{before} target(s)."
            )
        if isinstance(online, OnlineRidge) and online.line is not None:
            line = online.line
            # Squares of targets that are larger by much might be no floats.
            larger = exponent > line.exponent + _ROOM
            if larger.any():
                online = online.with_exponent(np.where(larger, exponent, line.exponent))
                self._kept, line = online, online.line
        elif self._waiting is not None:
            waiting = TargetSums.of(self._waiting.y, self._waiting.weight)
            line = line.with_exponent(np.maximum(exponent, waiting.exponent))
        self._add_batch(
            data,
            hidden,
            NumberTargets(line),
            lambda data: NumberGoal.of(data, NumberTargets(line)),
            n_targets=len(exponent),
            line=line,
            single=len(data.y_shape or ()) == 1,
        )
        return self

    @over_chunks
    def predict(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the predicted targets.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
            Predictions.
        """
        predicted = self._linear(self._validated(X))
        readout = self._readout
        return (
            predicted.ravel() if readout is not None and readout.single else predicted
        )

    @property
    def training_r2_(self) -> float:
        """R^2 of the predictions for the training data as `y`."""
        return self._agreement_with_labels("training_r2_")


def _r2(
    data: Data, regressor: CompressedMLPRegressor, compared: list[NumberTargets]
) -> list[float]:
    """Return R^2 of the predictions as each of the targets, as `r2_score` does."""
    centred = [
        replace(targets, line=data.total(target_sums, targets).line())
        for targets in compared
    ]
    totals = data.total(_squared_errors, regressor, centred)
    scores = []
    for errors, squares in totals:
        constant = np.where(errors == 0, 0.0, 1.0)  # share of errors without variance
        share = np.divide(errors, squares, out=constant, where=squares > 0)
        scores.append(float(np.mean(1 - share)))
    return scores


def _squared_errors(
    part: Part,
    regressor: CompressedMLPRegressor,
    centred: list[NumberTargets],
) -> npt.NDArray[np.float64]:
    """Return for each of the targets the sums of squared errors, and of squares."""
    weight = weight_of(part)
    predicted = regressor._linear(part.X)
    terms = []
    for targets in centred:
        assert targets.line is not None
        Y = targets(part)[0]
        terms.append([Y - targets.line.of(predicted), Y])
    return np.asarray(weight @ np.square(terms))
