"""What does a compressed network give me that the usual choices do not?
=====================================================================

Three classifiers read the same digits in the same pipeline:
:class:`~sklearn_lossless.CompressedMLPClassifier`, random Fourier features with a ridge
classifier, and scikit-learn's :class:`~sklearn.neural_network.MLPClassifier`, all of
the same width. Accuracy is much the same. What differs is how long they take to fit and
what is left to store.
"""

import pickle
import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import RidgeClassifierCV
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from sklearn_lossless import CompressedMLPClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.4, random_state=0)

WIDTH = 1000
compressed = CompressedMLPClassifier((WIDTH,), eps=0.9, random_state=0)
fourier = RBFSampler(gamma="scale", n_components=WIDTH, random_state=0)
models = {
    "compressed": [compressed],
    "Fourier + ridge": [fourier, RidgeClassifierCV(alphas=np.logspace(-3, 3, 7))],
    "MLPClassifier": [MLPClassifier((WIDTH,), learning_rate_init=0.01, random_state=0)],
}
# It compiles once, before any clock runs.
network = compressed.fit(X_train, y_train).network_

# %%
# One line each, as in any comparison.

results = {}
for name, steps in models.items():
    pipeline = make_pipeline(MinMaxScaler(), *steps)
    start = time.perf_counter()
    pipeline.fit(X_train, y_train)
    seconds = time.perf_counter() - start
    accuracy = pipeline.score(X_test, y_test)
    results[name] = 100 * accuracy, seconds, len(pickle.dumps(pipeline)) / 1000
    print(f"{name:18}{accuracy:7.3f}{seconds:8.2f} s{results[name][2]:10.1f} kB")

# %%
# Nine of ten hidden weights are zero, and none of them is stored: the pickle holds a
# seed and the readout in double precision. ``save`` with an 8-bit readout makes it
# smaller still: see :ref:`sphx_glr_examples_plot_model_file_sizes.py`.

print(f"{network.n_nonzeros:,} of {network.n_weights:,} hidden weights are not zero")

figure, axes = plt.subplots(1, 3, figsize=(9, 3), layout="constrained", sharey=True)
titles = "test accuracy, %", "fit, seconds", "pickle, kB"
columns = zip(*results.values(), strict=True)
formats = "{:.1f}", "{:.2f}", "{:,.0f}"
for ax, title, fmt, values in zip(axes, titles, formats, columns, strict=True):
    bars = ax.barh(list(results), values, color=["C0", "0.7", "0.7"])
    ax.bar_label(bars, fmt=fmt, padding=3)
    ax.set_title(title)
    ax.margins(x=0.3)
axes[0].set_xlim(90, 101)
axes[0].invert_yaxis()
plt.show()
