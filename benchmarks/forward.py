"""Speed of the forward pass against what else would compute such a layer.

    python benchmarks/forward.py [--quick] [--output benchmarks/results/forward]

Everything in one process with two threads, contenders taking turns, medians; every
figure is a ratio to a peer timed in the same turns. Writes a Markdown table and JSON.
PyTorch and ONNX Runtime take part where they are installed. With OMP_NUM_THREADS=1
there is one thread for everybody, and its processor time counts: other work on the
machine then does less harm. NUMBA_CPU_NAME=znver3 and OPENBLAS_CORETYPE=Haswell stand
for a processor with AVX2.
"""

import argparse
import json
import os
import statistics
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "2")

import numpy as np
from _machine import about
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_approximation import RBFSampler
from sklearn.neural_network import MLPClassifier

from sklearn_lossless import CompressedMLPClassifier, NTKCompressor
from sklearn_lossless.network import _engine, ternary_weights
from sklearn_lossless.network._engine import bitsliced, blocks, packing
from sklearn_lossless.network._engine.layer import aligned_zeros
from sklearn_lossless.network._engine.vector import (
    PART_WORDS,
    broadcast_part,
    kernel,
    load_row_part,
    store,
)

N_JOBS = int(os.environ["OMP_NUM_THREADS"])

#: Of threads that wait for each other the time on the wall counts.
CLOCK = time.process_time if N_JOBS == 1 else time.perf_counter

#: Seconds of each turn that are not timed, and that are. Threads of BLAS spin for a
#: while after their last product, and cores that slept take a while to wake up.
WARM_UP = 0.08
TIMED = 0.15
TURNS = 5

SIZES = (784, 2000, 2000, 1000)

#: Times faster than the peer that the engine should be, by what the processor's vectors
#: are. With 512 bits nothing may get slower than it was.
GOALS = {
    "AVX2": {
        ("hidden 2000-2000, binary planes", "eps=0.5"): 25,
        ("hidden 2000-2000, binary planes", "eps=0.9"): 80,
        ("hidden 2000-2000, binary planes", "eps=0.95"): 130,
        ("forward 784-2000-2000-1000", "eps=0.9, n_levels=2, input_bits=4"): 45,
        ("forward 784-2000-2000-1000", "eps=0.9, n_levels=8, input_bits=8"): 25,
        ("predict 784-2000-2000-1000-10", "n_levels=8"): 25,
        ("transform 784-2000", "float32 features"): 12,
        ("one sample 784-2000-2000-1000", "n_levels=2"): 12,
        ("one sample 784-2000-2000-1000", "n_levels=8"): 8,
    },
    "AVX-512": {
        ("hidden 2000-2000, binary planes", "eps=0.5"): 17,
        ("hidden 2000-2000, binary planes", "eps=0.9"): 78,
        ("hidden 2000-2000, binary planes", "eps=0.95"): 138,
        ("forward 784-2000-2000-1000", "eps=0.9, n_levels=2, input_bits=4"): 38,
        ("forward 784-2000-2000-1000", "eps=0.9, n_levels=8, input_bits=8"): 17,
        ("predict 784-2000-2000-1000-10", "n_levels=8"): 15,
        ("transform 784-2000", "float32 features"): 6,
        ("one sample 784-2000-2000-1000", "n_levels=2"): 9,
        ("one sample 784-2000-2000-1000", "n_levels=8"): 9,
    },
}

#: What goals are against; what else is compared tells why.
GOAL_PEERS = {"BLAS", "MLPClassifier", "RBFSampler"}

#: Samples that are run at once, around the steps from one kernel to another.
BATCHES = (1, 2, 4, 8, 12, 13, 16, 33, 64)


def seconds_per_run(run, seconds):
    """Run again and again for some time; return the mean."""
    n_runs, start = 0, CLOCK()
    while (elapsed := CLOCK() - start) < seconds:
        run()
        n_runs += 1
    return elapsed / n_runs


def take_turns(contenders):
    """Return the median seconds of each contender; they run one after another."""
    times = {name: [] for name in contenders}
    for _ in range(TURNS):
        for name, run in contenders.items():
            seconds_per_run(run, WARM_UP)
            times[name].append(seconds_per_run(run, TIMED))
    return {name: statistics.median(runs) for name, runs in times.items()}


