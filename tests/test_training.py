"""Training of hidden layers, against dense NumPy and automatic differentiation."""

import warnings
from copy import deepcopy
from functools import partial

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline

from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
)
from sklearn_lossless.data import MemoryData, Part
from sklearn_lossless.export.archive import from_bytes, to_bytes
from sklearn_lossless.network import CompressedNetwork, choose_quantizer, code_sums
from sklearn_lossless.network.layers import integer_thresholds
from sklearn_lossless.readout.targets import NumberTargets
from sklearn_lossless.theory import get_activation, match_network
from sklearn_lossless.training import (
    ClassGoal,
    LayerPlan,
    NumberGoal,
    Options,
    trained_network,
)
from sklearn_lossless.training.fold import folded_network, lines_of_thresholds
from sklearn_lossless.training.layers import Output, TrainedLayer, slope_table
from sklearn_lossless.training.start import _weights_of_seed

STEP = match_network(["relu"], [8]).steps[0]


def make_layer(n_inputs=30, n_outputs=12, n_nonzeros=7, step=STEP, seed=0):
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(n_outputs, n_inputs))
    slopes = slope_table(get_activation("relu"), step.scale)
    layer = TrainedLayer(weights, n_nonzeros, 1.0, step, slopes)
    layer.gain[:] = rng.uniform(-1.5, 1.5, n_outputs)
    layer.shift[:] = rng.normal(size=n_outputs)
    return layer


def dense_signs(weights, k):
    """Signs of the k largest weights of each row."""
    signs = np.zeros_like(weights)
    for row, each in zip(signs, weights, strict=True):
        kept = np.argsort(-np.abs(each), kind="stable")[:k]
        row[kept] = np.where(each[kept] >= 0, 1, -1)
    return signs


def dense_codes(codes, signs, layer, step=STEP):
    sums = codes @ signs.T
    normalised = (sums - sums.mean(0)) / np.sqrt(sums.var(0) + 1e-5)
    u = layer.gain * normalised + layer.shift
    return step.levels[(u[..., None] >= step.thresholds).sum(-1)]


# --- one step -------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 7, 30])
def test_signs_are_those_of_the_largest_weights(k):
    weights = np.random.default_rng(0).normal(size=(12, 30)).astype(np.float32)
    weights[0] = 0.5  # of equal ones the first
    layer = TrainedLayer(weights, k, 1.0, STEP, np.ones(1024, np.float32))
    np.testing.assert_array_equal(layer.signs, dense_signs(weights, k))


def test_signs_follow_the_weights_step_by_step():
    layer = make_layer(n_inputs=200, n_nonzeros=20)
    rng = np.random.default_rng(1)

    def check():
        layer.choose_signs()
        np.testing.assert_array_equal(layer.signs, dense_signs(layer.weights, 20))

    for change in [0, 1e-3, 1e-2, 1e-2, 1, 0.1]:  # near the last ones, and far
        layer.weights += change * rng.normal(size=layer.weights.shape)
        check()
    layer.weights[:] = np.round(4 * layer.weights)  # many of the same size
    check()
    check()
    layer.weights[:, 10:] = 0
    check()
    check()


@pytest.mark.parametrize("activation", ["relu", "abs", "tanh"])
def test_forward_is_a_dense_network(activation):
    step = match_network([activation], [6]).steps[0]
    layer = make_layer(step=step)
    codes = np.random.default_rng(1).integers(0, 256, (50, 30)).astype(np.float32)
    expected = dense_codes(codes.astype(float), layer.signs, layer, step)
    np.testing.assert_array_equal(layer.forward(codes), expected)
    np.testing.assert_array_equal(layer.predict(codes), expected)


