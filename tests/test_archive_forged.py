"""Damaged and forged model files: a ValueError each, in little memory."""

import collections
import dataclasses
import functools
import json
import resource
import struct
import subprocess
import sys
import tracemalloc
import warnings
import zlib

import large_models
import mutations
import numpy as np
import pytest
from saved_models import (
    GOLDEN,
    LABELS,
    MODELS,
    X,
    classifier,
    with_stored_weights,
)
from sklearn.exceptions import ConvergenceWarning

from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
    load,
)
from sklearn_lossless.export import _coding, _container
from sklearn_lossless.export.archive import from_bytes, to_bytes
from sklearn_lossless.network.memory import prediction_bytes


@pytest.fixture(scope="module")
def models():
    with warnings.catch_warnings():
        # Two levels do not match all moments, and say so.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return {name: make() for name, make in MODELS.items()}


def resealed(data, **sections):
    """The file with other sections."""
    header, old = mutations.split(data)
    new = {**dict(old), **{tag.encode(): each for tag, each in sections.items()}}
    return mutations.joined(header, [*new.items()])


def with_meta(data, **changes):
    meta = json.loads(dict(mutations.split(data)[1])[b"META"])
    return resealed(data, META=json.dumps({**meta, **changes}).encode())


def header(data, **changes):
    """The file with other bytes in its header."""
    places = {"magic": 0, "version": 8, "kind": 9, "reserved": 10}
    body = bytearray(data[:-4])
    for name, value in changes.items():
        body[places[name]] = value
    return mutations.sealed(bytes(body))


def integers(values):
    return _coding.pack_integers(np.asarray(values, dtype=np.int64))


def with_first_flags(data, flags):
    """The file with other flags of the first layer."""
    network = dict(mutations.split(data)[1])[b"NETW"]
    reader = _coding.Reader(network, "NETW")
    _, _, n_features, *_ = reader.numbers("BdIQBB")
    _coding.unpack_integers(reader, (n_features,))  # shifts
    place = len(network) - len(reader)
    start, end = network[:place], network[place + 1 :]
    return resealed(data, NETW=start + _coding.pack_numbers("B", flags) + end)


def with_moment(data, value):
    """The file with another value for tau of layer 1."""
    matching = bytearray(dict(mutations.split(data)[1])[b"MTCH"])
    place = 1 + matching[0]  # behind the name
    place += 1 + matching[place] + 8 * (matching[place] - 1) + 1
    matching[place + 16 : place + 24] = struct.pack("<d", value)
    return resealed(data, MTCH=bytes(matching))


