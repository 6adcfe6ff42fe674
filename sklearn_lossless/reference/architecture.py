"""What the hidden layers are to be: by sizes and activations, or by a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sklearn.frozen import FrozenEstimator

from .._not_restored import NotRestored
from ..theory import Activation
from .mlp import is_mlp, read_mlp
from .network import ReferenceNetwork, check_hidden_layers
from .torch_sequential import is_sequential, read_sequential

__all__ = ["Architecture", "architecture", "read_network", "thawed"]


@dataclass(frozen=True, eq=False)
class Architecture:
    """Hidden layers that an estimator's parameters ask for.

    Parameters
    ----------
    sizes : list of int
        Width of each layer.
    activations : list of Activation
        Activation of each layer.
    reference : ReferenceNetwork or None
        The network that they are those of, where there is one.
    """

    sizes: list[int]
    activations: list[Activation]
    reference: ReferenceNetwork | None = None


def architecture(
    hidden_layer_sizes: Any,
    activation: Any,
    estimator: Any = None,
    widen: int = 1,
    hidden_weights: str = "random",
) -> Architecture:
    """Return the width and the activation of each layer, or say what is wrong.

    Parameters
    ----------
    hidden_layer_sizes, activation, estimator, widen, hidden_weights
        Those of :class:`NTKCompressor`. `estimator` overrides the first two.

    Returns
    -------
    Architecture
        To be passed on: another call reads the network again.
    """
    if estimator is None:
        if hidden_weights == "fitted":
            raise ValueError(
                "hidden_weights='fitted' needs the estimator that has the weights, "
                "got estimator=None."
            )
        return Architecture(*check_hidden_layers(hidden_layer_sizes, activation))
    reference = read_network(estimator)
    if hidden_weights == "fitted" and widen != 1:
        raise ValueError(
            f"widen={widen} cannot be used with hidden_weights='fitted': there are "
            "only as many fitted neurons as there are; expected widen=1."
        )
    sizes = [widen * size for size in reference.sizes]
    return Architecture(sizes, reference.activations, reference)


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
    if is_mlp(estimator):
        return read_mlp(estimator)
    if is_sequential(estimator):
        return read_sequential(estimator)
    hint = ""
    if isinstance(estimator, NotRestored):
        hint = (
            " The model comes from a file, which does not hold it: "
            "set_params(estimator=...) first."
        )
    raise TypeError(
        "estimator must be an MLPClassifier, an MLPRegressor, one of them in a "
        f"FrozenEstimator, or a torch.nn.Sequential, got {estimator!r}.{hint}"
    )


def thawed(estimator: Any) -> Any:
    """Return the estimator in a FrozenEstimator."""
    while isinstance(estimator, FrozenEstimator):
        estimator = estimator.estimator
    return estimator
