"""Model files: what is kept, how small it is, and what happens to damaged ones."""

import collections
import copy
import dataclasses
import errno
import functools
import json
import math
import os
import pickle
import resource
import signal
import socket
import stat
import struct
import subprocess
import sys
import tracemalloc
import warnings
import zipfile
import zlib
from pathlib import Path

import joblib
import large_models
import mutations
import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from ridge import with_readout
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import RidgeClassifier
from sklearn.neural_network import MLPClassifier

import sklearn_lossless
from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
    load,
)
from sklearn_lossless.export import NotRestored, _coding, _container, _files, _weights
from sklearn_lossless.export._kinds import Kind
from sklearn_lossless.export.archive import TRAINING, from_bytes, save, to_bytes
from sklearn_lossless.network import (
    Addition,
    Convolution,
    Dense,
    Pooling,
    Quantizer,
    ScaledQuantizer,
    TernaryWeights,
    ThresholdQuantizer,
    ternary_weights,
)
from sklearn_lossless.network.memory import prediction_bytes
from sklearn_lossless.training import Options

DTYPES = ["float64", "float32", "float16", "int8", "int4"]
RNG = np.random.default_rng(0)
X = RNG.integers(0, 17, size=(300, 30)).astype(float)
LABELS = RNG.integers(0, 3, size=300) + (X[:, 0] > 8)
HIDDEN = {"hidden_layer_sizes": (25, 20), "eps": 0.5, "random_state": 7}
DATA = Path(__file__).parent / "data"


def classifier(y=LABELS, **parameters):
    return CompressedMLPClassifier(**{**HIDDEN, **parameters}).fit(X, y)


def with_stored_weights(estimator, n_nonzeros=6, seed=3):
    """Give the first layer weights and thresholds per neuron of its own, no centre."""
    network = estimator.network_
    spec = network.layers[0]
    weights = ternary_weights(seed, 0, spec.n_inputs, spec.n_outputs, n_nonzeros)
    factor = np.random.default_rng(seed).integers(1, 9, size=(spec.n_outputs, 1))
    spec = dataclasses.replace(
        spec,
        n_nonzeros=n_nonzeros,
        thresholds=spec.thresholds * factor // 8,
        centre=np.zeros(1, dtype=np.int64),
        weights=weights,
    )
    network = dataclasses.replace(network, layers=(spec, *network.layers[1:]))
    for each in {estimator, getattr(estimator, "compressor_", estimator)}:
        each.network_ = network
    return estimator


MODELS = {
    "compressor": lambda: NTKCompressor(**HIDDEN).fit(X),
    "compressor_all": lambda: NTKCompressor(**HIDDEN, readout_layers="all").fit(X),
    "ints": classifier,
    "bools": lambda: classifier(X[:, 0] > 8),
    "floats": lambda: classifier(LABELS - 2.0),
    "strings": lambda: classifier(np.array(["no", "yes", "β", "maybe"])[LABELS]),
    "objects": lambda: classifier(
        np.array(["one", "two", "three", ""], dtype=object)[LABELS]
    ),
    "logistic": lambda: classifier(readout="logistic", alpha=0.1),
    "logistic_binary": lambda: classifier(X[:, 0] > 8, readout="logistic", alpha=0.1),
    "paper": lambda: classifier(n_levels=2, input_bits=3, class_weight={0: 1, 1: 2.5}),
    "all_layers": lambda: classifier(readout_layers="all", n_levels=16),
    "regressor": lambda: CompressedMLPRegressor(**HIDDEN).fit(X, X[:, 0]),
    "targets": lambda: CompressedMLPRegressor(**HIDDEN).fit(
        X, X[:, :3] * [1, 1e-5, 1e7]
    ),
    "per_layer": lambda: classifier(eps=(0.8, 0.5), n_levels=[8, 4]),
    "stored_weights": lambda: with_stored_weights(classifier()),
    "trained": lambda: classifier(hidden_weights="trained", max_iter=2),
    "table": lambda: classifier(
        input_encoding="thresholds",
        n_thresholds=5,
        categorical_features=[1, 4],
        max_categories=6,
    ),
    "trained_table": lambda: classifier(
        input_encoding="thresholds", hidden_weights="trained", max_iter=2
    ),
}


@pytest.fixture(scope="module")
def models():
    with warnings.catch_warnings():
        # Two levels do not match all moments, and say so.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return {name: make() for name, make in MODELS.items()}


def outputs(estimator):
    """Everything that a fitted estimator puts out."""
    methods = ["codes", "transform", "predict", "decision_function", "predict_proba"]
    return {
        name: getattr(estimator, name)(X)
        for name in methods
        if hasattr(estimator, name)
    }


@pytest.mark.parametrize("name", MODELS)
def test_nothing_changes(models, name, tmp_path):
    saved = models[name]
    saved.save(tmp_path / "model.lnn")
    loaded = load(tmp_path / "model.lnn")
    assert type(loaded) is type(saved)
    assert loaded.get_params() == saved.get_params()
    for method, expected in outputs(saved).items():
        found = outputs(loaded)[method]
        assert found.dtype.kind == expected.dtype.kind
        np.testing.assert_array_equal(found, expected, method)
    assert loaded.n_features_in_ == saved.n_features_in_
    assert loaded.scale_ == saved.scale_
    assert str(loaded.matching_) == str(saved.matching_)
    assert loaded.matching_.tau == saved.matching_.tau
    assert loaded.matching_.unmet() == saved.matching_.unmet()
    for kernels in zip(loaded.matching_.alphas, saved.matching_.alphas, strict=True):
        np.testing.assert_array_equal(*kernels)
    cell = 1 / saved.network_.quantizer.inv_step
    if name.startswith("trained"):
        assert np.isnan(loaded.mean_).all()
    else:
        np.testing.assert_allclose(loaded.mean_, saved.mean_, atol=cell / 256)
    for attribute in ("classes_", "alpha_", "temperature_"):
        assert hasattr(loaded, attribute) == hasattr(saved, attribute)
        if hasattr(saved, attribute):
            expected = getattr(saved, attribute)
            np.testing.assert_array_equal(getattr(loaded, attribute), expected)
            assert np.shape(getattr(loaded, attribute)) == np.shape(expected)


