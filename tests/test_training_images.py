"""Training of layers of pictures, against a dense network in NumPy."""

import re
import shutil
import tracemalloc
import warnings
from copy import deepcopy

import naive
import numpy as np
import pytest
from c_program import OPTIMISED, compile_program, run_program
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

import sklearn_lossless
from sklearn_lossless import (
    CompressedCNNClassifier,
    CompressedCNNRegressor,
    Conv2D,
    Dense,
    NTKConvCompressor,
    Pool2D,
)
from sklearn_lossless.data import MemoryData, Part
from sklearn_lossless.export import to_c
from sklearn_lossless.export.archive import to_bytes
from sklearn_lossless.network import CompressedNetwork, choose_quantizer
from sklearn_lossless.network.build_convolution import frame_of, pooling_of
from sklearn_lossless.theory import get_activation, match_network
from sklearn_lossless.training.fold import folded_network
from sklearn_lossless.training.layers import slope_table, step_ends
from sklearn_lossless.training.start import LayerPlan, _layers_of

SHAPE = (9, 8, 2)
LARGEST = 7
STEP = match_network(["relu"], [LARGEST + 1]).steps[0]

#: Padding, strides, both kinds of pooling, windows that overlap, poolings in a row.
NETWORKS = {
    "max": [Conv2D(5, 3), Pool2D(2, kind="max"), Conv2D(7, (2, 3)), Dense(6)],
    "overlap": [Conv2D(6, (4, 3), padding="same"), Pool2D(grid=4, kind="max")],
    "sum": [Conv2D(5, 3, stride=2, padding="same"), Pool2D(grid=(2, 3)), Dense(4)],
    "stride": [Conv2D(3, 2, stride=2), Conv2D(9, 3), Pool2D(grid=1)],
    "pools": [
        Conv2D(4, 2),
        Pool2D(2),
        Pool2D(grid=(3, 2), kind="max"),
        Conv2D(4, 1),
        Pool2D(2, kind="max"),
    ],
}


