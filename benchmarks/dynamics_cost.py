"""Time and memory of a whole learning curve, against the number of samples.

    python benchmarks/dynamics_cost.py [--neural-tangents PYTHON] [--ways WAY ...]

Two classes of Gaussian samples of 100 features, two layers of ReLU, neural tangent
kernel, 2000 test samples, 50 times. Three ways, each in a process of its own:

- exact: kernel matrices, decomposed (`kernel_dynamics`);
- equivalent: products only (`equivalent_dynamics`);
- neural-tangents: `predict.gradient_descent_mse`, if PYTHON is an interpreter that has
  it (pip install neural-tangents==0.6.5 jax==0.4.30 tf2jax==0.3.6).

OMP_NUM_THREADS and OPENBLAS_NUM_THREADS choose the threads. Wall time and processor
time of kernel, decomposition and curve, data and imports not counted; peak memory of
the process, data and libraries included.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

try:  # each way has libraries of its own, whose import is not timed
    from sklearn_lossless.theory import (
        equivalent_dynamics,
        kernel_dynamics,
        neural_tangent_kernel,
    )
except ImportError:
    import jax

    jax.config.update("jax_enable_x64", True)
    from neural_tangents import predict, stax

N_FEATURES, N_TEST, N_TIMES = 100, 2000, 50
SIZES = {
    "equivalent": (1_000_000, 100_000, 10_000, 1_000),
    "neural-tangents": (1_000, 3_000, 6_000),
    "exact": (1_000, 3_000, 6_000),
}


def samples(n, rng):
    """As the setting "mixed" without correlation, in place: a million fit in 0.8 GB."""
    y = rng.choice([-1.0, 1.0], n)
    X = rng.standard_normal((n, N_FEATURES))
    X *= np.sqrt(1 + 4 * (y > 0) / np.sqrt(N_FEATURES))[:, np.newaxis]
    X[np.arange(n), (y > 0).astype(int)] += 4
    X -= X.mean(axis=0)
    X /= np.sqrt(np.einsum("ij,ij->", X, X) / n)
    return X, y


def exact(X, y, X_test, y_test):
    layers = ["relu", "relu"]
    K = neural_tangent_kernel(X, layers)
    cross = neural_tangent_kernel(X_test, layers, X, tau0=1.0)
    found = kernel_dynamics(K, y, cross, y_test)
    times = np.logspace(-1, 4, N_TIMES) * len(X) / found.eigenvalues[0]
    return found.curve(times).test


def equivalent(X, y, X_test, y_test):
    found = equivalent_dynamics(X, y, ["relu", "relu"], X_test, y_test, tol=1e-5)
    times = np.logspace(-1, 4, N_TIMES) * len(X) / found.eigenvalues[0]
    return found.curve(times).test


def neural_tangents(X, y, X_test, y_test):
    layers = [stax.Dense(1), stax.Relu()] * 2 + [stax.Dense(1)]
    _, _, kernel = stax.serial(*layers)
    scale = np.sqrt(N_FEATURES)
    K = kernel(X * scale, None, "ntk")
    cross = kernel(X_test * scale, X * scale, "ntk")
    flow = predict.gradient_descent_mse(K, y[:, np.newaxis])
    times = np.logspace(-1, 4, N_TIMES)
    _, test = flow(times, 0.0, 0.0, cross)
    return np.mean((np.asarray(test)[..., 0] - y_test) ** 2, axis=1)


WAYS = {"exact": exact, "equivalent": equivalent, "neural-tangents": neural_tangents}


def measure(way, n):
    X, y = samples(n + N_TEST, np.random.default_rng(0))
    start, processor = time.perf_counter(), time.process_time()
    curve = WAYS[way](X[:n], y[:n], X[n:], y[n:])
    row = {
        "way": way,
        "n_samples": n,
        "seconds": time.perf_counter() - start,
        "processor_seconds": time.process_time() - processor,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        "least_test_error": float(curve.min()),
        "threads": int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())),
    }
    print(json.dumps(row))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--neural-tangents", metavar="PYTHON")
    parser.add_argument(
        "--output", type=Path, default=Path("benchmarks/results/dynamics_cost.json")
    )
    parser.add_argument("--ways", nargs="*", choices=SIZES, help="default: all")
    parser.add_argument("--one", nargs=2, metavar=("WAY", "N"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        measure(arguments.one[0], int(arguments.one[1]))
        return
    pythons = dict.fromkeys(("equivalent", "exact"), sys.executable)
    if arguments.neural_tangents:
        pythons["neural-tangents"] = arguments.neural_tangents
    rows = []
    if arguments.ways and arguments.output.exists():  # the other ways' rows stay
        rows = json.loads(arguments.output.read_text())
        rows = [row for row in rows if row["way"] not in arguments.ways]
    for way in arguments.ways or pythons:
        python = pythons[way]
        for n in SIZES[way]:
            done = subprocess.run(
                [python, __file__, "--one", way, str(n)],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            rows.append(json.loads(done.stdout.splitlines()[-1]))
            print(rows[-1], flush=True)
            arguments.output.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
