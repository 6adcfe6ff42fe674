"""What the hidden layers are to be: by sizes and activations, or by a network."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from sklearn.frozen import FrozenEstimator

from .._not_restored import NotRestored
from .._validation import Interval
from ..network.layers import per_layer
from ..theory import Activation
from .mlp import is_mlp, read_mlp
from .network import ReferenceNetwork, check_hidden_layers
from .torch_sequential import is_sequential, read_sequential

__all__ = [
    "EPS",
    "N_LEVELS",
    "Architecture",
    "architecture",
    "read_architecture",
    "read_network",
    "thawed",
]

#: What `eps` and `n_levels` may be, in each layer.
EPS = Interval(Real, 0, 1, closed="left")
N_LEVELS = Interval(Integral, 2, 16, closed="both")


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
    eps : list of float
        Share of zero weights of each layer.
    n_levels : list of int
        Levels of each layer.
    """

    sizes: list[int]
    activations: list[Activation]
    reference: ReferenceNetwork | None
    eps: list[float]
    n_levels: list[int]


def architecture(
    hidden_layer_sizes: Any,
    activation: Any,
    estimator: Any = None,
    widen: int = 1,
    hidden_weights: str = "random",
    eps: Any = 0.9,
    n_levels: Any = 8,
) -> Architecture:
    """Return what each layer is to be, or say what is wrong.

    Parameters
    ----------
    hidden_layer_sizes, activation, estimator, widen, hidden_weights, eps, n_levels
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
        sizes, activations = check_hidden_layers(hidden_layer_sizes, activation)
        reference = None
    else:
        reference = read_network(estimator)
        if hidden_weights == "fitted" and widen != 1:
            raise ValueError(
                f"widen={widen} cannot be used with hidden_weights='fitted': there are "
                "only as many fitted neurons as there are; expected widen=1."
            )
        sizes = [widen * size for size in reference.sizes]
        activations = reference.activations
    return Architecture(
        sizes,
        activations,
        reference,
        _checked_per_layer("eps", eps, len(sizes), EPS),
        _checked_per_layer("n_levels", n_levels, len(sizes), N_LEVELS),
    )


def read_architecture(estimator: Any) -> Architecture:
    """Return the hidden layers that an estimator's parameters ask for, or raise."""
    return architecture(
        estimator.hidden_layer_sizes,
        estimator.activation,
        estimator.estimator,
        estimator.widen,
        estimator.hidden_weights,
        estimator.eps,
        estimator.n_levels,
    )


def _checked_per_layer(
    name: str, value: Any, n_layers: int, allowed: Interval
) -> list[Any]:
    """Return the value of each layer, all of them `allowed`."""
    values = per_layer(name, value, n_layers)
    for number, each in enumerate(values):
        if not allowed.is_satisfied_by(each):
            raise ValueError(f"{name}[{number}] must be {allowed}, got {each!r}.")
    return values


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
