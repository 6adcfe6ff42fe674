"""Every number of the report equals the one that is computed directly."""

import copy
import dataclasses
import json
import math
import os
import pickle
import sys
import warnings

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
    load,
)
from sklearn_lossless.data import MemoryData, Part
from sklearn_lossless.inspection import (
    CompressionReport,
    MomentDisplay,
    SpectrumDisplay,
)
from sklearn_lossless.inspection._kernels import dense_kernels, sample_rows
from sklearn_lossless.inspection._measures import keep_report_rows
from sklearn_lossless.network import network_sizes
from sklearn_lossless.theory import (
    Activation,
    conjugate_kernel,
    equivalent_ck,
    equivalent_coefficients,
    gaussian_moments,
    get_activation,
    leaky_relu,
    match_activation,
    spectral_error,
)

HIDDEN = {"hidden_layer_sizes": (300, 200), "eps": 0.5, "random_state": 0}
ESTIMATORS = [NTKCompressor, CompressedMLPClassifier, CompressedMLPRegressor]


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)


@pytest.fixture(scope="module")
def compressor(digits):
    return NTKCompressor(**HIDDEN).fit(digits[0])


@pytest.fixture(scope="module")
def classifier(digits):
    return CompressedMLPClassifier(**HIDDEN).fit(*digits)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def inputs_of(estimator, X):
    """The network's inputs as the theory wants them, the bias one of them."""
    bias = np.full((len(X), 1), 1 / math.sqrt(X.shape[1]))
    return np.hstack([(X - estimator.mean_) * estimator.scale_, bias])


# --- moments ------------------------------------------------------------------


