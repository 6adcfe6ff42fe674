"""The scale of real targets at work, on which no square leaves the floats."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .linear import LinearReadout

__all__ = ["TargetLine", "TargetSums"]

Array = npt.NDArray[Any]

#: Exponent of a column of zeros: below that of every other number.
_OF_ZEROS = -1074

#: Exponents of the largest coefficient: sums of products with codes stay finite above,
#: 31 bits of each are left below.
_LEAST, _LARGEST = -1040, 1014


@dataclass(frozen=True, eq=False)
class TargetSums:
    """Sums of weighted targets, and of the weights; those of parts add up.

    Parameters
    ----------
    total : ndarray of shape (n_targets,), dtype float64
        In units of ``2**exponent``.
    exponent : ndarray of shape (n_targets,), dtype int
        Of the largest target of each column.
    weight : float
    """

    total: Array
    exponent: Array
    weight: float

    @classmethod
    def of(cls, Y: Array, weight: Array | None) -> TargetSums:
        """Return the sums over targets of shape (n_samples, n_targets)."""
        seen = Y if weight is None else Y[weight > 0]
        largest = np.abs(seen).max(axis=0, initial=0.0)
        exponent = np.where(largest > 0, np.frexp(largest)[1], _OF_ZEROS)
        Y = np.ldexp(Y if weight is None else seen, -exponent)
        if weight is None:
            return cls(Y.sum(axis=0), exponent, float(len(Y)))
        weight = weight[weight > 0]
        total = (Y * weight[:, np.newaxis]).sum(axis=0)
        return cls(total, exponent, float(weight.sum()))

    def __add__(self, other: TargetSums) -> TargetSums:
        """Return the sums of both."""
        exponent = np.maximum(self.exponent, other.exponent)
        total = np.ldexp(self.total, self.exponent - exponent)
        total = total + np.ldexp(other.total, other.exponent - exponent)
        return TargetSums(total, exponent, self.weight + other.weight)

    def line(self) -> TargetLine:
        """Return the line on which targets are centred and of size 1."""
        return TargetLine(self.total / self.weight, self.exponent)


@dataclass(frozen=True, eq=False)
class TargetLine:
    """Targets ``Y`` as they are worked with: ``Y / 2**exponent - offset``.

    A power of two is exact: as long as nothing leaves the range of floats, results are
    the same bits with any.

    Parameters
    ----------
    offset : ndarray of shape (n_targets,), dtype float64
        Sums of products lose less to rounding without a large mean.
    exponent : ndarray of shape (n_targets,), dtype int
    """

    offset: Array
    exponent: Array

    def of(self, Y: Array) -> Array:
        """Return targets, or predictions, on the line."""
        return np.asarray(np.ldexp(Y, -self.exponent) - self.offset)

    @property
    def units(self) -> Array:
        """Unit of each target over the largest."""
        return np.ldexp(1.0, self.exponent - self.exponent.max())

    def losses(self, losses: Array) -> Array:
        """Return squared errors that are averaged over targets in the largest unit."""
        with np.errstate(over="ignore", under="ignore"):  # squares may leave the floats
            return np.asarray(np.ldexp(losses, 2 * self.exponent.max()))

    def with_exponent(self, exponent: Array) -> TargetLine:
        """Return the line with the same offset in other units."""
        return TargetLine(np.ldexp(self.offset, self.exponent - exponent), exponent)

    def undo(self, readout: LinearReadout) -> LinearReadout:
        """Return the readout of the targets from that of targets on the line.

        Raises
        ------
        ValueError
            If floats cannot hold it.
        """
        coef, intercept = readout.coef, readout.intercept + self.offset
        size = np.abs(coef).max(axis=1, initial=0.0)
        reach = np.abs(coef).sum(axis=1) + np.abs(intercept)
        exponent = self.exponent
        beyond = np.frexp(reach)[1] + exponent > _LARGEST
        beyond |= (size > 0) & (np.frexp(size)[1] + exponent < _LEAST)
        if beyond.any():
            column = int(beyond.argmax())
            raise ValueError(
                f"Coefficients for y leave the range of floats: the largest value of "
                f"target {column} is about {_power(exponent[column])}, expected from "
                "1e-310 to 1e+304. Scale y, for example with "
                "TransformedTargetRegressor."
            )
        return replace(
            readout,
            coef=np.ldexp(coef, exponent[:, np.newaxis]),
            intercept=np.ldexp(intercept, exponent),
        )


def _power(exponent: int) -> str:
    """Return two to a power as one of ten, which may be no float."""
    return f"1e{round(float(exponent) * np.log10(2)):+d}"
