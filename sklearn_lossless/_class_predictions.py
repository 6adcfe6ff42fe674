"""Predictions of a classifier: labels, scores and probabilities of classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special
from sklearn.utils.metaestimators import available_if

from ._base import CompressedMLP
from .data import Data, Part, over_chunks, weight_of
from .readout import all_scores
from .readout.estimator import fit_estimator
from .readout.logistic import logistic_readout
from .readout.targets import labelled_by_teacher

__all__ = ["ClassPredictions", "count_hits", "has_partial_fit"]


def _delegates(method: str) -> Any:
    """Say whether a readout that is an estimator of its own has `method`."""

    def check(self: ClassPredictions) -> bool:
        if hasattr(self, "network_"):  # parameters may be others by now
            return self._kept is not None or hasattr(self.readout_, method)
        named = self.readout is None or isinstance(self.readout, str)
        return named or hasattr(self.readout, method)

    return available_if(check)


def has_partial_fit(self: Any) -> bool:
    """Say whether the readout follows from sums over samples."""
    is_named = isinstance(self.readout, str) and self.readout == "ridge"
    if not (self.readout is None or is_named):
        raise AttributeError(f"partial_fit needs readout='ridge', not {self.readout!r}")
    if isinstance(self.class_weight, str):
        raise AttributeError(
            f"class_weight={self.class_weight!r} needs the size of each class, which "
            "partial_fit does not know. Give the weights as a dict"
        )
    return True


class ClassPredictions(CompressedMLP):
    """What a fitted classifier says of samples."""

    classes_: npt.NDArray[Any]
    alpha: float | None

    @property
    def temperature_(self) -> float:
        """Factor of the scores in the softmax of `predict_proba`."""
        readout = self._readout
        if readout is None or readout.temperature is None:
            raise self._missing("temperature_")
        return readout.temperature

    @_delegates("decision_function")
    @over_chunks
    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the score of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Score of ``classes_[1]`` if binary, else one score per class.
        """
        X = self._validated(X)
        if self._kept is not None:
            scores = self._linear(X)
            return scores.ravel() if scores.shape[1] == 1 else scores
        return self._ask_readout("decision_function", X)

    @over_chunks
    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the most likely class of each sample.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        ndarray of shape (n_samples,)
            Class labels.
        """
        return self._predict_validated(self._validated(X))

    def _predict_validated(self, X: Any) -> npt.NDArray[Any]:
        if self._kept is not None:
            labels = np.empty(X.shape[0], dtype=np.intp)
            self._linear(X, then=_highest, out=labels)
        else:
            labels = self._ask_readout("predict", X)
        return self.classes_[labels]

    @_delegates("predict_proba")
    @over_chunks
    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities in the order of `classes_`; rows sum to 1.
        """
        return self._probabilities("predict_proba", X, special.softmax)

    @_delegates("predict_log_proba")
    @over_chunks
    def predict_log_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the logarithm of the probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`; finite also where a probability rounds to 0.
        """
        return self._probabilities("predict_log_proba", X, special.log_softmax)

    def _probabilities(
        self, method: str, X: Any, function: Callable[..., Any]
    ) -> npt.NDArray[np.float64]:
        """Return a function of the scaled scores, or what the readout's method says."""
        X = self._validated(X)
        if self._kept is None:
            return self._ask_readout(method, X)
        temperature = self.temperature_

        def scaled(scores: npt.NDArray[np.float64]) -> Any:
            return function(temperature * all_scores(scores), axis=1)

        out = np.empty((X.shape[0], len(self.classes_)))
        return self._linear(X, then=scaled, out=out)

    def _ask_readout(self, method: str, X: Any) -> npt.NDArray[Any]:
        """Call a method of the fitted readout on the features of validated `X`."""
        Z = self.network_.features(X, n_jobs=self.n_jobs)
        return getattr(self.readout_, method)(Z)

    def _fit_estimator(self, samples: Data, data: Data) -> None:
        """Fit a readout that is an estimator of scikit-learn."""
        if self.readout == "logistic":
            readout, own = logistic_readout(
                samples,
                len(self.classes_),
                *self.network_.code_line,
                sum_of_squares=self._squared_norm(samples),
                alpha=self.alpha,
                report=self._progress,
            )
            self._keep_readout(readout, own)
            return
        Z = self.network_.features(data.take_all().X, n_jobs=self.n_jobs)
        self._keep_readout(None, fit_estimator(self.readout, Z, samples.take_all()))

    @property
    def training_accuracy_(self) -> float:
        """Share of the training samples that are predicted right."""
        return self._agreement_with_labels("training_accuracy_")


def _highest(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Return the class of the highest score in each row."""
    return all_scores(scores).argmax(axis=1)


def count_hits(
    part: Part, classifier: ClassPredictions, teacher_classes: npt.NDArray[Any]
) -> npt.NDArray[np.float64]:
    """Return the weight of rows that agree with the teacher, with y, and of all."""
    predicted = classifier._predict_validated(part.X)
    weight = weight_of(part)
    told = predicted == labelled_by_teacher(part, teacher_classes).y
    right = np.zeros(len(predicted)) if part.y is None else predicted == part.y
    return np.array([(told * weight).sum(), (right * weight).sum(), weight.sum()])
