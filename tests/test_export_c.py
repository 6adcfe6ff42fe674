"""C source of a fitted estimator: the same bits as Python."""

import dataclasses
import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import numpy as np
import pytest
from c_program import GCC, OPTIMISED, SANITIZED, compile_program, run_program
from naive import dense_layer
from ridge import with_readout
from sklearn.datasets import load_digits, make_regression
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeClassifier
from sklearn.neural_network import MLPClassifier

from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
)
from sklearn_lossless.export import integer_readout, load, to_c
from sklearn_lossless.export._c_cells import affine_uint8
from sklearn_lossless.export._exported import exported_model, fingerprint
from sklearn_lossless.network import (
    CompressedNetwork,
    Dense,
    Quantizer,
    TernaryWeights,
    ternary_weights,
)

pytestmark = [
    # Two levels cannot match all moments, and a few features are few.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:X has [0-9]+ features:UserWarning"),
]

EXAMPLE = pathlib.Path(__file__).parents[1] / "examples" / "c" / "main.c"

#: Programs of 32 bits compute doubles with 64 bits of mantissa.
X87 = ("-m32", "-mfpmath=387")

needs_gcc = pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is not installed")
needs_clang = pytest.mark.skipif(
    not shutil.which("clang"), reason="clang is not installed"
)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:500], y[:500], X[500:800]


@pytest.fixture(scope="module")
def deep(digits):
    X, y, _ = digits
    clf = CompressedMLPClassifier((90, 70, 50), eps=0.8, random_state=0)
    return clf.fit(X, y)


@functools.cache
def fitted(hidden_layer_sizes, n_levels):
    X, y = load_digits(return_X_y=True)
    clf = CompressedMLPClassifier(
        hidden_layer_sizes, eps=0.8, n_levels=n_levels, random_state=0
    )
    return clf.fit(X[:500], y[:500])


@functools.cache
def has_x87():
    """Whether gcc makes and the machine runs programs of 32 bits, with x87."""
    with tempfile.TemporaryDirectory() as folder:
        source, program = pathlib.Path(folder, "x.c"), pathlib.Path(folder, "x")
        source.write_text("#include <stdio.h>\nint main(void) { return 0; }\n")
        commands = ["gcc", *X87, source, "-o", program], [program]
        try:
            return all(
                subprocess.run(command, capture_output=True).returncode == 0
                for command in commands
            )
        except OSError:
            return False


def compiled_and_run(est, X, folder, command=GCC, **options):
    source, header = to_c(est, folder / "model.c", name="model", **options)
    program = folder / "program"
    compile_program(source, program, command)
    results = run_program(program, header, X)
    assert f" {results.workspace_bytes} bytes of RAM" in header.read_text()
    return results


def integer_scores(est, X, bits=32):
    readout = integer_readout(est, bits)
    sums = est.network_.forward(X).astype(np.int64) @ readout.weights
    return sums * readout.factor + readout.offset


@needs_gcc
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("weights", ["table", "seed"])
@pytest.mark.parametrize("n_levels", [2, 8, 16])
@pytest.mark.parametrize("hidden_layer_sizes", [(60,), (90, 70, 50)])
def test_codes_scores_and_classes(
    digits, tmp_path, hidden_layer_sizes, n_levels, weights, packed
):
    X_test = digits[2]
    clf = fitted(hidden_layer_sizes, n_levels)
    options = {"weights": weights, "packed": packed}
    command = OPTIMISED if n_levels == 8 else GCC
    found = compiled_and_run(clf, X_test, tmp_path, command, **options)
    np.testing.assert_array_equal(found.codes, clf.network_.forward(X_test))
    np.testing.assert_array_equal(found.scores, integer_scores(clf, X_test))
    np.testing.assert_array_equal(clf.classes_[found.labels], clf.predict(X_test))


