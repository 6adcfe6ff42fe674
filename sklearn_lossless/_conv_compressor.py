"""NTKConvCompressor: features of pictures, by convolution and pooling."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np

from ._compressor import NTKCompressor
from ._fitted_pictures import fitted_pictures
from ._hidden_layers import draw_seed, tell_matching
from ._pictures import (
    OfPictures,
    Plan,
    draw_sample,
    fit_shape,
    on_channels,
    read_plan,
    tiled,
    widest_measured,
)
from ._trained_pictures import earlier_pictures, train_pictures
from ._validation import Interval
from .data import Data
from .export._kinds import Kind, exported_as
from .export.archive import TRAINING
from .inspection._measures import keep_report_rows
from .layers import Pool2D
from .network import Quantizer, code_sums
from .network.build_convolution import build_convolution
from .network.quantizer_choice import quantizer_and_range
from .theory import NetworkMatch, match_activation
from .training import Course, Goal

__all__ = ["NTKConvCompressor"]


@exported_as(Kind.CONV_COMPRESSOR)
class NTKConvCompressor(OfPictures, NTKCompressor):
    """Features of pictures: sparse ternary filters, steps and pooling, all integers.

    Filters have weights in {-1, 0, +1}, about a dozen of them not zero, and activations
    that are steps with the moments of `activation`. They come from the seed, or in
    closed form from patches of the training data. Sums of their codes over a grid of
    windows are features for linear models.

    Parameters
    ----------
    image_shape : tuple of int, default=None
        (height, width) or (height, width, channels) of the pictures that the rows of
        `X` are, channels last. None: square ones of one channel, or of three.
    hidden_layers : list of Conv2D, Pool2D, Dense or int, default=None
        First to last; None: ``Conv2D(100, 6), Pool2D(grid=4)``, with filters of at most
        half the picture's height and width; where they are trained, ``Conv2D(16, 5),
        Pool2D(2, kind="max"), Conv2D(32, 3), Pool2D(grid=2), Dense(64)``. See
        :class:`~sklearn_lossless.Conv2D`,
        :class:`~sklearn_lossless.Pool2D` and
        :class:`~sklearn_lossless.Dense`. The first one is a Conv2D, Dense ones
        come last; a number stands for a Dense of that many neurons.
    activation : str, callable or list of them, default="relu"
        Activation that the steps are matched to, for all layers or one per layer but
        poolings.
    eps : float, default=None
        Share of zero weights, in [0, 1), of layers that have none of their own. None:
        12 nonzero weights in a random filter, 24 in one from a patch; 0.9 in Dense.
        Of fitted weights 0.3, and 0.8 in Dense.
    n_levels : int or array-like of int, one per layer but poolings, default=8
        Levels of the compressed activations, 2 to 16.
    input_bits : int, default=8
        Bits that each input feature is rounded to, 1 to 8.
    readout_layers : {"last", "all"}, default="last"
        Whether the features are those of the last layer, or of all layers side by
        side, the first layer first.
    estimator : torch.nn.Sequential or torch.nn.Module, default=None
        The reference network: Conv2d, BatchNorm2d, poolings, activations, Flatten and
        Linear. Its layers and activations replace `hidden_layers` and `activation`; its
        last Linear is fitted anew. It is not changed.
    hidden_weights : {"random", "fitted", "trained"}, default=None
        "random" or None: as each layer says, from the seed or from patches. "fitted":
        each filter keeps the signs of the largest weights of `estimator`, a share of
        1 - `eps`, which have to be stored. "trained": found by gradient, from `y`;
        first those of the seed. Of a filter a sixth of the weights are then not zero,
        or `eps` says, and 12 at least.
    max_iter : int, default=200
        Epochs of training; this and the rest as in `MLPClassifier`.
    batch_size : int or "auto", default="auto"
        Rows of a batch; "auto": 200, or all if there are fewer.
    n_iter_no_change : int, default=10
        After so many epochs without improvement, training ends within as many more.
    early_stopping : bool, default=False
        Whether the score on held-out rows counts, in place of the loss.
    warm_start : bool, default=False
        Whether `fit` goes on with the layers that the last one trained.
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
        Target and achieved moments of each layer that has an activation.
    report_ : CompressionReport
        Moments, distance of the kernel, and bytes.
    image_shape_ : tuple of 3 int
        Height, width and channels of the pictures.
    mean_ : ndarray of shape (n_features,), dtype float64
        Mean of the quantised inputs, the same at all places of a channel.
    scale_ : float
        Factor that makes the mean squared norm of the centred inputs 1.
    n_features_in_ : int
        Number of input features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the input features, where `X` has string names.
    n_iter_ : int
        Epochs of the last training; 1 for layers that are not trained.
    loss_curve_ : list of float
        Loss of each epoch, of trained layers; `best_loss_` is the least.
        `validation_scores_` has the score after each, with `early_stopping`.

    Warns
    -----
    ConvergenceWarning
        If the moments of an activation cannot be matched.
    UserWarning
        If `image_shape` is None and the number of features is not that of a square
        picture, or windows are larger than the picture and are cut.

    See Also
    --------
    CompressedCNNClassifier : The compressor with a trained readout.
    NTKCompressor : Dense layers, for input that is no picture.

    Notes
    -----
    All places of a channel are quantised alike, as filters meet all of them. Each layer
    is matched for sums of deviation 1, in the mean over places and training pictures;
    the deviation is measured, layer by layer, on up to 2048 pictures. Filters from
    patches have thresholds in units of each filter's own deviation.

    Pictures are more even than the theory's data: filters see few inputs, and some
    patches are empty. So the kernel is kept less well than that of wide dense layers.

    References
    ----------
    Coates, Ng, Lee, "An analysis of single-layer networks in unsupervised feature
    learning", AISTATS 2011.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_lossless import Conv2D, NTKConvCompressor, Pool2D
    >>> X, _ = load_digits(return_X_y=True)
    >>> layers = [Conv2D(30, 4), Pool2D(grid=2)]
    >>> compressor = NTKConvCompressor((8, 8), layers, random_state=0).fit(X)
    >>> compressor.transform(X).shape
    (1797, 120)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "image_shape": ["array-like", None],
        "hidden_layers": [object],
        "activation": NTKCompressor._parameter_constraints["activation"],
        "eps": [Interval(Real, 0, 1, closed="left"), None],
        **{
            name: NTKCompressor._parameter_constraints[name]
            for name in (
                "n_levels",
                "input_bits",
                "readout_layers",
                *TRAINING,
                "random_state",
                "n_jobs",
                "verbose",
            )
        },
        "estimator": [object],
        "hidden_weights": NTKCompressor._parameter_constraints["hidden_weights"],
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

    def _read_hidden(self) -> Any:
        """Return what the parameters say of the hidden layers, or raise."""
        return read_plan(self)

    def _fit_data(
        self,
        data: Data,
        architecture: Any,
        goal: Goal | None = None,
        earlier: Course | None = None,
    ) -> Self:
        """Fit without another look at the parameters."""
        plan: Plan = architecture
        n_features = data.n_features
        shape, layers = fit_shape(plan, self.image_shape, n_features)
        n_places, n_channels = shape[0] * shape[1], shape[2]
        total = on_channels(data.total_inputs, n_places, n_channels)
        checkpoint = earlier_pictures(earlier, shape, layers, self, goal)
        if checkpoint is None:
            of_channels, _ = quantizer_and_range(total, self.input_bits)
        else:
            known = checkpoint.quantizer
            assert isinstance(known, Quantizer)
            of_channels = replace(known, shift=known.shift[:n_channels])
        statistics = total(partial(code_sums, of_channels)).statistics()
        quantizer = tiled(of_channels, n_places)
        if self.hidden_weights == "fitted":
            assert plan.reference is not None
            self._course = None
            self.network_, matching = fitted_pictures(
                self, data, plan.reference, plan.n_levels, shape, quantizer
            )
            tell_matching(self, matching)
            return self._keep(matching, quantizer, statistics, data)
        matching = _match(plan)
        tell_matching(self, matching)
        if self.hidden_weights == "trained":
            self.network_, self._course = train_pictures(
                self,
                data,
                plan.activations,
                matching,
                shape,
                layers,
                quantizer,
                statistics,
                goal,
                earlier,
            )
        else:
            self._course = None
            self.network_ = build_convolution(
                quantizer,
                shape,
                statistics.mean,
                layers,
                [(match.step, match.achieved.mean) for match in matching.layers],
                draw_sample(data, quantizer, widest_measured(shape, layers)),
                eps=self.eps,
                seed=draw_seed(self.random_state),
                readout_layers=self.readout_layers,
            )
        return self._keep(matching, quantizer, statistics, data)

    def _keep(
        self, matching: NetworkMatch, quantizer: Any, statistics: Any, data: Data
    ) -> Self:
        """Keep what was fitted, beside the network."""
        self.matching_ = matching
        n_places = data.n_features // len(statistics.mean)
        self.mean_ = quantizer.decode(np.tile(statistics.mean, n_places))
        norm = np.sqrt(max(n_places * statistics.total_variance, 1e-300))
        self.scale_ = float(quantizer.inv_step / norm)
        self.n_features_in_ = data.n_features
        self._n_features_out = self.network_.n_features_out
        keep_report_rows(self, data)
        return self


def _match(plan: Plan) -> NetworkMatch:
    """Match the activations, each for inputs of deviation 1."""
    matches, activations = [], zip(plan.activations, plan.n_levels, strict=True)
    for number, layer in enumerate(plan.layers, start=1):
        if not isinstance(layer, Pool2D):
            activation, n_levels = next(activations)
            matches.append(
                match_activation(activation, n_levels=n_levels, layer=number)
            )
    return NetworkMatch(tuple(matches))
