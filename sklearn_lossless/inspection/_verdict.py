"""The report in words: what is matched, what it costs, what to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._report import CompressionReport

__all__ = ["verdict"]

#: Distances of kernels whose quotient is below are called the same: draws of dense
#: networks differ by as much.
_SAME = 1.25

#: Losses of a tenth of the epochs whose quotient is below have stopped to fall.
_FLAT = 1.02


def verdict(report: CompressionReport) -> str:
    """Return sentences on moments, kernel, training and bytes, and what to change."""
    parts = [_moments(report), _kernel(report), _training(report), _bytes(report)]
    return " ".join(part for part in parts if part)


def _moments(report: CompressionReport) -> str:
    unmet = [layer for layer in report.layers if not layer.met]
    if not unmet:
        return "Matched: all required moments."
    numbers = ", ".join(str(layer.layer) for layer in unmet)
    plural = "s" if len(unmet) > 1 else ""
    few = min(layer.n_levels for layer in unmet)
    advice = f" Try n_levels={min(16, 2 * few if few > 2 else 8)}." if few < 16 else ""
    return f"Not matched: some moments of layer{plural} {numbers}.{advice}"


def _kernel(report: CompressionReport) -> str:
    kernel = report.kernel
    if kernel is None or not kernel.dense[-1] > 0:
        return ""
    ours, dense = kernel.compressed[-1], kernel.dense[-1]
    said = (
        f"The last kernel is {ours:.2f} away from that of the reference network, of a "
        f"dense network of these widths {dense:.2f}:"
    )
    if ours < _SAME * dense:
        return f"{said} compression costs nothing. More neurons bring it nearer."
    return f"{said} compression costs something. Try a smaller eps, or more n_levels."


def _training(report: CompressionReport) -> str:
    losses = report.loss_curve
    if len(losses) < 2:
        return ""
    before = losses[-1 - max(1, len(losses) // 10)]
    said = (
        f"Trained for {len(losses)} epochs: the loss fell from {losses[0]:.3g} to "
        f"{losses[-1]:.3g}"
    )
    if before > _FLAT * losses[-1]:
        return f"{said} and was still falling. Try a larger max_iter."
    return f"{said} and no further."


def _bytes(report: CompressionReport) -> str:
    sizes = report.sizes
    dense, file = sizes["dense_float32"], sizes.get("file_int8")
    if not file:
        return ""
    said = (
        f"Cost: {_kilo(file)} as a file with int8 readout, where the weights of the "
        f"dense network take {_kilo(dense)} in float32"
    )
    return f"{said}, {dense / file:,.0f} times as much." if dense > file else f"{said}."


def _kilo(size: int) -> str:
    return f"{size:,} bytes" if size < 10_000 else f"{size / 1000:,.0f} kB"
