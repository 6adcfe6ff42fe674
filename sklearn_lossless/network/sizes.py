"""Bytes of a network, by each way of counting them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import gammaln

from .network import CompressedNetwork, LayerSpec

__all__ = ["READOUT_BITS", "network_sizes", "readout_size"]

#: Bits that a coefficient of the readout may be stored in.
READOUT_BITS = (32, 16, 8, 4)

_SEED_BYTES = 8


def network_sizes(
    network: CompressedNetwork,
    n_targets: int = 0,
    readout_bits: int = 32,
    *,
    readout_width: int | None = None,
) -> dict[str, int]:
    """Count the bytes of a compressed network and of what it replaces.

    Parameters
    ----------
    network : CompressedNetwork
        The hidden layers.
    n_targets : int, default=0
        Outputs of the linear readout: classes, 1 for two classes, or targets. 0 for
        no readout.
    readout_bits : {32, 16, 8, 4}, default=32
        Bits of a coefficient of the readout, in ``readout`` and ``total``.
    readout_width : int or None, default=None
        Features that the readout takes; None for those of the last layer.

    Returns
    -------
    dict of str to int
        Bytes, whole layers rounded up.

        ``dense_float32``
            All weights of a dense network of the same sizes and its readout, 4 bytes
            each.
        ``hidden_dense_float32``
            The same without the readout.
        ``entropy_bound``
            Information in the ternary weights: ``log2 C(d, k) + k`` bits for a neuron
            with k nonzero weights among d, for their places and their signs. No code
            of drawn weights is shorter on average.
        ``packed_trits``
            Five weights of three values to a byte, 1.6 bits each.
        ``csr``
            An index of 16 bits (32 above 65,536 inputs) and a bit for the sign of
            each nonzero weight. Neurons have equally many: there are no row pointers.
        ``paper``
            The count of Gu et al., NeurIPS 2022, section 4: 2 bits for a nonzero
            weight, nothing for where it is. Below the entropy bound at high sparsity,
            so that no file can be that small; for comparison with the paper only.
        ``seed``
            What is stored of all weights that are grown from the seed: 8 bytes; 0 if
            no layer is.
        ``stored_weights``
            Layers with weights of their own, not grown from the seed, at their
            entropy bound (and their biases).
        ``parameters``
            Quantiser, thresholds, levels and centres, each array in the fewest whole
            bytes that hold all of its numbers.
        ``readout_float32``, ``readout_float16``, ``readout_int8``, ``readout_int4``
            The readout by type, see :func:`readout_size`.
        ``readout``
            The one of `readout_bits`.
        ``total``
            ``seed + stored_weights + parameters + readout``: what has to be on disk. A
            file adds its header, class labels and checksums.

    Raises
    ------
    ValueError
        If `readout_bits` is not one of those above, or `n_targets` is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_lossless import NTKCompressor
    >>> X = np.random.default_rng(0).standard_normal((50, 100))
    >>> network = NTKCompressor((200, 100), random_state=0).fit(X).network_
    >>> sizes = network_sizes(network, n_targets=10)
    >>> sizes["hidden_dense_float32"], sizes["seed"]
    (160000, 8)
    >>> sizes["packed_trits"], sizes["entropy_bound"], sizes["paper"]
    (8000, 2730, 1000)
    """
    if n_targets < 0:
        raise ValueError(f"n_targets must be 0 or more, got {n_targets}.")
    width = network.n_features_out if readout_width is None else readout_width
    own = [spec for spec in network.layers if _weights(spec) is not None]
    sizes = {
        "dense_float32": 4 * network.n_weights + 4 * n_targets * (width + 1),
        "hidden_dense_float32": 4 * network.n_weights,
        "entropy_bound": sum(_entropy_bytes(spec) for spec in network.layers),
        "packed_trits": sum(
            _ceil(spec.n_inputs * spec.n_outputs, 5) for spec in network.layers
        ),
        "csr": sum(_csr_bytes(spec) for spec in network.layers),
        "paper": sum(
            _ceil(2 * spec.n_nonzeros * spec.n_outputs, 8) for spec in network.layers
        ),
        "seed": _SEED_BYTES if len(own) < len(network.layers) else 0,
        "stored_weights": sum(_stored_bytes(spec) for spec in own),
        "parameters": _parameter_bytes(network),
    }
    for bits in READOUT_BITS:
        name = f"readout_{'float' if bits > 8 else 'int'}{bits}"
        sizes[name] = readout_size(width, n_targets, bits)
    sizes["readout"] = readout_size(width, n_targets, readout_bits)
    parts = ("seed", "stored_weights", "parameters", "readout")
    sizes["total"] = sum(sizes[part] for part in parts)
    return sizes


def readout_size(n_features: int, n_targets: int, bits: int = 32) -> int:
    """Count the bytes of a linear readout.

    Parameters
    ----------
    n_features, n_targets : int
        Shape of its coefficients.
    bits : {32, 16, 8, 4}, default=32
        Bits of a coefficient. Each target has an intercept in float32 too and, below
        32 bits, a scale in float32.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If `bits` is not one of those above.

    Examples
    --------
    >>> readout_size(1000, 10, bits=8)
    10080
    """
    if bits not in READOUT_BITS:
        raise ValueError(f"readout_bits must be one of {READOUT_BITS}, got {bits!r}.")
    scalars = 4 if bits == 32 else 8
    return n_targets * (_ceil(n_features * bits, 8) + scalars)


def _weights(spec: LayerSpec) -> Any:
    """Return the weights of a layer that is not grown from the seed, or None."""
    return getattr(spec, "weights", None)


def _entropy_bytes(spec: LayerSpec) -> int:
    d, k = spec.n_inputs, spec.n_nonzeros
    log_places = gammaln(d + 1) - gammaln(k + 1) - gammaln(d - k + 1)
    bits_per_neuron = float(log_places) / math.log(2) + k
    return math.ceil(spec.n_outputs * bits_per_neuron / 8)


def _csr_bytes(spec: LayerSpec) -> int:
    index_bits = 16 if spec.n_inputs <= 2**16 else 32
    return _ceil(spec.n_outputs * spec.n_nonzeros * (index_bits + 1), 8)


def _stored_bytes(spec: LayerSpec) -> int:
    """Count what a layer with weights of its own stores of them."""
    bias = _weights(spec).bias if spec.bias_scale else np.empty(0, dtype=np.int64)
    return _entropy_bytes(spec) + _integer_bytes(bias)


def _parameter_bytes(network: CompressedNetwork) -> int:
    arrays: list[np.ndarray[Any, Any]] = [network.quantizer.shift]
    for spec in network.layers:
        arrays += [spec.thresholds, spec.levels, spec.centre]
        arrays += [np.array([spec.bias_scale])] if spec.bias_scale else []
    return 8 + sum(_integer_bytes(array) for array in arrays)  # 8: the cell width


def _integer_bytes(array: np.ndarray[Any, Any]) -> int:
    """Count the bytes of an array in the narrowest of 1, 2, 4 or 8 that holds it."""
    if not array.size:
        return 0
    low, high = int(array.min()), int(array.max())
    for width in (1, 2, 4):
        bits = 8 * width
        signed = -(2 ** (bits - 1)) <= low and high < 2 ** (bits - 1)
        if signed or (low >= 0 and high < 2**bits):
            return width * array.size
    return 8 * array.size


def _ceil(number: int, divisor: int) -> int:
    return -(-number // divisor)
