"""C programs put out what Python does: codes, scores, classes."""

import dataclasses
import functools
import re
import shutil

import numpy as np
import pytest
from c_program import (
    GCC,
    OPTIMISED,
    SANITIZED,
    SMALL_NETWORKS,
    compiled_and_run,
    needs_gcc,
)
from naive import dense_layer
from sklearn.datasets import load_digits, make_regression

from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
)
from sklearn_lossless.export import integer_readout, to_c
from sklearn_lossless.network import (
    CompressedNetwork,
    Dense,
    Quantizer,
    TernaryWeights,
    ternary_weights,
)

pytestmark = SMALL_NETWORKS

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
