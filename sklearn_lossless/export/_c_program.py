"""The C program of a model: pieces that fill the templates."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple

import numpy as np

from .._version import __version__
from ..network import ScaledQuantizer, ThresholdQuantizer
from ._c_cells import cells_piece
from ._c_layers import (
    Layer,
    lay_out,
    layers_piece,
    log2_codes_per_byte,
    workspace_members,
)
from ._c_pictures import has_sums, pooled_at_once, pooled_type, views_piece
from ._c_table import table_piece
from ._c_text import (
    Piece,
    array,
    bytes_of,
    c_type,
    fill,
    labels,
    select,
    signed,
    table,
)
from ._exported import (
    ExportedModel,
    fingerprint,
    largest_totals,
    rounded_weights,
    to_integers,
)

__all__ = ["Options", "program_texts"]

#: Where the sums of the readout go.
_TOTALS = ", model_total *totals"


class Options(NamedTuple):
    """What `to_c` was asked for."""

    name: str
    header: str
    weights: str
    readout: str
    readout_bits: int
    packed: bool
    accuracy: float | None


def program_texts(model: ExportedModel, options: Options) -> tuple[str, str]:
    """Return the source and the header.

    Parameters
    ----------
    model : ExportedModel
    options : Options

    Returns
    -------
    source, header : str
    """
    all_layers = lay_out(model.network, options.weights)
    layers = [layer for layer in all_layers if layer is not None]
    if options.packed and not model.network.is_dense:
        raise ValueError("packed=True is for networks of dense layers alone.")
    packed = options.packed and len(layers) > 1
    flags = _flags(model, options, layers, packed=packed)
    readout = _readout(model, options, flags)
    members = workspace_members(model.network, layers, packed=packed)
    workspace = _workspace(model, members, flags, readout.values)
    pieces = [
        _inputs(model),
        layers_piece(all_layers, packed=packed),
        readout,
        workspace,
        _words(model, flags),
        _identity(model, options, flags, workspace.values["n_workspace_bytes"]),
    ]
    tables = "\n".join(text for piece in pieces for text in piece.tables)
    views, values_of_views = views_piece(model.network)
    public = "\n".join(text for piece in pieces for text in piece.public)
    packing = log2_codes_per_byte(layers) if packed else 0
    values: dict[str, Any] = {"views": values_of_views, "packing": packing}
    values["pooled_type"] = pooled_type(model.network)
    for piece in pieces:
        values |= piece.values
        flags |= piece.flags

    def filled(template: str) -> str:
        text = resources.files(__package__).joinpath(template).read_text("utf-8")
        text = fill(select(text, flags), values)
        text = text.replace("@tables", tables).replace("@views", views)
        text = re.sub(r"\bmodel_", f"{options.name}_", text)
        text = re.sub(r"\bMODEL_", f"{options.name.upper()}_", text)
        # Last, because class labels are no names of ours.
        return text.replace("@header", options.header).replace("@public", public)

    return filled("model.c.in"), filled("model.h.in")


def _flags(
    model: ExportedModel, options: Options, layers: Sequence[Layer], *, packed: bool
) -> dict[str, bool]:
    """Say which parts of the templates are wanted."""
    has_table = any(layer.table for layer in layers)
    has_seed = not all(layer.table for layer in layers)
    deep = len(layers) > 1
    has_readout = model.readout is not None
    classifier = model.classes is not None
    quantizer = model.network.quantizer
    is_table = isinstance(quantizer, ThresholdQuantizer)
    scaled = quantizer.operations if isinstance(quantizer, ScaledQuantizer) else {}
    return {
        "dense": model.network.is_dense,
        "pictures": not model.network.is_dense,
        "sums": has_sums(model.network),
        "no_sums": not has_sums(model.network),
        "pooled": bool(pooled_at_once(model.network)),
        "last_only": len(model.network.output_layers) == 1,
        "table": has_table,
        "seed": has_seed,
        "mixed": has_table and has_seed,
        "table_only": not has_seed,
        "seed_only": not has_table,
        "packed": packed,
        "deep": deep,
        "deep_last": deep and len(model.network.output_layers) == 1,
        "even_only": len(layers) == 2,
        "even_odd": len(layers) > 2,
        "readout": has_readout,
        "float": has_readout and options.readout == "float",
        "fixed": has_readout and options.readout == "fixed",
        "bits": is_table,
        "linear": not is_table,
        **{
            name: name in scaled
            for name in ("subtracted", "divisor", "factor", "added")
        },
        "rounded": not is_table or (has_readout and options.readout == "float"),
        "classifier": classifier,
        "regressor": has_readout and not classifier,
        "binary": classifier and model.n_scores == 1,
        "multiclass": classifier and model.n_scores > 1,
    }


def _inputs(model: ExportedModel) -> Piece:
    """Return what turns values into codes."""
    quantizer = model.network.quantizer
    if isinstance(quantizer, ThresholdQuantizer):
        piece = table_piece(quantizer, model.columns, model.names)
        return piece._replace(flags={"u8_is_code": False})
    return cells_piece(quantizer)


def _readout(
    model: ExportedModel, options: Options, flags: Mapping[str, bool]
) -> Piece:
    """Return types and tables of the readout."""
    if model.readout is None:
        return Piece({})
    parts = _float_scores if flags["float"] else _fixed_scores
    weights, score_scale, piece = parts(model, options.readout_bits)
    weight_type = c_type(weights)
    values = {**piece.values, "weight_type": weight_type, "n_scores": model.n_scores}
    tables = [*piece.tables, table(weight_type, "weights", weights)]
    public = []
    if model.classes is not None:
        class_type, texts = labels(model.classes)
        values |= {"class_type": class_type, "n_classes": len(texts)}
        public.append(_public(options, class_type, "classes", texts, "N_CLASSES"))
    elif flags["fixed"]:
        scales = _public(options, "double ", "score_scale", score_scale, "N_SCORES")
        public.append(scales)
    return Piece(values, tables, public)


def _float_scores(model: ExportedModel, bits: int) -> tuple[Any, Any, Piece]:
    """Return weights, their scale, and the piece of scores that are doubles."""
    assert model.readout is not None
    weights, scale = rounded_weights(model, bits, comparable=False)
    values = {
        "score_type": "double",
        "total_type": signed(largest_totals(model.network, weights).max()),
        "score_i": (
            "model_plus(model_product((double)totals[i], model_scales[i]), "
            "model_offsets[i])"
        ),
    }
    tables = [
        table("double", "scales", scale),
        table("double", "offsets", model.readout.offset),
    ]
    return weights, scale, Piece(values, tables)


def _fixed_scores(model: ExportedModel, bits: int) -> tuple[Any, Any, Piece]:
    """Return weights, scale of the scores, and the piece of scores that are whole."""
    fixed = to_integers(model, bits)
    largest = largest_totals(model.network, fixed.weights) * fixed.factor
    kind = signed((largest + np.abs(fixed.offset)).max())
    values = {
        "score_type": kind,
        "total_type": kind,
        "scale": repr(float(fixed.scale[0])),
        "score_i": "scores[i] + model_offsets[i]",
    }
    tables = []
    if (fixed.factor != 1).any():
        tables.append(table("int64_t", "factors", fixed.factor))
        values["score_i"] = "scores[i] * model_factors[i] + model_offsets[i]"
    tables.append(table(kind, "offsets", fixed.offset))
    return fixed.weights, fixed.scale, Piece(values, tables)


def _public(options: Options, kind: str, name: str, values: Any, size: str) -> str:
    """Return the definition of a table that the header declares."""
    prefix = options.name
    text = array(f"{prefix}_{name}", values, f"{prefix.upper()}_{size}")
    return f"const {kind}{text}"


def _workspace(
    model: ExportedModel,
    between: Sequence[tuple[str, str, int]],
    flags: Mapping[str, bool],
    types: Mapping[str, Any],
) -> Piece:
    """List the members of the workspace and count its bytes.

    `between` are those of the hidden layers.
    """
    members: list[tuple[str, str, int]] = []
    if flags["float"]:
        members.append((types["total_type"], "totals", model.n_scores))
    if flags["multiclass"]:
        members.append((types["score_type"], "scores", model.n_scores))
    no_workspace = not between
    members += between
    if not members:
        members.append(("uint8_t", "unused", 1))
    # The largest types first, so that nothing is padded but the end.
    members.sort(key=lambda member: -bytes_of(member[0]))
    sizes = [bytes_of(kind) for kind, _, _ in members]
    n_bytes = sum(size * n for size, (_, _, n) in zip(sizes, members, strict=True))
    values = {
        "workspace": "\n".join(
            f"    {kind} {name}[{count}];" for kind, name, count in members
        ),
        "n_workspace_bytes": -(-n_bytes // max(sizes)) * max(sizes),
    }
    return Piece(values, flags={"no_workspace": no_workspace})


def _words(model: ExportedModel, flags: Mapping[str, bool]) -> Piece:
    """Choose the pieces of code that depend on the options."""
    readout, packed = flags["readout"], flags["packed"]
    place = (
        "model_code_at(in, (int32_t)place, layer->packing)" if packed else "in[place]"
    )
    put_next = (
        "model_put_code(next, neuron, code);" if packed else "next[neuron] = code;"
    )
    return Piece(
        {
            "scores_name": "model_scores" if flags["classifier"] else "model_predict",
            "and_sums": ", add them up in `totals`" if readout else "",
            "totals_parameter": _TOTALS if readout else "",
            "no_totals": ", 0" if readout else "",
            "code_i": "model_code_at(in, i, packing)" if packed else "in[i]",
            "code_place": place,
            "packing_parameter": "int packing, " if packed else "",
            "packing_argument": "layer->packing, " if packed else "",
            "put_next": put_next,
            "usage": _usage(flags),
            "n_features": model.network.n_features_in,
            "n_inputs": model.network.quantizer.n_codes,
            "n_layers": len(model.network.layers),
            "n_codes": model.network.n_features_out,
        }
    )


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
        "uint8_t codes[MODEL_N_INPUTS];",
        "model_quantize_f32(x, codes);",
        *call,
    ]
    return "\n".join(f" *     {line}" for line in lines)


def _identity(
    model: ExportedModel,
    options: Options,
    flags: Mapping[str, bool],
    n_workspace_bytes: int,
) -> Piece:
    """Write the comment that says which model this is."""
    network = model.network
    specs = [layer.neurons for layer in network.layers if layer.neurons is not None]
    quantizer = network.quantizer
    first: tuple[int, ...] = (quantizer.n_codes,)
    if not isinstance(quantizer, ThresholdQuantizer):
        first = network.layers[0].shape_in
    shapes = [first, *(each.shape_out for each in network.layers)]
    sizes = ["x".join(map(str, shape)) for shape in shapes]
    if flags["readout"]:
        sizes.append(str(model.n_scores))
    levels = [len(np.unique(spec.levels)) for spec in specs]
    zeros = [1 - spec.n_nonzeros / spec.n_inputs for spec in specs]
    sources = {"seed": "drawn from the seed", "table": "constant tables"}
    lines = {
        "sizes": "-".join(sizes),
        "input codes": f"{network.quantizer.n_bits} bits",
        "levels": ", ".join(map(str, levels)),
        "share of zeros": ", ".join(f"{share:.4g}" for share in zeros),
        "seed": f"0x{network.seed % 2**64:016X}",
        "hidden weights": " and ".join(
            words for flag, words in sources.items() if flags[flag]
        ),
    }
    if flags["readout"]:
        seen = "all layers" if len(network.output_layers) > 1 else "the last layer"
        scores = "integers" if flags["fixed"] else "doubles"
        bits = options.readout_bits
        lines["readout"] = f"of {seen}, weights of {bits} bits, scores {scores}"
    if options.accuracy is not None:
        lines["accuracy"] = f"{float(options.accuracy):.6g}"
    lines["workspace"] = f"{n_workspace_bytes} bytes of RAM"
    lines["SHA-256"] = fingerprint(model)
    return Piece(
        {
            "title": "A compressed network: sparse ternary weights, integer codes.",
            "identity": "\n".join(f" * {key:15} {lines[key]}" for key in lines),
            "version": __version__,
        }
    )
