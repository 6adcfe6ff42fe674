"""What a fitted network keeps of the reference network: report, plots."""

from ._costs import CostReport, LayerCost, cost_report
from ._kernels import KernelDistance
from ._learning_dynamics import LearningDynamicsDisplay
from ._moments import MomentDisplay
from ._report import ColumnReport, CompressionReport, LayerReport
from ._spectrum import SpectrumDisplay
from ._training_curve import TrainingCurveDisplay

__all__ = [
    "ColumnReport",
    "CompressionReport",
    "CostReport",
    "KernelDistance",
    "LayerCost",
    "LayerReport",
    "LearningDynamicsDisplay",
    "MomentDisplay",
    "SpectrumDisplay",
    "TrainingCurveDisplay",
    "cost_report",
]
