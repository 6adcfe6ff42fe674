"""Reference networks as teachers: what they say of samples, as targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from .architecture import read_network
from .network import Array, ReferenceNetwork

__all__ = ["ENDINGS", "Teacher", "read_teacher", "sum_squares"]

#: Activations of output layers; a classifier's do not change its largest output.
ENDINGS: dict[str, Callable[[Array], Array]] = {
    "identity": lambda Z: Z,
    "exp": np.exp,
    "logistic": special.expit,
    "softmax": partial(special.softmax, axis=1),
    "log_softmax": partial(special.log_softmax, axis=1),
}


@dataclass(frozen=True, eq=False)
class Teacher:
    """Fitted network that a student learns from.

    Parameters
    ----------
    reference : ReferenceNetwork
        Fitted.
    is_classifier : bool
        Whether its scores are those of classes.
    """

    reference: ReferenceNetwork
    is_classifier: bool

    def scores(self, X: Any) -> Array:
        """Return the targets of a student.

        Parameters
        ----------
        X : ndarray or CSR matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_targets)
            Outputs of a regressor, through its last activation. Of a classifier
            log-odds, one column for two classes, else one for each class
            with mean zero.
        """
        outputs = self.reference.outputs(X)
        if not self.is_classifier:
            return ENDINGS[self.reference.ending](outputs)
        if outputs.shape[1] == 2:
            outputs = outputs[:, 1:] - outputs[:, :1]
        elif outputs.shape[1] > 2:
            outputs = outputs - outputs.mean(axis=1, keepdims=True)
        return outputs


def sum_squares(scores: Array, weight: Array | None = None) -> Array:
    """Return two sums over samples, which add up over parts of the data.

    Parameters
    ----------
    scores : ndarray of shape (n_samples, n_targets)
    weight : ndarray of shape (n_samples,) or None, default=None
        Weights of the samples in the root mean square of the scores.

    Returns
    -------
    ndarray of shape (2,)
        Sums of the weighted mean squared score, and of the weights.
    """
    squares = np.mean(np.square(scores), axis=1)
    if weight is None:
        return np.array([squares.sum(), len(squares)])
    return np.array([(squares * weight).sum(), weight.sum()])


def read_teacher(
    estimator: Any,
    target: str,
    *,
    classifier: bool,
    n_features: int,
    feature_names: npt.NDArray[Any] | None = None,
) -> Teacher:
    """Return a teacher, or say why it cannot teach.

    Parameters
    ----------
    estimator : ReferenceNetwork, or what `read_network` takes
        Fitted.
    target : str
        Value of the parameter, for messages.
    classifier : bool
        Whether the student is one.
    n_features : int
        Number of features of the data.
    feature_names : ndarray of shape (n_features,) or None, default=None
        Their names.

    Returns
    -------
    Teacher
    """
    why = f"target={target!r}"
    if estimator is None:
        raise ValueError(f"{why} needs a fitted estimator, got estimator=None.")
    if isinstance(estimator, ReferenceNetwork):
        reference = estimator
    else:
        reference = read_network(estimator)
    reference.check_fitted(why, n_features, feature_names)
    if reference.is_classifier not in (None, classifier):
        kinds = ("regressor", "classifier")
        raise ValueError(
            f"{why}: estimator {reference.name} is a {kinds[not classifier]}, expected "
            f"a {kinds[classifier]}."
        )
    return Teacher(reference, classifier)
