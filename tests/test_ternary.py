"""The seed is the weights: the same numbers on every machine, for ever."""

import naive
import numpy as np
import pytest

from sklearn_lossless.network import splitmix64, ternary_weights
from sklearn_lossless.network.ternary import BIAS_STD


def test_splitmix64_published_words():
    # The first words for seed 1234567, as printed for other implementations.
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    np.testing.assert_array_equal(splitmix64(1234567, np.arange(5)), expected)


def test_golden_weights():
    weights = ternary_weights(
        seed=2022, layer=1, n_inputs=50, n_outputs=3, n_nonzeros=5
    )
    assert weights.indices.tolist() == [
        [19, 44, 37, 42, 47],
        [22, 41, 10, 21, 29],
        [2, 27, 32, 49, 38],
    ]
    assert weights.n_plus.tolist() == [2, 2, 4]
    assert weights.bias.tolist() == [42585, -12678, -37977]


@pytest.mark.parametrize(
    ("n_inputs", "n_nonzeros"), [(1, 1), (2, 1), (7, 7), (30, 3), (64, 60)]
)
def test_weights_equal_naive(n_inputs, n_nonzeros):
    seed, n_outputs = 2**64 - 3, 20
    weights = ternary_weights(seed, 2, n_inputs, n_outputs, n_nonzeros)
    dense = np.zeros((n_outputs, n_inputs))
    for row, indices, n_plus in zip(
        dense, weights.indices, weights.n_plus, strict=True
    ):
        row[indices[:n_plus]] = 1
        row[indices[n_plus:]] = -1
        assert np.all(np.diff(indices[:n_plus]) > 0)
        assert np.all(np.diff(indices[n_plus:]) > 0)
    expected, bias = naive.dense_layer(seed, 2, n_inputs, n_outputs, n_nonzeros)
    np.testing.assert_array_equal(dense, expected)
    np.testing.assert_array_equal(weights.dense(n_inputs), expected.T)
    assert weights.dense(n_inputs).dtype == weights.signs().dtype == np.int8
    np.testing.assert_array_equal(
        np.take_along_axis(dense, weights.indices.astype(np.intp), axis=1),
        weights.signs(),
    )
    np.testing.assert_array_equal(weights.bias, bias)


def test_neurons_do_not_depend_on_how_many_are_drawn():
    few = ternary_weights(5, 0, 40, 3, 8)
    many = ternary_weights(5, 0, 40, 3000, 8)
    for part, whole in zip(few, many, strict=True):
        np.testing.assert_array_equal(part, whole[:3])


@pytest.mark.parametrize(("n_inputs", "n_nonzeros"), [(900, 80), (64, 64), (400, 250)])
def test_many_neurons_are_drawn_as_few_are(n_inputs, n_nonzeros):
    """NumPy draws a few of them, a kernel many."""
    many = ternary_weights(5, 1, n_inputs, 1500, n_nonzeros)
    few = ternary_weights(5, 1, n_inputs, 20, n_nonzeros)
    np.testing.assert_array_equal(many.indices[:20], few.indices)
    np.testing.assert_array_equal(many.n_plus[:20], few.n_plus)


def test_distribution():
    n_outputs, n_inputs, k = 20_000, 50, 10
    weights = ternary_weights(0, 0, n_inputs, n_outputs, k)
    # Each input is drawn equally often: binomial counts, within 5 sigma.
    counts = np.bincount(weights.indices.ravel(), minlength=n_inputs)
    p = k / n_inputs
    assert np.abs(counts - n_outputs * p).max() < 5 * np.sqrt(n_outputs * p * (1 - p))
    # Signs are fair and independent: variance of a binomial.
    assert weights.n_plus.mean() == pytest.approx(k / 2, abs=0.06)
    assert weights.n_plus.var() == pytest.approx(k / 4, rel=0.05)
    assert weights.bias.mean() == pytest.approx(0, abs=0.035 * BIAS_STD)
    assert weights.bias.std() == pytest.approx(BIAS_STD, rel=0.02)
