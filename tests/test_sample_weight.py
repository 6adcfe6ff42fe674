"""Sample weights say how much the error of each sample counts, and nothing else."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, make_regression
from sklearn.metrics import r2_score

from sklearn_lossless import CompressedMLPClassifier, CompressedMLPRegressor
from sklearn_lossless.readout import logistic

NARROW = {"hidden_layer_sizes": (60,), "eps": 0.5, "random_state": 0}


def noisy_classes():
    X, y = load_breast_cancer(return_X_y=True)
    flipped = np.random.default_rng(0).random(len(y)) < 0.2
    return X / X.std(axis=0), y ^ flipped


def fit(estimator, X, y, weight):
    return estimator.fit(X, y, sample_weight=weight)


def in_batches(estimator, X, y, weight):
    options = {"classes": np.unique(y)} if hasattr(estimator, "class_weight") else {}
    for rows in np.array_split(np.arange(len(y)), 3):
        estimator.partial_fit(X[rows], y[rows], sample_weight=weight[rows], **options)
    return estimator


def on_chunks(estimator, X, y, weight):
    da = pytest.importorskip("dask.array")
    return estimator.fit(da.from_array(X, chunks=(200, -1)), y, sample_weight=weight)


FITS = [fit, in_batches, on_chunks]


@pytest.mark.parametrize("train", FITS)
@pytest.mark.parametrize("factor", [1e-6, 300.0, 1e80])
def test_a_factor_of_all_weights_changes_no_prediction(train, factor):
    rng = np.random.default_rng(0)
    X, y = load_diabetes(return_X_y=True)
    weight = rng.uniform(0.5, 2, len(y))
    one, many = (
        train(CompressedMLPRegressor(**NARROW), X, y, w)
        for w in (weight, weight * factor)
    )
    np.testing.assert_allclose(one.predict(X), many.predict(X), rtol=1e-6)
    assert many.alpha_ == pytest.approx(one.alpha_ * factor)


@pytest.mark.parametrize("train", FITS)
@pytest.mark.parametrize("factor", [1e-6, 300.0])
def test_a_factor_of_all_weights_changes_no_probability(train, factor):
    X, y = noisy_classes()
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    one, many = (
        train(CompressedMLPClassifier(**NARROW), X, y, w)
        for w in (weight, weight * factor)
    )
    np.testing.assert_allclose(one.predict_proba(X), many.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("dense_bytes", [2**28, 0])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_factor_of_all_weights_changes_no_logistic_readout(
    monkeypatch, dense_bytes, n_classes
):
    monkeypatch.setattr(logistic, "_DENSE_BYTES", dense_bytes)
    X, y = noisy_classes()
    y = y + (X[:, 0] > 5) * (n_classes - 2)
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    one, many = (
        CompressedMLPClassifier(readout="logistic", **NARROW).fit(X, y, w)
        for w in (weight, 300 * weight)
    )
    assert many.alpha_ == pytest.approx(300 * one.alpha_)
    np.testing.assert_allclose(one.predict_proba(X), many.predict_proba(X), atol=2e-3)


@pytest.mark.parametrize("factor", [{0: 1.0, 1: 1.0}, {0: 500.0, 1: 500.0}])
def test_a_factor_of_all_class_weights_changes_no_probability(factor):
    X, y = noisy_classes()
    expected = CompressedMLPClassifier(**NARROW).fit(X, y)
    clf = CompressedMLPClassifier(class_weight=factor, **NARROW).fit(X, y)
    np.testing.assert_allclose(
        clf.predict_proba(X), expected.predict_proba(X), atol=1e-5
    )


@pytest.mark.parametrize("train", FITS)
def test_survey_weights_of_some_hundreds_do_not_overfit(train):
    """Weights that are copies would leave all but one of them in the training set."""
    rng = np.random.default_rng(0)
    X, y = make_regression(600, 30, n_informative=10, noise=100, random_state=0)
    weight = rng.uniform(200, 800, 300)
    reg = CompressedMLPRegressor((250,), eps=0.5, random_state=0)
    plain = train(reg, X[:300], y[:300], np.ones(300))
    expected = r2_score(y[300:], plain.predict(X[300:]))
    reg = CompressedMLPRegressor((250,), eps=0.5, random_state=0)
    found = train(reg, X[:300], y[:300], weight).predict(X[300:])
    assert r2_score(y[300:], found) > expected - 0.05


@pytest.mark.parametrize("readout", ["ridge", "logistic"])
def test_whole_weights_are_repeated_rows_for_a_given_alpha(readout):
    X, y = noisy_classes()
    times = np.random.default_rng(0).integers(0, 4, len(y))
    parameters = {**NARROW, "readout": readout, "alpha": 0.1}
    weighted = CompressedMLPClassifier(**parameters).fit(X, y, times)
    repeated = CompressedMLPClassifier(**parameters)
    repeated.fit(X.repeat(times, axis=0), y.repeat(times))
    np.testing.assert_array_equal(
        weighted.compressor_.codes(X), repeated.compressor_.codes(X)
    )
    np.testing.assert_allclose(
        weighted.decision_function(X), repeated.decision_function(X), atol=1e-3
    )
