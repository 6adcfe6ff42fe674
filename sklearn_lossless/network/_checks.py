"""Checks of the shapes of what is passed in, with the errors of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

__all__ = ["canonical", "check_features", "check_shape", "check_weight", "check_width"]


def canonical(X: Any) -> Any:
    """Return `X`; if it is sparse as CSR, with one entry in each place, in order.

    Entries in one place are summed as ``X.toarray()`` does: one after the other, in
    the type of `X`. Nothing of `X` is changed, but arrays may be shared with it.

    Parameters
    ----------
    X : ndarray or sparse matrix of any format

    Returns
    -------
    X, or CSR array
    """
    if not sparse.issparse(X) or X.ndim != 2:
        return X
    if X.format == "coo":
        # Keeps SciPy from summing, which it does in any order.
        X = sparse.coo_array((X.data, X.coords), shape=X.shape)
        X.has_canonical_format = True
    X = X.tocsr()
    # SciPy keeps in a matrix what it finds out about it; this is not the user's.
    X = sparse.csr_array((X.data, X.indices, X.indptr), shape=X.shape)
    if not X.has_canonical_format:
        X = X.tocsc().tocsr()  # sorts, and keeps the order of entries in one place
        X.sum_duplicates()
    return X


def check_features(X: Any, n_features: int | None, owner: str) -> Any:
    """Return `X` as `canonical`, an array if it was a list.

    Raises ValueError if it does not fit.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
    n_features : int or None
        Columns that `owner` expects. None: any number.
    owner : str
        For messages.
    """
    X = X if hasattr(X, "shape") else np.asarray(X)
    if len(X.shape) != 2:
        raise ValueError(
            f"Expected 2D array, got {len(X.shape)}D array instead: {owner} takes "
            f"X of shape (n_samples, n_features), got shape {X.shape}."
        )
    if n_features is not None:
        check_width(X, n_features, owner)
    return canonical(X)


def check_width(X: Any, n_features: int, owner: str, name: str = "X") -> None:
    """Raise ValueError if the last axis of `X` is not of the features expected."""
    n_given = X.shape[-1] if len(X.shape) else 1
    if n_given != n_features:
        raise ValueError(
            f"{name} has {n_given} features, but {owner} is expecting {n_features} "
            "features as input."
        )


def check_shape(array: Any, shape: tuple[int | str, ...], name: str) -> None:
    """Raise ValueError if `array` has another shape; a str names a free axis."""
    found = np.shape(array)
    fits = len(found) == len(shape) and all(
        isinstance(wanted, str) or have == wanted
        for have, wanted in zip(found, shape, strict=True)
    )
    if not fits:
        wanted = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
        raise ValueError(f"{name} must have shape ({wanted}), got shape {found}.")


def check_weight(sample_weight: Any, X: Any) -> None:
    """Raise ValueError if there is not one weight for each row of `X`."""
    if sample_weight is not None:
        check_shape(sample_weight, (X.shape[0],), "sample_weight")
