"""LearningDynamicsDisplay draws what theory.dynamics computes."""

import sys

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
)
from sklearn_lossless.inspection import LearningDynamicsDisplay
from sklearn_lossless.theory import (
    class_targets,
    conjugate_kernel,
    equivalent_dynamics,
    kernel_dynamics,
    readout_dynamics,
)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:400], y[:400], X[400:700], y[400:700]


@pytest.fixture(scope="module")
def compressor(digits):
    return NTKCompressor((300,), random_state=0).fit(digits[0])


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_kernel_is_drawn():
    rng = np.random.default_rng(0)
    Z, Z_test = rng.normal(size=(2, 20, 30))
    K, K_test, y = Z @ Z.T, Z_test @ Z.T, rng.normal(size=20)
    display = LearningDynamicsDisplay.from_kernel(
        K, y, K_test, y, times=[1.0, 10.0], noise=0.5, name="mine"
    )
    expected = kernel_dynamics(K, y, K_test, y).curve([1.0, 10.0], noise=0.5)
    for line, errors, label in (
        (display.train_line_, expected.train, "mine, training"),
        (display.test_line_, expected.test, "mine, test"),
    ):
        np.testing.assert_allclose(line.get_xdata(), [1, 10])
        np.testing.assert_allclose(line.get_ydata(), errors)
        assert line.get_label() == label
    assert display.train_line_.get_color() == display.test_line_.get_color()
    assert display.figure_ is display.ax_.figure
    assert display.ax_.get_xscale() == "log"
    assert display.ax_.get_xlabel() == "time"
    steps = LearningDynamicsDisplay.from_kernel(K, y, times=[1.0], step_size=0.1)
    assert steps.test_line_ is steps.stop_line_ is None
    assert steps.train_line_.get_label() == "training"


def test_stop_is_where_the_test_error_is_least():
    rng = np.random.default_rng(0)
    Z, Z_test = rng.normal(size=(2, 20, 18))
    w = rng.normal(size=18)
    display = LearningDynamicsDisplay.from_kernel(
        Z @ Z.T, Z @ w, Z_test @ Z.T, Z_test @ w, noise=30.0
    )
    best = display.curve.times[np.argmin(display.curve.test)]
    assert list(display.stop_line_.get_xdata()) == [best, best]
    clean = LearningDynamicsDisplay.from_kernel(
        Z @ Z.T, Z @ w, Z_test @ Z.T, Z_test @ w
    )
    assert clean.stop_line_ is None


def test_estimators_features_are_drawn(digits, compressor):
    X, y, X_test, y_test = digits
    times = [1.0, 100.0]
    Z, Z_test = compressor.transform(X), compressor.transform(X_test)
    expected = readout_dynamics(
        Z - Z.mean(axis=0),
        class_targets(y),
        Z_test - Z.mean(axis=0),
        class_targets(y_test, like=y),
    ).curve(times)
    clf = CompressedMLPClassifier((300,), random_state=0).fit(X, y)
    for estimator in (compressor, clf):
        display = LearningDynamicsDisplay.from_estimator(
            estimator, X, y, X_test=X_test, y_test=y_test, times=times
        )
        np.testing.assert_allclose(display.curve.train, expected.train, rtol=1e-6)
        np.testing.assert_allclose(display.curve.test, expected.test, rtol=1e-6)
        assert display.name == "compressed network"
    again = LearningDynamicsDisplay.from_estimator(
        compressor, sparse.csr_array(X), y.astype(str), times=times
    )
    np.testing.assert_allclose(again.curve.train, expected.train, rtol=1e-6)


def test_theory_and_practice_in_one_picture(digits):
    X, y, X_test, y_test = digits
    compressor = NTKCompressor((8000,), eps=0.5, n_levels=16, random_state=0).fit(X)
    given = {"X_test": X_test, "y_test": y_test, "times": np.logspace(0, 4, 30)}
    ax, curves = None, {}
    for theory in (None, "exact", "equivalent"):
        display = LearningDynamicsDisplay.from_estimator(
            compressor, X, y, theory=theory, ax=ax, **given
        )
        ax = display.ax_
        curves[theory] = display.curve.test
    assert len(ax.get_legend().get_texts()) == 6
    assert display.name == "reference network, equivalent"
    size = curves["exact"].max()
    assert np.abs(curves[None] - curves["exact"]).max() < 0.05 * size
    assert np.abs(curves["equivalent"] - curves["exact"]).max() < 0.15 * size


