"""Reference networks: the dense ones that users have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import NotFittedError

from ..theory import Activation, get_activation

__all__ = [
    "NOT_FITTED_HINT",
    "ReferenceLayer",
    "ReferenceNetwork",
    "check_hidden_layers",
    "check_n_features",
]

#: Hint for errors: copies of fitted estimators are not fitted.
NOT_FITTED_HINT = (
    "(A copy, as made by searches, is not: put it into a FrozenEstimator.)"
)

#: Rows that are passed through a network at once.
_BLOCK_ROWS = 4096

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ReferenceLayer:
    """Dense layer of a reference network.

    Parameters
    ----------
    n_outputs : int
        Number of neurons.
    activation : Activation or None
        None for the readout.
    weight : ndarray of shape (n_inputs, n_outputs) or None
        None where the network is not fitted.
    bias : ndarray of shape (n_outputs,) or None
    """

    n_outputs: int
    activation: Activation | None = None
    weight: Array | None = None
    bias: Array | None = None

    @property
    def n_inputs(self) -> int | None:
        """Number of inputs, where it is known."""
        return None if self.weight is None else self.weight.shape[0]

    def outputs(self, Z: Any) -> Any:
        """Return what the layer makes of the outputs of the one before."""
        Z = Z @ self.weight + self.bias
        return Z if self.activation is None else self.activation(Z)


@dataclass(frozen=True, eq=False)
class ReferenceNetwork:
    """Architecture of a network, and its weights if it has any.

    Parameters
    ----------
    name : str
        For messages.
    hidden : tuple of ReferenceLayer
        The hidden layers.
    readout : ReferenceLayer or None
        The output layer; None where the network is not fitted.
    classes : ndarray of shape (n_classes,) or None
        Class labels of a fitted classifier, where it knows them.
    is_classifier : bool or None
        None where the network does not say.
    ending : str
        Activation of the output layer, a key of `teacher.ENDINGS`.
    feature_names : ndarray of shape (n_features,) or None
        Names of its inputs, where it knows them.
    """

    name: str
    hidden: tuple[ReferenceLayer, ...]
    readout: ReferenceLayer | None = None
    classes: npt.NDArray[Any] | None = None
    is_classifier: bool | None = None
    ending: str = "identity"
    feature_names: npt.NDArray[Any] | None = None

    @property
    def layers(self) -> tuple[ReferenceLayer, ...]:
        """The hidden layers, and the readout where there is one."""
        return self.hidden if self.readout is None else (*self.hidden, self.readout)

    @property
    def sizes(self) -> list[int]:
        """Width of each hidden layer."""
        return [layer.n_outputs for layer in self.hidden]

    @property
    def activations(self) -> list[Activation]:
        """Activation of each hidden layer."""
        return [
            layer.activation for layer in self.hidden if layer.activation is not None
        ]

    @property
    def weights(self) -> list[Array] | None:
        """Weights of each layer, the readout last; None if it is not fitted."""
        return self._of_layers("weight")

    @property
    def biases(self) -> list[Array] | None:
        """Biases of each layer, the readout last; None if it is not fitted."""
        return self._of_layers("bias")

    def _of_layers(self, name: str) -> list[Array] | None:
        if self.readout is None:
            return None
        return [getattr(layer, name) for layer in self.layers]

    @property
    def n_features_in(self) -> int | None:
        """Number of input features, where it is known."""
        return self.hidden[0].n_inputs

    @property
    def n_outputs(self) -> int:
        """Number of outputs of a fitted network."""
        assert self.readout is not None
        return self.readout.n_outputs

    def check_fitted(self, why: str, n_features: int, feature_names: Any) -> None:
        """Raise if there are no weights, or they are for other data."""
        if self.weights is None or self.biases is None:
            raise NotFittedError(
                f"{why} needs a fitted estimator, but {self.name} is not fitted. "
                + NOT_FITTED_HINT
            )
        check_n_features(n_features, self.name, self.n_features_in)
        if feature_names is not None and self.feature_names is not None:
            for number, (name, own) in enumerate(
                zip(feature_names, self.feature_names, strict=True)
            ):
                if name != own:
                    raise ValueError(
                        f"feature {number} of X is {name!r}, but estimator "
                        f"{self.name} was fitted with {own!r} there."
                    )
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
        parts = []
        # At least one block, for the number of columns.
        for start in range(0, max(X.shape[0], 1), _BLOCK_ROWS):
            Z = X[start : start + _BLOCK_ROWS]
            for layer in self.layers:
                Z = layer.outputs(Z)
            parts.append(np.asarray(Z, dtype=np.float64))
        return np.concatenate(parts)


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
