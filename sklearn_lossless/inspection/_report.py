"""CompressionReport: what a fitted network keeps of the given one, and its size."""

from __future__ import annotations

import contextlib
import html
import math
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from ..data import Data, has_weight
from ..export.sizes import size_report
from ..network import network_sizes
from ..theory import MomentEquation
from ..theory._checks import check_count
from ._kernels import KernelDistance, draw_rows, kernel_distance, sample_rows
from ._optional import import_pandas

__all__ = ["CompressionReport", "LayerReport", "keep_report_rows"]

#: Rows that `fit` sets aside.
_REPORT_ROWS = 200

#: Readout by type: bits of a coefficient.
_READOUTS = {"float32": 32, "float16": 16, "int8": 8, "int4": 4}

_BYTES = {
    "dense_float32": "dense network, float32",
    "packed_trits": "hidden weights, packed trits: 1.6 bits per weight",
    "csr": "hidden weights, index and sign of each nonzero",
    "entropy_bound": "hidden weights, entropy bound of places and signs",
    "paper": "hidden weights, 2 bits per nonzero, places left out",
    "seed": "hidden weights as stored: seed, and weights not drawn from it",
    **{f"readout_{name}": f"readout weights, {name}" for name in _READOUTS},
    "file": "model file, all of it",
    **{f"file_{name}": f"model file, all of it, readout {name}" for name in _READOUTS},
}


@dataclass(frozen=True)
class LayerReport:
    """One layer of the given and of the compressed network.

    Parameters
    ----------
    layer : int
        Number of the layer, from 1.
    activation : str
        Name of the given activation.
    n_inputs, n_outputs, n_nonzeros : int
        Shape of the layer, and nonzero weights of a neuron.
    n_levels : int
        Levels of the compressed activation.
    moments : tuple of MomentEquation
        m1, m2, f and tau: target, achieved, and whether the equation is met.
    excess_variance : float
        Variance beyond the linear part, relative to that of the given activation.
    alpha, alpha_compressed : tuple of 3 floats
        Coefficients a1, a2, a3 of both networks' conjugate kernels after the layer.
    distance, distance_dense : float or None
        Relative spectral distance from the given network's kernel of the compressed
        network, and of a dense one of the same width; None if it was not measured.
    """

    layer: int
    activation: str
    n_inputs: int
    n_outputs: int
    n_nonzeros: int
    n_levels: int
    moments: tuple[MomentEquation, ...]
    excess_variance: float
    alpha: tuple[float, float, float]
    alpha_compressed: tuple[float, float, float]
    distance: float | None = None
    distance_dense: float | None = None

    @property
    def zeros(self) -> float:
        """Share of zero weights."""
        return 1 - self.n_nonzeros / self.n_inputs

    @property
    def met(self) -> bool:
        """Whether all required moments are met."""
        return all(each.met for each in self.moments if each.required)