@pytest.mark.parametrize("goal", ["classes", "numbers"])
def test_gradients_are_those_of_automatic_differentiation(goal):
    """Straight through: the identity for signs, the activation's slope for the step."""
    torch = pytest.importorskip("torch")

    class Signs(torch.autograd.Function):
        @staticmethod
        def forward(context, weights, k):
            return torch.tensor(dense_signs(weights.numpy(), k))

        @staticmethod
        def backward(context, gradient):
            return gradient, None

    class Step(torch.autograd.Function):
        @staticmethod
        def forward(context, u):
            context.save_for_backward(u)
            thresholds = torch.tensor(STEP.thresholds)
            return torch.tensor(STEP.levels * 1.0)[torch.bucketize(u, thresholds)]

        @staticmethod
        def backward(context, gradient):
            (u,) = context.saved_tensors
            return gradient * (u > 0) / STEP.scale

    rng = np.random.default_rng(0)
    codes = rng.integers(0, 256, (40, 30)).astype(np.float32)
    layers = [make_layer(), make_layer(12, 9, 5, seed=1)]
    output = Output(9, 3, STEP.scale, rng)
    if goal == "classes":
        wanted = np.eye(3, dtype=np.float32)[rng.integers(0, 3, 40)]
        goal = ClassGoal(np.arange(3))
    else:
        wanted = rng.normal(size=(40, 3)).astype(np.float32)
        goal = NumberGoal(NumberTargets(), np.ones(3))

    parameters = [p for each in (*layers, output) for p in each.parameters]
    tensors = [torch.tensor(p.astype(float), requires_grad=True) for p in parameters]
    Z = torch.tensor(codes.astype(float))
    for number, layer in enumerate(layers):
        weights, gain, shift = tensors[3 * number : 3 * number + 3]
        sums = Z @ Signs.apply(weights, layer.n_nonzeros).T
        variance = sums.var(0, unbiased=False)
        Z = Step.apply(gain * (sums - sums.mean(0)) / (variance + 1e-5).sqrt() + shift)
    scores = Z @ tensors[-2].T + tensors[-1]
    if isinstance(goal, ClassGoal):
        target = torch.tensor(wanted.argmax(1))
        loss = torch.nn.functional.cross_entropy(scores, target, reduction="sum")
    else:
        loss = (scores - torch.tensor(wanted)).square().mean(1).sum() / 2
    loss.backward()

    for layer in layers:
        codes = layer.forward(codes)
    losses, delta = goal.loss(output.forward(codes), wanted)
    assert losses.sum() == pytest.approx(float(loss.detach()), rel=1e-5)
    found, delta = output.backward(delta)
    for layer in reversed(layers):
        gradients, delta = layer.backward(delta, layer is not layers[0])
        found = gradients + found
    for each, tensor in zip(found, tensors, strict=True):
        expected = tensor.grad.numpy()
        tolerance = 1e-4 * np.abs(expected).max()
        np.testing.assert_allclose(each, expected, rtol=1e-3, atol=tolerance)


@pytest.mark.parametrize("activation", ["relu", "tanh", "abs", "sign"])
def test_slopes_are_those_of_the_activation(activation):
    function = get_activation(activation)
    slopes = slope_table(function, 0.5)
    centres = (np.arange(1024) + 0.5) / 64 - 8
    width = 0.5 if activation == "sign" else 1 / 128
    rise = function(centres + width) - function(centres - width)
    np.testing.assert_allclose(slopes, rise / (2 * width) / 0.5, rtol=1e-4, atol=1e-6)
    assert slopes.max() > 0


def test_first_weights_are_the_random_network_of_the_seed():
    from sklearn_lossless.network import ternary_weights

    plan = LayerPlan(None, None, 1.0, 40, 15, 6)
    weights = _weights_of_seed(7, 1, plan, np.random.default_rng(0))
    drawn = ternary_weights(7, 1, 40, 15, 6).dense(40).T
    np.testing.assert_array_equal(dense_signs(weights, 6), drawn)
    assert weights.std() == pytest.approx(0.1 / np.sqrt(40), rel=0.1)


