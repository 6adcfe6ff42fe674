"""The training of hidden layers: batches, steps, when to stop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data import Data, Report, evenly_spread
from ..network import _engine
from ..network.quantizer import AnyQuantizer
from ..readout import LinearReadout
from .checkpoint import Checkpoint
from .goals import Goal
from .layers import Output, TrainedLayer
from .pictures import PictureLayers

__all__ = ["Course", "Options", "train"]

Array = npt.NDArray[Any]

#: Of Adam: decay of the moments, and what is added to the root of the second.
_BETA_1, _BETA_2, _EPSILON = np.float32(0.9), np.float32(0.999), np.float32(1e-8)

#: Rows whose sums normalise those that are scored while training.
_NORMALISING_ROWS = 4096

#: Codes of these rows: of wide ones fewer are taken, but a batch at least.
_NORMALISING_CODES = 2**25


@dataclass(frozen=True)
class Options:
    """How long and how fast hidden layers are trained, as in `MLPClassifier`.

    Parameters
    ----------
    max_iter : int, default=200
        Epochs. The learning rate falls to zero over them, by half a cosine.
    batch_size : int or "auto", default="auto"
        Rows of a batch. "auto": 200, or all if there are fewer.
    learning_rate_init : float, default=0.001
        First learning rate.
    tol : float, default=1e-4
    n_iter_no_change : int, default=10
        If this many epochs do not lower the loss (or raise the score) by `tol`, the
        learning rate falls to zero within as many more, and training ends.
    early_stopping : bool, default=False
        Whether to go by the score on a part of the data that is not trained on.
    validation_fraction : float, default=0.1
        That part.
    warm_start : bool, default=False
        Whether to keep what another training needs to go on.
    """

    max_iter: int = 200
    batch_size: Any = "auto"
    learning_rate_init: float = 0.001
    tol: float = 1e-4
    n_iter_no_change: int = 10
    early_stopping: bool = False
    validation_fraction: float = 0.1
    warm_start: bool = False


@dataclass(eq=False)
class Course:
    """What a training has been like.

    Parameters
    ----------
    losses : list of float
        Mean loss of each epoch, those of trainings that it went on from included.
    scores : list of float
        Score on the rows that were held out, after each of these epochs; NaN where
        none were, empty if they never were.
    n_iter : int
        Epochs of the last training.
    interrupted : bool
        Whether the user broke it off.
    readout : LinearReadout or None
        The linear readout that was trained with the layers.
    checkpoint : Checkpoint or None
        What another training needs to go on.
    """

    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    n_iter: int = 0
    interrupted: bool = False
    readout: LinearReadout | None = None
    checkpoint: Checkpoint | None = None

    def follow(self, earlier: Course) -> None:
        """Put the curves of an earlier training before its own."""
        if self.scores or earlier.scores:
            self.scores = _scores_or_nan(earlier) + _scores_or_nan(self)
        self.losses = earlier.losses + self.losses


def _scores_or_nan(course: Course) -> list[float]:
    return course.scores or [math.nan] * len(course.losses)


class _Adam:
    """Adam, in one pass over each parameter.

    That of scikit-learn makes six matrices at each step, and is 2 to 20 times slower.
    """

    def __init__(self, parameters: Sequence[Array]) -> None:
        self._moments = [(np.zeros_like(p), np.zeros_like(p)) for p in parameters]
        self._n_steps = 0

    def step(
        self, parameters: Sequence[Array], gradients: Sequence[Array], rate: float
    ) -> None:
        self._n_steps += 1
        rate *= math.sqrt(1 - float(_BETA_2) ** self._n_steps)
        rate /= 1 - float(_BETA_1) ** self._n_steps
        for parameter, gradient, moments in zip(
            parameters, gradients, self._moments, strict=True
        ):
            _engine.gradient.adam(
                parameter,
                gradient,
                *moments,
                np.float32(rate),
                _BETA_1,
                _BETA_2,
                _EPSILON,
            )


class _Schedule:
    """The learning rate, and whether training goes on."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._best, self._n_idle = -math.inf, 0
        self._start, self._length = 0.0, float(options.max_iter)
        self._top = options.learning_rate_init

    def rate(self, epoch: float) -> float:
        """Return the learning rate at a time, in epochs."""
        share = min((epoch - self._start) / self._length, 1.0)
        return self._top * (1 + math.cos(math.pi * share)) / 2

    def goes_on(self, epoch: int, merit: float) -> bool:
        """Say whether to go on after an epoch with this merit (score, or -loss)."""
        if merit > self._best + self._options.tol:
            self._n_idle = 0
        else:
            self._n_idle += 1
        self._best = max(self._best, merit)
        patience = self._options.n_iter_no_change
        end = self._start + self._length
        if self._n_idle >= patience and self._start == 0 and epoch + patience < end:
            self._top = self.rate(epoch)
            self._start, self._length = float(epoch), float(patience)
            end = self._start + self._length
        return epoch < end


