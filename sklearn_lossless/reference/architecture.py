"""What the hidden layers are to be: by sizes and activations, or by a network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from inspect import signature
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator

from .._not_restored import NotRestored
from .._validation import Interval, warn_user
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
    "warn_ignored",
    "warn_of_unused_weights",
]

#: What `eps` and `n_levels` may be, in each layer.
EPS = Interval(Real, 0, 1, closed="left")
N_LEVELS = Interval(Integral, 2, 16, closed="both")

#: Share of zeros unless it is said.
_EPS = 0.9

#: With inputs that are bits of tables: weights of a neuron that are not zero, in the
#: first layer and in others, without training and with it. Measured, see docs/guide.
_NONZEROS = (8, None), (16, 32)


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
        Share of zero weights of each layer; empty until `with_eps` has chosen it.
    n_levels : list of int
        Levels of each layer.
    """

    sizes: list[int]
    activations: list[Activation]
    reference: ReferenceNetwork | None
    eps: list[float]
    n_levels: list[int]

    def with_eps(self, n_inputs: int, estimator: Any) -> Architecture:
        """Return the architecture with shares of zeros, if there are none yet.

        Parameters
        ----------
        n_inputs : int
            Inputs of the first layer.
        estimator : NTKCompressor
            Its parameters say what the inputs are, and whether layers are trained.

        Returns
        -------
        Architecture
        """
        if self.eps:
            return self
        eps = [_EPS] * len(self.sizes)
        if estimator.input_encoding == "thresholds":
            inputs = [n_inputs, *self.sizes[:-1]]
            kept = _NONZEROS[estimator.hidden_weights == "trained"]
            eps = [
                share if k is None else max(0.0, 1 - k / size)
                for share, k, size in zip(
                    eps, [kept[0]] + [kept[1]] * (len(eps) - 1), inputs, strict=True
                )
            ]
        return replace(self, eps=eps)


def architecture(
    hidden_layer_sizes: Any,
    activation: Any,
    estimator: Any = None,
    widen: int = 1,
    hidden_weights: str | None = None,
    eps: Any = "auto",
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
        if widen != 1:
            raise ValueError(
                f"widen={widen} is a factor of the widths of estimator, got "
                f"estimator=None: set hidden_layer_sizes={hidden_layer_sizes!r} to the "
                "widths wanted, or give the network."
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
    is_auto = isinstance(eps, str)
    return Architecture(
        sizes,
        activations,
        reference,
        [] if is_auto else _checked_per_layer("eps", eps, len(sizes), EPS),
        _checked_per_layer("n_levels", n_levels, len(sizes), N_LEVELS),
    )


def read_architecture(estimator: Any) -> Architecture:
    """Return the hidden layers that an estimator's parameters ask for, or raise.

    Warn if trained weights, or parameters that were set, do not count.
    """
    found = architecture(
        estimator.hidden_layer_sizes,
        estimator.activation,
        estimator.estimator,
        estimator.widen,
        estimator.hidden_weights,
        estimator.eps,
        estimator.n_levels,
    )
    if found.reference is not None:
        _check_inputs(estimator, found.reference)
        warn_ignored(estimator, ("hidden_layer_sizes", "activation"), "the network's")
        idle = getattr(estimator, "target", "labels") == "labels"
        if idle and estimator.hidden_weights is None and found.reference.weights:
            warn_of_unused_weights(found.reference.name)
    return found


def warn_of_unused_weights(name: str) -> None:
    """Warn that the weights of a fitted network, of this name, are not used."""
    warn_user(
        f"The weights of the fitted {name} are not used. Only its widths and "
        "activations count; new weights are drawn. Set hidden_weights='fitted' to keep "
        "the signs of its weights, or hidden_weights='random' to draw new ones without "
        "this warning."
    )


def _check_inputs(estimator: Any, reference: ReferenceNetwork) -> None:
    """Raise ValueError if weights of a network are to serve for inputs of another."""
    if estimator.input_encoding == "linear" or reference.weights is None:
        return
    uses = estimator.hidden_weights in ("fitted", "trained")
    if uses or getattr(estimator, "target", "labels") != "labels":
        raise ValueError(
            f"input_encoding={estimator.input_encoding!r} makes bits of the columns. "
            f"The fitted {reference.name} in estimator has no weights for bits: it "
            "expects its own inputs. Use input_encoding='linear', or an estimator that "
            "is not fitted, for its widths and activations alone."
        )


def warn_ignored(estimator: Any, names: Iterable[str], whose: str) -> None:
    """Warn if parameters are not at their defaults, though `estimator` overrides them.

    Parameters
    ----------
    estimator : estimator
        Has the parameters, `estimator` among them.
    names : iterable of str
    whose : str
        Whose values count, for the message.
    """
    defaults = signature(type(estimator)).parameters
    ignored = [
        f"{name}={getattr(estimator, name)!r}"
        for name in names
        if _differs(getattr(estimator, name), defaults[name].default)
    ]
    if ignored:
        warn_user(
            f"{', '.join(ignored)}: ignored beside estimator="
            f"{type(thawed(estimator.estimator)).__name__}, {whose} count."
        )


def _differs(value: Any, default: Any) -> bool:
    """Return whether a parameter is not its default; arrays never are."""
    if isinstance(value, np.ndarray):
        return True
    return value is not default and bool(value != default)


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
