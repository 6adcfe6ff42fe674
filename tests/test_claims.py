"""Every number of the texts is that of a file in `benchmarks/results`."""

import ast
import contextlib
import functools
import importlib
import io
import json
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx")

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results"
README = ROOT / "README.md"

sys.path.insert(0, str(ROOT / "docs/_ext"))
results = importlib.import_module("results")
summaries = importlib.import_module("summaries")

FILES = sorted(path for path in RESULTS.glob("*.*") if path.suffix in {".json", ".csv"})
FILES.remove(RESULTS / "runs.json")
FILES.remove(RESULTS / "published.json")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file_of_results_names_command_machine_and_date(path):
    run = results.about(path)
    assert set(run) == set(results.ABOUT)
    assert (ROOT / run["command"].split()[0]).is_file()
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", run["date"])
    assert f"`python {run['command']}`" in results.command(path)


def test_runs_are_those_of_files():
    assert set(results.RUNS) <= {path.stem for path in FILES}


def test_published_networks_name_their_sources():
    for row in read("published.json")["rows"]:
        assert row["page"].startswith("https://") or row["source"] == "no page found"
        assert 0.5 < row["accuracy"] < 1
        assert 1000 < row["bytes"] < 2e5
        assert row["counted"]
        assert row["data"] in {"MNIST", "CIFAR-10"}
        assert row["augmented"] in {True, False, None}


def test_tables_of_the_readme_are_the_results():
    text = README.read_text()
    assert summaries.fill(text) == text
    named = re.findall(r"<!-- results: (\S+) -->", text)
    assert len(named) > 5
    assert set(named) <= set(summaries.SHORT)


def test_tables_of_the_readme_would_be_found_wrong():
    text = README.read_text()
    assert summaries.fill(text.replace("98.49", "99.49")) == text


def code_of(text):
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_ten_lines_of_the_readme_run_and_print_what_they_say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = code_of(README.read_text())
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(code, {})
    said = re.findall(r"print\(.*\)  # (.*)", code)
    score, labels = output.getvalue().splitlines()
    assert [f"{float(score):.3f}", labels] == said
    (kilobytes,) = re.findall(r"# ([\d.]+) kB", code)
    assert f"{(tmp_path / 'digits.lnn').stat().st_size / 1000:.1f}" == kilobytes
    assert {"digits.c", "digits.h"} <= {path.name for path in tmp_path.iterdir()}


def test_the_start_page_has_the_same_lines():
    page = (ROOT / "docs/index.md").read_text()
    assert code_of(page) == code_of(README.read_text())


@pytest.mark.parametrize("path", [README, ROOT / "docs/index.md"], ids=lambda p: p.stem)
def test_links_lead_to_files(path):
    for link in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", path.read_text()):
        found = path.parent / link
        made = "examples/" in link and link.endswith(".rst")
        assert found.exists() or made, link


def two_machines(folder, name):
    """A benchmark's file, and the same with half the ratios on another machine."""
    rows = results.rows_of(RESULTS / f"{name}.json")
    slower = [{**row, "ratio": row["ratio"] / 2} for row in rows if "ratio" in row]
    other = {**results.about(RESULTS / f"{name}.json"), "vectors": "NEON"}
    (folder / f"{name}.json").write_text((RESULTS / f"{name}.json").read_text())
    (folder / f"{name}_neon.json").write_text(json.dumps({**other, "rows": slower}))
    return folder / f"{name}.json", slower


def test_a_file_of_another_machine_is_shown_beside_the_first(tmp_path):
    path, slower = two_machines(tmp_path, "forward")
    short = results.tables_of(path, summaries.forward_short)
    assert "| times faster, AVX-512 |" in short
    assert "| times faster, NEON |" in short
    shown = [line for line in short.splitlines() if "`MLPClassifier.predict`" in line]
    ratio = next(row["ratio"] for row in slower if row["peer"] == "MLPClassifier")
    assert shown[0].endswith(f" {ratio:.1f} |")
    long = results.tables_of(path, results.forward, commands=True)
    assert "| ratio, NEON |" in long
    assert long.count("Measured by `python benchmarks/forward.py`") == 2
    assert results.of_machine(tmp_path / "forward_neon.json")
    assert not results.of_machine(RESULTS / "trained_images.json")


