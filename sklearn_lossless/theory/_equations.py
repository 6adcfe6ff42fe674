"""Moments of an activation and of the step in its place, as equations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .activations import GaussianMoments

__all__ = ["MomentEquation", "moment_equations"]

#: Relative residual up to which an equation counts as met.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class MomentEquation:
    """One moment of the activation that is matched and of the step.

    Parameters
    ----------
    name : {"m1", "m2", "f", "tau"}
        The moment. Only squares of m1 and m2 enter the kernel: signs may differ.
    target, achieved : float
        Value for the activation, and for the step.
    required : bool
        Whether the step was asked to have it.
    residual : float
        Difference of the absolute values, relative to the target; where the target
        vanishes, relative to the scale of the activation.
    """

    name: str
    target: float
    achieved: float
    required: bool
    residual: float

    @property
    def met(self) -> bool:
        """Whether the residual is at most 1e-9."""
        return self.residual <= TOLERANCE

    @property
    def remark(self) -> str:
        """Remark for tables: "unmet", "free" where that was not asked for, or ""."""
        if self.met:
            return ""
        return "unmet" if self.required else "free"


def moment_equations(
    target: GaussianMoments,
    achieved: GaussianMoments,
    tau: float,
    required: Sequence[str] = (),
) -> tuple[MomentEquation, ...]:
    """Return the equations of m1, m2, f and tau.

    Parameters
    ----------
    target, achieved : GaussianMoments
        Of the activation, and of the step.
    tau : float
        Deviation of the input of the activation.
    required : sequence of str, default=()
        Names of the moments that the step was asked to have.

    Returns
    -------
    tuple of MomentEquation
    """
    units = {
        "m1": target.tau / tau,
        "m2": target.tau / tau**2,
        "f": (target.tau / tau) ** 2,
        "tau": target.tau,
    }
    equations = []
    for name, unit in units.items():
        asked, found = getattr(target, name), getattr(achieved, name)
        gap = abs(found - asked) if name == "f" else abs(abs(found) - abs(asked))
        residual = gap / (abs(asked) if abs(asked) > 1e-6 * unit else unit)
        equations.append(MomentEquation(name, asked, found, name in required, residual))
    return tuple(equations)
