"""A fitted estimator as C source: integers, constant tables, no memory allocated."""

from __future__ import annotations

import os
import re
from numbers import Real
from pathlib import Path
from typing import Any

from ._c_program import Options, program_texts
from ._exported import exported_model
from ._files import write_all

__all__ = ["to_c"]


def to_c(
    est: Any,
    path: str | os.PathLike[str],
    *,
    weights: str = "table",
    readout: str = "fixed",
    readout_bits: int = 32,
    packed: bool = False,
    name: str | None = None,
    accuracy: float | None = None,
) -> tuple[Path, Path]:
    """Write a fitted estimator as one C99 source file and its header.

    The program has the same bits as `est`: the codes of all layers, and with
    ``readout_bits=32`` the readout's sums too. It allocates nothing, calls no
    library, does not recurse, and does its hidden layers in 32-bit integers. All
    functions take a workspace from the caller, who may have one per thread.

    Functions of a model called ``model``:

    - ``model_quantize_u8``, ``model_quantize_f32``, ``model_quantize_f64``: from
      the values of a sample to its input codes, one byte each.
    - ``model_predict``: from input codes to the number of the class, or to the
      predictions of a regressor.
    - ``model_scores``: to the scores of a classifier.
    - ``model_codes``: to the codes of the hidden layers.

    Parameters
    ----------
    est : NTKCompressor, CompressedMLPClassifier or CompressedMLPRegressor
        Fitted; readout "ridge" or "logistic". Or a fitted pipeline of scalers and such
        an estimator: see :func:`fold`.
    path : str or path-like
        The source file, ``.c``; the header is put beside it. Each is written whole
        or not at all.
    weights : {"table", "seed"}, default="table"
        Where the hidden weights are. "table": in constant tables, one byte for each
        weight that is not zero. "seed": drawn again for each sample, which takes
        64-bit products and one bit of RAM per input, and no table. Layers whose
        weights do not come from a seed are tables always.
    readout : {"fixed", "float"}, default="fixed"
        Scores as integers, see :func:`integer_readout`, or as doubles, those of
        ``est.decision_function`` or ``est.predict`` to the last bit.
    readout_bits : {8, 16, 32}, default=32
        Bits of a readout weight. 32 has all of them. With "fixed" the predicted
        class is then that of ``est.predict``, unless two scores are the same to
        within 2**-30 of the largest weight.
    packed : bool, default=False
        Whether the codes between hidden layers are packed, as many as fit, into
        bytes of RAM: less memory, more time.
    name : str or None, default=None
        Beginning of all names in C. None: the name of the file.
    accuracy : float or None, default=None
        Said in the comment of the files.

    Returns
    -------
    source, header : Path
        The files that were written.

    Raises
    ------
    NotFittedError
        If `est` is not fitted.
    TypeError
        If `est` is of another kind.
    ValueError
        If an option is unknown, if `name` is no identifier, or if the readout is an
        estimator of its own.
    OSError
        If the files cannot be written; old ones stay.

    See Also
    --------
    fold : What becomes of a pipeline.
    integer_readout : The integers of the readout.
    to_onnx : The same for ONNX Runtime.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_lossless import CompressedMLPClassifier
    >>> from sklearn_lossless.export import to_c
    >>> clf = CompressedMLPClassifier((50,), eps=0.0, random_state=0)
    >>> _ = clf.fit(*load_iris(return_X_y=True))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     source, header = to_c(clf, f"{folder}/iris.c", weights="seed")
    ...     print("int iris_predict(" in header.read_text())
    True
    """
    _one_of("weights", weights, ("table", "seed"))
    _one_of("readout", readout, ("fixed", "float"))
    source = Path(path)
    if source.suffix != ".c":
        raise ValueError(f"path must end in '.c', got {os.fspath(path)!r}.")
    name = source.stem if name is None else name
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise ValueError(
            "name must consist of letters, digits and underscores and begin with a "
            f"letter, got {name!r}."
        )
    if accuracy is not None and not isinstance(accuracy, Real):
        raise TypeError(f"accuracy must be a number or None, got {accuracy!r}.")
    model = exported_model(est)
    header = source.with_suffix(".h")
    options = Options(
        name, header.name, weights, readout, readout_bits, packed, accuracy
    )
    source_text, header_text = program_texts(model, options)
    write_all({header: header_text.encode(), source: source_text.encode()})
    return source, header


def _one_of(name: str, value: Any, options: tuple[str, ...]) -> None:
    if value not in options:
        raise ValueError(f"{name} must be one of {options}, got {value!r}.")
