"""Print lower bounds of pyproject.toml as pinned requirements.

Those of the package, and those of optional ones that are named:
python tools/lower_bounds.py dask pytest > bounds.txt
"""

import re
import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def lower_bounds(*names: str) -> list[str]:
    """Return ``name==version`` for each requirement ``name>=version``.

    Parameters
    ----------
    *names : str
        Optional packages that are wanted, of any extra.

    Returns
    -------
    list of str
    """
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    needed = [_pinned(each) for each in project["dependencies"]]
    optional = {}
    for requirements in project["optional-dependencies"].values():
        for name, pinned in map(_pinned, requirements):
            if optional.setdefault(name, pinned) != pinned:
                raise ValueError(f"{name} has two lower bounds in pyproject.toml")
    return [pinned for _, pinned in needed] + [optional[name] for name in names]


def _pinned(requirement: str) -> tuple[str, str]:
    found = re.fullmatch(r"([\w.-]+)(\[[\w,]+\])?>=([\w.]+)(,.*)?", requirement)
    if found is None:
        raise ValueError(f"{requirement!r} in pyproject.toml has no lower bound")
    name, extra, version, _ = found.groups()
    return name, f"{name}{extra or ''}=={version}"


if __name__ == "__main__":
    print("\n".join(lower_bounds(*sys.argv[1:])))