def pixels(n_rows, n_features=784, seed=0):
    """Images of about MNIST's statistics: a fifth of the pixels lit."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 256, (n_rows, n_features))
    return (X * (rng.random((n_rows, n_features)) < 0.2)).astype(np.uint8)


def dense_weights(sizes, seed=0):
    rng = np.random.default_rng(seed)
    return [
        rng.normal(size=shape).astype(np.float32) / np.float32(np.sqrt(shape[0]))
        for shape in pairwise(sizes)
    ]


def blas(X, weights):
    for W in weights:
        X = np.maximum(X @ W, 0)
    return X


def csr(X, weights):
    for W in weights:
        X = np.maximum(W @ X, 0)
    return X


def fitted(X, sizes, **parameters):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return NTKCompressor(sizes[1:], random_state=0, **parameters).fit(X).network_


def binary_layer(n_inputs, n_outputs, eps):
    k = round((1 - eps) * n_inputs)
    drawn = ternary_weights(0, 0, n_inputs, n_outputs, k)
    thresholds = np.zeros((n_outputs, 1), dtype=np.int64)
    levels = np.array([0, 1], dtype=np.uint8)
    return _engine.prepare_layer(
        drawn.indices, drawn.n_plus, thresholds, levels, n_inputs, 1
    )


def packed_layer(codes, layer, *, read_only=False):
    """Return a function that runs `layer` on `codes`, packed in planes beforehand."""
    n_rows_in, n_rows_out = blocks.padded(2000), blocks.padded(2000)
    tile = aligned_zeros(packing.TILE, np.uint64)
    scratch = aligned_zeros(bitsliced.SUMS_WORDS, np.uint64)
    out = aligned_zeros(n_rows_out * blocks.N_WORDS, np.uint64)
    one_position = np.zeros(1, dtype=np.int64)
    packed = []
    for start in range(0, len(codes), blocks.BLOCK):
        padded = aligned_zeros(blocks.BLOCK * n_rows_in, np.uint8)
        some = codes[start : start + blocks.BLOCK]
        padded.reshape(blocks.BLOCK, -1)[:, :2000] = some
        packed.append(aligned_zeros(n_rows_in * blocks.N_WORDS, np.uint64))
        packing.pack(padded, 1, tile, packed[-1])

    def run():
        for planes in packed:
            if read_only:
                read_rows(planes, layer.tap_offsets, out)
                continue
            bitsliced.layer_on_planes(
                planes,
                1,
                layer.tap_offsets,
                layer.n_minus,
                layer.thresholds,
                layer.level_changes,
                layer.first_level,
                layer.sum_bits,
                scratch,
                1,
                out,
                one_position,
            )

    return run


@kernel
def read_rows(planes, rows, out):
    """Read the inputs of each neuron and do next to nothing with them."""
    flat_rows = rows.reshape(rows.size)
    for o in range(len(rows)):
        for part in range(0, blocks.N_WORDS, PART_WORDS):
            a = b = broadcast_part(np.uint64(0))
            for position in range(o * rows.shape[1], (o + 1) * rows.shape[1], 8):
                for i in range(0, 8, 2):
                    a = a ^ load_row_part(planes, part, flat_rows, position + i)
                    b = b ^ load_row_part(planes, part, flat_rows, position + i + 1)
            store(out, o * blocks.N_WORDS + part, a ^ b)


#: Beside the calling thread; like those of BLAS they are there before the clock runs.
THREADS = ThreadPoolExecutor(max(1, N_JOBS - 1))


def on_threads(runs):
    others = [THREADS.submit(run) for run in runs[1:]]
    runs[0]()
    for other in others:
        other.result()


def hidden_layer(report, n_rows):
    """One 2000 -> 2000 layer of binary codes, from planes to planes and with packing.

    "Reading alone" bounds it: the same inputs are read, but not added.
    """
    rng = np.random.default_rng(0)
    n_rows = n_rows // (512 * N_JOBS) * 512 * N_JOBS
    codes = rng.integers(0, 2, (n_rows, 2000)).astype(np.uint8)
    X, W = codes.astype(np.float32), dense_weights((2000, 2000))[0]
    parts = np.split(codes, N_JOBS)
    for eps in (0.5, 0.9, 0.95):
        layer = binary_layer(2000, 2000, eps)
        from_codes = [partial(_engine.forward, part, [layer]) for part in parts]
        from_planes = [packed_layer(part, layer) for part in parts]
        reading = [packed_layer(part, layer, read_only=True) for part in parts]
        taken = take_turns(
            {
                "BLAS": lambda: X @ W,
                "ours": lambda runs=from_planes: on_threads(runs),
                "with packing": lambda runs=from_codes: on_threads(runs),
                "reading alone": lambda runs=reading: on_threads(runs),
            }
        )
        report("hidden 2000-2000, binary planes", f"eps={eps}", "BLAS", taken)
        report("hidden 2000-2000, binary planes", f"eps={eps}", "reading alone", taken)
        taken["ours"] = taken["with packing"]
        report("hidden 2000-2000, binary, row-major", f"eps={eps}", "BLAS", taken)


def whole_forward(report, n_rows, grid):
    """784-2000-2000-1000, from uint8 pixels to row-major codes."""
    X = pixels(n_rows)
    X32, weights = X.astype(np.float32) / 255, dense_weights(SIZES)
    for eps, n_levels, input_bits in grid:
        net = fitted(X, SIZES, eps=eps, n_levels=n_levels, input_bits=input_bits)
        taken = take_turns(
            {
                "BLAS": lambda: blas(X32, weights),
                "ours": lambda net=net: net.forward(X, n_jobs=N_JOBS),
            }
        )
        setting = f"eps={eps}, n_levels={n_levels}, input_bits={input_bits}"
        report("forward 784-2000-2000-1000", setting, "BLAS", taken)


def one_sample(report):
    X = pixels(2000)
    x32, weights = X[:1].astype(np.float32) / 255, dense_weights(SIZES)
    for n_levels in (2, 8):
        net = fitted(X, SIZES, n_levels=n_levels)
        taken = take_turns(
            {
                "BLAS": lambda: blas(x32, weights),
                "ours": lambda net=net: net.forward(X[:1]),
            }
        )
        report("one sample 784-2000-2000-1000", f"n_levels={n_levels}", "BLAS", taken)


def few_samples(report):
    """Microseconds per sample of small batches: none should exceed one alone."""
    X = pixels(2000)
    for n_levels in (2, 8):
        net = fitted(X, SIZES, n_levels=n_levels)
        for n_rows in BATCHES:
            few = X[:n_rows]
            taken = take_turns({"ours": lambda net=net, few=few: net.forward(few)})
            setting = f"rows={n_rows}, n_levels={n_levels}"
            report("batch 784-2000-2000-1000", setting, "", taken, n_rows=n_rows)


def estimators(report, n_rows):
    """Whole predictions, and random features, with validation and all."""
    X = pixels(n_rows)
    X32 = X.astype(np.float32) / 255
    y = np.arange(n_rows) % 10
    clf = CompressedMLPClassifier(SIZES[1:], random_state=0, alpha=1e-3, n_jobs=N_JOBS)
    clf.fit(X[:4000], y[:4000])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mlp = MLPClassifier(SIZES[1:], max_iter=1).fit(X32[:1000], y[:1000])
    for method in ("predict", "predict_proba"):
        taken = take_turns(
            {
                "MLPClassifier": lambda method=method: getattr(mlp, method)(X32),
                "ours": lambda method=method: getattr(clf, method)(X),
            }
        )
        report(f"{method} 784-2000-2000-1000-10", "n_levels=8", "MLPClassifier", taken)
    rbf = RBFSampler(n_components=2000, random_state=0).fit(X32)
    ours = NTKCompressor((2000,), random_state=0, n_jobs=N_JOBS).fit(X32)
    taken = take_turns(
        {
            "RBFSampler": lambda: rbf.transform(X32),
            "ours": lambda: ours.transform(X32),
            "codes": lambda: ours.codes(X32),
        }
    )
    report("transform 784-2000", "float32 features", "RBFSampler", taken)


def onnx_runtime(X, weights):
    """Return a run of the dense network in ONNX Runtime."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    nodes, tensors, name = [], [], "x0"
    for i, W in enumerate(weights):
        tensors.append(numpy_helper.from_array(W, f"W{i}"))
        nodes.append(helper.make_node("MatMul", [name, f"W{i}"], [f"y{i}"]))
        name = f"x{i + 1}"
        nodes.append(helper.make_node("Relu", [f"y{i}"], [name]))
    ends = [
        helper.make_tensor_value_info(end, TensorProto.FLOAT, [None, width])
        for end, width in (("x0", X.shape[1]), (name, weights[-1].shape[1]))
    ]
    graph = helper.make_graph(nodes, "dense", ends[:1], ends[1:], tensors)
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = N_JOBS
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, {"x0": X})


