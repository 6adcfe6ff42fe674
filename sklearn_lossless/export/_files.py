"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, Any, TypeGuard, cast

__all__ = ["read", "write", "write_all"]

_Path = str | os.PathLike[str]


def write(path: _Path | IO[bytes], data: bytes) -> None:
    """Write to an open file, or put `data` at a path; see `write_all`."""
    if _is_open(path, "write"):
        path.write(data)
    else:
        write_all({cast(str, path): data})


def read(path: _Path | IO[bytes], magic: bytes) -> bytes:
    """Return what is in a file, open or not; no more than its start if not `magic`."""
    if not _is_open(path, "read"):
        with open(cast(str, path), "rb") as file:
            return read(file, magic)
    data = path.read(len(magic))
    return data + path.read() if data == magic else data


def _is_open(path: Any, method: str) -> TypeGuard[IO[bytes]]:
    """Return whether `path` is an open binary file; else it must be a path."""
    if isinstance(path, (str, bytes, os.PathLike)):
        return False
    if isinstance(path, io.TextIOBase) or not hasattr(path, method):
        mode = {"read": "rb", "write": "wb"}[method]
        raise TypeError(
            f"path must be a str, a path or a file opened with mode {mode!r}, got "
            f"{path!r}."
        )
    return True


def write_all(files: Mapping[_Path, bytes]) -> None:
    """Put several files in place; old ones stay until all the new ones are whole.

    An old file's mode is kept, and its owner where that is allowed; a file that is
    read-only is refused. Pipes and character devices are written to. Errors name the
    path that was asked for.
    """
    with ExitStack() as stack:
        new = []
        for path, data in files.items():
            with _errors_name(path):
                new.append((path, _NewFile(os.path.realpath(path), data)))
                stack.callback(new[-1][1].discard)
                new[-1][1].write()
        for path, file in new:
            with _errors_name(path):
                file.put_in_place()
        folders = {os.path.dirname(file.path): path for path, file in new}
        for folder, path in folders.items():
            with _errors_name(path):
                _settle(folder)


@contextmanager
def _errors_name(path: _Path) -> Iterator[None]:
    """Let errors name `path`, not what is beside or behind it."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


class _NewFile:
    """A file on its way to a path without links.

    It has no name until it is whole, where the system has such files: then nothing is
    left if the process is killed.
    """

    def __init__(self, path: str, data: bytes) -> None:
        self.path, self._data = path, data
        self._descriptor = -1
        self._temporary = ""
        self._old = _replaceable(path)
        self._is_stream = self._old is not None and not stat.S_ISREG(self._old.st_mode)

    def write(self) -> None:
        """Write the data, but for pipes and devices."""
        if self._is_stream:
            return
        if os.path.isdir("/proc/self/fd"):  # where files without a name get one
            with suppress(OSError, AttributeError):
                flags = os.O_WRONLY | os.O_TMPFILE
                self._descriptor = os.open(os.path.dirname(self.path), flags, 0o666)
        if self._descriptor < 0:
            self._write_under_a_name()
        else:
            self._fill()

    def _write_under_a_name(self) -> None:
        name = self._new_name()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        self._descriptor = os.open(name, flags, 0o666)
        self._temporary = name
        self._fill()
        self._close()  # some systems do not rename open files

    def _fill(self) -> None:
        with os.fdopen(self._descriptor, "wb", closefd=False) as file:
            file.write(self._data)
        if self._old is not None and hasattr(os, "fchmod"):
            with suppress(PermissionError):
                os.fchown(self._descriptor, self._old.st_uid, self._old.st_gid)
            os.fchmod(self._descriptor, stat.S_IMODE(self._old.st_mode))
        os.fsync(self._descriptor)

    def put_in_place(self) -> None:
        """Let the path name the new file."""
        if self._is_stream:
            with open(self.path, "wb") as stream:
                stream.write(self._data)
            return
        if not self._temporary:
            name, unnamed = self._new_name(), f"/proc/self/fd/{self._descriptor}"
            try:
                os.link(unnamed, name, follow_symlinks=True)
                self._temporary = name
            except OSError:  # not in every container
                self._close()
                self._write_under_a_name()
        os.replace(self._temporary, self.path)
        self._temporary = ""

    def discard(self) -> None:
        """Leave nothing but what is in place."""
        self._close()
        if self._temporary:
            os.unlink(self._temporary)

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _new_name(self) -> str:
        folder = os.path.dirname(self.path)
        return os.path.join(folder, f".{secrets.token_hex(8)}.part")


def _replaceable(path: str) -> os.stat_result | None:
    """Return what is at `path`, None if nothing; raise OSError if it must stay."""
    try:
        old = os.stat(path)
    except FileNotFoundError:
        return None
    mode = old.st_mode
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
        raise OSError(errno.EINVAL, "Neither a regular file nor a pipe or terminal")
    # Root may write everything; who took the right from everybody meant it.
    if not (mode & 0o222 and os.access(path, os.W_OK)):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    return old


def _settle(folder: str) -> None:
    """Put a folder's names on disk; some systems do so by themselves."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    with suppress(PermissionError):  # one may write into folders that one cannot read
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
