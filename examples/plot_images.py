"""What do random filters see, and how many bytes does a network of pictures take?
===============================================================================

Ternary filters, from the seed or from patches of the data, on scikit-learn's digits:
what they look like and what they find, how near their kernel is to that of infinitely
many dense ones, and accuracy by bytes of the model file beside dense layers. Nothing is
trained but the linear readout.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklearn_lossless import (
    CompressedCNNClassifier,
    CompressedMLPClassifier,
    Conv2D,
    NTKConvCompressor,
    Pool2D,
)
from sklearn_lossless.theory import convolution_kernel, spectral_error

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
SHAPE = (8, 8)

# %%
# Filters and feature maps
# ------------------------
#
# A filter of 4 x 4 adds six pixels and subtracts six others. Filters from whitened
# patches have edges and strokes in them. Their codes, 0 to 7, at each position are the
# feature maps; sums over a grid of windows are what the readout sees.

figure, axes = plt.subplots(4, 8, figsize=(9, 4.8), layout="constrained")
for row, weights in enumerate(("random", "patches")):
    compressor = NTKConvCompressor(
        SHAPE, [Conv2D(7, 4, eps=0.25, weights=weights)], random_state=0
    ).fit(X_train)
    filters = compressor.network_.weights(0).dense(16).T.reshape(7, 4, 4)
    maps = compressor.codes(X_test[:1]).reshape(5, 5, 7)
    axes[2 * row, 0].imshow(X_test[0].reshape(SHAPE), cmap="gray_r")
    axes[2 * row, 0].set_title(weights)
    for number in range(7):
        axes[2 * row, number + 1].imshow(
            filters[number], cmap="RdBu_r", vmin=-1, vmax=1
        )
        axes[2 * row + 1, number + 1].imshow(
            maps[..., number], cmap="viridis", vmin=0, vmax=7
        )
for ax in axes.ravel():
    ax.set_axis_off()

# %%
# The kernel, by nonzero weights of a filter
# ------------------------------------------
#
# The theory is about many weights in a filter. How many are many? The distance of the
# features' kernel from that of infinitely many dense filters, as an operator norm over
# the norm, of 12,000 filters of 5 x 5.

some = X[:60]
taps = np.array([2, 4, 8, 12, 18, 24])
errors = []
for n_taps in taps:
    layers = [Conv2D(12_000, 5, eps=1 - n_taps / 25), Pool2D(grid=2)]
    Z = NTKConvCompressor(SHAPE, layers, random_state=1).fit_transform(some)
    K = convolution_kernel(some - some.mean(), SHAPE, layers, ["relu"])
    errors.append(spectral_error(Z @ Z.T, K))
print({int(n): round(float(error), 3) for n, error in zip(taps, errors, strict=True)})

# %%
# Accuracy, by bytes of the model file
# ------------------------------------
#
# Random filters cost nothing, those from patches about a byte for two weights; dense
# layers of as many features are less accurate.

curves: dict[str, list[tuple[int, float]]] = {}
for n_filters in (15, 30, 60, 120):
    for weights in ("random", "patches"):
        clf = CompressedCNNClassifier(
            SHAPE, [Conv2D(n_filters, 4, weights=weights), Pool2D(grid=3)]
        )
        name = f"filters, {weights}"
        clf.set_params(random_state=0).fit(X_train, y_train)
        point = clf.size_report("int8")["file"], clf.score(X_test, y_test)
        curves.setdefault(name, []).append(point)
    dense = CompressedMLPClassifier((9 * n_filters,), random_state=0)
    dense.fit(X_train, y_train)
    point = dense.size_report("int8")["file"], dense.score(X_test, y_test)
    curves.setdefault("dense", []).append(point)

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
left.plot(taps, errors, "o-")
left.set(xlabel="nonzero weights of a filter", ylabel="error of the kernel", ylim=0)
for name, points in curves.items():
    right.plot(*zip(*points, strict=True), "o-", label=name)
    print(name, [(size, round(score, 3)) for size, score in points])
right.set(xlabel="bytes of the file, int8 readout", ylabel="accuracy", xscale="log")
right.legend()
plt.show()
