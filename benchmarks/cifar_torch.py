"""CIFAR-10 by ternary networks trained in PyTorch: accuracy, bytes, agreement.

    python benchmarks/cifar_torch.py --data cifar10_part.npz [--device cuda]

`--data` has arrays X_train, y_train, X_test, y_test; rows of X are pictures of
32 x 32 x 3 bytes, channels last. Training images are mirrored and shifted at random.
The network is read by `from_torch` and saved with an int8 readout; the file, read
again, is scored on the test images. Codes and predictions of 10,000 images are compared
with those of the module. Settings are chosen with `--held-out 2000`, which
trains on the other training images and scores these. `--weights FILE` keeps the trained
weights, or takes them where the file is there; `--minutes` ends a training early.
"""

import argparse
import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from _machine import about
from torch import nn
from torch.nn import functional

import sklearn_lossless
from sklearn_lossless.torch import (
    InputQuantizer,
    Residual,
    StepActivation,
    TernaryConv2d,
    from_torch,
)

HERE = Path(__file__).parent


def layer(n_in, n_out, eps, size=3, stride=1):
    """Ternary filters, normalisation, step."""
    return [
        TernaryConv2d(
            n_in, n_out, size, stride, padding=size // 2, bias=False, eps=eps
        ),
        nn.BatchNorm2d(n_out),
        StepActivation(8),
    ]


def block(n_in, n_out, stride, eps):
    """Two layers and a shortcut around them, as in ResNet."""
    branch = nn.Sequential(
        *layer(n_in, n_out, eps, stride=stride), *layer(n_out, n_out, eps)
    )
    if stride == 1 and n_in == n_out:
        return Residual(branch)
    return Residual(branch, nn.Sequential(*layer(n_in, n_out, 0.0, 1, stride)))


def ending(width):
    """Sums over all positions, linear readout."""
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10)]


def resnet(widths, n_blocks, eps):
    """ResNet of 2 + 6 * n_blocks layers for three widths."""
    blocks, n_in = [], widths[0]
    for number, width in enumerate(widths):
        for place in range(n_blocks):
            stride = 2 if number and not place else 1
            blocks.append(block(n_in, width, stride, eps[number]))
            n_in = width
    first = [InputQuantizer(0, 255), *layer(3, widths[0], 0.0)]
    return nn.Sequential(*first, *blocks, *ending(n_in))


def small(widths, n_blocks, eps):
    """A convolution and maximum pooling, then residual blocks at half the size."""
    n_in = widths[0]
    first = [InputQuantizer(0, 255), *layer(3, n_in, 0.0), nn.MaxPool2d(2)]
    blocks = []
    for number, width in enumerate(widths[1:]):
        for place in range(n_blocks):
            stride = 2 if number and not place else 1
            blocks.append(block(n_in, width, stride, eps[number]))
            n_in = width
    return nn.Sequential(*first, *blocks, *ending(n_in))


NETS = {
    "small": (small, (32, 64, 128), 1, (0.6, 0.8)),
    "resnet8": (resnet, (32, 64, 128), 1, (0.5, 0.75, 0.8)),
    "resnet20": (resnet, (24, 48, 96), 3, (0.75, 0.75, 0.875)),
}


def pictures(X, device):
    """Rows of bytes as a tensor of channels first."""
    return torch.tensor(X.reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2), device=device)


