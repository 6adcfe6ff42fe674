"""What the weights of a network take, by each way of counting."""

from __future__ import annotations

import math

from .layers import Dense
from .network import CompressedNetwork

__all__ = ["network_sizes"]


def network_sizes(
    network: CompressedNetwork, n_targets: int = 0, readout_bits: int = 32
) -> dict[str, int]:
    """Return the bytes of a network's weights, by each way of counting.

    Parameters
    ----------
    network : CompressedNetwork
    n_targets : int, default=0
        Targets of the readout; 0 for none.
    readout_bits : int, default=32
        Bits of a weight of the readout.

    Returns
    -------
    dict of str to int
        Bytes, rounded up.

        - ``dense_float32``: the dense network of the same widths, readout included,
          4 bytes for each weight.
        - ``packed_trits``: hidden weights, zeros included, five to a byte.
        - ``csr``: the index (16 bits, or 32 from 65537 inputs) and the sign of each
          nonzero hidden weight. Rows are equally long and need no pointers.
        - ``entropy_bound``: logarithm of the number of hidden layers there are with as
          many nonzeros in each neuron; no code of theirs is shorter on average.
        - ``paper``: 2 bits for each nonzero hidden weight, as Gu et al. 2022 count.
          Less than the entropy bound, because where the nonzeros are is left out.
        - ``seed``: 8 bytes; for layers whose weights are stored and not drawn from
          the seed, the entropy bound of these.
        - ``readout``: weights of the readout.

    References
    ----------
    Gu, Du, Zhang, Xie, Pu, Qiu, Liao, "'Lossless' Compression of Deep Neural
    Networks: A High-dimensional Neural Tangent Kernel Approach", NeurIPS 2022,
    section 4.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_lossless import NTKCompressor
    >>> from sklearn_lossless.network import network_sizes
    >>> X = np.random.default_rng(0).normal(size=(50, 100))
    >>> network = NTKCompressor((1000,), eps=0.9, random_state=0).fit(X).network_
    >>> sizes = network_sizes(network)
    >>> sizes["dense_float32"], sizes["packed_trits"], sizes["csr"], sizes["seed"]
    (400000, 20000, 21250, 8)
    """
    n_readout = network.n_features_out * n_targets
    neurons = [layer.neurons for layer in network.layers]
    layers = [each for each in neurons if each is not None]
    entropies = [_entropy_bits(layer) for layer in layers]
    stored = [
        bits
        for layer, bits in zip(layers, entropies, strict=True)
        if layer.weights is not None
    ]
    csr_bits = sum(
        layer.n_nonzero_weights * (17 if layer.n_inputs <= 2**16 else 33)
        for layer in layers
    )
    return {
        "dense_float32": 4 * (network.n_weights + n_readout),
        "packed_trits": -(-network.n_weights // 5),
        "csr": -(-csr_bits // 8),
        "entropy_bound": math.ceil(sum(entropies) / 8),
        "paper": -(-network.n_nonzeros // 4),
        "seed": 8 + math.ceil(sum(stored) / 8),
        "readout": -(-n_readout * readout_bits // 8),
    }


def _entropy_bits(layer: Dense) -> float:
    """Return the logarithm of the number of places and signs of a layer."""
    n, k = layer.n_inputs, layer.n_nonzeros
    places = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return layer.n_outputs * (places / math.log(2) + k)