HOSTILE = {
    "begins with b'', not": lambda data: b"",
    "begins with b'PK": lambda data: b"PK\3\4" + data[4:],
    "ends before its checksum": lambda data: data[:12],
    "but 2 are left": lambda data: data[:10],
    "checksum does not fit": lambda data: data[:-5] + b"!" + data[-4:],
    "damaged or cut off": lambda data: data[:-1],
    "version is 3; this version .* reads versions 1 and 2": lambda data: header(
        data, version=3
    ),
    "unknown kind 9": lambda data: header(data, kind=9),
    "unknown kind 1, 1": lambda data: header(data, reserved=1),
    "do not suit a CompressedMLPRegressor": lambda data: header(data, kind=2),
    "section b'NEWS' is unknown": lambda data: resealed(data, NEWS=b""),
    "is there twice": lambda data: mutations.joined(
        data[:12], mutations.split(data)[1] * 2
    ),
    "section b'META' is missing": lambda data: mutations.joined(data[:12], []),
    "nested deeper than 16": lambda data: with_meta(
        data,
        params={
            **json.loads(dict(mutations.split(data)[1])[b"META"])["params"],
            "class_weight": functools.reduce(lambda x, _: [x], range(500), []),
        },
    ),
    "section READ: 1 bytes": lambda data: resealed(data, READ=b""),
    "section READ: 4 bytes too many": lambda data: resealed(
        data, READ=dict(mutations.split(data)[1])[b"READ"] + b"1234"
    ),
    "not JSON": lambda data: resealed(data, META=b"{"),
    "not JSON .*recursion": lambda data: resealed(data, META=b"[" * 10**5),
    "params or fitted is missing": lambda data: with_meta(data, params=None),
    "no scale_": lambda data: with_meta(data, fitted={"temperature_": 1.0}),
    "fitted number 'alpha_' is 'x'": lambda data: with_meta(
        data, fitted={"alpha_": "x"}
    ),
    "parameters that this version .* does not know: depth": lambda data: with_meta(
        data, params={"depth": 3}
    ),
    "fitted number 'temperature_' is -1.0": lambda data: with_meta(
        data, fitted={"scale_": 1.0, "temperature_": -1.0}
    ),
    "temperature_ 1e\\+308 is too large": lambda data: with_meta(
        data, fitted={"scale_": 1.0, "temperature_": 1e308}
    ),
    "fitted number 'scale_' is 0.0": lambda data: with_meta(
        data, fitted={"scale_": 0.0, "temperature_": 1.0}
    ),
    "fitted number 'alpha_' is -0.5": lambda data: with_meta(
        data, fitted={"scale_": 1.0, "temperature_": 1.0, "alpha_": -0.5}
    ),
    "'eps' parameter": lambda data: with_meta(data, params={"eps": 7}),
    "eps must be one number, or one per hidden layer": lambda data: with_meta(
        data, params={"hidden_layer_sizes": [25, 20], "eps": [0.5]}
    ),
    "'n_jobs' parameter .* Got 0 instead": lambda data: with_meta(
        data, params={"n_jobs": 0}
    ),
    "parameter 'n_jobs' is NotRestored": lambda data: with_meta(
        data, params={"n_jobs": {"lost": "it"}}
    ),
    "activation must be a name or a callable, got 1": lambda data: with_meta(
        data, params={"activation": [1]}
    ),
    "activation must be .*'swish'": lambda data: with_meta(
        data, params={"activation": "swish"}
    ),
    "estimator must be an MLPClassifier.* got 3": lambda data: with_meta(
        data, params={"estimator": 3}
    ),
    "hidden_layer_sizes must be a positive integer": lambda data: with_meta(
        data, params={"hidden_layer_sizes": []}
    ),
    "parameters: .*'heavy'": lambda data: with_meta(
        data, params={"class_weight": {"dict": [[0, "heavy"]]}}
    ),
    "scores are not finite": lambda data: resealed(
        data,
        READ=_coding.pack_numbers("BBI", 0, 0, 4)
        + np.full(4 * (1 + 20), 1e308).astype("<f8").tobytes(),
    ),
    "moments of layer 1 are not numbers": lambda data: with_moment(data, np.nan),
    "moments of layer 1 are not numbers.": lambda data: with_moment(data, np.inf),
    "the readout is not a name": lambda data: with_meta(
        data, params={"readout": {"lost": "it"}}
    ),
    "value of unknown kind 'eval'": lambda data: with_meta(
        data, params={"eps": {"eval": "1"}}
    ),
    "class labels of type 'object_'": lambda data: with_meta(
        data, classes={"dtype": "object_", "values": [1, 2, 3, 4]}
    ),
    "a class label is not of type str": lambda data: with_meta(
        data, classes={"dtype": "str", "values": [1, 2, 3, 4]}
    ),
    "too many characters": lambda data: with_meta(
        data, classes={"dtype": "str", "values": ["a" * 10**5] + ["b"] * 999}
    ),
    "out of bounds for uint8": lambda data: with_meta(
        data, classes={"dtype": "uint8", "values": [1, 2, 3, 400]}
    ),
    "not in increasing order": lambda data: with_meta(
        data, classes={"dtype": "int8", "values": [1, 2, 3, 3]}
    ),
    "4 scores for 2 classes": lambda data: with_meta(
        data, classes={"dtype": "int8", "values": [1, 2]}
    ),
    "not a list of 30 names": lambda data: resealed(data, name=zlib.compress(b"[]")),
    "a mean code is beyond 65280": lambda data: resealed(
        data, mean=integers([-1] * 30)
    ),
    "a mean code is beyond 65280.": lambda data: resealed(
        data, mean=integers([256 * 255 + 1] * 30)
    ),
    "section mean: 1 bytes too many": lambda data: resealed(
        data, mean=integers([0] * 30) + b"1"
    ),
    "layer 0 has unknown flags 24": lambda data: with_first_flags(data, 24),
    "layer 0 has unknown flags 17": lambda data: with_first_flags(data, 17),
    "layer 0 has unknown flags 32": lambda data: with_first_flags(data, 32),
    "layer 0 has unknown flags 64": lambda data: with_first_flags(data, 64),
    "layer 0 has unknown flags 134": lambda data: with_first_flags(data, 134),
    "a name is not a string": lambda data: resealed(
        data, name=zlib.compress(json.dumps([1] * 30).encode())
    ),
}


def deflated(content):
    """A deflated section, as the container writes it, without its tag."""
    stream = zlib.compressobj(9, wbits=-15, zdict=_container._DICTIONARY)
    stream = stream.compress(content) + stream.flush()
    return _coding.pack_numbers("Q", len(stream) << 1 | 1) + stream


