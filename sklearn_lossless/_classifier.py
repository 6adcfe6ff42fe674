"""Compressed networks with a trained readout that names a class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.metaestimators import available_if

from ._base import Agreement, CompressedMLP
from ._class_predictions import ClassPredictions, count_hits, has_partial_fit
from ._teaching import Taught
from ._validation import StrOptions, fit_context
from .export._kinds import Kind, exported_as
from .readout import class_costs, label_weights, samples_of, zero_one_loss
from .readout.estimator import check_readout
from .readout.targets import (
    ClassTargets,
    check_several,
    classes_of_batches,
    classes_of_teacher,
    labelled_by_teacher,
)
from .training import ClassGoal

__all__ = ["CompressedMLPClassifier"]


@exported_as(Kind.CLASSIFIER)
class CompressedMLPClassifier(Taught, ClassifierMixin, ClassPredictions):
    """Classifier of a sparse ternary network with a trained linear readout.

    The weights of the hidden layers are -1, 0 and +1. By default they are drawn from a
    seed, as in :class:`NTKCompressor`, and only the readout, a linear model of their
    outputs, is fitted. `hidden_weights` chooses trained hidden layers, or
    those of a network that is given.

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
        What the readout is trained for: `y`; what the fitted `estimator` says of `X`,
        for which `y` is not needed (of a classifier its scores, or for readouts that
        take labels its predictions); or, with a ridge readout, the mean of both.
    readout : {"ridge", "logistic"}, classifier or None, default=None
        How the readout is trained. None: with the hidden layers, where these are
        trained, else "ridge". "ridge": least squares on +-1 targets, in
        closed form. "logistic": multinomial logistic regression. A scikit-learn
        classifier is cloned and fitted on the features.
    alpha : float or None, default=None
        L2 regularisation of the readout, for the features that
        :meth:`NTKCompressor.transform` gives. None: chosen by leave-one-out error rate
        ("ridge") or by log-loss on a held-out fifth ("logistic").
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the readout's loss.
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
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    readout_ : LinearReadout or classifier
        The fitted readout. A linear one has `coef_`, of shape (n_classes,
        n_features_out), (1, ...) if binary, and `intercept_`: they are of the features
        that the hidden layers give, not of the columns of `X`, whose importance
        :func:`sklearn.inspection.permutation_importance` tells.
    alpha_ : float
        Regularisation used by the ridge and the logistic readout.
    alphas_, loo_losses_ : ndarray of shape (n_alphas,)
        Regularisations tried by the ridge readout, ascending, and the share of samples
        that each gets wrong when they are left out: all 21 of the path, some of them
        with more than 1024 features, where leverages up to 1/2 are estimated.
    gcv_losses_ : ndarray of shape (n_alphas,)
        In place of `loo_losses_` after :meth:`partial_fit`: the generalised
        cross-validation of the squared error of each.
    temperature_ : float
        Factor of the scores in the softmax of :meth:`predict_proba`: calibrated on
        leave-one-out scores ("ridge"), or 1, where one score serves two classes
        1/2 ("logistic").
    teacher_agreement_ : float
        Share of the training samples for which the prediction is the teacher's, where
        `target` is not "labels".
    training_accuracy_ : float
        Share of the training samples that are predicted right, where `target` is not
        "labels" and `y` is given.
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
    NTKCompressor : The hidden layers alone, as a transformer.
    CompressedMLPRegressor : The same for regression.
    sklearn.neural_network.MLPClassifier : Dense, all layers trained.

    References
    ----------
    Gu, Du, Zhang, Xie, Pu, Qiu, Liao, "'Lossless' Compression of Deep Neural
    Networks: A High-dimensional Neural Tangent Kernel Approach", NeurIPS 2022.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_lossless import CompressedMLPClassifier
    >>> X_train, X_test, y_train, y_test = train_test_split(
    ...     *load_digits(return_X_y=True), random_state=0)
    >>> clf = CompressedMLPClassifier(eps=0.8, random_state=0).fit(X_train, y_train)
    >>> clf.score(X_test, y_test) > 0.97
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CompressedMLP._parameter_constraints,
        "readout": [StrOptions({"ridge", "logistic"}), BaseEstimator, None],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

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
        readout: Any = None,
        alpha: float | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
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
        self.readout = readout
        self.alpha = alpha
        self.class_weight = class_weight
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
        y : array-like of shape (n_samples,)
            Class labels, numbers or strings. None serves if `target` is "teacher".
        sample_weight : array-like of shape (n_samples,), default=None
            Relative importance of the samples: how much the error of each counts. A
            factor common to all changes no prediction, unless `alpha` is given, which
            stands against their sum as in :class:`sklearn.linear_model.Ridge`.

        Returns
        -------
        self : CompressedMLPClassifier
            Fitted classifier.

        Raises
        ------
        ValueError
            If a parameter is out of range, if `X` is constant or has values that
            are not finite, if `y` has a single class, or if `estimator` is for other
            data.
        TypeError
            If `estimator` is no network, or only some of the arrays are dask arrays.
        NotFittedError
            If `estimator` has to be fitted and is not.
        """
        hidden, earlier = self._hidden(), self._earlier_training()
        data = self._read(X, y, sample_weight, "labels", hidden, earlier)
        weighted = sample_weight is not None or self.class_weight is not None
        trains = self.hidden_weights == "trained"
        default = "trained" if trains else "ridge"
        kind = default if self.readout is None else self.readout
        takes_scores = check_readout(kind, data, weighted, self.target)
        wanted, weights = data, None if y is None else data.total(label_weights)
        if self.target != "labels":
            data, unit = self._teach(data, hidden)
            wanted = data
            labels = None if weights is None else weights.labels
            said = classes_of_teacher(hidden.reference, labels)
        if self.target == "teacher":
            wanted = data.map(labelled_by_teacher, said)
            weights = wanted.total(label_weights)
        assert weights is not None
        if not weights.weights.any():
            raise ValueError("sample_weight is zero for every sample.")
        # Readouts that take labels know the classes that occur.
        scored = self.target != "labels" and takes_scores
        classes = said if scored else weights.labels
        check_several(type(self).__name__, classes)

        costs = class_costs(self.class_weight, classes, weights.of(classes))
        if costs is not None and not (costs * weights.of(classes)).any():
            raise ValueError(
                f"class_weight={self.class_weight!r} leaves no sample any weight."
            )
        targets = ClassTargets(classes, costs, self.target if scored else "labels")
        goal = None
        if trains:
            goal = ClassGoal(classes, costs)
            if self.target != "labels":
                goal = goal.taught(said, self.target, unit)
        self._fit_hidden(wanted, hidden, goal, earlier)
        self.classes_ = classes
        if kind == "trained":
            assert self._course is not None
            self._keep_readout(self._course.readout)
        elif kind == "ridge":
            readout, left_out = self._fit_ridge(
                wanted, targets, zero_one_loss, calibrate=True
            )
            assert left_out is not None
            self._keep_readout(replace(readout, temperature=left_out.temperature()))
        else:
            self._fit_estimator(wanted.map(samples_of, self.network_, targets), data)
        if self.target != "labels":
            told_right, right, weight = data.total(count_hits, self._predictor(), said)
            with_labels = None if y is None else float(right / weight)
            self._agreement = Agreement(float(told_right / weight), with_labels)
        return self

    @available_if(has_partial_fit)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> Self:
        """Train the ridge readout on one more batch.

        Batches add up: after all of them the readout is that of one fit on all the
        samples, in whatever order and portions they came. `alpha` is that of the last
        batch. The hidden layers are fixed by the first batch (trained on it, if they
        are), which should be typical; or by an earlier :meth:`fit`, of which the hidden
        layers are kept, but not the readout. Without `alpha`, the regularisation is
        chosen by generalised cross-validation of the squared error; probabilities are
        calibrated on leave-one-out scores of 4096 samples. A first batch whose rows are
        all equal is kept until another row tells the scale of the inputs.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,)
            Class labels.
        classes : array-like of shape (n_classes,), default=None
            All class labels that will occur; needed in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Relative importance of the samples, as in :meth:`fit`.

        Returns
        -------
        self : CompressedMLPClassifier
            Classifier of all batches so far. The readout is solved when it is
            asked for, by a prediction or by an attribute.

        Raises
        ------
        ValueError
            As in :meth:`fit`; if `classes` is missing in the first call or is not
            the same later; or if `y` has other labels. The batches before stay as
            they were.

        Warns
        -----
        UserWarning
            If the readout of an earlier :meth:`fit` is given up.
        """
        hidden = None if hasattr(self, "compressor_") else self._hidden()
        data = self._read_batch(X, y, sample_weight, "labels", hidden)
        weights = data.total(label_weights)
        known = getattr(self, "classes_", None)
        name = type(self).__name__
        classes = classes_of_batches(name, classes, known, weights.labels)
        costs = class_costs(self.class_weight, classes, weights.of(classes))
        n_targets = 1 if len(classes) == 2 else len(classes)
        self._add_batch(
            data,
            hidden,
            ClassTargets(classes, costs),
            lambda data: ClassGoal(classes, costs),
            n_targets=n_targets,
        )
        self.classes_ = classes
        return self
