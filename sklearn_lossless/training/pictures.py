"""Layers of pictures while they are trained: filters and pooling, block by block."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..network import Convolution, Pooling, _engine
from .layers import Neurons
from .sums import Sums

__all__ = ["PictureLayers", "TrainedFilters", "TrainedPooling", "blocks_of"]

Array = npt.NDArray[Any]

#: Runs a function for each block: `map`, or that of a pool of threads.
Map = Callable[..., Any]

#: Samples of a block, at least and at most, and inputs of all its windows. Innermost
#: loops are over samples: fewer are slower.
_LEAST, _MOST, _WINDOW_INPUTS = 32, 64, 2**18


class TrainedFilters(Neurons):
    """Filters at all positions of pictures, and the maximum pooling that may follow.

    A rising step of the largest sum in a window is the largest code; so the step is
    taken of that sum alone. Means and deviations are those of all positions.

    Parameters
    ----------
    frame : Convolution
        What the filters see.
    pooling : Pooling or None
        Of the largest values; only after steps that rise.
    *neurons
        As of `Neurons`.
    """

    def __init__(self, frame: Convolution, pooling: Pooling | None, *neurons: Any):
        super().__init__(*neurons)
        self.frame, self.pooling = frame, pooling
        (above, below), (left, right) = frame.margins
        height, width, channels = frame.shape_in
        self._margins = (0, 0), (above, below), (left, right), (0, 0)
        self._inside = (
            slice(None),
            slice(above, above + height),
            slice(left, left + width),
        )
        self._is_padded = any(map(sum, frame.margins))
        rows, columns = height + above + below, width + left + right
        down, across, channel = np.indices((*frame.size, channels)).reshape(3, -1)
        #: Where each input of the first window is in a sample's picture.
        self._places = (channel * rows + down) * columns + across
        if pooling is None:  # all positions are alike: the kernels see a line of them
            self._windows: tuple[Any, ...] = (1, 1), np.zeros(1, int), np.zeros(1, int)
        else:
            starts = (pooling.row_starts, pooling.column_starts)
            self._windows = (pooling.size, *map(np.array, starts))

    @property
    def shape_out(self) -> tuple[int, int, int]:
        """Shape of the codes of one sample."""
        return (self.frame if self.pooling is None else self.pooling).shape_out

    def choose_signs(self) -> None:
        """Take the signs of the largest weights of each filter."""
        super().choose_signs()
        self._taps: tuple[Array, Array] | None = None

    def _chosen_taps(self) -> tuple[Array, Array]:
        """Return places and signs of the nonzero weights, as the kernels want them."""
        if self._taps is None:
            k = self.n_nonzeros
            chosen = np.nonzero(self.signs)[1].reshape(len(self.signs), k)
            shape = len(chosen), 4 * -(-k // 4)
            places, signs = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
            places[:, :k] = self._places[chosen]
            signs[:, :k] = np.take_along_axis(self.signs, chosen, axis=1)
            self._taps = places, signs
        return self._taps

    def sums(self, planes: Array) -> tuple[Array, Array]:
        """Return pictures with their margins, and the sums of the filters."""
        if self._is_padded:
            planes = np.pad(planes, self._margins)
        shape = len(self.signs), *self.frame.grid, planes.shape[3]
        sums = np.empty(shape, dtype=np.float32)
        _engine.picture_gradient.convolve(
            planes, *self._chosen_taps(), self.frame.stride, sums
        )
        return planes, sums

    def totals(self, sums: Array) -> Sums:
        """Return number, sum and sum of squares of each filter's sums, exactly."""
        total, squares = np.empty(len(sums)), np.empty(len(sums))
        _engine.picture_gradient.totals(sums, total, squares)
        return Sums(math.prod(sums.shape[1:]), total, squares)

    def normalise(self, totals: Sums) -> None:
        """Take the means and deviations of these sums from now on."""
        count, total, squares = totals
        mean = total / count
        variance = np.maximum(squares / count - mean**2, 0.0)
        self.mean[:], self.rate[:] = mean, 1 / np.sqrt(variance + _engine.gradient.TINY)

    def codes(self, sums: Array) -> tuple[Array, Array, Array]:
        """Return codes, the sums that they are of, and the places of these."""
        shape, n_samples = self.shape_out, sums.shape[3]
        codes = np.empty((shape[2], *shape[:2], n_samples), dtype=np.float32)
        best, chosen = np.empty_like(codes), np.empty(codes.shape, dtype=np.int32)
        _engine.picture_steps.step_forward(
            self._as_line(sums),
            *self._windows,
            self.mean,
            self.rate,
            self.gain,
            self.shift,
            self.thresholds,
            self._jumps,
            self._first,
            self._as_line(best),
            self._as_line(chosen),
            self._as_line(codes),
        )
        return codes, best, chosen

    def predict(self, planes: Array) -> Array:
        """Return the codes of a block, normalised as the last batch was."""
        return self.codes(self.sums(planes)[1])[0]

    def forward(self, blocks: list[Array], run: Map) -> list[Array]:
        """Return the codes of a batch, in blocks."""
        self._kept = list(run(self.sums, blocks))
        parts = list(run(self.totals, [sums for _, sums in self._kept]))
        totals = _added(parts)
        self.normalise(totals)
        self._count = totals[0]
        found = list(run(self.codes, [sums for _, sums in self._kept]))
        self._chosen = [each[1:] for each in found]
        return [each[0] for each in found]

    def backward(
        self, deltas: list[Array], inputs_too: bool, run: Map
    ) -> tuple[list[Array], list[Array]]:
        """Return gradients of `parameters`, and blocks of that of the input codes.

        Of the codes' gradient nothing is left.
        """

        def of_step(delta: Array, chosen: tuple[Array, Array]) -> Array:
            found = np.empty((2, len(self.gain)), dtype=np.float32)
            _engine.picture_steps.step_backward(
                delta,
                chosen[0],
                self.mean,
                self.rate,
                self.gain,
                self.shift,
                self._slopes,
                *found,
            )
            return found

        gain, shift = _added(list(run(of_step, deltas, self._chosen)))
        means = shift / np.float32(self._count), gain / np.float32(self._count)

        def of_sums(
            delta: Array, chosen: tuple[Array, Array], kept: tuple[Array, Array]
        ) -> tuple[Array, Any]:
            planes, sums = kept
            _engine.picture_steps.fill_gradient(
                self._as_line(delta),
                self._as_line(chosen[1]),
                *self._windows,
                self.mean,
                self.rate,
                self.gain,
                *means,
                self._as_line(sums),
            )
            weights, stride = np.empty_like(self.weights), self.frame.stride
            _engine.picture_gradient.weight_gradient(
                planes, self._places, sums, stride, weights
            )
            if not inputs_too:
                return weights, None
            gradient = np.zeros_like(planes)
            _engine.picture_gradient.add_to_inputs(
                sums, *self._chosen_taps(), stride, gradient
            )
            if self._is_padded:
                gradient = np.ascontiguousarray(gradient[self._inside])
            return weights, gradient

        found = list(run(of_sums, deltas, self._chosen, self._kept))
        del self._kept, self._chosen
        weights = _added([each[0] for each in found])
        gradients = [weights, gain[np.newaxis], shift[np.newaxis]]
        return gradients, [each[1] for each in found]

    def _as_line(self, planes: Array) -> Array:
        """Return planes of which the kernels see windows; without pooling as a line."""
        return planes if self.pooling else planes.reshape(len(planes), 1, 1, -1)


