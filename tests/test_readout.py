"""Ridge path and leave-one-out against scikit-learn, one fit per left-out sample."""

import numpy as np
import pytest
from ridge import ridge_of, without_decompositions
from sklearn.linear_model import Ridge
from sklearn.metrics import log_loss

from sklearn_lossless.readout.calibration import fit_temperature


@pytest.fixture(params=[False, True], ids=["decomposed", "factored"], autouse=True)
def factored(request, monkeypatch):
    """Both ways to fit; with few features both are exact."""
    if request.param:
        without_decompositions(monkeypatch)
    return request.param


def make_data(n_samples, n_features, weighted, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 8, (n_samples, n_features)).astype(np.uint8)
    Y = codes[:, :2] @ [[1.0, 0.5], [-1.0, 2.0]] + rng.normal(size=(n_samples, 2))
    weight = rng.integers(0, 3, n_samples).astype(float) if weighted else None
    return codes, Y, weight


SHAPES = [(90, 20), (30, 20), (20, 20), (20, 60)]


@pytest.mark.parametrize(("n_samples", "n_features"), SHAPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_equals_ridge(n_samples, n_features, weighted):
    codes, Y, weight = make_data(n_samples, n_features, weighted)
    readout = ridge_of(codes, Y, sample_weight=weight)
    assert readout.alpha == readout.alphas[np.argmin(readout.loo_losses)]
    ridge = Ridge(alpha=readout.alpha).fit(codes.astype(float), Y, sample_weight=weight)
    np.testing.assert_allclose(readout.coef, ridge.coef_, atol=1e-10)
    np.testing.assert_allclose(readout.intercept, ridge.intercept_, atol=1e-10)


@pytest.mark.parametrize(("n_samples", "n_features"), SHAPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_scaled_codes_are_features(n_samples, n_features, weighted):
    codes, Y, weight = make_data(n_samples, n_features, weighted)
    scale = np.linspace(0.1, 3, n_features)
    readout = ridge_of(codes, Y, scale=scale, sample_weight=weight)
    expected = ridge_of(codes * scale, Y, sample_weight=weight)
    np.testing.assert_allclose(readout.alphas, expected.alphas)
    np.testing.assert_allclose(readout.loo_losses, expected.loo_losses, rtol=1e-3)
    one = {"sample_weight": weight, "alphas": np.array([0.3])}
    readout = ridge_of(codes, Y, scale=scale, **one)
    expected = ridge_of(codes * scale, Y, **one)
    np.testing.assert_allclose(readout.coef, expected.coef, atol=1e-8)
    np.testing.assert_allclose(readout.intercept, expected.intercept, atol=1e-8)


@pytest.mark.parametrize(("n_samples", "n_features"), SHAPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [1e-2, 1.0, 1e3])
def test_leave_one_out_is_leaving_one_out(n_samples, n_features, weighted, alpha):
    codes, Y, weight = make_data(n_samples, n_features, weighted)
    readout = ridge_of(codes, Y, sample_weight=weight, alphas=np.array([alpha]))
    expected = np.empty_like(Y)
    for i in range(n_samples):
        rest = np.ones(n_samples) if weight is None else weight.copy()
        rest[i] = 0.0
        ridge = Ridge(alpha=alpha).fit(codes.astype(float), Y, sample_weight=rest)
        expected[i] = ridge.predict(codes[[i]].astype(float))[0]
    found = readout.loo_prediction
    left_out = expected[readout.loo_rows]
    np.testing.assert_allclose(found, left_out, rtol=1e-4, atol=1e-4)
    errors = np.average((Y - expected) ** 2, axis=0, weights=weight)
    assert readout.loo_losses[0] == pytest.approx(errors.mean(), rel=1e-4)


@pytest.mark.parametrize(("n_samples", "n_features"), SHAPES)
def test_whole_weights_are_repeated_rows_for_a_given_alpha(n_samples, n_features):
    codes, Y, weight = make_data(n_samples, n_features, weighted=True)
    times = weight.astype(int)
    alphas = np.array([2.0])
    once = ridge_of(codes, Y, sample_weight=weight, alphas=alphas)
    repeated = ridge_of(codes.repeat(times, 0), Y.repeat(times, 0), alphas=alphas)
    np.testing.assert_allclose(once.coef, repeated.coef, atol=1e-9)
    np.testing.assert_allclose(once.intercept, repeated.intercept, atol=1e-9)


@pytest.mark.parametrize(("n_samples", "n_features"), SHAPES)
@pytest.mark.parametrize("factor", [1e-200, 0.01, 500.0, 1e200])
def test_a_factor_of_all_weights_changes_nothing(n_samples, n_features, factor):
    codes, Y, weight = make_data(n_samples, n_features, weighted=True)
    expected = ridge_of(codes, Y, sample_weight=weight)
    readout = ridge_of(codes, Y, sample_weight=weight * factor)
    assert readout.alpha == pytest.approx(expected.alpha * factor)
    np.testing.assert_allclose(readout.loo_losses, expected.loo_losses, rtol=1e-5)
    np.testing.assert_allclose(readout.coef, expected.coef, atol=1e-9)
    np.testing.assert_allclose(
        readout.loo_prediction, expected.loo_prediction, atol=1e-4
    )


@pytest.mark.parametrize("n_seen", [20, 100, 400])
def test_rows_without_weight_are_as_if_not_there(n_seen):
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 8, (600, 60), dtype=np.uint8)
    Y = codes[:, :2] + rng.normal(size=(600, 2))
    weight = np.zeros(600)
    weight[rng.permutation(600)[:n_seen]] = 1.0
    kept = weight > 0
    Y[~kept] = 1e6
    with_zeros = ridge_of(codes, Y, sample_weight=weight)
    without = ridge_of(codes[kept], Y[kept])
    np.testing.assert_allclose(with_zeros.coef, without.coef, atol=1e-8)
    np.testing.assert_allclose(with_zeros.loo_losses, without.loo_losses, rtol=1e-4)


@pytest.mark.parametrize("scale", [1e-50, 1e40])
def test_alpha_does_not_depend_on_the_scale_of_targets(scale):
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 8, (600, 60), dtype=np.uint8)
    Y = codes[:, :2] + rng.normal(size=(600, 2))
    expected, found = ridge_of(codes, Y), ridge_of(codes, Y * scale)
    assert found.alpha == pytest.approx(expected.alpha)
    np.testing.assert_allclose(found.coef / scale, expected.coef, atol=1e-8)


