"""Accuracy against memory: the paper's second experiment (its Figure 3).

    python benchmarks/paper_figure3.py --data mnist.npz [--seeds 3] [--widest 16000]
    python benchmarks/paper_figure3.py --data cifar10 [--file cifar10_part.npz]
    python benchmarks/paper_figure3.py --data mnist.npz --sizes

Every network has random, frozen hidden layers and the same readout: ridge on +-1
targets, its regularisation chosen by leave-one-out error rate on the training rows.
`--data` names an npz with X_train, y_train, X_test, y_test; without it, MNIST comes
from OpenML. Finished rows are kept in the CSV file, so that a run can be continued:
give other data another `--output`.

With `--data cifar10` the networks see features of a convolutional network that is
trained first (`cifar_features.py`; kept in `--net` where that is given), as the
paper's see those of a VGG19. `--file` names an npz of images; without it, they come
from OpenML. Its own readout is a row, without hidden layers. Memory is that of the
networks behind the features.

Memory of the hidden layers, in bits, as the paper counts it: 32 for a float weight,
2 for a ternary one, and nothing for zeros or for where the others are. Bytes of the
whole model as it is stored: for ours the file that `save` writes, with int8 readout;
for floats 4 bytes per weight, and for sparse floats 4 and an index of 2.

`--sizes` measures only the files of the rows that are there again, after a change of
the format: accuracies stay. Networks are then fitted with alpha=1 on 5,000 rows, which
changes a file by a handful of bytes.
"""

import argparse
import csv
import importlib.util
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cifar_features
import numpy as np
import random_networks as rn
from sklearn.exceptions import ConvergenceWarning

from sklearn_lossless import CompressedMLPClassifier
from sklearn_lossless.datasets import load_mnist

DEEP = [(500,) * 3, (1500,) * 3, (5000, 5000, 2000)]
SINGLE = [(1000,), (2000,), (4000,), (8000,), (16_000,)]

#: Kind of network: weights, activation, eps; or n_levels and eps for ours.
FLOAT_KINDS = {
    "dense": (rn.gaussian, rn.relu, 0.0),
    "ternary weights only": (rn.ternary, rn.relu, 0.9),
    "random sparsification 80 %": (rn.sparsified, rn.relu, 0.8),
    "naive binary activation": (rn.gaussian, rn.two_sided_step, 0.0),
    "magnitude pruning 90 %": (rn.pruned, rn.relu, 0.9),
}
OUR_KINDS = {
    "n_levels=2, eps=0": (2, 0.0),
    "n_levels=2, eps=0.5": (2, 0.5),
    "n_levels=2, eps=0.9": (2, 0.9),
    "n_levels=8, eps=0.9": (8, 0.9),
    "n_levels=16, eps=0.9": (16, 0.9),
}

#: What the row of the trained convolutional network is called.
NET = "none", "the readout of the trained convolutional network"


class Experiment(NamedTuple):
    """Sizes with three hidden layers and with one, and what the paper has."""

    output: str
    deep: list
    single: list
    kinds: list
    lowest: float
    #: Points of the paper by network: bits, accuracy in %.
    published: dict


#: Points read from the paper's vector graphics.
MNIST = Experiment(
    output="paper_figure3",
    deep=DEEP,
    single=SINGLE,
    kinds=[*FLOAT_KINDS, *OUR_KINDS],
    lowest=60,
    published={
        "dense": [(1.8e8, 92.8), (1.25e9, 94.4), (2.0e10, 98.2)],
        "NTK-LC, eps=0.9": [
            (1.15e6, 75.2),
            (7.8e6, 81.6),
            (1.1e7, 87.9),
            (3.2e7, 88.6),
            (1.3e8, 91.8),
        ],
        "ternary weights only": [(1.3e6, 95.1), (1.3e8, 97.7)],
        "magnitude pruning 90 %": [(1.8e7, 91.2), (2.0e9, 91.9)],
    },
)

#: Of the paper the narrowest and the widest, 400-400-200 and 10000-10000-5000, on 512
#: features of VGG19; bits by its own count.
CIFAR10 = Experiment(
    output="paper_figure3_cifar10",
    deep=[(400, 400, 200), (1000, 1000, 500), (2000, 2000, 1000), (5000, 5000, 2000)],
    single=[],
    kinds=[
        "dense",
        "ternary weights only",
        "magnitude pruning 90 %",
        "n_levels=2, eps=0.9",
        "n_levels=8, eps=0.9",
        "n_levels=16, eps=0.9",
    ],
    lowest=20,
    published={
        "dense, VGG19": [(1.4e7, 85.0), (5.0e9, 87.3)],
        "NTK-LC, VGG19": [(8.9e4, 79.0), (3.1e7, 86.9)],
    },
)