def test_other_views_have_a_table_for_each_machine(tmp_path):
    path = tmp_path / "growth.json"
    path.write_text((RESULTS / "growth.json").read_text())
    show = results.VIEWS["growth"][1]
    alone = results.tables_of(path, show)
    other = {**results.read(path), "vectors": "NEON"}
    (tmp_path / "growth_neon.json").write_text(json.dumps(other))
    first = results.about(path)["vectors"]
    assert results.tables_of(path, show) == f"\n**{first}**\n{alone}\n**NEON**\n{alone}"


# --- numbers in sentences -------------------------------------------------------------


def read(name):
    return results.read(RESULTS / name)


def first(name, **wanted):
    """The first record of a list that has these values."""
    rows = read(name)
    rows = rows["rows"] if isinstance(rows, dict) else rows
    return next(
        row for row in rows if all(row[key] == value for key, value in wanted.items())
    )


def part_of_choosing(name):
    every = [row for rows in read("choosing.json")["parts"].values() for row in rows]
    return {row["setting"]: row for row in every if row["part"].startswith(name)}


def largest_standard_error(few):
    rows = read("choosing.json")["parts"]["digits"]
    return 100 * max(
        row["standard_error"]
        for row in rows
        if (row["part"].startswith("few") and int(row["setting"]) <= 100) == few
    )


def losses_in_figure_3(file="paper_figure3.csv"):
    """Points lost by some numbers of levels, by sizes."""
    scores = {}
    for row in read(file):
        key = row["sizes"], row["network"]
        scores.setdefault(key, []).append(100 * float(row["accuracy"]))
    mean = {key: sum(runs) / len(runs) for key, runs in scores.items()}
    return {
        (size, levels): mean[size, "dense"] - mean[size, f"n_levels={levels}, eps=0.9"]
        for size in {key[0] for key in mean}
        for levels in (2, 8, 16)
        if (size, f"n_levels={levels}, eps=0.9") in mean
    }


def losses_on_cifar10(levels):
    """Points lost on features of CIFAR-10, at widths from 400 to 5000."""
    losses = losses_in_figure_3("paper_figure3_cifar10.csv")
    found = {
        int(size.split("-")[0]): losses[size, k] for size, k in losses if k == levels
    }
    return [found[width] for width in sorted(found)]


def features_suffice():
    """The readout of the features against random networks behind them."""
    first, *rows = read("paper_figure3_cifar10.csv")
    return first["sizes"] == "none" and all(
        float(row["accuracy"]) < float(first["accuracy"]) for row in rows
    )


def small_is_as_good():
    """A trained ternary network against the MLP of about its accuracy."""
    ours = read("trained_networks.json")["mnist"][0]
    mlp = first("given_networks.json", given="MLPClassifier((500,))")
    return (
        abs(ours["score"] - mlp["given_accuracy"]) < 0.001
        and ours["bytes"] < mlp["given_bytes"] / 100
    )


def peer(data, model):
    return first("peers.json", data=data, model=model)


def dense_is_a_hundred_times_larger():
    rows = [row for row in read("paper_figure3.csv") if "-" not in row["sizes"]]
    size = {(row["sizes"], row["network"]): float(row["bytes"]) for row in rows}
    return all(
        size[sizes, "dense"] > 100 * n_bytes
        for (sizes, network), n_bytes in size.items()
        if network == "n_levels=8, eps=0.9"
    )


def dense_layers(check):
    """Whether all trained layers of MNIST pass a check against the same dense ones."""
    parts = read("trained_networks.json")
    ours = {row["network"]: row for row in parts["mnist"]}
    assert len(parts["dense"]) > 2
    return all(check(ours[row["network"]], row) for row in parts["dense"])


def nonzeros_16_suffice():
    scores = {
        int(number): row["score"]
        for number, row in part_of_choosing("MNIST, nonzeros").items()
    }
    return max(scores.values()) - scores[16] < 0.001 and scores[4] < scores[16] - 0.005


def device_instructions(**wanted):
    return first("c_export_device.json", readout_bits=8, packed=False, **wanted)


def seed_against_table():
    table = device_instructions(sizes=[1000], weights="table")
    seed = device_instructions(sizes=[1000], weights="seed")
    return (
        seed["flash"] < 0.15 * table["flash"]
        and seed["instructions"] > 10 * table["instructions"]
    )


def trained_is_smaller_and_faster():
    ours = device_instructions(sizes=[128], weights="table")
    random = device_instructions(sizes=[1000], weights="table")
    return all(ours[key] < random[key] for key in ("flash", "instructions")) and (
        ours["accuracy"] > random["accuracy"]
    )


