"""Estimators of pictures."""

import io
import re
import shutil
import warnings

import naive
import numpy as np
import pytest
from c_program import GCC, OPTIMISED, SANITIZED, compile_program, needs_gcc, run_program
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import sklearn_lossless
from sklearn_lossless import (
    CompressedCNNClassifier,
    CompressedCNNRegressor,
    Conv2D,
    Dense,
    NTKConvCompressor,
    Pool2D,
    _class_predictions,
)
from sklearn_lossless.export import integer_readout, to_c
from sklearn_lossless.network.build_convolution import _sum_variance
from sklearn_lossless.network.patches import filters_from_patches
from sklearn_lossless.readout.logistic import logistic_readout

needs_clang = pytest.mark.skipif(
    not shutil.which("clang"), reason="clang is not installed"
)

SHALLOW = [Conv2D(20, 4), Pool2D(grid=2)]
PATCHES = [Conv2D(24, (3, 5), weights="patches", padding="same"), Pool2D(3)]
DEEP = [
    Conv2D(9, 3, padding="same"),
    Pool2D(2, kind="max"),
    Conv2D(12, 3, eps=0.7, balanced=False),
    Pool2D(grid=(2, 1)),
    Dense(30, eps=0.5),
    25,
]


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)


@pytest.fixture(scope="module")
def colours():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (300, 9, 7, 3)).astype(np.uint8)
    bright = X.astype(float).mean(axis=(1, 2))
    return X, (bright[:, 0] > bright[:, 1]).astype(int)


@pytest.mark.parametrize("layers", [SHALLOW, PATCHES, DEEP])
def test_codes_are_those_of_the_float_network(digits, layers):
    X, _ = digits
    compressor = NTKConvCompressor((8, 8), layers, random_state=0).fit(X)
    codes = compressor.codes(X[:120])
    np.testing.assert_array_equal(codes, naive.forward(compressor.network_, X[:120]))
    offset, step_size = compressor.code_line_
    np.testing.assert_allclose(
        compressor.transform(X[:120]), offset + step_size * codes, rtol=1e-12
    )


def test_codes_of_colours(colours):
    X, _ = colours
    compressor = NTKConvCompressor((9, 7, 3), DEEP, random_state=0).fit(X)
    rows = X.reshape(len(X), -1)
    expected = naive.forward(compressor.network_, rows)
    np.testing.assert_array_equal(compressor.codes(X), expected)
    np.testing.assert_array_equal(compressor.codes(rows), expected)
    assert compressor.image_shape_ == (9, 7, 3)
    # One quantiser for all places of a channel.
    shift = compressor.network_.quantizer.shift.reshape(63, 3)
    assert (shift == shift[0]).all()
    means = compressor.mean_.reshape(63, 3)
    np.testing.assert_allclose(means[0], X.reshape(-1, 3).mean(axis=0), atol=0.6)


def test_what_features_stand_for(digits):
    """Means over windows of the step's centred values, over the root of the width."""
    X, _ = digits
    fit = NTKConvCompressor((8, 8), SHALLOW, readout_layers="all", random_state=0)
    Z = fit.fit(X).transform(X[:50])
    step = fit.matching_.layers[0].step
    mean = fit.matching_.layers[0].achieved.mean
    codes = fit.codes(X[:50])[:, : 25 * 20].reshape(50, 5, 5, 20)
    values = step.offset + step.scale * codes - mean
    np.testing.assert_allclose(Z[:, :500], values.reshape(50, -1) / np.sqrt(500))
    windows = [values[:, r : r + 3, c : c + 3] for r in (0, 2) for c in (0, 2)]
    means = np.stack([each.mean(axis=(1, 2)) for each in windows], axis=1)
    np.testing.assert_allclose(Z[:, 500:], means.reshape(50, -1) / np.sqrt(80))


def test_accuracy_on_digits(digits):
    X, y = digits
    layers = [Conv2D(60, 4), Pool2D(grid=3)]
    for weights in ("random", "patches"):
        layers[0] = Conv2D(60, 4, weights=weights)
        clf = CompressedCNNClassifier((8, 8), layers, random_state=0)
        assert clf.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.97
    deep = CompressedCNNClassifier((8, 8), DEEP, random_state=0).fit(X[::2], y[::2])
    assert deep.score(X[1::2], y[1::2]) > 0.5
    regressor = CompressedCNNRegressor((8, 8), layers, random_state=0)
    assert regressor.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.8


