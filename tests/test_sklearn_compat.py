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
TRAINED = {"hidden_layer_sizes": (30,), "eps": 0.5, "hidden_weights": "trained"}
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
ESTIMATORS = [
    *(NTKConvCompressor(**parameters) for parameters in PICTURES),
    *(CompressedCNNClassifier(**parameters, alpha=0.01) for parameters in PICTURES),
    *(CompressedCNNRegressor(**parameters, alpha=0.01) for parameters in PICTURES),
    CompressedCNNClassifier(readout="logistic", alpha=0.01),
    NTKCompressor(**TRAINED),
    CompressedMLPClassifier(**TRAINED),
    CompressedMLPRegressor(**TRAINED),
    *(NTKCompressor(**parameters) for parameters in CONFIGURATIONS),
    *(CompressedMLPClassifier(**parameters) for parameters in CONFIGURATIONS),
    *(CompressedMLPClassifier(**parameters) for parameters in READOUTS),
    *(CompressedMLPRegressor(**parameters) for parameters in CONFIGURATIONS[:-1]),
    CompressedMLPRegressor(**CONFIGURATIONS[-1], alpha=0.01),
]


def expected_failures(estimator):
    """Leave-one-out leaves out whole samples: of repeated rows only one at a time."""
    chosen = getattr(estimator, "alpha", 0.01) is None
    chosen |= estimator.hidden_weights == "trained"  # as for MLPClassifier
    calibrated = getattr(estimator, "readout", "logistic") in ("ridge", None)
    if not (chosen or calibrated):
        return {}
    reason = "sample_weight is not equivalent to repeating rows when they are left out."
    return {
        f"check_sample_weight_equivalence_on_{kind}_data": reason
        for kind in ("dense", "sparse")
    }


# Two features are far from high dimension, and the estimators say so.
@pytest.mark.filterwarnings("ignore:X has [0-9]+ features:UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures)
def test_sklearn_checks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        check(estimator)
