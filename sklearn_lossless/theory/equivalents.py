"""Random-matrix equivalents of the conjugate and the neural tangent kernel.

In high dimension the kernels of a wide network approach, in spectral norm, matrices
that depend on the activations only through a few numbers per layer. Rows of X are
samples, taken as they are, with mean squared norm ``tau0^2`` after centring: the
paper's ``x_i / sqrt(p)``. Means and covariances are those of such rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import LinearOperator, eigsh

from .activations import GaussianMoments, check_tau, gaussian_moments

__all__ = [
    "EquivalentCoefficients",
    "MixtureStatistics",
    "SpectrumComparison",
    "alpha_recursion",
    "compare_spectra",
    "equivalent_ck",
    "equivalent_coefficients",
    "equivalent_ntk",
    "mixture_statistics",
    "spectral_error",
]

FloatArray = npt.NDArray[np.float64]

#: Matrices up to this size are decomposed whole, larger ones by Lanczos iterations.
_DENSE_SIZE = 400


@dataclass(frozen=True, eq=False)
class EquivalentCoefficients:
    """Coefficients of both equivalents after each layer, the input first.

    Parameters
    ----------
    alpha : ndarray of shape (n_layers + 1, 4)
        a1 to a4 of the conjugate kernel.
    beta : ndarray of shape (n_layers + 1, 3)
        b1 to b3 of the neural tangent kernel.
    tau, kappa : ndarray of shape (n_layers + 1,)
        Roots of the kernels' diagonals. kappa is infinite after a step.
    """

    alpha: FloatArray
    beta: FloatArray
    tau: FloatArray
    kappa: FloatArray


def equivalent_coefficients(
    activations: Sequence[Any], tau0: float = 1.0
) -> EquivalentCoefficients:
    """Compute the coefficients of the equivalents, layer by layer.

    Parameters
    ----------
    activations : sequence of str, callable, Activation or StepActivation
        The activation of each layer.
    tau0 : float, default=1.0
        Deviation of the inputs.

    Returns
    -------
    EquivalentCoefficients

    Raises
    ------
    ValueError
        If `tau0` is not positive and finite.

    Notes
    -----
    With old values on the right: ``a1 = m1^2 a1``, ``a2 = m1^2 a2 + m2^2 a4^2 / 4``,
    ``a3 = m1^2 a3 + m2^2 a1^2 / 2``, ``a4 = (f / 2) a4``; with new alpha and old beta
    ``b1 = a1 + m1^2 b1``, ``b2 = a2 + m1^2 b2``, ``b3 = a3 + m1^2 b3 + m2^2 a1_old
    b1_old``, and ``kappa^2 = tau^2 + kappa_old^2 E sigma'^2``. These are Gu et al.,
    NeurIPS 2022 (arXiv 2403.00258), Theorems 1 and 2, corrected: the proceedings'
    recursion for beta and the index in kappa are misprints.

    Examples
    --------
    >>> from sklearn_lossless.theory import equivalent_coefficients
    >>> equivalent_coefficients(["relu"]).alpha[1].round(4)
    array([0.25  , 0.0398, 0.0796, 0.3408])
    """
    tau0 = check_tau(tau0, "tau0")
    moments, tau = [], [tau0]
    for activation in activations:
        moments.append(gaussian_moments(activation, tau[-1]))
        tau.append(moments[-1].tau)
    alpha = alpha_recursion(moments)
    beta, kappa_sq = [np.array([1.0, 0.0, 0.0])], [tau0**2]
    for m, old, new in zip(moments, alpha[:-1], alpha[1:], strict=True):
        last = m.m2**2 * old[0] * beta[-1][0]
        beta.append(new[:3] + m.m1**2 * beta[-1] + np.array([0.0, 0.0, last]))
        kappa_sq.append(m.tau**2 + kappa_sq[-1] * m.derivative_sq)
    return EquivalentCoefficients(
        alpha, np.array(beta), np.array(tau), np.sqrt(kappa_sq)
    )


def alpha_recursion(moments: Sequence[GaussianMoments]) -> FloatArray:
    """Return (a1, a2, a3, a4) after each layer, the input first.

    Parameters
    ----------
    moments : sequence of GaussianMoments
        Those of each layer's activation at its input deviation.

    Returns
    -------
    ndarray of shape (n_layers + 1, 4)
        See :func:`equivalent_coefficients`.
    """
    rows = [np.array([1.0, 0.0, 0.0, 1.0])]
    for m in moments:
        a1, a2, a3, a4 = rows[-1]
        p, q = m.m1**2, m.m2**2
        rows.append(
            np.array(
                [p * a1, p * a2 + q * a4**2 / 4, p * a3 + q * a1**2 / 2, m.f / 2 * a4]
            )
        )
    return np.array(rows)


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
        Covariances: matrices, vectors (diagonals) or numbers (times the identity).
        None: ``tr(S_a S_b)`` is estimated without bias from products of different
        samples, without any matrix of the size of the features.

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
    X = np.asarray(X, dtype=np.float64)
    classes, labels = np.unique(y, return_inverse=True)
    if X.ndim != 2 or labels.shape != (len(X),):
        raise ValueError(
            f"X must be a matrix and y a vector with one label per row, got shapes "
            f"{X.shape} and {labels.shape}."
        )
    if not np.isfinite(X).all():
        raise ValueError("X has values that are not finite.")
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
        means, estimated = np.asarray(means, dtype=np.float64), False
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
        if len(covariances) != len(classes):
            raise ValueError(
                f"got {len(covariances)} covariances for {len(classes)} classes."
            )
        S = [_covariance(each, X.shape[1]) for each in covariances]
        traces = np.array([_trace(each, None) for each in S])
        overlap = np.array([[_trace(a, b) for b in S] for a in S])
    mean_trace = counts @ traces / counts.sum()
    return MixtureStatistics(
        math.sqrt(mean_trace),
        norms - mean_trace,
        overlap,
        labels.astype(np.intp),
        X.shape[1],
    )


def equivalent_ck(
    X: npt.ArrayLike,
    activations: Sequence[Any],
    statistics: MixtureStatistics | None = None,
) -> FloatArray:
    """Compute the random-matrix equivalent of the conjugate kernel.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Samples, centred.
    activations : sequence of str, callable, Activation or StepActivation
        The activation of each layer.
    statistics : MixtureStatistics or None, default=None
        From :func:`mixture_statistics`. None: the form that needs no classes.

    Returns
    -------
    ndarray of shape (n_samples, n_samples)

    Notes
    -----
    With classes: ``a1 G + a2 r r' + a3 T_ab + (tau^2 - tau0^2 a1) I``, where G = X X',
    r is :attr:`MixtureStatistics.norm_deviation` and T_ab the overlap of the samples'
    classes. Without: ``a1 G + a2 g g' + a3 G*G + (tau^2 - tau0^2 a1 - tau0^4 a3) I``, g
    the deviation of G's diagonal from its mean and * elementwise; at finite dimension
    it is the closer one. Gu et al., NeurIPS 2022 (arXiv 2403.00258), Theorem 1, without
    the term ``tau0^4 a3`` that the proceedings also subtract in the form with classes,
    whose diagonal does not hold it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_lossless.theory import conjugate_kernel, equivalent_ck
    >>> X = np.random.default_rng(0).normal(size=(300, 600)) / 600**0.5
    >>> error = equivalent_ck(X, ["relu"]) - conjugate_kernel(X, ["relu"])
    >>> bool(np.abs(error).max() < 0.02)
    True
    """
    return _equivalent(X, activations, statistics, tangent=False)


def equivalent_ntk(
    X: npt.ArrayLike,
    activations: Sequence[Any],
    statistics: MixtureStatistics | None = None,
) -> FloatArray:
    """Compute the random-matrix equivalent of the neural tangent kernel.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Samples, centred.
    activations : sequence of str, callable or Activation
        The activation of each layer, no steps.
    statistics : MixtureStatistics or None, default=None
        From :func:`mixture_statistics`. None: the form that needs no classes.

    Returns
    -------
    ndarray of shape (n_samples, n_samples)
        As :func:`equivalent_ck`, with beta and kappa in place of alpha and tau: Gu et
        al., NeurIPS 2022 (arXiv 2403.00258), Theorem 2, corrected.

    Raises
    ------
    ValueError
        If an activation is a step, whose diagonal is infinite.
    """
    return _equivalent(X, activations, statistics, tangent=True)


def _equivalent(
    X: npt.ArrayLike,
    activations: Sequence[Any],
    statistics: MixtureStatistics | None,
    *,
    tangent: bool,
) -> FloatArray:
    X = np.asarray(X, dtype=np.float64)
    if X.ndim != 2 or 0 in X.shape:
        raise ValueError(f"X must be a matrix, got shape {X.shape}.")
    G = X @ X.T
    square_norms = np.diagonal(G).copy()
    tau0 = math.sqrt(square_norms.mean()) if statistics is None else statistics.tau0
    found = equivalent_coefficients(activations, tau0)
    if tangent:
        c1, c2, c3 = found.beta[-1]
        diagonal = found.kappa[-1] ** 2
    else:
        c1, c2, c3, _ = found.alpha[-1]
        diagonal = found.tau[-1] ** 2
    if not math.isfinite(diagonal):
        raise ValueError(
            "the neural tangent kernel does not exist for steps: E sigma'(u)^2 is "
            "infinite; ask for the conjugate kernel."
        )
    diagonal -= tau0**2 * c1
    if statistics is None:
        r = square_norms - square_norms.mean()
        quadratic = G * G
        diagonal -= tau0**4 * c3
    else:
        expected = len(statistics.labels), statistics.n_features
        if expected != X.shape:
            raise ValueError(
                f"X must be the samples that the statistics are of, of shape "
                f"{expected}, got shape {X.shape}."
            )
        r = statistics.norm_deviation
        quadratic = statistics.overlap[np.ix_(statistics.labels, statistics.labels)]
    K = c1 * G + c2 * np.outer(r, r) + c3 * quadratic
    K[np.diag_indices_from(K)] += diagonal
    return K


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
        If the matrices are not square, symmetric and of one shape.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_lossless.theory import compare_spectra
    >>> compare_spectra(np.diag([3.0, 1.0]), np.diag([2.0, 1.0]), 1).cosines
    array([1.])
    """
    A, B = _pair(A, B)
    if not 0 < n_eigenvectors <= len(A):
        raise ValueError(
            f"n_eigenvectors must be 1 to {len(A)}, got {n_eigenvectors!r}."
        )
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
    A, B = np.asarray(A, dtype=np.float64), np.asarray(B, dtype=np.float64)
    if A.ndim != 2 or A.shape[0] != A.shape[1] or A.shape != B.shape or not A.size:
        raise ValueError(
            f"A and B must be square and of one shape, got {A.shape} and {B.shape}."
        )
    probe = np.random.default_rng(0).standard_normal(len(A))
    for name, matrix in (("A", A), ("B", B)):
        if not np.isfinite(matrix).all():
            raise ValueError(f"{name} has values that are not finite.")
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
    operator = LinearOperator(A.shape, matvec=lambda v: A @ v, dtype=np.float64)
    value = eigsh(
        operator, 1, which="LM", v0=start, tol=1e-6, return_eigenvectors=False
    )
    return float(np.abs(value[0]))


