"""What is known while the modules of a network are read, one by one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from torch import nn

from ..network import Convolution, Dense, TernaryWeights
from ..network.kinds import Layer
from .steps import StepActivation
from .thresholds import Neurons, integer_steps

__all__ = ["Codes", "Reader", "flat"]

Array = npt.NDArray[Any]


def flat(module: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Yield place and module of each layer, those of a Sequential in it too."""
    if isinstance(module, nn.Sequential):
        # Not named_children: it leaves out modules that come again.
        for name, each in module._modules.items():
            yield from flat(each, f"{place}[{name}]")
    else:
        yield place, module


class Codes(NamedTuple):
    """The codes that a layer puts out, and what they stand for."""

    #: Number of the layer, -1 for the inputs.
    number: int
    shape: tuple[int, ...]
    #: Value of code 1; code 0 is 0.
    unit: float
    largest: int
    #: Parts that the windows of a pooling were cut into, down and across.
    parts: tuple[int, int] = (1, 1)


class Reader:
    """The layers so far, and what their codes are.

    Parameters
    ----------
    shape : tuple of int
        Height, width and channels of the inputs, or their number.
    unit : float
        Value of an input code.
    largest : int
        Largest input code.
    """

    def __init__(self, shape: tuple[int, ...], unit: float, largest: int) -> None:
        self.layers: list[Layer] = []
        self.steps: list[StepActivation] = []
        self.codes = Codes(-1, shape, unit, largest)
        self.is_flat = len(shape) == 1
        self.open: Neurons | None = None
        #: Of the open neurons, how a convolution lies in the picture.
        self.frame: dict[str, Any] = {}
        self.readout: tuple[Array, Array] | None = None
        self.place, self.name = "", ""

    def wrong(self, what: str, instead: str) -> ValueError:
        """Return the error of the module that is read now."""
        return ValueError(
            f"{self.name} at {self.place} cannot be read, as it {what}. What would "
            f"work: {instead}."
        )

    def check_closed(self) -> None:
        """Raise if neurons have no activation yet."""
        if self.open is not None:
            raise self.wrong(
                f"comes after {self.open.place}, which has no activation yet",
                "a StepActivation between them (poolings come after it)",
            )

    def picture(self) -> tuple[int, int, int]:
        """Return the shape of the last codes; raise if they are no picture."""
        if len(self.codes.shape) != 3 or self.is_flat:
            raise self.wrong("sees no pictures", "it before nn.Flatten and linear")
        if self.codes.parts != (1, 1):
            raise self.too_many_bits()
        height, width, channels = self.codes.shape
        return height, width, channels

    def begin(self, module: Any, signs: Array, **frame: Any) -> None:
        """Begin neurons; `frame` says how a convolution lies in the picture."""
        codes = self.codes
        self.open = Neurons(self.place, module, signs, codes.unit, codes.largest)
        self.frame = frame

    def begin_alone(self) -> None:
        """Begin neurons that see one input each: a channel, or a code."""
        if self.codes.parts != (1, 1):
            raise self.too_many_bits()
        if len(self.codes.shape) == 3 and self.is_flat:
            raise self.wrong(
                "sees a flattened picture", "it in front of nn.Flatten, as BatchNorm2d"
            )
        n = self.codes.shape[-1]
        frame: dict[str, Any] = {}
        if len(self.codes.shape) == 3:
            frame = {"shape_in": self.codes.shape, "size": (1, 1)}
        self.begin(None, np.eye(n, dtype=np.int8), **frame)

    def neurons(self, step: StepActivation) -> Dense | Convolution:
        """Return the open neurons as a layer, closed by a step."""
        assert self.open is not None
        signs, thresholds = integer_steps(self.open, step)
        dense = Dense(
            n_inputs=signs.shape[1],
            n_outputs=len(signs),
            n_nonzeros=self.open.n_nonzeros,
            thresholds=thresholds,
            levels=np.arange(step.n_levels, dtype=np.uint8),
            centre=np.zeros(1, dtype=np.int64),
            weights=TernaryWeights.of_signs(signs),
        )
        frame, self.open, self.frame = self.frame, None, {}
        self.steps.append(step)
        return Convolution(dense, **frame) if frame else dense

    def put(self, layer: Layer) -> None:
        """Add a layer."""
        self.layers.append(layer)

    def now(self, unit: float, largest: int, parts: tuple[int, int] = (1, 1)) -> None:
        """Say what the codes of the last layer stand for."""
        layer = self.layers[-1]
        number = len(self.layers) - 1
        self.codes = Codes(number, layer.shape_out, unit, largest, parts)
        self.is_flat = len(layer.shape_out) == 1

    def by_place(self, weights: Array, parts: tuple[int, int] = (1, 1)) -> Array:
        """Return weights with the channels of pictures last, as codes are."""
        shape = self.codes.shape
        if not self.is_flat:
            raise self.wrong("sees pictures", "nn.Flatten before it")
        n_inputs = math.prod(shape) // math.prod(parts)
        if weights.shape[1] != n_inputs:
            raise self.wrong(
                f"takes {weights.shape[1]} inputs but sees {n_inputs}",
                f"in_features={n_inputs}",
            )
        if len(shape) == 1:
            return weights
        height, width = shape[0] // parts[0], shape[1] // parts[1]
        by_place = weights.reshape(-1, shape[2], height, width).transpose(0, 2, 3, 1)
        by_place = by_place.repeat(parts[0], axis=1).repeat(parts[1], axis=2)
        return by_place.reshape(len(weights), -1)

    def too_many_bits(self) -> ValueError:
        """Return the error of a module that sees a pooling cut into parts."""
        return self.wrong(
            "sees sums of a pooling that have more than 8 bits",
            "smaller windows, a StepActivation before the pooling, or the pooling "
            "right before the readout",
        )
