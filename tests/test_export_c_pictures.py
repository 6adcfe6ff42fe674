"""C programs of networks of pictures: pooled as they are computed, in little memory."""

import re
import shutil
import subprocess
from dataclasses import replace

import naive
import numpy as np
import pytest
from c_program import OPTIMISED, SANITIZED, compile_program, needs_gcc, run_program
from test_convolution import convolution, images, network, neurons, pooling
from test_residual import residual_layers

from sklearn_lossless import Conv2D, NTKConvCompressor
from sklearn_lossless.export import to_c
from sklearn_lossless.export._c_pictures import (
    code_places,
    picture_members,
    pooled_at_once,
)
from sklearn_lossless.network import Addition, Dense

needs_clang = pytest.mark.skipif(
    not shutil.which("clang"), reason="clang is not installed"
)


def net_of(rng, shape, *specs):
    """A network: (filters, size, options), or (kind, size, grid) of a pooling."""
    layers, largest = [], 255
    for first, size, more in specs:
        seen = layers[-1].shape_out if layers else shape
        if isinstance(first, str):
            layers.append(pooling(seen, size, more, largest, first))
        else:
            layers.append(convolution(rng, seen, first, size, **more))
        largest = layers[-1].largest_code
    return network(rng, shape, layers)


def with_dense(rng, net):
    n_inputs = net.layers[-1].n_outputs
    last = neurons(rng, n_inputs, 5, n_inputs // 2)
    return network(rng, net.layers[0].shape_in, [*net.layers, last])


SHAPE = (11, 10, 2)
MAXIMUM = (6, (3, 3), {}), ("max", (2, 2), (4, 4))
#: Which convolutions are pooled at once, and the network.
NETWORKS = {
    "max, then sum": (
        [0, 2],
        [*MAXIMUM, (9, (2, 1), {"padding": 1}), ("sum", (2, 2), (2, 3))],
    ),
    "strides": ([0], [(7, (3, 2), {"stride": 2}), ("sum", (2, 2), (2, 2))]),
    "same": ([0], [(5, (4, 3), {"padding": "same"}), ("max", (3, 3), (3, 3))]),
    "everywhere": ([0], [(5, (1, 1), {}), ("sum", (11, 10), (1, 1))]),
    "two poolings": ([0], [*MAXIMUM, ("sum", (2, 2), (2, 2))]),
    "overlap": ([], [(5, (3, 3), {}), ("max", (3, 3), (4, 4))]),
    "no pooling": (
        [2],
        [(4, (3, 3), {}), (5, (3, 3), {}), (6, (2, 2), {}), ("max", (2, 2), (3, 2))],
    ),
}


def stored(net, rng):
    """A compressor that has this network, and rows for it."""
    shape = net.layers[0].shape_in
    X = images(rng, 40, shape).astype(np.float32)
    fitted = NTKConvCompressor(shape, [Conv2D(2, 1)], random_state=0).fit(X)
    fitted.network_ = net
    return fitted, X


def with_sums(rng):
    """A pooled stem, blocks with sums, and another pooled convolution."""
    stem = net_of(rng, (12, 12, 2), (6, (3, 3), {}), ("max", (2, 2), (5, 5)))
    n = len(stem.layers)
    # The blocks count their layers from the one that they begin with.
    blocks = [
        replace(layer, skip=layer.skip + n) if isinstance(layer, Addition) else layer
        for layer in residual_layers(rng, stem.layers[-1].shape_out)
    ]
    seen = blocks[-1].shape_out
    last = convolution(rng, seen, 4, (1, 1))
    end = pooling(seen[:2] + (4,), (1, 2), (2, 1), 7, "sum")
    return network(rng, (12, 12, 2), [*stem.layers, *blocks, last, end])


def all_networks():
    rng = np.random.default_rng(3)
    for name, (pooled, specs) in NETWORKS.items():
        net = net_of(rng, SHAPE, *specs)
        yield name, pooled, net
        yield f"{name}, dense", pooled, with_dense(rng, net)
    net = with_sums(rng)
    yield "sums", [0, len(net.layers) - 2], net


@pytest.fixture(scope="module", params=all_networks(), ids=lambda each: each[0])
def case(request):
    return request.param[1:]


@needs_gcc
def test_codes_are_those_of_the_dense_network(case, tmp_path):
    pooled, net = case
    assert pooled_at_once(net) == pooled
    fitted, X = stored(net, np.random.default_rng(5))
    source, header = to_c(fitted, tmp_path / "model.c")
    compile_program(source, tmp_path / "program", OPTIMISED)
    results = run_program(tmp_path / "program", header, X)
    np.testing.assert_array_equal(results.codes, naive.forward(net, X))
    found = re.search(r"workspace +(\d+) bytes", header.read_text())
    assert int(found.group(1)) == results.workspace_bytes


@needs_clang
def test_sanitized(case, tmp_path):
    _, net = case
    fitted, X = stored(net, np.random.default_rng(6))
    source, header = to_c(fitted, tmp_path / "model.c")
    compile_program(source, tmp_path / "program", SANITIZED)
    results = run_program(tmp_path / "program", header, X[:9])
    np.testing.assert_array_equal(results.codes, fitted.codes(X[:9]))


def test_codes_that_are_needed_are_not_written_to(case):
    pooled, net = case
    places = code_places(net)
    widths = [0 if i in pooled else each.n_outputs for i, each in enumerate(net.layers)]
    for number, width in enumerate(widths):
        if number in pooled or not number:
            continue
        before = number - 1 - (number - 1 in pooled)
        alive = {before} if before >= 0 else set()
        alive |= {
            layer.skip for layer in net.layers[number:] if hasattr(layer, "skip")
        } & set(range(number))
        for other in alive:
            end = places[number] + width
            apart = (
                end <= places[other] or places[other] + widths[other] <= places[number]
            )
            assert apart, (number, other)


def test_readout_of_all_layers_keeps_their_codes():
    rng = np.random.default_rng(0)
    net = net_of(rng, SHAPE, *MAXIMUM).with_readout_layers("all")
    assert pooled_at_once(net) == []


def mnist_net(n_filters=(16, 32), n_nonzeros=(8, 24, 80)):
    """The 16-32-64 of the benchmarks, or a smaller one."""
    rng = np.random.default_rng(1)
    (first, second), (k_first, k_second, k_dense) = n_filters, n_nonzeros
    specs = [
        *[(first, (5, 5), {"share": k_first / 25}), ("max", (2, 2), (12, 12))],
        *[(second, (3, 3), {"share": k_second / (9 * first)}), ("max", (2, 2), (5, 5))],
    ]
    net = net_of(rng, (28, 28, 1), *specs)
    thresholds, levels = np.arange(-3, 4) * 256 * 20, np.arange(8, dtype=np.uint8)
    last = Dense(25 * second, 64, k_dense, thresholds, levels, np.zeros(1, np.int64))
    return network(rng, (28, 28, 1), [*net.layers, last])


@needs_gcc
def test_net_of_mnist_fits_a_small_device(tmp_path):
    """Two pooled layers side by side, a window, and the filters at a position."""
    net = mnist_net()
    fitted, _ = stored(net, np.random.default_rng(2))
    source, header = to_c(fitted, tmp_path / "model.c")
    n_bytes = 12 * 12 * 16 + 5 * 5 * 32 + 9 * 16 + 32 + 32
    assert f" {n_bytes} bytes of RAM" in header.read_text()
    assert sum(n for _, _, n in picture_members(net)) == n_bytes <= 24_000
    command = ["gcc", "-Os", "-std=c99", "-ffreestanding", "-c", source]
    subprocess.run([*command, "-o", tmp_path / "model.o"], check=True)
    symbols = subprocess.run(
        ["nm", "-S", tmp_path / "model.o"], capture_output=True, text=True, check=True
    ).stdout
    functions = re.findall(r"^\w+ (\w+) [tT] ", symbols, re.MULTILINE)
    assert 0 < sum(int(size, 16) for size in functions) <= 12_000
    undefined = set(re.findall(r" U (\w+)", symbols))
    assert undefined <= {"memset", "memcpy"}
