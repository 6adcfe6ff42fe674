"""Matching: pinned solutions, residuals, what is impossible, what is refused."""

import math
from functools import cache

import numpy as np
import pytest

from sklearn_lossless.theory import (
    StepActivation,
    gaussian_moments,
    get_activation,
    leaky_relu,
    match_activation,
    match_network,
)
from sklearn_lossless.theory._binary_steps import least_binary_variance

SMOOTH = ["relu", leaky_relu(0.1), "gelu", "silu", "elu", "softplus"]
EVEN = ["abs", "cos", "quadratic"]
ODD = ["tanh", "logistic", "erf", "sin", "identity"]


def label(activation):
    return get_activation(activation).name


def assert_meets(match, names=("m1", "m2", "f")):
    """Recompute the moments from the step alone."""
    target = gaussian_moments(match.activation_given, match.tau_in)
    achieved = match.step.moments(match.tau_in_compressed)
    for name in names:
        given, found = abs(getattr(target, name)), abs(getattr(achieved, name))
        power = 2 if name == "f" else 1
        order = {"m1": 1, "m2": 2, "f": 2, "tau": 0}[name]
        unit = target.tau**power / match.tau_in**order
        assert found == pytest.approx(given, rel=1e-9, abs=1e-12 * unit), name
    return achieved


@cache
def match_three(activation, n_levels):
    return match_network([activation] * 3, n_levels)


class Checked:
    """A LayerMatch with the activation it was made from."""

    def __init__(self, activation, match):
        self.activation_given = activation
        self.step = match.step
        self.tau_in = match.tau_in
        self.tau_in_compressed = match.tau_in_compressed


def assert_network_meets(activation, match):
    for layer in match.layers:
        assert_meets(Checked(activation, layer))
    assert match.met
    assert match.unmet() == []


# Two levels: Algorithm 1.


def test_sigma_t_of_relu_is_as_published():
    match = match_activation("relu", n_levels=2)
    assert match.step.levels.tolist() == [1, 0, 1]
    np.testing.assert_allclose(match.step.thresholds, [-2.212533, -0.999531], atol=1e-6)
    assert match.step.scale == pytest.approx(2.408743, abs=1e-6)
    assert match.tau_out_compressed**2 == pytest.approx(0.720560, abs=1e-6)
    assert match.tau_out**2 == pytest.approx(0.340845, abs=1e-6)
    assert match.excess_variance == pytest.approx(5.18, abs=0.01)


def test_second_sigma_t_of_relu_is_as_published():
    first = match_activation("relu", n_levels=2)
    match = match_activation(
        "relu", first.tau_out, first.tau_out_compressed, n_levels=2
    )
    assert match.step.scale == pytest.approx(1.682374, abs=1e-6)
    thresholds = sorted(np.abs(match.step.thresholds), reverse=True)
    np.testing.assert_allclose(thresholds, [2.022333, 0.729954], atol=1e-6)
    assert match.tau_out_compressed == pytest.approx(0.677344, abs=1e-6)


@pytest.mark.parametrize("activation", [*SMOOTH, *EVEN], ids=label)
def test_sigma_t_meets_three_moments_in_four_layers(activation):
    # The last layer of a network is sigma_Q: one more layer than is looked at.
    match = match_network([activation] * 5, 2)
    for layer in match.layers[:4]:
        assert layer.step.levels.tolist() == [1, 0, 1]
        assert_meets(Checked(activation, layer))
        assert layer.met


def test_sigma_t_of_even_activations_is_symmetric():
    for activation in EVEN:
        thresholds = match_activation(activation, 0.7, n_levels=2).step.thresholds
        assert thresholds[0] == -thresholds[1]


def test_sigma_q_meets_the_deviation_where_it_can():
    for tau in (2.0, 3.0):
        match = match_activation("cos", tau, n_levels=2, match_tau=True)
        step = match.step
        assert step.levels.tolist() == [1, 0, 1, 0, 1]
        gaps = np.diff(step.thresholds)
        assert gaps[0] == pytest.approx(gaps[2], rel=1e-12)
        assert_meets(Checked("cos", match), ("m1", "m2", "f", "tau"))
        assert match.met


def test_sigma_q_without_symmetry_meets_the_deviation():
    def wave(t):
        return np.cos(2 * t) + np.sin(2 * t)

    match = match_activation(wave, n_levels=2, match_tau=True)
    gaps = np.diff(match.step.thresholds)
    assert match.step.levels.tolist() == [1, 0, 1, 0, 1]
    assert gaps[0] == pytest.approx(gaps[2], rel=1e-12)
    assert_meets(Checked(wave, match), ("m1", "m2", "f", "tau"))


