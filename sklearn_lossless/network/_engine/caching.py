"""Numba's cache of compiled kernels, without its crashes and mistakes.

Also without the garbage collector while kernels are compiled.
"""

from __future__ import annotations

import gc
import inspect
import pickle
import warnings
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import (
    CompileResultCacheImpl,
    FunctionCache,
    IndexDataCacheFile,
    NullCache,
)
from numba.core.event import Event, Listener, register
from numba.core.serialize import dumps

__all__ = ["cache_of"]

_warned = False


def cache_of(function: Callable[..., Any]) -> Any:
    """Return the cache of the kernels of `function`, one for each signature.

    Parameters
    ----------
    function : callable

    Returns
    -------
    TolerantCache, or one that holds nothing where no folder can be written
    """
    try:
        return TolerantCache(function)
    except (RuntimeError, OSError) as error:
        return _NoCache(error)


#: Folders that may come with an installation or an image: `NUMBA_CACHE_DIR`, and that
#: of the package.
_SHIPPED = CompileResultCacheImpl._locator_classes[:2]


def _folders_with_kernels(function: Callable[..., Any], source: str) -> list[Any]:
    """Return the locators of shipped folders that hold kernels, writable or not."""
    found = []
    for number, Locator in enumerate(_SHIPPED):
        if number or numba.config.CACHE_DIR:
            locator = Locator(function, source)
            if any(Path(locator.get_cache_path()).glob("*.nbi")):
                found.append(locator)
    return found


class _ReadOnly:
    """What Numba asks last for a folder: one that can only be read."""

    @staticmethod
    def from_function(function: Callable[..., Any], source: str) -> Any:
        """Return a locator, or None."""
        return next(iter(_folders_with_kernels(function, source)), None)


class _Impl(CompileResultCacheImpl):
    _locator_classes = [*CompileResultCacheImpl._locator_classes, _ReadOnly]  # type: ignore[list-item] # noqa: RUF012


class TolerantCache(FunctionCache):
    """A cache whose files may be damaged, or impossible to write.

    Where a file cannot be read, the kernel is compiled anew and the file replaced;
    where none can be written, the kernel is compiled by each process. A warning says
    so once. Kernels that were compiled before a folder became read-only are used.
    """

    _impl_class = _Impl

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file = self._file_in(self._impl.locator)
        others = _folders_with_kernels(function, inspect.getfile(function))
        self._read_only = [
            self._file_in(other)
            for other in others
            if other.get_cache_path() != self.cache_path
        ]

    def _file_in(self, locator: Any) -> _CheckedFile:
        return _CheckedFile(
            locator.get_cache_path(),
            self._impl.filename_base,
            locator.get_source_stamp(),
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled kernel, or None where there is none."""
        try:
            found = super().load_overload(sig, target_context)
            for file in self._read_only if found is None else []:
                data = file.load(self._index_key(sig, target_context.codegen()))
                if data is not None:
                    return self._impl.rebuild(target_context, data)
            return found
        except Exception as error:  # whatever unpickling of damaged files raises
            _warn("is damaged", self.cache_path, error)
        try:
            self.flush()
        except Exception as error:
            _warn("is damaged, and cannot be written", self.cache_path, error)
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write the compiled kernel, if that is possible."""
        try:
            super().save_overload(sig, data)
        except Exception as error:
            _warn("is impossible to write", self.cache_path, error)


class _NoCache(NullCache):
    """What stands for a cache where no folder can hold one."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def save_overload(self, sig: Any, data: Any) -> None:
        """Say that the kernel is not kept."""
        _warn("can be written nowhere", None, self._error)


class _CheckedFile(IndexDataCacheFile):
    """The files of a cache; each kernel's says what it is.

    The index maps kernels to numbered files. Where two processes write at once, or a
    disk is full after the index is written, a file is not what the index says: its
    kernel may be of other types, of another processor or of an older source.
    """

    def save(self, key: Any, data: Any) -> None:
        """Write a kernel and what it is."""
        packed = dumps(data)
        super().save(key, (*self._whose(key), sha256(packed).digest(), packed))

    def load(self, key: Any) -> Any:
        """Return a kernel, or None where there is none or another one."""
        found = super().load(key)
        if found is None or found[:3] != self._whose(key):
            return None
        digest, packed = found[3:]
        if sha256(packed).digest() != digest:
            raise ValueError("a file has another content than was written")
        return pickle.loads(packed)

    def _whose(self, key: Any) -> tuple[Any, Any, Any]:
        return self._version, self._source_stamp, key


class _NoCollection(Listener):
    """Pauses the garbage collector while one of our kernels is compiled.

    Millions of small objects make it go through all objects of the process some times,
    for a tenth of the time; they are freed without it. Only one thread compiles.
    """

    def __init__(self) -> None:
        self._was_enabled: list[bool] = []  # a kernel may compile another one

    def on_start(self, event: Event) -> None:
        """Pause it."""
        if _is_ours(event):
            self._was_enabled.append(gc.isenabled())
            gc.disable()

    def on_end(self, event: Event) -> None:
        """Go on, also after an error."""
        if _is_ours(event) and self._was_enabled.pop():
            gc.enable()


def _is_ours(event: Event) -> bool:
    cache = getattr(event.data.get("dispatcher"), "_cache", None)
    return isinstance(cache, TolerantCache | _NoCache)


register("numba:compile", _NoCollection())


def _warn(what: str, where: str | None, error: Exception) -> None:
    """Warn once in a process."""
    global _warned
    if not _warned:
        _warned = True
        place = "" if where is None else f" in {where}"
        warnings.warn(
            f"The cache of compiled kernels{place} {what} "
            f"({type(error).__name__}: {error}); they are compiled anew. "
            "Environment variable NUMBA_CACHE_DIR chooses another folder.",
            stacklevel=2,
        )
