"""Alpha and fit by a search, against the decomposition that gives the whole path.

    python benchmarks/alpha_search.py [--data mnist.npz] [--sizes 8000x2000,...]
        [--output benchmarks/results/alpha_search.json]
    python benchmarks/alpha_search.py [--data mnist.npz] --alone
        [--output benchmarks/results/wide_fits.json]

`CompressedMLPClassifier` on so many rows of MNIST, of so many neurons, both ways in one
process; the number of places between the two alphas on the path, and processor times.
With --alone only by the search, with processor time and the peak of the memory above
what there was: at the largest of these sizes the decomposition takes too long. Set
OMP_NUM_THREADS=1 for times of one thread. Without --data, MNIST comes from OpenML.
"""

import argparse
import json
import time
from pathlib import Path
from unittest import mock

import numpy as np
from _machine import about
from growth import measured

from sklearn_lossless import CompressedMLPClassifier
from sklearn_lossless.datasets import load_mnist
from sklearn_lossless.readout import ridge

COMMAND = "benchmarks/alpha_search.py --data mnist.npz"
SIZES = "8000x2000,10000x3000,60000x1200,60000x2000"
ALONE = "60000x2000,60000x4000,60000x8000,60000x16000"


def fitted(data, n_rows, width):
    """A fitted model, and the processor time that it took."""
    X_train, y_train, *_ = data
    start = time.process_time()
    model = CompressedMLPClassifier((width,), random_state=0)
    model.fit(X_train[:n_rows], y_train[:n_rows])
    return model, time.process_time() - start


def both_ways(data, n_rows, width):
    """What the search finds and takes against the whole path."""
    *_, X_test, y_test = data
    found, seconds = fitted(data, n_rows, width)
    with mock.patch.object(ridge, "MOST_DECOMPOSED", 10**6):
        whole, whole_seconds = fitted(data, n_rows, width)
    places = 2 * np.log10(found.alpha_ / whole.alpha_)
    scores = [100 * model.score(X_test, y_test) for model in (found, whole)]
    return {
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


def alone(data, n_rows, width):
    """What the search finds, and what a fit takes."""
    X_train, y_train, X_test, y_test = data
    model = CompressedMLPClassifier((width,), random_state=0)
    seconds, megabytes = measured(lambda: model.fit(X_train[:n_rows], y_train[:n_rows]))
    return {
        "rows": n_rows,
        "width": width,
        "alphas tried": len(model.alphas_),
        "left-out error, %": 100 * model.loo_losses_.min(),
        "test accuracy, %": 100 * model.score(X_test, y_test),
        "fit, processor seconds": round(seconds, 1),
        "peak above start, MB": round(megabytes),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sizes")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    data, rows = load_mnist(args.data), []
    fitted(data, 1000, 100)[0].predict(data[2])  # compile and load
    sizes = args.sizes or (ALONE if args.alone else SIZES)
    for size in sizes.split(","):
        run = alone if args.alone else both_ways
        rows.append(run(data, *map(int, size.split("x"))))
        print(rows[-1], flush=True)
    if args.output:
        command = COMMAND + " --alone" * args.alone
        args.output.write_text(
            json.dumps({**about(command), "rows": rows}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
