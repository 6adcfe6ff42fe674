"""Dask arrays: the same model as from arrays in memory, on a real cluster too."""

import os
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import r2_score
from sklearn.neural_network import MLPClassifier, MLPRegressor

from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
)
from sklearn_lossless.readout import logistic

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")

CHUNKS = [(1797, 64), (300, 64), (500, 30), ((1, 1000, 796), 64)]


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)


@pytest.fixture(autouse=True)
def one_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture
def client():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def classifier(**parameters):
    return CompressedMLPClassifier((100,), **{"random_state": 0, **parameters})


def assert_same(model, expected, X, rtol=1e-8):
    np.testing.assert_array_equal(
        model.network_.forward(X), expected.network_.forward(X)
    )
    tolerance = {"rtol": rtol, "atol": rtol * np.abs(expected.readout_.coef_).max()}
    np.testing.assert_allclose(
        model.readout_.coef_, expected.readout_.coef_, **tolerance
    )
    np.testing.assert_allclose(
        model.readout_.intercept_, expected.readout_.intercept_, rtol=rtol
    )
    np.testing.assert_allclose(model.loo_losses_, expected.loo_losses_, rtol=1e-4)
    assert model.alpha_ == pytest.approx(expected.alpha_, rel=1e-8)
    assert model.n_features_in_ == expected.n_features_in_


# --- the same model -------------------------------------------------------------------


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("alpha", [None, 0.01])
def test_classifier(digits, chunks, alpha):
    X, y = digits
    names = np.array([f"digit {i}" for i in range(10)])[y]
    expected = classifier(alpha=alpha).fit(X, names)
    X_dask = da.from_array(X, chunks=chunks)
    clf = classifier(alpha=alpha).fit(X_dask, da.from_array(names, chunks=700))
    assert_same(clf, expected, X)
    assert clf.temperature_ == pytest.approx(expected.temperature_, rel=1e-4)
    np.testing.assert_array_equal(clf.classes_, expected.classes_)
    np.testing.assert_array_equal(clf.predict(X), expected.predict(X))


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 2.0}])
def test_weights(digits, class_weight):
    X, y = digits
    y = (y > 6).astype(int)
    weight = np.random.default_rng(0).integers(0, 3, len(X))
    expected = classifier(class_weight=class_weight).fit(X, y, weight)
    clf = classifier(class_weight=class_weight)
    clf.fit(da.from_array(X, chunks=(400, 64)), y, weight)
    assert_same(clf, expected, X)
    assert clf.temperature_ == pytest.approx(expected.temperature_, rel=1e-4)


@pytest.mark.parametrize("n_targets", [None, 1, 2])
def test_regressor(n_targets):
    X, y = load_diabetes(return_X_y=True)
    if n_targets:
        y = np.column_stack([y, -y])[:, :n_targets]
    parameters = {"eps": 0.5, "random_state": 0}
    expected = CompressedMLPRegressor((100,), **parameters).fit(X, y)
    reg = CompressedMLPRegressor((100,), **parameters)
    reg.fit(da.from_array(X, chunks=(150, 3)), da.from_array(y, chunks=-1))
    assert reg.readout_.coef_.shape == expected.readout_.coef_.shape
    assert_same(reg, expected, X)


def test_hidden_layers_do_not_depend_on_chunks(digits):
    X = digits[0].astype(np.float32) + np.float32(0.1)
    expected = NTKCompressor((50,), random_state=0).fit(X)
    for chunks in CHUNKS:
        compressor = NTKCompressor((50,), random_state=0)
        compressor.fit(da.from_array(X, chunks=chunks))
        a, b = compressor.network_, expected.network_
        assert a.quantizer.inv_step == b.quantizer.inv_step
        np.testing.assert_array_equal(a.quantizer.shift, b.quantizer.shift)
        np.testing.assert_array_equal(a.layers[0].thresholds, b.layers[0].thresholds)