FIELDS = ["sizes", "network", "seed", "accuracy", "paper_bits", "bytes", "seconds"]


def n_weights(sizes, n_inputs):
    return sum(a * b for a, b in zip((n_inputs, *sizes), sizes, strict=False))


def measure_float(data, sizes, kind, seed):
    weights, activation, eps = FLOAT_KINDS[kind]
    accuracy = rn.accuracy(data, sizes, weights, activation, seed, eps)
    n_classes = len(np.unique(data[1]))
    count = n_weights(sizes, data[0].shape[1])
    nonzeros = round(count * (1 - eps))
    readout = 4 * n_classes * sizes[-1]
    if weights is rn.ternary:
        # Five ternary digits to a byte.
        return accuracy, 2 * nonzeros, count // 5 + readout
    return accuracy, 32 * nonzeros, (6 if eps else 4) * nonzeros + readout


def compressed(sizes, kind, seed, **options):
    n_levels, eps = OUR_KINDS[kind]
    return CompressedMLPClassifier(
        sizes, eps=eps, n_levels=n_levels, random_state=seed, n_jobs=-1, **options
    )


def file_bytes(clf):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model")
        clf.save(path, readout_dtype="int8")
        return path.stat().st_size


def measure_ours(data, sizes, kind, seed):
    X_train, y_train, X_test, y_test = data
    clf = compressed(sizes, kind, seed).fit(X_train, y_train)
    score = clf.score(X_test, y_test)
    return score, 2 * clf.network_.n_nonzeros, file_bytes(clf)


def measure_net(data, net):
    """The convolutional network itself: accuracy, bits, bytes of its file."""
    return net.score(*data[2:]), 2 * net.network_.n_nonzeros, file_bytes(net)


def measure_sizes(data, table):
    """The rows of the table with the files of our networks measured again."""
    X, y = (each[:5000] for each in data[:2])
    rows = list(csv.DictReader(table.open()))
    for row in rows:
        if row["network"] in OUR_KINDS:
            sizes = tuple(map(int, row["sizes"].split("-")))
            clf = compressed(sizes, row["network"], int(row["seed"]), alpha=1.0)
            before, row["bytes"] = row["bytes"], file_bytes(clf.fit(X, y))
            print(row["sizes"], row["network"], before, row["bytes"], flush=True)
    return rows


def kinds_for(sizes, experiment):
    """All kinds of deep networks; of wide single layers the three that matter."""
    if len(sizes) > 1:
        return experiment.kinds
    return ["dense", "n_levels=2, eps=0.9", "n_levels=8, eps=0.9"]


def summary(rows, experiment):
    """Mean, spread and memory by sizes and network, as Markdown."""
    lines = [
        "| hidden layers | network | seeds | accuracy % | spread | - dense | kB "
        "| dense / it |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    every = experiment.deep + experiment.single
    order = [NET[0], *("-".join(map(str, sizes)) for sizes in every)]
    kinds = [NET[1], *FLOAT_KINDS, *OUR_KINDS]
    groups = {}
    for row in sorted(
        rows, key=lambda row: (order.index(row["sizes"]), kinds.index(row["network"]))
    ):
        groups.setdefault((row["sizes"], row["network"]), []).append(row)
    for (sizes, network), group in groups.items():
        dense = groups.get((sizes, "dense"), group)
        scores = [100 * float(row["accuracy"]) for row in group]
        reference = [100 * float(row["accuracy"]) for row in dense]
        n_bytes = float(group[0]["bytes"])
        lines.append(
            f"| {sizes} | {network} | {len(scores)} "
            f"| {np.mean(scores):.2f} | {np.std(scores):.2f} "
            f"| {np.mean(scores) - np.mean(reference):+.2f} | {n_bytes / 1000:,.1f} "
            f"| {float(dense[0]['bytes']) / n_bytes:,.0f} |"
        )
    return "\n".join(lines) + "\n"


def plot(rows, path, experiment):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    for row in rows:
        if row["network"] == NET[1]:
            for ax in axes:
                height = 100 * float(row["accuracy"])
                ax.axhline(height, color="k", lw=1, ls=":", label=NET[1])
    rows = [row for row in rows if row["network"] != NET[1]]
    for i, network in enumerate(dict.fromkeys(row["network"] for row in rows)):
        mine = [row for row in rows if row["network"] == network]
        for deep, style in ((True, "o-"), (False, "s--")):
            sizes = dict.fromkeys(
                row["sizes"] for row in mine if ("-" in row["sizes"]) == deep
            )
            if not sizes:
                continue
            for ax, key, unit in ((axes[0], "paper_bits", 1), (axes[1], "bytes", 1e-3)):
                points = [
                    (
                        unit
                        * np.mean([float(r[key]) for r in mine if r["sizes"] == s]),
                        100
                        * np.mean(
                            [float(r["accuracy"]) for r in mine if r["sizes"] == s]
                        ),
                    )
                    for s in sizes
                ]
                label = network if deep else None
                ax.plot(*zip(*points, strict=True), style, color=f"C{i}", label=label)
    for network, points in experiment.published.items():
        axes[0].plot(*zip(*points, strict=True), "x:", color="0.6", lw=1)
        axes[0].annotate(network, points[-1], fontsize=7, color="0.4")
    axes[0].set(xlabel="bits of the hidden layers, as the paper counts")
    axes[1].set(xlabel="kB of the whole model as it is stored")
    for ax in axes:
        ax.set(xscale="log", ylabel="test accuracy, %", ylim=(experiment.lowest, 100))
        ax.grid(alpha=0.3)
    layers = "three hidden layers" + (", squares: one" if experiment.single else "")
    figure.suptitle(f"circles: {layers}; crosses: the paper", fontsize=10)
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4
    )
    figure.savefig(path, dpi=120)


