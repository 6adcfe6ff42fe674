"""The version and the address of the site, in a leaf that all may import."""

__all__ = ["DOCS_URL", "__version__"]

__version__ = "0.2.0"

#: Where the site is.
DOCS_URL = "https://sklearn-lossless.github.io/sklearn-lossless/"
