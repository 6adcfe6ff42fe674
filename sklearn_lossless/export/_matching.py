"""Section MTCH: what was matched, to bytes and back."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..network import CompressedNetwork
from ..network.kinds import lines_of
from ..theory import GaussianMoments, MomentEquation, NetworkMatch, StepActivation
from ..theory.matching import LayerMatch
from ._coding import Reader, pack_numbers

__all__ = ["decode_matching", "encode_matching", "with_lines"]

_MOMENTS = ("mean", "m1", "m2", "f", "tau", "derivative_sq")
_EQUATIONS = ("m1", "m2", "f", "tau")


def encode_matching(matching: NetworkMatch) -> bytes:
    """Return section MTCH."""
    parts = []
    for layer in matching.layers:
        name = layer.activation.encode(errors="replace")[:255]
        step = layer.step
        moments = [
            getattr(side, moment)
            for side in (layer.target, layer.achieved)
            for moment in _MOMENTS
        ]
        taus = [layer.tau_in, layer.tau_in_compressed]
        required = sum(each.required << bit for bit, each in enumerate(layer.equations))
        residuals = [each.residual for each in layer.equations]
        numbers = [step.scale, step.offset, *taus, *moments, *residuals]
        parts += [
            pack_numbers("B", len(name)) + name,
            pack_numbers("B", len(step.levels)) + bytes(step.levels.tolist()),
            step.thresholds.astype("<f8").tobytes(),
            pack_numbers(f"B{len(numbers)}d", required, *numbers),
        ]
    return b"".join(parts)


def decode_matching(reader: Reader, network: CompressedNetwork) -> NetworkMatch:
    """Return the matching of section MTCH, for the layers of `network`."""
    layers = []
    neurons = [layer.neurons for layer in network.layers]
    for number, layer in enumerate(neurons, start=1):
        if layer is None:  # a pooling has no step
            continue
        name = bytes(reader.take(*reader.numbers("B"))).decode(errors="ignore")
        levels = reader.array("u1", *reader.numbers("B"))
        if not np.array_equal(levels, layer.levels):
            raise reader.fail(f"the levels of layer {number} are not the network's")
        thresholds = reader.array("f8", len(levels) - 1)
        required, *numbers = reader.numbers("B20d")
        scale, offset, tau_in, tau_in_compressed, *numbers = numbers
        target = GaussianMoments(*numbers[:6])
        achieved = GaussianMoments(*numbers[6:12])
        moments = [*numbers[:5], *numbers[6:11], *numbers[12:], tau_in]
        moments += [tau_in_compressed]
        # Steps have derivatives of infinite squared norm.
        slopes = target.derivative_sq >= 0 and achieved.derivative_sq >= 0
        if required > 15 or not (slopes and all(map(math.isfinite, moments))):
            raise reader.fail(f"the moments of layer {number} are not numbers")
        try:
            step = StepActivation(thresholds, levels, scale, offset)
        except ValueError as error:
            raise reader.fail(f"layer {number}: {error}") from None
        equations = tuple(
            MomentEquation(
                moment,
                getattr(target, moment),
                getattr(achieved, moment),
                bool(required >> bit & 1),
                residual,
            )
            for bit, (moment, residual) in enumerate(
                zip(_EQUATIONS, numbers[12:], strict=True)
            )
        )
        layers.append(
            LayerMatch(
                number,
                name,
                step,
                target,
                achieved,
                tau_in,
                tau_in_compressed,
                equations,
            )
        )
    reader.finish()
    return NetworkMatch(tuple(layers))


def with_lines(network: CompressedNetwork, matching: NetworkMatch) -> CompressedNetwork:
    """Return the network with offset and step size of each layer's codes."""
    lines = lines_of(
        network.layers, [(each.step, each.achieved.mean) for each in matching.layers]
    )
    layers = [
        layer.with_line(*line)
        for layer, line in zip(network.layers, lines, strict=True)
    ]
    return replace(network, layers=tuple(layers))
