"""Train hidden layers: from the matched random network, or from a reference network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import effective_n_jobs
from sklearn.model_selection import train_test_split

from ..data import Data, Report, rows_with_weight, spread_rows
from ..network import CompressedNetwork, Convolution, Pooling, ternary_weights
from ..network.quantizer import AnyQuantizer
from .checkpoint import Checkpoint
from .fold import folded_network
from .goals import ClassGoal, Goal
from .layers import Output, TrainedLayer, slope_table, step_ends
from .pictures import PictureLayers, TrainedFilters, TrainedPooling
from .train import Course, Options, train

__all__ = ["LayerPlan", "trained_network"]

Array = npt.NDArray[Any]

#: `LayerPlan.deviation` of the weights of a reference network.
_DEVIATION = 0.1

#: Rows from which a reference network's preactivations are taken.
_REFERENCE_ROWS = 2048


@dataclass(frozen=True, eq=False)
class LayerPlan:
    """What neurons are to be trained.

    Parameters
    ----------
    activation : callable
        Maps float64 arrays to arrays of the same shape.
    step : StepActivation
        The one that matches it.
    tau : float
        Deviation that it is matched for.
    n_inputs, n_outputs, n_nonzeros : int
        Weights of a neuron, neurons, and weights of each that are not zero.
    frame : Convolution or None, default=None
        Where the neurons are filters, what they see; its own filters do not count.
    deviation : float, default=0.1
        Of the first real weights, times the root of the number of inputs: with Adam,
        whose steps have the size of the learning rate, the inverse of a speed.
    saturates : bool, default=False
        Whether no gradient passes where the step has ended, whatever the activation's
        slope there: sums that are too large are then not made larger still.
    """

    activation: Callable[[Any], Any]
    step: Any
    tau: float
    n_inputs: int
    n_outputs: int
    n_nonzeros: int
    frame: Convolution | None = None
    deviation: float = 0.1
    saturates: bool = False


def trained_network(
    data: Data,
    quantizer: AnyQuantizer,
    varies: Array,
    goal: Goal,
    plans: Sequence[LayerPlan | Pooling],
    *,
    seed: int,
    options: Options,
    readout_layers: str = "last",
    reference: Any = None,
    earlier: Course | None = None,
    pictures: Any = None,
    report: Report | None = None,
    n_jobs: int | None = None,
) -> tuple[CompressedNetwork, Course]:
    """Train the hidden layers of a network.

    Parameters
    ----------
    data : Data
        Its parts are `Part`.
    quantizer : Quantizer or ThresholdQuantizer
    varies : ndarray of shape (n_inputs,), dtype bool
        Whether an input of the first layer's neurons varies: weights of others stay 0.
    goal : ClassGoal or NumberGoal
        What the layers are trained for.
    plans : sequence of LayerPlan or Pooling
        The layers; those of pictures first.
    seed : int
        64-bit seed: of the first weights, those of the random network of this seed, and
        of the batches.
    options : Options
    readout_layers : {"last", "all"}, default="last"
    reference : ReferenceNetwork or None, default=None
        Fitted: the first weights are its own.
    earlier : Course or None, default=None
        Of a training with a checkpoint: this one goes on there, with a new schedule
        and new moments of Adam. `quantizer` and `seed` are those of the checkpoint.
    pictures : tuple or None, default=None
        What a checkpoint is to know of layers of pictures.
    report : callable or None, default=None
        Takes lines of text about the progress.
    n_jobs : int or None, default=None
        Threads for layers of pictures, as in joblib. The result does not depend on it.

    Returns
    -------
    network : CompressedNetwork
    course : Course
    """
    checkpoint = None
    rng = np.random.default_rng(seed)
    if earlier is not None:
        checkpoint = earlier.checkpoint
        assert checkpoint is not None
        goal = goal.after(checkpoint.goal)
        rng = np.random.default_rng([seed, len(earlier.losses)])  # other batches
        weights = checkpoint.weights
    elif reference is None:
        weights = [
            _weights_of_seed(seed, number, plan, rng)
            for number, plan in enumerate(plans)
            if isinstance(plan, LayerPlan)
        ]
    else:
        weights = [
            np.asarray(W.T) * (_DEVIATION / math.sqrt(len(W)) / (W.std() or 1.0))
            for W in reference.weights[:-1]
        ]
    if checkpoint is None:
        # No gradient reaches weights of constant inputs.
        weights[0] = weights[0] * varies
    layers = _layers_of(plans, weights)
    scale, unit = _scale_of_codes(plans)
    n_last = plans[-1].n_outputs
    if isinstance(layers[-1], PictureLayers):
        n_last = math.prod(layers[-1].layers[-1].shape_out)
    output = Output(n_last, goal.n_outputs, scale, rng, unit)
    parameters = [p for each in (*layers, output) for p in each.parameters]
    if checkpoint is not None:
        checkpoint.restore(parameters)
    elif reference is not None:
        _follow(layers, reference, spread_rows(data, _REFERENCE_ROWS))
    rows = rows_with_weight(data)
    held_out = rows[:0]
    if options.early_stopping:
        # By the seed alone: a training that goes on holds out the same rows.
        rows, held_out = _split(rows, data, goal, options.validation_fraction, seed)
    with _threads(layers, n_jobs):
        course = train(
            layers, output, data, quantizer, goal, options, rows, held_out, rng, report
        )
    network = CompressedNetwork(quantizer, (), seed, readout_layers)
    network = folded_network(network, layers, data)
    offset, step_size = network.code_line
    course.readout = goal.readout(
        output.unit * output.coef.astype(float) / step_size[-n_last:],
        output.intercept.astype(float),
        offset[-n_last:],
        network.n_features_out,
    )
    if earlier is not None:
        course.follow(earlier)
    if options.warm_start:
        course.checkpoint = Checkpoint(seed, quantizer, goal, parameters, pictures)
    return network, course


def _layers_of(
    plans: Sequence[LayerPlan | Pooling], weights: Sequence[Array]
) -> list[Any]:
    """Return the layers to be trained; those of pictures are one."""
    of_pictures: list[TrainedFilters | TrainedPooling] = []
    dense: list[TrainedLayer] = []
    remaining = iter(weights)
    for number, plan in enumerate(plans):
        if isinstance(plan, Pooling):
            before = of_pictures[-1]
            if not (isinstance(before, TrainedFilters) and before.pooling is plan):
                of_pictures.append(TrainedPooling(plan))
            continue
        ends = (step_ends(plan.step),) if plan.saturates else ()
        slopes = slope_table(plan.activation, plan.step.scale, *ends)
        neurons = next(remaining), plan.n_nonzeros, plan.tau, plan.step, slopes
        if plan.frame is None:
            dense.append(TrainedLayer(*neurons))
            continue
        following = plans[number + 1] if number + 1 < len(plans) else None
        pooling = None
        if isinstance(following, Pooling) and following.kind == "max":
            rises = (np.diff(plan.step.levels.astype(int)) > 0).all()
            pooling = following if rises else None
        of_pictures.append(TrainedFilters(plan.frame, pooling, *neurons))
    return [PictureLayers(of_pictures), *dense] if of_pictures else list(dense)


def _scale_of_codes(plans: Sequence[LayerPlan | Pooling]) -> tuple[float, float]:
    """Return `scale` and `unit` of the readout.

    That of pictures sees the activation's values, or their means over windows; that of
    dense layers codes.
    """
    unit = 1.0
    for plan in plans:
        if isinstance(plan, LayerPlan):
            scale = unit = float(plan.step.scale)
        else:
            unit = plan.line_after(0.0, unit)[1]
    first = plans[0]
    is_dense = isinstance(first, LayerPlan) and first.frame is None
    return (scale, 1.0) if is_dense else (1.0, unit)


@contextmanager
def _threads(layers: Sequence[Any], n_jobs: int | None) -> Iterator[None]:
    """Run the blocks of layers of pictures in threads, for a while."""
    first, n_threads = layers[0], effective_n_jobs(n_jobs)
    if n_threads == 1 or not isinstance(first, PictureLayers):
        yield
        return
    with ThreadPoolExecutor(n_threads) as pool:
        first.run = pool.map
        try:
            yield
        finally:
            first.run = map


def _weights_of_seed(
    seed: int, number: int, plan: LayerPlan, rng: np.random.Generator
) -> Array:
    """Return Gaussian weights whose largest are those that the seed draws."""
    shape = plan.n_outputs, plan.n_inputs
    drawn = ternary_weights(seed, number, *shape[::-1], plan.n_nonzeros)
    sizes = np.sort(np.abs(rng.standard_normal(shape, dtype=np.float32)), axis=1)
    is_drawn = np.zeros(shape, dtype=bool)
    np.put_along_axis(is_drawn, drawn.indices, True, axis=1)
    # In random order, those of the seed last, which are the largest.
    order = np.argsort(rng.random(shape, dtype=np.float32) + is_drawn, axis=1)
    weights = np.empty(shape, dtype=np.float32)
    np.put_along_axis(weights, order, sizes, axis=1)
    signs = rng.choice(np.array([-1, 1], dtype=np.float32), shape)
    np.put_along_axis(signs, drawn.indices, drawn.signs().astype("f4"), axis=1)
    return weights * signs * np.float32(plan.deviation / math.sqrt(plan.n_inputs))


def _follow(layers: Sequence[TrainedLayer], reference: Any, X: Array) -> None:
    """Set gains and shifts to those of the reference network's preactivations."""
    Z = np.asarray(X, dtype=np.float64)
    for layer, known in zip(layers, reference.hidden, strict=True):
        tau = layer.tau
        H = Z @ known.weight + known.bias
        deviation = H.std(axis=0)
        scale = math.sqrt(np.mean(np.square(H))) or 1.0
        layer.gain[:] = tau * np.maximum(deviation, 1e-3 * scale) / scale
        layer.shift[:] = tau * H.mean(axis=0) / scale
        Z = np.asarray(known.activation(H), dtype=np.float64)


def _split(
    rows: npt.NDArray[np.intp], data: Data, goal: Goal, fraction: float, seed: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Hold out rows as `MLPClassifier` does: of two classes a share of each."""
    labels = None
    if isinstance(goal, ClassGoal) and goal.n_outputs == 2:
        labels = data.gather(_labels, goal)[rows]
    rows, held_out = train_test_split(
        rows, test_size=fraction, random_state=seed % 2**32, stratify=labels
    )
    if len(held_out) < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the "
            "size of your dataset."
        )
    return np.sort(rows), np.sort(held_out)


def _labels(part: Any, goal: ClassGoal) -> Array:
    wanted, _ = goal.targets(part)
    return np.asarray(goal.classes[wanted.argmax(axis=1)])
