"""Data sets of the examples and benchmarks."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg, signal
from sklearn.utils import Bunch, check_random_state

from .theory import AutoregressiveCovariance
from .theory._checks import real_array
from .theory.mixtures import check_semidefinite, read_covariance

__all__ = ["load_mnist", "make_gaussian_mixture"]

#: Correlation of neighbouring features in the "mixed" setting.
_CORRELATION = 0.4

_PARTS = ("X_train", "y_train", "X_test", "y_test")


def load_mnist(
    path: str | os.PathLike[str] | None = None,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any], npt.NDArray[np.uint8], npt.NDArray]:
    """Load MNIST: 60,000 training and 10,000 test images of 28x28 pixels.

    Parameters
    ----------
    path : path-like or None, default=None
        An npz file with arrays ``X_train``, ``y_train``, ``X_test`` and
        ``y_test``. None: fetched from OpenML and cached by
        :func:`sklearn.datasets.fetch_openml`.

    Returns
    -------
    X_train, y_train, X_test, y_test : ndarray
        Images of shape (n, 784), dtype uint8, and digits of shape (n,).

    Raises
    ------
    ValueError
        If the file is none of this kind, lacks one of the four arrays, or images and
        digits differ in number.
    OSError
        If the file or the network cannot be read.

    Examples
    --------
    >>> from sklearn_lossless.datasets import load_mnist
    >>> X_train, y_train, X_test, y_test = load_mnist()  # doctest: +SKIP
    """
    if path is None:
        from sklearn.datasets import fetch_openml

        X, y = fetch_openml("mnist_784", return_X_y=True, as_frame=False)
        X, y = X.astype(np.uint8), y.astype(np.int64)
        return X[:60_000], y[:60_000], X[60_000:], y[60_000:]
    try:
        found = np.load(path)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)!r} is no npz file: {error}") from error
    if not isinstance(found, np.lib.npyio.NpzFile):
        raise ValueError(f"{os.fspath(path)!r} is no npz file, but one array.")
    with found as data:
        missing = [name for name in _PARTS if name not in data]
        if missing:
            raise ValueError(
                f"{os.fspath(path)!r} must hold the arrays {', '.join(_PARTS)}; "
                f"missing: {', '.join(missing)}."
            )
        X_train, y_train, X_test, y_test = (data[name] for name in _PARTS)
    for part, X, y in (("train", X_train, y_train), ("test", X_test, y_test)):
        if X.ndim < 2 or y.shape != (len(X),):
            raise ValueError(
                f"X_{part} must be images and y_{part} one digit each, got shapes "
                f"{X.shape} and {y.shape}."
            )
    return (
        X_train.reshape(len(X_train), -1),
        y_train,
        X_test.reshape(len(X_test), -1),
        y_test,
    )


def make_gaussian_mixture(
    setting: str = "mixed",
    n_samples: int = 1000,
    n_features: int = 500,
    *,
    n_classes: int = 2,
    means: npt.ArrayLike | None = None,
    covariances: Sequence[npt.ArrayLike] | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Draw a Gaussian mixture of classes that are barely apart in high dimension.

    Sample i of class a is ``(mu_a + C_a^(1/2) w_i) / sqrt(p)``, w_i standard normal
    and p the number of features, so that squared norms are near 1. For class
    a = 0, 1, ... the settings are those of the paper's experiments:

    ========= =============== =================================================
    setting   mu_a            C_a
    ========= =============== =================================================
    "iid"     0               identity
    "means"   4 e_a           identity
    "vars"    0               (1 + 8 a / sqrt(p)) identity
    "mixed"   4 e_a           (1 + 4 a / sqrt(p)) 0.4^abs(i - j)
    ========= =============== =================================================

    Parameters
    ----------
    setting : {"iid", "means", "vars", "mixed"}, default="mixed"
        Means where none are given, and covariances where none are given.
    n_samples, n_features : int, default=1000, 500
        Size. Classes are of equal size, or differ by one; rows are in random order.
    n_classes : int, default=2
        Number of classes, where neither means nor covariances are given.
    means : array-like of shape (n_classes, n_features), default=None
        The mu_a.
    covariances : sequence of n_classes array-likes, default=None
        The C_a: matrices, vectors (diagonals), numbers (times the identity), or
        :class:`sklearn_lossless.theory.AutoregressiveCovariance`.
    random_state : int, RandomState instance or None, default=None
        Draws the sample.

    Returns
    -------
    Bunch
        ``data`` of shape (n_samples, n_features), ``target`` of shape (n_samples,),
        and of the rows as they are: ``means`` (n_classes, n_features), and
        ``covariances``, a list of what can be given for them, in the "mixed" setting
        without p x p matrices.

    Raises
    ------
    ValueError
        If the setting is unknown, a size is not positive, the shapes do not fit
        together, or a covariance is not symmetric positive semidefinite.

    References
    ----------
    Gu et al., NeurIPS 2022 (arXiv 2403.00258), Definition 1 and section 4.

    Examples
    --------
    >>> from sklearn_lossless.datasets import make_gaussian_mixture
    >>> mixture = make_gaussian_mixture("means", 200, 100, random_state=0)
    >>> mixture.data.shape, mixture.target[:5]
    ((200, 100), array([0, 0, 1, 0, 1]))
    """
    for name, value in (
        ("n_samples", n_samples),
        ("n_features", n_features),
        ("n_classes", n_classes),
    ):
        if not isinstance(value, Integral) or value < 1:
            raise ValueError(f"{name} must be a positive integer, got {value!r}.")
    if setting not in ("iid", "means", "vars", "mixed"):
        raise ValueError(
            f"setting must be 'iid', 'means', 'vars' or 'mixed', got {setting!r}."
        )
    p = n_features
    if means is not None:
        mu = real_array(means, "means")
        n_classes = len(mu) if mu.ndim == 2 else n_classes
    elif covariances is not None:
        if not hasattr(covariances, "__len__"):
            raise ValueError(f"covariances must be one a class, got {covariances!r}.")
        n_classes = len(covariances)
    if not 0 < n_classes <= min(n_samples, p):
        raise ValueError(
            f"n_classes must be positive and at most n_samples={n_samples} and "
            f"n_features={p}, got {n_classes}."
        )
    if means is None:
        mu = 4.0 * (setting in ("means", "mixed")) * np.eye(n_classes, p)
    if mu.shape != (n_classes, p):
        raise ValueError(f"means must have shape {(n_classes, p)}, got {mu.shape}.")
    if covariances is None:
        covariances = _setting_covariances(setting, n_classes, p)
    if len(covariances) != n_classes:
        raise ValueError(f"got {len(covariances)} covariances for {n_classes} classes.")

    rng = check_random_state(random_state)
    y = rng.permutation(np.arange(n_samples) % n_classes)
    X = rng.standard_normal((n_samples, p))
    scaled: list[Any] = []
    for a, covariance in enumerate(covariances):
        C = read_covariance(covariance, p)
        if isinstance(C, AutoregressiveCovariance):
            scaled.append(replace(C, scale=C.scale / p))
        else:
            scaled.append(C / p)
        X[y == a] = _colour(X[y == a], C)
    X += mu[y]
    X /= math.sqrt(p)
    return Bunch(data=X, target=y, means=mu / math.sqrt(p), covariances=scaled)


