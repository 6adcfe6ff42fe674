"""Readouts that are classifiers of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone, is_classifier
from sklearn.utils.validation import has_fit_parameter

from ..data import Data
from .samples import Samples

__all__ = ["check_readout", "fit_estimator"]


def check_readout(readout: Any, data: Data, weighted: bool, target: str) -> bool:
    """Raise ValueError before any long work if the readout cannot serve.

    Parameters
    ----------
    readout : str or classifier
    data : Data
        What it is to be fitted on.
    weighted : bool
        Whether samples or classes have weights.
    target : {"labels", "teacher", "both"}
        What it is to be trained for.

    Returns
    -------
    bool
        Whether it takes any scores as targets, not labels alone.
    """
    takes_scores = isinstance(readout, str) and readout in ("ridge", "trained")
    if not isinstance(readout, str):
        _check_estimator(readout, data, weighted)
    if target == "both" and not takes_scores:
        raise ValueError(
            "target='both' needs readout='ridge', which takes any scores as "
            f"targets, got readout={readout!r}."
        )
    return takes_scores


def _check_estimator(readout: Any, data: Data, weighted: bool) -> None:
    if not data.in_memory:
        raise ValueError(
            "The readout of dask arrays must be 'ridge' or 'logistic', which "
            f"follow from sums; got readout={readout!r}."
        )
    if not is_classifier(readout):
        raise ValueError(
            f"readout must be 'ridge', 'logistic' or a classifier, got {readout!r}."
        )
    if weighted and not has_fit_parameter(readout, "sample_weight"):
        raise ValueError(
            "sample_weight or class_weight was given, but the readout "
            f"{readout!r} does not take sample weights."
        )


def fit_estimator(readout: Any, Z: npt.NDArray[np.float64], samples: Samples) -> Any:
    """Return a clone of a classifier, fitted to features in memory.

    Parameters
    ----------
    readout : classifier
    Z : ndarray of shape (n_samples, n_features_out)
    samples : Samples
        Have the labels and the weights.

    Returns
    -------
    classifier
    """
    options = {} if samples.weight is None else {"sample_weight": samples.weight}
    return clone(readout).fit(Z, samples.labels, **options)
