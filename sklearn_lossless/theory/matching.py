"""Step activations with the Gaussian moments of the activations of a network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from .._printing import short_repr
from ._equations import MomentEquation, moment_equations
from ._step_search import fit_step
from .activations import (
    FloatArray,
    GaussianMoments,
    check_tau,
    gaussian_moments,
    get_activation,
)
from .equivalents import alpha_recursion
from .steps import StepActivation

__all__ = [
    "LayerMatch",
    "MomentEquation",
    "NetworkMatch",
    "match_activation",
    "match_network",
]


@dataclass(frozen=True)
class LayerMatch:
    """The step of one layer, and what it achieves.

    Parameters
    ----------
    layer : int
        Number of the layer, from 1.
    activation : str
        Name of the activation that is matched.
    step : StepActivation
        Activation of the compressed layer.
    target, achieved : GaussianMoments
        Moments of the activation at `tau_in`, of the step at `tau_in_compressed`.
    tau_in, tau_in_compressed : float
        Deviation of the inputs in the reference and in the compressed network.
    equations : tuple of MomentEquation
        m1, m2, f and tau.
    """

    __repr__ = short_repr

    layer: int
    activation: str
    step: StepActivation
    target: GaussianMoments
    achieved: GaussianMoments
    tau_in: float
    tau_in_compressed: float
    equations: tuple[MomentEquation, ...]

    @property
    def tau_out(self) -> float:
        """Deviation after the layer in the reference network."""
        return self.target.tau

    @property
    def tau_out_compressed(self) -> float:
        """Deviation after the layer in the compressed network."""
        return self.achieved.tau

    @property
    def excess_variance(self) -> float:
        """Variance beyond the linear part, relative to that of the activation.

        Infinite if the activation is linear and has none.
        """
        exact = self.target.tau**2 - (self.target.m1 * self.tau_in) ** 2
        step = self.achieved.tau**2 - (self.achieved.m1 * self.tau_in_compressed) ** 2
        return step / exact if exact > 1e-14 * self.target.tau**2 else math.inf

    @property
    def met(self) -> bool:
        """Whether all required equations are met."""
        return all(each.met for each in self.equations if each.required)


@dataclass(frozen=True)
class NetworkMatch:
    """The steps of a whole network.

    Parameters
    ----------
    layers : tuple of LayerMatch
        First to last layer.
    """

    __repr__ = short_repr

    layers: tuple[LayerMatch, ...]

    @property
    def steps(self) -> tuple[StepActivation, ...]:
        """The step of each layer."""
        return tuple(each.step for each in self.layers)

    @property
    def tau(self) -> tuple[float, ...]:
        """Deviations of the reference network, input first."""
        return (self.layers[0].tau_in, *(each.tau_out for each in self.layers))

    @property
    def tau_compressed(self) -> tuple[float, ...]:
        """Deviations of the compressed network, input first."""
        first = self.layers[0].tau_in_compressed
        return (first, *(each.tau_out_compressed for each in self.layers))

    @property
    def alphas(self) -> tuple[FloatArray, FloatArray]:
        """Coefficients (a1, a2, a3, a4) of both conjugate kernels, input first.

        Each of shape (n_layers + 1, 4): Gu et al. 2022, Theorem 1, where a4 takes
        half the moment f of the centred square.
        """
        return (
            alpha_recursion([each.target for each in self.layers]),
            alpha_recursion([each.achieved for each in self.layers]),
        )

    @property
    def met(self) -> bool:
        """Whether all required equations of all layers are met."""
        return all(each.met for each in self.layers)

    def unmet(self) -> list[str]:
        """Say which required equations are not met.

        Returns
        -------
        list of str
            A sentence for each, with target and achieved value.
        """
        return [
            f"Layer {layer.layer}: moment {each.name} of activation "
            f"{layer.activation!r} is {each.target:.6g}, its step with "
            f"{layer.step.n_levels} levels achieves {each.achieved:.6g} "
            f"(relative difference {each.residual:.1e})."
            for layer in self.layers
            for each in layer.equations
            if each.required and not each.met
        ]

    def __str__(self) -> str:
        header = (
            f"{'layer':>5} {'activation':<12} {'moment':<6} {'target':>12} "
            f"{'step':>12} {'residual':>9}"
        )
        lines = [header, "-" * len(header)]
        for layer in self.layers:
            label = f"{layer.layer:>5} {layer.activation:<12.12}"
            for each in layer.equations:
                note = {"free": "(free)"}.get(each.remark, each.remark)
                line = (
                    f"{label} {each.name:<6} {each.target:>12.6g} "
                    f"{each.achieved:>12.6g} {each.residual:>9.1e} {note}"
                )
                lines.append(line.rstrip())
                label = " " * len(label)
            lines.append(f"{label} excess variance {layer.excess_variance:.4g}")
        return "\n".join(lines)


def match_network(
    activations: Sequence[Any],
    n_levels: int | Sequence[int] = 8,
    *,
    tau0: float = 1.0,
    match_tau: bool = False,
) -> NetworkMatch:
    """Match the activations of a network, layer by layer.

    Parameters
    ----------
    activations : sequence of str, callable or Activation
        The activation of each layer.
    n_levels : int or sequence of int, one per layer, default=8
        Levels of the steps, 2 to 16. With 2, Algorithm 1 of the paper: sigma_T in
        all layers but the last, sigma_Q there.
    tau0 : float, default=1.0
        Deviation of the inputs of the first layer.
    match_tau : bool, default=False
        Whether every layer should have the output deviation of the reference network
        too. The last one of Algorithm 1 always should.

    Returns
    -------
    NetworkMatch
        Also where equations cannot be met: see :meth:`NetworkMatch.unmet`.

    Raises
    ------
    TypeError
        If `activations` is not a sequence of them, or `n_levels` not an integer.
    ValueError
        If there are no activations, or one is invalid or without linear and
        quadratic part, or `n_levels` or `tau0` is out of range, or `n_levels` are
        more or fewer than the layers.

    Notes
    -----
    Each compressed layer is matched at its own input deviation. References: Gu et
    al., NeurIPS 2022 (arXiv 2403.00258), Theorem 1 and Algorithm 1.

    Examples
    --------
    >>> match = match_network(["relu", "relu"])
    >>> match.met
    True
    >>> [round(float(each), 4) for each in match.tau]
    [1.0, 0.5838, 0.3408]
    """
    if isinstance(activations, str) or not isinstance(activations, Sequence):
        raise TypeError(
            f"activations must be a sequence, one per layer, got {activations!r}."
        )
    if not activations:
        raise ValueError("activations must name at least one layer, got none.")
    tau = tau_compressed = check_tau(tau0, "tau0")
    levels = _levels_of_layers(n_levels, len(activations))
    layers: list[LayerMatch] = []
    for number, activation in enumerate(activations, start=1):
        paper = levels[-1] == 2 and number == len(activations)
        layer = match_activation(
            activation,
            tau,
            tau_compressed,
            n_levels=levels[number - 1],
            match_tau=match_tau or paper,
            layer=number,
        )
        layers.append(layer)
        tau, tau_compressed = layer.tau_out, layer.tau_out_compressed
    return NetworkMatch(tuple(layers))


def match_activation(
    activation: Any,
    tau: float = 1.0,
    tau_compressed: float | None = None,
    *,
    n_levels: int = 8,
    match_tau: bool = False,
    layer: int = 1,
) -> LayerMatch:
    """Find a step with the moments m1, m2 and f of an activation, up to signs.

    Parameters
    ----------
    activation : str, callable or Activation
        The activation to match.
    tau : float, default=1.0
        Deviation of its input.
    tau_compressed : float or None, default=None
        Deviation of the input of the step; None for the same.
    n_levels : int, default=8
        Levels of the step, 2 to 16. With 2, sigma_T of the paper.
    match_tau : bool, default=False
        Whether the step should have the output deviation too; with two levels it is
        then sigma_Q of the paper.
    layer : int, default=1
        Number of the layer, for messages.

    Returns
    -------
    LayerMatch
        The step of least variance among those that meet the equations. Where none
        does, the equations say so: tau is given up first, then f.

    Raises
    ------
    TypeError
        If `n_levels` is not an integer.
    ValueError
        If a parameter is out of range, or the activation is constant or has neither
        a linear nor a quadratic part: such a layer erases its input.

    Notes
    -----
    The equations are those of Gu et al., NeurIPS 2022 (arXiv 2403.00258),
    Algorithm 1. Among all functions with the same m1 and m2 a parabola has the least
    variance; steps of more levels quantise it, on both sides of its vertex.

    Examples
    --------
    >>> match = match_activation("relu", n_levels=2)
    >>> match.step.thresholds.round(6)
    array([-2.212533, -0.999531])
    >>> match_activation("relu", n_levels=8).met
    True
    """
    tau = check_tau(tau)
    t = tau if tau_compressed is None else check_tau(tau_compressed, "tau_compressed")
    n_levels = _check_levels("n_levels", n_levels)
    activation = get_activation(activation)
    target = gaussian_moments(activation, tau)
    _check_informative(activation.name, target, tau)
    step = fit_step(target, t, n_levels, match_tau)
    achieved = step.moments(t)
    asked = ("m1", "m2", "f", "tau") if match_tau else ("m1", "m2", "f")
    equations = moment_equations(target, achieved, tau, asked)
    return LayerMatch(layer, activation.name, step, target, achieved, tau, t, equations)


def _levels_of_layers(n_levels: Any, n_layers: int) -> list[int]:
    """Return the number of levels of each layer."""
    if isinstance(n_levels, str) or not isinstance(n_levels, (Sequence, np.ndarray)):
        return [_check_levels("n_levels", n_levels)] * n_layers
    if len(n_levels) != n_layers:
        raise ValueError(
            f"n_levels must be one number, or one per layer: got {len(n_levels)} "
            f"numbers for {n_layers} layers, n_levels={n_levels!r}."
        )
    return [_check_levels(f"n_levels[{i}]", each) for i, each in enumerate(n_levels)]


def _check_levels(name: str, n_levels: Any) -> int:
    if isinstance(n_levels, bool) or not isinstance(n_levels, Integral):
        raise TypeError(f"{name} must be an integer, got {n_levels!r}.")
    if not 2 <= int(n_levels) <= 16:
        raise ValueError(f"{name} must be from 2 to 16, got {n_levels}.")
    return int(n_levels)


def _check_informative(name: str, target: GaussianMoments, tau: float) -> None:
    if target.tau <= 1e-14 * max(abs(target.mean), 1e-200):
        raise ValueError(f"activation {name!r} is constant.")
    if math.hypot(target.m1 * tau, target.m2 * tau**2) < 1e-9 * target.tau:
        raise ValueError(
            f"activation {name!r} has neither a linear nor a quadratic part at "
            f"tau={tau:.6g} (m1 = m2 = 0): its layer erases its input."
        )
