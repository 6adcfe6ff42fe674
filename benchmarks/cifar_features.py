"""Features of CIFAR-10 from a convolutional network that was trained before.

The paper's second experiment on CIFAR-10 puts random networks on the features of a
trained VGG19. Here they are those of a small ternary one of this package, with as many
features: 128 filters, each summed over a grid of 2 x 2.
"""

import tempfile
from pathlib import Path

import numpy as np

from sklearn_lossless import CompressedCNNClassifier, Conv2D, Pool2D, load
from sklearn_lossless.datasets import load_mnist

LAYERS = [
    Conv2D(32, 3, eps=1 - 9 / 27),
    Pool2D(2, kind="max"),
    Conv2D(64, 3, eps=0.75),
    Pool2D(2, kind="max"),
    Conv2D(128, 3, eps=0.8),
    Pool2D(grid=2),
]

EPOCHS = 12


def load_cifar10(path=None):
    """Rows of pixels, channels last, and labels: of a file, or from OpenML."""
    if path is not None:
        return load_mnist(path)  # any npz with these four arrays
    from sklearn.datasets import fetch_openml

    X, y = fetch_openml("CIFAR_10", version=1, return_X_y=True, as_frame=False)
    X = X.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).reshape(len(X), -1)
    X, y = X.astype(np.uint8), y.astype(np.int64)
    return X[:50_000], y[:50_000], X[50_000:], y[50_000:]


def mirrored(X, y):
    """The images, and the same with left and right exchanged."""
    flipped = X.reshape(-1, 32, 32, 3)[:, :, ::-1].reshape(X.shape)
    return np.concatenate([X, flipped]), np.concatenate([y, y])


def trained_net(data, path=None):
    """The network, read from `path`; it is trained and written there if it is not."""
    if path is None:
        with tempfile.TemporaryDirectory() as folder:
            return trained_net(data, Path(folder, "net"))
    if not Path(path).exists():
        CompressedCNNClassifier(
            (32, 32, 3),
            LAYERS,
            hidden_weights="trained",
            max_iter=EPOCHS,
            n_iter_no_change=EPOCHS,
            batch_size=250,
            learning_rate_init=4e-3,
            random_state=0,
            n_jobs=-1,
            verbose=1,
        ).fit(*mirrored(*data[:2])).save(path, readout_dtype="int8")
    return load(path)


def features(data, net):
    """The data with the features of the network in the place of pixels."""
    X_train, y_train, X_test, y_test = data
    return (
        net.compressor_.transform(X_train).astype(np.float32),
        y_train,
        net.compressor_.transform(X_test).astype(np.float32),
        y_test,
    )
