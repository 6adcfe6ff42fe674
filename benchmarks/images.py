"""Networks of pictures in closed form: accuracy and bytes of the file.

    python benchmarks/images.py --data FOLDER [--only NAME ...] [--seeds 3]
        [--output FILE]

FOLDER has `mnist.npz` (60,000 and 10,000 images) and `cifar10_part.npz` (the first
16,000 training and 4,000 test images of CIFAR-10); without it the folder's data sets
are left out, `digits` comes with scikit-learn. Scores are those of the model file with
an int8 or an int4 readout, read again, on test images that no choice has seen: settings
were chosen on the last 10,000 training images of MNIST and the last 4,000 of CIFAR-10
(--validate). The readout is ridge, alpha by leave-one-out. Results are added to those
in FILE.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import sklearn_lossless
from sklearn_lossless import (
    CompressedCNNClassifier,
    CompressedMLPClassifier,
    Conv2D,
    Pool2D,
)

#: Data, estimator and readouts of the files.
NETWORKS = {
    "MNIST, 100 random 7x7": (
        "mnist",
        CompressedCNNClassifier((28, 28), [Conv2D(100, 7), Pool2D(grid=4)]),
        ("int8", "int4"),
    ),
    "MNIST, 100 patches 7x7": (
        "mnist",
        CompressedCNNClassifier(
            (28, 28), [Conv2D(100, 7, weights="patches"), Pool2D(grid=4)]
        ),
        ("int8", "int4"),
    ),
    "MNIST, 60 patches 7x7": (
        "mnist",
        CompressedCNNClassifier(
            (28, 28), [Conv2D(60, 7, weights="patches"), Pool2D(grid=4)]
        ),
        ("int8", "int4"),
    ),
    "MNIST, small": (
        "mnist",
        CompressedCNNClassifier((28, 28), [Conv2D(48, 7), Pool2D(grid=3)]),
        ("int8", "int4"),
    ),
    "MNIST, 400 patches 7x7": (
        "mnist",
        CompressedCNNClassifier(
            (28, 28), [Conv2D(400, 7, weights="patches"), Pool2D(grid=4)]
        ),
        ("int8", "int4"),
    ),
    "CIFAR-10, 400 random 6x6": (
        "cifar",
        CompressedCNNClassifier((32, 32, 3), [Conv2D(400, 6), Pool2D(grid=3)]),
        ("int8", "int4"),
    ),
    "CIFAR-10, 400 patches 6x6": (
        "cifar",
        CompressedCNNClassifier(
            (32, 32, 3), [Conv2D(400, 6, weights="patches"), Pool2D(grid=3)]
        ),
        ("int8", "int4"),
    ),
    "CIFAR-10, 1600 patches 6x6": (
        "cifar",
        CompressedCNNClassifier(
            (32, 32, 3), [Conv2D(1600, 6, weights="patches"), Pool2D(grid=2)]
        ),
        ("int8", "int4"),
    ),
    "digits, defaults": ("digits", CompressedCNNClassifier(), ("int8",)),
    "digits, dense defaults": ("digits", CompressedMLPClassifier(), ("int8",)),
}


def load(name, folder, seed, validate):
    """Images and labels for training, and for the score."""
    if name == "digits":
        X, y = load_digits(return_X_y=True)
        X, X_test, y, y_test = train_test_split(X, y, random_state=seed)
        return X, y, X_test, y_test
    file = {"mnist": "mnist.npz", "cifar": "cifar10_part.npz"}[name]
    with np.load(Path(folder) / file) as data:
        X, y, X_test, y_test = (
            data[key] for key in ("X_train", "y_train", "X_test", "y_test")
        )
    X, X_test = X.reshape(len(X), -1), X_test.reshape(len(X_test), -1)
    if validate:
        n = {"mnist": 10_000, "cifar": 4_000}[name]
        X, X_test, y, y_test = X[:-n], X[-n:], y[:-n], y[-n:]
    return X, y.ravel(), X_test, y_test.ravel()


def measure(name, folder, seed, validate):
    """Accuracy and bytes of the files of one fit."""
    data, estimator, dtypes = NETWORKS[name]
    X, y, X_test, y_test = load(data, folder, seed, validate)
    start = time.perf_counter()
    estimator.set_params(random_state=seed, n_jobs=-1).fit(X, y)
    found = {
        "seconds": round(time.perf_counter() - start, 1),
        "features": estimator.network_.n_features_out,
        "accuracy": estimator.score(X_test, y_test),
    }
    with tempfile.TemporaryDirectory() as parent:
        for dtype in dtypes:
            path = Path(parent) / "model.lnn"
            estimator.save(path, readout_dtype=dtype)
            found[dtype] = {
                "accuracy": sklearn_lossless.load(path).score(X_test, y_test),
                "bytes": path.stat().st_size,
            }
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data")
    parser.add_argument("--only", nargs="*", default=list(NETWORKS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    results = {}
    if options.output and options.output.exists():
        results = json.loads(options.output.read_text())
    for name in options.only:
        if NETWORKS[name][0] != "digits" and options.data is None:
            continue
        for seed in range(options.seeds):
            found = measure(name, options.data, seed, options.validate)
            print(name, seed, found, flush=True)
            results.setdefault(name, {})[str(seed)] = found
            if options.output:
                text = json.dumps(results, indent=1, sort_keys=True)
                options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
