"""Reference networks: read, compressed, taught by."""

import importlib.abc
import itertools
import pickle
import sys
import warnings
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits
from sklearn.ensemble import BaggingRegressor
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline

import sklearn_lossless
import sklearn_lossless.reference.architecture as architecture_module
from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
)
from sklearn_lossless.network import ternarise
from sklearn_lossless.reference.architecture import architecture, read_network
from sklearn_lossless.reference.teacher import read_teacher, sum_squares


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X / 16, y, random_state=0)


def fit_briefly(model, X, y):
    """Fit, converged or not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y)


@pytest.fixture(scope="module")
def mlp(digits):
    model = MLPClassifier((80, 60), max_iter=40, random_state=0)
    return fit_briefly(model, digits[0], digits[2])


@pytest.fixture(scope="module")
def compressed(digits, mlp):
    return CompressedMLPClassifier(
        estimator=mlp, hidden_weights="fitted", eps=0.7, random_state=0, alpha=0.1
    ).fit(digits[0], digits[2])


@pytest.fixture(scope="module")
def regressor():
    X, y = load_diabetes(return_X_y=True)
    model = MLPRegressor(hidden_layer_sizes=(30,), max_iter=300, random_state=0)
    return fit_briefly(model, 10 * X, y), 10 * X, y


def torch_of(mlp):
    torch = pytest.importorskip("torch")
    layers = []
    for W, b in zip(mlp.coefs_, mlp.intercepts_, strict=True):
        linear = torch.nn.Linear(*W.shape)
        linear.weight.data = torch.from_numpy(W.T.copy())
        linear.bias.data = torch.from_numpy(b.copy())
        layers += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(torch.nn.Flatten(), *layers[:-1], torch.nn.Softmax(1))


# --- architecture -------------------------------------------------------------


def test_architecture_is_that_of_the_estimator(digits):
    mlp = MLPClassifier((50, 40), activation="tanh")  # not fitted
    read = NTKCompressor(estimator=mlp, random_state=0, eps=0.5).fit(digits[0])
    named = NTKCompressor((50, 40), "tanh", random_state=0, eps=0.5).fit(digits[0])
    np.testing.assert_array_equal(read.codes(digits[1]), named.codes(digits[1]))
    wide = NTKCompressor(estimator=mlp, widen=3, eps=0.5).fit(digits[0])
    assert [spec.n_outputs for spec in wide.network_.layers] == [150, 120]


@pytest.mark.parametrize("wrap", [FrozenEstimator, torch_of, lambda mlp: mlp])
def test_all_ways_to_give_a_network_are_the_same(digits, mlp, compressed, wrap):
    again = clone(compressed).set_params(estimator=wrap(mlp))
    again.fit(digits[0], digits[2])
    np.testing.assert_array_equal(
        again.decision_function(digits[1]), compressed.decision_function(digits[1])
    )


def test_weights_are_those_of_the_fit():
    X = np.random.default_rng(0).normal(size=(40, 5))
    mlp = MLPRegressor(hidden_layer_sizes=(7, 6), max_iter=2)
    fit_briefly(mlp, X, X[:, 0])
    mlp.set_params(hidden_layer_sizes=(3, 3, 3))  # without effect before the next fit
    found = architecture(None, None, mlp, widen=2)
    assert found.sizes == [14, 12]
    assert len(found.activations) == 2
    np.testing.assert_allclose(found.reference.outputs(X)[:, 0], mlp.predict(X))
    for mine, theirs in zip(found.reference.weights, mlp.coefs_, strict=True):
        assert mine is theirs  # not a copy


def test_torch_activations():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    for layer, tolerance in [
        (nn.ReLU(), 0),
        (nn.LeakyReLU(0.2), 1e-6),
        (nn.GELU(), 1e-6),
        (nn.GELU(approximate="tanh"), 1e-6),
        (nn.Sequential(nn.Dropout(), nn.ReLU()), 0),
        (nn.SiLU(), 1e-6),
        (nn.ELU(0.7), 1e-6),
        (nn.Softplus(2.0), 1e-6),
        (nn.Tanh(), 1e-6),
        (nn.Sigmoid(), 1e-6),
    ]:
        model = nn.Sequential(nn.Linear(5, 7), layer, nn.Dropout(), nn.Linear(7, 3))
        X = np.random.default_rng(0).normal(size=(4, 5))
        expected = model.eval()(torch.tensor(X, dtype=torch.float32)).detach().numpy()
        found = read_network(model).outputs(X)
        np.testing.assert_allclose(found, expected, atol=1e-5 + tolerance)


def test_torch_is_not_imported_for_others(digits, monkeypatch):
    asked = []

    class Watch(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path, target=None):
            if name.partition(".")[0] == "torch":
                asked.append(name)
                raise ModuleNotFoundError(name)

    for name in [each for each in sys.modules if each.partition(".")[0] == "torch"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Watch(), *sys.meta_path])
    NTKCompressor(estimator=MLPClassifier((20,))).fit(digits[0][:50])
    with pytest.raises(TypeError, match=r"or a torch.nn.Sequential, got \[\]"):
        NTKCompressor(estimator=[]).fit(digits[0][:50])
    assert not asked
    assert not [each for each in sys.modules if each.partition(".")[0] == "torch"]


# --- fitted weights -------------------------------------------------------------


def test_ternarise_keeps_the_largest():
    rng = np.random.default_rng(0)
    W = rng.normal(size=(20, 6))
    weights = ternarise(W, 0.75)
    for o in range(6):
        n_plus = weights.n_plus[o]
        plus, minus = weights.indices[o, :n_plus], weights.indices[o, n_plus:]
        assert (W[plus, o] > 0).all()
        assert (W[minus, o] < 0).all()
        assert (np.diff(plus) > 0).all()
        assert (np.diff(minus) > 0).all()
        kept = np.sort(np.abs(W[weights.indices[o], o]))
        np.testing.assert_array_equal(kept, np.sort(np.abs(W[:, o]))[-5:])


def test_fitted_weights_are_the_estimators(mlp, compressed):
    network = compressed.network_
    for spec, W in zip(network.layers, mlp.coefs_, strict=False):
        assert spec.weights is not None
        assert spec.n_nonzeros == round(0.3 * len(W))
        assert spec.thresholds.shape == (spec.n_outputs, 7)
        assert (np.diff(spec.thresholds, axis=1) >= 0).all()
    first = ternarise(mlp.coefs_[0], 0.7)
    np.testing.assert_array_equal(network.layers[0].weights.indices, first.indices)


def test_fitted_weights_beat_random_ones_of_the_same_size(digits, mlp):
    X_train, X_test, y_train, y_test = digits
    scores = {
        hidden: CompressedMLPClassifier(
            estimator=mlp,
            hidden_weights=hidden,
            eps=0.5,
            readout_layers="all",
            random_state=0,
        )
        .fit(X_train, y_train)
        .score(X_test, y_test)
        for hidden in ("random", "fitted")
    }
    assert scores["fitted"] > scores["random"]
    assert scores["fitted"] > 0.95


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_every_activation_of_mlp(digits, activation):
    X_train, X_test, y_train, y_test = digits
    mlp = MLPClassifier((60,), activation=activation, max_iter=30, random_state=0)
    fit_briefly(mlp, X_train, y_train)
    clf = CompressedMLPClassifier(
        estimator=mlp, hidden_weights="fitted", eps=0.5, random_state=0
    )
    fit_briefly(clf, X_train, y_train)
    assert clf.score(X_test, y_test) > 0.85


def test_dead_neurons_and_sparse_input(digits, mlp):
    dead = pickle.loads(pickle.dumps(mlp))
    dead.coefs_[0][:, :5] = 0
    dead.intercepts_[0][:5] = -1
    options = {"hidden_weights": "fitted", "eps": 0.5, "random_state": 0}
    dense = NTKCompressor(estimator=dead, **options).fit(digits[0])
    again = NTKCompressor(estimator=dead, **options).fit(sparse.csr_array(digits[0]))
    np.testing.assert_array_equal(dense.codes(digits[1]), again.codes(digits[1]))
    first = dense.network_.layers[0]
    assert (first.thresholds[:5] >= first.thresholds.max()).all()


def test_model_file_of_fitted_weights(digits, compressed, tmp_path):
    compressed.save(tmp_path / "model")
    loaded = sklearn_lossless.load(tmp_path / "model")
    np.testing.assert_array_equal(
        loaded.decision_function(digits[1]), compressed.decision_function(digits[1])
    )


# --- teacher ----------------------------------------------------------------------


@pytest.mark.parametrize("target", ["teacher", "both"])
@pytest.mark.parametrize("hidden_weights", ["random", "fitted"])
def test_the_readout_follows_the_teacher(digits, mlp, target, hidden_weights):
    X_train, X_test, y_train, y_test = digits
    clf = CompressedMLPClassifier(
        estimator=mlp,
        target=target,
        hidden_weights=hidden_weights,
        widen=1 if hidden_weights == "fitted" else 10,
        eps=0.5,
        random_state=0,
    ).fit(X_train, y_train)
    agrees = np.mean(clf.predict(X_train) == mlp.predict(X_train))
    assert clf.teacher_agreement_ == pytest.approx(agrees)
    assert clf.teacher_agreement_ > 0.95
    assert clf.score(X_test, y_test) > 0.93
    proba = clf.predict_proba(X_test)
    np.testing.assert_allclose(proba.sum(axis=1), 1)


@pytest.mark.parametrize("readout", ["ridge", "logistic"])
def test_a_teacher_needs_no_labels(digits, mlp, readout):
    clf = CompressedMLPClassifier(
        estimator=mlp, target="teacher", widen=5, eps=0.5, readout=readout, alpha=0.01
    ).fit(digits[0])
    np.testing.assert_array_equal(clf.classes_, mlp.classes_)
    assert np.mean(clf.predict(digits[1]) == mlp.predict(digits[1])) > 0.9
    other = clone(clf).set_params(estimator=mlp, random_state=0)
    a = other.fit(digits[0], np.zeros_like(digits[2])).decision_function(digits[1])
    b = other.fit(digits[0]).decision_function(digits[1])
    np.testing.assert_array_equal(a, b)  # of labels only the names are looked at


def test_binary_teacher_and_torch_teacher(digits):
    X, y = digits[0], np.where(digits[2] > 4, "high", "low")
    mlp = fit_briefly(MLPClassifier((40,), max_iter=60, random_state=0), X, y)
    options = {"target": "teacher", "widen": 10, "eps": 0.5, "random_state": 0}
    clf = CompressedMLPClassifier(estimator=mlp, **options).fit(X)
    assert clf.teacher_agreement_ > 0.95
    assert set(clf.predict(X)) == {"high", "low"}
    torch = pytest.importorskip("torch")
    net = torch_of(mlp)
    linear = torch.nn.Linear(40, 2)
    W = torch.from_numpy(np.hstack([-mlp.coefs_[1], mlp.coefs_[1]]).T / 2)
    linear.weight.data = W.contiguous()
    b = float(mlp.intercepts_[1][0]) / 2
    linear.bias.data = torch.tensor([-b, b], dtype=torch.float64)
    two = torch.nn.Sequential(*list(net)[:3], linear)
    again = CompressedMLPClassifier(estimator=two, **options).fit(X)
    np.testing.assert_array_equal(again.classes_, [0, 1])
    np.testing.assert_allclose(
        again.decision_function(X), clf.decision_function(X), atol=1e-8
    )


@pytest.mark.parametrize("readout", ["ridge", "logistic", LogisticRegression()])
def test_a_class_that_the_teacher_never_names(digits, mlp, readout):
    X = digits[0][mlp.predict(digits[0]) != 3]
    clf = CompressedMLPClassifier(
        estimator=mlp, target="teacher", widen=5, readout=readout, random_state=0
    ).fit(X)
    taught = mlp.predict(X)
    assert np.mean(clf.predict(X) == taught) == pytest.approx(clf.teacher_agreement_)
    assert clf.teacher_agreement_ > 0.9
    assert clf.predict_proba(X).shape == (len(X), len(clf.classes_))
    assert (3 in clf.classes_) == (readout == "ridge")


def test_a_regressor_learns_what_its_teacher_puts_out(digits):
    X = digits[0] / 16
    teacher = MLPRegressor(
        "poisson", hidden_layer_sizes=(30,), solver="lbfgs", max_iter=50, random_state=0
    )
    fit_briefly(teacher, X, digits[2] + 1.0)
    options = {"target": "teacher", "widen": 30, "eps": 0.5, "random_state": 0}
    student = CompressedMLPRegressor(estimator=teacher, **options).fit(X)
    taught = teacher.predict(X)
    assert np.corrcoef(student.predict(X), taught)[0, 1] > 0.97
    assert student.predict(X).mean() == pytest.approx(taught.mean())


def test_a_batch_does_not_have_a_teacher(digits, mlp):
    clf = CompressedMLPClassifier(estimator=mlp, target="teacher")
    with pytest.raises(ValueError, match="target='teacher' needs all samples at once"):
        clf.partial_fit(digits[0], digits[2], classes=np.unique(digits[2]))


@pytest.mark.parametrize(
    "parameters", [{"target": "teacher"}, {"hidden_weights": "fitted"}]
)
def test_names_of_features_have_to_be_the_teachers(digits, parameters):
    X = pd.DataFrame(digits[0][:300]).add_prefix("p")
    named = MLPClassifier((20,), max_iter=3, random_state=0)
    fit_briefly(named, X, digits[2][:300])
    clf = CompressedMLPClassifier(estimator=named, random_state=0, **parameters)
    clf.fit(X, digits[2][:300])
    with pytest.raises(ValueError, match="feature 0 of X is 'p63', but .* 'p0' there"):
        clf.fit(X[X.columns[::-1]], digits[2][:300])
    clone(clf).set_params(estimator=named).fit(digits[0][:300], digits[2][:300])


def test_agreement_and_accuracy_are_of_the_last_fit(digits, mlp):
    X, y = digits[0], digits[2]
    clf = CompressedMLPClassifier(estimator=mlp, target="both", random_state=0)
    clf.fit(X, y)
    assert clf.training_accuracy_ == pytest.approx(clf.score(X, y))
    clf.set_params(target="teacher").fit(X)
    assert not hasattr(clf, "training_accuracy_")
    clf.set_params(target="labels", hidden_weights="random").fit(X, y)
    assert not hasattr(clf, "teacher_agreement_")


def test_weights_that_are_not_finite(digits, mlp):
    broken = deepcopy(mlp)
    broken.coefs_[0][0, 0] = np.nan
    clf = CompressedMLPClassifier(estimator=broken, target="teacher")
    with pytest.raises(ValueError, match="weights that are not finite"):
        clf.fit(digits[0])


def test_regressor_follows_its_teacher(regressor):
    teacher, X, y = regressor
    reg = CompressedMLPRegressor(
        estimator=teacher, target="teacher", widen=20, eps=0.2, random_state=0
    )
    found, taught = reg.fit(X).predict(X), teacher.predict(X)
    assert reg.teacher_agreement_ == pytest.approx(r2_score(taught, found))
    assert reg.teacher_agreement_ > 0.94
    assert not hasattr(reg, "training_r2_")
    both = reg.set_params(target="both").fit(X, y).predict(X)
    assert both.shape == y.shape
    assert reg.teacher_agreement_ == pytest.approx(r2_score(taught, both))
    assert reg.training_r2_ == pytest.approx(r2_score(y, both))
    reg.set_params(target="labels", hidden_weights="random").fit(X, y)
    assert not hasattr(reg, "teacher_agreement_")


def test_rows_without_weight_do_not_calibrate_fitted_layers(digits, mlp):
    X = digits[0]
    weight = (np.arange(len(X)) % 3 > 0) * 1.0
    options = {"estimator": mlp, "hidden_weights": "fitted", "random_state": 0}
    weighted = NTKCompressor(**options).fit(X, sample_weight=weight)
    kept = NTKCompressor(**options).fit(X[weight > 0])
    np.testing.assert_array_equal(weighted.codes(X), kept.codes(X))


def test_rows_without_weight_do_not_scale_the_teacher(digits, mlp):
    X, y = digits[0].copy(), digits[2]
    kept = np.arange(len(X)) % 2 == 0
    X[~kept] *= 3
    options = {"estimator": mlp, "target": "both", "alpha": 0.01, "random_state": 0}
    weighted = CompressedMLPClassifier(**options).fit(X, y, kept * 1.0)
    alone = CompressedMLPClassifier(**options).fit(X[kept], y[kept])
    assert weighted.teacher_agreement_ == pytest.approx(
        alone.teacher_agreement_, abs=0.02
    )
    size = np.abs(alone.decision_function(X[kept])).max()
    difference = weighted.decision_function(X[kept]) - alone.decision_function(X[kept])
    assert np.abs(difference).max() < 0.1 * size


def test_a_network_from_a_file_is_asked_for(digits, compressed, tmp_path):
    compressed.save(tmp_path / "m")
    loaded = sklearn_lossless.load(tmp_path / "m")
    with pytest.raises(TypeError, match=r"set_params\(estimator=...\) first"):
        loaded.fit(digits[0], digits[2])


@pytest.mark.parametrize("weighted", [False, True])
def test_a_teacher_of_parts(digits, mlp, weighted):
    X = np.tile(digits[0], (4, 1))  # more rows than pass at once
    weight = np.random.default_rng(0).random(len(X)) if weighted else None
    teacher = read_teacher(mlp, "teacher", classifier=True, n_features=64)
    scores = teacher.scores(X)
    np.testing.assert_allclose(scores.sum(axis=1), 0, atol=1e-12)
    squares = np.mean(scores**2, axis=1)
    cuts = [0, 0, 10, 4500, len(X)]  # one part has no rows
    parts = [slice(*pair) for pair in itertools.pairwise(cuts)]
    joined = np.concatenate([teacher.scores(X[rows]) for rows in parts])
    np.testing.assert_allclose(joined, scores, rtol=1e-12, atol=1e-12)
    total, n = sum(
        sum_squares(scores[rows], None if weight is None else weight[rows])
        for rows in parts
    )
    assert total / n == pytest.approx(np.average(squares, weights=weight), rel=1e-14)


@pytest.mark.parametrize("hidden_weights", ["random", "fitted"])
def test_a_fit_reads_the_network_once(digits, mlp, monkeypatch, hidden_weights):
    read = []

    def counted(estimator):
        read.append(estimator)
        return read_network(estimator)

    monkeypatch.setattr(architecture_module, "read_network", counted)
    clf = CompressedMLPClassifier(
        estimator=mlp, hidden_weights=hidden_weights, target="both", alpha=0.01
    )
    clf.fit(digits[0], digits[2])
    assert read == [mlp]


def test_a_teacher_may_be_read_already(mlp):
    reference = read_network(mlp)
    teacher = read_teacher(reference, "both", classifier=True, n_features=64)
    assert teacher.reference is reference


# --- bad input ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"estimator": "mlp"}, TypeError, "must be an MLPClassifier"),
        ({"hidden_weights": "fitted"}, ValueError, "got estimator=None"),
        (
            {"estimator": MLPClassifier((9,)), "hidden_weights": "fitted"},
            NotFittedError,
            "MLPClassifier is not fitted",
        ),
        ({"estimator": MLPClassifier((9,)), "widen": 0}, ValueError, "'widen'"),
        ({"target": "teacher"}, ValueError, "needs a fitted estimator, got"),
    ],
)
def test_bad_parameters(digits, parameters, error, message):
    with pytest.raises(error, match=message):
        CompressedMLPClassifier(**parameters).fit(digits[0], digits[2])


def test_bad_teachers(digits, mlp, regressor):
    X, y = digits[0], digits[2]
    clf = CompressedMLPClassifier(estimator=mlp, target="teacher", eps=0.5, widen=2)
    clf.fit(X, y)
    before = clf.predict(X)
    with pytest.raises(ValueError, match="estimator MLPClassifier was fitted with 64"):
        clf.fit(X[:, :32], y)
    with pytest.raises(ValueError, match="does not know: array"):
        clf.fit(X, y + 5)
    with pytest.raises(ValueError, match="needs readout='ridge'"):
        clone(clf).set_params(estimator=mlp, target="both", readout="logistic").fit(
            X, y
        )
    with pytest.raises(ValueError, match="is a regressor, expected a classifier"):
        clone(clf).set_params(estimator=regressor[0]).fit(X[:, :10], y)
    with pytest.raises(ValueError, match="widen=2 cannot be used"):
        clone(clf).set_params(estimator=mlp, hidden_weights="fitted").fit(X, y)
    np.testing.assert_array_equal(clf.predict(X), before)


def test_bad_torch_layers():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    X = np.random.default_rng(0).random((20, 9))
    for layers, message in [
        (
            [nn.Linear(9, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)],
            r"layer BatchNorm1d, at \[1\] of",
        ),
        (
            [nn.Sequential(nn.Linear(9, 4), nn.Softsign()), nn.Linear(4, 2)],
            r"layer Softsign, at \[0\]\[1\] of",
        ),
        (
            [nn.Linear(9, 4), nn.ReLU(), nn.Linear(5, 2)],
            r"Linear layer at \[2\] .* takes 5 inputs",
        ),
        ([nn.Conv1d(1, 2, 3), nn.ReLU(), nn.Linear(2, 2)], "layer Conv1d"),
        ([nn.Linear(9, 2)], "at least one hidden layer"),
        ([nn.Linear(9, 4), nn.ReLU()], "a Linear one at the end"),
    ]:
        with pytest.raises(ValueError, match=message):
            NTKCompressor(estimator=nn.Sequential(*layers)).fit(X)


# --- what counts ----------------------------------------------------------------------


ESTIMATORS = [NTKCompressor, CompressedMLPClassifier, CompressedMLPRegressor]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_trained_weights_are_not_thrown_away_silently(digits, mlp, estimator):
    X, y = digits[0][:300], digits[2][:300]
    with pytest.warns(UserWarning, match="weights of the fitted MLPClassifier are not"):
        estimator(estimator=mlp, eps=0.5, random_state=0).fit(X, y)
    for quiet in (
        {"hidden_weights": "random"},
        {"hidden_weights": "fitted"},
        {"estimator": MLPClassifier((20,))},
    ):
        estimator(**{"estimator": mlp, "eps": 0.5, **quiet}).fit(X, y)


def test_a_teacher_is_used(digits, mlp):
    CompressedMLPClassifier(estimator=mlp, target="teacher", eps=0.5).fit(digits[0])


def test_weights_of_torch_are_not_thrown_away_silently(digits):
    nn = pytest.importorskip("torch.nn")
    net = nn.Sequential(nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, 10))
    with pytest.warns(UserWarning, match="weights of the fitted Sequential are not"):
        NTKCompressor(estimator=net, eps=0.5).fit(digits[0][:300])


def test_the_warning_comes_once_in_a_stream(digits, mlp):
    X, y = digits[0][:300], digits[2][:300]
    clf = CompressedMLPClassifier(estimator=mlp, eps=0.5)
    with pytest.warns(UserWarning, match="are not used"):
        clf.partial_fit(X, y, classes=range(10))
    clf.partial_fit(X, y)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(
    "ignored", [{"hidden_layer_sizes": (30,)}, {"activation": "tanh"}]
)
def test_parameters_that_the_network_overrides_are_named(
    digits, mlp, estimator, ignored
):
    X, y = digits[0][:300], digits[2][:300]
    options = {"estimator": mlp, "hidden_weights": "random", "eps": 0.5}
    with pytest.warns(UserWarning, match="=.*: ignored beside"):
        estimator(**options, **ignored).fit(X, y)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_widen_needs_a_network(digits, estimator):
    with pytest.raises(ValueError, match="widen=2 is a factor of the widths of estim"):
        estimator(widen=2).fit(digits[0], digits[2])


@pytest.mark.parametrize("estimator", ESTIMATORS[1:])
def test_parameters_that_a_fitted_compressor_overrides_are_named(digits, estimator):
    X, y = digits[0][:300], digits[2][:300]
    compressor = NTKCompressor((50,), random_state=0).fit(X)
    estimator(estimator=compressor).fit(X, y)
    with pytest.warns(UserWarning, match="eps=0.5, n_levels=4: ignored beside"):
        estimator(estimator=compressor, eps=0.5, n_levels=4, alpha=1.0).fit(X, y)


@pytest.mark.parametrize(
    "parameters", [{"hidden_weights": "fitted"}, {"target": "teacher"}]
)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_copies_of_networks_lead_to_frozen_estimators(
    digits, mlp, estimator, parameters
):
    X, y = digits[0][:300], digits[2][:300]
    regressor = MLPRegressor(hidden_layer_sizes=(20,), max_iter=20, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        regressor.fit(X, y)
    network = regressor if estimator is CompressedMLPRegressor else mlp
    if estimator is NTKCompressor:
        if "target" in parameters:
            pytest.skip("compressors have no target")
        model = make_pipeline(NTKCompressor(eps=0.5, **parameters), Ridge())
        place = "ntkcompressor__estimator"
    else:
        model, place = estimator(eps=0.5, **parameters), "estimator"
    for copying in (
        lambda model: cross_val_score(model, X, y, error_score="raise", cv=3),
        lambda model: GridSearchCV(model, {}, error_score="raise", cv=3).fit(X, y),
        lambda model: BaggingRegressor(model, 2).fit(X, y),
    ):
        with pytest.raises(NotFittedError, match="put it into a FrozenEstimator"):
            copying(clone(model).set_params(**{place: network}))
        copying(clone(model).set_params(**{place: FrozenEstimator(network)}))