@pytest.mark.parametrize("many", [tuple, list, np.array])
def test_values_per_layer(many):
    saved = NTKCompressor((9, 7), eps=many([0.5, 0.0]), n_levels=many([8, 4])).fit(X)
    params = from_bytes(to_bytes(saved)).get_params()
    kind = tuple if many is tuple else list
    assert params["eps"] == kind([0.5, 0.0])
    assert params["n_levels"] == kind([8, 4])
    assert {type(each) for each in params["eps"]} == {float}
    assert {type(each) for each in params["n_levels"]} == {int}


@pytest.mark.parametrize("name", MODELS)
def test_the_same_network(models, name):
    saved = models[name].network_
    loaded = from_bytes(to_bytes(models[name])).network_
    assert loaded.seed == saved.seed
    assert loaded.readout_layers == saved.readout_layers
    for found, expected in zip(
        loaded.quantizer.key(), saved.quantizer.key(), strict=True
    ):
        np.testing.assert_array_equal(found[0], expected[0])
    for ours, theirs in zip(loaded.layers, saved.layers, strict=True):
        for field in dataclasses.fields(ours):
            found, expected = getattr(ours, field.name), getattr(theirs, field.name)
            if field.name == "weights" and expected is not None:
                for array, other in zip(found, expected, strict=True):
                    assert array.dtype == other.dtype
                    np.testing.assert_array_equal(array, other)
                continue
            np.testing.assert_array_equal(found, expected)
            if isinstance(expected, np.ndarray):
                assert found.dtype == expected.dtype


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("readout_dtype", DTYPES)
def test_saving_again_gives_the_same_file(models, name, readout_dtype):
    data = to_bytes(models[name], readout_dtype)
    loaded = from_bytes(data)
    assert to_bytes(loaded, readout_dtype) == data
    assert to_bytes(pickle.loads(pickle.dumps(loaded)), readout_dtype) == data


def test_a_loaded_estimator_can_be_fitted_again(models):
    again = clone(from_bytes(to_bytes(models["ints"]))).fit(X, LABELS)
    np.testing.assert_array_equal(
        again.decision_function(X), models["ints"].decision_function(X)
    )


