"""Gaussian moments: closed forms, quadrature, and what is refused."""

import dataclasses
import math
import pickle

import numpy as np
import pytest
from scipy import special

from sklearn_lossless.theory import (
    ACTIVATIONS,
    Activation,
    GaussianMoments,
    StepActivation,
    empirical_ntk,
    gaussian_moments,
    get_activation,
    leaky_relu,
    neural_tangent_kernel,
)

NODES, WEIGHTS = np.polynomial.legendre.leggauss(60)


def oracle(function, tau, kinks=()):
    """Moments by a fixed Gauss-Legendre rule on fine panels split at the kinks."""
    edges = np.unique(
        np.concatenate([np.linspace(-14, 14, 225), np.asarray(kinks, float) / tau])
    )
    edges = edges[np.abs(edges) <= 14]
    half = np.diff(edges)[:, None] / 2
    xi = (edges[:-1, None] + half + half * NODES).ravel()
    weight = (half * WEIGHTS).ravel() * np.exp(-(xi**2) / 2) / math.sqrt(2 * math.pi)
    value = function(tau * xi)
    mean = weight @ value
    s = value - mean
    return GaussianMoments(
        mean=mean,
        m1=weight @ (xi * s) / tau,
        m2=weight @ ((xi**2 - 1) * s) / tau**2,
        f=weight @ ((xi**2 - 1) * s**2) / tau**2,
        tau=math.sqrt(weight @ s**2),
        derivative_sq=math.nan,
    )


def assert_same(actual, expected, tau, rtol=1e-10):
    """Compare relative to the scale of the activation, tau and its powers."""
    unit = expected.tau
    assert actual.mean == pytest.approx(
        expected.mean, rel=rtol, abs=rtol * max(unit, abs(expected.mean))
    )
    assert actual.m1 == pytest.approx(expected.m1, rel=rtol, abs=rtol * unit / tau)
    assert actual.m2 == pytest.approx(expected.m2, rel=rtol, abs=rtol * unit / tau**2)
    assert actual.f == pytest.approx(expected.f, rel=rtol, abs=rtol * unit**2 / tau**2)
    assert actual.tau == pytest.approx(expected.tau, rel=rtol)


@pytest.mark.parametrize("tau", [0.05, 0.5, 1.0, 2.5])
@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_moments_agree_with_fixed_rule(name, tau):
    activation = ACTIVATIONS[name]
    expected = oracle(activation, tau, activation.kinks)
    # The rule itself rounds where the centred square is far below the mean square.
    rtol = 1e-10 + 1e-15 * (expected.mean / expected.tau) ** 2
    assert_same(gaussian_moments(name, tau), expected, tau, rtol)


@pytest.mark.parametrize("tau", [0.2, 1.0, 2.0])
@pytest.mark.parametrize(
    "name", [name for name, each in sorted(ACTIVATIONS.items()) if each.closed_form]
)
def test_closed_forms_agree_with_quadrature(name, tau):
    activation = ACTIVATIONS[name]
    numerical = gaussian_moments(dataclasses.replace(activation, closed_form=None), tau)
    closed = gaussian_moments(name, tau)
    assert_same(numerical, closed, tau, 1e-11)
    assert numerical.derivative_sq == pytest.approx(closed.derivative_sq, rel=1e-8)


@pytest.mark.parametrize(
    ("name", "derivative"),
    [
        ("tanh", lambda t: 1 - np.tanh(t) ** 2),
        ("logistic", lambda t: special.expit(t) * special.expit(-t)),
        ("softplus", special.expit),
        ("elu", lambda t: np.exp(np.minimum(t, 0))),
        ("silu", lambda t: special.expit(t) * (1 + t * special.expit(-t))),
    ],
)
def test_derivative_square_agrees_with_given_derivative(name, derivative):
    expected = oracle(derivative, 0.8, (0.0,))
    actual = gaussian_moments(name, 0.8).derivative_sq
    assert actual == pytest.approx(expected.mean**2 + expected.tau**2, rel=1e-10)


def test_relu_is_as_published():
    moments = gaussian_moments("relu", 1.0)
    assert moments.m1 == 0.5
    assert moments.m2 == pytest.approx(1 / math.sqrt(2 * math.pi), rel=1e-14)
    assert moments.f == pytest.approx(1 - 1 / math.pi, rel=1e-14)
    assert moments.tau**2 == pytest.approx(0.5 - 0.5 / math.pi, rel=1e-14)
    assert moments.mean == pytest.approx(1 / math.sqrt(2 * math.pi), rel=1e-14)
    assert moments.derivative_sq == 0.5


