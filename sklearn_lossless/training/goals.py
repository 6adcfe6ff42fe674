"""What hidden layers are trained for: targets, loss and its gradient."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from ..data import Data, Part, weight_of
from ..readout import LinearReadout
from ..readout.classes import all_scores
from ..readout.target_line import TargetLine
from ..readout.targets import ClassTargets, NumberTargets
from .sums import Sums

__all__ = ["ClassGoal", "Goal", "NumberGoal"]

Array = npt.NDArray[Any]

#: On their line numbers are up to 1: a deviation below this is that of the mean's bits.
_ROUNDING = 1e-14


@dataclass(frozen=True, eq=False)
class ClassGoal:
    """Probabilities of classes, by the cross-entropy of a softmax.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted; all labels are among them.
    costs : ndarray of shape (n_classes,) or None, default=None
        Weight of each class.
    target : {"labels", "teacher", "both"}, default="labels"
        The label, the probabilities of a teacher, or the mean of both.
    score_scale : float, default=1.0
        A part's scores times this are the teacher's log-odds.
    """

    classes: Array
    costs: Array | None = None
    target: str = "labels"
    score_scale: float = 1.0

    @property
    def n_outputs(self) -> int:
        """Number of scores."""
        return len(self.classes)

    def taught(self, classes: Array, target: str, score_scale: float) -> ClassGoal:
        """Return the goal with a teacher of these classes, ours among them."""
        costs = None
        if self.costs is not None:
            costs = np.zeros(len(classes))
            costs[np.searchsorted(classes, self.classes)] = self.costs
        return ClassGoal(classes, costs, target, score_scale)

    def after(self, earlier: Goal) -> ClassGoal:
        """Return the goal of a training that goes on after that of an earlier one."""
        if not isinstance(earlier, ClassGoal):
            raise _other_kind("numbers", "class labels")
        if not np.array_equal(self.classes, earlier.classes):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the "
                f"previous call to fit. Previously got {earlier.classes}, `y` has "
                f"{self.classes}"
            )
        return self

    def targets(self, part: Part) -> tuple[Array, Array | None]:
        """Return the wanted probabilities and the weights of the rows of a part."""
        _, labels, weight = ClassTargets(self.classes, self.costs)(part)
        wanted = np.zeros((part.n_samples, self.n_outputs), dtype=np.float32)
        if self.target != "teacher":
            wanted[np.arange(len(wanted)), labels] = 1
        if self.target != "labels":
            assert part.scores is not None
            scores = all_scores(part.scores) * self.score_scale
            if part.scores.shape[1] == 1:
                scores = scores / 2  # both signs of one log-odds
            wanted += special.softmax(scores, axis=1).astype(np.float32)
        return (wanted / 2 if self.target == "both" else wanted), weight

    def weight(self, part: Part) -> Array | None:
        """Return the weights of the rows of a part, those of classes included."""
        return ClassTargets(self.classes, self.costs)(part)[2]

    def loss(self, scores: Array, wanted: Array) -> tuple[Array, Array]:
        """Return the loss of each row, and its gradient; `scores` is overwritten."""
        scores -= scores.max(axis=1, keepdims=True)
        own = np.einsum("ij,ij->i", scores, wanted)
        np.exp(scores, out=scores)
        total = scores.sum(axis=1, keepdims=True)
        losses = np.log(total[:, 0]) - own
        scores /= total
        scores -= wanted
        return losses, scores

    def hits(self, scores: Array, wanted: Array) -> Array:
        """Return for each row 1 if the wanted class has the largest score, else 0."""
        return np.asarray(scores.argmax(axis=1) == wanted.argmax(axis=1), dtype=float)

    def readout(
        self, coef: Array, intercept: Array, offset: Array, n_features: int
    ) -> LinearReadout:
        """Return the readout of features that was trained; 0 for earlier layers.

        Parameters
        ----------
        coef : ndarray of shape (n_classes, n_last)
            Of the features of the last layer.
        intercept : ndarray of shape (n_classes,)
            For features that are 0 at code 0.
        offset : ndarray of shape (n_last,)
            Value of each of these features at code 0.
        n_features : int
            Number of features of all layers that are put out.

        Returns
        -------
        LinearReadout
        """
        intercept = intercept - coef @ offset
        if self.n_outputs == 2:  # one score, whose logistic function is the softmax
            coef, intercept = coef[1:] - coef[:1], intercept[1:] - intercept[:1]
        coef = np.pad(coef, ((0, 0), (n_features - coef.shape[1], 0)))
        temperature = 0.5 if self.n_outputs == 2 else 1.0
        return LinearReadout(coef, intercept, temperature=temperature)


@dataclass(frozen=True, eq=False)
class NumberGoal:
    """Numbers, by half the squared error in units of their deviation.

    Parameters
    ----------
    numbers : NumberTargets
        The numbers, centred.
    scale : ndarray of shape (n_targets,)
        Their deviation; 0 of a constant, which has no coefficients.
    """

    numbers: NumberTargets
    scale: Array

    @classmethod
    def of(cls, data: Data, numbers: NumberTargets) -> NumberGoal:
        """Return the goal whose deviation is that of data."""
        squares, weight = data.total(_weighted_squares, numbers)
        scale = np.sqrt(squares / weight)
        return cls(numbers, np.where(scale > _ROUNDING, scale, 0.0))

    def after(self, earlier: Goal) -> NumberGoal:
        """Return the goal of a training that goes on after that of an earlier one.

        Its numbers have the unit of the earlier one, as the readout goes on too.
        """
        if not isinstance(earlier, NumberGoal):
            raise _other_kind("class labels", "numbers")
        if self.n_outputs != earlier.n_outputs:
            raise ValueError(
                "warm_start can only be used where `y` has as many targets as in the "
                f"previous call to fit. Previously got {earlier.n_outputs}, `y` has "
                f"{self.n_outputs}"
            )
        old, new = earlier.numbers.line, self.numbers.line
        assert old is not None
        assert new is not None
        known = earlier.scale > 0
        line = TargetLine(
            np.where(known, old.offset, new.offset),
            np.where(known, old.exponent, new.exponent),
        )
        scale = np.where(known, earlier.scale, self.scale)
        return NumberGoal(replace(self.numbers, line=line), scale)

    @property
    def n_outputs(self) -> int:
        """Number of targets."""
        return len(self.scale)

    def targets(self, part: Part) -> tuple[Array, Array | None]:
        """Return the wanted numbers and the weights of the rows of a part."""
        Y, _, weight = self.numbers(part)
        scale = np.where(self.scale > 0, self.scale, 1.0)
        return (Y / scale).astype(np.float32), weight

    def weight(self, part: Part) -> Array | None:
        """Return the weights of the rows of a part."""
        return part.weight

    def loss(self, scores: Array, wanted: Array) -> tuple[Array, Array]:
        """Return the loss of each row, and its gradient; `scores` is overwritten."""
        scores -= wanted
        losses = np.square(scores).mean(axis=1) / 2
        scores /= np.float32(self.n_outputs)
        return losses, scores

    def hits(self, scores: Array, wanted: Array) -> Array:
        """Return for each row 1 less its mean squared error: their mean is R^2."""
        return 1 - np.square(scores - wanted, dtype=float).mean(axis=1)

    def readout(
        self, coef: Array, intercept: Array, offset: Array, n_features: int
    ) -> LinearReadout:
        """Return the readout of features that was trained, as that of classes is."""
        intercept = self.scale * (intercept - coef @ offset)
        coef = np.pad(coef, ((0, 0), (n_features - coef.shape[1], 0)))
        readout = LinearReadout(self.scale[:, np.newaxis] * coef, intercept)
        line = self.numbers.line
        return readout if line is None else line.undo(readout)


def _other_kind(before: str, now: str) -> ValueError:
    return ValueError(
        "warm_start can only be used where `y` is of the same kind as in the previous "
        f"call to fit. Previously got {before}, `y` has {now}"
    )


def _weighted_squares(part: Part, numbers: NumberTargets) -> Sums:
    Y, weight = numbers(part)[0], weight_of(part)
    return Sums(weight @ np.square(Y), weight.sum())


Goal = ClassGoal | NumberGoal