def test_deviation_of_relu_is_out_of_reach_of_two_levels():
    match = match_network(["relu"] * 3, 2)
    last = match.layers[-1]
    assert [each.name for each in last.equations if not each.met] == ["tau"]
    assert not match.met
    (message,) = match.unmet()
    assert "Layer 3" in message
    assert "moment tau" in message
    assert "0.198992" in message  # the target
    assert f"{last.achieved.tau:.6g}" in message
    # Any function with these m1 and m2 has more variance: Parseval.
    least = (last.achieved.m1 * last.tau_in_compressed) ** 2
    least += (last.achieved.m2 * last.tau_in_compressed**2) ** 2 / 2
    assert least > last.target.tau**2


@pytest.mark.parametrize("activation", ODD, ids=label)
def test_odd_activations_become_sign_steps(activation):
    match = match_activation(activation, 0.8, n_levels=2)
    assert match.step.thresholds.tolist() == [0.0]
    assert match.step.levels.tolist() == [0, 1]
    assert_meets(Checked(activation, match), ("m1", "m2"))
    assert [
        each.name for each in match.equations if each.required and not each.met
    ] == ["f"]


@pytest.mark.parametrize("n_levels", [2, 3, 8, 16])
def test_single_steps_are_matched_exactly(n_levels):
    match = match_activation("sign", 0.7, n_levels=n_levels, match_tau=True)
    assert match.met
    np.testing.assert_allclose(match.step([-1.0, 1.0]), [-1, 1], rtol=1e-14)
    shifted = match_activation(
        StepActivation([0.3], [0, 1], 2.0), n_levels=n_levels, match_tau=True
    )
    assert shifted.step.thresholds == pytest.approx([0.3], rel=1e-12)
    assert shifted.step.scale == pytest.approx(2.0, rel=1e-12)
    assert shifted.met


# More levels.


@pytest.mark.parametrize("n_levels", [3, 4, 5, 8, 16])
@pytest.mark.parametrize("activation", [*SMOOTH, *EVEN, *ODD], ids=label)
def test_staircases_meet_three_moments_in_three_layers(activation, n_levels):
    match = match_three(activation, n_levels)
    assert_network_meets(activation, match)
    for layer in match.layers:
        assert set(layer.step.levels) == set(range(layer.step.n_levels))
        assert set(np.abs(np.diff(layer.step.levels))) == {1}
        assert layer.step.n_levels <= n_levels


@pytest.mark.parametrize("activation", ["identity", "logistic"])
def test_four_antisymmetric_levels_reach_less_than_three(activation):
    match = match_three(activation, 4)
    assert match.met
    assert match.layers[-1].step.n_levels == 3


@pytest.mark.parametrize("n_levels", [4, 8, 16])
def test_symmetry_is_kept(n_levels):
    for activation in EVEN:
        step = match_activation(activation, n_levels=n_levels).step
        np.testing.assert_array_equal(step.thresholds, -step.thresholds[::-1])
        np.testing.assert_array_equal(step.levels, step.levels[::-1])
    for activation in ("tanh", "sin"):
        step = match_activation(activation, n_levels=n_levels).step
        np.testing.assert_array_equal(step.thresholds, -step.thresholds[::-1])
        np.testing.assert_array_equal(step.levels, n_levels - 1 - step.levels[::-1])


@pytest.mark.parametrize(
    ("n_levels", "noise"), [(3, 2.97), (4, 1.42), (5, 1.23), (8, 1.075), (16, 1.015)]
)
def test_noise_of_relu(n_levels, noise):
    match = match_activation("relu", n_levels=n_levels)
    assert match.excess_variance < noise
    # A monotone activation gets a monotone staircase.
    np.testing.assert_array_equal(match.step.levels, np.arange(n_levels))


def test_thresholds_of_relu():
    expected = [0.125, 0.617, 1.006, 1.356, 1.689, 2.020, 2.358]
    step = match_activation("relu", n_levels=8).step
    np.testing.assert_allclose(step.thresholds, expected, atol=2e-3)