@needs_gcc
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("weights", ["table", "seed"])
@pytest.mark.parametrize("n_levels", [(2, 16), (16, 4)])
def test_values_per_layer(digits, tmp_path, n_levels, weights, packed):
    X, y, X_test = digits
    clf = CompressedMLPClassifier(
        (60, 50), eps=(0.8, 0.5), n_levels=n_levels, random_state=0
    ).fit(X, y)
    found = compiled_and_run(clf, X_test, tmp_path, weights=weights, packed=packed)
    np.testing.assert_array_equal(found.codes, clf.network_.forward(X_test))
    np.testing.assert_array_equal(found.scores, integer_scores(clf, X_test))


@needs_clang
@pytest.mark.parametrize("weights", ["table", "seed"])
@pytest.mark.parametrize("packed", [False, True])
def test_sanitized(deep, digits, tmp_path, weights, packed):
    X_test = digits[2]
    options = {"weights": weights, "packed": packed}
    found = compiled_and_run(deep, X_test, tmp_path, SANITIZED, **options)
    np.testing.assert_array_equal(found.codes, deep.network_.forward(X_test))
    np.testing.assert_array_equal(found.scores, integer_scores(deep, X_test))
    np.testing.assert_array_equal(deep.classes_[found.labels], deep.predict(X_test))


@needs_gcc
@pytest.mark.parametrize("readout", ["ridge", "logistic"])
def test_float_scores_are_those_of_python(digits, tmp_path, readout):
    X, y, X_test = digits
    clf = CompressedMLPClassifier(60, eps=0.8, readout=readout, random_state=0)
    clf.fit(X[:150], y[:150])
    found = compiled_and_run(clf, X_test, tmp_path, OPTIMISED, readout="float")
    np.testing.assert_array_equal(found.scores, clf.decision_function(X_test))
    np.testing.assert_array_equal(clf.classes_[found.labels], clf.predict(X_test))


@needs_gcc
@pytest.mark.parametrize("bits", [8, 16])
def test_readout_of_few_bits(deep, digits, tmp_path, bits):
    X_test = digits[2]
    readout = integer_readout(deep, bits)
    assert np.abs(readout.weights).max() == 2 ** (bits - 1) - 1
    expected = integer_scores(deep, X_test, bits)
    found = compiled_and_run(deep, X_test, tmp_path, readout_bits=bits)
    assert found.scores.dtype == np.int32
    np.testing.assert_array_equal(found.scores, expected)
    np.testing.assert_array_equal(found.labels, expected.argmax(axis=1))
    scores = deep.decision_function(X_test)
    # A rounded weight is off by half a step, a code is 7 at most.
    bound = readout.scale[0] * (0.5 * 7 * deep.network_.n_features_out + 0.5)
    assert np.abs(expected * readout.scale - scores).max() < bound


@needs_gcc
def test_workspace_without_holes(digits, tmp_path):
    # Sums of 4 bytes, an odd number of them, and scores of 8.
    X, y, X_test = digits
    clf = CompressedMLPClassifier((9, 7), random_state=0).fit(X, y % 3)
    options = {"readout": "float", "readout_bits": 8, "weights": "seed"}
    found = compiled_and_run(clf, X_test, tmp_path, **options)
    assert found.workspace_bytes == 3 * 8 + 3 * 4 + 2 * 4 + 9 + 3


@needs_gcc
def test_readout_of_few_bits_in_floating_point(deep, digits, tmp_path):
    X_test = digits[2]
    found = compiled_and_run(deep, X_test, tmp_path, readout_bits=16, readout="float")
    scores = deep.decision_function(X_test)
    np.testing.assert_allclose(found.scores, scores, atol=1e-2 * np.ptp(scores))
    assert (found.scores != scores).any()


def test_integer_readout_is_the_estimator_s(deep, digits):
    scores = integer_scores(deep, digits[2]) * integer_readout(deep).scale
    step = integer_readout(deep).scale[0]
    assert np.abs(scores - deep.decision_function(digits[2])).max() <= step


@needs_gcc
@pytest.mark.parametrize("weights", ["table", "seed"])
def test_readout_of_all_layers(digits, tmp_path, weights):
    X, y, X_test = digits
    clf = CompressedMLPClassifier(
        (90, 70, 50), eps=0.8, readout_layers="all", random_state=0
    ).fit(X, y)
    found = compiled_and_run(clf, X_test, tmp_path, weights=weights, packed=True)
    assert found.codes.shape[1] == 210
    np.testing.assert_array_equal(found.codes, clf.network_.forward(X_test))
    np.testing.assert_array_equal(found.scores, integer_scores(clf, X_test))


