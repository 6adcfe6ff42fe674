"""A vector of bits as a numba type: what the bit-sliced kernels are written in.

Numba's loops over words stop vectorising as soon as they carry more than a few
values, so the kernels hold their state in variables of an explicit LLVM vector
type. LLVM maps it to what the processor has: one register of 512 bits, two of 256
or four of 128.

There are two lengths. A `VECTOR` is a row of `N_WORDS` words. Counters are made of
a `PART` of it: they are some fourteen values at once, for which there are only sixteen
registers of 256 bits. With AVX-512 there are more, and the part is the whole.

A vector supports ``&``, ``|``, ``^``, ``~`` and the intrinsics of this module.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

from .caching import cache_of
from .layer import N_WORDS
from .machine import has_avx512

__all__ = [
    "N_WORDS",
    "PART",
    "PART_WORDS",
    "VECTOR",
    "add_lanes",
    "at_least_lanes",
    "broadcast",
    "broadcast_lanes",
    "broadcast_part",
    "emit_load",
    "emit_load_row",
    "emit_majority",
    "emit_splat",
    "emit_store",
    "exact_sums",
    "has_ternary_logic",
    "inlined",
    "kernel",
    "lane_mask",
    "load",
    "load_part",
    "load_row",
    "load_row_part",
    "majority",
    "shift_lanes_left",
    "shift_lanes_right",
    "shift_left",
    "shift_right",
    "store",
    "sub_lanes",
]


def kernel(function: Callable[..., Any], **options: Any) -> Any:
    """Compile `function` at its first call, without the GIL, cached where possible.

    Numba caches in the package folder or, where that is read-only, in the user's
    cache folder; `NUMBA_CACHE_DIR` overrides both. If it can write nowhere, each
    process compiles the kernel anew.
    """
    compiled: Any = numba.njit(nogil=True, **options)(function)
    if not numba.config.DISABLE_JIT:
        compiled._cache = cache_of(function)
    return compiled


def inlined(function: Callable[..., Any]) -> Any:
    """Compile `function` as a part of the kernels that call it.

    A call would pass vectors through memory. Its lines are put in place before Numba
    finds types, so that they are compiled once and references to arrays not counted.
    """
    return numba.njit(nogil=True, inline="always")(function)


def exact_sums(function: Callable[..., Any]) -> Any:
    """Compile a kernel whose floating-point sums are of whole numbers below 2**53.

    Such sums are exact in any order, so the compiler may choose a fast one.
    """
    return kernel(function, fastmath={"reassoc"})


class _Vector(types.Type):
    def __init__(self, n_words: int) -> None:
        self.llvm = ir.VectorType(ir.IntType(64), n_words)
        super().__init__(name=f"Vector{64 * n_words}")


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, fe_type.llvm)


#: Words of what counters are made of.
PART_WORDS = N_WORDS if has_avx512() else N_WORDS // 2

#: A row, and what counters are made of.
VECTOR = _Vector(N_WORDS)
PART = _Vector(PART_WORDS)

_WORDS = VECTOR.llvm
_INT32S = ir.VectorType(ir.IntType(32), 2 * N_WORDS)


def _register_operator(op: Callable[..., Any], n_operands: int, method: str) -> None:
    lengths = {VECTOR, PART}

    @infer_global(op)
    class Template(ConcreteTemplate):
        cases = [signature(each, *[each] * n_operands) for each in lengths]  # noqa: RUF012

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, method)(*args)

    for each in lengths:
        lower_builtin(op, *[each] * n_operands)(lower)


_register_operator(operator.and_, 2, "and_")
_register_operator(operator.or_, 2, "or_")
_register_operator(operator.xor, 2, "xor")
_register_operator(operator.invert, 1, "not_")


def has_ternary_logic(context: Any) -> bool:
    """Return whether any function of three vectors is one instruction."""
    _, _, features = context.codegen().magic_tuple()
    return "+avx512f" in features.split(",")


def emit_majority(context: Any, builder: Any, a: Any, b: Any, c: Any) -> Any:
    """Return the bits that at least two of three vectors have set, in LLVM."""
    if a.type == _WORDS and has_ternary_logic(context):
        # One instruction for any function of three bits, which LLVM does not
        # find by itself; 0xE8 is the majority's table.
        table = ir.IntType(32)(0xE8)
        function_type = ir.FunctionType(_WORDS, [_WORDS] * 3 + [table.type])
        function = cgutils.get_or_insert_function(
            builder.module, function_type, "llvm.x86.avx512.pternlog.q.512"
        )
        return builder.call(function, [a, b, c, table])
    differ = builder.xor(a, b)
    return builder.or_(builder.and_(a, b), builder.and_(differ, c))


@intrinsic
def majority(typingctx, a, b, c):  # type: ignore[no-untyped-def]
    """Return the bits that at least two of three vectors have set."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        return emit_majority(context, builder, *args)

    return a(a, b, c), codegen


def emit_splat(builder: Any, value: Any, vector_type: ir.VectorType) -> Any:
    """Copy a scalar into every element of a vector."""
    undefined = ir.Constant(vector_type, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.IntType(32)(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), vector_type.count), None)
    return builder.shuffle_vector(first, undefined, zeros)


