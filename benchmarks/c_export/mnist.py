"""Exports against Python, bit by bit, on all 10,000 test images of MNIST.

For 2, 8 and 16 levels and 1 and 3 hidden layers: codes, integer scores and classes of
the C source in both weight modes, compiled by gcc with all warnings as errors and by
clang with its sanitizers; codes, scores and classes of the ONNX graph; and accuracy by
the bits of the readout.
"""

import argparse
import json
import pathlib
import sys
import tempfile
import warnings

import numpy as np
import onnxruntime
from sklearn.exceptions import ConvergenceWarning

from sklearn_lossless import CompressedMLPClassifier
from sklearn_lossless.datasets import load_mnist
from sklearn_lossless.export import integer_readout, to_c, to_onnx

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))
from c_program import OPTIMISED, SANITIZED, compile_program, run_program  # noqa: E402

SIZES = {1: (2000,), 3: (2000, 2000, 1000)}
COMPILERS = {"gcc -O2": OPTIMISED, "clang sanitized": SANITIZED}


def integer_scores(codes, readout):
    return codes.astype(np.int64) @ readout.weights * readout.factor + readout.offset


def check_c(clf, X, codes, folder):
    """Compare the C program with Python."""
    expected = integer_scores(codes, integer_readout(clf))
    predicted = clf.predict(X)
    for weights in ("table", "seed"):
        source, header = to_c(clf, folder / "model.c", weights=weights)
        for compiler, command in COMPILERS.items():
            compile_program(source, folder / "program", command)
            found = run_program(folder / "program", header, X)
            np.testing.assert_array_equal(found.codes, codes)
            np.testing.assert_array_equal(found.scores, expected)
            np.testing.assert_array_equal(clf.classes_[found.labels], predicted)
            print(f"    C, {weights}, {compiler}: {len(X):,} images equal", flush=True)


def check_onnx(clf, X, codes):
    """Compare the ONNX graph with Python; return its bytes."""
    data = to_onnx(clf, input_dtype="uint8").SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        data, options, providers=["CPUExecutionProvider"]
    )
    outputs = [
        session.run(["codes", "scores", "label"], {"X": X[start : start + 500]})
        for start in range(0, len(X), 500)
    ]
    found = [np.concatenate(parts) for parts in zip(*outputs, strict=True)]
    np.testing.assert_array_equal(found[0], codes)
    np.testing.assert_array_equal(found[1], clf.decision_function(X))
    np.testing.assert_array_equal(found[2], clf.predict(X))
    print(f"    ONNX, {len(data):,} bytes: {len(X):,} images equal", flush=True)
    return len(data)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="mnist.npz; None: from OpenML")
    parser.add_argument("--train", type=int, default=60_000, help="training images")
    parser.add_argument("--test", type=int, default=10_000, help="test images")
    parser.add_argument("--eps", type=float, default=0.9)
    parser.add_argument("--levels", type=int, nargs="+", default=[2, 8, 16])
    parser.add_argument("--depths", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--out", type=pathlib.Path, help="JSON file of the results")
    args = parser.parse_args()
    X_train, y_train, X_test, y_test = load_mnist(args.data)
    X_train, y_train = X_train[: args.train], y_train[: args.train]
    X_test, y_test = X_test[: args.test], y_test[: args.test]
    results = []
    for depth in args.depths:
        for n_levels in args.levels:
            clf = CompressedMLPClassifier(
                SIZES[depth], eps=args.eps, n_levels=n_levels, random_state=0
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                clf.fit(X_train, y_train)
            codes = clf.network_.forward(X_test)
            accuracy = {
                bits: float(
                    np.mean(
                        integer_scores(codes, integer_readout(clf, bits)).argmax(axis=1)
                        == y_test
                    )
                )
                for bits in (8, 16, 32)
            }
            print(f"{SIZES[depth]}, {n_levels} levels: {accuracy}", flush=True)
            with tempfile.TemporaryDirectory() as folder:
                check_c(clf, X_test, codes, pathlib.Path(folder))
            results.append(
                {
                    "hidden_layer_sizes": SIZES[depth],
                    "n_levels": n_levels,
                    "eps": args.eps,
                    "n_images": len(X_test),
                    "accuracy_by_bits": accuracy,
                    "onnx_bytes": check_onnx(clf, X_test, codes),
                }
            )
            if args.out:
                args.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
