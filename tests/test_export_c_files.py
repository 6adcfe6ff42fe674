"""The C files themselves: names, labels, what they call, how they are written."""

import dataclasses
import os
import pathlib
import re
import shutil
import subprocess

import numpy as np
import pytest
from c_program import (
    GCC,
    OPTIMISED,
    SMALL_NETWORKS,
    needs_gcc,
)
from ridge import with_readout
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeClassifier
from sklearn.neural_network import MLPClassifier

from sklearn_lossless import (
    CompressedMLPClassifier,
    NTKCompressor,
)
from sklearn_lossless.export import integer_readout, load, to_c
from sklearn_lossless.export._exported import exported_model, fingerprint

pytestmark = SMALL_NETWORKS

EXAMPLE = pathlib.Path(__file__).parents[1] / "examples" / "c" / "main.c"


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:500], y[:500], X[500:800]


@pytest.fixture(scope="module")
def deep(digits):
    X, y, _ = digits
    clf = CompressedMLPClassifier((90, 70, 50), eps=0.8, random_state=0)
    return clf.fit(X, y)


@needs_gcc
@pytest.mark.parametrize(
    "labels",
    [
        np.array(['a "quoted" label', "back\\slash", "Größe??/", "model_x {levels}"]),
        np.array([-3, 0, 7, 40_000]),
        np.array([5.0, 2.0**60, -2.0, 0.0]),
        np.array([-(2**63), 0, 7, 2**63 - 1]),
        np.array([0, 7, 2**63, 2**64 - 1], dtype=np.uint64),
    ],
    ids=["text", "int", "float", "widest int", "widest uint"],
)
def test_class_labels(tmp_path, digits, labels):
    X, y, _ = digits
    y = labels[y % 4]
    clf = CompressedMLPClassifier(20, random_state=0).fit(X, y)
    source, _ = to_c(clf, tmp_path / "model.c")
    form = {
        "U": '"%s%c", model_classes[i], 0',
        "i": '"%ld%c", (long)model_classes[i], 0',
        "u": '"%lu%c", (unsigned long)model_classes[i], 0',
        "f": '"%.17g%c", model_classes[i], 0',
    }
    main = tmp_path / "main.c"
    main.write_text(
        '#include <stdio.h>\n#include "model.h"\n'
        "int main(void) { int i; for (i = 0; i < MODEL_N_CLASSES; i++)"
        f" printf({form[labels.dtype.kind]}); return 0; }}"
    )
    subprocess.run([*GCC, main, source, "-o", tmp_path / "main"], check=True)
    done = subprocess.run([tmp_path / "main"], capture_output=True, check=True)
    found = done.stdout.decode().split("\0")[:-1]
    assert np.array(found).astype(labels.dtype).tolist() == clf.classes_.tolist()


@needs_gcc
@pytest.mark.parametrize("weights", ["table", "seed"])
def test_calls_nothing(deep, tmp_path, weights):
    source, _ = to_c(deep, tmp_path / "model.c", weights=weights)
    object_file = tmp_path / "model.o"
    command = [*OPTIMISED, "-ffreestanding", "-c", source, "-o", object_file]
    subprocess.run(command, check=True)
    done = subprocess.run(
        ["nm", "-u", object_file], capture_output=True, text=True, check=True
    )
    # gcc may make memset or memcpy of a loop, freestanding or not.
    assert set(done.stdout.split()) <= {"U", "memset", "memcpy"}
    assert set(re.findall(r"#include (\S+)", source.read_text())) == {'"model.h"'}


