"""Ridge readouts of many features: estimated leverages, and the search for alpha."""

import dask.array as da
import numpy as np
import pytest
from ridge import ridge_of, without_decompositions
from sklearn.linear_model import Ridge

from sklearn_lossless import CompressedMLPClassifier, CompressedMLPRegressor
from sklearn_lossless.readout import Samples, SignTargets, zero_one_loss
from sklearn_lossless.readout.alpha_search import find_least
from sklearn_lossless.readout.decomposition import Decomposition
from sklearn_lossless.readout.factorisation import FactoredRidge
from sklearn_lossless.readout.gcv import fit_by_gcv
from sklearn_lossless.readout.statistics import RidgeStatistics


def make_data(n_samples, n_features=300, n_targets=3):
    """Integer codes of which a few directions tell the targets, with noise."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 8, (n_samples, n_features), dtype=np.uint8)
    line = rng.normal(size=(n_features, n_targets)) / n_features**0.5
    return codes, codes @ line + rng.normal(size=(n_samples, n_targets))


def both_ways(monkeypatch, *args, **options):
    """The same fit by a decomposition and by factorisations."""
    expected = ridge_of(*args, **options)
    with monkeypatch.context() as patch:
        without_decompositions(patch)
        return expected, ridge_of(*args, **options)


ALPHAS = np.logspace(-2, 6, 9)


@pytest.mark.parametrize("n_samples", [310, 700, 3000])
@pytest.mark.parametrize("weighted", [False, True])
def test_losses_are_those_of_the_decomposition(monkeypatch, n_samples, weighted):
    codes, Y = make_data(n_samples)
    weight = None
    if weighted:
        weight = np.random.default_rng(1).uniform(0.5, 2, n_samples)
    expected, found = both_ways(
        monkeypatch, codes, Y, sample_weight=weight, alphas=ALPHAS
    )
    np.testing.assert_allclose(found.loo_losses, expected.loo_losses, rtol=0.07)
    assert 0.09 < found.alpha / expected.alpha < 11
    if found.alpha == expected.alpha:
        np.testing.assert_allclose(found.coef, expected.coef, rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(found.intercept, expected.intercept, rtol=1e-8)


@pytest.mark.parametrize("alpha", [1e-2, 1e4])
def test_error_of_left_out_residuals(monkeypatch, alpha):
    # h / (1 - h) / 8, as the docstring of FactoredRidge says.
    codes, Y = make_data(1500)
    given = {"alphas": np.array([alpha])}
    expected, found = both_ways(monkeypatch, codes, Y, **given)
    residual, true = Y - found.loo_prediction, Y - expected.loo_prediction
    error = (residual / true - 1)[:, 0]
    Z = codes - codes.mean(axis=0)
    hat = Z @ np.linalg.solve(Z.T @ Z + alpha * np.eye(300), Z.T)
    h = np.diag(hat) + 1 / len(Z)
    unit = h / (1 - h) / 8
    assert np.sqrt(np.mean((error / unit) ** 2)) == pytest.approx(1, abs=0.15)
    assert abs(np.mean(error / unit)) < 0.1


def test_large_leverages_are_exact(monkeypatch):
    codes, Y = make_data(1500)
    weight = np.ones(1500)
    weight[:5] = 30.0  # of 1500 rows, with 300 features
    given = {"sample_weight": weight, "alphas": np.array([1.0])}
    expected, found = both_ways(monkeypatch, codes, Y, **given)
    np.testing.assert_allclose(
        found.loo_prediction[:5], expected.loo_prediction[:5], rtol=1e-4
    )
    assert not np.allclose(
        found.loo_prediction[5:], expected.loo_prediction[5:], rtol=1e-4
    )


def test_nearly_as_many_features_as_samples_are_exact(monkeypatch):
    codes, Y = make_data(310)
    given = {"alphas": np.array([1e-3])}
    expected, found = both_ways(monkeypatch, codes, Y, **given)
    np.testing.assert_allclose(
        found.loo_prediction, expected.loo_prediction, rtol=1e-5, atol=1e-5
    )


def test_alpha_is_one_step_from_that_of_the_path(monkeypatch):
    for n_samples in (400, 1000, 4000):
        codes, Y = make_data(n_samples)
        expected, found = both_ways(monkeypatch, codes, Y)
        place, best = (
            np.searchsorted(expected.alphas, each.alpha) for each in (found, expected)
        )
        assert abs(place - best) <= 1
        assert len(found.alphas) == len(found.loo_losses) < 10
        assert np.all(np.isin(found.alphas, expected.alphas))
        assert np.all(np.diff(found.alphas) > 0)
        assert found.alpha == found.alphas[found.loo_losses.argmin()]


def test_equal_error_rates_go_by_the_squared_error(monkeypatch):
    without_decompositions(monkeypatch)
    codes, Y = make_data(1000, 40, 1)
    signs = SignTargets((Y[:, 0] > np.median(Y)).astype(np.intp), 2)
    readout = ridge_of(codes, signs, loss=lambda Y, scores: np.ones(len(Y)))
    squared = ridge_of(codes, signs, alphas=readout.alphas).loo_losses
    assert readout.alpha == readout.alphas[squared.argmin()]
    assert np.all(readout.loo_losses == 1)


@pytest.mark.parametrize("alpha", [1e-300, 1e-12])
def test_a_tiny_alpha_with_repeated_features(monkeypatch, alpha):
    without_decompositions(monkeypatch)
    codes, Y = make_data(400, 100)
    twice = np.column_stack([codes, codes])
    readout = ridge_of(twice, Y, alphas=np.array([alpha]))
    expected = Ridge(alpha=1e-6).fit(codes.astype(float), Y)
    fitted = twice @ readout.coef.T + readout.intercept
    np.testing.assert_allclose(fitted, expected.predict(codes), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("n_samples", [60, 400])
@pytest.mark.parametrize("units", [1.0, np.array([1.0, 0.125, 2.0])])
def test_generalised_cross_validation(n_samples, units):
    codes, Y = make_data(n_samples, 40)
    statistics = RidgeStatistics.of(Samples(codes, Y))
    scale = np.linspace(0.5, 2, 40)
    alphas = np.array([0.1, 10.0, 1000.0])
    expected = Decomposition.of(statistics, scale).gcv_losses(alphas, units)
    found = [
        FactoredRidge.of(statistics, scale, alpha).gcv_loss(units) for alpha in alphas
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("alphas", [None, np.array([3.0]), ALPHAS])
def test_the_readout_of_sums(monkeypatch, alphas):
    codes, Y = make_data(700)
    statistics = RidgeStatistics.of(Samples(codes, Y))
    gram = statistics.gram.copy()
    expected, _ = fit_by_gcv(statistics, np.ones(300), alphas)
    without_decompositions(monkeypatch)
    found, ridge = fit_by_gcv(statistics, np.ones(300), alphas)
    assert found.alpha == expected.alpha == ridge.alpha
    np.testing.assert_allclose(found.coef, expected.coef, rtol=1e-8, atol=1e-12)
    kept = np.isin(expected.alphas, found.alphas)
    np.testing.assert_allclose(found.losses, expected.losses[kept], rtol=1e-8)
    assert kept.all() or alphas is None
    np.testing.assert_array_equal(statistics.gram, gram)


@pytest.mark.parametrize("Estimator", [CompressedMLPClassifier, CompressedMLPRegressor])
def test_estimators(Estimator):
    # As users have it: more neurons than are decomposed.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1500, 10))
    y = X[:, 0] * X[:, 1] + 0.3 * rng.normal(size=1500)
    if Estimator is CompressedMLPClassifier:
        y = np.digitize(y, [-0.5, 0.5])
    X_chunks, y_chunks = (
        da.from_array(each, chunks=(400, *each.shape[1:])) for each in (X, y)
    )
    model = Estimator((1100,), eps=0.5, random_state=0).fit(X, y)
    again = Estimator((1100,), eps=0.5, random_state=0).fit(X_chunks, y_chunks)
    assert again.alpha_ == pytest.approx(model.alpha_)
    np.testing.assert_allclose(again.loo_losses_, model.loo_losses_, rtol=1e-6)
    np.testing.assert_allclose(
        again.readout_.coef_, model.readout_.coef_, rtol=1e-6, atol=1e-9
    )
    assert len(model.alphas_) < 10
    given = Estimator((1100,), eps=0.5, random_state=0, alpha=model.alpha_).fit(X, y)
    np.testing.assert_array_equal(given.readout_.coef_, model.readout_.coef_)
    assert given.loo_losses_ == model.loo_losses_.min()
    if Estimator is CompressedMLPClassifier:
        assert given.temperature_ == model.temperature_
        assert model.loo_losses_.min() < 0.3


def test_labels_by_the_error_rate(monkeypatch):
    codes, Y = make_data(2000)
    labels = Y.argmax(axis=1)
    signs = SignTargets(labels, 3)
    options = {"loss": zero_one_loss, "alphas": ALPHAS}
    expected, found = both_ways(monkeypatch, codes, signs, **options)
    np.testing.assert_allclose(found.loo_losses, expected.loo_losses, atol=0.01)


# --- the search -----------------------------------------------------------------------


@pytest.mark.parametrize("least", range(21))
def test_search_finds_the_least_of_what_falls_and_rises(least):
    asked = []

    def loss(place):
        asked.append(place)
        return abs(place - least)

    assert find_least(loss, 21) == least
    assert len(asked) == len(set(asked)) <= 9
    assert min(asked) >= 0
    assert max(asked) < 21
    if abs(least - 10) <= 4:
        assert len(asked) <= 7


def test_search_of_one_place():
    assert find_least(lambda place: 0.0, 1) == 0


def test_search_stays_where_nothing_is_lower_by_enough():
    def is_less(first, second):
        return first < 0.99 * second

    assert find_least(lambda place: 1 + 1e-3 * place, 21, is_less) == 10
    assert find_least(lambda place: 1 + place, 21, is_less) == 0