def test_sparse_chunks_and_unknown_lengths(digits):
    X, y = digits
    expected = classifier(alpha=0.01).fit(X, y)
    X_dask = da.from_array(X, chunks=(600, 64)).map_blocks(sparse.csr_array)
    assert_same(classifier(alpha=0.01).fit(X_dask, y), expected, X)
    odd = y % 2 == 1
    expected = classifier(alpha=0.01).fit(X[odd], y[odd])
    X_dask, mask = da.from_array(X, chunks=(600, 64)), da.from_array(odd, chunks=600)
    clf = classifier(alpha=0.01).fit(X_dask[mask], da.from_array(y, chunks=600)[mask])
    assert_same(clf, expected, X)


@pytest.mark.parametrize("n_targets", [None, 1, 2])
def test_chunks_without_rows(n_targets):
    X, y = load_diabetes(return_X_y=True)
    if n_targets:
        y = np.column_stack([y, -y])[:, :n_targets]
    chunks = (200, 0, 242)
    parameters = {"eps": 0.5, "alpha": 0.1, "random_state": 0}
    expected = CompressedMLPRegressor((60,), **parameters).fit(X, y)
    reg = CompressedMLPRegressor((60,), **parameters)
    reg.fit(da.from_array(X, chunks=(chunks, 10)), da.from_array(y, chunks=-1))
    assert_same(reg, expected, X)


def test_some_chunks_are_sparse(digits):
    X, y = digits
    chunks = [da.from_array(X[:900], chunks=(900, 64))]
    rest = da.from_array(X[900:], chunks=(897, 64))
    chunks += [rest.map_blocks(sparse.csr_array, dtype=X.dtype, meta=X[:0])]
    clf = classifier(alpha=0.01).fit(da.concatenate(chunks), y)
    assert_same(clf, classifier(alpha=0.01).fit(X, y), X)


# --- what was once for memory only ---------------------------------------------------


def test_fewer_samples_than_features(digits):
    X, y = digits[0][:150], digits[1][:150]
    expected = CompressedMLPClassifier((300,), random_state=0).fit(X, y)
    clf = CompressedMLPClassifier((300,), random_state=0)
    clf.fit(da.from_array(X, chunks=(60, 64)), da.from_array(y, chunks=60))
    np.testing.assert_array_equal(clf.readout_.coef_, expected.readout_.coef_)
    assert clf.temperature_ == expected.temperature_


@pytest.mark.parametrize("dense_bytes", [2**28, 0])
@pytest.mark.parametrize("n_classes", [2, 10])
def test_logistic(digits, monkeypatch, n_classes, dense_bytes):
    monkeypatch.setattr(logistic, "_DENSE_BYTES", dense_bytes)
    X, y = digits[0], digits[1] % n_classes
    weight = 1.0 + (y == 1)
    expected = classifier(readout="logistic").fit(X, y, weight)
    clf = classifier(readout="logistic")
    clf.fit(da.from_array(X, chunks=(500, 64)), da.from_array(y, chunks=300), weight)
    assert clf.alpha_ == expected.alpha_
    np.testing.assert_array_equal(clf.readout_.classes_, np.arange(n_classes))
    # The solver stops at another place near the minimum where it rounds otherwise.
    difference = clf.predict_proba(X) - expected.predict_proba(X)
    assert np.abs(difference).max() < (0.03 if dense_bytes == 0 else 1e-9)


@pytest.fixture(scope="module")
def mlp(digits):
    mlp = MLPClassifier((40, 30), max_iter=15, random_state=0)
    return quietly(mlp.fit, *digits)


def quietly(fit, *arrays):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return fit(*arrays)


