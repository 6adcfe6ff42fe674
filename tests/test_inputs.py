"""Values as they come: far out, rare, very large, very small, far from zero."""

import operator
import warnings
from functools import reduce

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_diabetes, load_digits
from sklearn.metrics import r2_score

from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
)
from sklearn_lossless.network import choose_quantizer, fit_quantizer

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

#: What is written into cells: both signs, several scales.
WILD = (-1e5, 1e3, 1e7)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:1300], X[1300:], y[:1300], y[1300:]


@pytest.fixture(scope="module")
def clean_score(digits):
    X, X_test, y, y_test = digits
    return classifier().fit(X, y).score(X_test, y_test)


def classifier(**parameters):
    return CompressedMLPClassifier(
        (200,), **{"alpha": 1.0, "random_state": 0, **parameters}
    )


def regressor(**parameters):
    return CompressedMLPRegressor((100,), eps=0.5, random_state=0, **parameters)


def spoiled(X, values=WILD, columns=None, seed=0):
    """`X` with `values` in random rows of some columns, each in rows of its own."""
    rng = np.random.default_rng(seed)
    X = X.copy()
    for column in range(X.shape[1]) if columns is None else columns:
        X[rng.choice(len(X), len(values), replace=False), column] = values
    return X


def step(X, sample_weight=None):
    return 1 / fit_quantizer(X, 8, sample_weight).inv_step


def assert_same(found, expected):
    assert found.inv_step == expected.inv_step
    np.testing.assert_array_equal(found.shift, expected.shift)


# --- values far out -------------------------------------------------------------------


@pytest.mark.parametrize("columns", [[20], [0], range(5), None])
@pytest.mark.parametrize(
    "values", [[1e7], [-1.7e308], [-1e5, 1e5], WILD, [1e300, 1e200, -1e100, 1e3]]
)
def test_values_far_out_leave_the_scale_as_it_is(digits, columns, values):
    # Column 0 is constant otherwise.
    X = digits[0]
    assert step(spoiled(X, values, columns)) == pytest.approx(step(X), rel=0.01)


def test_cells_in_every_column_cost_little_accuracy(digits, clean_score):
    X, X_test, y, y_test = digits
    clf = classifier().fit(spoiled(X), y)
    assert clf.score(X_test, y_test) > clean_score - 0.02
    # Cells of new rows are clipped; most rows have one now.
    assert clf.score(spoiled(X_test), y_test) > clean_score - 0.1


@pytest.mark.parametrize("value", [-1.7e308, 1e-3, 1e2, 1e5])
def test_a_single_cell_of_any_size_costs_little_accuracy(digits, clean_score, value):
    X, X_test, y, y_test = digits
    clf = classifier().fit(spoiled(X, [value], [30]), y)
    assert clf.score(X_test, y_test) > clean_score - 0.02


def test_columns_of_one_value_with_wild_cells_are_harmless(digits, clean_score):
    X, X_test, y, y_test = digits
    constant = np.flatnonzero(X.min(axis=0) == X.max(axis=0))
    assert len(constant) >= 2
    clf = classifier().fit(spoiled(X, WILD, constant), y)
    assert clf.score(X_test, y_test) > clean_score - 0.01
    X = spoiled(X, WILD)[:, constant[:1]]
    codes = fit_quantizer(np.hstack([X, digits[0]]), 8).codes(
        np.hstack([X, digits[0]])
    )[:, 0]
    # Below, the same and above.
    assert np.unique(codes).tolist() == [0, 128, 255]


def test_columns_that_vary_rarely_are_as_robust_as_others():
    # Between wild cells of both signs the few ones were once no bulk.
    rng = np.random.default_rng(0)
    X = (rng.random((2000, 20)) < 0.004) * rng.integers(1, 17, (2000, 20)).astype(float)
    X[:, 1:] += rng.normal(size=(2000, 19))
    assert step(spoiled(X, [-1e5, 1e5])) == pytest.approx(step(X), rel=0.2)


def test_wild_cells_of_one_column_do_not_change_how_others_are_seen():
    X = np.random.default_rng(0).normal(size=(2000, 10))
    alone = fit_quantizer(X, 8)
    X[7, 3], X[8, 4] = 1e12, -1e6
    found = fit_quantizer(X, 8)
    assert found.inv_step == pytest.approx(alone.inv_step, rel=0.01)
    others = np.delete(np.arange(10), [3, 4])
    codes, expected = found.codes(X)[:, others], alone.codes(X)[:, others]
    assert np.abs(codes.astype(int) - expected).max() <= 2


