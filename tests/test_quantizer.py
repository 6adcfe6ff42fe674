"""Inputs become unsigned integers on one grid, and statistics are exact."""

import naive
import numpy as np
import pytest
from scipy import sparse

from sklearn_lossless.network import Quantizer, code_statistics, fit_quantizer


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    return rng.normal(size=(500, 6)) * [1, 2, 0.5, 1, 3, 0] + [0, 5, -9, 100, 0, 7]


@pytest.mark.parametrize("n_bits", range(1, 9))
def test_codes_equal_naive(X, n_bits):
    quantizer = fit_quantizer(X, n_bits)
    codes = quantizer.codes(X)
    assert codes.dtype == np.uint8
    np.testing.assert_array_equal(codes, naive.quantize(quantizer, X))
    assert codes.max() == 2**n_bits - 1
    assert codes.min() == 0


def test_pixels_stay_apart():
    X = np.random.default_rng(0).integers(0, 256, (200, 5)).astype(np.uint8)
    X[:2, 0] = [0, 255]
    np.testing.assert_array_equal(fit_quantizer(X, 8).codes(X), X - X.min(axis=0))


def test_distances_keep_their_shape(X):
    # One cell width for all features; within range the error is half a cell.
    quantizer = fit_quantizer(X, 8)
    decoded = quantizer.decode(quantizer.codes(X))
    inside = np.abs(X - X.mean(0)) < 3 * X.std(0)
    assert np.abs(decoded - X)[inside].max() <= 0.51 / quantizer.inv_step


def test_gaussian_window_reaches_the_known_distortion():
    # Max (1960): 4 bits quantise a Gaussian with mean squared error 0.01154.
    X = np.random.default_rng(0).normal(size=(200_000, 1))
    quantizer = fit_quantizer(X, 4)
    error = np.mean((quantizer.decode(quantizer.codes(X)) - X) ** 2)
    assert error == pytest.approx(0.01154, rel=0.05)


def test_statistics(X):
    quantizer = fit_quantizer(X, 5)
    codes = naive.quantize(quantizer, X)
    statistics = code_statistics(quantizer, X)
    np.testing.assert_allclose(statistics.mean, codes.mean(0), rtol=1e-14)
    np.testing.assert_allclose(statistics.variance, codes.var(0), rtol=1e-11)
    assert statistics.total_variance == pytest.approx(codes.var(0).sum(), rel=1e-12)


def _same(a, b):
    assert a.inv_step == b.inv_step
    np.testing.assert_array_equal(a.shift, b.shift)


def test_order_of_rows_does_not_matter_to_the_last_bit(X):
    shuffled = np.random.default_rng(1).permutation(X)
    quantizer, other = fit_quantizer(X, 6), fit_quantizer(shuffled, 6)
    _same(quantizer, other)
    np.testing.assert_array_equal(
        code_statistics(quantizer, X).mean, code_statistics(other, shuffled).mean
    )


def test_whole_weights_are_repeated_rows_to_the_last_bit(X):
    weight = np.random.default_rng(1).integers(0, 4, len(X))
    repeated = X.repeat(weight, axis=0)
    weight = weight.astype(float)
    quantizer = fit_quantizer(X, 3, weight)
    _same(quantizer, fit_quantizer(repeated, 3))
    a = code_statistics(quantizer, X, weight)
    b = code_statistics(quantizer, repeated)
    np.testing.assert_array_equal(a.mean, b.mean)
    np.testing.assert_array_equal(a.variance, b.variance)


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csr_matrix])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_sparse_equals_dense(container, dtype):
    X = np.random.default_rng(0).poisson(0.3, (300, 20)).astype(dtype)
    dense, compressed = fit_quantizer(X, 4), fit_quantizer(container(X), 4)
    _same(dense, compressed)
    np.testing.assert_array_equal(compressed.codes(container(X)), dense.codes(X))


def test_far_values_are_clipped(X):
    quantizer = fit_quantizer(X, 8)
    far = np.full((1, 6), 1e300)
    np.testing.assert_array_equal(quantizer.codes(far), np.full((1, 6), 255))
    np.testing.assert_array_equal(quantizer.codes(-far), np.zeros((1, 6)))


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_extreme_scales(X, scale):
    a, b = fit_quantizer(X, 8), fit_quantizer(X * scale, 8)
    np.testing.assert_allclose(a.codes(X).astype(int), b.codes(X * scale), atol=1)


def test_constant_input():
    with pytest.raises(ValueError, match="X is constant"):
        fit_quantizer(np.ones((5, 3)), 8)


def test_infinite_range():
    with pytest.raises(ValueError, match="range of X is not a finite double"):
        fit_quantizer(np.array([[-1e308], [1e308]]), 8)


@pytest.mark.parametrize("shift", [0, 128, 255, 256, -1])
@pytest.mark.parametrize("inv_step", [1.0, 0.5])
def test_bytes_have_the_codes_of_the_same_numbers(shift, inv_step):
    X = np.arange(256, dtype=np.uint8).repeat(3).reshape(256, 3)
    quantizer = Quantizer(inv_step, np.array([128, shift, 0]), 8)
    codes = quantizer.codes(X[:, ::-1][:, ::-1])
    assert codes.flags.c_contiguous
    np.testing.assert_array_equal(codes, quantizer.codes(X.astype(np.float64)))
    assert (codes is X or np.shares_memory(codes, X)) == (
        inv_step == 1 and 0 <= shift < 256
    )