@dataclass(frozen=True, repr=False)
class CompressionReport:
    """What a fitted network keeps of the given one, and how large it is.

    The attribute `report_` of every fitted estimator. Prints as a table, is a table
    in notebooks too.

    Parameters
    ----------
    estimator : str
        Name of the estimator's class.
    tau, tau_compressed : tuple of float
        Deviations of both networks, the input first.
    layers : tuple of LayerReport
        First to last.
    kernel : KernelDistance or None
        Distance of the compressed network's conjugate kernel from that of the given
        network at infinite width; None if it was not measured.
    sizes : dict of str to int
        Bytes by each way of counting: those of
        :func:`sklearn_lossless.network.network_sizes`, the readout by type, and the
        files that `save` writes, if it can.
    notes : tuple of str
        Moments that are not met, and what else is to be known.

    Notes
    -----
    Moments and bytes need no data. The kernel is compared on at most 200 rows. `fit`
    sets such rows aside, but the comparison waits until the report is first asked for:
    it takes about as long as a small fit, and a search over parameters has no use for
    it. The rows stay in memory: pickles, copies and model files never hold training
    data, and a report of theirs has no distances unless they are given data, see
    :meth:`from_estimator`.

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
    kernel: KernelDistance | None
    sizes: dict[str, int]
    notes: tuple[str, ...] = ()

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
        notes = compressor.matching_.unmet()
        if X is not None:
            X = validated(estimator, X)
            X = X[sample_rows(X, n_samples)]
        try:
            kernel = _compare_kernels(compressor, X, n_samples, n_draws)
        except _KernelsNotCompared as reason:
            kernel = None
            notes.append(f"The kernels were not compared: {reason}")
        return cls(
            estimator=type(estimator).__name__,
            tau=compressor.matching_.tau,
            tau_compressed=compressor.matching_.tau_compressed,
            layers=_layers(compressor, kernel),
            kernel=kernel,
            sizes=_sizes(estimator),
            notes=tuple(notes),
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
        part : {"layers", "bytes"}, default="layers"
            One row for each layer, or one for each way of counting bytes.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        ImportError
            If pandas is not installed.
        ValueError
            If there is no such part.
        """
        pandas = import_pandas("CompressionReport.frame")
        if part == "layers":
            rows = [_row(layer) for layer in self.layers]
            return pandas.DataFrame(rows).set_index("layer")
        if part == "bytes":
            return pandas.DataFrame(
                {
                    "bytes": self.sizes,
                    "of_dense": {
                        name: size / self.sizes["dense_float32"]
                        for name, size in self.sizes.items()
                    },
                }
            )
        raise ValueError(f"part must be 'layers' or 'bytes', got {part!r}.")

    def __repr__(self) -> str:
        moments = "all moments met" if self.met else "some moments not met"
        plural = "s" if len(self.layers) > 1 else ""
        words = [
            f"{len(self.layers)} layer{plural}",
            f"{self.zeros:.1%} zeros",
            moments,
        ]
        if self.kernel is not None:
            words.append(
                f"kernel distance {self.kernel.compressed[-1]:.3f} "
                f"(dense {self.kernel.dense[-1]:.3f})"
            )
        return f"<CompressionReport of {self.estimator}: {', '.join(words)}>"

    def __str__(self) -> str:
        parts = [self._title(), *(_text(*table) for table in self._tables())]
        return "\n\n".join([*parts, *self.notes])

    def _repr_html_(self) -> str:
        parts = [f"<p>{html.escape(self._title())}</p>"]
        parts += [_html(*table) for table in self._tables()]
        parts += [f"<p>{html.escape(note)}</p>" for note in self.notes]
        return "<div>" + "".join(parts) + "</div>"

    def _title(self) -> str:
        widths = [self.layers[0].n_inputs, *(each.n_outputs for each in self.layers)]
        shape = "-".join(map(str, widths))
        return f"{self.estimator}: {shape}, {self.zeros:.1%} of the weights zero"

    def _tables(self) -> list[tuple[list[str], list[list[str]]]]:
        """Return the header and the rows of each table."""
        moments = [
            [
                str(layer.layer) if first else "",
                layer.activation if first else "",
                *_moment_cells(each),
            ]
            for layer in self.layers
            for first, each in _marked(layer.moments)
        ]
        kernel = [
            [
                str(layer.layer),
                f"{layer.zeros:.1%}",
                str(layer.n_levels),
                f"{layer.excess_variance:.4g}",
                *(
                    f"{given:.4g} / {found:.4g}"
                    for given, found in zip(
                        layer.alpha, layer.alpha_compressed, strict=True
                    )
                ),
                _optional(layer.distance),
                _optional(layer.distance_dense),
            ]
            for layer in self.layers
        ]
        n_samples = "" if self.kernel is None else f", {self.kernel.n_samples} samples"
        return [
            (["layer", "activation", "moment", "given", "step", "residual"], moments),
            (
                ["layer", "zeros", "levels", "excess", "a1", "a2", "a3"]
                + ["kernel distance" + n_samples, "dense"],
                kernel,
            ),
            (
                ["counted as", "bytes"],
                [[_BYTES[name], f"{size:,}"] for name, size in self.sizes.items()],
            ),
        ]


class _KernelsNotCompared(Exception):
    """Kernels cannot be compared, with the reason."""


def fitted_compressor(estimator: Any) -> Any:
    """Return the fitted compressor of an estimator.

    Raises
    ------
    TypeError
        If it is no estimator of this package.
    NotFittedError
        If it is not fitted.
    """
    if not hasattr(estimator, "n_levels") or not hasattr(estimator, "fit"):
        raise TypeError(
            "estimator must be an NTKCompressor, a CompressedMLPClassifier or a "
            f"CompressedMLPRegressor, got {type(estimator).__name__}; of a pipeline "
            "take the step."
        )
    check_is_fitted(estimator, "network_")
    return getattr(estimator, "compressor_", estimator)


def validated(estimator: Any, X: Any) -> Any:
    """Return `X` as a dense or CSR matrix that fits the estimator."""
    dtype = (np.float64, np.float32, np.uint8)
    return validate_data(estimator, X, reset=False, accept_sparse="csr", dtype=dtype)


def keep_report_rows(compressor: Any, data: Data) -> None:
    """Keep rows of the training data for the report.

    Parameters
    ----------
    compressor : fitted NTKCompressor
    data : Data
        Rows of weight zero are left out.
    """
    usable = np.flatnonzero(data.gather(has_weight))
    rows = draw_rows(len(usable), data.n_features, _REPORT_ROWS, data.is_sparse)
    # With the network that they belong to, and what was measured on them.
    X = data.take(usable[rows]).X
    compressor._report_rows = (compressor.network_, X, {})


