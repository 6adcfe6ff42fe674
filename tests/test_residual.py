"""Sums of two layers' codes, against NumPy, in files, C and ONNX."""

import math
import shutil
import struct
import tracemalloc
from copy import copy
from dataclasses import replace

import naive
import numpy as np
import pytest
from c_program import SANITIZED, compile_program, needs_gcc, run_program
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_convolution import check, convolution, images, network, pooling

from sklearn_lossless import Conv2D, NTKConvCompressor
from sklearn_lossless.export import to_c, to_onnx
from sklearn_lossless.export._c_pictures import code_places
from sklearn_lossless.export._coding import Reader
from sklearn_lossless.export._exported import exported_model, fingerprint
from sklearn_lossless.export._sections import _decode_network, encode_network
from sklearn_lossless.network import Addition, Dense, Pooling, network_sizes
from sklearn_lossless.network._engine import pictures
from sklearn_lossless.network.memory import prediction_bytes

needs_clang = pytest.mark.skipif(not shutil.which("clang"), reason="needs clang")


def subsample(shape, stride, largest):
    starts = [tuple(range(0, n, stride)) for n in shape[:2]]
    return Pooling(shape, (1, 1), *starts, largest, "max")


def residual_layers(rng, shape, width=6, deep=1):
    """A stem, `deep` identity blocks, one with filters around, one that subsamples."""
    layers = [convolution(rng, shape, width, (3, 3), padding=1)]

    def branch(stride, n_filters):
        seen = layers[-1].shape_out
        options = {"stride": stride, "padding": 1}
        layers.append(convolution(rng, seen, n_filters, (3, 3), **options))

    for _ in range(deep):
        before = layers[-1]
        skip = len(layers) - 1
        branch(1, width)
        branch(1, width)
        layers.append(
            Addition(before.shape_out, 7, skip, before.shape_out, before.largest_code)
        )
    for kind in ("filters", "places"):
        before, skip = layers[-1], len(layers) - 1
        seen = before.shape_out
        branch(2, seen[2] + 4)
        if kind == "filters":
            around = convolution(rng, seen, seen[2] + 4, (1, 1), stride=2)
        else:
            around = subsample(seen, 2, before.largest_code)
        layers.append(
            Addition(
                layers[-1].shape_out,
                7,
                skip,
                seen,
                before.largest_code,
                around,
                0 if kind == "filters" else 2,
            )
        )
    return layers


@pytest.mark.parametrize("n_samples", [0, 1, 39, 40, 530])
def test_a_residual_network_equals_numpy(n_samples):
    rng = np.random.default_rng(n_samples)
    shape = (7, 6, 2)
    layers = residual_layers(rng, shape, deep=3)
    assert [layer.largest_code for layer in layers[3:10:3]] == [14, 21, 28]
    net = network(rng, shape, layers)
    check(net, images(rng, n_samples, shape))


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32 - 1),
    end=st.sampled_from(["max", "sum", "filters", "dense", "all"]),
    n_samples=st.sampled_from([2, 45, 100]),
)
def test_layers_after_a_sum_equal_numpy(seed, end, n_samples):
    rng = np.random.default_rng(seed)
    shape = (5, 6, 1)
    layers = residual_layers(rng, shape, width=4, deep=2)
    seen, largest = layers[-1].shape_out, layers[-1].largest_code
    if end in ("max", "sum"):
        layers.append(pooling(seen, (2, 2), (1, 1), largest, end))
    elif end == "filters":
        layers.append(convolution(rng, seen, 5, (2, 2)))
    elif end == "dense":
        n = math.prod(seen)
        thresholds = np.arange(-3, 4) * 256 * 20
        levels = np.arange(8, dtype=np.uint8)
        layers.append(Dense(n, 9, 5, thresholds, levels, np.zeros(1, np.int64)))
    net = network(rng, shape, layers)
    X = images(rng, n_samples, shape)
    check(net, X)
    if end == "all":
        codes = net.with_readout_layers("all").forward(X)
        parts = [
            naive.forward(replace(net, layers=net.layers[: i + 1]), X)
            for i in range(len(layers))
        ]
        np.testing.assert_array_equal(codes, np.hstack(parts))


def test_a_pooled_layer_may_be_added_later():
    rng = np.random.default_rng(0)
    shape = (6, 6, 1)
    first = convolution(rng, shape, 3, (3, 3), padding=1)
    pooled = pooling(first.shape_out, (2, 2), (3, 3), 7, "max")
    again = convolution(rng, pooled.shape_out, 3, (3, 3), padding=1)
    around = subsample(first.shape_out, 2, 7)
    added = Addition(again.shape_out, 7, 0, first.shape_out, 7, around)
    net = network(rng, shape, [first, pooled, again, added])
    for n_samples in (3, 60):
        check(net, images(rng, n_samples, shape))


