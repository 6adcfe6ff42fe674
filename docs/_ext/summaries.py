"""Short tables for the README, the start page and the guide, from files of results.

On the site, ``{results} NAME`` shows them. In the README they stand between comments,

    <!-- results: NAME -->
    <!-- end -->

and ``python docs/_ext/summaries.py README.md`` writes them there; a test checks that
nothing has to be written.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from results import (
    FOLDER,
    SEVERAL_MACHINES,
    VIEWS,
    Row,
    Runs,
    difference,
    group,
    kilobytes,
    per_machine,
    read,
    side_by_side,
    sizes,
    table,
    tables_of,
)
from sphinx.application import Sphinx


def percent(key: str) -> Callable[[Row], str]:
    """Return how to show a share in per cent."""
    return lambda row: f"{100 * row[key]:.2f}"


def span(values: list[float], form: str = ".1f") -> str:
    """Return the least and the largest of some values, or the one value."""
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} to {high}"


# --- against what one would otherwise write -------------------------------------------


def peers_short(result: Any) -> str:
    """Compressed networks and what one would otherwise write, on the same rows."""
    names = {
        "ours (2000,)": "**CompressedMLPClassifier((2000,))**",
        "dense, one network (2000,)": "dense, one network of that size",
        "RBFSampler(2000) + ridge": "RBFSampler(2000) + RidgeClassifierCV",
        "MLPClassifier((500,))": "MLPClassifier((500,))",
        "ours, from that MLP": "**the same MLP, compressed**",
    }
    labels = {"digits": "digits", "MNIST": f"MNIST, {result['mnist_rows']:,} rows"}
    rows = [
        {**row, "data": label, "model": name}
        for data, label in labels.items()
        for wanted, name in names.items()
        for row in result["rows"]
        if (row["data"], row["model"]) == (data, wanted)
    ]
    return table(
        rows,
        {
            "data": "",
            "model": "",
            "accuracy, %": percent("accuracy"),
            "fit, s": lambda row: f"{row['fit_seconds']:.1f}",
            "µs per row": lambda row: f"{row['microseconds_per_prediction']:.1f}",
            "float32 weights, kB": lambda row: kilobytes(row["float32_bytes"]),
            "file, kB": lambda row: kilobytes(row["bytes"]),
        },
    )


def trained_short(parts: dict[str, list[Row]]) -> str:
    """Trained hidden layers on MNIST and the same networks dense: accuracy, bytes."""
    dense = {row["network"]: row for row in parts.get("dense", [])}
    rows = []
    for row in parts["mnist"]:
        if "peer" not in row:
            rows.append(row)
        if one := dense.get(row["network"]):
            network = f"the same, dense, float32: {row['network']}"
            rows.append({**one, "network": network})
    return table(
        rows,
        {
            "trained hidden layers": lambda row: row["network"],
            "accuracy, %, mean of 3": percent("score"),
            "lowest to highest": lambda row: span(
                [100 * each for each in row["scores"]], ".2f"
            ),
            "stored, kB": lambda row: kilobytes(row["bytes"]),
        },
    )


# --- against published networks -------------------------------------------------------


def _own(data: str) -> list[Row]:
    """Trained networks of this package: scores of the file with an int8 readout."""
    if data == "CIFAR-10":
        nets = read(FOLDER / "cifar_torch.json")["rows"]
        return [
            {
                "network": f"trained in PyTorch, {row['net']}, {row['epochs']} epochs",
                "score": row["file_accuracy"],
                "runs": 1,
                "bytes": row["bytes"],
                "augmented": True,
                "trained on": int(row["data"].split()[0]),
            }
            for row in nets
        ]
    pictures = read(FOLDER / "trained_images.json")["accuracy"]
    dense = [
        row
        for row in read(FOLDER / "trained_networks.json")["mnist"]
        if "peer" not in row
    ]
    return [
        {
            "network": f"{kind}, {row['network'].removesuffix(', shifts')}",
            "score": row["score"],
            "runs": len(row["scores"]),
            "bytes": row["bytes"],
            "augmented": row["network"].endswith("shifts"),
            "trained on": 60_000,
        }
        for kind, rows in (("filters", pictures), ("dense layers", dense))
        for row in rows
    ]


def against_published(*data: str, short: bool = False) -> Callable[[Any], str]:
    """Return the view of networks on some data, ours and others', by bytes."""
    augmented = {True: "yes", False: "no", None: "unknown"}
    images = {"MNIST": 60_000, "CIFAR-10": 50_000}

    def accuracy(row: Row) -> str:  # others' with the digits that they give
        return f"{100 * row['score']:{'.2f' if 'runs' in row else '.4g'}}"

    def source(row: Row) -> str:
        if "runs" in row:
            return "measured here" + (", one seed" if row["runs"] == 1 else "")
        return f"[{row['source']}]({row['page']})" if row["page"] else row["source"]

    def rows_of(name: str, published: Any) -> list[Row]:
        ours = [
            {**row, "network": f"**ours**: {row['network']}", "counted": "file"}
            for row in _own(name)
            if not (short and "dense layers" in row["network"])
        ]
        theirs = [
            {**row, "score": row["accuracy"], "trained on": images[name]}
            for row in published["rows"]
            if row["data"] == name and (row["page"] or not short)
        ]
        rows = sorted(ours + theirs, key=lambda row: row["bytes"])
        return [{**row, "data": name} for row in rows]

    def view(published: Any) -> str:
        columns: dict[str, Any] = {
            "data": "",
            "network": "",
            "accuracy, %": accuracy,
            "kB": lambda row: kilobytes(row["bytes"]),
            "bytes of": lambda row: row["counted"],
            "augmentation": lambda row: augmented[row["augmented"]],
            "training images": lambda row: f"{row['trained on']:,}",
            "source": source,
        }
        del columns["bytes of" if short else "data"]
        if data == ("MNIST",):
            del columns["training images"]  # all of them
        rows = [row for name in data for row in rows_of(name, published)]
        return table(rows, columns)

    return view