@pytest.mark.parametrize(
    ("n_levels", "chain"),
    [(8, [0.5897, 0.3489, 0.2074]), (16, [0.5848, 0.3421, 0.2004])],
)
def test_deviations_through_relu_layers(n_levels, chain):
    match = match_network(["relu"] * 6, n_levels)
    assert np.all(np.array(match.tau_compressed[1:4]) <= chain)
    assert match.met
    assert match.layers[-1].excess_variance < 1.8
    assert match.tau_compressed[0] == match.tau[0] == 1.0
    for layer in match.layers:  # none parked in the tail
        assert np.abs(layer.step.thresholds).max() < 5 * layer.tau_in_compressed


def test_more_levels_have_less_noise():
    for activation in ("relu", "gelu", "elu", "abs", "tanh"):
        noise = [
            match_activation(activation, n_levels=each).excess_variance
            for each in (3, 5, 8, 12, 16)
        ]
        assert noise == sorted(noise, reverse=True)


@pytest.mark.parametrize("tau", [1e-6, 0.01, 30.0, 1e6])
def test_relu_does_not_depend_on_the_unit(tau):
    unit, scaled = match_activation("relu"), match_activation("relu", tau)
    assert scaled.met
    np.testing.assert_allclose(
        scaled.step.thresholds / tau, unit.step.thresholds, rtol=1e-6, atol=1e-6
    )


def test_steps_look_like_the_activation():
    grid = np.linspace(-1.5, 1.5, 7)
    for activation in ("relu", lambda t: -np.maximum(t, 0), lambda t: np.exp(-t / 2)):
        match = match_activation(activation, n_levels=16)
        given = get_activation(activation)(grid)
        assert np.abs(match.step(grid) - given).max() < 0.25
        assert match.achieved.mean == pytest.approx(match.target.mean)


def test_deviation_can_be_met_with_many_levels():
    match = match_network(["relu"] * 3, 16, match_tau=True)
    assert match.met
    np.testing.assert_allclose(match.tau_compressed, match.tau, rtol=1e-9)
    few = match_activation("relu", n_levels=4, match_tau=True)
    assert not few.met
    assert_meets(Checked("relu", few))


def test_activations_of_different_kinds_follow_each_other():
    match = match_network(["relu", "tanh", "abs", lambda t: np.maximum(t - 0.1, 0)], 8)
    assert match.met
    for layer, previous in zip(match.layers[1:], match.layers, strict=False):
        assert layer.tau_in == previous.tau_out
        assert layer.tau_in_compressed == previous.tau_out_compressed


def test_unreachable_f_is_reported_and_the_rest_met():
    # Square of an odd function that falls off: E (s^2)'' < 0.
    def bump(t):
        return t * np.exp(-(t**2))

    match = match_activation(bump, 2.0, n_levels=8)
    assert gaussian_moments(bump, 2.0).f < 0
    assert_meets(Checked(bump, match), ("m1", "m2"))
    assert [
        each.name for each in match.equations if each.required and not each.met
    ] == ["f"]
    (message,) = match_network([bump], 8, tau0=2.0).unmet()
    assert "moment f of activation 'bump'" in message


# Results.


@pytest.mark.parametrize("n_levels", [2, 3, 8, 16])
def test_matching_is_deterministic(n_levels):
    one, two = (match_network(["gelu", "relu"], n_levels) for _ in range(2))
    for first, second in zip(one.steps, two.steps, strict=True):
        np.testing.assert_array_equal(first.thresholds, second.thresholds)
        np.testing.assert_array_equal(first.levels, second.levels)
        assert (first.scale, first.offset) == (second.scale, second.offset)


@pytest.mark.parametrize("many", [tuple, np.array])
def test_n_levels_of_each_layer(many):
    assert str(match_network(["relu", "tanh"], many([5, 5]))) == str(
        match_network(["relu", "tanh"], 5)
    )
    match = match_network(["relu", "relu"], many([4, 2]))
    assert match.layers[0].step.levels.tolist() == [0, 1, 2, 3]
    # Of the paper's two activations the last layer has the one that matches tau.
    assert match.layers[1].equations[-1].required
    match = match_network(["relu", "relu"], many([2, 4]))
    alone = match_activation("relu", n_levels=2)
    np.testing.assert_array_equal(match.steps[0].thresholds, alone.step.thresholds)
    assert match.steps[1].n_levels == 4


def test_alphas_follow_the_recursion_and_agree():
    match = match_network(["relu"] * 3, 8)
    given, compressed = match.alphas
    np.testing.assert_allclose(compressed, given, rtol=1e-8)
    assert given[0].tolist() == [1, 0, 0, 1]
    m2, f = match.layers[0].target.m2, match.layers[0].target.f
    np.testing.assert_allclose(given[1], [0.25, m2**2 / 4, m2**2 / 2, f / 2])
    m2_second = match.layers[1].target.m2
    expected = [
        1 / 16,
        m2**2 / 16 + m2_second**2 * (f / 2) ** 2 / 4,
        m2**2 / 8 + m2_second**2 / 32,
        f**2 / 4,
    ]
    np.testing.assert_allclose(given[2], expected, rtol=1e-12)


