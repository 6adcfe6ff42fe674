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


def dense_layer(seed, layer, n_inputs, n_outputs, n_nonzeros, balanced=False):
    """Dense weights in {-1, 0, 1}, (n_outputs, n_inputs), and integer biases."""
    W = np.zeros((n_outputs, n_inputs))
    biases = np.zeros(n_outputs)
    for o in range(n_outputs):
        key = word(word(seed, layer), o)
        for i in range(n_nonzeros):
            bits = word(key, i)
            last = n_inputs - n_nonzeros + i
            place = ((bits >> 32) * (last + 1)) >> 32
            sign = 1 if bits & 1 == 0 else -1
            if balanced:
                below = sum(
                    word(key, j) % 2**32 < bits % 2**32 for j in range(n_nonzeros)
                )
                n_plus = (n_nonzeros + (word(key, n_nonzeros) & 1)) // 2
                sign = 1 if below < n_plus else -1
            W[o, last if W[o, place] else place] = sign
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
    codes = [quantize(network.quantizer, X)]
    for number, layer in enumerate(network.layers):
        if type(layer).__name__ == "Addition":
            around = codes[layer.skip + 1]
            if layer.shortcut is not None:
                around = run(network, number, layer.shortcut, around)
            sums = codes[-1].reshape(-1, *layer.shape_in).copy()
            last = layer.first_channel + layer.shape_added[2]
            shape = -1, *layer.shape_added
            sums[..., layer.first_channel : last] += around.reshape(shape)
            codes.append(sums.reshape(len(sums), layer.n_outputs))
        else:
            codes.append(run(network, number, layer, codes[-1]))
    return codes[-1].astype(np.uint8)


def run(network, number, layer, codes):
    """Codes of one layer that sees those of one other."""
    kind = type(layer).__name__
    if kind == "Pooling":
        out = pool(layer, codes.reshape(-1, *layer.shape_in))
    else:
        weights = weights_of(network.seed, number, layer.neurons)
        if kind == "Convolution":
            codes = windows_of(layer, codes.reshape(-1, *layer.shape_in))
        out = neurons(layer.neurons, *weights, codes)
    return out.reshape(len(out), layer.n_outputs)


def weights_of(seed, number, spec):
    """Dense weights, drawn or stored, and biases."""
    if spec.weights is not None:
        return given_layer(spec.weights, spec.n_inputs)
    sizes = spec.n_inputs, spec.n_outputs, spec.n_nonzeros
    return dense_layer(seed, number, *sizes, spec.balanced)


def neurons(spec, W, biases, codes):
    """Codes of a dense layer, of any axes in front of that of the inputs."""
    sums = (codes - spec.centre / 256) @ W.T
    sums += np.floor(biases * spec.bias_scale / 2**16) / 256
    reached = (sums[..., np.newaxis] >= spec.thresholds / 256).sum(axis=-1)
    return spec.levels[reached].astype(np.float64)


def windows_of(layer, pictures):
    """Inputs of the filters at each position, (n_samples, n_positions, n_taps)."""
    height, width = layer.size
    n_taps = height * width * layer.shape_in[2]
    stride, total = layer.stride, [0, 0]
    if layer.padding == "same":
        for axis, size in enumerate(layer.size):
            length = pictures.shape[1 + axis]
            n = -(-length // stride)
            total[axis] = max(0, (n - 1) * stride + size - length)
    if isinstance(layer.padding, int):
        total = [2 * layer.padding] * 2
    margins = [(0, 0), *((each // 2, each - each // 2) for each in total), (0, 0)]
    pictures = np.pad(pictures, margins)
    return np.stack(
        [
            pictures[:, r : r + height, c : c + width].reshape(-1, n_taps)
            for r in range(0, pictures.shape[1] - height + 1, stride)
            for c in range(0, pictures.shape[2] - width + 1, stride)
        ],
        axis=1,
    )


def pool(layer, pictures):
    """Pooled codes, (n_samples, n_windows, n_channels)."""
    height, width = layer.size
    windows = np.stack(
        [
            pictures[:, r : r + height, c : c + width]
            for r in layer.row_starts
            for c in layer.column_starts
        ],
        axis=1,
    )
    if layer.kind == "max":
        return windows.max(axis=(2, 3))
    sums = windows.sum(axis=(2, 3))
    bits = 0
    while height * width * layer.largest_in >= 2 ** (8 + bits):
        bits += 1
    return np.floor(sums / 2**bits)


def theory_inputs(estimator, X):
    """The inputs of a fitted network as the theory wants them, the bias one of them."""
    bias = np.full((len(X), 1), 1 / np.sqrt(X.shape[1]))
    return np.hstack([(X - estimator.mean_) * estimator.scale_, bias])
