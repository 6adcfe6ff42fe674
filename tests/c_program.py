"""Compile an exported model and run it on rows of data."""

import pathlib
import re
import shutil
import subprocess
from typing import NamedTuple

import numpy as np
import pytest

from sklearn_lossless.export import to_c

HARNESS = pathlib.Path(__file__).with_name("c_harness.c")

_GCC = ("gcc", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
#: As users compile; some warnings need the optimiser.
OPTIMISED = (*_GCC, "-O2")
#: As fast as gcc compiles.
GCC = (*_GCC, "-O0")
SANITIZED = (
    *("clang", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1"),
    *("-fsanitize=undefined,address", "-fno-sanitize-recover=all"),
)

#: Marks of tests with small networks: two levels cannot match all moments, and a few
#: features are few.
SMALL_NETWORKS = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:X has [0-9]+ features:UserWarning"),
]

needs_gcc = pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is not installed")


class Results(NamedTuple):
    workspace_bytes: int
    codes: np.ndarray
    labels: np.ndarray | None
    scores: np.ndarray | None


def compile_program(source, program, command=GCC):
    """Compile `source`, a model called "model", and the harness."""
    done = subprocess.run(
        [*command, "-I", source.parent, HARNESS, source, "-o", program],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def run_program(program, header, X):
    """Run the program on the rows of `X`: uint8, float32 or float64."""
    text = header.read_text()

    def size(name):
        found = re.search(rf"#define MODEL_{name} (\d+)", text)
        return int(found.group(1)) if found else 0

    fields = [("codes", np.uint8, (size("N_CODES"),))]
    if size("N_CLASSES"):
        fields.append(("label", np.int32))
    if size("N_SCORES"):
        score = re.search(r"typedef (\w+) model_score", text).group(1)
        kind = score.removesuffix("_t")
        fields.append(("scores", np.dtype(kind), (size("N_SCORES"),)))
    X = np.ascontiguousarray(X)
    kind = {"uint8": "u8", "float32": "f32", "float64": "f64"}[X.dtype.name]
    done = subprocess.run([program, kind], input=X.tobytes(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert not done.stderr, done.stderr.decode()
    rows = np.frombuffer(done.stdout[4:], dtype=fields)
    assert len(rows) == len(X)
    return Results(
        int(np.frombuffer(done.stdout[:4], np.int32)[0]),
        rows["codes"],
        rows["label"] if size("N_CLASSES") else None,
        rows["scores"] if size("N_SCORES") else None,
    )


def compiled_and_run(est, X, folder, command=GCC, **options):
    """Export, compile and run; the header must say how much RAM it takes."""
    source, header = to_c(est, folder / "model.c", name="model", **options)
    program = folder / "program"
    compile_program(source, program, command)
    results = run_program(program, header, X)
    assert f" {results.workspace_bytes} bytes of RAM" in header.read_text()
    return results
