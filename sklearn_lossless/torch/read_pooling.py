"""Poolings of PyTorch as integer ones."""

from __future__ import annotations

import itertools
import math
from typing import Any

from torch import nn

from ..network import Pooling
from .reader import Reader

__all__ = ["LARGEST", "read_pooling"]

#: Largest code, and largest sum of a pooling that keeps all its bits.
LARGEST = 255


def read_pooling(reader: Reader, module: Any) -> None:
    """Read a pooling of windows."""
    reader.check_closed()
    shape = reader.picture()
    if isinstance(module, nn.AdaptiveAvgPool2d):
        size, stride = _adaptive(reader, module, shape)
    else:
        size = _pair(module.kernel_size)
        stride = _pair(module.stride or module.kernel_size)
        plain = _pair(module.padding) == (0, 0) and not module.ceil_mode
        plain &= _pair(getattr(module, "dilation", 1)) == (1, 1)
        plain &= getattr(module, "divisor_override", None) is None
        if not plain:
            raise reader.wrong(
                "has options of its own",
                "padding=0, dilation=1, ceil_mode=False, divisor_override=None",
            )
    if any(s > n for s, n in zip(size, shape, strict=False)):
        raise reader.wrong(
            f"has windows of {size[0]} x {size[1]}, larger than the pictures of "
            f"{shape[0]} x {shape[1]} that it sees",
            "smaller windows",
        )
    starts = [
        tuple(range(0, n - s + 1, step))
        for n, s, step in zip(shape, size, stride, strict=False)
    ]
    largest = reader.codes.largest
    if isinstance(module, nn.MaxPool2d):
        reader.put(Pooling(shape, size, starts[0], starts[1], largest, "max"))
        reader.now(reader.codes.unit, largest)
        return
    parts = _parts(reader, size, largest)
    part = size[0] // parts[0], size[1] // parts[1]
    starts = [
        tuple(start + i * side for start in each for i in range(n))
        for each, side, n in zip(starts, part, parts, strict=True)
    ]
    unit = reader.codes.unit / math.prod(size)
    reader.put(Pooling(shape, part, starts[0], starts[1], largest))
    reader.now(unit, math.prod(part) * largest, parts)


def _adaptive(
    reader: Reader, module: Any, shape: tuple[int, int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return size and stride of the windows of an adaptive pooling."""
    out = module.output_size
    grid = out if isinstance(out, tuple) else (out, out)
    grid = tuple(n if g is None else g for n, g in zip(shape, grid, strict=False))
    if any(n % g for n, g in zip(shape, grid, strict=False)):
        raise reader.wrong(
            f"cuts {shape[0]} x {shape[1]} places into {grid[0]} x {grid[1]} "
            "windows of several sizes",
            "an output size that divides the picture, or AvgPool2d",
        )
    size = shape[0] // grid[0], shape[1] // grid[1]
    return size, size


def _parts(reader: Reader, size: tuple[int, int], largest: int) -> tuple[int, int]:
    """Return into how many windows one is cut, so that sums fit in 8 bits."""
    cuts = itertools.product(*(_divisors(side) for side in size))
    for parts in sorted(cuts, key=math.prod):
        if math.prod(size) // math.prod(parts) * largest <= LARGEST:
            return parts[0], parts[1]
    raise reader.wrong("sees codes of more than 8 bits", "codes below 256")


def _divisors(n: int) -> list[int]:
    return [each for each in range(1, n + 1) if n % each == 0]


def _pair(value: Any) -> tuple[int, int]:
    """Return a number for both directions, or two, as two."""
    height, width = value if isinstance(value, tuple) else (value, value)
    return int(height), int(width)
