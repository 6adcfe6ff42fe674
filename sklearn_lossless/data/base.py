"""What a fit knows of its data: parts, of which functions are summed up.

A part is some of the rows. Data in memory are one part; on a cluster each chunk is one.
A fit never asks which: it gives functions of a part to `Data` and gets their sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ..network import CompressedNetwork, LazyCodes
from ..network.quantizer import ValueRange, value_range

__all__ = [
    "Data",
    "Part",
    "Report",
    "evenly_spread",
    "has_weight",
    "is_dask",
    "join_rows",
    "print_progress",
    "row_blocks",
    "rows_with_weight",
    "spread_rows",
    "take_rows",
    "uniform_rows",
    "varies",
    "weight_of",
]

Array = npt.NDArray[Any]
Report = Callable[[str], None]

#: Rows and entries of a block; the entries take 2 to 32 MB in float32.
_BLOCK_ROWS = 8192
_BLOCK_SIZES = 2**19, 2**23

#: Doubles of rows that are spread over the data.
_SPREAD_SIZE = 2**25


class Part(NamedTuple):
    """Some rows: inputs, targets, weights.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        Validated.
    y : ndarray of shape (n_samples, ...) or None
        Targets, as the step of the fit at hand wants them.
    weight : ndarray of shape (n_samples,) or None, dtype float64
        Sample weights.
    scores : ndarray of shape (n_samples, n_scores) or None
        What a teacher says of the rows.
    n_jobs : int or None
        Threads of a forward pass.
    report : callable or None
        Takes lines of text about the progress.
    """

    X: Any
    y: Any = None
    weight: Array | None = None
    scores: Array | None = None
    n_jobs: int | None = None
    report: Report | None = None

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return int(self.X.shape[0])

    def codes(self, network: CompressedNetwork) -> LazyCodes:
        """Return the codes that `network` gives, made when they are asked for."""
        return LazyCodes(network, self.X, self.n_jobs)

    def take(self, rows: npt.NDArray[np.intp]) -> Self:
        """Return the part that consists of `rows`."""
        X, y, weight, scores = (take_rows(each, rows) for each in self[:4])
        return self._replace(X=X, y=y, weight=weight, scores=scores)

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Return the part that consists of the rows of all parts, in their order."""
        X, y, weight, scores = map(join_rows, list(zip(*parts, strict=True))[:4])
        return parts[0]._replace(X=X, y=y, weight=weight, scores=scores)


class Data(Protocol):
    """Rows in parts, wherever they are.

    Functions that are handed to it take a part first, then the `shared` arguments.
    What they return for several parts adds up with ``+``.
    """

    n_samples: int
    n_features: int
    #: Whether parts and kept values live in this process.
    in_memory: bool
    #: Whether X is sparse.
    is_sparse: bool
    #: Shape of y as it was given; None without.
    y_shape: tuple[int, ...] | None
    #: Whether rows have sample weights.
    is_weighted: bool

    def map(
        self, f: Callable[..., Any], *shared: Any, beside: Array | None = None
    ) -> Data:
        """Return data whose parts are ``f(part, *shared)``.

        With `beside`, an array of n_samples rows, ``f(part, its_rows, *shared)``.
        """
        ...

    def total(self, f: Callable[..., Any], *shared: Any, keep: bool = False) -> Any:
        """Return the sum of ``f(part, *shared)`` over all parts.

        With `keep` it stays where the data are, for `apply` and other `shared`.
        """
        ...

    def apply(self, f: Callable[..., Any], *values: Any) -> Any:
        """Return ``f(*values)``, computed and kept where the data are."""
        ...

    def fetch(self, kept: Any) -> Any:
        """Bring a kept value into this process."""
        ...

    def gather(self, f: Callable[..., Any], *shared: Any) -> Array:
        """Return the arrays ``f(part, *shared)`` end to end, in this process."""
        ...

    def take(self, rows: npt.NDArray[np.intp]) -> Any:
        """Return the rows of these ascending numbers as one part, in this process."""
        ...

    def take_all(self) -> Any:
        """Return all rows as one part, in this process."""
        ...

    def total_inputs(self, f: Callable[..., Any]) -> Any:
        """Return the sum of ``f(X, weight)`` over all parts."""
        ...


