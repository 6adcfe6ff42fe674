"""Does theory know how a net learns before it is trained?
=======================================================

All layers of a network learn by gradient descent, and errors fall in a curve. If the
network is wide, the curve follows from its neural tangent kernel, which is known
before; in high dimension it follows from the kernel's random-matrix equivalent, which
knows no more of the activations than a few moments. A Gaussian mixture, made for the
theory, and digits, which are not.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sklearn_lossless.datasets import make_gaussian_mixture
from sklearn_lossless.inspection import LearningDynamicsDisplay
from sklearn_lossless.theory import (
    class_targets,
    equivalent_dynamics,
    gaussian_moments,
    neural_tangent_kernel,
)

N_TRAIN, WIDTH, N_STEPS = 300, 1024, 100

# %%
# The network has one hidden layer of ReLU, weights of variance 1 and the outputs that
# it has before training taken away. Plain gradient descent, all samples in every step.


def train(X, Y, X_test, step_size, rng):
    W, A = rng.standard_normal((WIDTH, X.shape[1])), rng.standard_normal((WIDTH, 1))
    A = np.tile(A, Y.shape[1])
    centre = gaussian_moments("relu").mean

    def features(Z):
        return (np.maximum(Z @ W.T, 0) - centre) / np.sqrt(WIDTH)

    first, first_test = features(X) @ A, features(X_test) @ A
    train, test = [], []
    for _ in range(N_STEPS + 1):
        Z = features(X)
        train.append(Z @ A - first)
        test.append(features(X_test) @ A - first_test)
        residual = (train[-1] - Y) / len(X)
        delta = (residual @ A.T) * (X @ W.T > 0) / np.sqrt(WIDTH)
        A -= step_size * Z.T @ residual
        W -= step_size * delta.T @ X
    return np.array(train), np.array(test)


# %%
# One target each: which of two Gaussians; whether a digit is even.

mixture = make_gaussian_mixture("mixed", 600, 300, random_state=0)
images, digits = load_digits(return_X_y=True)
problems = {
    "Gaussian mixture": (mixture.data, mixture.target),
    "digits, even or odd": (images[:600], digits[:600] % 2),
}
figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for ax, (name, (X, labels)) in zip(axes, problems.items(), strict=True):
    X = X - X[:N_TRAIN].mean(axis=0)
    X = X / np.sqrt(np.mean(np.sum(X[:N_TRAIN] ** 2, axis=1)))
    y = 2 * class_targets(labels, like=labels[:N_TRAIN])[:, 1:]
    X, X_test, y, y_test = X[:N_TRAIN], X[N_TRAIN:], y[:N_TRAIN], y[N_TRAIN:]
    K = neural_tangent_kernel(X, ["relu"])
    cross = neural_tangent_kernel(X_test, ["relu"], X, tau0=1.0)
    display = LearningDynamicsDisplay.from_kernel(
        K, y, cross, y_test, name="exact", ax=ax, color="tab:blue"
    )
    dynamics = equivalent_dynamics(X, y, ["relu"], X_test, y_test)
    equivalent = LearningDynamicsDisplay(
        dynamics.curve(display.curve.times), name="equivalent"
    ).plot(ax, color="tab:red", linewidth=1)
    step_size = 0.2 * dynamics.max_step_size
    outputs = train(X, y, X_test, step_size, np.random.default_rng(0))
    times = step_size * np.arange(1, N_STEPS + 1)
    for found, target, marker in zip(outputs, (y, y_test), "x.", strict=True):
        error = np.mean((found - target) ** 2, axis=(1, 2))[1:]
        ax.plot(times[::4], error[::4], marker, color="black", markersize=4)
    ax.plot([], [], "k.", label=f"net of {WIDTH} neurons")
    ax.set_title(name)
    ax.legend()
    gap = np.abs(equivalent.curve.test - display.curve.test).max()
    theory = dynamics.curve(times, step_size=step_size).test
    print(
        f"{name}: largest difference of test errors: equivalent against exact "
        f"{gap:.4f}, net against equivalent {np.abs(error - theory).max():.4f}"
    )
plt.show()