@pytest.mark.parametrize("target", ["teacher", "both"])
@pytest.mark.parametrize("readout", ["ridge", "logistic"])
def test_teachers(digits, mlp, target, readout):
    if target == "both" and readout == "logistic":
        pytest.skip("takes labels only")
    X, y = digits
    parameters = {"estimator": mlp, "widen": 3, "target": target, "readout": readout}
    parameters |= {"alpha": 0.01, "random_state": 0}
    expected = CompressedMLPClassifier(**parameters).fit(X, y)
    clf = CompressedMLPClassifier(**parameters)
    clf.fit(da.from_array(X, chunks=(500, 64)), da.from_array(y, chunks=300))
    tolerance = {"atol": 1e-6 * np.abs(expected.readout_.coef_).max()}
    np.testing.assert_allclose(clf.readout_.coef_, expected.readout_.coef_, **tolerance)
    assert clf.teacher_agreement_ == pytest.approx(expected.teacher_agreement_)
    assert clf.training_accuracy_ == pytest.approx(expected.training_accuracy_)
    if target == "teacher":
        clf.fit(da.from_array(X, chunks=(500, 64)))
        assert clf.teacher_agreement_ == pytest.approx(expected.teacher_agreement_)
        assert not hasattr(clf, "training_accuracy_")


def test_teacher_of_a_regressor():
    X, y = load_diabetes(return_X_y=True)
    X, y = X / X.std(axis=0), y / y.std()
    mlp = quietly(
        MLPRegressor(hidden_layer_sizes=(30,), max_iter=40, random_state=0).fit, X, y
    )
    parameters = {"estimator": mlp, "widen": 4, "target": "both", "eps": 0.5}
    expected = CompressedMLPRegressor(**parameters, random_state=0).fit(X, y)
    weight = np.ones(len(X))
    for fitted in (
        CompressedMLPRegressor(**parameters, random_state=0).fit(
            da.from_array(X, chunks=(150, 10)), y
        ),
        CompressedMLPRegressor(**parameters, random_state=0).fit(X, y, weight),
    ):
        assert_same(fitted, expected, X)
        outputs = mlp.predict(X)
        assert fitted.teacher_agreement_ == pytest.approx(
            r2_score(outputs, fitted.predict(X))
        )
        assert fitted.training_r2_ == pytest.approx(r2_score(y, fitted.predict(X)))


def test_fitted_weights(digits, mlp):
    X, y = digits
    parameters = {"estimator": mlp, "hidden_weights": "fitted", "eps": 0.5}
    expected = CompressedMLPClassifier(**parameters).fit(X, y)
    clf = CompressedMLPClassifier(**parameters)
    clf.fit(da.from_array(X, chunks=(500, 64)), da.from_array(y, chunks=300))
    assert_same(clf, expected, X)


def test_duplicate_entries_of_sparse_chunks_are_summed(digits):
    X, y = digits
    twice = sparse.csr_array(X / 2)
    twice = sparse.csr_array(
        (
            np.repeat(twice.data, 2),
            np.repeat(twice.indices, 2),
            2 * twice.indptr,
        ),
        X.shape,
    )
    assert not twice.has_canonical_format
    expected = classifier(alpha=0.01).fit(X, y)
    chunks = da.from_array(X, chunks=(600, 64)).map_blocks(
        lambda block, block_info=None: twice[
            slice(*block_info[0]["array-location"][0])
        ],
        meta=twice[:0],
    )
    clf = classifier(alpha=0.01).fit(chunks, y)
    assert_same(clf, expected, X)
    np.testing.assert_array_equal(clf.network_.forward(twice), clf.network_.forward(X))


def test_duplicate_entries_of_sparse_chunks_are_summed_in_their_type(digits):
    X = np.tile(digits[0][:90].astype(np.int8), 2)
    twice = sparse.csr_array(X)
    twice.indices %= 64
    twice = sparse.csr_array((4 * twice.data, twice.indices, twice.indptr), (90, 64))
    expected = NTKCompressor((20,), eps=0.5, random_state=0).fit(twice.toarray())
    chunks = da.from_array(digits[0][:90], chunks=(30, 64)).map_blocks(
        lambda block, block_info=None: twice[
            slice(*block_info[0]["array-location"][0])
        ],
        meta=twice[:0],
    )
    compressor = NTKCompressor((20,), eps=0.5, random_state=0).fit(chunks)
    assert twice.toarray().min() < 0  # 4 * 16 + 4 * 16 is no int8
    np.testing.assert_array_equal(compressor.codes(twice), expected.codes(twice))


