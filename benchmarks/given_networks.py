"""Compress trained networks on MNIST: accuracy against bytes of the model file.

    python benchmarks/given_networks.py --data mnist.npz [--output FILE]

Trains MLPClassifier with one and two hidden layers on the 60,000 images, then
compresses each with random and with fitted ternary weights. Files are written by
`save`; accuracy is that of the file, read again. Takes some 15 minutes.
"""

import argparse
import json
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

import sklearn_lossless
from sklearn_lossless import CompressedMLPClassifier
from sklearn_lossless.datasets import load_mnist

#: Width of the reference network's layers, and how it is compressed.
RUNS = {
    (500, 500): [
        {"hidden_weights": "random"},
        {"hidden_weights": "random", "widen": 4, "readout_layers": "all"},
        # Another network: one wide layer, which serves better than two wide ones.
        {"hidden_weights": "random", "hidden_layer_sizes": (8000,)},
        *(
            {
                "hidden_weights": "fitted",
                "eps": eps,
                "readout": readout,
                "readout_layers": "all",
            }
            for eps, readout in [
                (0.9, "ridge"),
                (0.8, "logistic"),
                (0.9, "logistic"),
                (0.95, "logistic"),
                (0.98, "logistic"),
            ]
        ),
        {
            "hidden_weights": "fitted",
            "eps": 0.9,
            "readout": "logistic",
            "target": "teacher",
            "readout_layers": "all",
        },
    ],
    (500,): [
        {"hidden_weights": "fitted", "eps": eps, "readout": "logistic"}
        for eps in (0.9, 0.95)
    ],
    (150,): [
        {"hidden_weights": "fitted", "eps": eps, "readout": "logistic"}
        for eps in (0.9, 0.95)
    ],
}


def compress(teacher, parameters, data, folder, readout_dtype):
    X_train, y_train, X_test, y_test = data
    reference = None if "hidden_layer_sizes" in parameters else teacher
    clf = CompressedMLPClassifier(
        **parameters, estimator=reference, random_state=0, n_jobs=-1
    )
    clf.fit(X_train, y_train)
    path = Path(folder, "model")
    clf.save(path, readout_dtype=readout_dtype)
    loaded = sklearn_lossless.load(path)
    agreement = np.mean(loaded.predict(X_test) == teacher.predict(X_test))
    return path.stat().st_size, loaded.score(X_test, y_test), float(agreement)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="npz with X_train, y_train, X_test, y_test")
    parser.add_argument(
        "--output", type=Path, default=Path("benchmarks/results/given_networks")
    )
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    X_train, y_train, X_test, y_test = load_mnist(arguments.data)
    data = (
        (X_train / 255).astype(np.float32),
        y_train,
        (X_test / 255).astype(np.float32),
        y_test,
    )
    rows = []
    for sizes, settings in RUNS.items():
        start = time.perf_counter()
        teacher = MLPClassifier(sizes, max_iter=15, batch_size=256, random_state=0)
        teacher.fit(*data[:2])
        n_bytes = 4 * sum(each.size for each in teacher.coefs_ + teacher.intercepts_)
        accuracy = teacher.score(*data[2:])
        print(f"{sizes}: {100 * accuracy:.2f} % in {n_bytes / 1000:.0f} kB", flush=True)
        for parameters in settings:
            with tempfile.TemporaryDirectory() as folder:
                file_bytes, found, agreement = compress(
                    teacher, parameters, data, folder, "int4"
                )
            row = {
                "given": f"MLPClassifier({sizes})",
                "given_accuracy": accuracy,
                "given_bytes": n_bytes,
                "compressed": ", ".join(f"{k}={v}" for k, v in parameters.items()),
                "accuracy": found,
                "agreement": agreement,
                "bytes": file_bytes,
            }
            rows.append(row)
            print(
                f"  {row['compressed']:75}{100 * found:6.2f} % "
                f"{file_bytes / 1000:7.1f} kB {n_bytes / file_bytes:6.0f}x "
                f"agreement {100 * agreement:.2f} %",
                flush=True,
            )
        print(f"  {time.perf_counter() - start:.0f} s", flush=True)
    arguments.output.with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n")
    lines = [
        "| given | % | kB | compressed, int4 readout | % | agrees % | kB | smaller |",
        "|---|---:|---:|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        lines.append(
            f"| {row['given']} | {100 * row['given_accuracy']:.2f} "
            f"| {row['given_bytes'] / 1000:,.0f} | {row['compressed']} "
            f"| {100 * row['accuracy']:.2f} | {100 * row['agreement']:.2f} "
            f"| {row['bytes'] / 1000:.1f} | {row['given_bytes'] / row['bytes']:.0f}x |"
        )
    arguments.output.with_suffix(".md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
