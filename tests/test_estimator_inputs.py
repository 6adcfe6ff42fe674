"""What estimators take and give: kinds of input, types, and bad data."""

import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
)

ESTIMATORS = [NTKCompressor, CompressedMLPClassifier, CompressedMLPRegressor]


@pytest.fixture(scope="module")
def digits():
    return train_test_split(*load_digits(return_X_y=True), random_state=0)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(
    "bad",
    [
        lambda X, y: (X, y[:-1]),
        lambda X, y: (X[:0], y[:0]),
        lambda X, y: (np.ones((10, 7)), y[:10]),
        lambda X, y: (X[:, :7] * np.nan, y),
    ],
    ids=["lengths", "empty", "constant", "nan"],
)
def test_a_fit_that_fails_leaves_the_fitted_estimator_as_it_was(estimator, bad, digits):
    X, _, y, _ = digits
    fitted = estimator((20,), random_state=0).fit(X, y)
    ask = fitted.predict if hasattr(fitted, "predict") else fitted.transform
    before = ask(X)
    X_bad, y_bad = bad(X, y)
    if estimator is NTKCompressor and len(X_bad) > len(y_bad):
        return  # y is not looked at
    with pytest.raises(ValueError, match=r"."):
        fitted.fit(X_bad, y_bad)
    np.testing.assert_array_equal(ask(X), before)
    assert fitted.n_features_in_ == X.shape[1]


def classifier(**parameters):
    return CompressedMLPClassifier(**{"random_state": 0, **parameters})


@pytest.mark.parametrize(
    "convert",
    [
        lambda X: X.astype(np.float32),
        lambda X: X.astype(np.uint8),
        lambda X: X.astype(int),
        lambda X: X.tolist(),
        sparse.csr_array,
        sparse.csc_matrix,
        pd.DataFrame,
        lambda X: pd.DataFrame(X).astype("Int64"),
        lambda X: pl.DataFrame(X),
    ],
)
def test_kinds_of_input(digits, convert):
    X_train, X_test, y_train, _ = digits
    expected = classifier().fit(X_train, y_train).predict(X_test)
    # Frames without string names are taken like arrays.
    clf = classifier().fit(convert(X_train), y_train)
    np.testing.assert_array_equal(clf.predict(convert(X_test)), expected)


def test_sparse_duplicates_are_summed(digits):
    X, y = digits[0], digits[2]
    doubled = sparse.csr_array(np.hstack([X, X]))
    folded = sparse.csr_array(
        (doubled.data, doubled.indices % X.shape[1], doubled.indptr), shape=X.shape
    )
    a, b = classifier().fit(folded, y), classifier().fit(2 * X, y)
    np.testing.assert_array_equal(a.readout_.coef_, b.readout_.coef_)


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_set_output(digits, container):
    compressor = NTKCompressor((7,), random_state=0).set_output(transform=container)
    frame = compressor.fit_transform(digits[0])
    assert type(frame).__module__.startswith(container)
    assert list(frame.columns) == [f"ntkcompressor{i}" for i in range(7)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_preserved(digits, dtype):
    assert NTKCompressor((7,)).fit_transform(digits[0].astype(dtype)).dtype == dtype


def test_string_labels_and_binary(digits):
    X_train, X_test, y_train, y_test = digits
    names = np.array(["even", "odd"])
    clf = classifier().fit(X_train, names[y_train % 2])
    assert clf.classes_.tolist() == ["even", "odd"]
    assert clf.readout_.coef_.shape == (1, 1000)
    decision = clf.decision_function(X_test)
    assert decision.shape == (len(X_test),)
    np.testing.assert_array_equal(
        clf.predict(X_test), names[(decision > 0).astype(int)]
    )
    proba = clf.predict_proba(X_test)
    np.testing.assert_array_equal(proba[:, 1] > 0.5, decision > 0)
    assert clf.score(X_test, names[y_test % 2]) > 0.95


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (lambda X: np.ones_like(X), "X is constant"),
        (lambda X: np.where(X > 15, np.nan, X), "NaN"),
        (lambda X: np.where(X > 15, np.inf, X), "infinity"),
        (lambda X: X[:0], "0 sample"),
        (lambda X: X[:, 0], "Expected 2D array"),
    ],
)
def test_bad_data(digits, estimator, bad, match):
    X = bad(digits[0])
    with pytest.raises(ValueError, match=match):
        estimator().fit(X, digits[2][: len(X)])


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_wrong_number_of_features_loses_nothing(digits, estimator):
    X_train, X_test, y_train, _ = digits
    model = estimator((20,), random_state=0).fit(X_train, y_train)
    method = model.transform if estimator is NTKCompressor else model.predict
    before = method(X_test)
    with pytest.raises(ValueError, match="X has 63 features.*expecting 64"):
        method(X_test[:, 1:])
    np.testing.assert_array_equal(method(X_test), before)