def given_short(rows: list[Row]) -> str:
    """A trained network, and some of its compressed ones."""
    names = {
        "hidden_weights=fitted, eps=0.8, readout=logistic, readout_layers=all": (
            "its largest 20 % of weights, signs only"
        ),
        "hidden_weights=fitted, eps=0.9, readout=logistic, readout_layers=all": (
            "its largest 10 %"
        ),
        "hidden_weights=fitted, eps=0.95, readout=logistic, readout_layers=all": (
            "its largest 5 %"
        ),
        "hidden_weights=random, hidden_layer_sizes=(8000,)": (
            "random weights instead, one layer of 8000"
        ),
    }
    first = rows[0]["given"]
    chosen = [
        {**row, "compressed": names[row["compressed"]]}
        for row in rows
        if row["given"] == first and row["compressed"] in names
    ]
    chosen.sort(key=lambda row: list(names.values()).index(row["compressed"]))
    given = {
        "compressed": f"(the float32 network, {first})",
        "accuracy": rows[0]["given_accuracy"],
        "bytes": rows[0]["given_bytes"],
        "given_bytes": rows[0]["given_bytes"],
    }
    return table(
        [given, *chosen],
        {
            "what is kept": lambda row: row["compressed"],
            "accuracy, %": percent("accuracy"),
            "kB": lambda row: kilobytes(row["bytes"]),
            "times smaller": lambda row: f"{row['given_bytes'] / row['bytes']:.0f}",
        },
    )


# --- speed ----------------------------------------------------------------------------

