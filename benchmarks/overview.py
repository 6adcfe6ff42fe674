"""The picture of the README: accuracy on MNIST against kilobytes that are stored.

    python benchmarks/overview.py

Measures nothing: it draws what `paper_figure3.py`, `given_networks.py` and
`trained_networks.py` have written.
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


def trained_layers():
    """Trained ternary layers."""
    rows = json.loads((RESULTS / "trained_networks.json").read_text())["mnist"]
    rows = [row for row in rows if "peer" not in row and "shifts" not in row["network"]]
    return sorted((row["bytes"] / 1000, 100 * row["score"]) for row in rows)


def main():
    dense, kept = given_networks()
    ours, theirs = ("#0b6e6e", "#c2571a", "#5b3a8c"), "#707070"
    series = [
        ("random, float32", random_layers("dense"), theirs, "s--", (2600, 94.15)),
        ("MLPClassifier,\nfloat32", dense, theirs, "o", (700, 98.55)),
        (
            "random, compressed",
            random_layers("n_levels=8, eps=0.9"),
            ours[0],
            "s-",
            None,
        ),
        ("trained\nternary", trained_layers(), ours[1], "o-", None),
        ("MLPClassifier,\ncompressed", kept, ours[2], "D-", None),
    ]
    places = {
        "random, compressed": (15.5, 94.15),
        "trained\nternary": (5.1, 98.74),
        "MLPClassifier,\ncompressed": (36, 98.55),
    }
    plt.rcParams.update({"font.size": 15})
    figure, ax = plt.subplots(figsize=(7, 5.2), layout="constrained")
    for name, points, color, style, place in series:
        ax.plot(*zip(*points, strict=True), style, color=color, markersize=8, lw=2)
        ax.text(*(place or places[name]), name, color=color, va="bottom", weight="bold")
    ax.set(xscale="log", xlim=(4.5, 1e5), ylim=(93.9, 99.4))
    ax.set(xlabel="stored, kB", ylabel="MNIST test accuracy, %")
    ax.set_xticks([10, 100, 1000, 10_000], ["10", "100", "1,000", "10,000"])
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(RESULTS / "overview.png", dpi=130)


if __name__ == "__main__":
    main()
