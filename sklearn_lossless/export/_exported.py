"""What an export takes from a fitted estimator, as plain numbers."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from .._columns import Columns
from .._printing import short_repr
from ..network import Addition, CompressedNetwork, Convolution, Pooling
from ..network.layers import integer_thresholds
from ..readout import CodeReadout
from ._kinds import Kind, kind_of
from .fold import folded

__all__ = [
    "ExportedModel",
    "IntegerReadout",
    "exported_model",
    "fingerprint",
    "integer_readout",
    "largest_totals",
    "rounded_weights",
    "to_integers",
]


@dataclass(frozen=True, eq=False)
class IntegerReadout:
    """A readout in integers alone.

    ``scores = (codes @ weights) * factor + offset``; in the units of the
    estimator they are ``scores * scale``.

    Parameters
    ----------
    weights : ndarray of shape (n_codes, n_scores), dtype int64
    factor : ndarray of shape (n_scores,), dtype int64
        Powers of two, all 1 below full precision.
    offset : ndarray of shape (n_scores,), dtype int64
    scale : ndarray of shape (n_scores,), dtype float64
        One number for all scores of a classifier, so that they compare.
    """

    __repr__ = short_repr

    weights: npt.NDArray[np.int64]
    factor: npt.NDArray[np.int64]
    offset: npt.NDArray[np.int64]
    scale: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ExportedModel:
    """A fitted estimator without scikit-learn.

    Parameters
    ----------
    kind : Kind
    network : CompressedNetwork
    readout : CodeReadout or None, default=None
        None for a compressor alone.
    single : bool, default=False
        Whether there is one target without an axis of its own.
    classes : ndarray of shape (n_classes,) or None, default=None
        None unless it is a classifier.
    temperature : float or None, default=None
        Factor of the scores in the softmax; None unless it is a classifier.
    columns : Columns or None, default=None
        Categories of tables.
    names : sequence of str or None, default=None
        Of the features.
    """

    kind: Kind
    network: CompressedNetwork
    readout: CodeReadout | None = None
    single: bool = False
    classes: npt.NDArray[Any] | None = None
    temperature: float | None = None
    columns: Columns | None = None
    names: Sequence[str] | None = None

    @property
    def n_scores(self) -> int:
        """Number of scores of the readout, 0 without one."""
        return 0 if self.readout is None else self.readout.weights.shape[1]


def exported_model(est: Any) -> ExportedModel:
    """Take from a fitted estimator what an export needs.

    Raises
    ------
    NotFittedError
        If `est` is not fitted.
    TypeError
        If `est` is neither an estimator of this package nor a pipeline that ends with
        one.
    ValueError
        If its readout is an estimator of its own, or a pipeline cannot be folded.
    """
    est = folded(est)
    kind = kind_of(est)
    if kind is None:
        raise TypeError(
            "Expected an NTKCompressor, CompressedMLPClassifier or "
            f"CompressedMLPRegressor, or a pipeline of scalers and one of these, got "
            f"{est!r}."
        )
    check_is_fitted(est, "network_")
    network = est.network_
    names = getattr(est, "feature_names_in_", None)
    table = {"columns": est._columns, "names": names}
    if kind.role is Kind.COMPRESSOR:
        return ExportedModel(kind, network, **table)
    linear = est._readout
    if linear is None:
        raise ValueError(
            "Only the readouts 'ridge' and 'logistic' can be exported; this one is "
            f"{est.readout_!r}."
        )
    readout = linear.on_codes(*network.code_line, network.largest_code)
    classes = est.classes_ if kind.role is Kind.CLASSIFIER else None
    return ExportedModel(
        kind, network, readout, linear.single, classes, linear.temperature, **table
    )


def integer_readout(est: Any, bits: int = 32) -> IntegerReadout:
    """Return the readout of a fitted estimator in integers alone.

    This is the fixed-point readout of :func:`to_c`. Its scores tell what `bits` costs
    in accuracy, before any program is compiled, and what a program has to give.

    Parameters
    ----------
    est : CompressedMLPClassifier or CompressedMLPRegressor
        Fitted, with the readout "ridge" or "logistic".
    bits : {8, 16, 32}, default=32
        Bits of a weight. 32: the weights that `est` itself uses.

    Returns
    -------
    IntegerReadout
        With ``weights``, ``factor``, ``offset`` and ``scale``; scores are
        ``(codes @ weights) * factor + offset``, times ``scale`` in the units of
        ``est.decision_function`` or ``est.predict``.

    Raises
    ------
    NotFittedError
        If `est` is not fitted.
    ValueError
        If `bits` is unknown, if the readout is an estimator of its own, or if
        scores do not fit in 63 bits.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_lossless import CompressedMLPClassifier
    >>> from sklearn_lossless.export import integer_readout
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = CompressedMLPClassifier((50,), eps=0.0, random_state=0).fit(X, y)
    >>> readout = integer_readout(clf, bits=8)
    >>> scores = clf.network_.forward(X) @ readout.weights + readout.offset
    >>> bool(np.mean(scores.argmax(axis=1) == clf.predict(X)) > 0.95)
    True
    """
    model = exported_model(est)
    if model.readout is None:
        raise ValueError(f"{type(est).__name__} has no readout.")
    return to_integers(model, bits)


def to_integers(model: ExportedModel, bits: int) -> IntegerReadout:
    """Return the readout of `model` in integers, with weights of `bits` bits."""
    assert model.readout is not None
    weights, step = rounded_weights(model, bits, comparable=model.classes is not None)
    scale = (
        np.broadcast_to(step.min(), step.shape) if model.classes is not None else step
    )
    factor = step / scale
    offset = np.rint(model.readout.offset / scale)
    largest = largest_totals(model.network, weights) * factor + np.abs(offset)
    if not largest.max() < 2.0**62:
        raise ValueError(
            "The scores do not fit in 63 bits: the coefficients of the classes, or "
            "coefficients and intercept, differ too much in size. Export with "
            "readout='float', or scale the targets."
        )
    return IntegerReadout(
        weights, factor.astype(np.int64), offset.astype(np.int64), scale
    )


def rounded_weights(
    model: ExportedModel, bits: int, *, comparable: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return readout weights of `bits` bits and the step of each score's.

    With `comparable` there is one step for all scores, unless all bits are kept.
    """
    if bits not in (8, 16, 32):
        raise ValueError(f"The bits of a readout must be 8, 16 or 32, got {bits!r}.")
    assert model.readout is not None
    exact = model.readout
    if bits == 32:
        return exact.weights.astype(np.int64), exact.grid
    real = exact.weights * exact.grid
    largest = np.abs(real).max(axis=0)
    if comparable:
        largest = np.broadcast_to(largest.max(), largest.shape)
    step = np.where(largest > 0, largest, 1.0) / (2 ** (bits - 1) - 1)
    return np.rint(real / step).astype(np.int64), step


