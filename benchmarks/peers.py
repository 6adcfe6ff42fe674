"""Accuracy, log-loss, fit time, prediction rate and file size of many classifiers.

    python benchmarks/peers.py [--data mnist.npz] [--rows 20000] [--output FILE]
    python benchmarks/peers.py --data mnist.npz --sizes

Data: digits (bundled), two generated sets (54 mixed features and 7 classes, like
covertype; sparse tf-idf rows of 5,000 words and 20 classes, like news groups), and
MNIST if --data names a file. Every model gets the same rows; dense features are
standardised by one scale (images) or per feature (tables), in every pipeline alike.
Prediction rates are medians of runs in which the models take turns. Files: joblib
for the peers; `save` for ours, with int8 readout, whose accuracy is the one given.
"Dense, one network" is what ours stand for: one hidden layer of 2000 with Gaussian
weights, ReLU and a ridge readout.

`--sizes` measures what a change of the file format has changed, and what the results
lack: sizes of our files (random networks are fitted with alpha=1 on 5,000 rows, which
changes a file by a handful of bytes; the one of the MLP is fitted anew), and models
that have no row yet, without their times, for which all have to take turns.
"""

import argparse
import json
import os
import tempfile
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_digits, make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection

import sklearn_lossless
from sklearn_lossless import CompressedMLPClassifier
from sklearn_lossless.datasets import load_mnist

ALPHAS = np.logspace(-3, 3, 7)
N_JOBS = 2

MLP = "MLPClassifier((500,))"
GIVEN = "ours, from that MLP"
DENSE = "dense, one network (2000,)"


# --- data -----------------------------------------------------------------------


def digits(arguments):
    X, y = load_digits(return_X_y=True)
    return train_test_split(X / 16, y, random_state=0)


def table(arguments):
    """54 features, 44 of them 0 or 1, and 7 classes of several clusters each."""
    X, y = make_classification(
        n_samples=20_000,
        n_features=54,
        n_informative=20,
        n_redundant=10,
        n_classes=7,
        n_clusters_per_class=4,
        flip_y=0.02,
        random_state=0,
    )
    X[:, 10:] = X[:, 10:] > np.median(X[:, 10:], axis=0)
    parts = train_test_split(X, y, random_state=0)
    scaler = StandardScaler().fit(parts[0])
    return scaler.transform(parts[0]), scaler.transform(parts[1]), *parts[2:]


def text(arguments):
    """Sparse tf-idf rows: documents of 20 classes, each a mixture of topics."""
    rng = np.random.default_rng(0)
    n_documents, n_words, n_topics, n_classes = 12_000, 5_000, 60, 20
    frequency = 1 / np.arange(1, n_words + 1)
    topics = rng.gamma(0.05, size=(n_topics, n_words)) * frequency
    topics /= topics.sum(axis=1, keepdims=True)
    mixtures = rng.dirichlet(np.full(n_topics, 0.08), size=n_classes)
    y = rng.integers(n_classes, size=n_documents)
    rows = []
    for label in y:
        mixture = rng.dirichlet(3 * mixtures[label] + 0.02)
        counts = rng.multinomial(rng.poisson(80) + 5, mixture @ topics)
        rows.append(sparse.csr_array(counts, dtype=np.float64))
    counts = sparse.vstack(rows, format="csr")
    counts.data = 1 + np.log(counts.data)
    n_with_word = counts.astype(bool).sum(axis=0)
    counts = counts.multiply(np.log(n_documents / (1 + n_with_word)) + 1).tocsr()
    norms = np.sqrt(counts.multiply(counts).sum(axis=1))
    X = sparse.csr_matrix(counts.multiply(1 / norms[:, np.newaxis]))
    return train_test_split(X, y, random_state=0)


def mnist(arguments):
    X_train, y_train, X_test, y_test = load_mnist(arguments.data)
    rows = np.random.default_rng(0).permutation(len(X_train))[: arguments.rows]
    return X_train[rows] / 255, X_test / 255, y_train[rows], y_test


