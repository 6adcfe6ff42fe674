"""Small networks of PyTorch, and the check that what is read predicts the same."""

import naive
import numpy as np
import pytest

torch = pytest.importorskip("torch")
nn = torch.nn

from sklearn_lossless.torch import (  # noqa: E402
    InputQuantizer,
    StepActivation,
    TernaryConv2d,
    from_torch,
)


def stirred(net, X, seed=0):
    """The module in evaluation mode, with normalisations as after a training."""
    generator = torch.Generator().manual_seed(seed)
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            if norm.affine:
                norm.weight.normal_(0.8, 0.8, generator=generator)
                norm.bias.normal_(0.4, 0.6, generator=generator)
        if norms and norms[0].affine:
            norms[0].weight[0] = 0.0  # a constant neuron
            norms[0].weight[1] = 1e-9
        net.train()
        for _ in range(3):
            net(X)
    return net.eval()


def images(shape, n=300, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 256, (n, *shape)) * rng.random((n, 1, 1, 1)) ** 2
    return torch.tensor(np.floor(X), dtype=torch.float32)


@torch.no_grad()
def check(net, X, **options):
    """The fitted estimator, all of whose codes and outputs are the module's."""
    fitted = from_torch(net, X, **options)
    network = fitted.network_
    rows = X.permute(0, 2, 3, 1) if X.ndim == 4 and not network.is_dense else X
    rows = rows.reshape(len(X), -1).numpy()
    codes = network.forward(rows)
    np.testing.assert_array_equal(codes, naive.forward(network, rows))
    modules = [m for m in net if not isinstance(m, nn.Softmax | nn.LogSoftmax)]
    before = nn.Sequential(*modules[:-1])(X).double().numpy()
    inputs = before @ modules[-1].weight.double().numpy().T
    outputs = inputs + modules[-1].bias.double().numpy()
    if hasattr(fitted, "classes_"):
        scores = fitted.decision_function(rows)
        if scores.ndim == 1:
            wide = outputs.shape[1] == 2
            outputs = outputs[:, 1] - outputs[:, 0] if wide else outputs[:, 0]
    else:
        scores = fitted.predict(rows).reshape(outputs.shape)
    np.testing.assert_allclose(scores, outputs, atol=1e-6 * np.abs(outputs).max())
    return fitted, rows


def layer(n_in, n_out, size=3, stride=1, padding=1, n_levels=8, eps=0.6, **options):
    return [
        TernaryConv2d(n_in, n_out, size, stride, padding, bias=False, eps=eps),
        nn.BatchNorm2d(n_out, **options),
        StepActivation(n_levels),
    ]


def end(n_in, n_out=10):
    return [nn.Flatten(), nn.Linear(n_in, n_out)]


BYTES = InputQuantizer(0, 255)
