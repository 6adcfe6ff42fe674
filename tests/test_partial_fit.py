"""Batches add up: partial_fit is fit, for any order and any portions."""

import inspect
import pickle
import sys
import tracemalloc
import warnings
from functools import reduce
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ridge import ridge_of
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.metrics import log_loss

import sklearn_lossless
from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
)
from sklearn_lossless.data import MemoryData
from sklearn_lossless.network import LazyCodes
from sklearn_lossless.readout import Samples, SignTargets, zero_one_loss
from sklearn_lossless.readout.calibration import RowSample, sample_rows
from sklearn_lossless.readout.decomposition import Decomposition
from sklearn_lossless.readout.statistics import RidgeStatistics

SPLITS = [[1797], [1, 1000, 796], [600, 600, 597]]


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)


def classifier(**parameters):
    return CompressedMLPClassifier((200,), **{"random_state": 0, **parameters})


def in_batches(fitted, X, y, sizes, order=None, sample_weight=None):
    """Train the readout of `fitted` anew, batch by batch."""
    order = np.arange(len(X)) if order is None else order
    for rows in np.split(order, np.cumsum(sizes)[:-1]):
        weight = None if sample_weight is None else sample_weight[rows]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="partial_fit cannot add")
            fitted.partial_fit(X[rows], y[rows], sample_weight=weight)
    return fitted


# --- the same as fit ------------------------------------------------------------------


@pytest.mark.parametrize("sizes", SPLITS)
def test_classifier_equals_fit(digits, sizes):
    X, y = digits
    expected = classifier(alpha=0.01).fit(X, y)
    clf = in_batches(classifier(alpha=0.01).fit(X, y), X, y, sizes)
    np.testing.assert_allclose(clf.readout_.coef_, expected.readout_.coef_, rtol=1e-8)
    np.testing.assert_allclose(
        clf.readout_.intercept_, expected.readout_.intercept_, rtol=1e-8
    )
    # All samples are in the sample that calibrates.
    assert clf.temperature_ == pytest.approx(expected.temperature_, rel=1e-5)


def test_order_does_not_matter_at_all(digits):
    X, y = digits
    orders = [None, np.random.default_rng(0).permutation(len(X))]
    models = [
        in_batches(classifier(alpha=0.01).fit(X, y), X, y, sizes, order)
        for sizes, order in zip(SPLITS[1:], orders, strict=True)
    ]
    np.testing.assert_array_equal(models[0].readout_.coef_, models[1].readout_.coef_)


def interrupted(call, at):
    """Run `call`, broken off when it calls function number `at` of the package.

    Returns whether it was broken off.
    """
    package = str(Path(sklearn_lossless.__file__).parent)
    seen = 0

    def profile(frame, event, arg):
        nonlocal seen
        code = frame.f_code
        # Generators that are closed on their way out lose an exception.
        is_generator = code.co_flags & inspect.CO_GENERATOR
        if (
            event == "call"
            and code.co_filename.startswith(package)
            and not is_generator
        ):
            seen += 1
            if seen == at:
                raise KeyboardInterrupt

    sys.setprofile(profile)
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(None)
    return False


@pytest.mark.parametrize("begun", [False, True])
def test_a_batch_that_breaks_off_anywhere_leaves_what_was_before(digits, begun):
    X, y = digits[0][:300], digits[1][:300]
    clf = CompressedMLPClassifier((20,), random_state=0)
    clf.partial_fit(X[:1], y[:1], classes=range(10))
    if begun:
        clf.partial_fit(X[1:200], y[1:200])
    before = pickle.dumps(clf)

    def go_on(fitted):
        fitted.partial_fit(X[200:], y[200:])
        return fitted

    expected = go_on(pickle.loads(before))
    at, step = 1, 1
    while True:
        clf = pickle.loads(before)
        attributes = vars(clf).copy()
        if not interrupted(lambda clf=clf: go_on(clf), at):
            break
        assert vars(clf).keys() == attributes.keys()
        assert all(each is attributes[name] for name, each in vars(clf).items())
        go_on(clf)
        np.testing.assert_array_equal(clf.readout_.coef_, expected.readout_.coef_)
        assert clf.temperature_ == expected.temperature_
        at, step = at + step, step + at // 40  # calls for each block are many
    assert at > 30