def test_loss_chooses_alpha():
    codes, Y, _ = make_data(60, 20, weighted=False)
    Y = np.sign(Y)

    def wrong(Y, scores):
        return (Y * scores < 0).any(axis=1)

    alphas = np.logspace(-3, 5, 17)
    squared = ridge_of(codes, Y, alphas=alphas)
    chosen = ridge_of(codes, Y, alphas=alphas, loss=wrong)
    shares = [
        wrong(Y, ridge_of(codes, Y, alphas=np.array([a])).loo_prediction).mean()
        for a in chosen.alphas
    ]
    np.testing.assert_allclose(chosen.loo_losses, shares)
    ties = chosen.loo_losses == min(shares)
    best = np.argmin(np.where(ties, squared.loo_losses, np.inf))
    assert chosen.alpha == chosen.alphas[best]


def test_constant_codes_predict_the_mean():
    codes = np.full((10, 3), 5, dtype=np.uint8)
    Y = np.arange(10.0)[:, np.newaxis]
    readout = ridge_of(codes, Y)
    np.testing.assert_allclose(codes @ readout.coef.T + readout.intercept, 4.5)


def test_many_blocks_are_exact():
    # Gram matrices are sums of integers, whatever the block they come in.
    codes, Y, _ = make_data(20_000, 5, weighted=False)
    readout = ridge_of(codes, Y, alphas=np.array([1.0]))
    ridge = Ridge(alpha=1.0, solver="cholesky").fit(codes.astype(float), Y)
    np.testing.assert_allclose(readout.coef, ridge.coef_, rtol=1e-10)


@pytest.mark.parametrize("weighted", [False, True])
def test_temperature_has_the_least_log_loss(weighted):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 400)
    decision = np.eye(3)[labels] + rng.normal(size=(400, 3))
    weight = rng.uniform(0, 2, 400) if weighted else None

    def loss(factor):
        scores = np.exp(factor * decision)
        proba = scores / scores.sum(axis=1, keepdims=True)
        return log_loss(labels, proba, sample_weight=weight)

    best = fit_temperature(decision, labels, weight)
    assert loss(best) <= min(loss(0.98 * best), loss(1.02 * best))
