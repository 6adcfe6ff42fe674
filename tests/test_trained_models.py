"""Trained estimators predict the same bits as copies, files, C and ONNX."""

import copy
import functools
import pickle

import numpy as np
import pytest
from c_program import compile_program, needs_gcc, run_program
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
    load,
)
from sklearn_lossless.export import integer_readout, to_c, to_onnx

# Two levels cannot match all moments.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

TRAINED = {"hidden_weights": "trained", "max_iter": 6, "eps": 0.5, "random_state": 0}

#: Estimator, its parameters, and what its targets are.
MODELS = {
    "one layer": (CompressedMLPClassifier, {}, "labels"),
    "two layers": (
        CompressedMLPClassifier,
        {"hidden_layer_sizes": (30, 20)},
        "labels",
    ),
    "all layers": (
        CompressedMLPClassifier,
        {"hidden_layer_sizes": (30, 20), "readout_layers": "all"},
        "labels",
    ),
    "ridge": (
        CompressedMLPClassifier,
        {"hidden_layer_sizes": (30, 20), "readout": "ridge"},
        "labels",
    ),
    "logistic": (CompressedMLPClassifier, {"readout": "logistic"}, "labels"),
    "early stopping": (
        CompressedMLPClassifier,
        {"hidden_layer_sizes": (30, 20), "early_stopping": True},
        "labels",
    ),
    "two classes": (CompressedMLPClassifier, {}, "two labels"),
    "texts": (CompressedMLPClassifier, {"class_weight": "balanced"}, "texts"),
    "levels": (
        CompressedMLPClassifier,
        {
            "hidden_layer_sizes": (30, 20),
            "n_levels": (4, 16),
            "eps": (0.2, 0.8),
            "activation": ("tanh", "abs"),
            "input_bits": 4,
        },
        "labels",
    ),
    "two levels": (
        CompressedMLPClassifier,
        {"hidden_layer_sizes": (30, 20), "n_levels": 2},
        "labels",
    ),
    "far off": (
        CompressedMLPClassifier,
        {"hidden_layer_sizes": (30, 20), "learning_rate_init": 3.0},
        "labels",
    ),
    "one number": (CompressedMLPRegressor, {}, "numbers"),
    "two numbers": (
        CompressedMLPRegressor,
        {"hidden_layer_sizes": (30, 20), "early_stopping": True},
        "pairs",
    ),
    "compressor": (NTKCompressor, {"hidden_layer_sizes": (30, 20)}, "labels"),
    "compressor of numbers": (NTKCompressor, {"early_stopping": True}, "numbers"),
}


@functools.cache
def digits(targets):
    X, y = load_digits(return_X_y=True)
    X_test = np.concatenate([X[500:700], 3 * X[700:720] - 20])  # also out of range
    y = {
        "labels": y,
        "two labels": y > 4,
        "texts": np.array([f"digit {each}" for each in y]),
        "numbers": y + X[:, 20] / 10,
        "pairs": np.column_stack([y + X[:, 20] / 10, 1e6 - y]),
    }[targets]
    return X[:500], y[:500], X_test


@functools.cache
def fitted(name):
    Estimator, parameters, targets = MODELS[name]
    X, y, _ = digits(targets)
    return Estimator(**{"hidden_layer_sizes": 30, **TRAINED, **parameters}).fit(X, y)


def outputs(est, X):
    """All that an estimator says of `X`, codes included."""
    methods = ("transform", "predict", "decision_function", "predict_proba")
    said = {name: getattr(est, name)(X) for name in methods if hasattr(est, name)}
    return {"codes": est.network_.forward(X), **said}


def assert_same_outputs(found, est, X):
    found, expected = outputs(found, X), outputs(est, X)
    assert list(found) == list(expected)
    for name, values in expected.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values, err_msg=name)


@pytest.fixture(params=MODELS)
def model(request):
    """A trained estimator and rows that it has not seen."""
    return fitted(request.param), digits(MODELS[request.param][2])[2]


def test_copies_predict_the_same(model):
    est, X = model
    for other in (pickle.loads(pickle.dumps(est)), copy.copy(est), copy.deepcopy(est)):
        assert_same_outputs(other, est, X)
        assert other.loss_curve_ == est.loss_curve_
        assert other.n_iter_ == est.n_iter_


def test_clones_are_not_fitted_and_train_the_same(model, request):
    est, X = model
    name = request.node.callspec.params["model"]
    other = clone(est)
    assert not hasattr(other, "network_")
    assert not hasattr(other, "n_iter_")
    assert_same_outputs(other.fit(*digits(MODELS[name][2])[:2]), est, X)


def test_loaded_models_predict_the_same(model, tmp_path):
    est, X = model
    est.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert_same_outputs(loaded, est, X)
    assert repr(loaded.get_params()) == repr(est.get_params())
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()
    assert loaded.size_report()["file"] == (tmp_path / "model").stat().st_size


