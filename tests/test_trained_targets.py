"""What trained hidden layers take as targets, and what they refuse."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.multioutput import MultiOutputClassifier

from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
)
from sklearn_lossless.training import ClassGoal, NumberGoal

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 6))
LABELS = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
NUMBERS = X[:, 0] * X[:, 1]
MISSING = np.where(np.arange(60) == 3, np.nan, NUMBERS)
INDICATOR = (X[:, :3] > 0).astype(int)


def make(kind, **parameters):
    options = {"eps": 0, "hidden_weights": "trained", "max_iter": 3, "random_state": 0}
    return kind((8,), **{**options, **parameters})


CLASSES = {
    "integers": LABELS,
    "whole floats": LABELS.astype(float),
    "strings": np.array(["no", "maybe", "yes"])[LABELS],
    "objects": np.array(["no", "maybe", "yes"], dtype=object)[LABELS],
    "bools": LABELS > 0,
    "a list": LABELS.tolist(),
}


@pytest.mark.parametrize("kind", [CompressedMLPClassifier, NTKCompressor])
@pytest.mark.parametrize("name", CLASSES)
def test_labels(kind, name):
    y = CLASSES[name]
    expected = make(kind).fit(X, np.unique(y, return_inverse=True)[1])
    est = make(kind).fit(X, y)
    assert isinstance(est.network_.layers[0].weights.indices, np.ndarray)
    assert est.loss_curve_ == expected.loss_curve_
    if kind is CompressedMLPClassifier:
        assert set(est.predict(X)) <= set(np.unique(y))


COLUMNS = {
    "one": NUMBERS,
    "a column": NUMBERS[:, np.newaxis],
    "two": X[:, :2],
    "indicator": INDICATOR,
    "bools": INDICATOR > 0,
    "integers": np.column_stack([LABELS, LABELS**2]),
}


@pytest.mark.parametrize("kind", [CompressedMLPRegressor, NTKCompressor])
@pytest.mark.parametrize("name", COLUMNS)
def test_numbers(kind, name):
    y = COLUMNS[name]
    est = make(kind, max_iter=100, learning_rate_init=0.01).fit(X, y)
    assert est.loss_curve_[-1] < 0.7 * est.loss_curve_[0]
    if kind is CompressedMLPRegressor:
        assert est.predict(X).shape == y.shape
        assert est.score(X, y) > 0.2
    else:
        assert est.transform(X).shape == (60, 8)


@pytest.mark.parametrize("kind", [CompressedMLPRegressor, NTKCompressor])
def test_numbers_are_centred_and_scaled_one_by_one(kind):
    y = np.column_stack([NUMBERS, X[:, 2]])
    first = make(kind).fit(X, y).loss_curve_
    moved = make(kind).fit(X, y * [2.0**40, 2.0**-40] + [2.0**45, 0.0]).loss_curve_
    np.testing.assert_allclose(moved, first, rtol=1e-3)


def test_a_label_in_a_column_is_one_with_a_warning():
    for kind in (CompressedMLPClassifier, NTKCompressor):
        with pytest.warns(UserWarning, match="column-vector y was passed"):
            found = make(kind).fit(X, LABELS[:, np.newaxis])
        assert found.loss_curve_ == make(kind).fit(X, LABELS).loss_curve_


ONE = np.zeros(60, dtype=int)


@pytest.mark.parametrize("y", [ONE, ONE + 3.0, ONE.astype(str)], ids=str)
@pytest.mark.parametrize("kind", [CompressedMLPClassifier, NTKCompressor])
def test_one_class(kind, y):
    with pytest.raises(ValueError, match="needs samples of at least 2 classes"):
        make(kind).fit(X, y)


@pytest.mark.parametrize("constant", [0.0, 3.0, 0.1, 1e-300])
def test_constant_numbers(constant):
    y = np.full(60, constant)
    np.testing.assert_allclose(make(CompressedMLPRegressor).fit(X, y).predict(X), y)
    both = np.column_stack([y, NUMBERS])
    reg = make(CompressedMLPRegressor, max_iter=100, learning_rate_init=0.01)
    predicted = reg.fit(X, both).predict(X)
    np.testing.assert_allclose(predicted[:, 0], y)
    assert np.corrcoef(predicted[:, 1], NUMBERS)[0, 1] > 0.7
    assert make(NTKCompressor).fit(X, both).transform(X).shape == (60, 8)


REFUSED = {
    (CompressedMLPClassifier, "indicator"): (INDICATOR, "y should be a 1d array"),
    (CompressedMLPClassifier, "two"): (X[:, :2], "y should be a 1d array"),
    (CompressedMLPClassifier, "numbers"): (NUMBERS, "Unknown label type: continuous"),
    (CompressedMLPClassifier, "nan"): (MISSING, "Input y contains NaN"),
    (CompressedMLPClassifier, "sparse"): (
        sparse.csr_array(INDICATOR),
        "Sparse data was passed for y",
    ),
    (CompressedMLPRegressor, "strings"): (CLASSES["strings"], "could not convert"),
    (CompressedMLPRegressor, "nan"): (MISSING, "Input y contains NaN"),
    (CompressedMLPRegressor, "sparse"): (
        sparse.csr_array(INDICATOR),
        "Sparse data was passed for y",
    ),
    (NTKCompressor, "nan"): (MISSING, "Input y contains NaN"),
    (NTKCompressor, "inf"): (
        np.where(X[:, 0] > 1, np.inf, NUMBERS),
        "Input y contains infinity",
    ),
    (NTKCompressor, "nan in two"): (
        np.column_stack([MISSING, NUMBERS]),
        "Input y contains NaN",
    ),
    (NTKCompressor, "unknown"): (LABELS.astype(object), "Unknown label type"),
    (NTKCompressor, "sparse"): (
        sparse.csr_array(INDICATOR),
        "Sparse data was passed for y",
    ),
    (NTKCompressor, "three dimensions"): (np.ones((60, 2, 2)), "Unknown label type"),
    (NTKCompressor, "rows"): (NUMBERS[:59], "inconsistent numbers of samples"),
}


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: "-".join(map(str, case)))
def test_refused(case):
    y, said = REFUSED[case]
    with pytest.raises((TypeError, ValueError), match=said), np.errstate(all="ignore"):
        make(case[0]).fit(X, y)


def test_several_labels_by_one_classifier_each():
    clf = MultiOutputClassifier(
        make(CompressedMLPClassifier, learning_rate_init=0.01, max_iter=60)
    )
    predicted = clf.fit(X, INDICATOR).predict(X)
    assert (predicted == INDICATOR).mean() > 0.8


@pytest.mark.parametrize("name", ["labels", "whole floats", "numbers", "indicator"])
def test_kinds_of_dask_targets(name):
    """There the dtype says it, as the values are elsewhere."""
    da = pytest.importorskip("dask.array")
    y, expected = {
        "labels": (LABELS, ClassGoal),
        "whole floats": (LABELS.astype(float), NumberGoal),
        "numbers": (NUMBERS, NumberGoal),
        "indicator": (INDICATOR, NumberGoal),
    }[name]
    est = make(NTKCompressor, warm_start=True)
    est.fit(da.from_array(X, chunks=(25, 6)), da.from_array(y, chunks=25))
    assert isinstance(est._course.checkpoint.goal, expected)
