"""Time of a convolution with pooling, as ratios to float32 peers in the same run.

    python benchmarks/convolution.py [--samples 2000] [--repeats 5] [--output FILE]

One layer of ternary filters (8 bits in, 8 levels) and sums over a grid, against the
same shape in float32: windows copied out, `sgemm`, relu and sums in NumPy, block by
block of 100 pictures; and onnxruntime's Conv, Relu and AveragePool, if it is installed.
Times are those of the processor, of all threads together, so that other programs
disturb little; each is the least of several, peers take turns. Then how the time grows
with filters, nonzero weights and pictures, as ratios to the first line.
"""

import argparse
import json
import os
import platform
import time
from pathlib import Path

import numpy as np

from sklearn_lossless import Conv2D, NTKConvCompressor, Pool2D

#: Pictures, window, grid and filters.
CASES = {
    "28x28, 100 of 7x7, grid 4": ((28, 28, 1), 7, 4, 100),
    "32x32x3, 400 of 6x6, grid 3": ((32, 32, 3), 6, 3, 400),
}


def ours(shape, size, grid, n_filters, n_taps=12):
    """A fitted integer network."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (300, int(np.prod(shape)))).astype(np.uint8)
    n_inputs = size * size * shape[2]
    layers = [Conv2D(n_filters, size, eps=1 - n_taps / n_inputs), Pool2D(grid=grid)]
    return NTKConvCompressor(shape, layers, random_state=0).fit(X).network_


def numpy_features(X, W, size, grid):
    """The layer in float32: copied windows, one product, relu, sums."""
    out = np.empty((len(X), grid, grid, W.shape[1]), dtype=np.float32)
    for start in range(0, len(X), 100):
        block = X[start : start + 100]
        views = np.lib.stride_tricks.sliding_window_view(block, (size, size), (1, 2))
        windows = views.reshape(*views.shape[:3], -1)
        n = windows.shape[1]
        Z = np.maximum(windows.reshape(-1, len(W)) @ W, 0)
        Z = Z.reshape(len(block), n, n, -1)
        pool = -(-n // grid)
        starts = [i * (n - pool) // (grid - 1) for i in range(grid)]
        for i, r in enumerate(starts):
            for j, c in enumerate(starts):
                window = Z[:, r : r + pool, c : c + pool]
                out[start : start + 100, i, j] = window.sum(axis=(1, 2))
    return out


def onnxruntime_session(shape, size, grid, n_filters):
    """The layer in onnxruntime, or None. Windows lie side by side."""
    try:
        import onnxruntime
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        return None
    height, _, channels = shape
    rng = np.random.default_rng(0)
    W = rng.normal(size=(n_filters, channels, size, size)).astype(np.float32)
    pool = -(-(height - size + 1) // grid)
    nodes = [
        helper.make_node("Conv", ["X", "W"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node(
            "AveragePool",
            ["b"],
            ["y"],
            kernel_shape=[pool, pool],
            strides=[pool, pool],
            ceil_mode=1,
        ),
    ]
    graph = helper.make_graph(
        nodes,
        "peer",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["n", *shape[::-1]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(W, "W")],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def least_times(runs, repeats):
    """Least time of each function, of all its threads together, taking turns."""
    times = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.process_time()
            run()
            times[name].append(time.process_time() - start)
    return {name: min(each) for name, each in times.items()}


def compare(case, n_samples, repeats):
    """Ratios of the peers' times to ours, for many pictures and for one."""
    shape, size, grid, n_filters = case
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 256, (n_samples, int(np.prod(shape)))).astype(np.uint8)
    real = codes.reshape(-1, *shape).astype(np.float32)
    W = rng.normal(size=(size * size * shape[2], n_filters)).astype(np.float32)
    network = ours(*case)
    session = onnxruntime_session(*case)
    runs = {
        "ours": lambda: network.forward(codes, n_jobs=1),
        "numpy": lambda: numpy_features(real, W, size, grid),
        "ours, one": lambda: network.forward(codes[:1]),
        "numpy, one": lambda: numpy_features(real[:1], W, size, grid),
    }
    if session is not None:
        planes = np.ascontiguousarray(real.transpose(0, 3, 1, 2))

        def by_session(X):
            for start in range(0, len(X), 100):
                session.run(None, {"X": X[start : start + 100]})

        runs["onnxruntime"] = lambda: by_session(planes)
        runs["onnxruntime, one"] = lambda: by_session(planes[:1])
    for run in runs.values():
        run()
    times = least_times(runs, repeats)
    return {
        name: round(seconds / times["ours, one" if "one" in name else "ours"], 2)
        for name, seconds in times.items()
        if not name.startswith("ours")
    }


def growth(n_samples, repeats):
    """Times of other sizes, as ratios to that of the first case."""
    shape, size, grid, n_filters = next(iter(CASES.values()))
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 256, (2 * n_samples, int(np.prod(shape)))).astype(np.uint8)
    base = ours(shape, size, grid, n_filters)
    more_filters = ours(shape, size, grid, 4 * n_filters)
    more_taps = ours(shape, size, grid, n_filters, n_taps=36)
    rows = codes[:n_samples]
    runs = {
        "base": lambda: base.forward(rows, n_jobs=1),
        "4x filters": lambda: more_filters.forward(rows, n_jobs=1),
        "3x nonzero weights": lambda: more_taps.forward(rows, n_jobs=1),
        "2x pictures": lambda: base.forward(codes, n_jobs=1),
    }
    for run in runs.values():
        run()
    times = least_times(runs, repeats)
    return {name: round(each / times["base"], 2) for name, each in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    results = {
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
    }
    for name, case in CASES.items():
        results[name] = compare(case, options.samples, options.repeats)
        print(name, results[name], flush=True)
    results["growth"] = growth(options.samples, options.repeats)
    print(results["growth"])
    if options.output:
        options.output.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