_WORK = {
    ("hidden 2000-2000, binary planes", "eps=0.9", "BLAS"): (
        "one hidden layer 2000-2000, codes of one bit",
        "float32 BLAS",
    ),
    ("forward 784-2000-2000-1000", "eps=0.9, n_levels=8, input_bits=8", "BLAS"): (
        "784-2000-2000-1000, defaults",
        "float32 BLAS",
    ),
    ("forward 784-2000-2000-1000", "defaults", "PyTorch dynamic int8"): (
        "784-2000-2000-1000, defaults",
        "PyTorch, dynamic int8",
    ),
    ("forward 784-2000-2000-1000", "defaults", "ONNX Runtime float32"): (
        "784-2000-2000-1000, defaults",
        "ONNX Runtime, float32",
    ),
    ("predict 784-2000-2000-1000-10", "n_levels=8", "MLPClassifier"): (
        "`predict`, the same network",
        "`MLPClassifier.predict`",
    ),
    ("transform 784-2000", "float32 features", "RBFSampler"): (
        "`transform`, 784-2000",
        "`RBFSampler.transform`",
    ),
    ("one sample 784-2000-2000-1000", "n_levels=8", "BLAS"): (
        "one row at a time",
        "float32 BLAS",
    ),
}


def forward_short(runs: Runs) -> str:
    """Times, and ratios to peers, on each machine that was measured."""
    rows = side_by_side(runs, ("work", "setting", "peer"))
    found = {(row["work"], row["setting"], row["peer"]): row for row in rows}
    chosen = [
        {**found[key], "work": name, "against": against}
        for key, (name, against) in _WORK.items()
        if key in found
    ]
    columns = {"ours, ms": ("ours_ms", ".2f"), "theirs, ms": ("peer_ms", ".2f")}
    if len(runs) > 1:  # there is no room for more
        del columns["theirs, ms"]
    columns["times faster"] = ("ratio", ".1f")
    return table(chosen, {"work": "", "against": "", **per_machine(runs, columns)})


SEVERAL_MACHINES.add(forward_short)


# --- tables, images, devices ----------------------------------------------------------


def tables_short(results: dict[str, Any]) -> str:
    """Scores and kilobytes of some models on each raw table."""
    models = {
        "ours, trained (256, 64)": ("trained (256, 64)", True),
        "ours, random (2000,)": ("random (2000,)", True),
        "HistGradientBoosting, 100": ("boosting, 100", True),
        "MLP (128, 64), pipeline": ("MLP", False),
        "linear, pipeline": ("linear", False),
    }
    rows = []
    for name, found in results.items():
        row = {"table": f"`{name}`"}
        for model, (label, with_bytes) in models.items():
            runs = list(found.get(model, {}).values())
            score = [run["score"] for run in runs]
            row[label] = f"{np.mean(score):.3f}" if runs else ""
            if with_bytes:
                size = kilobytes(np.mean([run["bytes"] for run in runs]))
                row[f"{label}: kB"] = size
        rows.append(row)
    return table(rows, dict.fromkeys(rows[0], ""))


def flights(results: dict[str, Any]) -> str:
    """Flights, late or not: every model."""
    names = {
        "ours, trained (256, 64)": "**CompressedMLPClassifier((256, 64)), trained**",
        "ours, random (2000,)": "**CompressedMLPClassifier((2000,)), random**",
        "HistGradientBoosting, 100": "HistGradientBoostingClassifier, 100 trees",
        "HistGradientBoosting, 500": "HistGradientBoostingClassifier, 500 trees",
        "linear, pipeline": "LogisticRegression in a pipeline",
    }
    rows = []
    for model, name in names.items():
        runs = list(results["flights"][model].values())
        mean = {key: float(np.mean([run[key] for run in runs])) for key in runs[0]}
        rows.append({"model": name, **mean})
    return table(
        rows,
        {
            "model": "",
            "AUC": lambda row: f"{row['score']:.3f}",
            "fit, s": lambda row: f"{row['fit_seconds']:.1f}",
            "µs per row": lambda row: f"{row['us_per_row']:.1f}",
            "file, kB": lambda row: kilobytes(row["bytes"]),
        },
    )