def random_is_better_on_few():
    random = part_of_choosing("few samples: random")
    trained = part_of_choosing("few samples: trained")
    return set(random) == set(trained) and all(
        random[n]["score"] > trained[n]["score"]
        and random[n]["bytes"] > 5 * trained[n]["bytes"]
        for n in random
    )


def trained_is_better_by_bytes():
    random = part_of_choosing("random, width")["200"]
    trained = part_of_choosing("trained, width")["64"]
    return trained["score"] > random["score"] and trained["bytes"] < random["bytes"]


def smallest_are_ours():
    """What is better than the best of ours on MNIST takes more than 11 kB."""
    ours = read("trained_images.json")["accuracy"]
    others = [row for row in read("published.json")["rows"] if row["data"] == "MNIST"]
    smallest = min(ours, key=lambda row: row["bytes"])
    best = max(row["score"] for row in ours)
    better = [row for row in others if row["accuracy"] > best]
    return all(smallest["bytes"] < row["bytes"] for row in others) and all(
        row["bytes"] > 11_000 and row["augmented"] for row in better
    )


def behind_on_cifar10():
    ours = [row["file_accuracy"] for row in read("cifar_torch.json")["rows"]]
    others = [
        row["accuracy"]
        for row in read("published.json")["rows"]
        if row["data"] == "CIFAR-10"
    ]
    return max(ours) < min(others) - 0.05


def predictions_grow_linearly():
    slopes = [row["predict, µs per row"] for row in read("growth.json")["slopes"]]
    return max(slope for slope in slopes if slope is not None) < 1.1