def augmented(X, reach, generator):
    """Each picture mirrored or not, and moved by up to `reach` places."""
    n, _, height, width = X.shape
    padded = functional.pad(X, [reach] * 4)
    dy, dx, mirrored = (
        torch.randint(0, top, (n, 1), generator=generator).to(X.device)
        for top in (2 * reach + 1, 2 * reach + 1, 2)
    )
    rows = dy + torch.arange(height, device=X.device)
    columns = torch.arange(width, device=X.device).expand(n, -1)
    columns = dx + torch.where(mirrored > 0, width - 1 - columns, columns)
    picture = torch.arange(n, device=X.device)[:, None, None]
    moved = padded[picture, :, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


@torch.no_grad()
def accuracy(net, X, y):
    """Share of pictures that the module gets right."""
    net.eval()
    hits = sum(
        (net(part.float()).argmax(1) == labels).sum().item()
        for part, labels in zip(X.split(500), y.split(500), strict=True)
    )
    return hits / len(y)


def train(net, X, y, X_test, y_test, options):
    """Adam with one cycle of the learning rate."""
    generator = torch.Generator().manual_seed(options.seed)
    optimiser = torch.optim.Adam(net.parameters(), options.rate)
    n_steps = options.epochs * (len(X) // options.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, options.rate, n_steps, pct_start=0.15
    )
    start = time.process_time()
    for epoch in range(options.epochs):
        net.train()
        losses = []
        order = torch.randperm(len(X), generator=generator).to(X.device)
        for rows in order.split(options.batch):
            if len(rows) < options.batch:
                continue
            batch = augmented(X[rows], 3, generator).float()
            batch = batch.to(memory_format=torch.channels_last)
            with torch.autocast(X.device.type, torch.bfloat16, options.bfloat16):
                scores = net(batch)
            loss = functional.cross_entropy(scores.float(), y[rows])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        line = f"epoch {epoch + 1}: loss {np.mean(losses):.4f}"
        if options.held_out and (epoch % 5 == 4 or epoch + 1 == options.epochs):
            line += f", held out {accuracy(net, X_test, y_test):.4f}"
        spent = time.process_time() - start
        print(f"{line}, {spent:.0f} s", flush=True)
        if spent > 60 * options.minutes:
            break
    return {"epochs": epoch + 1, "of": options.epochs, "train_cpu_s": round(spent)}


def rows_of(X):
    """The rows that the estimator takes."""
    return X.permute(0, 2, 3, 1).reshape(len(X), -1).cpu().numpy()


@torch.no_grad()
def differences(net, network, X):
    """Codes before the sums over all positions, and pictures, that differ."""
    features = net[:-3].cpu().eval()
    network = replace(network, layers=network.layers[:-1])
    n_codes = n_pictures = n_all = 0
    for part in X.cpu().split(500):
        values = features(part.float()) / net[3].step_size
        expected = values.round().permute(0, 2, 3, 1).reshape(len(part), -1).numpy()
        wrong = network.forward(rows_of(part)) != expected
        n_codes, n_all = n_codes + int(wrong.sum()), n_all + wrong.size
        n_pictures += int(wrong.any(axis=1).sum())
    return {"codes": n_all, "codes_differ": n_codes, "pictures_differ": n_pictures}


@torch.no_grad()
def compare(net, fitted, X):
    """Of these pictures, how many codes and predictions are not the module's."""
    found = differences(net, fitted.network_, X)
    labels = [net.cpu()(part.float()).argmax(1) for part in X.cpu().split(500)]
    predicted = fitted.predict(rows_of(X))
    wrong = int((predicted != torch.cat(labels).numpy()).sum())
    return {"images": len(X), **found, "predictions_differ": wrong}


def saved(fitted, X, y):
    """Bytes of the file with an int8 readout, and what it scores."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model")
        fitted.save(path, readout_dtype="int8")
        loaded = sklearn_lossless.load(path)
        return {
            "bytes": path.stat().st_size,
            "file_accuracy": float(loaded.score(rows_of(X), y.cpu().numpy())),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--net", choices=list(NETS), default="small")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--batch", type=int, default=125)
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--held-out", type=int, default=0)
    parser.add_argument("--bfloat16", action="store_true", help="faster training")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--weights")
    parser.add_argument("--out", default=HERE / "results" / "cifar_torch.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    data = np.load(options.data)
    X, X_test = (pictures(data[name], options.device) for name in ("X_train", "X_test"))
    y, y_test = (
        torch.tensor(data[name].astype(np.int64), device=options.device)
        for name in ("y_train", "y_test")
    )
    if options.held_out:
        X, X_test = X[: -options.held_out], X[-options.held_out :]
        y, y_test = y[: -options.held_out], y[-options.held_out :]
    build, *sizes = NETS[options.net]
    net = build(*sizes).to(options.device, memory_format=torch.channels_last)
    if options.weights and os.path.exists(options.weights):
        kept = torch.load(options.weights, options.device)
        net.load_state_dict(kept["weights"])
        course = kept["course"]
    else:
        course = train(net, X, y, X_test, y_test, options)
        if options.weights:
            kept = {"weights": net.state_dict(), "course": course}
            torch.save(kept, options.weights)
    if options.held_out:
        return
    net.to("cpu", memory_format=torch.contiguous_format)
    fitted = from_torch(net, X[:500])
    row = {
        "data": f"{len(X)} training images of CIFAR-10, {len(X_test)} test images",
        "net": options.net,
        "widths, blocks, eps": sizes,
        "batch": options.batch,
        "rate": options.rate,
        "seed": options.seed,
        "bfloat16": options.bfloat16,
        "device": options.device,
        **course,
        "module_accuracy": accuracy(net, X_test.cpu(), y_test.cpu()),
        **saved(fitted, X_test, y_test),
        "against_module": compare(net, fitted, X[:10_000]),
    }
    print(json.dumps(row, indent=1))
    path = Path(options.out)
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    command = f"benchmarks/cifar_torch.py --data cifar10_part.npz --net {options.net}"
    command += " --bfloat16" * options.bfloat16 + f" --epochs {options.epochs}"
    result = {**about(command), "rows": [*rows, row]}
    path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
