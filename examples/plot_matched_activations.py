"""What do matched activations look like?
======================================

Each panel has an activation, and two steps that stand for it. With two levels the step
does not follow the curve at all. It need not: both have the same Gaussian moments `m1`,
`m2` and `f`, and these are all that the kernel of a wide network sees of an activation.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklearn_lossless.inspection import MomentDisplay
from sklearn_lossless.theory import get_activation, match_activation

names = ["relu", "gelu", "elu", "abs", "cos", "tanh"]
levels = {2: "tab:red", 8: "tab:blue"}
matches = {
    (name, n): match_activation(name, n_levels=n) for name in names for n in levels
}

u = np.linspace(-3, 3, 1201)
figure, axes = plt.subplots(2, 3, figsize=(10, 6), layout="constrained", sharex=True)
for ax, name in zip(axes.flat, names, strict=True):
    activation = get_activation(name)
    mean = matches[name, 8].target.mean
    ax.plot(u, activation(u) - mean, color="0.2", lw=1)
    for n_levels, colour in levels.items():
        match = matches[name, n_levels]
        staircase = MomentDisplay(match, activation).staircase(u)
        label = f"{n_levels} levels, {match.excess_variance:.2f}"
        ax.plot(u, staircase, color=colour, label=label)
    ax.set_title(name)
    ax.legend(fontsize=8)
figure.supxlabel("input, in units of its deviation")
plt.show()

# %%
# The number in the legend is the variance beyond the linear part, relative to that of
# the activation: 1 adds no noise. Two levels can have the moments, at the price of
# several times the noise, and for tanh they cannot have them all:

print("activation  levels     |m1|      |m2|         f    matched")
for name in names:
    target = matches[name, 8].target
    print(f"{name:18}{abs(target.m1):9.5f} {abs(target.m2):9.5f} {target.f:9.5f}")
    for n_levels in levels:
        match = matches[name, n_levels]
        m1, m2, f = abs(match.achieved.m1), abs(match.achieved.m2), match.achieved.f
        print(f"{n_levels:18}{m1:9.5f} {m2:9.5f} {f:9.5f}    {match.met}")

# %%
# Signs of `m1` and `m2` do not matter, since only their squares enter the kernel; in
# the figure the staircases are turned to the side of the curve. A single match, or a
# layer of a fitted estimator, is drawn with its moments by
# :class:`~sklearn_lossless.inspection.MomentDisplay`. The free one, `tau`, acts on the
# kernel as a little more regularisation.

display = MomentDisplay.from_activation("relu", n_levels=8)
plt.show()