@pytest.mark.parametrize("layers", [SHALLOW, PATCHES, DEEP])
@pytest.mark.parametrize(
    "kind", [NTKConvCompressor, CompressedCNNClassifier, CompressedCNNRegressor]
)
def test_save_and_load(digits, tmp_path, kind, layers):
    X, y = digits
    est = kind((8, 8), layers, random_state=3).fit(X, y)
    est.save(tmp_path / "a.lnn")
    again = sklearn_lossless.load(tmp_path / "a.lnn")
    assert type(again) is kind
    assert repr(again) == repr(est)
    assert again.hidden_layers == layers
    method = "transform" if kind is NTKConvCompressor else "predict"
    np.testing.assert_array_equal(getattr(again, method)(X), getattr(est, method)(X))
    np.testing.assert_allclose(again.mean_, est.mean_, atol=0.05)
    assert again.image_shape_ == (8, 8, 1)
    assert again.n_iter_ == 1
    again.save(tmp_path / "b.lnn")
    assert (tmp_path / "a.lnn").read_bytes() == (tmp_path / "b.lnn").read_bytes()
    said = "weights of their own" if est.network_.has_stored_weights else "pictures"
    assert said in str(est.report_)
    assert est.size_report()["file"] == (tmp_path / "a.lnn").stat().st_size
    again.fit(X, y)


@pytest.mark.parametrize("layers", [SHALLOW, PATCHES, DEEP])
def test_onnx_has_the_same_bits(colours, layers):
    onnxruntime = pytest.importorskip("onnxruntime")
    from sklearn_lossless.export import to_onnx

    X, y = colours
    rows = X.reshape(len(X), -1)
    clf = CompressedCNNClassifier((9, 7, 3), layers, random_state=1).fit(rows, y)
    model = to_onnx(clf, input_dtype="uint8").SerializeToString()
    session = onnxruntime.InferenceSession(model)
    codes, scores = session.run(["codes", "scores"], {"X": rows})
    np.testing.assert_array_equal(codes, clf.network_.forward(rows))
    np.testing.assert_array_equal(scores.ravel(), clf.decision_function(rows))


@needs_gcc
@pytest.mark.parametrize("readout_layers", ["last", "all"])
@pytest.mark.parametrize("layers", [SHALLOW, PATCHES, DEEP])
def test_c_has_the_same_bits(colours, tmp_path, layers, readout_layers):
    X, y = colours
    rows = X.reshape(len(X), -1)
    clf = CompressedCNNClassifier(
        (9, 7, 3), layers, readout_layers=readout_layers, random_state=1
    ).fit(rows, y)
    program = tmp_path / "program"
    for readout in ("fixed", "float"):
        source, header = to_c(clf, tmp_path / "model.c", readout=readout)
        compile_program(source, program, GCC if readout == "fixed" else OPTIMISED)
        results = run_program(program, header, rows)
        np.testing.assert_array_equal(results.codes, clf.network_.forward(rows))
        if readout == "float":
            scores = results.scores.ravel()
            np.testing.assert_array_equal(scores, clf.decision_function(rows))
    exact = integer_readout(clf)
    np.testing.assert_array_equal(results.labels, clf.predict(rows))
    assert exact.weights.shape[0] == clf.network_.n_features_out
    found = re.search(r"workspace +(\d+) bytes", source.read_text())
    assert int(found.group(1)) == results.workspace_bytes


@needs_clang
def test_c_is_clean(colours, tmp_path):
    X, _ = colours
    rows = X[:20].reshape(20, -1).astype(np.float32)
    compressor = NTKConvCompressor((9, 7, 3), DEEP, random_state=1).fit(rows)
    source, header = to_c(compressor, tmp_path / "model.c")
    compile_program(source, tmp_path / "program", SANITIZED)
    results = run_program(tmp_path / "program", header, rows)
    np.testing.assert_array_equal(results.codes, compressor.codes(rows))


def test_c_is_not_packed(digits, tmp_path):
    compressor = NTKConvCompressor((8, 8), SHALLOW).fit(digits[0])
    with pytest.raises(ValueError, match="packed=True is for networks of dense"):
        to_c(compressor, tmp_path / "model.c", packed=True)


