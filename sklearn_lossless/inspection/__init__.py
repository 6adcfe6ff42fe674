"""What a fitted network keeps of the reference network: report, spectra, moments."""

from ._kernels import KernelDistance
from ._moments import MomentDisplay
from ._report import CompressionReport, LayerReport
from ._spectrum import SpectrumDisplay

__all__ = [
    "CompressionReport",
    "KernelDistance",
    "LayerReport",
    "MomentDisplay",
    "SpectrumDisplay",
]
