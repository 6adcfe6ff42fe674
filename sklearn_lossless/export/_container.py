"""The outside of a model file: header, sections, checksum, and short sections."""

from __future__ import annotations

import struct
import zlib

from ._coding import Reader, pack_numbers
from ._kinds import Kind

__all__ = ["MAGIC", "pack_section", "pack_sections", "unpack_sections"]

#: As in PNG: a byte above 127, the name, and line ends that careless copies change.
MAGIC = b"\x89LNN\r\n\x1a\n"

#: Versions that are read; the last one is written.
_VERSIONS = (1, 2)

#: Sections that this version knows; unknown ones in small letters are skipped.
_SECTIONS = (
    *(b"META", b"NETW", b"SIGN", b"TABL", b"SCAL", b"MTCH", b"READ"),
    *(b"name", b"mean"),
)
_NEEDED = (b"META", b"NETW", b"MTCH")

#: Sections that are deflated where that is shorter, up to a size beyond which little
#: is gained, and forged streams would take memory.
_SHORTENED = (b"META", b"NETW", b"TABL", b"MTCH")
_MOST_SHORTENED = 2**16

#: What sections are likely to hold: deflated ones refer to it. Part of the format.
_DICTIONARY = (
    b'"float32","float64","uint8","bool","object","str","values":["a","b"]}'
    b'{"params":{"fitted":{"scale_":0.0,"alpha_":0.0}}"leaky_relu","erf","gelu","elu",'
    b'"identity","logistic","sin","cos","hard_tanh","tanh","all","ridge"'
    b'"categorical_features":"from_dtype","max_categories":"min_frequency":'
    b'"input_encoding":"thresholds","n_thresholds":32,"validation_fraction":0.1,'
    b'"warm_start":true,"early_stopping":true,"batch_size":"learning_rate_init":'
    b'"tol":0.0001,"n_iter_no_change":10,"class_weight":"balanced","target":"teacher"'
    b'"hidden_weights":"fitted","estimator":{"lost":"the MLPClassifier"}'
    b'["Dense",{"dict":[["n_units",64],["eps",0.9]]}]}'
    b'["Conv2D",{"dict":[["n_filters",16],["kernel_size",3],["padding","same"],'
    b'["stride",2],["eps",0.5],["weights","patches"]]}]},{"layer":["Pool2D",'
    b'{"dict":[["grid",4],["kind","max"]]}]},{"layer":["Pool2D",{"dict":[["size",2],'
    b'["kind","max"]]}]}],"image_shape":{"tuple":[28,28,1]},"input_bits":8,"max_iter":'
    b'{"params":{"activation":"relu","alpha":null,"class_weight":null,'
    b'"hidden_layers":[{"layer":["Conv2D",{"dict":[["n_filters",'
    b'{"params":{"activation":"relu","alpha":null,"class_weight":null,'
    b'"estimator":null,"hidden_layer_sizes":{"tuple":[64,64]},'
    b'"hidden_weights":"trained","hidden_weights":null,"input_bits":8,"max_iter":'
    b'"n_jobs":null,"n_levels":8,"random_state":0,"readout":null,'
    b'"readout_layers":"last","target":"labels","verbose":0,"widen":1},'
    b'"fitted":{"scale_":0.02,"temperature_":1.0},"classes":'
    b'{"dtype":"int64","values":[0,1,2,3,4,5,6,7,8,9]}}'
) + bytes.fromhex(
    # Layers of section NETW: first rows of windows, trained layers of 8 levels.
    "100808020204040100020406000204061c1c02020e0e010002040608"
    "0a0c0e10121416181a1c1e0002040608"
    "0a0c0e10121416181a1c1e10020202020101000000"
    "cd011c1c050501001008000800010203040506070007"
    "60380165168d53b340d94d060484a50105032685"
    "ed010c0c030301000c12000800010203040506070005"
    "60380165168d53b340d94d060484a50105032685"
    # A layer of section MTCH: ReLU in 8 levels, for sums of deviation 1.
    "0472656c750800010203040506073802ea91b7f7bf3f71792949ecbbe33fed2c5e83a818f03fcbd1"
    "a022f3b0f53feaf86dd25907fb3f1715e5a143290040a9f730f096dd0240074eb91cbc98a8d83f00"
    "421b5b84975ebf000000000000f03f000000000000f03f5136d4334588d93f000000000000e03f51"
    "36d4334588d93fbe1b1bc967d0e53fc9b6abf5a5aee23f000000000000e03f5136d4334588d93fff"
    "ffffffffffdf3f5036d4334588d93fbc1b1bc967d0e53f2acd09e9dddde23f000000000000f07f00"
    "0000000000a03c0527f61f930da43cc6c93d649878b73c5c51d5c63c38843f"
)