def test_mean_where_the_first_layer_has_no_centre():
    mlp = MLPClassifier((25, 20), max_iter=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mlp.fit(X, LABELS)
    saved = CompressedMLPClassifier(
        estimator=mlp, hidden_weights="fitted", eps=0.5, random_state=7
    ).fit(X, LABELS)
    data = to_bytes(saved)
    loaded = from_bytes(data)
    cell = 1 / saved.network_.quantizer.inv_step
    for each in (loaded, loaded.compressor_):
        np.testing.assert_allclose(each.mean_, saved.mean_, atol=cell / 256)
    assert to_bytes(loaded) == data
    # Versions that do not know the section read all else.
    header, sections = mutations.split(data)
    assert sections.pop()[0] == b"mean"
    older = from_bytes(mutations.joined(header, sections))
    np.testing.assert_array_equal(older.predict(X), saved.predict(X))
    assert np.isnan(older.mean_).all()


def test_files_of_drawn_weights_have_no_section_mean(models):
    for name in MODELS:
        tags = [tag for tag, _ in mutations.split(to_bytes(models[name]))[1]]
        assert (b"mean" in tags) == (name == "stored_weights")


def test_derived_classes_are_not_saved():
    class Derived(NTKCompressor):
        pass

    with pytest.raises(TypeError, match=r"NTKCompressor, .* can be saved, got Derived"):
        to_bytes(Derived(**HIDDEN).fit(X))


def test_feature_names_and_output_names():
    frame = pd.DataFrame(X, columns=[f"käse\n{i}" for i in range(X.shape[1])])
    saved = NTKCompressor(**HIDDEN).fit(frame)
    loaded = from_bytes(to_bytes(saved))
    assert list(loaded.feature_names_in_) == list(frame)
    assert list(loaded.get_feature_names_out()) == list(saved.get_feature_names_out())
    np.testing.assert_array_equal(loaded.transform(frame), saved.transform(frame))
    with pytest.raises(ValueError, match="feature names"):
        loaded.transform(frame.iloc[:, ::-1])


@pytest.mark.parametrize(
    ("readout_dtype", "bits", "error"),
    [("float32", 32, 2**-24), ("float16", 16, 2**-11), ("int8", 8, 1 / 200)]
    + [("int4", 4, 1 / 8)],
)
def test_readout_types(models, readout_dtype, bits, error):
    for name in ("ints", "bools", "all_layers", "targets", "logistic"):
        saved = models[name]
        loaded = from_bytes(to_bytes(saved, readout_dtype))
        largest = np.abs(saved.readout_.coef_).max(axis=-1, keepdims=True)
        root_mean_square = np.sqrt(
            np.mean((loaded.readout_.coef_ - saved.readout_.coef_) ** 2)
        )
        assert root_mean_square < error * largest.max()
        np.testing.assert_array_equal(
            loaded.readout_.intercept_, saved.readout_.intercept_
        )
        sections = [
            dict(mutations.split(to_bytes(saved, dtype))[1])[b"READ"]
            for dtype in ("float64", readout_dtype)
        ]
        saving = len(sections[0]) - len(sections[1])
        scales = 4 * len(saved.readout_.coef_) if bits <= 16 else 0
        assert saving == saved.readout_.coef_.size * (64 - bits) // 8 - scales


@pytest.mark.parametrize(("readout_dtype", "top"), [("int8", 127), ("int4", 7)])
@pytest.mark.parametrize("name", ["ints", "all_layers", "targets"])
def test_integer_readouts_score_in_exact_integers(models, name, readout_dtype, top):
    # The weights of the codes are whole numbers times a scale of 24 bits.
    loaded = from_bytes(to_bytes(models[name], readout_dtype))
    offset, step_size = loaded.compressor_.code_line_
    weights = loaded.readout_.coef_ * step_size
    scales = np.float32(np.abs(weights).max(axis=1) / top).astype(float)
    whole = np.rint(weights / scales[:, None])
    assert np.abs(whole).max(axis=1).tolist() == [top] * len(whole)
    np.testing.assert_allclose(weights, whole * scales[:, None], rtol=1e-15)
    codes = loaded.network_.forward(X)
    sums = codes.astype(int) @ whole.T.astype(int)
    constant = loaded.readout_.intercept_ + loaded.readout_.coef_ @ offset
    scores = getattr(loaded, "decision_function", loaded.predict)(X)
    np.testing.assert_allclose(
        scores - constant, sums * scales, rtol=0, atol=1e-7 * np.abs(constant).max()
    )
    # Without the constant no bit is lost.
    exact = scores - scores[0] if name != "targets" else None
    if exact is not None:
        np.testing.assert_allclose(
            exact, (sums - sums[0]) * scales, rtol=0, atol=1e-14 * np.abs(scores).max()
        )


def test_int8_serves_on_digits():
    images, digits = load_digits(return_X_y=True)
    saved = CompressedMLPClassifier((500,), eps=0.8, random_state=0)
    saved.fit(images[:1300], digits[:1300])
    loaded = from_bytes(to_bytes(saved, "int8"))
    agreement = (loaded.predict(images[1300:]) == saved.predict(images[1300:])).mean()
    assert agreement > 0.99
    # The readout has 5,000 weights, the dense network 37,000.
    assert len(to_bytes(saved, "int8")) < 5000 + 1500


def test_sequences_are_kept():
    saved = CompressedMLPClassifier(
        range(20, 24, 2),
        eps=pd.Series([0.5, 0.25]),
        n_jobs=np.int64(1),
        random_state=0,
    ).fit(X, LABELS)
    params = from_bytes(to_bytes(saved)).get_params()
    assert params["hidden_layer_sizes"] == [20, 22]
    assert params["eps"] == [0.5, 0.25]
    assert params["n_jobs"] == 1


def test_parameters_that_are_not_plain():
    def leaky(t):
        return np.maximum(t, 0.1 * t)

    saved = NTKCompressor(
        np.array([25, 20]),
        [leaky, "relu"],
        random_state=np.random.RandomState(0),
        eps=np.float64(0.5),
    ).fit(X)
    loaded = from_bytes(to_bytes(saved))
    np.testing.assert_array_equal(loaded.codes(X), saved.codes(X))
    np.testing.assert_array_equal(loaded.transform(X), saved.transform(X))
    assert loaded.hidden_layer_sizes == [25, 20]
    assert loaded.eps == 0.5
    assert loaded.activation == [NotRestored("the function leaky"), "relu"]
    assert repr(loaded.random_state) == "NotRestored('the RandomState')"
    assert loaded.matching_.layers[0].activation == "leaky"
    assert to_bytes(loaded) == to_bytes(saved)
    with pytest.raises(ValueError, match="random_state.*NotRestored"):
        clone(loaded).fit(X)
    loaded.set_params(random_state=0)
    with pytest.raises(ValueError, match=r"does not hold the function leaky.*set_par"):
        loaded.fit(X)
    loaded.set_params(activation=[leaky, "relu"]).fit(X)


# Bad input.


def test_unfitted():
    with pytest.raises(NotFittedError, match="not fitted yet"):
        NTKCompressor().save("nowhere")
    with pytest.raises(NotFittedError, match="not fitted yet"):
        CompressedMLPRegressor().save("nowhere")


def test_foreign_readout(tmp_path):
    fitted = classifier(readout=RidgeClassifier())
    with pytest.raises(ValueError, match=r"'ridge' and 'logistic'.*RidgeClassifier"):
        fitted.save(tmp_path / "model.lnn")
    assert not os.listdir(tmp_path)


def test_other_estimators(tmp_path):
    with pytest.raises(TypeError, match=r"NTKCompressor.*RidgeClassifier"):
        save(RidgeClassifier(), tmp_path / "model.lnn")


def test_unknown_readout_type(models, tmp_path):
    with pytest.raises(ValueError, match="'int8'.*got 'int2'"):
        models["ints"].save(tmp_path / "model.lnn", readout_dtype="int2")


@pytest.mark.parametrize("readout_dtype", ["float32", "float16", "int8"])
def test_coefficients_beyond_the_type(models, readout_dtype):
    fitted = with_readout(copy.copy(models["ints"]), coef=lambda coef: coef * 1e60)
    with pytest.raises(ValueError, match=f"readout_dtype='{readout_dtype}' cannot"):
        to_bytes(fitted, readout_dtype)
    np.testing.assert_array_equal(
        from_bytes(to_bytes(fitted)).readout_.coef_, fitted.readout_.coef_
    )


@pytest.mark.parametrize("factor", [0.0, 1e-60])
@pytest.mark.parametrize("readout_dtype", DTYPES)
def test_coefficients_of_next_to_nothing(models, factor, readout_dtype):
    fitted = with_readout(copy.copy(models["ints"]), coef=lambda coef: coef * factor)
    loaded = from_bytes(to_bytes(fitted, readout_dtype))
    np.testing.assert_allclose(loaded.readout_.coef_, fitted.readout_.coef_, atol=1e-30)


def test_class_labels_that_cannot_be_saved():
    fitted = classifier()
    fitted.classes_ = np.array([(0,), (1,), (2,), (3,)], dtype=object)[:, 0]
    with pytest.raises(ValueError, match="Class labels of dtype object"):
        to_bytes(fitted)


def test_what_would_not_load_is_not_written(models, tmp_path):
    broken = from_bytes(to_bytes(models["ints"])).set_params(n_jobs="many")
    with pytest.raises(ValueError, match="cannot be saved.*n_jobs"):
        broken.save(tmp_path / "model.lnn")
    assert not os.listdir(tmp_path)


def test_missing_directory(models, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere.+model\.lnn'$"):
        models["ints"].save(tmp_path / "nowhere" / "model.lnn")


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_full_disk_leaves_the_old_file(models, tmp_path, monkeypatch, step):
    path = tmp_path / "model.lnn"
    models["ints"].save(path)
    old = path.read_bytes()

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, full)
        with pytest.raises(OSError, match="No space left"):
            models["bools"].save(path)
    assert os.listdir(tmp_path) == ["model.lnn"]
    assert path.read_bytes() == old
    models["bools"].save(path)
    assert path.read_bytes() == to_bytes(models["bools"])


def test_a_limit_on_file_size_leaves_the_old_file(models, tmp_path):
    path = tmp_path / "model.lnn"
    models["ints"].save(path, readout_dtype="int4")
    old = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        with pytest.raises(OSError, match="File too large"):
            models["ints"].save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == ["model.lnn"]
    assert path.read_bytes() == old


def test_a_link_stays_a_link(models, tmp_path):
    models["ints"].save(tmp_path / "model.lnn")
    (tmp_path / "link.lnn").symlink_to("model.lnn")
    models["bools"].save(tmp_path / "link.lnn")
    assert (tmp_path / "link.lnn").is_symlink()
    assert (tmp_path / "model.lnn").read_bytes() == to_bytes(models["bools"])


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_saving_again_keeps_the_mode(models, tmp_path, mode):
    path = tmp_path / "model.lnn"
    models["ints"].save(path)
    path.chmod(mode)
    models["bools"].save(path)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_bytes() == to_bytes(models["bools"])


def test_a_new_file_has_the_mode_that_is_asked_for(models, tmp_path):
    before = os.umask(0o027)
    try:
        models["ints"].save(tmp_path / "model.lnn")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "model.lnn").stat().st_mode) == 0o640


