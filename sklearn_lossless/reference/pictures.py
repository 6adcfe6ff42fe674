"""Reference networks of pictures: convolutions, poolings, then dense layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..layers import Conv2D, Dense, Pool2D, sides
from ..network.build_convolution import frame_of, output_shapes, pooling_of
from ..network.convolution_from_weights import filter_sums, pooled_values
from ..theory import Activation
from .network import Array

__all__ = ["PictureReference", "ReferencePart", "shape_after"]

#: Outputs that differ by less, relative to the largest, are the same; torch has floats.
_SAME = 1e-3


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
    run : callable or None, default=None
        Where the order of the layers is guessed: what the network makes of pictures
        (n_samples, height, width, channels), which tells whether it is right.
    """

    name: str
    hidden: tuple[ReferencePart, ...]
    readout: ReferencePart
    run: Callable[[Array], Array] | None = None

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
        if self.run is None:
            return
        X = np.random.default_rng(0).normal(size=(4, *shape))
        expected = self.run(X)
        found = self.outputs(X.reshape(4, -1), shape)
        error = np.inf
        if found.shape == expected.shape:
            error = np.abs(found - expected).max()
        if not error <= _SAME * np.abs(expected).max():
            raise ValueError(
                f"the forward method of {self.name} does not apply its modules one "
                "after the other, as they were set. Put them into a "
                "torch.nn.Sequential, functions as modules too, in the order in which "
                "they are used."
            )

    def outputs(self, X: Array, shape: tuple[int, int, int]) -> Array:
        """Return the values of the output layer.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Pictures, channels last.
        shape : tuple of 3 int
            Height, width and channels.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
        """
        Z: Array = np.asarray(X, dtype=np.float64)
        seen: Any = shape
        weights = iter(self.weights_at(shape))
        for part in (*self.hidden, self.readout):
            if isinstance(part.layer, Pool2D):
                Z = pooled_values(Z, pooling_of(part.layer, seen, 1))
            else:
                frame = None
                if isinstance(part.layer, Conv2D):
                    frame = frame_of(part.layer, seen)
                Z = filter_sums(Z, frame, *next(weights)).reshape(len(Z), -1)
                if part.activation is not None:
                    Z = np.asarray(part.activation(Z), dtype=np.float64)
            seen = shape_after(part.layer, seen)
        return Z

    def weights_at(self, shape: tuple[int, int, int]) -> list[tuple[Array, Array]]:
        """Return weights and biases of the layers that have some, the readout last.

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
        for part in (*self.hidden, self.readout):
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
        grid = sides(part.layer.grid)
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
