"""Write model files that must load for ever, and what they put out.

    python tests/data/make_golden.py v1

Run once for each version of the format, never again: files that are there are left
alone. Numbers are written as hexadecimal floats: every bit counts.
"""

import json
import pathlib
import sys
import warnings

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
import test_archive as t

from sklearn_lossless import CompressedMLPClassifier, NTKCompressor

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


GOLDEN = {
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


def plain(array):
    """Nested lists; floats as hexadecimal strings."""
    if array.dtype.kind != "f":
        return array.tolist()
    return np.vectorize(float.hex, otypes=[object])(array.astype(float)).tolist()


def described(estimator):
    """What a test pins."""
    wanted = ["transform", "codes", "predict", "decision_function", "predict_proba"]
    X = t.X[ROWS]
    if hasattr(estimator, "feature_names_in_"):
        X = pd.DataFrame(X, columns=estimator.feature_names_in_)
    found = {
        name: plain(getattr(estimator, name)(X))
        for name in wanted
        if hasattr(estimator, name)
    }
    return {
        "class": type(estimator).__name__,
        "params": {key: repr(value) for key, value in estimator.get_params().items()},
        **found,
    }


def main():
    folder = pathlib.Path(__file__).parent / sys.argv[1]
    folder.mkdir(exist_ok=True)
    warnings.simplefilter("ignore", ConvergenceWarning)
    expected = {"X": t.X[ROWS].tolist()}
    for name, (make, readout_dtype) in GOLDEN.items():
        path = folder / f"{name}.lnn"
        if path.exists():
            sys.exit(f"{path} is there already")
        make().save(path, readout_dtype=readout_dtype)
        expected[name] = described(t.load(path))
    text = json.dumps(expected, indent=None, ensure_ascii=False)
    (folder / "expected.json").write_text(text.replace("}, ", "},\n") + "\n")


if __name__ == "__main__":
    main()