# --- models ---------------------------------------------------------------------


class PrunedMLP(ClassifierMixin, BaseEstimator):
    """An MLP without 90 % of its smallest hidden weights, and a refitted readout."""

    def __init__(self, mlp, pruned=0.9):
        self.mlp = mlp
        self.pruned = pruned

    def fit(self, X, y):
        mlp = clone(self.mlp).fit(X, y)
        self.weights_ = []
        for W in mlp.coefs_[:-1]:
            W = np.where(np.abs(W) >= np.quantile(np.abs(W), self.pruned), W, 0)
            self.weights_.append(sparse.csr_array(W))
        self.intercepts_ = mlp.intercepts_[:-1]
        self.readout_ = LogisticRegression(max_iter=300).fit(self._hidden(X), y)
        self.classes_ = self.readout_.classes_
        return self

    def _hidden(self, X):
        for W, intercept in zip(self.weights_, self.intercepts_, strict=True):
            product = X @ W
            X = product.toarray() if sparse.issparse(product) else product
            X = np.maximum(X + intercept, 0)
        return X

    def predict(self, X):
        return self.readout_.predict(self._hidden(X))

    def predict_proba(self, X):
        return self.readout_.predict_proba(self._hidden(X))


def relu(X):
    return np.maximum(X, 0)


def models():
    ridge = RidgeClassifierCV(alphas=ALPHAS)
    mlp = MLPClassifier((500,), early_stopping=True, random_state=0)
    projection = SparseRandomProjection(2000, dense_output=True, random_state=0)
    ours = {"n_jobs": N_JOBS, "random_state": 0}
    return {
        "ours (500,)": CompressedMLPClassifier((500,), **ours),
        "ours (2000,)": CompressedMLPClassifier((2000,), **ours),
        "ours (6000,)": CompressedMLPClassifier((6000,), **ours),
        DENSE: make_pipeline(
            StandardScaler(with_std=False),
            GaussianRandomProjection(2000, random_state=0),
            FunctionTransformer(relu),
            ridge,
        ),
        MLP: mlp,
        GIVEN: CompressedMLPClassifier(
            estimator=mlp, hidden_weights="fitted", readout="logistic", **ours
        ),
        "that MLP, pruned to 10 %": PrunedMLP(mlp),
        "RBFSampler(2000) + ridge": make_pipeline(
            RBFSampler(gamma="scale", n_components=2000, random_state=0), ridge
        ),
        "Nystroem(2000) + ridge": make_pipeline(
            Nystroem(n_components=2000, random_state=0), ridge
        ),
        "SparseRandomProjection(2000) + ReLU + ridge": make_pipeline(
            projection, FunctionTransformer(relu), ridge
        ),
        "LogisticRegression": LogisticRegression(max_iter=300),
        "HistGradientBoosting": HistGradientBoostingClassifier(
            max_iter=100, early_stopping=True, random_state=0
        ),
        "RandomForest(200)": RandomForestClassifier(200, n_jobs=N_JOBS, random_state=0),
    }


def prepare(model, X):
    """Set the kernel width of Nystroem as RBFSampler's gamma="scale" does.

    Sparse rows are not centred.
    """
    for name, step in getattr(model, "named_steps", {}).items():
        if isinstance(step, StandardScaler) and sparse.issparse(X):
            model.set_params(**{f"{name}__with_mean": False})
        if isinstance(step, Nystroem):
            mean_square = X.multiply(X).mean() if sparse.issparse(X) else (X**2).mean()
            gamma = 1 / (X.shape[1] * (mean_square - X.mean() ** 2))
            model.set_params(**{f"{name}__gamma": gamma})
    return model


