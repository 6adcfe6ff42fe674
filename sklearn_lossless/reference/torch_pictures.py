"""Read networks of pictures of PyTorch, without importing it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from .._not_restored import NotRestored
from ..layers import Conv2D, Dense, Pool2D
from .architecture import thawed
from .network import Array
from .pictures import PictureReference, ReferencePart
from .torch_sequential import (
    ACTIVATION_MODULES,
    ENDING_MODULES,
    flat,
    is_sequential,
    to_array,
)

__all__ = ["read_pictures"]

#: Layers that do nothing when a trained network predicts.
_TRANSPARENT = ("Dropout", "Dropout1d", "Dropout2d", "Identity")


def read_pictures(estimator: Any) -> PictureReference:
    """Read a torch.nn.Sequential of convolutions, poolings and linear layers.

    Parameters
    ----------
    estimator : torch.nn.Sequential or torch.nn.Module
        Or one in a FrozenEstimator. Modules of another Module are taken in the order in
        which they were set; whether it uses them so is seen when it is checked.

    Returns
    -------
    PictureReference

    Raises
    ------
    TypeError
        If it is something else.
    ValueError
        If it has a layer that cannot be compressed, or is no such network.
    """
    model = thawed(estimator)
    nn = sys.modules.get("torch.nn")
    if nn is None or not isinstance(model, nn.Module):
        hint = ""
        if isinstance(model, NotRestored):
            hint = (
                " The model comes from a file, which does not hold it: "
                "set_params(estimator=...) first."
            )
        raise TypeError(
            "estimator must be a torch.nn.Sequential of Conv2d, poolings and Linear, "
            f"got {type(model).__name__}.{hint}"
        )
    own = not is_sequential(model)
    reading = _Reading(type(model).__name__, flattens=own)
    modules = list(model.children()) if own else model
    found = [each for each in flat(modules) if each[1] not in _TRANSPARENT]
    if len(found) > 1 and found[-1][1] in ENDING_MODULES:
        found.pop()
    for place, kind, module in found:
        where = "torch.nn.Sequential" if not own else reading.name
        reading.place = f"layer {kind} at {place} of the {where}"
        reading.read(kind, module)
    reference = reading.whole(model)
    return replace(reference, run=partial(_run, model)) if own else reference


def _run(model: Any, X: Array) -> Array:
    """Return what a copy of a module makes of pictures with the channels last."""
    torch = sys.modules["torch"]
    module = deepcopy(model).eval()  # a forward pass may change statistics
    first = next(module.parameters())
    pictures = torch.as_tensor(X.transpose(0, 3, 1, 2), dtype=first.dtype)
    with torch.no_grad():
        return to_array(module(pictures.to(first.device)))


@dataclass
class _Reading:
    """Layers that were read, and where the reader is."""

    name: str
    flattens: bool  # whether pictures may be flattened by no module
    parts: list[ReferencePart] = field(default_factory=list)
    place: str = ""
    is_flat: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the last layer has weights and no activation yet."""
        return bool(self.parts) and (
            self.parts[-1].weight is not None and self.parts[-1].activation is None
        )

    def wrong(self, what: str, expected: str) -> ValueError:
        """Return the error of the layer that is read."""
        return ValueError(
            f"the {self.place} {what} and cannot be compressed: expected {expected}."
        )

    def read(self, kind: str, module: Any) -> None:
        """Add a layer."""
        if kind in ACTIVATION_MODULES:
            if not self.is_open:
                raise self.wrong("does not follow Conv2d or Linear", "one before it")
            activation = ACTIVATION_MODULES[kind](module)
            self.parts[-1] = replace(self.parts[-1], activation=activation)
        elif kind in _NORMS:
            self._read_norm(kind, module)
        elif kind == "Flatten":
            if self.is_open:
                raise self.wrong("comes before an activation", "one before it")
            plain = (getattr(module, "start_dim", 1), getattr(module, "end_dim", -1))
            if plain != (1, -1):
                raise self.wrong("has dimensions of its own", "start_dim=1, end_dim=-1")
            self.is_flat = True
        elif kind in _READERS:
            if self.is_open:
                raise self.wrong(
                    "comes before an activation",
                    f"one of {', '.join(ACTIVATION_MODULES)} before it",
                )
            if kind != "Linear" and self.is_flat:
                raise self.wrong("comes after Flatten", "Linear layers there")
            if kind == "Linear" and self.flattens and self.parts:
                self.is_flat = True
            if kind == "Linear" and not self.is_flat:
                raise self.wrong("sees pictures", "Flatten before it")
            self.parts.append(_READERS[kind](self, module))
        else:
            known = [*_READERS, *_NORMS, "Flatten", *ACTIVATION_MODULES, *_TRANSPARENT]
            raise self.wrong("is not known", f"one of {', '.join(known)}")

    def _read_norm(self, kind: str, module: Any) -> None:
        """Fold a normalisation into the layer before."""
        last = self.parts[-1] if self.is_open else None
        own = None if last is None else _NORMS[kind]
        if last is None or not isinstance(last.layer, own or ()):
            before = "Conv2d" if kind == "BatchNorm2d" else "Linear"
            raise self.wrong(f"does not follow {before}", "it between that and ReLU")
        if module.running_mean is None or module.running_var is None:
            raise self.wrong("has no running statistics", "track_running_stats=True")
        mean, variance = to_array(module.running_mean), to_array(module.running_var)
        assert last.weight is not None
        assert last.bias is not None
        if len(mean) != len(last.bias):
            raise self.wrong(f"has {len(mean)} features", "as many as the layer before")
        factor = 1 / np.sqrt(variance + module.eps)
        shift = np.zeros_like(mean)
        if module.weight is not None:
            factor, shift = factor * to_array(module.weight), to_array(module.bias)
        self.parts[-1] = replace(
            last,
            weight=last.weight * factor,
            bias=(last.bias - mean) * factor + shift,
        )

    def whole(self, model: Any) -> PictureReference:
        """Return the network that was read."""
        hidden, last = self.parts[:-1], self.parts[-1] if self.parts else None
        if (
            last is None
            or not isinstance(last.layer, Dense)
            or last.activation is not None
            or not hidden
            or not isinstance(hidden[0].layer, Conv2D)
        ):
            raise ValueError(
                f"the {self.name} must begin with a Conv2d and end with Flatten "
                f"and Linear, the output layer, got {model}. A network of Linear "
                "layers alone is for CompressedMLPClassifier."
            )
        for part in hidden:
            for values in (part.weight, part.bias):
                if values is not None and not np.isfinite(values).all():
                    raise ValueError(
                        f"the {part.place} has weights that are not finite."
                    )
        return PictureReference(self.name, tuple(hidden), last)


