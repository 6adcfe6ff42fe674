"""What a C program takes on a device of 32 bits, as its text says."""

from __future__ import annotations

import re
from typing import NamedTuple

from ._c_program import Options, program_texts
from ._c_text import bytes_of
from ._exported import ExportedModel

__all__ = ["ProgramMemory", "program_memory"]

#: A table of numbers, or of structures, that functions of the program read.
_TABLE = re.compile(r"^static const (\w+) \w+\[\w*\] = \{\n(.*?)\n\};", re.M | re.S)


class ProgramMemory(NamedTuple):
    """Bytes by what takes them."""

    #: What functions work in.
    workspace: int
    #: Input codes, where bytes of the sample are not codes already.
    input_codes: int
    #: Constants that functions read.
    tables: int


def program_memory(
    model: ExportedModel, *, weights: str = "table", readout_bits: int = 8
) -> ProgramMemory:
    """Return what the program of `to_c`, with integer scores, takes beside its code.

    Parameters
    ----------
    model : ExportedModel
    weights : {"table", "seed"}, default="table"
    readout_bits : {8, 16, 32}, default=8

    Returns
    -------
    ProgramMemory
    """
    options = Options("model", "model.h", weights, "fixed", readout_bits, False, None)
    source, header = program_texts(model, options)
    found = re.search(r"workspace +(\d+) bytes of RAM", header)
    assert found is not None
    is_code = "MODEL_U8_IS_CODE" in header
    n_codes = 0 if is_code else model.network.quantizer.n_codes
    tables = sum(_bytes(kind, text) for kind, text in _TABLE.findall(source))
    return ProgramMemory(int(found.group(1)), n_codes, tables)


def _bytes(kind: str, text: str) -> int:
    """Return the bytes of a table of this type."""
    if kind == "double" or re.fullmatch(r"u?int\d+_t", kind):
        return bytes_of(kind) * (text.count(",") + 1)
    # Members are numbers and pointers of 4 bytes; keys of streams, and what follows
    # them, are of 8. The longest entry has all members.
    entries = [entry.split(",") for entry in re.findall(r"\{(.*?)\}", text, re.S)]
    n_members = max(map(len, entries))
    wide = 2 if re.search(r"0x[0-9A-F]{16}u", text) else 0
    size = 4 * (n_members + wide)
    return len(entries) * (-(-size // 8) * 8 if wide else size)