def images(results: dict[str, dict[str, Any]]) -> str:
    """Networks of images: the file with an int8 readout, scored."""
    names = {
        "MNIST, small": "MNIST, 48 random filters 7x7, grid 3",
        "MNIST, 100 random 7x7": "MNIST, 100 random filters 7x7, grid 4",
        "MNIST, 60 patches 7x7": "MNIST, 60 patches 7x7, grid 4",
        "CIFAR-10, 400 random 6x6": "CIFAR-10, 400 random filters 6x6, grid 3",
        "CIFAR-10, 400 patches 6x6": "CIFAR-10, 400 patches 6x6, grid 3",
        "digits, defaults": "digits, defaults of CompressedCNNClassifier",
        "digits, dense defaults": "digits, defaults of CompressedMLPClassifier",
    }
    rows = [
        {
            "network": names.get(name, name),
            "scores": [100 * run["int8"]["accuracy"] for run in runs.values()],
            "bytes": np.mean([run["int8"]["bytes"] for run in runs.values()]),
        }
        for name, runs in results.items()
    ]
    return table(
        rows,
        {
            "network": "",
            "seeds": lambda row: str(len(row["scores"])),
            "accuracy, %": lambda row: f"{np.mean(row['scores']):.2f}",
            "lowest to highest": lambda row: span(row["scores"], ".2f"),
            "file, kB": lambda row: kilobytes(row["bytes"]),
        },
    )


def images_readme(results: dict[str, dict[str, Any]]) -> str:
    """Some networks of images."""
    names = ("MNIST, small", "MNIST, 100 random 7x7", "CIFAR-10, 400 patches 6x6")
    return images({name: results[name] for name in names})


def model_file(result: Any) -> str:
    """Bytes and accuracy of the file by the type of its readout."""
    return table(
        result["rows"],
        {
            "readout": lambda row: (
                row["readout_dtype"]
                if " " in row["readout_dtype"]
                else f"`{row['readout_dtype']}`"
            ),
            "bytes": lambda row: f"{row['bytes']:,}",
            "accuracy, %": percent("accuracy"),
        },
    )


#: Clock of the device that is spoken of in the guide, in Hz.
CLOCK = 48e6


def milliseconds(instructions: int) -> str:
    """Return the time of so many instructions at one and at two cycles for each."""
    low, high = (1000 * cycles * instructions / CLOCK for cycles in (1, 2))
    digits = 1 if low < 10 else 0
    return f"{low:,.{digits}f} to {high:,.{digits}f}"


def device(rows: list[Row], options: bool = True) -> str:
    """Kilobytes and milliseconds of C programs on a Cortex-M0."""
    chosen: dict[str, Any] = {
        "readout bits": lambda row: str(row["readout_bits"]),
        "packed": lambda row: "yes" if row["packed"] else "no",
    }
    return table(
        rows,
        {
            "hidden layers": lambda row: sizes(row["sizes"]),
            "hidden weights": lambda row: (
                f"{row.get('hidden_weights', 'random')}, {row['weights']}"
            ),
            **(chosen if options else {}),
            "accuracy, %": percent("accuracy"),
            "flash, kB": lambda row: kilobytes(row["flash"]),
            "RAM, bytes": lambda row: f"{row['workspace']:,}",
            "ms at 48 MHz": lambda row: milliseconds(row["instructions"]),
        },
    )


def device_short(rows: list[Row]) -> str:
    """Programs that fit into a small device: a readout of 8 bits, codes in bytes."""
    rows = [row for row in rows if row["readout_bits"] == 8 and not row["packed"]]
    return device([row for row in rows if row["fits_microbit"]], options=False)


# --- against dense networks, and choices ----------------------------------------------


