"""scikit-learn's own checks, over several configurations, with no exceptions."""

import warnings

import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
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
ESTIMATORS = [
    *(NTKCompressor(**parameters) for parameters in CONFIGURATIONS),
    *(CompressedMLPClassifier(**parameters) for parameters in CONFIGURATIONS),
    *(CompressedMLPClassifier(**parameters) for parameters in READOUTS),
    *(CompressedMLPRegressor(**parameters) for parameters in CONFIGURATIONS),
]


# Two features are far from high dimension, and the estimators say so.
@pytest.mark.filterwarnings("ignore:X has [0-9]+ features:UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(ESTIMATORS)
def test_sklearn_checks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        check(estimator)
