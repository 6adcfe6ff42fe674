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
import random_networks
from sklearn.exceptions import ConvergenceWarning

from sklearn_lossless import CompressedMLPClassifier
from sklearn_lossless.datasets import load_mnist

RUNS = {
    (1500, 1500, 1500): ["dense", "ternary weights", 2, 4, 8, 16],
    (8000,): [8],
}


def compressed_accuracy(data, sizes, n_levels, seed, eps):
    X_train, y_train, X_test, y_test = data
    clf = CompressedMLPClassifier(
        sizes, eps=eps, n_levels=n_levels, random_state=seed, n_jobs=-1
    )
    return clf.fit(X_train, y_train).score(X_test, y_test)


def accuracy(data, sizes, kind, seed, eps):
    if kind == "dense":
        return random_networks.accuracy(
            data, sizes, random_networks.gaussian, random_networks.relu, seed, eps
        )
    if kind == "ternary weights":
        return random_networks.accuracy(
            data, sizes, random_networks.ternary, random_networks.relu, seed, eps
        )
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
