"""Kernels by neural-tangents, the independent library that the tests compare with.

    pip install neural-tangents==0.6.5 jax==0.4.30 tf2jax==0.3.6
    python benchmarks/reference_kernels.py

Writes tests/data/neural_tangents.npz: infinite-width kernels of networks without
biases or centring, for relu, erf, gelu and sin with 1 and 3 hidden layers; outputs of
gradient flow under those with 3 layers, at some times; and the versions of the
libraries. And tests/data/neural_tangents_convolution.npz: conjugate kernels of
convolutional networks with odd activations, whose sums have mean square 1.
"""

from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

from neural_tangents import predict, stax  # noqa: E402

ACTIVATIONS = {
    "relu": stax.Relu(),
    "erf": stax.Erf(),
    "gelu": stax.Gelu(),
    "sin": stax.Sin(),
}
#: In units of the library, whose loss is a mean over samples and targets.
TIMES = np.array([0.0, 0.3, 3.0, 30.0, 1e3, 1e5])
OUTPUT = Path(__file__).parents[1] / "tests" / "data" / "neural_tangents.npz"
OUTPUT_CONVOLUTION = OUTPUT.with_stem("neural_tangents_convolution")


def main():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(8, 20)) / np.sqrt(20)
    X[1] = X[0] + 0.2 * X[2]
    versions = [f"{name} {version(name)}" for name in ("neural-tangents", "jax")]
    arrays = {"X": X, "versions": np.array(versions)}
    rng = np.random.default_rng(1)
    arrays["X_test"] = rng.normal(size=(5, 20)) / np.sqrt(20)
    arrays["Y"], arrays["first"] = rng.normal(size=(2, 8, 2))
    arrays["first_test"] = rng.normal(size=(5, 2))
    arrays["times"] = TIMES
    for name, activation in ACTIVATIONS.items():
        for n_layers in (1, 3):
            layers = [stax.Dense(1), activation] * n_layers + [stax.Dense(1)]
            _, _, kernel = stax.serial(*layers)
            # The library divides the first products by the number of features.
            found = kernel(X * np.sqrt(X.shape[1]), None, ("nngp", "ntk"))
            arrays[f"{name}_{n_layers}_ck"] = np.asarray(found.nngp)
            arrays[f"{name}_{n_layers}_ntk"] = np.asarray(found.ntk)
            if n_layers == 3:
                add_flow(arrays, name, kernel)
    OUTPUT.parent.mkdir(exist_ok=True)
    np.savez_compressed(OUTPUT, **arrays)
    np.savez_compressed(OUTPUT_CONVOLUTION, **convolutional())


def convolutional():
    """Pictures of 8 x 7 x 2, and kernels of one and two convolutions with poolings."""
    X = np.random.default_rng(2).normal(size=(6, 8, 7, 2)).cumsum(axis=1)
    arrays = {"X": X}
    for name in ("erf", "sin"):
        activation = ACTIVATIONS[name]
        pool = stax.AvgPool((2, 2), (2, 2))
        for label, layers in {
            "one": [(3, 1)],
            "one_strided": [(3, 2)],
            "one_pooled": [(3, 1), pool],
            "two": [(3, 1), (2, 1)],
            "two_pooled": [(3, 1), pool, (2, 1)],
        }.items():
            parts = []
            for layer in layers:
                if layer is not pool:
                    size, stride = layer
                    shape = (size, size), (stride, stride)
                    # Such weights that the sums have mean square 1.
                    sums = stax.Conv(1, *shape, W_std=1.0)
                    _, _, kernel = stax.serial(*parts, sums)
                    covariance = kernel(X, None).cov1  # of all pairs of positions
                    square = float(np.einsum("nhhww->nhw", covariance).mean())
                    parts += [
                        stax.Conv(1, *shape, W_std=square**-0.5),
                        activation,
                    ]
                else:
                    parts.append(layer)
            _, _, kernel = stax.serial(*parts, stax.Flatten())
            arrays[f"{name}_{label}"] = np.asarray(kernel(X, None, "nngp"))
    return arrays


def add_flow(arrays, name, kernel):
    """Outputs of gradient flow on training and test samples, under both kernels."""
    X, X_test = (arrays[each] * np.sqrt(20) for each in ("X", "X_test"))
    for ours, theirs in (("ck", "nngp"), ("ntk", "ntk")):
        K, cross = kernel(X, None, theirs), kernel(X_test, X, theirs)
        flow = predict.gradient_descent_mse(K, arrays["Y"])
        train, test = flow(TIMES, arrays["first"], arrays["first_test"], cross)
        arrays[f"{name}_flow_{ours}_cross"] = np.asarray(cross)
        arrays[f"{name}_flow_{ours}_train"] = np.asarray(train)
        arrays[f"{name}_flow_{ours}_test"] = np.asarray(test)


if __name__ == "__main__":
    main()
