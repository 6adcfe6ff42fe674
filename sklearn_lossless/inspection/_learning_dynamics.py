"""LearningDynamicsDisplay: errors along the training of a wide network."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import is_regressor
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_consistent_length

from .._validation import validate_input
from ..theory import (
    LearningCurve,
    LearningDynamics,
    class_targets,
    conjugate_kernel,
    equivalent_dynamics,
    kernel_dynamics,
    readout_dynamics,
)
from ..theory._checks import check_count
from ._kernels import check_kernel_is_known, reference_activations, sample_rows
from ._measures import fitted_compressor
from ._optional import import_pyplot

__all__ = ["LearningDynamicsDisplay"]

#: Default times, over that of the fastest mode.
_TIMES = np.logspace(-1, 5, 121)


class LearningDynamicsDisplay:
    """Training and test error of a wide network, along the time of its training.

    Make one by :meth:`from_estimator` or :meth:`from_kernel`. Several fit into one
    picture: give the `ax_` of the first to the others.

    Parameters
    ----------
    curve : LearningCurve
        From :meth:`sklearn_lossless.theory.LearningDynamics.curve`.
    name : str or None, default=None
        What learns, for the legend.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure of the display.
    ax_ : matplotlib Axes
        Axes of the errors.
    train_line_ : matplotlib Line2D
        Line of the training error, dashed.
    test_line_ : matplotlib Line2D or None
        Line of the test error; None if there is none.
    stop_line_ : matplotlib Line2D or None
        Where the test error is least; None if it falls to the end.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_lossless import NTKCompressor
    >>> from sklearn_lossless.inspection import LearningDynamicsDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> compressor = NTKCompressor((500,), random_state=0).fit(X[:1000])
    >>> display = LearningDynamicsDisplay.from_estimator(
    ...     compressor, X[:1000], y[:1000], X_test=X[1000:], y_test=y[1000:]
    ... )
    >>> bool(display.curve.test.min() < 0.02)
    True
    """

    def __init__(self, curve: LearningCurve, *, name: str | None = None) -> None:
        self.curve = curve
        self.name = name

    @classmethod
    def from_kernel(
        cls,
        K: npt.ArrayLike,
        y: npt.ArrayLike,
        K_test: npt.ArrayLike | None = None,
        y_test: npt.ArrayLike | None = None,
        *,
        times: npt.ArrayLike | None = None,
        step_size: float | None = None,
        noise: float = 0.0,
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Draw gradient descent under a kernel matrix.

        Parameters
        ----------
        K : array-like of shape (n_samples, n_samples)
            Kernel of the training samples.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets, numbers; of classes those of
            :func:`sklearn_lossless.theory.class_targets`.
        K_test : array-like of shape (n_test, n_samples), default=None
            Kernel of test and training samples.
        y_test : array-like of shape (n_test,) or (n_test, n_targets), default=None
            Their targets.
        times : array-like of shape (n_times,), default=None
            See :meth:`sklearn_lossless.theory.LearningDynamics.curve`. None: six
            decades, from a tenth of the time of the fastest mode.
        step_size : float or None, default=None
            Of gradient descent; None: gradient flow.
        noise : float, default=0.0
            Variance of noise in the training labels.
        name : str or None, default=None
            What learns, for the legend.
        ax : matplotlib Axes, default=None
            See :meth:`plot`.
        **kwargs : dict
            See :meth:`plot`.

        Returns
        -------
        LearningDynamicsDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            As :func:`sklearn_lossless.theory.kernel_dynamics` and
            :meth:`sklearn_lossless.theory.LearningDynamics.curve`.
        """
        import_pyplot(f"{cls.__name__}.from_kernel")
        dynamics = kernel_dynamics(K, y, K_test, y_test)
        curve = _curve(dynamics, times, step_size, noise)
        return cls(curve, name=name).plot(ax, **kwargs)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: npt.ArrayLike,
        *,
        X_test: Any = None,
        y_test: npt.ArrayLike | None = None,
        theory: str | None = None,
        n_samples: int = 2000,
        times: npt.ArrayLike | None = None,
        step_size: float | None = None,
        noise: float = 0.0,
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Draw how a readout of the estimator's features learns by gradient descent.

        Parameters
        ----------
        estimator : NTKCompressor, CompressedMLPClassifier or CompressedMLPRegressor
            Fitted. What its own readout is does not matter.
        X : {array-like, sparse matrix} of shape (n_rows, n_features)
            Training samples.
        y : array-like of shape (n_rows,) or (n_rows, n_targets)
            Classes, learned by squared error on their indicators; of regressors, and
            where they are no classes, numbers. Their mean is subtracted.
        X_test : {array-like, sparse matrix} of shape (n_test, n_features), default=None
            Test samples.
        y_test : array-like of shape (n_test,) or (n_test, n_targets), default=None
            Their classes or numbers.
        theory : {"exact", "equivalent"} or None, default=None
            What learns: the compressed network itself (None), the reference network at
            infinite width, or the random-matrix equivalent of the latter.
        n_samples : int, default=2000
            Rows of `X` that are used, drawn with a fixed seed; as many of `X_test`.
        times : array-like of shape (n_times,), default=None
            See :meth:`from_kernel`.
        step_size : float or None, default=None
            See :meth:`from_kernel`.
        noise : float, default=0.0
            See :meth:`from_kernel`; 0 for ``theory="equivalent"``.
        name : str or None, default=None
            For the legend; None: what learns.
        ax : matplotlib Axes, default=None
            See :meth:`plot`.
        **kwargs : dict
            See :meth:`plot`.

        Returns
        -------
        LearningDynamicsDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If `estimator` is not one of those above.
        NotFittedError
            If it is not fitted.
        ValueError
            If the data do not fit it, a class has a single sample, a parameter is out
            of range, or theory does not tell the kernel, of trained layers.
        """
        import_pyplot(f"{cls.__name__}.from_estimator")
        if theory not in (None, "exact", "equivalent"):
            raise ValueError(
                f"theory must be None, 'exact' or 'equivalent', got {theory!r}."
            )
        check_count("n_samples", n_samples, 2)
        compressor = fitted_compressor(estimator)
        if theory is not None:
            check_kernel_is_known(compressor)
        if (X_test is None) != (y_test is None):
            raise ValueError("X_test and y_test must be given together.")
        X, y = _some_rows(estimator, X, y, n_samples)
        if X_test is not None:
            X_test, y_test = _some_rows(estimator, X_test, y_test, n_samples)
        Y, Y_test = _targets(estimator, y, y_test)
        dynamics = _dynamics(compressor, theory, X, Y, X_test, Y_test)
        curve = _curve(dynamics, times, step_size, noise)
        if name is None:
            name = "compressed network"
            if theory is not None:
                name = f"reference network, {theory}"
        return cls(curve, name=name).plot(ax, **kwargs)

    def plot(self, ax: Any = None, *, name: str | None = None, **kwargs: Any) -> Self:
        """Draw the errors.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None: a new figure.
        name : str or None, default=None
            What learns, for the legend. None: as when the display was made.
        **kwargs : dict
            Passed to matplotlib's `plot`, for both lines.

        Returns
        -------
        LearningDynamicsDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        pyplot = import_pyplot(f"{type(self).__name__}.plot")
        if ax is None:
            _, ax = pyplot.subplots(figsize=(5.4, 3.6), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        name = self.name if name is None else name
        before = "" if name is None else f"{name}, "
        times, test = self.curve.times, self.curve.test
        style = pyplot.cbook.normalize_kwargs(kwargs, pyplot.Line2D)
        (self.train_line_,) = ax.plot(
            times,
            self.curve.train,
            **{"linestyle": "--", "label": f"{before}training", **style},
        )
        style.setdefault("color", self.train_line_.get_color())
        self.test_line_: Any = None
        self.stop_line_: Any = None
        if test is not None:
            (self.test_line_,) = ax.plot(
                times, test, **{"label": f"{before}test", **style}
            )
            best = int(np.argmin(test))
            if 0 < best < len(test) - 1 and test[best] < test[-1] * (1 - 1e-6):
                self.stop_line_ = ax.axvline(
                    times[best], color=style["color"], linewidth=0.8, linestyle=":"
                )
        ax.set(xscale="log", xlabel="time", ylabel="mean squared error")
        ax.legend()
        return self


def _curve(
    dynamics: LearningDynamics, times: Any, step_size: float | None, noise: float
) -> LearningCurve:
    if times is None:
        times = _TIMES * dynamics.n_samples / dynamics.eigenvalues[0]
    return dynamics.curve(times, step_size=step_size, noise=noise)


def _some_rows(estimator: Any, X: Any, y: Any, n_samples: int) -> tuple[Any, Any]:
    X, y = validate_input(estimator, X, reset=False), np.asarray(y)
    check_consistent_length(X, y)
    rows = sample_rows(X, n_samples)
    return X[rows], y[rows]


def _targets(estimator: Any, y: Any, y_test: Any) -> tuple[Any, Any]:
    """Return centred numbers to be learned, of classes their indicators."""
    classes = type_of_target(y) in ("binary", "multiclass")
    if classes and not is_regressor(estimator):
        test = None if y_test is None else class_targets(y_test, like=y)
        return class_targets(y), test
    mean = y.mean(axis=0)
    return y - mean, None if y_test is None else y_test - mean


def _dynamics(
    compressor: Any, theory: str | None, X: Any, Y: Any, X_test: Any, Y_test: Any
) -> LearningDynamics:
    if theory is None:
        Z = _dense(compressor.transform(X)).astype(np.float64)
        Z_test = None if X_test is None else _dense(compressor.transform(X_test))
        mean = Z.mean(axis=0)
        return readout_dynamics(
            Z - mean, Y, None if Z_test is None else Z_test - mean, Y_test
        )
    tau0 = compressor.matching_.tau[0]
    inputs = _inputs(compressor, X, tau0)
    others = None if X_test is None else _inputs(compressor, X_test, tau0)
    activations = reference_activations(compressor)
    if theory == "equivalent":
        return equivalent_dynamics(inputs, Y, activations, others, Y_test, kernel="ck")
    K = conjugate_kernel(inputs, activations, tau0=tau0)
    cross = None
    mean = K.mean(axis=0)
    if others is not None:
        cross = conjugate_kernel(others, activations, inputs, tau0=tau0)
        cross = cross - cross.mean(axis=1, keepdims=True) - mean + mean.mean()
    # Centred, as features are: the intercept is known.
    K = K - mean[:, np.newaxis] - mean + mean.mean()
    return kernel_dynamics(K, Y, cross, Y_test)


def _inputs(compressor: Any, X: Any, tau0: float) -> npt.NDArray[np.float64]:
    """Return what the first layer sees: centred, scaled, with the bias."""
    seen = _dense(compressor.network_.quantizer.inputs(X))
    inputs = (seen - compressor.mean_) * compressor.scale_
    bias = math.sqrt(max(tau0**2 - 1, 0.0))
    return np.column_stack([inputs, np.full(len(inputs), bias)])


def _dense(X: Any) -> Any:
    return X.toarray() if sparse.issparse(X) else np.asarray(X)
