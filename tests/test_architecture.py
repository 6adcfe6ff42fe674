"""Imports point one way, and importing is cheap."""

import subprocess
import sys

import pytest


def modules_after(statement):
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("package", ["theory", "network"])
def test_no_scikit_learn_below_the_estimators(package):
    # The parent package imports the estimators, so look at the source instead.
    import ast
    import pathlib

    import sklearn_lossless

    root = pathlib.Path(sklearn_lossless.__file__).parent / package
    sources = list(root.rglob("*.py"))
    assert sources
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            tops = {name.split(".")[0] for name in names}
            assert "sklearn" not in tops, source
            if "_engine" not in source.parts:
                assert "numba" not in tops, source


def test_optional_packages_are_not_imported():
    ours = modules_after("import sklearn_lossless")
    theirs = modules_after("import sklearn.model_selection, sklearn.linear_model")
    loaded = ours - theirs
    assert not loaded & {"matplotlib", "pandas", "polars", "torch", "dask", "onnx"}
