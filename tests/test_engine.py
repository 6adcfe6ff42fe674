"""The engine equals a plain NumPy reference bit for bit."""

from __future__ import annotations

import os
import pickle
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numba
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sklearn_lossless.network import _engine as engine

LEVELS = [
    (0, 1),
    (1, 0, 1),
    (1, 0, 1, 0, 1),
    (2, 1, 0, 1, 2, 3, 4, 5, 6, 7),
    tuple(range(8)),
    tuple(range(16)),
    tuple(i % 16 for i in range(31)),
]


def random_layer(rng, n_inputs, n_outputs, n_nonzeros, levels, input_bits, spread=1.0):
    """Return the arguments of `prepare_layer`; thresholds lie around the sums."""
    indices = np.empty((n_outputs, n_nonzeros), dtype=np.int32)
    for row in indices:
        row[:] = rng.choice(n_inputs, n_nonzeros, replace=False)
    n_plus = rng.binomial(n_nonzeros, rng.choice([0.0, 0.5, 1.0]), n_outputs)
    scale = spread * np.sqrt(n_nonzeros) * 2**input_bits
    thresholds = rng.normal(0, scale, (n_outputs, len(levels) - 1))
    return (
        indices,
        n_plus.astype(np.int32),
        np.sort(thresholds.round().astype(np.int64), axis=1),
        np.array(levels, dtype=np.uint8),
        n_inputs,
        input_bits,
    )


def reference_layer(codes, indices, n_plus, thresholds, levels, n_inputs, bits):
    n_outputs, n_nonzeros = indices.shape
    signs = np.where(np.arange(n_nonzeros) < n_plus[:, None], 1, -1)
    sums = np.empty((len(codes), n_outputs), dtype=np.int64)
    for o in range(n_outputs):
        sums[:, o] = codes[:, indices[o]].astype(np.int64) @ signs[o]
    return levels[(sums[:, :, None] >= thresholds).sum(axis=2)]


def reference(codes, layers):
    for layer in layers:
        codes = reference_layer(codes, *layer)
    return codes


def random_codes(rng, n_samples, n_inputs, bits):
    codes = rng.integers(0, 2**bits, (n_samples, n_inputs)).astype(np.uint8)
    codes.flags.writeable = False
    return codes


def check(codes, layers):
    expected = reference(codes, layers)
    prepared = [engine.prepare_layer(*layer) for layer in layers]
    result = engine.forward(codes, prepared)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, expected)
    parts = [reference(codes, layers[: i + 1]) for i in range(len(layers))]
    every = engine.forward(codes, prepared, all_layers=True)
    np.testing.assert_array_equal(every, np.hstack(parts))


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.lists(st.integers(1, 300), min_size=2, max_size=4),
    density=st.floats(0, 1),
    levels=st.sampled_from(LEVELS),
    input_bits=st.integers(1, 8),
    n_samples=st.integers(0, 1200) | st.integers(0, 40) | st.sampled_from([512, 1024]),
    spread=st.sampled_from([0.0, 0.5, 1e3, 1e14]),
)
def test_equals_reference(seed, sizes, density, levels, input_bits, n_samples, spread):
    rng = np.random.default_rng(seed)
    layers, bits = [], input_bits
    for n_in, n_out in pairwise(sizes):
        k = max(1, round(density * n_in))
        layers.append(random_layer(rng, n_in, n_out, k, levels, bits, spread))
        bits = max(levels).bit_length()
    check(random_codes(rng, n_samples, sizes[0], input_bits), layers)


@pytest.mark.parametrize("n_samples", [0, 1, 8, 9, 31, 33, 511, 513, 2000])
@pytest.mark.parametrize(("bits", "levels"), [(1, (1, 0, 1)), (8, tuple(range(8)))])
def test_wide(n_samples, bits, levels):
    rng = np.random.default_rng(n_samples)
    layers = [
        random_layer(rng, 3000, 40, 120, levels, bits),
        random_layer(rng, 40, 3000, 9, levels, max(levels).bit_length()),
    ]
    check(random_codes(rng, n_samples, 3000, bits), layers)