def test_a_read_only_file_is_not_replaced(models, tmp_path):
    path = tmp_path / "model.lnn"
    models["ints"].save(path)
    path.chmod(0o444)
    old = path.read_bytes()
    with pytest.raises(PermissionError, match=r"model\.lnn'$"):
        models["bools"].save(path)
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == ["model.lnn"]


def test_a_pipe_stays_a_pipe(models, tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as reader:
        models["ints"].save(path)
        received = reader.communicate(timeout=60)[0]
    assert received == to_bytes(models["ints"])
    assert path.is_fifo()


def test_the_null_device_stays_a_device(models, tmp_path):
    null = tmp_path / "null"
    null.symlink_to("/dev/null")
    models["ints"].save(null)
    assert Path("/dev/null").is_char_device()
    assert null.is_symlink()
    assert os.listdir(tmp_path) == ["null"]


def test_what_is_no_file_is_not_replaced(models, tmp_path):
    folder, path = tmp_path / "folder", tmp_path / "socket"
    folder.mkdir()
    with pytest.raises(IsADirectoryError, match="folder'$"):
        models["ints"].save(folder)
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.bind(str(path))
        with pytest.raises(OSError, match=r"Neither a regular file.*socket'$"):
            models["ints"].save(path)
        assert path.is_socket()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="loop'$"):
        models["ints"].save(tmp_path / "loop")


def test_a_link_to_nothing_yet(models, tmp_path):
    (tmp_path / "link.lnn").symlink_to("later.lnn")
    models["ints"].save(tmp_path / "link.lnn")
    assert (tmp_path / "later.lnn").read_bytes() == to_bytes(models["ints"])
    assert (tmp_path / "link.lnn").is_symlink()


@pytest.mark.parametrize("step", ["fsync", "link", "replace"])
def test_errors_name_the_path_that_was_asked_for(models, tmp_path, monkeypatch, step):
    def denied(*args, **kwargs):
        raise PermissionError(errno.EPERM, "Operation not permitted", "x.part", "y")

    monkeypatch.setattr(os, step, denied)
    path = tmp_path / "model.lnn"
    if step == "link":  # files have a name from the start instead
        models["ints"].save(path)
        assert os.listdir(tmp_path) == ["model.lnn"]
        return
    with pytest.raises(PermissionError) as caught:
        models["ints"].save(path)
    assert caught.value.filename == str(path)
    assert caught.value.filename2 is None
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="files have names here")
def test_a_killed_save_leaves_nothing_behind(models, tmp_path):
    path = tmp_path / "model.lnn"
    models["ints"].save(path)
    old = path.read_bytes()
    killed_when_written = (
        "import os, runpy, signal, sys\n"
        "os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write = runpy.run_path(sys.argv[1])['write']\n"
        "write(sys.argv[2], b'new')\n"
    )
    command = [sys.executable, "-c", killed_when_written, _files.__file__, path]
    assert subprocess.run(command).returncode == -signal.SIGKILL
    assert os.listdir(tmp_path) == ["model.lnn"]
    assert path.read_bytes() == old


def test_file_systems_without_unnamed_files(models, tmp_path, monkeypatch):
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    path = tmp_path / "model.lnn"
    for name in ("ints", "bools"):
        models[name].save(path)
        assert path.read_bytes() == to_bytes(models[name])
    path.chmod(0o600)
    models["ints"].save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["model.lnn"]


# Damaged and hostile files.


def resealed(data, **sections):
    """The file with other sections."""
    header, old = mutations.split(data)
    new = {**dict(old), **{tag.encode(): each for tag, each in sections.items()}}
    return mutations.joined(header, [*new.items()])


