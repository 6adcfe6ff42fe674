"""Convolution and pooling of the integer network, against NumPy over positions."""

import math
import os
import struct
import subprocess
import sys
import tracemalloc

import naive
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sklearn_lossless.export._coding import Reader
from sklearn_lossless.export._sections import _decode_network, encode_network
from sklearn_lossless.network import (
    CompressedNetwork,
    Convolution,
    Dense,
    Pooling,
    Quantizer,
    TernaryWeights,
    network_sizes,
    ternary_weights,
)
from sklearn_lossless.network._engine import pictures
from sklearn_lossless.network.convolution import grid_starts
from sklearn_lossless.network.memory import prediction_bytes


def neurons(rng, n_inputs, n_outputs, n_nonzeros, n_levels=8, **options):
    spread = 100 * math.sqrt(n_nonzeros) * 20
    shape = (n_outputs, n_levels - 1) if rng.random() < 0.5 else n_levels - 1
    return Dense(
        n_inputs=n_inputs,
        n_outputs=n_outputs,
        n_nonzeros=n_nonzeros,
        thresholds=np.sort(rng.normal(0, spread, shape).astype(np.int64), axis=-1),
        levels=np.arange(n_levels, dtype=np.uint8),
        centre=rng.integers(0, 2000, rng.choice([1, n_inputs])),
        **options,
    )


def convolution(rng, shape, n_filters, size, share=0.5, **options):
    n_taps = math.prod(size) * shape[2]
    k = max(1, round(share * n_taps))
    filters = neurons(rng, n_taps, n_filters, k, balanced=bool(rng.integers(2)))
    return Convolution(filters, shape, size, **options)


def pooling(shape, size, grid, largest, kind):
    starts = [grid_starts(n, s, g) for n, s, g in zip(shape, size, grid, strict=False)]
    return Pooling(shape, size, *starts, largest, kind)


def network(rng, shape, layers, input_bits=8):
    quantizer = Quantizer(1.0, np.full(math.prod(shape), 128), input_bits)
    return CompressedNetwork(quantizer, tuple(layers), int(rng.integers(2**62)))


def images(rng, n_samples, shape, bits=8):
    return rng.integers(0, 2**bits, (n_samples, math.prod(shape))).astype(np.uint8)


def check(net, X):
    expected = naive.forward(net, X)
    np.testing.assert_array_equal(net.forward(X), expected)
    return expected


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    channels=st.integers(1, 3),
    n_filters=st.integers(1, 20),
    size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.integers(1, 3),
    padding=st.sampled_from(["valid", "same"]),
    kind=st.sampled_from(["sum", "max", None]),
    share=st.floats(0, 1),
    input_bits=st.sampled_from([1, 3, 8]),
    n_samples=st.sampled_from([0, 1, 3, 39, 40, 130, 513, 532, 620]),
)
def test_equals_numpy(
    seed,
    height,
    width,
    channels,
    n_filters,
    size,
    stride,
    padding,
    kind,
    share,
    input_bits,
    n_samples,
):
    rng = np.random.default_rng(seed)
    shape = (height, width, channels)
    if padding == "valid":
        size = (min(size[0], height), min(size[1], width))
    options = {"stride": stride, "padding": padding}
    layers = [convolution(rng, shape, n_filters, size, share, **options)]
    shape_in = layers[0].shape_out
    if kind is not None:
        window = (
            int(rng.integers(1, shape_in[0] + 1)),
            int(rng.integers(1, shape_in[1] + 1)),
        )
        grid = (int(rng.integers(1, 5)), int(rng.integers(1, 5)))
        layers.append(pooling(shape_in, window, grid, 7, kind))
    net = network(rng, shape, layers, input_bits)
    check(net, images(rng, n_samples, shape, input_bits))


