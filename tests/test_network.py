"""The integer network equals a dense network in floating point, code for code."""

import pickle
import tracemalloc
from dataclasses import replace

import naive
import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from sklearn_lossless import network as network_package
from sklearn_lossless.network import (
    CompressedNetwork,
    Dense,
    Quantizer,
    ScaledQuantizer,
    build_network,
    code_statistics,
    fit_quantizer,
    layer_from_weights,
    n_nonzeros,
    ternary_weights,
)
from sklearn_lossless.theory import match_network


def make_network(X, sizes, *, activation="relu", eps=0.9, n_levels=8, n_bits=8, seed=0):
    quantizer = fit_quantizer(X, n_bits)
    matching = match_network([activation] * len(sizes), n_levels, tau0=1.01)
    return build_network(
        quantizer,
        code_statistics(quantizer, X),
        [layer.step for layer in matching.layers],
        [layer.tau_in_compressed for layer in matching.layers],
        sizes,
        eps=eps,
        seed=seed,
        bias_std=0.14,
        min_nonzeros=4,
    )


def make_X(n_samples, n_features, seed=0):
    return np.random.default_rng(seed).normal(size=(n_samples, n_features))


@pytest.mark.parametrize("eps", [0.0, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("n_levels", [2, 3, 8, 16])
@pytest.mark.parametrize("n_bits", [1, 4, 8])
def test_codes_equal_naive(eps, n_levels, n_bits):
    X = make_X(150, 60)
    network = make_network(
        X, (40, 30, 20), eps=eps, n_levels=n_levels, n_bits=n_bits, seed=2**63 + 7
    )
    np.testing.assert_array_equal(network.forward(X), naive.forward(network, X))


def test_values_per_layer():
    X = make_X(700, 60)
    network = make_network(X, (40, 30), eps=(0.9, 0.5), n_levels=(8, 4))
    assert [layer.n_nonzeros for layer in network.layers] == [6, 20]
    assert [layer.largest_code for layer in network.layers] == [7, 3]
    np.testing.assert_array_equal(network.forward(X), naive.forward(network, X))


@pytest.mark.parametrize("many", [tuple, list, np.array])
def test_one_value_is_the_same_value_for_each_layer(many):
    X = make_X(100, 60)
    one = make_network(X, (40, 30), eps=0.7, n_levels=5)
    each = make_network(X, (40, 30), eps=many([0.7, 0.7]), n_levels=many([5, 5]))
    assert each.layers[0].bias_scale == one.layers[0].bias_scale
    for ours, theirs in zip(each.layers, one.layers, strict=True):
        np.testing.assert_array_equal(ours.thresholds, theirs.thresholds)
        assert (ours.offset, ours.step_size) == (theirs.offset, theirs.step_size)
    np.testing.assert_array_equal(each.forward(X), one.forward(X))


def test_as_many_values_as_layers():
    X = make_X(100, 60)
    with pytest.raises(ValueError, match=r"3 numbers for 2 .*eps=\(0.9, 0.5, 0.1\)"):
        make_network(X, (40, 30), eps=(0.9, 0.5, 0.1))


@settings(deadline=None, max_examples=30)
@given(
    n_samples=st.integers(0, 300) | st.sampled_from([1025, 2000]),
    n_features=st.integers(1, 120) | st.sampled_from([784, 3000]),
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=3),
    activation=st.sampled_from(["relu", "tanh", "abs", "gelu", "sign"]),
    n_levels=st.integers(2, 16),
    eps=st.floats(0, 0.999),
    n_bits=st.integers(1, 8),
    seed=st.integers(0, 2**64 - 1),
    n_jobs=st.sampled_from([1, 2, 8]),
)
def test_codes_equal_naive_for_any_network(
    n_samples, n_features, sizes, activation, n_levels, eps, n_bits, seed, n_jobs
):
    network = make_network(
        make_X(50, n_features),
        sizes,
        activation=activation,
        eps=eps,
        n_levels=n_levels,
        n_bits=n_bits,
        seed=seed,
    )
    X = make_X(n_samples, n_features, seed=1)
    codes = network.forward(X, n_jobs=n_jobs)
    assert codes.dtype == np.uint8
    assert codes.shape == (n_samples, sizes[-1])
    np.testing.assert_array_equal(codes, naive.forward(network, X))


def make_sparse(n_samples, n_features, seed=0):
    """Rows with five entries, of values that lie on both sides of zero."""
    rng = np.random.default_rng(seed)
    columns = np.array([rng.permutation(n_features)[:5] for _ in range(n_samples)])
    starts = np.arange(0, 5 * n_samples + 1, 5)
    data = rng.normal(size=5 * n_samples)
    return sparse.csr_array((data, columns.ravel(), starts), (n_samples, n_features))


def all_codes_are_made(*args, **options):
    raise AssertionError("codes of all inputs are made")


@pytest.mark.parametrize(
    ("sizes", "options"),
    [
        ((40,), {}),
        ((40, 30), {"n_levels": 2}),
        ((40,), {"n_bits": 1}),
        ((40, 30, 20), {"n_levels": 16, "eps": 0.5, "n_bits": 3}),
        ((2**15 + 8,), {"eps": 0.999}),  # more neurons than 16 bits tell apart
    ],
)
@pytest.mark.parametrize("readout_layers", ["last", "all"])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_sparse_rows_are_run_on_their_entries(
    monkeypatch, sizes, options, readout_layers, n_jobs
):
    if numba.config.DISABLE_JIT and sizes[0] > 1000:
        pytest.skip("of minutes")
    X = make_sparse(600, 1500)
    network = make_network(X, sizes, **options).with_readout_layers(readout_layers)
    expected = network.forward(X.toarray())
    monkeypatch.setattr(Quantizer, "codes", all_codes_are_made)
    np.testing.assert_array_equal(network.forward(X, n_jobs=n_jobs), expected)
    np.testing.assert_array_equal(network.forward(X[:1]), expected[:1])
    assert network.forward(X[:0]).shape == (0, expected.shape[1])


def test_entries_of_rows_equal_naive():
    X = make_sparse(50, 1100)
    network = make_network(X, (30, 20), eps=0.7)
    np.testing.assert_array_equal(
        network.forward(X), naive.forward(network, X.toarray())
    )
    assert "all" not in vars(network._prepared)


def test_entries_are_for_wide_and_sparse_rows(monkeypatch):
    wide, narrow = make_sparse(50, 1500), make_sparse(50, 600)
    full = sparse.csr_array(make_X(50, 1500))
    networks = {X.shape[1]: make_network(X, (40,)) for X in (wide, narrow)}
    monkeypatch.setattr(network_package._engine, "forward_entries", all_codes_are_made)
    for X in (narrow, full, wide.toarray()):
        networks[X.shape[1]].forward(X)
    with pytest.raises(AssertionError):
        networks[1500].forward(wide)


def test_scaled_columns_on_entries(monkeypatch):
    X = make_sparse(50, 1500)
    network = make_network(X, (40,))
    rng = np.random.default_rng(0)
    scales = {
        name: rng.uniform(0.5, 2.0, 1500)
        for name in ("subtracted", "divisor", "factor", "added")
    }
    network = replace(network, quantizer=ScaledQuantizer(network.quantizer, **scales))
    expected = network.forward(X.toarray())
    monkeypatch.setattr(ScaledQuantizer, "codes", all_codes_are_made)
    np.testing.assert_array_equal(network.forward(X), expected)


@pytest.mark.parametrize("n_samples", [1, 9, 13, 25, 26])
def test_small_chunks_of_very_wide_input(monkeypatch, n_samples):
    # Chunks of one size: 12 and 1 rows would need the planes of single samples too.
    X = make_X(26, 60)
    network = make_network(X, (40, 30))
    expected = network.forward(X)[:n_samples]
    monkeypatch.setattr(network_package.network, "_CHUNK_CODES", 12 * 60)
    network = replace(network)  # has not looked at the size of chunks yet
    sizes, forward = [], network_package._engine.forward

    def counting(codes, *args, **options):
        sizes.append(len(codes))
        return forward(codes, *args, **options)

    monkeypatch.setattr(network_package._engine, "forward", counting)
    np.testing.assert_array_equal(network.forward(X[:n_samples]), expected)
    assert max(sizes) <= 12
    assert max(sizes) - min(sizes) <= len(sizes)


@pytest.mark.parametrize("n_jobs", [1, 2, 8])
def test_threads_and_batches_do_not_matter(n_jobs):
    X = make_X(3000, 30)
    network = make_network(X, (50, 20), eps=0.5)
    expected = naive.forward(network, X)
    np.testing.assert_array_equal(network.forward(X, n_jobs=n_jobs), expected)
    for cut in (1, 511, 1024, 2999):
        split = [network.forward(X[:cut], n_jobs=n_jobs), network.forward(X[cut:])]
        np.testing.assert_array_equal(np.vstack(split), expected)


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
@pytest.mark.parametrize("n_left_over", [1, 40, 45])
def test_what_blocks_leave_over_compiles_nothing_at_first(monkeypatch, n_left_over):
    from sklearn_lossless.network._engine import blocks

    class Kernel:
        def __init__(self, kernel):
            self.kernel, self.signatures = kernel, []

        def __call__(self, *args):
            self.signatures.append("compiled")
            return self.kernel(*args)

    kernels = [Kernel(blocks.layer_on_sample), Kernel(blocks.layer_on_lanes)]
    monkeypatch.setattr(blocks, "layer_on_sample", kernels[0])
    monkeypatch.setattr(blocks, "layer_on_lanes", kernels[1])
    monkeypatch.setattr(blocks, "_n_left_over", 0)
    X = make_X(1024 + n_left_over, 30)
    network = make_network(X, (50, 20), eps=0.5)
    expected = naive.forward(network, X)
    for _ in range(blocks._PATIENCE):
        np.testing.assert_array_equal(network.forward(X), expected)
    assert not any(kernel.signatures for kernel in kernels)
    np.testing.assert_array_equal(network.forward(X), expected)
    assert any(kernel.signatures for kernel in kernels)
    monkeypatch.setattr(blocks, "_n_left_over", 0)  # now they are there
    for kernel in kernels:
        kernel.signatures = kernel.signatures[:1]
    np.testing.assert_array_equal(network.forward(X), expected)
    assert any(len(kernel.signatures) > 1 for kernel in kernels)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_memory_is_the_result_and_a_fixed_working_set(n_jobs):
    n_samples = 1000 if numba.config.DISABLE_JIT else 200_000  # of minutes each
    X = np.random.default_rng(0).integers(0, 256, (n_samples, 30), dtype=np.uint8)
    network = make_network(X[:1000], (200, 100))
    for run in (
        lambda X: network.forward(X, n_jobs=n_jobs),
        lambda X: network.features(X, dtype=np.float32, n_jobs=n_jobs),
        lambda X: network.scores(X, np.ones((100, 3)), n_jobs=n_jobs),
    ):
        run(X[:2000])  # compiles, and draws the weights
        tracemalloc.start()
        result = run(X)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < result.nbytes + n_jobs * 4e6  # each thread has its own


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("n_targets", [1, 10])
def test_scores_are_exact(n_jobs, n_targets):
    X = make_X(2500, 30)
    network = make_network(X, (50, 200), eps=0.5)
    weights = np.random.default_rng(0).integers(-(2**31), 2**31, (200, n_targets))
    expected = naive.forward(network, X).astype(np.int64) @ weights
    scores = network.scores(X, weights.astype(float), n_jobs=n_jobs)
    np.testing.assert_array_equal(scores, expected)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_what_is_made_of_scores_takes_no_memory_for_all(n_jobs):
    X = make_X(3000, 30)
    network = make_network(X, (40,), eps=0.5)
    weights = np.random.default_rng(0).integers(-(2**31), 2**31, (40, 700))
    expected = naive.forward(network, X).astype(np.int64) @ weights
    weights = weights.astype(float)

    def second(scores):
        scores[np.arange(len(scores)), scores.argmax(axis=1)] = -np.inf
        return scores.argmax(axis=1)

    out = np.empty(len(X), dtype=np.intp)
    network.scores(X[:2], weights, then=second, out=out[:2])  # compiles
    tracemalloc.start()
    result = network.scores(X, weights, then=second, out=out, n_jobs=n_jobs)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert result is out
    np.testing.assert_array_equal(out, expected.argsort(axis=1)[:, -2])
    assert peak < expected.nbytes / 4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_features_are_a_line_in_codes(dtype):
    X = make_X(1500, 30)
    network = make_network(X, (50, 20), eps=0.5)
    network = network.with_readout_layers("all")
    offset, step_size = network.code_line
    assert offset.shape == step_size.shape == (70,)
    matching = match_network(["relu"] * 2, 8, tau0=1.01)
    for columns, match in zip([slice(50), slice(50, 70)], matching.layers, strict=True):
        width = len(offset[columns])
        first = (match.step.offset - match.achieved.mean) / np.sqrt(width)
        np.testing.assert_array_equal(offset[columns], first)
        np.testing.assert_array_equal(
            step_size[columns], match.step.scale / np.sqrt(width)
        )
    expected = offset.astype(dtype) + step_size.astype(dtype) * network.forward(X)
    features = network.features(X, dtype=dtype)
    assert features.dtype == dtype
    np.testing.assert_allclose(features, expected, rtol=1e-6)


@pytest.mark.parametrize("n_samples", [1, 40, 600])
def test_codes_of_all_layers(n_samples):
    X = make_X(n_samples, 30)
    network = make_network(make_X(100, 30), (50, 40, 20), eps=0.5)
    every = replace(network, readout_layers="all")
    assert (network.n_features_out, every.n_features_out) == (20, 110)
    parts = [
        replace(network, layers=network.layers[: depth + 1]).forward(X)
        for depth in range(3)
    ]
    np.testing.assert_array_equal(every.forward(X), np.hstack(parts))
    weights = np.arange(220.0).reshape(110, 2)
    np.testing.assert_array_equal(every.scores(X, weights), np.hstack(parts) @ weights)


def test_given_weights_and_thresholds_of_each_neuron():
    X = make_X(600, 30)
    network = make_network(X, (50, 20), eps=0.5)
    layers = list(network.layers)
    thresholds = layers[0].thresholds + 50 * np.arange(50)[:, np.newaxis]
    layers[0] = replace(
        layers[0],
        thresholds=thresholds,
        weights=ternary_weights(5, 3, 30, 50, layers[0].n_nonzeros),
    )
    given = replace(network, layers=tuple(layers))
    np.testing.assert_array_equal(given.forward(X), naive.forward(given, X))
    assert np.any(given.forward(X) != network.forward(X))
    again = pickle.loads(pickle.dumps(given))
    np.testing.assert_array_equal(again.forward(X), given.forward(X))


def test_one_in_a_hundred_samples_passes_an_outermost_threshold():
    X = make_X(2000, 30)
    W = np.random.default_rng(1).normal(size=(30, 40)) * np.linspace(0.01, 9, 40)
    quantizer = fit_quantizer(X, 8)
    step = match_network(["tanh"], 8).steps[0]
    layer, _, _ = layer_from_weights(
        W, quantizer.codes(X), X @ W, step.thresholds, step.levels, 0.5
    )
    codes = CompressedNetwork(quantizer, (layer,), 0).forward(X)
    ends = np.mean([codes == step.levels[0], codes == step.levels[-1]], axis=1)
    # Samples of equal sums go together.
    np.testing.assert_allclose(ends.max(axis=0), 0.01, atol=4e-3)


@pytest.mark.parametrize(
    "convert",
    [
        np.asfortranarray,
        lambda X: np.repeat(X, 2, axis=1)[:, ::2],
        sparse.csr_array,
        sparse.csr_matrix,
        lambda X: X.astype(np.float64),
        lambda X: X.astype(np.float32),
    ],
)
def test_layout_and_type_of_input_do_not_matter(convert):
    X = np.random.default_rng(0).poisson(0.7, (200, 30)).astype(np.uint8)
    network = make_network(X, (50, 20), eps=0.5)
    X.flags.writeable = False
    expected = naive.forward(network, X)
    np.testing.assert_array_equal(network.forward(X), expected)
    np.testing.assert_array_equal(network.forward(convert(X)), expected)


def test_pickle_stores_the_seed_not_the_weights():
    X = make_X(300, 500)
    network = make_network(X, (800, 800))
    codes = network.forward(X)
    pickled = pickle.dumps(network)
    assert len(pickled) < 20_000  # weights alone would be 60,000 indices
    np.testing.assert_array_equal(pickle.loads(pickled).forward(X), codes)


def test_layers_answer_for_themselves():
    first, last = make_network(make_X(50, 100), (40, 30), eps=0.75, n_levels=5).layers
    assert (first.shape_in, first.shape_out) == ((100,), (40,))
    assert (last.shape_in, last.shape_out) == ((40,), (30,))
    assert (first.n_weights, first.n_nonzero_weights) == (4000, 1000)
    assert (last.n_weights, last.n_nonzero_weights) == (1200, 300)
    assert (first.largest_code, first.n_bits) == (4, 3)


def test_earlier_names():
    assert network_package.LayerSpec is network_package.Dense
    assert network_package.fitted_layer is network_package.layer_from_weights
    assert network_package.fitted_network is network_package.network_from_weights


def test_counts():
    network = make_network(make_X(50, 100), (40, 30), eps=0.75)
    assert network.n_features_in == 100
    assert network.n_features_out == 30
    assert network.n_weights == 100 * 40 + 40 * 30
    assert network.n_nonzeros == 25 * 40 + 10 * 30


@pytest.mark.parametrize(
    ("n_inputs", "eps", "at_least", "expected"),
    [(100, 0.9, 1, 10), (100, 0, 1, 100), (100, 0.999, 1, 1), (100, 0.99, 4, 4)]
    + [(3, 0.9, 4, 3), (1, 0.9, 4, 1)],
)
def test_n_nonzeros(n_inputs, eps, at_least, expected):
    assert n_nonzeros(n_inputs, eps, at_least) == expected


@pytest.mark.parametrize("n_levels", [4, 8, 16])
def test_variance_of_each_layer_is_the_predicted_one(n_levels):
    # The chain of tau~ that the matching promises is what the integers do.
    X = make_X(1000, 1500)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    matching = match_network(["relu"] * 2, n_levels, tau0=np.sqrt(1 + 0.14**2))
    network = make_network(X, (1500, 1500), n_levels=n_levels)
    last = matching.layers[-1]
    features = last.step.scale * network.forward(X).astype(float)
    assert features.var() == pytest.approx(last.achieved.tau**2, rel=0.05)


def test_few_rows_of_a_wide_and_nearly_empty_layer():
    # Planes of its weights would take 27 MB; its lists of inputs take 48 kB.
    layer = Dense(
        n_inputs=70_000,
        n_outputs=1500,
        n_nonzeros=2,
        thresholds=np.array([-(2**15), 0, 2**14]),
        levels=np.arange(4, dtype=np.uint8),
        centre=np.array([0]),
    )
    network = CompressedNetwork(
        Quantizer(1.0, np.full(70_000, 128), n_bits=8), (layer,), seed=1
    )
    X = np.random.default_rng(0).integers(0, 256, size=(3, 70_000), dtype=np.uint8)
    weights = network.weights(0)
    sums = 256 * (X[:, weights.indices].astype(np.int64) * weights.signs()).sum(axis=2)
    expected = layer.levels[np.searchsorted(layer.thresholds, sums, side="right")]
    np.testing.assert_array_equal(network.forward(X), expected)
    assert "for_samples" not in vars(network._prepared.all[0])
