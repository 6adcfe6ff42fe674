"""Write model files that must load for ever, and what they put out.

    python tests/data/make_golden.py v2

Run once for each version of the format, never again: files that are there are left
alone. Numbers are written as hexadecimal floats: every bit counts. The residual network
is made by PyTorch.
"""

import json
import pathlib
import sys
import warnings
from functools import partial

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
import saved_models as t

from sklearn_lossless import (
    CompressedCNNClassifier,
    CompressedCNNRegressor,
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    Conv2D,
    Dense,
    NTKCompressor,
    NTKConvCompressor,
    Pool2D,
)
from sklearn_lossless.export import fold

ROWS = slice(0, 300, 60)


def of_a_frame():
    """A classifier of strings that knows its feature names."""
    frame = pd.DataFrame(t.X, columns=[f"pixel {i}" for i in range(t.X.shape[1])])
    y = np.array(["no", "yes", "β", "maybe"])[t.LABELS]
    return CompressedMLPClassifier(**t.HIDDEN, activation="gelu").fit(frame, y)


def of_a_function():
    """A compressor of a function, which the file cannot hold."""

    def leaky(t):
        return np.maximum(t, 0.1 * t)

    return NTKCompressor(**{**t.HIDDEN, "random_state": None}, activation=leaky).fit(
        t.X
    )


def table():
    """Rows with numbers, categories and missing values."""
    frame = pd.DataFrame(t.X[:, :3], columns=["a", "b", "c"])
    frame["kind"] = np.array(["x", "y", "z"])[np.arange(len(frame)) % 3]
    frame.loc[::7, "b"] = np.nan
    return frame


def of_a_table(**more):
    """A classifier of raw columns."""
    return CompressedMLPClassifier(
        (30,), input_encoding="thresholds", n_thresholds=5, random_state=0, **more
    ).fit(table(), t.LABELS)


DIGITS, DIGIT_LABELS = load_digits(return_X_y=True)
PICTURES = {"image_shape": (8, 8), "random_state": 0}
TRAINED = {"hidden_weights": "trained", "max_iter": 2}


def of_numbers(kind, y, *sizes):
    """A trained estimator of dense layers."""
    return kind(sizes, random_state=0, eps=0.5, **TRAINED).fit(t.X, y)


def of_pictures(kind, layers, y=DIGIT_LABELS, **more):
    """An estimator of the digits."""
    return kind(hidden_layers=layers, **PICTURES, **more).fit(DIGITS[:600], y[:600])


def of_a_pipeline():
    """A classifier with a scaler inside."""
    pipeline = make_pipeline(StandardScaler(), CompressedMLPClassifier(**t.HIDDEN))
    return fold(pipeline.fit(t.X, t.LABELS))


def of_residuals():
    """A residual network, as read from PyTorch."""
    import torch

    from sklearn_lossless.torch import (
        InputQuantizer,
        Residual,
        StepActivation,
        TernaryConv2d,
        from_torch,
    )

    torch.manual_seed(0)
    module = torch.nn.Sequential(
        InputQuantizer(0.0, 16.0),
        TernaryConv2d(1, 4, 3, padding=1),
        torch.nn.BatchNorm2d(4),
        StepActivation(),
        Residual(
            torch.nn.Sequential(
                TernaryConv2d(4, 4, 3, padding=1),
                torch.nn.BatchNorm2d(4),
                StepActivation(),
            )
        ),
        torch.nn.AvgPool2d(4),
        torch.nn.Flatten(),
        torch.nn.Linear(16, 10),
    )
    pictures = torch.tensor(DIGITS, dtype=torch.float32).reshape(-1, 1, 8, 8)
    with torch.no_grad():
        module(pictures)  # for the running means
    return from_torch(module.eval(), pictures)


