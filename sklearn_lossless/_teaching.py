"""Rows with the scores that a teacher gives them, and estimators that have one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.utils import Tags

from .data import Part
from .reference.teacher import Teacher, sum_squares

__all__ = ["Taught", "squared_scores", "with_scores", "with_smaller_scores"]


class Taught:
    """Estimators that need no targets where all of them are the teacher's.

    Stands before the mixins of scikit-learn, which say that targets are required.
    """

    target: str

    def __sklearn_tags__(self) -> Tags:
        """Return the tags of the estimator."""
        tags: Tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.target_tags.required = self.target != "teacher"
        return tags


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
