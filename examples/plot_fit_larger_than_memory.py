"""How do I fit a file that is larger than memory?
===============================================

The hidden layers of a compressed network are integers and cost next to nothing to
compute again, and its ridge readout follows from sums over samples. So `fit` goes
through the samples block by block and holds neither the codes nor the features. Here
a process with a limit on its memory fits a file that is larger than the limit, and
whose features would be ten times as large. Linux keeps the limit.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

N_SAMPLES, WIDTH, LIMIT_MB = 100_000, 1000, 70

# %%
# The file: digits of 8 x 8 pixels drawn as 28 x 28, each one moved and noisy.

digits, labels = load_digits(return_X_y=True)
rng = np.random.default_rng(0)
drawn = np.zeros((len(digits), 32, 32), dtype=np.uint8)
drawn[:, 4:28, 4:28] = np.kron(digits.reshape(-1, 8, 8) * 12, np.ones((3, 3)))

folder = tempfile.TemporaryDirectory()
X = np.lib.format.open_memmap(
    Path(folder.name, "X.npy"), "w+", np.uint8, (N_SAMPLES, 784)
)
y = np.empty(N_SAMPLES, dtype=np.int8)
for start in range(0, N_SAMPLES, 2000):
    chosen = rng.integers(0, len(digits), 2000)
    dx, dy = rng.integers(0, 5, 2)
    noise = rng.integers(0, 64, (2000, 784), dtype=np.uint8)
    moved = drawn[chosen, dy : dy + 28, dx : dx + 28].reshape(2000, 784)
    X[start : start + 2000] = moved + noise
    y[start : start + 2000] = labels[chosen]
np.save(Path(folder.name, "y.npy"), y)
X.flush()
print(f"The file has {X.nbytes / 1e6:.0f} MB, the limit is {LIMIT_MB} MB.")

# %%
# The process with the limit. What is imported and compiled is there before; a thread
# writes down what is used. Random Fourier features of the same samples fail.

PROCESS = """
import json, resource, sys, threading, time
import numpy as np
from sklearn.kernel_approximation import RBFSampler
from sklearn_lossless import CompressedMLPClassifier

folder, width, limit_mb = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
X = np.load(f"{folder}/X.npy", mmap_mode="r")
y = np.load(f"{folder}/y.npy")
n_train = len(X) - 2000

def used_mb():
    with open("/proc/self/status") as status:
        return next(int(s.split()[1]) for s in status if s.startswith("VmData")) / 1024

def watch():
    while True:
        seen.append((time.perf_counter() - start, used_mb() - before))
        time.sleep(0.02)

CompressedMLPClassifier((20,)).fit(X[:200], y[:200])
clf = CompressedMLPClassifier((width,), random_state=0)
seen, start = [], time.perf_counter()
before = used_mb()
threading.Thread(target=watch, daemon=True).start()
before = used_mb()
limit = int((before + limit_mb) * 2**20)
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
start = time.perf_counter()
clf.fit(X[:n_train], y[:n_train])
seconds = time.perf_counter() - start
seen = [pair for pair in seen if 0 <= pair[0] <= seconds]
try:
    RBFSampler(n_components=width).fit_transform(X[:n_train])
    fourier = "fitted"
except MemoryError as error:
    fourier = f"MemoryError: {error}"
print(json.dumps({"seen": seen, "fourier": fourier, "seconds": seconds,
                  "accuracy": clf.score(X[n_train:], y[n_train:])}))
"""
done = subprocess.run(
    [sys.executable, "-c", PROCESS, folder.name, str(WIDTH), str(LIMIT_MB)],
    check=True,
    stdout=subprocess.PIPE,
    text=True,
)
result = json.loads(done.stdout)
seconds, megabytes = np.transpose(result["seen"])
print(f"CompressedMLPClassifier: {result['accuracy']:.1%} right on 2000 others,")
print(f"  {result['seconds']:.1f} s, {megabytes.max():.0f} MB at most")
print(f"RBFSampler: {result['fourier']}")

# %%
# Memory of the fit over time: sums of products of codes first, then their
# decomposition, then each sample left out once for every `alpha`.

sizes = {
    "features in float64": 8 * N_SAMPLES * WIDTH / 1e6,
    "the file": X.nbytes / 1e6,
    "limit": LIMIT_MB,
}
fig, ax = plt.subplots(layout="constrained")
ax.plot(seconds, np.maximum(megabytes, 1), color="C0")
ax.fill_between(seconds, 1, np.maximum(megabytes, 1), alpha=0.3)
for number, (name, size) in enumerate(sizes.items(), start=1):
    ax.axhline(size, color=f"C{number}", linestyle="--")
    below = -12 if name == "limit" else 4
    text = f"{name}: {size:.0f} MB"
    ax.annotate(text, (0, size), (4, below), textcoords="offset points")
ax.set(
    yscale="log",
    ylim=(1, 4000),
    xlabel="seconds of fit",
    ylabel="MB above the start",
    title=f"{N_SAMPLES:,} samples, {WIDTH} neurons, choice of alpha included",
)
del X
folder.cleanup()
plt.show()