def largest_totals(
    network: CompressedNetwork, weights: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Bound ``codes @ weights`` for all codes there are."""
    layers = network.output_layers
    widths = [math.prod(layer.shape_out) for layer in layers]
    largest_code = np.repeat([layer.largest_code for layer in layers], widths)
    return np.abs(weights).T.astype(np.float64) @ largest_code


def fingerprint(model: ExportedModel) -> str:
    """Return the SHA-256 of everything that a prediction depends on.

    Weights, thresholds and levels of all layers, the inputs of windows, the quantiser
    and the readout, little-endian, one after the other.
    """
    network, quantizer = model.network, model.network.quantizer
    digest = hashlib.sha256()
    parts: list[tuple[Any, str]] = [*quantizer.key()]
    for number, layer in enumerate(network.layers):
        seen: Any = layer
        if isinstance(layer, Addition):
            parts.append(([layer.skip, layer.first_channel], "<i8"))
            seen = layer.shortcut
        if isinstance(seen, Convolution):
            parts.append((seen.patches, "<i8"))
        if isinstance(seen, Pooling):
            kind = [seen.kind == "max", seen.shift, seen.shape_in[2]]
            parts += [(seen.windows, "<i8"), (kind, "<i8")]
        if layer.neurons is None:
            continue
        weights = network.weights(number)
        parts += [
            (weights.indices, "<i4"),
            (weights.n_plus, "<i4"),
            (integer_thresholds(layer.neurons, weights), "<i8"),
            (layer.neurons.levels, "u1"),
        ]
    if model.readout is not None:
        parts += [
            (model.readout.weights, "<i8"),
            (model.readout.grid, "<f8"),
            (model.readout.offset, "<f8"),
        ]
    for values, dtype in parts:
        digest.update(np.ascontiguousarray(values, dtype=dtype).tobytes())
    return digest.hexdigest()
