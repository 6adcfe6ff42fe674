"""Where rows come from: memory or a cluster, behind one protocol."""

from .base import (
    Data,
    Part,
    Report,
    evenly_spread,
    has_weight,
    is_dask,
    print_progress,
    row_blocks,
    rows_with_weight,
    spread_rows,
    uniform_rows,
    varies,
    weight_of,
)
from .memory import MemoryData
from .read import over_chunks, read_data

__all__ = [
    "Data",
    "MemoryData",
    "Part",
    "Report",
    "evenly_spread",
    "has_weight",
    "is_dask",
    "over_chunks",
    "print_progress",
    "read_data",
    "row_blocks",
    "rows_with_weight",
    "spread_rows",
    "uniform_rows",
    "varies",
    "weight_of",
]
