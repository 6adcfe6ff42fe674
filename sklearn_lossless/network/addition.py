"""Sums of the codes of two layers, as in residual networks."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TypeAlias

from . import _engine
from .convolution import Convolution, Pooling, Shape
from .layers import Dense

__all__ = ["Addition"]

#: Largest sum of two codes.
_LARGEST = 255

Shortcut: TypeAlias = Convolution | Pooling


@dataclass(frozen=True, eq=False)
class Addition:
    """Codes of the layer before plus those of an earlier one, place by place.

    Parameters
    ----------
    shape_in : tuple of 3 int
        Height, width and channels of the codes of the layer before, and of the sums.
    largest_in : int
        Largest of these codes.
    skip : int
        Number of the earlier layer; -1 for the codes of the inputs.
    shape_skip : tuple of 3 int
        Shape of its codes.
    largest_skip : int
        Largest of its codes.
    shortcut : Convolution, Pooling or None, default=None
        What its codes go through before they are added. Filters have the number of this
        layer.
    first_channel : int, default=0
        Where the channels of what is added begin; there may be fewer than in
        `shape_in`.
    offset, step_size : float, default=0.0, 1.0
        A code stands for the feature ``offset + step_size * code``.

    Raises
    ------
    ValueError
        If shapes do not fit, or a sum may be above 255.
    """

    shape_in: Shape
    largest_in: int
    skip: int
    shape_skip: Shape
    largest_skip: int
    shortcut: Shortcut | None = None
    first_channel: int = 0
    offset: float = 0.0
    step_size: float = 1.0

    def __post_init__(self) -> None:
        added = self.shape_added
        last = self.first_channel + added[2]
        fits = self.first_channel >= 0 and last <= self.shape_in[2]
        if added[:2] != self.shape_in[:2] or not fits:
            raise ValueError(
                f"Codes of shape {added} cannot be added to those of shape "
                f"{self.shape_in}, from channel {self.first_channel} on."
            )
        if self.largest_code > _LARGEST:
            raise ValueError(
                f"Sums of codes up to {self.largest_in} and {self.largest_added} do "
                f"not fit in 8 bits."
            )

    @property
    def neurons(self) -> Dense | None:
        """The filters of the shortcut; None if it has none."""
        return None if self.shortcut is None else self.shortcut.neurons

    def with_line(self, offset: float, step_size: float) -> Addition:
        """Return the layer with another value of code 0 and step size.

        Parameters
        ----------
        offset, step_size : float

        Returns
        -------
        Addition
        """
        return replace(self, offset=offset, step_size=step_size)

    def prepared(
        self, input_bits: int, shortcut: _engine.PreparedConvolution | None
    ) -> _engine.PreparedAddition:
        """Return the layer as the engine takes it.

        Parameters
        ----------
        input_bits : int
            Bits of a code of the layer before.
        shortcut : PreparedConvolution or None
            The shortcut, if it is a convolution.

        Returns
        -------
        PreparedAddition
        """
        around: _engine.PreparedConvolution | _engine.PreparedPooling | None = shortcut
        if isinstance(self.shortcut, Pooling):
            around = self.shortcut.prepared(self.largest_skip.bit_length())
        channels = slice(self.first_channel, self.first_channel + self.shape_added[2])
        return _engine.PreparedAddition(
            self.shape_in, self.skip, around, channels, input_bits, self.n_bits
        )

    @property
    def shape_added(self) -> Shape:
        """Shape of the codes that are added."""
        return self.shape_skip if self.shortcut is None else self.shortcut.shape_out

    @property
    def largest_added(self) -> int:
        """Largest of these codes."""
        if self.shortcut is None:
            return self.largest_skip
        return self.shortcut.largest_code

    @property
    def shape_out(self) -> Shape:
        """Shape of the codes of one sample that the layer puts out."""
        return self.shape_in

    @property
    def n_inputs(self) -> int:
        """Number of codes of the layer before."""
        return math.prod(self.shape_in)

    @property
    def n_outputs(self) -> int:
        """Number of output codes."""
        return math.prod(self.shape_in)

    @property
    def n_weights(self) -> int:
        """Number of weights of the shortcut, zeros included."""
        return 0 if self.shortcut is None else self.shortcut.n_weights

    @property
    def n_nonzero_weights(self) -> int:
        """Number of weights that are not zero."""
        return 0 if self.shortcut is None else self.shortcut.n_nonzero_weights

    @property
    def largest_code(self) -> int:
        """Largest code that the layer puts out."""
        return self.largest_in + self.largest_added

    @property
    def n_bits(self) -> int:
        """Bits of an output code."""
        return self.largest_code.bit_length()
