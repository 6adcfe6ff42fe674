"""The compressed network: frozen, integers from the input codes to the last codes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import effective_n_jobs

from . import _engine
from .quantizer import CodeStatistics, Quantizer
from .ternary import BIAS_STD, TernaryWeights, ternary_weights

__all__ = ["CompressedNetwork", "Dense", "LazyCodes", "build_network", "n_nonzeros"]

#: Thresholds, centres and biases are integers in 1/256 of a sum of codes.
FIXED_POINT = 256

#: A bias is `Dense.bias_scale` times an integer of 18 bits, over this number.
_BIAS_UNIT = 2**16

#: Rows that a thread takes at once: a block of the engine.
_CHUNK_ROWS = 512


@dataclass(frozen=True, eq=False)
class Dense:
    """What, beside the seed, determines one layer.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Shape of the layer.
    n_nonzeros : int
        Nonzero weights of each neuron.
    thresholds : ndarray of shape (n_thresholds,) or (n_outputs, n_thresholds), \
            dtype int64
        Where the activation steps, in 1/256 of a centred sum of input codes; for
        all neurons or for each.
    levels : ndarray of shape (n_thresholds + 1,), dtype uint8
        Codes of the activation's cells, from left to right.
    centre : ndarray of shape (1,) or (n_inputs,), dtype int64
        Mean code of all inputs or of each, in 1/256.
    bias_scale : int, default=0
        Size of the random biases; 0 for none.
    weights : TernaryWeights or None, default=None
        The weights, where they are not drawn from the seed.
    """

    n_inputs: int
    n_outputs: int
    n_nonzeros: int
    thresholds: npt.NDArray[np.int64]
    levels: npt.NDArray[np.uint8]
    centre: npt.NDArray[np.int64]
    bias_scale: int = 0
    weights: TernaryWeights | None = None
    offset: float = 0.0
    step_size: float = 1.0

    @property
    def n_bits(self) -> int:
        """Bits of an output code."""
        return int(self.levels.max()).bit_length()


@dataclass(frozen=True, eq=False)
class CompressedNetwork:
    """A sparse ternary network with step activations, grown from a seed.

    Neuron o of a layer sums ``+-code`` over its inputs and puts out the level of
    the cell that the sum falls in. Only the seed and a few integers per layer are
    stored; the weights are drawn again when they are needed.

    Parameters
    ----------
    quantizer : Quantizer
        From real inputs to the first codes.
    layers : tuple of Dense
        First to last.
    seed : int
        64-bit seed of the weights.
    readout_layers : {"last", "all"}, default="last"
        Which layers' codes are put out; all of them side by side, the first first.
    """

    quantizer: Quantizer
    layers: tuple[Dense, ...]
    seed: int
    readout_layers: str = "last"

    @property
    def n_features_in(self) -> int:
        """Number of input features."""
        return self.layers[0].n_inputs

    @property
    def n_features_out(self) -> int:
        """Number of neurons whose codes are put out."""
        return sum(spec.n_outputs for spec in self.output_layers)

    @property
    def output_layers(self) -> tuple[Dense, ...]:
        """The layers whose codes are put out."""
        return self.layers if self.readout_layers == "all" else self.layers[-1:]

    @property
    def has_stored_weights(self) -> bool:
        """Whether a layer has weights of its own, not drawn from the seed."""
        return any(spec.weights is not None for spec in self.layers)

    @property
    def n_weights(self) -> int:
        """Number of hidden weights, zeros included."""
        return sum(spec.n_inputs * spec.n_outputs for spec in self.layers)

    @property
    def n_nonzeros(self) -> int:
        """Number of hidden weights that are not zero."""
        return sum(spec.n_nonzeros * spec.n_outputs for spec in self.layers)

    def forward(self, X: Any, *, n_jobs: int | None = None) -> npt.NDArray[np.uint8]:
        """Return the codes of the last layer, or of all.

        Parameters
        ----------
        X : ndarray or CSR matrix of shape (n_samples, n_features_in)
            Finite numbers.
        n_jobs : int or None, default=None
            Threads, as in joblib. The result does not depend on it.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out), dtype uint8
        """
        out = np.empty((X.shape[0], self.n_features_out), dtype=np.uint8)
        self._for_chunks(X, n_jobs, out, lambda codes, rows: None)
        return out

    @property
    def code_line(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Offset and step size of each feature."""
        specs = self.output_layers
        widths = [spec.n_outputs for spec in specs]
        return (
            np.repeat([spec.offset for spec in specs], widths),
            np.repeat([spec.step_size for spec in specs], widths),
        )

    def features(
        self,
        X: Any,
        *,
        dtype: npt.DTypeLike = np.float64,
        n_jobs: int | None = None,
    ) -> npt.NDArray[Any]:
        """Return ``first + unit * codes``.

        Parameters
        ----------
        X : ndarray or CSR matrix of shape (n_samples, n_features_in)
            Finite numbers.
        first, unit : ndarray of shape (n_features_out,), dtype float64
            Value of code 0, and the step from code to code.
        dtype : dtype, default=float64
            Of the result.
        n_jobs : int or None, default=None
            Threads, as in joblib.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
        """
        out = np.empty((X.shape[0], self.n_features_out), dtype=dtype)
        first, unit = (each.astype(dtype) for each in self.code_line)

        def finish(codes: npt.NDArray[Any], rows: slice) -> None:
            _engine.decode(codes, first, unit, out[rows])

        self._for_chunks(X, n_jobs, None, finish)
        return out

    def scores(
        self, X: Any, weights: npt.NDArray[np.float64], *, n_jobs: int | None = None
    ) -> npt.NDArray[np.float64]:
        """Return the products of the codes with `weights`.

        Parameters
        ----------
        X : ndarray or CSR matrix of shape (n_samples, n_features_in)
            Finite numbers.
        weights : ndarray of shape (n_features_out, n_targets), dtype float64
            Whole numbers below 2**31 make all sums exact, so that they are the same
            for any batch, thread and machine.
        n_jobs : int or None, default=None
            Threads, as in joblib.

        Returns
        -------
        ndarray of shape (n_samples, n_targets), dtype float64
        """
        by_target = _engine.prepare_readout(weights)
        out = np.empty((X.shape[0], len(by_target)))

        def finish(codes: npt.NDArray[Any], rows: slice) -> None:
            _engine.read_out(codes, by_target, out[rows])

        self._for_chunks(X, n_jobs, None, finish)
        return out

    def _for_chunks(
        self,
        X: Any,
        n_jobs: int | None,
        out: npt.NDArray[Any] | None,
        finish: Callable[[npt.NDArray[Any], slice], None],
    ) -> None:
        """Put codes into rows of `out`, or an array of each thread; `finish` them."""
        n_samples = X.shape[0]
        prepared = self._prepared  # drawn once, before the threads

        chunks = range(0, n_samples, _CHUNK_ROWS)
        n_threads = min(effective_n_jobs(n_jobs), len(chunks)) if n_samples > 1 else 1
        starts = iter(chunks)

        def run_what_is_left() -> None:
            scratch = _engine.Scratch()
            if out is None:
                shape = min(_CHUNK_ROWS, n_samples), self.n_features_out
                own = np.empty(shape, dtype=np.uint8)
            for start in starts:
                rows = slice(start, min(start + _CHUNK_ROWS, n_samples))
                codes = self.quantizer.codes(X[rows])
                codes = _engine.forward(
                    codes,
                    prepared,
                    own[: len(codes)] if out is None else out[rows],
                    all_layers=self.readout_layers == "all",
                    scratch=scratch,
                )
                finish(codes, rows)

        if n_threads <= 1:
            run_what_is_left()
            return
        # joblib says how many threads; its own pool polls, which costs 10 ms.
        with ThreadPoolExecutor(n_threads - 1) as pool:
            others = [pool.submit(run_what_is_left) for _ in range(n_threads - 1)]
            run_what_is_left()
            for other in others:
                other.result()

    @cached_property
    def _prepared(self) -> list[_engine.PreparedLayer]:
        prepared = []
        input_bits = self.quantizer.n_bits
        for number, spec in enumerate(self.layers):
            weights = self.weights(number)
            thresholds = integer_thresholds(spec, *weights)
            prepared.append(
                _engine.prepare_layer(
                    weights.indices,
                    weights.n_plus,
                    thresholds,
                    spec.levels,
                    spec.n_inputs,
                    input_bits,
                )
            )
            input_bits = spec.n_bits
        return prepared

    def weights(self, number: int) -> TernaryWeights:
        """Return the weights of a layer: given ones, or drawn again.

        Parameters
        ----------
        number : int
            The layer, from 0.

        Returns
        -------
        TernaryWeights
            Indices, signs and biases of its neurons.
        """
        spec = self.layers[number]
        if spec.weights is not None:
            return spec.weights
        return ternary_weights(
            self.seed, number, spec.n_inputs, spec.n_outputs, spec.n_nonzeros
        )

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
        state = self.__dict__.copy()
        state.pop("_prepared", None)
        return state


