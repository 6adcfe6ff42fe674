"""Step activations and their Gaussian moments in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from .._printing import short_repr
from .activations import FloatArray, GaussianMoments, check_tau

__all__ = ["StepActivation", "cell_probabilities", "normal_density", "step_terms"]


def normal_density(u: FloatArray) -> FloatArray:
    """Return the standard normal density."""
    return np.asarray(np.exp(-(u**2) / 2) / math.sqrt(2 * math.pi))


def cell_probabilities(u: FloatArray) -> FloatArray:
    """Return the normal probability of each cell between sorted thresholds.

    Parameters
    ----------
    u : ndarray of shape (..., m)
        Thresholds, in units of the deviation.

    Returns
    -------
    ndarray of shape (..., m + 1)
        Probabilities with full relative accuracy in both tails.

    Examples
    --------
    >>> [float(f"{each:.4g}") for each in cell_probabilities(np.array([0.0, 9.0]))]
    [0.5, 0.5, 1.129e-19]
    """
    end = np.full((*u.shape[:-1], 1), np.inf)
    low, high = np.concatenate([-end, u], -1), np.concatenate([u, end], -1)
    # On the right of zero the upper tails differ, not numbers close to 1.
    right, left = ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low)
    return np.asarray(np.where(low > 0, right, left))


class StepTerms(NamedTuple):
    """What the moments of steps of scale 1 are sums of, input deviation 1.

    Attributes
    ----------
    mean : ndarray of shape () or (n, 1)
        Mean code.
    density : ndarray of shape (..., m)
        Normal density at the thresholds.
    cells : ndarray of shape (..., m + 1)
        Probability of each code.
    jumps : ndarray of shape (m,)
        Jumps of the codes at the thresholds.
    square_jumps : ndarray of shape (..., m)
        Jumps of the square of the centred codes.
    squares : ndarray of shape (..., m + 1)
        That square.
    """

    mean: FloatArray
    density: FloatArray
    cells: FloatArray
    jumps: FloatArray
    square_jumps: FloatArray
    squares: FloatArray

    def moments(self, u: FloatArray) -> FloatArray:
        """Return m1, m2, f and the variance of one step with thresholds `u`.

        By Stein's lemma: sum d_k phi(u_k), sum d_k u_k phi(u_k), and the same with
        the jumps of the centred square.
        """
        slopes = u * self.density
        return np.array(
            [
                self.jumps @ self.density,
                self.jumps @ slopes,
                self.square_jumps @ slopes,
                self.cells @ self.squares,
            ]
        )

    def moments_of_many(self, u: FloatArray) -> FloatArray:
        """Return the same of steps with thresholds `u` of shape (..., m).

        Rounded otherwise than those of one step.
        """
        factors = (self.jumps, self.jumps * u, self.square_jumps * u)
        sums = [np.sum(self.density * each, axis=-1) for each in factors]
        variance = np.sum(self.cells * self.squares, axis=-1)
        return np.stack([*sums, variance], axis=-1)


def step_terms(u: FloatArray, codes: FloatArray) -> StepTerms:
    """Return the terms of the moments of one step, or of many with the same codes.

    Parameters
    ----------
    u : ndarray of shape (m,) or (n, m)
        Thresholds, in units of the deviation.
    codes : ndarray of shape (m + 1,)
        Codes of the cells from left to right.

    Returns
    -------
    StepTerms
    """
    cells = cell_probabilities(u)
    jumps = codes[1:] - codes[:-1]
    if u.ndim == 1:
        mean = np.asarray(cells @ codes)
    else:
        mean = np.sum(cells * codes, axis=-1, keepdims=True)
    # Jumps of (code - mean)^2, without a difference of squares.
    square_jumps = jumps * (codes[1:] + codes[:-1] - 2 * mean)
    squares = (codes - mean) ** 2
    return StepTerms(mean, normal_density(u), cells, jumps, square_jumps, squares)


@dataclass(frozen=True, eq=False)
class StepActivation:
    """A piecewise constant activation with integer levels.

    ``sigma(t) = offset + scale * levels[number of thresholds <= t]``.

    Parameters
    ----------
    thresholds : array-like of shape (m,)
        Where the activation steps: strictly increasing, m >= 1.
    levels : array-like of shape (m + 1,)
        Integer codes, 0 or more, of the cells from left to right.
    scale : float, default=1.0
        Value of one level, not zero.
    offset : float, default=0.0
        Value of code 0.

    Attributes
    ----------
    n_levels : int
        Number of codes, the largest plus one.

    Raises
    ------
    ValueError
        If thresholds do not increase strictly, shapes do not fit, levels are not
        nonnegative integers, or a number is not finite.

    Notes
    -----
    In Gu et al., NeurIPS 2022 (arXiv 2403.00258), Algorithm 1, sigma_T has levels
    (1, 0, 1) and sigma_Q, with equal heights, (1, 0, 1, 0, 1).

    Examples
    --------
    >>> step = StepActivation([-1.0, 1.0], [1, 0, 1], scale=2.5)
    >>> step([-3.0, 0.0, 1.0])
    array([2.5, 0. , 2.5])
    >>> round(step.moments(1.0).m2, 6)
    1.209854
    """

    __repr__ = short_repr

    thresholds: npt.NDArray[np.float64]
    levels: npt.NDArray[np.int64]
    scale: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        thresholds = np.array(self.thresholds, dtype=np.float64)
        levels = np.array(self.levels)
        if thresholds.ndim != 1 or not len(thresholds):
            raise ValueError(
                "thresholds must be a non-empty array of one dimension, got shape "
                f"{thresholds.shape}."
            )
        if not np.isfinite(thresholds).all() or np.any(np.diff(thresholds) <= 0):
            raise ValueError(
                f"thresholds must be finite and strictly increasing, got {thresholds}."
            )
        if levels.shape != (len(thresholds) + 1,):
            raise ValueError(
                f"levels must have shape ({len(thresholds) + 1},), one more than "
                f"thresholds, got shape {levels.shape}."
            )
        if levels.dtype.kind not in "iu" or levels.min() < 0:
            raise ValueError(f"levels must be integers >= 0, got {levels}.")
        if not math.isfinite(self.scale) or self.scale == 0:
            raise ValueError(f"scale must be finite and not 0, got {self.scale!r}.")
        if not math.isfinite(self.offset):
            raise ValueError(f"offset must be finite, got {self.offset!r}.")
        levels = levels.astype(np.int64)
        for name, array in (("thresholds", thresholds), ("levels", levels)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        object.__setattr__(self, "scale", float(self.scale))
        object.__setattr__(self, "offset", float(self.offset))

    @property
    def n_levels(self) -> int:
        """Number of codes, the largest plus one."""
        return int(self.levels.max()) + 1

    def codes(self, t: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return the integer code of each element.

        Parameters
        ----------
        t : array-like
            Inputs, in any shape.

        Returns
        -------
        ndarray of int64, of the shape of `t`
            Codes, 0 to ``n_levels - 1``.
        """
        return self.levels[np.searchsorted(self.thresholds, t, side="right")]

    def __call__(self, t: npt.ArrayLike) -> FloatArray:
        """Return the value of the activation for each element of `t`."""
        return np.asarray(self.offset + self.scale * self.codes(t), dtype=np.float64)

    def moments(self, tau: float = 1.0) -> GaussianMoments:
        """Return the Gaussian moments, in closed form.

        Parameters
        ----------
        tau : float, default=1.0
            Deviation of the Gaussian input.

        Returns
        -------
        GaussianMoments
            With ``derivative_sq`` infinite, unless the step is constant.

        Raises
        ------
        ValueError
            If `tau` is not positive and finite.

        Notes
        -----
        With jumps d_k at u_k = r_k / tau: m1 = sum d_k phi(u_k) / tau,
        m2 = sum d_k u_k phi(u_k) / tau^2, and f as m2 with the jumps of the
        centred square: the moments of Gu et al., Theorem 1, by Stein's lemma.
        """
        tau = check_tau(tau)
        u = self.thresholds / tau
        terms = step_terms(u, self.levels.astype(np.float64))
        m1, m2, f, variance = terms.moments(u).tolist()
        scale = self.scale
        return GaussianMoments(
            mean=self.offset + scale * float(terms.mean),
            m1=scale * m1 / tau,
            m2=scale * m2 / tau**2,
            f=scale**2 * f / tau**2,
            tau=abs(scale) * math.sqrt(variance),
            derivative_sq=math.inf if terms.jumps.any() else 0.0,
        )
