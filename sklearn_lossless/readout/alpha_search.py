"""The search for the alpha of least loss."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

__all__ = ["find_least"]

#: Steps of the search, in places of the grid.
_STRIDES = 3, 1


def find_least(
    loss: Callable[[int], Any],
    n_places: int,
    is_less: Callable[[Any, Any], bool] = operator.lt,
) -> int:
    """Return the place of the least loss on a grid, of one that falls and rises.

    From the middle downhill, in steps of three places, then of one: of 21 places 5 to 7
    are looked at, where the least is at most four from the middle.

    Parameters
    ----------
    loss : callable
        Maps a place, from 0 on, to what can be compared. It is asked once for each.
    n_places : int
    is_less : callable, default=operator.lt
        Whether the first of two losses is the lower one.

    Returns
    -------
    int

    Examples
    --------
    >>> from sklearn_lossless.readout.alpha_search import find_least
    >>> find_least(lambda place: (place - 8) ** 2, 21)
    8
    """
    known: dict[int, Any] = {}

    def at(place: int) -> Any:
        if place not in known:
            known[place] = loss(place)
        return known[place]

    best = n_places // 2
    for stride in _STRIDES:
        for step in (-stride, stride):
            while 0 <= best + step < n_places and is_less(at(best + step), at(best)):
                best += step
    return best
