"""Reference networks of pictures: read from torch, taken as layers or as weights."""

from copy import deepcopy

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import sklearn_lossless
from sklearn_lossless import (
    CompressedCNNClassifier,
    CompressedCNNRegressor,
    Conv2D,
    Dense,
    NTKConvCompressor,
    Pool2D,
)
from sklearn_lossless.network import ternarise

torch = pytest.importorskip("torch")
nn = torch.nn

from sklearn_lossless.reference.torch_pictures import read_pictures  # noqa: E402


def images(X):
    """Rows of 8 x 8 pictures as torch has them."""
    return torch.tensor(X.reshape(len(X), 8, 8, -1).transpose(0, 3, 1, 2)).float()


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X / 16, y, random_state=0)


@pytest.fixture(scope="module")
def net(digits):
    """A small trained network, with a normalisation."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU()),
        nn.MaxPool2d(2),
        nn.Conv2d(12, 24, 3),
        nn.ReLU(),
        nn.Dropout2d(0.1),
        nn.Flatten(),
        nn.Linear(96, 10),
    )
    X, _, y, _ = digits
    adam = torch.optim.Adam(net.parameters(), 0.01)
    pictures, labels = images(X), torch.tensor(y)
    for _ in range(6):
        for rows in torch.randperm(len(X)).split(50):
            adam.zero_grad()
            nn.functional.cross_entropy(net(pictures[rows]), labels[rows]).backward()
            adam.step()
    return net.eval()


def test_layers_are_those_of_the_network(net, digits):
    expected = [
        Conv2D(12, 3, padding=1),
        Pool2D(2, kind="max"),
        Conv2D(24, 3),
    ]
    assert read_pictures(net).layers == expected
    est = NTKConvCompressor(estimator=net, hidden_weights="random", random_state=0)
    same = NTKConvCompressor(hidden_layers=expected, random_state=0)
    X = digits[0][:200]
    np.testing.assert_array_equal(est.fit_transform(X), same.fit_transform(X))


def test_other_layers_and_activations():
    net = nn.Sequential(
        nn.Conv2d(3, 4, (3, 5), stride=2, padding="valid"),
        nn.Tanh(),
        nn.AvgPool2d(2, 2),
        nn.Conv2d(4, 6, 3, padding="same", bias=False),
        nn.LeakyReLU(0.1),
        nn.AdaptiveMaxPool2d((2, 1)),
        nn.Flatten(),
        nn.Linear(12, 7),
        nn.BatchNorm1d(7),
        nn.GELU(),
        nn.Linear(7, 2),
        nn.Softmax(1),
    )
    read = read_pictures(FrozenEstimator(net))
    assert read.layers == [
        Conv2D(4, (3, 5), stride=2),
        Pool2D(2),
        Conv2D(6, 3, padding="same"),
        Pool2D(grid=(2, 1), kind="max"),
        Dense(7),
    ]
    assert [each.name for each in read.activations][::2] == ["tanh", "gelu"]


def test_weights_are_the_signs_of_the_largest(net, digits):
    """Of kernels with the channels last, the normalisation folded in."""
    est = NTKConvCompressor(
        estimator=net, hidden_weights="fitted", eps=0.5, random_state=0
    ).fit(digits[0])
    (convolution, norm, _), _, second, *_ = net
    factor = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    kernel = convolution.weight * factor[:, None, None, None]
    W = kernel.detach().numpy().astype(float).transpose(2, 3, 1, 0).reshape(9, 12)
    np.testing.assert_array_equal(
        est.network_.layers[0].filters.weights.dense(9), ternarise(W, 0.5).dense(9)
    )
    # Those of the second layer count by the step sizes of the first one's codes.
    W = second.weight.detach().numpy().transpose(2, 3, 1, 0).reshape(108, 24)
    signs = est.network_.layers[2].filters.weights.dense(108)
    assert (np.count_nonzero(signs, axis=0) == 54).all()
    np.testing.assert_array_equal(signs[signs != 0], np.sign(W)[signs != 0])
    assert np.corrcoef(np.abs(W).ravel(), np.abs(signs).ravel())[0, 1] > 0.4


def ternary(module, generator):
    """Give a module ternary weights, and a normalisation statistics, at random."""
    with torch.no_grad():
        for each in module.modules():
            if isinstance(each, nn.Conv2d | nn.Linear):
                signs = torch.randint(0, 2, each.weight.shape, generator=generator)
                each.weight.copy_(0.1 * (2 * signs - 1))
                each.bias.copy_(0.1 * torch.randn(each.bias.shape, generator=generator))
            if isinstance(each, nn.BatchNorm2d | nn.BatchNorm1d):
                for values in (each.running_mean, each.bias):
                    values.copy_(0.1 * torch.randn(values.shape, generator=generator))
                for values in (each.running_var, each.weight):
                    values.copy_(0.5 + torch.rand(values.shape, generator=generator))
    return module.eval()


BODIES = {
    "norm, padding": [nn.Conv2d(2, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()],
    "stride": [nn.Conv2d(2, 8, 3, 2, 1), nn.ReLU(), nn.AvgPool2d(2)],
    "maximum": [nn.Conv2d(2, 8, (2, 3)), nn.ReLU(), nn.MaxPool2d((3, 2))],
    "grid": [nn.Conv2d(2, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d((2, 4))],
    "dense": [
        *(nn.Conv2d(2, 8, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten()),
        *(nn.Linear(72, 10), nn.BatchNorm1d(10), nn.ReLU()),
    ],
}


@pytest.mark.parametrize("name", BODIES)
def test_outputs_are_those_of_torch(name):
    body = nn.Sequential(*deepcopy(BODIES[name]))
    ternary(body, torch.Generator().manual_seed(1))
    X = np.random.default_rng(0).normal(size=(20, 128))
    with torch.no_grad():
        n_inputs = nn.Flatten()(body(images(X))).shape[1]
        net = nn.Sequential(body, nn.Flatten(), nn.Linear(n_inputs, 3)).double()
        expected = net(images(X).double()).numpy()
    read = read_pictures(net)
    read.check((8, 8, 2))
    # Pictures that torch has seen are in float32.
    found = read.outputs(X.astype(np.float32), (8, 8, 2))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


class Own(nn.Module):
    """Two parts, flattened between them by a function."""

    def __init__(self, net, between):
        super().__init__()
        self.features, self.classifier = net[:5], net[6]
        self.between = between

    def forward(self, x):
        return self.classifier(torch.flatten(self.between(self.features(x)), 1))


def test_a_module_of_ones_own(net, digits):
    """Modules in the order in which they were set; what it computes tells if so."""
    X = digits[0][:300]
    options = {"hidden_weights": "fitted", "random_state": 0}
    own, same = (
        NTKConvCompressor((8, 8), estimator=each, **options).fit(X)
        for each in (Own(net, lambda x: x), net)
    )
    np.testing.assert_array_equal(own.transform(X), same.transform(X))
    other = Own(net, nn.functional.tanh)
    with pytest.raises(ValueError, match="forward method of Own does not apply"):
        NTKConvCompressor((8, 8), estimator=other, **options).fit(X)


@pytest.mark.parametrize("name", BODIES)
def test_features_are_those_of_a_ternary_network(name):
    """Where all weights are of one size, only codes and steps are coarse."""
    X = np.random.default_rng(0).uniform(size=(400, 8, 8, 2))
    X = (X + np.roll(X, 1, axis=1)).reshape(400, -1)
    body = nn.Sequential(*deepcopy(BODIES[name]))
    ternary(body, torch.Generator().manual_seed(0))
    with torch.no_grad():
        H = body(images(X)).numpy()
    tail = [] if H.ndim == 2 else [nn.Flatten()]
    net = nn.Sequential(*body, *tail, nn.Linear(H[0].size, 2))
    H = H if H.ndim == 2 else H.transpose(0, 2, 3, 1).reshape(400, -1)
    est = NTKConvCompressor(
        (8, 8, 2), estimator=net, hidden_weights="fitted", eps=0, n_levels=16
    )
    Z = est.fit_transform(X)
    assert Z.shape == H.shape
    varies = H.std(axis=0) > 0.05 * H.std()
    assert varies.mean() > 0.5
    correlations = [
        np.corrcoef(z, h)[0, 1] for z, h in zip(Z.T[varies], H.T[varies], strict=True)
    ]
    assert np.median(correlations) > (0.85 if name == "dense" else 0.98)
    assert np.min(correlations) > 0.6


@pytest.mark.parametrize("kind", [CompressedCNNClassifier, CompressedCNNRegressor])
def test_estimators_take_it(net, digits, kind, tmp_path):
    X, X_test, y, y_test = digits
    est = kind((8, 8), estimator=net, hidden_weights="fitted", random_state=0)
    est.fit(X, y)
    if kind is CompressedCNNClassifier:
        with torch.no_grad():
            dense = (net(images(X_test)).argmax(1).numpy() == y_test).mean()
        assert est.score(X_test, y_test) > dense - 0.05
    again = clone(est).fit(X, y)
    np.testing.assert_array_equal(again.predict(X_test), est.predict(X_test))
    assert "weights of their own" in str(est.report_)
    assert [each.layer for each in est.matching_.layers] == [1, 3]
    est.save(tmp_path / "a.lnn")
    loaded = sklearn_lossless.load(tmp_path / "a.lnn")
    np.testing.assert_array_equal(loaded.predict(X_test), est.predict(X_test))
    assert np.isnan(loaded.mean_).all()
    loaded.save(tmp_path / "b.lnn")
    assert (tmp_path / "a.lnn").read_bytes() == (tmp_path / "b.lnn").read_bytes()
    with pytest.raises(TypeError, match=r"set_params\(estimator=...\) first"):
        loaded.fit(X, y)


def test_each_step_is_matched_at_the_networks_own_deviation(net, digits):
    X = digits[0]
    est = NTKConvCompressor(estimator=net, hidden_weights="fitted").fit(X)
    with torch.no_grad():
        first = net[0][:2](images(X)).square().mean().sqrt()
        second = net[:3](images(X)).square().mean().sqrt()
    taus = [each.tau_in for each in est.matching_.layers]
    assert taus == pytest.approx([float(first), float(second)], rel=1e-5)


def test_weights_that_are_not_used_are_named(net, digits):
    X, _, y, _ = digits
    with pytest.warns(UserWarning, match="weights of the fitted Sequential are not"):
        CompressedCNNClassifier(estimator=net).fit(X[:100], y[:100])
    with pytest.warns(UserWarning, match=r"hidden_layers=\[.*ignored beside"):
        NTKConvCompressor(
            hidden_layers=[Conv2D(1, 1)], estimator=net, hidden_weights="fitted"
        ).fit(X)
    trained = CompressedCNNClassifier(
        estimator=net, hidden_weights="trained", max_iter=2, n_iter_no_change=2
    )
    trained.fit(X[:200], y[:200])
    assert trained.network_.n_features_out == 96


def conv(**options):
    return nn.Conv2d(2, 4, 3, **options)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([conv(dilation=2), nn.ReLU()], r"Conv2d at \[0\].*dilation"),
        ([conv(groups=2), nn.ReLU()], "groups=2"),
        ([conv(padding_mode="reflect", padding=1), nn.ReLU()], "padding_mode"),
        ([conv(stride=(1, 2)), nn.ReLU()], "stride"),
        ([conv(padding=(1, 0)), nn.ReLU()], "padding"),
        ([conv(), nn.PReLU()], r"PReLU at \[1\].* is not known"),
        ([conv(), nn.MaxPool2d(2), nn.ReLU()], "comes before an activation"),
        ([conv(), nn.Flatten(), nn.Linear(144, 5)], "comes before an activation"),
        ([conv(), nn.ReLU(), nn.BatchNorm2d(4)], "does not follow Conv2d"),
        ([conv(), nn.ReLU(), nn.MaxPool2d(3, 2)], "stride=.2, 2"),
        ([conv(), nn.ReLU(), nn.MaxPool2d(3, padding=1)], "options of its own"),
        ([conv(), nn.ReLU(), nn.AdaptiveAvgPool2d(4)], "divides height and width"),
        ([nn.Conv2d(1, 4, 3), nn.ReLU()], "takes 1 channels, but sees 8 x 8 x 2"),
        ([conv(), nn.ReLU(), nn.Linear(6, 6)], "Flatten before it"),
        ([nn.Flatten(), nn.Linear(128, 9), nn.ReLU()], "must begin with a Conv2d"),
    ],
)
def test_what_cannot_be_read(layers, message):
    net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(144, 3))
    est = NTKConvCompressor((8, 8, 2), estimator=net, hidden_weights="fitted")
    with pytest.raises(ValueError, match=message):
        est.fit(np.random.default_rng(0).normal(size=(20, 128)))


def test_other_things_are_refused(digits, net):
    X = digits[0]

    for wrong in (MLPClassifier(), "net"):
        with pytest.raises(TypeError, match=r"must be a torch\.nn\.Sequential of Conv"):
            NTKConvCompressor(estimator=wrong).fit(X)
    with pytest.raises(ValueError, match="got estimator=None"):
        NTKConvCompressor(hidden_weights="fitted").fit(X)
    with pytest.raises(ValueError, match="takes 96 inputs, but sees"):
        NTKConvCompressor(estimator=net, hidden_weights="fitted").fit(X[:, :49])
    broken = nn.Sequential(nn.Conv2d(1, 2, 8), nn.ReLU(), nn.Flatten(), nn.Linear(2, 2))
    nn.init.constant_(broken[0].bias, float("nan"))
    with pytest.raises(ValueError, match="not finite"):
        NTKConvCompressor(estimator=broken, hidden_weights="fitted").fit(X)
