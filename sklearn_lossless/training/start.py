"""Train hidden layers: from the matched random network, or from a reference network."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

from ..data import Data, Report, rows_with_weight, spread_rows
from ..network import CompressedNetwork, ternary_weights
from ..network.quantizer import AnyQuantizer
from .checkpoint import Checkpoint
from .fold import folded_network
from .goals import ClassGoal, Goal
from .layers import Output, TrainedLayer, slope_table
from .train import Course, Options, train

__all__ = ["trained_network"]

Array = npt.NDArray[Any]

#: Deviation of the first real weights, times the root of the number of inputs: with
#: Adam, whose steps have the size of the learning rate, the inverse of a speed.
_DEVIATION = 0.1

#: Rows from which a reference network's preactivations are taken.
_REFERENCE_ROWS = 2048


def trained_network(
    data: Data,
    quantizer: AnyQuantizer,
    variance: Array,
    goal: Goal,
    activations: Sequence[Callable[[Any], Any]],
    steps: Sequence[Any],
    taus: Sequence[float],
    sizes: Sequence[int],
    n_nonzeros: Sequence[int],
    *,
    seed: int,
    options: Options,
    readout_layers: str = "last",
    reference: Any = None,
    earlier: Course | None = None,
    report: Report | None = None,
) -> tuple[CompressedNetwork, Course]:
    """Train the hidden layers of a network.

    Parameters
    ----------
    data : Data
        Its parts are `Part`.
    quantizer : Quantizer or ThresholdQuantizer
    variance : ndarray of shape (n_features,)
        Of the input codes: weights of constant inputs stay out.
    goal : ClassGoal or NumberGoal
        What the layers are trained for.
    activations : sequence of callable
        Activation of each layer.
    steps : sequence of StepActivation
        Those that match them.
    taus : sequence of float
        Deviations that they are matched for.
    sizes, n_nonzeros : sequence of int
        Neurons of each layer, and nonzero weights of each of its neurons.
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
    report : callable or None, default=None
        Takes lines of text about the progress.

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
        shapes = zip([quantizer.n_codes, *sizes[:-1]], sizes, strict=True)
        weights = [
            _weights_of_seed(seed, number, *shape, k, rng)
            for number, (shape, k) in enumerate(zip(shapes, n_nonzeros, strict=True))
        ]
    else:
        weights = [
            np.asarray(W.T) * (_DEVIATION / math.sqrt(len(W)) / (W.std() or 1.0))
            for W in reference.weights[:-1]
        ]
    if checkpoint is None:
        # No gradient reaches weights of constant inputs.
        weights[0] = weights[0] * (variance > 0)
    layers = [
        TrainedLayer(W, k, tau, step, slope_table(activation, step.scale))
        for W, k, tau, step, activation in zip(
            weights, n_nonzeros, taus, steps, activations, strict=True
        )
    ]
    output = Output(sizes[-1], goal.n_outputs, steps[-1].scale, rng)
    trained: list[TrainedLayer | Output] = [*layers, output]
    parameters = [p for each in trained for p in each.parameters]
    if checkpoint is not None:
        checkpoint.restore(parameters)
    elif reference is not None:
        _follow(layers, reference, taus, spread_rows(data, _REFERENCE_ROWS))
    rows = rows_with_weight(data)
    held_out = rows[:0]
    if options.early_stopping:
        # By the seed alone: a training that goes on holds out the same rows.
        rows, held_out = _split(rows, data, goal, options.validation_fraction, seed)
    course = train(
        layers, output, data, quantizer, goal, options, rows, held_out, rng, report
    )
    network = CompressedNetwork(quantizer, (), seed, readout_layers)
    network = folded_network(network, layers, steps, taus, data)
    offset, step_size = network.code_line
    width = sizes[-1]
    course.readout = goal.readout(
        output.coef.astype(float) / step_size[-width:],
        output.intercept.astype(float),
        offset[-width:],
        network.n_features_out,
    )
    if earlier is not None:
        course.follow(earlier)
    if options.warm_start:
        course.checkpoint = Checkpoint(seed, quantizer, goal, parameters)
    return network, course


def _weights_of_seed(
    seed: int,
    number: int,
    n_inputs: int,
    n_outputs: int,
    n_nonzeros: int,
    rng: np.random.Generator,
) -> Array:
    """Return Gaussian weights whose largest are those that the seed draws."""
    drawn = ternary_weights(seed, number, n_inputs, n_outputs, n_nonzeros)
    shape = n_outputs, n_inputs
    sizes = np.sort(np.abs(rng.standard_normal(shape, dtype=np.float32)), axis=1)
    is_drawn = np.zeros(shape, dtype=bool)
    np.put_along_axis(is_drawn, drawn.indices, True, axis=1)
    # In random order, those of the seed last, which are the largest.
    order = np.argsort(rng.random(shape, dtype=np.float32) + is_drawn, axis=1)
    weights = np.empty(shape, dtype=np.float32)
    np.put_along_axis(weights, order, sizes, axis=1)
    signs = rng.choice(np.array([-1, 1], dtype=np.float32), shape)
    np.put_along_axis(signs, drawn.indices, drawn.signs().astype("f4"), axis=1)
    return weights * signs * np.float32(_DEVIATION / math.sqrt(n_inputs))


def _follow(
    layers: Sequence[TrainedLayer], reference: Any, taus: Sequence[float], X: Array
) -> None:
    """Set gains and shifts to those of the reference network's preactivations."""
    Z = np.asarray(X, dtype=np.float64)
    for layer, known, tau in zip(layers, reference.hidden, taus, strict=True):
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
