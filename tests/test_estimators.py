"""Estimators: accuracy, hidden layers, the kernel, seeds and warnings."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    Ridge,
)
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
)

ESTIMATORS = [NTKCompressor, CompressedMLPClassifier, CompressedMLPRegressor]


@pytest.fixture(scope="module")
def digits():
    return train_test_split(*load_digits(return_X_y=True), random_state=0)


def classifier(**parameters):
    return CompressedMLPClassifier(**{"random_state": 0, **parameters})


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
