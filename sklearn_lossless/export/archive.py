"""One small file per model: `save` and `load`. Its layout is docs/model_file.md."""

from __future__ import annotations

import os
import struct
from dataclasses import replace
from inspect import signature
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from .._not_restored import NotRestored
from .._validation import params_of_fit, validate_parameter_constraints
from ..layers import Conv2D
from ..network import Dense
from ..network.kinds import centre_of_inputs
from ..network.layers import FIXED_POINT
from ..readout.classes import class_costs
from ._coding import READOUT_DTYPES
from ._container import MAGIC
from ._files import read, write
from ._kinds import Kind, kind_in_file
from ._sections import FileContent, decode, encode
from .fold import folded

__all__ = [
    "check_readout_dtype",
    "checked_bytes",
    "content_of",
    "estimator_of",
    "from_bytes",
    "load",
    "save",
    "to_bytes",
]

#: Parameters of training.
TRAINING = (
    "max_iter",
    "batch_size",
    "learning_rate_init",
    "tol",
    "n_iter_no_change",
    "early_stopping",
    "warm_start",
    "validation_fraction",
)

#: Parameters that are stored where they are not the defaults: earlier versions do not
#: know them, or not their default, which for `eps` means the same.
_NEWER = (
    *TRAINING,
    "eps",
    "input_encoding",
    "n_thresholds",
    "categorical_features",
    "min_frequency",
    "max_categories",
)


def save(
    estimator: Any,
    path: str | os.PathLike[str] | IO[bytes],
    *,
    readout_dtype: str = "float64",
) -> None:
    """Write a fitted estimator to one small file.

    Of random hidden layers it holds a seed and a few integers. It is no pickle:
    :func:`load` runs no code. The file appears whole or not at all, and has the mode of
    an old one of that name. Links are followed; pipes and devices are written to.

    Parameters
    ----------
    estimator : NTKCompressor, CompressedMLPClassifier or CompressedMLPRegressor
        Fitted; its readout is "ridge" or "logistic". Or a fitted pipeline of scalers
        and such an estimator, which :func:`load` returns as one estimator that takes
        raw columns: see :func:`fold`.
    path : str, path-like or binary file
        Where to write. An open file is written to where it stands, and stays open.
    readout_dtype : {"float64", "float32", "float16", "int8", "int4"}, \
            default="float64"
        Type of the readout's coefficients. "float64" changes no bit; the last
        three have a scale per class or target. Predictions of the loaded estimator
        are those of the rounded coefficients.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If it is of another class, or `path` is neither a path nor a binary file.
    ValueError
        If the readout is an estimator of its own, if `readout_dtype` is unknown or
        cannot hold the coefficients, or if a bound of the format is passed.
    OSError
        If the file cannot be written, or if there is one that is read-only.

    See Also
    --------
    load : Read it again.

    Notes
    -----
    Parameters are those of the fit, also where `set_params` has changed them since,
    except `n_jobs` and `verbose`. Those that are functions or objects are left out and
    become a `NotRestored`. Left out too are ``alphas_``, ``loo_losses_``, ``readout_``
    and what compares with a teacher or with training data: ``teacher_agreement_``,
    ``training_accuracy_``, ``training_r2_``. So is the course of a training:
    ``n_iter_``, ``loss_curve_``, ``validation_scores_``, and the real weights that
    ``warm_start`` goes on from: `fit` starts anew. ``mean_`` is kept to 1/256 of
    a cell of the quantiser; of trained hidden layers, and fitted filters, it is left
    out, and NaN.

    Examples
    --------
    >>> import os, tempfile
    >>> from sklearn.datasets import load_digits
    >>> import sklearn_lossless
    >>> X, y = load_digits(return_X_y=True)
    >>> clf = sklearn_lossless.CompressedMLPClassifier((500,), random_state=0)
    >>> clf = clf.fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "digits.lnn")
    ...     clf.save(path, readout_dtype="int8")
    ...     size = os.path.getsize(path)
    ...     loaded = sklearn_lossless.load(path)
    >>> size < 7000
    True
    >>> bool((loaded.predict(X) == clf.predict(X)).mean() > 0.99)
    True
    """
    write(path, to_bytes(estimator, readout_dtype))


#: Bytes that a loaded model may take, unless the caller says otherwise.
_MAX_MEMORY = 2**30