def take_rows(column: Any, rows: Any) -> Any:
    """Return rows of an array or of what gives rows like one; None of None."""
    return None if column is None else column[rows]


def join_rows(columns: Sequence[Any]) -> Any:
    """Return arrays or sparse matrices end to end; None of None."""
    if all(each is None for each in columns):
        return None
    if any(sparse.issparse(each) for each in columns):
        return sparse.vstack([sparse.csr_array(each) for each in columns], "csr")
    return np.concatenate(columns)


def weight_of(part: Any) -> Array:
    """Return the weight of each row of a part: 1, where none is given."""
    return np.ones(part.n_samples) if part.weight is None else part.weight


def has_weight(part: Any) -> npt.NDArray[np.bool_]:
    """Return for each row of a part whether it has weight."""
    return np.asarray(weight_of(part) > 0)


def rows_with_weight(data: Data) -> npt.NDArray[np.intp]:
    """Return the numbers of the rows that have sample weight."""
    if not data.is_weighted:
        return np.arange(data.n_samples)
    return np.flatnonzero(data.gather(has_weight))


def varies(data: Data) -> bool:
    """Return whether some column of X has more than one value, in rows with weight.

    A missing value is one that is not equal to others.
    """
    seen = data.total_inputs(_known_range)
    return bool((seen.low < seen.high).any())


def _known_range(X: Any, weight: Any) -> ValueRange:
    """Return the range of each column, missing values on the lower side of it."""
    if not sparse.issparse(X) and np.isnan(X).any():
        X = np.where(np.isnan(X), -np.inf, X)
    return value_range(X, weight)


def uniform_rows(data: Data, n_rows: int) -> Any:
    """Return at most `n_rows` rows that have weight as one part, drawn uniformly."""
    usable = rows_with_weight(data)
    if len(usable) > n_rows:
        drawn = np.random.default_rng(0).choice(len(usable), n_rows, replace=False)
        usable = usable[np.sort(drawn)]
    return data.take_all() if len(usable) == data.n_samples else data.take(usable)


def evenly_spread(rows: npt.NDArray[np.intp], n_rows: int) -> npt.NDArray[np.intp]:
    """Return at most `n_rows` of some row numbers, at equal distances."""
    n_rows = min(len(rows), n_rows)
    return rows[np.linspace(0, len(rows) - 1, n_rows).astype(np.intp)]


def spread_rows(data: Data, n_rows: int) -> Array:
    """Return at most `n_rows` rows of X that have weight, at equal distances, dense.

    Of wide ones fewer, so that they take no more than 256 MB, but 100 at least.
    """
    n_rows = min(n_rows, max(100, _SPREAD_SIZE // data.n_features))
    X = data.take(evenly_spread(rows_with_weight(data), n_rows)).X
    return np.asarray(X.toarray() if sparse.issparse(X) else X)


def row_blocks(
    rows: Any, title: str = "", report: Report | None = None, n_targets: int = 1
) -> Iterator[slice]:
    """Cut `rows` into blocks; report every tenth of them all.

    Parameters
    ----------
    rows : object with `shape`
        What is cut: its number of columns decides the size of a block.
    title : str, default=""
        What is done, for the report.
    report : callable or None, default=None
        Takes lines of text about the progress.
    n_targets : int, default=1
        Columns of the targets, which take memory too.

    Yields
    ------
    slice
    """
    n_rows, n_features = rows.shape
    # Small beside the d x d matrices, but for small d.
    size = np.clip(n_features**2 / 4, *_BLOCK_SIZES) / max(n_features, n_targets)
    block = min(_BLOCK_ROWS, max(256, 2 ** round(np.log2(size))))
    for start in range(0, n_rows, block):
        stop = min(start + block, n_rows)
        yield slice(start, stop)
        if report is not None and (10 * start) // n_rows < (10 * stop) // n_rows:
            report(f"{title}: {stop} of {n_rows} rows")


def print_progress(name: str, text: str) -> None:
    """Print a line of progress of the estimator `name`."""
    print(f"[{name}] {text}", flush=True)


def is_dask(*arrays: Any) -> bool:
    """Return whether one of `arrays` is a collection of dask, without importing it."""
    return any(type(each).__module__.partition(".")[0] == "dask" for each in arrays)
