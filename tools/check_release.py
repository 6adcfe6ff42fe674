"""Check that tag, version, changelog and citation agree.

python tools/check_release.py v0.2.0
"""

import re
import sys
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[1]


def problems(tag: str, root: Path = ROOT) -> list[str]:
    """Return what keeps `tag` from being released, in words."""
    found = []
    source = (root / "sklearn_lossless/_version.py").read_text()
    version = re.search(r'__version__ = "(.+)"', source)[1]
    if tag != f"v{version}":
        found.append(f"the tag is {tag!r}, but the version is {version}")
    changelog = (root / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## \[(.+?)\] - (\S+)$", changelog, flags=re.MULTILINE)
    dates = dict(headings)
    if version not in dates:
        found.append(f"CHANGELOG.md has no heading '## [{version}] - yyyy-mm-dd'")
    else:
        try:
            date.fromisoformat(dates[version])
        except ValueError:
            found.append(f"CHANGELOG.md: the date of {version} is {dates[version]!r}")
    citation = (root / "CITATION.cff").read_text()
    if f"\nversion: {version}\n" not in citation:
        found.append(f"CITATION.cff is not of version {version}")
    return found


if __name__ == "__main__":
    wrong = problems(sys.argv[1] if len(sys.argv) > 1 else "")
    print("\n".join(wrong) or "ready")
    sys.exit(bool(wrong))
