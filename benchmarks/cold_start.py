"""Processor time until a new process has predicted, with and without a cache.

    python benchmarks/cold_start.py [--output benchmarks/results/cold_start.json]

Every line is a process of its own, with one thread; "compiling" finds no cache of
compiled kernels and writes one, "from the cache" finds it. Medians of three.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from _machine import about

COMMAND = "benchmarks/cold_start.py"

PREPARE = """
from sklearn.datasets import load_digits
from sklearn_lossless import CompressedMLPClassifier
from sklearn_lossless.export import load, save
X, y = load_digits(return_X_y=True)
"""
FIT = "model = CompressedMLPClassifier({sizes}, random_state=0).fit(X, y)\n"

#: What a process does, after its imports.
TASKS = {
    "import scikit-learn's MLPClassifier": "import sklearn.neural_network",
    "import sklearn_lossless": "import sklearn.neural_network, sklearn_lossless",
    "load a model, predict one sample": PREPARE + "load('{model}').predict(X[:1])",
    "load a model, predict 1797 samples": PREPARE + "load('{model}').predict(X)",
    "fit one hidden layer": PREPARE + FIT.format(sizes="(100,)"),
    "fit two hidden layers, predict 1 and 1797": PREPARE
    + FIT.format(sizes="(100, 100)")
    + "model.predict(X[:1]), model.predict(X)",
}


def seconds(program, folder):
    """Processor time of a process, of children that it starts as well."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment = {**os.environ, **threads, "NUMBA_CACHE_DIR": str(folder)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        model = place / "model.slm"
        program = PREPARE + FIT.format(sizes="(100,)") + f"save(model, '{model}')"
        seconds(program, place / "first")
        for task, program in TASKS.items():
            runs = []
            for turn in range(3):
                folder = place / f"{len(rows)}-{turn}"
                text = program.replace("{model}", str(model))
                runs.append([seconds(text, folder) for _ in range(2)])
            first, later = (statistics.median(each) for each in zip(*runs, strict=True))
            rows.append(
                {"task": task, "compiling, s": first, "from the cache, s": later}
            )
            print(f"{task:45} {first:6.2f} {later:6.2f}", flush=True)
    if args.output:
        args.output.write_text(
            json.dumps({**about(COMMAND), "rows": rows}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
