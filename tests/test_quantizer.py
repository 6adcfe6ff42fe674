"""Inputs become unsigned integers on one grid, and statistics are exact."""

import tracemalloc

import naive
import numpy as np
import pytest
from scipy import sparse

from sklearn_lossless.network import (
    Quantizer,
    choose_quantizer,
    code_statistics,
    fit_quantizer,
)


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


def test_long_codes_of_many_values_are_those_of_a_few():
    """NumPy makes those of a few, a kernel those of many."""
    X = np.random.default_rng(0).normal(0, 2.0**20, (3000, 50))
    quantizer = Quantizer(0.01, np.arange(50) * 1000, n_bits=16)
    codes = quantizer.codes(X)
    assert len(np.unique(codes)) > 10_000
    parts = [quantizer.codes(part) for part in np.array_split(X, 10)]
    np.testing.assert_array_equal(codes, np.vstack(parts))


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


# --- outliers -------------------------------------------------------------------------


def gaussian(n_samples=2000, n_features=20):
    return np.random.default_rng(0).normal(size=(n_samples, n_features))


@pytest.mark.parametrize("value", [1e3, -1e6, 1e12, 1e300])
def test_one_outlying_cell_changes_little(value):
    X = gaussian()
    plain = fit_quantizer(X, 8)
    X[7, 3] = value
    found = fit_quantizer(X, 8)
    assert found.inv_step == pytest.approx(plain.inv_step, rel=0.05)
    others = np.arange(20) != 3
    a, b = found.codes(X)[:, others], plain.codes(X)[:, others]
    assert np.abs(a.astype(int) - b).max() <= 8
    assert found.codes(X)[7, 3] == (255 if value > 0 else 0)


def test_outliers_on_both_sides_and_away_from_zero():
    X = gaussian() + 5e4
    plain = fit_quantizer(X, 8)
    X[[1, 2, 3], 5] = 1e9, -1e8, 2e8
    assert fit_quantizer(X, 8).inv_step == pytest.approx(plain.inv_step, rel=0.05)


def test_a_whole_column_of_large_values_is_no_outlier():
    X = gaussian()
    X[:, 3] *= 1e6
    assert fit_quantizer(X, 8).inv_step < 1e-4
    X[:, 3] = 0
    X[:100, 3] = 1e6  # one row in twenty
    assert fit_quantizer(X, 8).inv_step < 1e-3


def test_rare_values_of_the_scale_of_the_others_stay():
    rng = np.random.default_rng(0)
    X = (rng.random((5000, 30)) < np.geomspace(1e-3, 0.5, 30)).astype(float)
    np.testing.assert_array_equal(fit_quantizer(X, 8).codes(X), 255 * X)


def test_outliers_do_not_depend_on_parts_and_weights():
    X = gaussian(600)
    X[7, 3], X[8, 4] = 1e6, -1e7
    weight = np.random.default_rng(1).integers(1, 4, 600)
    expected = fit_quantizer(X.repeat(weight, axis=0), 8)
    for rows in (X, sparse.csr_array(X)):
        found = fit_quantizer(rows, 8, weight)
        assert found.inv_step == expected.inv_step
        np.testing.assert_array_equal(found.shift, expected.shift)

    def total(of_part):
        parts = [slice(0, 100), slice(100, 101), slice(101, 600)]
        return sum(
            (of_part(X[rows], weight[rows]) for rows in parts[1:]),
            of_part(X[parts[0]], weight[parts[0]]),
        )

    found = choose_quantizer(total, 8)
    assert found.inv_step == expected.inv_step
    np.testing.assert_array_equal(found.shift, expected.shift)


def test_wide_sparse_input_is_never_dense_as_a_whole():
    X = sparse.csr_array(sparse.random(300, 2**18, 1e-4, "csr", None, 0))
    tracemalloc.start()
    quantizer = fit_quantizer(X, 8)
    code_statistics(quantizer, X)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200e6  # 629 MB if the block were dense


@pytest.mark.parametrize("weighted", [False, True])
def test_statistics_of_wide_sparse_input_are_those_of_its_entries(
    weighted, monkeypatch
):
    X = sparse.csr_array(sparse.random(300, 40, 0.1, "csr", None, 0)) - 0.3 * (
        sparse.eye_array(300, 40, format="csr")
    )
    weight = np.random.default_rng(0).integers(0, 4, 300) if weighted else None
    quantizer = fit_quantizer(X, 8)
    expected = code_statistics(quantizer, X.toarray(), weight)
    monkeypatch.setattr("sklearn_lossless.network.quantizer._WIDE", 10)
    found = code_statistics(quantizer, X, weight)
    np.testing.assert_array_equal(found.mean, expected.mean)
    np.testing.assert_array_equal(found.variance, expected.variance)


def test_columns_of_a_square_matrix_are_not_read_as_rows():
    X = np.random.default_rng(0).normal(size=(30, 30)) * (np.arange(30) % 3 > 0)
    quantizer = fit_quantizer(X, 8)
    for form in (sparse.csc_array, sparse.coo_array):
        np.testing.assert_array_equal(quantizer.codes(form(X)), quantizer.codes(X))