def _pair(value: Any) -> tuple[int, int]:
    height, width = value if isinstance(value, (tuple, list)) else (value, value)
    return int(height), int(width)


def _short(pair: tuple[int, int]) -> int | tuple[int, int]:
    """Return one number for two equal ones."""
    return pair[0] if pair[0] == pair[1] else pair


def _bias(module: Any, n_outputs: int) -> Array:
    return np.zeros(n_outputs) if module.bias is None else to_array(module.bias)


def _read_convolution(reading: _Reading, module: Any) -> ReferencePart:
    if _pair(module.dilation) != (1, 1):
        raise reading.wrong(f"has dilation={module.dilation}", "dilation=1")
    if module.groups != 1:
        raise reading.wrong(f"has groups={module.groups}", "groups=1")
    if module.padding_mode != "zeros":
        raise reading.wrong(
            f"has padding_mode={module.padding_mode!r}", "padding_mode='zeros'"
        )
    stride = _pair(module.stride)
    if stride[0] != stride[1]:
        raise reading.wrong(f"has stride={stride}", "one number for both directions")
    padding = module.padding
    if not isinstance(padding, str):
        above, left = _pair(padding)
        if above != left:
            raise reading.wrong(
                f"has padding={(above, left)}", "one number for both directions"
            )
        padding = above or "valid"
    kernel = to_array(module.weight)  # outputs, channels, rows, columns
    n_filters, channels, height, width = kernel.shape
    return ReferencePart(
        reading.place,
        Conv2D(n_filters, _short((height, width)), stride[0], padding),
        None,
        kernel.transpose(2, 3, 1, 0).reshape(-1, n_filters),
        _bias(module, n_filters),
        channels,
    )


def _read_linear(reading: _Reading, module: Any) -> ReferencePart:
    weight = to_array(module.weight).T
    n_inputs, n_outputs = weight.shape
    bias = _bias(module, n_outputs)
    layer = Dense(n_outputs)
    return ReferencePart(reading.place, layer, None, weight, bias, n_inputs)


def _read_pooling(reading: _Reading, module: Any) -> ReferencePart:
    size = _pair(module.kernel_size)
    stride = size if module.stride is None else _pair(module.stride)
    if stride != size:
        raise reading.wrong(
            f"has windows of {size} with stride={stride}", "windows side by side"
        )
    plain = _pair(module.padding) == (0, 0) and not module.ceil_mode
    plain &= _pair(getattr(module, "dilation", 1)) == (1, 1)
    plain &= getattr(module, "divisor_override", None) is None
    if not plain:
        raise reading.wrong(
            "has options of its own",
            "padding=0, dilation=1, ceil_mode=False, divisor_override=None",
        )
    kind = "max" if type(module).__name__ == "MaxPool2d" else "sum"
    return ReferencePart(reading.place, Pool2D(_short(size), kind=kind))


def _read_adaptive(reading: _Reading, module: Any) -> ReferencePart:
    grid = module.output_size
    grid = grid if isinstance(grid, (tuple, list)) else (grid, grid)
    if None in grid:
        raise reading.wrong(f"has output_size={grid}", "numbers in it")
    kind = "max" if type(module).__name__ == "AdaptiveMaxPool2d" else "sum"
    return ReferencePart(reading.place, Pool2D(grid=_short(_pair(grid)), kind=kind))


#: Layers that are no activations.
_READERS: dict[str, Callable[[_Reading, Any], ReferencePart]] = {
    "Conv2d": _read_convolution,
    "Linear": _read_linear,
    "AvgPool2d": _read_pooling,
    "MaxPool2d": _read_pooling,
    "AdaptiveAvgPool2d": _read_adaptive,
    "AdaptiveMaxPool2d": _read_adaptive,
}

#: Normalisations, and the layers that they are folded into.
_NORMS: dict[str, type] = {"BatchNorm2d": Conv2D, "BatchNorm1d": Dense}
