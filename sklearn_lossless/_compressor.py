"""NTKCompressor: the random features of a compressed network, as a transformer."""

from __future__ import annotations

import math
from collections.abc import Iterable
from copy import copy
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from ._fitted import FittedMixin
from ._hidden_layers import (
    check_reference,
    goal_of,
    kind_of_targets,
    make_network,
    warn_of_few_inputs,
)
from ._validation import (
    Interval,
    StrOptions,
    fit_context,
    validate_input,
    warn_of_lost_columns,
    warn_user,
)
from .data import Data, over_chunks, read_data
from .export._kinds import Kind, exported_as
from .inspection._measures import keep_report_rows
from .network import code_sums
from .network.quantizer_choice import quantizer_and_range
from .reference.architecture import EPS, N_LEVELS, Architecture, read_architecture
from .theory import match_network
from .training import Goal

__all__ = ["NTKCompressor"]


@exported_as(Kind.COMPRESSOR)
class NTKCompressor(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    FittedMixin,
    BaseEstimator,
):
    """Features of a sparse ternary network with the kernel of a dense one.

    The dense network, called the reference network, has random weights. In high
    dimension its conjugate kernel depends on the weights only through their mean
    and variance, and on each activation only through a few Gaussian moments. The
    compressed network has weights in {-1, 0, +1}, a share `eps` of them zero, and
    activations that are steps with the same moments, so its features give linear
    models the same kernel. Hidden layers are integer arithmetic: the same
    `random_state` gives the same features on any machine, thread count and batch.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(1000,)
        Width of each hidden layer.
    activation : str, callable or list of them, default="relu"
        Activation of the reference network, for all layers or one per layer. Names
        are those of :func:`sklearn_lossless.theory.get_activation`; a callable
        maps a float64 array to one of the same shape.
    eps : float or array-like of float, one per hidden layer, default=0.9
        Share of zero weights, in [0, 1).
    n_levels : int or array-like of int, one per hidden layer, default=8
        Levels of the compressed activations, 2 to 16. 2 is Algorithm 1 of the
        paper, which loses accuracy; with 8 next to none is lost.
    input_bits : int, default=8
        Bits that each input feature is rounded to, 1 to 8.
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
        Mean of the quantised inputs.
    scale_ : float
        Factor that makes the mean squared norm of the centred inputs 1.
    n_features_in_ : int
        Number of input features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the input features, where `X` has string names.
    n_iter_ : int
        Epochs of training; 1 for layers that are not trained.
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

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": [
            Interval(Integral, 1, None, closed="left"),
            "array-like",
        ],
        "activation": [str, callable, list, tuple],
        "eps": [EPS, "array-like"],
        "n_levels": [N_LEVELS, "array-like"],
        "input_bits": [Interval(Integral, 1, 8, closed="both")],
        "readout_layers": [StrOptions({"last", "all"})],
        "estimator": [object],
        "widen": [Interval(Integral, 1, None, closed="left")],
        "hidden_weights": [StrOptions({"random", "fitted", "trained"}), None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
        "n_jobs": [
            Interval(Integral, None, -1, closed="right"),
            Interval(Integral, 1, None, closed="left"),
            None,
        ],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        hidden_layer_sizes: int | Iterable[int] = (1000,),
        activation: Any = "relu",
        *,
        eps: float | Iterable[float] = 0.9,
        n_levels: int | Iterable[int] = 8,
        input_bits: int = 8,
        readout_layers: str = "last",
        estimator: Any = None,
        widen: int = 1,
        hidden_weights: str | None = None,
        max_iter: int = 200,
        batch_size: int | str = "auto",
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
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
            Labels or numbers, which trained hidden layers need; else not used.
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
            two samples, or values that are not finite.
        """
        architecture = self._read_hidden()
        targets = kind_of_targets(y) if self.hidden_weights == "trained" else None
        data = read_data(
            self, X, y, sample_weight, targets=targets, report=self._progress
        )
        return self._fit_data(data, architecture, goal_of(data, targets))

    def _read_hidden(self) -> Any:
        """Return what the parameters say of the hidden layers, or raise."""
        return read_architecture(self)

    def _fit_data(
        self, data: Data, architecture: Architecture, goal: Goal | None = None
    ) -> Self:
        """Fit without another look at the parameters; trained layers have a goal."""
        n_features = data.n_features
        check_reference(self, architecture, n_features)
        quantizer, seen = quantizer_and_range(data.total_inputs, self.input_bits)
        statistics = data.total_inputs(partial(code_sums, quantizer)).statistics()
        varies = seen.low < seen.high
        names = getattr(self, "feature_names_in_", None)
        warn_of_lost_columns(varies, varies & (statistics.variance == 0), names)
        if self.hidden_weights != "fitted":
            warn_of_few_inputs(n_features, architecture.eps[0])
        # A bias is one more input, of the others' mean variance.
        bias_std = 1 / math.sqrt(n_features)
        matching = match_network(
            architecture.activations,
            architecture.n_levels,
            tau0=math.sqrt(1 + bias_std**2),
        )
        for message in matching.unmet():
            warn_user(message, ConvergenceWarning)
        if self._progress is not None:
            self._progress(f"matched activations\n{matching}")

        self.network_, self._course = make_network(
            self,
            data,
            architecture,
            matching,
            quantizer,
            statistics,
            seed=draw_seed(self.random_state),
            bias_std=bias_std,
            goal=goal,
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
        return copy(self)

    def __sklearn_tags__(self) -> Tags:
        """Return the tags of the estimator."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def draw_seed(random_state: int | np.random.RandomState | None) -> int:
    """Draw one 64-bit seed."""
    low, high = check_random_state(random_state).randint(2**32, size=2, dtype=np.uint32)
    return int(low) | int(high) << 32
