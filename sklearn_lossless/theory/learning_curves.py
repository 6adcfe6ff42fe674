"""What is learned, and curves of it: targets of classes, modes, errors along time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .._printing import short_repr

__all__ = ["LearningCurve", "LearningModes", "class_targets"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LearningModes:
    """The modes of a kernel: what is learned, and when.

    Parameters
    ----------
    eigenvalues : ndarray of shape (n_modes,)
        Largest first.
    times : ndarray of shape (n_modes,)
        ``n_samples / eigenvalue``: by then a mode's residual has fallen to 1/e.
    shares : ndarray of shape (n_modes, n_targets)
        Of each target's squared norm (before training, less the first outputs).
    parts : ndarray of shape (n_modes, 4) or None
        Of equivalents: shares of the eigenvalue that come from products of the samples
        (means of the classes), from their norms (traces of the covariances), from
        squares of the products (products of the covariances), and from the identity.
    """

    __repr__ = short_repr

    eigenvalues: FloatArray
    times: FloatArray
    shares: FloatArray
    parts: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """Errors at some times of a training, or along a path of ridge regressions.

    Parameters
    ----------
    times : ndarray of shape (n_times,)
        Of gradient flow; of gradient descent, step size times number of steps; of
        ridge, ``n_samples / alpha``.
    train : ndarray of shape (n_times,)
        Mean squared error on the training samples, over all targets; with label noise
        its expectation, the noise included.
    test : ndarray of shape (n_times,) or None
        On the test samples, against their given targets. None without any.
    train_targets, test_targets : ndarray of shape (n_times, n_targets), or None
        The same for each target, without label noise.
    train_noise, test_noise : ndarray of shape (n_times,), or None
        What the label noise adds: `train` less this is the bias.
    gcv : ndarray of shape (n_times,) or None
        Generalised cross-validation, ``train / (1 - tr S / n)^2``, S the matrix from
        targets to outputs. None where the trace is not known.
    """

    __repr__ = short_repr

    times: FloatArray
    train: FloatArray
    test: FloatArray | None
    train_targets: FloatArray
    test_targets: FloatArray | None
    train_noise: FloatArray
    test_noise: FloatArray | None
    gcv: FloatArray | None


def class_targets(y: npt.ArrayLike, *, like: npt.ArrayLike | None = None) -> FloatArray:
    """Return the targets by which classes are learned, one for each.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Class of each sample.
    like : array-like of shape (n_others,), default=None
        Classes of training samples, where `y` are those of test samples: columns and
        means are theirs. None: `y`.

    Returns
    -------
    ndarray of shape (n_samples, n_classes)
        1 in the column of the sample's class, 0 elsewhere, less the mean over samples:
        the direction of the class, which needs no intercept.

    Raises
    ------
    ValueError
        If there is no vector, NaN, fewer than two classes, a class with a single
        sample, or one that `like` does not have.

    Examples
    --------
    >>> from sklearn_lossless.theory import class_targets
    >>> class_targets(["a", "b", "b", "a"])
    array([[ 0.5, -0.5],
           [-0.5,  0.5],
           [-0.5,  0.5],
           [ 0.5, -0.5]])
    """
    labels = _labels(y, "y")
    others = labels if like is None else _labels(like, "like")
    classes, counts = np.unique(others, return_counts=True)
    if len(classes) < 2:
        raise ValueError(f"there must be at least two classes, got {classes}.")
    if counts.min() < 2:
        raise ValueError(
            f"class {classes[counts.argmin()]} has one sample, whose direction is not "
            "that of a class; expected at least 2 samples of each."
        )
    unknown = np.setdiff1d(labels, classes)
    if len(unknown):
        raise ValueError(f"class {unknown[0]} of y is not among those of like.")
    members = labels[:, np.newaxis] == classes
    return np.asarray(members - counts / counts.sum())


def _labels(given: npt.ArrayLike, name: str) -> npt.NDArray[Any]:
    labels = np.asarray(given)
    if labels.ndim != 1 or not len(labels):
        raise ValueError(
            f"{name} must be a vector of classes, got shape {labels.shape}."
        )
    if np.any(labels != labels):
        raise ValueError(f"{name} has NaN where classes are expected.")
    return labels
