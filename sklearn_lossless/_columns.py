"""From tables to numbers: data frames, categories, missing values.

pandas and polars are not imported: frames say themselves what they hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Columns", "distinct_values", "is_frame"]

#: Beginnings of the names of dtypes that hold categories in pandas and polars.
_TEXT = (
    *("category", "str", "large_string", "dictionary"),
    *("String", "Utf8", "Categorical", "Enum"),
)

#: What a category may be, so that a model file can hold it.
_Category = str | bool | int | float


@dataclass(frozen=True, eq=False)
class Columns:
    """Which columns of a table hold categories, and which ones.

    Parameters
    ----------
    categories : tuple of list or None
        For each column its categories in increasing order; None for numbers.
    names : sequence of str or None, default=None
        Of the columns.
    """

    categories: tuple[list[_Category] | None, ...]
    names: Sequence[str] | None = None

    @classmethod
    def of(cls, X: Any, categorical_features: Any, names: Any = None) -> Columns:
        """Learn the categories of a table.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features), or data frame
        categorical_features : array-like, "from_dtype" or None
            Mask, numbers or names of the columns with categories.
        names : sequence of str or None, default=None

        Returns
        -------
        Columns

        Raises
        ------
        ValueError
            If `categorical_features` does not fit, or a column is of no use.
        """
        chosen = _chosen(X, categorical_features, names)
        columns = cls((None,) * X.shape[1], names)
        return columns.with_categories(
            {number: distinct_values(X, number) for number in chosen}
        )

    def with_categories(self, seen: dict[int, set[Any]]) -> Columns:
        """Return the columns with categories among their values."""
        categories = list(self.categories)
        for number, values in seen.items():
            categories[number] = self._sorted(values - {None}, number)
        return Columns(tuple(categories), self.names)

    def _sorted(self, values: Iterable[Any], number: int) -> list[_Category]:
        for value in values:
            if not isinstance(value, _Category):
                raise ValueError(
                    f"{self._name(number)} holds {value!r} of type "
                    f"{type(value).__name__}; categories must be strings, numbers or "
                    "booleans."
                )
        try:
            return sorted(values)
        except TypeError:  # strings and numbers
            return sorted(values, key=lambda value: (isinstance(value, str), value))

    @property
    def n_categories(self) -> list[int]:
        """Number of categories of each column; 0 for numbers."""
        return [0 if each is None else max(1, len(each)) for each in self.categories]

    def numbers(self, X: Any) -> npt.NDArray[Any]:
        """Return a table as numbers; categories as theirs, -1 for unknown ones.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features), or data frame

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            `X` itself if it holds numbers only; NaN is missing.

        Raises
        ------
        ValueError
            If a column has values of another type than in `fit`.
        """
        if not is_frame(X) and not any(self.n_categories) and X.dtype != object:
            return np.asarray(X)
        out = np.empty(X.shape)
        for number, categories in enumerate(self.categories):
            if categories is None:
                out[:, number] = self._floats(X, number)
            else:
                out[:, number] = self._places(X, number, categories)
        return out

    def _floats(self, X: Any, number: int) -> npt.NDArray[Any]:
        """Return a column of numbers or booleans; NaN where there is none."""
        column = _column(X, number)
        if _is_text(column):
            raise ValueError(
                f"{self._name(number)} holds text (dtype {column.dtype}), but is no "
                "column of categories: name it in categorical_features, or leave that "
                "at 'from_dtype' when you fit."
            )
        dtype = str(column.dtype).lower()
        if dtype.startswith(("date", "time", "period", "duration")):
            raise ValueError(
                f"{self._name(number)} has dtype {column.dtype}: make numbers of it "
                "first, such as month, weekday and hour."
            )
        try:
            if hasattr(column, "isna"):
                return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
            return np.asarray(column).astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{self._name(number)} holds no numbers: {error}"
            ) from None

    def _places(
        self, X: Any, number: int, categories: list[_Category]
    ) -> npt.NDArray[np.float64]:
        """Return the numbers of a column's categories."""
        places: dict[Any, float] = {each: i for i, each in enumerate(categories)}
        places[None] = np.nan
        values, index = _values(_column(X, number))
        found = np.array([places.get(value, -1.0) for value in values])
        unknown = np.flatnonzero(found < 0)
        if len(unknown) and categories:
            value = values[unknown[0]]
            if isinstance(value, str) != isinstance(categories[-1], str):
                raise ValueError(
                    f"{self._name(number)} has categories like {categories[-1]!r}, got "
                    f"{value!r} of type {type(value).__name__}."
                )
        return found[index]

    def _name(self, number: int) -> str:
        """Return what a message calls a column."""
        name = number if self.names is None else repr(str(self.names[number]))
        return f"Column {name} of X"


def is_frame(X: Any) -> bool:
    """Return whether `X` is a data frame of pandas or polars."""
    return hasattr(X, "columns") and (hasattr(X, "iloc") or hasattr(X, "get_column"))


def _column(X: Any, number: int) -> Any:
    """Return a column of an array or a data frame."""
    if hasattr(X, "iloc"):
        return X.iloc[:, number]
    return X.to_series(number) if is_frame(X) else X[:, number]


def distinct_values(X: Any, number: int) -> set[Any]:
    """Return the distinct values of a column; None if some are missing."""
    return set(_values(_column(X, number))[0])


def _values(column: Any) -> tuple[list[Any], Any]:
    """Return values and places in them that make up a column; None is missing."""
    if hasattr(column, "factorize"):  # of pandas; missing values are at -1
        index, distinct = column.factorize()
        return [*distinct.tolist(), None], index
    values = column.to_list() if hasattr(column, "to_list") else column.tolist()
    return [None if value != value else value for value in values], slice(None)


def _is_text(column: Any) -> bool:
    """Return whether a column holds strings or categories."""
    if str(column.dtype).startswith(_TEXT):
        return True
    if str(column.dtype).lower() != "object":
        return False
    values = column.tolist() if hasattr(column, "tolist") else column.to_list()
    return any(isinstance(value, str) for value in values)


def _chosen(X: Any, categorical_features: Any, names: Any) -> list[int]:
    """Return the numbers of the columns that hold categories."""
    n_features = X.shape[1]
    if categorical_features is None:
        return []
    if isinstance(categorical_features, str):
        if not is_frame(X):
            return []
        return [j for j in range(n_features) if _is_text(_column(X, j))]
    given = np.asarray(categorical_features)
    if given.ndim != 1:
        raise ValueError(
            "categorical_features must be one-dimensional, got an array of shape "
            f"{given.shape}."
        )
    if not len(given):
        return []
    if given.dtype.kind == "b":
        if len(given) != n_features:
            raise ValueError(
                f"categorical_features is a mask of {len(given)} columns, but X has "
                f"{n_features}."
            )
        return np.flatnonzero(given).tolist()
    chosen = given.tolist()
    if all(isinstance(each, str) for each in chosen):
        known = {} if names is None else {name: j for j, name in enumerate(names)}
        missing = [each for each in chosen if each not in known]
        if missing:
            raise ValueError(
                f"categorical_features has {missing[0]!r}, but X has "
                + ("no names of columns." if names is None else "no such column.")
            )
        return sorted({known[each] for each in chosen})
    for each in chosen:
        if not isinstance(each, int) or not 0 <= each < n_features:
            raise ValueError(
                "categorical_features must be a mask, names, or numbers of columns "
                f"from 0 to {n_features - 1}, got {each!r}."
            )
    return sorted(set(chosen))
