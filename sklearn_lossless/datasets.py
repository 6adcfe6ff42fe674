"""Data sets of the examples and benchmarks."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["load_mnist"]

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
        If the file lacks one of the four arrays.
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
    with np.load(path) as data:
        missing = [name for name in _PARTS if name not in data]
        if missing:
            raise ValueError(
                f"{os.fspath(path)!r} must hold the arrays {', '.join(_PARTS)}; "
                f"missing: {', '.join(missing)}."
            )
        X_train, y_train, X_test, y_test = (data[name] for name in _PARTS)
    return (
        X_train.reshape(len(X_train), -1),
        y_train,
        X_test.reshape(len(X_test), -1),
        y_test,
    )