@needs_gcc
@pytest.mark.parametrize("readout", ["fixed", "float"])
def test_two_classes(digits, tmp_path, readout):
    X, y, X_test = digits
    clf = CompressedMLPClassifier(60, eps=0.8, random_state=0).fit(X, y > 4)
    found = compiled_and_run(clf, X_test, tmp_path, readout=readout)
    np.testing.assert_array_equal(clf.classes_[found.labels], clf.predict(X_test))
    if readout == "float":
        np.testing.assert_array_equal(
            found.scores.ravel(), clf.decision_function(X_test)
        )


@needs_gcc
@pytest.mark.parametrize("n_targets", [1, 3])
@pytest.mark.parametrize("readout", ["fixed", "float"])
def test_regressor(tmp_path, n_targets, readout):
    X, y = make_regression(300, 20, n_targets=n_targets, random_state=0)
    y = y.reshape(300, n_targets) * 10.0 ** (6 * np.arange(n_targets)) + 5
    y = y.ravel() if n_targets == 1 else y
    reg = CompressedMLPRegressor(80, eps=0.5, random_state=0).fit(X, y)
    found = compiled_and_run(reg, X, tmp_path, readout=readout)
    predicted = reg.predict(X).reshape(300, n_targets)
    if readout == "float":
        np.testing.assert_array_equal(found.scores, predicted)
    else:
        np.testing.assert_array_equal(found.scores, integer_scores(reg, X))
        values = found.scores * integer_readout(reg).scale
        np.testing.assert_allclose(values, predicted, rtol=1e-6, atol=1e-6)


@needs_gcc
@pytest.mark.parametrize("hidden_layer_sizes", [30, (40, 30)])
def test_compressor(digits, tmp_path, hidden_layer_sizes):
    X, _, X_test = digits
    compressor = NTKCompressor(hidden_layer_sizes, eps=0.8, random_state=0).fit(X)
    found = compiled_and_run(compressor, X_test, tmp_path)
    assert found.labels is None
    assert found.scores is None
    np.testing.assert_array_equal(found.codes, compressor.codes(X_test))


@needs_gcc
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("input_bits", [1, 4, 8])
def test_input_outside_of_the_training_range(tmp_path, dtype, input_bits):
    rng = np.random.default_rng(0)
    X = rng.normal(3, [[1, 2, 0.1, 5, 0]], size=(200, 5)).astype(dtype)
    compressor = NTKCompressor(30, eps=0, input_bits=input_bits, random_state=0)
    compressor.fit(X)
    wide = np.concatenate([X, 1e3 * X, -1e30 * X, 0 * X]).astype(dtype)
    found = compiled_and_run(compressor, wide, tmp_path, OPTIMISED)
    np.testing.assert_array_equal(found.codes, compressor.codes(wide))


def codes_as_they_are(inv_step, shift):
    """A compressor of one feature whose neuron k says if the input code is above k."""
    compressor = NTKCompressor(5).fit(np.arange(20.0).reshape(10, 2))
    n_outputs = 255
    weights = TernaryWeights(
        np.zeros((n_outputs, 1), dtype=np.int32),
        np.ones(n_outputs, dtype=np.int32),
        np.zeros(n_outputs, dtype=np.int64),
    )
    layer = Dense(
        n_inputs=1,
        n_outputs=n_outputs,
        n_nonzeros=1,
        thresholds=256 * np.arange(1, 256)[:, np.newaxis],
        levels=np.array([0, 1], dtype=np.uint8),
        centre=np.array([0]),
        weights=weights,
    )
    quantizer = Quantizer(inv_step, np.array([shift]), n_bits=8)
    compressor.network_ = CompressedNetwork(quantizer, (layer,), seed=0)
    compressor.n_features_in_ = 1
    return compressor


