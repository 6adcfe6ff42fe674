"""ONNX graph of a fitted estimator: the same bits as Python."""

import dataclasses
import re
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_regression
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeClassifier

from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
)
from sklearn_lossless.export import to_onnx
from sklearn_lossless.network import TernaryWeights, ternary_weights

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

pytestmark = [
    # Two levels cannot match all moments, and a few features are few.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:X has [0-9]+ features:UserWarning"),
]


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:500], y[:500], X[500:800]


def run(model, X):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"X": X}), strict=True))


@pytest.mark.parametrize("readout_layers", ["last", "all"])
@pytest.mark.parametrize("n_levels", [2, 8, 16])
@pytest.mark.parametrize("hidden_layer_sizes", [(60,), (90, 70, 50)])
def test_classifier(digits, hidden_layer_sizes, n_levels, readout_layers):
    X, y, X_test = digits
    clf = CompressedMLPClassifier(
        hidden_layer_sizes,
        eps=0.8,
        n_levels=n_levels,
        readout_layers=readout_layers,
        random_state=0,
    ).fit(X, y)
    found = run(to_onnx(clf, input_dtype="float64"), X_test)
    np.testing.assert_array_equal(found["codes"], clf.network_.forward(X_test))
    np.testing.assert_array_equal(found["scores"], clf.decision_function(X_test))
    np.testing.assert_array_equal(found["label"], clf.predict(X_test))
    expected = clf.predict_proba(X_test)
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-12)


def test_values_per_layer(digits):
    X, y, X_test = digits
    clf = CompressedMLPClassifier(
        (60, 50), eps=(0.8, 0.5), n_levels=(4, 16), readout_layers="all", random_state=0
    ).fit(X, y)
    found = run(to_onnx(clf, input_dtype="float64"), X_test)
    np.testing.assert_array_equal(found["codes"], clf.network_.forward(X_test))
    np.testing.assert_array_equal(found["scores"], clf.decision_function(X_test))


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_input_types(dtype):
    rng = np.random.default_rng(0)
    X = rng.normal(100, [[1, 20, 3, 50]], size=(300, 4)).clip(0, 255).astype(dtype)
    compressor = NTKCompressor((40, 30), eps=0, random_state=0).fit(X)
    if dtype == "uint8":
        X = np.repeat(np.arange(256, dtype=dtype)[:, np.newaxis], 4, axis=1)
    else:
        X = np.concatenate([X, 1e3 * X, -1e30 * X]).astype(dtype)
    found = run(to_onnx(compressor, input_dtype=dtype), X)
    np.testing.assert_array_equal(found["codes"], compressor.codes(X))
    features = compressor.transform(X.astype(np.float64))
    np.testing.assert_array_equal(found["features"], features)


def test_inputs_far_from_zero_and_with_wild_cells(digits):
    X, y, X_test = digits
    X, X_test = X + 1e15, X_test + 1e15
    X[3, 20], X[4, 21], X_test[5] = -1.7e308, 1e20, 1e300
    clf = CompressedMLPClassifier(60, eps=0.8, random_state=0).fit(X, y)
    found = run(to_onnx(clf, input_dtype="float64"), X_test)
    np.testing.assert_array_equal(found["codes"], clf.network_.forward(X_test))
    np.testing.assert_array_equal(found["scores"], clf.decision_function(X_test))


@pytest.mark.parametrize("readout", ["ridge", "logistic"])
@pytest.mark.parametrize(
    "labels",
    [np.array(["Größe", "b"]), np.array([False, True]), np.array([-1.0, 7.0])],
    ids=["text", "bool", "float"],
)
def test_two_classes(digits, labels, readout):
    X, y, X_test = digits
    clf = CompressedMLPClassifier(60, eps=0.8, readout=readout, random_state=0)
    clf.fit(X, labels[(y > 4).astype(int)])
    found = run(to_onnx(clf, input_dtype="float64"), X_test)
    assert found["label"].tolist() == clf.predict(X_test).tolist()
    scores = clf.decision_function(X_test)[:, np.newaxis]
    np.testing.assert_array_equal(found["scores"], scores)
    expected = clf.predict_proba(X_test)
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-12)


def test_logistic_readout(digits):
    X, y, X_test = digits
    clf = CompressedMLPClassifier(60, eps=0.8, readout="logistic", random_state=0)
    found = run(to_onnx(clf.fit(X, y), input_dtype="float64"), X_test)
    np.testing.assert_array_equal(found["label"], clf.predict(X_test))
    np.testing.assert_array_equal(found["scores"], clf.decision_function(X_test))
    expected = clf.predict_proba(X_test)
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-12)


@pytest.mark.parametrize("n_targets", [0, 1, 3])
def test_regressor(n_targets):
    X, y = make_regression(300, 20, n_targets=max(n_targets, 1), random_state=0)
    y = y.reshape(300, n_targets) if n_targets else y
    reg = CompressedMLPRegressor(80, eps=0.5, random_state=0).fit(X, y)
    found = run(to_onnx(reg, input_dtype="float64"), X)
    assert list(found) == ["codes", "prediction"]
    np.testing.assert_array_equal(found["prediction"], reg.predict(X))


