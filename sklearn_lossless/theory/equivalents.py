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

from .._printing import short_repr
from ._checks import activation_list, check_count, check_memory, matrix, no_slope
from .activations import GaussianMoments, check_tau, gaussian_moments, get_activation
from .mixtures import MixtureStatistics

__all__ = [
    "EquivalentCoefficients",
    "alpha_recursion",
    "equivalent_ck",
    "equivalent_coefficients",
    "equivalent_ntk",
]

FloatArray = npt.NDArray[np.float64]

#: Entries of a block of rows.
_BLOCK_SIZE = 2**20


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

    __repr__ = short_repr

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
    TypeError
        If `activations` is no sequence.

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
    for activation in activation_list(activations):
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


def equivalent_ck(
    X: npt.ArrayLike,
    activations: Sequence[Any],
    statistics: MixtureStatistics | None = None,
    *,
    n_nonzeros: int | None = None,
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
    n_nonzeros : int or None, default=None
        Nonzero weights of each neuron of the first layer, of networks with that many
        ternary ones, as :class:`sklearn_lossless.NTKCompressor` draws them. None:
        Gaussian weights.

    Returns
    -------
    ndarray of shape (n_samples, n_samples)

    Raises
    ------
    ValueError
        If `X` is not a finite matrix, is not what the statistics are of, has too many
        samples for this machine, or `n_nonzeros` is not one of 1 to n_features.
    TypeError
        If `activations` is no sequence, or `statistics` are no such ones.

    Notes
    -----
    With classes: ``a1 G + a2 r r' + a3 T_ab + (tau^2 - tau0^2 a1) I``, where G = X X',
    r is :attr:`MixtureStatistics.norm_deviation` and T_ab the overlap of the samples'
    classes. Without: ``a1 G + a2 g g' + a3 G*G + (tau^2 - tau0^2 a1 - tau0^4 a3) I``, g
    the deviation of G's diagonal from its mean and * elementwise; at finite dimension
    it is the closer one. Gu et al., NeurIPS 2022 (arXiv 2403.00258), Theorem 1, without
    the term ``tau0^4 a3`` that the proceedings also subtract in the form with classes,
    whose diagonal does not hold it.

    The theorem lets the weights have any fourth moment, but these do enter: the kernel
    of the first layer has the term ``m2^2 / 4 sum_kl cum(w_k, w_k, w_l, w_l) x_k^2
    y_l^2``, of the order of those in a2 and a3, which later layers pass on by their
    m1^2. For a fixed number of nonzero weights it is close to ``-a3 tr(S_a) tr(S_b)``
    at any sparsity: the length of such weights does not fluctuate. That is nearly a
    constant, which an intercept takes up. It is ours, not the paper's; with
    `n_nonzeros` it is added.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_lossless.theory import conjugate_kernel, equivalent_ck
    >>> X = np.random.default_rng(0).normal(size=(300, 600)) / 600**0.5
    >>> error = equivalent_ck(X, ["relu"]) - conjugate_kernel(X, ["relu"])
    >>> bool(np.abs(error).max() < 0.02)
    True
    """
    return _equivalent(X, activations, statistics, n_nonzeros, tangent=False)


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
    ValueError, TypeError
        As :func:`equivalent_ck`, and if an activation is a step, whose diagonal is
        infinite.
    """
    return _equivalent(X, activations, statistics, None, tangent=True)


def _equivalent(
    X: npt.ArrayLike,
    activations: Sequence[Any],
    statistics: MixtureStatistics | None,
    n_nonzeros: int | None,
    *,
    tangent: bool,
) -> FloatArray:
    X = matrix(X, "X")
    layers = activation_list(activations)
    check_memory(len(X), len(X))
    square_norms = np.einsum("ij,ij->i", X, X)
    tau0 = math.sqrt(square_norms.mean())
    if statistics is not None:
        _check_statistics(statistics, X)
        tau0 = statistics.tau0
    found = equivalent_coefficients(layers, tau0)
    if tangent:
        c1, c2, c3 = found.beta[-1]
        diagonal = found.kappa[-1] ** 2
    else:
        c1, c2, c3, _ = found.alpha[-1]
        diagonal = found.tau[-1] ** 2
    if not math.isfinite(diagonal):
        first = int(np.argmin(np.isfinite(found.kappa))) - 1
        raise no_slope(get_activation(layers[first]).name)
    diagonal -= tau0**2 * c1
    if statistics is None:
        r = square_norms - square_norms.mean()
        diagonal -= tau0**4 * c3
    else:
        r = statistics.norm_deviation
    squares = None
    if n_nonzeros is not None:
        single, pair = _fourth_cumulants(X.shape[1], n_nonzeros)
        squares = X**2
        # The second derivative of the first layer, slopes of the others.
        factors = [gaussian_moments(layers[0], tau0).m2]
        for activation, tau in zip(layers[1:], found.tau[1:-1], strict=True):
            factors.append(gaussian_moments(activation, tau).m1)
        weight = math.prod(factors) ** 2 / 4
    K = np.empty((len(X), len(X)))
    n_rows = max(1, _BLOCK_SIZE // len(X))
    for start in range(0, len(X), n_rows):
        rows = slice(start, start + n_rows)
        G = X[rows] @ X.T
        K[rows] = c1 * G + c2 * np.outer(r[rows], r)
        if statistics is None:
            K[rows] += c3 * G**2
        else:
            labels = statistics.labels
            K[rows] += c3 * statistics.overlap[np.ix_(labels[rows], labels)]
        if squares is not None:
            norms = np.outer(square_norms[rows], square_norms)
            K[rows] += weight * single * (squares[rows] @ squares.T)
            K[rows] += weight * pair * (norms + 2 * G**2)
    K[np.diag_indices_from(K)] += diagonal
    return K


def _check_statistics(statistics: Any, X: FloatArray) -> None:
    if not isinstance(statistics, MixtureStatistics):
        raise TypeError(
            "statistics must be what mixture_statistics returns, got "
            f"{type(statistics).__name__}."
        )
    expected = len(statistics.labels), statistics.n_features
    if expected != X.shape:
        raise ValueError(
            f"X must be the samples that the statistics are of, of shape "
            f"{expected}, got shape {X.shape}."
        )


def _fourth_cumulants(n_inputs: int, n_nonzeros: Any) -> tuple[float, float]:
    """Return how weights in fixed number, +-sqrt(p / k), differ from Gaussian ones.

    With ``c = E w_i^2 w_j^2 - 1``: ``E w_i^4 - 3 - 3 c``, which multiplies sums over
    one weight, and c, which multiplies those over pairs.
    """
    check_count("n_nonzeros", n_nonzeros, 1, n_inputs)
    p, k = n_inputs, int(n_nonzeros)
    pair = p * (k - 1) / (k * (p - 1)) - 1 if p > 1 else 0.0
    return p / k - 3 - 3 * pair, pair
