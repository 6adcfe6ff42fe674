"""How accurate is a model of so many bytes?
=========================================

Small models are made in several ways. Hidden weights that are drawn from a seed cost
nothing, but take many neurons, and each has a coefficient for every class. Hidden
weights that are trained have to be stored, but few neurons will do. Or an
:class:`~sklearn.neural_network.MLPClassifier` is trained first, and its weights are
rounded and partly left out. Here are all of them in one picture, on scikit-learn's
digits or, with ``--data PATH``, on MNIST (an npz file as
:func:`sklearn_lossless.datasets.load_mnist` reads it; it takes far longer).
"""

import argparse
import os
import tempfile
import warnings
from copy import deepcopy

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import sklearn_lossless
from sklearn_lossless import CompressedMLPClassifier
from sklearn_lossless.datasets import load_mnist

parser = argparse.ArgumentParser(description="Accuracy against bytes")
parser.add_argument("--data", help="npz file of MNIST; default: scikit-learn's digits")
arguments = parser.parse_args()

if arguments.data:
    X_train, y_train, X_test, y_test = load_mnist(arguments.data)
    X_train, X_test = (X.astype(np.float32) / 255 for X in (X_train, X_test))
    splits = [(X_train, X_test, y_train, y_test)]
    random_widths, widths = (300, 1000, 3000, 8000), (16, 32, 64, 128, 256)
    eps, shares, epochs, retraining = 0.9, (0.2, 0.1), 20, 5
else:
    X, y = load_digits(return_X_y=True)
    splits = [
        train_test_split(X / 16, y, test_size=0.4, random_state=seed, stratify=y)
        for seed in range(4)
    ]
    random_widths, widths = (50, 100, 200, 400, 800, 1600), (8, 16, 32, 64, 128)
    eps, shares, epochs, retraining = 0.5, (0.5, 0.2), 50, 10

# %%
# Of our models the bytes are those of the whole file, with the readout in int8, and the
# accuracy is that of the file, read again. About half a kilobyte of every file does not
# depend on the size of the network.

folder = tempfile.TemporaryDirectory()
path = os.path.join(folder.name, "model.lnn")


def measure_file(clf, X_test, y_test):
    """Bytes and accuracy of the file."""
    clf.save(path, readout_dtype="int8")
    return os.path.getsize(path), sklearn_lossless.load(path).score(X_test, y_test)


# %%
# Of an `MLPClassifier` only the weights and biases count, 4 bytes each: a file would
# need a little more.
#
# It is pruned by magnitude. In each layer the largest weights are kept, and the network
# is trained on with the others at 0. What is kept is rounded to 255 values, spread
# evenly over the range of the layer. That is one byte for each weight that is kept, the
# entropy of the places of these weights, which no code can beat, and 4 bytes for each
# bias and for the scale of each layer. Again a file would need more.


def measure_mlp(mlp, X_test, y_test):
    """Bytes in single precision, and accuracy."""
    n_parameters = sum(array.size for array in mlp.coefs_ + mlp.intercepts_)
    return 4 * n_parameters, mlp.score(X_test, y_test)


def measure_pruned(mlp, share, X_train, X_test, y_train, y_test):
    """Bytes and accuracy of a pruned copy in int8."""
    mlp = deepcopy(mlp)
    kept = [abs(W) >= np.quantile(abs(W), 1 - share) for W in mlp.coefs_]
    for _ in range(retraining):
        for W, is_kept in zip(mlp.coefs_, kept, strict=True):
            W *= is_kept
        mlp.partial_fit(X_train, y_train)
    n_bytes = 4 * sum(b.size for b in mlp.intercepts_)
    for W, is_kept in zip(mlp.coefs_, kept, strict=True):
        scale = abs(W[is_kept]).max() / 127
        W[:] = scale * np.round(W * is_kept / scale)
        p = np.array([is_kept.mean(), 1 - is_kept.mean()])
        n_bytes += is_kept.sum() - p @ np.log2(p) * W.size / 8 + 4
    return n_bytes, mlp.score(X_test, y_test)


# %%
# Trained layers and MLPs have one hidden layer, of the same widths. "Taught" means that
# the trained layer starts at the weights of the MLP, and that its targets are the mean
# of the labels and the probabilities that the MLP gives: ``target="both"``.

