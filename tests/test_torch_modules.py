"""The modules that take the places of PyTorch's: forward and gradient."""

import numpy as np
import pytest
from torch_networks import check, end, images, layer, nn, stirred, torch

from sklearn_lossless.torch import (
    InputQuantizer,
    StepActivation,
    TernaryConv2d,
    TernaryLinear,
    from_torch,
)


def test_ternary_weights_are_the_largest_and_learn_all():
    torch.manual_seed(0)
    linear = TernaryLinear(10, 7, eps=0.6)
    conv = TernaryConv2d(3, 5, (2, 3), eps=0.5)
    for module, k in ((linear, 4), (conv, 9)):
        assert module.n_nonzeros == k
        weight = module.weight.detach().flatten(1).numpy()
        signs = module.signs().detach().flatten(1).numpy()
        for row, ternary in zip(weight, signs, strict=True):
            kept = np.argsort(-np.abs(row))[:k]
            expected = np.zeros(len(row))
            expected[kept] = np.sign(row[kept])
            np.testing.assert_array_equal(ternary, expected)
        module.signs().square().sum().backward()
        np.testing.assert_array_equal(
            module.weight.grad.flatten(1), 2 * signs
        )  # straight through
    X = torch.randn(4, 10)
    expected = X @ linear.signs().T / 2 + linear.bias
    torch.testing.assert_close(linear(X), expected)
    pictures = torch.randn(4, 3, 6, 6)
    expected = nn.functional.conv2d(pictures, conv.signs() / 3, conv.bias)
    torch.testing.assert_close(conv(pictures), expected)


def test_weights_of_zero_count_too():
    linear = TernaryLinear(8, 3, eps=0.5)
    with torch.no_grad():
        linear.weight.zero_()
    assert (linear.signs() != 0).sum(1).tolist() == [4, 4, 4]


@pytest.mark.parametrize("n_levels", [2, 3, 8, 16])
def test_steps_and_their_gradient(n_levels):
    step = StepActivation(n_levels)
    assert abs(step.step_size * (n_levels - 1) - 2.5) < 0.03
    x = torch.linspace(-1, 4, 501, requires_grad=True)
    y = step(x)
    cells = np.floor(x.detach().numpy() / step.step_size + 0.5)
    codes = np.clip(cells, 0, n_levels - 1)
    np.testing.assert_array_equal(y.detach(), codes * step.step_size)
    y.sum().backward()
    half = step.step_size / 2
    high = step.step_size * (n_levels - 1) + half
    inside = (x > -half) & (x < high)
    np.testing.assert_array_equal(x.grad, inside.float())


def test_input_codes_of_bytes():
    X = torch.arange(256)
    whole, scaled = InputQuantizer(0, 255), InputQuantizer()
    np.testing.assert_array_equal(whole(X) / whole.step_size, X)
    np.testing.assert_array_equal(scaled(X.float() / 255) / scaled.step_size, X)
    assert whole(X).dtype == torch.float32
    assert scaled(X.double()).dtype == torch.float64


def test_whole_numbers_need_no_quantiser():
    torch.manual_seed(0)
    X = images((1, 6, 6))
    net = stirred(nn.Sequential(*layer(1, 5), *end(5 * 36)), X)
    check(net, X)
    uint8 = from_torch(net, X.to(torch.uint8))
    np.testing.assert_array_equal(
        uint8.predict(X[:, 0].numpy()), from_torch(net, X.numpy()).predict(X[:, 0])
    )
    with pytest.raises(ValueError, match="must begin with an InputQuantizer, unless"):
        from_torch(net, X / 255)
