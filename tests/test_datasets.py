"""Gaussian mixtures have the means and covariances that they say."""

import numpy as np
import pytest

from sklearn_lossless.datasets import load_mnist, make_gaussian_mixture
from sklearn_lossless.theory import AutoregressiveCovariance, mixture_statistics


@pytest.mark.parametrize("setting", ["iid", "means", "vars", "mixed"])
def test_sample_moments_are_the_population_ones(setting):
    p = 10
    drawn = make_gaussian_mixture(setting, 60_000, p, n_classes=3, random_state=0)
    for a in range(3):
        X = drawn.data[drawn.target == a]
        assert len(X) == 20_000
        np.testing.assert_allclose(X.mean(axis=0), drawn.means[a], atol=0.02)
        C = drawn.covariances[a]
        C = np.asarray(C) if C.ndim == 2 else C * np.eye(p)
        np.testing.assert_allclose(np.cov(X.T), C, atol=0.03 * C.max())
    apart = setting in ("means", "mixed")
    np.testing.assert_allclose(drawn.means, 4 * apart * np.eye(3, p) / np.sqrt(p))


def test_given_means_and_covariances():
    p = 6
    rng = np.random.default_rng(0)
    A = rng.normal(size=(p, p))
    C = A @ A.T
    means = rng.normal(size=(2, p))
    drawn = make_gaussian_mixture(
        n_samples=80_000,
        n_features=p,
        means=means,
        covariances=[C, np.arange(p)],
        random_state=0,
    )
    first, second = (drawn.data[drawn.target == a] for a in range(2))
    np.testing.assert_allclose(np.cov(first.T), C / p, atol=0.03 * C.max() / p)
    np.testing.assert_allclose(np.cov(second.T), np.diag(np.arange(p)) / p, atol=0.03)
    np.testing.assert_allclose(second.mean(axis=0), means[1] / np.sqrt(p), atol=0.02)


def test_what_is_not_given_is_that_of_the_setting():
    means = np.arange(600.0).reshape(2, 300)
    drawn = make_gaussian_mixture("vars", 10, 300, means=means, random_state=0)
    np.testing.assert_allclose(drawn.means, means / 300**0.5)
    np.testing.assert_allclose(drawn.covariances[1], (1 + 8 / 300**0.5) / 300)
    drawn = make_gaussian_mixture("means", 10, 300, covariances=[1, 2], random_state=0)
    np.testing.assert_allclose(drawn.means, 4 * np.eye(2, 300) / 300**0.5)
    np.testing.assert_allclose(drawn.covariances, [1 / 300, 2 / 300])


def test_mixed_needs_no_matrix_of_the_features():
    p = 100_000  # its matrix would take 80 GB
    drawn = make_gaussian_mixture("mixed", 20, p, random_state=0)
    found = mixture_statistics(drawn.data, drawn.target, drawn.means, drawn.covariances)
    series = (1 + 0.4**2) / (1 - 0.4**2)
    scales = np.array([1, 1 + 4 / p**0.5])
    expected = np.outer(scales, scales) * series / p
    np.testing.assert_allclose(found.overlap, expected, rtol=1e-4)
    neighbours = np.mean(drawn.data[:, :-1] * drawn.data[:, 1:], axis=1) * p
    np.testing.assert_allclose(neighbours, 0.4, atol=0.03)


def test_same_seed_same_data():
    a, b = (make_gaussian_mixture(random_state=3, n_samples=20) for _ in range(2))
    np.testing.assert_array_equal(a.data, b.data)
    np.testing.assert_array_equal(a.target, b.target)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"setting": "mean"}, "setting must be"),
        ({"n_samples": 0}, "n_samples must be a positive integer, got 0"),
        ({"n_features": 2.5}, "n_features must be a positive integer, got 2.5"),
        ({"n_classes": 0}, "n_classes must be"),
        ({"means": np.ones((2, 3))}, r"means must have shape \(2, 500\)"),
        ({"means": np.ones((2, 500)), "covariances": [1.0]}, "1 covariances for 2"),
        ({"covariances": [1.0, np.ones(3)]}, "a vector of 500"),
        ({"covariances": [1.0, -1.0]}, "positive semidefinite"),
        ({"covariances": [1.0, "x"]}, "a covariance must be real numbers"),
        ({"covariances": [1.0, 1j]}, "complex"),
        ({"means": np.full((2, 500), np.nan)}, "means has values that are not finite"),
        ({"covariances": []}, "n_classes must be positive"),
        ({"covariances": 1.0}, "one a class, got 1.0"),
        ({"means": np.zeros(500)}, r"means must have shape \(2, 500\)"),
        ({"n_classes": 1.5}, "n_classes must be a positive integer, got 1.5"),
        ({"covariances": [1.0, np.tri(500)]}, "symmetric"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        make_gaussian_mixture(random_state=0, **{"n_samples": 10, **parameters})


def test_bad_autoregressive_covariances():
    for arguments, message in [
        ((3.5, 0.5), "n_features must be an integer"),
        ((3, 1.0), "correlation must be between"),
        ((3, "a"), "correlation and scale must be real"),
        ((3, 0.5, -1), "scale must be finite"),
    ]:
        with pytest.raises(ValueError, match=message):
            AutoregressiveCovariance(*arguments)


def test_mnist_from_a_file(tmp_path):
    path = tmp_path / "mnist.npz"
    images = np.zeros((3, 28, 28), dtype=np.uint8)
    np.savez(path, X_train=images, y_train=[1, 2, 3], X_test=images, y_test=[1, 2, 3])
    X_train, y_train, _, _ = load_mnist(path)
    assert X_train.shape == (3, 784)
    np.testing.assert_array_equal(y_train, [1, 2, 3])
    np.savez(path, X_train=images)
    with pytest.raises(ValueError, match="missing: y_train, X_test, y_test"):
        load_mnist(path)
    np.savez(path, X_train=images, y_train=[1, 2], X_test=images, y_test=[1, 2, 3])
    with pytest.raises(ValueError, match="y_train one digit each"):
        load_mnist(path)
    path.write_text("images")
    with pytest.raises(ValueError, match="is no npz file"):
        load_mnist(path)
    np.save(tmp_path / "images.npy", images)
    with pytest.raises(ValueError, match="is no npz file, but one array"):
        load_mnist(tmp_path / "images.npy")