def test_the_inputs_can_be_added():
    rng = np.random.default_rng(0)
    shape = (4, 4, 3)
    layer = convolution(rng, shape, 3, (3, 3), padding=1)
    added = Addition(shape, 7, -1, shape, 15)
    net = network(rng, shape, [layer, added], 4)
    check(net, images(rng, 50, shape, 4))


def test_few_and_many_samples_give_the_same_codes():
    rng = np.random.default_rng(1)
    shape = (6, 6, 3)
    net = network(rng, shape, residual_layers(rng, shape, deep=2))
    X = images(rng, 600, shape)
    whole = net.forward(X)
    np.testing.assert_array_equal(whole, net.forward(X, n_jobs=2))
    parts = [net.forward(X[i : i + 7]) for i in range(0, 70, 7)]
    np.testing.assert_array_equal(whole[:70], np.vstack(parts))


def test_without_planes_codes_are_the_same(monkeypatch):
    rng = np.random.default_rng(2)
    shape = (6, 6, 3)
    net = network(rng, shape, residual_layers(rng, shape))
    X = images(rng, 60, shape)
    expected = net.forward(X)
    monkeypatch.setattr(pictures, "_FEW", 10**9)
    np.testing.assert_array_equal(net.forward(X), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape_skip": (3, 4, 2)}, r"shape \(3, 4, 2\) cannot be added"),
        ({"first_channel": 1}, "from channel 1"),
        ({"first_channel": -1}, "from channel -1"),
        ({"largest_skip": 249}, "up to 7 and 249 do not fit in 8 bits"),
    ],
)
def test_sums_that_cannot_be(change, message):
    good = Addition((4, 4, 2), 7, 0, (4, 4, 2), 248)
    assert good.n_bits == 8
    with pytest.raises(ValueError, match=message):
        replace(good, **change)


def through_a_file(net):
    return _decode_network(Reader(encode_network(net), "section NETW"))


def test_a_file_holds_sums():
    rng = np.random.default_rng(3)
    shape = (6, 5, 3)
    layers = residual_layers(rng, shape, deep=2)
    first = layers[0]
    layers[0] = replace(
        first, filters=replace(first.filters, balanced=False, centre=np.zeros(1, int))
    )
    net = network(rng, shape, layers)
    read = through_a_file(net)
    X = images(rng, 60, shape)
    np.testing.assert_array_equal(read.forward(X), net.forward(X))
    assert encode_network(read) == encode_network(net)
    assert [type(layer) for layer in read.layers] == [type(layer) for layer in layers]


def test_a_file_holds_sums_with_the_inputs_and_wide_margins():
    rng = np.random.default_rng(4)
    shape = (4, 4, 2)
    layers = [
        convolution(rng, shape, 2, (5, 5), padding=2),
        Addition(shape, 7, -1, shape, 15),
        convolution(rng, shape, 2, (2, 2), padding=3, stride=3),
    ]
    net = network(rng, shape, layers, 4)
    read = through_a_file(net)
    X = images(rng, 60, shape, 4)
    check(read, X)
    np.testing.assert_array_equal(read.forward(X), net.forward(X))


def test_damaged_sums_are_refused():
    rng = np.random.default_rng(5)
    shape = (4, 4, 2)
    layers = [
        convolution(rng, shape, 2, (3, 3), padding=1),
        Addition(shape, 7, 0, shape, 7),
    ]
    good = encode_network(network(rng, shape, layers))
    assert good[-4:] == bytes([3 << 3, 0, 1, 0])
    for damaged, message in (
        (bytes([3, 1, 0]), "kind 3 of codes 1"),
        (bytes([0, 2, 0]), "kind 0 of codes 2"),
        (bytes([0, 1, 1]), "from channel 1 on"),
        (bytes([0, 0, 0]), "up to 7 and 255 do not fit"),
    ):
        with pytest.raises(ValueError, match=message):
            _decode_network(Reader(good[:-3] + damaged, "section NETW"))
    with pytest.raises(ValueError, match="unknown flags"):
        _decode_network(Reader(good[:-4] + b"\x19" + good[-3:], "section NETW"))


def test_damaged_files_are_refused_or_run():
    """A byte that was changed makes a network that can run, or none."""
    rng = np.random.default_rng(8)
    shape = (6, 6, 2)
    net = network(rng, shape, residual_layers(rng, shape, width=3, deep=2))
    data = bytearray(encode_network(net))
    X = images(rng, 2, shape)
    n_run = 0
    for place in rng.integers(30, len(data), 1000):
        damaged = data.copy()
        damaged[place] ^= int(rng.integers(1, 256))
        try:
            other = _decode_network(Reader(bytes(damaged), "section NETW"))
            small = prediction_bytes(other) < 2**29
        except (ValueError, struct.error):
            continue
        if small and other.n_features_in == X.shape[1]:
            n_run += 1
            assert other.forward(X).shape == (2, other.n_features_out)
    assert n_run > 5


