"""What cannot be read from PyTorch says what would work."""

import numpy as np
import pytest
from torch_networks import BYTES, end, images, layer, nn, torch

from sklearn_lossless.torch import (
    InputQuantizer,
    Residual,
    StepActivation,
    Subsample,
    TernaryConv2d,
    TernaryLinear,
    from_torch,
)


def residual(*branch, shortcut=None):
    return [*layer(3, 6), Residual(nn.Sequential(*branch), shortcut), *end(720)]


WRONG = {
    "nn.Linear, the readout": lambda: layer(3, 6),
    "no hidden layer": lambda: end(360),
    r"Conv2d at module\[1\] .* not ternary.*work: TernaryConv2d in its": lambda: [
        nn.Conv2d(3, 6, 3),
        *end(480),
    ],
    r"Softshrink at module\[2\] .* not known. .*a module of your own as": lambda: [
        TernaryConv2d(3, 6, 3),
        nn.Softshrink(),
        *end(480),
    ],
    r"ReLU at module\[2\] .*work: StepActivation in its": lambda: [
        TernaryConv2d(3, 6, 3),
        nn.ReLU(),
        *end(480),
    ],
    r"MaxPool2d at module\[3\] .* comes after module\[1\], which has no": lambda: [
        *layer(3, 6)[:2],
        nn.MaxPool2d(2),
        StepActivation(),
        *end(180),
    ],
    "takes 4 channels but sees 3": lambda: [*layer(4, 6), *end(720)],
    r"filters of 13 x 3, larger than the pictures of 12 x 10": lambda: [
        *layer(3, 6, (13, 3), padding=0),
        *end(6),
    ],
    r"windows of 7 x 7, larger than the pictures of 6 x 5": lambda: [
        *layer(3, 6),
        nn.MaxPool2d(2),
        nn.MaxPool2d(7),
        *end(6),
    ],
    "has options of its own. .*ceil_mode=False": lambda: [
        *layer(3, 6),
        nn.MaxPool2d(5, ceil_mode=True),
        *end(36),
    ],
    "12 x 10 places into 5 x 5 windows of several": lambda: [
        *layer(3, 6),
        nn.AdaptiveAvgPool2d(5),
        *end(150),
    ],
    "AvgPool2d|more than 8 bits. .*right before the readout": lambda: [
        *layer(3, 6),
        nn.AvgPool2d((6, 10)),
        *layer(6, 6),
        *end(12),
    ],
    "sees pictures. .*nn.Flatten": lambda: [*layer(3, 6), nn.Linear(10, 10)],
    "sees no pictures": lambda: [*layer(3, 6), nn.Flatten(), nn.MaxPool2d(2)],
    "takes 700 inputs but sees 720": lambda: [*layer(3, 6), *end(700)],
    "InputQuantizer .* is not the first": lambda: [*layer(3, 6), BYTES, *end(720)],
    "BatchNorm2d .* after another one": lambda: [
        *layer(3, 6)[:2],
        nn.BatchNorm2d(6),
        StepActivation(),
        *end(720),
    ],
    "no running statistics": lambda: [
        *layer(3, 6, track_running_stats=False),
        *end(720),
    ],
    "Residual .* adds codes of step size 0.355469 to those of 0.832031": lambda: (
        residual(*layer(6, 6, n_levels=4))
    ),
    "Residual .* branch without an end": lambda: residual(*layer(6, 6)[:2]),
    "Residual .* does not fit .*shape": lambda: residual(*layer(6, 6, stride=2)),
    "adds 6 channels to 8": lambda: residual(*layer(6, 8)),
    r"adds 6 channels to 9": lambda: residual(*layer(6, 9), shortcut=Subsample(1, 2)),
    "has the shortcut MaxPool2d. .*Subsample": lambda: residual(
        *layer(6, 6), shortcut=nn.MaxPool2d(1)
    ),
    "has the shortcut TernaryConv2d, BatchNorm2d. ": lambda: residual(
        *layer(6, 6), shortcut=nn.Sequential(*layer(6, 6)[:2])
    ),
    "may add up to 270, more than 8 bits": lambda: [
        *layer(3, 6, n_levels=16),
        *[Residual(nn.Sequential(*layer(6, 6, n_levels=16))) for _ in range(17)],
        *end(720),
    ],
    r"ReLU at module\[5\] .* after an nn.Linear, the readout.*TernaryLin": lambda: [
        nn.Sequential(*layer(3, 6)),
        nn.Dropout(),
        *end(720),
        nn.ReLU(),
    ],
}


@pytest.mark.parametrize("message", WRONG)
def test_what_cannot_be_read_says_what_would_work(message):
    X = images((3, 12, 10), 5)
    with pytest.raises(ValueError, match=message):
        from_torch(nn.Sequential(BYTES, *WRONG[message]()), X)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "ranking"}, "task must be 'classification' or 'regression'"),
        ({"classes": ["a", "b"]}, "classes must be 10 labels in increasing order"),
        ({"classes": np.arange(10)[::-1]}, "classes must be 10 labels"),
    ],
)
def test_wrong_options(options, message):
    X = images((1, 6, 6), 5)
    net = nn.Sequential(BYTES, *layer(1, 5), *end(180))
    with pytest.raises(ValueError, match=message):
        from_torch(net, X, **options)


def test_wrong_calibration_and_module():
    net = nn.Sequential(BYTES, *layer(1, 5), *end(180))
    with pytest.raises(TypeError, match="must be a torch.nn.Module"):
        from_torch("net", images((1, 6, 6), 5))
    for X, message in (
        (images((1, 6, 6), 5)[:, 0], r"shape .* got \(5, 6, 6\)"),
        (images((1, 6, 6), 5)[:0], r"got \(0, 1, 6, 6\)"),
        (images((2, 6, 6), 5), "takes 1 channels but sees 2"),
        (images((1, 7, 6), 5), "takes 180 inputs but sees 210"),
        (torch.full((2, 1, 6, 6), torch.nan), "not finite"),
        (torch.rand(5, 36), r"TernaryConv2d at module\[1\] .* sees no pictures"),
    ):
        with pytest.raises(ValueError, match=message):
            from_torch(net, X)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TernaryLinear(3, 4, eps=1.0), r"eps must be in \[0, 1\)"),
        (lambda: StepActivation(1), "n_levels must be 2 to 16"),
        (lambda: InputQuantizer(1, 1), "high must be above low"),
        (lambda: InputQuantizer(n_bits=9), "n_bits must be 1 to 8"),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
