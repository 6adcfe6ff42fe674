"""Trained networks of pictures on MNIST: accuracy, bytes of the file, time of an epoch.

    python benchmarks/trained_images.py --data mnist.npz [--network NAME] [--seeds N]
    python benchmarks/trained_images.py --data mnist.npz --only epochs
    python benchmarks/trained_images.py --data mnist.npz --only dense

Networks are trained on the 60,000 images, as they are, and scored on the test images,
by the file with an int8 readout, read again. Layers, nonzero weights and epochs were
fixed beforehand; what else was chosen was chosen on the last 10,000 training images.
An epoch is timed as the difference of two fits, in CPU time and by the clock, in turn
with the same network in PyTorch, where that is installed (float32, as many threads).
"dense" are the same layers with all their weights, in float32, with ReLU, trained by
PyTorch from one seed for as many epochs: 4 bytes for each weight and bias, with batch
normalisation folded into them.
"""

import argparse
import json
import statistics
import time
import warnings
from pathlib import Path

import numpy as np
from _machine import about
from sklearn.exceptions import ConvergenceWarning
from trained_networks import saved

from sklearn_lossless import CompressedCNNClassifier, Conv2D, Dense, Pool2D
from sklearn_lossless.datasets import load_mnist


def small(filters, nonzeros):
    """Five convolutions of 3 x 3, two poolings, and sums over all places."""
    layers, n_channels = [], 1
    for number, (n, k) in enumerate(zip(filters, nonzeros, strict=True)):
        layers.append(Conv2D(n, 3, eps=round(1 - k / (9 * n_channels), 2)))
        n_channels = n
        if number in (1, 3):
            layers.append(Pool2D(2, kind="max"))
    return [*layers, Pool2D(grid=1)]


def with_dense(filters, n_units, nonzeros):
    """A convolution of 5 x 5 and one of 3 x 3, with poolings, and a dense layer."""
    (a, b), (first, second, third) = filters, nonzeros
    return [
        Conv2D(a, 5, eps=1 - first / 25),
        Pool2D(2, kind="max"),
        Conv2D(b, 3, eps=1 - second / (9 * a)),
        Pool2D(2, kind="max"),
        Dense(n_units, eps=1 - third / (25 * b)),
    ]


#: Network: layers, epochs, accuracy that is aimed at, and bytes.
NETWORKS = {
    "4-6-8-12-12": (small((4, 6, 8, 12, 12), (5, 14, 20, 26, 36)), 24, 0.985, 950),
    "6-8-12-16-16": (small((6, 8, 12, 16, 16), (5, 18, 24, 36, 48)), 24, 0.991, 1400),
    "8-12-16-24-24": (small((8, 12, 16, 24, 24), (5, 24, 36, 48, 64)), 24, 0.994, 2500),
    "8-16-64": (with_dense((8, 16), 64, (8, 18, 40)), 20, 0.989, 3200),
    "16-32-64": (with_dense((16, 32), 64, (8, 24, 80)), 20, 0.9925, 5600),
    "16-24-32-48-48": (
        small((16, 24, 32, 48, 48), (5, 36, 54, 72, 96)),
        24,
        0.996,
        12000,
    ),
}

OPTIONS = {"hidden_weights": "trained", "batch_size": 250, "learning_rate_init": 4e-3}


def estimator(name, **more):
    """The network, to be trained for as long as the table says."""
    layers, epochs, _, _ = NETWORKS[name]
    options = OPTIONS | {"max_iter": epochs, "n_iter_no_change": epochs} | more
    return CompressedCNNClassifier((28, 28), layers, **options)


def accuracy(name, data, seeds):
    """What one network reaches, after each seed."""
    X_train, y_train, X_test, y_test = data
    _, n_epochs, aim, most = NETWORKS[name]
    runs = []
    for seed in range(seeds):
        start = time.process_time()
        clf = estimator(name, random_state=seed, n_jobs=1).fit(X_train, y_train)
        seconds = time.process_time() - start
        size, loaded = saved(clf)
        runs.append((loaded.score(X_test, y_test), size, seconds))
        print(f"  {name}: %.4f in %d bytes, %.0f s" % runs[-1], flush=True)
        scores, sizes, times = zip(*runs, strict=True)
        yield {
            "network": name,
            "epochs": n_epochs,
            "score": statistics.mean(scores),
            "scores": scores,
            "bytes": max(sizes),
            "weight_bytes": round(clf.size_report("int8")["entropy_bound"]),
            "fit_cpu_s": statistics.median(times),
            "aim_score": aim,
            "aim_bytes": most,
        }


