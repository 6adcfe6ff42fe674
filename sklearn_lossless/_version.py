"""The version, in a leaf that all may import."""

__all__ = ["__version__"]

__version__ = "0.2.0"
