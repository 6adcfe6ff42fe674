"""How the equivalents approach the exact kernels as the dimension grows.

    python benchmarks/convergence.py [--largest 1600] [--output FILE]

Two-class mixtures ("mixed"), as many samples as features. For each activation and
depth: the relative spectral error of both forms of the equivalents against the exact
infinite-width kernels, and of the poster's form (which also subtracts tau_0^4 a3).

Then the same of networks whose first layer has sparse ternary weights, infinitely wide
too: of the equivalents with the fourth cumulants of the weights, and of the theorem's
without. Their first kernel is an average over many neurons, whose noise is half the
distance of two such averages.
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
DEPTHS = (1, 3)
N_DRAWS = 3
EPS = (0.5, 0.9)

#: Neurons of one draw of weights, and of half an average.
_AT_ONCE = 4_000
N_NEURONS = {200: 200_000, 400: 200_000, 800: 200_000, 1600: 320_000}


def mixture(p, seed):
    drawn = make_gaussian_mixture("mixed", p, p, random_state=seed)
    centre = np.average(drawn.means, axis=0, weights=np.bincount(drawn.target))
    X = drawn.data - centre
    statistics = mixture_statistics(
        X, drawn.target, drawn.means - centre, drawn.covariances
    )
    return X, statistics


def ternary_cks(X, tau, eps, seed):
    """First kernels of infinitely wide networks of sparse ternary weights.

    Both signs of a neuron are equally likely, so the odd and the even part of an
    activation do not mix; the odd part of these activations is linear, and its kernel
    is known. Only the even part has to be averaged, which has far less noise.
    """
    p = X.shape[1]
    k = n_nonzeros(p, eps)
    scaled = (X * np.sqrt(p / k)).astype(np.float32)
    activations = {name: get_activation(name) for name in ACTIVATIONS}
    means = {name: gaussian_moments(name, tau).mean for name in ACTIVATIONS}
    kernels = {name: np.zeros((len(X), len(X))) for name in ACTIVATIONS}
    W = np.zeros((_AT_ONCE, p), dtype=np.float32)
    n_draws = N_NEURONS[p] // _AT_ONCE
    for number in range(n_draws):
        drawn = ternary_weights(seed, number, p, _AT_ONCE, k)
        signs = np.where(np.arange(k) < drawn.n_plus[:, np.newaxis], 1, -1)
        W[:] = 0
        np.put_along_axis(W, drawn.indices, signs.astype(np.float32), axis=1)
        inputs = np.abs(scaled @ W.T)
        for name, activation in activations.items():
            even = activation(inputs) - slope(activation) * inputs - means[name]
            even = even.astype(np.float32)
            kernels[name] += even @ even.T
    gram = X @ X.T
    return {
        name: kernel / (n_draws * _AT_ONCE) + slope(activations[name]) ** 2 * gram
        for name, kernel in kernels.items()
    }


def slope(activation):
    """Slope of the odd part."""
    right, left = activation([2.0, -2.0])
    return float(right - left) / 4


def deeper(kernel, name, n_layers, tau0):
    """Kernel after further layers, which see the first one only by its products."""
    tau = gaussian_moments(name, tau0).tau
    if n_layers == 1:
        return kernel
    inputs = np.linalg.cholesky(kernel)
    return conjugate_kernel(inputs, [name] * (n_layers - 1), tau0=tau)


def dense_errors(p, name, n_layers, seed):
    X, statistics = mixture(p, seed)
    layers = [name] * n_layers
    K = conjugate_kernel(X, layers, tau0=statistics.tau0)
    T = neural_tangent_kernel(X, layers, tau0=statistics.tau0)
    classes = equivalent_ck(X, layers, statistics)
    a3 = equivalent_coefficients(layers, statistics.tau0).alpha[-1, 2]
    return {
        "CK, classes": spectral_error(classes, K),
        "CK, data": spectral_error(equivalent_ck(X, layers), K),
        "CK, as printed": spectral_error(
            classes - statistics.tau0**4 * a3 * np.eye(p), K
        ),
        "NTK, classes": spectral_error(equivalent_ntk(X, layers, statistics), T),
        "NTK, data": spectral_error(equivalent_ntk(X, layers), T),
    }


def ternary_errors(p, seed):
    """Errors of all activations and depths, by (activation, depth)."""
    X, statistics = mixture(p, seed)
    found = {}
    for eps in EPS:
        k = n_nonzeros(p, eps)
        halves = [
            ternary_cks(X, statistics.tau0, eps, 2 * seed + half) for half in (1, 2)
        ]
        for name in ACTIVATIONS:
            for n_layers in DEPTHS:
                layers = [name] * n_layers
                first, second, both = (
                    deeper(kernel, name, n_layers, statistics.tau0)
                    for kernel in (
                        halves[0][name],
                        halves[1][name],
                        (halves[0][name] + halves[1][name]) / 2,
                    )
                )
                what = f"ternary CK, eps={eps}"
                errors = found.setdefault((name, n_layers), {})
                errors[f"{what}, classes"] = spectral_error(
                    equivalent_ck(X, layers, statistics, n_nonzeros=k), both
                )
                errors[f"{what}, data"] = spectral_error(
                    equivalent_ck(X, layers, n_nonzeros=k), both
                )
                errors[f"{what}, without cumulants"] = spectral_error(
                    equivalent_ck(X, layers, statistics), both
                )
                errors[f"{what}, noise"] = spectral_error(first, second) / 2
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--largest", type=int, default=SIZES[-1])
    parser.add_argument(
        "--output", type=Path, default=Path("benchmarks/results/convergence")
    )
    arguments = parser.parse_args()
    sizes = [p for p in SIZES if p <= arguments.largest]
    errors = {(name, depth): [] for name in ACTIVATIONS for depth in DEPTHS}
    for p in sizes:
        draws = [ternary_errors(p, seed) for seed in range(N_DRAWS)]
        for (name, n_layers), rows in errors.items():
            found = [
                {**dense_errors(p, name, n_layers, seed), **draw[name, n_layers]}
                for seed, draw in enumerate(draws)
            ]
            rows.append({what: np.mean([e[what] for e in found]) for what in found[0]})
        print(f"p = n = {p} done", flush=True)
    rows = []
    for (name, n_layers), found in errors.items():
        for what in found[0]:
            values = [float(each[what]) for each in found]
            rows.append(
                {
                    "activation": name,
                    "layers": n_layers,
                    "what": what,
                    "sizes": sizes,
                    "error": values,
                    "slope": float(np.polyfit(np.log(sizes), np.log(values), 1)[0]),
                }
            )
            listed = " ".join(f"{value:.4f}" for value in values)
            slope_found = f"slope {rows[-1]['slope']:+.2f}"
            print(f"{name:11}L={n_layers} {what:38}{listed}  {slope_found}")
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
