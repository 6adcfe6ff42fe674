"""Hidden layers of an estimator: drawn, those of a reference network, or trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import type_of_target

from ._validation import check_labels_known, warn_user
from .data import Data, is_dask, spread_rows
from .export.archive import TRAINING
from .network import (
    CompressedNetwork,
    Pooling,
    build_network,
    n_nonzeros,
    network_from_weights,
)
from .readout import label_weights
from .readout.targets import NumberTargets, check_several, target_sums
from .reference.architecture import Architecture
from .theory import NetworkMatch, match_network
from .training import (
    Checkpoint,
    ClassGoal,
    Course,
    Goal,
    LayerPlan,
    NumberGoal,
    Options,
    trained_network,
)

__all__ = [
    "check_earlier",
    "check_reference",
    "checkpoint_for",
    "draw_seed",
    "goal_of",
    "kind_of_targets",
    "make_network",
    "match_activations",
    "tell_matching",
    "train_network",
    "warn_of_few_inputs",
]

#: Neurons of the first layer keep this many inputs, whatever eps: with fewer they
#: are nearly copies of each other.
MIN_NONZEROS = 4

#: Rows that the sums of fitted weights are calibrated on.
_FITTED_ROWS = 8192


def kind_of_targets(y: Any) -> str:
    """Return what the targets of trained hidden layers are, "labels" or "numbers"."""
    if y is None:
        raise ValueError(
            "hidden_weights='trained' requires y to be passed, but the target y is "
            "None."
        )
    if is_dask(y):
        several = y.ndim > 1 and y.shape[1] > 1
        return "numbers" if several or y.dtype.kind == "f" else "labels"
    check_labels_known(y)
    kind = type_of_target(y, input_name="y", raise_unknown=True)
    return "labels" if kind in ("binary", "multiclass") else "numbers"


def goal_of(name: str, data: Data, targets: str | None) -> Goal | None:
    """Return the goal of hidden layers whose targets are of this kind.

    `name` is that of the estimator, for messages.
    """
    if targets is None:
        return None
    if targets == "numbers":
        line = data.total(target_sums, NumberTargets()).line()
        return NumberGoal.of(data, NumberTargets(line))
    classes = data.total(label_weights).labels
    check_several(name, classes)
    return ClassGoal(classes)


def check_reference(
    estimator: Any, architecture: Architecture, n_features: int
) -> None:
    """Raise before any long work if weights of the reference network cannot serve."""
    kind, reference = estimator.hidden_weights, architecture.reference
    if reference is None:
        return
    if kind == "fitted" or (kind == "trained" and reference.weights is not None):
        names = getattr(estimator, "feature_names_in_", None)
        reference.check_fitted(f"hidden_weights={kind!r}", n_features, names)


def checkpoint_for(goal: Goal | None, earlier: Course | None) -> Checkpoint | None:
    """Return where an earlier training has ended; raise if its goal was another."""
    checkpoint = None if earlier is None else earlier.checkpoint
    if checkpoint is not None:
        assert goal is not None
        goal.after(checkpoint.goal)
    return checkpoint


def check_earlier(
    earlier: Course | None,
    architecture: Architecture,
    estimator: Any,
    goal: Goal | None,
) -> Checkpoint | None:
    """Return where an earlier training has ended; raise if none can go on there."""
    checkpoint = checkpoint_for(goal, earlier)
    if checkpoint is not None:
        checkpoint.check(
            architecture.sizes, estimator.input_encoding, estimator.input_bits
        )
    return checkpoint


def match_activations(
    estimator: Any, architecture: Architecture, bias_std: float
) -> NetworkMatch:
    """Match a step to each activation; say where that was not possible."""
    matching = match_network(
        architecture.activations,
        architecture.n_levels,
        tau0=math.sqrt(1 + bias_std**2),
    )
    tell_matching(estimator, matching)
    return matching


def tell_matching(estimator: Any, matching: NetworkMatch) -> None:
    """Warn of moments that are not met, and report what was matched."""
    for message in matching.unmet():
        warn_user(message, ConvergenceWarning)
    if estimator._progress is not None:
        estimator._progress(f"matched activations\n{matching}")


def draw_seed(random_state: int | np.random.RandomState | None) -> int:
    """Draw one 64-bit seed."""
    low, high = check_random_state(random_state).randint(2**32, size=2, dtype=np.uint32)
    return int(low) | int(high) << 32


def warn_of_few_inputs(n_features: int, n_inputs: int, eps: float) -> None:
    """Warn if neurons see so few inputs that the theory is left behind."""
    if (1 - eps) * n_inputs < MIN_NONZEROS:
        kept = n_nonzeros(n_inputs, eps, MIN_NONZEROS)
        coded = "" if n_inputs == n_features else f", coded by {n_inputs} bits"
        warn_user(
            f"X has {n_features} features{coded}: with eps={eps} a neuron of the "
            f"first layer would have fewer than {MIN_NONZEROS} inputs, too few for "
            f"the high-dimensional theory. {kept} are kept, and the kernel is matched "
            "only roughly. Choose a lower eps to keep more."
        )


def make_network(
    estimator: Any,
    data: Data,
    architecture: Architecture,
    matching: NetworkMatch,
    quantizer: Any,
    statistics: Any,
    *,
    bias_std: float,
    goal: Goal | None,
    earlier: Course | None,
) -> tuple[CompressedNetwork, Course | None]:
    """Make the network that an estimator's `hidden_weights` ask for.

    Parameters
    ----------
    estimator : NTKCompressor
        Its parameters count.
    data : Data
    architecture : Architecture
    matching : NetworkMatch
    quantizer : Quantizer or ThresholdQuantizer
    statistics : CodeStatistics
        Of the input codes.
    bias_std : float
        Deviation of the random biases.
    goal : Goal or None
        What layers are trained for.
    earlier : Course or None
        Of the training that another goes on from.

    Returns
    -------
    network : CompressedNetwork
    course : Course or None
        Of the training, where there was one.
    """
    taus = [layer.tau_in_compressed for layer in matching.layers]
    steps, report = matching.steps, estimator._progress
    kind, reference = estimator.hidden_weights, architecture.reference
    if reference is not None and reference.weights is None:
        reference = None  # widths and activations alone
    if kind == "trained":
        inputs = [quantizer.n_codes, *architecture.sizes[:-1]]
        shapes = zip(inputs, architecture.sizes, architecture.eps, strict=True)
        plans = [
            LayerPlan(activation, step, tau, n, size, n_nonzeros(n, eps, MIN_NONZEROS))
            for (n, size, eps), activation, step, tau in zip(
                shapes, architecture.activations, steps, taus, strict=True
            )
        ]
        return train_network(
            estimator,
            data,
            plans,
            quantizer,
            statistics.variance > 0,
            goal,
            earlier,
            reference=reference,
        )
    options: dict[str, Any] = {
        "seed": draw_seed(estimator.random_state),
        "readout_layers": estimator.readout_layers,
    }
    if kind == "fitted":
        assert reference is not None
        assert reference.weights is not None
        assert reference.biases is not None
        network, correlations = network_from_weights(
            quantizer,
            spread_rows(data, _FITTED_ROWS),
            reference.weights[:-1],
            reference.biases[:-1],
            architecture.activations,
            steps,
            taus,
            eps=architecture.eps,
            **options,
        )
        if report is not None:
            means = ", ".join(f"{each.mean():.3f}" for each in correlations)
            report(
                "correlation with the fitted neurons' inputs, mean of each layer: "
                + means
            )
        return network, None
    network = build_network(
        quantizer,
        statistics,
        steps,
        taus,
        architecture.sizes,
        bias_std=bias_std,
        min_nonzeros=MIN_NONZEROS,
        eps=architecture.eps,
        **options,
    )
    return network, None


def train_network(
    estimator: Any,
    data: Data,
    plans: Sequence[LayerPlan | Pooling],
    quantizer: Any,
    varies: Any,
    goal: Goal | None,
    earlier: Course | None,
    **more: Any,
) -> tuple[CompressedNetwork, Course]:
    """Train a network as an estimator's parameters ask; see `trained_network`."""
    assert goal is not None
    checkpoint = None if earlier is None else earlier.checkpoint
    network, course = trained_network(
        data,
        quantizer,
        varies,
        goal,
        plans,
        seed=checkpoint.seed if checkpoint else draw_seed(estimator.random_state),
        options=Options(**{name: getattr(estimator, name) for name in TRAINING}),
        readout_layers=estimator.readout_layers,
        earlier=earlier,
        report=estimator._progress,
        n_jobs=estimator.n_jobs,
        **more,
    )
    if course.interrupted:
        warn_user("Training interrupted by user.", ConvergenceWarning)
    return network, course
