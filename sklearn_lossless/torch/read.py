"""From modules of PyTorch to integer layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from torch import nn

from ..network import Addition, Convolution, Pooling
from ..network.kinds import Layer
from .read_pooling import LARGEST, read_pooling
from .reader import Codes, Reader, flat
from .shortcuts import Residual, Subsample
from .steps import InputQuantizer, StepActivation
from .ternary import TernaryConv2d, TernaryLinear

__all__ = ["ReadLayers", "read_layers"]

Array = npt.NDArray[Any]

#: Layers that do nothing when a trained network predicts.
_TRANSPARENT = (nn.Dropout, nn.Dropout2d, nn.Identity)

#: Functions of the scores that leave the order of the classes as it is.
_ENDINGS = (nn.Softmax, nn.LogSoftmax, nn.Sigmoid)


class ReadLayers(NamedTuple):
    """What the modules of a network say.

    Attributes
    ----------
    layers : list of layers
        Of the integer network, without lines.
    steps : list of StepActivation
        The module of each layer that has neurons.
    coef : ndarray of shape (n_outputs, n_codes), dtype float64
        Weights of the last codes in the readout.
    intercept : ndarray of shape (n_outputs,), dtype float64
    """

    layers: list[Layer]
    steps: list[StepActivation]
    coef: Array
    intercept: Array


def read_layers(
    module: Any, shape: tuple[int, ...], unit: float, largest: int
) -> ReadLayers:
    """Read the modules of a network, after those of the input.

    Parameters
    ----------
    module : Sequential
        In evaluation mode, on the CPU.
    shape : tuple of int
        Height, width and channels of the inputs, or their number.
    unit : float
        Value of an input code.
    largest : int
        Largest input code.

    Returns
    -------
    ReadLayers

    Raises
    ------
    ValueError
        If a module cannot be read; it says which one and what would work.
    """
    reader = Reader(shape, unit, largest)
    _read_all(reader, module, "module")
    if reader.readout is None:
        raise ValueError(
            "the module must end with an nn.Linear, the readout, after "
            f"{reader.place or 'hidden layers'}."
        )
    if not reader.layers:
        raise ValueError("the module has no hidden layer: it is a linear model.")
    return ReadLayers(reader.layers, reader.steps, *reader.readout)


def _read_all(reader: Reader, module: Any, place: str) -> None:
    """Read a module, and all in it if it is a Sequential."""
    for where, each in flat(module, place):
        reader.place, reader.name = where, type(each).__name__
        _read(reader, each)


def _read(reader: Reader, module: Any) -> None:
    if isinstance(module, _TRANSPARENT):
        return
    if reader.readout is not None:
        if isinstance(module, _ENDINGS):
            return
        raise reader.wrong(
            "comes after an nn.Linear, the readout",
            "TernaryLinear in hidden layers, and the nn.Linear at the end",
        )
    for kind, read in _READERS.items():
        if isinstance(module, kind):
            read(reader, module)
            return
    for kinds, instead in _INSTEAD.items():
        if isinstance(module, kinds):
            raise reader.wrong("is not ternary or a step", f"{instead} in its place")
    raise reader.wrong("is not known", f"{_KNOWN}; a module of your own as these")


def _read_conv(reader: Reader, module: TernaryConv2d) -> None:
    """Begin a convolution."""
    reader.check_closed()
    shape = reader.picture()
    _check_plain(reader, module)
    n_channels, size = module.in_channels, module.kernel_size
    if n_channels != shape[2]:
        raise reader.wrong(
            f"takes {n_channels} channels but sees {shape[2]}",
            f"in_channels={shape[2]}",
        )
    padding: Any = module.padding
    if isinstance(padding, tuple):
        padding = padding[0]
    frame = {
        "shape_in": shape,
        "size": (int(size[0]), int(size[1])),
        "stride": int(module.stride[0]),
        "padding": padding or "valid",
    }
    outside = 2 * padding if isinstance(padding, int) else 0
    is_large = any(s > n + outside for s, n in zip(size, shape, strict=False))
    if padding != "same" and is_large:
        raise reader.wrong(
            f"has filters of {size[0]} x {size[1]}, larger than the pictures of "
            f"{shape[0]} x {shape[1]} that it sees",
            "smaller filters, less pooling before, or padding",
        )
    signs = module.signs().detach().cpu().numpy().astype(np.int8)
    signs = signs.transpose(0, 2, 3, 1).reshape(len(signs), -1)
    reader.begin(module, signs, **frame)


def _check_plain(reader: Reader, module: TernaryConv2d) -> None:
    """Raise if a convolution has options that integer ones have not."""
    strides, padding = set(module.stride), module.padding
    plain = len(strides) == 1 and module.groups == 1
    plain &= set(module.dilation) == {1} and module.padding_mode == "zeros"
    plain &= isinstance(padding, str) or len(set(padding)) == 1
    if not plain:
        raise reader.wrong(
            "has options of its own",
            "one stride and one padding for both directions, dilation=1, groups=1, "
            "padding_mode='zeros'",
        )


def _read_linear(reader: Reader, module: TernaryLinear) -> None:
    """Begin a dense layer."""
    reader.check_closed()
    if reader.codes.parts != (1, 1):
        raise reader.too_many_bits()
    weights = module.signs().detach().cpu().numpy().astype(np.int8)
    reader.begin(module, reader.by_place(weights))


def _read_norm(reader: Reader, module: Any) -> None:
    """Take a normalisation into the neurons before it, or into single inputs."""
    if module.running_mean is None:
        raise reader.wrong("has no running statistics", "track_running_stats=True")
    if reader.open is None:
        reader.begin_alone()
    assert reader.open is not None
    if reader.open.norm is not None:
        raise reader.wrong("comes after another one", "one normalisation")
    n = len(reader.open.signs)
    if module.num_features != n:
        raise reader.wrong(
            f"has {module.num_features} features but sees {n}", f"num_features={n}"
        )
    reader.open.norm = module


def _read_step(reader: Reader, module: StepActivation) -> None:
    """End neurons, or the codes themselves."""
    if reader.open is None:
        reader.begin_alone()
    reader.put(reader.neurons(module))
    reader.now(module.step_size, module.n_levels - 1)


def _read_flatten(reader: Reader, module: nn.Flatten) -> None:
    """Remember that codes are in a row, in PyTorch's order."""
    reader.check_closed()
    if module.start_dim != 1 or module.end_dim not in (-1, len(reader.codes.shape)):
        raise reader.wrong("keeps axes", "nn.Flatten()")
    reader.is_flat = True
    if reader.codes.number < 0:  # rows have PyTorch's order then
        reader.codes = reader.codes._replace(shape=(math.prod(reader.codes.shape),))


