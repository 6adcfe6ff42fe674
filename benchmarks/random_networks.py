"""Random networks in floating point: what the compressed ones are compared with.

Hidden weights are random and frozen, as in the paper's experiments. Each kind of
network is a pair of functions, for the weights of a layer and for its activation.
"""

import numpy as np

from sklearn_lossless.data import MemoryData
from sklearn_lossless.network import n_nonzeros, ternary_weights
from sklearn_lossless.readout import Samples, fit_ridge, zero_one_loss
from sklearn_lossless.theory import StepActivation, gaussian_moments, get_activation

#: Rows that go through all layers at once.
_CHUNK_ROWS = 5_000


def gaussian(rng, layer, n_inputs, n_outputs, eps):
    return rng.standard_normal((n_inputs, n_outputs), dtype=np.float32)


def ternary(rng, layer, n_inputs, n_outputs, eps):
    k = n_nonzeros(n_inputs, eps)
    drawn = ternary_weights(int(rng.integers(2**63)), layer, n_inputs, n_outputs, k)
    return drawn.dense(n_inputs) * np.float32(np.sqrt(n_inputs / k))


def sparsified(rng, layer, n_inputs, n_outputs, eps):
    """Zero a random share `eps` of Gaussian weights; variance 1 again."""
    W = gaussian(rng, layer, n_inputs, n_outputs, eps)
    W *= rng.random(W.shape, dtype=np.float32) >= eps
    return W / np.float32(np.sqrt(1 - eps))


def pruned(rng, layer, n_inputs, n_outputs, eps):
    """Zero the share `eps` of Gaussian weights that is smallest in magnitude."""
    W = gaussian(rng, layer, n_inputs, n_outputs, eps)
    W[np.abs(W) < np.quantile(np.abs(W), eps)] = 0
    return W / W.std()


def relu(t, tau):
    return np.maximum(t, 0, out=t)


def two_sided_step(t, tau):
    """The naive binary activation: 1 outside of one standard deviation.

    With steps at -1 and 1 whatever the layer, the third layer would never see an
    input beyond them, and the network would put out a constant.
    """
    return (np.abs(t) > tau).astype(np.float32)


#: Gaussian moments of the activations above, for the centring of each layer.
MOMENTS = {
    relu: lambda tau: gaussian_moments(get_activation("relu"), tau),
    two_sided_step: lambda tau: StepActivation([-tau, tau], [1, 0, 1]).moments(tau),
}


def features(X_train, parts, sizes, weights, activation, seed, eps):
    """Features of `parts` in a random network, centred and scaled layer by layer."""
    rng = np.random.default_rng(seed)
    mean = X_train.mean(axis=0, dtype=np.float64)
    scale = 1 / np.sqrt(X_train.var(axis=0, dtype=np.float64).sum())
    layers, tau, n_inputs = [], 1.0, X_train.shape[1]
    for number, n_outputs in enumerate(sizes):
        moments = MOMENTS[activation](tau)
        W = weights(rng, number, n_inputs, n_outputs, eps)
        layers.append(
            (W, tau, np.float32(moments.mean), np.sqrt(np.float32(n_outputs)))
        )
        tau, n_inputs = moments.tau, n_outputs

    def run(X):
        Z = ((X - mean) * scale).astype(np.float32)
        for W, tau, centre, root in layers:
            Z = (activation(Z @ W, np.float32(tau)) - centre) / root
        return Z

    return [
        np.concatenate(
            [run(X[i : i + _CHUNK_ROWS]) for i in range(0, len(X), _CHUNK_ROWS)]
        )
        for X in parts
    ]


def accuracy(data, sizes, weights, activation, seed, eps):
    """Test accuracy of a random network with the package's ridge readout."""
    X_train, y_train, X_test, y_test = data
    Z_train, Z_test = features(
        X_train, (X_train, X_test), sizes, weights, activation, seed, eps
    )
    classes = np.unique(y_train)
    Y = np.where(y_train[:, None] == classes, 1.0, -1.0)
    n_features = Z_train.shape[1]
    data = MemoryData(Samples(Z_train, Y), n_features)
    as_they_are = np.zeros(n_features), np.ones(n_features)
    readout, _ = fit_ridge(data, *as_they_are, loss=zero_one_loss)
    scores = Z_test @ readout.coef.T + readout.intercept
    return float(np.mean(classes[scores.argmax(axis=1)] == y_test))
