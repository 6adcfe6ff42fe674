"""What a bug report needs to say: versions, machine, vectors."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from ._version import __version__
from .network.machine import machine

__all__ = ["show_versions"]

#: Packages that matter: those that are needed, and those that may be there.
_NEEDED = ("joblib", "llvmlite", "numba", "numpy", "scikit-learn", "scipy")
_OPTIONAL = ("dask", "matplotlib", "onnx", "pandas", "polars", "torch")


def show_versions() -> None:
    """Print versions of this package and of others, and what the machine is.

    For bug reports. The same as ``python -m sklearn_lossless``.

    Examples
    --------
    >>> from sklearn_lossless import show_versions
    >>> show_versions()
    sklearn-lossless  ...
    <BLANKLINE>
    python            ...
    """
    print(_text())


def _text() -> str:
    """Return what is printed."""
    about = {"sklearn-lossless": __version__}
    system = {
        "python": sys.version.replace("\n", " "),
        "executable": sys.executable,
        "platform": platform.platform(),
        **machine(),
        "numba cache": os.environ.get("NUMBA_CACHE_DIR", "beside the package"),
    }
    packages = {name: _version(name) for name in (*_NEEDED, *_OPTIONAL)}
    groups = (about, system, packages)
    return "\n\n".join(
        "\n".join(f"{name:17} {value}" for name, value in group.items())
        for group in groups
    )


def _version(name: str) -> str:
    """Return the version of a distribution; nothing is imported."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
