"""Fitted estimators as files for elsewhere."""

from .._not_restored import NotRestored
from ._exported import IntegerReadout, integer_readout
from .archive import load, save
from .c import to_c
from .fold import fold
from .onnx import to_onnx
from .sizes import SizeReport, size_report

__all__ = [
    "IntegerReadout",
    "NotRestored",
    "SizeReport",
    "fold",
    "integer_readout",
    "load",
    "save",
    "size_report",
    "to_c",
    "to_onnx",
]