@pytest.mark.parametrize("n_samples", [1, 90, 512])
def test_memory_is_bounded(n_samples):
    rng = np.random.default_rng(9)
    shape = (20, 20, 3)
    net = network(rng, shape, residual_layers(rng, shape, width=16, deep=2))
    X = images(rng, n_samples, shape)
    net.forward(X[:1])
    vars(net).pop("_prepared")
    tracemalloc.start()
    net.forward(X)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < prediction_bytes(net) - 2**27  # of which 2**27 are for drawing


@pytest.fixture(scope="module")
def compressor():
    """A compressor whose network has sums: with every kind of shortcut."""
    rng = np.random.default_rng(6)
    shape = (8, 6, 2)
    layers = residual_layers(rng, shape, deep=2)
    layers.append(pooling(layers[-1].shape_out, (2, 2), (1, 1), 21, "sum"))
    net = network(rng, shape, layers)
    X = images(rng, 70, shape).astype(np.float32)
    fitted = NTKConvCompressor(shape, [Conv2D(2, 3)], random_state=0).fit(X)
    fitted.network_ = net
    return fitted, X


def with_inputs_added():
    rng = np.random.default_rng(7)
    shape = (4, 5, 2)
    layers = [
        convolution(rng, shape, 4, (3, 3), padding=1),
        Addition((4, 5, 4), 7, -1, shape, 31, first_channel=1),
        Addition((4, 5, 4), 38, 0, (4, 5, 4), 7),
    ]
    thresholds, levels = np.arange(-3, 4) * 256 * 20, np.arange(8, dtype=np.uint8)
    layers.append(Dense(80, 9, 5, thresholds, levels, np.zeros(1, np.int64)))
    net = network(rng, shape, layers, 5)
    X = images(rng, 50, shape, 5).astype(np.float32)
    fitted = NTKConvCompressor(shape, [Conv2D(2, 3)], random_state=0).fit(X)
    fitted.network_ = net
    return fitted, X


@needs_gcc
def test_c_computes_sums(compressor, tmp_path):
    for number, (fitted, X) in enumerate([compressor, with_inputs_added()]):
        folder = tmp_path / str(number)
        folder.mkdir()
        source, header = to_c(fitted, folder / "model.c")
        compile_program(source, folder / "program")
        results = run_program(folder / "program", header, X)
        np.testing.assert_array_equal(results.codes, fitted.codes(X))
        np.testing.assert_array_equal(results.codes, naive.forward(fitted.network_, X))


@needs_clang
def test_c_of_sums_is_clean(compressor, tmp_path):
    for number, (fitted, X) in enumerate([compressor, with_inputs_added()]):
        folder = tmp_path / str(number)
        folder.mkdir()
        source, header = to_c(fitted, folder / "model.c")
        compile_program(source, folder / "program", SANITIZED)
        results = run_program(folder / "program", header, X[:9])
        np.testing.assert_array_equal(results.codes, fitted.codes(X[:9]))


def test_c_keeps_no_more_codes_than_needed(compressor):
    network = compressor[0].network_
    places = code_places(network)
    layers = network.layers
    ends = [p + layer.n_outputs for p, layer in zip(places, layers, strict=True)]
    # The codes that are added later, those of the layer before, and its own.
    assert max(ends) == 3 * layers[0].n_outputs
    for number, layer in enumerate(layers):
        if isinstance(layer, Addition):
            for alive in (number - 1, layer.skip):
                apart = ends[alive] <= places[number] or ends[number] <= places[alive]
                assert apart


def test_onnx_computes_sums(compressor):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    for fitted, X in (compressor, with_inputs_added()):
        model = to_onnx(fitted)
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        (codes,) = session.run(["codes"], {"X": X})
        np.testing.assert_array_equal(codes, fitted.codes(X))


def test_the_fingerprint_sees_what_is_added(compressor):
    fitted, _ = compressor
    layers = list(fitted.network_.layers)
    number = next(i for i, each in enumerate(layers) if isinstance(each, Addition))
    before = fingerprint(exported_model(fitted))
    other = copy(fitted)
    layers[number] = replace(layers[number], skip=number - 2)
    other.network_ = replace(fitted.network_, layers=tuple(layers))
    assert fingerprint(exported_model(other)) != before


def test_sizes_and_memory_count_shortcuts(compressor):
    network = compressor[0].network_
    neurons = [each.neurons for each in network.layers if each.neurons is not None]
    assert network.n_weights == sum(each.n_weights for each in neurons)
    assert network_sizes(network)["dense_float32"] == 4 * network.n_weights
    # Two arrays of the widest layers at least.
    assert prediction_bytes(network) > 2**27 + 2 * 512 * network.layers[0].n_outputs