def make_layers(specs, activation="relu", seed=0):
    """Layers in the middle of a training, and the plans that they are made of."""
    rng = np.random.default_rng(seed)
    match = match_network([activation], [LARGEST + 1]).layers[0]
    plans, weights, seen, largest = [], [], SHAPE, LARGEST
    for spec in specs:
        if isinstance(spec, Pool2D):
            plans.append(pooling_of(spec, seen, largest))
            seen, largest = plans[-1].shape_out, plans[-1].largest_code
            continue
        frame, n_inputs = None, int(np.prod(seen))
        if isinstance(spec, Conv2D):
            frame = frame_of(spec, seen)
            n_inputs, seen = frame.filters.n_inputs, frame.shape_out
        n_outputs = getattr(spec, "n_filters", None) or spec.n_units
        shape = n_inputs, n_outputs, max(1, n_inputs // 3)
        plan = LayerPlan(get_activation(activation), match.step, 1.0, *shape, frame)
        plans.append(plan)
        weights.append(rng.normal(size=(n_outputs, n_inputs)))
        seen = seen if frame is not None else (n_outputs,)
        largest = int(match.step.levels.max())
    layers = _layers_of(plans, weights)
    for layer in layers:
        for _, gain, shift in zip(*[iter(layer.parameters)] * 3, strict=True):
            gain[:] = rng.uniform(0.3, 1.5, gain.shape) * rng.choice(
                [-1, 1], gain.shape
            )
            shift[:] = rng.normal(size=shift.shape)
    return layers, plans


class DenseNetwork:
    """The same in float64, smooth around one point: steps move as their activations.

    There codes are those of the steps; the largest of a window stays the same place.
    """

    def __init__(self, plans, signs, activation):
        self.plans, self.signs = plans, signs
        self.activation = get_activation(activation)
        self.at = None

    def __call__(self, rows, parameters):
        first, self.known = self.at is None, [] if self.at is None else list(self.at)
        remaining, codes = list(parameters), rows.astype(float)
        weights = list(self.signs)
        for plan in self.plans:
            if not isinstance(plan, LayerPlan):
                codes = self.pool(plan, codes.reshape(-1, *plan.shape_in), first)
                codes = codes.reshape(len(codes), -1)
                continue
            moved, gain, shift = (remaining.pop(0) for _ in range(3))
            W = weights.pop(0) + moved
            x = codes
            if plan.frame is not None:
                x = naive.windows_of(
                    plan.frame, codes.reshape(-1, *plan.frame.shape_in)
                )
            sums = x @ W.T
            axes = tuple(range(sums.ndim - 1))
            sums = sums - sums.mean(axes)
            u = gain[0] * sums / np.sqrt(np.square(sums).mean(axes) + 1e-5) + shift[0]
            if first:
                reached = (u[..., None] >= plan.step.thresholds).sum(-1)
                self.known.append((plan.step.levels[reached], u))
                codes = plan.step.levels[reached].astype(float)
            else:
                levels, base = self.known.pop(0)
                moved = self.activation(u) - self.activation(base)
                codes = levels + moved / plan.step.scale
            codes = codes.reshape(len(codes), -1)
        if first:
            self.at = self.known
        return codes

    def pool(self, layer, pictures, first):
        height, width = layer.size
        windows = [
            pictures[:, r : r + height, c : c + width].reshape(
                len(pictures), -1, layer.shape_in[2]
            )
            for r in layer.row_starts
            for c in layer.column_starts
        ]
        windows = np.stack(windows, axis=1)
        if layer.kind == "sum":
            if first:
                self.known.append(windows.sum(2) / 2**layer.shift)
                return np.floor(self.known[-1])
            base = self.known.pop(0)
            return np.floor(base) + windows.sum(2) / 2**layer.shift - base
        if first:
            self.known.append(windows)
            return windows.max(2)
        # Of equal codes, those that the network chose: see `chosen`.
        return np.take_along_axis(windows, self.known.pop(0), 2)[:, :, 0]


def dense_codes(plans, layers, rows, activation="relu"):
    signs = [each.signs for each in neurons_of(layers)]
    network = DenseNetwork(plans, signs, activation)
    parameters = [
        p.astype(float) if number % 3 else np.zeros(p.shape)
        for number, p in enumerate(p for layer in layers for p in layer.parameters)
    ]
    return network(rows, parameters), network, parameters


def neurons_of(layers):
    for layer in layers:
        inner = getattr(layer, "layers", [layer])
        yield from (each for each in inner if hasattr(each, "signs"))


def forward(layers, rows):
    codes = rows.astype(np.float32)
    for layer in layers:
        codes = layer.forward(codes)
    return codes


@pytest.fixture
def rows():
    return np.random.default_rng(1).integers(0, LARGEST + 1, (37, np.prod(SHAPE)))


@pytest.mark.parametrize("specs", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("activation", ["relu", "tanh", "abs"])
def test_forward_is_a_dense_network(rows, specs, activation):
    layers, plans = make_layers(specs, activation)
    expected = dense_codes(plans, layers, rows, activation)[0]
    np.testing.assert_array_equal(forward(layers, rows), expected)
    codes = rows.astype(np.float32)
    for layer in layers:
        np.testing.assert_array_equal(layer.predict(codes), layer.normalise(codes))
        codes = layer.predict(codes)
    np.testing.assert_array_equal(codes, expected)


def places_chosen(layers, plans, network):
    """Of each maximum pooling, which place of a window was chosen, for each code."""
    inner = list(layers[0].layers)
    for number, plan in enumerate(plans):
        if isinstance(plan, LayerPlan) or plan.kind != "max":
            continue
        of_plan = next(each for each in inner if getattr(each, "pooling", 0) is plan)
        found = [
            each[1] if isinstance(each, tuple) else each for each in of_plan._chosen
        ]
        places = np.concatenate(found, axis=3).transpose(3, 1, 2, 0)
        yield number, places.reshape(len(places), -1, 1, plan.shape_in[2])


@pytest.mark.parametrize("specs", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("activation", ["relu", "abs"])
def test_gradients_are_those_of_differences(rows, specs, activation):
    """Straight through: the identity for signs, the activation's slope for the step."""
    layers, plans = make_layers(specs, activation)
    codes, network, parameters = dense_codes(plans, layers, rows, activation)
    forward(layers, rows)
    for number, places in places_chosen(layers, plans, network):
        windows = network.at[number]
        assert (np.take_along_axis(windows, places, 2)[:, :, 0] == windows.max(2)).all()
        network.at[number] = places
    rng = np.random.default_rng(2)
    delta = rng.normal(size=codes.shape)
    gradients, of_codes = [], delta.astype(np.float32)
    for layer in reversed(layers):
        found, of_codes = layer.backward(of_codes, layer is not layers[0])
        gradients = found + gradients
    for number, found in enumerate(gradients):
        for _ in range(3):
            direction, values = rng.normal(size=found.shape), []
            for step in (-1e-6, 1e-6):
                moved = list(parameters)
                moved[number] = moved[number] + step * direction
                values.append((network(rows, moved) * delta).sum())
            expected = (values[1] - values[0]) / 2e-6
            scale = np.linalg.norm(found) * np.linalg.norm(direction)
            assert abs((found * direction).sum() - expected) < 1e-3 * scale


@pytest.mark.parametrize(
    ("activation", "n_levels"), [("relu", 8), ("tanh", 5), ("sign", 2)]
)
def test_no_gradient_where_a_step_has_ended(activation, n_levels):
    step = match_network([activation], [n_levels]).steps[0]
    function, (low, high) = get_activation(activation), step_ends(step)
    slopes = slope_table(function, step.scale, (low, high))
    everywhere = slope_table(function, step.scale)
    centres = (np.arange(1024) + 0.5) / 64 - 8
    inside = (centres > low) & (centres < high)
    np.testing.assert_array_equal(slopes, np.where(inside, everywhere, 0))
    assert low < step.thresholds[0] <= step.thresholds[-1] < high
    assert slopes.max() > 0


@pytest.mark.parametrize("specs", NETWORKS.values(), ids=NETWORKS)
def test_blocks_and_threads_change_nothing(rows, specs, monkeypatch):
    from concurrent.futures import ThreadPoolExecutor

    delta, results = None, []
    with ThreadPoolExecutor(3) as pool:
        for run in (map, pool.map):
            layers, _ = make_layers(specs)
            pictures = layers[0]
            pictures.run = run
            codes = pictures.forward(rows.astype(np.float32))
            delta = np.random.default_rng(3).normal(size=codes.shape).astype("f4")
            gradients, _ = pictures.backward(delta, False)
            results.append([codes, *gradients])
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)
    # Other blocks: the same codes; gradients up to the order of sums.
    monkeypatch.setattr("sklearn_lossless.training.pictures._MOST", 8)
    layers, _ = make_layers(specs)
    codes = layers[0].forward(rows.astype(np.float32))
    np.testing.assert_array_equal(codes, results[0][0])
    gradients, _ = layers[0].backward(delta, False)
    for one, other in zip(gradients, results[0][1:], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def folded(layers, X):
    """The integer network, and the codes of the trained one for the same rows."""
    data = MemoryData.of(Part(X))
    network = CompressedNetwork(choose_quantizer(data.total_inputs, 3), (), 0)
    network = folded_network(network, layers, data)
    codes = network.quantizer.codes(X).astype(np.float32)
    np.testing.assert_array_equal(codes, X)
    for layer in layers:
        codes = layer.normalise(codes)
    return network, codes


@pytest.fixture
def all_rows():
    rng = np.random.default_rng(1)
    X = rng.integers(0, LARGEST + 1, (700, np.prod(SHAPE))).astype(float)
    X[0], X[1] = 0, LARGEST
    return X


@pytest.mark.parametrize("specs", NETWORKS.values(), ids=NETWORKS)
def test_folded_layers_are_the_trained_ones(specs, all_rows):
    network, codes = folded(make_layers(specs)[0], all_rows)
    found = network.forward(all_rows)
    np.testing.assert_array_equal(found, naive.forward(network, all_rows))
    # Up to the grid of thresholds, which is coarse beside such small sums.
    assert np.corrcoef(found.ravel(), codes.ravel())[0, 1] > 0.95


@pytest.mark.parametrize("specs", [each[:2] for each in NETWORKS.values()])
@pytest.mark.parametrize("resolution", [8, 2**20])
def test_only_sums_next_to_a_threshold_differ(specs, all_rows, resolution, monkeypatch):
    monkeypatch.setattr("sklearn_lossless.training.fold._RESOLUTION", resolution)
    layers, _ = make_layers([each for each in specs if isinstance(each, Conv2D)][:1])
    (layer,) = layers[0].layers
    network, codes = folded(layers, all_rows)
    differ = network.forward(all_rows) != codes
    assert differ.mean() < (0.2 if resolution == 8 else 0.02)
    sums = naive.windows_of(layer.frame, all_rows.reshape(-1, *SHAPE)) @ layer.signs.T
    thresholds = (STEP.thresholds - layer.shift[:, None]) / layer.gain[:, None]
    thresholds = thresholds / layer.rate[:, None] + layer.mean[:, None]
    distance = np.abs(sums[..., None] - thresholds).min(-1)
    spacing = np.abs(np.diff(thresholds[:, [0, -1]])).max() / (LARGEST - 1)
    nearest = spacing / 8 if resolution == 8 else 2 / 256
    assert (distance.reshape(differ.shape)[differ] <= nearest).all()


# --- in the estimators ----------------------------------------------------------------

LAYERS = [
    Conv2D(12, 3, eps=1 - 5 / 9, padding="same"),
    Pool2D(2, kind="max"),
    Conv2D(24, 3, eps=0.7),
    Pool2D(grid=1),
]
TRAINED = {
    "image_shape": (8, 8),
    "hidden_layers": LAYERS,
    "hidden_weights": "trained",
    "max_iter": 12,
    "batch_size": 50,
    "learning_rate_init": 0.005,
    "random_state": 0,
}
QUICK = TRAINED | {"max_iter": 2, "hidden_layers": [Conv2D(4, 3), Pool2D(3), Dense(8)]}


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[::2], X[1::2], y[::2], y[1::2]


@pytest.fixture(scope="module")
def trained(digits):
    return CompressedCNNClassifier(**TRAINED).fit(digits[0], digits[2])


def test_filters_that_learn_are_better_than_random_ones(digits, trained):
    X_train, X_test, y_train, y_test = digits
    random = CompressedCNNClassifier((8, 8), LAYERS, random_state=0)
    random.fit(X_train, y_train)
    assert trained.score(X_test, y_test) > 0.94 > random.score(X_test, y_test) + 0.1
    assert trained.n_iter_ == len(trained.loss_curve_) == 12
    assert trained.loss_curve_[-1] < 0.2 * trained.loss_curve_[0]
    assert random.n_iter_ == 1
    first, _, second, _ = trained.network_.layers
    assert first.filters.weights.indices.shape == (12, 5)
    assert second.filters.weights.indices.shape == (24, 32)
    assert "filters" in str(trained.report_) or "epoch" in str(trained.report_)


def test_codes_are_those_of_the_float_network(digits, trained):
    X = digits[1][:200]
    expected = naive.forward(trained.network_, X)
    for n_jobs in (1, 2):
        trained.compressor_.n_jobs = n_jobs
        np.testing.assert_array_equal(trained.compressor_.codes(X), expected)
    one_by_one = [trained.decision_function(X[i : i + 1])[0] for i in range(30)]
    np.testing.assert_array_equal(one_by_one, trained.decision_function(X[:30]))


def test_same_seed_same_bits_in_any_number_of_threads(digits):
    X, _, y, _ = digits
    clf = CompressedCNNClassifier(**QUICK)
    expected = clone(clf).fit(X, y)
    again = clone(clf).set_params(n_jobs=2).fit(X, y).set_params(n_jobs=None)
    assert to_bytes(again) == to_bytes(expected)
    other = clone(clf).set_params(random_state=1).fit(X, y)
    assert to_bytes(other) != to_bytes(expected)


@pytest.mark.parametrize("readout", ["ridge", "logistic", LogisticRegression()])
def test_any_readout(digits, readout):
    X_train, X_test, y_train, y_test = digits
    clf = CompressedCNNClassifier(**TRAINED, readout=readout)
    clf.set_params(hidden_layers=[*LAYERS[:3], Pool2D(2)], max_iter=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert clf.fit(X_train, y_train).score(X_test, y_test) > 0.85


@pytest.mark.parametrize("n_classes", [2, 10])
def test_readout_that_was_trained_is_that_of_the_training(digits, n_classes):
    X, _, y, _ = digits
    clf = CompressedCNNClassifier(**TRAINED | {"max_iter": 3})
    every = clone(clf).set_params(readout_layers="all").fit(X, y % n_classes)
    clf.fit(X, y % n_classes)
    np.testing.assert_allclose(
        clf.decision_function(X), every.decision_function(X), rtol=1e-6
    )
    proba = clf.predict_proba(X)
    losses = -np.log(proba[np.arange(len(X)), y % n_classes])
    assert losses.mean() == pytest.approx(clf.loss_curve_[-1], rel=0.4)


def test_regressor_and_compressor(digits):
    X_train, X_test, y_train, y_test = digits
    regressor = CompressedCNNRegressor(**TRAINED).fit(X_train, y_train)
    assert regressor.score(X_test, y_test) > 0.6
    compressor = NTKConvCompressor(**TRAINED).fit(X_train, y_train)
    features = compressor.transform(X_test)
    assert features.shape == (len(X_test), 24)
    readout = LogisticRegression(C=100, max_iter=1000)
    readout.fit(compressor.transform(X_train), y_train)
    assert readout.score(features, y_test) > 0.9
    with pytest.raises(ValueError, match="requires y to be passed"):
        NTKConvCompressor(**TRAINED).fit(X_train)


@pytest.mark.parametrize("readout_layers", ["last", "all"])
def test_save_and_load(digits, tmp_path, readout_layers):
    X, _, y, _ = digits
    clf = CompressedCNNClassifier(**QUICK, readout_layers=readout_layers).fit(X, y)
    clf.save(tmp_path / "model")
    loaded = sklearn_lossless.load(tmp_path / "model")
    assert loaded.get_params() == clf.get_params()
    np.testing.assert_array_equal(loaded.decision_function(X), clf.decision_function(X))
    assert np.isnan(loaded.mean_).all()
    assert not hasattr(loaded, "n_iter_")
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


@pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is not installed")
def test_c_program(digits, trained, tmp_path):
    X = digits[1][:50]
    source, header = to_c(trained, tmp_path / "model.c")
    compile_program(source, tmp_path / "program", OPTIMISED)
    results = run_program(tmp_path / "program", header, X)
    np.testing.assert_array_equal(results.codes, trained.network_.forward(X))
    np.testing.assert_array_equal(results.labels, trained.predict(X))


def test_onnx(digits, trained):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    from sklearn_lossless.export import to_onnx

    X = digits[1][:50].astype(np.uint8)
    model = to_onnx(trained, input_dtype="uint8").SerializeToString()
    session = runtime.InferenceSession(model)
    codes, scores = session.run(["codes", "scores"], {"X": X})
    np.testing.assert_array_equal(codes, trained.network_.forward(X))
    np.testing.assert_array_equal(scores, trained.decision_function(X))


# --- parameters of training -----------------------------------------------------------


def test_a_training_goes_on(digits):
    X, _, y, _ = digits
    warm = CompressedCNNClassifier(**TRAINED | {"max_iter": 3}, warm_start=True)
    warm.fit(X, y)
    first = warm.loss_curve_
    warm.set_params(hidden_layers=[Conv2D(12, 3, padding="same"), *LAYERS[1:]])
    warm.fit(X, y)
    assert len(warm.loss_curve_) == 6
    assert warm.loss_curve_[:3] == first
    assert warm.loss_curve_[-1] < first[-1]
    assert warm.network_.layers[0].filters.n_nonzeros == 9  # eps may change
    for name, value in {
        "hidden_layers": [Conv2D(13, 3, padding="same"), *LAYERS[1:]],
        "input_bits": 4,
    }.items():
        other = deepcopy(warm).set_params(**{name: value})
        with pytest.raises(ValueError, match=f"{name} is the same as in the previous"):
            other.fit(X, y)
    with pytest.raises(ValueError, match="the same classes as in the previous"):
        deepcopy(warm).fit(X, y % 5)
    with pytest.raises(ValueError, match="constant"):
        deepcopy(warm).fit(np.full_like(X, 3.0), y)


def test_early_stopping(digits):
    X, X_test, y, y_test = digits
    clf = CompressedCNNClassifier(**TRAINED, early_stopping=True).fit(X, y)
    assert len(clf.validation_scores_) == clf.n_iter_
    assert clf.validation_scores_[-1] > 0.85
    # Layers, means and deviations are those of the best epoch.
    assert clf.score(X_test, y_test) > max(clf.validation_scores_) - 0.06


def test_rows_without_weight_do_not_count(digits):
    X, _, y, _ = digits
    few = y < 3
    clf = CompressedCNNClassifier(**QUICK)
    clf.fit(X, y % 3, sample_weight=few.astype(float))
    expected = CompressedCNNClassifier(**QUICK).fit(X[few], y[few])
    np.testing.assert_array_equal(
        clf.decision_function(X), expected.decision_function(X)
    )


def test_weights_are_relative(digits):
    X, _, y, _ = digits
    weight = np.random.default_rng(0).integers(1, 3, len(X)).astype(float)
    clf, other, none = (
        CompressedCNNClassifier(**QUICK).fit(X, y, sample_weight=each)
        for each in (weight, 4 * weight, None)
    )
    expected = clf.decision_function(X)
    np.testing.assert_array_equal(other.decision_function(X), expected)
    assert not np.array_equal(none.decision_function(X), expected)


def test_class_weights_count(digits):
    X, _, y, _ = digits
    clf = CompressedCNNClassifier(**TRAINED, class_weight={0: 0.0}).fit(X, y)
    assert not (clf.predict(X) == 0).any()


@pytest.mark.parametrize("batch_size", [1, 2, 10**6])
def test_batches_without_some_classes(digits, batch_size):
    X, _, y, _ = digits
    clf = CompressedCNNClassifier(**QUICK | {"batch_size": batch_size})
    clf.fit(X[:60], y[:60])
    assert np.isfinite(clf.decision_function(X)).all()
    assert clf.n_iter_ == 2


def test_rows_in_other_containers(digits):
    X, _, y, _ = digits
    X, y = X[:300], y[:300]
    clf = CompressedCNNClassifier(**QUICK)
    expected = clone(clf).fit(X, y).decision_function(X)
    for other in (X.reshape(-1, 8, 8), sparse.csr_array(X), X.astype(np.uint8)):
        found = clone(clf).fit(other, y).decision_function(X)
        np.testing.assert_array_equal(found, expected)
    da = pytest.importorskip("dask.array")
    found = clone(clf).fit(da.from_array(X, chunks=(120, 64)), y).decision_function(X)
    np.testing.assert_array_equal(found, expected)


def test_colours():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (200, 6, 5, 3)).astype(np.uint8)
    X[..., 2] = 9  # constant
    y = (X[..., 0].mean(axis=(1, 2)) > X[..., 1].mean(axis=(1, 2))).astype(int)
    layers = [Conv2D(6, 1, eps=0.5), Pool2D(grid=1), Dense(4, eps=0)]
    clf = CompressedCNNClassifier(
        (6, 5, 3), layers, hidden_weights="trained", max_iter=40, random_state=0
    )
    clf.set_params(learning_rate_init=0.02, batch_size=40)
    assert clf.fit(X, y).score(X, y) > 0.9
    assert not (clf.network_.layers[0].filters.weights.indices % 3 == 2).any()


def test_partial_fit_goes_on_with_the_readout(digits):
    X, _, y, _ = digits
    clf = CompressedCNNClassifier(**TRAINED)
    clf.partial_fit(X[:500], y[:500], classes=range(10))
    expected = CompressedCNNClassifier(**TRAINED).fit(X[:500], y[:500])
    np.testing.assert_array_equal(
        clf.compressor_.codes(X), expected.compressor_.codes(X)
    )
    assert clf.partial_fit(X[500:], y[500:]).score(X, y) > 0.8


def test_default_layers_suit_small_pictures(digits):
    X, X_test, y, y_test = digits
    clf = CompressedCNNClassifier(hidden_weights="trained", random_state=0)
    clf.set_params(max_iter=15, learning_rate_init=0.005, batch_size=50)
    assert clf.fit(X, y).score(X_test, y_test) > 0.93


def test_memory_does_not_grow_with_the_rows():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (6000, 400)).astype(np.uint8)
    y = rng.integers(0, 2, len(X))
    layers = [Conv2D(8, 5), Pool2D(2, kind="max"), Conv2D(4, 3), Pool2D(grid=2)]
    clf = CompressedCNNClassifier(
        (20, 20), layers, hidden_weights="trained", max_iter=1, random_state=0
    )
    clf.fit(X[:300], y[:300])  # compiles
    peaks = []
    for n_rows in (4500, 6000):
        tracemalloc.start()
        clf.fit(X[:n_rows], y[:n_rows])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 100 * 1500  # a quarter of what is in X


# --- bad input ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([Conv2D(4, 9)], "does not fit: the picture that it sees has 8 x 8 places"),
        ([Conv2D(4, 5), Pool2D(5)], "does not fit: the picture that it sees has 4 x 4"),
        ([Conv2D(4, 3, weights="patches")], "starts from random ones"),
        ([Dense(4)], "must begin with a Conv2D"),
    ],
)
def test_layers_that_cannot_be_trained(digits, layers, message):
    clf = CompressedCNNClassifier(**TRAINED | {"hidden_layers": layers})
    with pytest.raises(ValueError, match=re.escape(message)):
        clf.fit(digits[0], digits[2])


@pytest.mark.parametrize(
    ("name", "value"),
    [("hidden_weights", "learned"), ("max_iter", 0), ("learning_rate_init", 0.0)],
)
def test_bad_parameters(digits, name, value):
    clf = CompressedCNNClassifier(**TRAINED | {name: value})
    with pytest.raises(ValueError, match=f"'{name}' parameter"):
        clf.fit(digits[0], digits[2])


def test_a_single_class(digits):
    with pytest.raises(ValueError, match="class"):
        CompressedCNNClassifier(**TRAINED).fit(digits[0], np.zeros(len(digits[0])))
