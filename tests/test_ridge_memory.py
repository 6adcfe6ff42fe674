"""The memory of ridge readouts, in batches and at once."""

import tracemalloc

import numpy as np
import pytest
from ridge import ridge_of
from sklearn.datasets import load_digits

from sklearn_lossless import (
    CompressedMLPClassifier,
)
from sklearn_lossless.network import LazyCodes
from sklearn_lossless.readout import SignTargets, zero_one_loss


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)


def classifier(**parameters):
    return CompressedMLPClassifier((200,), **{"random_state": 0, **parameters})


class RandomCodes:
    """Codes that exist only while they are looked at."""

    dtype = np.dtype(np.uint8)

    def __init__(self, n_samples, n_features):
        self.shape = (n_samples, n_features)

    def __getitem__(self, rows):
        rows = np.arange(self.shape[0])[rows]
        rng = np.random.default_rng(int(rows[0]))
        return rng.integers(0, 8, (len(rows), self.shape[1]), dtype=np.uint8)


def peak_memory(function):
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_of_the_ridge_path():
    n_samples, n_features = 40_000, 1000
    codes = RandomCodes(n_samples, n_features)
    Y = np.random.default_rng(0).normal(size=(n_samples, 1))
    packed = 3 * n_samples * n_features / 8
    square = 8 * n_features**2
    assert (
        peak_memory(lambda: ridge_of(codes, Y, n_left_out=4096)) < packed + 2 * square
    )


@pytest.mark.parametrize(
    ("n_samples", "n_features", "n_classes"), [(400_000, 40, 30), (20_000, 300, 300)]
)
def test_memory_of_narrow_networks_and_many_classes(n_samples, n_features, n_classes):
    """What is kept of each sample is no more than its codes, beside blocks."""
    codes = RandomCodes(n_samples, n_features)
    labels = np.random.default_rng(0).integers(0, n_classes, n_samples)
    Y = SignTargets(labels, n_classes)
    packed = 3 * n_samples * n_features / 8
    square = 8 * n_features**2
    options = {"loss": zero_one_loss, "n_left_out": 4096}
    peak = peak_memory(lambda: ridge_of(codes, Y, **options))
    assert peak < packed + 2 * square + 40e6


def test_left_out_scores_of_a_sample_are_those_of_all():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 8, (3000, 30), dtype=np.uint8)
    Y = codes[:, :2] @ rng.normal(size=(2, 2)) + rng.normal(size=(3000, 2))
    weight = rng.integers(0, 3, 3000) * 1.0
    whole = ridge_of(codes, Y, weight)
    assert len(whole.loo_prediction) == np.count_nonzero(weight)
    some = ridge_of(codes, Y, weight, n_left_out=500)
    assert len(some.loo_prediction) == 500
    nearest = np.abs(some.loo_prediction[:, None] - whole.loo_prediction).max(-1).min(1)
    assert nearest.max() < 1e-5
    np.testing.assert_array_equal(some.coef, whole.coef)


def test_memory_of_fit_does_not_hold_features():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (100_000, 20), dtype=np.uint8)
    y = X[:, 0] > X[:, 1]
    clf = CompressedMLPClassifier((500,), eps=0.5, random_state=0)
    clf.fit(X[:600], y[:600])  # compiled code is not the memory of the data
    codes_in_bytes = 100_000 * 500
    assert peak_memory(lambda: clf.fit(X, y)) < codes_in_bytes


def test_lazy_codes_are_the_codes(digits):
    X, y = digits
    clf = classifier().fit(X, y)
    codes = LazyCodes(clf.network_, X)
    assert codes.shape == (1797, 200)
    expected = clf.network_.forward(X)
    np.testing.assert_array_equal(codes[slice(0, 100)], expected[:100])
    lazy, held = ridge_of(codes, y[:, None] * 1.0), ridge_of(expected, y[:, None])
    np.testing.assert_array_equal(lazy.coef, held.coef)
    np.testing.assert_array_equal(lazy.loo_losses, held.loo_losses)
