"""Given hidden layers of batches, and the rows that calibrate their probabilities."""

from functools import reduce

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss

from sklearn_lossless import (
    CompressedMLPClassifier,
    NTKCompressor,
)
from sklearn_lossless.data import MemoryData
from sklearn_lossless.readout import Samples, SignTargets
from sklearn_lossless.readout.calibration import RowSample, sample_rows


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)


def classifier(**parameters):
    return CompressedMLPClassifier((200,), **{"random_state": 0, **parameters})


def test_sample_is_the_same_in_any_order(digits):
    X, y = digits
    network = classifier().fit(X, y).network_
    orders = [np.arange(len(X)), np.random.default_rng(0).permutation(len(X))]
    samples = []
    for order, size in zip(orders, [1797, 100], strict=True):
        parts = [order[start : start + size] for start in range(0, len(X), size)]
        first, *rest = [
            Samples(network.forward(X[rows]), y[rows, None], y[rows]) for rows in parts
        ]
        sample = reduce(RowSample.with_batch, rest, RowSample.of(first, 300)).samples
        by_content = np.lexsort((*sample.codes.T, sample.labels))
        samples.append((sample.codes[by_content], sample.labels[by_content]))
    np.testing.assert_array_equal(samples[0][0], samples[1][0])
    np.testing.assert_array_equal(samples[0][1], samples[1][1])
    assert samples[0][0].shape == (300, 200)
    assert np.bincount(samples[0][1]).min() > 10  # no class is left out


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("sizes", [[1797], [100, 3, 694, 1000]])
def test_given_hidden_layers_have_the_codes_of_fit(digits, sizes, frozen):
    """Whatever the first batch is."""
    X, y = digits
    order = np.argsort(y, kind="stable")
    whole = classifier(alpha=0.01).fit(X, y)
    compressor = NTKCompressor((200,), random_state=0).fit(X)
    given = FrozenEstimator(compressor) if frozen else compressor
    clf = CompressedMLPClassifier(estimator=given, alpha=0.01)
    assert clone(clf).estimator is not compressor
    for rows in np.split(order, np.cumsum(sizes)[:-1]):
        clf.partial_fit(X[rows], y[rows], classes=np.arange(10))
    np.testing.assert_array_equal(clf.compressor_.codes(X), whole.compressor_.codes(X))
    scale = np.abs(whole.readout_.coef_).max()
    np.testing.assert_allclose(
        clf.readout_.coef_, whole.readout_.coef_, rtol=0, atol=1e-8 * scale
    )
    again = CompressedMLPClassifier(estimator=given, alpha=0.01).fit(X, y)
    np.testing.assert_array_equal(again.readout_.coef_, whole.readout_.coef_)
    assert again.report_.zeros == whole.report_.zeros


def test_given_hidden_layers_are_the_readouts_own(digits):
    """Whatever becomes of the compressor; also of a fitted or loaded classifier."""
    X, y = digits
    compressor = NTKCompressor((60,), random_state=0).fit(X)
    clf = CompressedMLPClassifier(estimator=compressor, alpha=0.01).fit(X, y)
    before = clf.decision_function(X)
    compressor.set_params(hidden_layer_sizes=(30,), n_levels=3).fit(X)
    np.testing.assert_array_equal(clf.decision_function(X), before)
    again = CompressedMLPClassifier(estimator=clf.compressor_, alpha=0.01).fit(X, y)
    np.testing.assert_array_equal(again.decision_function(X), before)


def test_bad_given_hidden_layers(digits):
    X, y = digits
    compressor = NTKCompressor((50,), random_state=0)
    for fit in (
        lambda clf: clf.fit(X, y),
        lambda clf: clf.partial_fit(X, y, classes=np.arange(10)),
    ):
        with pytest.raises(NotFittedError, match="put it into a FrozenEstimator"):
            fit(CompressedMLPClassifier(estimator=clone(compressor)))
        compressor.fit(X[:, 1:])
        with pytest.raises(ValueError, match="was fitted with 63"):
            fit(CompressedMLPClassifier(estimator=compressor))
        compressor.fit(X)
        with pytest.raises(ValueError, match="widen=2 needs the network that was"):
            fit(CompressedMLPClassifier(estimator=compressor, widen=2))
    with pytest.raises(ValueError, match="target='teacher' needs the network"):
        CompressedMLPClassifier(estimator=compressor, target="teacher").fit(X, y)
    named = pd.DataFrame(X).add_prefix("p")
    compressor.fit(named)
    with pytest.raises(ValueError, match="X has features"):
        CompressedMLPClassifier(estimator=compressor).fit(named[named.columns[::-1]], y)


