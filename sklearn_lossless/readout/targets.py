"""What a readout is trained for: functions of a part that give targets and labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data import Part
from .classes import SignTargets, all_scores
from .target_line import TargetLine, TargetSums

__all__ = [
    "ClassTargets",
    "NumberTargets",
    "check_several",
    "classes_of_batches",
    "classes_of_teacher",
    "labelled_by_teacher",
    "target_sums",
]

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class ClassTargets:
    """Targets of a classifier: +-1 for labels, a teacher's scores, or their mean.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted; all labels in the parts are among them.
    costs : ndarray of shape (n_classes,) or None, default=None
        Weight of each class in the loss.
    target : {"labels", "teacher", "both"}, default="labels"
    """

    classes: Array
    costs: Array | None = None
    target: str = "labels"

    def __call__(
        self, part: Part
    ) -> tuple[Any, npt.NDArray[np.intp], npt.NDArray[np.float64] | None]:
        """Return targets, indices of classes, and weights of the rows of a part."""
        labels = np.searchsorted(self.classes, part.y)
        Y: Any = SignTargets(labels, len(self.classes))
        if self.target == "teacher":
            Y = part.scores
        elif self.target == "both":
            Y = (Y[:] + part.scores) / 2
        weight = part.weight
        if self.costs is not None:
            costs = self.costs[labels]
            weight = costs if weight is None else weight * costs
        return Y, labels, weight


@dataclass(frozen=True, eq=False)
class NumberTargets:
    """Targets of a regressor: numbers, a teacher's outputs, or their mean.

    Parameters
    ----------
    line : TargetLine or None, default=None
        On which the targets are put. None: they stay as they are.
    target : {"labels", "teacher", "both"}, default="labels"
    """

    line: TargetLine | None = None
    target: str = "labels"

    def __call__(self, part: Part) -> tuple[Array, None, Array | None]:
        """Return targets and weights of the rows of a part; there are no labels."""
        Y: Any = part.y if self.target == "labels" else part.scores
        if self.target == "both":
            Y = Y / 2 + part.y / 2
        return Y if self.line is None else self.line.of(Y), None, part.weight


def labelled_by_teacher(part: Part, classes: Array) -> Part:
    """Return a part whose labels are the classes that its teacher scores highest."""
    assert part.scores is not None
    return part._replace(y=classes[all_scores(part.scores).argmax(axis=1)])


def target_sums(part: Part, targets: NumberTargets) -> TargetSums:
    """Return the sums of the targets of a part, from which their line follows."""
    Y, _, weight = targets(part)
    return TargetSums.of(Y, weight)


def check_several(name: str, classes: Array) -> None:
    """Raise ValueError if there is one class only; `name` is that of the estimator."""
    if len(classes) < 2:
        raise ValueError(
            f"{name} needs samples of at least 2 classes, but the "
            f"data contains only one class: {classes.tolist()[0]!r}."
        )


def classes_of_batches(
    name: str, classes: Any, known: Array | None, labels: Array
) -> Array:
    """Return the sorted classes of all batches, or say what is wrong.

    Parameters
    ----------
    name : str
        Of the estimator, for messages.
    classes : array-like of shape (n_classes,) or None
        As they were given with this batch.
    known : ndarray of shape (n_classes,) or None
        Those of the batches before.
    labels : ndarray of shape (n_labels,)
        Labels of this batch.

    Returns
    -------
    ndarray of shape (n_classes,)
    """
    if classes is None and known is None:
        raise ValueError(
            "classes must be given in the first call of partial_fit: all labels "
            "that will occur."
        )
    found: Array = np.asarray(known) if classes is None else np.unique(classes)
    if known is not None and not np.array_equal(found, known):
        raise ValueError(f"classes={found!r} is not the same as before: {known!r}.")
    check_several(name, found)
    unseen = np.setdiff1d(labels, found)
    if len(unseen):
        raise ValueError(
            f"y has labels that are not in classes: {unseen!r}; expected some of "
            f"{found!r}."
        )
    return found


def classes_of_teacher(teacher: Any, labels: Array | None) -> Array:
    """Return the classes that a teacher scores, or say what is wrong.

    Parameters
    ----------
    teacher : ReferenceNetwork
        Fitted.
    labels : ndarray of shape (n_labels,) or None
        Sorted labels of the data; None where they have none.

    Returns
    -------
    ndarray of shape (n_classes,)
    """
    n_classes = max(teacher.n_outputs, 2)  # two classes may share one output
    classes = teacher.classes
    if classes is None:
        classes = np.arange(n_classes) if labels is None else labels
    if len(classes) != n_classes:
        raise ValueError(
            f"estimator {teacher.name} has {n_classes} classes, y has {len(classes)}."
        )
    unseen = np.setdiff1d(classes if labels is None else labels, classes)
    if len(unseen):
        raise ValueError(
            f"y has labels that estimator {teacher.name} does not know: "
            f"{unseen!r}; expected some of {classes!r}."
        )
    return np.asarray(classes)