def _estimated_overlap(
    centred: FloatArray,
    labels: npt.NDArray[np.intp],
    counts: npt.NDArray[np.intp],
    freedom: npt.NDArray[np.intp],
) -> FloatArray:
    """Mean square of the products of different samples, class by class."""
    squares = np.square(centred @ centred.T)
    np.fill_diagonal(squares, 0)
    members = labels[:, np.newaxis] == np.arange(len(counts))
    sums = members.T @ squares @ members
    pairs = np.outer(freedom, freedom).astype(np.float64)
    np.fill_diagonal(pairs, counts * (counts - 1.0) * (freedom / counts) ** 2)
    return sums / pairs


def _covariance(S: npt.ArrayLike, n_features: int) -> FloatArray:
    """Return a covariance as a vector or a matrix, or say what is wrong with it."""
    S = np.asarray(S, dtype=np.float64)
    if S.ndim == 0:
        S = np.full(n_features, float(S))
    if S.shape not in ((n_features,), (n_features, n_features)):
        raise ValueError(
            f"a covariance must be a number, a vector of {n_features} or a square "
            f"matrix of that size, got shape {S.shape}."
        )
    if not np.isfinite(S).all():
        raise ValueError("a covariance has values that are not finite.")
    if S.ndim == 2 and not np.allclose(S, S.T, rtol=1e-8, atol=1e-12 * np.abs(S).max()):
        raise ValueError("a covariance matrix must be symmetric.")
    least = S.min() if S.ndim == 1 else np.linalg.eigvalsh(S)[0]
    if least < -1e-10 * np.abs(S).max():
        raise ValueError(
            f"a covariance must be positive semidefinite, its least eigenvalue is "
            f"{least:.3g}."
        )
    return S


def _trace(A: FloatArray, B: FloatArray | None) -> float:
    """Return tr(A), or tr(A B)."""
    if B is None:
        return float(A.sum() if A.ndim == 1 else np.trace(A))
    if A.ndim == B.ndim:
        return float((A * B).sum())
    diagonals = [each if each.ndim == 1 else np.diagonal(each) for each in (A, B)]
    return float(diagonals[0] @ diagonals[1])
