"""Fitted estimators as files for elsewhere."""

from ._model import IntegerReadout, integer_readout
from .c import to_c
from .onnx import to_onnx

__all__ = ["IntegerReadout", "integer_readout", "to_c", "to_onnx"]
