"""Read the networks of PyTorch, without importing it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..theory import ACTIVATIONS, Activation, get_activation, leaky_relu
from .network import Array, ReferenceLayer, ReferenceNetwork

__all__ = [
    "ACTIVATION_MODULES",
    "ENDING_MODULES",
    "flat",
    "is_sequential",
    "read_sequential",
    "to_array",
]


def is_sequential(estimator: Any) -> bool:
    """Return whether `estimator` is a torch.nn.Sequential."""
    # Whoever has one has imported torch.
    nn = sys.modules.get("torch.nn")
    return nn is not None and isinstance(estimator, nn.Sequential)


def read_sequential(model: Any) -> ReferenceNetwork:
    """Read a torch.nn.Sequential of layers with activations between them."""
    found = [each for each in flat(model) if each[1] not in _TRANSPARENT]
    ending = "identity"
    if len(found) > 1 and found[-1][1] in ENDING_MODULES:
        ending = ENDING_MODULES[found.pop()[1]]
    layers: list[ReferenceLayer] = []
    for place, kind, module in found:
        open_ended = bool(layers) and layers[-1].activation is None
        expected = list(ACTIVATION_MODULES if open_ended else _LAYERS)
        if kind not in expected:
            raise ValueError(
                f"layer {kind}, at {place} of the torch.nn.Sequential, cannot be "
                f"compressed there: expected {' or '.join(expected)}."
            )
        if open_ended:
            layers[-1] = replace(
                layers[-1], activation=ACTIVATION_MODULES[kind](module)
            )
        else:
            layers.append(_LAYERS[kind](module))
            _check_chain(layers, kind, place)
    if len(layers) < 2 or layers[-1].activation is not None:
        raise ValueError(
            "the torch.nn.Sequential must be Linear layers with activations between "
            f"them, at least one hidden layer and a Linear one at the end, got {model}."
        )
    return ReferenceNetwork("Sequential", tuple(layers[:-1]), layers[-1], ending=ending)


def flat(model: Any, prefix: str = "") -> Iterator[tuple[str, str, Any]]:
    """Yield place, kind and module of each layer, those of a Sequential in it too."""
    for number, module in enumerate(model):
        place, kind = f"{prefix}[{number}]", type(module).__name__
        if kind == "Sequential":
            yield from flat(module, place)
        else:
            yield place, kind, module


def _check_chain(layers: list[ReferenceLayer], kind: str, place: str) -> None:
    """Raise if the last layer does not fit the one before."""
    if len(layers) < 2:
        return
    n_inputs, n_outputs = layers[-1].n_inputs, layers[-2].n_outputs
    if n_inputs != n_outputs:
        raise ValueError(
            f"the {kind} layer at {place} of the torch.nn.Sequential takes {n_inputs} "
            f"inputs, but the one before has {n_outputs} outputs."
        )


def to_array(tensor: Any) -> Array:
    """Return a tensor as an array of doubles."""
    return tensor.detach().double().cpu().numpy()


def _read_linear(module: Any) -> ReferenceLayer:
    weight = to_array(module.weight).T
    n_outputs = weight.shape[1]
    bias = np.zeros(n_outputs) if module.bias is None else to_array(module.bias)
    return ReferenceLayer(n_outputs, None, weight, bias)


def _read_gelu(module: Any) -> Activation:
    if getattr(module, "approximate", "none") == "tanh":
        return get_activation(_tanh_gelu)
    return ACTIVATIONS["gelu"]


def _elu(t: Array, *, alpha: float) -> Array:
    return np.where(t > 0, t, alpha * np.expm1(np.minimum(t, 0.0)))


def _tanh_gelu(t: Array) -> Array:
    return 0.5 * t * (1 + np.tanh(np.sqrt(2 / np.pi) * (t + 0.044715 * t**3)))


def _softplus(t: Array, *, beta: float) -> Array:
    return np.logaddexp(0.0, beta * t) / beta


#: Layers that have weights: how each kind is read, activation aside.
_LAYERS: dict[str, Callable[[Any], ReferenceLayer]] = {"Linear": _read_linear}

#: Activations between layers.
ACTIVATION_MODULES: dict[str, Callable[[Any], Activation]] = {
    "ReLU": lambda module: ACTIVATIONS["relu"],
    "Tanh": lambda module: ACTIVATIONS["tanh"],
    "Sigmoid": lambda module: ACTIVATIONS["logistic"],
    "SiLU": lambda module: ACTIVATIONS["silu"],
    "GELU": _read_gelu,
    "LeakyReLU": lambda module: leaky_relu(module.negative_slope),
    "ELU": lambda module: get_activation(partial(_elu, alpha=module.alpha)),
    "Softplus": lambda module: get_activation(partial(_softplus, beta=module.beta)),
}

#: Activations of the output layer, by their names in `teacher.ENDINGS`.
ENDING_MODULES = {
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
    "Sigmoid": "logistic",
}

#: Layers that do nothing when a trained network predicts.
_TRANSPARENT = ("Flatten", "Dropout", "Identity")
