"""A fitted estimator as an ONNX graph of standard operators."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ..network import Quantizer, ScaledQuantizer, ThresholdQuantizer
from ..network.quantizer import SHIFT_UNIT
from ._exported import ExportedModel, exported_model, fingerprint
from ._onnx_graph import Graph
from ._onnx_layers import add_layer

__all__ = ["to_onnx"]

#: What scales columns.
_OPERATORS = {"subtracted": "Sub", "divisor": "Div", "factor": "Mul", "added": "Add"}


def to_onnx(est: Any, *, input_dtype: str = "float32") -> Any:
    """Return a fitted estimator as an ONNX model of standard operators.

    Hidden layers are products of uint8 codes with int8 weights and comparisons of
    int32 sums; the readout sums integers in float64. All of these are exact, so
    codes, scores and predictions have the same bits as those of `est`;
    probabilities agree to rounding. Weights are dense int8 constants: one byte for
    each hidden weight, zeros included.

    Of tables (``input_encoding="thresholds"``) the input has NaN for missing values,
    and for categories their numbers: places in ``metadata_props["categories"]``, a JSON
    list with one entry for each column.

    Parameters
    ----------
    est : NTKCompressor, CompressedMLPClassifier or CompressedMLPRegressor
        Fitted; readout "ridge" or "logistic". Or a fitted pipeline of scalers and such
        an estimator: see :func:`fold`.
    input_dtype : {"float32", "float64", "uint8"}, default="float32"
        Type of the input ``X``.

    Returns
    -------
    onnx.ModelProto
        ``onnx.save`` writes it to a file. Its input is ``X`` of shape (n_samples,
        n_features). Its outputs are those of the estimator:

        - ``codes`` of shape (n_samples, n_features_out), uint8;
        - of a compressor ``features`` of the same shape, float64;
        - of a classifier ``label`` (n_samples,), int64 (uint64 where
          labels need it), float64 or string, ``probabilities``
          (n_samples, n_classes), and ``scores`` (n_samples, n_scores), float64;
        - of a regressor ``prediction``, float64, of the shape that
          ``est.predict`` gives.

    Raises
    ------
    ImportError
        If the package onnx is not installed.
    NotFittedError
        If `est` is not fitted.
    TypeError
        If `est` is of another kind.
    ValueError
        If `input_dtype` is unknown, if the readout is an estimator of its own, or if
        ONNX has no type for the class labels.

    See Also
    --------
    to_c : The same as C source.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_lossless import CompressedMLPClassifier
    >>> from sklearn_lossless.export import to_onnx
    >>> clf = CompressedMLPClassifier((50,), eps=0.0, random_state=0)
    >>> model = to_onnx(clf.fit(*load_iris(return_X_y=True)))
    >>> [output.name for output in model.graph.output]
    ['codes', 'scores', 'label', 'probabilities']
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError(
            "to_onnx needs the package onnx: pip install 'sklearn-lossless[onnx]'."
        ) from error
    if input_dtype not in ("float32", "float64", "uint8"):
        raise ValueError(
            f"input_dtype must be 'float32', 'float64' or 'uint8', got {input_dtype!r}."
        )
    model = exported_model(est)
    graph = Graph()
    graph.input("X", input_dtype, model.network.n_features_in)
    codes = _hidden(graph, model)
    if model.readout is None:
        offset, step_size = model.network.code_line
        features = graph.add("Cast", codes, to=onnx.TensorProto.DOUBLE)
        features = graph.add("Mul", features, step_size)
        features = graph.add("Add", features, offset)
        graph.output("features", features, "float64", model.network.n_features_out)
    else:
        scores = _scores(graph, model, codes)
        if model.classes is not None:
            _classify(graph, model, scores)
        elif model.single:
            scores = graph.add("Reshape", scores, np.array([-1]))
            graph.output("prediction", scores, "float64")
        else:
            graph.output("prediction", scores, "float64", model.n_scores)
    properties = {"sha256": fingerprint(model)}
    if model.columns is not None:
        properties["categories"] = json.dumps(model.columns.categories)
    return graph.model(type(est).__name__, properties)


def _hidden(graph: Graph, model: ExportedModel) -> str:
    """Add all layers; return the name of the codes that the readout sees."""
    network = model.network
    quantizer = network.quantizer
    if isinstance(quantizer, ThresholdQuantizer):
        codes = _bits(graph, quantizer)
    else:
        codes = _quantize(graph, quantizer)
    outputs = [codes]
    for number in range(len(network.layers)):
        outputs.append(add_layer(graph, outputs, network, number))
    codes = outputs[-1]
    if len(network.output_layers) > 1:
        codes = graph.add("Concat", *outputs[1:], axis=1)
    graph.output("codes", codes, "uint8", network.n_features_out)
    return codes


