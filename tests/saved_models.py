"""Fitted models of all kinds, small, for the tests of model files."""

import dataclasses
from pathlib import Path

import numpy as np

from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
)
from sklearn_lossless.network import (
    ternary_weights,
)

RNG = np.random.default_rng(0)
X = RNG.integers(0, 17, size=(300, 30)).astype(float)
LABELS = RNG.integers(0, 3, size=300) + (X[:, 0] > 8)
HIDDEN = {"hidden_layer_sizes": (25, 20), "eps": 0.5, "random_state": 7}
DATA = Path(__file__).parent / "data"


def classifier(y=LABELS, **parameters):
    return CompressedMLPClassifier(**{**HIDDEN, **parameters}).fit(X, y)


def with_stored_weights(estimator, n_nonzeros=6, seed=3):
    """Give the first layer weights and thresholds per neuron of its own, no centre."""
    network = estimator.network_
    spec = network.layers[0]
    weights = ternary_weights(seed, 0, spec.n_inputs, spec.n_outputs, n_nonzeros)
    factor = np.random.default_rng(seed).integers(1, 9, size=(spec.n_outputs, 1))
    spec = dataclasses.replace(
        spec,
        n_nonzeros=n_nonzeros,
        thresholds=spec.thresholds * factor // 8,
        centre=np.zeros(1, dtype=np.int64),
        weights=weights,
    )
    network = dataclasses.replace(network, layers=(spec, *network.layers[1:]))
    for each in {estimator, getattr(estimator, "compressor_", estimator)}:
        each.network_ = network
    return estimator


MODELS = {
    "compressor": lambda: NTKCompressor(**HIDDEN).fit(X),
    "compressor_all": lambda: NTKCompressor(**HIDDEN, readout_layers="all").fit(X),
    "ints": classifier,
    "bools": lambda: classifier(X[:, 0] > 8),
    "floats": lambda: classifier(LABELS - 2.0),
    "strings": lambda: classifier(np.array(["no", "yes", "β", "maybe"])[LABELS]),
    "objects": lambda: classifier(
        np.array(["one", "two", "three", ""], dtype=object)[LABELS]
    ),
    "logistic": lambda: classifier(readout="logistic", alpha=0.1),
    "logistic_binary": lambda: classifier(X[:, 0] > 8, readout="logistic", alpha=0.1),
    "paper": lambda: classifier(n_levels=2, input_bits=3, class_weight={0: 1, 1: 2.5}),
    "all_layers": lambda: classifier(readout_layers="all", n_levels=16),
    "regressor": lambda: CompressedMLPRegressor(**HIDDEN).fit(X, X[:, 0]),
    "targets": lambda: CompressedMLPRegressor(**HIDDEN).fit(
        X, X[:, :3] * [1, 1e-5, 1e7]
    ),
    "per_layer": lambda: classifier(eps=(0.8, 0.5), n_levels=[8, 4]),
    "stored_weights": lambda: with_stored_weights(classifier()),
    "trained": lambda: classifier(hidden_weights="trained", max_iter=2),
    "table": lambda: classifier(
        input_encoding="thresholds",
        n_thresholds=5,
        categorical_features=[1, 4],
        max_categories=6,
    ),
    "trained_table": lambda: classifier(
        input_encoding="thresholds", hidden_weights="trained", max_iter=2
    ),
}

GOLDEN = sorted(DATA.glob("v*/*.lnn"))
