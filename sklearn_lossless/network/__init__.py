"""The compressed network: quantised inputs, ternary weights, integer codes."""

from .addition import Addition
from .build import build_network
from .convolution import Convolution, Pooling
from .from_weights import layer_from_weights, network_from_weights, ternarise
from .layers import Dense, n_nonzeros
from .lazy_codes import LazyCodes
from .network import CompressedNetwork
from .quantizer import (
    CodeStatistics,
    Quantizer,
    code_statistics,
    code_sums,
    value_range,
)
from .quantizer_choice import choose_quantizer, fit_quantizer
from .scaled import ScaledQuantizer
from .sizes import network_sizes
from .ternary import TernaryWeights, splitmix64, ternary_weights
from .threshold_choice import fit_threshold_quantizer
from .thresholds import Column, ThresholdQuantizer

__all__ = [
    "Addition",
    "CodeStatistics",
    "Column",
    "CompressedNetwork",
    "Convolution",
    "Dense",
    "LazyCodes",
    "Pooling",
    "Quantizer",
    "ScaledQuantizer",
    "TernaryWeights",
    "ThresholdQuantizer",
    "build_network",
    "choose_quantizer",
    "code_statistics",
    "code_sums",
    "fit_quantizer",
    "fit_threshold_quantizer",
    "layer_from_weights",
    "n_nonzeros",
    "network_from_weights",
    "network_sizes",
    "splitmix64",
    "ternarise",
    "ternary_weights",
    "value_range",
]

# Names of earlier versions.
LayerSpec = Dense
fitted_layer = layer_from_weights
fitted_network = network_from_weights
