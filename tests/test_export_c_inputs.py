"""Inputs of C programs: cells and their edges, bytes, tables."""

import functools
import pathlib
import shutil
import subprocess
import tempfile

import numpy as np
import pytest
from c_program import (
    OPTIMISED,
    SANITIZED,
    SMALL_NETWORKS,
    compile_program,
    compiled_and_run,
    needs_gcc,
    run_program,
)
from sklearn.datasets import load_digits

from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
)
from sklearn_lossless.export import to_c
from sklearn_lossless.export._c_cells import affine_uint8
from sklearn_lossless.network import (
    CompressedNetwork,
    Dense,
    Quantizer,
    TernaryWeights,
)

pytestmark = SMALL_NETWORKS

#: Programs of 32 bits compute doubles with 64 bits of mantissa.
X87 = ("-m32", "-mfpmath=387")


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
