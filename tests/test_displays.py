"""Displays draw what is computed directly, where they are told to."""

import dataclasses
import math
import sys

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from naive import theory_inputs
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
)
from sklearn_lossless.inspection import MomentDisplay, SpectrumDisplay
from sklearn_lossless.theory import (
    conjugate_kernel,
    equivalent_ck,
    gaussian_moments,
)

ESTIMATORS = [NTKCompressor, CompressedMLPClassifier, CompressedMLPRegressor]


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:120], y[:120]


@pytest.fixture(scope="module")
def compressor(digits):
    return NTKCompressor((50, 40), eps=0.5, random_state=0).fit(digits[0])


@pytest.fixture(scope="module")
def wide(digits):
    return CompressedMLPClassifier((4000,), eps=0.5, random_state=0).fit(*digits)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


# --- spectra ------------------------------------------------------------------


def test_spectrum_of_kernels():
    rng = np.random.default_rng(0)
    A = np.diag([9.0, 5.0, *rng.uniform(0, 1, 48)])
    y = np.repeat([1, 0], 25)
    display = SpectrumDisplay.from_kernels(A, 2 * A, y, bins=30)
    np.testing.assert_allclose(display.comparison.eigenvalues_a[:2], [9, 5])
    np.testing.assert_allclose(display.comparison.cosines, 1)
    outlines = [patch.get_xy() for patch in display.ax_.patches]
    assert len(outlines) == 2
    # Eigenvalue 18 of the second is alone in the last bin.
    assert outlines[1][:, 0].max() == pytest.approx(18)
    assert display.figure_ is display.ax_.figure
    first = display.vector_axes_[0].get_lines()[0].get_ydata()
    # Class 0 comes first; the dominant vector is sample 0, of class 1.
    assert np.argmax(np.abs(first)) == 25


@pytest.mark.parametrize("theory", ["exact", "equivalent"])
def test_spectrum_of_an_estimator(digits, wide, theory):
    X, y = digits
    display = SpectrumDisplay.from_estimator(wide, X, y, theory=theory, n_samples=120)
    inputs = theory_inputs(wide, X)
    if theory == "exact":
        expected = conjugate_kernel(inputs, ["relu"], tau0=wide.matching_.tau[0])
    else:
        expected = equivalent_ck(inputs, ["relu"])
    Z = wide.compressor_.transform(X)
    np.testing.assert_allclose(
        display.comparison.eigenvalues_a, np.linalg.eigvalsh(expected)[::-1], atol=1e-8
    )
    np.testing.assert_allclose(
        display.comparison.eigenvalues_b, np.linalg.eigvalsh(Z @ Z.T)[::-1], atol=1e-8
    )
    assert display.comparison.cosines[0] > 0.95
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == [f"reference network, {theory}", "compressed network"]


def test_spectrum_takes_axes():
    A = np.diag(np.arange(1.0, 20))
    _, axes = plt.subplots(3, 1)
    display = SpectrumDisplay.from_kernels(A, A, ax=axes)
    assert display.ax_ is axes[0]
    assert list(display.vector_axes_) == list(axes[1:])
    _, ax = plt.subplots()
    assert display.plot(ax) is display
    assert display.figure_ is ax.figure
    assert len(ax.figure.axes) == 1 + 3
    with pytest.raises(ValueError, match="ax must be one Axes or 3, got 2"):
        display.plot(axes[:2])


def test_axes_placed_by_hand_are_divided():
    A = np.diag(np.arange(1.0, 20))
    for draw in (
        lambda ax: SpectrumDisplay.from_kernels(A, A, ax=ax),
        lambda ax: MomentDisplay.from_activation("tanh", ax=ax),
    ):
        figure = plt.figure()
        ax = figure.add_axes([0.5, 0.5, 0.4, 0.4])
        display = draw(ax)
        assert display.figure_ is figure
        for each in figure.axes:
            x0, y0, x1, y1 = each.get_position().extents
            assert min(x0, y0) > 0.49
            assert max(x1, y1) < 0.91


def test_display_remembers_its_bins():
    A = np.diag(np.arange(1.0, 20))
    display = SpectrumDisplay.from_kernels(A, A, bins=7)
    n_corners = [len(patch.get_xy()) for patch in display.plot().ax_.patches]
    assert n_corners == [len(p.get_xy()) for p in display.plot(bins=7).ax_.patches]
    assert n_corners != [len(p.get_xy()) for p in display.plot(bins=9).ax_.patches]


# --- moments ------------------------------------------------------------------


def test_moment_display_draws_what_was_matched(compressor):
    display = MomentDisplay.from_estimator(compressor, layer=-1)
    assert display.match is compressor.matching_.layers[-1]
    lines = {line.get_label(): line.get_xydata() for line in display.ax_.get_lines()}
    target, tau = display.match.target, display.match.tau_in
    u, given = lines["relu"].T
    np.testing.assert_allclose(given, np.maximum(u * tau, 0) - target.mean)
    assert len(np.unique(lines["8 levels"][:, 1].round(9))) == 8
    heights = [bar.get_height() for bar in display.moment_ax_.patches]
    expected = [abs(each.target) for each in display.match.equations]
    expected += [abs(each.achieved) for each in display.match.equations]
    np.testing.assert_allclose(heights, expected)
    assert display.figure_ is display.moment_ax_.figure


