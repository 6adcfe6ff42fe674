"""Codes in PyTorch: of the inputs, and of activations of a few levels."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

__all__ = ["InputQuantizer", "StepActivation"]

#: Values of codes are multiples of one over this: sums of them are exact in float32.
_UNIT = 256


class _Step(torch.autograd.Function):
    """Uniform levels; the gradient is that of the envelope, a clipped ReLU."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, n_levels: int, step_size: float
    ) -> torch.Tensor:
        half = step_size / 2
        inside = x > -half
        ctx.save_for_backward(inside.logical_and_(x < step_size * n_levels - half))
        # In place: a step takes as long as it moves memory.
        codes = (x / step_size).add_(0.5).floor_().clamp_(0, n_levels - 1)
        return codes.mul_(step_size)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        return gradients[0] * ctx.saved_tensors[0], None, None


class StepActivation(nn.Module):
    """An activation of a few equally spaced levels, from 0 to about 2.5.

    The gradient is that of its envelope, a clipped ReLU.

    Parameters
    ----------
    n_levels : int, default=8
        Number of levels, 2 to 16.

    Attributes
    ----------
    step_size : float
        From level to level: 2.5 / (n_levels - 1), rounded to a multiple of 1/256, so
        that sums of values are exact in single precision.
    """

    def __init__(self, n_levels: int = 8) -> None:
        super().__init__()
        if not 2 <= n_levels <= 16:
            raise ValueError(f"n_levels must be 2 to 16, got {n_levels!r}.")
        self.n_levels = n_levels
        self.step_size = round(_UNIT * 2.5 / (n_levels - 1)) / _UNIT

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return the level of each element.

        Parameters
        ----------
        input : Tensor

        Returns
        -------
        Tensor of the shape of `input`
        """
        return _Step.apply(input, self.n_levels, self.step_size)

    def extra_repr(self) -> str:
        """Return the arguments.

        Returns
        -------
        str
        """
        return f"n_levels={self.n_levels}"


class InputQuantizer(nn.Module):
    """Codes of the inputs, as the integer network sees them: the first module.

    ``floor((x - low) / width + 0.5)`` with ``width = (high - low) / (2**n_bits - 1)``,
    cut to codes of `n_bits` bits, which are divided by ``2**(n_bits - 1)``. So `low`
    is 0, as is what lies outside of a picture. Computed in double precision, as in
    the fitted estimator.

    Parameters
    ----------
    low, high : float, default=0.0, 1.0
        Values of the lowest and of the highest code. Pixels of 8 bits are seen as they
        are with 0 and 255, or with 0 and 1 once they are divided by 255.
    n_bits : int, default=8
        Bits of a code, 1 to 8.
    """

    def __init__(self, low: float = 0.0, high: float = 1.0, n_bits: int = 8) -> None:
        super().__init__()
        if not math.isfinite(high - low) or high <= low:
            raise ValueError(f"high must be above low, got low={low!r}, high={high!r}.")
        if not 1 <= n_bits <= 8:
            raise ValueError(f"n_bits must be 1 to 8, got {n_bits!r}.")
        self.low, self.high, self.n_bits = float(low), float(high), int(n_bits)

    @property
    def inv_step(self) -> float:
        """One over the width of a cell."""
        return (2**self.n_bits - 1) / (self.high - self.low)

    @property
    def shift(self) -> int:
        """Position of the cells, in 1/256 of a cell."""
        return round(_UNIT * (0.5 - self.low * self.inv_step))

    @property
    def step_size(self) -> float:
        """Difference of the outputs from code to code."""
        return 2.0 ** (1 - self.n_bits)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return the codes, divided by a power of two.

        Parameters
        ----------
        input : Tensor
            Of any type of numbers.

        Returns
        -------
        Tensor of the shape of `input`
            In the type of `input`, or torch's default where that is of integers.
        """
        cells = input.double() * self.inv_step + self.shift / _UNIT
        codes = cells.floor().clamp(0, 2**self.n_bits - 1) * self.step_size
        is_real = input.is_floating_point()
        return codes.to(input.dtype if is_real else torch.get_default_dtype())

    def extra_repr(self) -> str:
        """Return the arguments.

        Returns
        -------
        str
        """
        return f"low={self.low}, high={self.high}, n_bits={self.n_bits}"
