"""What a fitted estimator takes, in memory by each way of counting, and on disk."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from sklearn.utils.validation import check_is_fitted

from ..network import network_sizes
from ._coding import READOUT_DTYPES
from ._container import pack_section
from ._sections import FileContent, encode_readout
from .archive import check_readout_dtype, checked_bytes, content_of, to_bytes
from .fold import folded

__all__ = ["COUNT_LABELS", "SizeReport", "file_sizes", "size_report"]

#: What each count of bytes is called.
COUNT_LABELS = {
    "dense_float32": "dense network, float32",
    "packed_trits": "hidden weights: packed trits, five to a byte",
    "csr": "hidden weights: index and sign of each nonzero",
    "entropy_bound": "hidden weights: entropy bound",
    "paper": "hidden weights: 2 bits per nonzero, places left out",
    "seed": "hidden weights: seed, and weights not drawn from it",
    **{f"readout_{dtype}": f"readout weights, {dtype}" for dtype in READOUT_DTYPES},
    "file": "model file, all of it",
    **{
        f"file_{dtype}": f"model file, all of it, readout {dtype}"
        for dtype in READOUT_DTYPES
    },
}


class SizeReport(dict[str, int]):
    """Bytes by name; prints as a table.

    Parameters
    ----------
    sizes : dict of str to int
        Bytes.
    title : str
        What has these sizes.
    readout_dtype : str
        Type of the readout.
    """

    def __init__(self, sizes: dict[str, int], title: str, readout_dtype: str) -> None:
        super().__init__(sizes)
        self.title = title
        self.readout_dtype = readout_dtype

    def __str__(self) -> str:
        lines = [f"{self.title:54} {'bytes':>13}"]
        for name, size in self.items():
            if size:
                key = f"readout_{self.readout_dtype}" if name == "readout" else name
                lines.append(f"{COUNT_LABELS[key]:54} {size:13,}")
        share = self["dense_float32"] / self["file"]
        lines.append(f"{'dense network to model file':54} {share:13,.1f}")
        return "\n".join(lines)


def size_report(estimator: Any, readout_dtype: str = "float64") -> SizeReport:
    """Return the bytes of a fitted estimator, by each way of counting.

    Parameters
    ----------
    estimator : NTKCompressor, CompressedMLPClassifier or CompressedMLPRegressor
        Fitted.
    readout_dtype : {"float64", "float32", "float16", "int8", "int4"}, \
            default="float64"
        Type of the readout's coefficients in the file.

    Returns
    -------
    SizeReport
        Bytes by name: those of :func:`sklearn_lossless.network.network_sizes`, and
        ``file``, the size of the file that `save` writes.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError, ValueError
        If it cannot be saved.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_lossless import CompressedMLPClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> clf = CompressedMLPClassifier((500, 500), random_state=0).fit(X, y)
    >>> report = clf.size_report(readout_dtype="int8")
    >>> report["dense_float32"], report["seed"], report["readout"]
    (1148000, 8, 5000)
    >>> report["file"] < 6500
    True
    """
    estimator = folded(estimator)
    file = to_bytes(estimator, readout_dtype)
    network = estimator.network_
    readout = getattr(estimator, "_readout", None)
    n_targets = 0 if readout is None else readout.n_targets
    sizes = network_sizes(network, n_targets, READOUT_DTYPES[readout_dtype])
    shapes = [network.layers[0].shape_in, *(each.shape_out for each in network.layers)]
    widths = ["x".join(map(str, shape)) for shape in shapes]
    shape = "-".join([*widths, str(n_targets)] if n_targets else widths)
    return SizeReport({**sizes, "file": len(file)}, shape, readout_dtype)


def file_sizes(
    estimator: Any, readout_dtypes: Iterable[str] = tuple(READOUT_DTYPES)
) -> dict[str, int]:
    """Return the size of the model file for each type of the readout.

    What the files have in common is encoded and checked once.

    Parameters
    ----------
    estimator : NTKCompressor, CompressedMLPClassifier or CompressedMLPRegressor
        Fitted.
    readout_dtypes : iterable of str, default=all there are
        Types of the readout's coefficients, as in `save`.

    Returns
    -------
    dict of str to int
        Bytes by type, without those in which the estimator cannot be saved.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If a type is unknown.
    """
    check_is_fitted(estimator, "network_")
    readout_dtypes = list(readout_dtypes)
    for dtype in readout_dtypes:
        check_readout_dtype(dtype)
    try:
        content = content_of(estimator)
        size = len(checked_bytes(content, "float64"))
    except (TypeError, ValueError):
        return {}
    if content.readout is None:
        return dict.fromkeys(readout_dtypes, size)
    size -= _readout_size(content, "float64")
    sizes = {}
    for dtype in readout_dtypes:
        with suppress(ValueError):  # a coefficient is too large for some types
            sizes[dtype] = size + _readout_size(content, dtype)
    return sizes


def _readout_size(content: FileContent, readout_dtype: str) -> int:
    """Return the bytes of the section that depends on the readout's type."""
    return len(pack_section(b"READ", encode_readout(content, readout_dtype)))
