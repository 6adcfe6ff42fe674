"""The compressed network: frozen, integers from the input codes to the last codes."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import effective_n_jobs

from .._printing import short_repr
from . import _engine
from ._checks import check_features, check_shape
from .addition import Addition
from .convolution import Convolution, Pooling
from .kinds import Layer
from .layers import Dense
from .prepared import PreparedLayers, weights_of
from .quantizer import AnyQuantizer
from .ternary import TernaryWeights
from .thresholds import ThresholdQuantizer

__all__ = ["CompressedNetwork", "chunk_rows", "kept_between"]

#: Rows that a thread takes at once: a block of the engine, or so many codes.
_CHUNK_ROWS = 512
_CHUNK_CODES = 2**26

#: Scores that are made at once before something is made of them, and for how many rows
#: at least: they share the loading of the readout's weights.
_SCORES = 2**16
_FEWEST_SCORED = 128


@dataclass(frozen=True, eq=False)
class CompressedNetwork:
    """A sparse ternary network with step activations, grown from a seed.

    Neuron o of a layer sums ``+-code`` over its inputs and puts out the level of
    the cell that the sum falls in. Only the seed and a few integers per layer are
    stored; the weights are drawn again when they are needed.

    Parameters
    ----------
    quantizer : Quantizer or ThresholdQuantizer
        From real inputs to the first codes.
    layers : tuple of Dense, Convolution, Pooling or Addition
        First to last; dense ones after those of pictures.
    seed : int
        64-bit seed of the weights.
    readout_layers : {"last", "all"}, default="last"
        Which layers' codes are put out; all of them side by side, the first first.
    """

    __repr__ = short_repr

    quantizer: AnyQuantizer
    layers: tuple[Layer, ...]
    seed: int
    readout_layers: str = "last"

    @property
    def n_features_in(self) -> int:
        """Number of input features."""
        return self.quantizer.n_features

    @cached_property
    def n_features_out(self) -> int:
        """Number of neurons whose codes are put out."""
        return sum(math.prod(layer.shape_out) for layer in self.output_layers)

    @property
    def output_layers(self) -> tuple[Layer, ...]:
        """The layers whose codes are put out."""
        return self.layers if self.readout_layers == "all" else self.layers[-1:]

    @property
    def has_stored_weights(self) -> bool:
        """Whether a layer has weights of its own, not drawn from the seed."""
        return any(
            layer.neurons is not None and layer.neurons.weights is not None
            for layer in self.layers
        )

    @property
    def is_dense(self) -> bool:
        """Whether all layers are dense."""
        return all(isinstance(layer, Dense) for layer in self.layers)

    @property
    def n_weights(self) -> int:
        """Number of hidden weights, zeros included."""
        return sum(layer.n_weights for layer in self.layers)

    @property
    def n_nonzeros(self) -> int:
        """Number of hidden weights that are not zero."""
        return sum(layer.n_nonzero_weights for layer in self.layers)

    @property
    def largest_code(self) -> int:
        """Largest code that is put out."""
        return max(layer.largest_code for layer in self.output_layers)

    @property
    def code_line(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Value of each feature at code 0, and its step size from code to code."""
        widths = [math.prod(layer.shape_out) for layer in self.output_layers]
        offsets = [layer.offset for layer in self.output_layers]
        step_sizes = [layer.step_size for layer in self.output_layers]
        return np.repeat(offsets, widths), np.repeat(step_sizes, widths)

    def forward(self, X: Any, *, n_jobs: int | None = None) -> npt.NDArray[np.uint8]:
        """Return the codes of the last layer, or of all.

        Parameters
        ----------
        X : ndarray or sparse matrix of shape (n_samples, n_features_in)
            Finite numbers.
        n_jobs : int or None, default=None
            Threads, as in joblib. The result does not depend on it.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out), dtype uint8
        """
        X = check_features(X, self.n_features_in, type(self).__name__)
        out = np.empty((X.shape[0], self.n_features_out), dtype=np.uint8)
        self._for_chunks(X, n_jobs, out, lambda codes, rows: None)
        return out

    def features(
        self,
        X: Any,
        *,
        dtype: npt.DTypeLike = np.float64,
        n_jobs: int | None = None,
    ) -> npt.NDArray[Any]:
        """Return the features: ``offset + step_size * codes``, as by `code_line`.

        Parameters
        ----------
        X : ndarray or sparse matrix of shape (n_samples, n_features_in)
            Finite numbers.
        dtype : dtype, default=float64
            Of the result.
        n_jobs : int or None, default=None
            Threads, as in joblib.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
        """
        X = check_features(X, self.n_features_in, type(self).__name__)
        out = np.empty((X.shape[0], self.n_features_out), dtype=dtype)
        offset, step_size = (each.astype(dtype) for each in self.code_line)

        def finish(codes: npt.NDArray[Any], rows: slice) -> None:
            _engine.decode(codes, offset, step_size, out[rows])

        self._for_chunks(X, n_jobs, None, finish)
        return out

    def scores(
        self,
        X: Any,
        weights: npt.NDArray[np.float64],
        *,
        then: Callable[[npt.NDArray[np.float64]], npt.NDArray[Any]] | None = None,
        out: npt.NDArray[Any] | None = None,
        n_jobs: int | None = None,
    ) -> npt.NDArray[Any]:
        """Return the products of the codes with `weights`, or what is made of them.

        Parameters
        ----------
        X : ndarray or sparse matrix of shape (n_samples, n_features_in)
            Finite numbers.
        weights : ndarray of shape (n_features_out, n_targets), dtype float64
            Whole numbers below 2**31 make all sums exact, so that they are the same
            for any batch, thread and machine.
        then : callable, optional
            Takes the products of some rows, which it may overwrite, and returns what
            takes their place in `out`. So those of all rows need no memory.
        out : ndarray of shape (n_samples, ...), optional
            Where to put the result. By default a new array of the products' shape.
        n_jobs : int or None, default=None
            Threads, as in joblib.

        Returns
        -------
        ndarray of shape (n_samples, n_targets), dtype float64, or `out`
        """
        X = check_features(X, self.n_features_in, type(self).__name__)
        check_shape(weights, (self.n_features_out, "n_targets"), "weights")
        by_target = _engine.prepare_readout(weights)
        n_targets = len(by_target)
        result = np.empty((X.shape[0], n_targets)) if out is None else out
        n_at_once = max(_FEWEST_SCORED, _SCORES // max(1, n_targets))

        def finish(codes: npt.NDArray[Any], rows: slice) -> None:
            if then is None:
                _engine.read_out(codes, by_target, result[rows])
                return
            for start in range(0, len(codes), n_at_once):
                some = codes[start : start + n_at_once]
                scores = np.empty((len(some), n_targets))
                _engine.read_out(some, by_target, scores)
                first = rows.start + start
                result[first : first + len(some)] = then(scores)

        self._for_chunks(X, n_jobs, None, finish)
        return result

    def _for_chunks(
        self,
        X: Any,
        n_jobs: int | None,
        out: npt.NDArray[Any] | None,
        finish: Callable[[npt.NDArray[Any], slice], None],
    ) -> None:
        """Put codes into rows of `out`, or an array of each thread; `finish` them."""
        n_samples = X.shape[0]
        at_once, run = self._way(X)
        if at_once < min(_CHUNK_ROWS, n_samples):
            # Of very many inputs: chunks of one size. A few rows that are left over
            # would need planes of the weights, which are for single samples.
            at_once = -(-n_samples // -(-n_samples // at_once))

        chunks = range(0, n_samples, at_once)
        n_threads = min(effective_n_jobs(n_jobs), len(chunks)) if n_samples > 1 else 1
        starts = iter(chunks)

        def run_what_is_left() -> None:
            scratch = _engine.Scratch()
            if out is None:
                shape = min(at_once, n_samples), self.n_features_out
                own = np.empty(shape, dtype=np.uint8)
            for start in starts:
                rows = slice(start, min(start + at_once, n_samples))
                into = own[: rows.stop - start] if out is None else out[rows]
                finish(run(X[rows], into, scratch), rows)

        if n_threads <= 1:
            run_what_is_left()
            return
        # joblib says how many threads; its own pool polls, which costs 10 ms.
        with ThreadPoolExecutor(n_threads - 1) as pool:
            others = [pool.submit(run_what_is_left) for _ in range(n_threads - 1)]
            run_what_is_left()
            for other in others:
                other.result()

    def _way(self, X: Any) -> tuple[int, Callable[..., npt.NDArray[Any]]]:
        """Return how many rows are run at once, and what puts their codes somewhere.

        Weights are drawn here, once, before the threads.
        """
        prepared, quantizer = self._prepared, self.quantizer
        all_layers = self.readout_layers == "all"
        if prepared.prefer_entries(X):
            assert not isinstance(quantizer, ThresholdQuantizer)
            first, others = prepared.first_by_input, prepared.others

            def run_entries(X: Any, out: Any, scratch: Any) -> npt.NDArray[Any]:
                return _engine.forward_entries(
                    X.indptr,
                    X.indices,
                    quantizer.entry_codes(X),
                    first,
                    others,
                    out,
                    all_layers=all_layers,
                    scratch=scratch,
                )

            return chunk_rows(self, from_entries=True), run_entries
        layers = prepared.all

        def run(X: Any, out: Any, scratch: Any) -> npt.NDArray[Any]:
            return _engine.forward(
                quantizer.codes(X), layers, out, all_layers=all_layers, scratch=scratch
            )

        return self._chunk_rows, run

    @cached_property
    def _chunk_rows(self) -> int:
        return chunk_rows(self)

    @cached_property
    def _prepared(self) -> PreparedLayers:
        return PreparedLayers(self.quantizer, self.layers, self.seed)

    def weights(self, number: int) -> TernaryWeights:
        """Return the weights of a layer: stored ones, or drawn again.

        Parameters
        ----------
        number : int
            The layer, from 0, counting layers of every kind.

        Returns
        -------
        TernaryWeights
            Indices, signs and biases of its neurons.
        """
        return weights_of(self.seed, self.layers, number)

    def with_readout_layers(self, readout_layers: str) -> CompressedNetwork:
        """Return the same network with the codes of other layers put out.

        Parameters
        ----------
        readout_layers : {"last", "all"}

        Returns
        -------
        CompressedNetwork
            Shares the drawn weights.
        """
        other = replace(self, readout_layers=readout_layers)
        vars(other)["_prepared"] = self._prepared
        return other

    def __getstate__(self) -> dict[str, Any]:
        # Without what was computed from it, such as its weights.
        return {field.name: getattr(self, field.name) for field in fields(self)}


def chunk_rows(network: CompressedNetwork, from_entries: bool = False) -> int:
    """Return how many rows a thread takes at once.

    Parameters
    ----------
    network : CompressedNetwork
    from_entries : bool, default=False
        Whether rows are sparse, and run without codes of all inputs.

    Returns
    -------
    int
    """
    widest = max(
        0 if from_entries else network.quantizer.n_codes,
        network.n_features_out,
        *(layer.n_outputs for layer in kept_between(network)),
    )
    return max(1, min(_CHUNK_ROWS, _CHUNK_CODES // widest))


def kept_between(network: CompressedNetwork) -> list[Layer]:
    """Return the layers whose codes are there for a block of rows at once.

    Those of a convolution are pooled a few filters at a time, unless they are added
    later.
    """
    layers = network.layers
    skips = {each.skip for each in layers if isinstance(each, Addition)}
    if network.readout_layers == "all":
        return list(layers)
    return [
        layer
        for number, layer in enumerate(layers)
        if number in skips
        or not isinstance(layer, Convolution)
        or not isinstance((*layers, None)[number + 1], Pooling)
    ]
