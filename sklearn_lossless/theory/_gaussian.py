"""Moments of an activation of a Gaussian, and the check of its deviation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["FloatArray", "GaussianMoments", "check_tau"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class GaussianMoments:
    """Moments of an activation of a centred Gaussian of deviation tau.

    With ``u = tau * xi``, xi standard normal, and ``s = sigma - mean``. All of them
    have Stein forms that hold for steps and kinks, given on the right.

    Parameters
    ----------
    mean : float
        ``E sigma(u)``.
    m1 : float
        ``E sigma'(u) = E[xi s(u)] / tau``.
    m2 : float
        ``E sigma''(u) = E[(xi^2 - 1) s(u)] / tau^2``.
    f : float
        ``E (s^2)''(u) = E[(xi^2 - 1) s(u)^2] / tau^2``.
    tau : float
        ``sqrt(E s(u)^2)``, the deviation that the next layer sees.
    derivative_sq : float
        ``E sigma'(u)^2``, infinite for steps; only the NTK needs it.

    Notes
    -----
    By Gu et al., NeurIPS 2022 (arXiv 2403.00258), Theorem 1, the conjugate kernel
    of a wide network depends on its activations only through these numbers.
    """

    mean: float
    m1: float
    m2: float
    f: float
    tau: float
    derivative_sq: float


def check_tau(tau: float, name: str = "tau") -> float:
    """Return the deviation `tau` as float, or raise ValueError if it cannot be one."""
    if not (math.isfinite(tau) and tau > 0):
        raise ValueError(f"{name} must be positive and finite, got {tau!r}.")
    return float(tau)
