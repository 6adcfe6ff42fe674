"""Tables of `benchmarks/results`, made when the site is built.

    ```{results} peers
    ```

gives the tables of ``benchmarks/results/peers.json``, each under the command that
wrote it. ``peers_avx2.json`` beside it is the same benchmark on another machine: it is
shown too, without a word in the page. ``{results} *`` gives every file that no other
directive of the page names. A file without a function of its own below is shown as it
is.
"""

import csv
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

FOLDER = Path(__file__).parents[2] / "benchmarks" / "results"

Row = dict[Any, Any]

#: What a benchmark has found, by the vectors of the machine.
Runs = dict[str, Any]

#: File stem: command, machine, vectors, cores and date, of files that do not say it.
RUNS = json.loads((FOLDER / "runs.json").read_text())

#: What a file of results, or its entry in `runs.json`, says of its run.
ABOUT = ("command", "machine", "vectors", "cores", "date")


#: What a file of another machine is called: the benchmark's name, and its vectors.
_OF_MACHINE = re.compile(r"(.+)_(avx\w*|neon|sve\w*|sse\w*)")


# --- small parts ------------------------------------------------------------------


def table(
    rows: Iterable[Row], columns: dict[str, str | Callable[[Row], str]], title: str = ""
) -> str:
    """Return a Markdown table; a column is a key with its format, or a function."""
    lines = [f"\n**{title}**\n"] if title else [""]
    lines.append("| " + " | ".join(columns) + " |")
    rows = [[_cell(row, name, how) for name, how in columns.items()] for row in rows]
    right = [all(_numeric(row[i]) for row in rows) for i in range(len(columns))]
    lines.append("|" + "|".join("---:" if each else "---" for each in right) + "|")
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(row: Row, name: str, how: Any) -> str:
    try:
        return how(row) if callable(how) else format(row[name], how)
    except (KeyError, TypeError, ValueError):
        return ""


def _numeric(text: str) -> bool:
    return re.fullmatch(r"[+\-−±]?[\d.,e]*( %)?", text) is not None


def sizes(widths: Iterable[int]) -> str:
    """Return widths as 784-1000-10."""
    return "-".join(str(each) for each in widths)


