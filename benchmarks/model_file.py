"""Size, accuracy and loading time of model files on MNIST.

python benchmarks/model_file.py --data mnist.npz [--readout-layers all] [--output FILE]
"""

import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _machine import about

from sklearn_lossless import CompressedMLPClassifier, load
from sklearn_lossless.datasets import load_mnist

FIRST_PREDICTION = """
import sys, time, numpy as np
row = np.load(sys.argv[2])
start = time.perf_counter()
import sklearn_lossless
imported = time.perf_counter()
model = sklearn_lossless.load(sys.argv[1])
loaded = time.perf_counter()
model.predict(row)
predicted = time.perf_counter()
print(imported - start, loaded - imported, predicted - loaded)
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--readout-layers", default="last", choices=["last", "all"])
    parser.add_argument("--sizes", type=int, nargs="+", default=[2000, 2000, 1000])
    parser.add_argument("--eps", type=float, default=0.9)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()

    X_train, y_train, X_test, y_test = load_mnist(options.data)
    clf = CompressedMLPClassifier(
        tuple(options.sizes),
        eps=options.eps,
        readout_layers=options.readout_layers,
        random_state=0,
    ).fit(X_train, y_train)
    network = clf.network_
    dense = 4 * (network.n_weights + clf.readout_.coef_.size)
    expected = clf.predict(X_test)
    print(f"dense float32 network: {dense:,} bytes")
    print(f"pickle of the estimator: {len(pickle.dumps(clf)):,} bytes")
    rows = [{"readout_dtype": "dense float32 network", "bytes": dense}]
    first = []
    print("readout_dtype    bytes  1/dense  accuracy  same labels")
    with tempfile.TemporaryDirectory() as folder:
        path, row = os.path.join(folder, "model.lnn"), os.path.join(folder, "row.npy")
        for readout_dtype in ("float64", "float32", "float16", "int8", "int4"):
            start = time.perf_counter()
            clf.save(path, readout_dtype=readout_dtype)
            saving = time.perf_counter() - start
            size = os.path.getsize(path)
            labels = load(path).predict(X_test)
            accuracy = float((labels == y_test).mean())
            row_of = {"readout_dtype": readout_dtype, "bytes": size}
            rows.append({**row_of, "accuracy": accuracy})
            print(
                f"{readout_dtype:13} {size:8,} {dense / size:8.0f} "
                f"{(labels == y_test).mean():9.4f} {(labels == expected).mean():12.4f}"
                f"   saved in {saving:.3f} s"
            )
        np.save(row, X_test[:1])
        for _ in range(3):
            command = [sys.executable, "-c", FIRST_PREDICTION, path, row]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            print("import, load, first prediction (s):", done.stdout.strip())
            first.append([float(each) for each in done.stdout.split()])
    if options.output:
        names = ("import_s", "load_s", "first_prediction_s")
        times = dict(zip(names, map(list, zip(*first, strict=True)), strict=True))
        result = {
            **about("benchmarks/model_file.py --data mnist.npz"),
            "sizes": [network.n_features_in, *options.sizes],
            "rows": rows,
            **times,
        }
        options.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
