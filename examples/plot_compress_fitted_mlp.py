"""How much of a trained network is left when it is compressed?
============================================================

An :class:`~sklearn.neural_network.MLPClassifier` has learned digits. It is passed on as
`estimator`, and compressed in several ways. Two keep only its widths and activation,
and draw weights from a seed; one of them has layers four times as wide. The others keep
the signs of its largest weights.
"""

import os
import tempfile

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import sklearn_lossless
from sklearn_lossless import CompressedMLPClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, test_size=0.4, random_state=0
)
mlp = MLPClassifier((200, 200), learning_rate_init=0.005, random_state=0)
mlp = mlp.fit(X_train, y_train)
mlp_bytes = 4 * sum(each.size for each in mlp.coefs_ + mlp.intercepts_)

# %%
# The readout, the last layer, is fitted anew in closed form. With ``target="teacher"``
# it learns the scores of the given network, and needs no labels.

ways = {
    "random weights": {"hidden_weights": "random"},
    "random, 4 times as wide": {"hidden_weights": "random", "widen": 4},
    "fitted weights": {"hidden_weights": "fitted", "eps": 0.8},
    "fitted, all layers read": {
        "hidden_weights": "fitted",
        "eps": 0.8,
        "readout_layers": "all",
    },
    "fitted, taught without labels": {
        "hidden_weights": "fitted",
        "eps": 0.8,
        "readout_layers": "all",
        "target": "teacher",
    },
}
folder = tempfile.TemporaryDirectory()
path = os.path.join(folder.name, "model.lnn")
results = {"MLPClassifier, float32": (mlp.score(X_test, y_test), 1.0, mlp_bytes)}
for name, parameters in ways.items():
    clf = CompressedMLPClassifier(estimator=mlp, random_state=0, **parameters)
    clf.fit(X_train, None if "target" in parameters else y_train)
    clf.save(path, readout_dtype="int8")
    clf = sklearn_lossless.load(path)  # accuracy and bytes of the same thing
    agreement = np.mean(clf.predict(X_test) == mlp.predict(X_test))
    results[name] = clf.score(X_test, y_test), agreement, os.path.getsize(path)

print(f"{'':32}accuracy  agreement    bytes   times smaller")
for name, (accuracy, agreement, n_bytes) in results.items():
    print(
        f"{name:32}{accuracy:8.3f}{agreement:11.3f}{n_bytes:9,}"
        f"{mlp_bytes / n_bytes:12.0f}"
    )

# %%
# On digits random weights in wider layers are as accurate, and cost no bytes. On MNIST
# training has found features that random weights lack; there fitted weights are worth
# their bytes. See :doc:`the table </guide/given_networks>`.

figure, ax = plt.subplots(layout="constrained")
for number, (name, (accuracy, _, n_bytes)) in enumerate(results.items()):
    ax.plot(n_bytes / 1000, 100 * accuracy, "o", color=f"C{number}", ms=9, label=name)
ax.set(xscale="log", ylim=(90, 100), xlabel="file, kB", ylabel="test accuracy, %")
ax.legend(loc="lower right")
plt.show()
