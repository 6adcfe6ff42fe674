"""Checks of the arguments of this package's functions, and their errors."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt

from ._gaussian import check_tau

__all__ = [
    "activation_list",
    "check_count",
    "check_memory",
    "check_number",
    "input_deviation",
    "matrix",
    "no_slope",
    "real_array",
]

FloatArray = npt.NDArray[np.float64]


def real_array(given: Any, name: str) -> FloatArray:
    """Return `given` as float64, or say why it is not made of finite numbers."""
    if hasattr(given, "toarray"):
        raise ValueError(f"{name} must be dense, got a sparse matrix.")
    try:
        array = np.asarray(given)
        if array.dtype.kind == "c":
            raise ValueError("they are complex")
        array = array.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be real numbers: {error}.") from None
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has values that are not finite.")
    return array


def matrix(given: Any, name: str) -> FloatArray:
    """Return `given` as a float64 matrix."""
    array = real_array(given, name)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"{name} must be a matrix, got shape {array.shape}.")
    return array


def activation_list(given: Any) -> list[Any]:
    """Return the activations, one per layer."""
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise TypeError(
            f"activations must be a sequence, one per layer, got {given!r}."
        )
    return list(given)


def check_count(name: str, value: Any, least: int, most: int | None = None) -> None:
    """Raise ValueError if `value` is not an integer from `least` to `most`."""
    fits = isinstance(value, Integral) and least <= int(value)
    if not fits or (most is not None and int(value) > most):
        asked = f"{least} or more" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} must be an integer, {asked}, got {value!r}.")


def check_number(name: str, value: Any) -> None:
    """Raise ValueError if `value` is not a finite real number."""
    if not isinstance(value, Real) or not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, got {value!r}.")


def check_memory(n_rows: int, n_columns: int, n_matrices: int = 1) -> None:
    """Refuse matrices of samples by samples that this machine cannot hold."""
    needed, memory = 8 * n_rows * n_columns * n_matrices, _memory()
    if needed > memory:
        raise ValueError(
            f"a kernel matrix of {n_rows} x {n_columns} samples takes "
            f"{needed / 2**30:.0f} GiB and this machine has {memory / 2**30:.0f}; "
            "take a subsample, or use the features of NTKCompressor instead of the "
            "kernel."
        )


def input_deviation(X: FloatArray, tau0: float | None) -> float:
    """Return `tau0`, or where it is None the root mean squared norm of the samples."""
    if tau0 is None:
        return check_tau(math.sqrt(np.einsum("ij,ij->", X, X) / len(X)), "tau0")
    return check_tau(tau0, "tau0")


def no_slope(name: str) -> ValueError:
    """Return the error for an activation without a neural tangent kernel."""
    return ValueError(
        "the neural tangent kernel does not exist for steps, and activation "
        f"{name!r} is or looks like one: E sigma'(u)^2 is infinite for steps, and "
        "seems so for functions that are rounded to float32; ask for the conjugate "
        "kernel, or return float64."
    )


def _memory() -> int:
    """Return the bytes of memory, 8 GiB where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 2**33
