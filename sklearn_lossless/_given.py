"""Networks that users have already: what of them the compressed ones need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import MLPClassifier, MLPRegressor

from .theory import ACTIVATIONS, Activation, get_activation, leaky_relu

__all__ = [
    "ReferenceNetwork",
    "architecture",
    "check_hidden_layers",
    "check_n_features",
    "read_network",
    "read_teacher",
    "thawed",
]

#: Why an estimator that was fitted may not be.
NOT_FITTED_HINT = (
    "(A copy, as made by searches, is not: put it into a FrozenEstimator.)"
)

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ReferenceNetwork:
    """Architecture of a network, and its weights if it has any.

    Parameters
    ----------
    name : str
        For messages.
    sizes : list of int
        Width of each hidden layer.
    activations : list of Activation
        Activation of each hidden layer.
    weights : list of ndarray of shape (n_inputs, n_outputs) or None
        Of each layer, the readout last; None where the network is not fitted.
    biases : list of ndarray of shape (n_outputs,) or None
    classes : ndarray of shape (n_classes,) or None
        Class labels of a fitted classifier, where it knows them.
    is_classifier : bool or None
        None where the network does not say.
    ending : str
        Activation of the output layer, a key of `_ENDINGS`.
    feature_names : ndarray of shape (n_features,) or None
        Names of its inputs, where it knows them.
    """

    name: str
    sizes: list[int]
    activations: list[Activation]
    weights: list[Array] | None = None
    biases: list[Array] | None = None
    classes: npt.NDArray[Any] | None = None
    is_classifier: bool | None = None
    ending: str = "identity"
    feature_names: npt.NDArray[Any] | None = None

    @property
    def n_features_in(self) -> int | None:
        """Number of input features, where it is known."""
        return None if self.weights is None else self.weights[0].shape[0]

    def check_fitted(self, why: str, n_features: int, feature_names: Any) -> None:
        """Raise if there are no weights, or they are for other data."""
        if self.weights is None:
            raise NotFittedError(
                f"{why} needs a fitted estimator, but {self.name} is not fitted. "
                + NOT_FITTED_HINT
            )
        check_n_features(n_features, self.name, self.n_features_in)
        if feature_names is not None and self.feature_names is not None:
            for number, (given, own) in enumerate(
                zip(feature_names, self.feature_names, strict=True)
            ):
                if given != own:
                    raise ValueError(
                        f"feature {number} of X is {given!r}, but estimator "
                        f"{self.name} was fitted with {own!r} there."
                    )
        assert self.biases is not None
        if not all(np.isfinite(each).all() for each in [*self.weights, *self.biases]):
            raise ValueError(f"estimator {self.name} has weights that are not finite.")

    def outputs(self, X: Any) -> Array:
        """Return the values of the output layer before its own activation.

        Parameters
        ----------
        X : ndarray or CSR matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_outputs), dtype float64
        """
        assert self.weights is not None
        assert self.biases is not None
        parts = []
        for start in range(0, X.shape[0], 4096):
            Z = X[start : start + 4096]
            for number, (W, bias) in enumerate(
                zip(self.weights, self.biases, strict=True)
            ):
                Z = Z @ W + bias
                if number < len(self.activations):
                    Z = self.activations[number](Z)
            parts.append(np.asarray(Z, dtype=np.float64))
        return np.concatenate(parts)


def read_teacher(
    estimator: Any,
    X: Any,
    target: str,
    *,
    classifier: bool,
    feature_names: npt.NDArray[Any] | None = None,
    sample_weight: Array | None = None,
) -> tuple[ReferenceNetwork, Array]:
    """Return a teacher and its scores, or say why it cannot teach.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, FrozenEstimator or torch.nn.Sequential
        Fitted.
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        What the student is fitted on.
    target : str
        Value of the parameter, for messages.
    classifier : bool
        Whether the student is one.
    feature_names : ndarray of shape (n_features,) or None, default=None
        Names of the features of `X`.
    sample_weight : ndarray of shape (n_samples,) or None, default=None
        Weights in that mean.

    Returns
    -------
    teacher : ReferenceNetwork
    scores : ndarray of shape (n_samples, n_targets)
        Outputs of a regressor, through its last activation. Of a classifier log-odds,
        one column for two classes, else one for each class with mean zero; their root
        mean square is 1.
    """
    why = f"target={target!r}"
    if estimator is None:
        raise ValueError(f"{why} needs a fitted estimator, got estimator=None.")
    teacher = read_network(estimator)
    teacher.check_fitted(why, X.shape[1], feature_names)
    if teacher.is_classifier not in (None, classifier):
        kinds = ("regressor", "classifier")
        raise ValueError(
            f"{why}: estimator {teacher.name} is a {kinds[not classifier]}, expected a "
            f"{kinds[classifier]}."
        )
    scores = teacher.outputs(X)
    if not classifier:
        return teacher, _ENDINGS[teacher.ending](scores)
    if scores.shape[1] == 2:
        scores = scores[:, 1:] - scores[:, :1]
    elif scores.shape[1] > 2:
        scores = scores - scores.mean(axis=1, keepdims=True)
    squares = np.mean(np.square(scores), axis=1)
    size = np.sqrt(np.average(squares, weights=sample_weight))
    return teacher, scores / (size or 1.0)


def architecture(
    hidden_layer_sizes: Any,
    activation: Any,
    estimator: Any = None,
    widen: int = 1,
    hidden_weights: str = "random",
) -> tuple[list[int], list[Activation], ReferenceNetwork | None]:
    """Return the width and the activation of each layer, or say what is wrong.

    Parameters
    ----------
    hidden_layer_sizes, activation, estimator, widen, hidden_weights
        Those of :class:`NTKCompressor`. `estimator` overrides the first two.

    Returns
    -------
    sizes : list of int
    activations : list of Activation
    given : ReferenceNetwork or None
        What `estimator` is, where there is one.
    """
    if estimator is None:
        if hidden_weights == "fitted":
            raise ValueError(
                "hidden_weights='fitted' needs the estimator that has the weights, "
                "got estimator=None."
            )
        return *check_hidden_layers(hidden_layer_sizes, activation), None
    given = read_network(estimator)
    if hidden_weights == "fitted" and widen != 1:
        raise ValueError(
            f"widen={widen} cannot be used with hidden_weights='fitted': there are "
            "only as many fitted neurons as there are; expected widen=1."
        )
    return [widen * size for size in given.sizes], given.activations, given


def check_hidden_layers(
    hidden_layer_sizes: Any, activation: Any
) -> tuple[list[int], list[Activation]]:
    """Return the width and the activation of each layer, or say what is wrong."""
    sizes = np.atleast_1d(np.asarray(hidden_layer_sizes))
    if (
        sizes.ndim != 1
        or not sizes.size
        or sizes.dtype.kind not in "iu"
        or np.any(sizes < 1)
    ):
        raise ValueError(
            "hidden_layer_sizes must be a positive integer or a non-empty sequence of "
            f"them, got {hidden_layer_sizes!r}."
        )
    if not isinstance(activation, (list, tuple)):
        activation = [activation] * len(sizes)
    if len(activation) != len(sizes):
        raise ValueError(
            f"activation must be one, or one per hidden layer: got {len(activation)} "
            f"activations for {len(sizes)} hidden layers."
        )
    return [int(size) for size in sizes], [get_activation(each) for each in activation]


def check_n_features(n_features: int, name: str, fitted: int | None) -> None:
    """Raise ValueError if an estimator was fitted with other features than X has."""
    if fitted != n_features:
        raise ValueError(
            f"X has {n_features} features, but estimator {name} was fitted with "
            f"{fitted}."
        )


def thawed(estimator: Any) -> Any:
    """Return the estimator in a FrozenEstimator."""
    while isinstance(estimator, FrozenEstimator):
        estimator = estimator.estimator
    return estimator


def read_network(estimator: Any) -> ReferenceNetwork:
    """Read a network.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, FrozenEstimator or torch.nn.Sequential
        Fitted or not.

    Returns
    -------
    ReferenceNetwork

    Raises
    ------
    TypeError
        If it is something else.
    ValueError
        If it has no hidden layer, or a layer that cannot be compressed.
    """
    estimator = thawed(estimator)
    if isinstance(estimator, (MLPClassifier, MLPRegressor)):
        return _read_mlp(estimator)
    # torch is not imported by asking.
    bases = {f"{base.__module__}.{base.__name__}" for base in type(estimator).__mro__}
    if "torch.nn.modules.container.Sequential" in bases:
        return _read_torch(estimator)
    hint = ""
    if type(estimator).__name__ == "NotRestored":
        hint = (
            " The model comes from a file, which does not hold it: "
            "set_params(estimator=...) first."
        )
    raise TypeError(
        "estimator must be an MLPClassifier, an MLPRegressor, one of them in a "
        f"FrozenEstimator, or a torch.nn.Sequential, got {estimator!r}.{hint}"
    )


def _read_mlp(mlp: MLPClassifier | MLPRegressor) -> ReferenceNetwork:
    sizes, activations = check_hidden_layers(
        mlp.hidden_layer_sizes,
        mlp.activation,  # "identity", "logistic", "tanh" and "relu" are ours too
    )
    fitted = hasattr(mlp, "coefs_")
    classes = getattr(mlp, "classes_", None)
    if (
        fitted
        and isinstance(mlp, MLPClassifier)
        and mlp._label_binarizer.y_type_
        not in (
            "binary",
            "multiclass",
        )
    ):
        raise ValueError(
            f"estimator {mlp!r} predicts several labels at once, expected one."
        )
    return ReferenceNetwork(
        type(mlp).__name__,
        sizes,
        activations,
        [np.asarray(W, dtype=np.float64) for W in mlp.coefs_] if fitted else None,
        [np.asarray(b, dtype=np.float64) for b in mlp.intercepts_] if fitted else None,
        classes,
        isinstance(mlp, MLPClassifier),
        getattr(mlp, "out_activation_", "identity"),
        getattr(mlp, "feature_names_in_", None),
    )


#: Layers of torch that do nothing when a trained network predicts.
_TRANSPARENT = ("Flatten", "Dropout", "Identity")

#: Activations of torch, and those at its end that do not change the largest output.
_TORCH: dict[str, Callable[[Any], Activation]] = {
    "ReLU": lambda layer: ACTIVATIONS["relu"],
    "Tanh": lambda layer: ACTIVATIONS["tanh"],
    "Sigmoid": lambda layer: ACTIVATIONS["logistic"],
    "SiLU": lambda layer: ACTIVATIONS["silu"],
    "GELU": lambda layer: (
        get_activation(_tanh_gelu)
        if getattr(layer, "approximate", "none") == "tanh"
        else ACTIVATIONS["gelu"]
    ),
    "LeakyReLU": lambda layer: leaky_relu(layer.negative_slope),
    "ELU": lambda layer: get_activation(partial(_elu, alpha=layer.alpha)),
    "Softplus": lambda layer: get_activation(partial(_softplus, beta=layer.beta)),
}
_AT_THE_END = {
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
    "Sigmoid": "logistic",
}

#: Activations of output layers; a classifier's do not change its largest output.
_ENDINGS: dict[str, Callable[[Array], Array]] = {
    "identity": lambda Z: Z,
    "exp": np.exp,
    "logistic": special.expit,
    "softmax": partial(special.softmax, axis=1),
    "log_softmax": partial(special.log_softmax, axis=1),
}


def _elu(t: Array, *, alpha: float) -> Array:
    return np.where(t > 0, t, alpha * np.expm1(np.minimum(t, 0.0)))


def _tanh_gelu(t: Array) -> Array:
    return 0.5 * t * (1 + np.tanh(np.sqrt(2 / np.pi) * (t + 0.044715 * t**3)))


def _softplus(t: Array, *, beta: float) -> Array:
    return np.logaddexp(0.0, beta * t) / beta


def _flat(model: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Return the layers with their places, those of a Sequential in it too."""
    found = []
    for number, layer in enumerate(model):
        place = f"{prefix}[{number}]"
        inner = type(layer).__name__ == "Sequential"
        found += _flat(layer, place) if inner else [(place, layer)]
    return found