def accuracy_short(result: Any) -> str:
    """Dense and compressed networks of the same sizes: means and range over seeds."""
    names = {
        "dense": "dense, Gaussian weights, ReLU",
        "ternary weights": "sparse ternary weights, ReLU",
    }
    rows = [row for row in result["rows"] if len(row["sizes"]) > 1]
    dense = float(np.mean(rows[0]["accuracy"]))
    return table(
        [
            {
                **row,
                "network": names.get(row["network"], f"compressed, {row['network']}"),
                "mean": float(np.mean(row["accuracy"])),
            }
            for row in rows
        ],
        {
            "network": "",
            "accuracy, %": lambda row: f"{row['mean']:.2f}",
            "lowest to highest": lambda row: span(row["accuracy"], ".2f"),
            "against dense": lambda row: difference(row["mean"] - dense),
        },
    )


def choice(part: str) -> Callable[[Any], str]:
    """Return the view of one part of `choosing.json`: a column for each setting."""

    def view(result: Any) -> str:
        every = [row for rows in result["parts"].values() for row in rows]
        groups = group((row for row in every if row["part"].startswith(part)), "part")
        rows = []
        for (name,), members in groups.items():
            own = name.removeprefix(part).strip(":, ") or "score, %"
            rows.append(
                {"": own}
                | {row["setting"]: f"{100 * row['score']:.1f}" for row in members}
            )
            n_bytes = [row["bytes"] or 0 for row in members]
            if len(groups) == 1 and min(n_bytes) < 0.9 * max(n_bytes):
                rows.append(
                    {"": "file, kB" if own == "score, %" else f"{own}: file, kB"}
                    | {row["setting"]: kilobytes(row["bytes"]) for row in members}
                )
        return table(rows, dict.fromkeys(rows[0], ""))

    return view


#: Name in the directive: file, and how it is shown.
SHORT: dict[str, tuple[str, Callable[[Any], str]]] = {
    "peers-short": ("peers.json", peers_short),
    "trained-short": ("trained_networks.json", trained_short),
    "published-mnist": ("published.json", against_published("MNIST")),
    "published-cifar": ("published.json", against_published("CIFAR-10")),
    "published-short": (
        "published.json",
        against_published("MNIST", "CIFAR-10", short=True),
    ),
    "given-short": ("given_networks.json", given_short),
    "forward-short": ("forward.json", forward_short),
    "tables-short": ("tables.json", tables_short),
    "flights": ("tables.json", flights),
    "images": ("images.json", images),
    "images-short": ("images.json", images_readme),
    "model_file": ("model_file.json", model_file),
    "device": ("c_export_device.json", device),
    "device-short": ("c_export_device.json", device_short),
    "accuracy-short": ("accuracy.json", accuracy_short),
    **{
        f"choice-{name}": ("choosing.json", choice(part))
        for name, part in {
            "width": "random, width",
            "eps": "random, eps",
            "levels": "random, n_levels",
            "bits": "random, input_bits",
            "readout": "random, readout",
            "trained-width": "trained, width",
            "trained-eps": "trained, eps",
            "trained-epochs": "trained, max_iter",
            "trained-rate": "trained, learning_rate_init",
            "few": "few samples",
            "shifts": "with shifts",
            "taught": "taught",
            "labels": "other labels",
            "inputs": "inputs",
            "nonzeros": "MNIST, nonzeros per neuron",
        }.items()
    },
}
VIEWS.update(SHORT)

_BLOCK = re.compile(r"(<!-- results: (\S+) -->\n)[^<]*(<!-- end -->)")


def fill(text: str) -> str:
    """Return a text with the tables that belong between its comments."""

    def made(found: re.Match[str]) -> str:
        file, show = SHORT[found[2]]
        return found[1] + tables_of(FOLDER / file, show).strip("\n") + "\n" + found[3]

    return _BLOCK.sub(made, text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Nothing to register: the views are in `results.VIEWS`."""
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(fill(path.read_text()))