def other_libraries(report, n_rows):
    """The same sizes in scipy.sparse, and in what else is installed."""
    X = pixels(n_rows)
    X32, weights = X.astype(np.float32) / 255, dense_weights(SIZES)
    net = fitted(X, SIZES)
    sparse_weights = [
        sparse.random_array(W.T.shape, density=0.1, dtype=np.float32, rng=0).tocsr()
        for W in weights
    ]
    XT = np.ascontiguousarray(X32.T)
    contenders = {"scipy.sparse CSR": lambda: csr(XT, sparse_weights)}
    try:
        import torch

        torch.set_num_threads(N_JOBS)
        layers = []
        for W in weights:
            linear = torch.nn.Linear(*W.shape, bias=False)
            linear.weight.data = torch.from_numpy(W.T.copy())
            layers += [linear, torch.nn.ReLU()]
        model, x = torch.nn.Sequential(*layers).eval(), torch.from_numpy(X32)
        int8 = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear})
        contenders["PyTorch float32"] = torch.inference_mode()(lambda: model(x))
        contenders["PyTorch dynamic int8"] = torch.inference_mode()(lambda: int8(x))
    except ImportError:
        pass
    with suppress(ImportError):
        contenders["ONNX Runtime float32"] = onnx_runtime(X32, weights)
    for name, run in contenders.items():
        taken = take_turns({name: run, "ours": lambda: net.forward(X, n_jobs=N_JOBS)})
        report("forward 784-2000-2000-1000", "defaults", name, taken)


