"""How learning curves of the equivalents approach those of the exact kernels.

    python benchmarks/dynamics_convergence.py [--largest 1600] [--output FILE]

Two-class mixtures, as many training and test samples as features, two layers of ReLU.
Gradient flow over five decades of time, from a tenth of the time of the fastest mode:
the largest difference of the mean squared error, mean over three draws.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from sklearn_lossless.datasets import make_gaussian_mixture
from sklearn_lossless.theory import (
    conjugate_kernel,
    equivalent_dynamics,
    kernel_dynamics,
    neural_tangent_kernel,
)

SIZES = (200, 400, 800, 1600)
SETTINGS = ("mixed", "means", "vars")
KERNELS = {"ntk": neural_tangent_kernel, "ck": conjugate_kernel}
LAYERS = ["relu", "relu"]
N_DRAWS = 3


def split_mixture(setting, p, seed):
    drawn = make_gaussian_mixture(setting, 2 * p, p, random_state=seed)
    X, y = drawn.data, 2.0 * drawn.target - 1
    X = X - X[:p].mean(axis=0)
    X /= np.sqrt(np.mean(np.sum(X[:p] ** 2, axis=1)))
    return X[:p], y[:p], X[p:], y[p:]


def differences(setting, kernel, p, seed):
    X, y, X_test, y_test = split_mixture(setting, p, seed)
    function = KERNELS[kernel]
    K, cross = function(X, LAYERS), function(X_test, LAYERS, X, tau0=1.0)
    exact = kernel_dynamics(K, y, cross, y_test)
    times = np.logspace(-1, 4, 101) * p / exact.eigenvalues[0]
    found = equivalent_dynamics(X, y, LAYERS, X_test, y_test, kernel=kernel)
    ours, theirs = found.curve(times), exact.curve(times)
    return (
        float(np.abs(ours.train - theirs.train).max()),
        float(np.abs(ours.test - theirs.test).max()),
        len(found.eigenvalues),
        float(theirs.test.min()),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--largest", type=int, default=SIZES[-1])
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("benchmarks/results/dynamics_convergence.json"),
    )
    arguments = parser.parse_args()
    sizes = [p for p in SIZES if p <= arguments.largest]
    rows = []
    for setting in SETTINGS:
        for kernel in KERNELS:
            found = [
                np.mean(
                    [differences(setting, kernel, p, seed) for seed in range(N_DRAWS)],
                    axis=0,
                )
                for p in sizes
            ]
            train, test, modes, least = np.transpose(found).tolist()
            for what, values in (("training", train), ("test", test)):
                rows.append(
                    {
                        "setting": setting,
                        "kernel": kernel,
                        "error": what,
                        "sizes": sizes,
                        "difference": values,
                        "slope": float(np.polyfit(np.log(sizes), np.log(values), 1)[0]),
                        "modes": modes,
                        "least test error": least,
                    }
                )
                listed = " ".join(f"{value:.5f}" for value in values)
                print(
                    f"{setting:6}{kernel:4}{what:9}{listed} "
                    f"slope {rows[-1]['slope']:+.2f}",
                    flush=True,
                )
    arguments.output.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