class TrainedPooling:
    """Pooling between trained layers: nothing in it is trained.

    Parameters
    ----------
    pooling : Pooling
    """

    parameters: tuple[Array, ...] = ()

    def __init__(self, pooling: Pooling) -> None:
        self.pooling = pooling
        starts = (pooling.row_starts, pooling.column_starts)
        self._windows = (pooling.size, *map(np.array, starts))
        self._unit = np.float32(2**pooling.shift)

    @property
    def shape_out(self) -> tuple[int, int, int]:
        """Shape of the codes of one sample."""
        return self.pooling.shape_out

    def choose_signs(self) -> None:
        """Do nothing."""

    def _pooled(self, planes: Array) -> tuple[Array, Array | None]:
        shape = self.shape_out
        codes = np.empty((shape[2], *shape[:2], planes.shape[3]), dtype=np.float32)
        if self.pooling.kind == "sum":
            _engine.picture_steps.sum_forward(planes, *self._windows, self._unit, codes)
            return codes, None
        chosen = np.empty(codes.shape, dtype=np.int32)
        _engine.picture_steps.max_forward(planes, *self._windows, chosen, codes)
        return codes, chosen

    def predict(self, planes: Array) -> Array:
        """Return the codes of a block."""
        return self._pooled(planes)[0]

    def forward(self, blocks: list[Array], run: Map) -> list[Array]:
        """Return the codes of a batch, in blocks."""
        found = list(run(self._pooled, blocks))
        self._chosen = [each[1] for each in found]
        return [each[0] for each in found]

    def backward(
        self, deltas: list[Array], inputs_too: bool, run: Map
    ) -> tuple[list[Array], list[Array]]:
        """Return no gradients of parameters, and that of the input codes."""
        height, width, channels = self.pooling.shape_in

        def of_block(delta: Array, chosen: Array | None) -> Array:
            shape = channels, height, width, delta.shape[3]
            gradient = np.zeros(shape, dtype=np.float32)
            if chosen is None:
                _engine.picture_steps.sum_backward(
                    delta, *self._windows, self._unit, gradient
                )
            else:
                _engine.picture_steps.max_backward(
                    delta, *self._windows, chosen, gradient
                )
            return gradient

        return [], list(run(of_block, deltas, self._chosen))