# --- lazy predictions -----------------------------------------------------------------


@pytest.mark.parametrize("online", [False, True])
@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_predictions_are_lazy(digits, method, online):
    X, y = digits
    clf = classifier()
    clf = clf.partial_fit(X, y, classes=range(10)) if online else clf.fit(X, y)
    computed = []

    def load(block):
        computed.append(len(block))
        return block

    X_dask = da.from_array(X, chunks=(600, 40)).map_blocks(load, meta=X[:0])
    lazy = getattr(clf, method)(X_dask)
    assert isinstance(lazy, da.Array)
    assert not computed
    expected = getattr(clf, method)(X)
    assert (lazy.shape, lazy.dtype) == (expected.shape, expected.dtype)
    assert lazy.chunks[0] == (600, 600, 597)
    np.testing.assert_array_equal(lazy.compute(), expected)


def test_features_and_codes_are_lazy(digits):
    X = digits[0].astype(np.float32)
    compressor = NTKCompressor((30,), random_state=0).fit(X)
    X_dask = da.from_array(X, chunks=(600, 64))
    for method in (compressor.transform, compressor.codes):
        lazy, expected = method(X_dask), method(X)
        assert (lazy.shape, lazy.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_array_equal(lazy.compute(), expected)
    some = X_dask[X_dask[:, 20] > 8]  # of unknown length
    expected = compressor.codes(X[X[:, 20] > 8])
    np.testing.assert_array_equal(compressor.codes(some).compute(), expected)


# --- a cluster ------------------------------------------------------------------------


def kill_once(block, counter, at):
    """Kill the process that computes the block for the time number `at`."""
    with open(counter, "a") as file:
        file.write(f"{os.getpid()}\n")
    if len(counter.read_text().split()) == at:
        os.kill(os.getpid(), signal.SIGKILL)
    return block


def test_cluster(client, digits):
    X, y = digits
    expected = classifier().fit(X, y)
    with dask.config.set(scheduler=client):
        X_dask = da.from_array(X, chunks=(250, 64))
        clf = classifier().fit(X_dask, da.from_array(y, chunks=250))
        assert_same(clf, expected, X)
        predicted = clf.predict(X_dask).compute()
    np.testing.assert_array_equal(predicted, expected.predict(X))


@pytest.mark.parametrize("at", [2, 6])
def test_a_killed_worker_changes_nothing(client, digits, tmp_path, at):
    X, y = digits
    workers = {str(pid) for pid in client.run(os.getpid).values()}
    counter = tmp_path / "times"
    parts = [
        da.from_array(X[:1000], chunks=(250, 64)),
        da.from_array(X[1000:1200], chunks=(200, 64)).map_blocks(
            kill_once, counter, at, meta=X[:0]
        ),
        da.from_array(X[1200:], chunks=(250, 64)),
    ]
    with dask.config.set(scheduler=client):
        clf = classifier().fit(da.concatenate(parts), da.from_array(y, chunks=250))
    killed, *others = counter.read_text().split()[at - 1 :]
    assert killed in workers
    assert others
    assert killed not in others
    assert_same(clf, classifier().fit(X, y), X)


# --- bad input ------------------------------------------------------------------------


def wrong_width(X):
    blocks = [dask.delayed(X[:900]), dask.delayed(X[900:, 1:])]
    lengths = (900, len(X) - 900)
    return da.concatenate(
        [
            da.from_delayed(block, (length, 64), X.dtype)
            for block, length in zip(blocks, lengths, strict=True)
        ]
    )


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (lambda X, y: (wrong_width(X), y), "A chunk of X has 63 features.*has 64"),
        (lambda X, y: (da.from_array(X), y[1:]), "inconsistent numbers.*1797, 1796"),
        (lambda X, y: (da.from_array(X)[:, 0], y), "Expected 2D array"),
        (lambda X, y: (da.from_array(X * np.nan), y), "NaN"),
        (lambda X, y: (da.ones(X.shape), y), "X is constant"),
        (lambda X, y: (da.from_array(X), 0 * y), "only one class"),
        (lambda X, y: (da.from_array(X), y + 0.5), "Unknown label type"),
    ],
)
def test_bad_input_loses_nothing(digits, bad, match):
    X, y = digits
    clf = classifier(alpha=0.01).fit(X, y)
    before = clf.predict_proba(X)
    with pytest.raises(ValueError, match=match):
        clf.fit(*bad(X, y))
    np.testing.assert_array_equal(clf.predict_proba(X), before)


