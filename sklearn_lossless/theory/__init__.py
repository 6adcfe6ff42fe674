"""Gaussian moments of activations, step activations and how to match them."""

from .activations import (
    ACTIVATIONS,
    Activation,
    GaussianMoments,
    gaussian_moments,
    get_activation,
    leaky_relu,
)
from .matching import (
    LayerMatch,
    MomentEquation,
    NetworkMatch,
    match_activation,
    match_network,
)
from .steps import StepActivation

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "GaussianMoments",
    "LayerMatch",
    "MomentEquation",
    "NetworkMatch",
    "StepActivation",
    "gaussian_moments",
    "get_activation",
    "leaky_relu",
    "match_activation",
    "match_network",
]