def _compare_kernels(
    compressor: Any, X: Any, n_samples: int, n_draws: int
) -> KernelDistance:
    network = compressor.network_
    if network.has_stored_weights:
        raise _KernelsNotCompared(
            "there are layers with weights of their own, not random ones."
        )
    measured: dict[tuple[int, int], KernelDistance] = {}
    if X is None:
        fitted, X, measured = getattr(compressor, "_report_rows", (None, None, {}))
        if fitted is not network:
            raise _KernelsNotCompared(
                "fits on dask arrays, pickles, copies and model files keep no training "
                "data; CompressionReport.from_estimator takes some."
            )
        X = X[sample_rows(X, n_samples)]
    key = (n_samples, n_draws)
    if key not in measured:
        try:
            measured[key] = kernel_distance(compressor, X, n_draws=n_draws)
        except ValueError as error:
            raise _KernelsNotCompared(str(error)) from error
    return measured[key]


def _layers(compressor: Any, kernel: KernelDistance | None) -> tuple[LayerReport, ...]:
    given, compressed = compressor.matching_.alphas
    rows = zip(compressor.matching_.layers, compressor.network_.layers, strict=True)
    return tuple(
        LayerReport(
            layer=match.layer,
            activation=match.activation,
            n_inputs=spec.n_inputs,
            n_outputs=spec.n_outputs,
            n_nonzeros=spec.n_nonzeros,
            n_levels=match.step.n_levels,
            moments=match.equations,
            excess_variance=match.excess_variance,
            alpha=tuple(given[match.layer, :3].tolist()),
            alpha_compressed=tuple(compressed[match.layer, :3].tolist()),
            distance=kernel.compressed[match.layer - 1] if kernel else None,
            distance_dense=kernel.dense[match.layer - 1] if kernel else None,
        )
        for match, spec in rows
    )


def _sizes(estimator: Any) -> dict[str, int]:
    """Count bytes; leave out files that the estimator cannot be saved as."""
    readout = getattr(estimator, "_readout", None)
    n_targets = 0 if readout is None else readout.n_targets
    sizes = network_sizes(estimator.network_, n_targets)
    del sizes["readout"]
    for name, bits in _READOUTS.items() if n_targets else ():
        found = network_sizes(estimator.network_, n_targets, bits)
        sizes[f"readout_{name}"] = found["readout"]
    for name in _READOUTS:
        key = f"file_{name}" if n_targets else "file"
        with contextlib.suppress(TypeError, ValueError):
            sizes[key] = size_report(estimator, name)["file"]
    return sizes


def _row(layer: LayerReport) -> dict[str, Any]:
    """Return a layer as one flat row."""
    row: dict[str, Any] = {
        "layer": layer.layer,
        "activation": layer.activation,
        "n_inputs": layer.n_inputs,
        "n_outputs": layer.n_outputs,
        "zeros": layer.zeros,
        "n_levels": layer.n_levels,
    }
    for each in layer.moments:
        row[each.name] = each.target
        row[f"{each.name}_compressed"] = each.achieved
    row["excess_variance"] = layer.excess_variance
    for i in range(3):
        row[f"a{i + 1}"] = layer.alpha[i]
        row[f"a{i + 1}_compressed"] = layer.alpha_compressed[i]
    row["distance"], row["distance_dense"] = layer.distance, layer.distance_dense
    row["met"] = layer.met
    return row


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _marked(moments: tuple[MomentEquation, ...]) -> list[tuple[bool, MomentEquation]]:
    return [(i == 0, each) for i, each in enumerate(moments)]


def _moment_cells(each: MomentEquation) -> list[str]:
    note = "" if each.met else " unmet" if each.required else " (free)"
    values = [f"{each.target:.6g}", f"{each.achieved:.6g}"]
    return [each.name, *values, f"{each.residual:.1e}{note}"]


def _optional(number: float | None) -> str:
    return "" if number is None else f"{number:.4f}"


def _text(header: list[str], rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in (header, ["-" * width for width in widths], *rows)
    ]
    return "\n".join(line.rstrip() for line in lines)


def _html(header: list[str], rows: list[list[str]]) -> str:
    def line(cells: list[str], tag: str) -> str:
        return (
            "<tr>"
            + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
            + "</tr>"
        )

    body = "".join(line(row, "td") for row in rows)
    return f"<table><thead>{line(header, 'th')}</thead><tbody>{body}</tbody></table>"
