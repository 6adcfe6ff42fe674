"""`from_torch`: a trained module as a fitted estimator."""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from .._classifier import CompressedMLPClassifier
from .._cnn import CompressedCNNClassifier, CompressedCNNRegressor
from .._not_restored import NotRestored
from .._regressor import CompressedMLPRegressor
from .._validation import warn_user
from ..export._kinds import kind_in_file
from ..export._sections import FileContent
from ..export.archive import estimator_of
from ..network import CompressedNetwork, Quantizer, code_statistics
from ..network.kinds import lines_of
from ..readout import LinearReadout
from ..theory import NetworkMatch, StepActivation, gaussian_moments, get_activation
from ..theory._equations import moment_equations
from ..theory.matching import LayerMatch
from .read import ReadLayers, read_layers
from .reader import flat
from .steps import InputQuantizer
from .steps import StepActivation as StepModule

__all__ = ["from_torch"]

Array = npt.NDArray[Any]

#: Rows whose predictions are compared with the module's.
_COMPARED = 256


def from_torch(
    module: nn.Module,
    X_calibration: Any,
    *,
    task: str = "classification",
    classes: Sequence[Any] | None = None,
) -> Any:
    """Return a fitted estimator that predicts what a trained module does.

    The module is an ``nn.Sequential`` of those of this package with normalisation and
    poolings between them, and an ``nn.Linear`` at the end. It is read, not trained: its
    ternary weights, and for each neuron the least integer sum that reaches each level
    after the normalisation. Codes are those of ``module.eval()`` on a CPU, in single
    precision (or double, if the module has it), but for sums that this precision rounds
    across a threshold; there are none unless windows of means have an area that is no
    power of two.

    Parameters
    ----------
    module : Module
        Trained. It is not changed; training mode, device and gradients do not matter.
    X_calibration : Tensor or array of shape (n_samples, channels, height, width) or \
            (n_samples, n_features)
        Some typical inputs, as the module takes them. They say how large pictures are,
        give `scale_` and `mean_`, and up to 256 predictions for them are compared. If
        the module does not begin with an `InputQuantizer` they have to be whole numbers
        from 0 to 255.
    task : {"classification", "regression"}, default="classification"
        What the outputs are: scores of classes (one output: the logit of the second of
        two), or predictions.
    classes : sequence of labels or None, default=None
        Label of each output, in increasing order. None: 0, 1, ...

    Returns
    -------
    CompressedCNNClassifier, CompressedCNNRegressor, CompressedMLPClassifier or \
            CompressedMLPRegressor
        Fitted; of pictures with a convolution or a pooling the first two. These take
        pictures with their channels last: ``images.permute(0, 2, 3, 1)``, or rows of
        such. The others take rows as ``torch.flatten(images, 1)`` has them.

    Raises
    ------
    TypeError
        If `module` is no module.
    ValueError
        If a module in it cannot be read (the message says which one and what would
        work), if `X_calibration` does not fit or `task` or `classes` are wrong.

    Warns
    -----
    UserWarning
        If a prediction for `X_calibration` is not that of the module.

    See Also
    --------
    sklearn_lossless.save : Write the estimator to a small file.
    sklearn_lossless.export.to_c : Write it as C source.

    Notes
    -----
    ``predict_proba`` is the softmax of the module's outputs. The estimator has no
    parameters that describe the module: fitted again, it would be another network.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from sklearn_lossless.torch import (
    ...     InputQuantizer, StepActivation, TernaryLinear, from_torch)
    >>> _ = torch.manual_seed(0)
    >>> net = nn.Sequential(
    ...     InputQuantizer(-1.0, 1.0), TernaryLinear(4, 20, bias=False, eps=0.5),
    ...     nn.BatchNorm1d(20), StepActivation(), nn.Linear(20, 3))
    >>> X = torch.rand(100, 4) * 2 - 1
    >>> net(X)[0].shape  # training would go here
    torch.Size([3])
    >>> clf = from_torch(net, X, classes=["a", "b", "c"])
    >>> expected = clf.classes_[net.eval()(X).argmax(1)]
    >>> bool((clf.predict(X.numpy()) == expected).all())
    True
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be a torch.nn.Module, got {module!r}.")
    if task not in ("classification", "regression"):
        raise ValueError(
            f"task must be 'classification' or 'regression', got {task!r}."
        )
    # Half precision is for training: sums would not be exact.
    is_double = any(each.dtype == torch.float64 for each in module.parameters())
    dtype = torch.float64 if is_double else torch.float32
    module = copy.deepcopy(module).cpu().to(dtype).eval()
    X = _as_tensor(X_calibration).to(dtype)
    quantizer, rest = _input(module, X)
    shape = tuple(X.shape[2:]) + (X.shape[1],) if X.ndim == 4 else (X.shape[1],)
    n_features = math.prod(shape)
    read = read_layers(rest, shape, quantizer.step_size, 2**quantizer.n_bits - 1)
    matching = NetworkMatch(
        tuple(_match(step, number) for number, step in enumerate(read.steps, start=1))
    )
    lines = lines_of(
        read.layers, [(each.step, each.achieved.mean) for each in matching.layers]
    )
    network = CompressedNetwork(
        Quantizer(
            quantizer.inv_step,
            np.full(n_features, quantizer.shift, dtype=np.int64),
            quantizer.n_bits,
        ),
        tuple(
            layer.with_line(*line)
            for layer, line in zip(read.layers, lines, strict=True)
        ),
        0,
    )
    is_classifier = task == "classification"
    estimator = _estimator(network, shape, is_classifier)
    statistics = code_statistics(network.quantizer, _rows(X, network))
    total = statistics.total_variance
    content = FileContent(
        kind_in_file(estimator),
        estimator.get_params(deep=False),
        quantizer.inv_step / math.sqrt(total) if total else 1.0,
        network,
        matching,
        readout=_readout(read, network, is_classifier),
        classes=_classes(classes, len(read.coef)) if is_classifier else None,
    )
    fitted = estimator_of(content)
    fitted.mean_ = network.quantizer.decode(statistics.mean)
    _compare(fitted, module, X)
    return fitted


def _as_tensor(X: Any) -> torch.Tensor:
    """Return typical inputs, checked."""
    X = torch.as_tensor(X).detach().cpu()
    if X.ndim not in (2, 4) or not len(X):
        raise ValueError(
            "X_calibration must have shape (n_samples, channels, height, width) or "
            f"(n_samples, n_features), and a sample, got {tuple(X.shape)}."
        )
    if not X.isfinite().all():
        raise ValueError("X_calibration has values that are not finite.")
    return X


def _input(module: nn.Module, X: torch.Tensor) -> tuple[InputQuantizer, nn.Module]:
    """Return the quantiser of the inputs, and the modules after it."""
    modules = [each for _, each in flat(module, "")]
    first = modules[0] if modules else None
    if isinstance(first, InputQuantizer):
        return first, _without_first(module)
    whole = bool(((X >= 0) & (X <= 255) & (X.floor() == X)).all())
    if not whole:
        raise ValueError(
            "the module must begin with an InputQuantizer, unless X_calibration holds "
            f"whole numbers from 0 to 255; it holds {float(X.min()):.6g} to "
            f"{float(X.max()):.6g}, and the module begins with "
            f"{type(first).__name__}."
        )
    return _Bytes(0.0, 255.0), module


class _Bytes(InputQuantizer):
    """Whole numbers of 8 bits as they are."""

    @property
    def step_size(self) -> float:
        """Difference of the outputs from code to code."""
        return 1.0


def _without_first(module: nn.Module) -> nn.Module:
    """Return a Sequential without its first module, which may lie deeper.

    Another one takes its place, so that messages count right.
    """
    if not isinstance(module, nn.Sequential):
        return nn.Identity()
    children: dict[str, Any] = dict(module._modules)
    name = next(iter(children))
    children[name] = _without_first(children[name])
    return nn.Sequential(OrderedDict(children))


def _match(module: StepModule, number: int) -> LayerMatch:
    """Return what the step of a module stands for."""
    levels = np.arange(module.n_levels)
    thresholds: Any = (levels[1:] - 0.5) * module.step_size
    step = StepActivation(thresholds, levels, scale=module.step_size)
    activation = get_activation(clipped_relu)
    target, achieved = gaussian_moments(activation), step.moments()
    equations = moment_equations(target, achieved, 1.0)
    name = activation.name
    return LayerMatch(number, name, step, target, achieved, 1.0, 1.0, equations)


def clipped_relu(t: Array) -> Array:
    """Return what gradients go through: nothing below 0, no more than 2.5."""
    return np.clip(t, 0.0, 2.5)


def _estimator(
    network: CompressedNetwork, shape: tuple[int, ...], is_classifier: bool
) -> Any:
    """Return an estimator whose parameters say that they do not describe the layers."""
    if network.is_dense:
        cls: Any = CompressedMLPClassifier if is_classifier else CompressedMLPRegressor
        layers: dict[str, Any] = {"estimator": NotRestored("the torch module")}
    else:
        cls = CompressedCNNClassifier if is_classifier else CompressedCNNRegressor
        given = NotRestored("the layers of the torch module")
        layers = {"image_shape": shape, "hidden_layers": given}
    return cls(**layers, hidden_weights="trained")


def _readout(
    read: ReadLayers, network: CompressedNetwork, is_classifier: bool
) -> LinearReadout:
    """Return the readout of features that has the values of that of codes."""
    coef, intercept, temperature = read.coef, read.intercept, None
    if is_classifier:
        # Two classes have one score; their softmax is that of plus and minus it.
        temperature = 1.0
        if len(coef) == 2:
            coef, intercept = coef[1:] - coef[:1], intercept[1:] - intercept[:1]
        if len(coef) == 1:
            temperature = 0.5
    offset, step_size = network.code_line
    coef = coef / step_size
    single = not is_classifier and len(coef) == 1
    return LinearReadout(
        coef, intercept - coef @ offset, temperature=temperature, single=single
    )


def _classes(classes: Sequence[Any] | None, n_outputs: int) -> Array:
    """Return the labels of the outputs."""
    n_classes = max(2, n_outputs)
    labels = np.arange(n_classes) if classes is None else np.asarray(classes)
    right = labels.shape == (n_classes,) and bool(np.all(labels[1:] > labels[:-1]))
    if not right:
        raise ValueError(
            f"classes must be {n_classes} labels in increasing order, one for each "
            f"output of the module, got {classes!r}."
        )
    return labels


def _rows(X: torch.Tensor, network: CompressedNetwork) -> Array:
    """Return inputs of the module as rows of the estimator."""
    if X.ndim == 4 and not network.is_dense:
        X = X.permute(0, 2, 3, 1)
    return np.ascontiguousarray(X.reshape(len(X), -1).numpy())


@torch.no_grad()
def _compare(fitted: Any, module: nn.Module, X: torch.Tensor) -> None:
    """Warn if predictions for some inputs are not those of the module."""
    X = X[:_COMPARED]
    outputs = module(X).double().numpy()
    rows = _rows(X, fitted.network_)
    if hasattr(fitted, "classes_"):
        n_outputs = outputs.shape[1]
        labels = outputs.argmax(1) if n_outputs > 1 else (outputs[:, 0] > 0).astype(int)
        wrong = fitted.predict(rows) != fitted.classes_[labels]
    else:
        predicted = fitted.predict(rows).reshape(outputs.shape)
        close = 1e-4 * (1 + np.abs(outputs).max())
        wrong = (np.abs(predicted - outputs) > close).any(axis=1)
    if wrong.any():
        warn_user(
            f"{np.count_nonzero(wrong)} of {len(wrong)} predictions for X_calibration "
            "are not those of the module: rounding in single precision has decided "
            "some of its codes."
        )