def _setting_covariances(setting: str, n_classes: int, p: int) -> list[Any]:
    growth = {"vars": 8, "mixed": 4}.get(setting, 0)
    scales = [1 + growth * a / math.sqrt(p) for a in range(n_classes)]
    if setting != "mixed":
        return scales
    return [AutoregressiveCovariance(p, _CORRELATION, scale) for scale in scales]


def _autoregressive(
    noise: npt.NDArray[np.float64], covariance: AutoregressiveCovariance
) -> npt.NDArray[np.float64]:
    """Return rows with a covariance, from white ones, each feature by the last one."""
    correlation = covariance.correlation
    scaled = math.sqrt(1 - correlation**2) * noise
    scaled[:, 0] = noise[:, 0]
    filtered = signal.lfilter([1.0], [1.0, -correlation], scaled, axis=1)
    return math.sqrt(covariance.scale) * filtered


def _colour(
    noise: npt.NDArray[np.float64],
    C: npt.NDArray[np.float64] | AutoregressiveCovariance,
) -> npt.NDArray[np.float64]:
    """Give white rows a covariance."""
    if isinstance(C, AutoregressiveCovariance):
        return _autoregressive(noise, C)
    values, vectors = (C, None) if C.ndim < 2 else linalg.eigh(C)
    check_semidefinite(C, values)
    root = np.sqrt(np.maximum(values, 0))
    return noise * root if vectors is None else (noise * root) @ vectors.T