def group(rows: Iterable[Row], *keys: str) -> dict[tuple[Any, ...], list[Row]]:
    """Return the rows by the values of `keys`, in order of appearance."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return groups


def difference(points: float) -> str:
    """Return a difference of percentages with its sign; nothing if there is none."""
    if np.isnan(points):
        return ""
    return "±0.00" if abs(points) < 0.005 else f"{points:+.2f}"


def kilobytes(n_bytes: float) -> str:
    """Return bytes as kB with three digits or so."""
    return f"{n_bytes / 1000:,.1f}" if n_bytes < 1e5 else f"{n_bytes / 1000:,.0f}"


# --- one function per file ---------------------------------------------------------


def accuracy(result: Any) -> str:
    """Compressed against dense random networks on MNIST."""
    rows = []
    dense: dict[str, float] = {}
    for row in result["rows"]:
        name, mean = sizes(row["sizes"]), float(np.mean(row["accuracy"]))
        if row["network"] == "dense":
            dense[name] = mean
        rows.append(
            {
                "hidden layers": name,
                "network": row["network"],
                "accuracy, %": mean,
                "spread": float(np.std(row["accuracy"])),
                "against dense": difference(mean - dense.get(name, np.nan)),
            }
        )
    columns = {
        "hidden layers": "",
        "network": "",
        "accuracy, %": ".2f",
        "spread": ".2f",
        "against dense": "",
    }
    return table(rows, columns)


_PEER_COLUMNS: dict[str, Any] = {
    "model": "",
    "accuracy, %": lambda row: f"{100 * row['accuracy']:.2f}",
    "log-loss": lambda row: f"{row['log_loss']:.3f}",
    "fit, s": lambda row: f"{row['fit_seconds']:.1f}",
    "µs per prediction": lambda row: f"{row['microseconds_per_prediction']:,.1f}",
    "float32 weights, kB": lambda row: kilobytes(row["float32_bytes"]),
    "file, kB": lambda row: kilobytes(row["bytes"]),
}


def peers(result: Any) -> str:
    """All models on all data."""
    groups = group(result["rows"], "data")
    return "\n".join(
        table(rows, _PEER_COLUMNS, data) for (data,), rows in groups.items()
    )


def side_by_side(runs: Runs, keys: tuple[str, ...]) -> list[Row]:
    """Return the rows of several machines, those of the same `keys` as one.

    What was measured has the machine's name behind it: ``row["ratio", "AVX2"]``.
    """
    found: dict[tuple[Any, ...], Row] = {}
    for machine, rows in runs.items():
        for row in rows:
            key = tuple(row[name] for name in keys)
            one = found.setdefault(key, dict(zip(keys, key, strict=True)))
            one |= {(name, machine): row[name] for name in row.keys() - set(keys)}
    return list(found.values())


def per_machine(runs: Runs, columns: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """Return columns of a table for each machine: header, key and format.

    With one machine its name is left out.
    """

    def column(key: str, machine: str, form: str) -> Callable[[Row], str]:
        return lambda row: format(row[key, machine], form)

    return {
        header + (f", {machine}" if len(runs) > 1 else ""): column(key, machine, form)
        for machine in runs
        for header, (key, form) in columns.items()
    }


def forward(runs: Runs) -> str:
    """Ratios to peers, and growth, on each machine."""
    rows = side_by_side(runs, ("work", "setting", "peer"))
    columns: dict[str, Any] = {
        "work": "",
        "setting": "",
        "against": lambda row: row["peer"],
        **per_machine(
            runs,
            {
                "ours, ms": ("ours_ms", ".2f"),
                "theirs, ms": ("peer_ms", ".2f"),
                "ratio": ("ratio", ".1f"),
            },
        ),
    }
    text = table([row for row in rows if row["peer"]], columns)
    growth = [row for row in rows if not row["peer"]]
    if growth:
        columns = {
            "layers": lambda row: row["work"].removeprefix("growth "),
            "": lambda row: row["setting"],
            **per_machine(runs, {"µs per row": ("us_per_row", ".2f")}),
        }
        text += table(growth, columns, "Growth, one thread")
    return text


#: Views that show all machines in one table; others show a table for each.
SEVERAL_MACHINES = {forward}


def slopes(rows: list[Row]) -> list[Row]:
    """Slopes of growth, under headers that do not claim to be seconds or megabytes."""
    measured = {"s": "time", "MB": "memory", "µs per row": "time"}

    def header(key: str) -> str:
        work, _, unit = key.rpartition(", ")
        return f"slope of {work} {measured[unit]}" if unit in measured else key

    return [{header(key): value for key, value in row.items()} for row in rows]


def fit_memory(result: Any) -> str:
    """Time and memory of fits; those of the same rows took turns."""
    rows = [
        {**row, "run": number}
        for members in group(result["rows"], "rows", "model").values()
        for number, row in enumerate(members, 1)
    ]
    return table(
        rows,
        {
            "model": "",
            "rows": ",",
            "run": "d",
            "fit, s": lambda row: f"{row['seconds']:.1f}",
            "peak above start, MB": lambda row: f"{row['peak_megabytes']:,.0f}",
            "test accuracy, %": lambda row: f"{100 * row['test_accuracy']:.2f}",
        },
    )


def paper_figure3(rows: list[Row]) -> str:
    """Accuracy against memory: mean and spread over seeds, if there are several."""
    in_order = list(dict.fromkeys(row["sizes"] for row in rows))
    rows = sorted(rows, key=lambda row: in_order.index(row["sizes"]))
    groups = group(rows, "sizes", "network")
    lines = []
    for (name, network), members in groups.items():
        scores = [100 * float(row["accuracy"]) for row in members]
        dense = groups.get((name, "dense"), members)
        reference = np.mean([100 * float(row["accuracy"]) for row in dense])
        n_bytes = float(members[0]["bytes"])
        lines.append(
            {
                "hidden layers": name,
                "network": network,
                "accuracy, %": np.mean(scores),
                "seeds": len(scores),
                "spread": f"{np.std(scores):.2f}" if len(scores) > 1 else "",
                "against dense": difference(np.mean(scores) - reference),
                "stored, kB": kilobytes(n_bytes),
                "dense / it": float(dense[0]["bytes"]) / n_bytes,
            }
        )
    columns = {
        "hidden layers": "",
        "network": "",
        "accuracy, %": ".2f",
        "seeds": "d",
        "spread": "",
        "against dense": "",
        "stored, kB": "",
        "dense / it": ",.0f",
    }
    return table(lines, columns)


def paper_figure2(rows: list[Row]) -> str:
    """Isolated eigenvalues and their vectors, as shares of the exact ones."""
    return table(
        rows,
        {
            "data": "",
            "kernel": "",
            "eigenvalue / exact": lambda row: _value(row["ratios of eigenvalues"]),
            "abs(cosine)": lambda row: _value(row["cosines"]),
            "spectral error": ".3f",
        },
    )


def convergence(rows: list[Row]) -> str:
    """Errors by dimension, and the fitted power."""
    columns: dict[str, Any] = {
        "activation": "",
        "layers": "",
        "relative error of": lambda row: row["what"],
    }
    for i, p in enumerate(rows[0]["sizes"]):
        columns[f"p = {p}"] = lambda row, i=i: f"{row['error'][i]:.4f}"
    columns["slope"] = lambda row: f"{row['slope']:+.2f}"
    return table(rows, columns)


def dynamics_convergence(rows: list[Row]) -> str:
    """Curves of the equivalents against exact ones, by setting."""
    columns: dict[str, Any] = {"mixture": "", "kernel": "", "curve": ""}
    for number, p in enumerate(rows[0]["sizes"]):
        columns[f"p = n = {p}"] = lambda row, i=number: f"{row['difference'][i]:.5f}"
    columns["slope"] = "+.2f"
    rows = [
        {
            **row,
            "mixture": row["setting"],
            "kernel": row["kernel"].upper(),
            "curve": row["error"],
        }
        for row in rows
    ]
    return table(rows, columns)


def dynamics_width(rows: list[Row]) -> str:
    """Networks of finite width against the infinite one."""
    columns: dict[str, Any] = {"network": "", "difference of": ""}
    for number, width in enumerate(rows[0]["widths"]):
        columns[f"{width:,}"] = lambda row, i=number: f"{row['difference'][i]:.4f}"
    columns["slope"] = "+.2f"
    return table([{**row, "difference of": row["what"]} for row in rows], columns)


def dynamics_cost(rows: list[Row]) -> str:
    """Time and memory of a whole learning curve."""
    rows = sorted(rows, key=lambda row: (row["way"], row["n_samples"]))
    return table(
        rows,
        {
            "way": "",
            "samples": lambda row: f"{row['n_samples']:,}",
            "threads": "",
            "processor time, s": lambda row: f"{row['processor_seconds']:,.1f}",
            "time, s": lambda row: f"{row['seconds']:,.1f}",
            "peak memory, GB": lambda row: f"{row['peak_gb']:.2f}",
        },
    )


def c_export_device(rows: list[Row]) -> str:
    """Flash, RAM and instructions on a Cortex-M0."""
    return table(
        rows,
        {
            "hidden layers": lambda row: sizes(row["sizes"]),
            "weights": "",
            "readout bits": lambda row: str(row["readout_bits"]),
            "packed codes": lambda row: "yes" if row["packed"] else "no",
            "accuracy, %": lambda row: f"{100 * row['accuracy']:.2f}",
            "flash, bytes": lambda row: f"{row['flash']:,}",
            "RAM, bytes": lambda row: f"{row['workspace']:,}",
            "stack, bytes": lambda row: f"{row.get('stack_used', ''):,}",
            "instructions per image": lambda row: f"{row['instructions']:,}",
        },
    )


def given_networks(rows: list[Row]) -> str:
    """Trained networks, and what is left of them."""
    return table(
        rows,
        {
            "reference network": lambda row: row["given"],
            "its accuracy, %": lambda row: f"{100 * row['given_accuracy']:.2f}",
            "its kB": lambda row: kilobytes(row["given_bytes"]),
            "compressed": "",
            "accuracy, %": lambda row: f"{100 * row['accuracy']:.2f}",
            "agreement, %": lambda row: f"{100 * row['agreement']:.2f}",
            "file, kB": lambda row: kilobytes(row["bytes"]),
            "times smaller": lambda row: f"{row['given_bytes'] / row['bytes']:.0f}",
        },
    )


def trained_networks(parts: dict[str, list[Row]]) -> str:
    """Scores of trained hidden layers by bytes, and the time of an epoch."""
    dense = [
        {**row, "network": f"{row['network']}, dense, float32"}
        for row in parts.get("dense", [])
    ]
    parts = {**parts, "dense": dense}
    scores = [row for rows in parts.values() for row in rows if "score" in row]
    times = [row for rows in parts.values() for row in rows if "epoch_s" in row]
    return table(
        scores,
        {
            "data": "",
            "trained network": lambda row: row["network"],
            "score": ".4f",
            "file, bytes": lambda row: f"{row['bytes']:,}",
            "against": lambda row: row["peer"],
            "its score": lambda row: f"{row['peer_score']:.4f}",
            "its bytes, float32": lambda row: f"{row['peer_bytes']:,}",
        },
    ) + table(
        times,
        {
            "data": "",
            "hidden layers": lambda row: row["network"],
            "epoch, s": lambda row: f"{row['epoch_s']:.2f}",
            "epoch of MLPClassifier, s": lambda row: f"{row['peer_epoch_s']:.2f}",
            "ratio": lambda row: f"{row['epoch_s'] / row['peer_epoch_s']:.2f}",
        },
    )


def trained_images(parts: dict[str, list[Row]]) -> str:
    """Scores of trained networks of pictures by bytes, and the time of an epoch."""
    dense = [
        {**row, "network": f"{row['network']}, dense, float32"}
        for row in parts.get("dense", [])
    ]
    return table(
        parts.get("accuracy", []) + dense,
        {
            "trained network": lambda row: row["network"],
            "epochs": "d",
            "seeds": lambda row: str(len(row["scores"])),
            "accuracy, %": lambda row: f"{100 * row['score']:.2f}",
            "bytes": lambda row: f"{row['bytes']:,}",
        },
    ) + table(
        parts.get("epochs", []),
        {
            "network": "",
            "threads": "d",
            "epoch, s of CPU time": lambda row: f"{row['ours_cpu_s']:.1f}",
            "of PyTorch, s": lambda row: f"{row['torch_cpu_s']:.1f}",
            "ratio": lambda row: f"{row['ours_cpu_s'] / row['torch_cpu_s']:.2f}",
        },
    )


def cifar_torch(result: dict[str, Any]) -> str:
    """Networks that were trained in PyTorch and read."""
    return table(
        result["rows"],
        {
            "data": "",
            "network": lambda row: f"{row['net']}, {row['widths, blocks, eps'][0]}",
            "epochs": lambda row: _value(row["epochs"]),
            "accuracy, %": lambda row: f"{100 * row['file_accuracy']:.2f}",
            "file, bytes": lambda row: f"{row['bytes']:,}",
            "training, minutes of a core": lambda row: (
                f"{row['train_cpu_s'] / 60:.0f}" if row["device"] == "cpu" else ""
            ),
            "images compared": lambda row: _value(row["against_module"]["images"]),
            "codes that differ": lambda row: (
                f"{row['against_module']['codes_differ']:,} of "
                f"{row['against_module']['codes']:,}"
            ),
            "predictions that differ": lambda row: _value(
                row["against_module"]["predictions_differ"]
            ),
            "remark": lambda row: row.get("note", ""),
        },
    )


def raw_tables(results: dict[str, Any]) -> str:
    """Raw tables, each with the mean over seeds of every model."""
    text = ""
    for name, models in results.items():
        rows = []
        for model, runs in models.items():
            keys = next(iter(runs.values()))
            mean = {key: np.mean([run[key] for run in runs.values()]) for key in keys}
            rows.append({"model": model, "seeds": len(runs), **mean})
        columns: dict[str, Any] = {
            "model": "",
            "AUC or R²": lambda row: f"{row['score']:.4f}",
            "seeds": "d",
            "file, kB": lambda row: kilobytes(row["bytes"]),
            "fit, s": lambda row: f"{row['fit_seconds']:.1f}",
            "µs per row": lambda row: f"{row['us_per_row']:.1f}",
        }
        text += table(rows, columns, name)
    return text


def defaults(rows: list[Row]) -> str:
    """Scores by one parameter at a time."""
    columns = {name: ".2f" if "MNIST" in name else ".1f" for name in rows[0]}
    return table(rows, {**columns, "setting": ""})


def c_export_mnist(rows: list[Row]) -> str:
    """Accuracy by the bits of the readout."""
    bits = rows[0]["accuracy_by_bits"]
    columns: dict[str, Any] = {
        "hidden layers": lambda row: sizes(row["hidden_layer_sizes"]),
        "levels": lambda row: str(row["n_levels"]),
    }
    for each in bits:
        columns[f"{each} bits, %"] = lambda row, each=each: (
            f"{100 * row['accuracy_by_bits'][each]:.2f}"
        )
    columns["ONNX file, kB"] = lambda row: kilobytes(row["onnx_bytes"])
    return table(rows, columns)


def as_it_is(result: Any, title: str = "") -> str:
    """Show every list of records as a table, and what is single before it."""
    if isinstance(result, list) and result and isinstance(result[0], dict):
        keys = dict.fromkeys(key for row in result for key in row)
        columns = {
            _words(key): (lambda row, key=key: _value(row.get(key))) for key in keys
        }
        return table(result, columns, title)
    if not isinstance(result, dict):
        return f"\n{title}: {_value(result)}\n"
    if result and all(isinstance(each, dict) for each in result.values()):
        rows = [{"": name, **each} for name, each in result.items()]
        return as_it_is(rows, title)
    single = {
        key: value
        for key, value in result.items()
        if not isinstance(value, dict | list) or _plain(value)
    }
    text = ""
    if single:
        text = "\n" + "; ".join(f"{_words(k)}: {_value(v)}" for k, v in single.items())
        text += "\n"
    for key, value in result.items():
        if key not in single:
            text += as_it_is(value, _words(key))
    return text


def _words(key: str) -> str:
    return key.replace("_", " ")


def _plain(value: Any) -> bool:
    return isinstance(value, list) and not any(
        isinstance(each, dict | list) for each in value
    )


def _value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    if isinstance(value, list):
        return ", ".join(_value(each) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{_words(k)} {_value(v)}" for k, v in value.items())
    return str(value).replace("|", "\\|")


#: Name in the directive: file, and how it is shown.
VIEWS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "alpha_search": ("alpha_search.json", lambda result: as_it_is(result["rows"])),
    "wide_fits": ("wide_fits.json", lambda result: as_it_is(result["rows"])),
    "cold_start": ("cold_start.json", lambda result: as_it_is(result["rows"])),
    "growth": (
        "growth.json",
        lambda result: (
            as_it_is(slopes(result["slopes"]), "Slopes")
            + as_it_is(result["points"], "Points")
        ),
    ),
    "accuracy": ("accuracy.json", accuracy),
    "peers": ("peers.json", peers),
    "forward": ("forward.json", forward),
    "tables": ("tables.json", raw_tables),
    "given_networks": ("given_networks.json", given_networks),
    "trained_images": ("trained_images.json", trained_images),
    "trained_networks": ("trained_networks.json", trained_networks),
    "cifar_torch": ("cifar_torch.json", cifar_torch),
    "fit_memory": ("fit_memory.json", fit_memory),
    "convergence": ("convergence.json", convergence),
    "defaults": ("defaults.json", defaults),
    "paper_figure2": ("paper_figure2.json", paper_figure2),
    "paper_figure3": ("paper_figure3.csv", paper_figure3),
    "paper_figure3_cifar10": ("paper_figure3_cifar10.csv", paper_figure3),
    "c_export_device": ("c_export_device.json", c_export_device),
    "c_export_mnist": ("c_export_mnist.json", c_export_mnist),
}


# --- the directive -----------------------------------------------------------------


def read(path: Path) -> Any:
    """Return the content of a JSON or CSV file."""
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    return json.loads(path.read_text())


def machines(path: Path) -> dict[str, Path]:
    """Return the files of a benchmark by the vectors of their machines.

    `path` first, then those beside it whose names end in other vectors.
    """
    beside = [
        each
        for each in sorted(path.parent.glob(f"{path.stem}_*{path.suffix}"))
        if (found := _OF_MACHINE.fullmatch(each.stem)) and found[1] == path.stem
    ]
    if not beside:
        return {"": path}  # of others' numbers there is no machine
    return {about(each)["vectors"]: each for each in (path, *beside)}


def of_machine(path: Path) -> bool:
    """Return whether a file is that of another machine than the benchmark's first."""
    found = _OF_MACHINE.fullmatch(path.stem)
    return found is not None and path.with_stem(found[1]).exists()


