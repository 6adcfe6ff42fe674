"""The site's text agrees with the package; building it is `make docs`."""

import doctest
import importlib
import importlib.util
import re
import shutil
from pathlib import Path

import pytest

import sklearn_lossless

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

#: Rooms without an underscore that only the package itself enters.
INNER = {"data", "readout", "reference", "training"}


def public_modules():
    """The package, and what it holds whose name has no underscore in front."""
    package = Path(sklearn_lossless.__file__).parent
    inside = [path.stem for path in package.glob("*.py")]
    inside += [path.parent.name for path in package.glob("*/__init__.py")]
    inside = sorted({name for name in inside if not name.startswith("_")} - INNER)
    if importlib.util.find_spec("torch") is None:
        inside.remove("torch")
    return [package.name, *(f"{package.name}.{name}" for name in inside)]


def public_names():
    """Full names of what public modules list in `__all__`, each thing once."""
    names = {}
    for module in public_modules():
        for name in importlib.import_module(module).__all__:
            if not name.startswith("__"):
                names.setdefault(id(resolve(f"{module}.{name}")), f"{module}.{name}")
    return sorted(names.values())


def resolve(name):
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


PUBLIC = public_names()
PAGES = sorted(
    path
    for path in DOCS.rglob("*.md")
    if "_build" not in path.parts and ">>>" in path.read_text()
)


def api_page():
    """Full names in the autosummary tables of the API page."""
    names, module = [], ""
    for line in (DOCS / "api.rst").read_text().splitlines():
        if found := re.fullmatch(r"\.\. currentmodule:: (\S+)", line):
            module = found[1]
        elif found := re.fullmatch(r"   (\w+)", line):
            names.append(f"{module}.{found[1]}")
    return names


def test_the_api_page_names_what_is_public_and_nothing_else():
    listed = api_page()
    if "sklearn_lossless.torch" not in public_modules():  # PyTorch is not there
        listed = [each for each in listed if ".torch." not in each]
    missing, extra = set(PUBLIC) - set(listed), set(listed) - set(PUBLIC)
    assert (missing, extra) == (set(), set())
    assert len(listed) == len(set(listed))


def documented_methods(owner):
    """Public methods that the class, or a private base of the package, defines."""
    for base in owner.__mro__:
        if base.__module__.startswith("sklearn_lossless"):
            for name, value in vars(base).items():
                if not name.startswith("_") and callable(value):
                    yield name


def names_to_validate():
    for name in PUBLIC:
        thing = resolve(name)
        if callable(thing):
            yield name
        if isinstance(thing, type):
            for method in sorted(set(documented_methods(thing))):
                yield f"{name}.{method}"


#: Checks of numpydoc: form, and that parameters and returns are all there, with types.
CHECKS = {
    *("GL05", "GL06", "GL07", "GL08", "GL09", "GL10"),
    *("SS01", "SS02", "SS03", "SS04"),
    *("PR01", "PR02", "PR03", "PR04", "PR10"),
    "RT01",
    "SA04",
}


@pytest.mark.parametrize("name", names_to_validate())
def test_docstring_is_numpydoc(name):
    validate = pytest.importorskip("numpydoc.validate")
    errors = [
        f"{code} {text}"
        for code, text in validate.validate(name)["errors"]
        if code in CHECKS
    ]
    if name.endswith("TernaryWeights"):  # a named tuple documents its attributes
        errors = [each for each in errors if "PR01" not in each]
    assert not errors, errors


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_examples_of_the_page_are_right(path):
    if path.stem == "pytorch":
        pytest.importorskip("torch")
    text = path.read_text()
    if importlib.util.find_spec("torch") is None:  # the other sections do without
        sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)
        text = "".join(each for each in sections if "import torch" not in each)
    text = re.sub(r"^```.*$", "", text, flags=re.MULTILINE)
    if '["cc"' in text and not shutil.which("cc"):
        pytest.skip("no C compiler")
    test = doctest.DocTestParser().get_doctest(text, {}, path.stem, str(path), 0)
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    runner = doctest.DocTestRunner(optionflags=options, verbose=False)
    output: list[str] = []
    runner.run(test, out=output.append)
    assert not output, "".join(output)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "examples").glob("plot_*.py")), ids=lambda path: path.stem
)
def test_example_asks_a_question(path):
    title = path.read_text().split('"""')[1].splitlines()[0]
    assert title.endswith("?")


def test_the_gallery_has_a_place_for_every_example():
    order = re.findall(r'"(plot_\w+\.py)"', (DOCS / "_ext/gallery.py").read_text())
    examples = {path.name for path in (ROOT / "examples").glob("plot_*.py")}
    assert len(order) == len(examples)
    assert set(order) == examples