SHORT = {
    "META: a zlib stream is not one of at most 65536": b"META"
    + deflated(b"[" * (2**16 + 1)),
    "META: damaged zlib stream": b"META\x0b\xff\xff\xff\xff\xff",
    "READ: it is deflated": b"READ" + deflated(bytes(99)),
    "an integer does not end": b"META" + b"\xff" * 20,
    "an integer of more than 64 bits": b"META" + b"\xff" * 9 + b"\x7f",
    "section b'META' of 3 bytes is cut off": b"META\6{}",
}


@pytest.mark.parametrize("reason", SHORT)
def test_hostile_sections(models, reason):
    header = to_bytes(models["ints"])[:12]
    with pytest.raises(ValueError, match=reason):
        from_bytes(mutations.sealed(header + SHORT[reason]))


def test_short_files(models):
    """What most files say is not written, and sections may be long as well."""
    data = to_bytes(models["ints"], "int8")
    plain = mutations.joined(*mutations.split(data))
    assert to_bytes(from_bytes(plain), "int8") == data
    assert len(plain) > len(data) + 300
    # Files refer to these bytes: they never change.
    assert zlib.crc32(_container._DICTIONARY) == 3740547341


@pytest.mark.parametrize("reason", HOSTILE)
def test_hostile_files(models, reason):
    data = HOSTILE[reason](to_bytes(models["ints"]))
    with pytest.raises(ValueError, match=reason):
        from_bytes(data)


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("layer 1 has 26 of 25 weights", {"n_nonzeros": 26}),
        ("layer 1 has 0 of 25 weights", {"n_nonzeros": 0}),
        ("layer 1 has 0 neurons", {"n_outputs": 0}),
        ("layer 1 has 1048577 neurons", {"n_outputs": 2**20 + 1}),
        ("layer 1 has levels", {"levels": np.full(8, 16, np.uint8)}),
        ("layer 1 has levels", {"levels": np.zeros(8, np.uint8)}),
        ("thresholds of layer 1 decrease", {"thresholds": -np.arange(7)}),
        ("a threshold is beyond", {"thresholds": np.arange(7) + 2**61}),
        ("a centre is beyond", {"centre": np.array([-(2**33)])}),
        ("layer 1 has a bias scale", {"bias_scale": 2**41}),
    ],
)
def test_networks_that_would_not_run(models, reason, changes):
    model = from_bytes(to_bytes(models["compressor"]))
    first, last = model.network_.layers
    layers = (first, dataclasses.replace(last, **changes))
    model.network_ = dataclasses.replace(model.network_, layers=layers)
    with pytest.raises(ValueError, match=reason):
        to_bytes(model)


def test_an_input_twice():
    model = with_stored_weights(classifier())
    model.network_.layers[0].weights.indices[3] = 5
    with pytest.raises(ValueError, match="one of its inputs twice"):
        to_bytes(model)


def test_later_versions_may_add_sections(models):
    data = to_bytes(models["ints"])
    assert to_bytes(from_bytes(resealed(data, note=b"anything"))) == data


def network_head(n_features, n_layers=1):
    return _coding.pack_numbers("BdIQBB", 8, 1.0, n_features, 0, 0, n_layers)


BOMBS = {
    "features": ("4294967295 features", network_head(2**32 - 1)),
    "zeros": (
        "zlib stream is not one of at most",
        network_head(2**20)
        + _coding.pack_numbers("BBI", 0, 1, 10000)
        + zlib.compress(bytes(2**23))[:10000].ljust(10000),
    ),
    "no stream": (
        "bytes were announced",
        network_head(2**20) + _coding.pack_numbers("BBI", 0, 1, 65535),
    ),
    "thresholds": (
        "integers are announced",
        network_head(1)
        + integers([0])
        + _coding.pack_numbers("BIIqB", 1, 2**20, 1, 0, 255)
        + bytes(range(16)) * 15
        + bytes(15)
        + _coding.pack_numbers("BBI", 0, 1, 255),
    ),
    "weights": (
        "numbers in",
        network_head(2**20)
        + integers(np.zeros(2**20))
        + _coding.pack_numbers("BIIqB", 4, 2**20, 2**20, 0, 2)
        + bytes([0, 1])
        + integers([0])
        + integers([0])
        + _coding.pack_numbers("BI", 0, 2**31)
        + bytes(1000),
    ),
    "nonzeros": (
        "weights that are not 0",
        network_head(2**20)
        + integers(np.zeros(2**20))
        + _coding.pack_numbers("BIIqB", 0, 2**20, 2**20, 0, 2)
        + bytes([0, 1])
        + integers([0])
        + integers([0]),
    ),
    "zero weights": (
        "1099511627776 weights, over",
        network_head(2**20)
        + integers(np.zeros(2**20))
        + _coding.pack_numbers("BIIqB", 0, 2**20, 1, 0, 2)
        + bytes([0, 1])
        + integers([0])
        + integers([0]),
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_forged_sizes_take_no_memory(models, name):
    reason, network = BOMBS[name]
    data = resealed(to_bytes(models["compressor"]), NETW=network)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=reason):
            from_bytes(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # 2**20 features are allowed and take 8 bytes each, some of them for a while.
    assert peak < (80e6 if len(integers(np.zeros(2**20))) < len(network) else 1e6)


def test_forged_names_and_readouts_take_no_memory(models):
    data = to_bytes(models["ints"])
    zeros = zlib.compress(b"[" + b"0," * 2**25, 1)
    huge = _coding.pack_numbers("BBI", 4, 0, 2**32 - 1) + bytes(1000)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="zlib stream is not one of at most"):
            from_bytes(resealed(data, name=zeros))
        with pytest.raises(ValueError, match="bytes were announced"):
            from_bytes(resealed(data, READ=huge))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50e6


def test_names_are_counted_before_they_are_parsed(models):
    data = to_bytes(models["ints"])
    names = zlib.compress(b"[" + b'"",' * (5 * 2**20) + b'""]', 9)
    assert len(names) < 25_000
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="not a list of 30 names"):
            from_bytes(resealed(data, name=names))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 60e6  # the text, twice