@needs_gcc
def test_example_that_reads_csv(deep, digits, tmp_path):
    source, _ = to_c(deep, tmp_path / "digits.c")
    program = tmp_path / "digits"
    command = [*OPTIMISED, "-I", tmp_path, EXAMPLE, source, "-o", program]
    subprocess.run(command, check=True)

    def classify(text):
        return subprocess.run(program, input=text, capture_output=True, text=True)

    rows = [",".join(map(repr, row)) for row in digits[2].tolist()]
    done = classify("\n".join(rows))
    assert [int(label) for label in done.stdout.split()] == list(
        deep.predict(digits[2])
    )
    for bad in (rows[1] + ",1", rows[1][: len(rows[1]) // 2], "a" + rows[1], ""):
        done = classify(f"{rows[0]}\r\n{bad}\n")
        assert done.returncode == 1
        assert done.stderr == "line 2: expected 64 numbers with commas between them\n"


@needs_gcc
def test_header_serves_cpp(deep, tmp_path):
    if not shutil.which("g++"):
        pytest.skip("g++ is not installed")
    to_c(deep, tmp_path / "model.c")
    program = tmp_path / "main.cpp"
    program.write_text('#include "model.h"\nint main() { return MODEL_N_CLASSES; }\n')
    command = ["g++", "-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    subprocess.run([*command, program, "-o", tmp_path / "main"], check=True)


def test_names_and_identity(deep, tmp_path):
    source, header = to_c(deep, tmp_path / "my-net.c", name="digits", accuracy=0.975)
    assert source == tmp_path / "my-net.c"
    assert header == tmp_path / "my-net.h"
    assert '#include "my-net.h"' in source.read_text()
    for file in (source, header):
        text = file.read_text()
        assert not re.search(r"\b(model|MODEL)_|@|\{[a-z]", text)
        for fact in (
            "64-90-70-50-10",
            "0.975",
            f"0x{deep.network_.seed:016X}",
            fingerprint(exported_model(deep)),
        ):
            assert fact in text
    assert "int digits_predict(" in header.read_text()
    assert "#define DIGITS_N_FEATURES 64" in header.read_text()


@needs_gcc
@pytest.mark.parametrize("weights", ["table", "seed"])
@pytest.mark.parametrize(
    "stem", ["table", "drawn", "code", "put", "sum", "word", "run", "cell", "layers"]
)
def test_any_file_name_compiles(deep, tmp_path, stem, weights):
    source, header = to_c(
        deep, tmp_path / f"{stem}.c", weights=weights, packed=weights == "seed"
    )
    object_file = tmp_path / "object.o"
    command = [*GCC, "-c", source, "-o", object_file]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # Nothing at file scope is outside of the prefix, so nothing can collide.
    nm = ["nm", "--defined-only", object_file]
    done = subprocess.run(nm, capture_output=True, text=True, check=True)
    names = [line.split()[-1] for line in done.stdout.splitlines()]
    for file in (source, header):
        text = file.read_text()
        names += re.findall(r"#define (\w+)", text)
        names += re.findall(r"^(?:typedef .*?|\} )(\w+);$", text, re.MULTILINE)
    assert len(names) > 20
    prefixes = f"{stem}_", f"{stem.upper()}_"
    assert [name for name in names if not name.startswith(prefixes)] == []


def test_same_model_same_files(deep, tmp_path):
    texts = set()
    for name in "ab":
        (tmp_path / name).mkdir()
        source, header = to_c(deep, tmp_path / name / "model.c")
        texts.add(source.read_text() + header.read_text())
    assert len(texts) == 1


def test_loaded_model_same_files(deep, tmp_path):
    deep.save(tmp_path / "deep.lnn")
    before = [file.read_text() for file in to_c(deep, tmp_path / "model.c")]
    loaded = load(tmp_path / "deep.lnn")
    assert [file.read_text() for file in to_c(loaded, tmp_path / "model.c")] == before


def test_fingerprint_sees_every_part(deep, digits):
    model = exported_model(deep)
    network = model.network
    others = [
        dataclasses.replace(model, network=dataclasses.replace(network, seed=1)),
        dataclasses.replace(
            model,
            network=dataclasses.replace(
                network,
                quantizer=dataclasses.replace(network.quantizer, inv_step=0.5),
            ),
        ),
        dataclasses.replace(
            model,
            readout=dataclasses.replace(
                model.readout, weights=model.readout.weights + 1
            ),
        ),
    ]
    assert len({fingerprint(each) for each in [model, *others]}) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "flash"}, "weights must be one of"),
        ({"readout": "double"}, "readout must be one of"),
        ({"readout_bits": 7}, "must be 8, 16 or 32, got 7"),
        ({"name": "2nd"}, "name must consist of .* got '2nd'"),
    ],
)
def test_bad_options(deep, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        to_c(deep, tmp_path / "model.c", **options)
    assert not list(tmp_path.iterdir())


def test_bad_accuracy_and_path(deep, tmp_path):
    with pytest.raises(TypeError, match="accuracy must be a number or None, got '97"):
        to_c(deep, tmp_path / "model.c", accuracy="97 %")
    with pytest.raises(ValueError, match=r"path must end in '\.c', got"):
        to_c(deep, tmp_path / "model.h")
    with pytest.raises(ValueError, match="name must consist of"):
        to_c(deep, tmp_path / "my-model.c")


def test_what_cannot_be_exported(deep, digits, tmp_path):
    X, y, _ = digits
    path = tmp_path / "model.c"
    with pytest.raises(NotFittedError):
        to_c(CompressedMLPClassifier(), path)
    foreign = CompressedMLPClassifier(20, readout=RidgeClassifier()).fit(X, y)
    with pytest.raises(ValueError, match=r"can be exported; this one is RidgeClass"):
        to_c(foreign, path)
    dense = MLPClassifier(5, max_iter=2000, tol=1.0, random_state=0).fit(X, y)
    for other in (dense, "model"):
        with pytest.raises(TypeError, match="Expected an NTKCompressor"):
            to_c(other, path)
    with pytest.raises(ValueError, match="NTKCompressor has no readout"):
        integer_readout(NTKCompressor(20).fit(X))
    assert not list(tmp_path.iterdir())


def test_scores_too_far_apart_for_integers(digits, tmp_path):
    X, y, _ = digits
    clf = CompressedMLPClassifier(20, random_state=0).fit(X, y)
    with_readout(clf, intercept=lambda intercept: intercept + 1e15)
    with pytest.raises(ValueError, match="scores do not fit in 63 bits"):
        to_c(clf, tmp_path / "model.c")
    to_c(clf, tmp_path / "model.c", readout="float")


@pytest.mark.parametrize("n_written", [1, 2])
def test_failed_write_leaves_old_files(deep, tmp_path, monkeypatch, n_written):
    with pytest.raises(FileNotFoundError):
        to_c(deep, tmp_path / "missing" / "model.c")
    source, header = to_c(deep, tmp_path / "model.c")
    before = source.read_text(), header.read_text()

    sync, n_calls = os.fsync, 0

    def no_space_for_the_second(descriptor):
        nonlocal n_calls
        n_calls += 1
        if n_calls == n_written:
            raise OSError(28, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr("os.fsync", no_space_for_the_second)
    with pytest.raises(OSError, match="No space left"):
        to_c(deep, source, weights="seed")
    assert (source.read_text(), header.read_text()) == before
    assert sorted(tmp_path.iterdir()) == [source, header]