def load(
    path: str | os.PathLike[str] | IO[bytes],
    *,
    max_memory: float | None = _MAX_MEMORY,
) -> Any:
    """Read an estimator that `save` wrote.

    Parameters
    ----------
    path : str, path-like or binary file
        The file, or an open one, which is read to its end. It may come from anybody:
        its sizes are checked before memory is taken, and nothing in it is executed.
    max_memory : float or None, default=2**30
        Bytes that predictions of the model may take in one thread. A few numbers
        describe large networks; one that would take more is refused. None: any.

    Returns
    -------
    NTKCompressor, CompressedMLPClassifier or CompressedMLPRegressor
        Fitted.

    Raises
    ------
    ValueError
        If the file is damaged, not a model file, or from a later version, or if
        `max_memory` is not enough.
    TypeError
        If `path` is neither a path nor a binary file.
    OSError
        If it cannot be read.

    See Also
    --------
    save : What is kept and what is not.
    """
    return from_bytes(read(path, MAGIC), max_memory)


def to_bytes(estimator: Any, readout_dtype: str = "float64") -> bytes:
    """Return the bytes that `save` writes."""
    check_readout_dtype(readout_dtype)
    return checked_bytes(content_of(estimator), readout_dtype)


def from_bytes(data: bytes, max_memory: float | None = None) -> Any:
    """Return the estimator that `to_bytes` took; ValueError if `data` is damaged."""
    with np.errstate(all="ignore"):
        return estimator_of(decode(data, max_memory))


def check_readout_dtype(readout_dtype: str) -> None:
    """Raise ValueError if a type of readouts is unknown."""
    if readout_dtype not in READOUT_DTYPES:
        raise ValueError(
            f"readout_dtype must be one of {list(READOUT_DTYPES)}, got "
            f"{readout_dtype!r}."
        )


def checked_bytes(content: FileContent, readout_dtype: str) -> bytes:
    """Return the bytes of a file, which can be read again."""
    try:
        data = encode(content, readout_dtype)
        from_bytes(data)
    except (ValueError, struct.error) as error:
        name = content.kind.estimator.__name__
        raise ValueError(f"{name} cannot be saved: {error}") from error
    return data


# From estimators to plain numbers and back.


def content_of(estimator: Any) -> FileContent:
    """Take from a fitted estimator what the file holds."""
    estimator = folded(estimator)
    kind = kind_in_file(estimator)
    check_is_fitted(estimator)
    defaults = signature(type(estimator)).parameters
    newer: tuple[str, ...] = _NEWER
    if kind >= Kind.CONV_COMPRESSOR:
        newer = (*_NEWER, "hidden_weights", "estimator")
    # Parameters may have been set after the fit: what counts is what was fitted.
    fitted = params_of_fit(estimator)
    params = {
        name: value
        for name, value in fitted.items()
        if name not in newer or not _same(value, defaults[name].default)
    }
    content = FileContent(
        kind,
        params,
        float(estimator.scale_),
        estimator.network_,
        estimator.matching_,
        feature_names=getattr(estimator, "feature_names_in_", None),
        mean=_mean_codes(estimator, fitted["hidden_weights"] == "trained"),
        columns=estimator._columns,
    )
    if kind.role is Kind.COMPRESSOR:
        return content
    readout = estimator._readout
    if readout is None:
        raise ValueError(
            "Only the readouts 'ridge' and 'logistic' can be saved; this one is "
            f"{estimator.readout_!r}. Use joblib or skops for it."
        )
    if not isinstance(params.get("readout"), str | None):
        params["readout"] = "ridge" if estimator._own_readout is None else "logistic"
    classes = estimator.classes_ if kind.role is Kind.CLASSIFIER else None
    return replace(content, readout=readout, classes=classes)


def _same(value: Any, default: Any) -> bool:
    """Return whether a parameter is the default; arrays never are."""
    return type(value) is type(default) and bool(value == default)


def _mean_codes(estimator: Any, is_trained: bool) -> npt.NDArray[np.int64] | None:
    """Return the mean input codes in 1/256; None where they are not stored.

    A layer with weights from the seed is centred at them, so it has them. Nothing needs
    those of a layer that was trained.
    """
    network = estimator.network_
    first, quantizer = network.layers[0], network.quantizer
    if not isinstance(first, Dense):  # its filters are centred at them
        return None
    if first.weights is None or is_trained or np.isnan(estimator.mean_).any():
        return None
    codes = np.clip(quantizer.encode(estimator.mean_), 0, 2**quantizer.n_bits - 1)
    fixed = np.rint(codes * FIXED_POINT).astype(np.int64)
    return None if (fixed == first.centre).all() else fixed