@pytest.mark.parametrize("theory", ["exact", "equivalent"])
def test_theory_of_tables_is_that_of_their_bits(digits, theory):
    X, y = digits[:2]
    table = NTKCompressor((300,), input_encoding="thresholds", random_state=0).fit(X)
    centred = table.network_.quantizer.codes(X).astype(float)
    centred -= centred.mean(axis=0)
    inputs = centred / np.sqrt(np.square(centred).sum(axis=1).mean())
    tau0 = table.matching_.tau[0]
    inputs = np.column_stack([inputs, np.full(len(X), np.sqrt(tau0**2 - 1))])
    Y = class_targets(y)
    if theory == "exact":
        K = conjugate_kernel(inputs, ["relu"], tau0=tau0)
        middle = np.eye(len(X)) - 1 / len(X)
        dynamics = kernel_dynamics(middle @ K @ middle, Y)
    else:
        dynamics = equivalent_dynamics(inputs, Y, ["relu"], kernel="ck")
    times = np.logspace(0, 5, 20)
    display = LearningDynamicsDisplay.from_estimator(
        table, X, y, theory=theory, times=times
    )
    expected = dynamics.curve(times).train
    np.testing.assert_allclose(display.curve.train, expected, rtol=1e-6, atol=1e-9)


def test_numbers_are_learned(digits):
    X, _, X_test, _ = digits
    y, y_test = (3 + each[:, :2].sum(axis=1) / 7 + each[:, 20] for each in (X, X_test))
    model = CompressedMLPRegressor((300,), random_state=0).fit(X, y)
    display = LearningDynamicsDisplay.from_estimator(
        model, X, y, X_test=X_test, y_test=y_test
    )
    assert display.curve.train[0] == pytest.approx(np.var(y), rel=0.2)
    assert display.curve.test.min() < 0.1 * np.var(y)


def test_rows_are_drawn(digits, compressor):
    X, y, *_ = digits
    display = LearningDynamicsDisplay.from_estimator(
        compressor, X, y, n_samples=100, times=[0.0, 1.0]
    )
    whole = LearningDynamicsDisplay.from_estimator(compressor, X, y, times=[0.0, 1.0])
    assert display.curve.train[1] != whole.curve.train[1]


def test_style_and_names(digits, compressor):
    X, y, X_test, y_test = digits
    _, ax = plt.subplots()
    display = LearningDynamicsDisplay.from_estimator(
        compressor, X, y, X_test=X_test, y_test=y_test, ax=ax, c="black", lw=3
    )
    assert display.ax_ is ax
    for line in (display.train_line_, display.test_line_):
        assert line.get_color() == "black"
        assert line.get_linewidth() == 3
    assert display.train_line_.get_linestyle() == "--"
    assert display.plot(name="again") is display
    assert display.test_line_.get_label() == "again, test"
    assert display.ax_ is not ax


def test_what_is_refused(digits, compressor, monkeypatch):
    X, y, X_test, _ = digits
    draw = LearningDynamicsDisplay.from_estimator
    with pytest.raises(ValueError, match="theory must be None, 'exact' or"):
        draw(compressor, X, y, theory="ntk")
    with pytest.raises(ValueError, match="given together"):
        draw(compressor, X, y, X_test=X_test)
    with pytest.raises(ValueError, match="n_samples must be"):
        draw(compressor, X, y, n_samples=1)
    with pytest.raises(ValueError, match="has one sample"):
        draw(compressor, X[:3], ["a", "b", "b"])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        draw(compressor, X, y[:-1])
    with pytest.raises(ValueError, match="ask for n_probes"):
        draw(compressor, X, y, theory="equivalent", noise=0.1)
    with pytest.raises(NotFittedError):
        draw(NTKCompressor((10,)), X, y)
    with pytest.raises(TypeError, match="of a pipeline take the step"):
        draw(make_pipeline(NTKCompressor((10,))).fit(X), X, y)
    trained = NTKCompressor(
        (20,), hidden_weights="trained", max_iter=2, eps=0.5, random_state=0
    ).fit(X, y)
    assert draw(trained, X, y).name == "compressed network"
    with pytest.raises(ValueError, match="theory does not tell their kernel"):
        draw(trained, X, y, theory="exact")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"sklearn-lossless\[plot\]"):
        draw(compressor, X, y)
