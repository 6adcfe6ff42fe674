"""CompressionReport: what a fitted network keeps of the reference network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import MISSING, asdict, dataclass
from functools import cache, partial
from typing import Any, Generic, Self, TypeVar

from .._printing import short_repr
from .._validation import validate_input
from ..theory import MomentEquation
from ..theory._checks import check_count
from ._kernels import KernelDistance, sample_rows
from ._measures import (
    ColumnReport,
    Comparison,
    column_reports,
    compare_kernels,
    count_bytes,
    fitted_compressor,
    training_curves,
)
from ._tables import as_frame, as_html, as_text
from ._verdict import verdict

__all__ = ["ColumnReport", "CompressionReport", "LayerReport"]

_T = TypeVar("_T")


class _Deferred(Generic[_T]):
    """A field of a dataclass that takes a value, or a function that returns it.

    The function is called when the field is first read.

    Parameters
    ----------
    default : object, optional
        Default of the field.
    """

    def __init__(self, default: Any = MISSING) -> None:
        self._default = default

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type[Any]) -> _T:
        if instance is None:  # the dataclass asks for the default
            if self._default is MISSING:
                raise AttributeError(self._name)
            return self._default
        value = vars(instance)[self._name]
        if callable(value):
            value = vars(instance)[self._name] = value()
        return value

    def __set__(self, instance: Any, value: _T | Callable[[], _T]) -> None:
        vars(instance)[self._name] = value


class _HasDeferred:
    """Dataclasses with such fields; copies and pickles hold values, not functions."""

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in vars(self)}


@dataclass(frozen=True)
class LayerReport(_HasDeferred):
    """One layer of the reference network and of the compressed network.

    Parameters
    ----------
    layer : int
        Number of the layer, from 1.
    activation : str
        Name of the reference network's activation.
    n_inputs, n_outputs, n_nonzeros : int
        Shape of the layer, and nonzero weights of a neuron.
    n_levels : int
        Levels of the compressed activation.
    moments : tuple of MomentEquation
        m1, m2, f and tau: target, achieved, and whether the equation is met.
    excess_variance : float
        Variance beyond the linear part, relative to that of the activation.
    alpha, alpha_compressed : tuple of 3 floats or None
        Coefficients a1, a2, a3 of both networks' conjugate kernels after the layer;
        None of pictures, and where weights are not random.
    distance, distance_dense : float or None
        Relative spectral distance from the reference network's kernel of the compressed
        network, and of a dense one of the same width; None if it was not measured. Of
        pictures after the poolings that follow the layer.
    """

    __repr__ = short_repr

    layer: int
    activation: str
    n_inputs: int
    n_outputs: int
    n_nonzeros: int
    n_levels: int
    moments: tuple[MomentEquation, ...]
    excess_variance: float
    alpha: tuple[float, float, float] | None
    alpha_compressed: tuple[float, float, float] | None
    distance: _Deferred[float | None] = _Deferred(None)
    distance_dense: _Deferred[float | None] = _Deferred(None)

    @property
    def zeros(self) -> float:
        """Share of zero weights."""
        return 1 - self.n_nonzeros / self.n_inputs

    @property
    def met(self) -> bool:
        """Whether all required moments are met."""
        return all(each.met for each in self.moments if each.required)


@dataclass(frozen=True, repr=False)
class CompressionReport(_HasDeferred):
    """What a fitted network keeps of the reference network, and how large it is.

    Every fitted estimator has one, its attribute `report_`. It prints as a table, and
    is shown as one in notebooks.

    Parameters
    ----------
    estimator : str
        Name of the estimator's class.
    tau, tau_compressed : tuple of float
        Deviations of both networks, the input first.
    layers : tuple of LayerReport
        First to last.
    kernel : KernelDistance or None
        Distance of the compressed network's conjugate kernel from that of the
        reference network at infinite width; None if it was not measured.
    sizes : dict of str to int
        Bytes by each way of counting: those of
        :func:`sklearn_lossless.network.network_sizes`, the readout by type, and the
        files that `save` writes, if it can.
    notes : tuple of str
        Moments that are not met, and what else is to be known.
    loss_curve : tuple of float, default=()
        Loss of each epoch, of trained hidden layers.
    validation_scores : tuple of float, default=()
        Score after each epoch on rows that were held out, with early stopping.
    columns : tuple of ColumnReport, default=()
        Bits of each column of a table, and how often the first hidden layer looks at
        them; none with ``input_encoding="linear"``.

    Notes
    -----
    Moments and bytes need no data. The kernel is compared on at most 200 rows, which
    `fit` sets aside. That takes about as long as a small fit. It is done when `kernel`,
    a layer's distances or the notes are first read, or the report is printed; bytes
    are counted when `sizes` is. `repr`, and with it an estimator that is shown in a
    notebook, waits for neither. The rows stay in memory: pickles, copies and model
    files never hold training data, and a report of theirs has no distances unless they
    are given data, see :meth:`from_estimator`.

    Pictures have many pairs of positions: so many of the rows are compared as some
    seconds allow, if these are 20 or more.

    Where hidden weights are not random, the kernel compares with nothing, and no rows
    are set aside. Of trained layers the report shows the course of the training
    instead; model files do not hold it.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_lossless import CompressedMLPClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> report = CompressedMLPClassifier((500,), random_state=0).fit(X, y).report_
    >>> report.met, report.layers[0].n_levels, report.sizes["seed"]
    (True, 8, 8)
    >>> first = report.layers[0]
    >>> first.distance < 2 * first.distance_dense
    True
    """

    estimator: str
    tau: tuple[float, ...]
    tau_compressed: tuple[float, ...]
    layers: tuple[LayerReport, ...]
    kernel: _Deferred[KernelDistance | None] = _Deferred()
    sizes: _Deferred[dict[str, int]] = _Deferred()
    notes: _Deferred[tuple[str, ...]] = _Deferred(())
    loss_curve: tuple[float, ...] = ()
    validation_scores: tuple[float, ...] = ()
    columns: _Deferred[tuple[ColumnReport, ...]] = _Deferred(())

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any = None, *, n_samples: int = 200, n_draws: int = 3
    ) -> Self:
        """Report on a fitted estimator.

        Parameters
        ----------
        estimator : NTKCompressor, CompressedMLPClassifier or CompressedMLPRegressor
            Fitted.
        X : {array-like, sparse matrix} of shape (n_rows, n_features), default=None
            Data that the kernels are compared on. None: rows that `fit` set aside.
        n_samples : int, default=200
            Rows of `X` that are used, drawn with a fixed seed.
        n_draws : int, default=3
            Dense networks that the yardstick is the mean of.

        Returns
        -------
        CompressionReport

        Raises
        ------
        TypeError
            If `estimator` is not one of those above.
        NotFittedError
            If it is not fitted.
        ValueError
            If `X` does not fit it, or `n_samples` or `n_draws` is not positive.
        """
        compressor = fitted_compressor(estimator)
        for name, value in (("n_samples", n_samples), ("n_draws", n_draws)):
            check_count(name, value, 1)
        if X is not None:
            X = validate_input(estimator, X, reset=False)
            X = X[sample_rows(X, n_samples)]
        # What is computed later is of copies, which a later fit does not change.
        compressor, estimator = compressor._shallow_copy(), copy(estimator)
        compare = cache(partial(compare_kernels, compressor, X, n_samples, n_draws))
        matching = compressor.matching_
        return cls(
            estimator=type(estimator).__name__,
            tau=matching.tau,
            tau_compressed=matching.tau_compressed,
            layers=tuple(_layers(compressor, compare)),
            kernel=lambda: compare()[0],
            sizes=lambda: count_bytes(estimator),
            notes=lambda: (*matching.unmet(), *compare()[1]),
            **training_curves(compressor),
            columns=partial(column_reports, compressor),
        )

    @property
    def met(self) -> bool:
        """Whether all required moments of all layers are met."""
        return all(layer.met for layer in self.layers)

    @property
    def zeros(self) -> float:
        """Share of zeros among all hidden weights."""
        n_weights = sum(each.n_inputs * each.n_outputs for each in self.layers)
        n_nonzeros = sum(each.n_nonzeros * each.n_outputs for each in self.layers)
        return 1 - n_nonzeros / n_weights

    @property
    def verdict(self) -> str:
        """What is matched, what it costs and what to change, in words."""
        return verdict(self)

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers as nested dicts and lists, ready for JSON.

        Returns
        -------
        dict
            What has no finite value is None.
        """
        return dict(_plain({**asdict(self), "zeros": self.zeros, "met": self.met}))

    def frame(self, part: str = "layers") -> Any:
        """Return a part of the report as a DataFrame.

        Parameters
        ----------
        part : {"layers", "bytes", "training", "columns"}, default="layers"
            One row for each layer, for each way of counting bytes, for each epoch
            of a training, or for each column of a table.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        ImportError
            If pandas is not installed.
        ValueError
            If there is no such part, or no training that is known.
        """
        return as_frame(self, part)

    def __repr__(self) -> str:
        moments = "all moments met" if self.met else "some moments not met"
        plural = "s" if len(self.layers) > 1 else ""
        words = [
            f"{len(self.layers)} layer{plural}",
            f"{self.zeros:.1%} zeros",
            moments,
        ]
        kernel = vars(self)["kernel"]
        if isinstance(kernel, KernelDistance):  # not to be measured for this line
            words.append(
                f"kernel distance {kernel.compressed[-1]:.3f} "
                f"(dense {kernel.dense[-1]:.3f})"
            )
        if self.loss_curve:
            n_epochs = len(self.loss_curve)
            words.append(f"loss {self.loss_curve[-1]:.3g} in epoch {n_epochs}")
        return f"<CompressionReport of {self.estimator}: {', '.join(words)}>"

    def __str__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)


