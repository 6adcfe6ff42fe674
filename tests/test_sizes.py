"""Bytes of a network, each way of counting recomputed from the drawn weights."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from sklearn_lossless import NTKCompressor
from sklearn_lossless.network import network_sizes, readout_size, ternary_weights


@pytest.fixture(scope="module")
def network():
    X = np.random.default_rng(0).normal(size=(60, 90))
    return NTKCompressor((70, 33), eps=0.8, random_state=0).fit(X).network_


@pytest.fixture(scope="module")
def matrices(network):
    """Dense matrices of the drawn weights."""
    dense = []
    for number, spec in enumerate(network.layers):
        drawn = ternary_weights(
            network.seed, number, spec.n_inputs, spec.n_outputs, spec.n_nonzeros
        )
        W = np.zeros((spec.n_outputs, spec.n_inputs), dtype=np.int8)
        for row, inputs, n_plus in zip(W, drawn.indices, drawn.n_plus, strict=True):
            row[inputs[:n_plus]], row[inputs[n_plus:]] = 1, -1
        dense.append(W)
    return dense


def test_dense_counts_all_weights(network, matrices):
    sizes = network_sizes(network, n_targets=3)
    hidden = sum(W.astype(np.float32).nbytes for W in matrices)
    assert sizes["hidden_dense_float32"] == hidden == 4 * (90 * 70 + 70 * 33)
    assert sizes["dense_float32"] == hidden + 4 * 3 * (33 + 1)


def test_ternary_counts(network, matrices):
    sizes = network_sizes(network)
    assert sizes["packed_trits"] == sum(math.ceil(W.size / 5) for W in matrices)
    nonzeros = [int(np.count_nonzero(W)) for W in matrices]
    assert sizes["csr"] == sum(math.ceil(17 * each / 8) for each in nonzeros)
    assert sizes["paper"] == sum(math.ceil(2 * each / 8) for each in nonzeros)
    bits = [
        sum(
            math.log2(math.comb(len(row), k)) + k
            for row in W
            for k in [(row != 0).sum()]
        )
        for W in matrices
    ]
    assert sizes["entropy_bound"] == sum(math.ceil(each / 8) for each in bits)


def test_entropy_bound_approaches_the_entropy_of_independent_weights():
    X = np.random.default_rng(0).normal(size=(10, 5000))
    network = NTKCompressor((10,), eps=0.9, random_state=0).fit(X).network_
    per_weight = 8 * network_sizes(network)["entropy_bound"] / network.n_weights
    entropy = -0.9 * math.log2(0.9) - 0.1 * math.log2(0.1) + 0.1  # places and signs
    assert per_weight == pytest.approx(entropy, rel=3e-3)
    assert per_weight < entropy


@pytest.mark.parametrize(
    ("bits", "expected"), [(32, 4 * 3 * 34), (16, 3 * 74), (8, 3 * 41), (4, 3 * 25)]
)
def test_readout_by_type(network, bits, expected):
    sizes = network_sizes(network, n_targets=3, readout_bits=bits)
    assert sizes["readout"] == readout_size(33, 3, bits) == expected
    assert sizes[f"readout_{'float' if bits > 8 else 'int'}{bits}"] == expected
    parts = ("seed", "stored_weights", "parameters", "readout")
    assert sizes["total"] == sum(sizes[part] for part in parts)


def test_stored_parameters_hold_every_number(network):
    stored = network_sizes(network)["parameters"]
    arrays = [network.quantizer.shift]
    for spec in network.layers:
        arrays += [spec.thresholds, spec.levels, spec.centre, spec.bias_scale]
    narrow = [np.min_scalar_type(np.min(a)).itemsize for a in arrays]
    wide = [np.min_scalar_type(np.max(a)).itemsize for a in arrays]
    counts = [np.size(a) for a in arrays if np.any(a)]
    assert stored >= 8 + sum(counts)
    least = sum(
        max(n, w) * np.size(a)
        for n, w, a in zip(narrow, wide, arrays, strict=True)
        if np.any(a)
    )
    assert 8 + least <= stored <= 8 + 2 * least


def test_layer_with_weights_of_its_own_stores_them(network):
    first, second = network.layers
    drawn = ternary_weights(network.seed, 0, 90, 70, first.n_nonzeros)
    own = SimpleNamespace(**first.__dict__ | {"weights": drawn, "bias_scale": 0})
    mixed = SimpleNamespace(
        layers=(own, second),
        quantizer=network.quantizer,
        n_weights=network.n_weights,
        n_features_out=33,
    )
    sizes = network_sizes(mixed)
    bits = 70 * (math.log2(math.comb(90, first.n_nonzeros)) + first.n_nonzeros)
    assert sizes["stored_weights"] == math.ceil(bits / 8)
    assert sizes["seed"] == 8
    mixed.layers = (own,)
    assert network_sizes(mixed)["seed"] == 0


def test_bad_input(network):
    with pytest.raises(ValueError, match="readout_bits must be one of"):
        network_sizes(network, 2, readout_bits=7)
    with pytest.raises(ValueError, match="n_targets must be 0 or more, got -1"):
        network_sizes(network, -1)