@pytest.mark.parametrize("n_bits", [1, 2, 4, 8])
def test_few_bits_are_as_robust(digits, n_bits):
    X = digits[0]
    found = fit_quantizer(spoiled(X), n_bits)
    assert found.inv_step == pytest.approx(fit_quantizer(X, n_bits).inv_step, rel=0.3)


@pytest.mark.parametrize(
    "form", [sparse.csr_array, sparse.csc_matrix, sparse.coo_array]
)
def test_sparse_input_is_as_robust(digits, form):
    X = spoiled(digits[0])
    assert_same(fit_quantizer(form(X), 8), fit_quantizer(X, 8))


def test_entries_that_are_summed_or_zero_count_as_their_values():
    X = spoiled(np.random.default_rng(0).poisson(0.3, (600, 8)).astype(float))
    rows, columns = np.indices(X.shape).reshape(2, -1)
    entries = np.concatenate([X.ravel() - 1, np.ones(X.size)])
    places = (np.tile(rows, 2), np.tile(columns, 2))
    repeated = sparse.coo_array((entries, places), X.shape)
    assert_same(fit_quantizer(repeated.tocsr(), 8), fit_quantizer(X, 8))


def test_wild_cells_of_wide_sparse_input():
    X = sparse.lil_array(sparse.random(400, 2**17, 1e-3, "lil", None, 0))
    X[:, 0] = np.random.default_rng(0).random((400, 1))
    plain = fit_quantizer(X.tocsr(), 8)
    X[3, 100], X[4, 0] = 1e9, -1e6
    found = fit_quantizer(X.tocsr(), 8)
    assert found.inv_step == pytest.approx(plain.inv_step, rel=0.05)


def test_rows_of_weight_zero_may_hold_anything(digits):
    X = digits[0]
    weight = np.ones(len(X))
    weight[::10] = 0
    wild = X.copy()
    wild[::10] = np.random.default_rng(0).normal(size=(len(X[::10]), 64)) * 1e9
    assert_same(fit_quantizer(wild, 8, weight), fit_quantizer(X[weight > 0], 8))
    assert_same(
        fit_quantizer(spoiled(wild), 8, weight),
        fit_quantizer(spoiled(wild)[weight > 0], 8),
    )


def test_wild_rows_of_next_to_no_weight(digits):
    X = digits[0].copy()
    weight = np.ones(len(X))
    weight[:3] = 1e-30
    X[:3] = [[-1e9], [1e5], [1e12]]
    assert step(X, weight) == pytest.approx(step(digits[0]), rel=0.01)
    # Where nothing else varies, that row is all there is.
    column = np.ones((500, 1))
    column[0] = 0
    codes = fit_quantizer(column, 8, weight[2:502]).codes(column)
    assert codes[:2].ravel().tolist() == [0, 255]


@pytest.mark.parametrize("weights", ["none", "whole", "fractions"])
def test_order_and_parts_of_the_rows_do_not_matter(digits, weights):
    X = spoiled(digits[0])
    rng = np.random.default_rng(0)
    weight = {
        "none": None,
        "whole": rng.integers(0, 4, len(X)).astype(float),
        "fractions": np.full(len(X), 0.1),
    }[weights]
    expected = fit_quantizer(X, 8, weight)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(X))
        parts = np.split(order, [1, 700, 700, 1100])

        def total(of_part, parts=parts):
            return reduce(
                operator.add,
                (
                    of_part(X[rows], None if weight is None else weight[rows])
                    for rows in parts
                ),
            )

        assert_same(choose_quantizer(total, 8), expected)


def test_batches_dask_and_memory_maps_give_the_same_network(digits, tmp_path):
    da = pytest.importorskip("dask.array")
    X, _, y, _ = digits
    X = spoiled(X)
    np.save(tmp_path / "X.npy", X)
    expected = classifier().fit(X, y)
    fits = [
        classifier().fit(np.load(tmp_path / "X.npy", mmap_mode="r"), y),
        classifier().fit(da.from_array(X, (333, 64)), da.from_array(y, 333)),
        classifier().partial_fit(X, y, classes=range(10)).partial_fit(X[:9], y[:9]),
    ]
    for each in fits:
        assert_same(each.network_.quantizer, expected.network_.quantizer)


