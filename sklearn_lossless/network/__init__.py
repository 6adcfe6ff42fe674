"""The compressed network: quantised inputs, ternary weights, integer codes."""

from .network import CompressedNetwork, LayerSpec, build_network, n_nonzeros
from .quantizer import CodeStatistics, Quantizer, code_statistics, fit_quantizer
from .sizes import network_sizes
from .ternary import TernaryWeights, splitmix64, ternary_weights

__all__ = [
    "CodeStatistics",
    "CompressedNetwork",
    "LayerSpec",
    "Quantizer",
    "TernaryWeights",
    "build_network",
    "code_statistics",
    "fit_quantizer",
    "n_nonzeros",
    "network_sizes",
    "splitmix64",
    "ternary_weights",
]
