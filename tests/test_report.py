"""Every number of the report equals the one that is computed directly."""

import copy
import dataclasses
import json
import math
import os
import pickle
import sys
import warnings
from multiprocessing.pool import ThreadPool

import numpy as np
import pytest
from naive import theory_inputs
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
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
from sklearn_lossless.export import archive
from sklearn_lossless.inspection import CompressionReport, LayerReport, _kernels
from sklearn_lossless.inspection._kernels import dense_kernels, sample_rows
from sklearn_lossless.inspection._measures import keep_report_rows
from sklearn_lossless.network import network_sizes
from sklearn_lossless.theory import (
    Activation,
    conjugate_kernel,
    equivalent_coefficients,
    gaussian_moments,
    get_activation,
    leaky_relu,
    spectral_error,
)

HIDDEN = {"hidden_layer_sizes": (300, 200), "eps": 0.5, "random_state": 0}
ESTIMATORS = [NTKCompressor, CompressedMLPClassifier, CompressedMLPRegressor]


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:600], y[:600]


@pytest.fixture(scope="module")
def compressor(digits):
    return NTKCompressor(**HIDDEN).fit(digits[0])


@pytest.fixture(scope="module")
def classifier(digits):
    return CompressedMLPClassifier(**HIDDEN).fit(*digits)


@pytest.fixture(scope="module")
def regressor(digits):
    return CompressedMLPRegressor(**HIDDEN).fit(*digits)


@pytest.fixture
def measured(monkeypatch):
    """What is measured: a list that kernels and files are noted in."""
    names = []

    def noted(name, function):
        def note(*args, **kwargs):
            names.append(name)
            return function(*args, **kwargs)

        return note

    exact_kernels, encode = _kernels.exact_kernels, archive.encode
    monkeypatch.setattr(_kernels, "exact_kernels", noted("kernel", exact_kernels))
    monkeypatch.setattr(archive, "encode", noted("file", encode))
    return names


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
    assert report.notes[0] in " ".join(str(report).split())
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
    exact = conjugate_kernel(theory_inputs(fitted, X), activations, tau0=report.tau[0])
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
    exact = conjugate_kernel(
        theory_inputs(every, X), ["relu"], tau0=every.report_.tau[0]
    )
    assert kernels[0].compressed[0] == pytest.approx(
        spectral_error(Z @ Z.T, exact), rel=1e-6
    )


def test_dense_yardstick_has_the_law_of_a_dense_network(digits, compressor):
    X = digits[0][:60]
    rng = np.random.default_rng(0)
    inputs, widths = theory_inputs(compressor, X), (80, 40)
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


def test_sparse_data_give_the_same_distance(digits, compressor):
    thin = NTKCompressor(**HIDDEN).fit(sparse.csr_array(digits[0]))
    one, other = compressor.report_.kernel, thin.report_.kernel
    assert other.compressed == pytest.approx(one.compressed, rel=1e-8)
    assert other.dense == pytest.approx(one.dense, rel=1e-6)


def test_entries_in_one_place_are_summed(digits, compressor):
    once = sparse.csr_array(digits[0][:100])
    halves = sparse.csr_array(
        (np.repeat(once.data / 2, 2), np.repeat(once.indices, 2), 2 * once.indptr),
        shape=once.shape,
    )
    assert not halves.has_canonical_format
    before = halves.data.copy()
    expected, found = (
        CompressionReport.from_estimator(compressor, X).kernel for X in (once, halves)
    )
    assert found == expected
    np.testing.assert_array_equal(halves.data, before)


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


def test_a_report_is_that_of_its_fit_however_late_it_is_read(digits):
    X, y = digits[0][:50], digits[1][:50]
    for Estimator in ESTIMATORS:
        fitted = Estimator(**HIDDEN).fit(X, y)
        expected = copy.deepcopy(fitted.report_)
        early = fitted.report_
        fitted.set_params(hidden_layer_sizes=(20,)).fit(X[:, :40], y)
        assert early == expected
        assert fitted.report_ != expected


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


def test_rows_of_dask_arrays_are_set_aside(digits, compressor):
    da = pytest.importorskip("dask.array")
    X = digits[0]
    expected = compressor.report_
    fitted = NTKCompressor(**HIDDEN).fit(X[:100])
    fitted.fit(da.from_array(X, chunks=(200, 64)))  # rows of the fit before are stale
    assert fitted.report_.kernel == expected.kernel


