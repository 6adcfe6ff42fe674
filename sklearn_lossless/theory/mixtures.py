"""Statistics of labelled mixtures, which is all that equivalents need of the data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg

from .._printing import short_repr
from ._checks import check_count, matrix, real_array

__all__ = [
    "AutoregressiveCovariance",
    "MixtureStatistics",
    "check_semidefinite",
    "mixture_statistics",
    "read_covariance",
]

FloatArray = npt.NDArray[np.float64]

#: Entries of a block of products.
_BLOCK_SIZE = 2**22


@dataclass(frozen=True)
class AutoregressiveCovariance:
    """The covariance ``scale * correlation^abs(i - j)``, without its matrix.

    Parameters
    ----------
    n_features : int
        Number of rows.
    correlation : float
        Of neighbours, between -1 and 1.
    scale : float, default=1.0
        Variance of each feature.

    Raises
    ------
    ValueError
        If one of them is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_lossless.theory import AutoregressiveCovariance
    >>> np.asarray(AutoregressiveCovariance(3, 0.5, 2.0))
    array([[2. , 1. , 0.5],
           [1. , 2. , 1. ],
           [0.5, 1. , 2. ]])
    """

    __repr__ = short_repr

    n_features: int
    correlation: float
    scale: float = 1.0

    def __post_init__(self) -> None:
        check_count("n_features", self.n_features, 1)
        real_array([self.correlation, self.scale], "correlation and scale")
        if not -1 < self.correlation < 1:
            raise ValueError(
                f"correlation must be between -1 and 1, got {self.correlation!r}."
            )
        if self.scale < 0:
            raise ValueError(f"scale must be finite, 0 or more, got {self.scale!r}.")

    @property
    def shape(self) -> tuple[int, int]:
        """Of the matrix."""
        return self.n_features, self.n_features

    @property
    def ndim(self) -> int:
        """Of the matrix: 2."""
        return 2

    @property
    def first_row(self) -> FloatArray:
        """First row of the matrix, which holds all of its values."""
        powers = np.power(float(self.correlation), np.arange(self.n_features))
        return np.asarray(self.scale * powers, dtype=np.float64)

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        """Return the matrix."""
        return np.asarray(linalg.toeplitz(self.first_row), dtype=dtype)


@dataclass(frozen=True, eq=False)
class MixtureStatistics:
    """What the equivalents need to know of a mixture and its samples.

    Parameters
    ----------
    tau0 : float
        Root of the trace of the mean covariance.
    norm_deviation : ndarray of shape (n_samples,)
        ``||x_i - m_a||^2 - tr S``: m_a the mean of the sample's class, S the mean
        covariance. The paper's ``t_a / sqrt(p) + psi_i``.
    overlap : ndarray of shape (n_classes, n_classes)
        ``tr(S_a S_b)``, the paper's ``T_ab / p``.
    labels : ndarray of shape (n_samples,), dtype intp
        Class of each sample.
    n_features : int
        Of the samples.
    """

    __repr__ = short_repr

    tau0: float
    norm_deviation: FloatArray
    overlap: FloatArray
    labels: npt.NDArray[np.intp]
    n_features: int


def mixture_statistics(
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    means: npt.ArrayLike | None = None,
    covariances: Sequence[npt.ArrayLike] | None = None,
) -> MixtureStatistics:
    """Take the statistics of a labelled mixture.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Samples.
    y : array-like of shape (n_samples,)
        Their classes.
    means : array-like of shape (n_classes, n_features), default=None
        Means of the classes, in sorted order. None: estimated.
    covariances : sequence of n_classes array-likes, default=None
        Covariances: matrices, vectors (diagonals), numbers (times the identity) or
        :class:`AutoregressiveCovariance`. None: ``tr(S_a S_b)`` is estimated without
        bias from products of different samples, without any matrix of the size of the
        features.

    Returns
    -------
    MixtureStatistics

    Raises
    ------
    ValueError
        If the shapes do not fit together, a covariance is not symmetric or not
        positive semidefinite, or a class whose covariance is estimated has a single
        sample.
    """
    X = matrix(X, "X")
    classes, labels = np.unique(y, return_inverse=True)
    if labels.shape != (len(X),):
        raise ValueError(
            f"y must be a vector with one label per row of X, got shapes "
            f"{labels.shape} and {X.shape}."
        )
    counts = np.bincount(labels)
    if (means is None or covariances is None) and counts.min() < 2:
        raise ValueError(
            f"class {classes[counts.argmin()]} has one sample; its mean and covariance "
            "cannot be estimated. Expected at least 2 samples of each class, or given "
            "means and covariances."
        )
    if means is None:
        means = np.stack([X[labels == a].mean(axis=0) for a in range(len(classes))])
        estimated = True
    else:
        means, estimated = real_array(means, "means"), False
    if means.shape != (len(classes), X.shape[1]):
        raise ValueError(
            f"means must have shape {(len(classes), X.shape[1])}, got {means.shape}."
        )
    centred = X - means[labels]
    norms = np.einsum("ij,ij->i", centred, centred)
    # Residuals about an estimated mean are short by one degree of freedom.
    freedom = counts - 1 if estimated else counts
    norms *= (counts / freedom)[labels]
    if covariances is None:
        traces = np.bincount(labels, norms) / counts
        overlap = _estimated_overlap(centred, labels, counts, freedom)
    else:
        if not hasattr(covariances, "__len__"):
            raise ValueError(f"covariances must be one a class, got {covariances!r}.")
        if len(covariances) != len(classes):
            raise ValueError(
                f"got {len(covariances)} covariances for {len(classes)} classes."
            )
        S = [_covariance(each, X.shape[1]) for each in covariances]
        traces = np.array([_diagonal(each).sum() for each in S])
        overlap = np.array([[_product_trace(a, b) for b in S] for a in S])
    mean_trace = counts @ traces / counts.sum()
    return MixtureStatistics(
        math.sqrt(mean_trace),
        norms - mean_trace,
        overlap,
        labels.astype(np.intp),
        X.shape[1],
    )


def _estimated_overlap(
    centred: FloatArray,
    labels: npt.NDArray[np.intp],
    counts: npt.NDArray[np.intp],
    freedom: npt.NDArray[np.intp],
) -> FloatArray:
    """Mean square of the products of different samples, class by class."""
    members = (labels[:, np.newaxis] == np.arange(len(counts))).astype(np.float64)
    sums = np.zeros((len(counts), len(counts)))
    n_rows = max(1, _BLOCK_SIZE // len(centred))
    for start in range(0, len(centred), n_rows):
        rows = np.arange(start, min(start + n_rows, len(centred)))
        squares = np.square(centred[rows] @ centred.T)
        squares[np.arange(len(rows)), rows] = 0
        sums += members[rows].T @ (squares @ members)
    pairs = np.outer(freedom, freedom).astype(np.float64)
    np.fill_diagonal(pairs, counts * (counts - 1.0) * (freedom / counts) ** 2)
    return sums / pairs


def read_covariance(S: Any, n_features: int) -> FloatArray | AutoregressiveCovariance:
    """Return a number, vector or symmetric matrix, or say what is wrong with it."""
    if not isinstance(S, AutoregressiveCovariance):
        S = real_array(S, "a covariance")
    if S.shape not in ((), (n_features,), (n_features, n_features)):
        raise ValueError(
            f"a covariance must be a number, a vector of {n_features} or a square "
            f"matrix of that size, got shape {S.shape}."
        )
    if isinstance(S, AutoregressiveCovariance) or S.ndim < 2:
        return S
    if not np.allclose(S, S.T, rtol=1e-8, atol=1e-12 * np.abs(S).max()):
        raise ValueError("a covariance matrix must be symmetric.")
    return S


def check_semidefinite(S: FloatArray, eigenvalues: FloatArray) -> None:
    """Raise ValueError if `S` with these eigenvalues is no covariance."""
    least = eigenvalues.min()
    if least < -1e-10 * np.abs(S).max():
        raise ValueError(
            f"a covariance must be positive semidefinite, its least eigenvalue is "
            f"{least:.3g}."
        )


def _covariance(S: Any, n_features: int) -> FloatArray | AutoregressiveCovariance:
    """Return a covariance that is one, numbers as vectors."""
    S = read_covariance(S, n_features)
    if isinstance(S, AutoregressiveCovariance):
        return S
    if S.ndim == 0:
        S = np.full(n_features, float(S))
    check_semidefinite(S, S if S.ndim == 1 else np.linalg.eigvalsh(S))
    return S


def _diagonal(S: FloatArray | AutoregressiveCovariance) -> FloatArray:
    if isinstance(S, AutoregressiveCovariance):
        return np.full(S.n_features, S.scale)
    return S if S.ndim == 1 else np.diagonal(S)


def _product_trace(
    A: FloatArray | AutoregressiveCovariance, B: FloatArray | AutoregressiveCovariance
) -> float:
    """Return tr(A B)."""
    if 1 in (A.ndim, B.ndim):
        return float(_diagonal(A) @ _diagonal(B))
    if isinstance(A, AutoregressiveCovariance) and isinstance(
        B, AutoregressiveCovariance
    ):
        # Entries of each diagonal, above and below.
        times = 2.0 * np.arange(A.n_features, 0, -1)
        times[0] /= 2
        return float((times * A.first_row) @ B.first_row)
    return float(np.vdot(np.asarray(A), np.asarray(B)))
