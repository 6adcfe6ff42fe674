"""Fitted estimators as files for elsewhere."""

from .archive import NotRestored, load, save
from .sizes import SizeReport, size_report

__all__ = ["NotRestored", "SizeReport", "load", "save", "size_report"]
