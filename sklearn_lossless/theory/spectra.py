"""Spectra of kernel matrices: how far two are apart, and their eigenvectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import eigsh

from .._printing import short_repr
from ._checks import check_count, real_array

__all__ = ["SpectrumComparison", "compare_spectra", "spectral_error"]

FloatArray = npt.NDArray[np.float64]

#: Matrices up to this size are decomposed whole, larger ones by Lanczos iterations.
_DENSE_SIZE = 400


def spectral_error(
    A: npt.ArrayLike, B: npt.ArrayLike, *, relative: bool = True
) -> float:
    """Return the operator norm of ``A - B``.

    Parameters
    ----------
    A, B : array-like of shape (n, n)
        Symmetric matrices.
    relative : bool, default=True
        Whether to divide by the operator norm of `B`.

    Returns
    -------
    float
        By Lanczos iterations (ARPACK) where n is above 400.

    Raises
    ------
    ValueError
        If the matrices are not square, symmetric and of one shape, or `B` is zero.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_lossless.theory import spectral_error
    >>> spectral_error(np.diag([3.0, 1.0]), np.diag([2.0, 1.0]))
    0.5
    """
    A, B = _pair(A, B)
    error = _operator_norm(A - B)
    if not relative:
        return error
    norm = _operator_norm(B)
    if norm == 0:
        raise ValueError("B is zero, so no error is relative to it.")
    return error / norm


@dataclass(frozen=True, eq=False)
class SpectrumComparison:
    """Spectra of two matrices side by side.

    Parameters
    ----------
    eigenvalues_a, eigenvalues_b : ndarray of shape (n,)
        Largest first.
    eigenvectors_a, eigenvectors_b : ndarray of shape (n, n_eigenvectors)
        Dominant eigenvectors; the signs of the second ones fit the first ones.
    cosines : ndarray of shape (n_eigenvectors,)
        Absolute cosines between them.
    """

    __repr__ = short_repr

    eigenvalues_a: FloatArray
    eigenvalues_b: FloatArray
    eigenvectors_a: FloatArray
    eigenvectors_b: FloatArray
    cosines: FloatArray


def compare_spectra(
    A: npt.ArrayLike, B: npt.ArrayLike, n_eigenvectors: int = 2
) -> SpectrumComparison:
    """Compare the eigenvalues and the dominant eigenvectors of two matrices.

    Parameters
    ----------
    A, B : array-like of shape (n, n)
        Symmetric matrices.
    n_eigenvectors : int, default=2
        Number of dominant eigenvectors.

    Returns
    -------
    SpectrumComparison

    Raises
    ------
    ValueError
        If the matrices are not square, symmetric and of one shape, or `n_eigenvectors`
        is not one of 1 to n.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_lossless.theory import compare_spectra
    >>> compare_spectra(np.diag([3.0, 1.0]), np.diag([2.0, 1.0]), 1).cosines
    array([1.])
    """
    A, B = _pair(A, B)
    check_count("n_eigenvectors", n_eigenvectors, 1, len(A))
    values_a, vectors_a = np.linalg.eigh(A)
    values_b, vectors_b = np.linalg.eigh(B)
    first = vectors_a[:, ::-1][:, :n_eigenvectors]
    second = vectors_b[:, ::-1][:, :n_eigenvectors]
    products = np.einsum("ij,ij->j", first, second)
    return SpectrumComparison(
        values_a[::-1],
        values_b[::-1],
        first,
        second * np.where(products < 0, -1, 1),
        np.abs(products),
    )


def _pair(A: npt.ArrayLike, B: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    A, B = real_array(A, "A"), real_array(B, "B")
    if A.ndim != 2 or A.shape[0] != A.shape[1] or A.shape != B.shape or not A.size:
        raise ValueError(
            f"A and B must be square and of one shape, got {A.shape} and {B.shape}."
        )
    probe = np.random.default_rng(0).standard_normal(len(A))
    for name, matrix in (("A", A), ("B", B)):
        product = matrix @ probe
        # A matrix from products in float32 is symmetric to seven digits.
        if np.abs(product - matrix.T @ probe).max() > 1e-5 * np.abs(product).max():
            raise ValueError(f"{name} must be symmetric.")
    return A, B


def _operator_norm(A: FloatArray) -> float:
    if not A.any():
        return 0.0
    if len(A) <= _DENSE_SIZE:
        return float(np.abs(np.linalg.eigvalsh(A)).max())
    start = np.random.default_rng(0).standard_normal(len(A))
    value = eigsh(A, 1, which="LM", v0=start, tol=1e-6, return_eigenvectors=False)
    return float(np.abs(value[0]))
