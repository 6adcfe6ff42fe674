"""Whether doubles can tell the cells of a quantiser apart."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["check_resolution"]

#: Below, one over the width of a cell is no double.
_LEAST_RANGE = 1e-300


def check_resolution(
    low: npt.NDArray[np.float64],
    high: npt.NDArray[np.float64],
    widest: float,
    n_bits: int,
) -> None:
    """Raise ValueError if doubles cannot tell the cells of a quantiser apart.

    Parameters
    ----------
    low, high : ndarray of shape (n_features,), dtype float64
        Range of each feature.
    widest : float
        Width that is cut into ``2**n_bits`` cells.
    n_bits : int
    """
    if widest < _LEAST_RANGE:
        raise ValueError(
            f"The range of X is too small: the widest feature spans {widest:.3g}, "
            f"expected at least {_LEAST_RANGE:g}. Multiply X by a constant first."
        )
    distance = np.maximum(np.maximum(low, -high), 0.0) * (low < high)
    farthest = int(distance.argmax())
    if distance[farthest] / 2.0**52 >= widest / 2**n_bits:
        raise ValueError(
            f"Feature {farthest} of X lies too far from zero for its digits: from "
            f"{low[farthest]:.17g} to {high[farthest]:.17g}. Subtract a constant in "
            "higher precision, before X is made."
        )
