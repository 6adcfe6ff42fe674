"""Numba's cache of compiled kernels, without its crashes."""

from __future__ import annotations

import warnings
from typing import Any

from numba.core.caching import FunctionCache

__all__ = ["TolerantCache"]

_warned = False


class TolerantCache(FunctionCache):
    """A cache whose files may be damaged, or impossible to write.

    Where a file cannot be read, the kernel is compiled anew and the file replaced;
    where none can be written, the kernel is compiled by each process. A warning says
    so once.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled kernel, or None where there is none."""
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # whatever unpickling of damaged files raises
            _warn("damaged", self.cache_path, error)
        try:
            self.flush()
        except Exception as error:
            _warn("damaged, and cannot be written", self.cache_path, error)
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write the compiled kernel, if that is possible."""
        try:
            super().save_overload(sig, data)
        except Exception as error:
            _warn("impossible to write", self.cache_path, error)


def _warn(what: str, where: str, error: Exception) -> None:
    """Warn once in a process."""
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(
            f"The cache of compiled kernels in {where} is {what} "
            f"({type(error).__name__}: {error}); they are compiled anew.",
            stacklevel=2,
        )
