"""One small file per model: `save` and `load`. Its layout is docs/model_file.md."""

from __future__ import annotations

import os
import struct
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._validation import validate_parameter_constraints
from ..readout import LinearReadout
from ._coding import READOUT_DTYPES
from ._files import write_whole
from ._sections import KINDS, MAGIC, Model, NotRestored, decode, encode

__all__ = ["NotRestored", "from_bytes", "load", "save", "to_bytes"]


def save(
    estimator: Any, path: str | os.PathLike[str], *, readout_dtype: str = "float64"
) -> None:
    """Write a fitted estimator to one small file.

    The hidden layers are their seed and a few integers, so that the readout is
    nearly all of the file. No pickle: :func:`load` runs nothing. The file appears
    whole or not at all; an old one of that name stays until then.

    Parameters
    ----------
    estimator : NTKCompressor, CompressedMLPClassifier or CompressedMLPRegressor
        Fitted; its readout is "ridge" or "logistic".
    path : str or path-like
        Where to write.
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
        If it is of another class.
    ValueError
        If the readout is an estimator of its own, if `readout_dtype` is unknown or
        cannot hold the coefficients, or if a bound of the format is passed.
    OSError
        If the file cannot be written.

    See Also
    --------
    load : Read it again.

    Notes
    -----
    Parameters that are functions or objects are left out and become a
    `NotRestored`. Left out too are ``alphas_``, ``loo_losses_``, ``readout_`` and what
    compares with a teacher or with training data: ``teacher_agreement_``,
    ``training_accuracy_``, ``training_r2_``. ``mean_`` is kept
    to 1/256 of a cell of the quantiser, which is what the network uses.

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
    write_whole(path, to_bytes(estimator, readout_dtype))


def load(path: str | os.PathLike[str]) -> Any:
    """Read an estimator that `save` wrote.

    Parameters
    ----------
    path : str or path-like
        The file. It may come from anybody: its sizes are checked before memory is
        taken, and nothing in it is executed.

    Returns
    -------
    NTKCompressor, CompressedMLPClassifier or CompressedMLPRegressor
        Fitted.

    Raises
    ------
    ValueError
        If the file is damaged, not a model file, or from a later version.
    OSError
        If it cannot be read.

    See Also
    --------
    save : What is kept and what is not.
    """
    with open(path, "rb") as file:
        data = file.read(len(MAGIC))
        if data == MAGIC:  # of other files no more is read
            data += file.read()
        return from_bytes(data)


def to_bytes(estimator: Any, readout_dtype: str = "float64") -> bytes:
    """Return the bytes that `save` writes."""
    if readout_dtype not in READOUT_DTYPES:
        raise ValueError(
            f"readout_dtype must be one of {list(READOUT_DTYPES)}, got "
            f"{readout_dtype!r}."
        )
    model = _model_of(estimator)
    try:
        data = encode(model, readout_dtype)
        from_bytes(data)
    except (ValueError, struct.error) as error:
        raise ValueError(
            f"{type(estimator).__name__} cannot be saved: {error}"
        ) from error
    return data


def from_bytes(data: bytes) -> Any:
    """Return the estimator that `to_bytes` took; ValueError if `data` is damaged."""
    with np.errstate(all="ignore"):
        return _estimator_of(decode(data))


# From estimators to plain numbers and back.


def _model_of(estimator: Any) -> Model:
    """Take from a fitted estimator what the file holds."""
    kind = type(estimator).__name__
    if kind not in KINDS:
        raise TypeError(f"Only {', '.join(KINDS)} can be saved, got {estimator!r}.")
    check_is_fitted(estimator)
    params = estimator.get_params(deep=False)
    # Parameters may have been set after the fit: what counts is what was fitted.
    if kind != "NTKCompressor" and estimator._kept is None:
        raise ValueError(
            "Only the readouts 'ridge' and 'logistic' can be saved; this one is "
            f"{estimator.readout_!r}. Use joblib or skops for it."
        )
    if not isinstance(params.get("readout", ""), str):
        params["readout"] = "logistic" if hasattr(estimator, "readout_") else "ridge"
    model: dict[str, Any] = {
        "kind": kind,
        "params": params,
        "scale": float(estimator.scale_),
        "network": estimator.network_,
        "matching": estimator.matching_,
        "feature_names": getattr(estimator, "feature_names_in_", None),
    }
    if kind != "NTKCompressor":
        readout = estimator._readout
        fitted = {"alpha_": readout.alpha, "temperature_": readout.temperature}
        model |= {
            "coef": readout.coef,
            "intercept": readout.intercept,
            "single": readout.single,
            "classes": getattr(estimator, "classes_", None),
            "fitted": {
                name: float(value)
                for name, value in fitted.items()
                if value is not None
            },
        }
    return Model(**model)


def _estimator_of(model: Model) -> Any:
    """Make the estimator that a file describes."""
    import sklearn_lossless  # here, because the estimators import this module

    cls = getattr(sklearn_lossless, model.kind)
    known = cls._get_param_names()
    unknown = sorted(set(model.params) - set(known))
    if unknown:
        raise ValueError(
            f"The model file has parameters that this version of {model.kind} does "
            f"not know: {', '.join(unknown)}. It comes from a later version."
        )
    validate_parameter_constraints(
        cls._parameter_constraints,
        {
            name: value
            for name, value in model.params.items()
            if not isinstance(value, NotRestored)
        },
        caller_name=model.kind,
    )
    estimator = cls(**model.params)
    compressor = estimator
    if model.kind != "NTKCompressor":
        compressor = sklearn_lossless.NTKCompressor()
        shared = set(compressor.get_params()) & set(model.params)
        compressor.set_params(**{name: model.params[name] for name in shared})
        estimator.compressor_ = compressor
        assert model.coef is not None
        assert model.intercept is not None
        readout = LinearReadout(
            model.coef,
            model.intercept,
            alpha=model.fitted.get("alpha_"),
            temperature=model.fitted.get("temperature_"),
            single=model.single,
        )
        estimator._keep_readout(readout)
        if model.classes is not None:
            estimator.classes_ = model.classes
    quantizer = model.network.quantizer
    mean = np.broadcast_to(model.network.layers[0].centre / 256, quantizer.shift.shape)
    for each in {estimator, compressor}:
        each.network_ = model.network
        each.matching_ = model.matching
        each.mean_ = quantizer.decode(mean)
        each.scale_ = model.scale
        each.n_features_in_ = model.network.n_features_in
        if model.feature_names is not None:
            each.feature_names_in_ = model.feature_names
    compressor._n_features_out = model.network.n_features_out
    return estimator
