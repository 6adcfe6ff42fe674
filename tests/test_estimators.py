"""What a user of the estimators relies on, beyond scikit-learn's own checks."""

import pickle
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from ridge import ridge_of, with_readout
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.feature_selection import RFE, SelectFromModel, SequentialFeatureSelector
from sklearn.inspection import permutation_importance
from sklearn.linear_model import (
    LogisticRegression,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
)
from sklearn_lossless.export import to_c
from sklearn_lossless.export.archive import from_bytes, to_bytes

ESTIMATORS = [NTKCompressor, CompressedMLPClassifier, CompressedMLPRegressor]


@pytest.fixture(scope="module")
def digits():
    return train_test_split(*load_digits(return_X_y=True), random_state=0)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(
    "bad",
    [
        lambda X, y: (X, y[:-1]),
        lambda X, y: (X[:0], y[:0]),
        lambda X, y: (np.ones((10, 7)), y[:10]),
        lambda X, y: (X[:, :7] * np.nan, y),
    ],
    ids=["lengths", "empty", "constant", "nan"],
)
def test_a_fit_that_fails_leaves_the_fitted_estimator_as_it_was(estimator, bad, digits):
    X, _, y, _ = digits
    fitted = estimator((20,), random_state=0).fit(X, y)
    ask = fitted.predict if hasattr(fitted, "predict") else fitted.transform
    before = ask(X)
    X_bad, y_bad = bad(X, y)
    if estimator is NTKCompressor and len(X_bad) > len(y_bad):
        return  # y is not looked at
    with pytest.raises(ValueError, match=r"."):
        fitted.fit(X_bad, y_bad)
    np.testing.assert_array_equal(ask(X), before)
    assert fitted.n_features_in_ == X.shape[1]


def classifier(**parameters):
    return CompressedMLPClassifier(**{"random_state": 0, **parameters})


# --- accuracy -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("eps", "readout"),
    [(0, "ridge"), (0.5, "ridge"), (0.9, "ridge"), (0.9, "logistic")],
)
def test_digits(digits, eps, readout):
    X_train, X_test, y_train, y_test = digits
    clf = classifier(eps=eps, readout=readout).fit(X_train, y_train)
    assert clf.score(X_test, y_test) > 0.96
    assert log_loss(y_test, clf.predict_proba(X_test)) < 0.2


def test_eight_levels_keep_what_two_lose():
    X, y = make_classification(
        3000, 100, n_informative=40, n_classes=5, class_sep=1.5, random_state=0
    )
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    scores = {}
    for n_levels in (2, 8):
        clf = classifier(hidden_layer_sizes=(500, 500, 500), n_levels=n_levels)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            scores[n_levels] = clf.fit(X_train, y_train).score(X_test, y_test)
    assert scores[8] > scores[2] + 0.05