def _layers(
    compressor: Any, compare: Callable[[], Comparison]
) -> Iterable[LayerReport]:
    def distances(name: str, index: int) -> float | None:
        kernel, _ = compare()
        return None if kernel is None else getattr(kernel, name)[index]

    matching, network = compressor.matching_, compressor.network_
    neurons = [layer.neurons for layer in network.layers]
    layers = [each for each in neurons if each is not None]
    known = network.is_dense and not network.has_stored_weights
    reference, compressed = matching.alphas if known else (None, None)
    for index, (match, layer) in enumerate(zip(matching.layers, layers, strict=True)):
        yield LayerReport(
            layer=match.layer,
            activation=match.activation,
            n_inputs=layer.n_inputs,
            n_outputs=layer.n_outputs,
            n_nonzeros=layer.n_nonzeros,
            n_levels=layer.largest_code + 1,
            moments=match.equations,
            excess_variance=match.excess_variance,
            alpha=_first_three(reference, match.layer),
            alpha_compressed=_first_three(compressed, match.layer),
            distance=partial(distances, "compressed", index),
            distance_dense=partial(distances, "dense", index),
        )


def _first_three(alphas: Any, layer: int) -> tuple[float, float, float] | None:
    return None if alphas is None else tuple(alphas[layer, :3].tolist())


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
