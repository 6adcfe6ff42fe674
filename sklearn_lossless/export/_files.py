"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import secrets

__all__ = ["write_whole"]


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Put `data` at `path`; an old file stays until the new one is whole.

    Errors name `path`, not the temporary file beside it.
    """
    try:
        _write_whole(os.path.realpath(path), data)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, os.fspath(path)) from error


def _write_whole(path: str, data: bytes) -> None:
    folder = os.path.dirname(path)
    temporary = os.path.join(folder, f".{secrets.token_hex(8)}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(temporary, flags, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    if hasattr(os, "O_DIRECTORY"):  # elsewhere the rename is on disk by itself
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
