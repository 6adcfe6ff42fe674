"""A dense network in floating point, the oracle of the integer one.

Slow and simple: weights by SplitMix64 and Floyd's algorithm on Python integers,
layers by one matrix product each.
"""

import numpy as np

MASK = 2**64 - 1


def word(key, counter):
    """Word number `counter` of the SplitMix64 stream that starts at `key`."""
    z = (key + (counter + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def dense_layer(seed, layer, n_inputs, n_outputs, n_nonzeros):
    """Dense weights in {-1, 0, 1}, (n_outputs, n_inputs), and integer biases."""
    W = np.zeros((n_outputs, n_inputs))
    biases = np.zeros(n_outputs)
    for o in range(n_outputs):
        key = word(word(seed, layer), o)
        for i in range(n_nonzeros):
            bits = word(key, i)
            last = n_inputs - n_nonzeros + i
            place = ((bits >> 32) * (last + 1)) >> 32
            W[o, last if W[o, place] else place] = 1 if bits & 1 == 0 else -1
        bits = word(key, n_nonzeros)
        biases[o] = sum((bits >> s) & 0xFFFF for s in (0, 16, 32, 48)) - 2 * 0xFFFF
    return W, biases


def given_layer(weights, n_inputs):
    """Dense weights in {-1, 0, 1}, (n_outputs, n_inputs), and integer biases."""
    W = np.zeros((len(weights.n_plus), n_inputs))
    for row, inputs, n_plus in zip(W, weights.indices, weights.n_plus, strict=True):
        row[inputs[:n_plus]] = 1
        row[inputs[n_plus:]] = -1
    return W, weights.bias.astype(float)


def quantize(quantizer, X):
    """Input codes by NumPy, one expression."""
    X = np.asarray(X, dtype=np.float64)
    cells = np.floor(X * quantizer.inv_step + quantizer.shift / 256)
    return np.clip(cells, 0, 2**quantizer.n_bits - 1)


def forward(network, X):
    """Codes of the last layer, in floating point.

    Centres, thresholds and biases are multiples of 1/256, so that float64 holds
    every number below exactly.
    """
    codes = quantize(network.quantizer, X)
    for number, spec in enumerate(network.layers):
        if spec.weights is None:
            W, biases = dense_layer(
                network.seed, number, spec.n_inputs, spec.n_outputs, spec.n_nonzeros
            )
        else:
            W, biases = given_layer(spec.weights, spec.n_inputs)
        sums = (codes - spec.centre / 256) @ W.T
        sums += np.floor(biases * spec.bias_scale / 2**16) / 256
        reached = (sums[..., np.newaxis] >= spec.thresholds / 256).sum(axis=-1)
        codes = spec.levels[reached].astype(np.float64)
    return codes.astype(np.uint8)


def theory_inputs(estimator, X):
    """The inputs of a fitted network as the theory wants them, the bias one of them."""
    bias = np.full((len(X), 1), 1 / np.sqrt(X.shape[1]))
    return np.hstack([(X - estimator.mean_) * estimator.scale_, bias])
