"""Print the lower bounds of pyproject.toml as pinned requirements.

`make oldest` installs them: python tools/lower_bounds.py test > build/oldest.txt
"""

import re
import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def lower_bounds(*extras: str) -> list[str]:
    """Return ``name==version`` for each requirement ``name>=version``.

    Parameters
    ----------
    *extras : str
        Optional dependencies to go with those of the package.

    Returns
    -------
    list of str
    """
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    wanted = list(project["dependencies"])
    for extra in extras:
        wanted += project["optional-dependencies"][extra]
    pinned = {}
    for requirement in wanted:
        found = re.fullmatch(r"([\w.-]+)(\[[\w,]+\])?>=([\w.]+)(,.*)?", requirement)
        if found is None:
            raise ValueError(f"{requirement!r} of pyproject.toml has no lower bound")
        name, of_package, version, _ = found.groups()
        pinned[name] = f"{name}{of_package or ''}=={version}"
    return list(pinned.values())


if __name__ == "__main__":
    print("\n".join(lower_bounds(*sys.argv[1:])))
