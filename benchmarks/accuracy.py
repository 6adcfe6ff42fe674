"""Accuracy on MNIST: compressed networks against dense ones of the same sizes.

    python benchmarks/accuracy.py [--data mnist.npz] [--seeds 3] [--output FILE]

For each width: a dense network with Gaussian weights and float activations, the
same with sparse ternary weights, and the compressed network for several n_levels.
All have random hidden layers and the same readout: ridge on +-1 targets, with the
regularisation chosen by leave-one-out. Without --data, MNIST comes from OpenML.
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sklearn_lossless import CompressedMLPClassifier
from sklearn_lossless._readout import fit_ridge, zero_one_loss
from sklearn_lossless.datasets import load_mnist
from sklearn_lossless.network import n_nonzeros, ternary_weights

RUNS = {
    (1500, 1500, 1500): ["dense", "ternary weights", 2, 4, 8, 16],
    (8000,): [8],
}


def gaussian(rng, layer, n_inputs, n_outputs, eps):
    return rng.normal(size=(n_inputs, n_outputs)).astype(np.float32)


def ternary(rng, layer, n_inputs, n_outputs, eps):
    k = n_nonzeros(n_inputs, eps)
    drawn = ternary_weights(int(rng.integers(2**63)), layer, n_inputs, n_outputs, k)
    W = np.zeros((n_inputs, n_outputs), dtype=np.float32)
    signs = np.where(np.arange(k) < drawn.n_plus[:, np.newaxis], 1, -1)
    W[drawn.indices.ravel(), np.repeat(np.arange(n_outputs), k)] = signs.ravel()
    return W * np.float32(np.sqrt(n_inputs / k))


def float_relu_features(X_train, parts, sizes, weights, seed, eps):
    """Features of `parts` in a random ReLU network, centred and scaled layer-wise."""
    rng = np.random.default_rng(seed)
    mean = X_train.mean(axis=0)
    scale = 1 / np.sqrt(X_train.var(axis=0).sum())
    features = [((X - mean) * scale).astype(np.float32) for X in parts]
    tau, n_inputs = 1.0, X_train.shape[1]
    for layer, n_outputs in enumerate(sizes):
        W = weights(rng, layer, n_inputs, n_outputs, eps)
        centre = np.float32(tau / np.sqrt(2 * np.pi))
        features = [np.maximum(Z @ W, 0) for Z in features]
        features = [(Z - centre) / np.float32(np.sqrt(n_outputs)) for Z in features]
        tau *= np.sqrt(1 / 2 - 1 / (2 * np.pi))
        n_inputs = n_outputs
    return features


def float_accuracy(data, sizes, weights, seed, eps):
    X_train, y_train, X_test, y_test = data
    Z_train, Z_test = float_relu_features(
        X_train, (X_train, X_test), sizes, weights, seed, eps
    )
    classes = np.unique(y_train)
    Y = np.where(y_train[:, None] == classes, 1.0, -1.0)
    readout = fit_ridge(Z_train, Y, loss=zero_one_loss)
    scores = Z_test @ readout.coef.T + readout.intercept
    return np.mean(classes[scores.argmax(axis=1)] == y_test)


def compressed_accuracy(data, sizes, n_levels, seed, eps):
    X_train, y_train, X_test, y_test = data
    clf = CompressedMLPClassifier(
        sizes, eps=eps, n_levels=n_levels, random_state=seed, n_jobs=-1
    )
    return clf.fit(X_train, y_train).score(X_test, y_test)


def accuracy(data, sizes, kind, seed, eps):
    if kind == "dense":
        return float_accuracy(data, sizes, gaussian, seed, eps)
    if kind == "ternary weights":
        return float_accuracy(data, sizes, ternary, seed, eps)
    return compressed_accuracy(data, sizes, kind, seed, eps)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="npz with X_train, y_train, X_test, y_test")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--eps", type=float, default=0.9)
    parser.add_argument("--output", type=Path, help="JSON file for the results")
    arguments = parser.parse_args()
    data = load_mnist(arguments.data)
    warnings.simplefilter("ignore", ConvergenceWarning)  # n_levels=2 has no exact tau

    rows = []
    print(f"MNIST, eps={arguments.eps}, {arguments.seeds} seeds, test accuracy in %")
    print(
        f"{'hidden layers':20}{'network':18}{'mean':>7}{'std':>6}{'- dense':>9}{'s':>6}"
    )
    for sizes, kinds in RUNS.items():
        dense = 0.0
        for kind in kinds:
            start = time.perf_counter()
            scores = [
                100 * accuracy(data, sizes, kind, seed, arguments.eps)
                for seed in range(arguments.seeds)
            ]
            seconds = (time.perf_counter() - start) / arguments.seeds
            name = f"n_levels={kind}" if isinstance(kind, int) else kind
            mean = float(np.mean(scores))
            dense = mean if kind == "dense" else dense
            difference = f"{mean - dense:+.2f}" if "dense" in kinds else ""
            print(
                f"{'-'.join(map(str, sizes)):20}{name:18}{mean:7.2f}"
                f"{np.std(scores):6.2f}{difference:>9}{seconds:6.0f}",
                flush=True,
            )
            rows.append({"sizes": sizes, "network": name, "accuracy": scores})
    if arguments.output:
        result = {"eps": arguments.eps, "rows": rows}
        arguments.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
