"""Wide networks as sparse ternary, quantised ones with the same kernel spectrum."""

from ._classifier import CompressedMLPClassifier
from ._cnn import CompressedCNNClassifier, CompressedCNNRegressor
from ._compressor import NTKCompressor
from ._conv_compressor import NTKConvCompressor
from ._regressor import CompressedMLPRegressor
from ._show_versions import show_versions
from ._version import __version__
from .export import load
from .layers import Conv2D, Dense, Pool2D

__all__ = [
    "CompressedCNNClassifier",
    "CompressedCNNRegressor",
    "CompressedMLPClassifier",
    "CompressedMLPRegressor",
    "Conv2D",
    "Dense",
    "NTKCompressor",
    "NTKConvCompressor",
    "Pool2D",
    "__version__",
    "load",
    "show_versions",
]
