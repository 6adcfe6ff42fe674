"""Sums around a branch, in PyTorch."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

__all__ = ["Residual", "Subsample"]


class Residual(nn.Module):
    """The sum of a branch and of a shortcut around it.

    The integer network adds the codes of both, so both must have the same step size:
    end with a `StepActivation` of as many levels. The sum has more levels, and is not
    cut off.

    Parameters
    ----------
    branch : Module
        Ends with a `StepActivation`.
    shortcut : Module or None, default=None
        None: the input itself. Else a `Subsample`, or an ``nn.Sequential`` of a
        `TernaryConv2d`, maybe ``nn.BatchNorm2d``, and a `StepActivation`.

    References
    ----------
    He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016.
    """

    def __init__(self, branch: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return the sum.

        Parameters
        ----------
        input : Tensor

        Returns
        -------
        Tensor
            Of the shape that the branch gives.
        """
        around = input if self.shortcut is None else self.shortcut(input)
        return self.branch(input) + around


class Subsample(nn.Module):
    """Every so-many-th place of a picture, with channels of zeros beside its own.

    The shortcut without weights of He et al. 2016 (option A).

    Parameters
    ----------
    stride : int, default=2
        From one place to the next, in both directions.
    extra_channels : int, default=0
        Channels of zeros that are added, half of them in front.
    """

    def __init__(self, stride: int = 2, extra_channels: int = 0) -> None:
        super().__init__()
        self.stride = stride
        self.extra_channels = extra_channels

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return some of the places.

        Parameters
        ----------
        input : Tensor of shape (n_samples, channels, height, width)

        Returns
        -------
        Tensor of shape (n_samples, channels + extra_channels, height_out, width_out)
        """
        places = input[:, :, :: self.stride, :: self.stride]
        front = self.extra_channels // 2
        behind = self.extra_channels - front
        return functional.pad(places, (0, 0, 0, 0, front, behind))

    def extra_repr(self) -> str:
        """Return the arguments.

        Returns
        -------
        str
        """
        return f"stride={self.stride}, extra_channels={self.extra_channels}"
