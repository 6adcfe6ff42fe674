"""Stored weights and thresholds: what a file makes of them, and how long it is."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_lossless.export import _weights
from sklearn_lossless.export._coding import Reader, pack_integers
from sklearn_lossless.network import TernaryWeights, ternary_weights
from sklearn_lossless.network._engine.context_code import (
    EVEN,
    best_lag,
    decode_signs,
    encode_signs,
)
from sklearn_lossless.training.fold import lines_of_thresholds


def matrix(rng, n_rows, n_columns, n_nonzeros):
    signs = np.zeros((n_rows, n_columns), dtype=np.int8)
    for row in signs:
        places = rng.permutation(n_columns)[:n_nonzeros]
        row[places] = rng.choice([-1, 1], n_nonzeros)
    return signs


def entropy_bytes(n_rows, n_columns, n_nonzeros):
    places = math.log2(math.comb(n_columns, n_nonzeros))
    return n_rows * (places + n_nonzeros) / 8


def smooth_images(n_rows, side, n_nonzeros):
    """Signs of the largest values of random waves, as of weights of images."""
    rng = np.random.default_rng(0)
    x = np.arange(side) / side
    rows = []
    for _ in range(n_rows):
        (a, b), (c, d) = rng.uniform(0, 12, (2, 2))
        rows.append(np.cos(a * x + b)[:, np.newaxis] * np.cos(c * x + d))
    waves = np.reshape(rows, (n_rows, -1)) + rng.normal(0, 0.3, (n_rows, side**2))
    kept = np.argsort(-np.abs(waves), axis=1)[:, :n_nonzeros]
    signs = np.zeros(waves.shape, dtype=np.int8)
    np.put_along_axis(signs, kept, np.sign(np.take_along_axis(waves, kept, 1)), 1)
    return signs


@settings(deadline=None, max_examples=150)
@given(
    seed=st.integers(0, 2**32),
    n_rows=st.integers(1, 40),
    n_columns=st.integers(1, 120),
    share=st.floats(0, 1),
    lag=st.integers(0, 130),
)
def test_signs_come_back(seed, n_rows, n_columns, share, lag):
    n_nonzeros = round(share * n_columns)
    signs = matrix(np.random.default_rng(seed), n_rows, n_columns, n_nonzeros)
    code = encode_signs(signs.copy(), n_nonzeros, lag)
    found = decode_signs(code, n_rows, n_columns, n_nonzeros, lag)
    np.testing.assert_array_equal(found, signs)


def test_the_code_is_the_same_for_ever():
    signs = matrix(np.random.default_rng(1), 4, 12, 5)
    assert encode_signs(signs, 5, 3).hex() == "a8009c8894dcfa965d67"


@pytest.mark.parametrize("shape", [(4, 9, 4), (12, 108, 36), (1, 5, 5)])
def test_small_matrices_take_their_entropy(shape):
    signs = matrix(np.random.default_rng(0), *shape)
    length = len(encode_signs(signs, shape[2], EVEN))
    assert length <= 1.001 * entropy_bytes(*shape) + 2
    weights = TernaryWeights.of_signs(signs)
    assert sum(map(len, _weights.pack_in_contexts(weights, shape[1]))) <= length + 3


@pytest.mark.parametrize("n_nonzeros", [16, 78, 157, 392])
def test_signs_that_are_drawn_evenly_take_their_entropy(n_nonzeros):
    signs = matrix(np.random.default_rng(0), 300, 784, n_nonzeros)
    length = len(encode_signs(signs, n_nonzeros, best_lag(signs)))
    assert length < 1.025 * entropy_bytes(300, 784, n_nonzeros)


def test_signs_that_go_together_take_less():
    signs = smooth_images(100, 20, 40)
    assert best_lag(signs) == 20
    with_lag = len(encode_signs(signs, 40, 20))
    without = len(encode_signs(signs, 40, 0))
    assert with_lag < 0.97 * without < 0.97 * 0.95 * entropy_bytes(100, 400, 40)


def test_inputs_that_many_neurons_keep_take_less():
    rng = np.random.default_rng(0)
    signs = np.zeros((200, 300), dtype=np.int8)
    chances = np.repeat([0.3, 0.05], 150)
    for row in signs:
        row[rng.choice(300, 30, replace=False, p=chances / chances.sum())] = 1
    signs *= rng.choice(np.array([-1, 1], dtype=np.int8), signs.shape)
    code = encode_signs(signs, 30, 0)
    assert len(code) < 0.96 * entropy_bytes(200, 300, 30)


def test_a_code_that_is_too_long_is_refused():
    signs = matrix(np.random.default_rng(0), 9, 50, 10)
    code = encode_signs(signs, 10, 0)
    assert decode_signs(code + bytes(5), 9, 50, 10, 0) is None


@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 30, 4), (3, 4, 4)])
def test_weights_come_back_from_contexts(shape):
    n_outputs, n_inputs, n_nonzeros = shape
    weights = ternary_weights(3, 0, n_inputs, n_outputs, n_nonzeros)
    readers = [
        Reader(each, "weights") for each in _weights.pack_in_contexts(weights, n_inputs)
    ]
    found = _weights.unpack_in_contexts(*readers, n_inputs, n_outputs, n_nonzeros)
    for reader in readers:
        reader.finish()
    for ours, theirs in zip(found[:2], weights[:2], strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype


def test_layers_that_are_too_large_have_no_contexts(monkeypatch):
    monkeypatch.setattr(_weights, "MAX_IN_CONTEXTS", 11)
    weights = TernaryWeights.of_signs(np.ones((3, 4), dtype=np.int8))
    assert _weights.pack_in_contexts(weights, 4) is None
    reader = Reader(b"\0\1\0", "weights")
    with pytest.raises(ValueError, match="4 x 3 weights in arithmetic code"):
        _weights.unpack_in_contexts(reader, reader, 4, 3, 4)


@settings(deadline=None, max_examples=150)
@given(
    seed=st.integers(0, 2**32),
    n_outputs=st.integers(1, 50),
    n_thresholds=st.integers(1, 15),
    size=st.floats(0, 7),
    unit=st.sampled_from([1, 256]),
)
def test_thresholds_of_one_step_come_back(seed, n_outputs, n_thresholds, size, unit):
    rng = np.random.default_rng(seed)
    step = np.sort(rng.normal(size=n_thresholds))
    first = 10**size * rng.normal(size=n_outputs)
    span = 10**size * rng.exponential(size=n_outputs) * (n_thresholds > 1)
    thresholds = unit * lines_of_thresholds(first, span, step)
    packed = _weights.pack_lines(thresholds)
    assert packed is not None
    reader = Reader(packed, "thresholds")
    found = _weights.unpack_lines(reader, n_outputs, n_thresholds)
    reader.finish()
    np.testing.assert_array_equal(found, thresholds)


def test_thresholds_of_trained_neurons_take_two_bytes_a_neuron():
    rng = np.random.default_rng(0)
    first, span = rng.normal(-200, 400, 128), rng.normal(1800, 300, 128)
    step = np.array([0.1, 0.3, 0.6, 1.0, 1.5, 2.1, 3.0])
    thresholds = 256 * lines_of_thresholds(first, span, step)
    assert len(_weights.pack_lines(thresholds)) < 2 * 128
    assert len(pack_integers(thresholds)) > 6 * 128


@pytest.mark.parametrize(
    "thresholds",
    [[[0, 5, 10], [0, 6, 10]], [[0, 10, 10], [0, 3, 9]], [[0, 2**46]]],
)
def test_other_thresholds_are_no_lines(thresholds):
    assert _weights.pack_lines(np.array(thresholds, dtype=np.int64)) is None
