"""Columns as bits: which thresholds are chosen, and what is above them."""

import numpy as np
import pytest

from sklearn_lossless.network import (
    Column,
    ThresholdQuantizer,
    code_statistics,
    fit_threshold_quantizer,
)
from sklearn_lossless.network.threshold_choice import (
    MAX_COLUMN_BITS,
    choose_columns,
    column_counts,
    quantile_thresholds,
)

NAN = np.nan


def naive_codes(columns, X):
    """Bits by the book, one at a time."""
    rows = []
    for row in X:
        bits = []
        for column, x in zip(columns, row, strict=True):
            if column.groups is None:
                bits += [float(x > t) for t in column.thresholds]
            else:
                own = [0] * column.n_known
                is_category = 0 <= x < len(column.groups) and float(x).is_integer()
                if is_category and column.groups[int(x)] >= 0:
                    own[column.groups[int(x)]] = 1
                bits += own
            bits += [float(np.isnan(x))] if column.has_missing else []
        rows.append(bits)
    return np.array(rows, dtype=np.uint8)


COLUMNS = (
    Column(np.array([-np.inf, 0.0, 1.5]), None, True),
    Column(np.zeros(0), np.array([1, 0, -1, 1]), True),
    Column(np.array([3.0])),
    Column(np.zeros(0)),
    Column(np.zeros(0), np.array([0, 1])),
)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
def test_codes_are_those_of_the_definition(dtype):
    rng = np.random.default_rng(0)
    values = np.array([-np.inf, -1, 0, 1, 1.5, 2, 3, 4, 0.5, np.inf, NAN])
    X = rng.choice(values, size=(200, 5))
    if dtype is np.uint8:
        X = rng.integers(0, 6, size=(200, 5))
    X = X.astype(dtype)
    quantizer = ThresholdQuantizer(COLUMNS)
    codes = quantizer.codes(X)
    np.testing.assert_array_equal(codes, naive_codes(COLUMNS, X))
    assert codes.dtype == np.uint8
    assert codes.flags.c_contiguous
    assert quantizer.n_features == 5
    assert quantizer.n_codes == codes.shape[1] == 10


def test_codes_of_transposed_and_read_only_data():
    X = np.random.default_rng(0).normal(size=(5, 100)).T
    X.setflags(write=False)
    quantizer = fit_threshold_quantizer(X)
    expected = quantizer.codes(np.ascontiguousarray(X))
    np.testing.assert_array_equal(quantizer.codes(X), expected)


def test_few_distinct_values_are_thresholds_but_the_largest():
    x = np.array([3.0, 1.0, 1.0, NAN, 7.0, -np.inf])
    thresholds = quantile_thresholds(x, np.ones(6), 32)
    np.testing.assert_array_equal(thresholds, [-np.inf, 1.0, 3.0])


def test_cells_have_equal_weight():
    x = np.random.default_rng(0).normal(size=10_000)
    thresholds = quantile_thresholds(x, np.ones(len(x)), 32)
    assert len(thresholds) == 32
    assert np.isin(thresholds, x).all()
    counts = np.bincount(np.searchsorted(thresholds, x))
    assert counts.min() > 10_000 / 33 - 2
    assert counts.max() < 10_000 / 33 + 2


def test_frequent_values_leave_thresholds_to_the_others():
    rng = np.random.default_rng(0)
    x = np.where(rng.random(10_000) < 0.9, 0.0, rng.random(10_000))
    thresholds = quantile_thresholds(x, np.ones(len(x)), 32)
    assert len(thresholds) > 28
    assert thresholds[0] == 0.0


def test_whole_weights_are_repeated_rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 3))
    X[rng.random(X.shape) < 0.1] = NAN
    weight = rng.integers(0, 4, size=500).astype(float)
    weighted = fit_threshold_quantizer(X, 8, weight)
    repeated = fit_threshold_quantizer(np.repeat(X, weight.astype(int), axis=0), 8)
    for one, other in zip(weighted.columns, repeated.columns, strict=True):
        np.testing.assert_array_equal(one.thresholds, other.thresholds)
        assert one.has_missing == other.has_missing


def test_increasing_functions_change_no_bit():
    rng = np.random.default_rng(0)
    X, new = rng.normal(size=(2, 1000, 2))
    transformed = fit_threshold_quantizer(np.exp(X)).codes(np.exp(new))
    np.testing.assert_array_equal(fit_threshold_quantizer(X).codes(new), transformed)


