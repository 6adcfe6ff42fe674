"""Read the networks of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor

from .network import ReferenceLayer, ReferenceNetwork, check_hidden_layers

__all__ = ["is_mlp", "read_mlp"]


def is_mlp(estimator: Any) -> bool:
    """Return whether `estimator` is an MLPClassifier or an MLPRegressor."""
    return isinstance(estimator, (MLPClassifier, MLPRegressor))


def read_mlp(mlp: MLPClassifier | MLPRegressor) -> ReferenceNetwork:
    """Read a network of scikit-learn, fitted or not."""
    fitted = hasattr(mlp, "coefs_")
    sizes, activations = check_hidden_layers(
        # Parameters of a fitted network may have been changed since.
        tuple(map(len, mlp.intercepts_[:-1])) if fitted else mlp.hidden_layer_sizes,
        mlp.activation,  # "identity", "logistic", "tanh" and "relu" are ours too
    )
    name, is_classifier = type(mlp).__name__, isinstance(mlp, MLPClassifier)
    if not fitted:
        hidden = tuple(map(ReferenceLayer, sizes, activations))
        return ReferenceNetwork(name, hidden, is_classifier=is_classifier)
    if is_classifier and mlp._label_binarizer.y_type_ not in ("binary", "multiclass"):
        raise ValueError(
            f"estimator {mlp!r} predicts several labels at once, expected one."
        )
    *layers, readout = (
        ReferenceLayer(
            len(bias),
            activation,
            np.asarray(weight, dtype=np.float64),
            np.asarray(bias, dtype=np.float64),
        )
        for weight, bias, activation in zip(
            mlp.coefs_, mlp.intercepts_, [*activations, None], strict=True
        )
    )
    return ReferenceNetwork(
        name,
        tuple(layers),
        readout,
        getattr(mlp, "classes_", None),
        is_classifier,
        mlp.out_activation_,
        getattr(mlp, "feature_names_in_", None),
    )