def _address(
    context: Any, builder: Any, array_type: Any, array: Any, offset: Any, vector: Any
) -> Any:
    """Point at the vector that starts at element `offset` of a flat array."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [offset]), vector.as_pointer())


def emit_load(
    context: Any, builder: Any, array_type: Any, array: Any, offset: Any, vector: Any
) -> Any:
    """Read the vector that starts at element `offset` of a flat array, in LLVM."""
    at = _address(context, builder, array_type, array, offset, vector)
    return builder.load(at, align=1)


def emit_store(
    context: Any, builder: Any, array_type: Any, array: Any, offset: Any, value: Any
) -> None:
    """Write a vector to a flat array, from element `offset` on, in LLVM."""
    at = _address(context, builder, array_type, array, offset, value.type)
    builder.store(value, at, align=1)


def emit_load_row(
    context: Any, builder: Any, types_: Any, args: Any, vector: Any
) -> Any:
    """Read the vector of a row in LLVM, for `load_row` and its arguments' types."""
    array, base, rows, position = args
    data = context.make_array(types_[2])(context, builder, rows).data
    row = builder.load(builder.gep(data, [position]), align=4)
    start = _address(context, builder, types_[0], array, base, vector)
    words = builder.bitcast(start, ir.IntType(64).as_pointer())
    address = builder.gep(words, [builder.sext(row, ir.IntType(64))])
    return builder.load(builder.bitcast(address, vector.as_pointer()), align=1)


def _load(length: Any) -> Any:
    @intrinsic
    def load(typingctx, array, offset):  # type: ignore[no-untyped-def]
        def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
            return emit_load(context, builder, sig.args[0], *args, length.llvm)

        return length(array, types.intp), codegen

    return load


#: Read the vector that starts at element `offset` of a flat array.
load = _load(VECTOR)
load_part = _load(PART)


@intrinsic
def store(typingctx, array, offset, value):  # type: ignore[no-untyped-def]
    """Write a vector to a flat array, from element `offset` on."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        emit_store(context, builder, sig.args[0], *args)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), codegen


def _load_row(length: Any) -> Any:
    @intrinsic
    def load_row(typingctx, array, base, rows, position):  # type: ignore[no-untyped-def]
        def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
            return emit_load_row(context, builder, sig.args, args, length.llvm)

        return length(array, types.intp, rows, types.intp), codegen

    return load_row


#: Read the vector `rows[position]` 64-bit words after element `base`.
load_row = _load_row(VECTOR)
load_row_part = _load_row(PART)


def _broadcast(length: Any) -> Any:
    @intrinsic
    def broadcast(typingctx, word):  # type: ignore[no-untyped-def]
        def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
            return emit_splat(builder, args[0], length.llvm)

        return length(types.uint64), codegen

    return broadcast


#: Fill a vector with copies of one 64-bit word.
broadcast = _broadcast(VECTOR)
broadcast_part = _broadcast(PART)


def _shift(method: str) -> Any:
    @intrinsic
    def shift(typingctx, words, count):  # type: ignore[no-untyped-def]
        def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
            counts = emit_splat(builder, args[1], _WORDS)
            return getattr(builder, method)(args[0], counts)

        return VECTOR(VECTOR, types.intp), codegen

    return shift


#: Shift every 64-bit word of a vector by the same count.
shift_left = _shift("shl")
shift_right = _shift("lshr")


def _lanes(array_type: Any) -> ir.VectorType:
    """Return the LLVM type of a vector of elements like those of an array."""
    bits = array_type.dtype.bitwidth
    return ir.VectorType(ir.IntType(bits), 64 * N_WORDS // bits)


def _on_lanes(emit: Callable[..., Any]) -> Any:
    """Return the intrinsic of an operation on two vectors of integers.

    Its first argument is an array whose elements have the integers' type.
    """

    @intrinsic
    def operation(typingctx, like, a, b):  # type: ignore[no-untyped-def]
        def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
            lanes = _lanes(sig.args[0])
            a, b = (builder.bitcast(arg, lanes) for arg in args[1:])
            return builder.bitcast(emit(builder, a, b, lanes), _WORDS)

        return VECTOR(like, VECTOR, VECTOR), codegen

    return operation


add_lanes = _on_lanes(lambda builder, a, b, lanes: builder.add(a, b))
sub_lanes = _on_lanes(lambda builder, a, b, lanes: builder.sub(a, b))
#: All bits of a lane are set where ``a >= b``.
at_least_lanes = _on_lanes(
    lambda builder, a, b, lanes: builder.sext(builder.icmp_signed(">=", a, b), lanes)
)


def _shift_in_lanes(method: str) -> Any:
    @intrinsic
    def shift(typingctx, like, value, count):  # type: ignore[no-untyped-def]
        def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
            lanes = _lanes(sig.args[0])
            counts = emit_splat(builder, builder.trunc(args[2], lanes.element), lanes)
            shifted = getattr(builder, method)(builder.bitcast(args[1], lanes), counts)
            return builder.bitcast(shifted, _WORDS)

        return VECTOR(like, VECTOR, types.intp), codegen

    return shift


#: Shift every integer by the same count; zeros come in.
shift_lanes_left = _shift_in_lanes("shl")
shift_lanes_right = _shift_in_lanes("lshr")


@intrinsic
def broadcast_lanes(typingctx, like, number):  # type: ignore[no-untyped-def]
    """Fill a vector of integers, of the type of the elements of `like`."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        lanes = _lanes(sig.args[0])
        number = builder.trunc(args[1], lanes.element)
        return builder.bitcast(emit_splat(builder, number, lanes), _WORDS)

    return VECTOR(like, types.int64), codegen


@intrinsic
def lane_mask(typingctx, like, value):  # type: ignore[no-untyped-def]
    """Return a word with one bit per lane, set where the lane is negative."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        lanes = _lanes(sig.args[0])
        value = builder.bitcast(args[1], lanes)
        negative = builder.icmp_signed("<", value, ir.Constant(lanes, None))
        bits = builder.bitcast(negative, ir.IntType(lanes.count))
        return builder.zext(bits, ir.IntType(64))

    return types.uint64(like, VECTOR), codegen
