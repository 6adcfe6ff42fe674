"""Equivalents approach the exact kernels; the proceedings' form does not."""

import itertools
from functools import cache

import numpy as np
import pytest

from sklearn_lossless.datasets import make_gaussian_mixture
from sklearn_lossless.network import n_nonzeros, ternary_weights
from sklearn_lossless.theory import (
    compare_spectra,
    conjugate_kernel,
    equivalent_ck,
    equivalent_coefficients,
    equivalent_ntk,
    gaussian_moments,
    match_network,
    mixture_statistics,
    neural_tangent_kernel,
    spectral_error,
)

SIZES = (100, 200, 400)


@cache
def mixture(p):
    drawn = make_gaussian_mixture("mixed", p, p, random_state=0)
    X = drawn.data - np.average(drawn.means, axis=0, weights=np.bincount(drawn.target))
    means = drawn.means - np.average(
        drawn.means, axis=0, weights=np.bincount(drawn.target)
    )
    return X, mixture_statistics(X, drawn.target, means, drawn.covariances)


@cache
def exact_kernel(tangent, name, n_layers, p):
    X, statistics = mixture(p)
    kernel = neural_tangent_kernel if tangent else conjugate_kernel
    return kernel(X, [name] * n_layers, tau0=statistics.tau0)


def slope(sizes, errors):
    return np.polyfit(np.log(sizes), np.log(errors), 1)[0]


@pytest.mark.parametrize("n_layers", [1, 3])
@pytest.mark.parametrize("name", ["relu", "leaky_relu", "gelu"])
def test_error_falls_as_the_root_of_the_dimension(name, n_layers):
    """benchmarks/convergence.py goes up to p = 1600 and has both forms."""
    sizes = SIZES
    errors = {equivalent_ck: [], equivalent_ntk: []}
    for p in sizes:
        X, statistics = mixture(p)
        layers = [name] * n_layers
        for tangent, equivalent in enumerate(errors):
            K = exact_kernel(bool(tangent), name, n_layers, p)
            found = spectral_error(equivalent(X, layers, statistics), K)
            assert spectral_error(equivalent(X, layers), K) < found
            errors[equivalent].append(found)
    for found in errors.values():
        assert -0.7 < slope(sizes, found) < -0.35


@pytest.mark.parametrize("eps", [0.5, 0.9])
def test_fourth_moments_of_ternary_weights_count(eps):
    """Against the kernel of 60,000 neurons, with an error below 0.007."""
    p = 400
    X, statistics = mixture(p)
    k = n_nonzeros(p, eps)
    centre = gaussian_moments("relu", statistics.tau0).mean
    even = np.zeros((p, p))
    for number in range(15):
        drawn = ternary_weights(0, number, p, 4000, k)
        signs = np.where(np.arange(k) < drawn.n_plus[:, None], 1.0, -1.0)
        W = np.zeros((4000, p), dtype=np.float32)
        np.put_along_axis(W, drawn.indices, signs.astype(np.float32), axis=1)
        Z = np.abs((X * np.sqrt(p / k)).astype(np.float32) @ W.T) / 2 - centre
        even += Z @ Z.T / 60_000
    K = X @ X.T / 4 + even  # relu is half the identity and half the modulus
    gaussian = conjugate_kernel(X, ["relu"], tau0=statistics.tau0)
    plain = equivalent_ck(X, ["relu"])
    cumulants = equivalent_ck(X, ["relu"], n_nonzeros=k) - plain
    assert spectral_error(gaussian, K) > 0.025
    assert spectral_error(gaussian + cumulants, K) < 0.01
    # Nearly a constant: it falls to an intercept.
    centring = np.eye(p) - 1 / p
    rest = centring @ cumulants @ centring
    assert np.linalg.norm(rest, 2) < 0.3 * np.linalg.norm(cumulants, 2)
    # Later layers pass it on by their slopes.
    deep = equivalent_ck(X, ["relu"] * 3, n_nonzeros=k) - equivalent_ck(X, ["relu"] * 3)
    np.testing.assert_allclose(deep, cumulants / 16, atol=1e-12)


@pytest.mark.parametrize("n_nonzeros", [1, 3, 5])
def test_fourth_cumulants_are_those_of_all_such_weights(n_nonzeros):
    """By enumeration: E (w x)^2 (w y)^2 of five weights, beyond the Gaussian one."""
    rng = np.random.default_rng(0)
    p, X = 5, rng.normal(size=(3, 5))
    places = list(itertools.combinations(range(p), n_nonzeros))
    signs = list(itertools.product([-1, 1], repeat=n_nonzeros))
    W = np.zeros((len(places) * len(signs), p))
    for row, (place, sign) in enumerate(itertools.product(places, signs)):
        W[row, list(place)] = np.sqrt(p / n_nonzeros) * np.array(sign)
    U = np.square(W @ X.T)
    G = X @ X.T
    squares = np.diagonal(G)
    expected = U.T @ U / len(W) - np.outer(squares, squares) - 2 * G**2
    # The quadratic activation has m2 = 2, so that a quarter of its square is 1.
    found = equivalent_ck(X, ["quadratic"], n_nonzeros=n_nonzeros)
    found -= equivalent_ck(X, ["quadratic"])
    np.testing.assert_allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize("n_layers", [1, 3])
