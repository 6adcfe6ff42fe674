"""SpectrumDisplay: eigenvalues and dominant eigenvectors, theory against practice."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_consistent_length, column_or_1d

from .._validation import validate_input
from ..theory import SpectrumComparison, compare_spectra, equivalent_ck
from ..theory._checks import check_count
from ._axes import as_axes
from ._kernels import (
    check_kernel_is_known,
    compressed_kernels,
    exact_kernels,
    input_gram,
    reference_activations,
    root,
    sample_rows,
)
from ._measures import fitted_compressor
from ._optional import import_pyplot

__all__ = ["SpectrumDisplay"]

_COLOURS = ("tab:blue", "tab:red")


class SpectrumDisplay:
    """Spectra of two kernel matrices: histogram, and dominant eigenvectors below.

    As in Figure 2 of Gu et al., NeurIPS 2022 (arXiv 2403.00258). Make one by
    :meth:`from_kernels` or :meth:`from_estimator`.

    Parameters
    ----------
    comparison : SpectrumComparison
        Both spectra, from :func:`sklearn_lossless.theory.compare_spectra`.
    names : tuple of two str
        What the kernels are.
    y : ndarray of shape (n_samples,) or None, default=None
        Classes; eigenvectors are drawn class by class.
    bins : int, default=60
        Bins of the histogram.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure of the display.
    ax_ : matplotlib Axes
        Axes of the histogram.
    vector_axes_ : ndarray of shape (n_vectors,) of matplotlib Axes
        Axes of the eigenvectors.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_lossless import NTKCompressor
    >>> from sklearn_lossless.inspection import SpectrumDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> compressor = NTKCompressor((2000,), random_state=0).fit(X)
    >>> display = SpectrumDisplay.from_estimator(compressor, X, y, n_samples=300)
    >>> found = display.comparison
    >>> bool(abs(found.eigenvalues_b[0] / found.eigenvalues_a[0] - 1) < 0.1)
    True
    """

    def __init__(
        self,
        comparison: SpectrumComparison,
        *,
        names: tuple[str, str] = ("theory", "practice"),
        y: npt.NDArray[Any] | None = None,
        bins: int = 60,
    ) -> None:
        self.comparison = comparison
        self.names = names
        self.y = y
        self.bins = bins

    @classmethod
    def from_kernels(
        cls,
        theory: npt.ArrayLike,
        practice: npt.ArrayLike,
        y: npt.ArrayLike | None = None,
        *,
        n_vectors: int = 2,
        names: tuple[str, str] = ("theory", "practice"),
        ax: Any = None,
        bins: int = 60,
    ) -> Self:
        """Draw the spectra of two kernel matrices.

        Parameters
        ----------
        theory, practice : array-like of shape (n_samples, n_samples)
            Symmetric matrices of the same samples.
        y : array-like of shape (n_samples,), default=None
            Classes; eigenvectors are drawn class by class.
        n_vectors : int, default=2
            Dominant eigenvectors to draw.
        names : tuple of two str, default=("theory", "practice")
            What the kernels are, for the legend.
        ax : matplotlib Axes or sequence of them, default=None
            See :meth:`plot`.
        bins : int, default=60
            Bins of the histogram.

        Returns
        -------
        SpectrumDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If the matrices are not square, symmetric and of one shape, `y` is of
            another length, there are not two names, or `n_vectors` or `bins` is out
            of range.
        """
        import_pyplot(f"{cls.__name__}.from_kernels")
        check_count("n_vectors", n_vectors, 1, len(np.atleast_1d(theory)))
        comparison = compare_spectra(theory, practice, n_vectors)
        y = None if y is None else np.asarray(y)
        return cls(comparison, names=names, y=y, bins=bins).plot(ax)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: npt.ArrayLike | None = None,
        *,
        theory: str = "exact",
        n_samples: int = 1000,
        n_vectors: int = 2,
        ax: Any = None,
        bins: int = 60,
    ) -> Self:
        """Draw the reference network's kernel against that of the compressed network.

        Parameters
        ----------
        estimator : NTKCompressor, CompressedMLPClassifier or CompressedMLPRegressor
            Fitted. Of its last layer the conjugate kernel is taken.
        X : {array-like, sparse matrix} of shape (n_rows, n_features)
            Data.
        y : array-like of shape (n_rows,), default=None
            Classes; eigenvectors are drawn class by class.
        theory : {"exact", "equivalent"}, default="exact"
            What practice is set against: the conjugate kernel of the reference network
            at infinite width, or its random-matrix equivalent.
        n_samples : int, default=1000
            Rows of `X` that are used, drawn with a fixed seed.
        n_vectors : int, default=2
            Dominant eigenvectors to draw.
        ax : matplotlib Axes or sequence of them, default=None
            See :meth:`plot`.
        bins : int, default=60
            Bins of the histogram.

        Returns
        -------
        SpectrumDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If `estimator` is not one of those above.
        NotFittedError
            If it is not fitted.
        ValueError
            If the data do not fit it, or a parameter is out of range.
        """
        import_pyplot(f"{cls.__name__}.from_estimator")
        if theory not in ("exact", "equivalent"):
            raise ValueError(f"theory must be 'exact' or 'equivalent', got {theory!r}.")
        check_count("n_samples", n_samples, 2)
        compressor = fitted_compressor(estimator)
        check_kernel_is_known(compressor)
        X = validate_input(estimator, X, reset=False)
        rows = sample_rows(X, n_samples)
        if y is not None:
            y = _classes(y, X)[rows]
        X = X[rows]
        gram = input_gram(compressor, X)
        activations = reference_activations(compressor)
        if theory == "exact":
            kernel = exact_kernels(gram, activations, compressor.matching_)[-1]
        else:
            kernel = equivalent_ck(root(gram), activations)
        practice = compressed_kernels(compressor, X)[-1]
        names = ("reference network, " + theory, "compressed network")
        return cls.from_kernels(
            kernel, practice, y, n_vectors=n_vectors, names=names, ax=ax, bins=bins
        )

    def plot(self, ax: Any = None, *, bins: int | None = None) -> Self:
        """Draw the histogram and the eigenvectors.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of 1 + n_vectors Axes, default=None
            One is divided; several take the histogram first. None: a new figure.
        bins : int or None, default=None
            Bins of the histogram. None: as when the display was made.

        Returns
        -------
        SpectrumDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there are neither one nor 1 + n_vectors Axes, or not two names, `y` is of
            another length than the eigenvectors, or `bins` is not positive.
        """
        bins = self.bins if bins is None else bins
        check_count("bins", bins, 1)
        if isinstance(self.names, str) or len(self.names) != 2:
            raise ValueError(f"names must be two, got {self.names!r}.")
        y = None
        if self.y is not None:
            y = _classes(self.y, self.comparison.eigenvectors_a)
        pyplot = import_pyplot(f"{type(self).__name__}.plot")
        n_vectors = self.comparison.eigenvectors_a.shape[1]
        if ax is None:
            size = (6.4, 3.0 + 1.2 * n_vectors)
            _, ax = pyplot.subplots(figsize=size, layout="constrained")
        axes = as_axes(ax, [2.2] + [1.0] * n_vectors, vertical=True)
        self.ax_, self.vector_axes_ = axes[0], axes[1:]
        self.figure_ = self.ax_.figure
        self._plot_histogram(bins)
        self._plot_vectors(y)
        return self

    def _plot_histogram(self, bins: int) -> None:
        values = (self.comparison.eigenvalues_a, self.comparison.eigenvalues_b)
        low, high = np.min(values), np.max(values)
        edges = np.linspace(low, high + 1e-9 * (high - low), bins + 1)
        for each, name, colour, style in zip(
            values, self.names, _COLOURS, ("stepfilled", "step"), strict=True
        ):
            filled = style == "stepfilled"
            self.ax_.hist(
                each,
                bins=edges,
                histtype=style,
                color=colour,
                alpha=0.45 if filled else 1.0,
                linewidth=1.3,
                label=name,
            )
        self.ax_.set_yscale("log")  # single eigenvalues are to be seen beside the bulk
        self.ax_.set_ylim(bottom=0.7)
        self.ax_.set(xlabel="eigenvalue", ylabel="count")
        self.ax_.legend(loc="upper right")

    def _plot_vectors(self, y: npt.NDArray[Any] | None) -> None:
        found = self.comparison
        n_samples = len(found.eigenvectors_a)
        order = np.arange(n_samples)
        if y is not None:
            order = np.argsort(y, kind="stable")
            borders = np.flatnonzero(
                np.diff(np.unique(y, return_inverse=True)[1][order])
            )
        for number, ax in enumerate(self.vector_axes_):
            for vectors, colour, width in zip(
                (found.eigenvectors_a, found.eigenvectors_b),
                _COLOURS,
                (1.6, 0.7),
                strict=True,
            ):
                ax.plot(vectors[order, number], color=colour, linewidth=width)
            if y is not None:
                for border in borders:
                    ax.axvline(border + 0.5, color="0.6", linewidth=0.8, linestyle=":")
            ax.set_xlim(0, n_samples - 1)
            ax.set_ylabel(f"$v_{{{number + 1}}}$")
            ax.set_title(
                f"|cosine| {found.cosines[number]:.3f}", fontsize="small", loc="right"
            )
            if ax is not self.vector_axes_[-1]:
                ax.tick_params(labelbottom=False)
        if len(self.vector_axes_):
            by = "sample" if y is None else "sample, class by class"
            self.vector_axes_[-1].set_xlabel(by)


def _classes(y: npt.ArrayLike, samples: Any) -> npt.NDArray[Any]:
    """Return `y` as one class for each sample, or raise ValueError."""
    y = column_or_1d(y)
    check_consistent_length(samples, y)
    return np.asarray(y)
