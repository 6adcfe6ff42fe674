"""Columns of several units -> codes: each column is scaled, then cut into cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from .._printing import short_repr
from ._checks import check_features
from .quantizer import Quantizer

__all__ = ["ScaledQuantizer"]


@dataclass(frozen=True, eq=False)
class ScaledQuantizer:
    """Scale each column, then cut it into cells as a `Quantizer` does.

    ``cells.codes((x - subtracted) / divisor * factor + added)``, each operation rounded
    to double precision. Operations that change nothing are exact, so that one scaler
    of scikit-learn gives the same bits as it does itself.

    Parameters
    ----------
    cells : Quantizer
        Cells of the scaled columns.
    subtracted, divisor, factor, added : ndarray of shape (n_features,), dtype float64
        Divisors and factors are positive. Those that change nothing are 0, 1, 1, 0.
    """

    __repr__ = short_repr

    cells: Quantizer
    subtracted: npt.NDArray[np.float64]
    divisor: npt.NDArray[np.float64]
    factor: npt.NDArray[np.float64]
    added: npt.NDArray[np.float64]

    @property
    def n_features(self) -> int:
        """Number of features."""
        return self.cells.n_features

    @property
    def n_codes(self) -> int:
        """Number of codes of a sample: one of each feature."""
        return self.cells.n_codes

    @property
    def n_bits(self) -> int:
        """Bits of a code."""
        return self.cells.n_bits

    @property
    def inv_step(self) -> float:
        """One over the width of a cell of the scaled columns."""
        return self.cells.inv_step

    @property
    def operations(self) -> dict[str, npt.NDArray[np.float64]]:
        """What is done to columns, in order, without what changes nothing."""
        neutral = {"subtracted": 0.0, "divisor": 1.0, "factor": 1.0, "added": 0.0}
        values = {name: getattr(self, name) for name in neutral}
        return {
            name: each for name, each in values.items() if (each != neutral[name]).any()
        }

    def key(self) -> Iterator[tuple[Any, str]]:
        """Yield all numbers that codes depend on, with the types to hash them by."""
        yield from self.cells.key()
        for each in (self.subtracted, self.divisor, self.factor, self.added):
            yield each, "<f8"

    def inputs(self, X: Any) -> npt.NDArray[np.float64]:
        """Return what the network takes for its inputs: the scaled columns.

        Parameters
        ----------
        X : ndarray or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_features), dtype float64
        """
        X = check_features(X, self.n_features, type(self).__name__)
        return self._scaled(X.toarray() if sparse.issparse(X) else np.asarray(X))

    def codes(self, X: Any) -> npt.NDArray[np.unsignedinteger[Any]]:
        """Return the codes of `X`.

        Parameters
        ----------
        X : ndarray or sparse matrix of shape (n_samples, n_features)
            Finite numbers, as they are before any scaling.

        Returns
        -------
        ndarray of shape (n_samples, n_features), dtype uint8 or uint16
            C-contiguous; uint16 where `n_bits` is over 8.
        """
        X = check_features(X, self.n_features, type(self).__name__)
        if not sparse.issparse(X):
            return self.cells.codes(self._scaled(np.asarray(X)))
        codes = np.repeat(self.zero_codes()[np.newaxis], X.shape[0], axis=0)
        rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
        codes[rows, X.indices] = self.entry_codes(X)
        return codes

    def zero_codes(self) -> npt.NDArray[np.unsignedinteger[Any]]:
        """Return the codes of a row of zeros.

        Returns
        -------
        ndarray of shape (n_features,), dtype uint8 or uint16
        """
        return self.cells.codes(self._scaled(np.zeros((1, self.n_features))))[0]

    def entry_codes(self, X: Any) -> npt.NDArray[np.unsignedinteger[Any]]:
        """Return the codes of the entries of a sparse array, in their order.

        Parameters
        ----------
        X : CSR array of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (X.nnz,), dtype uint8 or uint16
        """
        return self.cells._codes_at(self._scaled(X.data, X.indices), X.indices)

    def _scaled(
        self, x: npt.NDArray[Any], columns: Any = slice(None)
    ) -> npt.NDArray[np.float64]:
        with np.errstate(over="ignore"):  # infinite is far enough
            scaled = x.astype(np.float64) - self.subtracted[columns]
            scaled /= self.divisor[columns]
            scaled *= self.factor[columns]
            scaled += self.added[columns]
        return np.asarray(scaled)

    def decode(self, codes: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return the centres of cells, in units of the scaled columns.

        Parameters
        ----------
        codes : ndarray of shape (..., n_features)
            Codes, or means of codes.

        Returns
        -------
        ndarray of shape (..., n_features), dtype float64
        """
        return self.cells.decode(codes)

    def encode(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the real codes that `decode` makes `values` of.

        Parameters
        ----------
        values : ndarray of shape (..., n_features)
            In units of the scaled columns.

        Returns
        -------
        ndarray of shape (..., n_features), dtype float64
        """
        return self.cells.encode(values)