def train(
    layers: Sequence[TrainedLayer | PictureLayers],
    output: Output,
    data: Data,
    quantizer: AnyQuantizer,
    goal: Goal,
    options: Options,
    rows: npt.NDArray[np.intp],
    held_out: npt.NDArray[np.intp],
    rng: np.random.Generator,
    report: Report | None = None,
) -> Course:
    """Train layers and readout together, in place.

    Parameters
    ----------
    layers : sequence of TrainedLayer or PictureLayers
    output : Output
    data : Data
        Its parts are `Part`.
    quantizer : Quantizer or ThresholdQuantizer
        From inputs to the codes that the first layer sees.
    goal : ClassGoal or NumberGoal
    options : Options
    rows : ndarray of dtype intp
        Numbers of the rows to train on.
    held_out : ndarray of dtype intp
        Numbers of the rows to be scored; none without early stopping.
    rng : numpy.random.Generator
        Draws the batches.
    report : callable or None, default=None
        Takes lines of text about the progress.

    Returns
    -------
    Course
        The layers are those of the epoch of best score, where rows are held out; of
        least loss, where the training was interrupted; else the last.

    Raises
    ------
    ValueError
        If the loss is not finite.
    """
    course, schedule = Course(), _Schedule(options)
    trained: list[TrainedLayer | PictureLayers | Output] = [*layers, output]
    parameters = [p for each in trained for p in each.parameters]
    adam = _Adam(parameters)
    size = 200 if options.batch_size == "auto" else options.batch_size
    n_batches = -(-len(rows) // min(size, len(rows)))
    mean_weight = _mean_weight(data, goal, rows)
    normalising = _normalising_codes(data, quantizer, rows) if len(held_out) else None
    best, kept = -math.inf, None
    try:
        for epoch in range(options.max_iter):
            total = 0.0
            batches = np.array_split(rng.permutation(rows), n_batches)
            for number, batch in enumerate(batches):
                for layer in layers:
                    layer.choose_signs()
                part = data.take(np.sort(batch))
                codes = quantizer.codes(part.X).astype(np.float32)
                for layer in layers:
                    codes = layer.forward(codes)
                wanted, weight = goal.targets(part)
                losses, delta = goal.loss(output.forward(codes), wanted)
                delta /= np.float32(len(batch))
                if weight is not None:
                    weight = (weight / mean_weight).astype(np.float32)
                    losses, delta = losses * weight, delta * weight[:, np.newaxis]
                total += float(losses.sum())
                gradients, delta = output.backward(delta)
                for layer in reversed(layers):
                    of_layer, delta = layer.backward(delta, layer is not layers[0])
                    gradients = of_layer + gradients
                rate = schedule.rate(epoch + number / n_batches)
                adam.step(parameters, gradients, rate)
            course.losses.append(total / len(rows))
            course.n_iter = epoch + 1
            merit = -course.losses[-1]
            if not math.isfinite(merit):
                raise ValueError(
                    "Solver produced non-finite parameter weights. The input data may "
                    "contain large values and need to be preprocessed."
                )
            line = f"Iteration {epoch + 1}, loss = {course.losses[-1]:.8f}"
            if normalising is not None:
                merit = _score(
                    layers, output, data, quantizer, goal, normalising, held_out
                )
                course.scores.append(merit)
                line += f", validation score = {merit:.6f}"
            if report is not None:
                report(line)
            if merit > best:
                best, kept = merit, [p.copy() for p in parameters]
            if not schedule.goes_on(epoch + 1, merit):
                break
    except KeyboardInterrupt:
        course.interrupted = True
    if kept is not None and (course.interrupted or len(held_out)):
        for parameter, value in zip(parameters, kept, strict=True):
            parameter[:] = value
    for layer in layers:
        layer.choose_signs()
    return course


def _mean_weight(data: Data, goal: Goal, rows: npt.NDArray[np.intp]) -> float:
    """Return the mean weight of rows, that of their classes included."""
    weight = data.gather(_weights, goal)[rows]
    return float(weight.mean())


def _weights(part: Any, goal: Goal) -> Array:
    weight = goal.weight(part)
    return np.ones(part.n_samples) if weight is None else weight


def _normalising_codes(
    data: Data, quantizer: AnyQuantizer, rows: npt.NDArray[np.intp]
) -> Array:
    """Return the input codes of some rows that are trained on, as bytes."""
    n_rows = _rows_at_once(data)
    return quantizer.codes(data.take(evenly_spread(rows, n_rows)).X)


def _rows_at_once(data: Data) -> int:
    return min(_NORMALISING_ROWS, max(256, _NORMALISING_CODES // data.n_features))


def _score(
    layers: Sequence[TrainedLayer | PictureLayers],
    output: Output,
    data: Data,
    quantizer: AnyQuantizer,
    goal: Goal,
    normalising: Array,
    held_out: npt.NDArray[np.intp],
) -> float:
    """Return the score on rows that are held out, normalised as others are."""
    codes = normalising.astype(np.float32)
    for layer in layers:
        layer.choose_signs()
        codes = layer.normalise(codes)
    total, weights, at_once = 0.0, 0.0, _rows_at_once(data)
    for start in range(0, len(held_out), at_once):
        part = data.take(held_out[start : start + at_once])
        codes = quantizer.codes(part.X).astype(np.float32)
        for layer in layers:
            codes = layer.predict(codes)
        wanted, weight = goal.targets(part)
        hits = goal.hits(output.predict(codes), wanted)
        weight = np.ones(len(hits)) if weight is None else weight
        total, weights = total + float(weight @ hits), weights + float(weight.sum())
    return total / weights
