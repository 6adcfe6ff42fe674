"""MomentDisplay: an activation, the staircase that stands for it, their moments."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ..theory import Activation, LayerMatch, get_activation, match_activation
from ._axes import as_axes
from ._kernels import reference_activations
from ._measures import fitted_compressor
from ._optional import import_pyplot

__all__ = ["MomentDisplay"]

#: Range of the inputs that is drawn, in deviations.
_RANGE = 3.5

_NAMES = {"m1": "$|m_1|$", "m2": "$|m_2|$", "f": "$f$", "tau": r"$\tau$"}


class MomentDisplay:
    """An activation, its matched staircase, and the moments of both.

    Make one by :meth:`from_estimator` or :meth:`from_activation`.

    Parameters
    ----------
    match : LayerMatch
        The step and what it achieves.
    activation : Activation
        The activation that it stands for.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure of the display.
    ax_ : matplotlib Axes
        Axes of the activations.
    moment_ax_ : matplotlib Axes
        Axes of the moments.

    Notes
    -----
    Both functions are drawn without their means, over inputs in units of the deviation
    that each network has there: this is all that a wide network sees of them. Only the
    squares of m1 and m2 enter the kernel (Gu et al., NeurIPS 2022, Theorem 1), so the
    staircase is turned such that their signs are those of the activation, where a
    mirror can do it.

    Of trained layers this is the staircase that training began with; each neuron has
    moved and stretched it along its inputs.

    Examples
    --------
    >>> from sklearn_lossless.inspection import MomentDisplay
    >>> display = MomentDisplay.from_activation("relu", n_levels=8)
    >>> display.match.met
    True
    """

    def __init__(self, match: LayerMatch, activation: Activation) -> None:
        self.match = match
        self.activation = activation

    @classmethod
    def from_estimator(cls, estimator: Any, layer: int = 1, *, ax: Any = None) -> Self:
        """Draw a layer of a fitted estimator.

        Parameters
        ----------
        estimator : NTKCompressor, CompressedMLPClassifier or CompressedMLPRegressor
            Fitted.
        layer : int, default=1
            Number of the layer, from 1; -1 is the last.
        ax : matplotlib Axes or sequence of 2 Axes, default=None
            See :meth:`plot`.

        Returns
        -------
        MomentDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If `estimator` is not one of those above.
        NotFittedError
            If it is not fitted.
        ValueError
            If there is no such layer, or its activation is not known any more.
        """
        import_pyplot(f"{cls.__name__}.from_estimator")
        compressor = fitted_compressor(estimator)
        layers = compressor.matching_.layers
        known = isinstance(layer, Integral) and not isinstance(layer, bool)
        if not known or layer not in (-1, *range(1, len(layers) + 1)):
            raise ValueError(f"layer must be 1 to {len(layers)} or -1, got {layer!r}.")
        index = layer - 1 if layer > 0 else -1
        activation = reference_activations(compressor)[index]
        return cls(layers[index], activation).plot(ax)

    @classmethod
    def from_activation(
        cls,
        activation: Any,
        *,
        n_levels: int = 8,
        tau: float = 1.0,
        match_tau: bool = False,
        ax: Any = None,
    ) -> Self:
        """Match an activation and draw it.

        Parameters
        ----------
        activation : str, callable or Activation
            What is matched.
        n_levels : int, default=8
            Levels of the step, 2 to 16.
        tau : float, default=1.0
            Deviation of the inputs.
        match_tau : bool, default=False
            Whether the deviation of the outputs should be matched too.
        ax : matplotlib Axes or sequence of 2 Axes, default=None
            See :meth:`plot`.

        Returns
        -------
        MomentDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError, ValueError
            As :func:`sklearn_lossless.theory.match_activation`.
        """
        import_pyplot(f"{cls.__name__}.from_activation")
        match = match_activation(
            activation, tau, n_levels=n_levels, match_tau=match_tau
        )
        return cls(match, get_activation(activation)).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the activations, and the moments beside them.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of 2 Axes, default=None
            One is divided; of two the first takes the activations. None: a new figure.

        Returns
        -------
        MomentDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there are neither one nor two Axes.
        """
        pyplot = import_pyplot(f"{type(self).__name__}.plot")
        if ax is None:
            _, ax = pyplot.subplots(figsize=(7.2, 3.2), layout="constrained")
        axes = as_axes(ax, [1.6, 1.0], vertical=False)
        self.ax_, self.moment_ax_ = axes
        self.figure_ = self.ax_.figure
        self._plot_activations()
        self._plot_moments()
        return self

    def staircase(self, u: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the centred step as it is drawn.

        Parameters
        ----------
        u : array-like
            Inputs in units of the deviation.

        Returns
        -------
        ndarray of the shape of `u`
        """
        target, achieved = self.match.target, self.match.achieved
        up = -1.0 if target.m2 * achieved.m2 < 0 else 1.0
        across = -1.0 if up * target.m1 * achieved.m1 < 0 else 1.0
        inputs = across * np.asarray(u, dtype=np.float64) * self.match.tau_in_compressed
        return np.asarray(up * (self.match.step(inputs) - achieved.mean))

    def _plot_activations(self) -> None:
        match = self.match
        # Close points on both sides of each step draw it upright.
        steps = match.step.thresholds / match.tau_in_compressed
        u = np.linspace(-_RANGE, _RANGE, 701)
        near = np.concatenate([steps, -steps])
        u = np.sort(np.concatenate([u, near - 1e-9, near + 1e-9]))
        u = u[np.abs(u) <= _RANGE]
        values = self.activation(u * match.tau_in) - match.target.mean
        self.ax_.plot(u, values, color="tab:blue", label=match.activation)
        label = f"{match.step.n_levels} levels"
        self.ax_.plot(u, self.staircase(u), color="tab:red", label=label)
        density = np.exp(-(u**2) / 2)
        low, high = self.ax_.get_ylim()
        self.ax_.fill_between(
            u, low, low + 0.25 * (high - low) * density, color="0.85", zorder=0
        )
        self.ax_.set_ylim(low, high)
        self.ax_.set(
            xlim=(-_RANGE, _RANGE),
            xlabel="input, in deviations",
            ylabel="activation, centred",
            title=f"layer {match.layer}",
        )
        self.ax_.legend()

    def _plot_moments(self) -> None:
        equations = self.match.equations
        places = np.arange(len(equations))
        for shift, name, colour in ((-0.2, "target", "blue"), (0.2, "achieved", "red")):
            heights = [abs(getattr(each, name)) for each in equations]
            bars = self.moment_ax_.bar(
                places + shift, heights, width=0.38, color=f"tab:{colour}", alpha=0.75
            )
            self.moment_ax_.bar_label(bars, fmt="%.2g", fontsize=6, padding=1)
        labels = [
            _NAMES[each.name] + ("" if each.required else "\n(free)")
            for each in equations
        ]
        self.moment_ax_.set_xticks(places, labels)
        self.moment_ax_.set_title("moments" if self.match.met else "moments, not met")
        self.moment_ax_.margins(y=0.12)