@pytest.mark.parametrize("n_nonzeros", [8, 223, 224, 225, 448, 673, 1500])
@pytest.mark.parametrize(("bits", "levels"), [(1, (0, 1)), (3, tuple(range(16)))])
def test_sums_in_several_goes(n_nonzeros, bits, levels):
    """Many inputs are added in goes; neurons with the same number of subtracted ones
    and without any are beside each other, more than have their turn together."""
    rng = np.random.default_rng(n_nonzeros)
    layer = list(random_layer(rng, 1500, 70, n_nonzeros, levels, bits))
    layer[1] = rng.integers(0, n_nonzeros, 70, endpoint=True).astype(np.int32)
    layer[1][:3] = 0, n_nonzeros, n_nonzeros // 16 * 16
    check(random_codes(rng, 512, 1500, bits), [tuple(layer)])


@pytest.mark.parametrize("bits", [1, 8])
@pytest.mark.parametrize("n_plus", [0, 40_000, 65_536])
@pytest.mark.parametrize("n_samples", [1, 9, 513])
def test_no_sum_overflows(bits, n_plus, n_samples):
    d = 65_536
    largest = d * (2**bits - 1)
    values = np.array([-largest - 1, -largest, 0, largest, largest + 1])
    indices = np.arange(d, dtype=np.int32)[None].repeat(2, axis=0)
    counts = np.array([n_plus, d - n_plus], dtype=np.int32)
    thresholds = np.stack([values, np.array([-(2**62), 5, 6, 7, 2**62])])
    layer = (indices, counts, thresholds, np.arange(6, dtype=np.uint8), d, bits)
    codes = np.full((n_samples, d), 2**bits - 1, dtype=np.uint8)
    codes[n_samples // 2 :, : d // 2] = 0
    check(codes, [layer])


@pytest.mark.parametrize(
    ("n_inputs", "n_outputs", "n_nonzeros", "bits", "n_samples"),
    [
        (8193, 1030, 260, 8, 33),  # more neurons than have their sums kept at once
        (8300, 5, 8300, 8, 580),  # sums of a tile that do not fit in 16 bits
        (8300, 9, 400, 8, 64),
        (16_384, 7, 1100, 5, 97),
        (66_000, 3, 9, 8, 130),
    ],
)
def test_inputs_that_exceed_the_caches(
    n_inputs, n_outputs, n_nonzeros, bits, n_samples, monkeypatch
):
    rng = np.random.default_rng(n_samples)
    levels = tuple(range(8))
    layers = [
        random_layer(rng, n_inputs, n_outputs, n_nonzeros, levels, bits),
        random_layer(rng, n_outputs, 20, 3, levels, 3),
    ]
    calls = []
    if not numba.config.DISABLE_JIT:
        from sklearn_lossless.network._engine import wide

        run_wide = wide._run_wide
        monkeypatch.setattr(
            wide, "_run_wide", lambda *args: calls.append(run_wide(*args))
        )
    codes = random_codes(rng, n_samples, n_inputs, bits)
    check(codes, layers[:1])
    check(codes, layers)
    assert calls or numba.config.DISABLE_JIT


@pytest.mark.parametrize("n_samples", [0, 1, 3, 4, 70])
@pytest.mark.parametrize("n_features", [7, 511, 513, 1100])
@pytest.mark.parametrize("n_targets", [1, 150])
def test_readouts_larger_than_a_tile(n_samples, n_features, n_targets):
    rng = np.random.default_rng(n_features)
    codes = random_codes(rng, n_samples, n_features, 4)
    weights = rng.integers(-(2**31), 2**31, (n_features, n_targets))
    out = np.full((n_samples, n_targets + 1), np.nan)
    by_target = engine.prepare_readout(weights.astype(float))
    engine.read_out(codes, by_target, out[:, :n_targets])
    np.testing.assert_array_equal(out[:, :n_targets], codes.astype(np.int64) @ weights)
    assert np.isnan(out[:, n_targets]).all()


def test_out_of_any_type_and_part_of_an_array():
    rng = np.random.default_rng(0)
    layer = random_layer(rng, 100, 70, 30, tuple(range(8)), 3)
    prepared = [engine.prepare_layer(*layer)]
    for n_samples in (1, 40, 700):
        codes = random_codes(rng, n_samples, 100, 3)
        expected = reference(codes, [layer])
        for dtype in (np.float32, np.float64, np.uint8):
            array = np.full((n_samples, 90), 99, dtype=dtype)
            out = array[:, 10:80]
            assert engine.forward(codes, prepared, out) is out
            np.testing.assert_array_equal(out, expected)
            assert (array[:, :10] == 99).all()
            assert (array[:, 80:] == 99).all()


def test_threads_and_splits_do_not_change_the_result():
    rng = np.random.default_rng(0)
    layers = [
        random_layer(rng, 200, 150, 40, tuple(range(8)), 8),
        random_layer(rng, 150, 90, 30, tuple(range(8)), 3),
    ]
    prepared = [engine.prepare_layer(*layer) for layer in layers]
    codes = random_codes(rng, 3000, 200, 8)
    expected = reference(codes, layers)
    out = np.empty_like(expected)
    edges = [0, 1, 3, 40, 300, 900, 1412, 1413, 2900, 3000]
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(
                lambda a, b: engine.forward(codes[a:b], prepared, out[a:b]),
                edges[:-1],
                edges[1:],
            )
        )
    np.testing.assert_array_equal(out, expected)


