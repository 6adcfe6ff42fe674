"""Bytes of a network by each way of counting."""

import copy
import dataclasses
import math
import os

import numpy as np
import pytest
from ridge import with_readout
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeClassifier

from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
)
from sklearn_lossless.export import _sections, archive
from sklearn_lossless.export._coding import READOUT_DTYPES
from sklearn_lossless.export.archive import to_bytes
from sklearn_lossless.export.sizes import COUNT_LABELS, file_sizes
from sklearn_lossless.network import network_sizes, ternary_weights

X = np.random.default_rng(0).normal(size=(120, 40))
HIDDEN = {"hidden_layer_sizes": (30, 20), "eps": 0.8, "random_state": 0}


@pytest.fixture(scope="module")
def classifier():
    return CompressedMLPClassifier(**HIDDEN).fit(X, np.arange(120) % 3)


def test_counts_are_those_of_the_weights(classifier):
    network = classifier.network_
    sizes = network_sizes(network, n_targets=3, readout_bits=4)
    dense = [np.zeros((30, 40)), np.zeros((20, 30))]
    for number, W in enumerate(dense):
        weights = network.weights(number)
        for row, inputs, n_plus in zip(W, *weights[:2], strict=True):
            row[inputs[:n_plus]], row[inputs[n_plus:]] = 1, -1
    n_weights = sum(W.size for W in dense)
    n_nonzeros = sum(sparse.csr_array(W).nnz for W in dense)
    arrangements = math.prod(
        (math.comb(W.shape[1], k) * 2**k) ** len(W)
        for W in dense
        for k in [int(np.count_nonzero(W[0]))]
    )
    assert sizes == {
        "dense_float32": 4 * (n_weights + 20 * 3),
        "packed_trits": n_weights // 5,
        "csr": math.ceil(n_nonzeros * 17 / 8),
        "entropy_bound": math.ceil(math.log2(arrangements) / 8),
        "paper": n_nonzeros * 2 // 8,
        "seed": 8,
        "readout": 20 * 3 // 2,
    }


def test_wide_inputs_need_longer_indices(classifier):
    spec = classifier.network_.layers[0]
    sizes = {
        n: network_sizes(
            dataclasses.replace(
                classifier.network_,
                layers=(dataclasses.replace(spec, n_inputs=n, n_nonzeros=8),),
            )
        )["csr"]
        for n in (2**16, 2**16 + 1)
    }
    assert sizes == {2**16: 30 * 17, 2**16 + 1: 30 * 33}


def test_stored_weights_count_beside_the_seed(classifier):
    network = classifier.network_
    first, last = network.layers
    weights = ternary_weights(1, 0, 40, 30, first.n_nonzeros)
    first = dataclasses.replace(first, weights=weights)
    stored = dataclasses.replace(network, layers=(first, last))
    alone = dataclasses.replace(network, layers=(first,))
    entropy = network_sizes(alone)["entropy_bound"]
    assert network_sizes(stored)["seed"] == 8 + entropy
    assert network_sizes(stored)["entropy_bound"] > entropy


@pytest.mark.parametrize("readout_layers", ["last", "all"])
def test_report(tmp_path, readout_layers):
    Y = np.column_stack([X[:, 0], X[:, 1]])
    hidden = {**HIDDEN, "readout_layers": readout_layers}
    for fitted, n_targets in [
        (NTKCompressor(**hidden).fit(X), 0),
        (CompressedMLPClassifier(**hidden).fit(X, X[:, 0] > 0), 1),
        (CompressedMLPRegressor(**hidden).fit(X, X[:, 0]), 1),
        (CompressedMLPRegressor(**hidden).fit(X, Y), 2),
    ]:
        report = fitted.size_report("float16")
        fitted.save(tmp_path / "model.lnn", readout_dtype="float16")
        expected = network_sizes(fitted.network_, n_targets, 16)
        assert report == {**expected, "file": os.path.getsize(tmp_path / "model.lnn")}
        text = str(report)
        assert text.startswith("40-30-20" + (f"-{n_targets} " if n_targets else " "))
        assert ("readout weights, float16" in text) == (n_targets > 0)
        for size in report.values():
            assert f" {size:,}\n" in text or not size


def test_file_sizes_by_type_of_readout(classifier, monkeypatch):
    expected = {dtype: len(to_bytes(classifier, dtype)) for dtype in READOUT_DTYPES}
    n_encoded = n_decoded = 0

    def encode(*args):
        nonlocal n_encoded
        n_encoded += 1
        return _sections.encode(*args)

    def decode(*args):
        nonlocal n_decoded
        n_decoded += 1
        return _sections.decode(*args)

    monkeypatch.setattr(archive, "encode", encode)
    monkeypatch.setattr(archive, "decode", decode)
    assert file_sizes(classifier) == expected
    assert (n_encoded, n_decoded) == (1, 1)
    assert file_sizes(classifier, ["int4"]) == {"int4": expected["int4"]}


def test_file_sizes_of_what_cannot_be_saved(classifier):
    compressor = NTKCompressor(**HIDDEN).fit(X)
    assert file_sizes(compressor, ["int8"]) == {"int8": len(to_bytes(compressor))}
    large = with_readout(copy.copy(classifier), coef=lambda coef: coef * 1e60)
    assert list(file_sizes(large)) == ["float64"]
    foreign = CompressedMLPClassifier(**HIDDEN, readout=RidgeClassifier())
    assert file_sizes(foreign.fit(X, X[:, 0] > 0)) == {}
    with pytest.raises(NotFittedError):
        file_sizes(NTKCompressor())
    with pytest.raises(ValueError, match="readout_dtype must be one of"):
        file_sizes(classifier, ["int3"])


def test_every_count_has_a_label(classifier):
    counts = set(classifier.size_report()) - {"readout"}
    types = {
        f"{what}_{dtype}" for what in ("readout", "file") for dtype in READOUT_DTYPES
    }
    assert set(COUNT_LABELS) == counts | types


def test_bad_input():
    with pytest.raises(NotFittedError):
        NTKCompressor().size_report()
    fitted = CompressedMLPClassifier(**HIDDEN).fit(X, X[:, 0] > 0)
    with pytest.raises(ValueError, match="readout_dtype must be one of"):
        fitted.size_report("int3")
    fitted = CompressedMLPClassifier(**HIDDEN, readout=RidgeClassifier())
    with pytest.raises(ValueError, match="RidgeClassifier"):
        fitted.fit(X, X[:, 0] > 0).size_report()
