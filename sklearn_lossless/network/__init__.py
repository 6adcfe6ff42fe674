"""The compressed network: quantised inputs, ternary weights, integer codes."""

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
    "n_nonzeros",
    "network_sizes",
    "splitmix64",
    "ternary_weights",
    "value_range",
]