@needs_gcc
@pytest.mark.parametrize(
    ("inv_step", "shift"),
    [(4.193255041225849, -15088), (0.1, 7), (1 / 3, -(2**40)), (1e-300, 0)],
)
def test_codes_at_the_edges_of_cells_on_x87(tmp_path, inv_step, shift):
    if not has_x87():
        pytest.skip("gcc makes no programs of 32 bits here")
    compressor = codes_as_they_are(inv_step, shift)
    x = [(np.arange(256) - shift / 256) / inv_step]
    for away in (-np.inf, np.inf):
        step = x[0]
        for _ in range(30):
            step = np.nextafter(step, away)
            x.append(step)
    x = np.concatenate([*x, [0.0, 5e-324, 1.7e308, -1.7e308]])[:, np.newaxis]
    found = compiled_and_run(compressor, x, tmp_path, (*OPTIMISED, *X87))
    np.testing.assert_array_equal(found.codes, compressor.codes(x))


@needs_gcc
def test_scores_on_x87(digits, deep, tmp_path):
    if not has_x87():
        pytest.skip("gcc makes no programs of 32 bits here")
    X = np.random.default_rng(0).uniform(0, 16, size=(3000, 64))
    found = compiled_and_run(deep, X, tmp_path, (*OPTIMISED, *X87), readout="float")
    np.testing.assert_array_equal(found.codes, deep.network_.forward(X))
    np.testing.assert_array_equal(found.scores, deep.decision_function(X))


def all_bytes(n_features):
    return np.repeat(np.arange(256, dtype=np.uint8)[:, np.newaxis], n_features, axis=1)


@needs_gcc
@pytest.mark.parametrize(
    ("high", "input_bits"), [(255, 8), (255, 4), (200, 8), (16, 8), (1, 3)]
)
def test_bytes_as_input(tmp_path, high, input_bits):
    rng = np.random.default_rng(0)
    X = (high * rng.uniform(0, [[1, 0.5, 1, 0.2]], (400, 4))).round().astype(np.uint8)
    X[:, 3] += np.uint8(3)
    compressor = NTKCompressor(30, eps=0, input_bits=input_bits, random_state=0)
    compressor.fit(X)
    found = compiled_and_run(compressor, all_bytes(4), tmp_path)
    np.testing.assert_array_equal(found.codes, compressor.codes(all_bytes(4)))


@pytest.mark.parametrize("n_bits", [1, 5, 8])
@pytest.mark.parametrize("inv_step", [1e-9, 0.013, 1 / 3, 1.0, 85.7, 1e5])
def test_integers_for_bytes_are_exact_or_not_used(inv_step, n_bits):
    rng = np.random.default_rng(1)
    shift = rng.integers(-(2**15), 2**15, size=50)
    quantizer = Quantizer(inv_step, shift, n_bits)
    affine = affine_uint8(quantizer)
    if affine is None:
        assert 255 * inv_step * 2**5 > 2**31  # fewer bits would do otherwise
        return
    x = all_bytes(50).astype(np.int64)
    product = x * affine.multiplier + affine.offset
    assert np.abs(product).max() < 2**31
    codes = np.clip(product >> affine.shift, 0, 2**n_bits - 1)
    np.testing.assert_array_equal(codes, quantizer.codes(x))


def test_bytes_of_full_range_need_no_arithmetic(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, size=(500, 6), dtype=np.uint8)
    X[:2] = [[0], [255]]
    compressor = NTKCompressor(20, eps=0, random_state=0).fit(X)
    source, header = to_c(compressor, tmp_path / "model.c")
    assert "#define MODEL_U8_IS_CODE 1" in header.read_text()
    assert "codes[i] = x[i];" in source.read_text()


@needs_gcc
@pytest.mark.parametrize("weights", ["table", "seed"])
def test_long_gaps(tmp_path, weights):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 700))
    compressor = NTKCompressor((300, 20), eps=0.995, random_state=0).fit(X)
    indices = compressor.network_.weights(0).indices
    assert np.diff(np.sort(indices, axis=1)).max() > 2 * 255
    found = compiled_and_run(compressor, X, tmp_path, weights=weights)
    np.testing.assert_array_equal(found.codes, compressor.codes(X))


