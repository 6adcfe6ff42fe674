"""The site's text agrees with the package; building it is `make docs`."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

import sklearn_lossless

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

#: Public modules; what each lists in `__all__` is public.
MODULES = [
    "sklearn_lossless",
    "sklearn_lossless.datasets",
    "sklearn_lossless.network",
    "sklearn_lossless.theory",
]
PUBLIC = [
    f"{module}.{name}"
    for module in MODULES
    for name in importlib.import_module(module).__all__
    if not name.startswith("__")
]
PAGES = sorted(
    path
    for path in DOCS.rglob("*.md")
    if "_build" not in path.parts and ">>>" in path.read_text()
)


def resolve(name):
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def api_page():
    """Full names in the autosummary tables of the API page."""
    names, module = [], ""
    for line in (DOCS / "api.rst").read_text().splitlines():
        if found := re.fullmatch(r"\.\. currentmodule:: (\S+)", line):
            module = found[1]
        elif found := re.fullmatch(r"   (\w+)", line):
            names.append(f"{module}.{found[1]}")
    return names


def test_modules_are_all_public_ones():
    package = Path(sklearn_lossless.__file__).parent
    found = {
        ".".join(path.relative_to(package.parent).with_suffix("").parts)
        for path in [*package.glob("*.py"), *package.glob("*/__init__.py")]
        if not path.stem.startswith("_")
    }
    folders = {f"{package.name}.{p.parent.name}" for p in package.glob("*/__init__.py")}
    plain = {name for name in found if not name.endswith("__init__")}
    public = {name for name in plain | folders if "._" not in name}
    assert public == set(MODULES) - {"sklearn_lossless"}


def test_the_api_page_names_what_is_public_and_nothing_else():
    assert sorted(api_page()) == sorted(PUBLIC)


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
    *("RT01", "RT02"),
    *("SA04",),
}


@pytest.mark.parametrize("name", names_to_validate())
def test_docstring_is_numpydoc(name):
    validate = pytest.importorskip("numpydoc.validate")
    errors = [
        f"{code} {text}"
        for code, text in validate.validate(name)["errors"]
        if code in CHECKS
    ]
    assert not errors, errors


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_examples_of_the_page_are_right(path):
    text = re.sub(r"^```.*$", "", path.read_text(), flags=re.MULTILINE)
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
