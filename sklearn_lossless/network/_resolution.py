"""Whether doubles can tell the cells of a quantiser apart."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["finest_inv_step"]

FloatArray = npt.NDArray[np.float64]

#: Below, one over the width of a cell is no double.
_LEAST_RANGE = 1e-300

#: Cells of the widest feature, below which its digits are taken as lost.
_LEAST_CELLS = 16


def finest_inv_step(low: FloatArray, high: FloatArray) -> float:
    """Return one over the narrowest cells that doubles can tell apart.

    Parameters
    ----------
    low, high : ndarray of shape (n_features,), dtype float64
        Range of each feature.

    Returns
    -------
    float
        A power of two: the product with a double is exact.

    Raises
    ------
    ValueError
        If the widest feature has next to no cells of that width.
    """
    widest = float((high - low).max())
    if widest < _LEAST_RANGE:
        raise ValueError(
            f"The range of X is too small: the widest feature spans {widest:.3g}, "
            f"expected at least {_LEAST_RANGE:g}. Multiply X by a constant first."
        )
    far = np.maximum(np.abs(low), np.abs(high)) * (low < high)
    farthest = int(far.argmax())
    # Below 2**52 cells from zero, halves of a cell are doubles.
    inv_step = math.ldexp(1.0, min(52 - math.frexp(far[farthest])[1], 1023))
    if widest * inv_step < _LEAST_CELLS:
        raise ValueError(
            f"Feature {farthest} of X lies too far from zero for its digits: from "
            f"{low[farthest]:.17g} to {high[farthest]:.17g}, expected a range of at "
            f"least {_LEAST_CELLS / inv_step:.3g} there. Subtract a constant in higher "
            "precision, before X is made."
        )
    return inv_step