def with_meta(data, **changes):
    meta = json.loads(dict(mutations.split(data)[1])[b"META"])
    return resealed(data, META=json.dumps({**meta, **changes}).encode())


def header(data, **changes):
    """The file with other bytes in its header."""
    places = {"magic": 0, "version": 8, "kind": 9, "reserved": 10}
    body = bytearray(data[:-4])
    for name, value in changes.items():
        body[places[name]] = value
    return mutations.sealed(bytes(body))


def integers(values):
    return _coding.pack_integers(np.asarray(values, dtype=np.int64))


def with_first_flags(data, flags):
    """The file with other flags of the first layer."""
    network = dict(mutations.split(data)[1])[b"NETW"]
    reader = _coding.Reader(network, "NETW")
    _, _, n_features, *_ = reader.numbers("BdIQBB")
    _coding.unpack_integers(reader, (n_features,))  # shifts
    place = len(network) - len(reader)
    start, end = network[:place], network[place + 1 :]
    return resealed(data, NETW=start + _coding.pack_numbers("B", flags) + end)


def with_moment(data, value):
    """The file with another value for tau of layer 1."""
    matching = bytearray(dict(mutations.split(data)[1])[b"MTCH"])
    place = 1 + matching[0]  # behind the name
    place += 1 + matching[place] + 8 * (matching[place] - 1) + 1
    matching[place + 16 : place + 24] = struct.pack("<d", value)
    return resealed(data, MTCH=bytes(matching))


HOSTILE = {
    "begins with b'', not": lambda data: b"",
    "begins with b'PK": lambda data: b"PK\3\4" + data[4:],
    "ends before its checksum": lambda data: data[:12],
    "but 2 are left": lambda data: data[:10],
    "checksum does not fit": lambda data: data[:-5] + b"!" + data[-4:],
    "damaged or cut off": lambda data: data[:-1],
    "version is 3; this version .* reads versions 1 and 2": lambda data: header(
        data, version=3
    ),
    "unknown kind 9": lambda data: header(data, kind=9),
    "unknown kind 1, 1": lambda data: header(data, reserved=1),
    "do not suit a CompressedMLPRegressor": lambda data: header(data, kind=2),
    "section b'NEWS' is unknown": lambda data: resealed(data, NEWS=b""),
    "is there twice": lambda data: mutations.joined(
        data[:12], mutations.split(data)[1] * 2
    ),
    "section b'META' is missing": lambda data: mutations.joined(data[:12], []),
    "nested deeper than 16": lambda data: with_meta(
        data,
        params={
            **json.loads(dict(mutations.split(data)[1])[b"META"])["params"],
            "class_weight": functools.reduce(lambda x, _: [x], range(500), []),
        },
    ),
    "section READ: 1 bytes": lambda data: resealed(data, READ=b""),
    "section READ: 4 bytes too many": lambda data: resealed(
        data, READ=dict(mutations.split(data)[1])[b"READ"] + b"1234"
    ),
    "not JSON": lambda data: resealed(data, META=b"{"),
    "not JSON .*recursion": lambda data: resealed(data, META=b"[" * 10**5),
    "params or fitted is missing": lambda data: with_meta(data, params=None),
    "no scale_": lambda data: with_meta(data, fitted={"temperature_": 1.0}),
    "fitted number 'alpha_' is 'x'": lambda data: with_meta(
        data, fitted={"alpha_": "x"}
    ),
    "parameters that this version .* does not know: depth": lambda data: with_meta(
        data, params={"depth": 3}
    ),
    "fitted number 'temperature_' is -1.0": lambda data: with_meta(
        data, fitted={"scale_": 1.0, "temperature_": -1.0}
    ),
    "temperature_ 1e\\+308 is too large": lambda data: with_meta(
        data, fitted={"scale_": 1.0, "temperature_": 1e308}
    ),
    "fitted number 'scale_' is 0.0": lambda data: with_meta(
        data, fitted={"scale_": 0.0, "temperature_": 1.0}
    ),
    "fitted number 'alpha_' is -0.5": lambda data: with_meta(
        data, fitted={"scale_": 1.0, "temperature_": 1.0, "alpha_": -0.5}
    ),
    "'eps' parameter": lambda data: with_meta(data, params={"eps": 7}),
    "eps must be one number, or one per hidden layer": lambda data: with_meta(
        data, params={"hidden_layer_sizes": [25, 20], "eps": [0.5]}
    ),
    "'n_jobs' parameter .* Got 0 instead": lambda data: with_meta(
        data, params={"n_jobs": 0}
    ),
    "parameter 'n_jobs' is NotRestored": lambda data: with_meta(
        data, params={"n_jobs": {"lost": "it"}}
    ),
    "activation must be a name or a callable, got 1": lambda data: with_meta(
        data, params={"activation": [1]}
    ),
    "activation must be .*'swish'": lambda data: with_meta(
        data, params={"activation": "swish"}
    ),
    "estimator must be an MLPClassifier.* got 3": lambda data: with_meta(
        data, params={"estimator": 3}
    ),
    "hidden_layer_sizes must be a positive integer": lambda data: with_meta(
        data, params={"hidden_layer_sizes": []}
    ),
    "parameters: .*'heavy'": lambda data: with_meta(
        data, params={"class_weight": {"dict": [[0, "heavy"]]}}
    ),
    "scores are not finite": lambda data: resealed(
        data,
        READ=_coding.pack_numbers("BBI", 0, 0, 4)
        + np.full(4 * (1 + 20), 1e308).astype("<f8").tobytes(),
    ),
    "moments of layer 1 are not numbers": lambda data: with_moment(data, np.nan),
    "moments of layer 1 are not numbers.": lambda data: with_moment(data, np.inf),
    "the readout is not a name": lambda data: with_meta(
        data, params={"readout": {"lost": "it"}}
    ),
    "value of unknown kind 'eval'": lambda data: with_meta(
        data, params={"eps": {"eval": "1"}}
    ),
    "class labels of type 'object_'": lambda data: with_meta(
        data, classes={"dtype": "object_", "values": [1, 2, 3, 4]}
    ),
    "a class label is not of type str": lambda data: with_meta(
        data, classes={"dtype": "str", "values": [1, 2, 3, 4]}
    ),
    "too many characters": lambda data: with_meta(
        data, classes={"dtype": "str", "values": ["a" * 10**5] + ["b"] * 999}
    ),
    "out of bounds for uint8": lambda data: with_meta(
        data, classes={"dtype": "uint8", "values": [1, 2, 3, 400]}
    ),
    "not in increasing order": lambda data: with_meta(
        data, classes={"dtype": "int8", "values": [1, 2, 3, 3]}
    ),
    "4 scores for 2 classes": lambda data: with_meta(
        data, classes={"dtype": "int8", "values": [1, 2]}
    ),
    "not a list of 30 names": lambda data: resealed(data, name=zlib.compress(b"[]")),
    "a mean code is beyond 65280": lambda data: resealed(
        data, mean=integers([-1] * 30)
    ),
    "a mean code is beyond 65280.": lambda data: resealed(
        data, mean=integers([256 * 255 + 1] * 30)
    ),
    "section mean: 1 bytes too many": lambda data: resealed(
        data, mean=integers([0] * 30) + b"1"
    ),
    "layer 0 has unknown flags 24": lambda data: with_first_flags(data, 24),
    "layer 0 has unknown flags 17": lambda data: with_first_flags(data, 17),
    "layer 0 has unknown flags 32": lambda data: with_first_flags(data, 32),
    "layer 0 has unknown flags 64": lambda data: with_first_flags(data, 64),
    "layer 0 has unknown flags 134": lambda data: with_first_flags(data, 134),
    "a name is not a string": lambda data: resealed(
        data, name=zlib.compress(json.dumps([1] * 30).encode())
    ),
}


