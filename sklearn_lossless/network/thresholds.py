"""Columns of a table -> bits: thresholds, categories, missing values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from .._printing import short_repr
from . import _engine
from ._checks import check_features, check_width

__all__ = ["Column", "ThresholdQuantizer"]


class Column(NamedTuple):
    """How one column becomes bits, in this order.

    Parameters
    ----------
    thresholds : ndarray of shape (n_thresholds,), dtype float64
        Ascending; a bit for each says whether the value is above it. Infinite ones
        serve like others.
    groups : ndarray of shape (n_categories,), dtype int64, default=None
        For a column of categories, whose values are their numbers from 0: the bit of
        each category, -1 for none. Rare ones share a bit.
    has_missing : bool, default=False
        Whether the last bit says that the value is missing (NaN).
    """

    def __repr__(self) -> str:
        return short_repr(self)

    thresholds: npt.NDArray[np.float64]
    groups: npt.NDArray[np.int64] | None = None
    has_missing: bool = False

    @property
    def n_known(self) -> int:
        """Number of bits that say what the value is."""
        if self.groups is None:
            return len(self.thresholds)
        return int(self.groups.max(initial=-1)) + 1

    @property
    def n_bits(self) -> int:
        """Number of bits."""
        return self.n_known + self.has_missing


@dataclass(frozen=True, eq=False)
class ThresholdQuantizer:
    """Code each column of a table by bits.

    A number has a bit for each threshold of its column, set if it is above; a category
    a bit of its own, or one with other rare ones. A missing value sets one bit if its
    column has one for that, else none; so does a category that is not known. Order
    alone counts: no column has to be scaled, and values far out do no harm.

    Parameters
    ----------
    columns : tuple of Column

    Attributes
    ----------
    n_bits : int
        Bits of a code: 1.
    inv_step : float
        Codes from value to value as the network sees them: 1.
    """

    __repr__ = short_repr

    columns: tuple[Column, ...]

    n_bits: ClassVar[int] = 1
    inv_step: ClassVar[float] = 1.0

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return len(self.columns)

    @property
    def n_codes(self) -> int:
        """Number of bits of all columns together."""
        return int(self.starts[-1])

    @cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """First bit of each column, and the number of bits."""
        sizes = [column.n_bits for column in self.columns]
        return np.cumsum([0, *sizes]).astype(np.int64)

    def codes(self, X: Any) -> npt.NDArray[np.uint8]:
        """Return the bits of `X`.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Numbers, or numbers of categories; NaN is missing.

        Returns
        -------
        ndarray of shape (n_samples, n_codes), dtype uint8
            0 and 1, C-contiguous.
        """
        X = np.asarray(check_features(X, self.n_features, type(self).__name__))
        codes = np.empty((len(X), self.n_codes), dtype=np.uint8)
        bounds, missing, groups, group_starts = self._tables
        _engine.threshold_bits(
            X, self.starts, bounds, missing, groups, group_starts, codes
        )
        return codes

    def inputs(self, X: Any) -> npt.NDArray[np.float64]:
        """Return what the network takes for its inputs: the bits.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_codes), dtype float64
        """
        return self.codes(X).astype(np.float64)

    def decode(self, codes: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return codes as numbers.

        Parameters
        ----------
        codes : ndarray of shape (..., n_codes)
            Codes, or means of codes.

        Returns
        -------
        ndarray of shape (..., n_codes), dtype float64
        """
        codes = np.asarray(codes)
        check_width(codes, self.n_codes, type(self).__name__, "codes")
        return codes.astype(np.float64)

    def encode(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the real codes that `decode` makes `values` of.

        Parameters
        ----------
        values : ndarray of shape (..., n_codes)

        Returns
        -------
        ndarray of shape (..., n_codes), dtype float64
        """
        return values

    def key(self) -> Iterator[tuple[Any, str]]:
        """Yield all numbers that codes depend on, with the types to hash them by."""
        for column in self.columns:
            yield column.thresholds, "<f8"
            yield () if column.groups is None else column.groups, "<i8"
            yield column.has_missing, "u1"

    @cached_property
    def _tables(self) -> tuple[npt.NDArray[Any], ...]:
        """Bound of each bit, missing bit of each column, its groups and their starts.

        No number is above NaN, which is the bound of bits that are no threshold's.
        """
        bounds = np.full(self.n_codes, np.nan)
        missing = np.full(self.n_features, -1, dtype=np.int64)
        groups, group_starts = [np.zeros(0, np.int64)], [0]
        for number, (column, start) in enumerate(
            zip(self.columns, self.starts.tolist(), strict=False)
        ):
            if column.groups is None:
                bounds[start : start + len(column.thresholds)] = column.thresholds
            else:
                groups.append(column.groups)
            if column.has_missing:
                missing[number] = start + column.n_known
            group_starts.append(sum(map(len, groups)))
        return bounds, missing, np.concatenate(groups), np.array(group_starts)