@needs_gcc
@pytest.mark.parametrize("weights", ["table", "seed"])
@pytest.mark.parametrize("stored", [0, 1])
def test_layer_of_stored_weights_and_thresholds(tmp_path, digits, weights, stored):
    X, _, X_test = digits
    compressor = NTKCompressor((40, 30), eps=0.8, random_state=0).fit(X)
    layers = list(compressor.network_.layers)
    spec = layers[stored]
    rng = np.random.default_rng(0)
    drawn = ternary_weights(7, 0, spec.n_inputs, spec.n_outputs, spec.n_nonzeros)
    order = rng.permutation(spec.n_inputs)  # no longer in increasing order
    n_plus = rng.integers(0, spec.n_nonzeros + 1, size=spec.n_outputs)
    moved = rng.integers(-(10**4), 10**4, size=(spec.n_outputs, 1))
    layers[stored] = dataclasses.replace(
        spec,
        weights=TernaryWeights(
            order[drawn.indices].astype(np.int32),
            n_plus.astype(np.int32),
            np.zeros(spec.n_outputs, dtype=np.int64),
        ),
        thresholds=spec.thresholds + moved,
    )
    compressor.network_ = dataclasses.replace(compressor.network_, layers=tuple(layers))
    found = compiled_and_run(compressor, X_test, tmp_path, weights=weights)
    np.testing.assert_array_equal(found.codes, compressor.codes(X_test))
    text = (tmp_path / "model.c").read_text()
    assert "sum_inputs" in text
    assert ("word_of" in text) == (weights == "seed")


@needs_gcc
def test_sums_beyond_32_bits(tmp_path):
    rng = np.random.default_rng(0)
    n_inputs, n_outputs = 40_000, 5
    first = Dense(
        n_inputs,
        n_outputs,
        n_inputs,
        thresholds=np.array([-(10**6), 0, 2**31 + 255]),
        levels=np.arange(4, dtype=np.uint8),
        centre=np.array([0]),
        weights=TernaryWeights(
            np.tile(np.arange(n_inputs, dtype=np.int32), (n_outputs, 1)),
            np.array([19_000, 20_000, 30_000, 39_000, 40_000], dtype=np.int32),
            np.zeros(n_outputs, dtype=np.int64),
        ),
    )
    second = Dense(
        n_outputs,
        5,
        3,
        np.array([0]),
        np.array([1, 0], np.uint8),
        np.array([300]),
        10**4,
    )
    compressor = NTKCompressor((5, 5)).fit(rng.normal(size=(9, 20)))
    quantizer = Quantizer(1.0, np.full(n_inputs, 128), n_bits=8)
    compressor.network_ = CompressedNetwork(quantizer, (first, second), seed=3)
    compressor.n_features_in_ = n_inputs
    X = rng.integers(200, 256, size=(4, n_inputs), dtype=np.uint8)
    hidden = dataclasses.replace(compressor.network_, readout_layers="all").forward(X)
    assert {0, 2, 3} <= set(hidden[:, :n_outputs].ravel())
    found = compiled_and_run(compressor, X, tmp_path, weights="seed")
    np.testing.assert_array_equal(found.codes, compressor.codes(X))
    assert "typedef int64_t model_sum;" in (tmp_path / "model.c").read_text()


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


def test_table_is_the_drawn_network(deep, tmp_path):
    # Read the table as its comment says, against the loop over Python integers.
    source, _ = to_c(deep, tmp_path / "model.c")
    text = source.read_text()

    def table(name):
        found = re.search(rf"\b{name}\[\] = {{(.*?)}}", text, re.DOTALL)
        return [int(value) for value in found.group(1).split(",")]

    spec = deep.network_.layers[0]
    gaps, n_plus = iter(table("model_gaps_0")), table("model_n_plus_0")
    W = np.zeros((spec.n_outputs, spec.n_inputs))
    for row, n_added in zip(W, n_plus, strict=True):
        for sign, count in ((1, n_added), (-1, spec.n_nonzeros - n_added)):
            place = 0
            while count:
                gap = next(gaps)
                place += gap
                if gap < 255:
                    row[place] = sign
                    place += 1
                    count -= 1
    assert not list(gaps)
    size = spec.n_inputs, spec.n_outputs, spec.n_nonzeros
    np.testing.assert_array_equal(W, dense_layer(deep.network_.seed, 0, *size)[0])


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