def estimator_of(content: FileContent) -> Any:
    """Make the estimator that a file, or a network of another library, describes."""
    cls, compressor_class = content.kind.estimator, content.kind.compressor
    params, network = content.params, content.network
    unknown = sorted(set(params) - set(cls._get_param_names()))
    if unknown:
        raise ValueError(
            "The model file has parameters that this version of "
            f"{cls.__name__} does not know: {', '.join(unknown)}. It comes from a "
            "later version."
        )
    _check_parameters(content)
    estimator = compressor = cls(**params)
    if content.readout is not None:
        shared = set(compressor_class._get_param_names()) & set(params)
        compressor = compressor_class(**{name: params[name] for name in shared})
        estimator.compressor_ = compressor
        estimator._keep_readout(content.readout)
        if content.classes is not None:
            estimator.classes_ = content.classes
    first = network.layers[0]
    centre = centre_of_inputs(first)
    mean = centre if content.mean is None else content.mean
    codes = np.broadcast_to(mean / FIXED_POINT, network.quantizer.n_codes)
    means = network.quantizer.decode(codes)
    if not np.isfinite(means).all():
        raise ValueError("Not a valid model file: the mean of a feature is not finite.")
    is_stored = isinstance(first, Dense) and first.weights is not None
    is_stored |= params.get("hidden_weights") in ("trained", "fitted")
    if content.mean is None and is_stored:
        means = np.full(network.quantizer.n_codes, np.nan)  # not kept
    for each in {estimator, compressor}:
        each._params_of_fit = each.get_params(deep=False)
        each.network_ = network
        each.matching_ = content.matching
        each.mean_ = means
        each.scale_ = content.scale
        each.n_features_in_ = network.n_features_in
        each._columns = content.columns
        how = params.get("hidden_weights", "fitted")  # of pictures, from patches
        if not network.has_stored_weights or how == "fitted":
            each._course = None  # there was no training; else it is not known
        if content.feature_names is not None:
            each.feature_names_in_ = content.feature_names
    compressor._n_features_out = network.n_features_out
    return estimator


#: Parameters that may be objects or functions, which a file does not hold.
_MAY_BE_LOST = {"activation", "class_weight", "estimator"}
_MAY_BE_LOST |= {"hidden_layers", "random_state"}


def _check_parameters(content: FileContent) -> None:
    """Raise ValueError if a parameter of a file is one that `fit` would refuse."""
    cls, compressor_class = content.kind.estimator, content.kind.compressor
    params = content.params
    lost = {name for name in params if isinstance(params[name], NotRestored)}
    wrong = lost.difference(_MAY_BE_LOST)
    if wrong:
        raise ValueError(
            f"Not a valid model file: parameter {min(wrong)!r} is "
            f"{params[min(wrong)]!r}, which no such parameter can be."
        )
    stored = {name: params[name] for name in params if name not in lost}
    validate_parameter_constraints(
        cls._parameter_constraints, stored, caller_name=cls.__name__
    )
    hidden = {
        name: stored[name]
        for name in compressor_class._get_param_names()
        if name in stored
    }
    if "estimator" in lost:
        # The layers were those of a network that is not here.
        neurons = [layer.neurons for layer in content.network.layers]
        sizes = [each.n_outputs for each in neurons if each is not None]
        if content.kind < Kind.CONV_COMPRESSOR:
            hidden["hidden_layer_sizes"] = sizes
        else:
            hidden["hidden_layers"] = [Conv2D(size, 1) for size in sizes]
        for name in ("activation", "widen", "hidden_weights"):
            hidden.pop(name, None)
    activation = hidden.get("activation")
    if isinstance(activation, (list, tuple)):
        hidden["activation"] = [
            "relu" if isinstance(each, NotRestored) else each for each in activation
        ]
    try:
        compressor_class(**hidden)._read_hidden()
        if content.classes is not None:
            weights = np.ones(len(content.classes))
            class_costs(stored.get("class_weight"), content.classes, weights)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"Not a valid model file: parameters: {error}") from None
