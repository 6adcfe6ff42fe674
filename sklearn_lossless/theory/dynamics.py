"""How wide networks learn: gradient descent under a fixed kernel.

Networks whose readout alone is trained learn under their conjugate kernel, at any
width; those whose layers are all trained learn, as they get wide, under the neural
tangent kernel. Targets are numbers; for classes see :func:`class_targets`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg

from ._checks import check_count, check_memory, matrix, real_array
from ._krylov import EquivalentKernel, krylov_space
from .learning_curves import FloatArray
from .learning_dynamics import LearningDynamics

__all__ = [
    "equivalent_dynamics",
    "kernel_dynamics",
    "readout_dynamics",
]

#: Asymmetry and negative eigenvalues that pass for rounding, over the largest entry
#: and eigenvalue: kernels from products in float32 have some 1e-7.
_ROUNDING = 1e-6

#: Singular values below this share of the largest are rounding.
_RANK = 1e-13

#: Rows of features that are multiplied at once.
_BLOCK_ROWS = 8192


def kernel_dynamics(
    K: npt.ArrayLike,
    y: npt.ArrayLike,
    K_test: npt.ArrayLike | None = None,
    y_test: npt.ArrayLike | None = None,
    *,
    initial: npt.ArrayLike | None = None,
    initial_test: npt.ArrayLike | None = None,
) -> LearningDynamics:
    """Decompose gradient descent under a kernel matrix.

    Parameters
    ----------
    K : array-like of shape (n_samples, n_samples)
        Kernel of the training samples, symmetric and positive semidefinite.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Targets.
    K_test : array-like of shape (n_test, n_samples), default=None
        Kernel of test and training samples.
    y_test : array-like of shape (n_test,) or (n_test, n_targets), default=None
        Their targets.
    initial, initial_test : array-like as y and y_test, default=None
        Outputs before training. None: zero, as in the mean over random networks.

    Returns
    -------
    LearningDynamics
        Time ``O(n^3)`` and memory ``O(n^2)``.

    Raises
    ------
    ValueError
        If `K` is not symmetric, has negative eigenvalues beyond rounding or is zero,
        something is not finite, or shapes do not fit together.

    References
    ----------
    Jacot, Gabriel, Hongler, NeurIPS 2018, section 5; Lee et al., NeurIPS 2019,
    equations 8 and 9.

    Examples
    --------
    A mode of eigenvalue 2 among two samples falls as exp(-2 t / 2):

    >>> import numpy as np
    >>> from sklearn_lossless.theory import kernel_dynamics
    >>> dynamics = kernel_dynamics(np.diag([2.0, 1.0]), [1.0, 0.0])
    >>> dynamics.curve([0, 1]).train
    array([0.5       , 0.06766764])
    >>> dynamics.max_step_size
    2.0
    """
    K = matrix(K, "K")
    n = len(K)
    if K.shape != (n, n):
        raise ValueError(f"K must be square, got shape {K.shape}.")
    check_memory(n, n, 3)
    if np.abs(K - K.T).max() > _ROUNDING * np.abs(K).max():
        raise ValueError("K must be symmetric.")
    residual = _residual(y, initial, n, "")
    values, vectors = linalg.eigh(K, driver="evd", check_finite=False)
    values, vectors = _semidefinite(values)[::-1], vectors[:, ::-1]
    found = LearningDynamics(
        n, values, vectors.T @ residual, np.zeros(residual.shape[1]), vectors
    )
    test = _test_pair(K_test, y_test, initial_test, "K_test", found)
    return found if test is None else _with_test(found, *test)


def readout_dynamics(
    Z: npt.ArrayLike,
    y: npt.ArrayLike,
    Z_test: npt.ArrayLike | None = None,
    y_test: npt.ArrayLike | None = None,
) -> LearningDynamics:
    """Decompose gradient descent of a linear readout of given features.

    Parameters
    ----------
    Z : array-like of shape (n_samples, n_features)
        Features, centred, as of :meth:`sklearn_lossless.NTKCompressor.transform`: their
        products are the conjugate kernel.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Targets, centred (there is no intercept).
    Z_test : array-like of shape (n_test, n_features), default=None
        Features of test samples.
    y_test : array-like of shape (n_test,) or (n_test, n_targets), default=None
        Their targets.

    Returns
    -------
    LearningDynamics
        From zero weights, in time ``O(n d^2)`` and memory ``O(d^2)`` beside the
        features, d the smaller one of n_samples and n_features. Its weights are
        ``Q phi_t(L) Q' Z' y`` with ``Z'Z = Q L Q'``.

    Raises
    ------
    ValueError
        If something is not finite, shapes do not fit together, or all features are 0.

    References
    ----------
    Ali, Kolter, Tibshirani, AISTATS 2019, equation 5.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_lossless import NTKCompressor
    >>> from sklearn_lossless.theory import class_targets, readout_dynamics
    >>> X, y = load_digits(return_X_y=True)
    >>> Z = NTKCompressor((400,), random_state=0).fit_transform(X)
    >>> dynamics = readout_dynamics(Z - Z.mean(axis=0), class_targets(y))
    >>> dynamics.curve([0, 1e6]).train.round(3)
    array([0.09 , 0.009])
    """
    Z = matrix(Z, "Z")
    n, n_features = Z.shape
    residual = _residual(y, None, n, "")
    gram = _gram(Z) if n_features <= n else Z @ Z.T
    values, vectors = linalg.eigh(gram, driver="evd", check_finite=False)
    if not values[-1] > 0:
        raise ValueError("Z is zero: nothing is learned.")
    kept = np.flatnonzero(values > _RANK * values[-1])[::-1]
    values, vectors = values[kept], vectors[:, kept]
    if n_features <= n:
        basis = vectors * np.sqrt(values)
        projections = (vectors.T @ (Z.T @ residual)) / np.sqrt(values)[:, np.newaxis]
    else:
        basis, projections = Z.T @ vectors, vectors.T @ residual
    rest = np.sum(residual**2, axis=0) - np.sum(projections**2, axis=0)
    found = LearningDynamics(n, values, projections, np.maximum(rest, 0.0), basis)
    test = _test_pair(Z_test, y_test, None, "Z_test", found)
    return found if test is None else _with_test(found, *test)


def equivalent_dynamics(
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    activations: Sequence[Any],
    X_test: npt.ArrayLike | None = None,
    y_test: npt.ArrayLike | None = None,
    *,
    kernel: str = "ntk",
    max_rank: int = 400,
    tol: float = 1e-6,
    n_probes: int = 0,
) -> LearningDynamics:
    """Decompose gradient descent under the equivalent of a kernel, never n x n.

    The equivalent is a multiple of the identity and some matrices of low rank, so that
    few products with it tell how it acts on the targets, at all times.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Samples, centred, with mean squared norm 1 or so.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Targets.
    activations : sequence of str, callable, Activation or StepActivation
        The activation of each layer; steps have no neural tangent kernel.
    X_test : array-like of shape (n_test, n_features), default=None
        Test samples, moved and scaled as `X`.
    y_test : array-like of shape (n_test,) or (n_test, n_targets), default=None
        Their targets.
    kernel : {"ntk", "ck"}, default="ntk"
        Whether all layers learn, or the readout only.
    max_rank : int, default=400
        Modes at most, in all. Each takes 8 bytes a sample.
    tol : float, default=1e-6
        Modes are added until the outputs' change, over six decades of time, is below
        this share of the targets' size.
    n_probes : int, default=0
        Random vectors by which effects of label noise and degrees of freedom are
        estimated, to some per cent; each costs as much as a target. 0: neither.

    Returns
    -------
    LearningDynamics
        With r modes in time ``O(n r (min(n, p^2) + r))`` and memory ``O(n r)``.

    Raises
    ------
    ValueError
        If something is not finite, shapes do not fit together, a parameter is out of
        range, or an activation has no such kernel.
    TypeError
        If `activations` is no sequence.

    Warns
    -----
    RuntimeWarning
        If `max_rank` modes are not enough for `tol`.

    Notes
    -----
    The kernel is that of :func:`equivalent_ntk` or :func:`equivalent_ck` without
    classes (Gu et al., NeurIPS 2022, arXiv 2403.00258, Theorems 1 and 2): ``c1 G + c2 g
    g' + c3 G*G + c I``. Products with ``G*G`` are ``(G*G) v = diag(X (X' diag(v) X)
    X')``. From products alone, block Lanczos iterations make an orthonormal basis V of
    what the kernel makes of the targets, and ``phi(K) y = V phi(V'KV) V'y``: Golub and
    Van Loan, Matrix Computations, section 10.1; Saad, SIAM J. Numer. Anal. 1992,
    equation 3. Probes are Rademacher vectors: Hutchinson, Commun. Stat. 1990.

    Examples
    --------
    >>> from sklearn_lossless.datasets import make_gaussian_mixture
    >>> from sklearn_lossless.theory import equivalent_dynamics
    >>> mixture = make_gaussian_mixture("means", 2000, 100, random_state=0)
    >>> X, y = mixture.data - mixture.data.mean(axis=0), 2.0 * mixture.target - 1
    >>> dynamics = equivalent_dynamics(X, y, ["relu"])
    >>> len(dynamics.eigenvalues) < 100
    True
    >>> dynamics.curve([0, 1e6]).train.round(3)
    array([1., 0.])
    """
    if kernel not in ("ntk", "ck"):
        raise ValueError(f"kernel must be 'ntk' or 'ck', got {kernel!r}.")
    check_count("max_rank", max_rank, 1)
    check_count("n_probes", n_probes, 0)
    operator = EquivalentKernel.of(X, activations, tangent=kernel == "ntk")
    n = len(operator.X)
    residual = _residual(y, None, n, "")
    k = residual.shape[1]
    probes = np.random.default_rng(0).choice([-1.0, 1.0], (n, n_probes))
    space = krylov_space(operator, np.hstack([residual, probes]), max_rank, tol, k)
    values = _semidefinite(space.values)
    of_noise = space.projections[:, k:]
    found = LearningDynamics(
        n,
        values,
        space.projections[:, :k],
        np.zeros(k),
        space.vectors,
        noise_gram=of_noise @ of_noise.T / n_probes if n_probes else None,
        noise_is_exact=False,
        parts=space.parts,
    )
    test = _test_pair(X_test, y_test, None, "X_test", found, operator.X.shape[1])
    if test is None:
        return found
    return _with_test(found, operator.cross(test[0], space.vectors), test[1], True)


def _residual(y: Any, initial: Any, n: int, suffix: str) -> FloatArray:
    """Return targets less first outputs, as a matrix."""
    Y = real_array(y, f"y{suffix}")
    if Y.ndim not in (1, 2) or len(Y) != n or 0 in Y.shape:
        raise ValueError(
            f"y{suffix} must have one number or one row of numbers for each of the {n} "
            f"samples, got shape {Y.shape}."
        )
    if initial is not None:
        start = real_array(initial, f"initial{suffix}")
        if start.shape != Y.shape:
            raise ValueError(
                f"initial{suffix} must have the shape of y{suffix}, {Y.shape}, got "
                f"{start.shape}."
            )
        Y = Y - start
    return Y.reshape(n, -1)


def _test_pair(
    given: Any,
    y: Any,
    initial: Any,
    name: str,
    found: LearningDynamics,
    n_columns: int | None = None,
) -> tuple[FloatArray, FloatArray] | None:
    """Return what test samples are known by, and their targets less first outputs."""
    if (given is None) != (y is None):
        raise ValueError(f"{name} and y_test must be given together.")
    if given is None:
        return None
    rows = matrix(given, name)
    expected = len(found.basis) if n_columns is None else n_columns
    if rows.shape[1] != expected:
        raise ValueError(f"{name} must have {expected} columns, got {rows.shape[1]}.")
    residual = _residual(y, initial, len(rows), "_test")
    if residual.shape[1] != len(found.rest):
        raise ValueError(
            f"y_test must have as many targets as y, {len(found.rest)}, got "
            f"{residual.shape[1]}."
        )
    return rows, residual


def _with_test(
    found: LearningDynamics, rows: FloatArray, residual: FloatArray, done: bool = False
) -> LearningDynamics:
    """Return the dynamics with test samples, `done` if rows are of modes already."""
    n_modes, n_targets = found.projections.shape
    gram, cross = np.zeros((n_modes, n_modes)), np.zeros((n_modes, n_targets))
    for start in range(0, len(rows), _BLOCK_ROWS):
        part = slice(start, start + _BLOCK_ROWS)
        P = rows[part] if done else rows[part] @ found.basis
        gram += P.T @ P
        cross += P.T @ residual[part]
    m = len(rows)
    square = np.sum(residual**2, axis=0) / m
    return replace(found, test_gram=gram / m, test_cross=cross / m, test_square=square)


def _gram(Z: FloatArray) -> FloatArray:
    gram = np.zeros((Z.shape[1], Z.shape[1]))
    for start in range(0, len(Z), _BLOCK_ROWS):
        part = Z[start : start + _BLOCK_ROWS]
        gram += part.T @ part
    return gram


def _semidefinite(values: FloatArray) -> FloatArray:
    """Return eigenvalues without negative ones that are rounding."""
    largest, least = values.max(), values.min()
    if not largest > 0:
        raise ValueError("the kernel is zero or negative: nothing is learned.")
    if least < -_ROUNDING * largest:
        raise ValueError(
            "the kernel must be positive semidefinite: its least eigenvalue is "
            f"{least:.3g}, its largest {largest:.3g}."
        )
    return np.maximum(values, 0.0)
