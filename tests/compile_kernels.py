"""Compile and cache the kernels for the types of input that the tests have."""

import numpy as np

from sklearn_lossless import CompressedMLPClassifier


def compile_kernels():
    rng = np.random.default_rng(0)
    y = np.arange(600) % 3
    for dtype in (np.float64, np.float32, np.uint8):
        X = rng.integers(0, 255, (600, 40)).astype(dtype)
        for input_bits in (2, 8):  # first layer on planes, on lanes
            options = {"input_bits": input_bits, "eps": 0.5, "random_state": 0}
            clf = CompressedMLPClassifier((30, 20), **options).fit(X, y)
            for n_samples in (1, 20, 600):  # one by one, side by side, in blocks
                for rows in (X[:n_samples], np.asfortranarray(X[:n_samples])):
                    clf.predict(rows)
                clf.compressor_.transform(X[:n_samples])


if __name__ == "__main__":
    compile_kernels()
