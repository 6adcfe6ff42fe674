"""Batches add up to what fit finds; beginnings, and bad batches."""

import inspect
import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge

import sklearn_lossless
from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
)
from sklearn_lossless.readout import Samples
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
