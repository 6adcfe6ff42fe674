"""What does each choice do? Scores by one parameter at a time, for the guide.

    python benchmarks/choosing.py [--data mnist.npz] [--only PART] [--output FILE]

Digits of scikit-learn: means over four splits, 60 % for training. Random layers have
`eps=0.8`, trained ones `eps=0.5`, `learning_rate_init=0.005` and `max_iter=50`, where
nothing else is said; bytes are those of the file with an int8 readout. Tables of
scikit-learn: five folds. MNIST (with --data): 50,000 of the training images, scored on
the other 10,000. Test images take no part. Takes some ten minutes of one core.
"""

import argparse
import json
import statistics
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from _machine import about
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedKFold, cross_val_score, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_lossless import CompressedMLPClassifier
from sklearn_lossless.datasets import load_mnist

SPLITS = range(4)


def random(width=1000, **parameters):
    sizes = width if isinstance(width, tuple) else (width,)
    return CompressedMLPClassifier(sizes, **{"eps": 0.8, **parameters})


def trained(width=32, **parameters):
    sizes = width if isinstance(width, tuple) else (width,)
    usual = {"eps": 0.5, "learning_rate_init": 0.005, "max_iter": 50}
    return CompressedMLPClassifier(
        sizes, hidden_weights="trained", **{**usual, **parameters}
    )


def split(seed):
    return train_test_split(
        *load_digits(return_X_y=True), test_size=0.4, random_state=seed
    )


def score(model, seed, n_rows=None):
    X, X_test, y, y_test = split(seed)
    model = model.set_params(random_state=seed).fit(X[:n_rows], y[:n_rows])
    return model.score(X_test, y_test), model.size_report("int8")["file"]


def with_shifts(X, y, side=8):
    padded = np.pad(X.reshape(-1, side, side), ((0, 0), (1, 1), (1, 1)))
    places = [(1, 1), (0, 1), (2, 1), (1, 0), (1, 2)]
    images = [padded[:, i : i + side, j : j + side] for i, j in places]
    return np.concatenate(images).reshape(-1, side * side), np.tile(y, len(places))


def shifted_score(model, seed):
    X, X_test, y, y_test = split(seed)
    model = model.set_params(random_state=seed).fit(*with_shifts(X, y))
    return model.score(X_test, y_test), model.size_report("int8")["file"]


def taught_score(width, seed):
    X, X_test, y, y_test = split(seed)
    mlp = MLPClassifier((width,), max_iter=500, random_state=seed).fit(X, y)
    model = trained().set_params(estimator=mlp, target="both", random_state=seed)
    model.fit(X, y)
    return model.score(X_test, y_test), model.size_report("int8")["file"]


def new_labels_score(model, seed, again=False):
    """Layers for the digits 0 to 4, and a readout (or all) for 5 to 9."""
    X, X_test, y, y_test = split(seed)
    old, new, test = y < 5, y >= 5, y_test >= 5
    model = model.set_params(random_state=seed)
    if again:
        model.fit(X[new], y[new])
    else:
        layers = model.fit(X[old], y[old]).compressor_
        model = CompressedMLPClassifier(estimator=layers).fit(X[new], y[new])
    return model.score(X_test[test], y_test[test]), None


def summary(part, setting, runs):
    scores = [float(each[0]) for each in runs]
    sizes = [each[1] for each in runs if each[1] is not None]
    error = statistics.stdev(scores) / len(scores) ** 0.5 if len(scores) > 1 else None
    return {
        "part": part,
        "setting": setting,
        "score": statistics.mean(scores),
        "scores": scores,
        "standard_error": error,
        "bytes": round(statistics.mean(sizes)) if sizes else None,
    }


def on_digits(part, settings, run=score):
    for name, make in settings.items():
        yield summary(part, name, [run(make(), seed) for seed in SPLITS])


