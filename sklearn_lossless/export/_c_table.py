"""Columns of a table in C: what turns values into bits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._columns import Columns
from ..network import ThresholdQuantizer
from ._c_text import Piece, c_type, table

__all__ = ["table_piece"]


def table_piece(
    quantizer: ThresholdQuantizer,
    columns: Columns | None,
    names: Sequence[str] | None,
) -> Piece:
    """Return what turns values into bits: bounds, and bits of categories.

    Parameters
    ----------
    quantizer : ThresholdQuantizer
    columns : Columns or None
        Names of the categories.
    names : sequence of str or None
        Of the columns.

    Returns
    -------
    Piece
    """
    bounds, groups, rows = [np.zeros(0)], [np.zeros(0, np.int64)], []
    for column in quantizer.columns:
        if column.groups is None:
            place = f"model_bounds + {sum(map(len, bounds))}, 0, 0"
            place = place if len(column.thresholds) else "0, 0, 0"
            bounds.append(column.thresholds)
        else:
            first = sum(map(len, groups))
            place = f"0, {len(column.groups)}, model_groups + {first}"
            groups.append(column.groups)
        rows.append(f"    {{{column.n_known}, {int(column.has_missing)}, {place}}}")
    all_bounds, all_groups = np.concatenate(bounds), np.concatenate(groups)
    tables = []
    if len(all_bounds):
        tables.append(table("double", "bounds", all_bounds))
    if len(all_groups):
        tables.append(table(c_type(all_groups, np.array([-1])), "groups", all_groups))
    head = "static const model_column model_columns[MODEL_N_FEATURES]"
    tables.append(f"{head} = {{\n" + ",\n".join(rows) + "\n};")
    values = {
        "group_type": c_type(all_groups, np.array([-1])),
        "columns": _described(quantizer, columns, names),
    }
    return Piece(values, tables)


def _described(
    quantizer: ThresholdQuantizer,
    columns: Columns | None,
    names: Sequence[str] | None,
) -> str:
    """Say in a comment what each column is, and the numbers of its categories."""
    lines = []
    for number, column in enumerate(quantizer.columns):
        line = f"{number}"
        if names is not None:
            line += f" {_harmless(str(names[number]))}"
        line += f", bits: {column.n_bits}"
        if column.has_missing:
            line += ", one for missing values"
        lines.append(line)
        known: Any = None if columns is None else columns.categories[number]
        if known is None:
            continue
        lines[-1] += ". Categories:"
        for place, each in enumerate(known):
            text = json.dumps(each, ensure_ascii=False)
            lines.append(f"    {place} {_harmless(text)}")
    return "\n".join(f" * {line}" for line in lines)


def _harmless(text: str) -> str:
    """Return text that ends no comment and begins none."""
    printable = "".join(each if each.isprintable() else "?" for each in text)
    return printable.replace("*/", "* /").replace("/*", "/ *")
