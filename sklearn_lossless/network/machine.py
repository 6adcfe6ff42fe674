"""The machine, for bug reports."""

from ._engine.machine import machine

__all__ = ["machine"]
