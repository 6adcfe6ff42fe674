"""Damaged model files: what a careless copy or a hostile sender could make.

Most of them have their lengths and checksum put right again, so that not the
checksum but the reader behind it is tried.
"""

import dataclasses
import functools
import json
import struct
import zlib
from unittest import mock

import numpy as np

from sklearn_lossless.export import _coding, _container, _sections, _table, _weights
from sklearn_lossless.network import Quantizer

EXTREMES = [
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    *(struct.pack("<H", n) for n in (0, 255, 256, 2**16 - 1)),
    *(struct.pack("<I", n) for n in (0, 1, 2**16, 2**20, 2**31 - 1, 2**32 - 1)),
    *(struct.pack("<q", n) for n in (-(2**63), -1, 0, 2**40, 2**63 - 1)),
    *(struct.pack("<d", x) for x in (0.0, -1.0, 5e-324, 1e308, np.inf, np.nan)),
]
VALUES = [None, True, 0, -1, 10**30, 0.5, 1e308, -1e308, 5e-324, np.nan, np.inf]
VALUES += ["", "ridge", [], [2, 0.5], {}, {"lost": "it"}, {"float": "nan"}]
VALUES += [{"tuple": []}, {"dict": [[0, -1.0]]}]


def sealed(body):
    """A file whose checksum fits."""
    return body + struct.pack("<I", zlib.crc32(body))


def split(data):
    """Header and sections of a file that is whole; none of them is deflated."""
    sections = _container.unpack_sections(data)[1]
    return data[:12], [
        (tag, bytes(reader.take(len(reader)))) for tag, reader in sections.items()
    ]


def joined(header, sections):
    """The file of these sections."""
    parts = [_start(tag, payload) + payload for tag, payload in sections]
    return sealed(header + b"".join(parts))


def _start(tag, payload):
    """What comes before a section that is not deflated."""
    return tag + _coding.pack_numbers("Q", 2 * len(payload))


def mutated(data, rng):
    """A damaged version of the file `data`, drawn by `rng`."""
    return MUTATIONS[rng.integers(len(MUTATIONS))](data, rng)


def cut(data, rng):
    return data[: rng.integers(len(data))]


def flipped(data, rng):
    array = np.frombuffer(data, np.uint8).copy()
    places = rng.integers(len(array), size=rng.integers(1, 4))
    array[places] ^= rng.integers(1, 256, size=len(places)).astype(np.uint8)
    return array.tobytes()


def flipped_and_sealed(data, rng):
    return sealed(data[:8] + flipped(data[8:-4], rng))


def extreme(data, rng):
    value = EXTREMES[rng.integers(len(EXTREMES))]
    # Rather near the front of a section, where the sizes are.
    header, sections = split(data)
    number = rng.integers(len(sections))
    tag, payload = sections[number]
    place = min(int(rng.exponential(40)), max(0, len(payload) - len(value)))
    payload = payload[:place] + value + payload[place + len(value) :]
    sections[number] = (tag, payload)
    return joined(header, sections)


def resized(data, rng):
    header, sections = split(data)
    number = rng.integers(len(sections))
    tag, payload = sections[number]
    start, stop = sorted(rng.integers(len(payload) + 1, size=2))
    inserted = payload[start:stop] * int(rng.integers(2))
    sections[number] = (tag, payload[:start] + inserted + inserted + payload[stop:])
    return joined(header, sections)


def announced(data, rng):
    """A section that announces another size than it has."""
    header, sections = split(data)
    data = joined(header, sections)
    number = rng.integers(len(sections))
    place = len(joined(header, sections[:number])) - 4 + 4  # its checksum, a tag
    size = _coding.pack_numbers("Q", rng.integers(2**32) >> rng.integers(32))
    end = place + len(_start(*sections[number])) - 4
    return sealed(data[:place] + size + data[end:-4])


def reordered(data, rng):
    header, sections = split(data)
    picked = rng.integers(len(sections), size=rng.integers(len(sections) + 2))
    sections = [sections[number] for number in picked]
    if rng.integers(2):
        sections.append(([b"abcd", b"ABcd"][rng.integers(2)], b"?"))
    return joined(header, sections)


def other_json(data, rng):
    """Another value somewhere in the JSON of section META."""
    header, sections = split(data)
    sections = dict(sections)
    meta = json.loads(sections[b"META"])
    node = meta
    while True:
        keys = list(node) if isinstance(node, dict) else range(len(node))
        if not len(keys):
            return joined(header, [*sections.items()])
        key = keys[rng.integers(len(keys))]
        if not isinstance(node[key], (dict, list)) or rng.integers(4) == 0:
            break
        node = node[key]
    node[key] = VALUES[rng.integers(len(VALUES))]
    sections[b"META"] = json.dumps(meta).encode()
    return joined(header, [*sections.items()])


