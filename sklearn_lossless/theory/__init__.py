"""Moments of activations, steps that match them, kernels and their equivalents."""

from .activations import (
    ACTIVATIONS,
    Activation,
    GaussianMoments,
    gaussian_moments,
    get_activation,
    leaky_relu,
)
from .convolution import convolution_kernel
from .dynamics import equivalent_dynamics, kernel_dynamics, readout_dynamics
from .empirical import empirical_ck, empirical_ntk
from .equivalents import (
    EquivalentCoefficients,
    equivalent_ck,
    equivalent_coefficients,
    equivalent_ntk,
)
from .kernels import conjugate_kernel, neural_tangent_kernel
from .learning_curves import LearningCurve, LearningModes, class_targets
from .learning_dynamics import LearningDynamics
from .matching import (
    LayerMatch,
    MomentEquation,
    NetworkMatch,
    match_activation,
    match_network,
)
from .mixtures import (
    AutoregressiveCovariance,
    MixtureStatistics,
    mixture_statistics,
)
from .spectra import SpectrumComparison, compare_spectra, spectral_error
from .steps import StepActivation
from .straight_through import straight_through_kernel

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "AutoregressiveCovariance",
    "EquivalentCoefficients",
    "GaussianMoments",
    "LayerMatch",
    "LearningCurve",
    "LearningDynamics",
    "LearningModes",
    "MixtureStatistics",
    "MomentEquation",
    "NetworkMatch",
    "SpectrumComparison",
    "StepActivation",
    "class_targets",
    "compare_spectra",
    "conjugate_kernel",
    "convolution_kernel",
    "empirical_ck",
    "empirical_ntk",
    "equivalent_ck",
    "equivalent_coefficients",
    "equivalent_dynamics",
    "equivalent_ntk",
    "gaussian_moments",
    "get_activation",
    "kernel_dynamics",
    "leaky_relu",
    "match_activation",
    "match_network",
    "mixture_statistics",
    "neural_tangent_kernel",
    "readout_dynamics",
    "spectral_error",
    "straight_through_kernel",
]
