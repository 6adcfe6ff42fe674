"""Which quantiser suits the data: width and position of the cells."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ._checks import check_features
from ._resolution import finest_inv_step
from .outliers import ranges_without_outliers
from .quantizer import SHIFT_UNIT, Quantizer, ValueRange, code_sums, value_range

__all__ = ["choose_quantizer", "fit_quantizer", "quantizer_and_range"]

#: Width of the best uniform quantiser of a Gaussian, in standard deviations, for
#: 1 to 8 bits (Max, "Quantizing for minimum distortion", 1960, Table II).
_GAUSSIAN_STEP = (1.5958, 0.9957, 0.5860, 0.3352, 0.1881, 0.1041, 0.0569, 0.0308)

#: Bits of the first look at the data, from which mean and variance are taken.
_SURVEY_BITS = 16


def fit_quantizer(
    X: Any, n_bits: int, sample_weight: npt.NDArray[Any] | None = None
) -> Quantizer:
    """Choose the common cell width and each feature's position from the data.

    The cells cover the range of the widest feature, or the best window for a
    Gaussian of its standard deviation where that is narrower. Up to one value in 200
    on each side of a feature is left out where such values make all this eight times
    as large. Values outside are clipped.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
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
    >>> from sklearn_lossless.network.quantizer_choice import fit_quantizer
    >>> X = np.array([[0.0, 1.0], [3.0, 1.0], [1.0, 1.0]])
    >>> quantizer = fit_quantizer(X, n_bits=2)
    >>> quantizer.codes(X)
    array([[0, 0], [3, 0], [1, 0]], dtype=uint8)
    """
    X = check_features(X, None, "fit_quantizer")
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
    return quantizer_and_range(total, n_bits)[0]


def quantizer_and_range(
    total: Callable[[Callable[..., Any]], Any], n_bits: int
) -> tuple[Quantizer, ValueRange]:
    """Return what `choose_quantizer` does, and the range of each feature."""
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

    n_steps = 2**n_bits - 1
    factor = _GAUSSIAN_STEP[n_bits - 1] * n_steps
    finest, mean, std = _survey(total, low, high)
    window = _window(width, factor, std)
    low, high = ranges_without_outliers(total, low, high, window, std)
    is_cut = high - low < width
    if is_cut.any():
        width = high - low
        finest, mean, std = _survey(total, low, high)
        window = _window(width, factor, std)
    size = float(window.max())
    start = np.clip(mean - size / 2, low, np.maximum(low, high - size))
    # Values on both sides of a bulk that was cut out have codes of their own.
    start -= is_cut * np.maximum(size - width, 0.0) / 2
    return _at(start, min(n_steps / size, finest), n_bits), seen


def _window(
    width: npt.NDArray[np.float64], factor: float, std: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the width of the cells together that suits each feature."""
    with np.errstate(over="ignore"):
        # Values of next to no weight leave no deviation.
        return np.where(std > 0, np.minimum(width, factor * std), width)


def _survey(
    total: Callable[[Callable[..., Any]], Any],
    low: npt.NDArray[np.float64],
    high: npt.NDArray[np.float64],
) -> tuple[float, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the finest `inv_step`, and mean and deviation of each feature."""
    finest = finest_inv_step(low, high)
    inv_step = min((2**_SURVEY_BITS - 1) / float((high - low).max()), finest)
    survey = _at(low, inv_step, _SURVEY_BITS)
    codes = total(partial(code_sums, survey)).statistics()
    return finest, survey.decode(codes.mean), np.sqrt(codes.variance) / survey.inv_step


def _at(low: npt.NDArray[np.float64], inv_step: float, n_bits: int) -> Quantizer:
    """Make the quantiser whose lowest cells are centred at `low`."""
    # 24 bits of mantissa hide what little platforms disagree on in a division.
    mantissa, exponent = math.frexp(inv_step)
    inv_step = math.ldexp(round(mantissa * 2**24), exponent - 24)
    # Beyond 2**52 cells from zero a double cannot tell the cells apart.
    with np.errstate(over="ignore"):
        shift = np.clip(SHIFT_UNIT * (0.5 - low * inv_step), -(2.0**60), 2.0**60)
    return Quantizer(inv_step, np.rint(shift).astype(np.int64), n_bits)
