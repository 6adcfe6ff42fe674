"""NTKCompressor: the random features of a compressed network, as a transformer."""

from __future__ import annotations

import math
from collections.abc import Iterable
from copy import copy
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from ._fitted import FittedMixin
from ._hidden_layers import (
    check_earlier,
    check_reference,
    goal_of,
    kind_of_targets,
    make_network,
    match_activations,
    warn_of_few_inputs,
)
from ._inputs import code_inputs, set_tags
from ._parameters import HIDDEN_LAYERS
from ._validation import fit_context, validate_input
from .data import Data, over_chunks, read_data
from .export._kinds import Kind, exported_as
from .inspection._measures import keep_report_rows
from .reference.architecture import Architecture, read_architecture
from .training import Course, Goal

__all__ = ["NTKCompressor"]


@exported_as(Kind.COMPRESSOR)
class NTKCompressor(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    FittedMixin,
    BaseEstimator,
):
    """Features of a sparse ternary network with the kernel of a dense one.

    Weights are -1, 0 or +1, a share `eps` of them 0. Activations are steps with a few
    integer levels. They are chosen so that linear models see nearly the same kernel as
    in the features of a dense random network, the reference network: in high dimension
    it depends on the mean and variance of the weights, and on a few Gaussian moments of
    each activation. Hidden layers are integer arithmetic: the same `random_state` gives
    the same features on any machine, thread count and batch.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(1000,)
        Width of each hidden layer.
    activation : str, callable or list of them, default="relu"
        Activation of the reference network, for all layers or one per layer. Names
        are those of :func:`sklearn_lossless.theory.get_activation`; a callable
        maps a float64 array to one of the same shape.
    eps : float, array-like of float, one per hidden layer, or "auto", default="auto"
        Share of zero weights, in [0, 1). "auto": 0.9; with ``"thresholds"`` 8 weights
        of a neuron in the first layer are not zero, of trained ones 16, and 32 in
        layers after.
    n_levels : int or array-like of int, one per hidden layer, default=8
        Levels of the compressed activations, 2 to 16. 2 is Algorithm 1 of the
        paper, which loses accuracy; with 8 next to none is lost.
    input_bits : int, default=8
        Bits that each input feature is rounded to, 1 to 8, if ``"linear"``.
    input_encoding : {"linear", "thresholds"}, default="linear"
        How inputs become integers. "linear": one scale for all columns. "thresholds",
        for tables: a bit for each of some quantiles of a column, set if the value is
        above; a bit for each category, and for missing values where training data have
        some. Nothing has to be scaled, and NaN and infinite values are allowed.
    n_thresholds : int, default=32
        Most thresholds of a column, 1 to 255. They are values of the training data, of
        2^18 rows at most, drawn uniformly.
    categorical_features : array-like of bool, int or str, "from_dtype" or None, \
            default="from_dtype"
        Columns that hold categories, as in `HistGradientBoostingClassifier`: a mask,
        numbers or names. "from_dtype": those of data frames with strings or
        categories. Others must be numbers or booleans.
    min_frequency : int, float or None, default=None
        Categories of fewer rows, or of a smaller share, get one bit together.
    max_categories : int or None, default=None
        Most bits of a column's categories, that of rare ones included.
    readout_layers : {"last", "all"}, default="last"
        Whether the features are those of the last layer, or of all layers side by
        side, the first layer first.
    estimator : MLPClassifier, MLPRegressor or torch.nn.Sequential, default=None
        The reference network, fitted or not. Its widths and activations replace
        `hidden_layer_sizes` and `activation`; it is not fitted or changed. Put a
        fitted one into a :class:`~sklearn.frozen.FrozenEstimator`: searches copy the
        estimator, and a copy of the network would be unfitted. Of torch: Linear
        layers with activations between them.
    widen : int, default=1
        Factor of the widths of `estimator`.
    hidden_weights : {"random", "fitted", "trained"}, default=None
        "random": drawn from the seed; so is None, but it warns where a fitted
        `estimator` has weights that are then not used. "fitted": each neuron keeps the
        signs of the largest weights of the fitted `estimator`, a share of 1 - `eps`,
        which have to be stored. "trained": found by gradient, from `y`; first those of
        the seed, or of a fitted `estimator`. The theory is about random weights.
    max_iter : int, default=200
        Epochs of training; this and the rest as in `MLPClassifier`.
    batch_size : int or "auto", default="auto"
        Rows of a batch; "auto": 200, or all if there are fewer.
    n_iter_no_change : int, default=10
        After so many epochs without improvement, training ends within as many more.
    early_stopping : bool, default=False
        Whether the score on held-out rows counts, in place of the loss.
    warm_start : bool, default=False
        Whether `fit` goes on with the layers that the last one trained, as in
        `MLPClassifier`. Their real weights are kept for it, also in pickles. No effect
        on layers that are not trained.
    learning_rate_init : float, default=0.001
        First learning rate, of Adam.
    tol : float, default=1e-4
        Least improvement of an epoch.
    validation_fraction : float, default=0.1
        Share of these rows.
    random_state : int, RandomState instance or None, default=None
        Draws the 64-bit seed of the weights.
    n_jobs : int or None, default=None
        Threads of the forward pass, as in joblib.
    verbose : int, default=0
        Whether to print the matched moments.

    Attributes
    ----------
    network_ : CompressedNetwork
        The integer network; ``network_.forward(X)`` gives codes.
    matching_ : NetworkMatch
        Target and achieved moments, layer by layer.
    report_ : CompressionReport
        Moments, distance from the reference network's kernel, bytes.
    mean_ : ndarray of shape (n_features,), dtype float64
        Mean of the quantised inputs; with ``"thresholds"`` of each bit.
    scale_ : float
        Factor that makes the mean squared norm of the centred inputs 1.
    n_features_in_ : int
        Number of input features.
    categories_ : list of list or None
        Of tables, the categories of each column, in the order of their numbers in C;
        None for a column of numbers.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the input features, where `X` has string names.
    n_iter_ : int
        Epochs of the last training; 1 for layers that are not trained.
    loss_curve_ : list of float
        Loss of each epoch; `best_loss_` is the least. `validation_scores_` has the
        score after each epoch, with `early_stopping`.

    Warns
    -----
    ConvergenceWarning
        If the moments of an activation cannot be matched.
    UserWarning
        If there are so few features that the theory is left behind: neurons
        would see fewer than 4 inputs. ``min(4, n_features)`` are kept.

    See Also
    --------
    CompressedMLPClassifier : The compressor with a trained readout.
    sklearn.kernel_approximation.RBFSampler : Dense random Fourier features.

    Notes
    -----
    Features are centred per column of `X` and scaled by one number, as the theory
    wants. Scale features of different units with
    :class:`~sklearn.preprocessing.StandardScaler` first: beside a column of a much
    larger scale the others are constant, and `fit` warns. Each neuron of the first
    layer has a random bias, as if there were one more input.

    References
    ----------
    Gu, Du, Zhang, Xie, Pu, Qiu, Liao, "'Lossless' Compression of Deep Neural
    Networks: A High-dimensional Neural Tangent Kernel Approach", NeurIPS 2022,
    Theorem 1 and Algorithm 1.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_lossless import NTKCompressor
    >>> X, _ = load_digits(return_X_y=True)
    >>> compressor = NTKCompressor((500,), eps=0.8, random_state=0).fit(X)
    >>> compressor.transform(X).shape
    (1797, 500)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = HIDDEN_LAYERS

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
        """Match the activations and fix the integer network.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            Training data; only its mean, scale and range are used.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            Labels, or numbers (those in several columns, and those not all whole),
            which trained hidden layers need; else not used.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples in mean and scale.

        Returns
        -------
        self : NTKCompressor
            Fitted compressor.

        Raises
        ------
        ValueError
            If a parameter is out of range, or if `X` is constant, has fewer than
            two samples, or values that are not finite; of trained layers, if `y` has
            a single class; with `warm_start`, if columns, classes, number of targets,
            `hidden_layer_sizes` or `input_bits` are not those of the last fit.
        """
        architecture = self._read_hidden()
        earlier = self._earlier_training()
        targets = kind_of_targets(y) if self.hidden_weights == "trained" else None
        data = read_data(
            self,
            X,
            y,
            sample_weight,
            targets=targets,
            reset=earlier is None,
            report=self._progress,
        )
        goal = goal_of(type(self).__name__, data, targets)
        return self._fit_data(data, architecture, goal, earlier)

    def _read_hidden(self) -> Any:
        """Return what the parameters say of the hidden layers, or raise."""
        return read_architecture(self)

    def _fit_data(
        self,
        data: Data,
        architecture: Architecture,
        goal: Goal | None = None,
        earlier: Course | None = None,
    ) -> Self:
        """Fit without another look at the parameters; trained layers have a goal."""
        n_features = data.n_features
        check_reference(self, architecture, n_features)
        checkpoint = check_earlier(earlier, architecture, self, goal)
        quantizer, statistics = code_inputs(self, data, checkpoint)
        n_inputs = quantizer.n_codes
        architecture = architecture.with_eps(n_inputs, self)
        if self.hidden_weights != "fitted":
            warn_of_few_inputs(n_features, n_inputs, architecture.eps[0])
        # A bias is one more input, of the others' mean variance.
        bias_std = 1 / math.sqrt(n_inputs)
        matching = match_activations(self, architecture, bias_std)
        self.network_, self._course = make_network(
            self,
            data,
            architecture,
            matching,
            quantizer,
            statistics,
            bias_std=bias_std,
            goal=goal,
            earlier=earlier,
        )
        self.matching_ = matching
        self.mean_ = quantizer.decode(statistics.mean)
        self.scale_ = quantizer.inv_step / math.sqrt(statistics.total_variance)
        self.n_features_in_ = n_features
        self._n_features_out = self.network_.n_features_out
        keep_report_rows(self, data)
        return self

    @over_chunks
    def transform(self, X: Any) -> npt.NDArray[Any]:
        """Return the features of `X`: centred and scaled codes.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
            ``Z`` such that ``Z @ Z.T`` is the conjugate kernel (with
            ``readout_layers="all"`` the sum of those of all layers); float32 for
            float32 input, else float64.
        """
        check_is_fitted(self)
        X = validate_input(self, X, reset=False)
        dtype = np.float32 if X.dtype == np.float32 else np.float64
        return self.network_.features(X, dtype=dtype, n_jobs=self.n_jobs)

    @over_chunks
    def codes(self, X: Any) -> npt.NDArray[np.uint8]:
        """Return the integer codes that the features are made of.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out), dtype uint8
            Codes, 0 to ``n_levels - 1``.
        """
        check_is_fitted(self)
        X = validate_input(self, X, reset=False)
        return self.network_.forward(X, n_jobs=self.n_jobs)

    @property
    def code_line_(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Offset and step size of each feature."""
        return self.network_.code_line

    def _shallow_copy(self) -> Self:
        """Return a copy that a later fit of this one does not change."""
        other = copy(self)
        if hasattr(self, "_report_rows"):  # which other copies do without
            other._report_rows = self._report_rows
        return other

    def _predictor(self) -> Self:
        """Return a copy that predicts the same and holds nothing more."""
        light = copy(self)
        light._course = None
        return light

    def __sklearn_tags__(self) -> Tags:
        """Return the tags of the estimator."""
        tags = super().__sklearn_tags__()
        set_tags(self, tags)
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
