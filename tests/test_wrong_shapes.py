"""What has another shape than expected is refused, with both shapes in the message."""

import numpy as np
import pytest
from scipy import sparse

from sklearn_lossless import NTKCompressor, network, theory
from sklearn_lossless.inspection import CompressionReport, SpectrumDisplay

X = np.random.default_rng(0).normal(size=(10, 64))
COMPRESSOR = NTKCompressor((12, 9), random_state=0).fit(X)
NETWORK = COMPRESSOR.network_
QUANTIZER = NETWORK.quantizer
STATISTICS = network.code_statistics(QUANTIZER, X)
CODES = QUANTIZER.codes(X)
STEPS = COMPRESSOR.matching_.steps
TAUS = COMPRESSOR.matching_.tau[:2]
RELU = ["relu"]
MIXTURE = theory.mixture_statistics(X, np.arange(10) % 2)

#: Each takes samples of 64 features, dense or sparse.
OF_INPUTS = {
    "forward": NETWORK.forward,
    "features": NETWORK.features,
    "scores": lambda X: NETWORK.scores(X, np.ones((9, 1))),
    "LazyCodes": lambda X: network.LazyCodes(NETWORK, X),
    "codes": QUANTIZER.codes,
    "code_sums": lambda X: network.code_sums(QUANTIZER, X),
    "code_statistics": lambda X: network.code_statistics(QUANTIZER, X),
    "report": lambda X: CompressionReport.from_estimator(COMPRESSOR, X),
}
OWNER = "(CompressedNetwork|Quantizer|NTKCompressor) is expecting 64 features as input"


@pytest.mark.parametrize("call", OF_INPUTS.values(), ids=OF_INPUTS)
@pytest.mark.parametrize("kind", [np.array, sparse.csr_matrix, sparse.csr_array])
def test_samples_with_another_number_of_features_are_refused(call, kind):
    call(kind(X))
    for wrong in (X.T, X[:, :63], np.hstack([X, X]), X[:, :1]):
        message = f"X has {wrong.shape[1]} features, but {OWNER}"
        with pytest.raises(ValueError, match=message):
            call(kind(wrong))


@pytest.mark.parametrize("call", OF_INPUTS.values(), ids=OF_INPUTS)
def test_one_sample_without_an_axis_of_samples_is_refused(call):
    for wrong in (X[0], X[np.newaxis], X[0, 0]):
        with pytest.raises(ValueError, match=r"Expected 2D array, got|dim 3"):
            call(wrong)


def from_weights(X=X, first=(64, 12), second=(12, 9), bias=(9,)):
    return network.network_from_weights(
        QUANTIZER,
        X,
        [np.ones(first), np.ones(second)],
        [np.zeros(12), np.zeros(bias)],
        [np.tanh, np.tanh],
        STEPS,
        TAUS,
        eps=0.5,
        seed=0,
    )


def layer(W=(64, 12), codes=CODES, preactivation=(10, 12)):
    step, H = STEPS[0], np.ones(preactivation)
    network.layer_from_weights(np.ones(W), codes, H, step.thresholds, step.levels, 0.5)


def refused(call, message):
    return pytest.param(call, message, id=message[:40])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        refused(
            lambda: NETWORK.scores(X, np.ones((1, 9))),
            r"weights must have shape \(9, n_targets\), got shape \(1, 9\)",
        ),
        refused(
            lambda: QUANTIZER.decode(CODES[:, :1]), "codes has 1 features, but Quant"
        ),
        refused(lambda: network.value_range(X[0]), "value_range takes X of shape"),
        refused(lambda: network.fit_quantizer(X[0], 8), r"got shape \(64,\)"),
        refused(
            lambda: network.code_sums(QUANTIZER, X, np.ones(11)),
            r"sample_weight must have shape \(10,\), got shape \(11,\)",
        ),
        refused(
            lambda: network.build_network(
                QUANTIZER,
                network.CodeStatistics(STATISTICS.mean[:1], STATISTICS.variance),
                STEPS,
                TAUS,
                [12, 9],
                eps=0.5,
                seed=0,
            ),
            r"statistics.mean must have shape \(64,\), got shape \(1,\)",
        ),
        refused(lambda: network.ternarise(X[0], 0.5), r"W must have shape \(n_inputs"),
        refused(lambda: layer(W=(12, 64)), r"codes must have shape \(n_samples, 12\)"),
        refused(lambda: layer(codes=CODES.T), r"codes must .*, 64\), got shape \(64"),
        refused(
            lambda: layer(preactivation=(12, 10)), r"preactivation must .*\(10, 12\)"
        ),
        refused(lambda: layer(preactivation=(10, 1)), r"got shape \(10, 1\)"),
        refused(lambda: from_weights(X=X.T), "X has 10 features, but Quantizer is"),
        refused(
            lambda: from_weights(first=(12, 64)),
            r"weights\[0\] must have shape \(64, n_outputs\), got shape \(12, 64\)",
        ),
        refused(
            lambda: from_weights(second=(9, 12)), r"weights\[1\] must have shape \(12,"
        ),
        refused(lambda: from_weights(bias=(1,)), r"biases\[1\] must have shape \(9,\)"),
        refused(lambda: theory.conjugate_kernel(X, RELU, X.T), "features, Y has 10"),
        refused(lambda: theory.conjugate_kernel(X[0], RELU), r"got shape \(64,\)"),
        refused(
            lambda: theory.neural_tangent_kernel(X, RELU, X.T), "64 features, Y has 10"
        ),
        refused(lambda: theory.equivalent_ck(X.T, RELU, MIXTURE), r"of shape \(10, 64"),
        refused(lambda: theory.equivalent_ntk(X.T, RELU, MIXTURE), r"shape \(64, 10\)"),
        refused(lambda: theory.mixture_statistics(X.T, np.ones(10)), "one label per"),
        refused(lambda: theory.empirical_ck(X, Y=X.T), "64 columns, the others 10"),
        refused(lambda: theory.empirical_ck(COMPRESSOR, X.T), "expecting 64 features"),
        refused(
            lambda: theory.empirical_ntk(X, [np.ones((64, 5))], np.ones(5), RELU),
            r"weights\[0\] must have 64 columns, got \(64, 5\)",
        ),
        refused(lambda: theory.spectral_error(X, X), "square and of one shape, got"),
        refused(lambda: theory.compare_spectra(X, X.T), "must be square and of one"),
        refused(lambda: SpectrumDisplay.from_kernels(X, X), r"square .* got \(10, 64"),
        refused(
            lambda: SpectrumDisplay.from_kernels(1.0, 1.0, n_vectors=1), r"got \(\) and"
        ),
        refused(
            lambda: SpectrumDisplay.from_estimator(COMPRESSOR, X.T), "is expecting 64"
        ),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