def test_wild_cells_in_a_first_batch(digits, clean_score):
    X, X_test, y, y_test = digits
    X = spoiled(X)
    clf = classifier().partial_fit(X[:650], y[:650], classes=range(10))
    clf.partial_fit(X[650:], y[650:])
    assert clf.score(X_test, y_test) > clean_score - 0.03


def test_regression_with_wild_cells_in_every_column():
    X, y = load_diabetes(return_X_y=True)
    clean = regressor().fit(X, y).score(X, y)
    assert regressor().fit(spoiled(X, [-1e5, 1e7]), y).score(X, y) > clean - 0.05


# --- rare values that mean something --------------------------------------------------


def test_rare_ones_are_kept():
    X = (np.random.default_rng(0).random((4000, 50)) < 0.01).astype(float)
    np.testing.assert_array_equal(fit_quantizer(X, 8).codes(X) == 255, X == 1)


@pytest.mark.parametrize("spoil", [False, True])
def test_very_rare_ones_alone_are_kept(spoil):
    rare = (np.random.default_rng(0).random((3000, 30)) < 0.003).astype(float)
    X = spoiled(rare, WILD, [7]) if spoil else rare
    others = np.delete(np.arange(30), 7)
    codes = fit_quantizer(X, 8).codes(X)[:, others]
    np.testing.assert_array_equal(codes > 0, rare[:, others] == 1)


def test_very_rare_ones_beside_numbers_are_kept():
    rng = np.random.default_rng(0)
    rare = (rng.random((3000, 20)) < 0.003) * rng.choice([-1.0, 1.0], (3000, 20))
    X = np.hstack([rare, rng.normal(size=(3000, 5))])
    for each in (X, spoiled(X, WILD, [21, 22])):
        quantizer = fit_quantizer(each, 8)
        zero = quantizer.codes(np.zeros((1, 25)))[:, :20].astype(int)
        distance = quantizer.codes(each)[:, :20] - zero
        np.testing.assert_array_equal(np.sign(distance), rare)
        assert np.abs(distance[rare != 0]).min() > 20


def test_rare_large_amounts_stay_apart_from_none():
    # An amount that few rows have, on both sides, beside small numbers.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 20))
    X[:, 0] = 0
    X[:8, 0], X[8:16, 0] = 1e4, -1e4
    quantizer = fit_quantizer(X, 8)
    assert 1 / quantizer.inv_step == pytest.approx(step(X[:, 1:]), rel=0.01)
    codes = quantizer.codes(X)[:, 0]
    assert set(codes[:8]) == {255}
    assert set(codes[8:16]) == {0}
    assert set(codes[16:]) == {128}


@pytest.mark.parametrize("sigma", [0.5, 1, 2, 3])
def test_long_tails_do_not_lose_accuracy(sigma):
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(3000, 20))
    X, y = np.exp(sigma * Z), Z @ rng.normal(size=20) > 0
    clf = classifier(eps=0.5).fit(X[:2000], y[:2000])
    # A common range of the whole width, as if there were no rule for outliers.
    whole = classifier(eps=0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "sklearn_lossless.network.quantizer_choice.ranges_without_outliers",
            lambda total, low, high, *_: (low, high),
        )
        whole.fit(X[:2000], y[:2000])
    assert clf.score(X[2000:], y[2000:]) >= whole.score(X[2000:], y[2000:]) - 0.005


@pytest.mark.parametrize("columns", [[0], [0, 2]])
def test_lost_columns_are_named_in_the_right_number(columns):
    X = np.random.default_rng(0).normal(size=(500, 1 + max(columns)))
    X[:, [j for j in range(X.shape[1]) if j not in columns]] *= 1e6
    X = np.column_stack([X, X[:, 1] if X.shape[1] > 1 else 1e6 * X[:, 0]])
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        NTKCompressor((20,), eps=0).fit(X)
    messages = " ".join(str(each.message) for each in found)
    expected = {
        1: "Column 0 of X varies too little beside the others: one scale serves all "
        "columns, and it is constant on it.",
        2: "Columns 0, 2 of X vary too little beside the others: one scale serves all "
        "columns, and they are constant on it.",
    }
    assert expected[len(columns)] in messages


# --- very large, very small, far from zero --------------------------------------------


def fit(estimator, X, y):
    return estimator.fit(X, y)


