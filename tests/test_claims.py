"""Every number of the texts is that of a file in `benchmarks/results`."""

import ast
import contextlib
import importlib
import io
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


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file_of_results_names_command_machine_and_date(path):
    run = results.about(path)
    assert set(run) == set(results.ABOUT)
    assert (ROOT / run["command"].split()[0]).is_file()
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", run["date"])
    assert f"`python {run['command']}`" in results.command(path)


def test_runs_are_those_of_files():
    assert set(results.RUNS) <= {path.stem for path in FILES}


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