# --- the integer network --------------------------------------------------------------


def train_toy(goal=None, options=None, y=None, seed=3, **parameters):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 20))
    X[:, 4] = 1.0  # constant
    labels = (X[:, 0] * X[:, 1] > 0).astype(int)
    data = MemoryData.of(Part(X, labels if y is None else y))
    quantizer = choose_quantizer(data.total_inputs, 8)
    statistics = data.total_inputs(partial(code_sums, quantizer)).statistics()
    matching = match_network(["relu", "relu"], [8, 4])
    network, course = trained_network(
        data,
        quantizer,
        statistics.variance > 0,
        goal or ClassGoal(np.arange(2)),
        [
            LayerPlan(
                get_activation("relu"), match.step, match.tau_in_compressed, *shape
            )
            for match, shape in zip(
                matching.layers, [(20, 16, 6), (16, 8, 5)], strict=True
            )
        ],
        seed=seed,
        options=options or Options(max_iter=40, batch_size=30, learning_rate_init=0.01),
        **parameters,
    )
    return X, labels, network, course


def test_layers_learn():
    X, labels, network, course = train_toy()
    assert len(course.losses) == 40
    assert course.losses[-1] < 0.6 * course.losses[0]
    scores = network.features(X) @ course.readout.coef[0] + course.readout.intercept
    assert ((scores > 0) == labels).mean() > 0.8


def test_same_seed_same_network():
    networks = [train_toy(seed=seed)[2] for seed in (3, 3, 4)]
    first, again, other = (
        [layer.weights.indices for layer in network.layers] for network in networks
    )
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[0], other[0])


def test_constant_inputs_have_no_weights():
    assert not (train_toy()[2].layers[0].weights.indices == 4).any()


@pytest.mark.parametrize("n_bits", [1, 8])
def test_folded_layers_are_the_trained_ones_up_to_the_grid_of_thresholds(n_bits):
    layer = make_layer()
    X = np.random.default_rng(1).integers(0, 2**n_bits, (4000, 30)).astype(float)
    data = MemoryData.of(Part(X))
    network = CompressedNetwork(choose_quantizer(data.total_inputs, n_bits), (), 0)
    network = folded_network(network, [layer], data)
    codes = network.quantizer.codes(X).astype(float)
    expected = dense_codes(codes, layer.signs, layer)
    found = network.forward(X)
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert (found != expected).mean() < (0.02 if n_bits == 8 else 0.05)
    (dense,) = network.layers
    assert dense.weights.indices.shape == (12, 7)
    assert dense.offset == pytest.approx(
        (STEP.offset - STEP.moments(1.0).mean) / np.sqrt(12)
    )


def test_thresholds_of_neurons_are_lines():
    rng = np.random.default_rng(0)
    first, span = rng.normal(0, 3000, 50), rng.uniform(500, 2000, 50)
    found = lines_of_thresholds(first, span, STEP.thresholds)
    shares = (STEP.thresholds - STEP.thresholds[0]) / np.ptp(STEP.thresholds)
    expected = first[:, None] + span[:, None] * shares
    assert np.abs(found - expected).max() < np.median(span) / 7 / 8
    assert (np.diff(found, axis=1) > 0).all()


@pytest.mark.parametrize("gain", [0.0, -1e-9, 1e-9])
def test_dead_neurons_have_finite_thresholds(gain):
    layer = make_layer()
    layer.gain[:] = gain
    layer.shift[:] = np.linspace(-1, 3, 12)  # none of them near a threshold
    X = np.random.default_rng(1).integers(0, 256, (100, 30)).astype(float)
    data = MemoryData.of(Part(X))
    network = CompressedNetwork(choose_quantizer(data.total_inputs, 8), (), 0)
    network = folded_network(network, [layer], data)
    thresholds = integer_thresholds(network.layers[0], network.layers[0].weights)
    assert np.abs(thresholds).max() < 2**24
    found = network.forward(X)
    expected = STEP.levels[np.searchsorted(STEP.thresholds, layer.shift, "right")]
    np.testing.assert_array_equal(found, np.broadcast_to(expected, found.shape))