def stored(model, folder):
    """Write the model; return the bytes of its file, and what is read from it."""
    path = os.path.join(folder, "model")
    if isinstance(model, CompressedMLPClassifier):
        model.save(path, readout_dtype="int8")
        loaded = sklearn_lossless.load(path).set_params(n_jobs=N_JOBS)
        return os.path.getsize(path), loaded
    joblib.dump(model, path)
    return os.path.getsize(path), model


#: Where the weights of networks and of linear models are.
WEIGHTS = (
    *("coefs_", "intercepts_", "random_weights_", "random_offset_"),
    *("components_", "normalization_", "coef_", "intercept_"),
)


def float32_bytes(model):
    """4 bytes for each weight of a dense network; None of trees and sparse weights."""
    if isinstance(model, CompressedMLPClassifier):
        return model.size_report("int8")["dense_float32"]
    steps = getattr(model, "named_steps", {"": model}).values()
    if any(isinstance(step, (SparseRandomProjection, PrunedMLP)) for step in steps):
        return None
    found = [getattr(step, name, []) for step in steps for name in WEIGHTS]
    arrays = [a for each in found for a in (each if isinstance(each, list) else [each])]
    return 4 * sum(array.size for array in arrays) or None


# --- measuring --------------------------------------------------------------------


def prediction_seconds(fitted, X, n_runs):
    times = {name: [] for name in fitted}
    for _ in range(n_runs):
        for name, model in fitted.items():
            start = time.perf_counter()
            model.predict(X)
            times[name].append(time.perf_counter() - start)
    return {name: float(np.median(runs)) for name, runs in times.items()}


def compare(data, X_train, X_test, y_train, y_test):
    rows, fitted = [], {}
    for name, model in models().items():
        if sparse.issparse(X_train) and "Boosting" in name:
            continue  # takes dense arrays only
        model = prepare(clone(model), X_train)
        start = time.perf_counter()
        if name == GIVEN:
            model.set_params(estimator=clone(model.estimator).fit(X_train, y_train))
        model.fit(X_train, y_train)
        seconds = time.perf_counter() - start
        with tempfile.TemporaryDirectory() as folder:
            n_bytes, model = stored(model, folder)
        row = {"data": data, "model": name, "fit_seconds": seconds, "bytes": n_bytes}
        if (size := float32_bytes(model)) is not None:
            row["float32_bytes"] = size
        row["accuracy"] = model.score(X_test, y_test)
        if hasattr(model, "predict_proba"):
            row["log_loss"] = log_loss(y_test, model.predict_proba(X_test))
        fitted[name] = model
        rows.append(row)
        print(f"{data:7}{name:45}{100 * row['accuracy']:7.2f} %{seconds:8.1f} s")
    X = X_test[np.arange(2000) % X_test.shape[0]]
    for name, seconds in prediction_seconds(fitted, X, n_runs=7).items():
        row = next(row for row in rows if row["model"] == name)
        row["microseconds_per_prediction"] = 1e6 * seconds / X.shape[0]
    return rows


def again(data, rows, X_train, X_test, y_train, y_test):
    """Measure sizes of our files again, and models that have no row, without times."""
    found = {row["model"]: row for row in rows}
    mlp = clone(models()[MLP]).fit(X_train, y_train)
    for name, model in models().items():
        if sparse.issparse(X_train) and "Boosting" in name:
            continue
        is_ours = isinstance(model, CompressedMLPClassifier)
        if name in found and not is_ours:
            continue
        model = prepare(clone(model), X_train)
        parts = X_train, y_train
        if name == GIVEN:
            model.set_params(estimator=mlp)
        elif is_ours:
            model.set_params(alpha=1.0)
            parts = X_train[:5000], y_train[:5000]
        model.fit(*parts)
        row = found.setdefault(name, {"data": data, "model": name})
        with tempfile.TemporaryDirectory() as folder:
            row["bytes"], model = stored(model, folder)
        if name == GIVEN or not is_ours:
            row["accuracy"] = model.score(X_test, y_test)
        if name == GIVEN:
            row["log_loss"] = log_loss(y_test, model.predict_proba(X_test))
        if not is_ours and (size := float32_bytes(model)) is not None:
            row["float32_bytes"] = size
        print(data, name, row["bytes"], row.get("accuracy"), flush=True)
    return [found[name] for name in models() if name in found]


