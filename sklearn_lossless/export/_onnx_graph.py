"""An ONNX graph in the making."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .._version import __version__

__all__ = ["Graph"]

#: Version of the standard operators; all that are used have been there since 13.
_OPSET = 17

#: Version of the file format that goes with it.
_IR_VERSION = 8


class Graph:
    """Nodes, constants and ends of a graph in the making."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._numbers = itertools.count()

    def add(self, operator: str, *inputs: Any, **attributes: Any) -> str:
        """Add a node, and constants for inputs that are arrays; name its output."""
        from onnx import helper

        names = [each if isinstance(each, str) else self._hold(each) for each in inputs]
        name = f"{operator}_{next(self._numbers)}"
        self._nodes.append(
            helper.make_node(operator, names, [name], name, **attributes)
        )
        return name

    def _hold(self, values: Any) -> str:
        from onnx import numpy_helper

        values = np.array(values, order="C")
        if values.dtype.kind in "UT":
            values = values.astype(object)
        name = f"constant_{next(self._numbers)}"
        tensor = numpy_helper.from_array(values, name)
        self._constants.append(tensor)
        return name

    def input(self, name: str, dtype: str, width: int) -> None:
        """Declare an input of shape (n_samples, width)."""
        self._inputs.append(_value(name, np.dtype(dtype), ["n_samples", width]))

    def output(self, name: str, of: str, dtype: Any, *width: int) -> None:
        """Declare an output of shape (n_samples, width), or (n_samples,)."""
        from onnx import helper

        self._nodes.append(helper.make_node("Identity", [of], [name]))
        self._outputs.append(_value(name, np.dtype(dtype), ["n_samples", *width]))

    def model(self, name: str, properties: dict[str, str]) -> Any:
        """Return the graph as a model, checked."""
        import onnx
        from onnx import helper

        graph = helper.make_graph(
            self._nodes, name, self._inputs, self._outputs, self._constants
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR_VERSION,
            producer_name="sklearn-lossless",
            producer_version=__version__,
        )
        helper.set_model_props(model, properties)
        onnx.checker.check_model(model, full_check=True)
        return model


def _value(name: str, dtype: np.dtype[Any], shape: list[Any]) -> Any:
    from onnx import helper

    kind = helper.np_dtype_to_tensor_dtype(dtype)
    return helper.make_tensor_value_info(name, kind, shape)
