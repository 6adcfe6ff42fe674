"""How time and memory of fit and predict grow with rows, features, widths and classes.

    python benchmarks/growth.py [--quick] [--without AXIS=VALUE ...]
                                [--output benchmarks/results/growth.json]

One number grows, the others stay. Every point is a process of its own with one thread:
processor time, and the peak of the resident memory above what it was when data and
imports were there. The slope is that of the logarithms over the last tenfold: 1 is
linear. --quick leaves out what takes minutes; --without leaves out single points, and
the results name them.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from _machine import about
from scipy import sparse

START = {"rows": 10_000, "features": 100, "width": 200, "classes": 10, "entries": 0}

#: What grows, what else is not as at the start, values, and those of the long run.
AXES = {
    "rows": ({}, (1_000, 10_000, 100_000), (1_000_000, 10_000_000)),
    "features": ({"rows": 1_000}, (10, 100, 1_000, 10_000), (100_000,)),
    "features, 20 entries in a row": (
        {"rows": 400, "width": 100, "entries": 20},
        (1_000, 10_000, 100_000, 2**20),
        (),
    ),
    "width": ({"rows": 5_000}, (100, 300, 1_000, 3_000), (10_000, 20_000)),
    "classes": ({}, (2, 10, 100, 1_000), (10_000,)),
}


def make_data(rows, features, classes, entries):
    """Bytes, or a CSR matrix with so many entries in each row."""
    rng = np.random.default_rng(0)
    y = np.arange(rows) % classes
    if not entries:
        return rng.integers(0, 256, (rows, features), dtype=np.uint8), y
    columns = rng.integers(0, features, rows * entries, dtype=np.int32)
    starts = np.arange(0, rows * entries + 1, entries, dtype=np.int32)
    X = sparse.csr_array((np.ones(rows * entries), columns, starts), (rows, features))
    X.sum_duplicates()
    return X, y


def resident_megabytes(kind):
    """Resident memory of this process, as Linux counts it: VmRSS now, VmHWM at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind)) / 1024


def measured(run):
    """Seconds of processor time, and peak megabytes above what there is."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, start = resident_megabytes("VmRSS"), time.process_time()
    run()
    seconds = time.process_time() - start
    return seconds, resident_megabytes("VmHWM") - before


def one_point(point):
    """Fit and predict in this process; print what it took."""
    from sklearn_lossless import CompressedMLPClassifier

    sizes = {key: point[key] for key in ("rows", "features", "classes", "entries")}
    X, y = make_data(**sizes)
    model = CompressedMLPClassifier((point["width"],), random_state=0)
    few = make_data(700, 2000 if point["entries"] else 50, 2, min(point["entries"], 5))
    warm = CompressedMLPClassifier((50,), eps=0.5, random_state=0).fit(*few)
    for n_rows in (1, 20, 700):
        warm.predict(few[0][:n_rows])
    if point["features"] > 8192 and not point["entries"]:  # other kernels
        warm.fit(*make_data(40, 8200, 2, 0))
    fit = measured(lambda: model.fit(X, y))
    first = measured(lambda: model.predict(X[:1]))
    predict = measured(lambda: model.predict(X[:10_000]))
    rows = min(len(y), 10_000)
    print(json.dumps([*fit, *first, 1e6 * predict[0] / rows, predict[1]]))


NAMES = (
    "fit, s",
    "fit, MB",
    "first prediction, s",
    "first prediction, MB",
    "predict, µs per row",
    "predict, MB",
)


def slope(rows, axis, name):
    """Slope of the logarithms over the last tenfold or so; None where all is small."""
    last = rows[-1]
    first = next(row for row in reversed(rows[:-1]) if last[axis] / row[axis] >= 3)
    least = 0.02 if name.endswith("s") else 10.0  # below: fixed costs and noise
    if first[name] < least or last[name] < least:
        return None
    return math.log(last[name] / first[name]) / math.log(last[axis] / first[axis])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--without", nargs="*", default=[], metavar="AXIS=VALUE")
    parser.add_argument("--only", help="of the axes, those that begin so", default="")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--point", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.point:
        one_point(json.loads(args.point))
        return
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    points, slopes = [], []
    for title, (others, values, long) in AXES.items():
        if not title.startswith(args.only):
            continue
        axis, rows = title.partition(",")[0], []
        for value in values if args.quick else (*values, *long):
            if f"{axis}={value}" in args.without:
                continue
            point = {**START, **others, axis: value}
            command = [sys.executable, __file__, "--point", json.dumps(point)]
            done = subprocess.run(
                command,
                env={**os.environ, **threads},
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
            found = dict(zip(NAMES, json.loads(done.stdout), strict=True))
            rows.append({"what grows": title, **point, **found})
            print(title, value, {k: round(v, 3) for k, v in found.items()}, flush=True)
        slopes.append(
            {
                "what grows": title,
                "from": values[0],
                "to": rows[-1][axis],
                **{name: slope(rows, axis, name) for name in NAMES},
            }
        )
        points += rows
    if args.output:
        options = " --quick" * args.quick
        if args.without:
            options += " ".join([" --without", *args.without])
        result = {
            **about("benchmarks/growth.py" + options),
            "slopes": slopes,
            "points": points,
        }
        args.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