V1 = {
    "compressor": (t.MODELS["compressor_all"], "float64"),
    "function": (of_a_function, "float64"),
    "ints_int8": (t.MODELS["ints"], "int8"),
    "bools_float64": (t.MODELS["bools"], "float64"),
    "floats_float32": (t.MODELS["floats"], "float32"),
    "strings_int4": (of_a_frame, "int4"),
    "objects_int8": (t.MODELS["objects"], "int8"),
    "logistic_float16": (t.MODELS["logistic"], "float16"),
    "logistic_binary_int8": (t.MODELS["logistic_binary"], "int8"),
    "paper_int8": (t.MODELS["paper"], "int8"),
    "all_layers_int8": (t.MODELS["all_layers"], "int8"),
    "given_weights_int8": (t.MODELS["stored_weights"], "int8"),
    "regressor_float16": (t.MODELS["regressor"], "float16"),
    "targets_int8": (t.MODELS["targets"], "int8"),
}


CNN = CompressedCNNClassifier
SMALL = [Conv2D(6, 3), Pool2D(grid=2)]
PATCHES = [Conv2D(6, 3, weights="patches"), Pool2D(grid=2)]
DEEP = [Conv2D(5, 3, padding="same"), Pool2D(2, kind="max"), Conv2D(6, 2), Dense(12)]

V2 = {
    "ints_int8": (t.MODELS["ints"], "int8", t.X),
    "table_int8": (of_a_table, "int8", table()),
    "trained_table_int4": (partial(of_a_table, **TRAINED), "int4", table()),
    "pipeline_float64": (of_a_pipeline, "float64", t.X),
    "trained_int8": (
        partial(of_numbers, CompressedMLPClassifier, t.LABELS, 25, 20),
        "int8",
        t.X,
    ),
    "trained_regressor_float32": (
        partial(of_numbers, CompressedMLPRegressor, t.X[:, 0], 20),
        "float32",
        t.X,
    ),
    "pictures_int8": (partial(of_pictures, CNN, SMALL), "int8", DIGITS),
    "deep_pictures_int4": (partial(of_pictures, CNN, DEEP), "int4", DIGITS),
    "trained_pictures_int8": (
        partial(of_pictures, CNN, DEEP, **TRAINED),
        "int8",
        DIGITS,
    ),
    "patches": (partial(of_pictures, NTKConvCompressor, PATCHES), "float64", DIGITS),
    "pictures_regressor_int8": (
        partial(of_pictures, CompressedCNNRegressor, SMALL, DIGITS[:, 20]),
        "int8",
        DIGITS,
    ),
    "residual_int8": (of_residuals, "int8", DIGITS),
}

GOLDEN = {
    "v1": {name: (*each, t.X) for name, each in V1.items()},
    "v2": V2,
}


def plain(array):
    """Nested lists; floats as hexadecimal strings."""
    if array.dtype.kind != "f":
        return array.tolist()
    return np.vectorize(float.hex, otypes=[object])(array.astype(float)).tolist()


def described(estimator, X):
    """What a test pins."""
    wanted = ["transform", "codes", "predict", "decision_function", "predict_proba"]
    X = X[ROWS]
    rows = X.to_numpy() if isinstance(X, pd.DataFrame) else X
    if hasattr(estimator, "feature_names_in_"):
        X = pd.DataFrame(rows, columns=estimator.feature_names_in_).infer_objects()
    found = {
        name: plain(getattr(estimator, name)(X))
        for name in wanted
        if hasattr(estimator, name)
    }
    return {
        "X": rows.tolist(),
        "class": type(estimator).__name__,
        "params": {key: repr(value) for key, value in estimator.get_params().items()},
        **found,
    }


def main():
    folder = pathlib.Path(__file__).parent / sys.argv[1]
    folder.mkdir(exist_ok=True)
    warnings.simplefilter("ignore", ConvergenceWarning)
    expected = {}
    for name, (make, readout_dtype, X) in GOLDEN[sys.argv[1]].items():
        path = folder / f"{name}.lnn"
        if path.exists():
            sys.exit(f"{path} is there already")
        make().save(path, readout_dtype=readout_dtype)
        expected[name] = described(t.load(path), X)
    text = json.dumps(expected, indent=None, ensure_ascii=False)
    (folder / "expected.json").write_text(text.replace("}, ", "},\n") + "\n")


if __name__ == "__main__":
    main()
