"""Products with equivalents, and what follows from them: block Lanczos iterations."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._checks import activation_list, check_number, matrix, no_slope
from .activations import get_activation
from .equivalents import equivalent_coefficients

__all__ = ["EquivalentKernel", "KrylovSpace", "krylov_space"]

FloatArray = npt.NDArray[np.float64]

#: Entries of a block of temporaries.
_BLOCK_SIZE = 2**21

#: Entries of a block of samples that stays in a cache.
_CACHE_SIZE = 2**16

#: Directions of a block below this share of its size are rounding.
_INDEPENDENT = 1e-10

#: Times at which outputs must not change any more, over that of the fastest mode.
_TIMES = np.logspace(-1, 5, 31)


@dataclass(frozen=True, eq=False)
class EquivalentKernel:
    """The equivalent ``c1 G + c2 g g' + c3 G*G + c I``, by its products only.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Samples.
    deviation : ndarray of shape (n_samples,)
        g: their squared norms less `mean_square`.
    mean_square : float
        Mean of the squared norms.
    coefficients : tuple of three float
        c1, c2 and c3.
    diagonal : float
        c.
    """

    X: FloatArray
    deviation: FloatArray
    mean_square: float
    coefficients: tuple[float, float, float]
    diagonal: float

    @classmethod
    def of(
        cls, X: npt.ArrayLike, activations: Sequence[Any], *, tangent: bool
    ) -> EquivalentKernel:
        """Return the equivalent of a network's kernel on samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples, centred.
        activations : sequence of str, callable, Activation or StepActivation
            Activation of each layer.
        tangent : bool
            Whether it is the neural tangent kernel, or the conjugate one.

        Returns
        -------
        EquivalentKernel
        """
        X, layers = matrix(X, "X"), activation_list(activations)
        norms = np.einsum("ij,ij->i", X, X)
        square = float(norms.mean())
        found = equivalent_coefficients(layers, math.sqrt(square))
        c1, c2, c3 = map(float, (found.beta if tangent else found.alpha)[-1, :3])
        whole = float((found.kappa if tangent else found.tau)[-1] ** 2)
        if not math.isfinite(whole):
            first = int(np.argmin(np.isfinite(found.kappa))) - 1
            raise no_slope(get_activation(layers[first]).name)
        rest = whole - square * c1 - square**2 * c3
        return cls(X, norms - square, square, (c1, c2, c3), rest)

    def product(self, V: FloatArray) -> FloatArray:
        """Return ``K V`` for V of shape (n_samples, n_vectors)."""
        return self.cross(self.X, V) + self.diagonal * V

    def cross(self, X: FloatArray, V: FloatArray) -> FloatArray:
        """Return the product of the kernel of other samples with these, and `V`.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)
        V : ndarray of shape (n_samples, n_vectors)

        Returns
        -------
        ndarray of shape (n_rows, n_vectors)
        """
        c1, c2, c3 = self.coefficients
        deviation = np.einsum("ij,ij->i", X, X) - self.mean_square
        out = c1 * (X @ (self.X.T @ V))
        out += c2 * np.outer(deviation, self.deviation @ V)
        if c3 == 0:
            return out
        n, p = self.X.shape
        if n < 2 * p * V.shape[1]:  # cheaper by blocks of the products themselves
            n_rows = max(1, _BLOCK_SIZE // n)
            for start in range(0, len(X), n_rows):
                rows = slice(start, start + n_rows)
                out[rows] += c3 * (np.square(X[rows] @ self.X.T) @ V)
            return out
        n_rows = max(1, _CACHE_SIZE // p)
        for column, v in enumerate(V.T):
            form = np.zeros((p, p))
            for start in range(0, n, n_rows):
                part = self.X[start : start + n_rows]
                form += part.T @ (v[start : start + n_rows, np.newaxis] * part)
            for start in range(0, len(X), n_rows):
                rows = slice(start, start + n_rows)
                squares = np.einsum("ij,ij->i", X[rows] @ form, X[rows])
                out[rows, column] += c3 * squares
        return out


class KrylovSpace(NamedTuple):
    """Approximate modes of a kernel, enough of them for some starting vectors.

    Attributes
    ----------
    values : ndarray of shape (n_modes,)
        Eigenvalues, largest first.
    vectors : ndarray of shape (n_samples, n_modes)
        Orthonormal.
    projections : ndarray of shape (n_modes, n_starts)
        Of the starting vectors.
    parts : ndarray of shape (n_modes, 4)
        Shares of the eigenvalues, as in `LearningModes`.
    """

    values: FloatArray
    vectors: FloatArray
    projections: FloatArray
    parts: FloatArray


def krylov_space(
    kernel: EquivalentKernel,
    starts: FloatArray,
    max_rank: int,
    tol: float,
    n_checked: int,
) -> KrylovSpace:
    """Return the modes of a kernel that some vectors are made of.

    Block Lanczos iterations with full reorthogonalisation: Golub and Van Loan, Matrix
    Computations, section 10.3.

    Parameters
    ----------
    kernel : EquivalentKernel
    starts : ndarray of shape (n_samples, n_starts)
    max_rank : int
        Modes at most.
    tol : float
        Blocks are added until outputs change by less than this.
    n_checked : int
        Starting vectors whose outputs are looked at, the first ones.

    Returns
    -------
    KrylovSpace
    """
    check_number("tol", tol)
    n = len(starts)
    max_rank = min(max_rank, n)
    sizes = np.sqrt(np.mean(starts**2, axis=0))
    scaled = starts / np.where(sizes > 0, sizes, 1.0)
    block = _independent(scaled, 1.0)[:, :max_rank]
    if not block.shape[1]:
        block = np.full((n, 1), n**-0.5)  # targets of zero: any vector serves
    basis, H = np.empty((n, 0)), np.empty((0, 0))
    last: FloatArray | None = None
    converged = False
    while True:
        image = kernel.product(block)
        size = np.abs(image).max() * math.sqrt(n)
        edge = basis.T @ image
        H = np.block([[H, edge], [edge.T, block.T @ image]])
        basis = np.hstack([basis, block])
        values, turn = np.linalg.eigh((H + H.T) / 2)
        now = _outputs(values, turn, basis, scaled[:, :n_checked])
        if last is not None:
            change = now - np.pad(last, [(0, 0), (0, len(H) - last.shape[1]), (0, 0)])
            # Its norm as a function, times that of the kernel's operator, bounds the
            # mean square of the change of the outputs.
            squares = np.sum(change * (H @ change), axis=1)
            bound = max(squares.max(), 0.0) * values[-1] / n
            converged = math.sqrt(bound) <= tol
        last = now
        room = max_rank - len(H)
        if converged or not room:
            break
        for _ in range(2):  # twice is enough
            image = image - basis @ (basis.T @ image)
        block = _independent(image, size)[:, :room]
        if not block.shape[1]:
            converged = True
            break
    if not converged and len(H) < n:
        warnings.warn(
            f"{len(H)} modes are not enough for a tolerance of {tol:g}; raise "
            "max_rank.",
            RuntimeWarning,
            stacklevel=3,
        )
    turn, values = turn[:, ::-1], values[::-1]
    vectors = basis @ turn
    return KrylovSpace(
        values, vectors, vectors.T @ starts, _parts(kernel, vectors, values)
    )


def _independent(block: FloatArray, size: float) -> FloatArray:
    """Return an orthonormal basis of the columns, without those that are rounding."""
    left, singular, _ = np.linalg.svd(block, full_matrices=False)
    bound = _INDEPENDENT * size * math.sqrt(len(block))
    return np.asarray(left[:, singular > bound])


def _outputs(
    values: FloatArray, turn: FloatArray, basis: FloatArray, starts: FloatArray
) -> FloatArray:
    """Return ``phi_t(K) y`` in the basis, at times that cover a training."""
    exponents = -np.maximum(values, 0.0) / values[-1]
    rates = np.where(exponents < 0, exponents, -1e-300)
    phi = np.expm1(_TIMES[:, np.newaxis] * rates) / rates / values[-1]
    projections = turn.T @ (basis.T @ starts)
    return np.asarray(turn @ (phi[:, :, np.newaxis] * projections))


def _parts(
    kernel: EquivalentKernel, vectors: FloatArray, values: FloatArray
) -> FloatArray:
    c1, c2, _ = kernel.coefficients
    means = c1 * np.sum((kernel.X.T @ vectors) ** 2, axis=0)
    norms = c2 * (kernel.deviation @ vectors) ** 2
    identity = np.full(len(values), kernel.diagonal)
    products = values - means - norms - identity
    total = np.where(values > 0, values, 1.0)
    return np.stack([means, norms, products, identity], axis=1) / total[:, np.newaxis]
