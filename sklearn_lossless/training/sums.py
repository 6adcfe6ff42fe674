"""Several sums over the rows of a part."""

from __future__ import annotations

from typing import Any

__all__ = ["Sums"]


class Sums(tuple[Any, ...]):
    """Numbers and arrays that add up one by one."""

    def __new__(cls, *values: Any) -> Sums:
        """Return the sums that are given."""
        return super().__new__(cls, values)

    def __add__(self, other: Any) -> Sums:
        """Return the sums of both."""
        return Sums(*(a + b for a, b in zip(self, other, strict=True)))
