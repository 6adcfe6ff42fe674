"""Linear readouts of integer codes: ridge, logistic, batch by batch."""

from .classes import (
    SignTargets,
    all_scores,
    class_costs,
    label_weights,
    zero_one_loss,
)
from .linear import CodeReadout, LinearReadout
from .online import OnlineRidge
from .ridge import fit_ridge
from .samples import Samples, samples_of

__all__ = [
    "CodeReadout",
    "LinearReadout",
    "OnlineRidge",
    "Samples",
    "SignTargets",
    "all_scores",
    "class_costs",
    "fit_ridge",
    "label_weights",
    "samples_of",
    "zero_one_loss",
]
