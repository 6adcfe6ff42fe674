"""scikit-learn's own checks, over several configurations."""

import warnings

import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_lossless import (
    CompressedCNNClassifier,
    CompressedCNNRegressor,
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    Conv2D,
    Dense,
    NTKCompressor,
    NTKConvCompressor,
    Pool2D,
)

# Narrow layers keep the checks quick; the defaults are checked as they are.
NARROW = {"hidden_layer_sizes": (100,)}
CONFIGURATIONS = [
    {},
    {**NARROW, "n_levels": 2},
    {"hidden_layer_sizes": (100, 80, 60), "readout_layers": "all"},
    {**NARROW, "eps": 0},
    {**NARROW, "eps": 0.99},
    {**NARROW, "activation": "abs", "input_bits": 4, "n_jobs": 2},
]
READOUTS = [
    {**NARROW, "readout": "ridge", "alpha": 0.01},
    {**NARROW, "readout": "logistic", "alpha": 0.01},
    {**NARROW, "class_weight": "balanced"},
]
TABLES = {**NARROW, "input_encoding": "thresholds"}
TRAINED = {"hidden_layer_sizes": (30,), "eps": 0.5, "hidden_weights": "trained"}
WARM = {**TRAINED, "warm_start": True, "max_iter": 50}
PICTURES = [
    {},
    {
        "hidden_layers": [
            Conv2D(20, 3, padding="same"),
            Pool2D(2, kind="max"),
            Dense(30),
        ],
        "readout_layers": "all",
    },
    {"hidden_layers": [Conv2D(20, 3, weights="patches"), Pool2D(grid=2)]},
]
TRAINED_PICTURES = {
    "hidden_layers": [
        Conv2D(16, 3, padding="same"),
        Pool2D(grid=2, kind="max"),
        Dense(30, eps=0.5),
    ],
    "hidden_weights": "trained",
    "max_iter": 40,
    "learning_rate_init": 0.03,
}
ESTIMATORS = [
    NTKConvCompressor(**TRAINED_PICTURES),
    CompressedCNNClassifier(**TRAINED_PICTURES),
    CompressedCNNRegressor(**TRAINED_PICTURES),
    *(NTKConvCompressor(**parameters) for parameters in PICTURES),
    *(CompressedCNNClassifier(**parameters, alpha=0.01) for parameters in PICTURES),
    *(CompressedCNNRegressor(**parameters, alpha=0.01) for parameters in PICTURES),
    CompressedCNNClassifier(readout="logistic", alpha=0.01),
    NTKCompressor(**TABLES),
    CompressedMLPClassifier(**TABLES, alpha=0.01),
    CompressedMLPRegressor(**TABLES, alpha=0.01),
    NTKCompressor(**TRAINED),
    CompressedMLPClassifier(**TRAINED),
    CompressedMLPRegressor(**TRAINED),
    NTKCompressor(**WARM),
    CompressedMLPClassifier(**WARM),
    CompressedMLPRegressor(**WARM),
    *(NTKCompressor(**parameters) for parameters in CONFIGURATIONS),
    *(CompressedMLPClassifier(**parameters) for parameters in CONFIGURATIONS),
    *(CompressedMLPClassifier(**parameters) for parameters in READOUTS),
    *(CompressedMLPRegressor(**parameters) for parameters in CONFIGURATIONS[:-1]),
    CompressedMLPRegressor(**CONFIGURATIONS[-1], alpha=0.01),
]

#: They fit one estimator twice to the same rows, and expect the same.
FIT_TWICE = {
    "predictor": ["check_supervised_y_2d"],  # as for MLPClassifier
    "transformer": [
        "check_pipeline_consistency",
        "check_transformer_data_not_an_array",
        "check_transformer_general",
    ],
}


def expected_failures(estimator):
    """Checks that are for other meanings of weights and of fits."""
    chosen = getattr(estimator, "alpha", 0.01) is None
    calibrated = getattr(estimator, "readout", "logistic") in ("ridge", None)
    trained, failures = estimator.hidden_weights == "trained", {}
    if chosen or calibrated or trained:
        reason = (
            "Sums are normalised over the rows of a batch, whatever their weight."
            if trained
            else "Of repeated rows leave-one-out leaves out one at a time."
        )
        for kind in ("dense", "sparse"):
            failures[f"check_sample_weight_equivalence_on_{kind}_data"] = reason
    if estimator.warm_start:
        predicts = hasattr(estimator, "predict")
        failures |= dict.fromkeys(
            FIT_TWICE["predictor" if predicts else "transformer"],
            "The second fit goes on where the first one ended.",
        )
    return failures


# Two features are far from high dimension, and the estimators say so.
@pytest.mark.filterwarnings("ignore:X has [0-9]+ features:UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures)
def test_sklearn_checks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        check(estimator)