def _read_residual(reader: Reader, module: Residual) -> None:
    """Read a branch, then what is added to it."""
    reader.check_closed()
    place, name = reader.place, reader.name
    reader.picture()
    before = reader.codes
    _read_all(reader, module.branch, f"{place}.branch")
    branch = reader.codes
    reader.place, reader.name = place, name
    if reader.open is not None or branch.number == before.number:
        raise reader.wrong("has a branch without an end", "a StepActivation at its end")
    if len(branch.shape) != 3 or reader.is_flat:
        raise reader.wrong("has a branch that ends without pictures", "convolutions")
    shortcut: Convolution | Pooling | None = None
    first_channel, unit, largest = 0, before.unit, before.largest
    around = module.shortcut
    if isinstance(around, Subsample):
        height, width, channels = before.shape
        rows, columns = (tuple(range(0, n, around.stride)) for n in (height, width))
        shortcut = Pooling(
            (height, width, channels), (1, 1), rows, columns, largest, "max"
        )
        first_channel = around.extra_channels // 2
    elif around is not None and not isinstance(around, nn.Identity):
        shortcut = _read_shortcut(reader, around, before)
        unit, largest = reader.steps[-1].step_size, shortcut.largest_code
        reader.place, reader.name = place, name
    if not math.isclose(unit, branch.unit, rel_tol=1e-12):
        raise reader.wrong(
            f"adds codes of step size {unit:.6g} to those of {branch.unit:.6g}",
            "a StepActivation of as many levels at the end of the branch and of "
            "what the shortcut sees",
        )
    if branch.largest + largest > LARGEST:
        raise reader.wrong(
            f"may add up to {branch.largest + largest}, more than 8 bits hold",
            "a StepActivation after some of the sums",
        )
    shape, seen = ((h, w, c) for h, w, c in (branch.shape, before.shape))
    try:
        added = Addition(
            shape,
            branch.largest,
            before.number,
            seen,
            before.largest,
            shortcut,
            first_channel,
        )
    except ValueError as error:
        raise reader.wrong(
            f"does not fit ({error})", "a shortcut of the shape of the branch"
        ) from None
    missing = shape[2] - added.shape_added[2]
    if missing != (around.extra_channels if isinstance(around, Subsample) else 0):
        raise reader.wrong(
            f"adds {added.shape_added[2]} channels to {shape[2]}",
            "a shortcut of as many channels",
        )
    reader.put(added)
    reader.now(unit, added.largest_code)