def test_report_of_a_forgotten_function(digits):
    fitted = NTKCompressor((50,), np.sinh, eps=0.5, random_state=0).fit(digits[0])
    known = fitted.report_
    fitted.set_params(activation="relu")
    forgotten = fitted.report_
    assert known.kernel is not None
    fitted._report_rows[2].clear()  # what was measured before counts as well
    assert forgotten.kernel is None
    assert "'sinh' of layer 1 is not known" in forgotten.notes[0]
    assert forgotten.met


def test_stored_weights_are_not_compared(digits, compressor):
    fitted = copy.copy(compressor)
    first, last = compressor.network_.layers
    first = dataclasses.replace(first, weights=compressor.network_.weights(0))
    fitted.network_ = dataclasses.replace(compressor.network_, layers=(first, last))
    keep_report_rows(fitted, MemoryData.of(Part(digits[0])))
    assert fitted._report_rows[1] is None
    assert fitted.report_.kernel is None
    assert "weights of their own" in fitted.report_.notes[0]
    assert fitted.report_.layers[0].distance is None


# --- when it is measured ------------------------------------------------------


@pytest.mark.parametrize("Estimator", ESTIMATORS)
def test_showing_an_estimator_measures_nothing(digits, measured, Estimator):
    fitted = Estimator(**HIDDEN).fit(*digits)
    assert "report_" in fitted._repr_html_()
    report = fitted.report_
    assert "all moments met" in repr(report)
    assert "kernel distance" not in repr(report)
    assert report.met
    assert report.zeros == pytest.approx(0.5)
    assert report.layers[1].n_levels == 8
    assert measured == []
    assert report.kernel is not None
    assert f"kernel distance {report.kernel.compressed[1]:.3f}" in repr(report)
    assert measured == ["kernel"]
    assert report.sizes == report.sizes
    assert measured == ["kernel", "file"]


@pytest.mark.parametrize(
    "read",
    [
        lambda report: report.kernel,
        lambda report: report.notes,
        lambda report: report.layers[0].distance,
        lambda report: report.layers[1].distance_dense,
        lambda report: report.to_dict(),
        lambda report: report.frame(),
        lambda report: pickle.dumps(report),
        lambda report: report._repr_html_(),
        str,
    ],
)
def test_kernels_are_measured_once_when_they_are_needed(
    digits, compressor, measured, read
):
    given = CompressionReport.from_estimator(compressor, digits[0][:50])
    assert measured == []
    for _ in range(2):
        read(given)
    assert measured.count("kernel") == 1
    # A bare copy has nothing measured on the rows that are set aside.
    network, rows, _ = compressor._report_rows
    bare = compressor._shallow_copy()
    bare._report_rows = (network, rows, {})
    for _ in range(2):
        read(bare.report_)
    assert measured.count("kernel") == 2


def test_threads_read_the_same_distance(digits):
    fitted = NTKCompressor(**HIDDEN).fit(digits[0][:50])
    report = fitted.report_
    with ThreadPool(4) as pool:
        found = pool.map(lambda _: (report.kernel, fitted.report_.kernel), range(8))
    assert {id(kernel) for pair in found for kernel in pair} == {id(report.kernel)}


def test_copies_of_a_report_hold_numbers_and_no_data(compressor):
    again = pickle.loads(pickle.dumps(compressor.report_))
    assert again == compressor.report_
    assert str(again) == str(compressor.report_)
    for each in (again, *again.layers):
        assert not any(map(callable, vars(each).values()))
    other = dataclasses.replace(compressor.report_, notes=("as seen",))
    assert other.kernel == compressor.report_.kernel
    assert "as seen\n" in str(other)


def test_reports_are_made_of_plain_values(compressor):
    layer = compressor.report_.layers[0]
    fields = dataclasses.fields(LayerReport)
    required = [getattr(layer, each.name) for each in fields[:-2]]
    assert LayerReport(*required).distance is None
    assert LayerReport(*required, 0.5, 0.25).distance_dense == 0.25
    with pytest.raises(dataclasses.FrozenInstanceError):
        layer.distance = 0.5
    with pytest.raises(TypeError, match="sizes"):
        CompressionReport("x", (1,), (1,), (layer,), None)
    report = CompressionReport("x", (1,), (1,), (layer,), None, {"dense_float32": 1})
    assert report.notes == ()
    assert report.kernel is None
    assert "dense\n" not in str(report)  # of no samples


# --- forms of the report ------------------------------------------------------


