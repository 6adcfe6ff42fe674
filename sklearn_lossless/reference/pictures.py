"""Reference networks of pictures: convolutions, poolings, then dense layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..layers import Conv2D, Dense, Pool2D
from ..network.build_convolution import output_shapes
from ..theory import Activation
from .network import Array

__all__ = ["PictureReference", "ReferencePart", "shape_after"]


@dataclass(frozen=True, eq=False)
class ReferencePart:
    """A layer of a reference network of pictures.

    Parameters
    ----------
    place : str
        Kind and place in the network, for messages.
    layer : Conv2D, Pool2D or Dense
        The layer that compresses it.
    activation : Activation or None
        None: a pooling, or the output layer.
    weight : ndarray of shape (n_taps, n_outputs) or None
        Of a pooling None. Inputs of a filter with the channels last; those of a dense
        layer as torch flattens pictures, with the channels first.
    bias : ndarray of shape (n_outputs,) or None
    n_inputs : int or None
        Channels that a convolution sees, inputs of a dense layer.
    """

    place: str
    layer: Conv2D | Pool2D | Dense
    activation: Activation | None = None
    weight: Array | None = None
    bias: Array | None = None
    n_inputs: int | None = None


@dataclass(frozen=True, eq=False)
class PictureReference:
    """A reference network of pictures, with its weights.

    Parameters
    ----------
    name : str
        For messages.
    hidden : tuple of ReferencePart
        The hidden layers.
    readout : ReferencePart
        The output layer, which is fitted anew; its number of inputs is checked.
    """

    name: str
    hidden: tuple[ReferencePart, ...]
    readout: ReferencePart

    @property
    def layers(self) -> list[Conv2D | Pool2D | Dense]:
        """The hidden layers that compress it."""
        return [part.layer for part in self.hidden]

    @property
    def activations(self) -> list[Activation]:
        """Activation of each hidden layer but poolings."""
        return [part.activation for part in self.hidden if part.activation is not None]

    def check(self, shape: tuple[int, int, int]) -> None:
        """Raise ValueError if the network does not see pictures of this shape.

        Parameters
        ----------
        shape : tuple of 3 int
            Height, width and channels.
        """
        seen: tuple[int, ...] = shape
        for part in (*self.hidden, self.readout):
            _check_part(part, seen)
            seen = shape_after(part.layer, seen)

    def weights_at(self, shape: tuple[int, int, int]) -> list[tuple[Array, Array]]:
        """Return weights and biases of the hidden layers that have some.

        Parameters
        ----------
        shape : tuple of 3 int
            Height, width and channels of the pictures.

        Returns
        -------
        list of tuples of ndarray of shape (n_inputs, n_outputs) and (n_outputs,)
            Inputs of dense layers in the order of our codes: channels last.
        """
        found, seen = [], tuple(shape)
        for part in self.hidden:
            if part.weight is not None and part.bias is not None:
                weight = part.weight
                if isinstance(part.layer, Dense) and len(seen) == 3:
                    weight = _channels_last(weight, (seen[0], seen[1], seen[2]))
                found.append((weight, part.bias))
            seen = shape_after(part.layer, seen)
        return found


def shape_after(layer: Any, seen: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape that a layer puts out of codes of the shape `seen`."""
    if isinstance(layer, Dense):
        return (layer.n_units,)
    return output_shapes((seen[0], seen[1], seen[2]), [layer])[0]


def _channels_last(weight: Array, shape: Sequence[int]) -> Array:
    """Return weights of inputs (channel, row, column) as (row, column, channel)."""
    height, width, channels = shape
    by_place = weight.reshape(channels, height, width, -1).transpose(1, 2, 0, 3)
    return np.ascontiguousarray(by_place.reshape(len(weight), -1))


def _check_part(part: ReferencePart, seen: tuple[int, ...]) -> None:
    """Raise ValueError if a layer does not take what it sees."""
    what = " x ".join(map(str, seen))
    if isinstance(part.layer, Pool2D) and part.layer.grid is not None:
        grid: Any = part.layer.grid
        if any(n % g for n, g in zip(seen, grid, strict=False)):
            raise ValueError(
                f"the {part.place} sees {what} (height, width, channels): its grid of "
                f"{grid[0]} x {grid[1]} has windows that overlap. Expected one that "
                "divides height and width."
            )
    if part.n_inputs is None:
        return
    takes = seen[2] if isinstance(part.layer, Conv2D) else math.prod(seen)
    if part.n_inputs != takes:
        unit = "channels" if isinstance(part.layer, Conv2D) else "inputs"
        raise ValueError(
            f"the {part.place} takes {part.n_inputs} {unit}, but sees {what}. Expected "
            "image_shape=(height, width, channels) of the pictures that the network "
            "was made for."
        )