def deflated(content):
    """A deflated section, as the container writes it, without its tag."""
    stream = zlib.compressobj(9, wbits=-15, zdict=_container._DICTIONARY)
    stream = stream.compress(content) + stream.flush()
    return _coding.pack_numbers("Q", len(stream) << 1 | 1) + stream


SHORT = {
    "META: a zlib stream is not one of at most 65536": b"META"
    + deflated(b"[" * (2**16 + 1)),
    "META: damaged zlib stream": b"META\x0b\xff\xff\xff\xff\xff",
    "READ: it is deflated": b"READ" + deflated(bytes(99)),
    "an integer does not end": b"META" + b"\xff" * 20,
    "an integer of more than 64 bits": b"META" + b"\xff" * 9 + b"\x7f",
    "section b'META' of 3 bytes is cut off": b"META\6{}",
}


@pytest.mark.parametrize("reason", SHORT)
def test_hostile_sections(models, reason):
    header = to_bytes(models["ints"])[:12]
    with pytest.raises(ValueError, match=reason):
        from_bytes(mutations.sealed(header + SHORT[reason]))


def test_short_files(models):
    """What most files say is not written, and sections may be long as well."""
    data = to_bytes(models["ints"], "int8")
    plain = mutations.joined(*mutations.split(data))
    assert to_bytes(from_bytes(plain), "int8") == data
    assert len(plain) > len(data) + 300
    # Files refer to these bytes: they never change.
    assert zlib.crc32(_container._DICTIONARY) == 3740547341


@pytest.mark.parametrize("reason", HOSTILE)
def test_hostile_files(models, reason):
    data = HOSTILE[reason](to_bytes(models["ints"]))
    with pytest.raises(ValueError, match=reason):
        from_bytes(data)


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("layer 1 has 26 of 25 weights", {"n_nonzeros": 26}),
        ("layer 1 has 0 of 25 weights", {"n_nonzeros": 0}),
        ("layer 1 has 0 neurons", {"n_outputs": 0}),
        ("layer 1 has 1048577 neurons", {"n_outputs": 2**20 + 1}),
        ("layer 1 has levels", {"levels": np.full(8, 16, np.uint8)}),
        ("layer 1 has levels", {"levels": np.zeros(8, np.uint8)}),
        ("thresholds of layer 1 decrease", {"thresholds": -np.arange(7)}),
        ("a threshold is beyond", {"thresholds": np.arange(7) + 2**61}),
        ("a centre is beyond", {"centre": np.array([-(2**33)])}),
        ("layer 1 has a bias scale", {"bias_scale": 2**41}),
    ],
)
def test_networks_that_would_not_run(models, reason, changes):
    model = from_bytes(to_bytes(models["compressor"]))
    first, last = model.network_.layers
    layers = (first, dataclasses.replace(last, **changes))
    model.network_ = dataclasses.replace(model.network_, layers=layers)
    with pytest.raises(ValueError, match=reason):
        to_bytes(model)


def test_an_input_twice():
    model = with_stored_weights(classifier())
    model.network_.layers[0].weights.indices[3] = 5
    with pytest.raises(ValueError, match="one of its inputs twice"):
        to_bytes(model)


def test_later_versions_may_add_sections(models):
    data = to_bytes(models["ints"])
    assert to_bytes(from_bytes(resealed(data, note=b"anything"))) == data


def network_head(n_features, n_layers=1):
    return _coding.pack_numbers("BdIQBB", 8, 1.0, n_features, 0, 0, n_layers)


