"""Do dense and compressed nets learn alike?
=========================================

The readout of a dense random network and that of its compressed one, sparse and ternary
with eight levels, both trained by gradient descent. The theory says that their kernels
have a common equivalent; so they should learn the same things at the same times.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sklearn_lossless import NTKCompressor
from sklearn_lossless.inspection import LearningDynamicsDisplay
from sklearn_lossless.theory import class_targets, readout_dynamics

WIDTH, N_TRAIN = 4000, 1000

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = X[:N_TRAIN], X[N_TRAIN:], y[:N_TRAIN], y[N_TRAIN:]
compressor = NTKCompressor((WIDTH,), eps=0.5, random_state=0).fit(X)

# %%
# The dense network sees the same inputs, centred and scaled; its features are centred,
# as the display centres those of the compressed network.

rng = np.random.default_rng(0)
W = rng.standard_normal((X.shape[1], WIDTH))
Z, Z_test = (
    np.maximum((each - compressor.mean_) * compressor.scale_ @ W, 0) / np.sqrt(WIDTH)
    for each in (X, X_test)
)
dense = readout_dynamics(
    Z - Z.mean(axis=0),
    class_targets(y),
    Z_test - Z.mean(axis=0),
    class_targets(y_test, like=y),
)
times = np.logspace(0, 5, 101)
display = LearningDynamicsDisplay(dense.curve(times), name="dense").plot(color="black")
curves = {"dense": display.curve.test}
for theory, color in ((None, "tab:blue"), ("equivalent", "tab:red")):
    other = LearningDynamicsDisplay.from_estimator(
        compressor,
        X,
        y,
        X_test=X_test,
        y_test=y_test,
        theory=theory,
        times=times,
        ax=display.ax_,
        color=color,
    )
    curves[other.name] = other.curve.test
display.ax_.set_title("ten digits, squared error of the indicators")
plt.show()

# %%
# Generalised cross-validation follows the training alone, and tells when to stop.

best, guess = dense.stopping_time(), dense.stopping_time(criterion="gcv")
print("test error when stopped by test samples and by cross-validation:")
print(dense.curve([best, guess]).test.round(4))
for name, test in curves.items():
    print(
        f"{name:30} least test error {test.min():.4f} "
        f"at time {times[test.argmin()]:.0f}"
    )
