"""Where integer sums step: of a ternary layer, normalisation and step as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ..network.layers import FIXED_POINT
from .steps import StepActivation
from .ternary import TernaryConv2d, TernaryLinear

__all__ = ["Neurons", "integer_steps"]

Array = npt.NDArray[Any]

#: Between sums of neighbouring thresholds, at most this many times the largest sum.
_MOST_SPREAD = 4

#: Thresholds between the first and the last lie at shares of the way in units of this.
_SHARE_BITS = 16

#: Coarsest unit of thresholds in 1/256, as a power of two.
_MOST_BITS = 16


@dataclass
class Neurons:
    """A ternary layer whose activation is still to come.

    Parameters
    ----------
    place : str
        Where it is, for messages.
    layer : TernaryLinear, TernaryConv2d or None
        None: what follows sees the codes themselves.
    signs : ndarray of shape (n_outputs, n_inputs), dtype int8
        Inputs as the integer network has them.
    unit : float
        Value of a code of the inputs.
    largest_in : int
        Largest of these codes.
    norm : Module or None, default=None
        The normalisation that follows.
    """

    place: str
    layer: TernaryLinear | TernaryConv2d | None
    signs: Array
    unit: float
    largest_in: int
    norm: nn.Module | None = None

    @property
    def n_nonzeros(self) -> int:
        """Nonzero weights of a neuron."""
        return int(np.count_nonzero(self.signs[0]))

    def line(self) -> tuple[Array, Array]:
        """Return slope and offset of what the activation sees, of integer sums."""
        n = len(self.signs)
        slope, offset = np.full(n, self.unit), np.zeros(n)
        if self.layer is not None:
            slope *= self.layer.scale
            if self.layer.bias is not None:
                offset += _array(self.layer.bias)
        if self.norm is not None:
            norm: Any = self.norm
            rate = 1 / np.sqrt(_array(norm.running_var) + norm.eps)
            shift = -_array(norm.running_mean) * rate
            if norm.affine:
                rate *= _array(norm.weight)
                shift = shift * _array(norm.weight) + _array(norm.bias)
            slope, offset = slope * rate, offset * rate + shift
        return slope, offset

    @torch.no_grad()
    def codes(self, sums: Array, step: StepActivation) -> Array:
        """Return the codes that the modules themselves make of sums, (n, n_outputs)."""
        values = torch.tensor(sums, dtype=torch.float64) * self.unit
        dtype = torch.get_default_dtype()
        for module in (self.layer, self.norm):
            if module is not None:
                for parameter in module.parameters():
                    dtype = parameter.dtype
        values = values.to(dtype)
        of_pictures = isinstance(self.layer, TernaryConv2d) or isinstance(
            self.norm, nn.BatchNorm2d
        )
        if of_pictures:  # positions are what there is much of
            values = values.T[None, :, :, None].contiguous()
        if self.layer is not None:
            values = self.layer.scaled(values)
        if self.norm is not None:
            values = self.norm(values)
        codes = step(values).double() / step.step_size
        if of_pictures:
            codes = codes[0, :, :, 0].T
        return np.rint(codes.numpy()).astype(np.int64)


def integer_steps(neurons: Neurons, step: StepActivation) -> tuple[Array, Array]:
    """Return the weights of integer neurons, and where they step.

    Sums of codes are integers, so each neuron reaches a level from a least sum on. It
    is found by asking the modules themselves around the sum that follows in double
    precision: so rounding in PyTorch's normalisation changes no code.

    Parameters
    ----------
    neurons : Neurons
    step : StepActivation

    Returns
    -------
    signs : ndarray of shape (n_outputs, n_inputs), dtype int8
        Opposite where the normalisation has a negative gain.
    thresholds : ndarray of shape (n_outputs, n_levels - 1), dtype int64
        In 1/256 of a sum.
    """
    slope, offset = neurons.line()
    flip = np.where(slope < 0, -1, 1)
    slope = np.abs(slope)
    largest = neurons.n_nonzeros * neurons.largest_in
    levels = (np.arange(1, step.n_levels) - 0.5) * step.step_size
    # Sums beyond the largest are as good as any.
    bound = _MOST_SPREAD * (largest + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        real = (levels - offset[:, np.newaxis]) / slope[:, np.newaxis]
    steep = slope * bound > step.step_size
    flat = ~steep
    real = np.clip(np.nan_to_num(real, nan=0.0), -1e12, 1e12)
    near = np.clip(np.ceil(real), -largest - 1, largest + 1).astype(np.int64)
    least = _least_sums(neurons, step, flip, near, largest)
    first, width = real[:, 0], real[:, -1] - real[:, 0]
    if flat.any():  # at most one threshold is within reach
        n_below = (least <= -largest).sum(axis=1)
        within = (least > -largest) & (least <= largest)
        at = np.where(
            within.any(axis=1), (least * within).sum(axis=1) - 0.5, bound / 2.0
        )
        first = np.where(flat, at - n_below * bound, first)
        width = np.where(flat, (step.n_levels - 2) * bound, width)
    thresholds = _on_lines(first, width, least, largest)
    return (neurons.signs * flip[:, np.newaxis]).astype(np.int8), thresholds


def _least_sums(
    neurons: Neurons, step: StepActivation, flip: Array, near: Array, largest: int
) -> Array:
    """Return the least sum with which each level is reached, (n_outputs, n_levels - 1).

    Those below -`largest` become it, those above `largest` one more.
    """
    around = np.arange(-2, 3)
    sums = near[:, :, np.newaxis] + around
    n_outputs, n_thresholds = near.shape
    flat = (sums.reshape(n_outputs, -1) * flip[:, np.newaxis]).T
    codes = neurons.codes(flat, step).T.reshape(sums.shape)
    level = np.arange(1, n_thresholds + 1)[:, np.newaxis]
    least = near + around[0] + (codes < level).sum(axis=2)
    return np.clip(least, -largest, largest + 1)


def _on_lines(first: Array, width: Array, least: Array, largest: int) -> Array:
    """Return thresholds with these least sums, those of one step if that is possible.

    Files hold two small numbers for each neuron then: see `pack_lines` in
    `export/_weights.py`.
    """
    n_thresholds = least.shape[1]
    shares = np.arange(n_thresholds) / max(n_thresholds - 1, 1)
    whole = np.rint(shares * (1 << _SHARE_BITS)).astype(np.int64)
    steps = np.arange(-2, 3)
    # First and width of each neuron, moved by some units each.
    moves = np.array([(a, b) for a in steps for b in steps])
    moves = moves[np.argsort(np.abs(moves).sum(axis=1), kind="stable")]
    for bits in range(_MOST_BITS, -1, -1):
        unit = 1 << bits
        found, missing = (
            np.zeros(least.shape, dtype=np.int64),
            np.ones(len(least), bool),
        )
        start = np.rint(FIXED_POINT * first / unit).astype(np.int64)
        length = np.rint(FIXED_POINT * width / unit).astype(np.int64)
        for a, b in moves:
            spread = np.maximum(length + b, 0)[:, np.newaxis] * unit
            lines = unit * (start + a)[:, np.newaxis] + (spread * whole >> _SHARE_BITS)
            reached = np.clip(-(-lines // FIXED_POINT), -largest, largest + 1)
            right = missing & (reached == least).all(axis=1)
            found[right] = lines[right]
            missing &= ~right
            if not missing.any():
                return found
    return FIXED_POINT * least


def _array(tensor: torch.Tensor) -> Array:
    return tensor.detach().double().cpu().numpy()