@functools.lru_cache(maxsize=100)
def network_of(data):
    """The network of a file."""
    with np.errstate(all="ignore"):
        return _sections.decode(data).network


def other_network(data, rng):
    """Another network in a file that is otherwise in order."""
    header, sections = split(data)
    sections = dict(sections)
    network = network_of(data)
    layers = list(network.layers)
    number = rng.integers(len(layers))
    layers[number] = other_layer(layers[number], rng)
    quantizer = network.quantizer
    if rng.integers(4) == 0 and isinstance(quantizer, Quantizer):
        shift = other_integers(quantizer.shift, rng)
        quantizer = dataclasses.replace(quantizer, shift=shift)
    network = dataclasses.replace(network, layers=tuple(layers), quantizer=quantizer)
    try:
        sections[b"NETW"] = _sections.encode_network(network)
    except IndexError:  # contexts know no weights of inputs that there are not
        with mock.patch.object(_weights, "MAX_IN_CONTEXTS", 0):
            sections[b"NETW"] = _sections.encode_network(network)
    return joined(header, [*sections.items()])


def other_table(data, rng):
    """Other columns in a file of a table; of others, another network."""
    header, sections = split(data)
    sections = dict(sections)
    if b"TABL" not in sections:
        return other_network(data, rng)
    with np.errstate(all="ignore"):
        content = _sections.decode(data)
    columns = list(content.network.quantizer.columns)
    number = rng.integers(len(columns))
    column = columns[number]
    if column.groups is not None:
        groups = other_integers(column.groups, rng)
        columns[number] = column._replace(groups=groups)
    elif rng.integers(2) or not len(column.thresholds):
        columns[number] = column._replace(has_missing=not column.has_missing)
    else:
        thresholds = column.thresholds.copy()
        odd = [np.nan, np.inf, -np.inf, 1e308, 0.1, 5e-324]
        thresholds[rng.integers(len(thresholds))] = odd[rng.integers(len(odd))]
        columns[number] = column._replace(thresholds=thresholds)
    if rng.integers(4) == 0:
        columns = columns[: rng.integers(1, len(columns) + 1)]
    quantizer = dataclasses.replace(content.network.quantizer, columns=tuple(columns))
    sections[b"TABL"] = _table.encode_table(quantizer, content.columns)
    return joined(header, [*sections.items()])


def other_layer(layer, rng):
    name = rng.choice(["n_outputs", "n_nonzeros", "thresholds", "levels", "centre"])
    value = getattr(layer, name)
    if name in ("n_outputs", "n_nonzeros"):
        value = int(rng.integers(0, 2 * value + 2))
    elif name == "levels":
        value = rng.integers(20, size=len(value)).astype(np.uint8)
    else:
        value = other_integers(value, rng)
    changes = {name: value}
    if layer.weights is not None and rng.integers(2):
        indices = layer.weights.indices.copy()
        indices[0] = np.arange(indices.shape[1]) + rng.integers(layer.n_inputs)
        changes["weights"] = layer.weights._replace(indices=indices)
    return dataclasses.replace(layer, **changes)


def other_integers(values, rng):
    values = values.copy()
    place = tuple(rng.integers(length) for length in values.shape)
    values[place] = rng.integers(-(2**63), 2**63 - 1) >> rng.integers(63)
    return values if rng.integers(4) else np.resize(values, len(values) + 1)


MUTATIONS = [
    cut,
    flipped,
    flipped_and_sealed,
    extreme,
    extreme,
    resized,
    announced,
    reordered,
    other_json,
    other_network,
    other_table,
]


def verdict(data, load, X):
    """Why `data` is refused; "" if it loads, and then what it holds predicts."""
    try:
        estimator = load(data)
    except ValueError as error:
        return str(error) or "no reason"
    usable = (
        X.shape[1] == estimator.n_features_in_ and estimator.network_.n_nonzeros < 10**5
    )
    if usable:
        names = ["codes", "transform", "predict", "predict_proba", "decision_function"]
        for name in names:
            if hasattr(estimator, name):
                answer = getattr(estimator, name)(X)
                assert len(answer) == len(X)
                assert answer.dtype.kind in "OUSb" or np.isfinite(answer).all()
    return ""
