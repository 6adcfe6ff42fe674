"""How small is the file of a trained network?
===========================================

Two networks of two hidden layers of 1000 neurons each learn to read digits:
scikit-learn's :class:`~sklearn.neural_network.MLPClassifier`, with a million weights
that were all trained, and :class:`~sklearn_lossless.CompressedMLPClassifier`, whose
hidden layers are a seed. What do they take on disk, and what do they get right?
"""

import os
import tempfile
import warnings

import joblib
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import sklearn_lossless
from sklearn_lossless import CompressedMLPClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, test_size=0.4, random_state=0
)
sizes = (1000, 1000)

dense = MLPClassifier(sizes, max_iter=15, random_state=0)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)  # it need not be perfect
    dense.fit(X_train, y_train)
compressed = CompressedMLPClassifier(sizes, eps=0.9, random_state=0)
compressed.fit(X_train, y_train)

# %%
# joblib takes any estimator, and all there is of it: with `MLPClassifier` that is also
# the state of its solver, three quarters of the file. To be fair its weights are also
# stored alone, in single precision. A model file holds no code, and its readout can be
# rounded: the name says to what.

folder = tempfile.TemporaryDirectory()
files = {}


def path(name):
    """Where the file of that name is."""
    return os.path.join(folder.name, name)


joblib.dump(dense, path("MLPClassifier.joblib"))
weights = [array.astype("float32") for array in dense.coefs_ + dense.intercepts_]
np.savez_compressed(path("MLPClassifier float32.npz"), *weights)
joblib.dump(compressed, path("compressed.joblib"))
for readout_dtype in ("float64", "float32", "float16", "int8", "int4"):
    compressed.save(path(f"{readout_dtype}.lnn"), readout_dtype=readout_dtype)

names = sorted(os.listdir(folder.name), key=lambda name: -os.path.getsize(path(name)))
bytes_on_disk = [os.path.getsize(path(name)) for name in names]

# %%
# Every file is read again, and what comes out of it reads the test digits.


def read_weights(file):
    """Put the weights of `file` into the dense network."""
    arrays = list(np.load(file).values())
    dense.coefs_, dense.intercepts_ = arrays[:3], arrays[3:]
    return dense


read = {".lnn": sklearn_lossless.load, ".joblib": joblib.load, ".npz": read_weights}
accuracies = []
for name, size in zip(names, bytes_on_disk, strict=True):
    model = read[os.path.splitext(name)[1]](path(name))
    accuracies.append(model.score(X_test, y_test))
    print(f"{size:12,}  {name:26} {accuracies[-1]:.3f}")

fig, ax = plt.subplots(figsize=(8, 4), layout="constrained")
colours = ["tab:grey" if name.startswith("MLP") else "tab:blue" for name in names]
bars = ax.barh(names, bytes_on_disk, color=colours)
ax.bar_label(
    bars,
    [
        f"{size:,} bytes, {accuracy:.1%}"
        for size, accuracy in zip(bytes_on_disk, accuracies, strict=True)
    ],
    padding=4,
)
ax.set_xscale("log")
ax.set_xlim(1e3, 5e9)
ax.invert_yaxis()
ax.set_xlabel("bytes on disk")
ax.set_title("Two hidden layers of 1000 neurons: file size and test accuracy")
folder.cleanup()
plt.show()
