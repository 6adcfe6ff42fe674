"""Rows with the scores that a teacher gives them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .data import Part
from .reference.teacher import Teacher, sum_squares

__all__ = ["squared_scores", "with_scores", "with_smaller_scores"]


def with_scores(part: Part, teacher: Teacher) -> Part:
    """Return the part with the scores of its rows by a teacher."""
    return part._replace(scores=teacher.scores(part.X))


def squared_scores(part: Part) -> npt.NDArray[np.float64]:
    """Return the weighted sums of the squared scores."""
    assert part.scores is not None
    return sum_squares(part.scores, part.weight)


def with_smaller_scores(part: Part, factor: float) -> Part:
    """Return the part with its scores divided by a factor."""
    assert part.scores is not None
    return part._replace(scores=part.scores / factor)
