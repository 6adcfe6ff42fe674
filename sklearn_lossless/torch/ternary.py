"""Linear layers and convolutions of PyTorch with ternary weights."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from ..network import n_nonzeros

__all__ = ["TernaryConv2d", "TernaryLinear"]


class _Ternarise(torch.autograd.Function):
    """Signs of the k largest weights of each row; the gradient goes straight through.

    Bengio, Leonard, Courville, "Estimating or propagating gradients through stochastic
    neurons", 2013, section 4.
    """

    @staticmethod
    def forward(ctx: Any, weight: torch.Tensor, k: int) -> torch.Tensor:
        kept = weight.abs().topk(k, dim=1).indices
        ones = torch.ones_like(weight)
        signs = torch.where(weight < 0, -ones, ones)
        return torch.zeros_like(weight).scatter_(1, kept, signs.gather(1, kept))

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        return gradients[0], None


class _Ternary:
    """What ternary layers share: signs, their number, the scale of the sums."""

    weight: Any
    bias: Any

    def _set_eps(self, eps: float) -> None:
        if not 0 <= eps < 1:
            raise ValueError(f"eps must be in [0, 1), got {eps!r}.")
        self.eps = eps
        self.n_nonzeros = n_nonzeros(self.weight[0].numel(), eps)

    @property
    def scale(self) -> float:
        """Factor of the sums: one over the root of `n_nonzeros`."""
        return 1 / math.sqrt(self.n_nonzeros)

    def signs(self) -> torch.Tensor:
        """Return the ternary weights.

        Returns
        -------
        Tensor of the shape of `weight`
            -1, 0 or 1; `n_nonzeros` of each output are not 0.
        """
        rows = _Ternarise.apply(self.weight.flatten(1), self.n_nonzeros)
        return rows.view_as(self.weight)

    def scaled(self, sums: torch.Tensor, axis: int = 1) -> torch.Tensor:
        """Return the outputs from the sums of signed inputs.

        Parameters
        ----------
        sums : Tensor
        axis : int, default=1
            Where the outputs are.

        Returns
        -------
        Tensor of the shape of `sums`
        """
        values = sums * self.scale
        if self.bias is None:
            return values
        return values + self.bias.view(-1, *[1] * (sums.ndim - 1 - axis))


class TernaryLinear(_Ternary, nn.Linear):
    """A linear layer whose weights are -1, 0 or 1 times a constant.

    In place of ``nn.Linear``. The forward pass takes the signs of the largest weights
    of each output; the gradient goes straight through to all weights. Outputs are
    divided by the root of the number of nonzeros.

    Parameters
    ----------
    in_features, out_features : int
        Numbers of inputs and outputs.
    bias : bool, default=True
        Whether a bias is added; in front of batch normalisation it does nothing.
    device, dtype : optional
        As in ``nn.Linear``.
    eps : float, default=0.75
        Share of zero weights, in [0, 1).

    Attributes
    ----------
    n_nonzeros : int
        Weights of an output that are not zero.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        eps: float = 0.75,
    ) -> None:
        super().__init__(in_features, out_features, bias, device, dtype)
        self._set_eps(eps)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return the outputs.

        Parameters
        ----------
        input : Tensor of shape (n_samples, in_features)

        Returns
        -------
        Tensor of shape (n_samples, out_features)
        """
        return self.scaled(functional.linear(input, self.signs()))

    def extra_repr(self) -> str:
        """Return the arguments.

        Returns
        -------
        str
        """
        return f"{super().extra_repr()}, eps={self.eps}"


class TernaryConv2d(_Ternary, nn.Conv2d):
    """A convolution whose weights are -1, 0 or 1 times a constant.

    In place of ``nn.Conv2d``. The forward pass takes the signs of the largest weights
    of each filter; the gradient goes straight through to all weights. Outputs are
    divided by the root of the number of nonzeros.

    Parameters
    ----------
    in_channels, out_channels : int
        Numbers of channels.
    kernel_size : int or tuple of 2 int
        Height and width of a filter.
    stride : int, default=1
        From one position to the next, in both directions.
    padding : int or {"valid", "same"}, default=0
        Zeros around the picture, the same number on all sides.
    bias : bool, default=True
        Whether a bias is added; in front of batch normalisation it does nothing.
    device, dtype : optional
        As in ``nn.Conv2d``.
    eps : float, default=0.75
        Share of zero weights, in [0, 1).

    Attributes
    ----------
    n_nonzeros : int
        Weights of a filter that are not zero.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int = 1,
        padding: int | str = 0,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        eps: float = 0.75,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            bias=bias,
            device=device,
            dtype=dtype,
        )
        self._set_eps(eps)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return the outputs at all positions.

        Parameters
        ----------
        input : Tensor of shape (n_samples, in_channels, height, width)

        Returns
        -------
        Tensor of shape (n_samples, out_channels, height_out, width_out)
        """
        sums = functional.conv2d(input, self.signs(), None, self.stride, self.padding)
        return self.scaled(sums)

    def extra_repr(self) -> str:
        """Return the arguments.

        Returns
        -------
        str
        """
        return f"{super().extra_repr()}, eps={self.eps}"