@pytest.mark.parametrize("activation", ["relu", "tanh", "abs", "gelu"])
@pytest.mark.parametrize("n_levels", [2, 8])
def test_staircase_is_drawn_the_way_the_activation_goes(activation, n_levels):
    display = MomentDisplay.from_activation(activation, n_levels=n_levels)
    assert display.match.step.n_levels == n_levels
    target = gaussian_moments(activation)
    u = np.linspace(-8, 8, 200_001)
    density = np.exp(-(u**2) / 2) / math.sqrt(2 * math.pi) * (u[1] - u[0])
    drawn = display.staircase(u)
    assert density @ drawn == pytest.approx(0, abs=1e-4)
    assert density @ (u * drawn) == pytest.approx(target.m1, abs=1e-3)
    assert density @ ((u**2 - 1) * drawn) == pytest.approx(target.m2, abs=1e-3)


def test_moment_display_takes_axes():
    _, axes = plt.subplots(1, 2)
    display = MomentDisplay.from_activation("tanh", ax=axes)
    assert [display.ax_, display.moment_ax_] == list(axes)
    _, ax = plt.subplots()
    assert display.plot(ax).figure_ is ax.figure
    with pytest.raises(ValueError, match="ax must be one Axes or 2, got 3"):
        display.plot(plt.subplots(1, 3)[1])


# --- bad input ----------------------------------------------------------------


@pytest.mark.parametrize("Estimator", ESTIMATORS)
def test_unfitted(Estimator):
    unfitted = Estimator()
    with pytest.raises(NotFittedError):
        SpectrumDisplay.from_estimator(unfitted, np.eye(3))
    with pytest.raises(NotFittedError):
        MomentDisplay.from_estimator(unfitted)


def test_foreign_estimators_are_named(digits):
    pipeline = make_pipeline(NTKCompressor((20,), eps=0.5)).fit(digits[0])
    for make in (SpectrumDisplay, MomentDisplay):
        with pytest.raises(
            TypeError, match="got Pipeline; of a pipeline take the step"
        ):
            make.from_estimator(pipeline, digits[0])


def test_spectra_of_stored_weights_are_refused(digits, compressor):
    first, last = compressor.network_.layers
    first = dataclasses.replace(first, weights=compressor.network_.weights(0))
    fitted = compressor._shallow_copy()
    fitted.network_ = dataclasses.replace(compressor.network_, layers=(first, last))
    with pytest.raises(ValueError, match="theory does not tell their kernel"):
        SpectrumDisplay.from_estimator(fitted, digits[0])
    assert MomentDisplay.from_estimator(fitted).match.layer == 1


def test_bad_parameters(digits, compressor):
    X, y = digits
    with pytest.raises(ValueError, match="theory must be 'exact' or 'equivalent'"):
        SpectrumDisplay.from_estimator(compressor, X, theory="x")
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        SpectrumDisplay.from_estimator(compressor, X, y[1:])
    with pytest.raises(
        ValueError, match="n_samples must be an integer, 2 or more, got 1"
    ):
        SpectrumDisplay.from_estimator(compressor, X, n_samples=1)
    for bins in (0, "auto", 2.5):
        with pytest.raises(ValueError, match="bins must be an integer, 1 or more"):
            SpectrumDisplay.from_kernels(np.eye(3), np.eye(3), bins=bins)
    for names in (("a",), "ab"):
        with pytest.raises(ValueError, match="names must be two"):
            SpectrumDisplay.from_kernels(np.eye(3), np.eye(3), names=names)
    with pytest.raises(ValueError, match="n_vectors must be an integer, from 1 to 3"):
        SpectrumDisplay.from_kernels(np.eye(3), np.eye(3), n_vectors=4)
    with pytest.raises(ValueError, match=r"layer must be 1 to 2 or -1, got 0"):
        MomentDisplay.from_estimator(compressor, 0)


@pytest.mark.parametrize("n_samples", [1, 49, 51, 100])
def test_as_many_classes_as_samples(n_samples):
    A = np.diag(np.arange(1.0, 51))
    display = SpectrumDisplay.from_kernels(A, A)
    y = np.arange(n_samples) % 2
    inconsistent = pytest.raises(ValueError, match="inconsistent numbers of samples")
    with inconsistent:
        SpectrumDisplay.from_kernels(A, A, y)
    with inconsistent:
        SpectrumDisplay(display.comparison, y=y).plot()
    with inconsistent:
        SpectrumDisplay(display.comparison, y=list(y)).plot()


def test_classes_in_several_columns_are_refused(digits, compressor):
    one_hot = np.eye(3)[np.arange(120) % 3]
    with pytest.raises(ValueError, match="y should be a 1d array"):
        SpectrumDisplay.from_estimator(compressor, digits[0], one_hot)
    with pytest.raises(ValueError, match="y should be a 1d array"):
        SpectrumDisplay.from_kernels(np.eye(120), np.eye(120), one_hot)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"sklearn-lossless\[plot\]"):
        MomentDisplay.from_activation("relu")
    with pytest.raises(ImportError, match=r"sklearn-lossless\[plot\]"):
        SpectrumDisplay.from_kernels(np.eye(3), np.eye(3))
