"""The kernel of straight-through training against networks that are trained so."""

from itertools import pairwise

import numpy as np
import pytest
from test_theory_dynamics import split_mixture

from sklearn_lossless.theory import (
    StepActivation,
    conjugate_kernel,
    equivalent_coefficients,
    gaussian_moments,
    get_activation,
    kernel_dynamics,
    match_network,
    neural_tangent_kernel,
    straight_through_kernel,
)


def matched(activations, n_levels=8):
    match = match_network(activations, n_levels=n_levels)
    return [layer.step for layer in match.layers], match.tau_compressed


def slope_of(activation):
    activation, h = get_activation(activation), 1e-6
    return lambda u: (activation(u + h) - activation(u - h)) / (2 * h)


def test_average_over_two_neurons_inputs():
    """E s'(u) g'(v), by differences of E s(u) g(v) in the covariance."""
    step = StepActivation([-0.4, 0.3, 1.1], [0, 2, 1, 3], scale=0.7)
    X = np.array([[1.0, 0.0], [0.3, 0.8]])
    found = straight_through_kernel(X[:1], ["gelu"], [step], X[1:], tau0=1.0)
    q, r, k = 1.0, 0.73, 0.3
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / np.sqrt(2 * np.pi)
    slope = 0.0  # conditional on a threshold the other input is Gaussian
    for threshold, jump in zip(
        step.thresholds, 0.7 * np.diff(step.levels), strict=True
    ):
        density = np.exp(-(threshold**2) / (2 * q)) / np.sqrt(2 * np.pi * q)
        v = k * threshold / q + np.sqrt(r - k**2 / q) * nodes
        slope += jump * density * (weights @ slope_of("gelu")(v))
    K = conjugate_kernel(X[:1], [step], X[1:], tau0=1.0)[0, 0]
    assert found[0, 0] == pytest.approx(K + k * slope, abs=1e-6)


def test_frozen_hidden_weights_leave_the_conjugate_kernel():
    X, *_ = split_mixture(30, 40)
    layers = ["relu", "gelu"]
    steps, _ = matched(layers)
    found = straight_through_kernel(X, layers, steps, hidden_rate=0.0)
    np.testing.assert_allclose(found, conjugate_kernel(X, steps), atol=1e-9)
    one = straight_through_kernel(X, layers, steps)
    two = straight_through_kernel(X, layers, steps, hidden_rate=2.0)
    np.testing.assert_allclose(two - one, one - found, atol=1e-12)


def test_fine_steps_have_the_neural_tangent_kernel():
    edges = np.linspace(-6, 6, 2001)
    X, *_ = split_mixture(20, 30)
    values = get_activation("relu")((edges[1:] + edges[:-1]) / 2)
    levels = np.rint(values / 6e-3).astype(int)
    step = StepActivation(edges[1:-1], levels, scale=6e-3)
    exact = neural_tangent_kernel(X, ["relu"] * 2)
    found = straight_through_kernel(X, ["relu"] * 2, [step] * 2)
    assert np.abs(found - exact).max() < 2e-3


@pytest.mark.parametrize("layers", [["relu", "relu"], ["gelu", "relu"]])
def test_coefficients_are_those_of_the_matched_network(layers):
    """Off the diagonal, with the conjugate coefficients of the steps."""
    errors = []
    for p in (100, 400):
        X, *_ = split_mixture(p, p)
        steps, taus = matched(layers)
        found = straight_through_kernel(X, layers, steps)
        alpha = equivalent_coefficients(steps).alpha
        beta = np.array([1.0, 0.0, 0.0])
        for name, staircase, tau, old, new in zip(
            layers, steps, taus, alpha[:-1], alpha[1:], strict=False
        ):
            g, step = gaussian_moments(name, tau), staircase.moments(tau)
            last = g.m2 * step.m2 * old[0] * beta[0]
            beta = new[:3] + g.m1 * step.m1 * beta + np.array([0, 0, last])
        b1, b2, b3 = beta
        G = X @ X.T
        g = G.diagonal() - 1
        equivalent = b1 * G + b2 * np.outer(g, g) + b3 * G**2
        difference = found - equivalent
        np.fill_diagonal(difference, 0)
        errors.append(np.linalg.norm(difference, 2) / np.linalg.norm(found, 2))
    assert errors[1] < 0.6 * errors[0] < 0.1
    # The matched network's own beta are close: tau differs after the first layer.
    own = equivalent_coefficients(layers).beta[-1]
    np.testing.assert_allclose(beta[0], own[0], rtol=0.02)


