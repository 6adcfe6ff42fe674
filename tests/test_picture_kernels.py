"""Distances of kernels of pictures, against kernels of all pairs of positions."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

import sklearn_lossless
from sklearn_lossless import (
    CompressedCNNClassifier,
    Conv2D,
    Dense,
    NTKConvCompressor,
    Pool2D,
)
from sklearn_lossless.inspection import CompressionReport
from sklearn_lossless.inspection import _picture_kernels as measured
from sklearn_lossless.theory import convolution_kernel, spectral_error

ONE = [Conv2D(40, 4), Pool2D(grid=3)]
LAYERS = {
    "flat": [Conv2D(40, 4, balanced=False, stride=2)],
    "grid": ONE,
    "twice pooled": [Conv2D(40, 3), Pool2D(2), Pool2D(grid=2)],
    "two": [Conv2D(30, 3), Pool2D(2), Conv2D(50, 2), Pool2D(grid=1)],
    "two independent": [Conv2D(30, 3, balanced=False), Conv2D(50, 3, balanced=False)],
}


@pytest.fixture(scope="module")
def X():
    return load_digits().data[:30]


def exact(X, layers, activation):
    """The reference network's kernels, after each convolution and its poolings."""
    ends = [n for n, each in enumerate(layers) if isinstance(each, Conv2D)][1:]
    parts = [layers[:end] for end in [*ends, len(layers)]]
    return [
        convolution_kernel(X - X.mean(), (8, 8), part, [activation] * (number + 1))
        for number, part in enumerate(parts)
    ]


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("activation", ["relu", "erf"])
def test_report_has_the_distance(X, name, activation):
    layers = LAYERS[name]
    fitted = NTKConvCompressor((8, 8), layers, activation, random_state=0).fit(X)
    kernel = fitted.report_.kernel
    kernels = exact(X, layers, activation)
    assert kernel.n_samples == 30
    assert len(kernel.compressed) == len(kernel.dense) == len(kernels)
    Z = fitted.transform(X)
    # Fit has measured the same pictures, and rounds thresholds.
    assert kernel.compressed[-1] == pytest.approx(
        spectral_error(Z @ Z.T, kernels[-1]), rel=0.01
    )
    assert fitted.report_.layers[-1].distance == kernel.compressed[-1]
    if len(kernels) > 1:
        first = layers[: 2 if name == "two" else 1]
        Z = NTKConvCompressor((8, 8), first, activation, random_state=0).fit_transform(
            X
        )
        assert kernel.compressed[0] == pytest.approx(
            spectral_error(Z @ Z.T, kernels[0]), rel=0.01
        )


@pytest.mark.parametrize("name", LAYERS)
def test_real_filters_have_the_kernel_on_average(X, name):
    fitted = NTKConvCompressor((8, 8), LAYERS[name], random_state=0).fit(X)
    chain = measured._chain_of(fitted)
    chain = measured._with_units(chain, chain.windows(X))
    rng, total = np.random.default_rng(0), 0
    for _ in range(150):
        kernels = measured._real_kernels(chain, chain.windows(X), rng)
        total = total + kernels[0]
    assert spectral_error(total / 150, exact(X, LAYERS[name], "relu")[0]) < 0.03
    # The last layer sees few filters of the first one, so that it is a little off.
    assert spectral_error(kernels[-1], exact(X, LAYERS[name], "relu")[-1]) < 0.5


def test_series_in_place_of_a_closed_form(X):
    fitted = NTKConvCompressor((8, 8), ONE, "tanh", random_state=0).fit(X[:20])
    Z, kernel = fitted.transform(X[:20]), fitted.report_.kernel
    expected = spectral_error(Z @ Z.T, exact(X[:20], ONE, "tanh")[0])
    assert kernel.compressed[0] == pytest.approx(expected, rel=0.01)


def test_distance_falls_with_the_number_of_filters(X):
    few, many = (
        NTKConvCompressor(
            (8, 8), [Conv2D(n, 5, balanced=False), Pool2D(grid=2)], random_state=0
        )
        .fit(X)
        .report_.kernel
        for n in (20, 2000)
    )
    assert many.dense[0] < 0.3 * few.dense[0]
    assert many.compressed[0] < 0.1


def test_padding_of_the_first_layer(X):
    """What is outside is code 0: as if the pictures had a margin of it."""
    layers = [Conv2D(40, 3, padding="same"), Pool2D(2)]
    fitted = NTKConvCompressor((8, 8), layers, random_state=0).fit(X)
    wide = np.zeros((30, 10, 10))
    wide[:, 1:9, 1:9] = X.reshape(30, 8, 8)
    wide = wide.reshape(30, -1) - X.mean()
    K = convolution_kernel(wide, (10, 10), [Conv2D(40, 3), Pool2D(2)], ["relu"])
    Z = fitted.transform(X)
    assert fitted.report_.kernel.compressed[0] == pytest.approx(
        spectral_error(Z @ Z.T, K), rel=0.01
    )


def test_report_shows_it(X):
    y = load_digits().target[:30]
    clf = CompressedCNNClassifier((8, 8), ONE, random_state=0).fit(X, y)
    assert "distance, 30 pictures  dense" in str(clf.report_)
    assert "a1" not in str(clf.report_)
    assert "The last kernel is" in clf.report_.verdict
    assert clf.report_.layers[0].alpha is None
    assert clf.report_.frame().loc[1, "distance"] == clf.report_.kernel.compressed[0]


def test_model_files_have_the_same_kernel(X, tmp_path):
    fitted = NTKConvCompressor((8, 8), LAYERS["two"], random_state=0).fit(X)
    fitted.save(tmp_path / "a.lnn")
    again = sklearn_lossless.load(tmp_path / "a.lnn")
    assert again.report_.kernel is None
    assert "keep no training data" in again.report_.notes[0]
    kernel = CompressionReport.from_estimator(again, X).kernel
    assert kernel == fitted.report_.kernel


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([Conv2D(20, 3), Pool2D(2, kind="max")], "largest values"),
        ([Conv2D(20, 3), Pool2D(2), Dense(10)], "dense layers after"),
        ([Conv2D(20, 3), Conv2D(20, 3, padding="same")], "places outside"),
        ([Conv2D(20, 3, weights="patches"), Pool2D(2)], "weights of their own"),
    ],
)
def test_report_says_why_there_is_none(X, layers, message):
    report = NTKConvCompressor((8, 8), layers, random_state=0).fit(X).report_
    assert report.kernel is None
    assert report.layers[0].distance is None
    assert message in report.notes[-1]
    assert report.notes[-1].startswith("The kernels were not compared")


def test_as_many_pictures_as_some_seconds_allow(X, monkeypatch):
    fitted = NTKConvCompressor((8, 8), ONE, random_state=0).fit(X)
    monkeypatch.setattr(measured, "_BUDGET", 4e6)
    kernel = CompressionReport.from_estimator(fitted, X).kernel
    assert 20 <= kernel.n_samples < 30
    monkeypatch.setattr(measured, "_BUDGET", 4e5)
    report = CompressionReport.from_estimator(fitted, X)
    assert report.kernel is None
    assert "too many pairs of positions" in report.notes[-1]
    assert CompressionReport.from_estimator(fitted, X[:2]).kernel.n_samples == 2