# --- when to stop ---------------------------------------------------------------------


def test_training_ends_where_the_loss_stays():
    options = Options(max_iter=500, n_iter_no_change=3, tol=0.5, batch_size=100)
    course = train_toy(options=options)[-1]
    assert 4 <= len(course.losses) <= 10


def test_early_stopping_scores_rows_that_are_held_out():
    options = Options(max_iter=15, early_stopping=True, batch_size=50)
    course = train_toy(options=options)[-1]
    assert len(course.scores) == len(course.losses) == 15
    assert 0.4 < course.scores[0] <= 1


def test_rows_that_are_scored_are_held_out_once(monkeypatch):
    """They are no rows of a batch, in none of the epochs."""
    taken, take = [], MemoryData.take
    monkeypatch.setattr(
        MemoryData, "take", lambda self, rows: taken.append(rows) or take(self, rows)
    )
    options = Options(max_iter=4, early_stopping=True, batch_size=300)
    train_toy(options=options)
    batches = [set(rows) for rows in taken if len(rows) == 270]
    scored = [set(rows) for rows in taken if len(rows) == 30]
    assert len(batches) == 5  # one of them normalises, in all epochs
    assert len(scored) == 4
    assert all(rows == batches[0] for rows in batches)
    assert all(rows == scored[0] for rows in scored)
    assert batches[0] | scored[0] == set(range(300))


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.99])
def test_validation_errors_are_those_of_mlp_classifier(n_classes, fraction):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 6)), rng.integers(0, n_classes, 40)
    y[0], y[1:][y[1:] == 0] = 0, 1  # one of the first class
    options = {"early_stopping": True, "validation_fraction": fraction, "max_iter": 2}
    messages = []
    for estimator in (
        MLPClassifier(random_state=0),
        CompressedMLPClassifier((8,), eps=0, hidden_weights="trained"),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            try:
                estimator.set_params(**options).fit(X, y)
                messages.append("")
            except ValueError as error:
                messages.append(str(error).split(": [")[0])  # their labels are bools
    assert messages[0] == messages[1]


def test_an_interrupted_training_keeps_the_best_epoch():
    lines = []

    def report(line):
        lines.append(line)
        if len(lines) == 5:
            raise KeyboardInterrupt

    *_, network, course = train_toy(report=report)
    assert course.interrupted
    assert len(course.losses) == 5
    assert network.layers[0].weights is not None


def test_losses_beyond_numbers_are_an_error():
    goal = NumberGoal(NumberTargets(), np.full(1, 1e-39))
    y = np.full((300, 1), 1.0)
    with (
        pytest.raises(ValueError, match="non-finite parameter weights"),
        np.errstate(all="ignore"),
    ):
        train_toy(goal=goal, y=y)


# --- in the estimators ----------------------------------------------------------------

TRAINED = {"hidden_weights": "trained", "max_iter": 60, "eps": 0.5, "random_state": 0}


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X, y, random_state=0)


@pytest.fixture(scope="module")
def trained(digits):
    X_train, _, y_train, _ = digits
    return CompressedMLPClassifier((40,), **TRAINED).fit(X_train, y_train)


def test_trained_layers_are_better_than_random_ones(digits, trained):
    X_train, X_test, y_train, y_test = digits
    random = CompressedMLPClassifier((40,), eps=0.5, random_state=0)
    random.fit(X_train, y_train)
    assert trained.score(X_test, y_test) > 0.95 > random.score(X_test, y_test) + 0.03
    assert trained.n_iter_ == len(trained.loss_curve_) == 60
    assert trained.best_loss_ == min(trained.loss_curve_)
    assert random.n_iter_ == 1
    assert not hasattr(random, "loss_curve_")