def train(X, y, X_test, layers, steps, taus, width, step_size, n_steps, seed, quantise):
    """Outputs of a finite network along full-batch descent, less the first ones."""
    rng = np.random.default_rng(seed)
    sizes = [X.shape[1], *[width] * len(layers)]
    weights = [rng.standard_normal((b, a)) for a, b in pairwise(sizes)]
    readout = rng.standard_normal(width)
    centres = [s.moments(t).mean for s, t in zip(steps, taus, strict=False)]
    slopes = [slope_of(each) for each in layers]

    def forward(Z):
        inputs, sums = [Z], []
        for W, step, centre in zip(weights, steps, centres, strict=True):
            sums.append(inputs[-1] @ quantise(W).T)
            inputs.append((step(sums[-1]) - centre) / np.sqrt(width))
        return inputs, sums

    first, first_test = (forward(Z)[0][-1] @ readout for Z in (X, X_test))
    train, test = [], []
    for _ in range(n_steps + 1):
        inputs, sums = forward(X)
        residual = inputs[-1] @ readout - first - y
        train.append(residual + y)
        test.append(forward(X_test)[0][-1] @ readout - first_test)
        delta = np.outer(residual, readout) / len(X)
        readout = readout - step_size * inputs[-1].T @ residual / len(X)
        for number in range(len(layers) - 1, -1, -1):
            delta = delta * slopes[number](sums[number]) / np.sqrt(width)
            gradient = delta.T @ inputs[number]
            delta = delta @ quantise(weights[number])
            weights[number] = weights[number] - step_size * gradient
    return np.array(train), np.array(test)


def compare(layers, n_levels, width, quantise=lambda W: W, rate=1.0, seeds=2):
    """Largest difference of the training error from theory, and from E g'(u) g'(v)."""
    X, y, X_test, _ = split_mixture(40, 40, 40)
    steps, taus = matched(layers, n_levels)
    theory = kernel_dynamics(
        straight_through_kernel(X, layers, steps, hidden_rate=rate), y
    )
    hidden = neural_tangent_kernel(X, layers) - conjugate_kernel(X, layers)
    guess = kernel_dynamics(conjugate_kernel(X, steps) + rate * hidden, y)
    step = 0.05 * min(theory.max_step_size, guess.max_step_size)
    times = step * np.arange(61)
    found = [
        train(X, y, X_test, layers, steps, taus, width, step, 60, seed, quantise)[0]
        for seed in range(seeds)
    ]
    error = np.mean([np.mean((each - y) ** 2, axis=1) for each in found], axis=0)
    return [
        np.abs(error - each.curve(times, step_size=step).train).max()
        for each in (theory, guess)
    ]


@pytest.mark.parametrize(("layers", "n_levels"), [(["relu"], 2), (["abs"], 3)])
def test_outputs_answer_by_the_step(layers, n_levels):
    """With few levels the slopes at the thresholds tell from E g'(u) g'(v)."""
    ours, guess = compare(layers, n_levels, 4096)
    assert ours < 0.04
    assert guess > 1.5 * ours


def test_narrow_networks_are_further_away():
    errors = [compare(["relu"], 8, width, seeds=6)[0] for width in (64, 4096)]
    assert errors[1] < 0.6 * errors[0]
    assert errors[1] < 0.015


def test_ternary_weights_answer_by_the_density_at_their_border():
    """Signs of the half of the weights that are largest, gradient as of the weights."""
    border = 0.6744897501960817
    ternary = lambda W: np.sign(W) * (np.abs(W) > border) * np.sqrt(2)  # noqa: E731
    density = np.exp(-(border**2) / 2) / np.sqrt(2 * np.pi)
    rate = 2 * density * np.sqrt(2)
    ours = compare(["relu"], 8, 4096, ternary, rate)[0]
    frozen = compare(["relu"], 8, 4096, ternary, 0.0)[0]
    assert ours < 0.03
    assert frozen > 3 * ours


def test_what_is_refused():
    X, *_ = split_mixture(5, 8)
    steps, _ = matched(["relu"])
    with pytest.raises(ValueError, match="1 steps for 2 activations"):
        straight_through_kernel(X, ["relu"] * 2, steps)
    with pytest.raises(TypeError, match="steps must be StepActivation"):
        straight_through_kernel(X, ["relu"], ["relu"])
    with pytest.raises(ValueError, match="hidden_rate must be 0 or more"):
        straight_through_kernel(X, ["relu"], steps, hidden_rate=-1.0)
    with pytest.raises(ValueError, match="Y has 3"):
        straight_through_kernel(X, ["relu"], steps, X[:, :3])
    with pytest.raises(ValueError, match="positive norms"):
        straight_through_kernel(0 * X, ["relu"], steps, tau0=1.0)