training = {
    "eps": eps,
    "hidden_weights": "trained",
    "max_iter": epochs,
    "learning_rate_init": 0.005,
}
results = {}


def note(series, size, found):
    """Keep what has been found on one split."""
    results.setdefault(series, {}).setdefault(size, []).append(found)


for seed, (X_train, X_test, y_train, y_test) in enumerate(splits):
    for width in random_widths:
        clf = CompressedMLPClassifier((width,), eps=0.8, random_state=seed)
        clf.fit(X_train, y_train)
        note("random hidden layer", width, measure_file(clf, X_test, y_test))
    for width in widths:
        clf = CompressedMLPClassifier((width,), random_state=seed, **training)
        clf.fit(X_train, y_train)
        note("trained", width, measure_file(clf, X_test, y_test))
        mlp = MLPClassifier(
            (width,), learning_rate_init=0.005, max_iter=epochs, random_state=seed
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # it is near enough
            mlp.fit(X_train, y_train)
        note("MLPClassifier, float32", width, measure_mlp(mlp, X_test, y_test))
        clf = CompressedMLPClassifier(
            estimator=mlp, target="both", random_state=seed, **training
        )
        clf.fit(X_train, y_train)
        note("trained, taught by the MLP", width, measure_file(clf, X_test, y_test))
        for share in shares:
            found = measure_pruned(mlp, share, X_train, X_test, y_train, y_test)
            note(f"MLP, {share:.0%} of the weights, int8", width, found)
folder.cleanup()

# %%
# The table has means over the splits, and the standard error of the mean. MNIST has one
# split, and so no error.


def summary(found):
    """Mean bytes, mean accuracy in per cent, and its standard error."""
    n_bytes, accuracies = np.transpose(found)
    error = accuracies.std(ddof=1) / np.sqrt(len(found)) if found[1:] else np.nan
    return n_bytes.mean(), 100 * accuracies.mean(), 100 * error


print(f"{'':32} neurons     bytes   accuracy, %")
for series, sizes in results.items():
    for size, found in sizes.items():
        n_bytes, accuracy, error = summary(found)
        print(f"{series:32} {size:7}{n_bytes:10,.0f}{accuracy:8.2f} ±{error:5.2f}")

# %%
# For MNIST there are small networks that others have published. They have convolutions,
# which know that pixels have neighbours; the networks of this page do not. BitNetMCU
# sees images of 16 x 16 pixels, and its bytes are as published, of the weights alone.
# The others are in single precision: 4 bytes for each parameter.

published = [
    ("BitNetMCU", 11_000, 99.55, "github.com/cpldcpu/BitNetMCU"),
    ("575 parameters", 4 * 575, 98.0, "hexhowells.com/posts/neural-golfing.html"),
    ("7,070 parameters", 4 * 7_070, 99.4, "github.com/nitin-vig/ERAv4S6"),
]

# %%
# On digits there are a thousand images to learn from. Trained layers are the most
# accurate below four kilobytes, random ones where there is more room. Pruned MLPs come
# near the trained layers, but their bytes are counted without a file around them.
# Taught layers are no better than those that learn from labels alone.

markers = dict(zip(results, "osD^vx", strict=True))
figure, ax = plt.subplots(figsize=(8, 5), layout="constrained")
for series, sizes in results.items():
    n_bytes, accuracy, error = np.transpose([summary(each) for each in sizes.values()])
    ax.errorbar(
        n_bytes,
        accuracy,
        error,
        marker=markers[series],
        ls=":" if series.startswith("MLP") else "-",
        capsize=2,
        label=series,
    )
if arguments.data:
    for name, n_bytes, accuracy, source in published:
        print(f"{name:32} {'':7}{n_bytes:10,}{accuracy:8.2f}  {source}")
        ax.plot(n_bytes, accuracy, "k*")
        ax.annotate(name, (n_bytes, accuracy), xytext=(n_bytes, accuracy + 0.15))
ax.set(xscale="log", ylim=(90, 100), xlabel="bytes", ylabel="test accuracy, %")
ax.set_title("MNIST" if arguments.data else "scikit-learn's digits")
ax.grid(alpha=0.3)
ax.legend(loc="lower right")
plt.show()