def test_regression():
    X, y = load_diabetes(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    reg = CompressedMLPRegressor((300,), eps=0.5, random_state=0).fit(X_train, y_train)
    linear = Ridge(alpha=0.1).fit(X_train, y_train).score(X_test, y_test)
    assert reg.score(X_test, y_test) > linear - 0.05
    both = CompressedMLPRegressor((300,), eps=0.5, random_state=0, alpha=reg.alpha_)
    both.fit(X_train, np.column_stack([y_train, -2 * y_train]))
    assert both.readout_.coef_.shape == (2, 300)
    expected = np.outer(reg.predict(X_test), [1, -2])
    np.testing.assert_allclose(both.predict(X_test), expected, rtol=1e-6)


def test_pipeline_and_grid_search(digits):
    X_train, X_test, y_train, y_test = digits
    search = GridSearchCV(
        make_pipeline(StandardScaler(), classifier(hidden_layer_sizes=(200,))),
        {"compressedmlpclassifier__eps": [0.5, 0.8]},
        cv=2,
    ).fit(X_train, y_train)
    assert search.score(X_test, y_test) > 0.93


# --- values per layer ---------------------------------------------------------


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_values_per_layer(digits, estimator):
    X, _, y, _ = digits
    fitted = estimator((30, 20), eps=(0.75, 0.5), n_levels=[8, 4], random_state=0)
    layers = fitted.fit(X, y).network_.layers
    assert [layer.n_nonzeros for layer in layers] == [16, 15]
    assert [layer.largest_code for layer in layers] == [7, 3]
    report = fitted.report_
    assert [layer.n_levels for layer in report.layers] == [8, 4]
    assert [layer.zeros for layer in report.layers] == [0.75, 0.5]
    one = estimator((30, 20), eps=0.75, n_levels=5, random_state=0).fit(X, y)
    each = clone(one).set_params(eps=np.array([0.75] * 2), n_levels=(5, 5)).fit(X, y)
    ask = "predict" if hasattr(one, "predict") else "transform"
    np.testing.assert_array_equal(getattr(each, ask)(X), getattr(one, ask)(X))


def test_fitted_weights_and_values_per_layer(digits):
    X, _, y, _ = digits
    mlp = MLPClassifier((20, 10), max_iter=5, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mlp.fit(X, y)
    layers = (
        NTKCompressor(estimator=mlp, hidden_weights="fitted", eps=(0.75, 0.5))
        .fit(X)
        .network_.layers
    )
    assert [layer.n_nonzeros for layer in layers] == [16, 10]


def test_search_over_numbers_and_tuples(digits):
    X, _, y, _ = digits
    grid = {"eps": [0.5, (0.8, 0.5)], "n_levels": [8, (8, 4), [4, 8]]}
    search = GridSearchCV(classifier(hidden_layer_sizes=(40, 30)), grid, cv=2)
    search.fit(X[:300], y[:300])
    assert len(search.cv_results_["params"]) == 6
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


# --- few features -------------------------------------------------------------


def test_few_features_warn_once_and_still_work():
    X, y = load_iris(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    with pytest.warns(UserWarning, match="X has 4 features") as record:
        clf = classifier(hidden_layer_sizes=(300, 100)).fit(X_train, y_train)
    assert len(record) == 1
    assert clf.network_.layers[0].n_nonzeros == 4
    assert clf.score(X_test, y_test) > 0.9


def test_few_inputs_are_those_of_the_first_layer():
    X = np.random.default_rng(0).normal(size=(100, 20))
    with pytest.warns(UserWarning, match=r"X has 20 features: with eps=0.9 "):
        NTKCompressor((30, 20), eps=(0.9, 0.5)).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NTKCompressor((30, 20), eps=(0.5, 0.99)).fit(X)


def test_biases_make_one_feature_useful():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (500, 1))
    y = (np.abs(X[:, 0]) > 0.5).astype(int)  # no threshold at a single place will do
    with pytest.warns(UserWarning, match="X has 1 features"):
        clf = classifier(hidden_layer_sizes=(300,)).fit(X[:300], y[:300])
    assert clf.score(X[300:], y[300:]) > 0.95


# --- the kernel ---------------------------------------------------------------


def test_features_have_the_dense_networks_kernel():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 400)) + np.repeat([[0.2], [-0.2]], 75, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Z = NTKCompressor(
            (20_000,), eps=0.9, n_levels=16, random_state=0
        ).fit_transform(X)
    Xc = X - X.mean(axis=0)
    Xc /= np.sqrt((Xc**2).sum(axis=1).mean())

    def dense_features():
        pre = Xc @ rng.normal(size=(400, 20_000))
        return np.maximum(pre, 0) / np.sqrt(20_000)

    def centred_kernel(A):  # the readout has an intercept
        A = A - A.mean(axis=0)
        return A @ A.T

    exact, again, ours = map(centred_kernel, (dense_features(), dense_features(), Z))
    yardstick = np.linalg.norm(exact - again, 2)  # two dense networks of that width
    assert np.linalg.norm(exact - ours, 2) < 1.5 * yardstick
    assert yardstick < 0.1 * np.linalg.norm(exact, 2)


def test_transform_is_affine_in_codes(digits):
    X = digits[0]
    compressor = NTKCompressor((50,), random_state=0).fit(X)
    codes = compressor.codes(X)
    np.testing.assert_array_equal(codes, compressor.network_.forward(X))
    step = compressor.matching_.layers[-1].step
    values = (
        step.offset + step.scale * codes - compressor.matching_.layers[-1].achieved.mean
    )
    np.testing.assert_allclose(
        compressor.transform(X), values / np.sqrt(50), atol=1e-15
    )


def test_scale_and_mean(digits):
    X = digits[0]
    compressor = NTKCompressor((5,), random_state=0).fit(X)
    np.testing.assert_allclose(compressor.mean_, X.mean(axis=0), atol=0.05)
    norms = np.linalg.norm((X - X.mean(axis=0)) * compressor.scale_, axis=1)
    assert np.mean(norms**2) == pytest.approx(1, rel=1e-2)


# --- kinds of input and output ------------------------------------------------


@pytest.mark.parametrize(
    "convert",
    [
        lambda X: X.astype(np.float32),
        lambda X: X.astype(np.uint8),
        lambda X: X.astype(int),
        lambda X: X.tolist(),
        sparse.csr_array,
        sparse.csc_matrix,
        pd.DataFrame,
        lambda X: pd.DataFrame(X).astype("Int64"),
        lambda X: pl.DataFrame(X),
    ],
)
def test_kinds_of_input(digits, convert):
    X_train, X_test, y_train, _ = digits
    expected = classifier().fit(X_train, y_train).predict(X_test)
    # Frames without string names are taken like arrays.
    clf = classifier().fit(convert(X_train), y_train)
    np.testing.assert_array_equal(clf.predict(convert(X_test)), expected)


def test_sparse_duplicates_are_summed(digits):
    X, y = digits[0], digits[2]
    doubled = sparse.csr_array(np.hstack([X, X]))
    folded = sparse.csr_array(
        (doubled.data, doubled.indices % X.shape[1], doubled.indptr), shape=X.shape
    )
    a, b = classifier().fit(folded, y), classifier().fit(2 * X, y)
    np.testing.assert_array_equal(a.readout_.coef_, b.readout_.coef_)


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_set_output(digits, container):
    compressor = NTKCompressor((7,), random_state=0).set_output(transform=container)
    frame = compressor.fit_transform(digits[0])
    assert type(frame).__module__.startswith(container)
    assert list(frame.columns) == [f"ntkcompressor{i}" for i in range(7)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_preserved(digits, dtype):
    assert NTKCompressor((7,)).fit_transform(digits[0].astype(dtype)).dtype == dtype


def test_string_labels_and_binary(digits):
    X_train, X_test, y_train, y_test = digits
    names = np.array(["even", "odd"])
    clf = classifier().fit(X_train, names[y_train % 2])
    assert clf.classes_.tolist() == ["even", "odd"]
    assert clf.readout_.coef_.shape == (1, 1000)
    decision = clf.decision_function(X_test)
    assert decision.shape == (len(X_test),)
    np.testing.assert_array_equal(
        clf.predict(X_test), names[(decision > 0).astype(int)]
    )
    proba = clf.predict_proba(X_test)
    np.testing.assert_array_equal(proba[:, 1] > 0.5, decision > 0)
    assert clf.score(X_test, names[y_test % 2]) > 0.95


# --- readouts -----------------------------------------------------------------


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


# --- the same seed is the same model ------------------------------------------


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_same_seed_same_model(digits, estimator):
    X, y = digits[0], digits[2]
    models = [
        estimator((30,), random_state=3, n_jobs=n_jobs).fit(X, y) for n_jobs in (1, 2)
    ]
    other = estimator((30,), random_state=4).fit(X, y)
    a, b = (model.network_.forward(X) for model in models)
    np.testing.assert_array_equal(a, b)
    assert models[0].network_.seed == models[1].network_.seed != other.network_.seed
    if estimator is not NTKCompressor:
        np.testing.assert_array_equal(
            models[0].readout_.coef_, models[1].readout_.coef_
        )


def test_pickle_is_small_and_predicts_the_same(digits):
    X_train, X_test, y_train, _ = digits
    clf = classifier(hidden_layer_sizes=(2000, 2000, 50)).fit(X_train, y_train)
    proba = clf.predict_proba(X_test)
    pickled = pickle.dumps(clf)
    assert len(pickled) < 20_000
    np.testing.assert_array_equal(pickle.loads(pickled).predict_proba(X_test), proba)


# --- warnings and verbosity ---------------------------------------------------


def test_unmet_moments_are_reported(digits):
    with pytest.warns(ConvergenceWarning, match=r"[Ll]ayer 1.*tau"):
        NTKCompressor((20,), n_levels=2).fit(digits[0])


def test_met_moments_are_silent(digits, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier(hidden_layer_sizes=(20, 20)).fit(digits[0], digits[2])
    assert capsys.readouterr().out == ""


def test_verbose(digits, capsys):
    classifier(hidden_layer_sizes=(20,), verbose=1).fit(digits[0], digits[2])
    out = capsys.readouterr().out
    assert "matched activations" in out
    assert "alpha=" in out


# --- bad input ----------------------------------------------------------------


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"eps": 1.0}, "'eps' parameter.*1.0"),
        ({"eps": -0.1}, "'eps' parameter.*-0.1"),
        ({"n_levels": 1}, "'n_levels' parameter.*1"),
        ({"n_levels": 17}, "'n_levels' parameter.*17"),
        ({"n_levels": 2.5}, "'n_levels' parameter.*2.5"),
        ({"input_bits": 0}, "'input_bits' parameter.*0"),
        ({"input_bits": 9}, "'input_bits' parameter.*9"),
        ({"eps": "most"}, "'eps' parameter.*'most'"),
        ({"eps": (0.9, 0.5)}, r"eps must be .*2 numbers for 1 .*\(0.9, 0.5\)"),
        ({"eps": [1.0]}, r"eps\[0\] must be a float .*\[0.0, 1.0\), got 1.0"),
        ({"eps": [np.nan]}, r"eps\[0\] must be a float .* got nan"),
        ({"eps": [[0.5]]}, r"eps\[0\] must be a float .* got \[0.5\]"),
        ({"n_levels": [8, 8, 8]}, r"n_levels must be .*3 numbers for 1 .*\[8, 8, 8\]"),
        ({"n_levels": [17]}, r"n_levels\[0\] must be an int .*\[2, 16\], got 17"),
        ({"n_levels": [2.5]}, r"n_levels\[0\] must be an int .* got 2.5"),
        ({"hidden_layer_sizes": ()}, "hidden_layer_sizes must be .*got"),
        ({"hidden_layer_sizes": (10, -3)}, "hidden_layer_sizes must be .*-3"),
        ({"hidden_layer_sizes": (10, 2.5)}, "hidden_layer_sizes must be .*2.5"),
        ({"hidden_layer_sizes": 0}, "'hidden_layer_sizes' parameter.*0"),
        ({"activation": "rleu"}, "relu.*rleu"),
        ({"activation": ["relu", "relu"]}, "2 activations for 1 hidden layers"),
        ({"activation": lambda t: t * np.nan}, "finite"),
        ({"activation": lambda t: t[:3]}, "shape"),
    ],
)
def test_bad_parameters(digits, estimator, parameters, match):
    with pytest.raises(ValueError, match=match):
        estimator(**parameters).fit(digits[0], digits[2])


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (lambda X: np.ones_like(X), "X is constant"),
        (lambda X: np.where(X > 15, np.nan, X), "NaN"),
        (lambda X: np.where(X > 15, np.inf, X), "infinity"),
        (lambda X: X[:0], "0 sample"),
        (lambda X: X[:, 0], "Expected 2D array"),
    ],
)
def test_bad_data(digits, estimator, bad, match):
    X = bad(digits[0])
    with pytest.raises(ValueError, match=match):
        estimator().fit(X, digits[2][: len(X)])


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_wrong_number_of_features_loses_nothing(digits, estimator):
    X_train, X_test, y_train, _ = digits
    model = estimator((20,), random_state=0).fit(X_train, y_train)
    method = model.transform if estimator is NTKCompressor else model.predict
    before = method(X_test)
    with pytest.raises(ValueError, match="X has 63 features.*expecting 64"):
        method(X_test[:, 1:])
    np.testing.assert_array_equal(method(X_test), before)


