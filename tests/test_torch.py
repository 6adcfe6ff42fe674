"""Networks of PyTorch are read exactly, and go into files, C and ONNX."""

import numpy as np
import pytest
from c_program import compile_program, needs_gcc, run_program
from sklearn.base import clone
from sklearn.datasets import load_digits
from torch_networks import BYTES, check, end, images, layer, nn, stirred, torch

import sklearn_lossless
from sklearn_lossless import (
    CompressedCNNClassifier,
    CompressedCNNRegressor,
    CompressedMLPClassifier,
    CompressedMLPRegressor,
)
from sklearn_lossless.export import to_c, to_onnx
from sklearn_lossless.network import Addition, Convolution, Dense, Pooling
from sklearn_lossless.torch import (
    InputQuantizer,
    Residual,
    StepActivation,
    Subsample,
    TernaryConv2d,
    TernaryLinear,
    from_torch,
)

#: Modules for pictures of 3 channels and 12 x 10 places.
NETS = {
    "two convolutions": lambda: [
        *layer(3, 6),
        nn.MaxPool2d(2),
        *layer(6, 8, 3, padding=0),
        nn.Dropout(0.3),
        *end(8 * 4 * 3),
    ],
    "stride, wide padding": lambda: [
        *layer(3, 5, (5, 4), 2, 3),
        *layer(5, 6, 2, 3, 0),
        *end(6 * 2 * 2),
    ],
    "padding same, few levels": lambda: [
        *layer(3, 5, 3, 1, "same", 2),
        *layer(5, 6, (5, 3), 1, "same", 4),
        *layer(6, 7, 3, 1, "valid", 16),
        *end(7 * 10 * 8),
    ],
    "means between": lambda: [
        *layer(3, 6),
        nn.AvgPool2d(2),
        *layer(6, 6),
        nn.AvgPool2d((2, 1), (1, 2)),
        *end(6 * 5 * 3),
    ],
    "means over all": lambda: [*layer(3, 6), nn.AdaptiveAvgPool2d(1), *end(6)],
    "means over parts": lambda: [
        *layer(3, 6, n_levels=16),
        nn.AdaptiveAvgPool2d((3, 2)),
        *end(36),
    ],
    "dense end": lambda: [
        *layer(3, 6),
        nn.MaxPool2d(3, 2),
        nn.Flatten(),
        TernaryLinear(6 * 5 * 4, 20, bias=False),
        nn.BatchNorm1d(20),
        StepActivation(6),
        nn.Linear(20, 10),
        nn.Softmax(1),
    ],
    "no normalisation": lambda: [
        TernaryConv2d(3, 6, 3, eps=0.5),
        StepActivation(),
        TernaryConv2d(6, 5, 3, bias=False),
        StepActivation(),
        *end(5 * 8 * 6),
    ],
    "plain normalisation": lambda: [*layer(3, 6, affine=False), *end(6 * 120)],
    "inner Sequential": lambda: [
        nn.Sequential(*layer(3, 6), nn.Sequential(nn.MaxPool2d(2), nn.Identity())),
        *end(6 * 30),
    ],
    "residual": lambda: [
        *layer(3, 6),
        Residual(nn.Sequential(*layer(6, 4), *layer(4, 6))),
        Residual(
            nn.Sequential(*layer(6, 8, stride=2), *layer(8, 8)),
            nn.Sequential(*layer(6, 8, 1, 2, 0, eps=0.0)),
        ),
        Residual(nn.Sequential(*layer(8, 11, stride=2)), Subsample(2, 3)),
        nn.AdaptiveAvgPool2d(1),
        *end(11),
    ],
    "residual on the inputs, nested": lambda: [
        Residual(
            nn.Sequential(
                *layer(3, 5),
                Residual(nn.Sequential(*layer(5, 5)), nn.Identity()),
                *layer(5, 6),
            ),
            nn.Sequential(*layer(3, 6, 1, padding=0, eps=0.0)),
        ),
        *end(6 * 120),
    ],
    "steps before filters": lambda: [
        *layer(3, 6),
        Residual(
            nn.Sequential(nn.BatchNorm2d(6), StepActivation(), *layer(6, 6)),
        ),
        nn.BatchNorm2d(6),
        StepActivation(),
        *end(6 * 120),
    ],
    "a sum that is cut off": lambda: [
        *layer(3, 6),
        Residual(nn.Sequential(*layer(6, 6))),
        StepActivation(),
        Residual(nn.Sequential(*layer(6, 6))),
        *end(6 * 120),
    ],
}


@pytest.mark.parametrize("name", NETS)
def test_codes_and_scores_are_those_of_the_module(name):
    torch.manual_seed(1)
    X = images((3, 12, 10))
    net = stirred(nn.Sequential(BYTES, *NETS[name]()), X)
    fitted, rows = check(net, X)
    assert isinstance(fitted, CompressedCNNClassifier)
    assert fitted.image_shape_ == (12, 10, 3)
    with torch.no_grad():
        labels = net(X).argmax(1).numpy()
    pictures = X.permute(0, 2, 3, 1)
    np.testing.assert_array_equal(fitted.predict(pictures.numpy()), labels)
    np.testing.assert_array_equal(fitted.predict(pictures), labels)  # a tensor
    np.testing.assert_array_equal(fitted.predict(rows), labels)