def rows_of(path: Path) -> Any:
    """Return what a file holds, without command and machine where it has rows."""
    result = read(path)
    if isinstance(result, dict) and result.keys() - set(ABOUT) == {"rows"}:
        return result["rows"]
    return result


def tables_of(path: Path, show: Callable[[Any], str], commands: bool = False) -> str:
    """Return all tables of a benchmark, on every machine; below, how they were made."""
    files = machines(path)

    def line(each: Path) -> str:
        return command(each) if commands else ""

    if show in SEVERAL_MACHINES:
        runs = {name: rows_of(each) for name, each in files.items()}
        return show(runs) + "".join(map(line, files.values()))
    return "".join(
        (f"\n**{name}**\n" if len(files) > 1 else "") + show(read(each)) + line(each)
        for name, each in files.items()
    )


def about(path: Path) -> dict[str, Any]:
    """Return command, machine and date of a file."""
    result = read(path)
    if isinstance(result, dict) and "command" in result:
        return {key: result[key] for key in ABOUT}
    return RUNS[path.stem]


def command(path: Path) -> str:
    """Return the line that names command, machine and date of a file."""
    if path.stem == "published":
        day = read(path)["date"]
        return f"\n{{.command}}\nOthers' numbers as their sources give them, {day}.\n"
    run = about(path)
    vectors = "" if run["vectors"] == "none" else f", {run['vectors']}"
    cores = f"{run['cores']} core" + "s" * (run["cores"] != 1)
    return (
        f"\n{{.command}}\nMeasured by `python {run['command']}` on {run['machine']} "
        f"({cores}{vectors}), {run['date']}.\n"
    )


