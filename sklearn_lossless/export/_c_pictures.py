"""Layers of pictures in the C source: how they look at codes, and where these are."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..network import Addition, CompressedNetwork, Convolution, Dense, Pooling
from ..network.network import kept_between
from ._c_text import c_type, table

__all__ = [
    "code_places",
    "has_sums",
    "picture_members",
    "pooled_at_once",
    "pooled_type",
    "views_piece",
]

#: Kinds of poolings in C.
_POOLINGS = {"sum": "MODEL_SUM", "max": "MODEL_LARGEST"}


def views_piece(network: CompressedNetwork) -> tuple[str, str]:
    """Return how each layer looks at the codes before it: tables, and a list.

    Parameters
    ----------
    network : CompressedNetwork

    Returns
    -------
    tables, entries : str
    """
    tables, entries = [], []
    places, pooled = code_places(network), pooled_at_once(network)
    for number, each in enumerate(network.layers):
        layer: Any = each
        # Pooled filters put codes where those of the pooling are.
        more: list[Any] = [places[number + (number in pooled)]]
        if has_sums(network):
            more += [0, 0, 0]
        if isinstance(each, Addition):
            more[1:] = [each.skip, each.shape_in[2], each.first_channel]
            layer = each.shortcut or _every_place(each)
        if isinstance(layer, Dense):
            none = ["MODEL_DENSE", *[0] * 7, 0, 0, 0]
            entries.append("    {" + ", ".join(map(str, [*none, *more])) + "}")
            continue
        if isinstance(layer, Pooling):
            kind, shift = _POOLINGS[layer.kind], layer.shift
            starts: Any = layer.row_starts, layer.column_starts
        else:
            kind = "MODEL_POOLED_FILTERS" if number in pooled else "MODEL_FILTERS"
            shift = 0
            starts = (
                layer.stride * np.arange(n) - before
                for n, (before, _) in zip(layer.grid, layer.margins, strict=True)
            )
        names = [f"{name}_starts_{number}" for name in ("row", "column")]
        for name, values in zip(names, starts, strict=True):
            tables.append(table("int16_t", name, np.array(values)))
        numbers = [*layer.shape_in, *layer.size, *layer.shape_out[:2]]
        fields = [kind, *numbers, *(f"model_{name}" for name in names), shift, *more]
        entries.append("    {" + ", ".join(map(str, fields)) + "}")
    return "\n".join(tables), ",\n".join(entries)


def picture_members(network: CompressedNetwork) -> list[tuple[str, str, int]]:
    """Return the members of the workspace that layers of pictures work in.

    Parameters
    ----------
    network : CompressedNetwork

    Returns
    -------
    list of tuples of str, str and int
        Type, name and number of each array.
    """
    seen = [
        layer.shortcut if isinstance(layer, Addition) else layer
        for layer in network.layers
    ]
    windows = [each.filters.n_inputs for each in seen if isinstance(each, Convolution)]
    members = [("uint8_t", "window", max(windows, default=1))]
    pooled = pooled_at_once(network)
    if pooled:
        widest = max(network.layers[i].shape_out[2] for i in pooled)
        members.append(("uint8_t", "position", widest))
        members.append((pooled_type(network), "pooled", widest))
    n_codes = map(sum, zip(code_places(network), _widths(network), strict=True))
    return [*members, ("uint8_t", "codes", max(n_codes))]


def pooled_type(network: CompressedNetwork) -> str:
    """Return the type of the numbers that come up while windows are pooled.

    Parameters
    ----------
    network : CompressedNetwork

    Returns
    -------
    str
    """
    poolings: list[Any] = [network.layers[i + 1] for i in pooled_at_once(network)]
    largest = [
        each.largest_in * (each.area if each.kind == "sum" else 1) for each in poolings
    ]
    return c_type(np.array(largest))


def pooled_at_once(network: CompressedNetwork) -> list[int]:
    """Return the convolutions that are pooled window by window, by their numbers.

    Their own codes are never all there. Windows that overlap would need some of them
    more than once.

    Parameters
    ----------
    network : CompressedNetwork

    Returns
    -------
    list of int
    """
    kept = kept_between(network)
    return [
        number
        for number, layer in enumerate(network.layers)
        if layer not in kept and _is_disjoint(network.layers[number + 1])
    ]


def _is_disjoint(layer: Any) -> bool:
    """Return whether no place is in two windows of a pooling."""
    starts = zip((layer.row_starts, layer.column_starts), layer.size, strict=True)
    return all((np.diff(each) >= size).all() for each, size in starts)


def _widths(network: CompressedNetwork) -> list[int]:
    """Return how many codes of each layer are there at a time."""
    pooled = pooled_at_once(network)
    return [
        0 if number in pooled else layer.n_outputs
        for number, layer in enumerate(network.layers)
    ]


def has_sums(network: CompressedNetwork) -> bool:
    """Return whether codes of an earlier layer are added somewhere."""
    return any(isinstance(layer, Addition) for layer in network.layers)


def code_places(network: CompressedNetwork) -> list[int]:
    """Return where the codes of each layer are, among all that are there at a time.

    From layer to layer they are at either end by turns. With sums each layer, the
    largest first, gets the first room that no codes are in at the same time.

    Parameters
    ----------
    network : CompressedNetwork

    Returns
    -------
    list of int
    """
    widths = _widths(network)
    if has_sums(network):
        return _rooms(network, widths)
    kept = [width for width in widths if width]
    pairs = zip(kept, [*kept[1:], 0], strict=True)
    n_codes = max(map(sum, pairs))
    places, at_end = [], False
    for width in widths:
        places.append(n_codes - width if at_end and width else 0)
        at_end ^= width > 0
    return places


def _rooms(network: CompressedNetwork, widths: list[int]) -> list[int]:
    layers = network.layers
    # Filters whose codes are nowhere look at these until they are pooled.
    last_use = [
        number + 1 if all(widths[number + 1 : number + 2]) else number + 2
        for number in range(len(layers))
    ]
    for number, layer in enumerate(layers):
        if isinstance(layer, Addition) and layer.skip >= 0:
            last_use[layer.skip] = max(last_use[layer.skip], number)
    places: dict[int, int] = {}
    for number in sorted(range(len(widths)), key=lambda i: -widths[i]):
        place = 0
        alive_with = [i for i in places if last_use[min(i, number)] >= max(i, number)]
        for start, other in sorted((places[i], i) for i in alive_with):
            if place + widths[number] <= start:
                break
            place = max(place, start + widths[other])
        places[number] = place
    return [places[number] for number in range(len(widths))]


def _every_place(layer: Addition) -> Pooling:
    """Return the pooling that leaves the added codes as they are."""
    height, width, _ = layer.shape_skip
    starts = tuple(range(height)), tuple(range(width))
    return Pooling(layer.shape_skip, (1, 1), *starts, layer.largest_skip, "max")