def test_layer_of_stored_weights_and_thresholds(digits):
    X, _, X_test = digits
    compressor = NTKCompressor((40, 30), eps=0.8, random_state=0).fit(X)
    first, spec = compressor.network_.layers
    rng = np.random.default_rng(0)
    drawn = ternary_weights(7, 0, spec.n_inputs, spec.n_outputs, spec.n_nonzeros)
    n_plus = rng.integers(0, spec.n_nonzeros + 1, size=spec.n_outputs)
    moved = rng.integers(-(10**4), 10**4, size=(spec.n_outputs, 1))
    spec = dataclasses.replace(
        spec,
        weights=TernaryWeights(drawn.indices, n_plus.astype(np.int32), drawn.bias),
        thresholds=spec.thresholds + moved,
        levels=spec.levels[::-1].copy(),
    )
    layers = (first, spec)
    compressor.network_ = dataclasses.replace(compressor.network_, layers=layers)
    found = run(to_onnx(compressor, input_dtype="float64"), X_test)
    np.testing.assert_array_equal(found["codes"], compressor.codes(X_test))


def test_standard_operators_and_size(digits):
    X, y, _ = digits
    clf = CompressedMLPClassifier((300, 200), eps=0.9, random_state=0).fit(X, y)
    model = to_onnx(clf)
    assert {node.domain for node in model.graph.node} == {""}
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 17)]
    n_weights = clf.network_.n_weights
    thresholds = 4 * 7 * (300 + 200)
    readout = 4 * 200 * 10
    overhead = len(model.SerializeToString()) - n_weights - thresholds - readout
    assert 0 < overhead < 10_000


@pytest.mark.parametrize(
    "labels",
    [
        np.array([-(2**63), 0, 2**63 - 1]),
        np.array([0, 2**63 - 1, 2**63], dtype=np.uint64),
        np.array([2**63, 2**64 - 2, 2**64 - 1], dtype=np.uint64),
        np.array([1, 2, 3], dtype=np.uint64),
    ],
    ids=["int64", "uint64", "uint64 beyond int64", "small uint64"],
)
def test_whole_numbers_as_labels(digits, labels):
    X, y, X_test = digits
    clf = CompressedMLPClassifier(60, eps=0.8, random_state=0).fit(X, labels[y % 3])
    found = run(to_onnx(clf, input_dtype="float64"), X_test)["label"]
    # As Python's integers: NumPy compares int64 with uint64 as floats.
    assert found.tolist() == clf.predict(X_test).tolist()
    assert set(found.tolist()) == set(labels.tolist())
    assert (found.dtype == np.uint64) == (int(labels.max()) >= 2**63)


@pytest.mark.parametrize("dtype", ["datetime64[D]", "datetime64[ns]", "timedelta64[s]"])
def test_dates_as_labels_are_an_error(digits, dtype):
    X, y, _ = digits
    clf = CompressedMLPClassifier(20, eps=0.8).fit(X, y.astype(dtype))
    expected = rf"labels of dtype {re.escape(dtype)} cannot be exported; expected str"
    with pytest.raises(ValueError, match=expected):
        to_onnx(clf)


def test_what_cannot_be_exported(digits, monkeypatch):
    X, y, _ = digits
    with pytest.raises(NotFittedError):
        to_onnx(CompressedMLPClassifier())
    foreign = CompressedMLPClassifier(20, readout=RidgeClassifier()).fit(X, y)
    with pytest.raises(ValueError, match="can be exported; this one is RidgeClass"):
        to_onnx(foreign)
    with pytest.raises(ValueError, match="input_dtype must be 'float32', .* 'int8'"):
        to_onnx(foreign, input_dtype="int8")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'sklearn-lossless\[onnx\]'"):
        to_onnx(foreign)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tables_take_raw_rows(dtype):
    rng = np.random.default_rng(0)
    X = np.column_stack(
        [
            rng.normal(size=300),
            rng.integers(0, 6, size=300),
            np.where(rng.random(300) < 0.2, -np.inf, rng.normal(size=300)),
            np.full(300, 3.0),
        ]
    ).astype(dtype)
    X[::7, 0] = X[::5, 1] = np.nan
    clf = CompressedMLPClassifier(
        (40, 30),
        input_encoding="thresholds",
        categorical_features=[1],
        max_categories=4,
        random_state=0,
    ).fit(X, (X[:, 1] == 2) | (X[:, 2] > 0))
    model = to_onnx(clf, input_dtype=dtype)
    rows = np.vstack([X, [[9, -1, np.inf, np.nan]]]).astype(dtype)
    found = run(model, rows)
    np.testing.assert_array_equal(found["codes"], clf.compressor_.codes(rows))
    scores = clf.decision_function(rows)
    np.testing.assert_array_equal(found["scores"].ravel(), scores)
    np.testing.assert_array_equal(found["label"], clf.predict(rows))
    categories = [each for each in model.metadata_props if each.key == "categories"]
    assert categories[0].value == "[null, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], null, null]"


def test_tables_of_one_kind_of_column():
    X = np.arange(40.0).reshape(20, 2)
    for options in ({}, {"categorical_features": [0, 1]}):
        compressor = NTKCompressor(
            (40,), input_encoding="thresholds", random_state=0, **options
        ).fit(X)
        rows = compressor._columns.numbers(X).astype(np.float32)
        found = run(to_onnx(compressor), rows)
        np.testing.assert_array_equal(found["codes"], compressor.codes(X))
