"""Compressed networks of pictures, with a trained readout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ._classifier import CompressedMLPClassifier
from ._conv_compressor import NTKConvCompressor
from ._pictures import OfPictures, read_plan
from ._regressor import CompressedMLPRegressor
from .export._kinds import Kind, exported_as

__all__ = ["CompressedCNNClassifier", "CompressedCNNRegressor"]


class _WithReadout(OfPictures):
    """What classifier and regressor of pictures share."""

    _compressor_class = NTKConvCompressor
    target = "labels"  # there is no teacher

    def _hidden(self) -> Any:
        """Read from the parameters what the hidden layers are, or raise."""
        return read_plan(self)


@exported_as(Kind.CNN_CLASSIFIER)
class CompressedCNNClassifier(_WithReadout, CompressedMLPClassifier):
    """Classifier of pictures: ternary filters, pooling and a trained linear readout.

    The hidden layers are those of :class:`NTKConvCompressor`: filters from the seed, or
    in closed form from patches of the data, where only the readout is trained; or
    trained filters.

    Parameters
    ----------
    image_shape : tuple of int, default=None
        (height, width) or (height, width, channels) of the pictures that the rows of
        `X` are, channels last. None: square ones of one channel, or of three.
    hidden_layers : list of Conv2D, Pool2D, Dense or int, default=None
        First to last, see :class:`NTKConvCompressor`. None: ``Conv2D(100, 6),
        Pool2D(grid=4)``, with filters of at most half the picture; of trained ones
        those of :class:`NTKConvCompressor`.
    activation : str, callable or list of them, default="relu"
        Activation that the steps are matched to, for all layers or one per layer but
        poolings.
    eps : float, default=None
        Share of zero weights of layers that have none of their own. None: 12 nonzero
        weights in a random filter, 24 in one from a patch; 0.9 in Dense. Of fitted
        weights 0.3, and 0.8 in Dense.
    n_levels : int or array-like of int, one per layer but poolings, default=8
        Levels of the compressed activations, 2 to 16.
    input_bits : int, default=8
        Bits that each input feature is rounded to, 1 to 8.
    readout_layers : {"last", "all"}, default="last"
        Whether the readout sees the last layer, or all of them.
    estimator : torch.nn.Sequential or torch.nn.Module, default=None
        The reference network: Conv2d, BatchNorm2d, poolings, activations, Flatten and
        Linear. Its layers and activations replace `hidden_layers` and `activation`; its
        last Linear is fitted anew. It is not changed.
    hidden_weights : {"random", "fitted", "trained"}, default=None
        "random" or None: drawn from the seed, or in closed form from patches.
        "fitted": the signs of the largest weights of `estimator`. "trained": found by
        gradient, from `y`, see :class:`NTKConvCompressor`.
    readout : {"ridge", "logistic"}, classifier or None, default=None
        How the readout is trained, see :class:`CompressedMLPClassifier`. None: with the
        hidden layers, where these are trained, else "ridge".
    alpha : float or None, default=None
        L2 regularisation of the readout. None: chosen by leave-one-out error rate
        ("ridge") or by log-loss on a held-out fifth ("logistic").
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the readout's loss.
    max_iter, batch_size, n_iter_no_change : int
        Of training, see :class:`NTKConvCompressor`.
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
        The fitted readout, as in :class:`CompressedMLPClassifier`.
    compressor_ : NTKConvCompressor
        The fitted hidden layers; :attr:`network_`, :attr:`matching_`, :attr:`mean_`,
        :attr:`scale_` and :attr:`image_shape_` are its attributes.
    network_ : CompressedNetwork
        The integer network.
    matching_ : NetworkMatch
        Target and achieved moments of each layer that has an activation.
    report_ : CompressionReport
        Moments, distance of the kernel, and bytes.
    image_shape_ : tuple of 3 int
        Height, width and channels of the pictures.
    n_features_in_ : int
        Number of input features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the input features, where `X` has string names.

    See Also
    --------
    NTKConvCompressor : The hidden layers alone, as a transformer.
    CompressedCNNRegressor : The same for regression.
    CompressedMLPClassifier : Dense hidden layers.

    Notes
    -----
    Rows of `X` are pictures, with their channels last; arrays of shape (n_samples,
    height, width) or (n_samples, height, width, channels) serve as well. The other
    attributes are those of :class:`CompressedMLPClassifier`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_lossless import CompressedCNNClassifier, Conv2D, Pool2D
    >>> X_train, X_test, y_train, y_test = train_test_split(
    ...     *load_digits(return_X_y=True), random_state=0)
    >>> layers = [Conv2D(60, 4), Pool2D(grid=3)]
    >>> clf = CompressedCNNClassifier((8, 8), layers, random_state=0)
    >>> clf.fit(X_train, y_train).score(X_test, y_test) > 0.97
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **NTKConvCompressor._parameter_constraints,
        **{
            name: CompressedMLPClassifier._parameter_constraints[name]
            for name in ("readout", "alpha", "class_weight")
        },
    }

    def __init__(
        self,
        image_shape: tuple[int, ...] | None = None,
        hidden_layers: Any = None,
        activation: Any = "relu",
        *,
        eps: float | None = None,
        n_levels: Any = 8,
        input_bits: int = 8,
        readout_layers: str = "last",
        estimator: Any = None,
        hidden_weights: str | None = None,
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
        self.image_shape = image_shape
        self.hidden_layers = hidden_layers
        self.activation = activation
        self.eps: Any = eps
        self.n_levels = n_levels
        self.input_bits = input_bits
        self.readout_layers = readout_layers
        self.estimator = estimator
        self.hidden_weights = hidden_weights
        self.readout = readout
        self.alpha = alpha
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.warm_start = warm_start
        self.learning_rate_init = learning_rate_init
        self.tol = tol
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose


@exported_as(Kind.CNN_REGRESSOR)
class CompressedCNNRegressor(_WithReadout, CompressedMLPRegressor):
    """Regressor of pictures: ternary filters, pooling and a ridge readout.

    The hidden layers are those of :class:`NTKConvCompressor`: filters from the seed, or
    in closed form from patches of the data, where only the readout is trained; or
    trained filters.

    Parameters
    ----------
    image_shape : tuple of int, default=None
        (height, width) or (height, width, channels) of the pictures that the rows of
        `X` are, channels last. None: square ones of one channel, or of three.
    hidden_layers : list of Conv2D, Pool2D, Dense or int, default=None
        First to last, see :class:`NTKConvCompressor`. None: ``Conv2D(100, 6),
        Pool2D(grid=4)``, with filters of at most half the picture; of trained ones
        those of :class:`NTKConvCompressor`.
    activation : str, callable or list of them, default="relu"
        Activation that the steps are matched to, for all layers or one per layer but
        poolings.
    eps : float, default=None
        Share of zero weights of layers that have none of their own. None: 12 nonzero
        weights in a random filter, 24 in one from a patch; 0.9 in Dense. Of fitted
        weights 0.3, and 0.8 in Dense.
    n_levels : int or array-like of int, one per layer but poolings, default=8
        Levels of the compressed activations, 2 to 16.
    input_bits : int, default=8
        Bits that each input feature is rounded to, 1 to 8.
    readout_layers : {"last", "all"}, default="last"
        Whether the readout sees the last layer, or all of them.
    estimator : torch.nn.Sequential or torch.nn.Module, default=None
        The reference network: Conv2d, BatchNorm2d, poolings, activations, Flatten and
        Linear. Its layers and activations replace `hidden_layers` and `activation`; its
        last Linear is fitted anew. It is not changed.
    hidden_weights : {"random", "fitted", "trained"}, default=None
        "random" or None: drawn from the seed, or in closed form from patches.
        "fitted": the signs of the largest weights of `estimator`. "trained": found by
        gradient, from `y`, see :class:`NTKConvCompressor`.
    alpha : float or None, default=None
        L2 regularisation of the readout. None: chosen by the leave-one-out error.
    max_iter, batch_size, n_iter_no_change : int
        Of training, see :class:`NTKConvCompressor`.
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
        The fitted readout, as in :class:`CompressedMLPRegressor`.
    compressor_ : NTKConvCompressor
        The fitted hidden layers; :attr:`network_`, :attr:`matching_`, :attr:`mean_`,
        :attr:`scale_` and :attr:`image_shape_` are its attributes.
    network_ : CompressedNetwork
        The integer network.
    matching_ : NetworkMatch
        Target and achieved moments of each layer that has an activation.
    report_ : CompressionReport
        Moments, distance of the kernel, and bytes.
    image_shape_ : tuple of 3 int
        Height, width and channels of the pictures.
    n_features_in_ : int
        Number of input features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the input features, where `X` has string names.

    See Also
    --------
    NTKConvCompressor : The hidden layers alone, as a transformer.
    CompressedCNNClassifier : The same for classes.
    CompressedMLPRegressor : Dense hidden layers.

    Notes
    -----
    Rows of `X` are pictures, with their channels last; arrays of shape (n_samples,
    height, width) or (n_samples, height, width, channels) serve as well. The other
    attributes are those of :class:`CompressedMLPRegressor`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_lossless import CompressedCNNRegressor, Conv2D, Pool2D
    >>> X, y = load_digits(return_X_y=True)
    >>> layers = [Conv2D(60, 4), Pool2D(grid=3)]
    >>> regressor = CompressedCNNRegressor((8, 8), layers, random_state=0)
    >>> regressor.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.8
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **NTKConvCompressor._parameter_constraints,
        "alpha": CompressedMLPRegressor._parameter_constraints["alpha"],
    }

    def __init__(
        self,
        image_shape: tuple[int, ...] | None = None,
        hidden_layers: Any = None,
        activation: Any = "relu",
        *,
        eps: float | None = None,
        n_levels: Any = 8,
        input_bits: int = 8,
        readout_layers: str = "last",
        estimator: Any = None,
        hidden_weights: str | None = None,
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
        self.image_shape = image_shape
        self.hidden_layers = hidden_layers
        self.activation = activation
        self.eps: Any = eps
        self.n_levels = n_levels
        self.input_bits = input_bits
        self.readout_layers = readout_layers
        self.estimator = estimator
        self.hidden_weights = hidden_weights
        self.alpha = alpha
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.warm_start = warm_start
        self.learning_rate_init = learning_rate_init
        self.tol = tol
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