def test_one_class(digits):
    with pytest.raises(ValueError, match="only one class"):
        classifier().fit(digits[0], np.zeros(len(digits[0])))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_bad_weights(digits, estimator):
    X, y = digits[0], digits[2]
    with pytest.raises(ValueError, match="zero"):
        estimator().fit(X, y, sample_weight=np.zeros(len(X)))
    with pytest.raises(ValueError, match="[Nn]egative"):
        estimator().fit(X, y, sample_weight=-np.ones(len(X)))


def test_one_outlying_cell_costs_little_accuracy(digits):
    X_train, X_test, y_train, y_test = digits
    clean = CompressedMLPClassifier((500,), random_state=0).fit(X_train, y_train)
    spoiled = X_train.copy()
    spoiled[17, 30] = 1e6
    clf = CompressedMLPClassifier((500,), random_state=0).fit(spoiled, y_train)
    assert clf.score(X_test, y_test) > clean.score(X_test, y_test) - 0.01


@pytest.mark.filterwarnings("ignore:X has [0-9] features")
@pytest.mark.parametrize("named", [False, True])
def test_columns_of_another_scale_are_named(named):
    rng = np.random.default_rng(0)
    ages, years = rng.integers(20, 65, 500), rng.integers(0, 20, 500)
    X = np.column_stack([ages, rng.normal(60_000, 20_000, 500), np.ones(500), years])
    names = ["age", "salary", "country", "years"]
    if named:
        X = pd.DataFrame(X, columns=names)
    expected = "Columns 'age', 'years' of X" if named else "Columns 0, 3 of X"
    with pytest.warns(UserWarning, match=f"{expected} vary .*StandardScaler"):
        NTKCompressor((50,)).fit(X)
    make_pipeline(StandardScaler(), NTKCompressor((50,))).fit(X)


def test_hashed_text_fits_in_little_memory():
    X = HashingVectorizer().transform([f"word{i} word{i % 7} word" for i in range(60)])
    y = np.arange(60) % 7
    clf = CompressedMLPClassifier((50,), eps=0.9999, random_state=0)
    tracemalloc.start()
    clf.fit(X, y).predict(X)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 400e6  # 1.7 GB for a block of doubles


def repeated_entries(X, dtype=None):
    """A CSR matrix of the same values, half of them in two entries, out of order."""
    X = sparse.csr_array(X)
    halves = [X.data // 2, X.data - X.data // 2]
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    order = np.argsort(np.tile(rows, 2), kind="stable")
    data, columns = np.concatenate(halves)[order], np.tile(X.indices, 2)[order]
    made = sparse.csr_array((data, columns, 2 * X.indptr), X.shape)
    assert not made.has_canonical_format
    return made if dtype is None else made.astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8, np.int16])
@pytest.mark.parametrize("form", ["csr", "coo", "csc"])
def test_entries_in_one_place_are_summed_on_every_path(digits, dtype, form):
    X, _, y, _ = digits
    X = 15 * X  # sums beyond 127, and of bytes below 256
    given = repeated_entries(X, dtype).asformat(form)
    before = given.data.copy()
    clf = CompressedMLPClassifier((60,), eps=0.5, random_state=0)
    expected = clone(clf).fit(X, y)
    clf.fit(given, y)
    codes = expected.compressor_.codes(X)
    np.testing.assert_array_equal(clf.compressor_.codes(X), codes)
    np.testing.assert_array_equal(expected.compressor_.codes(given), codes)
    np.testing.assert_array_equal(clf.predict_proba(given), clf.predict_proba(X))
    network = expected.network_
    np.testing.assert_array_equal(network.forward(given), codes)
    np.testing.assert_array_equal(network.features(given), network.features(X))
    np.testing.assert_array_equal(given.data, before)


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA], ids=repr)
def test_missing_labels_are_said_as_scikit_learn_says_them(digits, missing):
    X, y = digits[0][:30], np.array(["a", "b", missing] * 10, dtype=object)
    says = r"Input y contains NaN: y\[2\] is .*Leave out rows without a label"
    for fit in (
        CompressedMLPClassifier((20,)).fit,
        CompressedMLPClassifier((20,), readout="logistic").fit,
        CompressedMLPClassifier((20,), hidden_weights="trained").fit,
        NTKCompressor((20,), hidden_weights="trained").fit,
        lambda X, y: CompressedMLPClassifier((20,)).partial_fit(X, y, ["a", "b"]),
    ):
        for labels in (y, y.tolist(), pd.Series(y)):
            with pytest.raises(ValueError, match=says):
                fit(X, labels)
    with pytest.raises(ValueError, match="Input y contains NaN"):
        CompressedMLPClassifier((20,)).fit(X, np.where(np.arange(30) == 2, np.nan, 1))
    known = CompressedMLPClassifier((20,)).fit(X, np.array(["b", "a"] * 15, object))
    assert known.classes_.tolist() == ["a", "b"]
