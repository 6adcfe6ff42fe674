"""What a prediction costs on a small device: operations, bytes, milliseconds."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, r2_score

from ..export._c_memory import program_memory
from ..export._exported import ExportedModel, exported_model, to_integers
from ..export.fold import folded
from ..network import Addition, CompressedNetwork, Convolution, Dense, Pooling
from ._optional import import_pandas

__all__ = ["CostReport", "LayerCost", "cost_report"]

#: Instructions of a Cortex-M0 for each operation. Chosen so that they give what was
#: counted for the programs of benchmarks/results/c_export_device.json, to a tenth.
_PER_ADDITION = 13.0
_PER_DRAWN_ADDITION = 211.0
_PER_COMPARISON = 18.8
_PER_POOLED = 20.0
_PER_COPY = 22.0
_PER_MULTIPLICATION = 7.0

#: Bytes of code of such programs, with what they use of libgcc.
_CODE_BYTES = {"table": 400, "seed": 900, "pictures": 1700}

#: MHz of some devices.
_DEVICES = {
    "Cortex-M0, 16 MHz (nRF51, BBC micro:bit)": 16,
    "Cortex-M0+, 48 MHz (SAMD21)": 48,
    "Cortex-M0+, 133 MHz (RP2040)": 133,
    "Cortex-M4, 64 MHz (nRF52)": 64,
}
#: Most instructions of a Cortex-M0 take one or two cycles.
_CYCLES = 1, 2


@dataclass(frozen=True)
class LayerCost:
    """Operations of a layer, for one sample.

    Parameters
    ----------
    layer : int or str
        Its number, from 1, or "readout".
    kind : str
        "dense", "convolution", "max pooling", "sum pooling", "sum" of the codes of two
        layers, or "readout".
    shape : str
        Of the codes that it puts out, or the number of scores.
    additions : int
        Codes that are added or subtracted; of a readout products.
    comparisons : int
        Of sums with thresholds, at most; of codes in windows whose largest is taken.
    multiplications : int
        Of codes with weights of the readout; hidden layers have none.
    copies : int
        Codes that are copied into windows.
    drawn : bool
        Whether weights are drawn from the seed, for each sample.
    """

    layer: int | str
    kind: str
    shape: str
    additions: int
    comparisons: int = 0
    multiplications: int = 0
    copies: int = 0
    drawn: bool = False


@dataclass(frozen=True)
class CostReport:
    """What a prediction by the C program costs on a small device.

    Printed, it is a table of operations, one of bytes and one of milliseconds.

    Parameters
    ----------
    layers : tuple of LayerCost
        Operations, from the first layer to the readout.
    workspace_bytes, input_bytes : int
        RAM: what the program works in, and input codes, where bytes of a sample are no
        codes already. The stack, a few hundred bytes, is not counted.
    table_bytes : int
        Flash for weights and other constants.
    code_bytes : int
        Flash for code: an estimate.
    instructions : int
        Of a Cortex-M0 for a prediction: an estimate.
    milliseconds : dict of str to tuple of 2 float
        For each device a prediction at one and at two cycles for each instruction: an
        estimate.
    readout_bits : int
        Bits of a readout weight.
    score : float or None
        Accuracy of the integer scores, of a regressor R²; None without data.
    """

    layers: tuple[LayerCost, ...]
    workspace_bytes: int
    input_bytes: int
    table_bytes: int
    code_bytes: int
    instructions: int
    milliseconds: dict[str, tuple[float, float]]
    readout_bits: int
    score: float | None = None

    @property
    def ram(self) -> int:
        """Bytes of RAM, without the stack."""
        return self.workspace_bytes + self.input_bytes

    @property
    def flash(self) -> int:
        """Bytes of flash; an estimate, because of the code."""
        return self.table_bytes + self.code_bytes

    def __str__(self) -> str:
        names = ["additions", "comparisons", "multiplications"]
        head = f"{'layer':8}{'kind':14}{'codes':>12}"
        lines = [head + "".join(f"{name:>17}" for name in names)]
        for each in self.layers:
            counts = "".join(f"{getattr(each, name):17,}" for name in names)
            lines.append(f"{each.layer!s:8}{each.kind:14}{each.shape:>12}{counts}")
        sums = "".join(
            f"{sum(getattr(each, name) for each in self.layers):17,}" for name in names
        )
        lines += [f"{'all':34}{sums}", ""]
        for label, value in (
            ("RAM: workspace, bytes", f"{self.workspace_bytes:,}"),
            ("RAM: input codes, bytes", f"{self.input_bytes:,}"),
            ("flash: tables, bytes", f"{self.table_bytes:,}"),
            ("flash: code, bytes (estimate)", f"{self.code_bytes:,}"),
            ("instructions, Cortex-M0 (estimate)", f"{self.instructions:,}"),
        ):
            lines.append(f"{label:44}{value:>14}")
        if self.score is not None:
            label = f"score, readout of {self.readout_bits} bits"
            lines.append(f"{label:44}{self.score:14.4f}")
        lines += ["", f"{'device':44}{'ms (estimate)':>18}"]
        for name, (low, high) in self.milliseconds.items():
            lines.append(f"{name:44}{f'{low:,.2f} to {high:,.2f}':>18}")
        return "\n".join(lines)

    def frame(self, part: str = "layers") -> Any:
        """Return a part of the report as a DataFrame.

        Parameters
        ----------
        part : {"layers", "devices"}, default="layers"
            One row for each layer, or for each device.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        ImportError
            If pandas is not installed.
        ValueError
            If there is no such part.
        """
        if part not in ("layers", "devices"):
            raise ValueError(f"part must be 'layers' or 'devices', got {part!r}.")
        pandas = import_pandas("CostReport.frame")
        if part == "layers":
            rows = [asdict(each) for each in self.layers]
            return pandas.DataFrame(rows).set_index("layer")
        columns = ["ms_at_least", "ms_at_most"]
        return pandas.DataFrame.from_dict(
            self.milliseconds, orient="index", columns=columns
        ).rename_axis("device")


def cost_report(
    estimator: Any,
    X: Any = None,
    y: Any = None,
    *,
    weights: str = "table",
    readout_bits: int = 8,
) -> CostReport:
    """Return what a prediction by the C program costs on a small device.

    Operations, RAM and tables are counted. Code, instructions and milliseconds are
    estimates: each operation takes as many instructions as on a Cortex-M0. For the
    programs of ``benchmarks/c_export/device.py``, where instructions were counted, the
    estimate is right to a tenth.

    Parameters
    ----------
    estimator : NTKCompressor, CompressedMLPClassifier or CompressedMLPRegressor
        Fitted; or a pipeline of scalers and one of these, as in
        :func:`~sklearn_lossless.export.to_c`. Those of pictures as well.
    X : array-like of shape (n_samples, n_features) or None, default=None
        Rows for the score.
    y : array-like of shape (n_samples,) or (n_samples, n_targets) or None, default=None
        Their targets; given if and only if `X` is.
    weights : {"table", "seed"}, default="table"
        Where hidden weights are that come from the seed, as in `to_c`.
    readout_bits : {8, 16, 32}, default=8
        Bits of a readout weight, as in `to_c`.

    Returns
    -------
    CostReport

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If it is of another kind.
    ValueError
        If an option is unknown, if only one of `X` and `y` is given or they have
        different lengths, or if there is no readout to score.

    See Also
    --------
    sklearn_lossless.export.size_report : Bytes of the model file.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_lossless import CompressedMLPClassifier
    >>> from sklearn_lossless.inspection import cost_report
    >>> X, y = load_digits(return_X_y=True)
    >>> clf = CompressedMLPClassifier((100,), eps=0.5, random_state=0).fit(X, y)
    >>> report = cost_report(clf, X, y)
    >>> [each.additions for each in report.layers]
    [3200, 1000]
    >>> report.workspace_bytes
    40
    """
    if weights not in ("table", "seed"):
        raise ValueError(f"weights must be one of ('table', 'seed'), got {weights!r}.")
    if (X is None) != (y is None):
        raise ValueError("X and y must be given both, or neither.")
    estimator = folded(estimator)
    model = exported_model(estimator)
    network = model.network
    score = None
    if X is not None:
        score = _score(estimator, model, X, y, readout_bits)
    layers = layer_costs(network, model.n_scores, weights)
    memory = program_memory(model, weights=weights, readout_bits=readout_bits)
    kind = "table" if network.is_dense else "pictures"
    if any(each.drawn for each in layers):
        kind = "seed"
    count = instructions(layers)
    return CostReport(
        layers,
        memory.workspace,
        memory.input_codes,
        memory.tables,
        _CODE_BYTES[kind],
        count,
        {
            name: (count * _CYCLES[0] / mhz / 1000, count * _CYCLES[1] / mhz / 1000)
            for name, mhz in _DEVICES.items()
        },
        readout_bits,
        score,
    )


def _score(
    estimator: Any, model: ExportedModel, X: Any, y: Any, readout_bits: int
) -> float:
    """Return the accuracy, or R², of the integer scores."""
    if model.readout is None:
        raise ValueError(f"{type(estimator).__name__} has no readout to score.")
    readout = to_integers(model, readout_bits)
    codes = estimator.compressor_.codes(X).astype(np.int64)
    scores = codes @ readout.weights * readout.factor + readout.offset
    if model.classes is None:
        return float(r2_score(y, scores * readout.scale))
    places = scores.argmax(axis=1) if model.n_scores > 1 else scores[:, 0] > 0
    return float(accuracy_score(y, model.classes[places.astype(int)]))


def layer_costs(
    network: CompressedNetwork, n_scores: int, weights: str = "table"
) -> tuple[LayerCost, ...]:
    """Return the operations of each layer, and of a readout if there are scores.

    Parameters
    ----------
    network : CompressedNetwork
    n_scores : int
    weights : {"table", "seed"}, default="table"
        Where hidden weights are that come from the seed; of pictures in tables.

    Returns
    -------
    tuple of LayerCost
    """
    costs = []
    for number, layer in enumerate(network.layers, start=1):
        shape = "x".join(map(str, layer.shape_out))
        if isinstance(layer, Addition):
            n_added = math.prod(layer.shape_added)
            around = _operations(layer.shortcut) if layer.shortcut else {}
            around["additions"] = around.get("additions", 0) + n_added
            costs.append(LayerCost(number, "sum", shape, **around))
            continue
        kind = type(layer).__name__.lower()
        if isinstance(layer, Pooling):
            kind = f"{layer.kind} pooling"
        drawn = (
            weights == "seed"
            and network.is_dense
            and layer.neurons is not None
            and layer.neurons.weights is None
        )
        costs.append(LayerCost(number, kind, shape, **_operations(layer), drawn=drawn))
    if n_scores:
        n = network.n_features_out * n_scores
        costs.append(
            LayerCost("readout", "readout", str(n_scores), n, multiplications=n)
        )
    return tuple(costs)


def _operations(layer: Dense | Convolution | Pooling) -> dict[str, Any]:
    """Return the operations of a layer that looks at codes."""
    if isinstance(layer, Pooling):
        name = "additions" if layer.kind == "sum" else "comparisons"
        return {"additions": 0, name: layer.area * layer.n_outputs}
    neurons = layer.neurons
    n_positions, copies = 1, 0
    if isinstance(layer, Convolution):
        n_positions = math.prod(layer.grid)
        copies = n_positions * neurons.n_inputs
    return {
        "additions": n_positions * neurons.n_nonzeros * neurons.n_outputs,
        "comparisons": n_positions * neurons.n_outputs * neurons.thresholds.shape[-1],
        "copies": copies,
    }


def instructions(layers: tuple[LayerCost, ...]) -> int:
    """Return about how many instructions of a Cortex-M0 the operations take.

    Parameters
    ----------
    layers : tuple of LayerCost

    Returns
    -------
    int
    """
    total = 0.0
    for each in layers:
        total += _PER_COPY * each.copies + _PER_MULTIPLICATION * each.multiplications
        if each.kind in ("max pooling", "sum pooling"):
            total += _PER_POOLED * (each.additions + each.comparisons)
        elif each.kind != "readout":
            total += _PER_COMPARISON * each.comparisons
            addition = _PER_DRAWN_ADDITION if each.drawn else _PER_ADDITION
            total += addition * each.additions
    return round(total)