@pytest.mark.parametrize("sizes", SPLITS)
def test_weights_and_costs(digits, sizes):
    X, y = digits
    y = y % 3
    weight = np.random.default_rng(0).uniform(0, 2, len(X))
    parameters = {"alpha": 0.01, "class_weight": {0: 1.0, 1: 3.0}}
    expected = classifier(**parameters).fit(X, y, weight)
    clf = classifier(**parameters).fit(X, y, weight)
    in_batches(clf, X, y, sizes, sample_weight=weight)
    scale = np.abs(expected.readout_.coef_).max()
    np.testing.assert_allclose(
        clf.readout_.coef_, expected.readout_.coef_, rtol=1e-8, atol=1e-8 * scale
    )
    assert clf.temperature_ == pytest.approx(expected.temperature_, rel=1e-4)


@pytest.mark.parametrize("weighted", [[False, True], [True, False]])
def test_batches_with_and_without_weights_mix(digits, weighted):
    X, y = digits[0][:900], digits[1][:900]
    weight = np.random.default_rng(0).uniform(0.1, 5, 900)
    halves = [slice(0, 450), slice(450, 900)]
    mixed, ones = classifier(alpha=0.01), classifier(alpha=0.01)
    for rows, has_weight in zip(halves, weighted, strict=True):
        given = weight[rows] if has_weight else None
        mixed.partial_fit(X[rows], y[rows], classes=range(10), sample_weight=given)
        given = weight[rows] if has_weight else np.ones(450)
        ones.partial_fit(X[rows], y[rows], classes=range(10), sample_weight=given)
    np.testing.assert_allclose(mixed.readout_.coef_, ones.readout_.coef_, rtol=1e-8)
    assert mixed.temperature_ == pytest.approx(ones.temperature_, rel=1e-6)


@pytest.mark.parametrize("weighted", [[False, True], [True, False]])
def test_batches_with_and_without_class_weights_mix(digits, weighted):
    X, y = digits[0][:900], digits[1][:900]
    mixed, ones = classifier(alpha=0.01), classifier(alpha=0.01)
    for rows, has_weight in zip(
        [slice(0, 450), slice(450, 900)], weighted, strict=True
    ):
        mixed.set_params(class_weight={0: 9.0} if has_weight else None)
        ones.set_params(class_weight={0: 9.0 if has_weight else 1.0})
        for each in (mixed, ones):
            each.partial_fit(X[rows], y[rows], classes=range(10))
    assert mixed.temperature_ == pytest.approx(ones.temperature_, rel=1e-6)


@pytest.mark.parametrize("n_targets", [1, 2])
def test_regressor_equals_fit(n_targets):
    X, y = load_diabetes(return_X_y=True)
    y = 1e6 + (y if n_targets == 1 else np.column_stack([y, -y]))
    reg = CompressedMLPRegressor((100,), eps=0.5, random_state=0, alpha=0.1)
    expected = CompressedMLPRegressor((100,), eps=0.5, random_state=0, alpha=0.1)
    expected.fit(X, y)
    in_batches(reg.fit(X, y), X, y, [100, 300, 42])
    assert reg.readout_.coef_.shape == expected.readout_.coef_.shape
    scale = np.abs(expected.readout_.coef_).max()
    np.testing.assert_allclose(
        reg.readout_.coef_, expected.readout_.coef_, atol=1e-8 * scale
    )
    np.testing.assert_allclose(reg.predict(X), expected.predict(X), rtol=1e-9)


def test_first_batch_fixes_the_hidden_layers(digits):
    X, y = digits
    first = classifier(alpha=0.01).fit(X[:500], y[:500])
    clf = classifier(alpha=0.01).partial_fit(X[:500], y[:500], classes=range(10))
    clf.partial_fit(X[500:], y[500:])
    np.testing.assert_array_equal(first.network_.forward(X), clf.network_.forward(X))
    expected = in_batches(first, X, y, [1797])
    np.testing.assert_array_equal(clf.readout_.coef_, expected.readout_.coef_)
    assert clf.score(X, y) > 0.97


# --- the regularisation ---------------------------------------------------------------


@pytest.mark.parametrize("n_samples", [60, 400])
def test_generalised_cross_validation(n_samples):
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 8, (n_samples, 40)).astype(np.uint8)
    Y = codes[:, :2] @ [[1.0, 0.5], [-1.0, 2.0]] + rng.normal(size=(n_samples, 2))
    statistics = RidgeStatistics.of(Samples(codes, Y))
    alphas = np.array([0.1, 10.0, 1000.0])
    losses = Decomposition.of(statistics, np.ones(40)).gcv_losses(alphas)
    Z = codes - codes.mean(axis=0)
    for alpha, loss in zip(alphas, losses, strict=True):
        hat = Z @ np.linalg.solve(Z.T @ Z + alpha * np.eye(40), Z.T) + 1 / n_samples
        residual = Y - Ridge(alpha=alpha).fit(Z, Y).predict(Z)
        expected = np.mean(residual**2) / (1 - np.trace(hat) / n_samples) ** 2
        assert loss == pytest.approx(expected, rel=1e-8)


