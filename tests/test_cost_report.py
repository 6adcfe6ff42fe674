"""Costs of a prediction: counts against a network that counts what it does."""

import json
import math
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from test_convolution import images
from test_export_c_pictures import mnist_net, net_of, stored, with_dense, with_sums

from sklearn_lossless import (
    CompressedCNNClassifier,
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    Conv2D,
    NTKCompressor,
    Pool2D,
)
from sklearn_lossless.export import integer_readout, to_c
from sklearn_lossless.export._c_memory import program_memory
from sklearn_lossless.export._exported import exported_model
from sklearn_lossless.inspection import CostReport, cost_report
from sklearn_lossless.inspection._costs import LayerCost, instructions, layer_costs
from sklearn_lossless.network import Addition, Convolution, Pooling

RESULTS = Path(__file__).parents[1] / "benchmarks/results/c_export_device.json"
PROGRAMS = [row for row in json.loads(RESULTS.read_text()) if "instructions" in row]


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:600], y[:600]


@pytest.fixture(scope="module")
def fitted(digits):
    return CompressedMLPClassifier((40, 30), eps=0.6, random_state=0).fit(*digits)


def counted(layer, weights):
    """Additions, comparisons and copies of a layer, one by one."""
    additions = comparisons = copies = 0
    if isinstance(layer, Pooling):
        for _ in range(layer.n_outputs):
            for _ in np.ndindex(*layer.size):
                additions += layer.kind == "sum"
                comparisons += layer.kind == "max"
        return additions, comparisons, copies
    positions = [None]
    if isinstance(layer, Convolution):
        positions = layer.patches
        copies = sum(len(each) for each in positions)
    thresholds = np.atleast_2d(layer.neurons.thresholds)
    for _ in positions:
        for row in weights.indices:
            additions += len(set(row.tolist()))
            comparisons += thresholds.shape[1]
    return additions, comparisons, copies


def check_counts(net):
    for number, cost in enumerate(layer_costs(net, 0)):
        layer, weights = net.layers[number], None
        if layer.neurons is not None:
            weights = net.weights(number)
        added = 0
        if isinstance(layer, Addition):
            added, layer = math.prod(layer.shape_added), layer.shortcut
        expected = counted(layer, weights) if layer is not None else (0, 0, 0)
        assert cost.additions == expected[0] + added
        assert (cost.comparisons, cost.copies) == expected[1:]
        assert cost.layer == number + 1
        assert cost.multiplications == 0


def test_counts(fitted):
    rng = np.random.default_rng(0)
    specs = [(4, (3, 2), {"stride": 2, "padding": "same"}), ("max", (2, 2), (2, 2))]
    check_counts(net_of(rng, (9, 8, 2), *specs, ("sum", (1, 2), (2, 1))))
    check_counts(with_dense(rng, net_of(rng, (9, 8, 2), *specs)))
    check_counts(with_sums(rng))
    check_counts(mnist_net())
    check_counts(fitted.network_)


@pytest.mark.parametrize("row", PROGRAMS, ids=lambda row: str(row["sizes"]))
def test_estimate_is_what_was_counted_to_a_tenth(row):
    sizes = row["sizes"]
    n = 10 * sizes[-1]
    layers = [LayerCost("readout", "readout", "10", n, multiplications=n)]
    if sizes[0] == "conv 8":
        layers += layer_costs(mnist_net((8, 16), (8, 18, 40)), 0)
    elif sizes[0] == "conv 16":
        layers += layer_costs(mnist_net(), 0)
    else:
        eps = {64: (0.95,), 128: (0.9,), 200: (0.95, 0.8)}.get(sizes[0], (0.9,) * 3)
        for n_inputs, n_outputs, share in zip([784, *sizes], sizes, eps, strict=False):
            n = round((1 - share) * n_inputs) * n_outputs
            drawn = row["weights"] == "seed"
            layers.append(LayerCost(1, "dense", "", n, 7 * n_outputs, drawn=drawn))
    assert instructions(layers) == pytest.approx(row["instructions"], rel=0.1)


def test_weights_that_are_drawn(fitted):
    table, seed = (cost_report(fitted, weights=each) for each in ("table", "seed"))
    assert [each.drawn for each in seed.layers] == [True, True, False]
    assert not any(each.drawn for each in table.layers)
    assert seed.instructions > 5 * table.instructions
    assert seed.table_bytes < table.table_bytes


def test_readout_multiplies(fitted):
    *hidden, readout = cost_report(fitted).layers
    n_weights = integer_readout(fitted, 8).weights.size
    assert readout.layer == readout.kind == "readout"
    assert readout.multiplications == readout.additions == n_weights
    assert [each.kind for each in hidden] == ["dense", "dense"]
    compressor = fitted.compressor_
    assert cost_report(compressor).layers == tuple(hidden)


