"""Real inputs -> unsigned integer codes, and exact statistics of the codes.

Every feature is cut into cells of one common width, so that distances between
samples keep their shape. All statistics are sums of integers: they do not depend
on the order of the rows, on how they are split, or on the machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from .._printing import short_repr
from . import _engine
from ._checks import check_features, check_weight, check_width
from .thresholds import ThresholdQuantizer

if TYPE_CHECKING:
    from .scaled import ScaledQuantizer

__all__ = [
    "AnyQuantizer",
    "CodeStatistics",
    "CodeSums",
    "Quantizer",
    "ValueRange",
    "code_statistics",
    "code_sums",
    "value_range",
]

#: Positions of the cells are multiples of the cell width over this number.
SHIFT_UNIT = 256

#: Rows looked at together when statistics are taken, and doubles in them.
_BLOCK_ROWS = 2048
_BLOCK_SIZE = 2**22

#: Values of which codes of more than 8 bits are made without a kernel of their own.
_FEW = 2**17

#: Columns above which statistics of sparse input are taken from its entries.
_WIDE = 2**16


@dataclass(frozen=True, eq=False)
class Quantizer:
    """Cut each feature into ``2**n_bits`` cells of a common width.

    ``code = clip(floor(x * inv_step + shift / 256), 0, 2**n_bits - 1)``

    Parameters
    ----------
    inv_step : float
        One over the width of a cell.
    shift : ndarray of shape (n_features,), dtype int64
        Position of each feature's cells, in 1/256 of a cell.
    n_bits : int
        Bits of a code, 1 to 16.
    """

    __repr__ = short_repr

    inv_step: float
    shift: npt.NDArray[np.int64]
    n_bits: int

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self.shift)

    @property
    def n_codes(self) -> int:
        """Number of codes of a sample: one of each feature."""
        return len(self.shift)

    def inputs(self, X: Any) -> Any:
        """Return what the network takes for its inputs: `X` itself.

        Parameters
        ----------
        X : ndarray or CSR matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray or CSR matrix of shape (n_samples, n_features)
        """
        return X

    def key(self) -> Iterator[tuple[Any, str]]:
        """Yield all numbers that codes depend on, with the types to hash them by."""
        yield self.inv_step, "<f8"
        yield self.shift, "<i8"
        yield self.n_bits, "<i8"

    def codes(self, X: Any) -> npt.NDArray[np.unsignedinteger[Any]]:
        """Return the codes of `X`.

        Parameters
        ----------
        X : ndarray or sparse matrix of shape (n_samples, n_features)
            Finite numbers. Only the codes of sparse input are dense.

        Returns
        -------
        ndarray of shape (n_samples, n_features), dtype uint8 or uint16
            C-contiguous codes; uint16 where `n_bits` is over 8. `X` itself where it
            holds codes already.
        """
        X = check_features(X, self.n_features, type(self).__name__)
        if not sparse.issparse(X):
            X = np.asarray(X)
            if X.dtype == np.uint8 and self._bytes_are_codes:
                return np.ascontiguousarray(X)
            return self._cells(X, self.shift)
        codes = np.repeat(self.zero_codes()[np.newaxis], X.shape[0], axis=0)
        rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
        codes[rows, X.indices] = self.entry_codes(X)
        return codes

    def zero_codes(self) -> npt.NDArray[np.unsignedinteger[Any]]:
        """Return the codes of a row of zeros.

        Returns
        -------
        ndarray of shape (n_features,), dtype uint8 or uint16
        """
        return self._cells(np.zeros(self.n_features), self.shift)

    def entry_codes(self, X: Any) -> npt.NDArray[np.unsignedinteger[Any]]:
        """Return the codes of the entries of a sparse array, in their order.

        Parameters
        ----------
        X : CSR array of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (X.nnz,), dtype uint8 or uint16
        """
        return self._codes_at(X.data, X.indices)

    def _codes_at(
        self, values: npt.NDArray[Any], columns: npt.NDArray[np.integer[Any]]
    ) -> npt.NDArray[np.unsignedinteger[Any]]:
        """Return the codes of single values, each in a column of its own."""
        return self._cells(values, self.shift[columns])

    @property
    def _bytes_are_codes(self) -> bool:
        """Whether each whole number of 8 bits is a cell of its own."""
        if self.n_bits != 8 or self.inv_step != 1:
            return False
        return bool(self.shift.min() >= 0 and self.shift.max() < SHIFT_UNIT)

    def _cells(
        self, x: npt.NDArray[Any], shift: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.unsignedinteger[Any]]:
        dtype = np.uint8 if self.n_bits <= 8 else np.uint16
        codes = np.empty(x.shape, dtype=dtype)
        # Kernels for eight bits, which predictions have; the others are for large data.
        few = self.n_bits > 8 and x.size <= _FEW
        quantize = _engine.quantize_few if few else _engine.quantize
        quantize(
            np.ascontiguousarray(np.atleast_2d(x)),  # kernels for one order
            self.inv_step,
            shift / SHIFT_UNIT,
            2.0**self.n_bits - 1,
            np.atleast_2d(codes),
        )
        return codes

    def decode(self, codes: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return the centres of cells, in units of the input.

        Parameters
        ----------
        codes : ndarray of shape (..., n_features)
            Codes, or means of codes.

        Returns
        -------
        ndarray of shape (..., n_features), dtype float64
            Values that the codes stand for.
        """
        codes = np.asarray(codes)
        check_width(codes, self.n_features, type(self).__name__, "codes")
        return (codes + 0.5 - self.shift / SHIFT_UNIT) / self.inv_step

    def encode(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the real codes that `decode` makes `values` of.

        Parameters
        ----------
        values : ndarray of shape (..., n_features)

        Returns
        -------
        ndarray of shape (..., n_features), dtype float64
        """
        return values * self.inv_step - 0.5 + self.shift / SHIFT_UNIT


#: What turns inputs into codes: cells of one width, of scaled columns or not, or bits.
AnyQuantizer: TypeAlias = "Quantizer | ScaledQuantizer | ThresholdQuantizer"


@dataclass(frozen=True, eq=False)
class CodeStatistics:
    """Mean and variance of the codes of each feature.

    Parameters
    ----------
    mean, variance : ndarray of shape (n_features,), dtype float64
        In units of codes and of codes squared.
    """

    __repr__ = short_repr

    mean: npt.NDArray[np.float64]
    variance: npt.NDArray[np.float64]

    @property
    def total_variance(self) -> float:
        """Mean squared norm of the centred codes, rounded once."""
        return math.fsum(self.variance)


@dataclass(frozen=True, eq=False)
class ValueRange:
    """Lowest and highest value of each feature; ranges of parts add up.

    Parameters
    ----------
    low, high : ndarray of shape (n_features,), dtype float64
        Infinite, and the wrong way round, if there are no rows.
    """

    __repr__ = short_repr

    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]

    def __add__(self, other: ValueRange) -> ValueRange:
        """Return the range of both."""
        return ValueRange(
            np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        )


@dataclass(frozen=True, eq=False)
class CodeSums:
    """Sums of codes, of their squares and of weights; those of parts add up.

    Parameters
    ----------
    total, squares : ndarray of shape (n_features,), dtype float64
        Integers below 2**53 add up without rounding, in whatever order.
    count : float
        Sum of the weights.
    """

    __repr__ = short_repr

    total: npt.NDArray[np.float64]
    squares: npt.NDArray[np.float64]
    count: float

    def __add__(self, other: CodeSums) -> CodeSums:
        """Return the sums of both."""
        return CodeSums(
            self.total + other.total,
            self.squares + other.squares,
            self.count + other.count,
        )

    def statistics(self) -> CodeStatistics:
        """Return mean and variance."""
        mean = self.total / self.count
        variance = np.maximum(self.squares - self.total * mean, 0.0) / self.count
        return CodeStatistics(mean, variance)


def value_range(X: Any, sample_weight: npt.NDArray[Any] | None = None) -> ValueRange:
    """Return the lowest and the highest value of each feature.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
    sample_weight : ndarray of shape (n_samples,) or None, default=None
        Rows of weight zero are not looked at.

    Returns
    -------
    ValueRange
    """
    X = check_features(X, None, "value_range")
    check_weight(sample_weight, X)
    seen = ValueRange(np.full(X.shape[1], np.inf), np.full(X.shape[1], -np.inf))
    for rows in _blocks(X, X.shape[1], stay_sparse=True):
        block = X[rows] if sample_weight is None else X[rows][sample_weight[rows] > 0]
        if block.shape[0] == 0:
            continue
        lows, highs = block.min(axis=0), block.max(axis=0)
        if sparse.issparse(block):
            lows, highs = lows.toarray().ravel(), highs.toarray().ravel()
        seen += ValueRange(lows, highs)
    return seen


def code_sums(
    quantizer: AnyQuantizer, X: Any, sample_weight: npt.NDArray[Any] | None = None
) -> CodeSums:
    """Sum up the codes of `X` and their squares.

    Parameters
    ----------
    quantizer : Quantizer or ThresholdQuantizer
    X : ndarray or sparse matrix of shape (n_samples, n_features)
    sample_weight : ndarray of shape (n_samples,) or None, default=None
        Nonnegative weights. Whole numbers give the same result as repeated rows,
        to the last bit.

    Returns
    -------
    CodeSums
    """
    n_codes = quantizer.n_codes
    X = check_features(X, quantizer.n_features, type(quantizer).__name__)
    check_weight(sample_weight, X)
    if isinstance(quantizer, Quantizer) and sparse.issparse(X) and n_codes > _WIDE:
        return _sums_of_entries(quantizer, X, sample_weight)
    sums = CodeSums(np.zeros(n_codes), np.zeros(n_codes), 0.0)
    for rows in _blocks(X, n_codes):
        codes = quantizer.codes(X[rows]).astype(np.float64)
        weight = np.ones(len(codes)) if sample_weight is None else sample_weight[rows]
        sums += CodeSums(weight @ codes, weight @ (codes * codes), math.fsum(weight))
    return sums


def _sums_of_entries(
    quantizer: Quantizer, X: Any, sample_weight: npt.NDArray[Any] | None
) -> CodeSums:
    """Return what `code_sums` does, from the entries of a canonical matrix alone."""
    weight = np.ones(X.shape[0]) if sample_weight is None else sample_weight
    of_entries = np.repeat(weight, np.diff(X.indptr))
    count = math.fsum(weight)
    zero = quantizer.zero_codes().astype(np.float64)
    codes = quantizer.entry_codes(X).astype(np.float64)
    total, squares = (
        count * zero**power
        + np.bincount(
            X.indices,
            of_entries * (codes**power - zero[X.indices] ** power),
            quantizer.n_features,
        )
        for power in (1, 2)
    )
    return CodeSums(total, squares, count)


def code_statistics(
    quantizer: AnyQuantizer, X: Any, sample_weight: npt.NDArray[Any] | None = None
) -> CodeStatistics:
    """Take mean and variance of the codes of `X`.

    Parameters
    ----------
    quantizer : Quantizer or ThresholdQuantizer
    X : ndarray or sparse matrix of shape (n_samples, n_features)
    sample_weight : ndarray of shape (n_samples,) or None, default=None
        Nonnegative weights. Whole numbers give the same result as repeated rows,
        to the last bit.

    Returns
    -------
    CodeStatistics
    """
    return code_sums(quantizer, X, sample_weight).statistics()


def _blocks(X: Any, width: int, stay_sparse: bool = False) -> Iterator[slice]:
    """Cut the rows of `X` into blocks, of 32 MB at most of so many dense columns."""
    n_rows = X.shape[0]
    size = max(1, min(_BLOCK_ROWS, _BLOCK_SIZE // width))
    if stay_sparse and sparse.issparse(X):
        size = _BLOCK_ROWS
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))
