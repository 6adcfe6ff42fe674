"""Wide networks as sparse ternary, quantised ones with the same kernel spectrum."""

from ._classifier import CompressedMLPClassifier
from ._compressor import NTKCompressor
from ._regressor import CompressedMLPRegressor
from ._version import __version__
from .export import load

__all__ = [
    "CompressedMLPClassifier",
    "CompressedMLPRegressor",
    "NTKCompressor",
    "__version__",
    "load",
]
