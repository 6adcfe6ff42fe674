"""What all estimators can do: save a fitted model, say how large it is, report."""

from __future__ import annotations

import math
import os
from functools import partial
from typing import IO, Any

from sklearn.utils.validation import check_is_fitted

from ._columns import Columns
from ._validation import warn_user
from ._version import DOCS_URL
from .data import Report, print_progress
from .export.archive import save
from .export.sizes import SizeReport, size_report
from .inspection import CompressionReport
from .training import Course

__all__ = ["FittedMixin"]


class FittedMixin:
    """Estimators that go into a model file."""

    verbose: int
    warm_start: bool
    hidden_weights: str | None

    # The page that the estimator's name leads to in notebooks.
    _doc_link_module = __name__.partition(".")[0]
    _doc_link_template = DOCS_URL + "generated/{estimator_module}.{estimator_name}.html"

    #: Of tables, which columns hold categories; None for inputs of one scale.
    _columns: Columns | None = None

    #: What the training of the hidden layers was like; None where there was none.
    _course: Course | None

    @property
    def n_iter_(self) -> int:
        """Epochs of the last training; 1 for layers that are not trained."""
        course = self._known_course
        return course.n_iter if course is not None else 1

    @property
    def loss_curve_(self) -> list[float]:
        """Loss of each epoch, over all fits where `warm_start` has gone on."""
        course = self._known_course
        if course is None:
            raise AttributeError(
                "loss_curve_ is there with hidden_weights='trained' only"
            )
        return course.losses

    @property
    def best_loss_(self) -> float:
        """Least loss of an epoch."""
        return min(self.loss_curve_, default=math.inf)

    @property
    def validation_scores_(self) -> list[float]:
        """Score after each epoch on rows that are held out."""
        course = self._known_course
        if course is None or not course.scores:
            raise AttributeError(
                "validation_scores_ are there with early_stopping=True only"
            )
        return course.scores

    @property
    def _known_course(self) -> Course | None:
        if not hasattr(self, "_course"):
            raise AttributeError(
                "this estimator was loaded: model files do not hold how a training went"
            )
        return self._course

    def _earlier_training(self) -> Course | None:
        """Return the training that a fit with `warm_start` goes on from."""
        if not (self.warm_start and self.hidden_weights == "trained"):
            return None
        course = getattr(self, "_course", None)
        if course is not None and course.checkpoint is not None:
            return course
        network = getattr(self, "network_", None)
        if network is not None and network.has_stored_weights:
            warn_user(
                "warm_start=True cannot go on: the real weights of the last training "
                "are not known. Fits with warm_start=False and model files do not keep "
                "them. The training starts anew."
            )
        return None

    @property
    def categories_(self) -> list[list[Any] | None]:
        """Categories of each column of a table, by their numbers; None for numbers."""
        if self._columns is None:
            raise AttributeError(
                "categories_ are there with input_encoding='thresholds' only"
            )
        return [None if c is None else list(c) for c in self._columns.categories]

    def save(
        self,
        path: str | os.PathLike[str] | IO[bytes],
        *,
        readout_dtype: str = "float64",
    ) -> None:
        """Write the fitted estimator to one small file, without pickle.

        Parameters
        ----------
        path : str, path-like or binary file
            Where to write; an old file stays until the new one is whole. An open file
            is written to where it stands.
        readout_dtype : {"float64", "float32", "float16", "int8", "int4"}, \
                default="float64"
            Type of the readout's coefficients; "float64" changes no bit.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If the readout is an estimator of its own, or `readout_dtype` is
            unknown or cannot hold the coefficients.
        OSError
            If the file cannot be written.

        See Also
        --------
        sklearn_lossless.export.save : What is kept and what is not.
        sklearn_lossless.load : Read it again.
        """
        save(self, path, readout_dtype=readout_dtype)

    def size_report(self, readout_dtype: str = "float64") -> SizeReport:
        """Say what the fitted network takes, by each way of counting.

        Parameters
        ----------
        readout_dtype : {"float64", "float32", "float16", "int8", "int4"}, \
                default="float64"
            Type of the readout's coefficients, as in :meth:`save`.

        Returns
        -------
        SizeReport
            A dict of bytes: the counts of
            :func:`~sklearn_lossless.network.network_sizes` and ``file``, the size of
            what :meth:`save` writes. Prints as a table.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If it cannot be saved with this `readout_dtype`.
        """
        return size_report(self, readout_dtype)

    @property
    def _progress(self) -> Report | None:
        """What takes lines about the progress, if `verbose` is set."""
        return partial(print_progress, type(self).__name__) if self.verbose else None

    @property
    def report_(self) -> CompressionReport:
        """Moments, bytes, and kernel distance or course of the training."""
        check_is_fitted(self, "network_")
        return CompressionReport.from_estimator(self)

    def __getstate__(self) -> dict[str, Any]:
        # Rows that fit set aside for the report stay out of pickles and copies.
        state: Any = super().__getstate__()
        return {key: each for key, each in state.items() if key != "_report_rows"}