def blocks(n_blocks, widths=(4, 6, 8)):
    """ResNet-8 or ResNet-20 of narrow layers; half of the shortcuts have filters."""
    n_in = widths[0]
    yield from layer(3, n_in)
    for number, width in enumerate(widths):
        for place in range(n_blocks):
            stride = 2 if number and not place else 1
            around = None
            if stride == 2:
                filters = nn.Sequential(*layer(n_in, width, 1, 2, 0, eps=0.0))
                around = filters if number == 1 else Subsample(2, width - n_in)
            yield Residual(
                nn.Sequential(*layer(n_in, width, 3, stride), *layer(width, width)),
                around,
            )
            n_in = width
    yield from [nn.AdaptiveAvgPool2d(1), *end(n_in)]


@pytest.mark.parametrize("n_blocks", [1, 3])
def test_resnet_8_and_20(n_blocks):
    torch.manual_seed(2)
    X = images((3, 32, 32), 60)
    fitted, _ = check(stirred(nn.Sequential(BYTES, *blocks(n_blocks)), X), X)
    sums = [each for each in fitted.network_.layers if isinstance(each, Addition)]
    assert len(sums) == 3 * n_blocks
    assert max(each.largest_code for each in sums) == 7 * (2 * n_blocks + 1)


def test_the_integer_layers_are_the_modules():
    torch.manual_seed(3)
    X = images((3, 12, 10))
    net = stirred(nn.Sequential(BYTES, *NETS["means over all"]()), X)
    network = from_torch(net, X).network_
    first, last = network.layers
    assert isinstance(first, Convolution)
    assert (first.padding, first.size, first.filters.n_nonzeros) == (1, (3, 3), 11)
    # 120 codes up to 7 have too many bits: 4 windows of 30.
    assert isinstance(last, Pooling)
    assert (last.area, last.shift) == (30, 0)
    signs = net[1].signs().detach().numpy().transpose(0, 2, 3, 1).reshape(6, -1)
    flip = np.where(net[2].weight.detach().numpy() < 0, -1, 1)
    weights = first.filters.weights.dense(27).T
    np.testing.assert_array_equal(weights, signs * flip[:, np.newaxis])


def test_dense_networks_read_as_they_are():
    torch.manual_seed(4)
    X = torch.randn(400, 12).clamp(-2.4, 2.4)
    net = nn.Sequential(
        InputQuantizer(-2.5, 2.5, 6),
        TernaryLinear(12, 30, eps=0.5),
        nn.BatchNorm1d(30),
        StepActivation(),
        TernaryLinear(30, 20, bias=False),
        nn.BatchNorm1d(20),
        StepActivation(3),
        nn.Linear(20, 4),
    )
    fitted, rows = check(stirred(net, X), X, classes=["a", "b", "c", "d"])
    assert isinstance(fitted, CompressedMLPClassifier)
    assert set(fitted.predict(rows)) <= set("abcd")
    assert [type(each) for each in fitted.network_.layers] == [Dense, Dense]
    with torch.no_grad():
        probabilities = net(X).softmax(1)
    np.testing.assert_allclose(fitted.predict_proba(rows), probabilities, atol=1e-5)
    quantizer, codes = fitted.network_.quantizer, net[0](X) / net[0].step_size
    np.testing.assert_array_equal(quantizer.codes(rows), codes)


def test_pictures_into_a_dense_network_are_rows_as_torch_flattens_them():
    X = images((2, 4, 3), 50)
    torch.manual_seed(0)
    net = nn.Sequential(
        BYTES, nn.Flatten(), TernaryLinear(24, 9), StepActivation(), nn.Linear(9, 3)
    )
    fitted, _ = check(net.eval(), X)
    assert isinstance(fitted, CompressedMLPClassifier)
    assert fitted.n_features_in_ == 24


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_two_classes(n_outputs):
    torch.manual_seed(5)
    X = torch.rand(200, 6)
    net = nn.Sequential(
        InputQuantizer(),
        TernaryLinear(6, 15, eps=0.3),
        nn.BatchNorm1d(15),
        StepActivation(),
        nn.Linear(15, n_outputs),
    )
    fitted, rows = check(stirred(net, X), X, classes=[False, True])
    with torch.no_grad():
        out = net(X)
        p = out.softmax(1)[:, 1] if n_outputs == 2 else out[:, 0].sigmoid()
    np.testing.assert_allclose(fitted.predict_proba(rows)[:, 1], p, atol=1e-5)
    np.testing.assert_array_equal(fitted.predict(rows), p.numpy() > 0.5)


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("of_pictures", [False, True])
def test_regression(n_outputs, of_pictures):
    torch.manual_seed(6)
    if of_pictures:
        X, first, n = images((1, 6, 6)), [*layer(1, 5), nn.Flatten()], 180
    else:
        X = torch.rand(200, 6) * 255
        first, n = [TernaryLinear(6, 15), nn.BatchNorm1d(15), StepActivation()], 15
    net = stirred(nn.Sequential(BYTES, *first, nn.Linear(n, n_outputs)), X)
    fitted, rows = check(net, X, task="regression")
    cls = CompressedCNNRegressor if of_pictures else CompressedMLPRegressor
    assert isinstance(fitted, cls)
    shape = (len(X),) if n_outputs == 1 else (len(X), n_outputs)
    assert fitted.predict(rows).shape == shape