def test_every_estimator_has_a_report(compressor, classifier, regressor):
    for fitted in (compressor, classifier, regressor):
        report = fitted.report_
        assert report.estimator == type(fitted).__name__
        assert report.met
        assert report.kernel.compressed[-1] < 0.5
        assert fitted._repr_html_()  # the notebook's table of attributes asks for all


def test_a_frozen_estimator_has_a_report(digits, compressor):
    frozen = FrozenEstimator(compressor)
    for X in (None, digits[0]):
        report = CompressionReport.from_estimator(frozen, X)
        assert report.kernel == compressor.report_.kernel


def test_layers_answer_for_themselves(digits):
    with pytest.warns(ConvergenceWarning, match="tau"):
        fitted = NTKCompressor((50, 40), eps=[0.5, 0.9], n_levels=[4, 2]).fit(digits[0])
    report = fitted.report_
    assert [layer.n_levels for layer in report.layers] == [4, 2]
    assert [layer.zeros for layer in report.layers] == [0.5, 0.9]
    assert report.kernel is not None


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
    with pytest.raises(
        ValueError, match="part must be 'layers', 'bytes', 'training' or"
    ):
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
            assert f"{layer.alpha[0]:.3g} / {layer.alpha_compressed[0]:.3g}" in text
            for each in layer.moments:
                assert f"{each.target:.6g}" in text
    assert page.count("<table>") == page.count("</table>") == 4


def test_html_is_escaped(digits):
    odd = Activation("<b>&", np.sin)
    page = NTKCompressor((30,), odd, eps=0.5).fit(digits[0]).report_._repr_html_()
    assert "&lt;b&gt;&amp;" in page
    assert "<b>" not in page


# --- bad input ----------------------------------------------------------------


@pytest.mark.parametrize("Estimator", ESTIMATORS)
def test_unfitted(Estimator):
    unfitted = Estimator()
    assert not hasattr(unfitted, "report_")
    with pytest.raises(NotFittedError):
        CompressionReport.from_estimator(unfitted)


def test_foreign_estimators_are_named(digits):
    pipeline = make_pipeline(StandardScaler(), NTKCompressor((20,), eps=0.5))
    for each in (pipeline, pipeline.fit(digits[0])):
        with pytest.raises(
            TypeError, match="got Pipeline; of a pipeline take the step"
        ):
            CompressionReport.from_estimator(each, digits[0])
    for each in (NTKCompressor, None):
        with pytest.raises(TypeError, match="estimator must be an NTKCompressor"):
            CompressionReport.from_estimator(each)


def test_bad_parameters(digits, compressor):
    X = digits[0]
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
    with pytest.raises(ValueError, match=r"n_samples must be an integer.* got 2\.5"):
        CompressionReport.from_estimator(compressor, X, n_samples=2.5)


def test_a_missing_package_is_named(compressor, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="frame needs pandas"):
        compressor.report_.frame()


# --- the verdict --------------------------------------------------------------


def test_the_verdict_says_what_to_change(compressor):
    report = compressor.report_
    assert str(report).replace("\n", " ").endswith(report.verdict)
    assert report.verdict.startswith("Matched: all required moments. The last kernel")
    assert report.verdict in report._repr_html_()
    near = dataclasses.replace(report.kernel, compressed=(0.2, 0.24), dense=(0.2, 0.2))
    far = dataclasses.replace(near, compressed=(0.2, 0.3))
    layer = report.layers[0]
    off = dataclasses.replace(layer.moments[0], residual=9.0)
    wrong = dataclasses.replace(layer, moments=(off, *layer.moments[1:]), n_levels=2)
    sizes = {"dense_float32": 4_000_000, "file_int8": 8_000}

    def verdict(**changes):
        values = {"layers": (layer,), "kernel": None, "sizes": sizes, "notes": ()}
        return CompressionReport("x", (1,), (1,), **{**values, **changes}).verdict

    assert "costs nothing. More neurons" in verdict(kernel=near)
    assert "costs something. Try a smaller eps" in verdict(kernel=far)
    assert "kernel" not in verdict()
    text = verdict(layers=(wrong,))
    assert text.startswith("Not matched: some moments of layer 1. Try n_levels=8.")
    assert "Cost: 8,000 bytes" in text
    assert "4,000 kB in float32, 500 times as much." in text
    text = verdict(loss_curve=(2.0, *[1.0] * 20))
    assert "fell from 2 to 1 and no further" in text
    text = verdict(loss_curve=tuple(2.0 * 0.9**i for i in range(20)))
    assert "still falling. Try a larger max_iter" in text