def _read_shortcut(reader: Reader, module: Any, before: Codes) -> Convolution:
    """Return the convolution that a shortcut is."""
    reader.codes, reader.is_flat = before, False
    kinds = [type(each) for _, each in flat(module, "")]
    kinds = [each for each in kinds if not issubclass(each, _TRANSPARENT)]
    right = kinds in (
        [TernaryConv2d, nn.BatchNorm2d, StepActivation],
        [TernaryConv2d, StepActivation],
    )
    if not right:
        raise reader.wrong(
            f"has the shortcut {', '.join(each.__name__ for each in kinds)}",
            "none, a Subsample, or an nn.Sequential of a TernaryConv2d, maybe "
            "BatchNorm2d, and a StepActivation",
        )
    step = None
    for where, each in flat(module, f"{reader.place}.shortcut"):
        reader.place, reader.name = where, type(each).__name__
        if isinstance(each, StepActivation):
            step = each
        else:
            _read(reader, each)
    assert step is not None
    layer = reader.neurons(step)
    assert isinstance(layer, Convolution)
    return layer


def _read_readout(reader: Reader, module: nn.Linear) -> None:
    """Read the last layer, whose weights are real."""
    reader.check_closed()
    weight = module.weight.detach().double().cpu().numpy()
    coef = reader.by_place(weight, reader.codes.parts) * reader.codes.unit
    intercept = np.zeros(len(coef))
    if module.bias is not None:
        intercept = module.bias.detach().double().cpu().numpy()
    reader.readout = coef, intercept


def _read_quantizer(reader: Reader, module: InputQuantizer) -> None:
    """Raise: the quantiser comes first."""
    raise reader.wrong("is not the first module", "it at the beginning")


#: How each kind of module is read; derived ones come before what they derive from.
_READERS: dict[Any, Callable[[Reader, Any], None]] = {
    TernaryConv2d: _read_conv,
    TernaryLinear: _read_linear,
    StepActivation: _read_step,
    nn.BatchNorm1d: _read_norm,
    nn.BatchNorm2d: _read_norm,
    nn.MaxPool2d: read_pooling,
    nn.AvgPool2d: read_pooling,
    nn.AdaptiveAvgPool2d: read_pooling,
    nn.Flatten: _read_flatten,
    Residual: _read_residual,
    nn.Linear: _read_readout,
    InputQuantizer: _read_quantizer,
}

_KNOWN = ", ".join(
    [*(each.__name__ for each in _READERS), "Sequential", "Dropout", "Identity"]
)

#: What takes the place of common modules.
_INSTEAD: dict[Any, str] = {
    nn.Conv2d: "TernaryConv2d",
    (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.ELU, nn.Tanh, nn.Sigmoid): (
        "StepActivation"
    ),
}
