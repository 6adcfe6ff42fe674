"""How the equivalents approach the exact kernels as the dimension grows.

    python benchmarks/convergence.py [--largest 1600] [--output FILE]

Two-class mixtures ("mixed"), as many samples as features. For each activation and
depth: the relative spectral error of both forms of the equivalents against the exact
infinite-width kernels, of the poster's form (which also subtracts tau_0^4 a3), and of
the equivalent against the conjugate kernel of networks with sparse ternary weights,
averaged over many neurons, with half the distance of two such averages as its noise.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from sklearn_lossless.datasets import make_gaussian_mixture
from sklearn_lossless.network import n_nonzeros, ternary_weights
from sklearn_lossless.theory import (
    conjugate_kernel,
    equivalent_ck,
    equivalent_coefficients,
    equivalent_ntk,
    gaussian_moments,
    get_activation,
    mixture_statistics,
    neural_tangent_kernel,
    spectral_error,
)

SIZES = (200, 400, 800, 1600)
ACTIVATIONS = ("relu", "leaky_relu", "gelu")
N_DRAWS = 3

#: Neurons of one draw of weights.
_AT_ONCE = 2_000


def n_neurons(p):
    """In one half: the noise falls as their root and has to stay below the error."""
    return round(max(150_000, 1.25 * p**2) / _AT_ONCE) * _AT_ONCE


def mixture(p, seed):
    drawn = make_gaussian_mixture("mixed", p, p, random_state=seed)
    centre = np.average(drawn.means, axis=0, weights=np.bincount(drawn.target))
    X = drawn.data - centre
    statistics = mixture_statistics(
        X, drawn.target, drawn.means - centre, drawn.covariances
    )
    return X, statistics


def ternary_ck(X, name, tau, eps, seed):
    """Average of the products of many sparse ternary neurons."""
    p = X.shape[1]
    k = n_nonzeros(p, eps)
    scaled = (X * np.sqrt(p / k)).astype(np.float32)
    centre = np.float32(gaussian_moments(name, tau).mean)
    kernel = np.zeros((len(X), len(X)))
    W = np.zeros((_AT_ONCE, p), dtype=np.float32)
    n_draws = n_neurons(p) // _AT_ONCE
    for number in range(n_draws):
        drawn = ternary_weights(seed, number, p, _AT_ONCE, k)
        signs = np.where(np.arange(k) < drawn.n_plus[:, np.newaxis], 1, -1)
        W[:] = 0
        np.put_along_axis(W, drawn.indices, signs.astype(np.float32), axis=1)
        Z = get_activation(name)(scaled @ W.T) - centre
        kernel += Z @ Z.T
    return kernel / (n_draws * _AT_ONCE)


def errors(p, name, n_layers, seed):
    X, statistics = mixture(p, seed)
    layers = [name] * n_layers
    K = conjugate_kernel(X, layers, tau0=statistics.tau0)
    T = neural_tangent_kernel(X, layers, tau0=statistics.tau0)
    classes = equivalent_ck(X, layers, statistics)
    a3 = equivalent_coefficients(layers, statistics.tau0).alpha[-1, 2]
    found = {
        "CK, classes": spectral_error(classes, K),
        "CK, data": spectral_error(equivalent_ck(X, layers), K),
        "CK, as printed": spectral_error(
            classes - statistics.tau0**4 * a3 * np.eye(p), K
        ),
        "NTK, classes": spectral_error(equivalent_ntk(X, layers, statistics), T),
        "NTK, data": spectral_error(equivalent_ntk(X, layers), T),
    }
    if n_layers == 1 and name == "relu" and seed == 0:
        for eps in (0.5, 0.9):
            halves = [
                ternary_ck(X, name, statistics.tau0, eps, half) for half in (1, 2)
            ]
            average = (halves[0] + halves[1]) / 2
            found[f"ternary CK, eps={eps}"] = spectral_error(classes, average)
            found[f"ternary CK, eps={eps}, noise"] = spectral_error(*halves) / 2
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--largest", type=int, default=SIZES[-1])
    parser.add_argument(
        "--output", type=Path, default=Path("benchmarks/results/convergence")
    )
    arguments = parser.parse_args()
    sizes = [p for p in SIZES if p <= arguments.largest]
    rows = []
    for name in ACTIVATIONS:
        for n_layers in (1, 3):
            found = {}
            for p in sizes:
                draws = [errors(p, name, n_layers, seed) for seed in range(N_DRAWS)]
                for what in draws[0]:
                    values = [draw[what] for draw in draws if what in draw]
                    found.setdefault(what, []).append(float(np.mean(values)))
            for what, values in found.items():
                slope = float(np.polyfit(np.log(sizes), np.log(values), 1)[0])
                rows.append(
                    {
                        "activation": name,
                        "layers": n_layers,
                        "what": what,
                        "sizes": sizes,
                        "error": values,
                        "slope": slope,
                    }
                )
                listed = " ".join(f"{value:.4f}" for value in values)
                print(f"{name:11}L={n_layers} {what:30}{listed}  slope {slope:+.2f}")
    arguments.output.with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n")
    header = " | ".join(f"p = n = {p}" for p in sizes)
    lines = [
        f"| activation | layers | relative error of | {header} | slope |",
        "|---|---:|---|" + "---:|" * (len(sizes) + 1),
    ]
    for row in rows:
        listed = " | ".join(f"{value:.4f}" for value in row["error"])
        lines.append(
            f"| {row['activation']} | {row['layers']} | {row['what']} | {listed} "
            f"| {row['slope']:+.2f} |"
        )
    arguments.output.with_suffix(".md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
