"""What a report measures: distances of kernels, and bytes; the course of a training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..data import Data, rows_with_weight
from ..export._kinds import kind_of
from ..export.sizes import file_sizes
from ..network import CompressedNetwork, ThresholdQuantizer, network_sizes
from ._kernels import (
    KernelDistance,
    check_kernel_is_known,
    draw_rows,
    kernel_distance,
    sample_rows,
)
from ._picture_kernels import check_picture_kernel, picture_kernel_distance

__all__ = [
    "ColumnReport",
    "Comparison",
    "column_reports",
    "compare_kernels",
    "count_bytes",
    "fitted_compressor",
    "keep_report_rows",
    "training_curves",
]

#: Rows that `fit` sets aside.
_REPORT_ROWS = 200

#: Readout by type: bits of a coefficient.
_READOUTS = {"float32": 32, "float16": 16, "int8": 8, "int4": 4}

#: The distance and no note, or None and a note that says why.
Comparison = tuple[KernelDistance | None, tuple[str, ...]]


def fitted_compressor(estimator: Any) -> Any:
    """Return the fitted compressor of an estimator.

    Raises
    ------
    TypeError
        If it is no estimator of this package.
    NotFittedError
        If it is not fitted.
    """
    # A FrozenEstimator is of no kind, but shows the network of what it holds.
    network = getattr(estimator, "network_", None)
    if kind_of(estimator) is None and not isinstance(network, CompressedNetwork):
        raise TypeError(
            "estimator must be an NTKCompressor, a CompressedMLPClassifier or a "
            f"CompressedMLPRegressor, got {type(estimator).__name__}; of a pipeline "
            "take the step."
        )
    check_is_fitted(estimator, "network_")
    return getattr(estimator, "compressor_", estimator)


def keep_report_rows(compressor: Any, data: Data) -> None:
    """Keep rows of the training data for the report.

    Parameters
    ----------
    compressor : fitted NTKCompressor
    data : Data
        Rows of weight zero are left out.
    """
    try:
        _check_kernel(compressor)
    except ValueError:  # no kernel is known
        compressor._report_rows = (compressor.network_, None, {})
        return
    usable = rows_with_weight(data)
    rows = draw_rows(len(usable), data.n_features, _REPORT_ROWS, data.is_sparse)
    # With the network that they belong to, and what was measured on them.
    X = data.take(usable[rows]).X
    compressor._report_rows = (compressor.network_, X, {})


def compare_kernels(
    compressor: Any, X: Any, n_samples: int, n_draws: int
) -> Comparison:
    """Return the kernel distance on rows of `X`, or why there is none.

    Parameters
    ----------
    compressor : fitted NTKCompressor
    X : ndarray or CSR matrix of shape (n_rows, n_features) or None
        Rows to compare on. None: at most `n_samples` of those that `fit` set aside,
        on which each distance is measured once.
    n_samples, n_draws : int
        See :meth:`CompressionReport.from_estimator`.

    Returns
    -------
    kernel : KernelDistance or None
    notes : tuple of str
        A note if there is no distance.
    """
    measured: dict[tuple[int, int], KernelDistance] = {}
    try:
        _check_kernel(compressor)
        if X is None:
            X, measured = _report_rows(compressor, n_samples)
        key = (n_samples, n_draws)
        if key not in measured:
            # Of threads that measure at the same time, the first keeps its result.
            measure = kernel_distance
            if not compressor.network_.is_dense:
                measure = picture_kernel_distance
            measured.setdefault(key, measure(compressor, X, n_draws=n_draws))
        return measured[key], ()
    except ValueError as reason:
        return None, (f"The kernels were not compared: {reason}",)


def _check_kernel(compressor: Any) -> None:
    """Raise ValueError if theory does not tell the kernel of the network."""
    network = compressor.network_
    if network.is_dense or network.has_stored_weights:
        check_kernel_is_known(compressor)
    else:
        check_picture_kernel(network)


def _report_rows(compressor: Any, n_samples: int) -> tuple[Any, dict[Any, Any]]:
    """Return rows that `fit` has set aside, and what was measured on them."""
    network, X, measured = getattr(compressor, "_report_rows", (None, None, {}))
    if X is None or network is not compressor.network_:
        raise ValueError(
            "pickles, copies and model files keep no training data; "
            "CompressionReport.from_estimator takes some."
        )
    return X[sample_rows(X, n_samples)], measured


def training_curves(compressor: Any) -> dict[str, tuple[float, ...]]:
    """Return loss and validation score of each epoch; none where they are not known.

    Parameters
    ----------
    compressor : fitted NTKCompressor

    Returns
    -------
    dict
        ``loss_curve`` and ``validation_scores``.
    """
    course = getattr(compressor, "_course", None)
    losses, scores = ([], []) if course is None else (course.losses, course.scores)
    return {"loss_curve": tuple(losses), "validation_scores": tuple(scores)}


@dataclass(frozen=True)
class ColumnReport:
    """One column of a table that is coded by thresholds.

    Parameters
    ----------
    column : str or int
        Its name, or its number where there are no names.
    n_bits : int
        Inputs of the network that say what its value is.
    n_weights : int
        Weights of the first hidden layer that look at them.
    weights_share : float
        Share of these among all weights of the layer that are not zero.
    """

    column: str | int
    n_bits: int
    n_weights: int
    weights_share: float


def column_reports(compressor: Any) -> tuple[ColumnReport, ...]:
    """Return how much is seen of each column; nothing unless columns become bits.

    Parameters
    ----------
    compressor : fitted NTKCompressor

    Returns
    -------
    tuple of ColumnReport
    """
    network = compressor.network_
    quantizer = network.quantizer
    if not isinstance(quantizer, ThresholdQuantizer):
        return ()
    names = getattr(compressor, "feature_names_in_", range(quantizer.n_features))
    places = network.weights(0).indices.ravel()
    column_of = np.searchsorted(quantizer.starts, places, side="right") - 1
    counts = np.bincount(column_of, minlength=quantizer.n_features)
    return tuple(
        ColumnReport(name, column.n_bits, int(count), float(count / len(places)))
        for name, column, count in zip(names, quantizer.columns, counts, strict=True)
    )


def count_bytes(estimator: Any) -> dict[str, int]:
    """Count bytes; leave out files that the estimator cannot be saved as."""
    readout = getattr(estimator, "_readout", None)
    n_targets = 0 if readout is None else readout.n_targets
    sizes = network_sizes(estimator.network_, n_targets)
    del sizes["readout"]
    for name, bits in _READOUTS.items() if n_targets else ():
        found = network_sizes(estimator.network_, n_targets, bits)
        sizes[f"readout_{name}"] = found["readout"]
    dtypes = list(_READOUTS) if n_targets else ["float64"]
    for name, size in file_sizes(estimator, dtypes).items():
        sizes[f"file_{name}" if n_targets else "file"] = size
    return sizes
