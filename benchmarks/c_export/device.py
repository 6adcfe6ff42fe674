"""Flash, RAM and stack of exported models on a Cortex-M0, and what it costs to run.

Trains on MNIST, cross-compiles with Debian's gcc-arm-none-eabi, and runs what fits into
a BBC micro:bit (256 kB of flash, 16 kB of RAM) on QEMU's, where scores must equal
Python's. The instructions of a prediction are counted by QEMU's clock.

    python benchmarks/c_export/device.py --data mnist.npz [--only 16-32-64 --out FILE]

With `--only` the rows of other networks stay in the file.
"""

import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import numpy as np

from sklearn_lossless import CompressedMLPClassifier
from sklearn_lossless.datasets import load_mnist
from sklearn_lossless.export import integer_readout, to_c

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from trained_images import estimator  # noqa: E402

CROSS = (
    *("arm-none-eabi-gcc", "-mcpu=cortex-m0", "-mthumb", "-Os", "-std=c99"),
    *("-Wall", "-Wextra", "-Wpedantic", "-Werror", "-ffreestanding"),
    *("-ffunction-sections", "-fdata-sections"),
)

#: QEMU's clock ticks once per instruction and nanosecond, the timer at 16 MHz.
INSTRUCTIONS_PER_TICK = 62.5

WIDE, DEEP = (1000,), (2000, 2000, 1000)

#: Hidden layers that are trained: the more zeros, the less flash.
TRAINED = {
    (64,): {"eps": 0.95, "max_iter": 20},
    (128,): {"eps": 0.9, "max_iter": 20},
    (200, 100): {"eps": (0.95, 0.8), "max_iter": 40},
}

#: Networks of pictures, trained as in benchmarks/trained_images.py.
PICTURES = {
    ("conv 8", "conv 16", 64): "8-16-64",
    ("conv 16", "conv 32", 64): "16-32-64",
}

#: Hidden layers, where the weights are, bits of the readout, whether packed.
MODELS = [
    *((sizes, "table", 8, False) for sizes in PICTURES),
    *((sizes, "table", 8, False) for sizes in TRAINED),
    (WIDE, "table", 8, False),
    (WIDE, "seed", 8, False),
    (WIDE, "seed", 32, False),
    (DEEP, "table", 8, False),
    (DEEP, "seed", 8, False),
    (DEEP, "seed", 8, True),
    (DEEP, "seed", 32, False),
]


