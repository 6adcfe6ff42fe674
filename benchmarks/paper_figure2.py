"""Eigenvalues and dominant eigenvectors of kernels: the paper's first experiment.

    python benchmarks/paper_figure2.py [--data mnist.npz] [--draws N] [--output FILE]

Two classes of 3200 samples in all: a Gaussian mixture of 2000 features, and the 6s and
8s of MNIST, whose rows are scaled to one norm, as the theory asks. The conjugate kernel
of three ReLU layers, exact, is compared with its random-matrix equivalents and with
compressed networks of widths 2000-2000-1000, 90 % zeros: one of them, and the mean of
`--draws`. An eigenvalue is isolated if it is further from the next one than any two
neighbours below it, as a share of itself. Without --data, MNIST comes from OpenML.
"""

import argparse
import json
import warnings
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import normalize

from sklearn_lossless import NTKCompressor
from sklearn_lossless.datasets import load_mnist, make_gaussian_mixture
from sklearn_lossless.inspection import SpectrumDisplay
from sklearn_lossless.theory import (
    compare_spectra,
    conjugate_kernel,
    empirical_ck,
    equivalent_ck,
    mixture_statistics,
    spectral_error,
)

N_SAMPLES = 3200
WIDTHS = (2000, 2000, 1000)
ACTIVATIONS = ["relu"] * 3

#: Eigenvalues that are looked at.
N_LARGEST = 6


def gaussian_mixture():
    """Means 8 e_1 and 8 e_9, covariances I and (1 + 8 / sqrt(p)) I."""
    p = 2000
    means = np.zeros((2, p))
    means[0, 0] = means[1, 8] = 8
    drawn = make_gaussian_mixture(
        n_samples=N_SAMPLES,
        n_features=p,
        means=means,
        covariances=[1.0, 1.0 + 8.0 / np.sqrt(p)],
        random_state=0,
    )
    return drawn.data, drawn.target


def sixes_and_eights(path):
    X, y, _, _ = load_mnist(path)
    y = y.astype(int)
    rows = np.concatenate(
        [np.flatnonzero(y == digit)[: N_SAMPLES // 2] for digit in (6, 8)]
    )
    X = X[rows] / 255.0
    return normalize(X - X.mean(axis=0)), y[rows]


def n_isolated(eigenvalues):
    """Number of eigenvalues above the widest gap."""
    largest = eigenvalues[: N_LARGEST + 1]
    return int(np.argmax(1 - largest[1:] / largest[:-1])) + 1


def panel(X, y, n_draws):
    """Compare each kernel with the exact one."""
    X = X - X.mean(axis=0)
    X = X / np.sqrt(np.mean(np.sum(X**2, axis=1)))
    exact = conjugate_kernel(X, ACTIVATIONS)
    kernels = {
        "equivalent, from classes": equivalent_ck(
            X, ACTIVATIONS, mixture_statistics(X, y)
        ),
        "equivalent, from data": equivalent_ck(X, ACTIVATIONS),
    }
    for n_levels in (8, 2):
        total = np.zeros_like(exact)
        for seed in range(n_draws):
            net = NTKCompressor(WIDTHS, eps=0.9, n_levels=n_levels, random_state=seed)
            drawn = empirical_ck(net.fit_transform(X))
            if seed == 0:
                kernels[f"n_levels={n_levels}, one network"] = drawn
            total += drawn
        kernels[f"n_levels={n_levels}, mean of {n_draws}"] = total / n_draws
    return exact, kernels


def compare(exact, kernel):
    found = compare_spectra(exact, kernel, N_LARGEST)
    k = n_isolated(found.eigenvalues_a)
    ratios = found.eigenvalues_b[:k] / found.eigenvalues_a[:k]
    return {
        "isolated": k,
        "ratios of eigenvalues": ratios.round(4).tolist(),
        "cosines": found.cosines[:k].round(4).tolist(),
        "spectral error": round(spectral_error(kernel, exact), 4),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="npz with X_train, y_train, X_test, y_test")
    parser.add_argument("--draws", type=int, default=50)
    parser.add_argument(
        "--output", type=Path, default=Path("benchmarks/results/paper_figure2")
    )
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)  # n_levels=2 has no exact tau

    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(12, 5.5), layout="constrained")
    panels = {
        "Gaussian mixture, p=2000": gaussian_mixture(),
        "MNIST 6 and 8, p=784": sixes_and_eights(arguments.data),
    }
    rows = []
    for part, (data, (X, y)) in zip(
        figure.subfigures(1, 2), panels.items(), strict=True
    ):
        exact, kernels = panel(X, y, arguments.draws)
        for name, kernel in kernels.items():
            rows.append({"data": data, "kernel": name, **compare(exact, kernel)})
            print(*rows[-1].values(), sep="  ", flush=True)
        name = f"n_levels=8, mean of {arguments.draws}"
        display = SpectrumDisplay.from_kernels(
            kernels["equivalent, from data"],
            kernels[name],
            y,
            names=("equivalent", f"compressed, {name}"),
            ax=part.subplots(),
        )
        display.ax_.set_title(data)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output.with_suffix(".png"), dpi=120)
    arguments.output.with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