# --- results ------------------------------------------------------------------------


def markdown(rows):
    lines = []
    for data in dict.fromkeys(row["data"] for row in rows):
        lines += [
            f"\n**{data}**\n",
            "| model | accuracy % | log-loss | fit s | predictions/s | file |",
            "|---|---:|---:|---:|---:|---:|",
        ]
        for row in rows:
            if row["data"] != data:
                continue
            loss = f"{row['log_loss']:.3f}" if "log_loss" in row else ""
            seconds = rate = ""
            if "fit_seconds" in row:
                seconds = f"{row['fit_seconds']:.1f}"
                rate = f"{1e6 / row['microseconds_per_prediction']:,.0f}"
            lines.append(
                f"| {row['model']} | {100 * row['accuracy']:.2f} | {loss} "
                f"| {seconds} | {rate} "
                f"| {row['bytes'] / 1000:,.1f} kB |"
            )
    return "\n".join(lines) + "\n"


def plot(rows, path):
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(row["data"] for row in rows))
    figure, axes = plt.subplots(
        2, len(names), figsize=(4 * len(names), 7), layout="constrained", squeeze=False
    )
    labels = list(dict.fromkeys(row["model"] for row in rows))
    markers = "oooPX*psD^v<>"
    for column, data in enumerate(names):
        for row in rows:
            if row["data"] != data:
                continue
            ours = row["model"].startswith("ours")
            dense = row["model"] == DENSE  # 4 bytes for each weight
            for ax, key, scale in [
                (axes[0, column], "float32_bytes" if dense else "bytes", 1e-3),
                (axes[1, column], "microseconds_per_prediction", 1),
            ]:
                if key not in row:
                    continue
                ax.scatter(
                    row[key] * scale,
                    100 * (1 - row["accuracy"]),
                    marker=markers[labels.index(row["model"])],
                    s=60,
                    color="tab:red" if ours else "k" if dense else "tab:gray",
                    label=row["model"],
                )
                ax.set(xscale="log", yscale="log")
                ax.yaxis.set_major_formatter("{x:g}")
                ax.yaxis.set_minor_formatter("{x:g}")
        axes[0, column].set(title=data, xlabel="model file, kB")
        axes[1, column].set(xlabel="microseconds per prediction")
    for ax in axes[:, 0]:
        ax.set_ylabel("test error, %")
    handles = dict(zip(*reversed(axes[0, 0].get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3)
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="npz with X_train, y_train, X_test, y_test")
    parser.add_argument("--rows", type=int, default=20_000, help="of MNIST's training")
    parser.add_argument("--only", help="name of one data set")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/peers"))
    parser.add_argument("--sizes", action="store_true", help="keep times: see above")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # peers that stop before they converge
    loaders = {"digits": digits, "table": table, "text": text}
    if arguments.data:
        loaders["MNIST"] = mnist
    rows, known = [], []
    if arguments.sizes:
        known = json.loads(arguments.output.with_suffix(".json").read_text())["rows"]
    for name, load in loaders.items():
        if arguments.sizes:
            mine = [row for row in known if row["data"] == name]
            rows += again(name, mine, *load(arguments))
        elif arguments.only in (None, name):
            rows += compare(name, *load(arguments))
    print(markdown(rows))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.with_suffix(".md").write_text(markdown(rows))
    result = json.dumps({"mnist_rows": arguments.rows, "rows": rows}, indent=1)
    arguments.output.with_suffix(".json").write_text(result + "\n")
    plot(rows, arguments.output.with_suffix(".png"))


if __name__ == "__main__":
    main()
