"""Which defaults? Accuracy by width, readout, n_levels, eps and input_bits.

    python benchmarks/defaults.py [--data mnist.npz] [--seeds 2] [--output FILE]

One parameter is varied at a time about the defaults. Small data sets: mean accuracy
(R^2 for diabetes) of 5-fold cross-validation over seeds, features standardised.
MNIST: 10,000 training and 10,000 test images, seeds likewise. Writes JSON, of which the
site makes the table of "How the defaults were chosen".
"""

import argparse
import json
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
)
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import RidgeClassifierCV, RidgeCV
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_lossless import CompressedMLPClassifier, CompressedMLPRegressor
from sklearn_lossless.datasets import load_mnist

BUNDLED = {
    "digits": load_digits,
    "wine": load_wine,
    "iris": load_iris,
    "breast_cancer": load_breast_cancer,
    "diabetes": load_diabetes,
}
SETTINGS = [
    {},
    *({"hidden_layer_sizes": (width,)} for width in (250, 500, 2000, 4000)),
    *(
        {"hidden_layer_sizes": sizes, "readout_layers": layers}
        for sizes in [(1000, 1000), (1000, 1000, 1000), (300, 300, 300)]
        for layers in ("last", "all")
    ),
    *({"eps": eps} for eps in (0.0, 0.5, 0.99)),
    *({"n_levels": n_levels} for n_levels in (2, 4, 16)),
    *({"input_bits": input_bits} for input_bits in (1, 2, 4)),
    {"readout": "logistic"},
]
PEERS = {
    "RBFSampler(1000) + RidgeCV": lambda regression, seed: make_pipeline(
        RBFSampler(gamma="scale", n_components=1000, random_state=seed),
        (RidgeCV if regression else RidgeClassifierCV)(alphas=np.logspace(-3, 3, 7)),
    ),
    "MLP (1000,)": lambda regression, seed: (
        MLPRegressor if regression else MLPClassifier
    )(hidden_layer_sizes=(1000,), random_state=seed),
}


def describe(parameters):
    return ", ".join(f"{k}={v}" for k, v in parameters.items()) or "defaults"


def ours(parameters):
    def make(regression, seed):
        estimator = CompressedMLPRegressor if regression else CompressedMLPClassifier
        return estimator(**parameters, random_state=seed)

    return make


def small_score(make, X, y, regression, seed):
    folds = (KFold if regression else StratifiedKFold)(5, shuffle=True, random_state=0)
    pipeline = make_pipeline(StandardScaler(), make(regression, seed))
    return cross_val_score(pipeline, X, y, cv=folds).mean()


def mnist_score(make, data, seed):
    X_train, y_train, X_test, y_test = data
    rows = np.random.default_rng(0).permutation(len(X_train))[:10_000]
    scale = np.float32(1 / 255)
    model = make(False, seed).fit(X_train[rows] * scale, y_train[rows])
    return model.score(X_test * scale, y_test)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="npz with X_train, y_train, X_test, y_test")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--output", type=Path, default=Path("benchmarks/results/defaults.json")
    )
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # few features; two levels; 200 epochs
    mnist = load_mnist(arguments.data)

    models = {describe(setting): ours(setting) for setting in SETTINGS} | PEERS
    rows = []
    for label, make in models.items():
        row = {"setting": label}
        for name, load in BUNDLED.items():
            regression = name == "diabetes"
            if regression and label == "readout=logistic":
                row[name] = None
                continue
            X, y = load(return_X_y=True)
            scores = [
                small_score(make, X, y, regression, seed)
                for seed in range(arguments.seeds)
            ]
            row[name] = round(100 * np.mean(scores), 1)
        scores = [mnist_score(make, mnist, seed) for seed in range(arguments.seeds)]
        row["MNIST 10k"] = round(100 * np.mean(scores), 2)
        rows.append(row)
        print(row, flush=True)
    arguments.output.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
