"""Kernels of convolutional networks, against averages over wide random ones."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from sklearn_lossless import Conv2D, NTKConvCompressor, Pool2D
from sklearn_lossless.theory import (
    conjugate_kernel,
    convolution_kernel,
    gaussian_moments,
    match_activation,
    spectral_error,
)

FUNCTIONS = {
    "relu": lambda u: np.maximum(u, 0),
    "tanh": np.tanh,
    "abs": np.abs,
}


def windows(Z, size, stride=1):
    """(n, rows, columns, taps) of pictures (n, height, width, channels)."""
    views = np.lib.stride_tricks.sliding_window_view(Z, (size, size), axis=(1, 2))
    views = views[:, ::stride, ::stride]
    return views.reshape(*views.shape[:3], -1)


def pooled(Z, grid):
    size = [-(-n // grid) for n in Z.shape[1:3]]
    starts = [
        [i * (n - s) // (grid - 1) for i in range(grid)]
        for n, s in zip(Z.shape[1:3], size, strict=True)
    ]
    return np.stack(
        [
            np.stack(
                [
                    Z[:, r : r + size[0], c : c + size[1]].mean(axis=(1, 2))
                    for c in starts[1]
                ],
                axis=1,
            )
            for r in starts[0]
        ],
        axis=1,
    )


def convolved(Z, n_filters, size, activation, balanced, rng, stride=1):
    """A layer of Gaussian filters, on sums scaled to mean square 1."""
    P = windows(Z, size, stride)
    W = rng.normal(size=(P.shape[-1], n_filters))
    if balanced:
        W -= W.mean(axis=0)
    U = P @ W
    U /= np.sqrt(np.square(U).mean())
    centre = gaussian_moments(activation).mean
    return FUNCTIONS[activation](U) - centre


def kernel_of(Z):
    Z = Z.reshape(len(Z), -1)
    return Z @ Z.T / Z.shape[1]


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12, 9, 8, 2)).cumsum(axis=1)
    X[0, :5] = 0  # windows that are empty
    return X


@pytest.mark.parametrize("activation", ["relu", "tanh", "abs"])
@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("pool", [None, 2])
def test_one_layer(pictures, activation, balanced, pool):
    rng = np.random.default_rng(1)
    layers = [Conv2D(1, 3, stride=2, balanced=balanced)]
    Z = convolved(pictures, 30_000, 3, activation, balanced, rng, stride=2)
    if pool:
        layers.append(Pool2D(grid=pool))
        Z = pooled(Z, pool)
    K = convolution_kernel(pictures.reshape(12, -1), (9, 8, 2), layers, [activation])
    assert spectral_error(kernel_of(Z), K) < 0.03


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("between", [None, 3])
def test_two_layers(pictures, balanced, between):
    rng = np.random.default_rng(2)
    layers = [Conv2D(1, 3, balanced=balanced), Conv2D(1, 2, balanced=balanced)]
    if between:
        layers.insert(1, Pool2D(grid=between))
    layers.append(Pool2D(grid=2))
    mean = 0
    for _ in range(4):
        Z = convolved(pictures, 1500, 3, "relu", balanced, rng)
        if between:
            Z = pooled(Z, between)
        Z = pooled(convolved(Z, 3000, 2, "relu", balanced, rng), 2)
        mean = mean + kernel_of(Z) / 4
    K = convolution_kernel(
        pictures.reshape(12, -1), (9, 8, 2), layers, ["relu", "relu"]
    )
    assert spectral_error(mean, K) < 0.05


@pytest.mark.parametrize("activation", ["erf", "sin"])
@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("one", [(3, 1)]),
        ("one_strided", [(3, 2)]),
        ("one_pooled", [(3, 1), None]),
        ("two", [(3, 1), (2, 1)]),
        ("two_pooled", [(3, 1), None, (2, 1)]),
    ],
)
def test_neural_tangents_has_the_same(activation, name, sizes):
    """Values by benchmarks/reference_kernels.py; odd activations need no centring."""
    stored = np.load(Path(__file__).parent / "data" / "neural_tangents_convolution.npz")
    layers = [
        Pool2D(2)
        if each is None
        else Conv2D(1, each[0], stride=each[1], balanced=False)
        for each in sizes
    ]
    n_convolutions = sum(each is not None for each in sizes)
    K = convolution_kernel(
        stored["X"].reshape(6, -1), (8, 7, 2), layers, [activation] * n_convolutions
    )
    np.testing.assert_allclose(K, stored[f"{activation}_{name}"], rtol=1e-9)


def test_window_of_the_whole_picture_is_a_dense_layer(pictures):
    X = pictures[1:, :3, :3].reshape(11, -1)
    K = convolution_kernel(X, (3, 3, 2), [Conv2D(1, 3, balanced=False)], ["erf"])
    scaled = X / np.sqrt(np.square(X).sum(axis=1).mean())
    np.testing.assert_allclose(K, conjugate_kernel(scaled, ["erf"]), rtol=1e-9)


def test_features_have_the_kernel():
    """Few nonzero weights are near the limit, but not two."""
    X = load_digits().data[:60]
    centred = X - X.mean()
    step = match_activation("relu").step
    errors = {}
    for taps in (2, 8):
        layers = [Conv2D(6000, 5, eps=1 - taps / 25), Pool2D(grid=2)]
        Z = NTKConvCompressor((8, 8), layers, random_state=0).fit_transform(X)
        K = convolution_kernel(centred, (8, 8), layers, [step])
        errors[taps] = spectral_error(Z @ Z.T, K)
    assert errors[8] < 0.05
    assert errors[2] > 2 * errors[8]


@pytest.mark.parametrize(
    ("layers", "activations", "message"),
    [
        ([Pool2D(2)], ["relu"], "begin with a Conv2D"),
        ([Conv2D(1, 3, padding="same")], ["relu"], "padding='valid'"),
        ([Conv2D(1, 3), Pool2D(2, kind="max")], ["relu"], "pooling by sums"),
        ([Conv2D(1, 10)], ["relu"], "does not fit a picture of 9 x 8"),
        ([Conv2D(1, 3), Conv2D(1, 3)], ["relu"], "fewer than convolutions"),
    ],
)
def test_what_has_no_kernel(pictures, layers, activations, message):
    with pytest.raises(ValueError, match=message):
        convolution_kernel(pictures.reshape(12, -1), (9, 8, 2), layers, activations)
    with pytest.raises(ValueError, match="X has 144 features"):
        convolution_kernel(pictures.reshape(12, -1), (9, 8), layers, activations)