def test_equations_have_remarks():
    match = match_network(["relu", "tanh"], 2)
    remarks = [[each.remark for each in layer.equations] for layer in match.layers]
    assert remarks == [["", "", "", "free"], ["", "", "unmet", "unmet"]]


def test_table_names_layers_moments_and_failures():
    match = match_network(["relu", "tanh"], 2)
    text = str(match)
    lines = [line.split() for line in text.splitlines()]
    assert [line[-1] for line in lines if "tau" in line] == ["(free)", "unmet"]
    for word in ("relu", "tanh", "m1", "m2", "f", "tau", "unmet", "excess variance"):
        assert word in text
    assert "unmet" not in str(match_network(["relu", "tanh"], 8))


def test_linear_activation_has_no_variance_to_compare_with():
    assert match_activation("identity").excess_variance == math.inf


# Refusals.


@pytest.mark.parametrize("n_levels", [1, 17, 0, -3])
def test_n_levels_out_of_range(n_levels):
    with pytest.raises(ValueError, match=f"got {n_levels}"):
        match_activation("relu", n_levels=n_levels)


@pytest.mark.parametrize(
    ("n_levels", "error", "match"),
    [
        ([8], ValueError, r"one per layer: got 1 numbers for 2 layers.*\[8\]"),
        ((8, 17), ValueError, r"n_levels\[1\] must be from 2 to 16, got 17"),
        ((2.5, 8), TypeError, r"n_levels\[0\] must be an integer, got 2.5"),
    ],
)
def test_bad_n_levels_of_layers(n_levels, error, match):
    with pytest.raises(error, match=match):
        match_network(["relu", "tanh"], n_levels)


@pytest.mark.parametrize("n_levels", [2.0, "8", None, True])
def test_n_levels_not_an_integer(n_levels):
    with pytest.raises(TypeError, match="n_levels must be an integer"):
        match_network(["relu"], n_levels)


def test_numpy_integers_are_integers():
    assert match_activation("relu", n_levels=np.int64(4)).step.n_levels == 4


@pytest.mark.parametrize("tau", [0.0, -1.0, math.nan, math.inf])
def test_deviations_must_be_positive_and_finite(tau):
    with pytest.raises(ValueError, match="tau0"):
        match_network(["relu"], tau0=tau)
    with pytest.raises(ValueError, match="tau must"):
        match_activation("relu", tau)
    with pytest.raises(ValueError, match="tau_compressed"):
        match_activation("relu", 1.0, tau)


def test_activations_must_be_a_sequence():
    with pytest.raises(ValueError, match="at least one"):
        match_network([])
    with pytest.raises(TypeError, match="sequence"):
        match_network("relu")
    with pytest.raises(TypeError, match="sequence"):
        match_network(np.tanh)


@pytest.mark.parametrize("value", [0.0, 3.7, -1e6])
def test_constant_activations_are_refused(value):
    with pytest.raises(ValueError, match="is constant"):
        match_activation(lambda t: np.full_like(t, value))


@pytest.mark.parametrize("n_levels", [2, 8])
def test_activations_that_erase_their_input_are_refused(n_levels):
    with pytest.raises(ValueError, match="neither a linear nor a quadratic part"):
        match_activation(lambda t: t**3 - 3 * t, n_levels=n_levels)


@pytest.mark.parametrize("h", [(1.0, 0.0), (0.0, 1.0), (0.5, 0.4), (0.3, 1.2)])
def test_no_binary_step_has_less_variance_than_the_bound(h):
    bound = least_binary_variance(*h)
    rng = np.random.default_rng(0)
    least = math.inf
    for _ in range(2000):
        u = np.sort(rng.normal(size=rng.integers(1, 5)))
        step = StepActivation(u, np.arange(len(u) + 1) % 2)
        m = step.moments()
        # The part of the step along the parabola, scaled to the parabola's size.
        along = h[0] * m.m1 + h[1] * m.m2 / 2
        if abs(along) > 1e-3:
            least = min(least, (m.tau * (h[0] ** 2 + h[1] ** 2 / 2) / along) ** 2)
    assert bound <= least < 1.05 * bound
