"""Axes of displays that draw into several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["as_axes"]


def as_axes(
    ax: Any, shares: Sequence[float], *, vertical: bool
) -> npt.NDArray[np.object_]:
    """Return an Axes for each part, or say that there are too many or too few.

    Parameters
    ----------
    ax : matplotlib Axes or sequence of them
        One is divided.
    shares : sequence of float
        Share of each part in an Axes that is divided.
    vertical : bool
        Whether parts are below each other rather than side by side.

    Returns
    -------
    ndarray of shape (n_parts,)
    """
    if hasattr(ax, "get_subplotspec"):
        return _divided(ax, shares, vertical)
    axes = np.ravel(np.asarray(ax, dtype=object))
    if len(axes) != len(shares):
        raise ValueError(f"ax must be one Axes or {len(shares)}, got {len(axes)}.")
    return axes


def _divided(ax: Any, shares: Sequence[float], vertical: bool) -> npt.NDArray[Any]:
    ax.set_axis_off()
    figure, n_parts = ax.figure, len(shares)
    shape = (n_parts, 1) if vertical else (1, n_parts)
    ratios = {"height_ratios" if vertical else "width_ratios": shares}
    spec = ax.get_subplotspec()
    if spec is not None:
        grid = spec.subgridspec(*shape, **ratios)
    else:  # placed by hand
        place = ax.get_position()
        grid = figure.add_gridspec(
            *shape,
            left=place.x0,
            right=place.x1,
            bottom=place.y0,
            top=place.y1,
            hspace=0.6,
            wspace=0.3,
            **ratios,
        )
    return np.array([figure.add_subplot(part) for part in grid], dtype=object)
