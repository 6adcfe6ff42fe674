"""The logistic readout on streamed codes is scikit-learn's on features in memory."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from sklearn_lossless import CompressedMLPClassifier, NTKCompressor
from sklearn_lossless.data import MemoryData
from sklearn_lossless.readout import Samples, logistic
from sklearn_lossless.readout.streamed_logistic import StreamedLogistic


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)


def make_data(n_classes, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 8, (3000, 10)).astype(np.uint8)
    scores = codes @ rng.normal(size=(10, n_classes)) / 5 + rng.gumbel(
        size=(3000, n_classes)
    )
    return codes, scores.argmax(axis=1), rng.uniform(0, 2, 3000)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("alpha", [1.0, 100.0])
def test_equals_scikit_learn(n_classes, alpha):
    codes, labels, weight = make_data(n_classes)
    offset, step_size = np.linspace(-3, 0, 10), np.linspace(0.5, 1, 10)
    Z = offset + step_size * codes
    peer = LogisticRegression(C=1 / alpha, solver="newton-cholesky", tol=1e-8)
    peer.fit(Z, labels, weight)
    solver = StreamedLogistic(
        MemoryData(Samples(codes, None, labels), 10),
        n_classes,
        offset=offset,
        step_size=step_size,
        scale=2.0,
    )
    fitted = solver.fit(weight, alpha)
    np.testing.assert_allclose(fitted.coef, peer.coef_, atol=3e-3)
    start = solver.fit(weight, alpha, fitted)
    assert start.n_iter <= 1
    proba = peer.predict_proba(Z)[np.arange(3000), labels]
    expected = -np.average(np.log(proba), weights=weight)
    assert solver.log_loss(fitted, weight) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("n_classes", [2, 10])
@pytest.mark.parametrize("alpha", [None, 0.01])
def test_streamed_is_in_memory(digits, monkeypatch, n_classes, alpha):
    X, y = digits[0], digits[1] % n_classes

    def fit():
        return CompressedMLPClassifier(
            (100,), readout="logistic", alpha=alpha, random_state=0
        ).fit(X, y, sample_weight=1.0 + (y == 1))

    in_memory = fit()
    monkeypatch.setattr(logistic, "_DENSE_BYTES", 0)
    streamed = fit()
    assert streamed.alpha_ == pytest.approx(in_memory.alpha_)
    # Newton's method and L-BFGS stop at different places near the minimum.
    difference = streamed.predict_proba(X) - in_memory.predict_proba(X)
    assert np.abs(difference).max() < 0.03
    assert np.abs(difference).mean() < 1e-3
    np.testing.assert_allclose(streamed.readout_.C, in_memory.readout_.C)
    np.testing.assert_array_equal(streamed.classes_, in_memory.classes_)


def test_one_class_with_weight(digits):
    X, y = digits[0], digits[1] > 4
    clf = CompressedMLPClassifier((60,), readout="logistic", random_state=0)
    clf.fit(X, y, sample_weight=y * 1.0)
    assert clf.alpha_ == pytest.approx(0.01)


@pytest.mark.parametrize("dense_bytes", [2**28, 0])
def test_rows_without_weight_do_not_choose_alpha(digits, monkeypatch, dense_bytes):
    monkeypatch.setattr(logistic, "_DENSE_BYTES", dense_bytes)
    X, y = digits[0][:900], digits[1][:900]
    weight = np.ones(900)
    weight[::2] = 0
    y = np.where(weight > 0, y, 9 - y)  # would mislead
    parameters = {"readout": "logistic", "random_state": 0}
    compressor = NTKCompressor((30,), random_state=0).fit(X)
    weighted, kept = (
        CompressedMLPClassifier(estimator=compressor, **parameters).fit(*arrays)
        for arrays in ((X, y, weight), (X[1::2], y[1::2]))
    )
    assert weighted.alpha_ == pytest.approx(kept.alpha_)
    # As close as the solver's tolerance makes them, on any processor.
    np.testing.assert_allclose(
        weighted.predict_proba(X), kept.predict_proba(X), atol=1e-2
    )


@pytest.mark.parametrize("n_classes", [2, 10])
def test_scores_are_those_of_the_readout(digits, n_classes):
    X, y = digits[0], digits[1] % n_classes
    clf = CompressedMLPClassifier((50,), readout="logistic", alpha=0.01).fit(X, y)
    Z = clf.compressor_.transform(X)
    readout = clf.readout_
    np.testing.assert_allclose(
        clf.decision_function(X), readout.decision_function(Z), atol=1e-6
    )
    np.testing.assert_allclose(
        clf.predict_proba(X), readout.predict_proba(Z), atol=1e-6
    )
    np.testing.assert_array_equal(clf.predict(X), readout.predict(Z))
