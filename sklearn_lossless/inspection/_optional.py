"""Packages that only inspection needs, imported where they are used."""

from __future__ import annotations

from typing import Any

__all__ = ["import_pandas", "import_pyplot"]


def import_pyplot(caller: str) -> Any:
    """Return matplotlib.pyplot, or say how to get it."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            f"{caller} needs matplotlib: pip install 'sklearn-lossless[plot]'."
        ) from error
    return pyplot


def import_pandas(caller: str) -> Any:
    """Return pandas, or say how to get it."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(f"{caller} needs pandas: pip install pandas.") from error
    return pandas