def test_decomposing_leaves_the_sums_as_they_are():
    codes = np.random.default_rng(0).integers(0, 8, (90, 20)).astype(np.uint8)
    statistics = RidgeStatistics.of(Samples(codes, codes[:, :2] * 1.0))
    gram = statistics.gram.copy()
    first, again = (Decomposition.of(statistics, np.ones(20)) for _ in range(2))
    np.testing.assert_array_equal(statistics.gram, gram)
    np.testing.assert_array_equal(first.values, again.values)


def test_alpha_is_the_best_by_gcv(digits):
    clf = classifier().partial_fit(*digits, classes=range(10))
    assert clf.gcv_losses_[clf.alphas_ == clf.alpha_] == clf.gcv_losses_.min()
    assert clf.alphas_[0] < clf.alpha_ < clf.alphas_[-1]
    assert not hasattr(clf, "loo_losses_")


# --- probabilities --------------------------------------------------------------------


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


# --- the beginning of a stream --------------------------------------------------------


@pytest.mark.parametrize("n_equal", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_stream_may_begin_with_one_row_or_equal_rows(digits, n_equal, weighted):
    X, y = digits[0][:200].copy(), digits[1][:200]
    X[:n_equal] = X[0]
    weight = np.linspace(1, 2, 200) if weighted else None
    expected = classifier().partial_fit(X, y, range(10), weight)
    clf = classifier()
    for rows in [*np.arange(n_equal)[:, None], np.arange(n_equal, 200)]:
        if hasattr(clf, "classes_"):
            with pytest.raises(NotFittedError, match="rows that partial_fit has had"):
                clf.predict(X)
        given = None if weight is None else weight[rows]
        clf.partial_fit(X[rows], y[rows], range(10), given)
    np.testing.assert_array_equal(
        clf.decision_function(X), expected.decision_function(X)
    )


def test_a_regressor_may_begin_with_one_row():
    X, y = load_diabetes(return_X_y=True)
    parameters = {"hidden_layer_sizes": (50,), "eps": 0.5, "random_state": 0}
    expected = CompressedMLPRegressor(**parameters).partial_fit(X, y)
    reg = CompressedMLPRegressor(**parameters).partial_fit(X[:1], y[:1])
    with pytest.raises(ValueError, match="7 features.*expecting 10"):
        reg.partial_fit(X[1:, :7], y[1:])
    with pytest.raises(ValueError, match=r"y has shape \(441, 2\).* 1 target"):
        reg.partial_fit(X[1:], np.column_stack([y, y])[1:])
    reg.partial_fit(X[1:], y[1:])
    np.testing.assert_allclose(reg.predict(X), expected.predict(X), rtol=1e-12)


def test_given_hidden_layers_need_no_scale(digits):
    X, y = digits
    clf = CompressedMLPClassifier(estimator=NTKCompressor((50,), random_state=0).fit(X))
    clf.partial_fit(X[:1], y[:1], classes=range(10))
    assert clf.predict(X[:1]) == y[:1]


def test_a_batch_of_one_class(digits):
    X, y = digits
    clf, order = classifier(), np.argsort(y, kind="stable")
    for rows in np.array_split(order, 10):
        clf.partial_fit(X[rows], y[rows], classes=range(10))
    assert clf.score(X, y) > 0.9


def test_columns_of_one_target_follow_a_vector():
    X, y = load_diabetes(return_X_y=True)
    reg = CompressedMLPRegressor((50,), eps=0.5, random_state=0)
    expected = clone(reg).partial_fit(X[:200], y[:200]).partial_fit(X[200:], y[200:])
    reg.partial_fit(X[:200], y[:200]).partial_fit(X[200:], y[200:, np.newaxis])
    np.testing.assert_array_equal(reg.predict(X), expected.predict(X))


# --- life of the model ----------------------------------------------------------------


def test_predictions_between_batches(digits):
    X, y = digits
    clf = classifier().partial_fit(X[:50], y[:50], classes=range(10))
    before = clf.score(X[1000:], y[1000:])
    again = pickle.loads(pickle.dumps(clf)).partial_fit(X[50:1000], y[50:1000])
    clf.partial_fit(X[50:1000], y[50:1000])
    assert clf.score(X[1000:], y[1000:]) > before + 0.05
    np.testing.assert_array_equal(clf.readout_.coef_, again.readout_.coef_)


def test_fit_starts_anew(digits):
    X, y = digits
    clf = classifier().partial_fit(X[:50], y[:50], classes=range(10)).fit(X, y)
    np.testing.assert_array_equal(
        clf.readout_.coef_, classifier().fit(X, y).readout_.coef_
    )
    assert not hasattr(clf, "gcv_losses_")


def test_giving_up_the_readout_of_fit_is_said(digits):
    X, y = digits
    with pytest.warns(UserWarning, match="the readout starts anew"):
        classifier().fit(X, y).partial_fit(X, y)


def test_no_attribute_before_the_first_batch():
    assert not hasattr(classifier(), "readout_")
    assert not hasattr(CompressedMLPRegressor(), "alpha_")


def test_progress_is_reported(digits, capsys):
    clf = classifier(verbose=1).partial_fit(*digits, classes=range(10))
    assert "Gram matrix: 1797 of 1797 rows" in capsys.readouterr().out
    clf.predict(digits[0])
    assert "generalised cross-validation" in capsys.readouterr().out
    classifier(verbose=1).fit(*digits)
    out = capsys.readouterr().out
    assert "Gram matrix: 1797 of 1797 rows" in out
    assert "leave-one-out: 1797 of 1797 rows" in out


# --- bad input ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda clf, X, y: clf.partial_fit(X[:, 1:], y), "63 features.*expecting 64"),
        (lambda clf, X, y: clf.partial_fit(X, y + 1), "not in classes.*10"),
        (lambda clf, X, y: clf.partial_fit(X, y, classes=[0, 1]), "same as before"),
        (lambda clf, X, y: clf.partial_fit(X, y[:-1]), "inconsistent numbers"),
        (lambda clf, X, y: clf.partial_fit(X * np.nan, y), "NaN"),
        (lambda clf, X, y: clf.partial_fit(X, y + 0.5), "Unknown label type"),
        (
            lambda clf, X, y: clf.partial_fit(X, y, sample_weight=-np.ones(len(X))),
            "[Nn]egative",
        ),
    ],
)
def test_a_bad_batch_loses_nothing(digits, call, match):
    X, y = digits
    clf = classifier(alpha=0.01).partial_fit(X[:900], y[:900], classes=range(10))
    with pytest.raises(ValueError, match=match):
        call(clf, X, y)
    clf.partial_fit(X[900:], y[900:])
    expected = classifier(alpha=0.01).partial_fit(X[:900], y[:900], classes=range(10))
    expected.partial_fit(X[900:], y[900:])
    np.testing.assert_array_equal(clf.readout_.coef_, expected.readout_.coef_)