def test_one_class(digits):
    with pytest.raises(ValueError, match="only one class"):
        classifier().fit(digits[0], np.zeros(len(digits[0])))


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


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_bad_weights(digits, estimator):
    X, y = digits[0], digits[2]
    with pytest.raises(ValueError, match="zero"):
        estimator().fit(X, y, sample_weight=np.zeros(len(X)))
    with pytest.raises(ValueError, match="[Nn]egative"):
        estimator().fit(X, y, sample_weight=-np.ones(len(X)))


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


def test_one_outlying_cell_costs_little_accuracy(digits):
    X_train, X_test, y_train, y_test = digits
    clean = CompressedMLPClassifier((500,), random_state=0).fit(X_train, y_train)
    spoiled = X_train.copy()
    spoiled[17, 30] = 1e6
    clf = CompressedMLPClassifier((500,), random_state=0).fit(spoiled, y_train)
    assert clf.score(X_test, y_test) > clean.score(X_test, y_test) - 0.01


@pytest.mark.filterwarnings("ignore:X has [0-9] features")
@pytest.mark.parametrize("named", [False, True])
def test_columns_of_another_scale_are_named(named):
    rng = np.random.default_rng(0)
    ages, years = rng.integers(20, 65, 500), rng.integers(0, 20, 500)
    X = np.column_stack([ages, rng.normal(60_000, 20_000, 500), np.ones(500), years])
    names = ["age", "salary", "country", "years"]
    if named:
        X = pd.DataFrame(X, columns=names)
    expected = "Columns 'age', 'years' of X" if named else "Columns 0, 3 of X"
    with pytest.warns(UserWarning, match=f"{expected} vary .*StandardScaler"):
        NTKCompressor((50,)).fit(X)
    make_pipeline(StandardScaler(), NTKCompressor((50,))).fit(X)


