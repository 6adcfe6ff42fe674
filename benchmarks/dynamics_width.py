"""How networks of finite width approach the learning curve of the infinite one.

    python benchmarks/dynamics_width.py [--largest 8192] [--output FILE]

Two-class mixture, 64 training and test samples of 64 features. Networks with one hidden
layer, all weights trained by full-batch gradient descent in the parametrisation of the
theory: dense with ReLU, and with eight and two matched levels, straight through. The
largest difference along 60 steps of the training error from that of the infinite
network's kernel, mean over networks; and of the mean of the test outputs.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from sklearn_lossless.datasets import make_gaussian_mixture
from sklearn_lossless.theory import (
    gaussian_moments,
    kernel_dynamics,
    match_activation,
    neural_tangent_kernel,
    straight_through_kernel,
)

WIDTHS = (256, 512, 1024, 2048, 4096, 8192)
N, N_STEPS, SHARE, N_DRAWS = 64, 60, 0.05, 12


def split_mixture():
    drawn = make_gaussian_mixture("mixed", 2 * N, N, random_state=0)
    X, y = drawn.data, 2.0 * drawn.target - 1
    X = X - X[:N].mean(axis=0)
    X /= np.sqrt(np.mean(np.sum(X[:N] ** 2, axis=1)))
    return X[:N], y[:N], X[N:], y[N:]


def relu(u):
    return np.maximum(u, 0.0)


def descend(X, y, X_test, forward, centre, width, step_size, seed):
    """Training and test outputs after each step, less the first ones."""
    rng = np.random.default_rng(seed)
    W, a = rng.standard_normal((width, X.shape[1])), rng.standard_normal(width)

    def features(Z):
        U = Z @ W.T
        return U, (forward(U) - centre) / np.sqrt(width)

    first, first_test = (features(Z)[1] @ a for Z in (X, X_test))
    train, test = [], []
    for _ in range(N_STEPS + 1):
        U, Z = features(X)
        outputs = Z @ a - first
        train.append(outputs)
        test.append(features(X_test)[1] @ a - first_test)
        residual = (outputs - y) / len(X)
        delta = np.outer(residual, a / np.sqrt(width)) * (U > 0)
        a -= step_size * (Z.T @ residual)
        W -= step_size * (delta.T @ X)
    return np.array(train), np.array(test)


def networks(X, X_test):
    """Name, forward function, its mean, and both kernels."""
    moments = gaussian_moments("relu")
    yield (
        "dense, ReLU",
        relu,
        moments.mean,
        neural_tangent_kernel(X, ["relu"]),
        neural_tangent_kernel(X_test, ["relu"], X, tau0=1.0),
    )
    for n_levels in (8, 2):
        step = match_activation("relu", n_levels=n_levels)
        step = getattr(step, "step", step)
        yield (
            f"{n_levels} levels, straight through",
            step,
            step.moments(1.0).mean,
            straight_through_kernel(X, ["relu"], [step]),
            straight_through_kernel(X_test, ["relu"], [step], X, tau0=1.0),
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--largest", type=int, default=WIDTHS[-1])
    parser.add_argument(
        "--output", type=Path, default=Path("benchmarks/results/dynamics_width.json")
    )
    arguments = parser.parse_args()
    widths = [width for width in WIDTHS if width <= arguments.largest]
    X, y, X_test, y_test = split_mixture()
    rows = []
    for name, forward, centre, K, cross in networks(X, X_test):
        theory = kernel_dynamics(K, y, cross, y_test)
        step_size = SHARE * theory.max_step_size
        times = step_size * np.arange(N_STEPS + 1)
        curve = theory.curve(times, step_size=step_size)
        expected = theory.weights(times, step_size=step_size)[..., 0] @ cross.T
        single, outputs = [], []
        for width in widths:
            found = [
                descend(X, y, X_test, forward, centre, width, step_size, seed)
                for seed in range(N_DRAWS)
            ]
            errors = [np.mean((train - y) ** 2, axis=1) for train, _ in found]
            single.append(
                float(np.mean([np.abs(each - curve.train).max() for each in errors]))
            )
            away = [np.sqrt(np.mean((test - expected) ** 2)) for _, test in found]
            outputs.append(float(np.mean(away)))
        for what, values in (("training error", single), ("test outputs", outputs)):
            rows.append(
                {
                    "network": name,
                    "what": what,
                    "widths": widths,
                    "difference": values,
                    "slope": float(np.polyfit(np.log(widths), np.log(values), 1)[0]),
                }
            )
            listed = " ".join(f"{value:.4f}" for value in values)
            print(
                f"{name:28}{what:16}{listed} slope {rows[-1]['slope']:+.2f}", flush=True
            )
    arguments.output.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