def test_missing_values_have_a_bit_where_there_were_some():
    X = np.array([[1.0, NAN, 1.0], [2.0, NAN, NAN], [3.0, NAN, 2.0]])
    quantizer = fit_threshold_quantizer(X)
    assert [column.has_missing for column in quantizer.columns] == [0, 0, 1]
    assert [column.n_bits for column in quantizer.columns] == [2, 0, 2]
    # Elsewhere no threshold is passed.
    codes = quantizer.codes(np.array([[NAN, 1.0, NAN]]))
    np.testing.assert_array_equal(codes, [[0, 0, 0, 1]])


def groups_of(counts, **options):
    values = np.repeat(np.arange(len(counts)), counts)[:, np.newaxis].astype(float)
    quantizer = fit_threshold_quantizer(values, n_categories=[len(counts)], **options)
    return quantizer.columns[0].groups.tolist()


def test_rare_categories_share_a_bit():
    assert groups_of([5, 0, 3, 1]) == [0, -1, 1, 2]
    assert groups_of([5, 2, 3, 1], min_frequency=3) == [0, 2, 1, 2]
    assert groups_of([5, 2, 3, 1], min_frequency=0.4) == [0, 1, 1, 1]
    assert groups_of([5, 2, 3, 1], max_categories=3) == [0, 2, 1, 2]
    assert groups_of([5, 2, 3, 1], max_categories=2) == [0, 1, 1, 1]
    assert groups_of([5, 2, 3, 1], max_categories=4) == [0, 1, 2, 3]
    # As OneHotEncoder does: the limit counts the bit of the rare ones.
    assert groups_of([5, 4, 4, 1], max_categories=3, min_frequency=2) == [0, 1, 2, 2]


def test_categories_that_do_not_occur_have_no_bit():
    X = np.array([[0.0], [1.0], [1.0], [2.0]])
    quantizer = fit_threshold_quantizer(
        X, sample_weight=np.array([1.0, 1, 1, 0]), n_categories=[4]
    )
    codes = quantizer.codes(np.array([[0.0], [1], [2], [3], [-1], [NAN], [9]]))
    np.testing.assert_array_equal(codes[:2], np.eye(2))
    assert not codes[2:].any()


def test_counts_of_parts_add_up():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(-1, 5, 300), rng.normal(size=300)]).astype(float)
    X[rng.random(X.shape) < 0.2] = NAN
    weight = rng.random(300)
    whole = column_counts([5, 0], X, weight)
    parts = column_counts([5, 0], X[:99], weight[:99])
    parts += column_counts([5, 0], X[99:], weight[99:])
    np.testing.assert_allclose(parts.missing, whole.missing)
    np.testing.assert_allclose(parts.categories, whole.categories)
    assert parts.count == pytest.approx(whole.count)


def test_statistics_are_those_of_the_bits():
    X = np.random.default_rng(0).normal(size=(3000, 4))
    quantizer = fit_threshold_quantizer(X, 5)
    statistics = code_statistics(quantizer, X)
    codes = quantizer.codes(X)
    np.testing.assert_allclose(statistics.mean, codes.mean(axis=0))
    np.testing.assert_allclose(statistics.variance, codes.var(axis=0))
    np.testing.assert_array_equal(quantizer.inputs(X), quantizer.decode(codes))


def test_nothing_to_tell_apart_is_an_error():
    with pytest.raises(ValueError, match="X is constant"):
        fit_threshold_quantizer(np.array([[1.0, NAN], [1.0, NAN]]))
    with pytest.raises(ValueError, match="X is constant"):
        fit_threshold_quantizer(np.zeros((3, 1)), n_categories=[1])


def test_too_many_categories_are_an_error():
    n = MAX_COLUMN_BITS + 1
    X = np.arange(n, dtype=float)[:, np.newaxis]
    counts = column_counts([n], X)
    with pytest.raises(ValueError, match=r"'id' of X has 4097 categories.*max_cat"):
        choose_columns(counts, X, n_categories=[n], names=["id"])
    quantizer = choose_columns(counts, X, n_categories=[n], max_categories=10)
    assert quantizer.n_codes == 10


def test_wrong_shapes_are_errors():
    quantizer = fit_threshold_quantizer(np.arange(6.0).reshape(3, 2))
    with pytest.raises(ValueError, match="X has 3 features"):
        quantizer.codes(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="2D array"):
        quantizer.codes(np.zeros(2))
    with pytest.raises(ValueError, match="codes has 2 features"):
        quantizer.decode(np.zeros((1, 2)))
