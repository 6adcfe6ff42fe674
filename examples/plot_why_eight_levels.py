"""Why do two levels lose accuracy, and eight do not?
==================================================

An activation with two levels is on or off, as in the paper. Its moments are those of
ReLU, so its kernel is the same in the limit of many neurons. Its accuracy is not. Here
networks of one to four layers have 2, 4, 8 or 16 levels.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from sklearn_lossless import CompressedMLPClassifier
from sklearn_lossless.inspection import MomentDisplay

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
DEPTHS = (1, 2, 3, 4)
LEVELS = (2, 4, 8, 16)
WIDTH = 600

# %%
# All steps have the moments m1, m2 and f of ReLU, the only ones that the kernel knows.
# They differ in tau, the standard deviation of what comes out. With two levels it is
# far too large. Most of it is noise, which the next layer cannot tell from the signal.
# Here is what it adds up to, layer by layer.


def fitted(n_levels, depth):
    model = CompressedMLPClassifier(
        (WIDTH,) * depth, eps=0.5, n_levels=n_levels, random_state=0
    )
    with warnings.catch_warnings():
        # tau of the last layer cannot be met with two levels: this is the point.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X_train, y_train)


models = {
    (n_levels, depth): fitted(n_levels, depth)
    for n_levels in LEVELS
    for depth in DEPTHS
}

print(
    f"{'levels':>6} {'layer':>6} {'tau / reference':>16} {'excess':>8} {'distance':>9}"
)
for n_levels in LEVELS:
    report = models[n_levels, DEPTHS[-1]].report_
    for layer, tau, reference in zip(
        report.layers, report.tau_compressed[1:], report.tau[1:], strict=True
    ):
        print(
            f"{n_levels:>6} {layer.layer:>6} {tau / reference:>16.3f} "
            f"{layer.excess_variance:>8.2f} {layer.distance:>9.3f}"
        )

# %%
# `excess` is the variance beyond the linear part, relative to ReLU's own: 1 adds no
# noise. With two levels it is five times as large in the first layer, and grows from
# layer to layer. Wide layers average noise out; narrow ones lose accuracy. Eight levels
# follow ReLU so closely that there is next to nothing to average, at any depth.

scores = np.array(
    [
        [models[n_levels, depth].score(X_test, y_test) for depth in DEPTHS]
        for n_levels in LEVELS
    ]
)
for n_levels, row in zip(LEVELS, scores, strict=True):
    print(f"{n_levels:>2} levels, accuracy by depth: {row.round(3)}")

figure, (accuracy, noise) = plt.subplots(1, 2, figsize=(8.5, 3.6), layout="constrained")
colours = plt.colormaps["viridis"](np.linspace(0, 0.9, len(LEVELS)))
for n_levels, row, colour in zip(LEVELS, scores, colours, strict=True):
    report = models[n_levels, DEPTHS[-1]].report_
    label = f"{n_levels} levels"
    distances = [layer.distance for layer in report.layers]
    noise.plot(DEPTHS, distances, "o-", color=colour, label=label)
    accuracy.plot(DEPTHS, row, "o-", color=colour, label=label)
yardstick = [layer.distance_dense for layer in models[8, DEPTHS[-1]].report_.layers]
noise.plot(DEPTHS, yardstick, "k--", label="dense ReLU")
noise.set(
    xlabel="layers",
    xticks=DEPTHS,
    yscale="log",
    title=f"distance from ReLU's kernel, width {WIDTH}",
)
accuracy.legend(fontsize="small")
accuracy.set(xlabel="layers", xticks=DEPTHS, title="accuracy on digits")
plt.show()

# %%
# The steps themselves, with two and with eight levels, over the curve of ReLU.

figure, axes = plt.subplots(
    2, 2, figsize=(9, 6), layout="constrained", width_ratios=[1.6, 1]
)
for row, n_levels in zip(axes, (2, 8), strict=True):
    display = MomentDisplay.from_estimator(models[n_levels, 1], ax=row)
    display.ax_.set_title(f"{n_levels} levels")
plt.show()