BOMBS = {
    "features": ("4294967295 features", network_head(2**32 - 1)),
    "zeros": (
        "zlib stream is not one of at most",
        network_head(2**20)
        + _coding.pack_numbers("BBI", 0, 1, 10000)
        + zlib.compress(bytes(2**23))[:10000].ljust(10000),
    ),
    "no stream": (
        "bytes were announced",
        network_head(2**20) + _coding.pack_numbers("BBI", 0, 1, 65535),
    ),
    "thresholds": (
        "integers are announced",
        network_head(1)
        + integers([0])
        + _coding.pack_numbers("BIIqB", 1, 2**20, 1, 0, 255)
        + bytes(range(16)) * 15
        + bytes(15)
        + _coding.pack_numbers("BBI", 0, 1, 255),
    ),
    "weights": (
        "numbers in",
        network_head(2**20)
        + integers(np.zeros(2**20))
        + _coding.pack_numbers("BIIqB", 4, 2**20, 2**20, 0, 2)
        + bytes([0, 1])
        + integers([0])
        + integers([0])
        + _coding.pack_numbers("BI", 0, 2**31)
        + bytes(1000),
    ),
    "nonzeros": (
        "weights that are not 0",
        network_head(2**20)
        + integers(np.zeros(2**20))
        + _coding.pack_numbers("BIIqB", 0, 2**20, 2**20, 0, 2)
        + bytes([0, 1])
        + integers([0])
        + integers([0]),
    ),
    "zero weights": (
        "1099511627776 weights, over",
        network_head(2**20)
        + integers(np.zeros(2**20))
        + _coding.pack_numbers("BIIqB", 0, 2**20, 1, 0, 2)
        + bytes([0, 1])
        + integers([0])
        + integers([0]),
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_forged_sizes_take_no_memory(models, name):
    reason, network = BOMBS[name]
    data = resealed(to_bytes(models["compressor"]), NETW=network)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=reason):
            from_bytes(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # 2**20 features are allowed and take 8 bytes each, some of them for a while.
    assert peak < (80e6 if len(integers(np.zeros(2**20))) < len(network) else 1e6)


def test_forged_names_and_readouts_take_no_memory(models):
    data = to_bytes(models["ints"])
    zeros = zlib.compress(b"[" + b"0," * 2**25, 1)
    huge = _coding.pack_numbers("BBI", 4, 0, 2**32 - 1) + bytes(1000)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="zlib stream is not one of at most"):
            from_bytes(resealed(data, name=zeros))
        with pytest.raises(ValueError, match="bytes were announced"):
            from_bytes(resealed(data, READ=huge))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50e6


def test_names_are_counted_before_they_are_parsed(models):
    data = to_bytes(models["ints"])
    names = zlib.compress(b"[" + b'"",' * (5 * 2**20) + b'""]', 9)
    assert len(names) < 25_000
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="not a list of 30 names"):
            from_bytes(resealed(data, name=names))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 60e6  # the text, twice


@pytest.mark.parametrize("count", [29, 31])
def test_names_that_are_too_few_or_too_many(models, count):
    names = zlib.compress(json.dumps(['a, "b" ]'] * count).encode())
    with pytest.raises(ValueError, match="not a list of 30 names"):
        from_bytes(resealed(to_bytes(models["ints"]), name=names))


#: What a few numbers can ask for: features; neurons, nonzeros, levels of each layer.
LARGE = {
    "many thresholds": (1, (2**17, 1, 255)),
    "many zeros": (2**20, (4096, 1, 2)),
    "many weights": (2**20, (64, 2**20, 2)),
}


@pytest.mark.parametrize("name", list(LARGE)[:2])
def test_small_files_take_what_is_announced(tmp_path, name):
    data = large_models.file_of(*LARGE[name])
    assert len(data) < 4000
    path = tmp_path / "large.lnn"
    path.write_bytes(data)
    command = [sys.executable, large_models.__file__, path, "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    bound = prediction_bytes(load(path).network_)
    assert int(done.stdout) < bound < 2**30


def test_the_caller_sets_how_much_memory_a_model_may_take(tmp_path):
    path = tmp_path / "large.lnn"
    path.write_bytes(large_models.file_of(*LARGE["many weights"]))
    with pytest.raises(
        ValueError, match=r"may take 1,\d+,\d+,\d+ bytes .*max_memory=1,"
    ):
        load(path)
    for enough in (2e9, None):
        assert load(path, max_memory=enough).network_.n_nonzeros == 2**26
    with pytest.raises(ValueError, match="max_memory=10"):
        load(GOLDEN[0], max_memory=10)


#: Files of few bytes, of which most say how long something is.
TINY = {"hidden_layer_sizes": (5, 4), "eps": 0.5, "random_state": 7}
SMALL = {
    "classifier": lambda: CompressedMLPClassifier(**TINY).fit(X[:, :6], LABELS),
    "compressor": lambda: NTKCompressor(**TINY, readout_layers="all").fit(X[:, :6]),
    "regressor": lambda: CompressedMLPRegressor(**TINY).fit(X[:, :6], X[:, :3]),
    "stored_weights": lambda: with_stored_weights(SMALL["classifier"](), n_nonzeros=3),
    "trained": lambda: CompressedMLPClassifier(
        **TINY, hidden_weights="trained", max_iter=2
    ).fit(X[:, :6], LABELS),
    "table": lambda: CompressedMLPClassifier(
        **TINY,
        input_encoding="thresholds",
        n_thresholds=4,
        categorical_features=[1, 4],
        max_categories=3,
    ).fit(X[:, :6], LABELS),
}


@pytest.mark.parametrize("names", [list(SMALL)[:2], list(SMALL)[2:]], ids="-".join)
@pytest.mark.filterwarnings("ignore:X has 6 features:UserWarning")
def test_twenty_thousand_damaged_files(names):
    # Ten thousand twice.
    rng = np.random.default_rng([20000, *map(len, names)])
    files = [to_bytes(SMALL[name](), "int8") for name in names]
    reasons = collections.Counter()
    limit = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + 2**18  # 256 MiB
    for number in range(10000):
        data = mutations.mutated(files[number % len(files)], rng)
        why = mutations.verdict(data, from_bytes, X[:2, :6])
        assert why != "no reason"
        reasons[why.split(": ", 1)[-1][:12]] += 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < limit
    # Not all stumble over the first hurdle, and some are in order.
    assert len(reasons) > 50
    assert 500 < reasons[""] < 5000
    assert reasons["the file: the checksum"[:12]] < 5000


# Arrays.

INT64 = st.integers(-(2**63), 2**63 - 1)


@settings(deadline=None, max_examples=200)
@given(
    hnp.arrays(
        np.int64,
        hnp.array_shapes(min_dims=1, max_dims=2, max_side=12),
        elements=st.one_of(st.integers(-300, 300), INT64),
    )
)
def test_integers_come_back(values):
    reader = _coding.Reader(_coding.pack_integers(values), "integers")
    found = _coding.unpack_integers(reader, values.shape)
    reader.finish()
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, values)