def test_partial_fit_is_fit(digits):
    X, y = digits
    clf = CompressedCNNClassifier((8, 8), SHALLOW, alpha=1e-3, random_state=0)
    whole = clone(clf).fit(X, y)
    batches = clone(clf)
    batches.partial_fit(X, y, classes=np.arange(10))
    np.testing.assert_allclose(batches.readout_.coef_, whole.readout_.coef_, rtol=1e-6)
    batches.partial_fit(X[:9].reshape(-1, 8, 8), y[:9])


def test_dask(digits):
    da = pytest.importorskip("dask.array")
    X, y = digits
    clf = CompressedCNNClassifier((8, 8), SHALLOW, random_state=0).fit(X, y)
    chunked = CompressedCNNClassifier((8, 8), SHALLOW, random_state=0)
    chunked.fit(da.from_array(X, (500, 64)), da.from_array(y, 500))
    np.testing.assert_array_equal(
        chunked.decision_function(X), clf.decision_function(X)
    )


def test_logistic_readout_knows_the_size_of_the_features(digits, monkeypatch):
    X, y = digits[0], digits[1]
    told = {}

    def fit(*arguments, sum_of_squares, **options):
        told["squares"] = sum_of_squares
        return logistic_readout(*arguments, sum_of_squares=sum_of_squares, **options)

    monkeypatch.setattr(_class_predictions, "logistic_readout", fit)
    clf = CompressedCNNClassifier(
        (8, 8), SHALLOW, readout="logistic", alpha=1.0, random_state=0
    ).fit(X, y)
    features = clf.compressor_.transform(X).astype(float)
    squares = np.square(features).sum(axis=1).mean()
    np.testing.assert_allclose(told["squares"], squares, rtol=1e-5)


def test_logistic_readout_pipeline_and_search(digits):
    X, y = digits
    clf = CompressedCNNClassifier((8, 8), SHALLOW, readout="logistic", random_state=0)
    assert clf.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.9
    pipeline = make_pipeline(FunctionTransformer(), clf.set_params(readout=None))
    grid = {"compressedcnnclassifier__hidden_layers": [SHALLOW, PATCHES]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(X[:400], y[:400])
    assert search.best_score_ > 0.8


def test_weights_are_copies_of_rows(digits):
    X, y = digits
    X, y = X[:200], y[:200]
    weight = np.random.default_rng(0).integers(0, 3, 200).astype(float)
    repeated = np.repeat(np.arange(200), weight.astype(int))
    for layers in (SHALLOW, DEEP, PATCHES):
        fit = NTKConvCompressor((8, 8), layers, random_state=0)
        one = clone(fit).fit(X, sample_weight=weight).transform(X)
        two = clone(fit).fit(X[repeated]).transform(X)
        np.testing.assert_allclose(one, two, rtol=1e-12)


def test_sparse_input(digits):
    sparse = pytest.importorskip("scipy.sparse")
    X, _ = digits
    fit = NTKConvCompressor((8, 8), PATCHES, random_state=0)
    dense = clone(fit).fit(X).codes(X)
    np.testing.assert_array_equal(fit.fit(sparse.csr_array(X)).codes(X), dense)


def test_deviation_of_drawn_filters():
    """Thresholds are in units of the mean square over all filters there are."""
    rng = np.random.default_rng(0)
    X = np.cumsum(rng.integers(0, 20, (40, 9)), axis=1).astype(np.uint8)
    for balanced in (True, False):
        for k in (1, 2, 5, 6):
            layers = [Conv2D(20_000, 3, eps=1 - k / 9, balanced=balanced)]
            net = NTKConvCompressor((3, 3), layers, random_state=0).fit(X).network_
            filters = net.layers[0].filters
            if balanced:
                assert filters.n_nonzeros == max(2, k - k % 2)
            else:
                assert filters.n_nonzeros == k
            W = net.weights(0).dense(9).astype(float)
            codes = net.quantizer.codes(X)
            sums = (codes - filters.centre / 256) @ W
            variance = _sum_variance(codes, np.ones(40), filters.centre, filters)
            assert variance == pytest.approx(np.square(sums).mean(), rel=0.05)


def test_filters_from_patches_find_edges():
    """Patches with an edge in the middle make filters that add one side of it."""
    rng = np.random.default_rng(0)
    patches = rng.integers(0, 60, (4000, 16)).astype(np.uint8)
    left = np.tile([True, True, False, False], 4)
    lit = rng.random(4000) < 0.5
    patches[np.ix_(lit, left)] += 150
    ones = np.ones(4000)
    weights = filters_from_patches(patches, ones, 50, 8, seed=5, number=0)
    signs = weights.dense(16).T
    assert (signs.sum(axis=1) == 0).all()
    assert (np.abs(signs).sum(axis=1) == 8).all()
    assert len(np.unique(signs, axis=0)) > 10
    again = filters_from_patches(patches, ones, 50, 8, seed=5, number=0)
    np.testing.assert_array_equal(again.indices, weights.indices)
    other = filters_from_patches(patches, ones, 50, 8, seed=6, number=0)
    assert (other.indices != weights.indices).any()


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "begin with a Conv2D"),
        ([Pool2D(2), Conv2D(3, 3)], "begin with a Conv2D"),
        ([Conv2D(3, 3), 5, Pool2D(2)], "Dense layers last"),
        ([Conv2D(3, 3), "pool"], r"hidden_layers\[1\] must be a Conv2D"),
        ([Conv2D(3, 9)], r"does not fit: the picture that it sees has 8 x 8"),
        ([Conv2D(3, 5), Pool2D(grid=5)], r"hidden_layers\[1\]=Pool2D\(grid=5\) does"),
    ],
)
def test_wrong_layers(digits, layers, message):
    with pytest.raises(ValueError, match=message):
        NTKConvCompressor((8, 8), layers).fit(digits[0])


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Conv2D(0, 3),
        lambda: Conv2D(3, 3.5),
        lambda: Conv2D(3, (3, 0)),
        lambda: Conv2D(3, 3, padding="full"),
        lambda: Conv2D(3, 3, weights="kmeans"),
        lambda: Conv2D(3, 3, eps=1),
        lambda: Pool2D(),
        lambda: Pool2D(2, 2),
        lambda: Pool2D(2, kind="mean"),
        lambda: Dense(True),
    ],
)
def test_wrong_values(wrong):
    with pytest.raises(ValueError, match="of (Conv2D|Pool2D|Dense) must be|either"):
        wrong()


