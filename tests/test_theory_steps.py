"""Step activations: values, closed-form moments, validation."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_lossless.theory import StepActivation

NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)


def integrated(step, tau):
    """Moments by a Gauss-Legendre rule on panels that end at the thresholds."""
    edges = np.unique(np.r_[np.linspace(-14, 14, 113), step.thresholds / tau])
    edges = edges[np.abs(edges) <= 14]
    half = np.diff(edges)[:, None] / 2
    x = (edges[:-1, None] + half + half * NODES).ravel()
    weight = (half * WEIGHTS).ravel() * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    value = (
        step.offset
        + step.scale * step.levels[(tau * x[:, None] >= step.thresholds).sum(axis=1)]
    )

    def gauss(function, centre=0.0):
        return weight @ function(x, value - centre)

    mean = gauss(lambda x, s: s)
    return (
        mean,
        gauss(lambda x, s: x * s, mean) / tau,
        gauss(lambda x, s: (x * x - 1) * s, mean) / tau**2,
        gauss(lambda x, s: (x * x - 1) * s * s, mean) / tau**2,
        math.sqrt(gauss(lambda x, s: s * s, mean)),
    )


def as_tuple(moments):
    return (moments.mean, moments.m1, moments.m2, moments.f, moments.tau)


steps = st.builds(
    lambda start, gaps, levels, scale, offset: StepActivation(
        start + np.cumsum(gaps), levels[: len(gaps) + 1], scale, offset
    ),
    st.floats(-3, 1),
    st.lists(st.floats(0.05, 1.5), min_size=1, max_size=5),
    st.lists(st.integers(0, 7), min_size=6, max_size=6),
    st.floats(0.1, 3).map(lambda x: x if x < 2 else -x),
    st.floats(-2, 2),
)


def test_values_change_at_the_thresholds():
    step = StepActivation([-1.0, 1.0], [1, 0, 2], scale=0.5, offset=10.0)
    t = np.array([[-2.0, -1.0], [0.0, 1.0]])
    assert step.codes(t).tolist() == [[1, 0], [0, 2]]
    assert step(t).tolist() == [[10.5, 10.0], [10.0, 11.0]]
    assert step.n_levels == 3


@settings(max_examples=40, deadline=None, derandomize=True)
@given(step=steps, tau=st.floats(0.3, 2.5))
def test_moments_agree_with_integration(step, tau):
    actual, expected = as_tuple(step.moments(tau)), integrated(step, tau)
    unit = abs(step.scale) * 7
    np.testing.assert_allclose(actual[:3], expected[:3], rtol=1e-9, atol=1e-10 * unit)
    np.testing.assert_allclose(actual[3], expected[3], rtol=1e-9, atol=1e-9 * unit**2)
    np.testing.assert_allclose(actual[4] ** 2, expected[4] ** 2, atol=1e-10 * unit**2)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(step=steps, tau=st.floats(0.1, 5))
def test_moments_of_mirror_image_and_negative(step, tau):
    moments = step.moments(tau)
    mirror = StepActivation(
        -step.thresholds[::-1], step.levels[::-1], step.scale, step.offset
    ).moments(tau)
    negative = StepActivation(
        step.thresholds, step.levels, -step.scale, -step.offset
    ).moments(tau)
    unit = abs(step.scale) / min(tau, 1) ** 2 * 100
    expected = (moments.mean, -moments.m1, moments.m2, moments.f, moments.tau)
    np.testing.assert_allclose(as_tuple(mirror), expected, rtol=1e-9, atol=1e-13 * unit)
    expected = (-moments.mean, -moments.m1, -moments.m2, moments.f, moments.tau)
    np.testing.assert_allclose(as_tuple(negative), expected, rtol=1e-12)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(step=steps, tau=st.floats(0.1, 5))
def test_parabola_bounds_the_variance_from_below(step, tau):
    moments = step.moments(tau)
    least = (moments.m1 * tau) ** 2 + (moments.m2 * tau**2) ** 2 / 2
    assert moments.tau**2 >= least * (1 - 1e-12)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(step=steps, tau=st.floats(0.1, 5), factor=st.floats(0.1, 10))
def test_moments_scale_with_the_input(step, tau, factor):
    moments = step.moments(tau)
    scaled = StepActivation(
        step.thresholds * factor, step.levels, step.scale, step.offset
    ).moments(tau * factor)
    assert scaled.tau == pytest.approx(moments.tau, rel=1e-9, abs=1e-12)
    assert scaled.m1 * factor == pytest.approx(moments.m1, rel=1e-9, abs=1e-9)
    assert scaled.f * factor**2 == pytest.approx(moments.f, rel=1e-9, abs=1e-8)


@pytest.mark.parametrize("sign", [1, -1])
def test_rare_cells_keep_their_variance(sign):
    # Phi(-10) is 7.6e-24: lost if it were 1 - Phi(10).
    step = StepActivation([sign * 10.0], [0, 1])
    assert step.moments(1.0).tau ** 2 == pytest.approx(7.619853024160527e-24, rel=1e-10)


def test_sign_step_in_closed_form():
    moments = StepActivation([0.0], [0, 1], scale=2.0, offset=-1.0).moments(0.5)
    assert moments.mean == 0
    assert moments.m1 == pytest.approx(2 * math.sqrt(2 / math.pi), rel=1e-15)
    assert (moments.m2, moments.f, moments.tau) == (0, 0, 1)
    assert moments.derivative_sq == math.inf


def test_arrays_are_copied_and_read_only():
    thresholds = np.array([0.0, 1.0])
    step = StepActivation(thresholds, np.array([0, 1, 2]))
    thresholds[0] = -5
    assert step.thresholds[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        step.thresholds[0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        step.levels[0] = 1


def test_pickles():
    step = StepActivation([0.0, 1.0], [0, 2, 1], 0.3, 0.1)
    again = pickle.loads(pickle.dumps(step))
    assert again.moments(0.7) == step.moments(0.7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], [0]), r"got shape \(0,\)"),
        (([[0.0]], [0, 1]), r"got shape \(1, 1\)"),
        (([1.0, 1.0], [0, 1, 0]), "strictly increasing"),
        (([0.0, np.nan], [0, 1, 0]), "finite"),
        (([0.0, np.inf], [0, 1, 0]), "finite"),
        (([0.0], [0, 1, 2]), r"shape \(2,\).*got shape \(3,\)"),
        (([0.0], [0.0, 1.0]), "integers"),
        (([0.0], [-1, 0]), "integers >= 0"),
        (([0.0], [0, 1], 0.0), "scale.*got 0.0"),
        (([0.0], [0, 1], math.nan), "scale"),
        (([0.0], [0, 1], 1.0, math.inf), "offset"),
    ],
)
def test_invalid_steps_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        StepActivation(*arguments)


@pytest.mark.parametrize("tau", [0.0, -1.0, math.nan, math.inf])
def test_tau_must_be_positive_and_finite(tau):
    with pytest.raises(ValueError, match="tau"):
        StepActivation([0.0], [0, 1]).moments(tau)
