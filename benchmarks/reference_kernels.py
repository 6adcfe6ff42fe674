"""Kernels by neural-tangents, the independent library that the tests compare with.

    pip install neural-tangents==0.6.5 jax==0.4.30 tf2jax==0.3.6
    python benchmarks/reference_kernels.py

Writes tests/data/neural_tangents.npz: infinite-width kernels of networks without
biases or centring, for relu, erf, gelu and sin with 1 and 3 hidden layers, and the
versions of the libraries.
"""

from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

from neural_tangents import stax  # noqa: E402

ACTIVATIONS = {
    "relu": stax.Relu(),
    "erf": stax.Erf(),
    "gelu": stax.Gelu(),
    "sin": stax.Sin(),
}
OUTPUT = Path(__file__).parents[1] / "tests" / "data" / "neural_tangents.npz"


def main():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(8, 20)) / np.sqrt(20)
    X[1] = X[0] + 0.2 * X[2]
    versions = [f"{name} {version(name)}" for name in ("neural-tangents", "jax")]
    arrays = {"X": X, "versions": np.array(versions)}
    for name, activation in ACTIVATIONS.items():
        for n_layers in (1, 3):
            layers = [stax.Dense(1), activation] * n_layers + [stax.Dense(1)]
            _, _, kernel = stax.serial(*layers)
            # The library divides the first products by the number of features.
            found = kernel(X * np.sqrt(X.shape[1]), None, ("nngp", "ntk"))
            arrays[f"{name}_{n_layers}_ck"] = np.asarray(found.nngp)
            arrays[f"{name}_{n_layers}_ntk"] = np.asarray(found.ntk)
    OUTPUT.parent.mkdir(exist_ok=True)
    np.savez_compressed(OUTPUT, **arrays)


if __name__ == "__main__":
    main()