def growth(report):
    """Microseconds per row as one size grows, the others at their defaults."""
    for eps in (0.99, 0.95, 0.9, 0.8, 0.5, 0.0):
        X = pixels(4096, 2000)
        net = fitted(X, (2000, 2000), eps=eps)
        taken = take_turns({"ours": lambda net=net, X=X: net.forward(X)})
        report("growth 2000-2000", f"eps={eps}", "", taken, n_rows=4096)
    for n_rows in (1, 16, 64, 256, 512, 4096, 32_768):
        X = pixels(max(n_rows, 2))
        net = fitted(X, (784, 2000))
        taken = take_turns({"ours": lambda net=net, X=X, n=n_rows: net.forward(X[:n])})
        report("growth 784-2000", f"rows={n_rows}", "", taken, n_rows=n_rows)
    for width in (500, 1000, 2000, 4000, 8000):
        X = pixels(4096)
        net = fitted(X, (784, width))
        taken = take_turns({"ours": lambda net=net, X=X: net.forward(X)})
        report("growth 784-width", f"width={width}", "", taken, n_rows=4096)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer settings")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument(
        "--output", type=Path, default=Path("benchmarks/results/forward")
    )
    arguments = parser.parse_args()
    vectors = about("benchmarks/forward.py")["vectors"]
    goals = GOALS.get(vectors, {})
    print(f"Vectors of this processor: {vectors}")
    rows = []

    def report(work, setting, peer, taken, n_rows=None):
        ours = taken["ours"]
        row = {"work": work, "setting": setting, "peer": peer, "ours_ms": 1e3 * ours}
        if peer:
            row |= {"peer_ms": 1e3 * taken[peer], "ratio": taken[peer] / ours}
            figures = f"{row['peer_ms']:10.2f} ms {row['ratio']:7.1f}x"
            if peer in GOAL_PEERS and (work, setting) in goals:
                row["goal"] = goals[work, setting]
                is_met = "met" if row["ratio"] >= row["goal"] else "missed"
                figures += f"  goal {row['goal']}x {is_met}"
        else:
            row["us_per_row"] = 1e6 * ours / n_rows
            figures = f"{row['us_per_row']:10.2f} us per row"
        rows.append(row)
        print(f"{work:42}{setting:38}{peer:18}{row['ours_ms']:9.2f} ms{figures}")

    grid = [(0.9, 2, 4), (0.9, 8, 8)]
    if not arguments.quick:
        grid += [(eps, 8, 8) for eps in (0.0, 0.5, 0.95, 0.99)]
        grid += [(0.9, n_levels, 8) for n_levels in (2, 4, 16)]
        grid += [(0.9, 8, input_bits) for input_bits in (1, 4)]
    hidden_layer(report, arguments.rows)
    whole_forward(report, arguments.rows, grid)
    estimators(report, arguments.rows)
    one_sample(report)
    few_samples(report)
    other_libraries(report, arguments.rows)
    if not arguments.quick:
        growth(report)

    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n")
    lines = [f"Vectors: {vectors}", ""]
    lines += ["| work | setting | against | ours, ms | theirs, ms | ratio | goal |"]
    lines += ["|---|---|---|---:|---:|---:|---:|"]
    for row in rows:
        theirs = (
            f"{row['peer_ms']:.1f} | {row['ratio']:.1f}x"
            if row["peer"]
            else (f" | {row['us_per_row']:.1f} us per row")
        )
        lines.append(
            f"| {row['work']} | {row['setting']} | {row['peer']} | "
            f"{row['ours_ms']:.2f} | {theirs} | {row.get('goal', '')} |"
        )
    arguments.output.with_suffix(".md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
