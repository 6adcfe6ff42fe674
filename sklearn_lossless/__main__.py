"""``python -m sklearn_lossless`` prints versions for bug reports."""

from __future__ import annotations

import argparse

from ._show_versions import show_versions
from ._version import __version__


def main() -> None:
    """Print versions; with ``--version`` that of this package alone."""
    parser = argparse.ArgumentParser(
        prog="python -m sklearn_lossless", description=show_versions.__doc__
    )
    parser.description = "Print versions of this package, of others, and the machine."
    parser.add_argument("--version", action="version", version=__version__)
    parser.parse_args()
    show_versions()


if __name__ == "__main__":
    main()
