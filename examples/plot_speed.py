"""How fast is a prediction?
=========================

A hidden layer adds bits, and only those of inputs whose weight is not zero. So the time
falls as `eps`, the share of zeros, grows. Below are predictions of networks with three
hidden layers, compressed ones and scikit-learn's
:class:`~sklearn.neural_network.MLPClassifier` of the same sizes, on one thread. Images
are random: time does not depend on them.
"""

import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from sklearn_lossless import CompressedMLPClassifier

rng = np.random.default_rng(0)
X = rng.integers(0, 256, (1024, 784)).astype(np.uint8)
y = np.arange(1024) % 10
X32 = X.astype(np.float32) / 255


def microseconds(model, X, n_repeats=7):
    """Least time per row of some predictions on one thread, after one without clock."""
    times = []
    with threadpool_limits(1):
        model.predict(X)
        for _ in range(n_repeats):
            start = time.perf_counter()
            model.predict(X)
            times.append(time.perf_counter() - start)
    return 1e6 * min(times) / len(X)


def compressed(width, eps):
    """A fitted classifier; few rows will do, as accuracy is no matter here."""
    clf = CompressedMLPClassifier((width,) * 3, eps=eps, alpha=1.0, random_state=0)
    return clf.fit(X[:300], y[:300])


def dense(width):
    """A dense network after one step of training: its time is that of any other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mlp = MLPClassifier((width,) * 3, max_iter=1, random_state=0)
        return mlp.fit(X32[:300], y[:300])


# %%
# By width, and by share of zeros.

widths = [250, 500, 1000, 2000]
by_width = {
    "MLPClassifier": [microseconds(dense(width), X32) for width in widths],
    "compressed, eps=0.5": [microseconds(compressed(w, 0.5), X) for w in widths],
    "compressed, eps=0.9": [microseconds(compressed(w, 0.9), X) for w in widths],
    "compressed, eps=0.95": [microseconds(compressed(w, 0.95), X) for w in widths],
}
print(f"{'µs per row, width':24}" + "".join(f"{width:9}" for width in widths))
for name, times in by_width.items():
    print(f"{name:24}" + "".join(f"{each:9.1f}" for each in times))

# %%
# By rows at once: 512 rows share a vector register, and small batches have a layout of
# their own.

batches = [1, 8, 64, 512, 1024]
ours, theirs = compressed(1000, 0.9), dense(1000)
by_batch = {
    "MLPClassifier": [microseconds(theirs, X32[:n], 15) for n in batches],
    "compressed, eps=0.9": [microseconds(ours, X[:n], 15) for n in batches],
}

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for name, times in by_width.items():
    left.loglog(widths, times, "o-", label=name)
for name, times in by_batch.items():
    colour = "C0" if name == "MLPClassifier" else "C2"
    right.loglog(batches, times, "o-", color=colour, label=name)
left.set(xlabel="width of three hidden layers", ylabel="µs per row", title="1024 rows")
right.set(xlabel="rows at once", title="width 1000")
left.set_xticks(widths, widths)
left.minorticks_off()
for ax in (left, right):
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8)
plt.show()