def _read_torch(model: Any) -> ReferenceNetwork:
    layers = [
        (place, type(layer).__name__, layer)
        for place, layer in _flat(model)
        if type(layer).__name__ not in _TRANSPARENT
    ]
    if len(layers) > 1 and layers[-1][1] in _AT_THE_END:
        ending = _AT_THE_END[layers.pop()[1]]
    else:
        ending = "identity"
    weights: list[Array] = []
    biases, activations = [], []
    for number, (place, name, layer) in enumerate(layers):
        expected = list(_TORCH) if number % 2 else ["Linear"]
        if name not in expected:
            raise ValueError(
                f"layer {name}, at {place} of the torch.nn.Sequential, cannot be "
                f"compressed there: expected {' or '.join(expected)}."
            )
        if number % 2:
            activations.append(_TORCH[name](layer))
            continue
        W = layer.weight.detach().double().cpu().numpy().T
        if weights and weights[-1].shape[1] != W.shape[0]:
            raise ValueError(
                f"the Linear layer at {place} of the torch.nn.Sequential takes "
                f"{W.shape[0]} inputs, but the one before has "
                f"{weights[-1].shape[1]} outputs."
            )
        weights.append(W)
        bias = layer.bias
        biases.append(
            np.zeros(W.shape[1])
            if bias is None
            else bias.detach().double().cpu().numpy()
        )
    if len(weights) < 2 or len(weights) != len(activations) + 1:
        raise ValueError(
            "the torch.nn.Sequential must be Linear layers with activations between "
            f"them, at least one hidden layer and a Linear one at the end, got {model}."
        )
    sizes = [W.shape[1] for W in weights[:-1]]
    return ReferenceNetwork(
        "Sequential", sizes, activations, weights, biases, ending=ending
    )