def test_hashed_text_fits_in_little_memory():
    X = HashingVectorizer().transform([f"word{i} word{i % 7} word" for i in range(60)])
    y = np.arange(60) % 7
    clf = CompressedMLPClassifier((50,), eps=0.9999, random_state=0)
    tracemalloc.start()
    clf.fit(X, y).predict(X)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 400e6  # 1.7 GB for a block of doubles


def repeated_entries(X, dtype=None):
    """A CSR matrix of the same values, half of them in two entries, out of order."""
    X = sparse.csr_array(X)
    halves = [X.data // 2, X.data - X.data // 2]
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    order = np.argsort(np.tile(rows, 2), kind="stable")
    data, columns = np.concatenate(halves)[order], np.tile(X.indices, 2)[order]
    made = sparse.csr_array((data, columns, 2 * X.indptr), X.shape)
    assert not made.has_canonical_format
    return made if dtype is None else made.astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8, np.int16])
@pytest.mark.parametrize("form", ["csr", "coo", "csc"])
def test_entries_in_one_place_are_summed_on_every_path(digits, dtype, form):
    X, _, y, _ = digits
    X = 15 * X  # sums beyond 127, and of bytes below 256
    given = repeated_entries(X, dtype).asformat(form)
    before = given.data.copy()
    clf = CompressedMLPClassifier((60,), eps=0.5, random_state=0)
    expected = clone(clf).fit(X, y)
    clf.fit(given, y)
    codes = expected.compressor_.codes(X)
    np.testing.assert_array_equal(clf.compressor_.codes(X), codes)
    np.testing.assert_array_equal(expected.compressor_.codes(given), codes)
    np.testing.assert_array_equal(clf.predict_proba(given), clf.predict_proba(X))
    network = expected.network_
    np.testing.assert_array_equal(network.forward(given), codes)
    np.testing.assert_array_equal(network.features(given), network.features(X))
    np.testing.assert_array_equal(given.data, before)