def test_wrong_shapes(digits):
    X, y = digits
    with pytest.raises(ValueError, match=r"64 features, but .* for 784: 28 x 28"):
        CompressedCNNClassifier((28, 28)).fit(X, y)
    with pytest.raises(ValueError, match=r"pictures of shape \(4, 16\)"):
        CompressedCNNClassifier((8, 8), SHALLOW).fit(X.reshape(-1, 4, 16), y)
    with pytest.raises(ValueError, match="image_shape must be"):
        NTKConvCompressor((8,), SHALLOW).fit(X)
    with pytest.raises(ValueError, match="one per layer but poolings: got 2 for 1"):
        NTKConvCompressor((8, 8), SHALLOW, ["relu", "relu"]).fit(X)
    clf = CompressedCNNClassifier((8, 8), SHALLOW, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="X has 63 features"):
        clf.predict(X[:, 1:])


def test_channels_that_come_first_are_told(digits, colours):
    X, y = digits
    clf = CompressedCNNClassifier((1, 8, 8), random_state=0)
    told = r"1 x 8 places with 8 channels: .*square pictures, set .*=\(8, 8, 1\)\.$"
    with pytest.warns(UserWarning, match=told):
        clf.fit(X, y)
    told = r"image_shape=\(7, 7, 3\), and move the axis of X\.$"
    with pytest.warns(UserWarning, match=told):
        CompressedCNNClassifier((3, 7, 7)).fit(
            colours[0][:, :7].reshape(300, -1), colours[1]
        )
    with pytest.raises(ValueError, match=r"1 x 8 places\. Channels come last in \(1,"):
        CompressedCNNClassifier((1, 8, 8), [Conv2D(5, 3)]).fit(X, y)
    with pytest.raises(ValueError, match=r"image_shape=\(8, 8\)\. Channels come last"):
        CompressedCNNClassifier((8, 8)).fit(X.reshape(-1, 1, 8, 8), y)
    # A row of 16 places with 4 channels is a series of a sensor; loading tells nothing.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NTKConvCompressor((1, 16, 4), [Conv2D(4, (1, 3))], random_state=0).fit(X)
        NTKConvCompressor((2, 2, 16), [Conv2D(4, 2)], random_state=0).fit(X)
        file = io.BytesIO()
        clf.save(file)
        loaded = sklearn_lossless.load(io.BytesIO(file.getvalue()))
    assert loaded.image_shape_ == (1, 8, 8)


