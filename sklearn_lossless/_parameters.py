"""What the parameters of hidden layers may be."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from ._validation import Interval, RealNotInt, StrOptions
from .reference.architecture import EPS, N_LEVELS

__all__ = ["HIDDEN_LAYERS"]

HIDDEN_LAYERS: dict[str, list[Any]] = {
    "hidden_layer_sizes": [
        Interval(Integral, 1, None, closed="left"),
        "array-like",
    ],
    "activation": [str, callable, list, tuple],
    "eps": [EPS, "array-like", StrOptions({"auto"})],
    "n_levels": [N_LEVELS, "array-like"],
    "input_bits": [Interval(Integral, 1, 8, closed="both")],
    "input_encoding": [StrOptions({"linear", "thresholds"})],
    "n_thresholds": [Interval(Integral, 1, 255, closed="both")],
    "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
    "min_frequency": [
        Interval(Integral, 1, None, closed="left"),
        Interval(RealNotInt, 0, 1, closed="neither"),
        None,
    ],
    "max_categories": [Interval(Integral, 1, None, closed="left"), None],
    "readout_layers": [StrOptions({"last", "all"})],
    "estimator": [object],
    "widen": [Interval(Integral, 1, None, closed="left")],
    "hidden_weights": [StrOptions({"random", "fitted", "trained"}), None],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "batch_size": [
        StrOptions({"auto"}),
        Interval(Integral, 1, None, closed="left"),
    ],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "tol": [Interval(Real, 0, None, closed="left")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
    "early_stopping": ["boolean"],
    "warm_start": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "random_state": ["random_state"],
    "n_jobs": [
        Interval(Integral, None, -1, closed="right"),
        Interval(Integral, 1, None, closed="left"),
        None,
    ],
    "verbose": ["verbose"],
}
