"""Runs samples through the kernels, block by block, with a fixed working set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from .bitsliced import SUMS_WORDS, layer_on_planes
from .chain import Chain
from .lanes import layer_on_lanes, layer_on_pairs_to_planes
from .layer import BLOCK, GROUP, N_WORDS, PreparedLayer, Scratch, aligned_zeros
from .machine import has_avx512
from .memory import planes_pay
from .packing import TILE, pack, padded, spread, spread_pairs, unpack
from .pictures import MAX_PLANES
from .sample import SAMPLE_WORDS, layer_on_sample

__all__ = ["run"]

#: Up to this many samples are faster one by one than side by side in lanes.
_MAX_SINGLE = 12 if has_avx512() else 8

#: What blocks leave over is run as one more block, unless the process has the kernels
#: of few rows already; after so many times it compiles them.
_PATIENCE = 10
_n_left_over = 0

#: Dense layers are where they are.
_ONE_POSITION = np.zeros(1, dtype=np.int64)

#: Adding one vector of lanes takes about 1/4 of the time of one block on one plane.
_LANES_PER_PLANE = 4


def run(
    codes: npt.NDArray[np.uint8],
    layers: Sequence[PreparedLayer],
    outs: Sequence[npt.NDArray[Any]],
    scratch: Scratch,
) -> None:
    """Fill `outs` with the codes of each layer, unless they have no columns."""
    plan = _plan_of(layers)
    n_samples = len(codes)
    few = n_samples % BLOCK
    if few > plan.n_lanes_at_most:
        few = 0
    single = few % plan.n_lanes
    if single > _MAX_SINGLE or not plan.has_planes:
        single = 0
    scratch.n_blocks += (n_samples - few) // BLOCK  # of earlier calls, too
    if few and scratch.n_blocks:
        few, single = _without_compiling(few, single)
    by_blocks, by_lanes = n_samples - few, n_samples - single

    def part(start: int, stop: int) -> tuple[Any, ...]:
        if stop - start == n_samples:
            return codes, layers, outs
        return codes[start:stop], layers, [out[start:stop] for out in outs]

    if by_blocks:
        _run_blocks(*part(0, by_blocks), scratch)
    if by_blocks < by_lanes:
        _run_lanes(*part(by_blocks, by_lanes), scratch)
    if single:
        _run_samples(*part(by_lanes, n_samples), plan)


class _Plan:
    """What follows from the sizes of layers."""

    def __init__(self, layers: Sequence[PreparedLayer]) -> None:
        n_taps = sum(layer.tap_offsets.size for layer in layers)
        plane_taps = sum(layer.tap_offsets.size * layer.input_bits for layer in layers)
        self.n_lanes = 8 * N_WORDS // _lane_type(layers).itemsize
        #: More samples are faster in blocks.
        self.n_lanes_at_most = _LANES_PER_PLANE * plane_taps // n_taps * self.n_lanes
        planes = sum(layer.plane_bytes for layer in layers)
        #: Whether there are planes of weights, for samples one by one.
        self.has_planes = planes_pay(planes, sum(x.tap_offsets.nbytes for x in layers))
        self._n_rows = max((x.input_bits + 1) * (x.n_inputs + GROUP) for x in layers)
        self._spare: list[tuple[npt.NDArray[np.int32], npt.NDArray[np.uint64]]] = []

    @contextmanager
    def scratch(self) -> Iterator[tuple[npt.NDArray[np.int32], npt.NDArray[np.uint64]]]:
        """Lend the arrays of one thread that runs samples one by one."""
        try:
            lent = self._spare.pop()
        except IndexError:
            words = aligned_zeros(SAMPLE_WORDS, np.uint64)
            lent = aligned_zeros(self._n_rows, np.int32), words
        yield lent
        self._spare.append(lent)


def _plan_of(layers: Sequence[PreparedLayer]) -> _Plan:
    """Return the plan of layers; a chain keeps it."""
    chain: Any = layers
    if not isinstance(chain, Chain):
        return _Plan(layers)
    if chain.plan is None:
        chain.plan = _Plan(layers)
    plan: _Plan = chain.plan
    return plan


def _without_compiling(few: int, single: int) -> tuple[int, int]:
    """Return how many rows that blocks leave over are not in a block, and one by one.

    A block for a few rows takes longer than what is made for them, but next to the
    blocks before it that is little; compiling a kernel takes half a second and more.
    """
    global _n_left_over
    has_single, has_lanes = layer_on_sample.signatures, layer_on_lanes.signatures
    if (not single or has_single) and (few == single or has_lanes):
        return few, single
    _n_left_over += 1
    if _n_left_over > _PATIENCE:
        return few, single
    single = single if has_single else 0
    return (few, single) if few == single or has_lanes else (0, 0)


def _lane_type(layers: Sequence[PreparedLayer]) -> np.dtype[Any]:
    """Return the smallest type that holds all sums."""
    sum_bits = max(layer.sum_bits for layer in layers)
    return np.dtype(np.int16 if sum_bits < 16 else np.int32)


def _run_blocks(
    codes: npt.NDArray[np.uint8],
    layers: Sequence[PreparedLayer],
    outs: Sequence[npt.NDArray[Any]],
    scratch: Scratch,
) -> None:
    first, last = layers[0], layers[-1]
    n_bits = [layer.input_bits for layer in layers] + [last.output_bits]
    n_rows = [padded(n) for n in (first.n_inputs, *(x.n_outputs for x in layers))]
    planes = [
        scratch.zeros(("planes", i), bits * rows * N_WORDS, np.uint64)
        for i, (bits, rows) in enumerate(zip(n_bits, n_rows, strict=True))
    ]
    tile = scratch.zeros("tile", TILE, np.uint64)
    sums = scratch.zeros("sums", SUMS_WORDS, np.uint64)
    codes_in = scratch.zeros("codes in", BLOCK * n_rows[0], np.uint8)
    codes_out = scratch.zeros("codes out", BLOCK * max(n_rows[1:]), np.uint8)
    lanes = np.dtype(np.int16)
    first_on_lanes = first.input_bits > MAX_PLANES and _lane_type([first]) == lanes
    if first_on_lanes:
        words = scratch.zeros("pairs", n_rows[0] * N_WORDS, np.uint64)
        pairs = words.view(lanes)
        parts = planes[1].view(np.uint32)
    for start in range(0, len(codes), BLOCK):
        block = codes[start : start + BLOCK]
        n_block = len(block)
        codes_in.reshape(BLOCK, -1)[:n_block, : first.n_inputs] = block
        if not first_on_lanes:
            pack(codes_in, n_bits[0], tile, planes[0])
        for i, layer in enumerate(layers):
            if i == 0 and first_on_lanes:
                for sample in range(0, n_block, 64):
                    spread_pairs(codes_in, n_rows[0], sample, tile, words)
                    layer_on_pairs_to_planes(
                        pairs,
                        layer.largest_code,
                        layer.tap_offsets,
                        layer.n_minus,
                        layer.thresholds,
                        layer.level_changes,
                        layer.first_level,
                        n_bits[1],
                        sample // 32,
                        parts,
                        _ONE_POSITION,
                    )
                continue
            layer_on_planes(
                planes[i],
                n_bits[i],
                layer.tap_offsets,
                layer.n_minus,
                layer.thresholds,
                layer.level_changes,
                layer.first_level,
                layer.sum_bits,
                sums,
                n_bits[i + 1],
                planes[i + 1],
                _ONE_POSITION,
            )
        for i, out in enumerate(outs, start=1):
            if out.shape[1]:
                by_row = codes_out[: BLOCK * n_rows[i]]
                unpack(planes[i], n_bits[i], tile, by_row)
                rows_out = by_row.reshape(BLOCK, -1)[:n_block, : out.shape[1]]
                out[start : start + n_block] = rows_out


def _run_lanes(
    codes: npt.NDArray[np.uint8],
    layers: Sequence[PreparedLayer],
    outs: Sequence[npt.NDArray[Any]],
    scratch: Scratch,
) -> None:
    first, lanes = layers[0], _lane_type(layers)
    n_lanes = 8 * N_WORDS // lanes.itemsize
    n_rows = [padded(n) for n in (first.n_inputs, *(x.n_outputs for x in layers))]
    values = [
        scratch.zeros(("lanes", i), rows * n_lanes, lanes)
        for i, rows in enumerate(n_rows)
    ]
    tile = scratch.zeros("tile", TILE, np.uint64)
    codes_in = scratch.zeros("codes in lanes", n_lanes * n_rows[0], np.uint8)
    for start in range(0, len(codes), n_lanes):
        chunk = codes[start : start + n_lanes]
        codes_in.reshape(n_lanes, -1)[: len(chunk), : first.n_inputs] = chunk
        spread(codes_in, n_rows[0], 0, tile, values[0])
        for i, layer in enumerate(layers):
            layer_on_lanes(
                values[i],
                layer.largest_code,
                layer.tap_offsets,
                layer.n_minus,
                layer.thresholds,
                layer.level_changes,
                layer.first_level,
                values[i + 1],
            )
        for i, out in enumerate(outs, start=1):
            by_feature = values[i].reshape(-1, n_lanes)
            out[start : start + len(chunk)] = by_feature[: out.shape[1], : len(chunk)].T


def _run_samples(
    codes: npt.NDArray[np.uint8],
    layers: Sequence[PreparedLayer],
    outs: Sequence[npt.NDArray[Any]],
    plan: _Plan,
) -> None:
    with plan.scratch() as (rows, words):
        for sample, values in enumerate(codes):
            for layer, out in zip(layers, outs, strict=True):
                n_outputs = layer.n_outputs
                result = np.empty(-(-n_outputs // BLOCK) * BLOCK // 8, dtype=np.uint64)
                layer_on_sample(values, *layer.for_samples, rows, words, result)
                values = result.view(np.uint8)[:n_outputs]
                if out.shape[1]:
                    out[sample] = values
