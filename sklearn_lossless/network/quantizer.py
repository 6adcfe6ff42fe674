"""Real inputs -> unsigned integer codes, and exact statistics of the codes.

Every feature is cut into cells of one common width, so that distances between
samples keep their shape. All statistics are sums of integers: they do not depend
on the order of the rows, on how they are split, or on the machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from . import _engine
from ._resolution import check_resolution

__all__ = [
    "CodeStatistics",
    "CodeSums",
    "Quantizer",
    "ValueRange",
    "choose_quantizer",
    "code_statistics",
    "code_sums",
    "fit_quantizer",
    "value_range",
]

#: Positions of the cells are multiples of the cell width over this number.
SHIFT_UNIT = 256

#: Width of the best uniform quantiser of a Gaussian, in standard deviations, for
#: 1 to 8 bits (Max, "Quantizing for minimum distortion", 1960, Table II).
_GAUSSIAN_STEP = (1.5958, 0.9957, 0.5860, 0.3352, 0.1881, 0.1041, 0.0569, 0.0308)

#: Bits of the first look at the data, from which mean and variance are taken.
_SURVEY_BITS = 16

#: Rows looked at together when statistics are taken.
_BLOCK_ROWS = 2048


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

    inv_step: float
    shift: npt.NDArray[np.int64]
    n_bits: int

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self.shift)

    def codes(self, X: Any) -> npt.NDArray[np.unsignedinteger[Any]]:
        """Return the codes of `X`.

        Parameters
        ----------
        X : ndarray or CSR matrix of shape (n_samples, n_features)
            Finite numbers. Only the codes of sparse input are dense.

        Returns
        -------
        ndarray of shape (n_samples, n_features), dtype uint8 or uint16
            C-contiguous codes; uint16 where `n_bits` is over 8. `X` itself where it
            holds codes already.
        """
        if not sparse.issparse(X):
            X = np.asarray(X)
            if X.dtype == np.uint8 and self._bytes_are_codes:
                return np.ascontiguousarray(X)
            return self._cells(X, self.shift)
        X = canonical(X)
        zero = self._cells(np.zeros((1, self.n_features)), self.shift)
        codes = np.repeat(zero, X.shape[0], axis=0)
        rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
        codes[rows, X.indices] = self._cells(X.data, self.shift[X.indices])
        return codes

    @property
    def _bytes_are_codes(self) -> bool:
        """Whether each whole number of 8 bits is a cell of its own."""
        in_cell = (self.shift >= 0) & (self.shift < SHIFT_UNIT)
        return self.n_bits == 8 and self.inv_step == 1 and bool(in_cell.all())

    def _cells(
        self, x: npt.NDArray[Any], shift: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.unsignedinteger[Any]]:
        dtype = np.uint8 if self.n_bits <= 8 else np.uint16
        codes = np.empty(x.shape, dtype=dtype)
        _engine.quantize(
            np.atleast_2d(x),
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
        return (codes + 0.5 - self.shift / SHIFT_UNIT) / self.inv_step


@dataclass(frozen=True, eq=False)
class CodeStatistics:
    """Mean and variance of the codes of each feature.

    Parameters
    ----------
    mean, variance : ndarray of shape (n_features,), dtype float64
        In units of codes and of codes squared.
    """

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


def canonical(X: Any) -> Any:
    """Return `X`, or if it is CSR with several entries in one place, their sums."""
    if sparse.issparse(X) and not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X


def value_range(X: Any, sample_weight: npt.NDArray[Any] | None = None) -> ValueRange:
    """Return the lowest and the highest value of each feature.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    sample_weight : ndarray of shape (n_samples,) or None, default=None
        Rows of weight zero are not looked at.

    Returns
    -------
    ValueRange
    """
    seen = ValueRange(np.full(X.shape[1], np.inf), np.full(X.shape[1], -np.inf))
    for rows in _blocks(X.shape[0]):
        block = X[rows] if sample_weight is None else X[rows][sample_weight[rows] > 0]
        if block.shape[0] == 0:
            continue
        lows, highs = block.min(axis=0), block.max(axis=0)
        if sparse.issparse(block):
            lows, highs = lows.toarray().ravel(), highs.toarray().ravel()
        seen += ValueRange(lows, highs)
    return seen


def code_sums(
    quantizer: Quantizer, X: Any, sample_weight: npt.NDArray[Any] | None = None
) -> CodeSums:
    """Sum up the codes of `X` and their squares.

    Parameters
    ----------
    quantizer : Quantizer
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    sample_weight : ndarray of shape (n_samples,) or None, default=None
        Nonnegative weights. Whole numbers give the same result as repeated rows,
        to the last bit.

    Returns
    -------
    CodeSums
    """
    n_features = quantizer.n_features
    sums = CodeSums(np.zeros(n_features), np.zeros(n_features), 0.0)
    for rows in _blocks(X.shape[0]):
        codes = quantizer.codes(X[rows]).astype(np.float64)
        weight = np.ones(len(codes)) if sample_weight is None else sample_weight[rows]
        sums += CodeSums(weight @ codes, weight @ (codes * codes), math.fsum(weight))
    return sums


def code_statistics(
    quantizer: Quantizer, X: Any, sample_weight: npt.NDArray[Any] | None = None
) -> CodeStatistics:
    """Take mean and variance of the codes of `X`.

    Parameters
    ----------
    quantizer : Quantizer
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    sample_weight : ndarray of shape (n_samples,) or None, default=None
        Nonnegative weights. Whole numbers give the same result as repeated rows,
        to the last bit.

    Returns
    -------
    CodeStatistics
    """
    return code_sums(quantizer, X, sample_weight).statistics()


def fit_quantizer(
    X: Any, n_bits: int, sample_weight: npt.NDArray[Any] | None = None
) -> Quantizer:
    """Choose the common cell width and each feature's position from the data.

    The cells cover the range of the widest feature, or the best window for a
    Gaussian of its standard deviation where that is narrower, so that a few
    outliers do not waste the codes; values outside are clipped.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        Finite numbers.
    n_bits : int
        Bits of a code, 1 to 8.
    sample_weight : ndarray of shape (n_samples,) or None, default=None
        Nonnegative weights; rows of weight zero are not looked at.

    Returns
    -------
    Quantizer

    Raises
    ------
    ValueError
        If every feature of `X` is constant, or its range is not a finite
        double.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_lossless.network.quantizer import fit_quantizer
    >>> X = np.array([[0.0, 1.0], [3.0, 1.0], [1.0, 1.0]])
    >>> quantizer = fit_quantizer(X, n_bits=2)
    >>> quantizer.codes(X)
    array([[0, 0], [3, 0], [1, 0]], dtype=uint8)
    """
    return choose_quantizer(lambda of_part: of_part(X, sample_weight), n_bits)


def choose_quantizer(
    total: Callable[[Callable[..., Any]], Any], n_bits: int
) -> Quantizer:
    """Choose a quantiser as `fit_quantizer` does, for data in parts.

    Parameters
    ----------
    total : callable
        Maps a function of a part's ``X, sample_weight`` to the sum of its values
        over all parts.
    n_bits : int
        Bits of a code, 1 to 8.

    Returns
    -------
    Quantizer
        The same one, to the last bit, in however many parts the data come.

    Raises
    ------
    ValueError
        As `fit_quantizer`.
    """
    seen = total(value_range)
    low, high = seen.low, seen.high
    if low.min() > high.max():
        raise ValueError("sample_weight is zero for every sample.")
    with np.errstate(over="ignore"):
        width = high - low
    widest = float(width.max())
    if widest == 0.0:
        raise ValueError(
            "X is constant: every feature has a single value, so there is nothing "
            "to compress; expected at least one feature that varies."
        )
    if not math.isfinite(widest):
        raise ValueError(
            f"The range of X is not a finite double: from {low.min()} to {high.max()}."
        )

    check_resolution(low, high, widest, _SURVEY_BITS)

    survey_levels = 2**_SURVEY_BITS - 1
    survey = _at(low, survey_levels / widest, _SURVEY_BITS)
    codes = total(partial(code_sums, survey)).statistics()
    mean, std = survey.decode(codes.mean), np.sqrt(codes.variance) / survey.inv_step

    n_steps = 2**n_bits - 1
    with np.errstate(over="ignore"):
        window = np.minimum(width, _GAUSSIAN_STEP[n_bits - 1] * n_steps * std).max()
    start = np.clip(mean - window / 2, low, np.maximum(low, high - window))
    return _at(start, n_steps / float(window), n_bits)


def _at(low: npt.NDArray[np.float64], inv_step: float, n_bits: int) -> Quantizer:
    """Make the quantiser whose lowest cells are centred at `low`."""
    # 24 bits of mantissa hide what little platforms disagree on in a division.
    mantissa, exponent = math.frexp(inv_step)
    inv_step = math.ldexp(round(mantissa * 2**24), exponent - 24)
    # Beyond 2**52 cells from zero a double cannot tell the cells apart.
    with np.errstate(over="ignore"):
        shift = np.clip(SHIFT_UNIT * (0.5 - low * inv_step), -(2.0**60), 2.0**60)
    return Quantizer(inv_step, np.rint(shift).astype(np.int64), n_bits)


def _blocks(n_rows: int) -> Iterator[slice]:
    """Cut `n_rows` rows into blocks."""
    for start in range(0, n_rows, _BLOCK_ROWS):
        yield slice(start, min(start + _BLOCK_ROWS, n_rows))
