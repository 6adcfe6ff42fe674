"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress

__all__ = ["write_all", "write_whole"]


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Put `data` at `path`; an old file stays until the new one is whole."""
    write_all({path: data})


def write_all(files: Mapping[str | os.PathLike[str], bytes]) -> None:
    """Put several files in place; old ones stay until all the new ones are whole.

    Errors name the path that was asked for, not the temporary file beside it.
    """
    written: list[tuple[str, str]] = []
    try:
        for path, data in files.items():
            try:
                target = os.path.realpath(path)
                written.append((_write_beside(target, data), target))
            except OSError as error:
                asked = os.fspath(path)
                raise type(error)(error.errno, error.strerror, asked) from error
        for temporary, target in written:
            os.replace(temporary, target)
    except BaseException:
        for temporary, _ in written:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
        raise
    for folder in {os.path.dirname(target) for _, target in written}:
        _settle(folder)


def _write_beside(path: str, data: bytes) -> str:
    """Write a temporary file in the folder of `path`, and return its name."""
    folder = os.path.dirname(path)
    temporary = os.path.join(folder, f".{secrets.token_hex(8)}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(temporary, flags, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        os.unlink(temporary)
        raise
    return temporary


def _settle(folder: str) -> None:
    """Put a folder's names on disk; some systems do so by themselves."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