def test_loaded_models_can_be_trained_again(model, request, tmp_path):
    est, X = model
    est.save(tmp_path / "model")
    name = request.node.callspec.params["model"]
    loaded = load(tmp_path / "model").fit(*digits(MODELS[name][2])[:2])
    assert_same_outputs(loaded, est, X)
    assert loaded.loss_curve_ == est.loss_curve_


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "int4"])
def test_files_of_few_bits_have_the_same_codes(dtype, tmp_path):
    est, (X, y, _) = fitted("two layers"), digits("labels")
    est.save(tmp_path / "model", readout_dtype=dtype)
    loaded = load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.network_.forward(X), est.network_.forward(X))
    assert loaded.score(X, y) > est.score(X, y) - 0.05


@needs_gcc
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("weights", ["table", "seed"])
def test_c_predicts_the_same(model, tmp_path, weights, packed):
    est, X = model
    options = {"weights": weights, "packed": packed}
    source, header = to_c(est, tmp_path / "model.c", name="model", **options)
    compile_program(source, tmp_path / "program")
    found = run_program(tmp_path / "program", header, X)
    codes = est.network_.forward(X)
    np.testing.assert_array_equal(found.codes, codes)
    if isinstance(est, NTKCompressor):
        return
    readout = integer_readout(est)
    sums = codes.astype(np.int64) @ readout.weights
    expected = sums * readout.factor + readout.offset
    np.testing.assert_array_equal(found.scores, expected)
    if isinstance(est, CompressedMLPClassifier):
        np.testing.assert_array_equal(est.classes_[found.labels], est.predict(X))


@needs_gcc
def test_c_in_floating_point_has_the_same_scores(model, tmp_path):
    est, X = model
    if isinstance(est, NTKCompressor):
        pytest.skip("no readout")
    source, header = to_c(est, tmp_path / "model.c", name="model", readout="float")
    compile_program(source, tmp_path / "program")
    found = run_program(tmp_path / "program", header, X)
    is_classifier = isinstance(est, CompressedMLPClassifier)
    expected = est.decision_function(X) if is_classifier else est.predict(X)
    np.testing.assert_array_equal(found.scores, expected.reshape(len(X), -1))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_onnx_predicts_the_same(model, dtype):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    est, X = model
    X = X.astype(dtype)
    graph = to_onnx(est, input_dtype=dtype)
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(None, {"X": X}), strict=True))
    np.testing.assert_array_equal(found["codes"], est.network_.forward(X))
    if isinstance(est, NTKCompressor):
        features = est.transform(X.astype(np.float64))
        np.testing.assert_array_equal(found["features"], features)
    elif isinstance(est, CompressedMLPRegressor):
        np.testing.assert_array_equal(found["prediction"], est.predict(X))
    else:
        scores = est.decision_function(X).reshape(len(X), -1)
        np.testing.assert_array_equal(found["scores"], scores)
        assert found["label"].tolist() == est.predict(X).tolist()
        proba = est.predict_proba(X)
        np.testing.assert_allclose(found["probabilities"], proba, atol=1e-12)


def test_exports_of_a_loaded_model_are_the_same(model, tmp_path):
    est, _ = model
    est.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    texts = []
    for each in (est, loaded):
        paths = to_c(each, tmp_path / "model.c", name="model")
        texts.append([path.read_text() for path in paths])
    assert texts[0] == texts[1]
    pytest.importorskip("onnx")
    assert to_onnx(loaded) == to_onnx(est)


def test_models_trained_from_a_reference_network(tmp_path):
    X, y, X_test = digits("labels")
    mlp = MLPClassifier((20,), max_iter=200, random_state=0, tol=1e-2).fit(X, y)
    est = CompressedMLPClassifier(estimator=mlp, target="both", **TRAINED).fit(X, y)
    est.save(tmp_path / "model")
    assert_same_outputs(load(tmp_path / "model"), est, X_test)
    assert_same_outputs(pickle.loads(pickle.dumps(est)), est, X_test)


def test_models_after_partial_fit(tmp_path):
    X, y, X_test = digits("labels")
    est = CompressedMLPClassifier(30, **TRAINED)
    est.partial_fit(X[:300], y[:300], classes=range(10)).partial_fit(X[300:], y[300:])
    est.save(tmp_path / "model")
    assert_same_outputs(load(tmp_path / "model"), est, X_test)
    assert_same_outputs(pickle.loads(pickle.dumps(est)), est, X_test)


@pytest.mark.parametrize("readout", ["ridge", "logistic"])
def test_readouts_of_a_trained_compressor(readout, tmp_path):
    X, y, X_test = digits("labels")
    compressor = fitted("compressor")
    est = CompressedMLPClassifier(estimator=compressor, readout=readout).fit(X, y)
    np.testing.assert_array_equal(
        est.compressor_.codes(X_test), compressor.codes(X_test)
    )
    est.save(tmp_path / "model")
    assert_same_outputs(load(tmp_path / "model"), est, X_test)
    assert_same_outputs(pickle.loads(pickle.dumps(est)), est, X_test)


def test_own_readouts_are_pickled_but_not_saved(tmp_path):
    X, y, X_test = digits("labels")
    readout = LogisticRegression(max_iter=1000)
    est = CompressedMLPClassifier(30, readout=readout, **TRAINED).fit(X, y)
    assert_same_outputs(pickle.loads(pickle.dumps(est)), est, X_test)
    with pytest.raises(ValueError, match="Only the readouts 'ridge' and 'logistic'"):
        est.save(tmp_path / "model")
