"""Data in memory: one part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

__all__ = ["MemoryData"]

Array = npt.NDArray[Any]


class MemoryData:
    """Arrays, memory maps or sparse matrices in this process, as `Data`.

    Parameters
    ----------
    part : Part, or a named tuple with `n_samples` and `take`
    n_features : int
        Number of columns of X.
    is_sparse : bool, default=False
        Whether X is sparse.
    y_shape : tuple of int or None, default=None
        Shape of y as it was given.

    Attributes
    ----------
    is_weighted : bool
        Whether rows have weights.
    """

    in_memory = True

    def __init__(
        self,
        part: Any,
        n_features: int,
        is_sparse: bool = False,
        y_shape: tuple[int, ...] | None = None,
    ) -> None:
        self._part = part
        self.y_shape = y_shape
        self.is_weighted = part.weight is not None
        self.n_samples = part.n_samples
        self.n_features = n_features
        self.is_sparse = is_sparse

    @classmethod
    def of(cls, part: Any, y_shape: tuple[int, ...] | None = None) -> MemoryData:
        """Return the data that consist of a `Part`."""
        return cls(part, part.X.shape[1], sparse.issparse(part.X), y_shape)

    def map(
        self, f: Callable[..., Any], *shared: Any, beside: Array | None = None
    ) -> MemoryData:
        """Return data whose part is ``f(part, *shared)``."""
        rows = () if beside is None else (beside,)
        part = f(self._part, *rows, *shared)
        return MemoryData(part, self.n_features, self.is_sparse, self.y_shape)

    def total(self, f: Callable[..., Any], *shared: Any, keep: bool = False) -> Any:
        """Return ``f(part, *shared)``."""
        return f(self._part, *shared)

    def apply(self, f: Callable[..., Any], *values: Any) -> Any:
        """Return ``f(*values)``."""
        return f(*values)

    def fetch(self, kept: Any) -> Any:
        """Return the value, which is here."""
        return kept

    def gather(self, f: Callable[..., Any], *shared: Any) -> Array:
        """Return ``f(part, *shared)``."""
        return np.asarray(f(self._part, *shared))

    def take(self, rows: npt.NDArray[np.intp]) -> Any:
        """Return the rows of these numbers as a part."""
        return self._part.take(rows)

    def take_all(self) -> Any:
        """Return the part."""
        return self._part

    def total_inputs(self, f: Callable[..., Any]) -> Any:
        """Return ``f(X, weight)``."""
        return f(self._part.X, self._part.weight)