@pytest.mark.parametrize("n_samples", [1, 20, 300])
@pytest.mark.parametrize("readout_layers", ["last", "all"])
def test_deep(n_samples, readout_layers):
    rng = np.random.default_rng(n_samples)
    shape = (12, 11, 3)
    first = convolution(rng, shape, 10, (3, 4), padding="same")
    second = convolution(rng, first.shape_out, 13, (3, 3), 0.1, stride=2)
    third = pooling(second.shape_out, (2, 2), (2, 3), 7, "max")
    fourth = convolution(rng, third.shape_out, 9, (2, 2), 0.3, padding="same")
    fifth = pooling(fourth.shape_out, (2, 2), (1, 2), 7, "sum")
    sixth = neurons(rng, fifth.n_outputs, 30, 9)
    seventh = neurons(rng, 30, 40, 30)
    layers = [first, second, third, fourth, fifth, sixth, seventh]
    net = network(rng, shape, layers).with_readout_layers(readout_layers)
    X = images(rng, n_samples, shape)
    if readout_layers == "last":
        check(net, X)
        return
    parts = [naive.forward(network_of_first(net, n + 1), X) for n in range(len(layers))]
    np.testing.assert_array_equal(net.forward(X), np.hstack(parts))


def network_of_first(net, n):
    return CompressedNetwork(net.quantizer, net.layers[:n], net.seed)


def test_threads_batches_and_paths_do_not_change_the_codes(monkeypatch):
    rng = np.random.default_rng(0)
    shape = (14, 14, 1)
    first = convolution(rng, shape, 33, (5, 5), 0.4)
    second = pooling(first.shape_out, (3, 3), (4, 4), 7, "sum")
    net = network(rng, shape, [first, second])
    X = images(rng, 1500, shape)
    expected = check(net, X)
    np.testing.assert_array_equal(net.forward(X, n_jobs=2), expected)
    one_by_one = [net.forward(X[i : i + 1]) for i in range(20)]
    np.testing.assert_array_equal(np.vstack(one_by_one), expected[:20])
    monkeypatch.setattr(pictures, "_FEW", 10**9)
    np.testing.assert_array_equal(net.forward(X), expected)


def test_few_pictures_after_many():
    """What is left of a block goes another way, in smaller arrays of its own."""
    rng = np.random.default_rng(0)
    net = network(rng, (20, 20, 2), [convolution(rng, (20, 20, 2), 5, (3, 3))])
    check(net, images(rng, 512 + 30, (20, 20, 2)))


def test_without_compiled_kernels():
    code = (
        "import numpy as np, test_convolution as t\n"
        "for n in (1, 200): t.test_deep(n, 'all')"
    )
    env = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    env["PYTHONPATH"] = os.pathsep.join([os.path.dirname(__file__), *sys.path])
    subprocess.run([sys.executable, "-c", code], env=env, check=True)


def test_sums_of_more_than_eight_bits_lose_their_lowest():
    layer = pooling((9, 9, 1), (9, 9), (1, 1), 7, "sum")
    assert (layer.shift, layer.largest_code) == (2, 567 >> 2)
    offset, step_size = layer.line_after(-1.0, 0.5)
    # The middle of the four sums that become code 10, as a mean over the window.
    assert offset + 10 * step_size == pytest.approx(-1 + 0.5 * 41.5 / 81)


@pytest.mark.parametrize("n_nonzeros", [1, 6, 7, 30])
def test_balanced_weights(n_nonzeros):
    weights = ternary_weights(5, 0, 30, 200, n_nonzeros, balanced=True)
    W, biases = naive.dense_layer(5, 0, 30, 200, n_nonzeros, balanced=True)
    np.testing.assert_array_equal(weights.dense(30).T, W)
    np.testing.assert_array_equal(weights.bias, biases)
    assert (np.abs(W.sum(axis=1)) == n_nonzeros % 2).all()
    free = ternary_weights(5, 0, 30, 200, n_nonzeros)
    np.testing.assert_array_equal(np.abs(free.dense(30).T), np.abs(W))


def test_shapes():
    rng = np.random.default_rng(0)
    layer = convolution(rng, (28, 28, 1), 100, (7, 7))
    assert layer.shape_out == (22, 22, 100)
    assert layer.patches.shape == (22 * 22, 49)
    assert (layer.n_weights, layer.n_inputs) == (4900, 784)
    same = convolution(rng, (7, 8, 2), 5, (3, 2), stride=2, padding="same")
    assert same.margins == ((1, 1), (0, 0))
    assert same.shape_out == (4, 4, 5)
    # What is outside has a number of its own.
    assert same.patches.max() == same.n_inputs
    codes = np.append(rng.integers(0, 9, 112), 0)
    expected = naive.windows_of(same, codes[None, :-1].reshape(1, 7, 8, 2))
    np.testing.assert_array_equal(codes[same.patches], expected[0])
    assert grid_starts(22, 6, 4) == (0, 5, 10, 16)
    assert grid_starts(8, 2, 4) == (0, 2, 4, 6)


