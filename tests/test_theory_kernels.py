"""Exact kernels: closed forms, quadrature, sampling and an independent library."""

from dataclasses import replace
from functools import cache, partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from sklearn_lossless.theory import (
    ACTIVATIONS,
    Activation,
    StepActivation,
    conjugate_kernel,
    empirical_ck,
    empirical_ntk,
    equivalent_ck,
    equivalent_ntk,
    gaussian_moments,
    get_activation,
    match_activation,
    neural_tangent_kernel,
)

STEP = match_activation("relu").step
SMOOTH = sorted(set(ACTIVATIONS) - {"sign"})
CLOSED = ["relu", "leaky_relu", "identity", "abs", "erf", "sin", "cos", "exp"]
CLOSED += ["quadratic"]


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12, 30)) / np.sqrt(30)
    X[1] = X[0] + 0.3 * X[2]  # correlation 0.96
    X[3] *= 1.5
    X[4] = -X[5] + 0.05 * X[6]
    return X


def reference(X, activation, tau):
    """Kernel of one layer by a Gauss-Legendre rule in the plane, pair by pair."""
    activation = get_activation(activation)
    centre = gaussian_moments(activation, tau).mean
    edges = np.unique(np.concatenate([np.linspace(-9, 9, 25), [0.0]]))
    nodes, weights = np.polynomial.legendre.leggauss(24)
    half = np.diff(edges)[:, None] / 2
    xi = (edges[:-1, None] + half * (1 + nodes)).ravel()
    w = (half * weights).ravel() * np.exp(-(xi**2) / 2) / np.sqrt(2 * np.pi)
    G = X @ X.T
    K = np.empty_like(G)
    for i in range(len(X)):
        for j in range(len(X)):
            s, t = np.sqrt(G[i, i]), np.sqrt(G[j, j])
            rho = np.clip(G[i, j] / (s * t), -1, 1)
            u = s * xi[:, None]
            v = t * (rho * xi[:, None] + np.sqrt(1 - rho**2) * xi)
            product = (activation(u) - centre) * (activation(v) - centre)
            K[i, j] = w @ product @ w
    return K