def test_shape_is_guessed(digits, colours):
    X, _ = digits
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        guessed = NTKConvCompressor(hidden_layers=SHALLOW, random_state=0).fit(X)
        of_colours = NTKConvCompressor(hidden_layers=SHALLOW).fit(
            colours[0][:, :7].reshape(300, -1)
        )
    given = NTKConvCompressor((8, 8), SHALLOW, random_state=0).fit(X)
    np.testing.assert_array_equal(guessed.codes(X), given.codes(X))
    assert of_colours.image_shape_ == (7, 7, 3)
    with pytest.warns(UserWarning, match="X has 10 features: no square pictures"):
        row = NTKConvCompressor(random_state=0).fit(X[:, 20:30])
    assert row.image_shape_ == (1, 10, 1)
    with pytest.warns(UserWarning, match="X has 9 features: 3 x 3"):
        NTKConvCompressor(random_state=0).fit(X[:, 20:29])


def test_layers_are_values():
    assert Conv2D(3, 4) == Conv2D(3, 4)
    assert repr(Pool2D(grid=(2, 3), kind="max")) == "Pool2D(grid=(2, 3), kind='max')"
    assert repr(
        clone(CompressedCNNClassifier(hidden_layers=DEEP)).hidden_layers[2]
    ) == ("Conv2D(n_filters=12, kernel_size=3, eps=0.7, balanced=False)")


@pytest.mark.parametrize("readout_dtype", ["int8", "int4"])
def test_small_readouts_are_deflated(digits, tmp_path, readout_dtype):
    X, y = digits
    layers = [Conv2D(60, 4), Pool2D(grid=3)]
    clf = CompressedCNNClassifier((8, 8), layers, random_state=0).fit(X, y)
    clf.save(tmp_path / "a.lnn", readout_dtype=readout_dtype)
    bits = {"int8": 8, "int4": 4}[readout_dtype]
    size = (tmp_path / "a.lnn").stat().st_size
    assert size < 1000 + 0.93 * clf.readout_.coef_.size * bits / 8
    assert clf.size_report(readout_dtype)["file"] == size
    again = sklearn_lossless.load(tmp_path / "a.lnn")
    again.save(tmp_path / "b.lnn", readout_dtype=readout_dtype)
    assert (tmp_path / "a.lnn").read_bytes() == (tmp_path / "b.lnn").read_bytes()
    assert np.mean(again.predict(X) == clf.predict(X)) > 0.98
    data = bytearray((tmp_path / "a.lnn").read_bytes())
    data[-6] ^= 1
    (tmp_path / "b.lnn").write_bytes(data)
    with pytest.raises(ValueError, match="checksum"):
        sklearn_lossless.load(tmp_path / "b.lnn")


def test_displays_say_what_is_not_known(digits):
    inspection = pytest.importorskip("sklearn_lossless.inspection")
    pytest.importorskip("matplotlib")
    compressor = NTKConvCompressor((8, 8), SHALLOW).fit(digits[0])
    with pytest.raises(ValueError, match="layers of pictures"):
        inspection.SpectrumDisplay.from_estimator(compressor, digits[0])
    report = compressor.report_
    assert report.layers[0].n_nonzeros == 12
    assert report.kernel.n_samples == 200
    assert report.to_dict()["zeros"] == 0.25


def test_default_layers_suit_the_picture(digits):
    X, y = digits
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf = CompressedCNNClassifier(random_state=0).fit(X[::2], y[::2])
        given = CompressedCNNClassifier((8, 8), random_state=0).fit(X[::2], y[::2])
    first, second = clf.network_.layers
    assert first.size == (4, 4)
    assert second.shape_out == (4, 4, 100)
    np.testing.assert_array_equal(clf.predict(X), given.predict(X))
    assert clf.score(X[1::2], y[1::2]) > 0.975


def test_places_outside_by_their_number(digits):
    """Filters of 3 x 3 have as many positions as places with one place outside."""
    X = digits[0][:100]
    same, one, two = (
        NTKConvCompressor(
            (8, 8), [Conv2D(20, 3, padding=padding), Pool2D(2)], random_state=0
        ).fit_transform(X)
        for padding in ("same", 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert two.shape == (100, 5 * 5 * 20)
    with pytest.raises(ValueError, match="padding of Conv2D must be one of"):
        Conv2D(1, 3, padding=-1)
    with pytest.raises(ValueError, match="does not fit"):
        NTKConvCompressor((8, 8), [Conv2D(1, 11, padding=1)]).fit(X)
