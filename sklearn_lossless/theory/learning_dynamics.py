"""Learning curves under a fixed kernel, from its decomposition.

With the kernel K of n samples and the loss ``||f - y||^2 / (2 n)``, gradient flow is
``df/dt = -K (f - y) / n``. What is left of the targets in an eigenvector of
eigenvalue l after time t is ``exp(-l t / n)``, and after k steps of gradient descent
``(1 - eta l / n)^k``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq, minimize_scalar

from .._printing import short_repr
from ._checks import check_number, real_array
from .learning_curves import FloatArray, LearningCurve, LearningModes

__all__ = ["LearningDynamics"]

#: What is left of each mode, and what its projection on new samples is multiplied by.
_Filter = tuple[FloatArray, FloatArray]

#: Errors that differ by less are equal.
_ROUNDING = 1e-9

#: Times of a search: decades before the first mode is learned and after the last,
#: points of a decade, eigenvalues that are taken for zero.
_BEFORE, _AFTER, _PER_DECADE, _ZERO = 2.0, 2.0, 20, 1e-12


@dataclass(frozen=True, eq=False)
class LearningDynamics:
    """The decomposition from which every time of a training follows.

    Made by :func:`kernel_dynamics`, :func:`readout_dynamics` or
    :func:`equivalent_dynamics`.

    Parameters
    ----------
    n_samples : int
        Training samples.
    eigenvalues : ndarray of shape (n_modes,)
        Of the kernel, largest first.
    projections : ndarray of shape (n_modes, n_targets)
        Of the targets less the first outputs, on the unit eigenvectors.
    rest : ndarray of shape (n_targets,)
        Squared norm of what is in no mode, and is never learned.
    basis : ndarray of shape (n_columns, n_modes)
        Maps modes to weights: of samples (exact kernels and equivalents) or of features
        (readouts).
    test_gram : ndarray of shape (n_modes, n_modes) or None
        Mean products of the modes on the test samples.
    test_cross : ndarray of shape (n_modes, n_targets) or None
        Mean products of the modes and the test targets less the first outputs.
    test_square : ndarray of shape (n_targets,) or None
        Mean squares of the latter.
    noise_gram : ndarray of shape (n_modes, n_modes) or None
        Mean products of the projections of standard noise on the modes, estimated.
        None: as by `noise_is_exact`.
    noise_is_exact : bool, default=True
        Whether these products are known to be the identity; if not, and `noise_gram`
        is None, they are not known.
    parts : ndarray of shape (n_modes, 4) or None
        As in :class:`LearningModes`.
    """

    __repr__ = short_repr

    n_samples: int
    eigenvalues: FloatArray
    projections: FloatArray
    rest: FloatArray
    basis: FloatArray
    test_gram: FloatArray | None = None
    test_cross: FloatArray | None = None
    test_square: FloatArray | None = None
    noise_gram: FloatArray | None = None
    noise_is_exact: bool = True
    parts: FloatArray | None = None

    @property
    def max_step_size(self) -> float:
        """Gradient descent is stable below this: ``2 n / l_max``."""
        return 2 * self.n_samples / float(self.eigenvalues[0])

    @property
    def modes(self) -> LearningModes:
        """Table of the modes."""
        total = np.sum(self.projections**2, axis=0) + self.rest
        with np.errstate(divide="ignore", invalid="ignore"):
            times = self.n_samples / self.eigenvalues
            shares = np.where(total > 0, self.projections**2 / total, 0.0)
        return LearningModes(self.eigenvalues, times, shares, self.parts)

    def curve(
        self,
        times: npt.ArrayLike,
        *,
        step_size: float | None = None,
        noise: float = 0.0,
    ) -> LearningCurve:
        """Return the errors at some times.

        Parameters
        ----------
        times : array-like of shape (n_times,)
            Times, 0 or more: that of gradient flow, n_samples / eigenvalue for a mode.
        step_size : float or None, default=None
            Of gradient descent, below :attr:`max_step_size`: times are rounded to whole
            numbers of steps. None: gradient flow.
        noise : float, default=0.0
            Variance of independent noise in the training labels, of which the targets
            are then the expectation; test targets have none.

        Returns
        -------
        LearningCurve

        Raises
        ------
        ValueError
            If a time is negative or not finite, the step size is not stable, or
            there is noise and its modes are not known.

        Notes
        -----
        The outputs are ``f_t = f_0 + K phi_t(K) (y - f_0)`` with ``phi_t(l) = (1 -
        exp(-l t / n)) / l``: Jacot, Gabriel, Hongler, NeurIPS 2018, section 5, for
        the mean of the squares in place of their sum. ``(1 - eta l / n)^k`` takes the
        place of the exponential for k steps of size eta. Generalised cross-validation:
        Golub, Heath, Wahba, Technometrics 1979, equation 1.4.
        """
        times = self._times(times, step_size)
        return self._curve(times, lambda t: self._filter(t, step_size), noise)

    def ridge(self, alphas: npt.ArrayLike, *, noise: float = 0.0) -> LearningCurve:
        """Return the errors of ridge regressions with the same kernel.

        Parameters
        ----------
        alphas : array-like of shape (n_alphas,)
            Penalties, positive: what is added to the kernel's diagonal.
        noise : float, default=0.0
            As in :meth:`curve`.

        Returns
        -------
        LearningCurve
            Of gradient flow at ``t = n_samples / alpha`` the expected squared distance
            from noiseless targets, on the training samples, is at most 1.69 times that
            of ridge: Ali, Kolter, Tibshirani, AISTATS 2019, Theorem 1.

        Raises
        ------
        ValueError
            If an alpha is not positive and finite, or as in :meth:`curve`.
        """
        alphas = np.atleast_1d(real_array(alphas, "alphas"))
        if alphas.ndim != 1 or np.any(alphas <= 0):
            raise ValueError("alphas must be positive numbers.")

        def filter_at(t: float) -> _Filter:
            alpha = self.n_samples / t
            total = self.eigenvalues + alpha
            return alpha / total, 1 / total

        return self._curve(self.n_samples / alphas, filter_at, noise)

    def weights(
        self, times: npt.ArrayLike, *, step_size: float | None = None
    ) -> FloatArray:
        """Return the weights at some times, from which all outputs follow.

        Parameters
        ----------
        times : array-like of shape (n_times,)
            As in :meth:`curve`.
        step_size : float or None, default=None
            As in :meth:`curve`.

        Returns
        -------
        ndarray of shape (n_times, n_columns, n_targets)
            Of exact kernels and equivalents: outputs are ``first outputs + K_new @
            weights``, K_new of shape (n_new, n_samples). Of readouts: ``Z_new @
            weights``, Z_new the features.

        Raises
        ------
        ValueError
            As :meth:`curve`.
        """
        times = self._times(times, step_size)
        filters = [self._filter(t, step_size)[1] for t in times]
        return np.stack(
            [self.basis @ (each[:, np.newaxis] * self.projections) for each in filters]
        )

    def stopping_time(self, *, noise: float = 0.0, criterion: str = "test") -> float:
        """Return the time of gradient flow with the least error.

        Parameters
        ----------
        noise : float, default=0.0
            As in :meth:`curve`.
        criterion : {"test", "gcv"}, default="test"
            Error on the test samples, or generalised cross-validation.

        Returns
        -------
        float
            Infinite if the error falls until the last mode is learned.

        Raises
        ------
        ValueError
            If there are no test samples for "test", or as in :meth:`curve`.
        """
        if criterion not in ("test", "gcv"):
            raise ValueError(f"criterion must be 'test' or 'gcv', got {criterion!r}.")

        def error(log_time: float) -> float:
            found = getattr(self.curve([math.exp(log_time)], noise=noise), criterion)
            if found is None:
                raise ValueError(f"there is no {criterion} error to stop by.")
            return float(found[0])

        grid = np.log(self.search_times())
        values = np.array([error(each) for each in grid])
        best = int(np.argmin(values))
        if values[-1] <= (1 + _ROUNDING) * values[best] + _ROUNDING**2 * values[0]:
            return math.inf
        around = grid[max(best - 1, 0)], grid[best + 1]
        found = minimize_scalar(error, bounds=around, method="bounded")
        return math.exp(found.x if found.fun < values[best] else grid[best])

    def target_times(self, share: float = math.exp(-2)) -> FloatArray:
        """Return when the training error of each target has fallen to a share.

        Parameters
        ----------
        share : float, default=exp(-2)
            Of the first error, between 0 and 1. For a target that is an eigenvector,
            exp(-2) is reached at n_samples / eigenvalue.

        Returns
        -------
        ndarray of shape (n_targets,)
            Times of gradient flow; infinite where a target is never learned so far.

        Raises
        ------
        ValueError
            If `share` is not between 0 and 1.
        """
        check_number("share", share)
        if not 0 < share < 1:
            raise ValueError(f"share must be between 0 and 1, got {share!r}.")
        modes, grid = self.modes, np.log(self.search_times())
        rest = 1 - modes.shares.sum(axis=0)
        found = []
        for shares, never in zip(modes.shares.T, rest, strict=True):

            def left(log_time: float, a: FloatArray = shares, b: float = never) -> Any:
                decay = self._filter(math.exp(log_time), None)[0]
                return max(b, 0.0) + a @ decay**2 - share

            reached = left(grid[-1]) < 0 < left(grid[0])
            found.append(math.exp(brentq(left, *grid[[0, -1]])) if reached else np.inf)
        return np.array(found)

    def search_times(self) -> FloatArray:
        """Return times that cover the whole training, evenly in their logarithm.

        Returns
        -------
        ndarray of shape (n_times,)
            From a hundredth of the time of the fastest mode to a hundred times that of
            the slowest one that is not zero.
        """
        largest = float(self.eigenvalues[0])
        least = float(self.eigenvalues[self.eigenvalues > _ZERO * largest][-1])
        first = math.log10(self.n_samples / largest) - _BEFORE
        last = math.log10(self.n_samples / least) + _AFTER
        return np.logspace(first, last, math.ceil(_PER_DECADE * (last - first)) + 1)

    def _times(self, times: npt.ArrayLike, step_size: Any) -> FloatArray:
        """Return times as a vector, those of whole steps if there are steps."""
        found = np.atleast_1d(real_array(times, "times"))
        if found.ndim != 1 or np.any(found < 0):
            raise ValueError("times must be a vector of numbers, 0 or more.")
        if step_size is None:
            return found
        return np.rint(found / self._step_size(step_size)) * step_size

    def _step_size(self, step_size: Any) -> float:
        check_number("step_size", step_size)
        if not 0 < step_size < self.max_step_size:
            raise ValueError(
                "gradient descent is stable for step sizes between 0 and "
                f"2 n_samples / (largest eigenvalue) = {self.max_step_size:.6g}, got "
                f"{step_size!r}."
            )
        return float(step_size)

    def _filter(self, t: float, step_size: float | None) -> _Filter:
        """Return what is left of each mode, and phi."""
        values = self.eigenvalues
        if step_size is None:
            exponent = -values * (t / self.n_samples)
            decay, risen = np.exp(exponent), np.expm1(exponent)
        else:
            n_steps, x = round(t / step_size), values * (step_size / self.n_samples)
            decay = (1 - x) ** n_steps
            slow = np.minimum(x, 0.5)
            risen = np.where(x < 0.5, np.expm1(n_steps * np.log1p(-slow)), decay - 1)
        positive = values > 0
        safe = np.where(positive, values, 1.0)
        return decay, np.where(positive, -risen / safe, t / self.n_samples)

    def _curve(
        self, times: FloatArray, filter_at: Callable[[float], _Filter], noise: float
    ) -> LearningCurve:
        check_number("noise", noise)
        if noise < 0:
            raise ValueError(f"noise must be a variance, 0 or more, got {noise!r}.")
        known = self.noise_is_exact or self.noise_gram is not None
        if noise and not known:
            raise ValueError(
                "the modes of label noise are not known; ask for n_probes of 1 or more."
            )
        n, has_test = self.n_samples, self.test_gram is not None
        shape = len(times), len(self.rest)
        train, test = np.empty(shape), np.empty(shape)
        freedom, ours, theirs = (np.zeros(len(times)) for _ in range(3))
        for row, t in enumerate(times):
            decay, phi = filter_at(t)
            left = decay[:, np.newaxis] * self.projections
            train[row] = (np.sum(left**2, axis=0) + self.rest) / n
            if known:
                diagonal = (
                    1.0 if self.noise_gram is None else self.noise_gram.diagonal()
                )
                freedom[row] = np.sum((1 - decay) * diagonal)
                learned = np.sum((1 - decay**2) * diagonal)
                ours[row] = noise * (1 - learned / n)
            if has_test:
                assert self.test_cross is not None
                assert self.test_gram is not None
                a = phi[:, np.newaxis] * self.projections
                test[row] = np.einsum("ij,ij->j", a, self.test_gram @ a)
                test[row] += self.test_square - 2 * np.sum(a * self.test_cross, axis=0)
                theirs[row] = noise * self._noise_on_test(phi) if noise else 0.0
        total = train.mean(axis=1) + ours
        gcv = None
        if known:
            with np.errstate(divide="ignore", invalid="ignore"):
                gcv = total / (1 - freedom / n) ** 2
        return LearningCurve(
            times,
            total,
            np.maximum(test, 0.0).mean(axis=1) + theirs if has_test else None,
            train,
            np.maximum(test, 0.0) if has_test else None,
            ours,
            theirs if has_test else None,
            gcv,
        )

    def _noise_on_test(self, phi: FloatArray) -> float:
        assert self.test_gram is not None
        if self.noise_gram is None:
            return float(phi**2 @ self.test_gram.diagonal())
        return float(phi @ (self.noise_gram * self.test_gram) @ phi)