def torch_network(name, torch, dense=False):
    """The same in PyTorch: signs of the largest weights, batch norm, steps, pooling.

    If `dense`, with all weights as they are, and ReLU.
    """
    layers = NETWORKS[name][0]
    functional = torch.nn.functional

    class Signs(torch.autograd.Function):
        @staticmethod
        def forward(context, weights, k):
            kept = weights.abs().topk(k, 1).indices
            return weights.sign() * torch.zeros_like(weights).scatter_(1, kept, 1.0)

        @staticmethod
        def backward(context, gradient):
            return gradient, None

    class Step(torch.autograd.Function):
        @staticmethod
        def forward(context, z):
            context.save_for_backward((z > -0.18) & (z < 2.68))
            return (z / 0.357 + 0.5).floor().clamp(0, 7) * 0.357

        @staticmethod
        def backward(context, gradient):
            return gradient * context.saved_tensors[0]

    class Layer(torch.nn.Module):
        def __init__(self, shape, k):
            super().__init__()
            scale = np.sqrt(np.prod(shape[1:]))
            self.weight = torch.nn.Parameter(torch.randn(shape) / scale)
            self.k, self.is_dense = k, len(shape) == 2
            norm = torch.nn.BatchNorm1d if self.is_dense else torch.nn.BatchNorm2d
            self.norm = norm(shape[0])

        def forward(self, x):
            W = self.weight
            if not dense:
                W = Signs.apply(W.flatten(1), self.k).reshape(W.shape)
            if self.is_dense:
                sums = functional.linear(x.flatten(1), W)
            else:
                sums = functional.conv2d(x, W)
            return (torch.relu if dense else Step.apply)(self.norm(sums))

    modules, n_channels, side = [], 1, 28
    for layer in layers:
        if isinstance(layer, Conv2D):
            size = layer.kernel_size
            k = round((1 - layer.eps) * size**2 * n_channels)
            modules.append(Layer((layer.n_filters, n_channels, size, size), k))
            n_channels, side = layer.n_filters, side - size + 1
        elif isinstance(layer, Pool2D):
            area = layer.size if layer.grid is None else side
            kind = torch.nn.MaxPool2d if layer.grid is None else torch.nn.AvgPool2d
            modules.append(kind(area))
            side //= area
        else:
            n_inputs = n_channels * side**2
            modules.append(
                Layer((layer.n_units, n_inputs), round((1 - layer.eps) * n_inputs))
            )
            n_channels, side = layer.n_units, 1
    n_features = n_channels * side**2
    return torch.nn.Sequential(
        *modules, torch.nn.Flatten(), torch.nn.Linear(n_features, 10)
    )


def torch_epochs(name, X, y, torch, n, dense=False):
    """Train in PyTorch for some epochs."""
    images = torch.tensor(X.reshape(-1, 1, 28, 28)).float() / 255
    labels = torch.tensor(y.astype(np.int64))
    network = torch_network(name, torch, dense)
    adam = torch.optim.Adam(network.parameters(), 4e-3)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(adam, n)
    for _ in range(n):
        for rows in torch.randperm(len(images)).split(250):
            loss = torch.nn.functional.cross_entropy(
                network(images[rows]), labels[rows]
            )
            adam.zero_grad(set_to_none=True)
            loss.backward()
            adam.step()
        rates.step()
    return network


def dense(data, names):
    """Accuracy and bytes of the networks with all their weights in float32."""
    import torch

    X_train, y_train, X_test, y_test = data
    images = torch.tensor(X_test.reshape(-1, 1, 28, 28)).float() / 255
    for name in names or NETWORKS:
        torch.manual_seed(0)
        n_epochs = NETWORKS[name][1]
        network = torch_epochs(name, X_train, y_train, torch, n_epochs, dense=True)
        with torch.no_grad():
            found = network.eval()(images).argmax(1).numpy()
        *layers, readout = (each for each in network if hasattr(each, "weight"))
        n_weights = readout.weight.numel() + len(readout.bias)
        n_weights += sum(each.weight.numel() + len(each.weight) for each in layers)
        score = float(np.mean(found == y_test))
        print(f"  dense {name}: {score:.4f} in {4 * n_weights} bytes", flush=True)
        yield {
            "network": name,
            "epochs": n_epochs,
            "score": score,
            "scores": [score],
            "bytes": 4 * n_weights,
        }


