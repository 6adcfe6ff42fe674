"""Step activations and their Gaussian moments in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from .activations import FloatArray, GaussianMoments, check_tau

__all__ = ["StepActivation", "cell_probabilities", "normal_density"]


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
        weights = normal_density(u)
        probabilities = cell_probabilities(u)
        levels = self.levels.astype(np.float64)
        mean = float(probabilities @ levels)
        jumps = np.diff(levels)
        # Jumps of (level - mean)^2, without a difference of squares.
        square_jumps = jumps * (levels[1:] + levels[:-1] - 2 * mean)
        variance = float(probabilities @ (levels - mean) ** 2)
        scale = self.scale
        return GaussianMoments(
            mean=self.offset + scale * mean,
            m1=scale * float(jumps @ weights) / tau,
            m2=scale * float(jumps @ (u * weights)) / tau**2,
            f=scale**2 * float(square_jumps @ (u * weights)) / tau**2,
            tau=abs(scale) * math.sqrt(variance),
            derivative_sq=math.inf if jumps.any() else 0.0,
        )
