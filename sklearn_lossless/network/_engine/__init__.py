"""Forward pass of sparse ternary layers on integer codes.

The only compiled code of the package. Nothing outside knows how it works: callers
pass row-major codes, the inputs of each neuron and its integer thresholds, and get
row-major codes. All kernels release the GIL and run on the calling thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .by_input import LayerByInput, arrange_by_input, by_input_bytes, entries_pay
from .chain import Chain
from .fallback import quantize as quantize_few
from .layer import PreparedLayer, Scratch, prepare_layer, prepare_readout
from .memory import (
    ConvolutionShape,
    LayerShape,
    convolution_bytes,
    forward_bytes,
)
from .pictures import (
    Prepared,
    PreparedAddition,
    PreparedConvolution,
    PreparedPooling,
    run_pictures,
)

if TYPE_CHECKING:
    from . import context_code, gradient, picture_gradient, picture_steps
    from .kernels import decode, draw_places, quantize, read_out, threshold_bits

__all__ = [
    "Chain",
    "ConvolutionShape",
    "LayerByInput",
    "LayerShape",
    "Prepared",
    "PreparedAddition",
    "PreparedConvolution",
    "PreparedLayer",
    "PreparedPooling",
    "Scratch",
    "by_input_bytes",
    "context_code",
    "convolution_bytes",
    "decode",
    "draw_places",
    "entries_pay",
    "forward",
    "forward_bytes",
    "forward_entries",
    "gradient",
    "picture_gradient",
    "picture_steps",
    "prepare_by_input",
    "prepare_layer",
    "prepare_readout",
    "quantize",
    "quantize_few",
    "read_out",
    "threshold_bits",
]

#: What needs Numba, whose import takes half a second, is imported at its first use.
_MODULES = {"context_code", "gradient", "picture_gradient", "picture_steps"}
_FUNCTIONS = {"decode", "draw_places", "quantize", "read_out", "threshold_bits"}


@cache
def _kernels() -> ModuleType:
    return import_module(".kernels", __name__)


def __getattr__(name: str) -> Any:
    """Import a module of kernels, or take a function from `kernels`."""
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name in _FUNCTIONS:
        value = globals()[name] = getattr(_kernels(), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def forward(
    codes: npt.NDArray[np.uint8],
    layers: Sequence[Prepared],
    out: npt.NDArray[Any] | None = None,
    *,
    all_layers: bool = False,
    scratch: Scratch | None = None,
) -> npt.NDArray[Any]:
    """Run codes through layers.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_inputs), dtype uint8
        Each below ``2**input_bits`` of the first layer.
    layers : sequence of Prepared
        The first one first; dense ones come last. A `Chain` is not checked again.
    out : ndarray of shape (n_samples, n_outputs), optional
        Where to put the result. Any type: the codes are converted block by block,
        while they are in cache. By default a new array of uint8.
    all_layers : bool, default=False
        Whether to put out the codes of all layers, side by side, the first one
        first, instead of those of the last one.
    scratch : Scratch, optional
        Memory that one thread uses again from call to call, with the same layers.

    Returns
    -------
    ndarray of shape (n_samples, n_outputs)
        The codes of the last layer, or of all.
    """
    if codes.shape[1] != layers[0].n_inputs:
        raise ValueError(
            f"codes have {codes.shape[1]} columns, the first layer has "
            f"{layers[0].n_inputs} inputs"
        )
    chain = layers if isinstance(layers, Chain) else Chain(layers)
    columns = chain.all_columns if all_layers else chain.last_columns
    if out is None:
        out = np.empty((len(codes), columns[-1].stop), dtype=np.uint8)
    outs = [out[:, each] for each in columns]
    scratch = scratch or Scratch()
    if chain.is_dense:
        _kernels().run(codes, chain, outs, scratch)
    else:
        run, on_planes = _kernels().run, _kernels().convolve_on_planes
        run_pictures(codes, chain, outs, scratch, run, on_planes)
    return out


def prepare_by_input(
    indices: npt.NDArray[np.int32],
    n_plus: npt.NDArray[np.int32],
    thresholds: npt.NDArray[np.int64],
    levels: npt.NDArray[np.uint8],
    zero: npt.NDArray[np.uint8],
) -> LayerByInput:
    """Arrange a first layer for `forward_entries`; see `arrange_by_input`."""
    fill = _kernels().fill_by_input
    return arrange_by_input(indices, n_plus, thresholds, levels, zero, fill)


def forward_entries(
    row_starts: npt.NDArray[np.integer[Any]],
    columns: npt.NDArray[np.integer[Any]],
    codes: npt.NDArray[np.uint8],
    first: LayerByInput,
    others: Sequence[Prepared],
    out: npt.NDArray[np.uint8],
    *,
    all_layers: bool = False,
    scratch: Scratch | None = None,
) -> npt.NDArray[np.uint8]:
    """Run sparse rows through layers: the same codes as `forward` of all their codes.

    Parameters
    ----------
    row_starts : ndarray of shape (n_samples + 1,)
        Where the entries of each row begin.
    columns : ndarray of shape (n_entries,)
        Inputs, none twice in a row.
    codes : ndarray of shape (n_entries,), dtype uint8
        Codes of the entries.
    first : LayerByInput
    others : sequence of Prepared
        The layers after the first one.
    out : ndarray of shape (n_samples, n_outputs), dtype uint8
        Where to put the result.
    all_layers, scratch
        As for `forward`.

    Returns
    -------
    ndarray of shape (n_samples, n_outputs)
        `out`.
    """
    of_first = np.empty((len(out), first.n_outputs), dtype=np.uint8)
    _kernels().layer_on_entries(
        row_starts.astype(np.int64, copy=False),
        columns.astype(np.int32, copy=False),
        codes,
        first.zero,
        first.starts,
        first.neurons,
        first.thresholds,
        first.level_changes,
        first.first_level,
        of_first,
    )
    if all_layers or not others:
        out[:, : first.n_outputs] = of_first
    if others:
        rest = out[:, first.n_outputs :] if all_layers else out
        forward(of_first, others, rest, all_layers=all_layers, scratch=scratch)
    return out