def epochs(data, n_threads, names, n_rows, rounds):
    """Seconds of an epoch of 60,000 images, ours and PyTorch's in turn."""
    X, y = data[0][:n_rows], data[1][:n_rows]
    makers = {
        "ours": lambda name, n: estimator(
            name, max_iter=n, random_state=0, n_jobs=n_threads
        ).fit(X, y)
    }
    try:
        import torch
    except ImportError:
        torch = None
    else:
        torch.set_num_threads(n_threads)
        makers["torch"] = lambda name, n: torch_epochs(name, X, y, torch, n)
    for name in names or NETWORKS:
        times = {maker: [] for maker in makers}
        for number in range(rounds + 1):
            for maker, make in makers.items():
                taken = []
                for n in (1, 3):
                    clock, cpu = time.perf_counter(), time.process_time()
                    make(name, n)
                    taken.append(
                        (time.perf_counter() - clock, time.process_time() - cpu)
                    )
                if number:  # the first compiles
                    times[maker].append(np.subtract(*taken[::-1]) / 2 * 60000 / n_rows)
        row = {"network": name, "threads": n_threads}
        for maker, each in times.items():
            row[f"{maker}_s"], row[f"{maker}_cpu_s"] = np.median(each, axis=0).tolist()
        print(row, flush=True)
        yield row


def table(known):
    """Results as Markdown."""
    lines = [
        "| network | epochs | seeds | accuracy | aim | file, bytes | aim |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in known.get("accuracy", []):
        lines.append(
            f"| {row['network']} | {row['epochs']} | {len(row['scores'])} "
            f"| {row['score']:.4f} | {row['aim_score']} | {row['bytes']:,} "
            f"| {row['aim_bytes']:,} |"
        )
    for row in known.get("dense", []):
        lines.append(
            f"| {row['network']}, dense float32 | {row['epochs']} | 1 "
            f"| {row['score']:.4f} | | {row['bytes']:,} | |"
        )
    lines += [
        "",
        "| network | threads | epoch, s of CPU time | of PyTorch | ratio |",
    ]
    lines += ["|---|---:|---:|---:|---:|"]
    for row in known.get("epochs", []):
        if "torch_s" in row:
            ratio = row["ours_cpu_s"] / row["torch_cpu_s"]
            lines.append(
                f"| {row['network']} | {row['threads']} | {row['ours_cpu_s']:.1f} "
                f"| {row['torch_cpu_s']:.1f} | {ratio:.2f} |"
            )
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="npz with X_train, y_train, ...")
    parser.add_argument("--network", choices=NETWORKS, action="append")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="of the timed epochs")
    parser.add_argument("--rows", type=int, default=10000, help="of the timed epochs")
    parser.add_argument("--rounds", type=int, default=3, help="of which is the median")
    parser.add_argument("--only", choices=["accuracy", "dense", "epochs"])
    parser.add_argument(
        "--output", type=Path, default=Path("benchmarks/results/trained_images")
    )
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    data = load_mnist(arguments.data)
    data = [each.astype(np.float32) if each.ndim == 2 else each for each in data]
    path = arguments.output.with_suffix(".json")
    known = json.loads(path.read_text()) if path.exists() else {}

    def keep(part, value):
        known.update(about("benchmarks/trained_images.py --data mnist.npz"))
        known[part] = value
        path.write_text(json.dumps(known, indent=1) + "\n")
        arguments.output.with_suffix(".md").write_text(table(known))

    if arguments.only in (None, "accuracy"):
        for name in arguments.network or NETWORKS:
            for row in accuracy(name, data, arguments.seeds):
                rows = {each["network"]: each for each in known.get("accuracy", [])}
                rows[name] = row
                keep("accuracy", [rows[each] for each in NETWORKS if each in rows])
    if arguments.only in (None, "dense"):
        rows = {each["network"]: each for each in known.get("dense", [])}
        for row in dense(data, arguments.network):
            rows[row["network"]] = row
            keep("dense", [rows[each] for each in NETWORKS if each in rows])
    if arguments.only in (None, "epochs"):
        options = arguments.threads, arguments.network, arguments.rows
        keep("epochs", list(epochs(data, *options, arguments.rounds)))


if __name__ == "__main__":
    main()