def write(rows, table):
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(rows)


def run(data, experiment, seeds, widest, table, net=None):
    """Rows of the table: those that are there, and all that are missing."""
    rows = list(csv.DictReader(table.open())) if table.exists() else []
    done = {(row["sizes"], row["network"], row["seed"]) for row in rows}

    def measured(name, kind, seed, measure):
        if (name, kind, str(seed)) in done:
            return
        start = time.perf_counter()
        found = measure()
        values = (name, kind, seed, *found, round(time.perf_counter() - start, 1))
        rows.append(dict(zip(FIELDS, values, strict=True)))
        print(*values, flush=True)
        write(rows, table)

    if net is not None:
        measured(*NET, 0, lambda: measure_net(data, net))
        data = cifar_features.features(data, net)
    for sizes in experiment.deep + experiment.single:
        if max(sizes) > widest:
            continue
        name = "-".join(map(str, sizes))
        # The narrowest ones differ most from seed to seed; the widest one, whose
        # spread is below 0.1, takes many minutes.
        n_seeds = seeds if max(sizes) < 16_000 else 1
        n_seeds *= 4 if max(sizes) < 1000 else 1
        for kind in kinds_for(sizes, experiment):
            measure = measure_float if kind in FLOAT_KINDS else measure_ours
            for seed in range(n_seeds):
                measured(name, kind, seed, partial(measure, data, sizes, kind, seed))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", help='npz with X_train, y_train, X_test, y_test; or "cifar10"'
    )
    parser.add_argument("--file", help="npz of CIFAR-10, as that of --data")
    parser.add_argument("--net", help="model file of the convolutional network")
    parser.add_argument(
        "--seeds",
        type=int,
        default=3,
        help="random networks for each row (default: 3); four times as many where all "
        "layers are below 1000, one of 16000",
    )
    parser.add_argument(
        "--widest",
        type=int,
        default=16_000,
        help="leave out networks with a wider layer (default: 16000); of MNIST's the "
        "narrowest have 500",
    )
    parser.add_argument(
        "--sizes", action="store_true", help="measure only the files again, on MNIST"
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="CSV file, kept and continued; .md and .png are written beside it",
    )
    arguments = parser.parse_args()
    if importlib.util.find_spec("matplotlib") is None:
        parser.error("the figure needs matplotlib: pip install '.[plot]'")
    for name in (arguments.data, arguments.file):
        if name not in (None, "cifar10") and not Path(name).is_file():
            parser.error(f"there is no file {name!r}; expected an npz of images")
    warnings.simplefilter("ignore", ConvergenceWarning)  # n_levels=2 has no exact tau
    net = None
    if arguments.data == "cifar10":
        experiment = CIFAR10
        data = cifar_features.load_cifar10(arguments.file)
        net = cifar_features.trained_net(data, arguments.net)
    else:
        experiment = MNIST
        data = load_mnist(arguments.data)
    output = arguments.output or Path("benchmarks/results", experiment.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    table = output.with_suffix(".csv")
    if arguments.sizes:
        rows = measure_sizes(data, table)
        write(rows, table)
    else:
        rows = run(data, experiment, arguments.seeds, arguments.widest, table, net)
    print(summary(rows, experiment))
    output.with_suffix(".md").write_text(summary(rows, experiment))
    plot(rows, output.with_suffix(".png"), experiment)


if __name__ == "__main__":
    main()