def pack_sections(kind: Kind, sections: dict[bytes, bytes]) -> bytes:
    """Return the bytes of a file.

    Parameters
    ----------
    kind : Kind
    sections : dict
        Contents by tag.

    Returns
    -------
    bytes
    """
    parts = [MAGIC, struct.pack("<BBH", _VERSIONS[-1], kind, 0)]
    parts += [pack_section(tag, content) for tag, content in sections.items()]
    data = b"".join(parts)
    return data + struct.pack("<I", zlib.crc32(data))


def pack_section(tag: bytes, content: bytes) -> bytes:
    """Return the bytes of a section, its tag and size among them."""
    is_deflated = False
    if tag in _SHORTENED and len(content) <= _MOST_SHORTENED:
        stream = zlib.compressobj(9, wbits=-15, memLevel=9, zdict=_DICTIONARY)
        deflated = stream.compress(content) + stream.flush()
        if len(deflated) < len(content):
            is_deflated, content = True, deflated
    return tag + pack_numbers("Q", len(content) << 1 | is_deflated) + content


def unpack_sections(data: bytes) -> tuple[Kind, dict[bytes, Reader]]:
    """Return the estimator's kind and the sections of a file that is whole.

    Raises
    ------
    ValueError
        If the file is damaged, or comes from a later version.
    """
    reader = Reader(data, "", compact=False)
    if data[: len(MAGIC)] != MAGIC:
        raise reader.fail(f"it begins with {data[: len(MAGIC)]!r}, not {MAGIC!r}")
    reader.take(len(MAGIC))
    version, kind, reserved = reader.numbers("BBH")
    if version not in _VERSIONS:
        raise reader.fail(
            f"its version is {version}; this version of sklearn-lossless reads "
            f"versions {' and '.join(map(str, _VERSIONS))}"
        )
    if len(reader) < 4:
        raise reader.fail("it ends before its checksum")
    if zlib.crc32(data[:-4]) != struct.unpack("<I", data[-4:])[0]:
        raise reader.fail("the checksum does not fit: it is damaged or cut off")
    if kind >= len(Kind) or reserved:
        raise reader.fail(f"it holds an estimator of unknown kind {kind}, {reserved}")
    sections: dict[bytes, Reader] = {}
    body = Reader(reader.take(len(reader) - 4), "", compact=version > 1)
    while len(body):
        tag, is_deflated = bytes(body.take(4)), False
        if version == 1:
            (size,) = body.numbers("I")
        else:
            (size,) = body.numbers("Q")
            size, is_deflated = size >> 1, bool(size & 1)
        if len(body) < size:
            raise reader.fail(f"section {tag!r} of {size} bytes is cut off")
        if tag in sections:
            raise reader.fail(f"section {tag!r} is there twice")
        if tag not in _SECTIONS and not tag.islower():
            raise reader.fail(
                f"section {tag!r} is unknown: the file comes from a later version"
            )
        name = f"section {tag.decode(errors='replace')}"
        section = Reader(body.take(size), name, compact=version > 1)
        if is_deflated and tag not in _SHORTENED:
            raise section.fail("it is deflated")
        if is_deflated:
            section = Reader(
                section.inflated(size, _MOST_SHORTENED, dictionary=_DICTIONARY), name
            )
        sections[tag] = section
    for tag in _NEEDED:
        if tag not in sections:
            raise reader.fail(f"section {tag!r} is missing")
    return Kind(kind), sections
