"""Damaged model files without end: each must give ValueError, in little memory.

    python benchmarks/fuzz_archive.py --seconds 600 --seed 1

Mutations are those of ``tests/mutations.py``, one to three on top of each other, with
lengths and checksums put right again. A file that breaks the rule is written to
``--keep``, and the run ends.
"""

import argparse
import collections
import os
import resource
import sys
import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "tests"))
import mutations
import saved_models

from sklearn_lossless.export.archive import from_bytes, to_bytes


def several_mutations(data, rng):
    """Mutate once or more, as long as the file can be taken apart."""
    for _ in range(rng.integers(1, 4)):
        try:
            data = mutations.mutated(data, rng)
        except Exception:  # what the reader says to this file is seen below
            break
    return data


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", default="/tmp/unexpected.lnn")
    options = parser.parse_args()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        models = [make() for make in saved_models.MODELS.values()]
    files = [
        to_bytes(model, dtype) for model in models for dtype in ("int4", "float64")
    ]
    rng = np.random.default_rng(options.seed)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reasons, slowest, count = collections.Counter(), 0.0, 0
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        data = several_mutations(files[rng.integers(len(files))], rng)
        start = time.perf_counter()
        try:
            why = mutations.verdict(data, from_bytes, saved_models.X[:3])
        except BaseException:
            with open(options.keep, "wb") as file:
                file.write(data)
            print(f"file {count} is kept at {options.keep}")
            raise
        slowest = max(slowest, time.perf_counter() - start)
        reasons[why.removeprefix("Not a valid model file: ")[:40] or "(loads)"] += 1
        count += 1
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{count} files, the slowest {slowest:.3f} s, memory grew {grown >> 10} MiB")
    for reason, times in reasons.most_common(40):
        print(f"{times:9} {reason}")


if __name__ == "__main__":
    main()
