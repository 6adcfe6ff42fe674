"""Exact conjugate and neural tangent kernels of fully connected networks on data.

A network of L layers maps ``z_0 = x`` to ``z_l = (sigma_l(W_l z_(l-1)) - c_l) /
sqrt(d_l)`` with independent standard weights and ``c_l = E sigma_l(tau_(l-1) xi)``.
Rows of X are samples, taken as they are: the theory wants them centred and scaled so
that their mean squared norm is 1, as the estimators do.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import effective_n_jobs

from ._checks import activation_list, check_memory, input_deviation, matrix
from ._duals import Dual, Side, get_dual
from .activations import gaussian_moments, get_activation

__all__ = [
    "conjugate_kernel",
    "neural_tangent_kernel",
]

FloatArray = npt.NDArray[np.float64]

#: Entries of a block of rows; temporaries are a few times as large.
_BLOCK_SIZE = 2**19


def conjugate_kernel(
    X: npt.ArrayLike,
    activations: Sequence[Any],
    Y: npt.ArrayLike | None = None,
    *,
    tau0: float | None = None,
    n_jobs: int | None = None,
) -> FloatArray:
    """Compute the conjugate kernel of an infinitely wide network.

    ``K_0 = X Y'`` and ``K_l = E (sigma_l(u) - c_l)(sigma_l(v) - c_l)``, (u, v) Gaussian
    with the covariance of K_(l-1).

    Parameters
    ----------
    X : array-like of shape (n_samples_X, n_features)
        Samples.
    activations : sequence of str, callable, Activation or StepActivation
        The activation of each layer.
    Y : array-like of shape (n_samples_Y, n_features), default=None
        Other samples; None: `X`.
    tau0 : float or None, default=None
        Deviation of the inputs by which the centres c_l are computed. None: the root
        mean squared norm of `X`.
    n_jobs : int or None, default=None
        Threads, as in joblib. The result does not depend on it.

    Returns
    -------
    ndarray of shape (n_samples_X, n_samples_Y), dtype float64
        In closed form for relu, leaky_relu, erf, identity, abs, sin, cos, exp, sign
        and quadratic, by series for other activations, with an error below 1e-8 of the
        largest entry.

    Raises
    ------
    ValueError
        If `X` or `Y` is not a finite matrix, they differ in features, a sample is
        zero, or the result does not fit into the memory of this machine.
    TypeError
        If `activations` is no sequence.

    Notes
    -----
    Kinks and jumps of functions are looked for where inputs fall, up to 40 `tau0`, and
    taken out of the series in closed form. Errors are larger than the above for

    - functions that change within less than half a deviation of their inputs, beside
      their kinks: 1e-6 to 1e-3, growing with the correlation;
    - functions with more than 64 kinks: the same;
    - functions with an infinite slope: the same;
    - features of functions that are narrower than a thirtieth of a deviation: they
      fall between the nodes of the quadrature;
    - steps in layers after the first, at equal samples that are different rows: the
      kernel of a step has infinite slope there.

    References
    ----------
    Gu et al., NeurIPS 2022 (arXiv 2403.00258), equation 4; closed forms by Cho and
    Saul 2009 and Williams 1996.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_lossless.theory import conjugate_kernel
    >>> conjugate_kernel(np.eye(2), ["relu"]).round(6)
    array([[0.340845, 0.      ],
           [0.      , 0.340845]])
    """
    return _kernel(X, activations, Y, tau0, n_jobs, tangent=False)


def neural_tangent_kernel(
    X: npt.ArrayLike,
    activations: Sequence[Any],
    Y: npt.ArrayLike | None = None,
    *,
    tau0: float | None = None,
    n_jobs: int | None = None,
) -> FloatArray:
    """Compute the neural tangent kernel of an infinitely wide network.

    ``T_0 = X Y'`` and ``T_l = K_l + T_(l-1) * E sigma_l'(u) sigma_l'(v)`` elementwise,
    with K and (u, v) as in :func:`conjugate_kernel`.

    Parameters
    ----------
    X : array-like of shape (n_samples_X, n_features)
        Samples.
    activations : sequence of str, callable or Activation
        The activation of each layer. Steps have no neural tangent kernel: the second
        moment of their derivative is infinite.
    Y : array-like of shape (n_samples_Y, n_features), default=None
        Other samples; None: `X`.
    tau0 : float or None, default=None
        As in :func:`conjugate_kernel`.
    n_jobs : int or None, default=None
        Threads, as in joblib.

    Returns
    -------
    ndarray of shape (n_samples_X, n_samples_Y), dtype float64
        As :func:`conjugate_kernel`; of series the error is below 1e-8 of the largest
        entry for smooth activations, and below 1e-7 for those with kinks at
        correlations above 0.9 (1e-5 for equal samples in different rows, after the
        first layer).

    Raises
    ------
    ValueError, TypeError
        As :func:`conjugate_kernel`, and if an activation is a step.

    References
    ----------
    Gu et al., NeurIPS 2022 (arXiv 2403.00258), equation 6; Jacot, Gabriel, Hongler,
    NeurIPS 2018, Theorem 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_lossless.theory import neural_tangent_kernel
    >>> neural_tangent_kernel(np.eye(2), ["relu"]).round(6)
    array([[0.840845, 0.      ],
           [0.      , 0.840845]])
    """
    return _kernel(X, activations, Y, tau0, n_jobs, tangent=True)


def _kernel(
    X: npt.ArrayLike,
    activations: Sequence[Any],
    Y: npt.ArrayLike | None,
    tau0: float | None,
    n_jobs: int | None,
    *,
    tangent: bool,
) -> FloatArray:
    layers = activation_list(activations)
    X = matrix(X, "X")
    Y = X if Y is None else matrix(Y, "Y")
    if X.shape[1] != Y.shape[1]:
        raise ValueError(f"X has {X.shape[1]} features, Y has {Y.shape[1]}.")
    check_memory(len(X), len(Y))
    tau = input_deviation(X, tau0)
    duals, centres = [], []
    for number, activation in enumerate(layers, 1):
        moments = gaussian_moments(activation, tau)
        if not moments.tau > 0:
            raise ValueError(
                f"activation {get_activation(activation).name!r} of layer {number} is "
                "constant on its inputs, so that its kernel is zero."
            )
        centres.append(moments.mean)
        duals.append(get_dual(activation, tau))
        tau = moments.tau
    if tangent:
        for dual in duals:
            dual.slope_square(np.ones(1))  # raises for steps, before any work
    left, diagonal = _sides(X, duals, centres, tangent)
    right, _ = (left, None) if Y is X else _sides(Y, duals, centres, tangent)

    out = np.empty((len(X), len(Y)))
    n_rows = max(1, _BLOCK_SIZE // max(1, len(Y)))

    def run(start: int) -> None:
        rows = slice(start, start + n_rows)
        k = X[rows] @ Y.T
        theta = k.copy()
        for dual, centre, x, y in zip(duals, centres, left, right, strict=True):
            x = x.rows(rows)
            slope = dual.slope(k, x, y) if tangent else None
            k = dual.product(k, x, y)
            k -= centre * (x.mean[:, np.newaxis] + y.mean) - centre**2
            if slope is not None:
                theta = k + theta * slope
        out[rows] = theta if tangent else k

    starts = range(0, len(X), n_rows)
    with ThreadPoolExecutor(effective_n_jobs(n_jobs)) as pool:
        for _ in pool.map(run, starts):
            pass
    if Y is X:
        # Exact, where a series would be cut off.
        np.fill_diagonal(out, diagonal)
        _symmetrise(out, n_rows)
    return out


def _symmetrise(K: FloatArray, n_rows: int) -> None:
    """Products of blocks are the same either way round but for rounding: average."""
    for start in range(0, len(K), n_rows):
        rows = slice(start, start + n_rows)
        K[rows, start:] += K[start:, rows].T
        K[rows, start:] /= 2
        K[start:, rows] = K[rows, start:].T


def _sides(
    X: FloatArray, duals: list[Dual], centres: list[float], tangent: bool
) -> tuple[list[Side], FloatArray]:
    """Return what the duals need of the samples, layer by layer, and the diagonal."""
    variance = np.einsum("ij,ij->i", X, X)
    if np.any(variance == 0):
        raise ValueError(
            f"sample {int(np.argmin(variance))} is zero, so it has no correlation with "
            "the others; expected samples with a positive norm."
        )
    sides, theta = [], variance
    for dual, centre in zip(duals, centres, strict=True):
        side = dual.side(variance)
        sides.append(side)
        slope = dual.slope_square(variance) if tangent else None
        variance = dual.square(variance) - centre * (2 * side.mean - centre)
        theta = variance if slope is None else variance + theta * slope
    return sides, theta