def test_a_stored_filter_finds_its_pattern():
    signs = np.array([[0, 1, 0, 1, -1, 1, 0, 1, 0]])
    filters = Dense(
        n_inputs=9,
        n_outputs=1,
        n_nonzeros=5,
        thresholds=np.array([256 * 4]),
        levels=np.array([0, 1], dtype=np.uint8),
        centre=np.zeros(1, dtype=np.int64),
        weights=TernaryWeights.of_signs(signs),
    )
    layer = Convolution(filters, (5, 6, 1), (3, 3))
    quantizer = Quantizer(1.0, np.full(30, 128), 1)
    net = CompressedNetwork(quantizer, (layer,), 0)
    picture = np.zeros((5, 6), dtype=np.uint8)
    picture[[1, 3, 2, 2], [3, 3, 2, 4]] = 1
    found = net.forward(np.repeat(picture.reshape(1, -1), 200, axis=0))
    assert found.shape == (200, 12)
    assert (np.flatnonzero(found[0]) == [1 * 4 + 2]).all()
    assert (found == found[0]).all()


def deep_network(rng):
    shape = (12, 11, 3)
    first = convolution(rng, shape, 10, (3, 4), padding="same", stride=2)
    second = pooling(first.shape_out, (3, 3), (2, 2), 7, "sum")
    third = convolution(rng, second.shape_out, 9, (2, 2), 0.3)
    fourth = pooling(third.shape_out, (1, 1), (1, 1), 7, "max")
    fifth = neurons(rng, fourth.n_outputs, 30, 9)
    return network(rng, shape, [first, second, third, fourth, fifth])


def test_file_holds_the_layers():
    rng = np.random.default_rng(3)
    net = deep_network(rng)
    data = encode_network(net)
    again = _decode_network(Reader(data, "section NETW"))
    assert encode_network(again) == data
    X = images(rng, 30, net.layers[0].shape_in)
    np.testing.assert_array_equal(again.forward(X), net.forward(X))
    for layer, other in zip(net.layers, again.layers, strict=True):
        assert (layer.shape_in, layer.shape_out) == (other.shape_in, other.shape_out)
    for size in range(1, len(data) - 1, 7):
        with pytest.raises(ValueError, match="section NETW"):
            _decode_network(Reader(data[:size], "section NETW"))


def test_damaged_files_are_refused_or_run():
    """A byte that was changed makes a network that can run, or none."""
    rng = np.random.default_rng(4)
    net = deep_network(rng)
    data = bytearray(encode_network(net))
    X = images(rng, 2, net.layers[0].shape_in)
    for place in rng.integers(30, len(data), 300):
        damaged = data.copy()
        damaged[place] ^= int(rng.integers(1, 256))
        try:
            other = _decode_network(Reader(bytes(damaged), "section NETW"))
            small = prediction_bytes(other) < 2**29
        except (ValueError, struct.error):
            continue
        if small and other.n_features_in == X.shape[1]:
            assert other.forward(X).shape == (2, other.n_features_out)


@pytest.mark.parametrize("n_samples", [1, 90, 512])
def test_memory_is_bounded(n_samples):
    rng = np.random.default_rng(5)
    shape = (30, 30, 2)
    first = convolution(rng, shape, 200, (5, 5), padding="same")
    second = pooling(first.shape_out, (6, 6), (5, 5), 7, "sum")
    net = network(rng, shape, [first, second])
    X = images(rng, n_samples, shape)
    net.forward(X[:1])
    vars(net).pop("_prepared")
    tracemalloc.start()
    net.forward(X)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < prediction_bytes(net)
    # Far less than the codes of the convolution, 512 x 30 x 30 x 200.
    assert peak < 60e6


def test_sizes_count_shared_weights_once():
    net = deep_network(np.random.default_rng(6))
    sizes = network_sizes(net)
    first, _, third, _, fifth = net.layers
    assert net.n_weights == 10 * 36 + 9 * 40 + 30 * fifth.n_inputs
    assert sizes["dense_float32"] == 4 * net.n_weights
    assert net.n_nonzeros == sum(
        each.n_nonzero_weights for each in (first, third, fifth)
    )
