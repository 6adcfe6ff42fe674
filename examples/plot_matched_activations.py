"""What do matched activations look like?
======================================

Each panel has an activation and the staircases that stand for it. They do not follow
the curve: they have its Gaussian moments `m1`, `m2` and `f`, which are all that the
kernel of a wide network sees of an activation. The number in the legend is the variance
beyond the linear part, relative to that of the activation itself; 1 is no noise added.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklearn_lossless.theory import get_activation, match_activation

t = np.linspace(-3, 3, 1201)
names = ["relu", "gelu", "elu", "abs", "cos", "tanh"]

figure, axes = plt.subplots(2, 3, figsize=(10, 6), layout="constrained", sharex=True)
for ax, name in zip(axes.flat, names, strict=True):
    activation = get_activation(name)
    ax.plot(t, activation(t), color="0.2", lw=1)
    for n_levels, colour in ((2, "C3"), (8, "C0")):
        match = match_activation(name, n_levels=n_levels)
        step = match.step(t)
        # The kernel sees squares of m1 and m2 alone: draw the sign that fits.
        if match.achieved.m1 * match.target.m1 + match.achieved.m2 * match.target.m2 < 0:
            step = -step
        # It does not see the mean, either.
        step = step - step.mean() + activation(t).mean()
        excess = match.excess_variance
        ax.plot(t, step, color=colour, label=f"{n_levels} levels, {excess:.2f}")
    ax.set_title(name)
    ax.legend(fontsize=8)
figure.supxlabel("input, in units of its deviation")
plt.show()

# %%
# That the moments agree is no matter of looks. Signs may differ, as they enter
# squared; for an odd activation like tanh `m2` is zero.

print("activation  levels       m1        m2         f    matched")
for name in names:
    target = match_activation(name).target
    print(f"{name:10}  {'':6}{target.m1:9.5f} {target.m2:9.5f} {target.f:9.5f}")
    for n_levels in (2, 8):
        match = match_activation(name, n_levels=n_levels)
        a = match.achieved
        print(f"{'':10}  {n_levels:6}{a.m1:9.5f} {a.m2:9.5f} {a.f:9.5f}    {match.met}")

# %%
# Where a moment cannot be met, the match says so:

for name in names:
    for equation in match_activation(name, n_levels=2).equations:
        if equation.required and not equation.met:
            print(
                f"{name}, 2 levels: {equation.name} is {equation.target:.4f}, "
                f"achieved {equation.achieved:.4f}"
            )