def table_of_all_kinds():
    rng = np.random.default_rng(0)
    X = np.column_stack(
        [
            rng.normal(size=300),
            rng.integers(0, 6, size=300),
            np.where(rng.random(300) < 0.2, -np.inf, rng.normal(size=300)),
            np.full(300, 3.0),
            rng.integers(0, 4, size=300),
        ]
    )
    X[::7, 0] = X[::5, 1] = np.nan
    return X, (X[:, 1] == 2) | (X[:, 2] > 0)


@pytest.mark.parametrize("readout", ["fixed", "float"])
@pytest.mark.parametrize("weights", ["seed", "trained"])
def test_tables_take_raw_rows(tmp_path, readout, weights):
    X, y = table_of_all_kinds()
    clf = CompressedMLPClassifier(
        (40, 30),
        input_encoding="thresholds",
        n_thresholds=10,
        categorical_features=[1, 4],
        max_categories=4,
        hidden_weights="trained" if weights == "trained" else None,
        max_iter=3,
        random_state=0,
    ).fit(X, y)
    options = {"weights": "seed"} if weights == "seed" else {}
    source, header = to_c(clf, tmp_path / "model.c", readout=readout, **options)
    compile_program(source, tmp_path / "program", OPTIMISED)
    rows = np.vstack([X, [[9, 77, np.inf, np.nan, -1], [0, 2.5, 0, 0, 1e30]]])
    found = run_program(tmp_path / "program", header, rows)
    known = rows.copy()
    known[300:, [1, 4]] = -1  # no categories
    np.testing.assert_array_equal(found.codes, clf.network_.forward(known))
    np.testing.assert_array_equal(found.labels[:300], clf.predict(X))
    single = rows.astype(np.float32)
    found = run_program(tmp_path / "program", header, single)
    known = single.copy()
    known[300:, [1, 4]] = -1
    np.testing.assert_array_equal(found.codes, clf.network_.forward(known))


@pytest.mark.skipif(shutil.which("clang") is None, reason="no clang")
def test_tables_are_sound_under_sanitizers(tmp_path):
    X, y = table_of_all_kinds()
    clf = CompressedMLPClassifier(
        (40,), input_encoding="thresholds", categorical_features=[1], random_state=0
    ).fit(X, y)
    source, header = to_c(clf, tmp_path / "model.c")
    compile_program(source, tmp_path / "program", SANITIZED)
    X[:4, 1] = np.nan, np.inf, -np.inf, 1e18
    run_program(tmp_path / "program", header, X)


def test_the_header_lists_columns_and_categories(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {"town": ["Köln", "*/ int x; /*", 'a "b" \\'] * 20, "size": range(60)}
    )
    reg = CompressedMLPRegressor((20,), input_encoding="thresholds", random_state=0)
    reg.fit(frame, np.arange(60.0))
    source, header = to_c(reg, tmp_path / "model.c")
    compile_program(source, tmp_path / "program", OPTIMISED)
    text = header.read_text()
    assert " * 0 town, bits: 3. Categories:\n *     0 " in text
    assert " * 1 size, bits: 32\n" in text
    assert "#define MODEL_N_FEATURES 2\n" in text
    assert "#define MODEL_N_INPUTS 35\n" in text
    numbered = np.column_stack([np.tile([1.0, 0.0, 2.0], 20), np.arange(60.0)])
    categories = reg._columns.categories[0]
    numbered[:, 0] = [categories.index(each) for each in frame["town"]]
    found = run_program(tmp_path / "program", header, numbered)
    np.testing.assert_array_equal(found.codes, reg.compressor_.codes(frame))
