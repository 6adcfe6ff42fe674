"""The picture of the README: accuracy on MNIST against kilobytes that are stored.

    python benchmarks/overview.py

Measures nothing: it draws what `paper_figure3.py`, `given_networks.py`,
`trained_networks.py` and `trained_images.py` have written, and `published.json`.
`overview.png` has all kinds of networks, `frontier.png` the smallest ones from near.
"""

import csv
import json
from pathlib import Path
from statistics import mean

import matplotlib.pyplot as plt

RESULTS = Path(__file__).parent / "results"


def random_layers(network):
    """One hidden layer with random weights: kB and accuracy by width."""
    with (RESULTS / "paper_figure3.csv").open(newline="") as file:
        rows = [each for each in csv.DictReader(file) if "-" not in each["sizes"]]
    points = []
    for size in dict.fromkeys(row["sizes"] for row in rows):
        runs = [
            row for row in rows if (row["sizes"], row["network"]) == (size, network)
        ]
        accuracy = 100 * mean(float(row["accuracy"]) for row in runs)
        points.append((float(runs[0]["bytes"]) / 1000, accuracy))
    return sorted(points)


def given_networks():
    """Networks of scikit-learn in float32, and what is kept of them."""
    rows = json.loads((RESULTS / "given_networks.json").read_text())
    dense = {(row["given_bytes"] / 1000, 100 * row["given_accuracy"]) for row in rows}
    kept = {
        (row["bytes"] / 1000, 100 * row["accuracy"])
        for row in rows
        if "hidden_weights=fitted" in row["compressed"]
        and "readout=logistic" in row["compressed"]
        and "teacher" not in row["compressed"]
        and row["given"] == rows[0]["given"]
    }
    return sorted(dense), sorted(kept)


def trained_layers(shifts=False):
    """Trained ternary layers, on the images as they are or with shifted ones."""
    rows = json.loads((RESULTS / "trained_networks.json").read_text())["mnist"]
    rows = [row for row in rows if "peer" not in row]
    rows = [row for row in rows if ("shifts" in row["network"]) == shifts]
    return sorted((row["bytes"] / 1000, 100 * row["score"]) for row in rows)


def trained_filters(dense=False):
    """Trained ternary networks of pictures: filters alone, or with a dense layer."""
    rows = json.loads((RESULTS / "trained_images.json").read_text())["accuracy"]
    rows = [row for row in rows if (row["network"].count("-") == 2) == dense]
    return sorted((row["bytes"] / 1000, 100 * row["score"]) for row in rows)


def dense(file):
    """The same networks as dense ones, one by one, 4 bytes for each weight."""
    rows = json.loads((RESULTS / file).read_text()).get("dense", [])
    return sorted((row["bytes"] / 1000, 100 * row["score"]) for row in rows)


def published(augmented):
    """Networks of others, with augmented images or not (or it is not said)."""
    rows = json.loads((RESULTS / "published.json").read_text())["rows"]
    return sorted(
        (row["bytes"] / 1000, 100 * row["accuracy"])
        for row in rows
        if row["data"] == "MNIST" and bool(row["augmented"]) == augmented
    )


OURS, THEIRS = ("#0b6e6e", "#c2571a", "#5b3a8c", "#a3195b"), "#707070"


def draw(name, series, limits, ticks):
    """Draw lines, each with its name beside it, and write them to a file."""
    plt.rcParams.update({"font.size": 15})
    figure, ax = plt.subplots(figsize=(7, 5.2), layout="constrained")
    for label, points, color, style, place in series:
        if not points:
            continue
        ax.plot(*zip(*points, strict=True), style, color=color, markersize=8, lw=2)
        ax.text(*place, label, color=color, va="bottom", weight="bold")
    ax.set(xscale="log", xlim=limits[:2], ylim=limits[2:])
    ax.set(xlabel="stored, kB", ylabel="MNIST test accuracy, %")
    ax.set_xticks(ticks, [f"{each:,}" for each in ticks])
    ax.minorticks_off()
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(RESULTS / f"{name}.png", dpi=130)


def main():
    given, kept = given_networks()
    layers, filters = dense("trained_networks.json"), dense("trained_images.json")
    mlps = sorted(given + layers)
    others = published(augmented=True) + published(augmented=False)
    compressed = random_layers("n_levels=8, eps=0.9")
    draw(
        "overview",
        [
            ("random,\nfloat32", random_layers("dense"), THEIRS, "s--", (5000, 94.1)),
            (
                "MLPClassifier,\nfloat32",
                mlps,
                THEIRS,
                "o",
                (900, 98.4),
            ),
            ("", filters, THEIRS, "^:", (1, 99)),
            ("published", sorted(others), THEIRS, "x", (32, 99.3)),
            ("random,\ncompressed", compressed, OURS[0], "s-", (20, 94.1)),
            ("trained\nlayers", trained_layers(), OURS[1], "o-", (2.6, 97.15)),
            ("trained\nfilters", trained_filters(), OURS[3], "^-", (0.9, 98.15)),
            ("", trained_filters(dense=True), OURS[3], "v-", (1, 99)),
            ("MLPClassifier,\ncompressed", kept, OURS[2], "D-", (32, 98.4)),
        ],
        (0.8, 1e5, 93.9, 99.85),
        [1, 10, 100, 1000, 10_000],
    )
    draw(
        "frontier",
        [
            ("published", published(augmented=False), THEIRS, "x", (1.25, 97.85)),
            (
                "published,\naugmented",
                published(augmented=True),
                THEIRS,
                "x:",
                (14.2, 99.4),
            ),
            ("trained filters", trained_filters(), OURS[3], "^-", (0.95, 99.5)),
            ("and a dense layer", trained_filters(True), OURS[3], "v-", (3.2, 98.72)),
            ("trained\nlayers", trained_layers(), OURS[1], "o-", (11, 98.05)),
            ("with shifts", trained_layers(shifts=True), OURS[1], "s", (12, 98.86)),
            ("smallest filters,\ndense, float32", filters, THEIRS, "^--", (15, 99.0)),
            ("layers, dense,\nfloat32", layers, THEIRS, "o--", (150, 98.4)),
        ],
        (0.85, 2500, 97.65, 99.75),
        [1, 10, 100, 1000],
    )


if __name__ == "__main__":
    main()