def test_bad_first_calls(digits):
    X, y = digits
    with pytest.raises(ValueError, match="classes must be given in the first call"):
        classifier().partial_fit(X, y)
    with pytest.raises(ValueError, match="only one class: .*3"):
        classifier().partial_fit(X, y, classes=[3])


def test_targets_of_another_shape():
    X, y = load_diabetes(return_X_y=True)
    reg = CompressedMLPRegressor((50,), eps=0.5).partial_fit(X, y)
    before = reg.predict(X)
    with pytest.raises(ValueError, match=r"y has shape \(442, 2\)"):
        reg.partial_fit(X, np.column_stack([y, y]))
    np.testing.assert_array_equal(reg.predict(X), before)


def test_where_there_is_no_partial_fit():
    assert not hasattr(classifier(readout="logistic"), "partial_fit")
    with pytest.raises(AttributeError):
        _ = classifier(class_weight="balanced").partial_fit


def test_alpha_of_batches_does_not_depend_on_small_weights(digits):
    X = digits[0]
    y = digits[1] + 3 * np.random.default_rng(0).normal(size=len(X))
    one, small = (
        CompressedMLPRegressor((200,), random_state=0).partial_fit(
            X, y, np.full(len(X), w)
        )
        for w in (1.0, 0.01)
    )
    assert small.alpha_ == pytest.approx(0.01 * one.alpha_, rel=1e-6)


# --- memory ---------------------------------------------------------------------------


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
    assert nearest.max() < 1e-6
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