def test_pickles():
    rng = np.random.default_rng(0)
    layer = engine.prepare_layer(*random_layer(rng, 20, 10, 5, (1, 0, 1), 2))
    codes = random_codes(rng, 600, 20, 2)
    again = pickle.loads(pickle.dumps(layer))
    np.testing.assert_array_equal(
        engine.forward(codes, [layer]), engine.forward(codes, [again])
    )


def test_layers_must_fit_together():
    rng = np.random.default_rng(0)
    first = engine.prepare_layer(*random_layer(rng, 20, 10, 5, (0, 1, 2, 3), 2))
    narrow = engine.prepare_layer(*random_layer(rng, 10, 4, 5, (0, 1), 1))
    other = engine.prepare_layer(*random_layer(rng, 11, 4, 5, (0, 1), 2))
    codes = random_codes(rng, 3, 20, 2)
    with pytest.raises(ValueError, match="puts out 2 bits, the next one takes 1"):
        engine.forward(codes, [first, narrow])
    with pytest.raises(ValueError, match="has 10 outputs, the next one 11"):
        engine.forward(codes, [first, other])
    with pytest.raises(ValueError, match="20 columns, the first layer has 11"):
        engine.forward(codes, [other])


AVX2 = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma,+bmi2,+popcnt"}


@pytest.mark.parametrize(
    "setting",
    [
        pytest.param(
            AVX2,
            marks=pytest.mark.skipif(
                platform.machine() not in ("x86_64", "AMD64"), reason="an x86 processor"
            ),
        ),
        {"NUMBA_CPU_NAME": "generic"},
        {"NUMBA_DISABLE_JIT": "1"},
    ],
)
def test_other_targets(setting, tmp_path):
    """Run one test in a process that compiles for another processor, or not."""
    if any(os.environ.get(name) for name in setting):
        pytest.skip("this is that process")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    subprocess.run(
        [*command, __file__, "-k", "threads_and_splits"],
        env={**os.environ, **setting, "NUMBA_CACHE_DIR": str(tmp_path)},
        check=True,
    )