def test_a_chunk_without_weight(digits):
    X, y = digits
    weight = np.ones(len(X))
    weight[:600] = 0
    expected = classifier(alpha=0.01).fit(X, y, weight)
    clf = classifier(alpha=0.01).fit(da.from_array(X, chunks=(600, 64)), y, weight)
    assert_same(clf, expected, X)


def test_given_hidden_layers(digits):
    X, y = digits
    X_dask = da.from_array(X, chunks=(500, 64))
    compressor = NTKCompressor((100,), random_state=0).fit(X_dask)
    clf = CompressedMLPClassifier(estimator=compressor).fit(X_dask, y)
    assert clf.network_ is compressor.network_
    assert_same(clf, CompressedMLPClassifier(estimator=compressor).fit(X, y), X)


def test_arrays_of_the_user_stay_as_they_are(digits):
    X, y = digits
    X_dask = da.from_array(X, chunks=(500, 64))
    unknown = X_dask[X_dask[:, 0] >= 0]
    classifier().fit(unknown, y)
    assert np.isnan(unknown.shape[0])


def test_bad_calls(digits):
    X, y = digits
    X_dask = da.from_array(X)
    with pytest.raises(ValueError, match="needs targets for dask arrays, got y=None"):
        classifier().fit(X_dask)
    with pytest.raises(ValueError, match="one value for each of 1797 samples"):
        classifier().fit(X_dask, 3.0)
    given = NTKCompressor((50,), random_state=0).fit(X)
    for Estimator in (CompressedMLPClassifier, CompressedMLPRegressor):
        with pytest.raises(ValueError, match="zero for every sample"):
            Estimator(estimator=given).fit(X_dask, y, np.zeros(len(X)))
    with pytest.raises(ValueError, match="0 sample"):
        classifier().fit(X_dask[:0], y[:0])
    with pytest.raises(TypeError, match="partial_fit takes batches in memory"):
        classifier().partial_fit(X_dask, y, classes=np.arange(10))
    with pytest.raises(ValueError, match="'ridge' or 'logistic'.*got readout=Ridge"):
        classifier(readout=RidgeClassifier()).fit(X_dask, y)
    with pytest.raises(TypeError, match="X must be a dask array.*ndarray"):
        classifier().fit(X, da.from_array(y))
    with pytest.raises(NotFittedError):
        classifier().predict(X_dask)
    clf = classifier().fit(X, y)
    with pytest.raises(ValueError, match="X has 63 features.*expecting 64"):
        clf.predict(X_dask[:, 1:])


def test_dask_is_not_imported_without_need():
    code = (
        "import sys, numpy as np\n"
        "from sklearn_lossless import CompressedMLPRegressor as R\n"
        "X = np.random.default_rng(0).normal(size=(50, 40))\n"
        "R((10,)).fit(X, X[:, 0]).predict(X)\n"
        "assert 'dask' not in sys.modules, 'dask'\n"
    )
    with warnings.catch_warnings():
        subprocess.run([sys.executable, "-c", code], check=True)