#: Page, its words, and what has to be true of the results; numbers go into {}.
CLAIMS = [
    (
        "docs/benchmarks.md",
        "is met by predictions within a tenth",
        predictions_grow_linearly,
    ),
    ("README.md", "more than a hundred times as much", dense_is_a_hundred_times_larger),
    (
        "README.md",
        "trained ones more than forty times",
        lambda: dense_layers(lambda ours, one: one["bytes"] > 40 * ours["bytes"]),
    ),
    (
        "docs/guide/trained.md",
        "more accurate than the dense network",
        lambda: dense_layers(lambda ours, one: ours["score"] > one["score"]),
    ),
    (
        "README.md",
        "Sparse text: `LogisticRegression` is more accurate and much faster",
        lambda: (
            peer("text", "LogisticRegression")["accuracy"]
            > peer("text", "ours (6000,)")["accuracy"]
        ),
    ),
    ("docs/guide/faq.md", "in a hundredth of the bytes", small_is_as_good),
    *(
        (
            page,
            "ours are the smallest; only others of eleven kilobytes and more are",
            smallest_are_ours,
        )
        for page in ("README.md", "docs/guide/images.md")
    ),
    ("docs/guide/images.md", "Ours is far behind here", behind_on_cifar10),
    ("README.md", "ours is far behind", behind_on_cifar10),
    (
        "docs/guide/faq.md",
        "It is as accurate at the same width",
        lambda: (
            abs(
                peer("MNIST", "RBFSampler(2000) + ridge")["accuracy"]
                - peer("MNIST", "ours (2000,)")["accuracy"]
            )
            < 0.005
        ),
    ),
    (
        "docs/guide/choosing.md",
        "16 for each neuron are as good as",
        nonzeros_16_suffice,
    ),
    *(
        (
            page,
            "standard errors are at most {:.1f} points",
            lambda: largest_standard_error(few=False),
        )
        for page in ("docs/guide/choosing.md", "docs/guide/trained.md")
    ),
    (
        "docs/guide/trained.md",
        "with 100 rows and fewer {:.1f} points",
        lambda: largest_standard_error(few=True),
    ),
    (
        "docs/guide/trained.md",
        "random layers are more accurate up to all of a thousand images, in five times",
        random_is_better_on_few,
    ),
    (
        "docs/guide/trained.md",
        "one trained layer of 128 is more accurate than 2000 random neurons",
        lambda: (
            read("trained_networks.json")["mnist"][0]["score"]
            > read("fit_memory.json")["rows"][0]["test_accuracy"]
        ),
    ),
    (
        "docs/guide/trained.md",
        "64 trained neurons are more accurate than 200 random ones, in fewer bytes",
        trained_is_better_by_bytes,
    ),
    (
        "docs/guide/microcontroller.md",
        "a tenth of the flash, ten times the time and more",
        seed_against_table,
    ),
    (
        "docs/guide/microcontroller.md",
        "Trained layers are smaller and faster",
        trained_is_smaller_and_faster,
    ),
    (
        "docs/guide/how_it_learns.md",
        "to a million, in a minute and a half of one core and {:.1f} GB",
        lambda: first("dynamics_cost.json", n_samples=1_000_000)["peak_gb"],
    ),
    (
        "docs/guide/tables.md",
        "more accurate than 100 iterations",
        lambda: (
            flights("ours, trained (256, 64)") > flights("HistGradientBoosting, 100")
        ),
    ),
    (
        "docs/guide/tables.md",
        "and less than 500",
        lambda: (
            flights("ours, trained (256, 64)") < flights("HistGradientBoosting, 500")
        ),
    ),
    (
        "docs/guide/tables.md",
        "fit takes {:.0f} times as long as that of 100, and {:.0f} times that of 500",
        lambda: fit_times(100, 500),
    ),
    (
        "docs/c_export.md",
        "with a `main` that holds scores, was at most {} bytes",
        lambda: max(row.get("stack_used", 0) for row in read("c_export_device.json")),
    ),
    (
        "docs/model_file.md",
        "loads this file in {:.0f} to {:.0f} ms",
        lambda: spread(1000 * each for each in read("model_file.json")["load_s"]),
    ),
    (
        "docs/model_file.md",
        "and takes {:.1f} to {:.1f} s for its first prediction",
        lambda: spread(read("model_file.json")["first_prediction_s"]),
    ),
    (
        "docs/model_file.md",
        "model file, all of it {:,}",
        lambda: first("model_file.json", readout_dtype="int8")["bytes"],
    ),
    (
        "docs/benchmarks.md",
        "Eight levels cost {:.1f} points at most",
        lambda: max(losses_on_cifar10(8)),
    ),
    (
        "docs/benchmarks.md",
        "and nothing at 5000-5000-2000",
        lambda: losses_on_cifar10(8)[-1] < 0.1,
    ),
    (
        "docs/benchmarks.md",
        "two levels {:.0f} to {:.0f} points",
        lambda: spread(losses_on_cifar10(2)),
    ),
    ("docs/benchmarks.md", "No random network is as accurate", features_suffice),
    (
        "docs/theory/limits.md",
        "eight levels cost {:.1f} points on MNIST at 500-500-500",
        lambda: losses_in_figure_3()["500-500-500", 8],
    ),
    (
        "docs/theory/limits.md",
        "and {:.1f} to {:.1f} from 1500 neurons a layer on",
        lambda: spread(
            loss
            for (sizes, levels), loss in losses_in_figure_3().items()
            if levels == 8 and min(map(int, sizes.split("-"))) >= 1500
        ),
    ),
    (
        "docs/theory/limits.md",
        "with a variance that costs {:.0f} points on MNIST at depth 3",
        lambda: lost_by_two_levels(),
    ),
]


def spread(values):
    values = list(values)
    return min(values), max(values)


def flights(model, key="score"):
    return read("tables.json")["flights"][model]["0"][key]


def fit_times(*iterations):
    """Time of a fit of a trained network by that of boosting."""
    ours = flights("ours, trained (256, 64)", "fit_seconds")
    return tuple(
        ours / flights(f"HistGradientBoosting, {each}", "fit_seconds")
        for each in iterations
    )


def lost_by_two_levels():
    rows = {
        row["network"]: row["accuracy"]
        for row in read("accuracy.json")["rows"]
        if row["sizes"] == [1500, 1500, 1500]
    }
    return sum(rows["dense"]) / 3 - sum(rows["n_levels=2"]) / 3


def plain(text):
    return " ".join(text.split())


def said(words, found):
    """The words as they have to stand in the page."""
    if found is True:
        return words
    return words.format(*(found if isinstance(found, tuple) else (found,)))


@pytest.mark.parametrize(
    ("page", "words", "found"), CLAIMS, ids=[claim[1][:40] for claim in CLAIMS]
)
def test_sentence_agrees_with_the_results(page, words, found):
    value = found()
    assert value is not False, words
    assert said(words, value) in plain((ROOT / page).read_text())