def in_batches(estimator, X, y):
    half = len(X) // 2
    classes = {"classes": np.unique(y)} if hasattr(estimator, "predict_proba") else {}
    estimator.partial_fit(X[:half], y[:half], **classes)
    return estimator.partial_fit(X[half:], y[half:])


def on_dask(estimator, X, y):
    da = pytest.importorskip("dask.array")
    return estimator.fit(da.from_array(X, (500, X.shape[1])), da.from_array(y, 500))


ways = pytest.mark.parametrize("way", [fit, in_batches, on_dask])


@ways
@pytest.mark.parametrize("factor", [1e-300, 1e-200, 1e300, 1.1e307])
def test_inputs_of_any_scale_have_the_same_accuracy(digits, clean_score, factor, way):
    X, X_test, y, y_test = digits
    clf = way(classifier(), X * factor, y)
    assert clf.score(X_test * factor, y_test) == pytest.approx(clean_score, abs=0.02)


@ways
@pytest.mark.parametrize("offset", [1e10, -1e13, 1e14, 1e15, -1e15])
def test_inputs_far_from_zero_have_the_same_accuracy(digits, clean_score, offset, way):
    # At 1e15 doubles are 0.125 apart.
    X, X_test, y, y_test = digits
    clf = way(classifier(), X + offset, y)
    assert clf.score(X_test + offset, y_test) == pytest.approx(clean_score, abs=0.02)


def test_whole_numbers_far_from_zero_have_codes_of_their_own(digits):
    X = digits[0]
    quantizer = fit_quantizer(X + 1e15, 8)
    codes = quantizer.codes(X + 1e15)
    np.testing.assert_array_equal(codes, 4 * (X - X.min(axis=0)))
    np.testing.assert_array_equal(quantizer.decode(codes), X + 1e15)
    wild = spoiled(X + 1e15, [1e19, -1e18])
    assert fit_quantizer(wild, 8).inv_step == quantizer.inv_step


def test_means_of_inputs_far_from_zero(digits):
    X = digits[0]
    compressor = NTKCompressor((20,), eps=0.5).fit(X + 1e15)
    np.testing.assert_allclose(compressor.mean_ - 1e15, X.mean(axis=0), atol=0.25)


@ways
def test_digits_that_are_lost_are_an_error(digits, way):
    X, _, y, _ = digits
    expected = (
        r"Feature \d+ of X lies too far from zero for its digits: from 1e\+17 to "
        r"1\.00000\d+e\+17, expected a range of at least 512 there\. Subtract"
    )
    with pytest.raises(ValueError, match=expected):
        way(classifier(), X + 1e17, y)


@ways
@pytest.mark.parametrize("factor", [1e-302, 1e-310, 5e-324])
def test_inputs_too_small_for_floats_are_an_error(digits, factor, way):
    X, _, y, _ = digits
    expected = r"widest feature spans \S+, expected at least 1e-300\. Multiply X"
    with pytest.raises(ValueError, match=expected):
        way(classifier(), X * factor, y)


def test_wild_cells_among_inputs_too_small_for_floats_are_an_error(digits):
    X = spoiled(digits[0] * 5e-324, [1e-5], [3])
    with pytest.raises(ValueError, match="range of X is too small"):
        classifier().fit(X, digits[2])


@ways
@pytest.mark.parametrize("exponent", [-310, -300, -200, 200, 300])
def test_targets_of_any_scale_have_the_same_predictions(exponent, way):
    X, y = load_diabetes(return_X_y=True)
    expected = way(regressor(), X, y).predict(X)
    # In two steps: 1e-310 has few digits.
    factor, more = 10.0 ** max(exponent, -300), 10.0 ** min(exponent + 300, 0)
    scores = way(regressor(), X, y * factor * more).predict(X) / factor / more
    np.testing.assert_allclose(scores, expected, rtol=1e-6)
    assert r2_score(y, scores) > 0.4


@ways
@pytest.mark.parametrize("largest", [1e306, 1.7e308, 1e-316])
def test_targets_that_floats_cannot_hold_are_an_error(largest, way):
    X, y = load_diabetes(return_X_y=True)
    expected = (
        r"the largest value of target 0 is about 1e[+-]3\d\d, expected from 1e-310 to "
        r"1e\+304\. Scale y"
    )
    with pytest.raises(ValueError, match=expected):
        # After batches the readout is solved when it is asked for.
        way(regressor(), X, y / y.max() * largest).predict(X)