def _quantize(graph: Graph, quantizer: Quantizer | ScaledQuantizer) -> str:
    """Add the quantiser, in float64 as in Python."""
    from onnx import TensorProto

    if quantizer.n_bits > 8:
        raise ValueError(
            f"Input codes of {quantizer.n_bits} bits do not fit in a byte."
        )
    x = graph.add("Cast", "X", to=TensorProto.DOUBLE)
    if isinstance(quantizer, ScaledQuantizer):
        for name, values in quantizer.operations.items():
            x = graph.add(_OPERATORS[name], x, values)
        quantizer = quantizer.cells
    cell = graph.add("Mul", x, np.float64(quantizer.inv_step))
    cell = graph.add("Add", cell, quantizer.shift / SHIFT_UNIT)
    largest_code = np.float64(2**quantizer.n_bits - 1)
    cell = graph.add("Clip", graph.add("Floor", cell), np.float64(0.0), largest_code)
    return graph.add("Cast", cell, to=TensorProto.UINT8)


def _bits(graph: Graph, quantizer: ThresholdQuantizer) -> str:
    """Add comparisons: of thresholds, of numbers of categories, of missing values."""
    from onnx import TensorProto

    x = graph.add("Cast", "X", to=TensorProto.DOUBLE)
    starts = quantizer.starts.tolist()
    bits, parts = [], []

    def add(operator: str, columns: Any, places: Any, *values: Any) -> None:
        if len(places):
            given = graph.add("Gather", x, np.asarray(columns, np.int64), axis=1)
            found = graph.add(operator, given, *values)
            parts.append(graph.add("Cast", found, to=TensorProto.INT32))
            bits.extend(places)

    columns = list(enumerate(quantizer.columns))
    numbers = [(j, c) for j, c in columns if c.groups is None]
    above = [(j, starts[j] + i) for j, c in numbers for i in range(len(c.thresholds))]
    bounds = np.concatenate([np.zeros(0), *(c.thresholds for _, c in numbers)])
    add("Greater", [j for j, _ in above], [bit for _, bit in above], bounds)
    missing = [j for j, c in columns if c.has_missing]
    add("IsNaN", missing, [starts[j + 1] - 1 for j in missing])
    for j, column in columns:
        for group in range(column.n_known if column.groups is not None else 0):
            members = np.flatnonzero(column.groups == group).astype(np.float64)
            add("Equal", [j], [starts[j] + group], members)
            if len(members) > 1:
                parts[-1] = graph.add("ReduceMax", parts[-1], axes=[1], keepdims=1)
    codes = graph.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]
    codes = graph.add("Gather", codes, np.argsort(bits), axis=1)
    return graph.add("Cast", codes, to=TensorProto.UINT8)


def _scores(graph: Graph, model: ExportedModel, codes: str) -> str:
    """Add the readout: exact sums of integers in float64."""
    from onnx import TensorProto

    readout = model.readout
    assert readout is not None
    weights: Any = readout.weights
    if weights.max(initial=0) < 2**31 and weights.min(initial=0) >= -(2**31):
        # Half the bytes.
        weights = graph.add("Cast", weights.astype(np.int32), to=TensorProto.DOUBLE)
    else:
        weights = weights.astype(np.float64)
    real = graph.add("Cast", codes, to=TensorProto.DOUBLE)
    scores = graph.add("MatMul", real, weights)
    scores = graph.add("Mul", scores, readout.grid)
    # ONNX Runtime leaves out additions of one number that is 0 in single precision.
    unseen = (readout.offset != 0) & (np.abs(readout.offset) < 1e-30)
    return graph.add("Sum" if unseen.any() else "Add", scores, readout.offset)


def _classify(graph: Graph, model: ExportedModel, scores: str) -> None:
    """Add class labels and probabilities."""
    assert model.classes is not None
    graph.output("scores", scores, "float64", model.n_scores)
    if model.n_scores == 1:
        scores = graph.add("Concat", graph.add("Neg", scores), scores, axis=1)
    best = graph.add("ArgMax", scores, axis=1, keepdims=0)
    labels = model.classes
    if labels.dtype.kind in "biu":
        # Only labels of 2**63 and above need the type without a sign.
        labels = labels.astype(np.int64 if int(labels.max()) < 2**63 else np.uint64)
    elif labels.dtype.kind == "f" and labels.dtype.itemsize <= 8:
        labels = labels.astype(np.float64)
    elif labels.dtype.kind not in "OUT":
        raise ValueError(
            f"Class labels of dtype {labels.dtype} cannot be exported; expected "
            f"strings, numbers of at most 64 bits or booleans, got {labels[0]!r}."
        )
    label = graph.add("Gather", labels, best)
    kind = labels.dtype if labels.dtype.kind in "iuf" else np.dtype(object)
    graph.output("label", label, kind)
    calibrated = graph.add("Mul", scores, np.float64(model.temperature))
    probabilities = graph.add("Softmax", calibrated, axis=1)
    graph.output("probabilities", probabilities, "float64", len(model.classes))
