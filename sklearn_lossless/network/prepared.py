"""The layers of a network as the kernels read them, made when they are first used."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from scipy import sparse

from . import _engine
from .addition import Addition
from .convolution import Convolution, Pooling
from .kinds import Layer
from .layers import Dense, integer_thresholds
from .quantizer import AnyQuantizer
from .ternary import TernaryWeights, ternary_weights
from .thresholds import ThresholdQuantizer

__all__ = ["PreparedLayers", "weights_of"]


def weights_of(seed: int, layers: Sequence[Layer], number: int) -> TernaryWeights:
    """Return the weights of a layer: stored ones, or drawn again.

    Parameters
    ----------
    seed : int
        That of the network.
    layers : sequence of Layer
    number : int
        Of the layer, from 0, counting layers of every kind.

    Returns
    -------
    TernaryWeights
    """
    layer = layers[number].neurons
    if layer is None:
        raise ValueError(f"Layer {number} has no weights.")
    if layer.weights is not None:
        return layer.weights
    return ternary_weights(
        seed,
        number,
        layer.n_inputs,
        layer.n_outputs,
        layer.n_nonzeros,
        layer.balanced,
    )


class PreparedLayers:
    """The layers of a network, in each arrangement that was asked for.

    Parameters
    ----------
    quantizer : Quantizer, ScaledQuantizer or ThresholdQuantizer
    layers : sequence of Layer
    seed : int
    """

    def __init__(
        self, quantizer: AnyQuantizer, layers: Sequence[Layer], seed: int
    ) -> None:
        self._quantizer, self._layers, self._seed = quantizer, layers, seed

    def prefer_entries(self, X: Any) -> bool:
        """Return whether rows are run on their entries, without codes of all inputs.

        Parameters
        ----------
        X : ndarray or CSR matrix of shape (n_samples, n_features_in)
        """
        first = self._layers[0]
        if (
            not sparse.issparse(X)
            or not isinstance(first, Dense)
            or isinstance(self._quantizer, ThresholdQuantizer)
        ):
            return False
        n_sums = first.n_nonzero_weights / first.n_inputs
        n_entries = X.nnz / max(1, X.shape[0])
        n_bits = self._quantizer.n_bits
        return _engine.entries_pay(n_entries, first.n_inputs, n_sums, n_bits)

    @cached_property
    def all(self) -> _engine.Chain:
        """All layers, for codes of all inputs."""
        return _engine.Chain([self._prepare(0), *self.others])

    @cached_property
    def others(self) -> _engine.Chain:
        """All layers but the first."""
        return _engine.Chain(map(self._prepare, range(1, len(self._layers))))

    @cached_property
    def first_by_input(self) -> _engine.LayerByInput:
        """The first layer, a dense one, for entries."""
        assert not isinstance(self._quantizer, ThresholdQuantizer)
        first = self._layers[0]
        assert isinstance(first, Dense)
        weights = weights_of(self._seed, self._layers, 0)
        return _engine.prepare_by_input(
            weights.indices,
            weights.n_plus,
            integer_thresholds(first, weights),
            first.levels,
            self._quantizer.zero_codes(),
        )

    def _prepare(self, number: int) -> _engine.Prepared:
        # Bits of the inputs, and of each layer's codes.
        bits = [self._quantizer.n_bits, *(layer.n_bits for layer in self._layers)]
        layer = self._layers[number]
        if isinstance(layer, Addition):
            shortcut = None
            if isinstance(layer.shortcut, Convolution):
                ready = self._prepare_neurons(number, bits[layer.skip + 1])
                shortcut = layer.shortcut.prepared(ready)
            return layer.prepared(bits[number], shortcut)
        if isinstance(layer, Pooling):
            return layer.prepared(bits[number])
        ready = self._prepare_neurons(number, bits[number])
        return ready if isinstance(layer, Dense) else layer.prepared(ready)

    def _prepare_neurons(self, number: int, input_bits: int) -> _engine.PreparedLayer:
        """Return the neurons of a layer that sees codes of so many bits."""
        neurons = self._layers[number].neurons
        assert neurons is not None
        weights = weights_of(self._seed, self._layers, number)
        return _engine.prepare_layer(
            weights.indices,
            weights.n_plus,
            integer_thresholds(neurons, weights),
            neurons.levels,
            neurons.n_inputs,
            input_bits,
        )