def digits():
    sweeps = {
        "random, width": (random, "width", (100, 200, 400, 1000, 2000, 4000)),
        "random, eps": (random, "eps", (0.0, 0.5, 0.8, 0.9, 0.95)),
        "random, n_levels": (random, "n_levels", (2, 4, 8, 16)),
        "random, input_bits": (random, "input_bits", (1, 2, 4, 8)),
        "random, readout": (random, "readout", ("ridge", "logistic")),
        "trained, width": (trained, "width", (16, 32, 64, 128, 256, (64, 32))),
        "trained, eps": (trained, "eps", (0.0, 0.3, 0.5, 0.7, 0.8, 0.9)),
        "trained, max_iter": (trained, "max_iter", (10, 20, 50, 200)),
        "trained, learning_rate_init": (
            trained,
            "learning_rate_init",
            (0.001, 0.002, 0.005, 0.02),
        ),
    }
    for part, (make, name, values) in sweeps.items():
        yield from on_digits(
            part, {str(each): partial(make, **{name: each}) for each in values}
        )
    kinds = {"random, 1000": random, "trained, 64": partial(trained, 64, max_iter=100)}
    for name, make in kinds.items():
        for n_rows in (50, 100, 200, 500, 1000):
            runs = [score(make(), seed, n_rows) for seed in SPLITS]
            yield summary(f"few samples: {name}", str(n_rows), runs)
    yield from on_digits(
        "with shifts",
        {
            **{f"trained, {each}": partial(trained, each) for each in (32, 64, 128)},
            "random, 1000": random,
        },
        shifted_score,
    )
    for width in (32, 128):
        runs = [taught_score(width, seed) for seed in SPLITS]
        yield summary("taught", str(width), runs)
    again = partial(new_labels_score, again=True)
    yield from on_digits(
        "other labels: new readout",
        {
            "trained, 64": partial(trained, 64),
            "random, 64": partial(random, 64, eps=0.5),
            "random, 1000": random,
        },
        new_labels_score,
    )
    yield from on_digits(
        "other labels: trained again", {"trained, 64": partial(trained, 64)}, again
    )


def tables():
    ways = {
        "as it is": random(),
        "StandardScaler": make_pipeline(StandardScaler(), random()),
        "thresholds": CompressedMLPClassifier((1000,), input_encoding="thresholds"),
    }
    for name, load in {"breast cancer": load_breast_cancer, "wine": load_wine}.items():
        X, y = load(return_X_y=True)
        for way, model in ways.items():
            folds = StratifiedKFold(5, shuffle=True, random_state=0)
            scores = cross_val_score(model, X, y, cv=folds)
            yield summary(f"inputs: {name}", way, [(each, None) for each in scores])


def mnist(path):
    data = load_mnist(path)
    X, y = data[0], data[1]
    train, rest = slice(0, 50_000), slice(50_000, 60_000)
    for n_nonzeros in (4, 8, 16, 32, 78, 196, 784):
        runs = []
        for seed in range(2):
            model = random(2000, eps=1 - n_nonzeros / 784, random_state=seed)
            model.fit(X[train], y[train])
            network = model.network_
            assert network.n_nonzeros == 2000 * n_nonzeros, network.n_nonzeros
            size = model.size_report("int8")["file"]
            runs.append((model.score(X[rest], y[rest]), size))
        yield summary("MNIST, nonzeros per neuron", str(n_nonzeros), runs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="npz file of MNIST")
    parser.add_argument("--only", choices=("digits", "tables", "mnist"))
    parser.add_argument("--output", default="benchmarks/results/choosing.json")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.simplefilter("ignore", UserWarning)  # few features, different scales
    parts = {"digits": digits, "tables": tables}
    if arguments.data:
        parts["mnist"] = partial(mnist, arguments.data)
    path = Path(arguments.output)
    result = json.loads(path.read_text()) if path.exists() else {"parts": {}}
    for name in [arguments.only] if arguments.only else parts:
        rows = []
        for row in parts[name]():
            print(
                f"{row['part']:32} {row['setting']:16} {row['score']:.4f}", flush=True
            )
            rows.append(row)
        result = {
            **about("benchmarks/choosing.py --data mnist.npz"),
            "parts": {**result["parts"], name: rows},
        }
        path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