@pytest.mark.parametrize("readout", ["ridge", "logistic", LogisticRegression()])
def test_any_readout_of_trained_layers(digits, readout):
    X_train, X_test, y_train, y_test = digits
    clf = CompressedMLPClassifier((40,), readout=readout, **TRAINED)
    assert clf.fit(X_train, y_train).score(X_test, y_test) > 0.93


@pytest.mark.parametrize("n_classes", [2, 10])
def test_readout_that_was_trained_is_that_of_the_training(digits, n_classes):
    X, _, y, _ = digits
    clf = CompressedMLPClassifier((40, 20), **{**TRAINED, "max_iter": 15})
    every = clone(clf).set_params(readout_layers="all").fit(X, y % n_classes)
    clf.fit(X, y % n_classes)
    np.testing.assert_allclose(clf.decision_function(X), every.decision_function(X))
    proba = clf.predict_proba(X)
    assert log_loss(y % n_classes, proba) == pytest.approx(clf.loss_curve_[-1], abs=0.1)


def test_every_layer_of_a_deep_network_is_put_out(digits):
    X, _, y, _ = digits
    deep = CompressedMLPClassifier((12, 10, 8), **{**TRAINED, "max_iter": 3})
    every = clone(deep).set_params(readout_layers="all").fit(X, y)
    codes = every.compressor_.codes(X)
    assert codes.shape == (len(X), 30)
    np.testing.assert_array_equal(codes[:, -8:], deep.fit(X, y).compressor_.codes(X))


def test_trained_layers_are_saved(trained, digits):
    X = digits[1]
    loaded = from_bytes(to_bytes(trained))
    np.testing.assert_array_equal(
        loaded.decision_function(X), trained.decision_function(X)
    )
    np.testing.assert_array_equal(loaded.predict_proba(X), trained.predict_proba(X))
    assert loaded.get_params() == trained.get_params()
    assert "stored" in str(trained.report_) or "weights of their own" in str(
        trained.report_
    )


def test_same_seed_same_estimator(trained, digits):
    again = clone(trained).fit(digits[0], digits[2])
    np.testing.assert_array_equal(again.readout_.coef_, trained.readout_.coef_)