#: Numbers with units that were not measured: settings, sizes that follow by arithmetic,
#: and limits that are constants of the package or of a device.
NOT_MEASURED = [
    *("60 % of which are for training", "60 % for training", "of 64 bytes for each"),
    *("4 bytes for each weight", "4 bytes per weight", "1 byte a neuron and class"),
    *("32-bit integers; 64 bits appear only", "With 32 bits the weights are those"),
    "256 kB of flash of the simulated device",
    *("256 kB of flash, 16 kB of RAM", "1, 2 or 4 bits instead of a byte"),
    *(
        "4 or 8 bytes per class",
        "about 5 bytes for each neuron",
        "codes of 5 to 8 bits",
    ),
    *("has 3136 bytes of float32", "classes, 10 bytes of int8", "about 0.57 bits"),
    *("up to 256 MB", "a key of 8 bytes for each row", "fit in 256 MB"),
    *("10,000 rows takes 0.8 GB", "with the readout in 8 bits", "rounded to 20 bits"),
    *("float32 weights are 30 MB", "they are 1.9 MB of planes", "4096 bits of one"),
    *("The real weights, 4 bytes each", "rounds inputs to codes of up to 8 bits"),
    *("Codes have at most 8 bits, so sums",),
]

_NUMBER = re.compile(
    r"(?<![\w.^(=/-])\d[\d,]*(?:\.\d+)?(?: to \d[\d,.]*)? ?"
    r"(?:%|kB|MB|GB|ms|µs|s\b|seconds?|minutes?|points?|times\b|bytes?\b|bits?\b)"
)

TEXTS = [
    README,
    *(ROOT / "docs" / name for name in ("index.md", "defaults.md", "benchmarks.md")),
    *(ROOT / "docs" / name for name in ("c_export.md", "theory/limits.md")),
    *sorted((ROOT / "docs/guide").glob("*.md")),
]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_number_of_a_text_is_checked_or_not_measured(path):
    text = re.sub(r"<!-- results.*?<!-- end -->", "", path.read_text(), flags=re.S)
    text = plain(re.sub(r"^```.*?^```", "", text, flags=re.S | re.M))
    name = str(path.relative_to(ROOT))
    for page, words, found in CLAIMS:
        if page == name:
            text = text.replace(said(words, found()), "")
    for words in NOT_MEASURED:
        text = text.replace(words, "")
    text = re.sub(r"`[^`]*`", "", text)
    numbers = [
        text[max(0, m.start() - 40) : m.end() + 20] for m in _NUMBER.finditer(text)
    ]
    assert not numbers, numbers


def test_tables_of_guide_pages_are_made_from_results():
    """A table with decimals that is typed in has no file behind it."""
    for path in TEXTS[1:]:
        rows = re.findall(r"^ *\|.*\d\.\d.*\|$", path.read_text(), re.MULTILINE)
        typed = [row for row in rows if "eps" not in row and "0.9" not in row]
        assert not typed, (path.name, typed)


# --- messages that the guide explains ------------------------------------------------


class Messages(ast.NodeVisitor):
    """Literal parts of all texts of a module, and those of its warnings."""

    def __init__(self):
        self.texts, self.warnings = [], []

    def visit_Constant(self, node):
        if isinstance(node.value, str):
            self.texts.append(node.value)

    def visit_Call(self, node):
        name = ast.unparse(node.func)
        if name in {"warn_user", "warnings.warn"} and node.args:
            parts = [
                each.value
                for each in ast.walk(node.args[0])
                if isinstance(each, ast.Constant) and isinstance(each.value, str)
            ]
            if parts:
                self.warnings.append(parts)
        self.generic_visit(node)


@functools.cache
def messages():
    found = Messages()
    for path in (ROOT / "sklearn_lossless").rglob("*.py"):
        found.visit(ast.parse(path.read_text()))
    return found


def entries():
    """Headings of the page, as the pieces between what differs."""
    page = (ROOT / "docs/guide/troubleshooting.md").read_text()
    headings = re.findall(r"^### `(.*)`$", page, re.MULTILINE)
    return [[each.strip() for each in line.split("…")] for line in headings]


@pytest.mark.parametrize("pieces", entries(), ids=lambda pieces: pieces[0])
def test_message_of_the_guide_is_one_of_the_package(pieces):
    texts = messages().texts
    for piece in pieces:
        assert any(piece in text for text in texts), piece


def test_every_warning_has_an_entry_in_the_guide():
    known = [piece for pieces in entries() for piece in pieces if len(piece) > 12]
    for parts in messages().warnings:
        assert any(piece in part for piece in known for part in parts), parts
