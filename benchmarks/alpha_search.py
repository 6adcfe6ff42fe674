"""Alpha and fit by a search, against the decomposition that gives the whole path.

    python benchmarks/alpha_search.py [--data mnist.npz] [--sizes 8000x2000,...]
        [--output benchmarks/results/alpha_search.json]

`CompressedMLPClassifier` on so many rows of MNIST, of so many neurons, both ways in one
process; the number of places between the two alphas on the path, and processor times.
Without --data, MNIST comes from OpenML.
"""

import argparse
import json
import time
from pathlib import Path
from unittest import mock

import numpy as np
from _machine import about

from sklearn_lossless import CompressedMLPClassifier
from sklearn_lossless.datasets import load_mnist
from sklearn_lossless.readout import ridge

COMMAND = "benchmarks/alpha_search.py --data mnist.npz"
SIZES = "8000x2000,10000x3000,60000x1200,60000x2000"


def fitted(data, n_rows, width):
    """A fitted model, and the processor time that it took."""
    X_train, y_train, *_ = data
    start = time.process_time()
    model = CompressedMLPClassifier((width,), random_state=0)
    model.fit(X_train[:n_rows], y_train[:n_rows])
    return model, time.process_time() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sizes", default=SIZES)
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    data, rows = load_mnist(args.data), []
    *_, X_test, y_test = data
    fitted(data, 1000, 100)[0].predict(X_test)  # compile and load
    for size in args.sizes.split(","):
        n_rows, width = map(int, size.split("x"))
        found, seconds = fitted(data, n_rows, width)
        with mock.patch.object(ridge, "MOST_DECOMPOSED", 10**6):
            whole, whole_seconds = fitted(data, n_rows, width)
        places = 2 * np.log10(found.alpha_ / whole.alpha_)
        scores = [100 * model.score(X_test, y_test) for model in (found, whole)]
        rows.append(
            {
                "rows": n_rows,
                "width": width,
                "alphas tried": len(found.alphas_),
                "places from the best": round(abs(places)),
                "left-out error, %": 100 * found.loo_losses_.min(),
                "of the path, %": 100 * whole.loo_losses_.min(),
                "test accuracy, %": scores[0],
                "with the path, %": scores[1],
                "time over that of the path": round(seconds / whole_seconds, 2),
            }
        )
        print(rows[-1], flush=True)
    if args.output:
        args.output.write_text(
            json.dumps({**about(COMMAND), "rows": rows}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
