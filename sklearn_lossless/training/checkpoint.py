"""Where a training has ended, for another to go on from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from ..network import ThresholdQuantizer
from ..network.quantizer import AnyQuantizer
from .goals import Goal

__all__ = ["Checkpoint"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """All that the integer network does not tell of the training that it came from.

    Nothing changes the arrays: copies of an estimator share them.

    Parameters
    ----------
    seed : int
    quantizer : Quantizer or ThresholdQuantizer
        That of the first training, by which the weights go on to mean the same.
    goal : ClassGoal or NumberGoal
    parameters : list of ndarray
        Of each layer weights, gains and shifts; coefficients and intercepts of the
        readout.
    pictures : tuple or None, default=None
        Shape of pictures, and the layers that were asked for, without `eps`.
    """

    seed: int
    quantizer: AnyQuantizer
    goal: Goal
    parameters: list[Array]
    pictures: Any = None

    @property
    def weights(self) -> list[Array]:
        """Copies of the real weights of each layer."""
        return [W.copy() for W in self.parameters[:-2:3]]

    def restore(self, parameters: Sequence[Array]) -> None:
        """Set parameters to what they were."""
        for parameter, value in zip(parameters, self.parameters, strict=True):
            parameter[:] = value

    def check(self, sizes: Sequence[int], encoding: str, input_bits: int) -> None:
        """Raise ValueError unless a network of these sizes can go on from here."""
        is_linear = not isinstance(self.quantizer, ThresholdQuantizer)
        found: dict[str, tuple[Any, Any]] = {
            "hidden_layer_sizes": (tuple(map(len, self.weights)), tuple(sizes)),
            "input_encoding": ("linear" if is_linear else "thresholds", encoding),
        }
        if is_linear:
            found["input_bits"] = self.quantizer.n_bits, input_bits
        _check_same(found)

    def check_pictures(self, pictures: Any, input_bits: int) -> None:
        """Raise ValueError unless a network of pictures can go on from here."""
        names = "image_shape", "hidden_layers"
        found = dict(zip(names, zip(self.pictures, pictures, strict=True), strict=True))
        _check_same({**found, "input_bits": (self.quantizer.n_bits, input_bits)})


def _check_same(found: dict[str, tuple[Any, Any]]) -> None:
    """Raise ValueError if what was, and what is asked for now, are not the same."""
    for name, (before, now) in found.items():
        if before != now:
            raise ValueError(
                f"warm_start can only be used where {name} is the same as in the "
                f"previous call to fit. Previously got {before}, now {now}"
            )
