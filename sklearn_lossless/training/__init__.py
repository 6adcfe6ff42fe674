"""Hidden layers that learn: ternary weights, trained straight through."""

from .checkpoint import Checkpoint
from .goals import ClassGoal, Goal, NumberGoal
from .start import LayerPlan, trained_network
from .train import Course, Options

__all__ = [
    "Checkpoint",
    "ClassGoal",
    "Course",
    "Goal",
    "LayerPlan",
    "NumberGoal",
    "Options",
    "trained_network",
]
