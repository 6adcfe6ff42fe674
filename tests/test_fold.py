"""Pipelines of scalers and one of our estimators, as one estimator of raw columns."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from c_program import GCC, OPTIMISED, compile_program, needs_gcc, run_program
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from sklearn_lossless import (
    CompressedCNNClassifier,
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    Conv2D,
    NTKCompressor,
    Pool2D,
    load,
)
from sklearn_lossless.export import (
    fold,
    integer_readout,
    save,
    size_report,
    to_c,
    to_onnx,
)
from sklearn_lossless.export._coding import Reader
from sklearn_lossless.export._scaling import encode_scaling, with_scaling
from sklearn_lossless.inspection import CompressionReport
from sklearn_lossless.network import ScaledQuantizer

pytestmark = pytest.mark.filterwarnings("ignore:X has [0-9]+ features:UserWarning")

#: One scaler, or one that subtracts and divides before one that multiplies and adds.
EXACT = {
    "standard": [StandardScaler()],
    "mean alone": [StandardScaler(with_std=False)],
    "deviation alone": [StandardScaler(with_mean=False)],
    "min max": [MinMaxScaler((-1, 3))],
    "min max, clipped": [MinMaxScaler(clip=True)],
    "max abs": [MaxAbsScaler()],
    "robust": [RobustScaler()],
    "robust, no scale": [RobustScaler(with_scaling=False)],
    "standard, min max": [StandardScaler(), MinMaxScaler()],
    "none": ["passthrough", None],
    "nested": ["passthrough", make_pipeline(make_pipeline(StandardScaler()), None)],
    "frozen": [FrozenEstimator(StandardScaler().fit(load_wine().data))],
}

#: Chains whose operations have to be multiplied out.
CHAINS = {
    "min max, standard": [MinMaxScaler(), StandardScaler()],
    "all": [MaxAbsScaler(), RobustScaler(), MinMaxScaler((2, 5)), StandardScaler()],
}


@pytest.fixture(scope="module")
def wine():
    X, y = load_wine(return_X_y=True)
    return X, y


def fitted(scalers, X, y, **params):
    last = CompressedMLPClassifier((60,), random_state=0, **params)
    steps = [clone(each) if hasattr(each, "fit") else each for each in scalers]
    return make_pipeline(*steps, last).fit(X, y)


def many_rows(X, n=2000):
    """Rows of the data, on a coarse grid, and anywhere about them."""
    rng = np.random.default_rng(0)
    low, high = X.min(axis=0), X.max(axis=0)
    anywhere = rng.uniform(low - 0.2 * (high - low), high, (n, X.shape[1]))
    return np.concatenate([X, np.round(anywhere, 1), anywhere])


def codes_of(pipeline, X):
    return pipeline[-1].network_.quantizer.codes(pipeline[:-1].transform(X))


@pytest.mark.parametrize("name", EXACT)
def test_codes_are_those_of_the_pipeline(wine, name):
    pipeline = fitted(EXACT[name], *wine)
    X = many_rows(wine[0])
    result = fold(pipeline)
    assert type(result) is CompressedMLPClassifier
    np.testing.assert_array_equal(
        result.network_.quantizer.codes(X), codes_of(pipeline, X)
    )
    np.testing.assert_array_equal(
        result.decision_function(X), pipeline.decision_function(X)
    )
    np.testing.assert_array_equal(result.predict_proba(X), pipeline.predict_proba(X))
    np.testing.assert_array_equal(
        result.compressor_.transform(X),
        pipeline[-1].compressor_.transform(pipeline[:-1].transform(X)),
    )


@pytest.mark.parametrize("name", CHAINS)
def test_longer_chains_agree_but_at_borders_of_cells(wine, name):
    pipeline = fitted(CHAINS[name], *wine)
    X = wine[0] * np.random.default_rng(0).uniform(0.9, 1.1, (20, *wine[0].shape))
    X = X.reshape(-1, wine[0].shape[1])
    found = fold(pipeline).network_.quantizer.codes(X)
    np.testing.assert_array_equal(found, codes_of(pipeline, X))


@pytest.mark.parametrize("name", [*EXACT, *CHAINS])
def test_thresholds_are_exact(wine, name):
    X, y = wine
    if name == "min max, clipped":
        scalers = [MinMaxScaler((0.2, 0.7), clip=True)]
    else:
        scalers = {**EXACT, **CHAINS}[name]
    X = X.copy()
    X[::7, 2] = np.nan
    pipeline = fitted(scalers, X, y, input_encoding="thresholds")
    result = fold(pipeline)
    rows = many_rows(wine[0], 500)
    # The thresholds themselves, and the doubles beside them.
    raw = [c.thresholds for c in result.network_.quantizer.columns]
    rows = np.concatenate([rows, np.full((3 * 40, X.shape[1]), np.nan)])
    for number, thresholds in enumerate(raw):
        finite = thresholds[np.isfinite(thresholds)]
        beside = [np.nextafter(finite, -np.inf), finite, np.nextafter(finite, np.inf)]
        probe = np.concatenate(beside)
        rows[-len(probe) :, number] = probe
    np.testing.assert_array_equal(
        result.network_.quantizer.codes(rows), codes_of(pipeline, rows)
    )
    np.testing.assert_array_equal(result.predict(rows), pipeline.predict(rows))


def test_integers_float32_and_sparse_input(wine):
    X, y = wine
    whole = np.round(X).astype(np.int64)
    pipeline = fitted([StandardScaler(with_mean=False)], whole.astype(float), y)
    result = fold(pipeline)
    expected = codes_of(pipeline, whole)
    quantizer = result.network_.quantizer
    np.testing.assert_array_equal(quantizer.codes(whole), expected)
    np.testing.assert_array_equal(quantizer.codes(sparse.csr_array(whole)), expected)
    np.testing.assert_array_equal(
        result.predict(sparse.csr_array(whole)), result.predict(whole)
    )
    single = X.astype(np.float32)
    pipeline = fitted([StandardScaler()], X, y)
    found = fold(pipeline).network_.quantizer.codes(single).astype(int)
    differences = np.abs(found - codes_of(pipeline, single))
    assert differences.max() <= 1
    assert differences.mean() < 1e-3


@needs_gcc
@pytest.mark.parametrize(
    ("scalers", "command"),
    [
        ("standard", GCC),
        ("min max", OPTIMISED),
        ("max abs", OPTIMISED),
        ("standard, min max", (*OPTIMISED, "-mfpmath=387")),
        ("robust", OPTIMISED),
    ],
)
def test_c_takes_raw_input(wine, tmp_path, scalers, command):
    pipeline = fitted(EXACT[scalers], *wine)
    X = many_rows(wine[0])
    source, header = to_c(pipeline, tmp_path / "model.c", readout="float")
    compile_program(source, tmp_path / "program", command)
    found = run_program(tmp_path / "program", header, X)
    codes = pipeline[-1].network_.forward(pipeline[:-1].transform(X))
    np.testing.assert_array_equal(found.codes, codes)
    np.testing.assert_array_equal(found.scores, pipeline.decision_function(X))
    np.testing.assert_array_equal(pipeline.classes_[found.labels], pipeline.predict(X))
    # Bytes go through integers.
    small = np.random.default_rng(0).integers(0, 256, X.shape, dtype=np.uint8)
    found = run_program(tmp_path / "program", header, small)
    expected = pipeline.decision_function(small.astype(float))
    np.testing.assert_array_equal(found.scores, expected)
    assert "cell = x[i] * model_multipliers_u8[i]" in source.read_text()


@needs_gcc
def test_c_of_thresholds_takes_raw_input(wine, tmp_path):
    pipeline = fitted([RobustScaler()], *wine, input_encoding="thresholds")
    X = many_rows(wine[0])
    source, header = to_c(pipeline, tmp_path / "model.c")
    compile_program(source, tmp_path / "program")
    found = run_program(tmp_path / "program", header, X)
    np.testing.assert_array_equal(pipeline.classes_[found.labels], pipeline.predict(X))
    assert "model_quotient" not in source.read_text()


@needs_gcc
def test_c_of_pictures_takes_raw_input(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(5, 3, (80, 36)) * rng.uniform(1, 9, 36)
    cnn = CompressedCNNClassifier((6, 6), [Conv2D(8, 3), Pool2D(2)], random_state=0)
    pipeline = make_pipeline(StandardScaler(), cnn).fit(X, X[:, 0] > 20)
    source, header = to_c(pipeline, tmp_path / "model.c", readout="float")
    compile_program(source, tmp_path / "program")
    found = run_program(tmp_path / "program", header, X)
    np.testing.assert_array_equal(found.scores.ravel(), pipeline.decision_function(X))


def test_folded_estimators_are_pickled(wine):
    pipeline = fitted([StandardScaler()], *wine)
    again = pickle.loads(pickle.dumps(fold(pipeline)))
    np.testing.assert_array_equal(
        again.decision_function(wine[0]), pipeline.decision_function(wine[0])
    )


@pytest.mark.parametrize("encoding", ["linear", "thresholds"])
@pytest.mark.parametrize("scalers", ["standard", "standard, min max", "max abs"])
def test_onnx_takes_raw_input(wine, scalers, encoding):
    runtime = pytest.importorskip("onnxruntime")
    pipeline = fitted(EXACT[scalers], *wine, input_encoding=encoding)
    X = many_rows(wine[0])
    model = to_onnx(pipeline, input_dtype="float64").SerializeToString()
    session = runtime.InferenceSession(model, providers=["CPUExecutionProvider"])
    codes, scores, label = session.run(["codes", "scores", "label"], {"X": X})
    expected = pipeline[-1].network_.forward(pipeline[:-1].transform(X))
    np.testing.assert_array_equal(codes, expected)
    np.testing.assert_array_equal(scores, pipeline.decision_function(X))
    np.testing.assert_array_equal(label, pipeline.predict(X))


@pytest.mark.parametrize("encoding", ["linear", "thresholds"])
@pytest.mark.parametrize("scalers", ["standard", "min max", "standard, min max"])
def test_files_keep_the_scaling(wine, tmp_path, scalers, encoding):
    pipeline = fitted(EXACT[scalers], *wine, input_encoding=encoding)
    X = many_rows(wine[0])
    save(pipeline, tmp_path / "model.lnn")
    loaded = load(tmp_path / "model.lnn")
    assert type(loaded) is CompressedMLPClassifier
    np.testing.assert_array_equal(
        loaded.decision_function(X), pipeline.decision_function(X)
    )
    np.testing.assert_allclose(
        loaded.mean_, pipeline[-1].mean_, atol=1 / loaded.network_.quantizer.inv_step
    )
    fold(pipeline).save(tmp_path / "again.lnn")
    save(loaded, tmp_path / "twice.lnn")
    first = (tmp_path / "model.lnn").read_bytes()
    assert first == (tmp_path / "again.lnn").read_bytes()
    assert first == (tmp_path / "twice.lnn").read_bytes()
    assert size_report(pipeline)["file"] == len(first)


def test_damaged_scalings_are_refused(wine, tmp_path):
    network = fitted([StandardScaler()], *wine)[-1].network_
    scaled = fold(fitted([StandardScaler()], *wine)).network_.quantizer
    good = encode_scaling(scaled)
    found = with_scaling(Reader(good, "section SCAL"), network).quantizer
    np.testing.assert_array_equal(found.divisor, scaled.divisor)
    negative = encode_scaling(replace(scaled, divisor=-scaled.divisor))
    infinite = encode_scaling(replace(scaled, subtracted=scaled.subtracted * np.inf))
    few = encode_scaling(replace(scaled, subtracted=scaled.subtracted[1:]))
    for bad in (b"", b"\x20" + good[1:], good[:-3], negative, infinite, few):
        with pytest.raises(ValueError, match="Not a valid model file"):
            with_scaling(Reader(bad, "section SCAL"), network)


def test_regressors_compressors_and_pictures():
    X, y = load_diabetes(return_X_y=True, scaled=False)
    regressor = CompressedMLPRegressor((50,), random_state=0)
    pipeline = make_pipeline(StandardScaler(), regressor).fit(X, y)
    np.testing.assert_array_equal(fold(pipeline).predict(X), pipeline.predict(X))
    assert integer_readout(pipeline).weights.shape == (50, 1)
    compressor = NTKCompressor((50,), random_state=0)
    pipeline = make_pipeline(MinMaxScaler(), compressor, RidgeClassifier())
    pipeline.fit(X, y > 100)
    np.testing.assert_array_equal(
        fold(pipeline[:-1]).transform(X), pipeline[:-1].transform(X)
    )
    rng = np.random.default_rng(0)
    pictures = rng.normal(5, 3, (60, 36)) * rng.uniform(1, 9, 36)
    cnn = CompressedCNNClassifier((6, 6), [Conv2D(8, 3), Pool2D(2)], random_state=0)
    pipeline = make_pipeline(StandardScaler(), cnn).fit(pictures, y[:60] > 100)
    np.testing.assert_array_equal(
        fold(pipeline).decision_function(pictures), pipeline.decision_function(pictures)
    )


def test_names_are_those_of_the_raw_columns(wine, tmp_path):
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(wine[0], columns=load_wine().feature_names)
    pipeline = fitted([StandardScaler()], X, wine[1])
    result = fold(pipeline)
    assert list(result.feature_names_in_) == list(X.columns)
    assert not hasattr(pipeline[-1], "feature_names_in_")
    np.testing.assert_array_equal(result.predict(X), pipeline.predict(X))
    save(pipeline, tmp_path / "model.lnn")
    loaded = load(tmp_path / "model.lnn")
    np.testing.assert_array_equal(loaded.predict(X), pipeline.predict(X))
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(X[X.columns[::-1]])


def test_the_pipeline_stays_as_it_is_and_training_goes_on(wine):
    X, y = wine
    params = {"hidden_weights": "trained", "max_iter": 3, "warm_start": True}
    pipeline = fitted([StandardScaler()], X, y, **params)
    before = pipeline.decision_function(X)
    result = fold(pipeline)
    with pytest.warns(Warning, match=r"."):
        result.fit(X, y)
    assert len(result.loss_curve_) == 6
    assert isinstance(result.network_.quantizer, ScaledQuantizer)
    np.testing.assert_array_equal(pipeline.decision_function(X), before)
    assert len(pipeline[-1].loss_curve_) == 3


def test_batches_may_follow(wine):
    X, y = wine
    scaler = StandardScaler().fit(X)
    clf = CompressedMLPClassifier((50,), random_state=0)
    pipeline = Pipeline([("scaler", scaler), ("clf", clf)])
    clf.partial_fit(scaler.transform(X[:100]), y[:100], classes=[0, 1, 2])
    result = fold(pipeline).partial_fit(X[100:], y[100:])
    clf.partial_fit(scaler.transform(X[100:]), y[100:])
    np.testing.assert_array_equal(
        result.decision_function(X), pipeline.decision_function(X)
    )


def test_reports_see_the_scaled_columns(wine):
    X, y = wine
    pipeline = fitted([StandardScaler()], X, y)
    found = CompressionReport.from_estimator(fold(pipeline), X)
    of_last = CompressionReport.from_estimator(pipeline[-1], pipeline[:-1].transform(X))
    assert found.kernel == of_last.kernel


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (PCA(5), "Export the last step"),
        (Normalizer(), "a norm of that row"),
        (QuantileTransformer(n_quantiles=10), "order of values"),
        (ColumnTransformer([("all", StandardScaler(), [0, 1])]), "Tables"),
        (
            OneHotEncoder(sparse_output=False, handle_unknown="ignore"),
            "need no encoder",
        ),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_cannot_be_folded_is_refused(wine, step, why, tmp_path):
    X, y = wine
    pipeline = fitted([StandardScaler(), step], X[:60], y[:60] > 0)
    with pytest.raises(ValueError, match=f"cannot be folded.*{why}"):
        fold(pipeline)
    with pytest.raises(ValueError, match="cannot be folded"):
        to_c(pipeline, tmp_path / "model.c")


def test_other_errors(wine):
    X, y = wine
    clf = CompressedMLPClassifier((50,), random_state=0)
    with pytest.raises(TypeError, match="Expected a fitted Pipeline"):
        fold(clf)
    with pytest.raises(TypeError, match=r"ridgeclassifier.*pipeline\[:n\]"):
        fold(make_pipeline(StandardScaler(), RidgeClassifier()).fit(X, y))
    with pytest.raises(NotFittedError):
        fold(make_pipeline(StandardScaler(), clf))
    clf.fit(X, y)
    with pytest.raises(NotFittedError):
        fold(make_pipeline(StandardScaler(), clf))
    narrow = MinMaxScaler((0, 1), clip=True).fit(X[:20])
    wide = Pipeline([("scaler", MinMaxScaler().fit(X[:20])), ("clf", clone(clf))])
    wide[-1].fit(wide[0].transform(X), y)
    wide.steps[0] = ("scaler", narrow)
    with pytest.raises(ValueError, match="clip=True clips values to 0.0 ... 1.0"):
        fold(wide)
    table = CompressedMLPClassifier(
        (50,), input_encoding="thresholds", categorical_features=[0], random_state=0
    )
    with pytest.raises(ValueError, match="Column 0 holds categories and is scaled"):
        fold(make_pipeline(StandardScaler(), table).fit(X, y))
