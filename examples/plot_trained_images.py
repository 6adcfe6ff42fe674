"""What do trained filters see, and how small is their C program?
=================================================================

Two small convolutions, trained on scikit-learn's digits with ternary weights: the
course of the training, the filters and what they find, what is taken for what, and the
bytes of the program in C.
"""

import pathlib
import shutil
import subprocess
import tempfile

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import train_test_split

from sklearn_lossless import CompressedCNNClassifier, Conv2D, Pool2D
from sklearn_lossless.export import to_c
from sklearn_lossless.inspection import TrainingCurveDisplay

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

# %%
# Training
# --------
#
# Each filter keeps 5 of its 9 weights in the first layer and 32 of 108 in the second,
# as signs, at every step of the training. The largest code of each 2 x 2 places goes
# on, and at the end sums over all places. Held-out rows tell when it is enough.

layers = [
    Conv2D(12, 3, eps=1 - 5 / 9, padding="same"),
    Pool2D(2, kind="max"),
    Conv2D(24, 3, eps=0.7),
    Pool2D(grid=1),
]
clf = CompressedCNNClassifier(
    image_shape=(8, 8),
    hidden_layers=layers,
    hidden_weights="trained",
    max_iter=40,
    batch_size=50,
    learning_rate_init=0.005,
    early_stopping=True,
    random_state=0,
)
clf.fit(X_train, y_train)
random = CompressedCNNClassifier((8, 8), layers, random_state=0).fit(X_train, y_train)
print(f"trained filters: {clf.score(X_test, y_test):.3f} of the test digits are right")
print(f"random filters:  {random.score(X_test, y_test):.3f}")

TrainingCurveDisplay.from_estimator(clf)

# %%
# Filters and feature maps
# ------------------------
#
# The twelve filters of the first layer (red adds, blue subtracts), and the codes that
# they put out for one digit after pooling: 4 x 4 places, 0 to 7.

filters = clf.network_.weights(0).dense(9).T.reshape(12, 3, 3)
all_layers = clf.network_.with_readout_layers("all").forward(X_test[:1])[0]
start = 8 * 8 * 12  # behind the codes of the convolution are those of the pooling
maps = all_layers[start : start + 4 * 4 * 12].reshape(4, 4, 12)

figure, axes = plt.subplots(2, 13, figsize=(10, 2), layout="constrained")
axes[0, 0].imshow(X_test[0].reshape(8, 8), cmap="gray_r")
for number in range(12):
    axes[0, number + 1].imshow(filters[number], cmap="RdBu_r", vmin=-1, vmax=1)
    axes[1, number + 1].imshow(maps[..., number], cmap="viridis", vmin=0, vmax=7)
for ax in axes.ravel():
    ax.set_axis_off()

# %%
# What is taken for what
# ----------------------

ConfusionMatrixDisplay.from_estimator(clf, X_test, y_test, colorbar=False)

# %%
# Bytes
# -----
#
# The model file with an int8 readout; and the program in C, which has the same
# predictions bit for bit: its code and tables, and the memory that it works in.

print(f"model file: {clf.size_report('int8')['file']:,} bytes")
compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
with tempfile.TemporaryDirectory() as folder:
    source, header = to_c(clf, pathlib.Path(folder) / "digits.c", readout_bits=8)
    for line in header.read_text().split("*/")[0].splitlines():
        if "bytes" in line:
            print(line.strip(" *"))
    if compiler:
        program = pathlib.Path(folder) / "digits.o"
        command = [compiler, "-std=c99", "-Os", "-c", source, "-o", program]
        subprocess.run(command, check=True)
        size = subprocess.run(["size", program], capture_output=True, text=True)
        n_bytes = int(size.stdout.splitlines()[1].split()[0])
        print(f"compiled: {n_bytes:,} bytes of code and tables")
plt.show()