@pytest.mark.parametrize("target", ["labels", "teacher", "both"])
def test_training_from_a_reference_network(digits, target):
    X_train, X_test, y_train, y_test = digits
    mlp = MLPClassifier((40,), max_iter=40, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mlp.fit(X_train, y_train)
    clf = CompressedMLPClassifier(
        estimator=mlp, target=target, **{**TRAINED, "max_iter": 20}
    )
    clf.fit(X_train, None if target == "teacher" else y_train)
    assert clf.score(X_test, y_test) > 0.93
    if target != "labels":
        assert clf.teacher_agreement_ > 0.93


def test_class_weights_count(digits):
    X, _, y, _ = digits
    clf = CompressedMLPClassifier((20,), class_weight={0: 0.0}, **TRAINED)
    assert not (clf.fit(X, y).predict(X) == 0).any()


@pytest.mark.parametrize("n_targets", [1, 2])
def test_regressor(n_targets):
    X, y = make_regression(400, 10, n_targets=n_targets, noise=1, random_state=0)
    y = 1e6 + np.sign(y) * np.abs(y) ** 1.5
    reg = CompressedMLPRegressor((60,), **TRAINED, learning_rate_init=0.005)
    assert reg.fit(X[:300], y[:300]).score(X[300:], y[300:]) > 0.8
    random = CompressedMLPRegressor((60,), eps=0.5, random_state=0)
    random.fit(X[:300], y[:300])
    assert reg.score(X[300:], y[300:]) > random.score(X[300:], y[300:])


@pytest.mark.parametrize("kind", ["labels", "numbers"])
def test_compressor_learns_from_y(digits, kind):
    X_train, X_test, y_train, y_test = digits
    y = y_train if kind == "labels" else y_train + 0.5
    compressor = NTKCompressor((40,), **{**TRAINED, "max_iter": 20})
    model = make_pipeline(compressor, LogisticRegression(max_iter=1000))
    features = compressor.fit(X_train, y).transform(X_test)
    assert features.shape == (len(X_test), 40)
    model = make_pipeline(clone(compressor), LogisticRegression(C=100, max_iter=2000))
    assert model.fit(X_train, y_train).score(X_test, y_test) > 0.9


def test_sparse_and_dask_rows_are_those_of_memory(digits):
    X, _, y, _ = digits
    X, y = X[:300], y[:300]
    clf = CompressedMLPClassifier((20,), **{**TRAINED, "max_iter": 3})
    expected = clone(clf).fit(X, y).decision_function(X)
    found = clone(clf).fit(sparse.csr_array(X), y).decision_function(X)
    np.testing.assert_array_equal(found, expected)
    da = pytest.importorskip("dask.array")
    found = clone(clf).fit(da.from_array(X, chunks=(120, 64)), y).decision_function(X)
    np.testing.assert_array_equal(found, expected)


def test_ctrl_c_keeps_what_was_trained(digits, monkeypatch):
    X, _, y, _ = digits
    clf = CompressedMLPClassifier((20,), **TRAINED)

    def interrupt(name, text):
        if text.startswith("Iteration 3"):
            raise KeyboardInterrupt

    monkeypatch.setattr("sklearn_lossless._fitted.print_progress", interrupt)
    clf.set_params(verbose=1)
    with pytest.warns(ConvergenceWarning, match="Training interrupted by user"):
        clf.fit(X, y)
    assert clf.n_iter_ == 3
    assert clf.score(X, y) > 0.5


def test_partial_fit_goes_on_with_the_readout(trained, digits):
    X, _, y, _ = digits
    clf = deepcopy(trained)
    with pytest.warns(UserWarning, match="the readout starts anew"):
        clf.partial_fit(X[:600], y[:600])
    clf.partial_fit(X[600:], y[600:])
    np.testing.assert_array_equal(
        clf.compressor_.codes(X), trained.compressor_.codes(X)
    )
    assert clf.score(X, y) > 0.95


def test_the_first_batch_trains_the_hidden_layers(digits):
    X, _, y, _ = digits
    clf = CompressedMLPClassifier((40,), **TRAINED)
    clf.partial_fit(X[:600], y[:600], classes=range(10))
    expected = CompressedMLPClassifier((40,), **TRAINED).fit(X[:600], y[:600])
    np.testing.assert_array_equal(
        clf.compressor_.codes(X), expected.compressor_.codes(X)
    )
    assert clf.partial_fit(X[600:], y[600:]).score(X, y) > 0.9


def test_search_over_eps(digits):
    X, _, y, _ = digits
    clf = CompressedMLPClassifier((20,), **{**TRAINED, "max_iter": 5})
    search = GridSearchCV(clf, {"eps": [0.5, 0.9]}, cv=2).fit(X[:400], y[:400])
    assert search.best_params_["eps"] in (0.5, 0.9)


def test_no_targets(digits):
    with pytest.raises(ValueError, match="requires y to be passed"):
        NTKCompressor(hidden_weights="trained").fit(digits[0])


@pytest.mark.parametrize(
    "parameters",
    [
        {"max_iter": 0},
        {"batch_size": 0},
        {"batch_size": "all"},
        {"learning_rate_init": 0.0},
        {"tol": -1.0},
        {"n_iter_no_change": 0},
        {"validation_fraction": 1.0},
        {"early_stopping": "yes"},
    ],
)
def test_bad_parameters(digits, parameters):
    clf = CompressedMLPClassifier(**{**TRAINED, **parameters})
    with pytest.raises(ValueError, match=f"'{next(iter(parameters))}' parameter"):
        clf.fit(digits[0], digits[2])