@dataclass(eq=False)
class PictureLayers:
    """All layers of pictures as one: rows of codes come in, and go out.

    Parameters
    ----------
    layers : sequence of TrainedFilters or TrainedPooling
    run : callable, default=map
        ``run(f, *sequences)``, as `map`: in threads, or one after the other. Results do
        not depend on it.
    """

    layers: Sequence[TrainedFilters | TrainedPooling]
    run: Map = map

    @property
    def parameters(self) -> list[Array]:
        """What is trained, as matrices."""
        return [p for layer in self.layers for p in layer.parameters]

    def choose_signs(self) -> None:
        """Take the signs of the largest weights of each filter."""
        for layer in self.layers:
            layer.choose_signs()

    def forward(self, codes: Array) -> Array:
        """Return the codes for a batch of input codes, both in float32."""
        blocks = self._blocks(codes)
        for layer in self.layers:
            blocks = layer.forward(blocks, self.run)
        return _as_rows(blocks)

    def backward(self, delta: Array, inputs_too: bool) -> tuple[list[Array], Any]:
        """Return the gradients of `parameters`, and None: pictures are first."""
        assert not inputs_too
        deltas = blocks_of(delta, self.layers[-1].shape_out, self.layers)
        gradients: list[Array] = []
        for layer in reversed(self.layers):
            is_first = layer is self.layers[0]
            of_layer, deltas = layer.backward(deltas, not is_first, self.run)
            gradients = of_layer + gradients
        return gradients, None

    def normalise(self, codes: Array) -> Array:
        """Return the codes, with the means and deviations of these rows from now on.

        Layer by layer, and the rows anew for each: they may be more than a batch.
        """
        blocks = self._blocks(codes)
        for number, layer in enumerate(self.layers):
            if isinstance(layer, TrainedFilters):

                def of_block(planes: Array, number: int = number) -> Sums:
                    for below in self.layers[:number]:
                        planes = below.predict(planes)
                    layer = self.layers[number]
                    assert isinstance(layer, TrainedFilters)
                    return layer.totals(layer.sums(planes)[1])

                layer.normalise(_added(list(self.run(of_block, blocks))))
        return self.predict(codes)

    def predict(self, codes: Array) -> Array:
        """Return the codes, normalised as the last batch of `forward` was."""

        def of_block(planes: Array) -> Array:
            for layer in self.layers:
                planes = layer.predict(planes)
            return planes

        blocks = self._blocks(codes)
        return _as_rows(list(self.run(of_block, blocks)))

    def _blocks(self, codes: Array) -> list[Array]:
        first = self.layers[0]
        assert isinstance(first, TrainedFilters)
        return blocks_of(codes, first.frame.shape_in, self.layers)


def blocks_of(
    rows: Array,
    shape: tuple[int, int, int],
    layers: Sequence[TrainedFilters | TrainedPooling],
) -> list[Array]:
    """Return rows of pictures of a shape as planes, some samples at once.

    How many depends on the layers that they go through: what these make of them is to
    stay in the cache.
    """
    inputs = max(
        math.prod(each.frame.grid) * each.weights.shape[1]
        for each in layers
        if isinstance(each, TrainedFilters)
    )
    at_once = _MOST if _MOST * inputs <= _WINDOW_INPUTS else _LEAST
    pictures = rows.reshape(len(rows), *shape)
    return [
        np.ascontiguousarray(
            pictures[start : start + at_once].transpose(3, 1, 2, 0), dtype=np.float32
        )
        for start in range(0, len(rows), at_once)
    ]


def _as_rows(blocks: Sequence[Array]) -> Array:
    rows = [each.transpose(3, 1, 2, 0).reshape(each.shape[3], -1) for each in blocks]
    return np.concatenate(rows)


def _added(parts: Sequence[Any]) -> Any:
    """Return the sum of the parts, in their order."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
