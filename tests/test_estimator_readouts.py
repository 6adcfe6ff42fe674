"""Readouts of the estimators, class weights, and what importances are."""

import numpy as np
import pytest
from ridge import ridge_of, with_readout
from sklearn.datasets import load_diabetes, load_digits
from sklearn.feature_selection import RFE, SelectFromModel, SequentialFeatureSelector
from sklearn.inspection import permutation_importance
from sklearn.linear_model import (
    LogisticRegression,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
)
from sklearn_lossless.export import to_c
from sklearn_lossless.export.archive import from_bytes, to_bytes


@pytest.fixture(scope="module")
def digits():
    return train_test_split(*load_digits(return_X_y=True), random_state=0)


def classifier(**parameters):
    return CompressedMLPClassifier(**{"random_state": 0, **parameters})


def test_ridge_readout_is_ridge_on_the_features(digits):
    X_train, X_test, y_train, _ = digits
    clf = classifier(alpha=0.003).fit(X_train, y_train)
    compressor = NTKCompressor(random_state=0)
    peer = make_pipeline(compressor, RidgeClassifier(alpha=0.003)).fit(X_train, y_train)
    np.testing.assert_allclose(clf.readout_.coef_, peer[-1].coef_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(
        clf.decision_function(X_test), peer.decision_function(X_test), atol=1e-4
    )


def test_logistic_readout_is_logistic_regression_on_the_features(digits):
    X_train, _, y_train, _ = digits
    for width in (30, 100):  # by Newton's method, by L-BFGS
        hidden = {"hidden_layer_sizes": (width,), "random_state": 0}
        clf = CompressedMLPClassifier(**hidden, readout="logistic", alpha=0.1)
        clf.fit(X_train, y_train)
        Z_train = NTKCompressor(**hidden).fit_transform(X_train)
        peer = LogisticRegression(C=10, solver="newton-cholesky").fit(Z_train, y_train)
        tolerance = 1e-3 if width == 30 else 0.03 * np.abs(peer.coef_).max()
        np.testing.assert_allclose(
            clf.readout_.coef_, peer.coef_, rtol=1e-3, atol=tolerance
        )
        np.testing.assert_allclose(
            clf.readout_.predict_proba(Z_train), peer.predict_proba(Z_train), atol=3e-3
        )
        assert clf.alpha_ == pytest.approx(0.1)
        assert (clf.readout_.solver == "lbfgs") == (width == 100)


def test_logistic_scores_are_those_of_the_fitted_readout(digits):
    X_train, X_test, y_train, _ = digits
    for labels in (y_train, y_train > 4):
        clf = classifier(hidden_layer_sizes=(50,), readout="logistic", alpha=0.01)
        clf.fit(X_train, labels)
        Z = clf.compressor_.transform(X_test)
        for method in ("decision_function", "predict_proba"):
            np.testing.assert_allclose(
                getattr(clf, method)(X_test),
                getattr(clf.readout_, method)(Z),
                rtol=1e-5,
                atol=1e-6,
            )
        expected = clf.classes_[clf.readout_.predict(Z)]
        np.testing.assert_array_equal(clf.predict(X_test), expected)


def test_targets_of_any_size_keep_their_digits():
    X, y = load_diabetes(return_X_y=True)
    factors = np.array([1.0, 1e-12, 1e12])
    reg = CompressedMLPRegressor((50,), eps=0.5, random_state=0, alpha=0.1)
    together = reg.fit(X, np.outer(y, factors)).predict(X) / factors
    np.testing.assert_allclose(together, together[:, [0, 0, 0]], rtol=1e-6)


@pytest.mark.parametrize("readout", [SGDClassifier(random_state=0), LinearSVC()])
def test_any_classifier_reads_out(digits, readout):
    X_train, X_test, y_train, y_test = digits
    readout.set_params(**({"C": 1000} if isinstance(readout, LinearSVC) else {}))
    clf = classifier(readout=readout, class_weight="balanced").fit(X_train, y_train)
    assert clf.score(X_test, y_test) > 0.9
    assert clf.decision_function(X_test).shape == (len(X_test), 10)
    assert not hasattr(clf, "predict_proba")
    assert not hasattr(readout, "coef_")  # cloned


@pytest.mark.parametrize("readout", ["ridge", "logistic", LogisticRegression()])
@pytest.mark.parametrize("other", ["ridge", LinearSVC()])
def test_parameters_set_after_the_fit_wait_for_the_next(digits, readout, other):
    X_train, X_test, y_train, _ = digits
    clf = CompressedMLPClassifier((50,), readout=readout, random_state=0)
    clf.fit(X_train, y_train)
    before = clf.predict(X_test), clf.predict_proba(X_test)
    clf.set_params(readout=other)
    np.testing.assert_array_equal(clf.predict(X_test), before[0])
    np.testing.assert_array_equal(clf.predict_proba(X_test), before[1])
    if isinstance(readout, str):
        loaded = from_bytes(to_bytes(clf))
        np.testing.assert_array_equal(loaded.predict_proba(X_test), before[1])
    else:
        with pytest.raises(ValueError, match="can be saved; this one is Logistic"):
            to_bytes(clf)
        with pytest.raises(ValueError, match="can be exported; this one is Logistic"):
            to_c(clf, "unused.c")


def test_class_weights_that_leave_nothing_are_an_error(digits):
    X_train, _, y_train, _ = digits
    nothing = dict.fromkeys(range(10), 0.0)
    with pytest.raises(ValueError, match="class_weight=.* leaves no sample any weight"):
        classifier(class_weight=nothing).fit(X_train, y_train)


def test_class_weight_is_sample_weight(digits):
    X_train, _, y_train, _ = digits
    weights = {digit: 1 + digit for digit in range(10)}
    a = classifier(class_weight=weights, alpha=0.01).fit(X_train, y_train)
    # The same weights as sample_weight also move mean and scale of the inputs.
    codes = a.network_.forward(X_train)
    Y = np.where(y_train[:, None] == np.arange(10), 1.0, -1.0)
    unit = a.compressor_.code_line_[1]
    readout = ridge_of(
        codes, Y, scale=unit, sample_weight=1.0 + y_train, alphas=np.array([0.01])
    )
    expected = unit * codes @ readout.coef.T + readout.intercept
    np.testing.assert_allclose(a.decision_function(X_train), expected, atol=1e-4)


def test_readout_of_all_layers(digits):
    X_train, X_test, y_train, y_test = digits
    sizes = (300, 200, 100)
    last, every = (
        classifier(hidden_layer_sizes=sizes, readout_layers=layers).fit(
            X_train, y_train
        )
        for layers in ("last", "all")
    )
    assert every.readout_.coef_.shape == (10, 600)
    Z = every.compressor_.transform(X_test)
    # The squared norm of a layer's features is that layer's tau squared.
    expected = np.square(every.matching_.tau_compressed[1:])
    norms = [np.square(part).sum(axis=1).mean() for part in np.split(Z, [300, 500], 1)]
    np.testing.assert_allclose(norms, expected, rtol=0.2)
    np.testing.assert_array_equal(Z[:, 500:], last.compressor_.transform(X_test))
    np.testing.assert_allclose(
        every.decision_function(X_test),
        Z @ every.readout_.coef_.T + every.readout_.intercept_,
        atol=1e-7,
    )
    assert every.score(X_test, y_test) > last.score(X_test, y_test)


def test_leave_one_out_chooses_alpha(digits):
    clf = classifier().fit(digits[0], digits[2])
    assert clf.loo_losses_[clf.alphas_ == clf.alpha_] == clf.loo_losses_.min()
    assert clf.alphas_[0] < clf.alpha_ < clf.alphas_[-1]


def test_bad_readouts(digits):
    X, y = digits[0], digits[2]
    with pytest.raises(ValueError, match="'readout' parameter"):
        classifier(readout="rigde").fit(X, y)
    with pytest.raises(ValueError, match="or a classifier, got Ridge"):
        classifier(readout=Ridge()).fit(X, y)
    from sklearn.neighbors import KNeighborsClassifier

    with pytest.raises(ValueError, match="does not take sample weights"):
        classifier(readout=KNeighborsClassifier(), class_weight="balanced").fit(X, y)
    with pytest.raises(ValueError, match="'alpha' parameter"):
        classifier(alpha=0).fit(X, y)


@pytest.mark.parametrize("readout", ["ridge", "logistic"])
@pytest.mark.parametrize("selector", [RFE, SelectFromModel])
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_coefficients_of_neurons_are_not_taken_for_importances_of_inputs(
    digits, selector, readout
):
    """As for MLPClassifier."""
    X_train, _, y_train, _ = digits
    for estimator in (
        MLPClassifier((64,), max_iter=1),
        CompressedMLPClassifier((64,), readout=readout, alpha=0.01),
        CompressedMLPRegressor((64,)),
    ):
        with pytest.raises(ValueError, match="coef_"):
            selector(estimator).fit(X_train, y_train).get_support()


@pytest.mark.filterwarnings("ignore:X has [0-9] features")
def test_features_are_selected_by_their_effect():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 6))
    y = (X[:, 1] + 0.1 * rng.normal(size=400) > 0).astype(int)
    clf = CompressedMLPClassifier((100,), eps=0.5, random_state=0)
    selected = SequentialFeatureSelector(clf, n_features_to_select=1, cv=3).fit(X, y)
    assert selected.get_support(indices=True) == [1]
    importances = permutation_importance(clf.fit(X, y), X, y, random_state=0)
    assert importances.importances_mean.argmax() == 1


@pytest.mark.parametrize("readout", ["ridge", "logistic", LogisticRegression()])
@pytest.mark.parametrize("n_classes", [2, 10])
def test_logarithms_of_probabilities(digits, readout, n_classes):
    X_train, X_test, y_train, _ = digits
    clf = CompressedMLPClassifier((64,), readout=readout, alpha=0.01)
    clf.fit(X_train, y_train % n_classes)
    found = clf.predict_log_proba(X_test)
    np.testing.assert_allclose(np.exp(found), clf.predict_proba(X_test), atol=1e-12)


def test_logarithms_of_probabilities_are_finite(digits):
    X_train, X_test, y_train, _ = digits
    clf = CompressedMLPClassifier((64,), alpha=0.01).fit(X_train, y_train)
    with_readout(clf, temperature=lambda t: 1e4)
    assert (clf.predict_proba(X_test) == 0).any()
    assert np.isfinite(clf.predict_log_proba(X_test)).all()
    assert not hasattr(
        CompressedMLPClassifier(readout=LinearSVC()), "predict_log_proba"
    )
