"""Section TABL of the model file: columns of tables, thresholds and categories."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .._columns import Columns
from ..network import Column, CompressedNetwork, ThresholdQuantizer
from ._coding import Reader, pack_integers, pack_numbers, unpack_integers
from ._layers import check_range
from ._values import MAX_NAME_BYTES, from_json, to_json

__all__ = ["encode_table", "with_table"]

#: Bits of a column's flags.
_HAS_MISSING, _IS_CATEGORICAL = 1, 2

#: How thresholds are stored: digits after the point, up to this many; float32; float64.
_MOST_DIGITS = 6
_FLOAT32, _FLOAT64 = 32, 64

#: Whole numbers whose quotient by a power of ten is rounded right.
_LARGEST = 2**53

_MAX_COLUMNS = 2**16
_MAX_BITS = 2**20


def encode_table(quantizer: ThresholdQuantizer, columns: Columns | None) -> bytes:
    """Return section TABL.

    Parameters
    ----------
    quantizer : ThresholdQuantizer
    columns : Columns or None
        Names of the categories.

    Returns
    -------
    bytes
    """
    names = [] if columns is None else list(columns.categories)
    flags, counts, formats = [], [], []
    whole: list[npt.NDArray[np.int64]] = []
    floats = {_FLOAT32: [b""], _FLOAT64: [b""]}
    for column in quantizer.columns:
        is_categorical = column.groups is not None
        flags.append(
            _HAS_MISSING * column.has_missing + _IS_CATEGORICAL * is_categorical
        )
        if column.groups is not None:
            counts.append(len(column.groups))
            formats.append(0)
            whole.append(column.groups)
            continue
        counts.append(len(column.thresholds))
        form, numbers = _shortest(column.thresholds)
        formats.append(form)
        if form in floats:
            floats[form].append(numbers.astype(f"<f{form // 8}").tobytes())
        else:
            whole.append(numbers)
    head = [np.array(each, dtype=np.int64) for each in (flags, counts, formats)]
    text = zlib.compress(to_json([each for each in names if each is not None]), 9)
    return b"".join(
        [
            pack_numbers("I", len(flags)),
            *map(pack_integers, head),
            pack_integers(np.concatenate([np.zeros(0, np.int64), *whole])),
            *floats[_FLOAT32],
            *floats[_FLOAT64],
            text,
        ]
    )


def _shortest(thresholds: npt.NDArray[np.float64]) -> tuple[int, npt.NDArray[Any]]:
    """Return how thresholds are stored, and what is stored."""
    if np.isfinite(thresholds).all():
        for digits in range(_MOST_DIGITS + 1):
            whole = np.rint(thresholds * 10.0**digits)
            if np.abs(whole).max(initial=0) >= _LARGEST:
                break
            if (_decimals(whole, digits) == thresholds).all():
                return digits, whole.astype(np.int64)
    with np.errstate(over="ignore"):
        single = thresholds.astype(np.float32)
    if (single.astype(np.float64) == thresholds).all():
        return _FLOAT32, single
    return _FLOAT64, thresholds


def _decimals(whole: npt.NDArray[Any], digits: Any) -> npt.NDArray[np.float64]:
    """Return decimal numbers: the doubles next to them."""
    return np.asarray(whole.astype(np.float64) / 10.0**digits)


def with_table(
    reader: Reader, network: CompressedNetwork
) -> tuple[CompressedNetwork, Columns]:
    """Return a network whose inputs are bits with the table that they are of.

    Parameters
    ----------
    reader : Reader
        Of section TABL.
    network : CompressedNetwork

    Returns
    -------
    network : CompressedNetwork
    columns : Columns
        Names of the categories.
    """
    quantizer, columns = _decode_table(reader)
    if (quantizer.n_codes, 1) != (network.n_features_in, network.quantizer.n_bits):
        raise reader.fail(
            f"{quantizer.n_codes} bits for {network.n_features_in} inputs of "
            f"{network.quantizer.n_bits} bits"
        )
    return replace(network, quantizer=quantizer), columns


def _decode_table(reader: Reader) -> tuple[ThresholdQuantizer, Columns]:
    """Return the quantiser of section TABL, and the names of its categories."""
    (n_columns,) = reader.numbers("I")
    if not 1 <= n_columns <= _MAX_COLUMNS:
        raise reader.fail(f"{n_columns} columns, not 1 to {_MAX_COLUMNS}")
    flags, counts, formats = (unpack_integers(reader, (n_columns,)) for _ in range(3))
    check_range(reader, "kind of column", flags, _HAS_MISSING + _IS_CATEGORICAL, 0)
    check_range(reader, "number of thresholds", counts, _MAX_BITS, 0)
    if not np.isin(formats, [*range(_MOST_DIGITS + 1), _FLOAT32, _FLOAT64]).all():
        raise reader.fail("thresholds of an unknown type")
    is_text = (flags & _IS_CATEGORICAL) > 0
    if (formats[is_text] != 0).any():
        raise reader.fail("categories of an unknown type")
    ends = np.cumsum(counts)
    if ends[-1] > _MAX_BITS:
        raise reader.fail(f"{ends[-1]} thresholds and categories, over {_MAX_BITS}")
    values = np.empty(ends[-1])
    of_values = np.repeat(formats, counts)
    is_whole = of_values <= _MOST_DIGITS
    whole = unpack_integers(reader, (int(np.count_nonzero(is_whole)),))
    if len(whole):
        check_range(reader, "threshold", whole, _LARGEST)
    values[is_whole] = _decimals(whole, of_values[is_whole])
    for form in (_FLOAT32, _FLOAT64):
        of_form = of_values == form
        n_numbers = int(np.count_nonzero(of_form))
        values[of_form] = reader.array(f"f{form // 8}", n_numbers)
    columns = []
    for flag, end, count in zip(flags.tolist(), ends, counts, strict=True):
        of_column = values[end - count : end]
        if flag & _IS_CATEGORICAL:
            column = Column(np.zeros(0), _groups(reader, of_column))
        else:
            if not (of_column[1:] > of_column[:-1]).all() or np.isnan(of_column).any():
                raise reader.fail("thresholds are not in increasing order")
            column = Column(of_column)
        columns.append(column._replace(has_missing=bool(flag & _HAS_MISSING)))
    quantizer = ThresholdQuantizer(tuple(columns))
    if quantizer.n_codes > _MAX_BITS:
        raise reader.fail(f"{quantizer.n_codes} bits, over {_MAX_BITS}")
    names = from_json(reader, reader.inflated(len(reader), MAX_NAME_BYTES))
    return quantizer, _named(reader, names, is_text, counts)


def _groups(reader: Reader, of_column: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return the bits of categories: each one from 0 on is there."""
    groups = of_column.astype(np.int64)
    if not len(groups):
        raise reader.fail("a column of no categories")
    check_range(reader, "bit of a category", groups, len(groups) - 1, -1)
    if len(np.unique(groups[groups >= 0])) != groups.max(initial=-1) + 1:
        raise reader.fail("a bit of a category is left out")
    return groups


def _named(
    reader: Reader,
    names: Any,
    is_text: npt.NDArray[np.bool_],
    counts: npt.NDArray[np.int64],
) -> Columns:
    """Return the columns with the names of their categories."""
    n_lists = int(np.count_nonzero(is_text))
    if not isinstance(names, list) or len(names) != n_lists:
        raise reader.fail(f"categories are not those of {n_lists} columns")
    lists = iter(names)
    categories: list[Any] = []
    for has_names, count in zip(is_text.tolist(), counts.tolist(), strict=True):
        if not has_names:
            categories.append(None)
            continue
        each = next(lists)
        if (
            not isinstance(each, list)
            or max(1, len(each)) != count
            or not all(isinstance(name, str | bool | int | float) for name in each)
            or len(set(each)) != len(each)
        ):
            raise reader.fail(f"not the names of {count} categories")
        categories.append(each)
    return Columns(tuple(categories))
