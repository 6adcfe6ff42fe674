"""Layers that fit together, and what is the same for all their samples."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

from .layer import PreparedLayer
from .pictures import Prepared

__all__ = ["Chain"]


class Chain(tuple[Prepared, ...]):
    """Layers, the first one first; dense ones come last.

    One sample takes less time than these checks and sums over layers, so they are made
    once. Raises ValueError if a layer does not fit the one before.

    Parameters
    ----------
    layers : iterable of Prepared
    """

    def __new__(cls, layers: Iterable[Prepared]) -> Chain:
        """Check that the layers fit."""
        chain = super().__new__(cls, layers)
        for number, (layer, following) in enumerate(pairwise(chain)):
            if layer.n_outputs != following.n_inputs:
                raise ValueError(
                    f"layer {number} has {layer.n_outputs} outputs, the next one "
                    f"{following.n_inputs} inputs"
                )
            if layer.output_bits > following.input_bits:
                raise ValueError(
                    f"layer {number} puts out {layer.output_bits} bits, the next one "
                    f"takes {following.input_bits}"
                )
        return chain

    def __init__(self, layers: Iterable[Prepared]) -> None:
        #: What `run` makes of the sizes.
        self.plan: Any = None

    @cached_property
    def is_dense(self) -> bool:
        """Whether there are no pictures."""
        return all(isinstance(layer, PreparedLayer) for layer in self)

    @cached_property
    def all_columns(self) -> list[slice]:
        """Where the codes of each layer go if all are put out side by side."""
        ends = accumulate((layer.n_outputs for layer in self), initial=0)
        return [slice(*each) for each in pairwise(ends)]

    @cached_property
    def last_columns(self) -> list[slice]:
        """Where the codes of each layer go if only the last are put out."""
        return [slice(0, 0)] * (len(self) - 1) + [slice(0, self[-1].n_outputs)]
