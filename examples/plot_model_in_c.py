"""How do I run a fitted classifier where there is no Python?
===========================================================

As C source, which needs no library. Here a network is exported, compiled, and fed with
rows of a CSV file. Its hidden weights are in constant tables, or drawn again from the
seed; then the program hardly grows with the network. For sizes and times on a small
processor see :doc:`/guide/microcontroller`.
"""

import io
import pathlib
import shutil
import subprocess
import tempfile

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklearn_lossless import CompressedMLPClassifier
from sklearn_lossless.export import to_c

CC = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
if CC is None:
    raise SystemExit("This example needs a C compiler.")
try:
    here = pathlib.Path(__file__).parent
except NameError:  # run by sphinx-gallery
    here = pathlib.Path.cwd()

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.4, random_state=0)

clf = CompressedMLPClassifier((300, 300), eps=0.8, random_state=0).fit(X_train, y_train)

# %%
# One source file and one header; ``examples/c/main.c`` reads the rows.

folder = pathlib.Path(tempfile.mkdtemp())
source, header = to_c(clf, folder / "digits.c", accuracy=clf.score(X_test, y_test))
print(header.read_text().split("*/")[0] + "*/\n")

command = [CC, "-std=c99", "-O2", "-I", folder, here / "c" / "main.c", source]
subprocess.run([*command, "-o", folder / "digits"], check=True)

rows = io.StringIO()
np.savetxt(rows, X_test, delimiter=",", fmt="%.17g")
done = subprocess.run(
    [folder / "digits"],
    input=rows.getvalue(),
    capture_output=True,
    text=True,
    check=True,
)
labels = np.array(done.stdout.split(), dtype=int)
n_equal = np.count_nonzero(labels == clf.predict(X_test))
print(f"C and Python agree on {n_equal} of {len(X_test)} digits.")

# %%
# Bytes of code and tables, by the width of two hidden layers.


def compiled_bytes(clf, **options):
    """Code and constant data of the compiled model, without those of `main`."""
    source, _ = to_c(clf, folder / "model.c", readout_bits=8, **options)
    program = folder / "model.o"
    subprocess.run([CC, "-std=c99", "-Os", "-c", source, "-o", program], check=True)
    done = subprocess.run(["size", program], capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[1].split()[0])


widths = [100, 200, 400, 800]
sizes = {"table": [], "seed": [], "dense float32": []}
for width in widths:
    clf = CompressedMLPClassifier((width, width), eps=0.9, alpha=1.0, random_state=0)
    clf.fit(X_train, y_train)
    for weights in ("table", "seed"):
        sizes[weights].append(compiled_bytes(clf, weights=weights))
    n_weights = clf.network_.n_weights + clf.readout_.coef_.size
    sizes["dense float32"].append(4 * n_weights)

figure, axes = plt.subplots(layout="constrained")
for name, n_bytes in sizes.items():
    axes.loglog(widths, n_bytes, "o-", label=name)
    print(f"{name:14}", *(f"{each:10,}" for each in n_bytes))
axes.set(xlabel="width of two hidden layers", ylabel="bytes", xticks=widths)
axes.set_xticklabels(widths)
axes.minorticks_off()
axes.legend()
axes.set_title("Compiled model of the digits, 90 % zeros, 8-bit readout")
plt.show()