@pytest.fixture(scope="module")
def trained():
    """A residual network that has learned the digits for a moment, and rows."""
    torch.manual_seed(0)
    X, y = load_digits(return_X_y=True)
    pictures = torch.tensor(X.reshape(-1, 1, 8, 8), dtype=torch.float32)
    labels = torch.tensor(y)
    net = nn.Sequential(
        InputQuantizer(0, 16, 4),
        *layer(1, 16),
        Residual(nn.Sequential(*layer(16, 16))),
        nn.MaxPool2d(2),
        *layer(16, 24),
        *end(24 * 16),
    )
    optimiser = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(5):
        for rows in torch.randperm(1000).split(50):
            loss = nn.functional.cross_entropy(net(pictures[rows]), labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    fitted = from_torch(net, pictures[:100])
    return net.eval(), pictures, fitted, X.astype(np.float32), y


def test_a_trained_network_has_learned_and_is_read(trained):
    net, pictures, fitted, X, y = trained
    assert fitted.score(X[1000:], y[1000:]) > 0.85
    with torch.no_grad():
        np.testing.assert_array_equal(fitted.predict(X), net(pictures).argmax(1))


def test_a_file_holds_it(trained, tmp_path):
    _, _, fitted, X, y = trained
    fitted.save(tmp_path / "net.lnn")
    loaded = sklearn_lossless.load(tmp_path / "net.lnn")
    np.testing.assert_array_equal(
        loaded.decision_function(X), fitted.decision_function(X)
    )
    assert np.isnan(loaded.mean_).all()  # of trained layers nobody needs it
    assert repr(loaded) == repr(fitted)
    fitted.save(tmp_path / "net.lnn", readout_dtype="int8")
    small = sklearn_lossless.load(tmp_path / "net.lnn")
    assert abs(small.score(X, y) - fitted.score(X, y)) < 0.02


@needs_gcc
def test_c_holds_it(trained, tmp_path):
    _, _, fitted, X, _ = trained
    source, header = to_c(fitted, tmp_path / "model.c")
    compile_program(source, tmp_path / "program")
    results = run_program(tmp_path / "program", header, X[:300])
    np.testing.assert_array_equal(results.codes, fitted.network_.forward(X[:300]))
    np.testing.assert_array_equal(results.labels, fitted.predict(X[:300]))


def test_onnx_holds_it(trained):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    _, _, fitted, X, _ = trained
    session = onnxruntime.InferenceSession(to_onnx(fitted).SerializeToString())
    codes, scores = session.run(["codes", "scores"], {"X": X[:300]})
    np.testing.assert_array_equal(codes, fitted.network_.forward(X[:300]))
    np.testing.assert_array_equal(scores, fitted.decision_function(X[:300]))


def test_it_reports_but_does_not_fit_again(trained):
    _, _, fitted, X, y = trained
    assert "clipped_relu" in str(fitted.report_)
    assert fitted.size_report("int8")["file"] < 7000
    other = clone(fitted)
    with pytest.raises(ValueError, match="the layers of the torch module"):
        other.fit(X, y)
    other.set_params(hidden_layers=None)
    assert other.fit(X[:300], y[:300]).score(X, y) > 0.7


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions(dtype):
    torch.manual_seed(0)
    X = images((1, 6, 6))
    net = stirred(nn.Sequential(BYTES, *layer(1, 5), *end(5 * 36)), X).to(dtype)
    fitted = from_torch(net, X)
    rounded = dtype == torch.bfloat16
    exact = net.float() if rounded else net
    with torch.no_grad():
        expected = exact(X if rounded else X.double()).argmax(1)
    np.testing.assert_array_equal(fitted.predict(X[:, 0]), expected)


def test_the_module_stays_as_it_is():
    torch.manual_seed(0)
    X = images((1, 6, 6))
    net = nn.Sequential(BYTES, *layer(1, 5), *end(5 * 36)).train()
    before = {name: each.clone() for name, each in net.state_dict().items()}
    from_torch(net, X)
    assert net.training
    assert all(torch.equal(each, before[k]) for k, each in net.state_dict().items())


def test_predictions_that_differ_are_told(monkeypatch):
    from sklearn_lossless.torch import estimator

    torch.manual_seed(0)
    X = images((1, 6, 6))
    net = stirred(nn.Sequential(BYTES, *layer(1, 5), *end(5 * 36)), X)
    read = estimator.read_layers

    def wrong(*arguments):
        found = read(*arguments)
        return found._replace(coef=-found.coef)

    monkeypatch.setattr(estimator, "read_layers", wrong)
    with pytest.warns(UserWarning, match="of 256 predictions for X_calibration"):
        from_torch(net, X)
