"""The compressed network: quantised inputs, ternary weights, integer codes."""

from .fitted import fitted_layer, fitted_network, ternarise
from .network import (
    CompressedNetwork,
    LayerSpec,
    LazyCodes,
    build_network,
    n_nonzeros,
)
from .quantizer import (
    CodeStatistics,
    Quantizer,
    choose_quantizer,
    code_statistics,
    code_sums,
    fit_quantizer,
    value_range,
)
from .sizes import network_sizes
from .ternary import TernaryWeights, splitmix64, ternary_weights

__all__ = [
    "CodeStatistics",
    "CompressedNetwork",
    "LayerSpec",
    "LazyCodes",
    "Quantizer",
    "TernaryWeights",
    "build_network",
    "choose_quantizer",
    "code_statistics",
    "code_sums",
    "fit_quantizer",
    "fitted_layer",
    "fitted_network",
    "n_nonzeros",
    "network_sizes",
    "splitmix64",
    "ternarise",
    "ternary_weights",
    "value_range",
]
