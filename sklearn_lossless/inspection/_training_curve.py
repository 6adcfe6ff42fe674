"""TrainingCurveDisplay: loss and validation score, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from ._kernels import was_trained
from ._measures import fitted_compressor, training_curves
from ._optional import import_pyplot

__all__ = ["TrainingCurveDisplay"]


class TrainingCurveDisplay:
    """Loss of each epoch of a training, and the validation score if there is one.

    Make one by :meth:`from_estimator`.

    Parameters
    ----------
    loss_curve : sequence of float
        Loss of each epoch.
    validation_scores : sequence of float, default=()
        Score after each epoch on rows that were held out.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure of the display.
    ax_ : matplotlib Axes
        Axes of the loss.
    line_ : matplotlib Line2D
        Line of the loss.
    score_ax_ : matplotlib Axes or None
        Axes of the validation score, with its scale on the right; None if there is no
        score.
    score_line_ : matplotlib Line2D or None
        Line of the validation score; None if there is none.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_lossless import CompressedMLPClassifier
    >>> from sklearn_lossless.inspection import TrainingCurveDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> clf = CompressedMLPClassifier(
    ...     (40,), eps=0.5, hidden_weights="trained", max_iter=5, random_state=0
    ... )
    >>> display = TrainingCurveDisplay.from_estimator(clf.fit(X, y))
    >>> len(display.loss_curve)
    5
    """

    def __init__(
        self, loss_curve: Sequence[float], validation_scores: Sequence[float] = ()
    ) -> None:
        self.loss_curve = loss_curve
        self.validation_scores = validation_scores

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None, **kwargs: Any) -> Self:
        """Draw the training of a fitted estimator's hidden layers.

        Parameters
        ----------
        estimator : NTKCompressor, CompressedMLPClassifier or CompressedMLPRegressor
            Fitted, with ``hidden_weights="trained"``.
        ax : matplotlib Axes, default=None
            See :meth:`plot`.
        **kwargs : dict
            See :meth:`plot`.

        Returns
        -------
        TrainingCurveDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If `estimator` is not one of those above.
        NotFittedError
            If it is not fitted.
        ValueError
            If its hidden layers were not trained for an epoch, or if it comes from a
            model file, which does not hold the curve.
        """
        import_pyplot(f"{cls.__name__}.from_estimator")
        compressor = fitted_compressor(estimator)
        curves = training_curves(compressor)
        if not curves["loss_curve"]:
            name = type(estimator).__name__
            raise ValueError(f"{name} has no training curve: {_why_none(compressor)}.")
        return cls(**curves).plot(ax, **kwargs)

    def plot(self, ax: Any = None, **kwargs: Any) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None: a new figure.
        **kwargs : dict
            Passed to matplotlib's `plot`, for the line of the loss.

        Returns
        -------
        TrainingCurveDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        pyplot = import_pyplot(f"{type(self).__name__}.plot")
        if ax is None:
            _, ax = pyplot.subplots(figsize=(5.4, 3.2), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        style = {"color": "tab:blue", "label": "loss"}
        style |= pyplot.cbook.normalize_kwargs(kwargs, pyplot.Line2D)
        (self.line_,) = ax.plot(_epochs(self.loss_curve), self.loss_curve, **style)
        ax.set(xlabel="epoch", ylabel="loss")
        self.score_ax_: Any = None
        self.score_line_: Any = None
        if len(self.validation_scores):
            self._plot_scores()
        return self

    def _plot_scores(self) -> None:
        self.score_ax_ = self.ax_.twinx()
        (self.score_line_,) = self.score_ax_.plot(
            _epochs(self.validation_scores),
            self.validation_scores,
            color="tab:red",
            label="validation score",
        )
        self.score_ax_.set_ylabel("validation score")
        # Of the upper Axes, whose lines are over all of the lower one.
        self.score_ax_.legend(
            handles=[self.line_, self.score_line_], loc="center right"
        )


def _why_none(compressor: Any) -> str:
    if not hasattr(compressor, "_course"):
        return "model files do not hold it"
    if was_trained(compressor):
        return "the training was interrupted in its first epoch"
    return "its hidden layers were not trained, as by hidden_weights='trained'"


def _epochs(curve: Sequence[float]) -> range:
    return range(1, len(curve) + 1)
