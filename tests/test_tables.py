"""Tables as they are: thresholds, categories, missing values, from frames to files."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.neural_network import MLPClassifier

import sklearn_lossless
from sklearn_lossless import (
    CompressedCNNClassifier,
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
)
from sklearn_lossless.inspection import CompressionReport

NAN = np.nan
TABLE = {
    "hidden_layer_sizes": (60,),
    "input_encoding": "thresholds",
    "n_thresholds": 8,
    "random_state": 0,
}
TRAINED = {**TABLE, "hidden_weights": "trained", "max_iter": 5}


def numbers(n_rows=400, seed=0):
    """Columns of very different kinds, and what depends on them."""
    rng = np.random.default_rng(seed)
    X = np.column_stack(
        [
            rng.normal(size=n_rows),
            np.exp(3 * rng.normal(size=n_rows)),
            rng.integers(0, 5, size=n_rows),
            rng.normal(1e6, 1e-3, size=n_rows),
        ]
    )
    y = (X[:, 0] + np.log(X[:, 1]) / 3 + (X[:, 2] == 2) > 0.3).astype(int)
    return X, y


def frame_of(library, n_rows=400, seed=0):
    """A frame with text, categories, booleans and missing values; and labels."""
    rng = np.random.default_rng(seed)
    town = rng.choice(["Ulm", "Bonn", "Köln"], size=n_rows)
    kind = rng.choice(["a", "b", "c", "d"], p=[0.5, 0.3, 0.19, 0.01], size=n_rows)
    flag = rng.random(n_rows) < 0.5
    number = rng.normal(size=n_rows)
    whole = rng.integers(0, 100, size=n_rows)
    y = (town == "Ulm") & (kind != "b") | (number > 0.8)
    lost = rng.random(n_rows) < 0.1
    columns = {
        "town": [None if gone else str(t) for gone, t in zip(lost, town, strict=True)],
        "kind": kind.tolist(),
        "flag": flag.tolist(),
        "number": np.where(rng.random(n_rows) < 0.1, NAN, number).tolist(),
        "whole": [
            None if gone else int(w) for gone, w in zip(lost, whole, strict=True)
        ],
    }
    if library == "polars":
        polars = pytest.importorskip("polars")
        frame = polars.DataFrame(columns)
        frame = frame.with_columns(polars.col("kind").cast(polars.Categorical))
    else:
        pandas = pytest.importorskip("pandas")
        frame = pandas.DataFrame(columns)
        frame["kind"] = frame["kind"].astype("category")
        frame["whole"] = frame["whole"].astype("Int64")
        if library == "nullable":
            frame = frame.convert_dtypes()
        if library == "object":
            frame["town"] = frame["town"].astype(object)
    return frame, np.where(y, "yes", "no")


def compressed(estimator, X):
    return estimator.compressor_.codes(X)


@pytest.mark.parametrize("parameters", [TABLE, TRAINED], ids=["random", "trained"])
def test_increasing_functions_of_columns_change_nothing(parameters):
    X, y = numbers()
    new, _ = numbers(seed=1)
    clf = CompressedMLPClassifier(**parameters).fit(X, y)
    expected = clf.decision_function(new)

    def transformed(X):
        columns = np.arctan(X[:, 0]), np.log(X[:, 1]), X[:, 2] ** 3, 2 * X[:, 3] + 5
        return np.column_stack(columns)

    other = clone(clf).fit(transformed(X), y)
    np.testing.assert_array_equal(other.decision_function(transformed(new)), expected)


@pytest.mark.parametrize("far", [1e300, np.inf, -np.inf])
def test_values_far_out_do_no_harm(far):
    X, y = numbers()
    new, _ = numbers(seed=1)
    highest = X[:, 0] == (X[:, 0].max() if far > 0 else X[:, 0].min())
    outlying = X.copy()
    outlying[highest, 0] = far
    clf = CompressedMLPClassifier(**TABLE).fit(X, y)
    other = clone(clf).fit(outlying, y)
    np.testing.assert_array_equal(other.predict(new), clf.predict(new))


def test_columns_need_no_scaling():
    X, y = numbers(2000)
    new, labels = numbers(1000, seed=1)
    parameters = {"hidden_layer_sizes": (300,), "random_state": 0}
    clf = CompressedMLPClassifier(input_encoding="thresholds", **parameters).fit(X, y)
    one_scale = CompressedMLPClassifier(**parameters)
    with pytest.warns(UserWarning, match="few|little"):
        one_scale.fit(X, y)
    assert clf.score(new, labels) > 0.92
    assert one_scale.score(new, labels) < 0.8


@pytest.mark.parametrize("library", ["pandas", "nullable", "object", "polars"])
def test_frames_go_straight_in(library):
    X, y = frame_of(library)
    new, labels = frame_of(library, seed=1)
    clf = CompressedMLPClassifier(**TABLE).fit(X, y)
    assert clf.feature_names_in_.tolist() == list(X.columns)
    # Two categories of flag are one threshold; towns and numbers have missing values.
    sizes = [column.n_bits for column in clf.network_.quantizer.columns]
    assert sizes == [4, 4, 1, 9, 9]
    assert clf.score(new, labels) > 0.85
    probabilities = clf.predict_proba(new)
    assert clf.predict_log_proba(new) == pytest.approx(np.log(probabilities))


def test_frames_of_all_libraries_are_the_same_table():
    expected = None
    for library in ("pandas", "nullable", "object", "polars"):
        X, y = frame_of(library)
        codes = compressed(CompressedMLPClassifier(**TABLE).fit(X, y), X)
        expected = codes if expected is None else expected
        np.testing.assert_array_equal(codes, expected)


@pytest.mark.parametrize(
    "categorical",
    [[0, 2], [True, False, True, False], np.array([2, 0]), ["c0", "c2"]],
    ids=["numbers", "mask", "array", "names"],
)
def test_categorical_features_of_arrays(categorical):
    pandas = pytest.importorskip("pandas")
    X, y = numbers()
    X[:, 0] = np.round(X[:, 0])
    X[::7, 0] = NAN
    given = X
    if isinstance(categorical[0], str):
        given = pandas.DataFrame(X, columns=["c0", "c1", "c2", "c3"])
    clf = CompressedMLPClassifier(**TABLE, categorical_features=categorical)
    columns = clf.fit(given, y).network_.quantizer.columns
    n_known = len(np.unique(X[~np.isnan(X[:, 0]), 0]))
    assert [column.n_bits for column in columns] == [n_known + 1, 8, 5, 8]
    assert [column.groups is None for column in columns] == [False, True, False, True]
    # Unknown ones set no bit.
    row = X[:1].copy()
    row[0, [0, 2]] = 1000.5, -3
    given = row if given is X else pandas.DataFrame(row, columns=given.columns)
    codes = clf.network_.quantizer.codes(clf._validated(given))
    assert not codes[0, : n_known + 1].any()


def test_text_in_arrays():
    X = np.array([["a", 1.0], ["b", 2.0], ["a", 3.0], [None, 4.0]] * 10, dtype=object)
    y = np.arange(40) % 4
    clf = CompressedMLPClassifier(**TABLE, categorical_features=[0]).fit(X, y)
    np.testing.assert_array_equal(clf.predict(X), y)


def test_rare_categories_share_a_bit():
    X, y = frame_of("pandas")
    kinds = X["kind"].value_counts()
    assert kinds["d"] < 10 < kinds["c"]
    for options in ({"min_frequency": 10}, {"max_categories": 3}):
        reg = CompressedMLPRegressor(**TABLE, **options).fit(X, y == "yes")
        assert reg.network_.quantizer.columns[1].n_bits <= 4
    few = CompressedMLPClassifier(**TABLE, max_categories=2).fit(X, y)
    assert few.network_.quantizer.columns[1].n_bits == 2


@pytest.mark.parametrize("estimator", [CompressedMLPClassifier, CompressedMLPRegressor])
@pytest.mark.parametrize("parameters", [TABLE, TRAINED], ids=["random", "trained"])
def test_files_keep_tables(estimator, parameters, tmp_path):
    X, y = frame_of("pandas")
    y = y if estimator is CompressedMLPClassifier else (y == "yes") * 1.5
    model = estimator(**parameters, max_categories=3).fit(X, y)
    model.save(tmp_path / "model.lnn")
    loaded = sklearn_lossless.load(tmp_path / "model.lnn")
    new, _ = frame_of("pandas", seed=1)
    np.testing.assert_array_equal(loaded.predict(new), model.predict(new))
    assert loaded.get_params()["max_categories"] == 3
    assert loaded.get_params()["eps"] == "auto"
    for one, other in zip(
        model.network_.quantizer.columns,
        loaded.network_.quantizer.columns,
        strict=True,
    ):
        np.testing.assert_array_equal(one.thresholds, other.thresholds)
        assert one.has_missing == other.has_missing
    loaded.save(tmp_path / "again.lnn")
    first, again = (tmp_path / f"{name}.lnn" for name in ("model", "again"))
    assert first.read_bytes() == again.read_bytes()
    with pytest.raises(ValueError, match="'town' of X has categories like"):
        loaded.predict(new.assign(town=3))


def test_thresholds_of_all_kinds_in_files(tmp_path):
    rng = np.random.default_rng(0)
    X = np.column_stack(
        [
            rng.normal(size=300),
            rng.normal(size=300).astype(np.float32),
            np.round(rng.normal(size=300), 2),
            rng.integers(-5, 5, 300) * 10**12,
            np.where(rng.random(300) < 0.5, -np.inf, rng.normal(size=300)),
            np.full(300, 7.0),
            np.full(300, NAN),
        ]
    )
    model = NTKCompressor(**TABLE).fit(X)
    assert [c.n_bits for c in model.network_.quantizer.columns[-2:]] == [0, 0]
    model.save(tmp_path / "model.lnn")
    loaded = sklearn_lossless.load(tmp_path / "model.lnn")
    np.testing.assert_array_equal(loaded.transform(X), model.transform(X))
    np.testing.assert_allclose(loaded.mean_, model.mean_, atol=1 / 256)


def test_batches_have_the_thresholds_of_the_first():
    X, y = frame_of("pandas")
    clf = CompressedMLPClassifier(**TABLE)
    clf.partial_fit(X[:200], y[:200], classes=["no", "yes"])
    first = clf.network_.quantizer
    clf.partial_fit(X[200:], y[200:])
    assert clf.network_.quantizer is first
    new, labels = frame_of("pandas", seed=1)
    assert clf.score(new, labels) > 0.85


def test_equal_rows_of_a_stream_wait_for_another():
    X, y = numbers()
    X[0, 0] = NAN
    reg = CompressedMLPRegressor(**TABLE)
    reg.partial_fit(np.repeat(X[:1], 3, axis=0), np.repeat(y[:1], 3))
    assert not hasattr(reg, "network_")
    reg.partial_fit(X[1:], y[1:])
    assert reg.network_.quantizer.columns[0].has_missing


def test_dask_arrays_have_the_same_tables():
    dask_array = pytest.importorskip("dask.array")
    X, y = numbers()
    X[::9, 1] = NAN
    X[5, 0] = np.inf
    parameters = {**TABLE, "categorical_features": [2]}
    clf = CompressedMLPClassifier(**parameters).fit(X, y)
    parts = dask_array.from_array(X, chunks=(150, 4))
    labels = dask_array.from_array(y, chunks=150)
    other = CompressedMLPClassifier(**parameters).fit(parts, labels)
    np.testing.assert_array_equal(compressed(other, X), compressed(clf, X))
    np.testing.assert_array_equal(other.predict(parts).compute(), other.predict(X))


def test_memory_maps(tmp_path):
    X, y = numbers()
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    clf = CompressedMLPClassifier(**TABLE)
    expected = clone(clf).fit(X, y).predict(X)
    np.testing.assert_array_equal(clf.fit(mapped, y).predict(mapped), expected)


def test_fitted_hidden_layers_read_tables_as_they_did():
    X, y = frame_of("pandas")
    compressor = NTKCompressor(**TABLE).fit(X)
    clf = CompressedMLPClassifier(estimator=FrozenEstimator(compressor)).fit(X, y)
    np.testing.assert_array_equal(compressed(clf, X), compressor.codes(X))
    ignored = clone(clf).set_params(
        categorical_features=np.array([0]), estimator=clf.estimator
    )
    with pytest.warns(UserWarning, match="categorical_features=.* ignored"):
        ignored.fit(X, y)
    np.testing.assert_array_equal(compressed(ignored, X), compressor.codes(X))
    new, labels = frame_of("pandas", seed=1)
    assert clf.score(new, labels) > 0.85
    first = CompressedMLPClassifier(estimator=FrozenEstimator(compressor))
    first.partial_fit(X, y, classes=["no", "yes"])
    assert first.score(new, labels) > 0.85


def test_own_weights_of_a_network_are_refused():
    X, y = load_iris(return_X_y=True)
    mlp = MLPClassifier((10,), max_iter=1500, random_state=0).fit(X, y)
    for options in (
        {"hidden_weights": "fitted"},
        {"hidden_weights": "trained"},
        {"target": "teacher"},
    ):
        clf = CompressedMLPClassifier(
            estimator=FrozenEstimator(mlp), input_encoding="thresholds", **options
        )
        with pytest.raises(ValueError, match="expects its own inputs"):
            clf.fit(X, y)
    clf = CompressedMLPClassifier(
        estimator=MLPClassifier((50,)), input_encoding="thresholds", random_state=0
    )
    assert clf.fit(X, y).network_.layers[0].n_outputs == 50


def test_neurons_of_tables_see_few_bits():
    X, y = numbers()
    nonzeros = {}
    for weights in ("random", "trained"):
        clf = CompressedMLPClassifier(
            (50, 80, 40),
            input_encoding="thresholds",
            hidden_weights=weights,
            max_iter=1,
        )
        layers = clf.fit(X, y).network_.layers
        nonzeros[weights] = [layer.n_nonzeros for layer in layers]
    assert nonzeros == {"random": [8, 5, 8], "trained": [16, 32, 32]}
    clf = CompressedMLPClassifier((50,), input_encoding="thresholds", eps=0.5)
    n_codes = clf.fit(X, y).network_.quantizer.n_codes
    assert clf.network_.layers[0].n_nonzeros == n_codes // 2
    assert NTKCompressor((50,)).fit(np.eye(100)).network_.layers[0].n_nonzeros == 10


def test_the_kernel_of_bits_is_matched():
    X, _ = numbers(1000)
    compressor = NTKCompressor(
        (2000,), input_encoding="thresholds", eps=0.5, random_state=0
    ).fit(X)
    layer = compressor.report_.layers[0]
    assert layer.distance < 2 * layer.distance_dense
    # Inputs are bits: the certificate is about them.
    again = CompressionReport.from_estimator(compressor, X, n_samples=100)
    assert again.layers[0].distance < 2 * again.layers[0].distance_dense


def test_inspection_of_scikit_learn_takes_raw_frames():
    X, y = frame_of("pandas")
    clf = CompressedMLPClassifier(**{**TRAINED, "max_iter": 50}).fit(X, y)
    found = permutation_importance(clf, X, y, n_repeats=3, random_state=0)
    importances = dict(zip(X.columns, found.importances_mean, strict=True))
    assert importances["town"] > importances["whole"]
    known = X.dropna()
    town = partial_dependence(clf, known, ["town"], categorical_features=["town"])
    assert town["grid_values"][0][town["average"][0].argmax()] == "Ulm"
    number = partial_dependence(clf, known, ["number"], grid_resolution=10)
    assert number["average"][0, -1] > number["average"][0, 0]


def test_whole_weights_are_repeated_rows():
    X, y = numbers()
    X[::5, 0] = NAN
    weight = np.random.default_rng(0).integers(0, 3, size=len(X)).astype(float)
    reg = CompressedMLPRegressor(**TABLE, categorical_features=[2], alpha=0.1)
    weighted = clone(reg).fit(X, y, sample_weight=weight)
    rows = np.repeat(np.arange(len(X)), weight.astype(int))
    repeated = clone(reg).fit(X[rows], y[rows])
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), atol=1e-6)


def test_tags():
    table, linear = NTKCompressor(**TABLE), NTKCompressor()
    assert table.__sklearn_tags__().input_tags.allow_nan
    assert not table.__sklearn_tags__().input_tags.sparse
    assert not linear.__sklearn_tags__().input_tags.allow_nan
    assert linear.__sklearn_tags__().input_tags.sparse


def test_a_later_fit_on_one_scale_forgets_the_columns():
    X, y = numbers()
    clf = CompressedMLPClassifier(**TABLE).fit(X, y)
    clf.set_params(input_encoding="linear", eps=0).fit(np.tile(X, 2), y)
    X[0, 0] = NAN
    with pytest.raises(ValueError, match="contains NaN"):
        clf.predict(np.tile(X, 2))


def refused(match, X, error=ValueError, y=None, **parameters):
    y = np.arange(X.shape[0]) % 2 if y is None else y
    with pytest.raises(error, match=match):
        CompressedMLPClassifier(**{**TABLE, **parameters}).fit(X, y)


def test_bad_parameters_are_errors():
    X, _ = numbers()
    for n_thresholds in (0, 256, 2.5):
        refused("'n_thresholds' parameter", X, n_thresholds=n_thresholds)
    refused("'input_encoding' parameter", X, input_encoding="bits")
    refused("mask of 2 columns", X, categorical_features=[True, False])
    refused("from 0 to 3, got 4", X, categorical_features=[0, 4])
    refused("no names of columns", X, categorical_features=["a"])
    refused("one-dimensional", X, categorical_features=[[1]])
    refused(
        "needs input_encoding", X, input_encoding="linear", categorical_features=[0]
    )
    frame, _ = frame_of("pandas")
    refused("no such column", frame, categorical_features=["nowhere"])


def test_bad_data_are_errors():
    pandas = pytest.importorskip("pandas")
    sparse = pytest.importorskip("scipy.sparse")
    X, _ = numbers()
    refused("X is constant", np.ones((10, 2)))
    refused("X is constant", np.full((10, 2), NAN))
    refused("input_encoding='thresholds' takes dense", sparse.csr_array(X), TypeError)
    frame, _ = frame_of("pandas")
    refused("'town' of X holds text", frame, categorical_features=None)
    times = pandas.DataFrame({"when": pandas.date_range("2020", periods=10), "x": 1})
    refused("'when' of X has dtype datetime", times)
    names = pandas.DataFrame({"id": [f"n{i}" for i in range(5000)]})
    refused("'id' of X has 5000 categories", names)
    lists = pandas.DataFrame({"x": [(1,), (2,)] * 5, "y": range(10)})
    refused("'x' of X holds", lists, categorical_features=["x"])


def test_other_frames_at_predict_are_errors():
    X, y = frame_of("pandas")
    clf = CompressedMLPClassifier(**TABLE).fit(X, y)
    with pytest.raises(ValueError, match="feature names should match"):
        clf.predict(X[X.columns[::-1]])
    with pytest.raises(ValueError, match="'number' of X holds text"):
        clf.predict(X.assign(number="high"))
    with pytest.raises(ValueError, match="'town' of X has categories like"):
        clf.predict(X.assign(town=1))
    # New categories set no bit, whatever the dtype of the text.
    new = X.assign(town="Rom", kind=X["kind"].astype(str))
    assert clf.predict(new).shape == y.shape
    one = compressed(clf, X.assign(town="Rom"))
    np.testing.assert_array_equal(one, compressed(clf, X.assign(town="Oslo")))


def test_the_report_says_what_is_seen_of_each_column(tmp_path):
    X, y = frame_of("pandas")
    clf = CompressedMLPClassifier(**TABLE).fit(X, y)
    columns = {each.column: each for each in clf.report_.columns}
    assert list(columns) == list(X.columns)
    assert [each.n_bits for each in columns.values()] == [4, 4, 1, 9, 9]
    indices = clf.network_.weights(0).indices
    assert columns["flag"].n_weights == np.count_nonzero(indices == 8)
    assert sum(each.n_weights for each in columns.values()) == indices.size
    assert sum(each.weights_share for each in columns.values()) == pytest.approx(1)
    frame = clf.report_.frame("columns")
    assert frame.loc["flag", "n_weights"] == columns["flag"].n_weights
    assert "column  bits  weights  of all" in str(clf.report_)
    assert clf.report_.to_dict()["columns"][0]["column"] == "town"
    clf.save(tmp_path / "model.lnn")
    loaded = sklearn_lossless.load(tmp_path / "model.lnn")
    assert loaded.report_.columns == clf.report_.columns
    many = NTKCompressor(**TABLE).fit(np.random.default_rng(0).normal(size=(50, 30)))
    assert "and 10 more" in str(many.report_)
    linear = NTKCompressor((50,)).fit(np.eye(60))
    assert linear.report_.columns == ()
    with pytest.raises(ValueError, match="no columns"):
        linear.report_.frame("columns")


def test_text_that_is_no_number_has_a_hint():
    X = np.array([["a", 1.0], ["b", 2.0]] * 10, dtype=object)
    y = np.arange(20) % 2
    for encoding, hint in (("linear", "thresholds"), ("thresholds", "data frame")):
        clf = CompressedMLPClassifier((5,), input_encoding=encoding)
        with pytest.raises(ValueError, match="could not convert string") as error:
            clf.fit(X, y)
        assert hint in error.value.__notes__[0]
    with pytest.raises(ValueError, match="could not convert string") as error:
        CompressedCNNClassifier((1, 2)).fit(X, y)
    assert "numbers" in error.value.__notes__[0]
