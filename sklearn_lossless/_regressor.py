"""Compressed networks with a trained readout that gives numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.metrics import r2_score

from ._base import CompressedMLP
from ._chunked import is_dask, over_chunks
from ._compat import fit_context
from ._compressor import validate_input, validate_weight
from .reference.teacher import read_teacher

__all__ = ["CompressedMLPRegressor"]


class CompressedMLPRegressor(RegressorMixin, MultiOutputMixin, CompressedMLP):
    """Regressor of a sparse ternary network with a ridge readout.

    The hidden layers are those of :class:`NTKCompressor`: random, frozen, integer,
    with the conjugate kernel of a wide dense network. Only the readout is trained,
    by ridge regression in closed form.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(1000,)
        Width of each hidden layer.
    activation : str, callable or list of them, default="relu"
        Activation of the given network, for all layers or one per layer.
    eps : float, default=0.9
        Share of zero weights, in [0, 1).
    n_levels : int, default=8
        Levels of the compressed activations, 2 to 16.
    input_bits : int, default=8
        Bits that each input feature is rounded to, 1 to 8.
    readout_layers : {"last", "all"}, default="last"
        Whether the readout sees the last layer, or all of them.
    estimator : MLPClassifier, MLPRegressor, torch.nn.Sequential or NTKCompressor, \
            default=None
        A network, fitted or not: its widths and activations in place of
        `hidden_layer_sizes` and `activation`. See :class:`NTKCompressor`. Or a fitted
        NTKCompressor, whose hidden layers are taken as they are: no parameter of
        hidden layers counts then.
    widen : int, default=1
        Factor of the widths of `estimator`.
    hidden_weights : {"random", "fitted"}, default="random"
        "fitted": signs of the largest weights of the fitted `estimator`.
    target : {"labels", "teacher", "both"}, default="labels"
        What the readout is trained for: `y`; what the fitted `estimator` predicts for
        `X`, for which `y` is not needed; or the mean of both.
    alpha : float or None, default=None
        L2 regularisation, for the features that :meth:`NTKCompressor.transform`
        gives. None: chosen by leave-one-out error.
    random_state : int, RandomState instance or None, default=None
        Draws the 64-bit seed of the hidden weights.
    n_jobs : int or None, default=None
        Threads of the forward pass, as in joblib.
    verbose : int, default=0
        Whether to print what was matched and chosen.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features_out,) or (n_targets, n_features_out)
        Coefficients of the features.
    intercept_ : float or ndarray of shape (n_targets,)
        Intercepts.
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
        Moments, distance from the given network's kernel, and bytes.
    mean_ : ndarray of shape (n_features,)
        Mean of the quantised inputs.
    scale_ : float
        Factor that makes the mean squared norm of the centred inputs 1.
    n_features_in_ : int
        Number of input features.
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

    _of_teacher: ClassVar[tuple[str, ...]] = ("teacher_agreement_", "training_r2_")

    def __init__(
        self,
        hidden_layer_sizes: int | Iterable[int] = (1000,),
        activation: Any = "relu",
        *,
        eps: float = 0.9,
        n_levels: int = 8,
        input_bits: int = 8,
        readout_layers: str = "last",
        estimator: Any = None,
        widen: int = 1,
        hidden_weights: str = "random",
        target: str = "labels",
        alpha: float | None = None,
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
        self.target = target
        self.alpha = alpha
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
            Weights of the samples.

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
        self._check_architecture()
        if is_dask(X, y, sample_weight):
            from ._dask import fit_regressor

            self._check_labels_are_the_target("X or y is a dask array")
            fit_regressor(self, X, y, sample_weight)
            return self
        if self.target == "teacher" and y is None:
            X = validate_input(self, X)
        else:
            X, y = validate_input(self, X, y, multi_output=True, y_numeric=True)
        if sample_weight is not None:
            sample_weight = validate_weight(sample_weight, X)
        said, true = None, y
        if self.target != "labels":
            said, y = self._ask_teacher(X, y)
        codes = self._fit_compressor(X, sample_weight)
        Y = y.reshape(len(y), -1).astype(np.float64)
        # Sums of products lose less to rounding without a large mean.
        offset = np.average(Y, axis=0, weights=sample_weight)
        self._fit_ridge(codes, Y - offset, sample_weight, predict=False)
        self.intercept_ += offset
        if y.ndim == 1:
            self.coef_, self.intercept_ = self.coef_[0], self.intercept_[0]
        if said is not None:
            predicted = self._linear(X).reshape(said.shape)
            self.teacher_agreement_ = r2_score(
                said, predicted, sample_weight=sample_weight
            )
            if true is not None:
                self.training_r2_ = r2_score(
                    true, predicted, sample_weight=sample_weight
                )
        return self

    def _ask_teacher(
        self, X: Any, y: Any
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return the teacher's outputs, and the targets of the student."""
        teacher = read_teacher(
            self.estimator,
            self.target,
            classifier=False,
            n_features=X.shape[1],
            feature_names=getattr(self, "feature_names_in_", None),
        )
        outputs = teacher.scores(X)
        if y is None:
            outputs = outputs.ravel() if outputs.shape[1] == 1 else outputs
            return outputs, outputs
        if np.reshape(y, (len(y), -1)).shape != outputs.shape:
            raise ValueError(
                f"y has shape {y.shape}, the estimator has {outputs.shape[1]} outputs."
            )
        outputs = outputs.reshape(y.shape)
        return outputs, outputs if self.target == "teacher" else (outputs + y) / 2

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train the readout on one more batch.

        Batches add up: after all of them the readout is that of one fit on all the
        samples, in whatever order and portions they came. The hidden layers are
        fixed by the first batch, whose mean, scale and range should therefore be
        typical; or by an earlier :meth:`fit`, of which the hidden layers are kept,
        but not the readout. Without `alpha`, the regularisation is chosen by
        generalised cross-validation, which needs no sample again.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.

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
        self._check_batch(X, y, sample_weight)
        self._check_architecture()
        reset = not hasattr(self, "compressor_")
        X, y = validate_input(
            self, X, y, multi_output=True, y_numeric=True, reset=reset
        )
        if sample_weight is not None:
            sample_weight = validate_weight(sample_weight, X)
        online = self.__dict__.get("_online")
        Y = y.reshape(len(y), -1).astype(np.float64)
        if online is None:
            online = self._start_online(
                X,
                sample_weight,
                n_targets=Y.shape[1],
                offset=np.average(Y, axis=0, weights=sample_weight),
                y_ndim=y.ndim,
            )
        elif (y.ndim, Y.shape[1]) != (online.y_ndim, online.n_targets):
            raise ValueError(
                f"y has shape {y.shape}, but the batches before had "
                f"{online.n_targets} target(s) in {online.y_ndim} dimension(s)."
            )
        online.update(
            X,
            Y - online.offset,
            sample_weight,
            n_jobs=self.n_jobs,
            report=self._report if self.verbose else None,
        )
        self._forget_readout()
        self._online = online
        return self

    def _solve_online(self) -> None:
        super()._solve_online()
        if self._online.y_ndim == 1:
            self.coef_, self.intercept_ = self.coef_[0], self.intercept_[0]

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
        return predicted.ravel() if self.coef_.ndim == 1 else predicted