class LazyCodes:
    """The codes of samples, made when they are asked for and not kept.

    A forward pass takes less time than what is done with its codes, so going
    through the samples again is cheaper than memory for them.

    Parameters
    ----------
    network : CompressedNetwork
    X : ndarray or CSR matrix of shape (n_samples, n_features_in)
        Finite numbers.
    n_jobs : int or None, default=None
        Threads, as in joblib.
    """

    dtype = np.dtype(np.uint8)

    def __init__(
        self, network: CompressedNetwork, X: Any, n_jobs: int | None = None
    ) -> None:
        self._network, self._X, self._n_jobs = network, X, n_jobs
        self.shape = (X.shape[0], network.n_features_out)

    def __getitem__(self, rows: slice | npt.NDArray[np.intp]) -> npt.NDArray[np.uint8]:
        """Return the codes of `rows`."""
        return self._network.forward(self._X[rows], n_jobs=self._n_jobs)


def integer_thresholds(
    spec: Dense,
    indices: npt.NDArray[np.int32],
    n_plus: npt.NDArray[np.int32],
    bias: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Return the least integer sum that reaches each threshold of each neuron.

    A neuron reaches a threshold if its centred sum plus its bias does; all three
    are integers in 1/256, so that ties are decided here and nowhere else.

    Parameters
    ----------
    spec : Dense
    indices, n_plus, bias : ndarray
        As in `TernaryWeights`; its bias counts `spec.bias_scale` times.

    Returns
    -------
    ndarray of shape (n_outputs, n_thresholds), dtype int64
    """
    offset = neuron_offsets(spec, indices, n_plus, bias)
    return -(-(spec.thresholds + offset[:, np.newaxis]) // FIXED_POINT)


def neuron_offsets(
    spec: Dense,
    indices: npt.NDArray[np.int32],
    n_plus: npt.NDArray[np.int32],
    bias: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Return what centring takes from each neuron's sum, less its bias, in 1/256.

    Parameters
    ----------
    spec : Dense
    indices, n_plus, bias : ndarray
        As in `TernaryWeights`; its bias counts `spec.bias_scale` times.

    Returns
    -------
    ndarray of shape (n_outputs,), dtype int64
    """
    centre = np.broadcast_to(spec.centre, (spec.n_inputs,))[indices]
    plus = np.arange(spec.n_nonzeros) < n_plus[:, np.newaxis]
    offset = np.where(plus, centre, -centre).sum(axis=1)
    return offset - (bias * spec.bias_scale) // _BIAS_UNIT


def n_nonzeros(n_inputs: int, eps: float, at_least: int = 1) -> int:
    """Return how many of a neuron's `n_inputs` weights are not zero.

    Parameters
    ----------
    n_inputs : int
        Number of inputs.
    eps : float
        Share of zeros, in [0, 1).
    at_least : int, default=1
        Lower bound where there are as many inputs.

    Returns
    -------
    int
    """
    return max(round((1.0 - eps) * n_inputs), min(at_least, n_inputs))


def build_network(
    quantizer: Quantizer,
    statistics: CodeStatistics,
    steps: Sequence[Any],
    taus: Sequence[float],
    hidden_layer_sizes: Sequence[int],
    *,
    eps: float,
    seed: int,
    bias_std: float = 0.0,
    min_nonzeros: int = 1,
    readout_layers: str = "last",
) -> CompressedNetwork:
    """Turn matched steps into integer layers.

    Parameters
    ----------
    quantizer : Quantizer
        Quantiser of the inputs.
    statistics : CodeStatistics
        Mean and variance of the codes it gives.
    steps : sequence of StepActivation
        Activation of each layer, for inputs of mean squared norm 1.
    taus : sequence of float
        Standard deviation of the input of each layer's activation.
    hidden_layer_sizes : sequence of int
        Width of each layer.
    eps : float
        Share of zero weights, in [0, 1).
    seed : int
        64-bit seed of the weights.
    bias_std : float, default=0.0
        Standard deviation of the first layer's random biases, in units of the
        root mean squared norm of the centred inputs.
    min_nonzeros : int, default=1
        Least number of nonzero weights of a neuron in the first layer.
    readout_layers : {"last", "all"}, default="last"
        Which layers' codes are put out.

    Returns
    -------
    CompressedNetwork
    """
    layers: list[Dense] = []
    n_inputs = quantizer.n_features
    centre = _fixed(statistics.mean)
    # Codes per unit of a centred input, times the square root of their number.
    unit = math.sqrt(statistics.total_variance)
    for step, tau, n_outputs in zip(steps, taus, hidden_layer_sizes, strict=True):
        first = not layers
        k = n_nonzeros(n_inputs, eps, min_nonzeros if first else 1)
        sum_unit = unit * math.sqrt(k / n_inputs)
        layers.append(
            Dense(
                n_inputs=n_inputs,
                n_outputs=n_outputs,
                n_nonzeros=k,
                thresholds=_fixed(step.thresholds * sum_unit),
                levels=step.levels.astype(np.uint8),
                centre=centre,
                bias_scale=round(
                    bias_std * sum_unit * FIXED_POINT * _BIAS_UNIT / BIAS_STD
                )
                if first
                else 0,
                offset=float(
                    (step.offset - step.moments(tau).mean) / np.sqrt(n_outputs)
                ),
                step_size=float(step.scale / np.sqrt(n_outputs)),
            )
        )
        n_inputs = n_outputs
        mean_code = (step.moments(tau).mean - step.offset) / step.scale
        centre = _fixed(np.array([mean_code]))
        unit = math.sqrt(n_outputs) / abs(step.scale)
    return CompressedNetwork(quantizer, tuple(layers), seed, readout_layers)


def _fixed(x: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Round to the fixed-point grid."""
    return np.rint(x * FIXED_POINT).astype(np.int64)
