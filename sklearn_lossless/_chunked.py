"""Arrays that come in chunks, told apart without importing what they come from."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

__all__ = ["is_dask", "over_chunks"]


def is_dask(*arrays: Any) -> bool:
    """Return whether one of `arrays` is a collection of dask."""
    return any(type(each).__module__.partition(".")[0] == "dask" for each in arrays)


def over_chunks(method: Callable[..., Any]) -> Callable[..., Any]:
    """Let a method that works row by row return a dask array for a dask array."""

    @wraps(method)
    def of_any(self: Any, X: Any) -> Any:
        if not is_dask(X):
            return method(self, X)
        from ._dask import map_rows

        return map_rows(self, method.__name__, X)

    return of_any