class Results(SphinxDirective):
    """Put the tables of one results file here; nothing if there is no such file."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        if name == "*":
            return self._others()
        file, show = VIEWS.get(name, (f"{name}.json", as_it_is))
        self._shown().add(Path(file).stem)
        return self._section(FOLDER / file, show)

    def _shown(self) -> set[str]:
        return self.env.temp_data.setdefault("results", set())

    def _section(self, path: Path, show: Callable[[Any], str]) -> list[nodes.Node]:
        self.env.note_dependency(str(path))
        if not path.exists():
            return []
        for each in machines(path).values():
            self.env.note_dependency(str(each))
        return self._tables(tables_of(path, show, commands=True))

    def _others(self) -> list[nodes.Node]:
        found: list[nodes.Node] = []
        for path in sorted(FOLDER.glob("*.json")):
            if path.stem not in {*self._shown(), "runs"} and not of_machine(path):
                title = _words(path.stem).capitalize()
                text = f"\n**{title}**\n" + tables_of(path, as_it_is, commands=True)
                self.env.note_dependency(str(path))
                found += self._tables(text)
        return found

    def _tables(self, text: str) -> list[nodes.Node]:
        parsed = self.parse_text_to_nodes(text)
        for node in parsed:
            for each in node.findall(nodes.table):
                each["classes"].append("results")
        return parsed


class ResultsFigure(SphinxDirective):
    """Put the picture that a benchmark drew here, if there is one."""

    required_arguments = 1
    option_spec = {"alt": str}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        path = FOLDER / f"{self.arguments[0]}.png"
        self.env.note_dependency(str(path))
        if not path.exists():
            return []
        alt = self.options.get("alt", "")
        uri = f"/../benchmarks/results/{path.name}"
        return self.parse_text_to_nodes(f"```{{image}} {uri}\n:alt: {alt}\n```\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("results", Results)
    app.add_directive("results-figure", ResultsFigure)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
