"""Time and peak memory of a fit, against random Fourier features; a million rows.

    python benchmarks/fit_memory.py [--data mnist.npz] [--rows N] [--output FILE]

MNIST: `CompressedMLPClassifier((2000,))` with its choice of alpha, against
`RBFSampler(2000)` + `RidgeClassifierCV` with the same alphas, taking turns. Then
the compressed classifier on N rows (default a million) of MNIST images, shifted by
up to 2 pixels, in a memory-mapped file. Every fit has a process of its own; its
peak is that of the resident memory, mapped pages included, above what it was when
everything was imported. Without --data, MNIST comes from OpenML.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline

from sklearn_lossless import CompressedMLPClassifier
from sklearn_lossless.datasets import load_mnist

WIDTH = 2000
COMPRESSED = "CompressedMLPClassifier"
FOURIER = "RBFSampler + RidgeClassifierCV"


def resident_megabytes(kind):
    """Resident memory of this process, as Linux counts it: VmRSS now, VmHWM at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind)) / 1024


def make_model(name, alphas):
    if name == COMPRESSED:
        return CompressedMLPClassifier((WIDTH,), random_state=0, n_jobs=-1)
    return make_pipeline(
        RBFSampler(gamma="scale", n_components=WIDTH, random_state=0),
        RidgeClassifierCV(alphas=alphas),
    )


def fit_once(name, folder):
    """Fit in this process, and print what it took."""
    before = resident_megabytes("VmRSS")
    alphas = folder / "alphas.npy"
    X = np.load(folder / "X_train.npy", mmap_mode="r")
    if name == FOURIER:
        X = np.asarray(X, dtype=np.float32) / np.float32(255)
    y = np.load(folder / "y_train.npy")
    model = make_model(name, np.load(alphas) if alphas.exists() else None)
    make_model(name, [1.0]).fit(X[:200], y[:200])  # compile and load
    start = time.perf_counter()
    model.fit(X, y)
    seconds = time.perf_counter() - start
    peak = resident_megabytes("VmHWM") - before
    X_test, y_test = np.load(folder / "X_test.npy"), np.load(folder / "y_test.npy")
    if name == FOURIER:
        X_test = X_test.astype(np.float32) / np.float32(255)
    if name == COMPRESSED:
        np.save(alphas, model.alphas_)
    result = {
        "model": name,
        "rows": len(X),
        "seconds": seconds,
        "peak_megabytes": peak,
        "baseline_megabytes": before,
        "test_accuracy": model.score(X_test, y_test),
    }
    print(json.dumps(result))


def run(name, folder):
    command = [sys.executable, __file__, "--fit", name, "--folder", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    row = json.loads(done.stdout.splitlines()[-1])
    print(
        f"{row['rows']:>9,} {name:32}{row['seconds']:8.1f}{row['peak_megabytes']:9.0f}"
        f"{row['test_accuracy']:10.4f}",
        flush=True,
    )
    return row


def save_rows(folder, data, n_rows):
    """Save MNIST and, if `n_rows` are more than it has, shifted copies of it."""
    X_train, y_train, X_test, y_test = data
    np.save(folder / "X_test.npy", X_test)
    np.save(folder / "y_test.npy", y_test)
    np.save(folder / "y_train.npy", np.resize(y_train, n_rows))
    X = np.lib.format.open_memmap(
        folder / "X_train.npy", "w+", np.uint8, (n_rows, X_train.shape[1])
    )
    rng = np.random.default_rng(0)
    for number, start in enumerate(range(0, n_rows, len(X_train))):
        shift = rng.integers(-2, 3, size=2) if number else (0, 0)
        images = np.roll(X_train.reshape(-1, 28, 28), shift, axis=(1, 2))
        stop = min(start + len(X_train), n_rows)
        X[start:stop] = images.reshape(X_train.shape)[: stop - start]
    X.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="npz with X_train, y_train, X_test, y_test")
    parser.add_argument("--rows", type=int, default=1_000_000, help="0: MNIST only")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument(
        "--output", type=Path, default=Path("benchmarks/results/fit_memory.json")
    )
    parser.add_argument("--fit", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.fit:
        fit_once(arguments.fit, arguments.folder)
        return

    data = load_mnist(arguments.data)
    print(f"{'rows':>9} {'model':32}{'s':>8}{'peak MB':>9}{'accuracy':>10}")
    rows = []
    with tempfile.TemporaryDirectory() as name:
        save_rows(Path(name), data, len(data[0]))
        for _ in range(arguments.repeats):
            rows += [run(model, Path(name)) for model in (COMPRESSED, FOURIER)]
    ours, theirs = (
        {
            key: float(np.median([row[key] for row in rows if row["model"] == model]))
            for key in ("seconds", "peak_megabytes")
        }
        for model in (COMPRESSED, FOURIER)
    )
    ratios = {key: theirs[key] / ours[key] for key in ours}
    print(
        f"Medians: {ratios['seconds']:.1f} times faster, "
        f"{ratios['peak_megabytes']:.1f} times less memory"
    )
    if arguments.rows:
        with tempfile.TemporaryDirectory() as name:
            save_rows(Path(name), data, arguments.rows)
            rows.append(run(COMPRESSED, Path(name)))
    result = {"width": WIDTH, "rows": rows, "ratios": ratios}
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
