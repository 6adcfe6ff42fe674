"""Layers while they are trained: real weights behind ternary ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..network import _engine

__all__ = ["Neurons", "Output", "TrainedLayer", "slope_table", "step_ends"]

Array = npt.NDArray[Any]

#: Half the width over which slopes are taken of functions that jump.
_JUMP_WIDTH = 0.5

#: Slopes above this are jumps.
_STEEP = 32.0


class Neurons:
    """Ternary neurons while they are trained: weights, gains and shifts.

    What they put out is that of the integer layer: signs of the `n_nonzeros` largest
    weights of each neuron, sums of codes, thresholds. The gradient passes the choice of
    signs as if it were the identity, and the step as if it were the activation that it
    is matched to.

    Parameters
    ----------
    weights : ndarray of shape (n_outputs, n_inputs), dtype float32
        Real weights, of which the signs are the layer's; changed by the training.
    n_nonzeros : int
        Signs of each neuron that are not zero.
    tau : float
        Deviation of the input that the step is matched for.
    step : StepActivation
    slopes : ndarray of shape (n_cells,), dtype float32
        Slope of the codes, as by `slope_table`.

    Attributes
    ----------
    gain, shift : ndarray of shape (n_outputs,), dtype float32
        The step's input is ``gain * normalised sum + shift``.
    mean, rate : ndarray of shape (n_outputs,), dtype float32
        What is subtracted from sums, then multiplied, to normalise them.
    signs : ndarray of shape (n_outputs, n_inputs), dtype float32

    References
    ----------
    Bengio, Leonard, Courville, "Estimating or propagating gradients through stochastic
    neurons", 2013, section 4; Ioffe, Szegedy, "Batch normalization", ICML 2015,
    Algorithm 1.
    """

    def __init__(
        self, weights: Array, n_nonzeros: int, tau: float, step: Any, slopes: Array
    ) -> None:
        n_outputs = len(weights)
        self.weights = np.ascontiguousarray(weights, dtype=np.float32)
        self.n_nonzeros, self.tau, self.step = n_nonzeros, tau, step
        self.gain = np.full(n_outputs, tau, dtype=np.float32)
        self.shift = np.zeros(n_outputs, dtype=np.float32)
        self.mean, self.rate = np.empty_like(self.gain), np.empty_like(self.gain)
        self.thresholds = step.thresholds.astype(np.float32)
        self.levels = step.levels
        levels = step.levels.astype(np.float32)
        self._first, self._jumps = levels[0], np.diff(levels)
        self._slopes = slopes
        self._least = np.zeros(n_outputs, dtype=np.float32)
        self.signs = np.empty_like(self.weights)
        self.choose_signs()

    def choose_signs(self) -> None:
        """Take the signs of the largest weights of each neuron."""
        _engine.gradient.ternarise(
            self.weights, self.n_nonzeros, self._least, self.signs
        )

    @property
    def parameters(self) -> list[Array]:
        """What is trained, as matrices."""
        return [self.weights, self.gain[np.newaxis], self.shift[np.newaxis]]


class TrainedLayer(Neurons):
    """Neurons that see all inputs, normalised over the batch."""

    def forward(self, codes: Array) -> Array:
        """Return the codes for a batch of input codes, both in float32.

        What the gradient needs is kept until the next call.
        """
        self._inputs = codes
        # Sums of integers below 2**24 are exact.
        self._normalised = codes @ self.signs.T
        out = np.empty_like(self._normalised)
        _engine.gradient.forward(
            self._normalised,
            self.gain,
            self.shift,
            self.thresholds,
            self._jumps,
            self._first,
            out,
            self.mean,
            self.rate,
        )
        return out

    def normalise(self, codes: Array) -> Array:
        """Return the codes, with the means and deviations of these rows from now on."""
        return self.forward(codes)

    def predict(self, codes: Array) -> Array:
        """Return the codes, normalised as the last batch of `forward` was."""
        sums = codes @ self.signs.T
        u = self.gain * ((sums - self.mean) * self.rate) + self.shift
        return self.levels[np.searchsorted(self.thresholds, u, "right")].astype("f4")

    def backward(self, delta: Array, inputs_too: bool) -> tuple[list[Array], Any]:
        """Return the gradients of `parameters`, and that of the input codes.

        Parameters
        ----------
        delta : ndarray of shape (n_samples, n_outputs), dtype float32
            Gradient of the last output codes; overwritten.
        inputs_too : bool
            Whether the second is asked for; else it is None.
        """
        gain, shift = np.empty_like(self.gain), np.empty_like(self.gain)
        _engine.gradient.backward(
            delta,
            self._normalised,
            self.gain,
            self.shift,
            self._slopes,
            self.rate,
            gain,
            shift,
        )
        gradients = [delta.T @ self._inputs, gain[np.newaxis], shift[np.newaxis]]
        return gradients, delta @ self.signs if inputs_too else None


class Output:
    """The linear readout while hidden layers are trained.

    Parameters
    ----------
    n_inputs, n_outputs : int
    scale : float
        Typical distance of two codes in units of the activation's output.
    rng : numpy.random.Generator
        Draws the first coefficients, as by Glorot and Bengio.
    unit : float, default=1.0
        Factor of the codes: of sums over windows that which makes them means.
    """

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        scale: float,
        rng: np.random.Generator,
        unit: float = 1.0,
    ) -> None:
        self.unit = np.float32(unit)
        bound = scale * np.sqrt(6.0 / (n_inputs + n_outputs))
        coef = rng.uniform(-bound, bound, (n_outputs, n_inputs))
        self.coef = coef.astype(np.float32)
        self.intercept = np.zeros(n_outputs, dtype=np.float32)

    @property
    def parameters(self) -> list[Array]:
        """What is trained, as matrices."""
        return [self.coef, self.intercept[np.newaxis]]

    def forward(self, codes: Array) -> Array:
        """Return the scores."""
        self._inputs = codes
        return self.predict(codes)

    def predict(self, codes: Array) -> Array:
        """Return the scores."""
        return np.asarray((codes @ self.coef.T) * self.unit + self.intercept)

    def backward(self, delta: Array) -> tuple[list[Array], Array]:
        """Return the gradients of `parameters`, and that of the codes."""
        of_codes = delta * self.unit
        gradients = [of_codes.T @ self._inputs, delta.sum(axis=0)[np.newaxis]]
        return gradients, of_codes @ self.coef


def slope_table(
    activation: Callable[[Any], Any],
    scale: float,
    ends: tuple[float, float] = (-math.inf, math.inf),
) -> Array:
    """Return the slope of the codes that stand for an activation, cell by cell.

    Parameters
    ----------
    activation : callable
        Maps float64 arrays to arrays of the same shape.
    scale : float
        Value of the activation for each unit of code.
    ends : tuple of 2 float, default=(-inf, inf)
        Outside of them the slope is 0.

    Returns
    -------
    ndarray of shape (SLOPE_CELLS,), dtype float32
        Mean slope in each cell between -SLOPE_RANGE and SLOPE_RANGE. Where the function
        jumps, over a wider window, or nothing could be learned from it.
    """
    limit, n_cells = _engine.gradient.SLOPE_RANGE, _engine.gradient.SLOPE_CELLS
    edges = np.linspace(-limit, limit, n_cells + 1)
    centres = (edges[1:] + edges[:-1]) / 2
    slopes = np.diff(np.asarray(activation(edges))) / np.diff(edges)
    if np.abs(slopes).max() > _STEEP:
        rise = np.asarray(activation(centres + _JUMP_WIDTH))
        rise = rise - np.asarray(activation(centres - _JUMP_WIDTH))
        slopes = rise / (2 * _JUMP_WIDTH)
    inside = (ends[0] < centres) & (centres < ends[1])
    return np.where(inside, slopes / scale, 0.0).astype(np.float32)


def step_ends(step: Any) -> tuple[float, float]:
    """Return where a step has ended: a level beyond its outermost thresholds."""
    first, last = step.thresholds[0], step.thresholds[-1]
    spacing = (last - first) / max(len(step.thresholds) - 1, 1) or 1.0
    return float(first - spacing), float(last + spacing)