def test_probabilities_are_calibrated_on_a_sample(digits, monkeypatch):
    monkeypatch.setattr("sklearn_lossless.readout.online.SAMPLE_SIZE", 500)
    X, y = digits
    clf = classifier().partial_fit(X[:1200], y[:1200], classes=range(10))
    assert log_loss(y[1200:], clf.predict_proba(X[1200:])) < 0.3


def of_few_kinds(n_kinds, n_samples=30_000):
    """Rows that repeat, and labels that they tell little about."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 2, (n_kinds, 5)).astype(float)
    X = kinds[rng.integers(0, n_kinds, n_samples)]
    y = (rng.random(n_samples) < 0.2 + 0.6 * X[:, 0]).astype(int)
    return X, y


@pytest.mark.parametrize("n_kinds", [12, 32])
@pytest.mark.filterwarnings("ignore:X has 5 features")
def test_probabilities_are_calibrated_where_rows_repeat(n_kinds):
    X, y = of_few_kinds(n_kinds)
    parameters = {"hidden_layer_sizes": (40,), "eps": 0.5, "random_state": 0}
    whole = CompressedMLPClassifier(**parameters).fit(X, y)
    stream = CompressedMLPClassifier(**parameters)
    for rows in np.split(np.arange(len(X)), 30):
        stream.partial_fit(X[rows], y[rows], classes=[0, 1])
    assert stream.temperature_ == pytest.approx(whole.temperature_, rel=0.05)
    best = log_loss(y, np.where(X[:, [0]] == 1, [[0.2, 0.8]], [[0.8, 0.2]]))
    for each in (whole, stream):
        assert log_loss(y, each.predict_proba(X)) < 1.05 * best


def keys_of(sample):
    rows = np.column_stack([sample.codes, sample.labels])
    return rows[np.lexsort(rows.T)]


@pytest.mark.parametrize("size", [50, 1000])
def test_sample_is_uniform_over_rows_in_any_order_and_portions(size):
    """Half of the rows are of three kinds, the other half all differ."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 8, (4000, 20), dtype=np.uint8)
    codes[:2000] = codes[rng.integers(0, 3, 2000)]
    labels = np.arange(4000) % 2
    whole = Samples(codes, SignTargets(labels, 2), labels)
    expected = whole.take(sample_rows(MemoryData(whole, 20), size))
    for n_parts in (1, 7, 400):
        order = rng.permutation(4000)
        first, *rest = map(whole.take, np.array_split(order, n_parts))
        sample = reduce(RowSample.with_batch, rest, RowSample.of(first, size))
        np.testing.assert_array_equal(keys_of(sample.samples), keys_of(expected))
    of_kinds = (expected.codes[:, None] == codes[:2000]).all(axis=2).any(axis=1)
    assert len(of_kinds) == size
    assert abs(of_kinds.mean() - 0.5) < 3 * 0.5 / np.sqrt(size)


def test_sample_stays_uniform_beyond_the_rows_that_are_told_apart(monkeypatch):
    monkeypatch.setattr("sklearn_lossless.readout.calibration._MOST_KEYS", 100)
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 8, (4000, 20), dtype=np.uint8)
    codes[rng.random(4000) < 0.5] = codes[0]
    labels = np.zeros(4000, dtype=np.intp)
    batches = [
        Samples(codes[rows], np.zeros((len(rows), 1)), labels[rows])
        for rows in np.array_split(np.arange(4000), 9)
    ]
    sample = reduce(RowSample.with_batch, batches[1:], RowSample.of(batches[0], 600))
    assert len(sample.counts.keys) <= 100
    assert sample.counts.numbers.sum() == 4000
    assert len(np.unique(sample.tags)) == 600
    share = (sample.samples.codes == codes[0]).all(axis=1).mean()
    assert abs(share - 0.5) < 3 * 0.5 / np.sqrt(600)
