"""How does a net learn from a hundred thousand samples?
=====================================================

A kernel matrix of 100,000 samples would take 80 GB. The equivalent needs some dozens of
vectors: a whole learning curve costs seconds. A million samples fit as well
(`benchmarks/dynamics_cost.py`).
"""

import matplotlib.pyplot as plt
import numpy as np

from sklearn_lossless.datasets import make_gaussian_mixture
from sklearn_lossless.inspection import LearningDynamicsDisplay
from sklearn_lossless.theory import equivalent_dynamics

N_FEATURES, N_TEST = 40, 2000
SIZES = {1_000: "tab:blue", 10_000: "tab:orange", 100_000: "tab:red"}

mixture = make_gaussian_mixture(
    "mixed", max(SIZES) + N_TEST, N_FEATURES, random_state=0
)
X, y = mixture.data - mixture.data.mean(axis=0), 2.0 * mixture.target - 1

# %%
# Two layers of ReLU, all weights trained. More samples push the least error down, and
# the time until it is reached grows with them.

ax = None
for n, color in SIZES.items():
    dynamics = equivalent_dynamics(
        X[:n], y[:n], ["relu", "relu"], X[-N_TEST:], y[-N_TEST:], tol=1e-4
    )
    curve = dynamics.curve(np.logspace(-1, 6, 141))
    display = LearningDynamicsDisplay(curve, name=f"{n:,}").plot(ax, color=color)
    ax = display.ax_
    modes = dynamics.modes
    print(
        f"{n:7,} samples: {len(modes.eigenvalues)} modes, least test error "
        f"{curve.test.min():.3f} at time {curve.times[curve.test.argmin()]:.0f}"
    )
plt.show()

# %%
# What the strongest modes are made of, and when they are learned: first what the means
# of the classes tell, and their covariances; last, through the identity, each sample by
# itself, which helps no other.

print("    time  share of target  means norms covariances identity")
for number in np.argsort(modes.shares[:, 0])[::-1][:4]:
    means, norms, products, identity = modes.parts[number]
    print(
        f"{modes.times[number]:8.2f}  {modes.shares[number, 0]:15.3f}  "
        f"{means:5.2f} {norms:5.2f} {products:11.2f} {identity:8.2f}"
    )