@pytest.mark.parametrize("name", ["tanh", "logistic", "gelu", "silu", "softplus"])
def test_series_equals_quadrature(X, name):
    expected = reference(X[:7], name, 0.9)
    found = conjugate_kernel(X[:7], [name], tau0=0.9)
    np.testing.assert_allclose(found, expected, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("name", CLOSED)
def test_closed_forms_equal_the_series(X, name):
    closed = get_activation(name)
    # Without its closed form, an activation is expanded.
    series = Activation(name, closed.function, closed.kinks, closed.parity)
    for kernel in (conjugate_kernel, neural_tangent_kernel):
        expected = kernel(X, [closed] * 2)
        found = kernel(X, [series] * 2)
        atol = 1e-8 * np.abs(expected).max()
        np.testing.assert_allclose(found, expected, atol=atol)


@pytest.mark.parametrize("name", ["relu", "erf"])
def test_closed_forms_belong_to_the_activation(X, name):
    """Not to the functions that the named activations happen to be made of."""
    named = ACTIVATIONS[name]
    again = Activation(
        "again",
        lambda t: named.function(t),
        named.kinks,
        named.parity,
        lambda tau: named.closed_form(tau),
        named.dual,
    )
    for kernel in (conjugate_kernel, neural_tangent_kernel):
        expected = kernel(X, [named] * 2)
        for each in (again, replace(named, name="mine")):
            np.testing.assert_array_equal(kernel(X, [each] * 2), expected)


def test_duals_of_users_are_used(X):
    dual = (np.zeros_like, lambda k, v, w: 9 * k, lambda k, v, w: 9.0)
    line = Activation("line", lambda t: 3 * t, parity="odd", dual=dual)
    np.testing.assert_allclose(conjugate_kernel(X, [line]), 9 * X @ X.T, atol=1e-15)
    found = neural_tangent_kernel(X, [line])
    np.testing.assert_allclose(found, 18 * X @ X.T, atol=1e-15)
    with pytest.raises(ValueError, match="'line' is or looks like one"):
        neural_tangent_kernel(X, [replace(line, dual=(*dual[:2], None))])


def panels(edges):
    """Nodes and weights, with the normal density, of Gauss-Legendre rules."""
    nodes, weights = np.polynomial.legendre.leggauss(20)
    low, half = edges[..., :-1, None], np.diff(edges)[..., None] / 2
    xi = low + half * (1 + nodes)
    weight = half * weights * np.exp(-(xi**2) / 2) / np.sqrt(2 * np.pi)
    shape = (*edges.shape[:-1], -1)
    return xi.reshape(shape), weight.reshape(shape)


def dual_by_panels(function, kink, s, t, rho):
    """E f(s xi) f(t eta) by panels that end where either factor has its kink."""
    spread = np.sqrt(1 - rho**2)
    ridge = kink / (t * rho) + spread * np.linspace(-10, 10, 41)
    edges = np.concatenate([np.linspace(-9, 9, 37), [kink / s], ridge])
    x, weight = panels(np.unique(np.clip(edges, -9, 9)))
    at = np.clip((kink / t - rho * x) / spread, -9, 9)[:, None]
    grid = np.broadcast_to(np.linspace(-9, 9, 19), (len(x), 19))
    z, weights = panels(np.sort(np.concatenate([grid, at], axis=1)))
    inner = np.sum(weights * function(t * (rho * x[:, None] + spread * z)), axis=1)
    return weight @ (function(s * x) * inner)


KINKED = {
    "relu": (lambda t: np.maximum(t, 0), lambda t: (t > 0) * 1.0, 0.0),
    "bent": (
        lambda t: np.where(t < 0.4, 0.2 * t, t - 0.32),
        lambda t: np.where(t < 0.4, 0.2, 1.0),
        0.4,
    ),
    "elu": (
        lambda t: np.where(t > 0, t, np.expm1(np.minimum(t, 0))),
        lambda t: np.exp(np.minimum(t, 0)),
        0.0,
    ),
    "softsign": (
        lambda t: t / (1 + np.abs(t)),
        lambda t: 1 / (1 + np.abs(t)) ** 2,
        0.0,
    ),
    "abs of tanh": (
        lambda t: np.abs(np.tanh(t - 0.2)),
        lambda t: np.sign(t - 0.2) / np.cosh(t - 0.2) ** 2,
        0.2,
    ),
}


@pytest.mark.parametrize("name", sorted(KINKED))
def test_kinks_of_functions_are_found_and_do_not_slow_the_series(name):
    """Also where samples are nearly parallel, where the series hardly converges."""
    function, slope, kink = KINKED[name]
    s, t, rhos = 0.8, 1.2, np.array([0.5, 0.93, 0.999, -0.99])
    X = np.array([[s, 0.0]])
    Y = t * np.stack([rhos, np.sqrt(1 - rhos**2)], axis=1)
    centre = gaussian_moments(function, 1.0).mean
    means = [gaussian_moments(function, each).mean for each in (s, t)]
    expected = np.array([dual_by_panels(function, kink, s, t, rho) for rho in rhos])
    expected -= centre * (sum(means) - centre)
    K = conjugate_kernel(X, [function], Y, tau0=1.0)
    np.testing.assert_allclose(K[0], expected, rtol=0, atol=1e-8)
    slopes = np.array([dual_by_panels(slope, kink, s, t, rho) for rho in rhos])
    expected += rhos * s * t * slopes
    T = neural_tangent_kernel(X, [function], Y, tau0=1.0)
    np.testing.assert_allclose(T[0], expected, rtol=0, atol=1e-7)


@cache
def normal_weights():
    return np.random.default_rng(5).normal(size=(200_000, 50))


@pytest.mark.parametrize(
    ("function", "tau", "rtol"),
    [
        (lambda t: np.floor(2 * t) / 2, 1.0, 1e-8),  # many jumps
        (lambda t: np.clip(t, 0, 6), 1000.0, 1e-8),  # kinks close beside each other
        (lambda t: np.abs(np.mod(5 * t, 2) - 1), 1.0, 0.05),  # many kinks
        (lambda t: np.sqrt(np.abs(t)), 1.0, 0.01),  # an infinite slope
        (lambda t: np.exp(-np.abs(t)), 10.0, 0.05),  # all within a tenth
        (lambda t: t**4, 1.0, 1e-8),
        (np.exp, 1.0, 1e-8),
    ],
)
def test_functions_of_all_kinds_have_kernels(function, tau, rtol):
    """Of two equal samples, of two that are nearly so, and of others."""
    rng = np.random.default_rng(4)
    X = tau * rng.normal(size=(6, 50)) / 50**0.5
    X[1] = X[0]
    X[2] = X[0] + 0.1 * X[3]
    K = conjugate_kernel(X, [function])
    scale = np.abs(K).max()
    assert abs(K[0, 1] - K[0, 0]) < rtol * K[0, 0]
    assert np.linalg.eigvalsh(K).min() > -rtol * scale
    tau0 = np.sqrt(np.square(X).sum(axis=1).mean())
    centre = gaussian_moments(function, tau0).mean
    Z = function(normal_weights() @ X.T) - centre
    mean, square = Z.T @ Z / len(Z), np.square(Z).T @ np.square(Z) / len(Z)
    noise = np.sqrt((square - mean**2) / len(Z))
    assert np.all(np.abs(mean - K) < 5 * noise + rtol * scale)


@pytest.mark.parametrize(
    ("function", "kinks"),
    [
        (lambda t: np.clip(t, -1, 1), (-1.0, 1.0)),
        (lambda t: np.maximum(1 - np.abs(t), 0), (-1.0, 0.0, 1.0)),
        (lambda t: np.maximum(t - 1.3, 0), (1.3,)),  # zero where inputs mostly are
        (lambda t: np.sign(t) * np.maximum(np.abs(t) - 1, 0), (-1.0, 1.0)),
    ],
)
def test_functions_are_as_if_their_kinks_were_named(X, function, kinks):
    named = Activation("named", function, kinks)
    for kernel in (conjugate_kernel, neural_tangent_kernel):
        expected = kernel(X, [named], tau0=1.0)
        found = kernel(X, [function], tau0=1.0)
        atol = 1e-8 * np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("name", ["elu", "tanh", "sign", STEP])
def test_equal_samples_have_the_kernel_of_the_diagonal(name):
    """The diagonal is integrated in one dimension, the rest by series."""
    X = np.random.default_rng(3).normal(size=(2, 10)) / 10**0.5
    smooth = name in ("elu", "tanh")
    layers = [name] * 2 if smooth else [name]
    kernels = (conjugate_kernel, neural_tangent_kernel)
    for kernel in kernels if smooth else kernels[:1]:
        one = kernel(X, layers)
        two = kernel(X, layers, X.copy(), tau0=np.sqrt(np.square(X).sum() / 2))
        np.testing.assert_allclose(one, two, rtol=0, atol=3e-8 * one.max())


def test_steps_equal_bivariate_normal_probabilities(X):
    from scipy.stats import multivariate_normal

    step = StepActivation([-0.3, 0.0, 0.8], [1, 0, 2, 3], 0.7, -0.2)
    tau = 0.95
    centre = step.moments(tau).mean
    G = X @ X.T
    found = conjugate_kernel(X, [step], tau0=tau)
    values = step.offset + step.scale * step.levels
    ends = np.concatenate([[-30.0], step.thresholds, [30.0]])
    for i, j in [(0, 1), (0, 2), (2, 3), (4, 5), (7, 7), (6, 8)]:
        if i == j:
            m = step.moments(np.sqrt(G[i, i]))
            expected = m.tau**2 + (m.mean - centre) ** 2
        else:
            gaussian = multivariate_normal(
                cov=[[G[i, i], G[i, j]], [G[i, j], G[j, j]]], abseps=1e-12, releps=1e-12
            )
            F = np.array([[gaussian.cdf([a, b]) for b in ends] for a in ends])
            cells = np.diff(np.diff(F, axis=0), axis=1)
            expected = (values - centre) @ cells @ (values - centre)
        assert found[i, j] == pytest.approx(expected, abs=1e-8)


def test_series_and_probabilities_of_steps_agree(X, monkeypatch):
    from sklearn_lossless.theory import _duals

    found = conjugate_kernel(X, [STEP, STEP])
    monkeypatch.setattr(_duals, "_SERIES_LIMIT", -1.0)  # closed forms everywhere
    expected = conjugate_kernel(X, [STEP, STEP])
    np.testing.assert_allclose(found, expected, atol=1e-8)


@pytest.mark.parametrize("name", SMOOTH)
def test_diagonal_is_the_variance(name):
    X = np.eye(3) * 0.8
    tau = 0.8
    K = conjugate_kernel(X, [name, name])
    T = neural_tangent_kernel(X, [name, name])
    kappa = tau**2
    for _ in range(2):
        m = gaussian_moments(name, tau)
        kappa = m.tau**2 + kappa * m.derivative_sq
        tau = m.tau
    np.testing.assert_allclose(np.diagonal(K), tau**2, rtol=1e-7)
    np.testing.assert_allclose(np.diagonal(T), kappa, rtol=1e-7)


@pytest.mark.parametrize("activation", ["relu", "gelu", STEP])
def test_other_samples_threads_and_blocks(X, activation, monkeypatch):
    from sklearn_lossless.theory import kernels

    whole = conjugate_kernel(X, [activation] * 2)
    part = conjugate_kernel(X, [activation] * 2, X[3:7])
    off = ~np.eye(len(X), dtype=bool)[:, 3:7]
    np.testing.assert_allclose(part[off], whole[:, 3:7][off], rtol=1e-12, atol=1e-14)
    monkeypatch.setattr(kernels, "_BLOCK_SIZE", 30)
    again = conjugate_kernel(X, [activation] * 2, n_jobs=2)
    np.testing.assert_allclose(again, whole, rtol=1e-13, atol=1e-15)
    assert np.linalg.eigvalsh(whole).min() > -1e-8
    np.testing.assert_array_equal(whole, whole.T)


@pytest.mark.parametrize("name", ["relu", "gelu", "erf"])
def test_wide_networks_approach_the_kernels(X, name):
    rng = np.random.default_rng(1)
    X, widths = X[:6], (30, 3000, 3000)
    tau = np.sqrt(np.square(X).sum(axis=1).mean())
    weights = [rng.normal(size=(b, a)) for a, b in pairwise(widths)]
    Z = X
    for W in weights:
        m = gaussian_moments(name, tau)
        Z = (get_activation(name)(Z @ W.T) - m.mean) / np.sqrt(len(W))
        tau = m.tau
    K = conjugate_kernel(X, [name] * 2)
    np.testing.assert_allclose(empirical_ck(Z), K, atol=0.1 * K.max())
    T = neural_tangent_kernel(X, [name] * 2)
    found = empirical_ntk(X, weights, rng.normal(size=3000), [name] * 2)
    np.testing.assert_allclose(found, T, atol=0.1 * T.max())


def test_empirical_ntk_is_the_product_of_gradients(X):
    rng = np.random.default_rng(2)
    X = X[:4, :5]
    shapes = [(7, 5), (6, 7)]
    theta = rng.normal(size=7 * 5 + 6 * 7 + 6)
    tau0 = 0.5
    names = ["tanh", "softplus"]

    def split(theta):
        W1, W2, a = np.split(theta, [35, 77])
        return [W1.reshape(shapes[0]), W2.reshape(shapes[1])], a

    def output(theta):
        (W1, W2), a = split(theta)
        first = gaussian_moments("tanh", tau0)
        second = gaussian_moments("softplus", first.tau)
        Z = (np.tanh(X @ W1.T) - first.mean) / np.sqrt(7)
        Z = (np.logaddexp(0, Z @ W2.T) - second.mean) / np.sqrt(6)
        return Z @ a

    h = 1e-6
    J = np.stack(
        [(output(theta + h * e) - output(theta - h * e)) / (2 * h) for e in np.eye(83)]
    )
    found = empirical_ntk(X, *split(theta), names, tau0=tau0)
    np.testing.assert_allclose(found, J.T @ J, rtol=1e-6)


REFERENCE = Path(__file__).parent / "data" / "neural_tangents.npz"


@pytest.mark.parametrize("n_layers", [1, 3])
@pytest.mark.parametrize("name", ["relu", "erf", "gelu", "sin"])
def test_equals_neural_tangents(name, n_layers):
    """Arrays by benchmarks/reference_kernels.py, from the library neural-tangents."""
    stored = np.load(REFERENCE)
    X = stored["X"]
    kernels = {"ck": _uncentred_ck, "ntk": _uncentred_ntk}
    for key, kernel in kernels.items():
        expected = stored[f"{name}_{n_layers}_{key}"]
        np.testing.assert_allclose(kernel(X, name, n_layers), expected, rtol=1e-6)
    if name in ("erf", "sin"):  # means are zero, so centring changes nothing
        layers = [name] * n_layers
        K, T = (f(X, layers) for f in (conjugate_kernel, neural_tangent_kernel))
        np.testing.assert_allclose(K, stored[f"{name}_{n_layers}_ck"], rtol=1e-6)
        np.testing.assert_allclose(T, stored[f"{name}_{n_layers}_ntk"], rtol=1e-6)


def _uncentred(X, name, n_layers, *, tangent):
    """The library does not centre: the kernel of an activation of mean zero is ours."""
    from sklearn_lossless.theory._duals import get_dual

    dual = get_dual(name)
    k = X @ X.T
    theta = k.copy()
    variance = np.diagonal(k).copy()
    for _ in range(n_layers):
        side = dual.side(variance)
        slope = dual.slope(k, side, side)
        np.fill_diagonal(slope, dual.slope_square(variance))
        k = dual.product(k, side, side)
        variance = dual.square(variance)
        np.fill_diagonal(k, variance)
        theta = k + theta * slope
    return theta if tangent else k


_uncentred_ck = partial(_uncentred, tangent=False)
_uncentred_ntk = partial(_uncentred, tangent=True)


@pytest.mark.parametrize("step", ["sign", STEP])
def test_steps_have_no_ntk(X, step):
    with pytest.raises(ValueError, match="infinite for steps"):
        neural_tangent_kernel(X, ["relu", step])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones(3), ["relu"]), "X must be a matrix"),
        ((np.eye(3), ["relu"], np.eye(4)), "X has 3 features, Y has 4"),
        ((np.full((2, 2), np.nan), ["relu"]), "not finite"),
        ((np.diag([1.0, 0.0]), ["relu"]), "sample 1 is zero"),
        ((np.eye(2) * 1j, ["relu"]), "X must be real numbers: they are complex"),
        ((["a", "b"], ["relu"]), "X must be real numbers"),
        ((sparse.csr_array(np.eye(2)), ["relu"]), "X must be dense"),
        ((np.eye(2), [np.ones_like, "relu"]), "'ones_like' of layer 1 is constant"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        conjugate_kernel(*arguments)


@pytest.mark.parametrize(
    "run",
    [
        lambda X: conjugate_kernel(X, ["relu"]),
        lambda X: neural_tangent_kernel(X, ["relu"]),
        lambda X: equivalent_ck(X, ["relu"]),
        lambda X: equivalent_ntk(X, ["relu"]),
        lambda X: empirical_ck(X),
        lambda X: empirical_ntk(X, [np.ones((2, 1))], np.ones(2), ["relu"]),
    ],
)
def test_kernels_beyond_memory_are_refused(run, monkeypatch):
    from sklearn_lossless.theory import _checks

    monkeypatch.setattr(_checks, "_memory", lambda: 2**20)
    with pytest.raises(ValueError, match=r"400 x 400 samples takes .* a subsample"):
        run(np.ones((400, 1)))
    run(np.ones((200, 1)))


def test_kernel_of_a_network_is_that_of_its_features(X):
    from sklearn_lossless import NTKCompressor

    compressor = NTKCompressor((50,), eps=0.5, random_state=0).fit(X)
    Z = compressor.transform(X)
    np.testing.assert_allclose(empirical_ck(compressor, X), Z @ Z.T)
    np.testing.assert_allclose(empirical_ck(compressor, X, X[:3]), Z @ Z[:3].T)
    np.testing.assert_allclose(empirical_ck(Z, Y=Z[:3]), Z @ Z[:3].T)
    np.testing.assert_allclose(empirical_ck(sparse.csr_array(Z)), Z @ Z.T)
    with pytest.raises(TypeError, match="needs samples X"):
        empirical_ck(compressor)
    with pytest.raises(TypeError, match="no network with a method transform"):
        empirical_ck(Z, Z[:3])
    with pytest.raises(ValueError, match="50 columns, the others 49"):
        empirical_ck(Z, Y=Z[:, 1:])


def test_activations_are_a_sequence(X):
    for function in (conjugate_kernel, equivalent_ck):
        with pytest.raises(TypeError, match="one per layer"):
            function(X, "relu")