@pytest.mark.parametrize("tangent", [False, True])
def test_the_printed_form_does_not_converge(n_layers, tangent):
    """The poster also subtracts tau_0^4 a3 (b3) where no diagonal holds it."""
    equivalent = equivalent_ntk if tangent else equivalent_ck
    layers = ["relu"] * n_layers
    right, wrong = [], []
    for p in SIZES:
        X, statistics = mixture(p)
        K = exact_kernel(tangent, "relu", n_layers, p)
        corrected = equivalent(X, layers, statistics)
        found = equivalent_coefficients(layers, statistics.tau0)
        last = (found.beta if tangent else found.alpha)[-1, 2]
        printed = corrected - statistics.tau0**4 * last * np.eye(p)
        right.append(spectral_error(corrected, K))
        wrong.append(spectral_error(printed, K))
    assert right[-1] < 0.7 * right[0]
    # What is too much on the diagonal stays.
    excess = statistics.tau0**4 * last / np.linalg.norm(K, 2)
    assert wrong[-1] > 0.9 * excess
    assert wrong[-1] > 1.4 * right[-1]


def test_estimated_statistics_approach_the_given_ones():
    drawn = make_gaussian_mixture("vars", 1000, 400, random_state=1)
    given = mixture_statistics(drawn.data, drawn.target, drawn.means, drawn.covariances)
    found = mixture_statistics(drawn.data, drawn.target)
    assert found.tau0 == pytest.approx(given.tau0, rel=0.01)
    np.testing.assert_allclose(found.overlap, given.overlap, rtol=0.05)


@pytest.mark.parametrize("as_what", ["number", "vector", "matrix"])
def test_overlap_of_given_covariances(as_what):
    p, scales = 20, [0.5, 2.0]
    convert = {
        "number": lambda s: s,
        "vector": lambda s: np.full(p, s),
        "matrix": lambda s: s * np.eye(p),
    }[as_what]
    X = np.random.default_rng(0).normal(size=(10, p))
    y = np.repeat(["a", "b"], 5)
    found = mixture_statistics(X, y, np.zeros((2, p)), [convert(s) for s in scales])
    np.testing.assert_allclose(found.overlap, p * np.outer(scales, scales))
    assert found.tau0**2 == pytest.approx(p * 1.25)
    norms = np.square(X).sum(axis=1)
    np.testing.assert_allclose(found.norm_deviation, norms - p * 1.25)


def test_coefficients_are_those_of_the_matching():
    match = match_network(["relu", "relu"], tau0=1.1)
    given, compressed = match.alphas
    found = equivalent_coefficients(["relu", "relu"], 1.1)
    np.testing.assert_allclose(found.alpha, given)
    steps = equivalent_coefficients(match.steps, 1.1)
    np.testing.assert_allclose(steps.alpha, compressed)
    np.testing.assert_allclose(steps.alpha[:, :3], given[:, :3], rtol=1e-8)
    assert np.isinf(steps.kappa[-1])


def test_beta_and_kappa_of_relu_by_a_loop_of_their_own():
    """theory: every layer adds its kernel to that from below, scaled by its slopes."""
    tau2, kappa2 = 1.0, 1.0
    a1, a3, b1, b3 = 1.0, 0.0, 1.0, 0.0
    expected = []
    for _ in range(3):
        m1, m2 = 0.5, 1 / np.sqrt(2 * np.pi * tau2)
        a3_new = m1**2 * a3 + m2**2 * a1**2 / 2
        b3 = a3_new + m1**2 * b3 + m2**2 * a1 * b1
        b1 = m1**2 * a1 + m1**2 * b1
        a1, a3 = m1**2 * a1, a3_new
        tau2 = tau2 * (0.5 - 1 / (2 * np.pi))
        kappa2 = tau2 + kappa2 * 0.5
        expected.append((b1, b3, kappa2))
    found = equivalent_coefficients(["relu"] * 3, 1.0)
    np.testing.assert_allclose(found.beta[-3:, 0], [each[0] for each in expected])
    np.testing.assert_allclose(found.beta[-3:, 2], [each[1] for each in expected])
    np.testing.assert_allclose(found.kappa[-3:] ** 2, [each[2] for each in expected])


def test_errors_of_large_matrices_that_are_equal_or_zero():
    eye = np.eye(600)
    assert spectral_error(eye, eye) == 0
    with pytest.raises(ValueError, match="B is zero"):
        spectral_error(eye, 0 * eye)


