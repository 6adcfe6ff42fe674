"""What stands for a parameter that is not in a file; the leaf that all may import."""

from __future__ import annotations

from typing import Any

__all__ = ["NotRestored"]


class NotRestored:
    """What stands for a parameter that a model file cannot hold.

    Functions and objects are not stored. A loaded estimator predicts without them;
    to fit it again, set the parameter first.

    Parameters
    ----------
    what : str
        What was there.
    """

    def __init__(self, what: str) -> None:
        self.what = what

    def __repr__(self) -> str:
        return f"NotRestored({self.what!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NotRestored) and self.what == other.what

    def __hash__(self) -> int:
        return hash(self.what)

    def __call__(self, *args: Any) -> Any:
        """Raise ValueError: the function is not here."""
        raise ValueError(
            f"A model file does not hold {self.what}; before this estimator is "
            "fitted again, give it back by set_params."
        )
