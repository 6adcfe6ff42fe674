"""Modules of PyTorch, and that what is read of them predicts the same."""

import subprocess
import sys

import naive
import numpy as np
import pytest
from c_program import compile_program, run_program
from sklearn.base import clone
from sklearn.datasets import load_digits
from test_residual import needs_gcc

import sklearn_lossless
from sklearn_lossless import (
    CompressedCNNClassifier,
    CompressedCNNRegressor,
    CompressedMLPClassifier,
    CompressedMLPRegressor,
)
from sklearn_lossless.export import to_c, to_onnx
from sklearn_lossless.network import Addition, Convolution, Dense, Pooling


def test_without_torch_the_extra_is_named():
    code = (
        "import sys\n"
        "class NoTorch:\n"
        "    def find_spec(self, name, *more):\n"
        "        if name == 'torch':\n            raise ImportError(name)\n"
        "sys.meta_path.insert(0, NoTorch())\n"
        "import sklearn_lossless\n"
        "try:\n    import sklearn_lossless.torch\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "pip install 'sklearn-lossless[torch]'" in done.stdout


torch = pytest.importorskip("torch")
nn = torch.nn

from sklearn_lossless.torch import (  # noqa: E402
    InputQuantizer,
    Residual,
    StepActivation,
    Subsample,
    TernaryConv2d,
    TernaryLinear,
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


# --- modules --------------------------------------------------------------------------


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
