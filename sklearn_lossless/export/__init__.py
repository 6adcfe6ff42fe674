"""Fitted estimators as files for elsewhere."""

from .archive import NotRestored, load, save

__all__ = ["NotRestored", "load", "save"]