@pytest.mark.parametrize("count", [29, 31])
def test_names_that_are_too_few_or_too_many(models, count):
    names = zlib.compress(json.dumps(['a, "b" ]'] * count).encode())
    with pytest.raises(ValueError, match="not a list of 30 names"):
        from_bytes(resealed(to_bytes(models["ints"]), name=names))


#: What a few numbers can ask for: features; neurons, nonzeros, levels of each layer.
LARGE = {
    "many thresholds": (1, (2**17, 1, 255)),
    "many zeros": (2**20, (4096, 1, 2)),
    "many weights": (2**20, (64, 2**20, 2)),
}


@pytest.mark.parametrize("name", list(LARGE)[:2])
def test_small_files_take_what_is_announced(tmp_path, name):
    data = large_models.file_of(*LARGE[name])
    assert len(data) < 4000
    path = tmp_path / "large.lnn"
    path.write_bytes(data)
    command = [sys.executable, large_models.__file__, path, "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    bound = prediction_bytes(load(path).network_)
    assert int(done.stdout) < bound < 2**30


def test_the_caller_sets_how_much_memory_a_model_may_take(tmp_path):
    path = tmp_path / "large.lnn"
    path.write_bytes(large_models.file_of(*LARGE["many weights"]))
    with pytest.raises(
        ValueError, match=r"may take 1,\d+,\d+,\d+ bytes .*max_memory=1,"
    ):
        load(path)
    for enough in (2e9, None):
        assert load(path, max_memory=enough).network_.n_nonzeros == 2**26
    with pytest.raises(ValueError, match="max_memory=10"):
        load(GOLDEN[0], max_memory=10)


#: Files of few bytes, of which most say how long something is.
TINY = {"hidden_layer_sizes": (5, 4), "eps": 0.5, "random_state": 7}
SMALL = {
    "classifier": lambda: CompressedMLPClassifier(**TINY).fit(X[:, :6], LABELS),
    "compressor": lambda: NTKCompressor(**TINY, readout_layers="all").fit(X[:, :6]),
    "regressor": lambda: CompressedMLPRegressor(**TINY).fit(X[:, :6], X[:, :3]),
    "stored_weights": lambda: with_stored_weights(SMALL["classifier"](), n_nonzeros=3),
    "trained": lambda: CompressedMLPClassifier(
        **TINY, hidden_weights="trained", max_iter=2
    ).fit(X[:, :6], LABELS),
    "table": lambda: CompressedMLPClassifier(
        **TINY,
        input_encoding="thresholds",
        n_thresholds=4,
        categorical_features=[1, 4],
        max_categories=3,
    ).fit(X[:, :6], LABELS),
}


@pytest.mark.parametrize("names", [list(SMALL)[:2], list(SMALL)[2:]], ids="-".join)
@pytest.mark.filterwarnings("ignore:X has 6 features:UserWarning")
def test_twenty_thousand_damaged_files(names):
    # Ten thousand twice.
    rng = np.random.default_rng([20000, *map(len, names)])
    files = [to_bytes(SMALL[name](), "int8") for name in names]
    reasons = collections.Counter()
    limit = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + 2**18  # 256 MiB
    for number in range(10000):
        data = mutations.mutated(files[number % len(files)], rng)
        why = mutations.verdict(data, from_bytes, X[:2, :6])
        assert why != "no reason"
        reasons[why.split(": ", 1)[-1][:12]] += 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < limit
    # Not all stumble over the first hurdle, and some are in order.
    assert len(reasons) > 50
    assert 500 < reasons[""] < 5000
    assert reasons["the file: the checksum"[:12]] < 5000