@pytest.mark.parametrize("n_levels", [2, 8])
def test_moments_are_those_of_activation_and_step(digits, n_levels):
    activations = ["gelu", "tanh"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = NTKCompressor((50, 40), activations, n_levels=n_levels, eps=0.5)
        fitted.fit(digits[0])
    report = CompressionReport.from_estimator(fitted)
    tau = t = math.sqrt(1 + 1 / 64)
    assert report.tau[0] == report.tau_compressed[0] == tau
    for number, (layer, activation) in enumerate(
        zip(report.layers, activations, strict=True)
    ):
        step = fitted.matching_.layers[number].step
        target, achieved = gaussian_moments(activation, tau), step.moments(t)
        assert [each.name for each in layer.moments] == ["m1", "m2", "f", "tau"]
        for each in layer.moments:
            assert each.target == getattr(target, each.name)
            assert each.achieved == getattr(achieved, each.name)
        excess = (achieved.tau**2 - (achieved.m1 * t) ** 2) / (
            target.tau**2 - (target.m1 * tau) ** 2
        )
        assert layer.excess_variance == pytest.approx(excess, rel=1e-12)
        tau, t = target.tau, achieved.tau
        assert (report.tau[number + 1], report.tau_compressed[number + 1]) == (tau, t)


def test_alphas_are_those_of_the_theory(compressor):
    report = compressor.report_
    given = equivalent_coefficients(["relu", "relu"], report.tau[0]).alpha
    steps = compressor.matching_.steps
    compressed = equivalent_coefficients(steps, report.tau_compressed[0]).alpha
    for layer in report.layers:
        assert layer.alpha == pytest.approx(given[layer.layer, :3], rel=1e-12)
        assert layer.alpha_compressed == pytest.approx(
            compressed[layer.layer, :3], rel=1e-12
        )
        # Matched moments, hence the same kernel.
        assert layer.alpha_compressed == pytest.approx(layer.alpha, rel=1e-8)


def test_unmet_moments_are_named(digits):
    paper = NTKCompressor((50, 50, 50), n_levels=2, eps=0.5, random_state=0)
    with pytest.warns(ConvergenceWarning, match="Layer 3: moment tau") as record:
        paper.fit(digits[0])
    report = paper.report_
    assert [layer.met for layer in report.layers] == [True, True, False]
    assert not report.met
    assert report.notes == (str(record[0].message),)
    assert report.notes[0] in str(report)
    assert "unmet" in str(report)
    assert "some moments not met" in repr(report)


# --- zeros and bytes ----------------------------------------------------------


def test_zeros_are_those_of_the_weights(compressor):
    report = compressor.report_
    zeros = sizes = 0
    for number, layer in enumerate(report.layers):
        drawn = compressor.network_.weights(number)
        W = np.zeros((layer.n_outputs, layer.n_inputs))
        np.put_along_axis(W, drawn.indices, 1, axis=1)
        assert layer.zeros == pytest.approx(np.mean(W == 0), rel=1e-12)
        zeros, sizes = zeros + np.sum(W == 0), sizes + W.size
    assert report.zeros == pytest.approx(zeros / sizes, rel=1e-12)


def test_bytes_by_each_way_of_counting(classifier, tmp_path):
    sizes = classifier.report_.sizes
    for name, bits in {"float32": 32, "float16": 16, "int8": 8, "int4": 4}.items():
        counted = network_sizes(classifier.network_, 10, bits)
        assert (
            sizes[f"readout_{name}"] == counted.pop("readout") == 200 * 10 * bits // 8
        )
        assert counted.items() <= sizes.items()
        classifier.save(tmp_path / name, readout_dtype=name)
        assert sizes[f"file_{name}"] == os.path.getsize(tmp_path / name)


def test_a_compressor_has_no_readout(compressor, tmp_path):
    sizes = compressor.report_.sizes
    assert not any(name.startswith("readout") for name in sizes)
    compressor.save(tmp_path / "model")
    assert sizes["file"] == os.path.getsize(tmp_path / "model")


def test_a_foreign_readout_has_no_model_file(digits):
    foreign = CompressedMLPClassifier(**HIDDEN, readout=DecisionTreeClassifier())
    sizes = foreign.fit(*digits).report_.sizes
    assert not any(name.startswith(("readout", "file")) for name in sizes)
    assert sizes["seed"] == 8


# --- the kernel ---------------------------------------------------------------


@pytest.mark.parametrize("activation", ["relu", ["tanh", np.sin], leaky_relu(0.3)])
def test_kernel_distance_is_that_of_the_features(digits, activation):
    X = digits[0][::12]
    fitted = NTKCompressor(**{**HIDDEN, "activation": activation}).fit(X)
    report = CompressionReport.from_estimator(fitted, X, n_samples=len(X), n_draws=1)
    Z = fitted.transform(X)
    activations = activation if isinstance(activation, list) else [activation] * 2
    exact = conjugate_kernel(inputs_of(fitted, X), activations, tau0=report.tau[0])
    expected = spectral_error(Z @ Z.T, exact)
    assert report.kernel.n_samples == len(X)
    assert report.kernel.compressed[-1] == pytest.approx(expected, rel=1e-6)
    assert report.layers[-1].distance == report.kernel.compressed[-1]


def test_kernel_distance_after_each_layer(digits):
    X = digits[0][:150]
    every = NTKCompressor(**HIDDEN, readout_layers="all").fit(X)
    last = NTKCompressor(**HIDDEN).fit(X)
    kernels = [
        CompressionReport.from_estimator(each, X).kernel for each in (every, last)
    ]
    assert kernels[0] == kernels[1]  # what is put out does not matter
    Z = every.transform(X)[:, :300]
    exact = conjugate_kernel(inputs_of(every, X), ["relu"], tau0=every.report_.tau[0])
    assert kernels[0].compressed[0] == pytest.approx(
        spectral_error(Z @ Z.T, exact), rel=1e-6
    )


def test_dense_yardstick_has_the_law_of_a_dense_network(digits, compressor):
    X = digits[0][:60]
    rng = np.random.default_rng(0)
    inputs, widths = inputs_of(compressor, X), (80, 40)
    activations = [get_activation("relu")] * 2
    exact = conjugate_kernel(inputs, activations, tau0=compressor.matching_.tau[0])
    errors = {"short": [], "plain": []}
    for _ in range(200):
        kernel = dense_kernels(
            inputs @ inputs.T, widths, activations, compressor.matching_, rng
        )[-1]
        errors["short"].append(spectral_error(kernel, exact))
        Z = inputs
        for width, match in zip(widths, compressor.matching_.layers, strict=True):
            W = rng.standard_normal((width, Z.shape[1]))
            Z = (np.maximum(Z @ W.T, 0) - match.target.mean) / math.sqrt(width)
        errors["plain"].append(spectral_error(Z @ Z.T, exact))
    short, plain = np.mean(errors["short"]), np.mean(errors["plain"])
    noise = np.std(errors["plain"]) * math.sqrt(2 / 200)
    assert abs(short - plain) < 4 * noise
    assert noise < 0.05 * plain


def test_distance_of_both_nets_falls_with_the_width(digits):
    X = digits[0]
    found = [
        NTKCompressor((width,), eps=0.5, random_state=0).fit(X).report_.kernel
        for width in (250, 4000)
    ]
    for name in ("compressed", "dense"):
        narrow, wide = (getattr(each, name)[0] for each in found)
        assert 0.15 < wide / narrow < 0.4  # as one over the root of the width: 1/4
    assert found[1].compressed[0] < 1.5 * found[1].dense[0]


def test_sparse_data_give_the_same_distance(digits):
    X = digits[0]
    dense = NTKCompressor(**HIDDEN).fit(X)
    thin = NTKCompressor(**HIDDEN).fit(sparse.csr_array(X))
    one, other = dense.report_.kernel, thin.report_.kernel
    assert other.compressed == pytest.approx(one.compressed, rel=1e-8)
    assert other.dense == pytest.approx(one.dense, rel=1e-6)


# --- data that are set aside --------------------------------------------------


def test_fit_sets_rows_aside_that_no_pickle_holds(digits, compressor):
    X = digits[0]
    kernel = compressor.report_.kernel
    assert kernel.n_samples == 200
    assert kernel == CompressionReport.from_estimator(compressor, X).kernel
    for other in (pickle.loads(pickle.dumps(compressor)), copy.deepcopy(compressor)):
        assert not any("_report" in name for name in vars(other))
        report = other.report_
        assert report.kernel is None
        assert report.layers[0].distance is None
        assert "keep no training data" in report.notes[0]
        assert CompressionReport.from_estimator(other, X).kernel == kernel


def test_pickles_of_a_classifier_hold_no_data(digits, classifier):
    classifier.report_  # noqa: B018
    assert "_report_rows" in vars(classifier.compressor_)
    other = pickle.loads(pickle.dumps(classifier))
    assert "_report_rows" not in vars(other.compressor_)


def test_report_follows_the_last_fit(digits):
    X, y = digits
    clf = CompressedMLPClassifier(**HIDDEN).fit(X, y)
    first = clf.report_
    assert clf.report_.kernel is first.kernel  # measured once
    clf.set_params(random_state=1).fit(X[:, :40], y)
    assert clf.report_.layers[0].n_inputs == 40
    assert clf.report_.kernel != first.kernel


def test_rows_of_weight_zero_are_left_out(digits):
    X = digits[0]
    weight = np.zeros(len(X))
    weight[100:150] = 2
    weighted = NTKCompressor(**HIDDEN).fit(X, sample_weight=weight)
    alone = NTKCompressor(**HIDDEN).fit(X[100:150])
    assert weighted.report_.kernel == alone.report_.kernel
    rows = weighted._report_rows[1]
    np.testing.assert_array_equal(rows, X[100:150])


def test_few_rows_of_very_wide_data():
    X = np.broadcast_to(np.float32(0), (500, 10**6))
    assert len(sample_rows(X, 200)) == 20
    assert len(sample_rows(sparse.csr_array((500, 10**6)), 200)) == 200


def test_model_files_have_a_report_without_distance(classifier, tmp_path):
    classifier.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    report = loaded.report_
    assert report.kernel is None
    for one, other in zip(report.layers, classifier.report_.layers, strict=True):
        assert one.alpha == pytest.approx(other.alpha)
        assert one.moments == other.moments


def test_partial_fit_sets_rows_of_the_first_batch_aside(digits):
    X, y = digits
    clf = CompressedMLPClassifier(**HIDDEN).partial_fit(X[:150], y[:150], range(10))
    clf.partial_fit(X[150:], y[150:])
    report = clf.report_
    assert report.kernel == CompressionReport.from_estimator(clf, X[:150]).kernel
    assert report.sizes["readout_int8"] == 200 * 10


def test_rows_of_dask_arrays_are_set_aside(digits):
    da = pytest.importorskip("dask.array")
    X = digits[0]
    expected = NTKCompressor(**HIDDEN).fit(X).report_
    fitted = NTKCompressor(**HIDDEN).fit(X[:100])
    fitted.fit(da.from_array(X, chunks=(600, 64)))  # rows of the fit before are stale
    assert fitted.report_.kernel == expected.kernel


def test_report_of_a_forgotten_function(digits):
    fitted = NTKCompressor(**{**HIDDEN, "activation": np.sinh}).fit(digits[0])
    assert fitted.report_.kernel is not None
    fitted = NTKCompressor(**{**HIDDEN, "activation": np.sinh}).fit(digits[0])
    fitted.set_params(activation="relu")
    report = fitted.report_
    assert report.kernel is None
    assert "'sinh' of layer 1 is not known" in report.notes[0]
    assert report.met


def test_given_weights_are_not_compared(digits, compressor):
    fitted = copy.copy(compressor)
    first, last = compressor.network_.layers
    first = dataclasses.replace(first, weights=compressor.network_.weights(0))
    fitted.network_ = dataclasses.replace(compressor.network_, layers=(first, last))
    keep_report_rows(fitted, MemoryData.of(Part(digits[0])))
    assert fitted.report_.kernel is None
    assert "weights of their own" in fitted.report_.notes[0]


# --- forms of the report ------------------------------------------------------


@pytest.mark.parametrize("Estimator", ESTIMATORS)
def test_every_estimator_has_a_report(digits, Estimator):
    fitted = Estimator(**HIDDEN).fit(*digits)
    report = fitted.report_
    assert report.estimator == Estimator.__name__
    assert report.met
    assert report.kernel.compressed[-1] < 0.5
    assert fitted._repr_html_()  # the notebook's table of attributes asks for all


def test_dict_is_json(compressor):
    found = json.loads(json.dumps(compressor.report_.to_dict(), allow_nan=False))
    report = compressor.report_
    assert found["layers"][1]["distance"] == report.kernel.compressed[1]
    assert (
        found["layers"][0]["moments"][0]["target"] == report.layers[0].moments[0].target
    )
    assert found["sizes"] == report.sizes
    assert found["kernel"]["dense"] == list(report.kernel.dense)
    assert found["zeros"] == report.zeros


def test_numbers_without_finite_value_are_null(digits):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        linear = NTKCompressor((50,), "identity", eps=0.5).fit(digits[0])
    assert linear.report_.layers[0].excess_variance == math.inf
    assert linear.report_.to_dict()["layers"][0]["excess_variance"] is None


def test_frame(compressor):
    report = compressor.report_
    layers = report.frame()
    assert list(layers.index) == [1, 2]
    for layer in report.layers:
        row = layers.loc[layer.layer]
        for each in layer.moments:
            assert row[each.name] == each.target
            assert row[f"{each.name}_compressed"] == each.achieved
        assert (row["a1"], row["a2"], row["a3"]) == layer.alpha
        assert row["distance"] == layer.distance
        assert row["distance_dense"] == layer.distance_dense
    found = report.frame("bytes")
    assert found["bytes"].to_dict() == report.sizes
    assert found.loc["dense_float32", "of_dense"] == 1
    with pytest.raises(ValueError, match="part must be 'layers' or 'bytes', got 'x'"):
        report.frame("x")


def test_text_and_html_hold_the_numbers(classifier):
    report = classifier.report_
    page = report._repr_html_()
    for text in (str(report), page):
        assert "64-300-200" in text
        assert f"{report.zeros:.1%}" in text
        for size in report.sizes.values():
            assert f"{size:,}" in text
        for layer in report.layers:
            assert f"{layer.distance:.4f}" in text
            assert f"{layer.distance_dense:.4f}" in text
            assert f"{layer.alpha[0]:.4g} / {layer.alpha_compressed[0]:.4g}" in text
            for each in layer.moments:
                assert f"{each.target:.6g}" in text
    assert page.count("<table>") == page.count("</table>") == 3


def test_html_is_escaped(digits):
    odd = Activation("<b>&", np.sin)
    page = NTKCompressor((30,), odd, eps=0.5).fit(digits[0]).report_._repr_html_()
    assert "&lt;b&gt;&amp;" in page
    assert "<b>" not in page


# --- displays -----------------------------------------------------------------


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
def test_spectrum_of_an_estimator(digits, theory):
    X, y = digits[0][:120], digits[1][:120]
    wide = CompressedMLPClassifier((4000,), eps=0.5, random_state=0).fit(X, y)
    display = SpectrumDisplay.from_estimator(wide, X, y, theory=theory, n_samples=120)
    inputs = inputs_of(wide, X)
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


def test_moment_display_draws_what_was_matched(digits, compressor):
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
    match = match_activation(activation, n_levels=n_levels)
    u = np.linspace(-8, 8, 200_001)
    density = np.exp(-(u**2) / 2) / math.sqrt(2 * math.pi) * (u[1] - u[0])
    drawn = display.staircase(u)
    assert density @ drawn == pytest.approx(0, abs=1e-4)
    assert density @ (u * drawn) == pytest.approx(match.target.m1, abs=1e-3)
    assert density @ ((u**2 - 1) * drawn) == pytest.approx(match.target.m2, abs=1e-3)


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
    assert not hasattr(unfitted, "report_")
    with pytest.raises(NotFittedError):
        CompressionReport.from_estimator(unfitted)
    with pytest.raises(NotFittedError):
        SpectrumDisplay.from_estimator(unfitted, np.eye(3))
    with pytest.raises(NotFittedError):
        MomentDisplay.from_estimator(unfitted)


def test_foreign_estimators_are_named(digits):
    pipeline = make_pipeline(StandardScaler(), NTKCompressor((20,), eps=0.5))
    pipeline.fit(digits[0])
    for make in (CompressionReport, SpectrumDisplay, MomentDisplay):
        with pytest.raises(
            TypeError, match="got Pipeline; of a pipeline take the step"
        ):
            make.from_estimator(pipeline, digits[0])


def test_bad_parameters(digits, compressor):
    X, y = digits
    with pytest.raises(ValueError, match="63 features, but NTKCompressor is expecting"):
        CompressionReport.from_estimator(compressor, X[:, 1:])
    with pytest.raises(
        ValueError, match="n_samples must be an integer, 1 or more, got 0"
    ):
        CompressionReport.from_estimator(compressor, X, n_samples=0)
    with pytest.raises(
        ValueError, match="n_draws must be an integer, 1 or more, got -1"
    ):
        CompressionReport.from_estimator(compressor, n_draws=-1)
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
    with pytest.raises(ValueError, match=r"n_samples must be an integer.* got 2\.5"):
        CompressionReport.from_estimator(compressor, X, n_samples=2.5)
    with pytest.raises(ValueError, match="n_vectors must be an integer, from 1 to 3"):
        SpectrumDisplay.from_kernels(np.eye(3), np.eye(3), n_vectors=4)
    with pytest.raises(ValueError, match=r"layer must be 1 to 2 or -1, got 0"):
        MomentDisplay.from_estimator(compressor, 0)


def test_missing_packages_are_named(compressor, monkeypatch):
    report = compressor.report_
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="frame needs pandas"):
        report.frame()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"sklearn-lossless\[plot\]"):
        MomentDisplay.from_activation("relu")
    with pytest.raises(ImportError, match=r"sklearn-lossless\[plot\]"):
        SpectrumDisplay.from_kernels(np.eye(3), np.eye(3))