def run(*command, cwd=None):
    done = subprocess.run(
        command, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


def write_images(X, path):
    rows = ",\n".join("{" + ",".join(map(str, row)) + "}" for row in X.tolist())
    path.write_text(
        f"#include <stdint.h>\n#define N_IMAGES {len(X)}\n"
        f"static const uint8_t images[N_IMAGES][{X.shape[1]}] = {{\n{rows}\n}};\n"
    )


def sections(file):
    """Bytes of text, data and bss, by `size`."""
    text, data, bss = run("arm-none-eabi-size", file).splitlines()[1].split()[:3]
    return int(text), int(data), int(bss)


def flash_of_model(program):
    """Bytes of flash of the model alone: its functions, its tables, libgcc's."""
    ours = "images|memset|memcpy|main|reset|fault|print|print_number|semihost|now"
    others = 0
    for line in run("arm-none-eabi-nm", "-S", program).splitlines():
        parts = line.split()
        is_ours = len(parts) == 4 and re.fullmatch(f"({ours}|vectors)", parts[3])
        if is_ours and int(parts[0], 16) < 0x20000000:
            others += int(parts[1], 16)
    return sections(program)[0] - others


def stack_of_chain(folder):
    """Bytes of stack of model_predict and what it calls, by gcc's call graph."""
    text = (folder / "model.ci").read_text()
    frames = {
        title: int(size)
        for title, size in re.findall(
            r'node: { title: "([^"]+)" label: "[^"]*?(\d+) bytes \(static\)', text
        )
    }
    edges = re.findall(r'sourcename: "([^"]+)" targetname: "([^"]+)"', text)

    def deepest(name):
        called = [deepest(target) for source, target in edges if source == name]
        return frames.get(name, 0) + max(called, default=0)

    return deepest("model_predict")


def measure(clf, X, options, folder):
    source, header = to_c(clf, folder / "model.c", **options)
    write_images(X, folder / "images.h")
    run(*CROSS, "-fstack-usage", "-fcallgraph-info=su", "-c", source, cwd=folder)
    fits = True
    for flash in ("256K", "16M"):
        script = folder / "device.ld"
        script.write_text((HERE / "device.ld").read_text().replace("FLASH_SIZE", flash))
        command = [*CROSS, "-I", str(folder), str(HERE / "device.c"), "model.o"]
        command += ["-nostdlib", "-Wl,--gc-sections", "-T", "device.ld", "-lgcc"]
        done = subprocess.run(
            [*command, "-o", "device.elf"], cwd=folder, capture_output=True, text=True
        )
        if done.returncode == 0:
            break
        if "FLASH' overflowed" not in done.stderr:
            raise SystemExit(done.stderr)
        fits = False
    result = {
        "flash": flash_of_model(folder / "device.elf"),
        "workspace": int(re.search(r"(\d+) bytes of RAM", header.read_text()).group(1)),
        "bss": sections(folder / "device.elf")[2],
        "stack_by_gcc": stack_of_chain(folder),
        "fits_microbit": fits,
    }
    if fits:
        result |= simulate(clf, X, options, folder)
    return result


def simulate(clf, X, options, folder):
    """Run on QEMU's micro:bit; scores must be Python's."""
    text = run(
        *("qemu-system-arm", "-M", "microbit", "-nographic", "-icount", "shift=0"),
        *("-semihosting-config", "enable=on,target=native"),
        *("-kernel", str(folder / "device.elf")),
    )
    rows = [[int(word, 16) for word in line.split()] for line in text.splitlines()]
    rows = np.array(rows, dtype=np.uint64).astype(np.int64)
    readout = integer_readout(clf, options["readout_bits"])
    sums = clf.network_.forward(X).astype(np.int64) @ readout.weights
    scores = sums * readout.factor + readout.offset
    np.testing.assert_array_equal(rows[:, 3:], scores)
    np.testing.assert_array_equal(rows[:, 0], scores.argmax(axis=1))
    return {
        "instructions": int(np.median(rows[:, 1]) * INSTRUCTIONS_PER_TICK),
        "stack_used": int(rows[:, 2].max()),
        "n_images_equal": len(X),
    }


def fit(sizes, X, y):
    """Return the fitted classifier of `MODELS`."""
    if sizes in PICTURES:
        return estimator(PICTURES[sizes], random_state=0).fit(X, y)
    how = {"eps": 0.9}
    if sizes in TRAINED:
        how = {"hidden_weights": "trained", **TRAINED[sizes]}
    return CompressedMLPClassifier(sizes, random_state=0, **how).fit(X, y)


def write_results(rows, path):
    """Write the rows, and those of other networks that were there, in order."""
    rows = json.loads(json.dumps(rows))
    found = {tuple(row["sizes"]) for row in rows}
    old = json.loads(path.read_text()) if path.exists() else []
    rows = [row for row in old if tuple(row["sizes"]) not in found] + rows
    order = [list(sizes) for sizes, *_ in MODELS]
    rows.sort(key=lambda row: order.index(row["sizes"]))
    path.write_text(json.dumps(rows, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="mnist.npz; None: from OpenML")
    parser.add_argument("--train", type=int, default=60_000, help="training images")
    parser.add_argument("--images", type=int, default=3, help="images for the device")
    parser.add_argument("--out", type=pathlib.Path, help="JSON file of the results")
    parser.add_argument("--only", choices=PICTURES.values(), action="append")
    args = parser.parse_args()
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if not shutil.which(tool):
            raise SystemExit(f"{tool} is needed: gcc-arm-none-eabi, qemu-system-arm")
    X_train, y_train, X_test, y_test = load_mnist(args.data)
    X_train, y_train = X_train[: args.train], y_train[: args.train]
    fitted, results = {}, []
    for sizes, weights, bits, packed in MODELS:
        options = {"weights": weights, "readout_bits": bits, "packed": packed}
        if args.only and PICTURES.get(sizes) not in args.only:
            continue
        if sizes not in fitted:
            fitted[sizes] = fit(sizes, X_train, y_train)
        clf = fitted[sizes]
        readout = integer_readout(clf, options["readout_bits"])
        scores = clf.network_.forward(X_test) @ readout.weights * readout.factor
        accuracy = np.mean((scores + readout.offset).argmax(axis=1) == y_test)
        with tempfile.TemporaryDirectory() as folder:
            found = measure(clf, X_test[: args.images], options, pathlib.Path(folder))
        kind = "trained" if sizes in TRAINED | PICTURES else "random"
        row = {"sizes": sizes, "hidden_weights": kind, **options}
        results.append({**row, "accuracy": accuracy, **found})
        print(results[-1], flush=True)
        if args.out:
            write_results(results, args.out)


if __name__ == "__main__":
    main()
