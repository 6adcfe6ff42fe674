"""A fitted estimator as C source: integers, constant tables, no memory allocated."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping
from importlib import resources
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..network import CompressedNetwork, Dense, Quantizer, splitmix64
from ..network.layers import FIXED_POINT, neuron_offsets
from ._c_text import (
    affine_uint8,
    array,
    bytes_of,
    c_type,
    fill,
    gaps,
    labels,
    select,
    signed,
)
from ._exported import (
    ExportedModel,
    exported_model,
    fingerprint,
    largest_totals,
    rounded_weights,
    to_integers,
)
from ._files import write_all

__all__ = ["to_c"]

#: Where the sums of the readout go.
_TOTALS = """,
                model_total *totals"""


def to_c(
    est: Any,
    path: str | os.PathLike[str],
    *,
    weights: str = "table",
    readout: str = "fixed",
    readout_bits: int = 32,
    packed: bool = False,
    name: str | None = None,
    accuracy: float | None = None,
) -> tuple[Path, Path]:
    """Write a fitted estimator as one C99 source file and its header.

    The program has the same bits as `est`: the codes of all layers, and with
    ``readout_bits=32`` the readout's sums too. It allocates nothing, calls no
    library, does not recurse, and does its hidden layers in 32-bit integers. All
    functions take a workspace from the caller, who may have one per thread.

    Functions of a model called ``model``:

    - ``model_quantize_u8``, ``model_quantize_f32``, ``model_quantize_f64``: from
      the values of a sample to its input codes, one byte each.
    - ``model_predict``: from input codes to the number of the class, or to the
      predictions of a regressor.
    - ``model_scores``: to the scores of a classifier.
    - ``model_codes``: to the codes of the hidden layers.

    Parameters
    ----------
    est : NTKCompressor, CompressedMLPClassifier or CompressedMLPRegressor
        Fitted; readout "ridge" or "logistic".
    path : str or path-like
        The source file, ``.c``; the header is put beside it. Each is written whole
        or not at all.
    weights : {"table", "seed"}, default="table"
        Where the hidden weights are. "table": in constant tables, one byte for each
        weight that is not zero. "seed": drawn again for each sample, which takes
        64-bit products and one bit of RAM per input, and no table. Layers whose
        weights do not come from a seed are tables always.
    readout : {"fixed", "float"}, default="fixed"
        Scores as integers, see :func:`integer_readout`, or as doubles, those of
        ``est.decision_function`` or ``est.predict`` to the last bit.
    readout_bits : {8, 16, 32}, default=32
        Bits of a readout weight. 32 has all of them. With "fixed" the predicted
        class is then that of ``est.predict``, unless two scores are the same to
        within 2**-30 of the largest weight.
    packed : bool, default=False
        Whether the codes between hidden layers are packed, as many as fit, into
        bytes of RAM: less memory, more time.
    name : str or None, default=None
        Beginning of all names in C. None: the name of the file.
    accuracy : float or None, default=None
        Said in the comment of the files.

    Returns
    -------
    source, header : Path
        The files that were written.

    Raises
    ------
    NotFittedError
        If `est` is not fitted.
    TypeError
        If `est` is of another kind.
    ValueError
        If an option is unknown, if `name` is no identifier, or if the readout is an
        estimator of its own.
    OSError
        If the files cannot be written; old ones stay.

    See Also
    --------
    integer_readout : The integers of the readout.
    to_onnx : The same for ONNX Runtime.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_lossless import CompressedMLPClassifier
    >>> from sklearn_lossless.export import to_c
    >>> clf = CompressedMLPClassifier((50,), eps=0.0, random_state=0)
    >>> _ = clf.fit(*load_iris(return_X_y=True))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     source, header = to_c(clf, f"{folder}/iris.c", weights="seed")
    ...     print("int iris_predict(" in header.read_text())
    True
    """
    _one_of("weights", weights, ("table", "seed"))
    _one_of("readout", readout, ("fixed", "float"))
    source = Path(path)
    if source.suffix != ".c":
        raise ValueError(f"path must end in '.c', got {os.fspath(path)!r}.")
    name = source.stem if name is None else name
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise ValueError(
            "name must consist of letters, digits and underscores and begin with a "
            f"letter, got {name!r}."
        )
    if accuracy is not None and not isinstance(accuracy, Real):
        raise TypeError(f"accuracy must be a number or None, got {accuracy!r}.")
    model = exported_model(est)
    header = source.with_suffix(".h")
    options = _Options(
        name, header.name, weights, readout, readout_bits, packed, accuracy
    )
    program = _Program(model, options)
    texts = {header: program.text("model.h.in"), source: program.text("model.c.in")}
    write_all({file: text.encode("utf-8") for file, text in texts.items()})
    return source, header


class _Layer(NamedTuple):
    """A layer as the program has it."""

    spec: Dense
    #: Gaps, number of +1 weights and offset of each neuron; None if drawn.
    table: tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]] | None
    #: Bound of a neuron's sum, in 1/256.
    largest_sum: int


class _Options(NamedTuple):
    """What `to_c` was asked for."""

    name: str
    header: str
    weights: str
    readout: str
    readout_bits: int
    packed: bool
    accuracy: float | None


class _Program:
    """Text and flags that fill the templates."""

    def __init__(self, model: ExportedModel, options: _Options) -> None:
        self.model = model
        self.options = options
        self.network = model.network
        self.layers = _layers(model.network, options.weights)
        self.packed = options.packed and len(self.layers) > 1
        self.flags = self._flags()
        self.values: dict[str, Any] = {}
        self.tables: list[str] = []
        self._add_quantizer(model.network.quantizer)
        self._add_layers()
        if model.readout is not None:
            self._add_readout(options.readout_bits)
        self._add_workspace()
        self._add_words()
        self._add_identity()

    def text(self, template: str) -> str:
        """Return the filled template."""
        name, tables = self.options.name, "\n".join(self.tables)
        text = resources.files(__package__).joinpath(template).read_text("utf-8")
        text = fill(select(text, self.flags), self.values)
        text = re.sub(r"\bmodel_", f"{name}_", text)
        text = re.sub(r"\bMODEL_", f"{name.upper()}_", text)
        # Last, because class labels are no names of ours.
        return text.replace("@header", self.options.header).replace("@tables", tables)

    def _flags(self) -> dict[str, bool]:
        """Say which parts of the templates are wanted."""
        has_table = any(layer.table for layer in self.layers)
        has_seed = not all(layer.table for layer in self.layers)
        n_layers = len(self.layers)
        classifier = self.model.classes is not None
        scores = self.model.n_scores
        readout = self.options.readout
        has_readout = self.model.readout is not None
        return {
            "table": has_table,
            "seed": has_seed,
            "mixed": has_table and has_seed,
            "table_only": not has_seed,
            "seed_only": not has_table,
            "packed": self.packed,
            "deep": n_layers > 1,
            "deep_last": n_layers > 1 and len(self.network.output_layers) == 1,
            "even_only": n_layers == 2,
            "even_odd": n_layers > 2,
            "readout": has_readout,
            "float": has_readout and readout == "float",
            "fixed": has_readout and readout == "fixed",
            "classifier": classifier,
            "regressor": has_readout and not classifier,
            "binary": classifier and scores == 1,
            "multiclass": classifier and scores > 1,
        }

    def _add_table(self, kind: str, name: str, values: Any) -> None:
        self.tables.append(f"static const {kind} {array(name, values)}")

    def _add_public(self, kind: str, name: str, values: Any, size: str) -> None:
        prefix = self.options.name
        table = array(f"{prefix}_{name}", values, f"{prefix.upper()}_{size}")
        self.tables.append(f"const {kind}{table}")

    def _add_quantizer(self, quantizer: Quantizer) -> None:
        if quantizer.n_bits > 8:
            raise ValueError(
                f"Input codes of {quantizer.n_bits} bits do not fit in a byte."
            )
        shift = np.unique(quantizer.shift)
        self.values |= {
            "inv_step": repr(quantizer.inv_step),
            "max_code": 2**quantizer.n_bits - 1,
        }
        if len(shift) == 1:
            self.values |= {"shift_i": f"{shift[0]}", "use_i": "    (void)i;\n"}
        else:
            self.values |= {"shift_i": "(double)shifts[i]", "use_i": ""}
            self._add_table(c_type(shift), "shifts", quantizer.shift)
        affine = affine_uint8(quantizer)
        self.flags["u8_double"] = affine is None
        is_code = affine is not None and affine.is_identity
        self.flags["u8_is_code"] = is_code
        self.flags["affine"] = affine is not None and not is_code
        if self.flags["affine"]:
            assert affine is not None
            if len(np.unique(affine.offset)) == 1:
                offset = f"{affine.offset[0]}"
            else:
                offset = "offsets_u8[i]"
                self._add_table(c_type(affine.offset), "offsets_u8", affine.offset)
            self.values |= {
                "u8_multiplier": affine.multiplier,
                "u8_offset": offset,
                "u8_shift": affine.shift,
            }

    def _add_layers(self) -> None:
        specs = [layer.spec for layer in self.layers]
        drawn = [layer.spec for layer in self.layers if layer.table is None]
        tables = [layer.table for layer in self.layers if layer.table is not None]
        self.values |= {
            "sum_type": signed(max(layer.largest_sum for layer in self.layers)),
            "threshold_type": c_type(*(spec.thresholds for spec in specs)),
            "n_plus_type": c_type(*(n_plus for _, n_plus, _ in tables)),
            "offset_type": c_type(*(offset for _, _, offset in tables)),
            "centre_type": c_type(*(spec.centre for spec in drawn)),
        }
        rows = []
        for number, layer in enumerate(self.layers):
            rows.append(self._layer_row(number, layer))
        self.values["layers"] = ",\n".join(rows)

    def _layer_row(self, number: int, layer: _Layer) -> str:
        """Write the tables of a layer; return its entry in the list of layers."""
        spec, values = layer.spec, self.values
        n_thresholds = spec.thresholds.shape[-1]
        stride = n_thresholds if spec.thresholds.ndim == 2 else 0
        self._add_table(
            values["threshold_type"], f"thresholds_{number}", spec.thresholds
        )
        self._add_table("uint8_t", f"levels_{number}", spec.levels)
        entry: list[Any] = [spec.n_inputs, spec.n_outputs, spec.n_nonzeros]
        entry += [n_thresholds, stride, f"thresholds_{number}", f"levels_{number}"]
        if self.packed:
            entry.append(_packing(self.layers) if number else 0)
        if layer.table is not None:
            bytes_, n_plus, offsets = layer.table
            self._add_table("uint8_t", f"gaps_{number}", bytes_)
            self._add_table(values["n_plus_type"], f"n_plus_{number}", n_plus)
            self._add_table(values["offset_type"], f"offsets_{number}", offsets)
            entry += [f"gaps_{number}", f"n_plus_{number}", f"offsets_{number}"]
        elif self.flags["table"]:
            entry += [0, 0, 0]
        if layer.table is None:
            self._add_table(values["centre_type"], f"centres_{number}", spec.centre)
            key = int(splitmix64(self.network.seed % 2**64, number)[0])
            entry += [f"0x{key:016X}u", spec.bias_scale, f"centres_{number}"]
            entry.append(1 if len(spec.centre) > 1 else 0)
        elif self.flags["seed"]:
            entry += [0, 0, 0, 0]
        return "    {" + ", ".join(map(str, entry)) + "}"

    def _add_readout(self, bits: int) -> None:
        """Write the tables of the readout."""
        readout, values = self.model.readout, self.values
        assert readout is not None
        if self.flags["float"]:
            weights, scale = rounded_weights(self.model, bits, comparable=False)
            values |= {
                "score_type": "double",
                "total_type": signed(largest_totals(self.network, weights).max()),
                "score_i": "(double)totals[i] * scales[i]",
            }
            self._add_table("double", "scales", scale)
            self._add_table("double", "offsets", readout.offset)
        else:
            fixed = to_integers(self.model, bits)
            weights, scale = fixed.weights, fixed.scale
            largest = largest_totals(self.network, weights) * fixed.factor
            kind = signed((largest + np.abs(fixed.offset)).max())
            values |= {
                "score_type": kind,
                "total_type": kind,
                "scale": repr(float(scale[0])),
                "score_i": "scores[i]",
            }
            if (fixed.factor != 1).any():
                self._add_table("int64_t", "factors", fixed.factor)
                values["score_i"] = "scores[i] * factors[i]"
            self._add_table(kind, "offsets", fixed.offset)
        values["weight_type"] = c_type(weights)
        values["n_scores"] = self.model.n_scores
        self._add_table(values["weight_type"], "weights", weights)
        if self.model.classes is not None:
            self._add_labels(self.model.classes)
        elif self.flags["fixed"]:
            self._add_public("double ", "score_scale", scale, "N_SCORES")

    def _add_labels(self, classes: npt.NDArray[Any]) -> None:
        """Write the class labels."""
        kind, texts = labels(classes)
        self.values |= {"class_type": kind, "n_classes": len(texts)}
        self._add_public(kind, "classes", texts, "N_CLASSES")

    def _add_workspace(self) -> None:
        """List the members of the workspace and count its bytes."""
        members: list[tuple[str, str, int]] = []
        if self.flags["float"]:
            members.append((self.values["total_type"], "totals", self.model.n_scores))
        if self.flags["multiclass"]:
            members.append((self.values["score_type"], "scores", self.model.n_scores))
        widths = [layer.spec.n_inputs for layer in self.layers if layer.table is None]
        if widths:
            members.append(("uint32_t", "seen", -(-max(widths) // 32)))
        packing = _packing(self.layers) if self.packed else 0
        for name, first in (("even", 0), ("odd", 1)):
            stored = [layer.spec.n_outputs for layer in self.layers[first:-1:2]]
            if stored:
                members.append(("uint8_t", name, -(-max(stored) // 2**packing)))
        self.flags["no_workspace"] = not members or all(
            name in ("totals", "scores") for _, name, _ in members
        )
        if not members:
            members.append(("uint8_t", "unused", 1))
        # The largest types first, so that nothing is padded but the end.
        members.sort(key=lambda member: -bytes_of(member[0]))
        sizes = [bytes_of(kind) for kind, _, _ in members]
        n_bytes = sum(size * n for size, (_, _, n) in zip(sizes, members, strict=True))
        self.values |= {
            "workspace": "\n".join(
                f"    {kind} {name}[{count}];" for kind, name, count in members
            ),
            "n_workspace_bytes": -(-n_bytes // max(sizes)) * max(sizes),
            "packing": packing,
        }

    def _add_words(self) -> None:
        """Choose the pieces of code that depend on the options."""
        readout, packed = self.flags["readout"], self.packed
        name = "model_scores" if self.flags["classifier"] else "model_predict"
        self.values |= {
            "scores_name": name,
            "and_sums": ", add them up in `totals`" if readout else "",
            "totals_parameter": _TOTALS if readout else "",
            "no_totals": ", 0" if readout else "",
            "code_i": "code_at(in, i, packing)" if packed else "in[i]",
            "code_place": "code_at(in, (int32_t)place, layer->packing)"
            if packed
            else "in[place]",
            "packing_parameter": "int packing, " if packed else "",
            "packing_argument": "layer->packing, " if packed else "",
            "put_next": "put_code(next, neuron, code);"
            if packed
            else "next[neuron] = code;",
            "usage": _usage(self.flags),
            "n_features": self.network.n_features_in,
            "n_layers": len(self.layers),
            "n_codes": self.network.n_features_out,
        }

    def _add_identity(self) -> None:
        """Write the comment that says which model this is."""
        model, network, options = self.model, self.network, self.options
        sizes = [network.n_features_in, *(spec.n_outputs for spec in network.layers)]
        levels = [len(np.unique(spec.levels)) for spec in network.layers]
        zeros = [1 - spec.n_nonzeros / spec.n_inputs for spec in network.layers]
        lines = {
            "sizes": "-".join(
                map(str, sizes + [model.n_scores] * self.flags["readout"])
            ),
            "input codes": f"{network.quantizer.n_bits} bits",
            "levels": ", ".join(map(str, levels)),
            "share of zeros": ", ".join(f"{share:.4g}" for share in zeros),
            "seed": f"0x{network.seed % 2**64:016X}",
            "hidden weights": " and ".join(
                words
                for flag, words in (
                    ("seed", "drawn from the seed"),
                    ("table", "constant tables"),
                )
                if self.flags[flag]
            ),
        }
        if self.flags["readout"]:
            seen = "all layers" if len(network.output_layers) > 1 else "the last layer"
            scores = "integers" if self.flags["fixed"] else "doubles"
            bits = options.readout_bits
            lines["readout"] = f"of {seen}, weights of {bits} bits, scores {scores}"
        if options.accuracy is not None:
            lines["accuracy"] = f"{float(options.accuracy):.6g}"
        lines["workspace"] = f"{self.values['n_workspace_bytes']} bytes of RAM"
        lines["SHA-256"] = fingerprint(model)
        self.values |= {
            "title": "A compressed network: sparse ternary weights, integer codes.",
            "identity": "\n".join(f" * {key:15} {lines[key]}" for key in lines),
            "version": _version(),
        }


def _usage(flags: Mapping[str, bool]) -> str:
    """Show how the program is called."""
    if flags["classifier"]:
        call = ["label = model_classes[model_predict(codes, &workspace)];"]
    elif flags["regressor"]:
        call = [
            "model_score y[MODEL_N_SCORES];",
            "model_predict(codes, &workspace, y);",
        ]
    else:
        call = ["uint8_t out[MODEL_N_CODES];", "model_codes(codes, &workspace, out);"]
    lines = [
        "static model_workspace workspace;",
        "uint8_t codes[MODEL_N_FEATURES];",
        "model_quantize_f32(x, codes);",
        *call,
    ]
    return "\n".join(f" *     {line}" for line in lines)


def _layers(network: CompressedNetwork, weights: str) -> list[_Layer]:
    """Lay out the layers of `network`."""
    layers = []
    largest_code = 2**network.quantizer.n_bits - 1
    for number, spec in enumerate(network.layers):
        table = None
        if weights == "table" or spec.weights is not None:
            drawn = network.weights(number)
            offsets = neuron_offsets(spec, drawn)
            table = (
                gaps(drawn.indices, drawn.n_plus, spec.n_inputs),
                drawn.n_plus,
                offsets,
            )
            largest_offset = int(np.abs(offsets).max())
        else:
            # A bias is a sum of four times 16 bits, less its mean, over 2**16.
            largest_offset = spec.n_nonzeros * int(np.abs(spec.centre).max())
            largest_offset += 2 * abs(spec.bias_scale) + 1
        largest_sum = FIXED_POINT * spec.n_nonzeros * largest_code + largest_offset
        layers.append(_Layer(spec, table, largest_sum))
        largest_code = int(spec.levels.max())
    return layers


def _packing(layers: Iterable[_Layer]) -> int:
    """Return how many codes fit in a byte, as a power of two."""
    n_bits = max(layer.spec.n_bits for layer in layers)
    return 3 - max(0, math.ceil(math.log2(max(n_bits, 1))))


def _one_of(name: str, value: Any, options: tuple[str, ...]) -> None:
    if value not in options:
        raise ValueError(f"{name} must be one of {options}, got {value!r}.")


def _version() -> str:
    from .. import __version__  # here, because the package imports this module

    return __version__
