"""The report as text, as HTML and as data frames."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from ..export.sizes import COUNT_LABELS
from ..theory import MomentEquation
from ._optional import import_pandas

if TYPE_CHECKING:
    from ._report import CompressionReport, LayerReport

__all__ = ["as_frame", "as_html", "as_text"]

#: Header and rows.
_Table = tuple[list[str], list[list[str]]]

#: Epochs of a training that the tables show.
_N_EPOCHS = 6

#: Characters of a line of text.
_WIDTH = 88

#: Columns that the tables show.
_N_COLUMNS = 20


def as_text(report: CompressionReport) -> str:
    """Return the report as tables of plain text."""
    parts = [_title(report), *(_text_table(*table) for table in _tables(report))]
    notes = (*report.notes, report.verdict)
    return "\n\n".join([*parts, *(textwrap.fill(each, _WIDTH) for each in notes)])


def as_html(report: CompressionReport) -> str:
    """Return the report as tables of HTML."""
    parts = [f"<p>{html.escape(_title(report))}</p>"]
    parts += [_html_table(*table) for table in _tables(report)]
    parts += [_svg_curve(report.loss_curve)] if len(report.loss_curve) > 1 else []
    parts += [f"<p>{html.escape(note)}</p>" for note in report.notes]
    parts.append(f"<p><strong>{html.escape(report.verdict)}</strong></p>")
    return "<div>" + "".join(parts) + "</div>"


def as_frame(report: CompressionReport, part: str) -> Any:
    """Return a part of the report, as `CompressionReport.frame`, as a DataFrame."""
    pandas = import_pandas("CompressionReport.frame")
    if part == "layers":
        rows = [_flat_row(layer) for layer in report.layers]
        return pandas.DataFrame(rows).set_index("layer")
    if part == "bytes":
        dense = report.sizes["dense_float32"]
        of_dense = {name: size / dense for name, size in report.sizes.items()}
        return pandas.DataFrame({"bytes": report.sizes, "of_dense": of_dense})
    if part == "training":
        return pandas.DataFrame(_epochs(report)).set_index("epoch")
    if part == "columns":
        if not report.columns:
            raise ValueError("there are no columns that were coded by thresholds.")
        rows = [asdict(column) for column in report.columns]
        return pandas.DataFrame(rows).set_index("column")
    raise ValueError(
        f"part must be 'layers', 'bytes', 'training' or 'columns', got {part!r}."
    )


def _title(report: CompressionReport) -> str:
    widths = [report.layers[0].n_inputs, *(each.n_outputs for each in report.layers)]
    shape = "-".join(map(str, widths))
    return f"{report.estimator}: {shape}, {report.zeros:.1%} of the weights zero"


def _tables(report: CompressionReport) -> list[_Table]:
    moments = [row for layer in report.layers for row in _moment_rows(layer)]
    layers = [_layer_cells(layer) for layer in report.layers]
    sizes = [[COUNT_LABELS[name], f"{size:,}"] for name, size in report.sizes.items()]
    tables = [
        (["layer", "activation", "moment", "reference", "step", "residual"], moments),
        (["layer", "zeros", "levels", "excess"], layers),
        *_kernel_tables(report),
        (["counted as", "bytes"], sizes),
    ]
    if report.columns:
        tables.append(_columns_table(report))
    return [*tables, _training_table(report)] if report.loss_curve else tables


def _columns_table(report: CompressionReport) -> _Table:
    """Return the columns that most weights look at, and how many others there are."""
    columns = sorted(report.columns, key=lambda each: -each.n_weights)
    rows = [
        [str(each.column), f"{each.n_bits}", f"{each.n_weights:,}"]
        + [f"{each.weights_share:.1%}"]
        for each in columns[:_N_COLUMNS]
    ]
    n_others = len(columns) - len(rows)
    if n_others:
        rows.append([f"and {n_others} more", "", "", ""])
    return ["column", "bits", "weights", "of all"], rows


def _moment_rows(layer: LayerReport) -> list[list[str]]:
    """Return a row for each moment; the first names the layer."""
    rows = [["", "", *_moment_cells(each)] for each in layer.moments]
    for row in rows[:1]:
        row[:2] = str(layer.layer), layer.activation
    return rows


def _moment_cells(each: MomentEquation) -> list[str]:
    remark = {"": "", "unmet": " unmet", "free": " (free)"}[each.remark]
    values = [f"{each.target:.6g}", f"{each.achieved:.6g}"]
    return [each.name, *values, f"{each.residual:.1e}{remark}"]


def _layer_cells(layer: LayerReport) -> list[str]:
    return [
        str(layer.layer),
        f"{layer.zeros:.1%}",
        str(layer.n_levels),
        f"{layer.excess_variance:.4g}",
    ]


def _kernel_tables(report: CompressionReport) -> list[_Table]:
    """Return the table of kernels; none where nothing is known of them."""
    kernel = report.kernel
    if report.layers[0].alpha is None and kernel is None:
        return []
    header = ["layer"]
    if report.layers[0].alpha is not None:
        header += ["a1", "a2", "a3"]
    if kernel is not None:
        what = "samples" if len(header) > 1 else "pictures"
        header += [f"distance, {kernel.n_samples} {what}", "dense"]
    rows = [_kernel_cells(layer)[: len(header)] for layer in report.layers]
    return [(header, rows)]


def _kernel_cells(layer: LayerReport) -> list[str]:
    pairs: list[tuple[float, float]] = []
    if layer.alpha is not None and layer.alpha_compressed is not None:
        pairs = list(zip(layer.alpha, layer.alpha_compressed, strict=True))
    return [
        str(layer.layer),
        *(f"{reference:.3g} / {compressed:.3g}" for reference, compressed in pairs),
        _optional(layer.distance),
        _optional(layer.distance_dense),
    ]


def _optional(number: float | None) -> str:
    return "" if number is None else f"{number:.4f}"


def _flat_row(layer: LayerReport) -> dict[str, Any]:
    """Return a layer as one row of a data frame."""
    row: dict[str, Any] = {
        "layer": layer.layer,
        "activation": layer.activation,
        "n_inputs": layer.n_inputs,
        "n_outputs": layer.n_outputs,
        "zeros": layer.zeros,
        "n_levels": layer.n_levels,
    }
    for each in layer.moments:
        row[each.name] = each.target
        row[f"{each.name}_compressed"] = each.achieved
    row["excess_variance"] = layer.excess_variance
    unknown = (None, None, None)
    for i in range(3):
        row[f"a{i + 1}"] = (layer.alpha or unknown)[i]
        row[f"a{i + 1}_compressed"] = (layer.alpha_compressed or unknown)[i]
    row["distance"], row["distance_dense"] = layer.distance, layer.distance_dense
    row["met"] = layer.met
    return row


def _epochs(report: CompressionReport) -> dict[str, Any]:
    """Return the course of the training as columns."""
    if not report.loss_curve:
        raise ValueError("there is no training, or it is not known.")
    columns: dict[str, Any] = {
        "epoch": range(1, len(report.loss_curve) + 1),
        "loss": report.loss_curve,
    }
    if report.validation_scores:
        columns["validation_score"] = report.validation_scores
    return columns


def _training_table(report: CompressionReport) -> _Table:
    """Return the course of the training at some epochs, the first and the last too."""
    n_epochs = len(report.loss_curve)
    epochs = np.unique(np.linspace(1, n_epochs, _N_EPOCHS).round().astype(int))
    rows = [_curve_row("loss", report.loss_curve, min(report.loss_curve), epochs)]
    scores = report.validation_scores
    if scores:
        best = float(np.nanmax(scores))  # NaN before early stopping was asked for
        rows.append(_curve_row("validation score", scores, best, epochs))
    return ["epoch", *map(str, epochs), "best"], rows


def _curve_row(
    name: str, curve: Sequence[float], best: float, epochs: Any
) -> list[str]:
    values = [f"{curve[epoch - 1]:.4g}" for epoch in epochs]
    return [name, *values, f"{best:.4g}, epoch {curve.index(best) + 1}"]


def _svg_curve(curve: Sequence[float]) -> str:
    """Return a small picture of a curve, from zero up."""
    width, height, margin = 320, 80, 3
    top, last = max(curve) or 1.0, len(curve) - 1
    points = " ".join(
        f"{margin + (width - 2 * margin) * epoch / last:.1f},"
        f"{height - margin - (height - 2 * margin) * value / top:.1f}"
        for epoch, value in enumerate(curve)
    )
    return (
        f'<svg width="{width}" height="{height}"><title>loss by epoch</title>'
        f'<polyline fill="none" stroke="currentColor" points="{points}"/></svg>'
    )


def _text_table(header: list[str], rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in (header, ["-" * width for width in widths], *rows)
    ]
    return "\n".join(line.rstrip() for line in lines)


def _html_table(header: list[str], rows: list[list[str]]) -> str:
    body = "".join(_html_row(row, "td") for row in rows)
    head = _html_row(header, "th")
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"


def _html_row(cells: list[str], tag: str) -> str:
    inside = "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
    return f"<tr>{inside}</tr>"