def test_norms_about_estimated_means_are_not_short():
    rng = np.random.default_rng(0)
    y = np.arange(1000) % 200
    X = rng.normal(size=(1000, 50)) / 50**0.5
    estimated = mixture_statistics(X, y).norm_deviation
    known = mixture_statistics(X, y, np.zeros((200, 50)), [1 / 50] * 200)
    assert estimated.mean() == pytest.approx(0, abs=1e-12)
    assert estimated.std() == pytest.approx(known.norm_deviation.std(), rel=0.2)
    assert mixture_statistics(X, y).tau0 == pytest.approx(1, rel=0.01)


def test_beta_of_one_linear_layer_counts_both_layers():
    found = equivalent_coefficients(["identity"], 1.0)
    np.testing.assert_allclose(found.beta[-1], [2, 0, 0])
    assert found.kappa[-1] == pytest.approx(np.sqrt(2))


@pytest.mark.parametrize("n", [50, 600])
def test_spectral_error_is_the_operator_norm(n):
    rng = np.random.default_rng(0)
    A, B = (M + M.T for M in rng.normal(size=(2, n, n)))
    expected = np.linalg.norm(A - B, 2)
    assert spectral_error(A, B, relative=False) == pytest.approx(expected, rel=1e-4)
    norm = np.linalg.norm(B, 2)
    assert spectral_error(A, B) == pytest.approx(expected / norm, rel=1e-4)


def test_compare_spectra():
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    values = np.array([9.0, 5, 1, 1, 0.5, 0.1])
    A = Q * values @ Q.T
    R = Q.copy()
    R[:, 0] = (Q[:, 0] + Q[:, 1]) / np.sqrt(2)
    R[:, 1] = (Q[:, 0] - Q[:, 1]) / np.sqrt(2)
    found = compare_spectra(A, R * (2 * values) @ R.T, 3)
    np.testing.assert_allclose(found.eigenvalues_a, values)
    np.testing.assert_allclose(found.eigenvalues_b, 2 * values)
    np.testing.assert_allclose(found.cosines[:2], np.sqrt(0.5))
    assert (np.sum(found.eigenvectors_a * found.eigenvectors_b, axis=0) >= 0).all()


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda X, y: mixture_statistics(X, y[:-1]), "one label per row"),
        (
            lambda X, y: mixture_statistics(X, np.r_[y[:-1], 7]),
            "class 7 has one sample",
        ),
        (
            lambda X, y: mixture_statistics(X, y, np.zeros((2, 3))),
            "means must have shape",
        ),
        (
            lambda X, y: mixture_statistics(X, y, None, [1.0]),
            "1 covariances for 2 classes",
        ),
        (
            lambda X, y: mixture_statistics(X, y, None, [1.0, np.ones((2, 4))]),
            "a square matrix",
        ),
        (
            lambda X, y: mixture_statistics(X, y, None, [1.0, -np.eye(4)]),
            "positive semidefinite",
        ),
        (
            lambda X, y: mixture_statistics(X, y, None, [1.0, np.tri(4)]),
            "must be symmetric",
        ),
        (lambda X, y: equivalent_ck(X[0], ["relu"]), "X must be a matrix"),
        (
            lambda X, y: equivalent_ck(X, ["relu"], mixture_statistics(X[:, :3], y)),
            r"shape \(10, 3\), got shape \(10, 4\)",
        ),
        (
            lambda X, y: equivalent_ck(X[:9], ["relu"], mixture_statistics(X, y)),
            r"shape \(10, 4\), got shape \(9, 4\)",
        ),
        (lambda X, y: equivalent_ntk(X, ["sign"]), "does not exist for steps"),
        (lambda X, y: spectral_error(np.eye(3), np.tri(3)), "B must be symmetric"),
        (
            lambda X, y: mixture_statistics(X, np.r_[y[:-1], 7], None, [1.0] * 3),
            "class 7 has one sample",
        ),
        (lambda X, y: mixture_statistics(X * np.nan, y), "not finite"),
        (lambda X, y: spectral_error(np.eye(2) * np.nan, np.eye(2)), "A has values"),
        (lambda X, y: spectral_error(X, X), "must be square"),
        (lambda X, y: spectral_error(np.eye(2), np.zeros((2, 2))), "B is zero"),
        (lambda X, y: compare_spectra(np.eye(2), np.eye(2), 1.5), "an integer"),
        (
            lambda X, y: equivalent_ck(X, ["relu"], n_nonzeros=5),
            "n_nonzeros must be an integer, from 1 to 4, got 5",
        ),
        (lambda X, y: compare_spectra(np.eye(2), np.eye(2), 3), "from 1 to 2, got 3"),
    ],
)
def test_bad_input(run, message):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=message):
        run(rng.normal(size=(10, 4)), np.arange(10) % 2)