@pytest.mark.parametrize("kink", [-0.7371, 0.0, 0.3, 1.9])
def test_unknown_kinks_of_callables_are_found(kink):
    def hinge(t):
        return np.maximum(t - kink, 0) + 0.2 * np.abs(t + 1.1)

    expected = oracle(hinge, 1.3, (kink, -1.1))
    assert_same(gaussian_moments(hinge, 1.3), expected, 1.3)


def test_jumps_of_callables_are_found_and_have_no_derivative():
    step = StepActivation([-0.4321, 0.777], [2, 0, 1], 1.5, 0.2)
    numerical = gaussian_moments(lambda t: step(t), 0.9)
    assert_same(numerical, step.moments(0.9), 0.9)
    assert numerical.derivative_sq == math.inf


def test_step_has_its_own_closed_form():
    step = StepActivation([-0.5, 0.7], [2, 0, 1])
    assert gaussian_moments(step, 1.7) == step.moments(1.7)


def test_large_mean_does_not_spoil_the_moments():
    shifted = gaussian_moments(lambda t: 1e4 + np.tanh(t))
    plain = gaussian_moments("tanh")
    assert shifted.mean == pytest.approx(1e4, rel=1e-14)
    assert shifted.tau == pytest.approx(plain.tau, rel=1e-10)
    assert shifted.f == pytest.approx(plain.f, rel=1e-9)


@pytest.mark.parametrize(
    ("function", "parity"),
    [
        (lambda t: np.sign(t) * t**2, "odd"),
        (special.expit, "odd"),
        (lambda t: np.cos(3 * t), "even"),
        (lambda t: np.maximum(t, 0), None),
    ],
)
def test_parity_of_callables_is_detected(function, parity):
    assert get_activation(function).parity == parity
    moments = gaussian_moments(function, 0.7)
    assert (moments.m1 == 0) == (parity == "even")
    assert (moments.m2 == 0) == (parity == "odd")


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_declared_parity_holds(name):
    activation = ACTIVATIONS[name]
    detected = get_activation(lambda t: activation(t)).parity
    assert activation.parity == detected


def test_get_activation_accepts_what_it_returns():
    activation = get_activation("relu")
    assert isinstance(activation, Activation)
    assert get_activation(activation) is activation
    assert get_activation(np.tanh).name == "tanh"
    assert leaky_relu(0.25)(np.array([[-4.0], [2.0]])).tolist() == [[-1.0], [2.0]]


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_named_activations_pickle(name):
    again = pickle.loads(pickle.dumps(ACTIVATIONS[name]))
    grid = np.linspace(-2, 2, 9)
    assert np.array_equal(again(grid), ACTIVATIONS[name](grid))


def test_unknown_name_is_refused_with_the_names():
    with pytest.raises(ValueError, match=r"'logistic'.*got 'sigmoid'"):
        get_activation("sigmoid")


def test_other_types_are_refused():
    with pytest.raises(TypeError, match="got 3"):
        get_activation(3)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda t: t[:-1], r"got shape \(256,\)"),
        (lambda t: t.sum(), r"got shape \(\)"),
        (lambda t: t + 0j, "complex128"),
        (lambda t: 1 / t, "not finite at 0.0"),
        (np.log, "not finite at -8.0"),
    ],
)
def test_unusable_callables_are_refused(function, message):
    with pytest.raises(ValueError, match=message):
        get_activation(function)


@pytest.mark.parametrize("tau", [0.0, -1.0, math.nan, math.inf])
def test_tau_must_be_positive_and_finite(tau):
    with pytest.raises(ValueError, match=f"got {tau!r}"):
        gaussian_moments("relu", tau)


@pytest.mark.parametrize(
    ("function", "tau"),
    [
        (lambda t: np.exp(t**2 / 4), 1.0),
        (lambda t: np.exp(t**2 / 2), 1.0),
        ("exp", 1e3),
        ("quadratic", 1e160),
    ],
)
def test_infinite_moments_are_refused(function, tau):
    with pytest.raises(ValueError, match="not finite"):
        gaussian_moments(function, tau)


def test_slope_must_be_finite():
    with pytest.raises(ValueError, match="slope"):
        leaky_relu(math.nan)


@pytest.mark.parametrize("step", [lambda t: (t > 0) * 1.0, np.round, np.sign])
def test_jumps_of_functions_have_no_finite_slope(step):
    """At 0 and at other whole numbers, where panels of the integration meet."""
    assert gaussian_moments(step, 1.0).derivative_sq == np.inf
    with pytest.raises(ValueError, match="does not exist"):
        neural_tangent_kernel(np.eye(3), [step])
    with pytest.raises(ValueError, match="does not exist"):
        empirical_ntk(np.eye(3), [np.ones((5, 3))], np.ones(5), [step])
