"""What does a compressed network give me over what I would otherwise write?
==========================================================================

A pipeline, a grid search over the share of zeros, and the same digits classified by
scikit-learn's dense network and by random Fourier features, side by side.
"""

import tempfile
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

import sklearn_lossless
from sklearn_lossless import CompressedMLPClassifier

WIDTH = 1000

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.4, random_state=0)

# %%
# The share of zeros `eps` is a parameter like any other.

search = GridSearchCV(
    make_pipeline(
        MinMaxScaler(), CompressedMLPClassifier((WIDTH,), random_state=0, n_jobs=1)
    ),
    {"compressedmlpclassifier__eps": [0.0, 0.5, 0.9]},
    cv=3,
)
search.fit(X_train, y_train)
print(f"Grid search over eps, width {WIDTH}, 3-fold accuracy on digits:")
for parameters, mean, std in zip(
    search.cv_results_["params"],
    search.cv_results_["mean_test_score"],
    search.cv_results_["std_test_score"],
    strict=True,
):
    eps = parameters["compressedmlpclassifier__eps"]
    print(f"  eps={eps:<4}  {mean:.3f} +- {std:.3f}")

# %%
# The peers get the same pixels, in [0, 1], and the same width.

X_train, X_test = X_train / 16, X_test / 16
models = {
    "CompressedMLPClassifier": CompressedMLPClassifier(
        (WIDTH,), eps=0.9, random_state=0
    ),
    "MLPClassifier": MLPClassifier((WIDTH,), max_iter=50, random_state=0),
    "RBFSampler + RidgeClassifier": make_pipeline(
        RBFSampler(gamma="scale", n_components=WIDTH, random_state=0),
        RidgeClassifier(),
    ),
}
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)  # 50 epochs of the dense net
    for model in models.values():
        model.fit(X_train, y_train)


def milliseconds_per_1000(models, X, n_repeats=15):
    """Median time of a prediction, the models taking turns."""
    rows = np.resize(np.arange(len(X)), 1000)
    times = {name: [] for name in models}
    for _ in range(n_repeats + 1):
        for name, model in models.items():
            start = time.perf_counter()
            model.predict(X[rows])
            times[name].append(time.perf_counter() - start)
    return {name: 1000 * np.median(taken[1:]) for name, taken in times.items()}


def stored(model):
    """Bytes on disk, and the model read again: `save` with int8 readout, or joblib."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model")
        if isinstance(model, CompressedMLPClassifier):
            model.save(path, readout_dtype="int8")
            return path.stat().st_size, sklearn_lossless.load(path)
        joblib.dump(model, path)
        return path.stat().st_size, joblib.load(path)


milliseconds = milliseconds_per_1000(models, X_test)
network = models["CompressedMLPClassifier"].network_
zeros = dict.fromkeys(models, 0.0)
zeros["CompressedMLPClassifier"] = 1 - network.n_nonzeros / network.n_weights
dense_bytes = 4 * (network.n_weights + WIDTH * len(np.unique(y)))

print(f"\nThe same digits, width {WIDTH}; the dense float32 net: {dense_bytes:,} bytes")
print(f"{'':30}{'accuracy':>9}{'zeros':>7}{'file bytes':>12}{'ms/1000':>9}")
for name, model in models.items():
    n_bytes, loaded = stored(model)
    print(
        f"{name:30}{loaded.score(X_test, y_test):9.3f}{zeros[name]:7.0%}"
        f"{n_bytes:12,}{milliseconds[name]:9.1f}"
    )
