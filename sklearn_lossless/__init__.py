"""Wide networks as sparse ternary, quantised ones with the same kernel spectrum."""

from ._classifier import CompressedMLPClassifier
from ._compressor import NTKCompressor
from ._regressor import CompressedMLPRegressor
from .export import load

__version__ = "0.1.0"

__all__ = [
    "CompressedMLPClassifier",
    "CompressedMLPRegressor",
    "NTKCompressor",
    "__version__",
    "load",
]
