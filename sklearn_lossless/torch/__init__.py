"""Ternary networks trained in PyTorch, and read exactly: the extra ``[torch]``.

Modules take the places of ``nn.Linear``, ``nn.Conv2d`` and of activations in an
``nn.Sequential``. Its training is PyTorch's business; `from_torch` gives a fitted
estimator of the same predictions.
"""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError(
        "sklearn_lossless.torch needs PyTorch: pip install 'sklearn-lossless[torch]'."
    ) from error

from .estimator import from_torch
from .shortcuts import Residual, Subsample
from .steps import InputQuantizer, StepActivation
from .ternary import TernaryConv2d, TernaryLinear

__all__ = [
    "InputQuantizer",
    "Residual",
    "StepActivation",
    "Subsample",
    "TernaryConv2d",
    "TernaryLinear",
    "from_torch",
]