@settings(deadline=None, max_examples=100)
@given(
    seed=st.integers(0, 2**64 - 1),
    n_inputs=st.integers(1, 300),
    n_outputs=st.integers(1, 20),
    share=st.floats(0, 1),
)
def test_weights_come_back(seed, n_inputs, n_outputs, share):
    n_nonzeros = 1 + round(share * (n_inputs - 1))
    weights = ternary_weights(seed, 0, n_inputs, n_outputs, n_nonzeros)
    reader = _coding.Reader(_weights.pack_rice(weights), "weights")
    found = _weights.unpack_rice(reader, n_inputs, n_outputs, n_nonzeros)
    reader.finish()
    for ours, theirs in zip(found[:2], weights[:2], strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype


@pytest.mark.parametrize("eps", [0.5, 0.8, 0.9, 0.99])
def test_weights_take_little_more_than_their_entropy(eps):
    n_inputs, n_outputs = 784, 500
    n_nonzeros = round((1 - eps) * n_inputs)
    weights = ternary_weights(1, 0, n_inputs, n_outputs, n_nonzeros)
    weights = TernaryWeights(*weights[:2], np.zeros(n_outputs, dtype=np.int64))
    # So many neurons there are: places times signs.
    entropy = n_outputs * (math.log2(math.comb(n_inputs, n_nonzeros)) + n_nonzeros)
    bits = 8 * len(_weights.pack_rice(weights))
    assert entropy < bits < 1.04 * entropy


# Other ways to keep a model.


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("tool", [pickle, skops.io])
def test_pickle_and_skops(models, name, tool):
    saved = models[name]
    data = tool.dumps(saved)
    if tool is pickle:
        loaded = pickle.loads(data)
    else:
        trusted = skops.io.get_untrusted_types(data=data)
        assert all(each.startswith("sklearn_lossless.") for each in trusted)
        loaded = skops.io.loads(data, trusted=trusted)
    for method, expected in outputs(saved).items():
        np.testing.assert_array_equal(outputs(loaded)[method], expected)
    assert to_bytes(loaded) == to_bytes(saved)


def test_pickles_hold_the_seed_and_not_the_weights(tmp_path):
    wide = NTKCompressor((3000, 3000), eps=0.8, random_state=0).fit(X)
    wide.transform(X[:2])  # weights are drawn now
    assert wide.network_.n_nonzeros > 1_800_000
    joblib.dump(wide, tmp_path / "wide.joblib")
    assert os.path.getsize(tmp_path / "wide.joblib") < 6000
    assert len(pickle.dumps(wide)) < 6000
    assert len(skops.io.dumps(wide, compression=zipfile.ZIP_DEFLATED)) < 20_000
    assert len(to_bytes(wide)) < 1200


def test_exports():
    assert sklearn_lossless.load is load


# Files of every version of the format.

GOLDEN = sorted(DATA.glob("v*/*.lnn"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: "-".join(path.parts[-2:]))
def test_old_files_load_for_ever(path):
    expected = json.loads((path.parent / "expected.json").read_text())
    rows = expected.get("X")  # of all files of version 1
    expected = expected[path.stem]
    rows = expected.pop("X", rows)
    loaded = load(path)
    assert type(loaded).__name__ == expected.pop("class")
    params = expected.pop("params")
    found = {name: repr(value) for name, value in loaded.get_params().items()}
    assert {name: found[name] for name in params} == params
    if hasattr(loaded, "feature_names_in_"):
        rows = pd.DataFrame(rows, columns=loaded.feature_names_in_)
    else:
        rows = np.array(rows)
    for method, values in expected.items():
        values = np.array(values)
        answer = getattr(loaded, method)(rows)
        if answer.dtype.kind == "f" and values.dtype.kind == "U":
            values = np.vectorize(float.fromhex)(values)
        if method == "predict_proba":  # the exponential is not the same everywhere
            np.testing.assert_allclose(answer, values, rtol=1e-9, atol=1e-12)
        else:
            np.testing.assert_array_equal(answer, values, method)


def test_there_are_old_files_of_each_kind():
    kinds = {type(load(path)) for path in GOLDEN}
    assert kinds == {each.estimator for each in Kind}
    layers = {type(layer) for path in GOLDEN for layer in load(path).network_.layers}
    assert layers == {Dense, Convolution, Pooling, Addition}
    quantizers = {type(load(path).network_.quantizer) for path in GOLDEN}
    assert quantizers == {Quantizer, ThresholdQuantizer, ScaledQuantizer}


def test_parameters_of_training_take_no_room_where_they_are_the_defaults():
    X, y = load_digits(return_X_y=True)
    clf = CompressedMLPClassifier((20,), random_state=0).fit(X, y)
    assert set(TRAINING) == {each.name for each in dataclasses.fields(Options)}
    assert not any(name.encode() in to_bytes(clf) for name in TRAINING)
    assert from_bytes(to_bytes(clf)).get_params() == clf.get_params()
    clf.set_params(max_iter=7, early_stopping=True)
    assert from_bytes(to_bytes(clf)).get_params() == clf.get_params()