@pytest.mark.parametrize("weights", ["table", "seed"])
def test_workspace_is_that_of_the_header(fitted, tmp_path, weights):
    _, header = to_c(fitted, tmp_path / "model.c", weights=weights, readout_bits=8)
    report = cost_report(fitted, weights=weights)
    assert f" {report.workspace_bytes} bytes of RAM" in header.read_text()
    assert report.input_bytes == 64
    assert report.ram == report.workspace_bytes + 64


def test_bytes_that_are_codes_need_no_memory():
    rng = np.random.default_rng(0)
    X = images(rng, 50, (6, 6, 1))
    X[0], X[1] = 0, 255
    fitted = CompressedCNNClassifier((6, 6), [Conv2D(3, 3)], random_state=0)
    report = cost_report(fitted.fit(X, np.arange(50) % 2))
    assert report.input_bytes == 0


@pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="needs the compiler")
@pytest.mark.parametrize("weights", ["table", "seed"])
def test_tables_on_the_device(fitted, tmp_path, weights):
    pictures, _ = stored(mnist_net(), np.random.default_rng(0))
    for est in (fitted, pictures):
        source, _ = to_c(est, tmp_path / "model.c", weights=weights, readout_bits=8)
        command = ["arm-none-eabi-gcc", "-mcpu=cortex-m0", "-mthumb", "-Os", "-c"]
        subprocess.run(
            [*command, "-fdata-sections", source, "-o", tmp_path / "model.o"],
            check=True,
        )
        text = subprocess.run(
            ["arm-none-eabi-nm", "-S", tmp_path / "model.o"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        tables = re.findall(r"^\w+ (\w+) r ", text, re.MULTILINE)
        memory = program_memory(exported_model(est), weights=weights)
        assert memory.tables == sum(int(size, 16) for size in tables)


def test_score_is_that_of_the_integers(fitted, digits):
    X, y = digits
    readout = integer_readout(fitted, 8)
    scores = fitted.network_.forward(X).astype(np.int64) @ readout.weights
    scores = scores * readout.factor + readout.offset
    assert cost_report(fitted, X, y).score == np.mean(scores.argmax(axis=1) == y)
    assert cost_report(fitted, X, y, readout_bits=32).score == fitted.score(X, y)
    binary = CompressedMLPClassifier((30,), random_state=0).fit(X, y > 4)
    assert cost_report(binary, X, y > 4, readout_bits=32).score == binary.score(
        X, y > 4
    )
    regressor = CompressedMLPRegressor((30,), random_state=0).fit(X, y)
    score = cost_report(regressor, X, y, readout_bits=32).score
    assert score == pytest.approx(regressor.score(X, y), abs=1e-6)


def test_pipelines_and_pictures(digits):
    X, y = digits
    pipeline = make_pipeline(
        StandardScaler(), CompressedMLPClassifier((30,), random_state=0)
    ).fit(X, y)
    report = cost_report(pipeline, X, y, readout_bits=32)
    assert report.score == pytest.approx(pipeline.score(X, y), abs=0.005)
    layers = [Conv2D(5, 3), Pool2D(2, kind="max")]
    clf = CompressedCNNClassifier((8, 8), layers, random_state=0).fit(X, y)
    report = cost_report(clf, X.reshape(-1, 8, 8), y, readout_bits=32)
    assert report.score == clf.score(X, y)


def test_prints_and_frames(fitted, digits):
    report = cost_report(fitted, *digits)
    assert isinstance(report, CostReport)
    text = str(report)
    for words in ("additions", "(estimate)", f"{report.workspace_bytes:,}", "score"):
        assert words in text
    assert "score" not in str(cost_report(fitted))
    pytest.importorskip("pandas")
    layers = report.frame()
    assert layers.index.tolist() == [1, 2, "readout"]
    assert layers.additions.tolist() == [each.additions for each in report.layers]
    devices = report.frame("devices")
    assert (devices.ms_at_least < devices.ms_at_most).all()
    at_16 = next(name for name in devices.index if " 16 MHz" in name)
    assert devices.ms_at_least[at_16] == pytest.approx(report.instructions / 16e3)
    with pytest.raises(ValueError, match="'layers' or 'devices', got 'bytes'"):
        report.frame("bytes")


def test_bad_input(fitted, digits):
    X, y = digits
    with pytest.raises(NotFittedError):
        cost_report(CompressedMLPClassifier())
    with pytest.raises(TypeError, match="Expected an NTKCompressor"):
        cost_report(StandardScaler())
    with pytest.raises(ValueError, match="X and y must be given both"):
        cost_report(fitted, X)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        cost_report(fitted, X, y[:-1])
    with pytest.raises(ValueError, match="got 'file'"):
        cost_report(fitted, weights="file")
    with pytest.raises(ValueError, match="bits of a readout must be"):
        cost_report(fitted, readout_bits=7)
    compressor = NTKCompressor((20,), random_state=0).fit(X)
    with pytest.raises(ValueError, match="has no readout to score"):
        cost_report(compressor, X, y)
