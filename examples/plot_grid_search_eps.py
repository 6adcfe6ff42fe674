"""How many of the weights may be zero?
====================================

Nearly all. A grid search over `eps`, the share of zeros, gives a flat line: accuracy
hardly depends on it. The additions that a prediction takes fall in proportion to what
is left. So would the bytes of the weights, if they were stored.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from sklearn_lossless import CompressedMLPClassifier

X, y = load_digits(return_X_y=True)
shares = [0.0, 0.5, 0.8, 0.9, 0.95, 0.98]

search = GridSearchCV(
    CompressedMLPClassifier((800, 800), random_state=0),
    {"eps": shares},
    cv=StratifiedKFold(3, shuffle=True, random_state=0),
)
with warnings.catch_warnings():
    # Digits have 64 features: above eps=0.94 a neuron of the first layer would have
    # fewer than 4 inputs. It keeps 4, and a warning says so.
    warnings.filterwarnings("ignore", message="X has 64 features")
    search.fit(X, y)
means = 100 * search.cv_results_["mean_test_score"]
spreads = 100 * search.cv_results_["std_test_score"]

# %%
# Each hidden weight is 0 with probability `eps`. The entropy of such a weight is the
# least that a file could take for it. But random weights need not be stored: they are
# drawn again from their seed, which takes 8 bytes.

n_weights = 64 * 800 + 800 * 800


def kilobytes(eps):
    """Entropy of the hidden weights."""
    p = np.array([eps, (1 - eps) / 2, (1 - eps) / 2])
    p = p[p > 0]
    return n_weights * -(p @ np.log2(p)) / 8000


print(" eps   accuracy, %   nonzeros per neuron   entropy of the weights")
for eps, mean, spread in zip(shares, means, spreads, strict=True):
    first, second = max(round(64 * (1 - eps)), 4), round(800 * (1 - eps))
    print(
        f"{eps:4.2f}  {mean:6.2f} ±{spread:5.2f}   {first:5} and {second:5}"
        f"   {kilobytes(eps):12.0f} kB"
    )

# %%
# The spread is that of three folds. The dense network of these sizes, in single
# precision, is drawn as a dotted line.

figure, (left, right) = plt.subplots(
    1, 2, figsize=(9, 3.5), layout="constrained", sharex=True
)
left.errorbar(shares, means, spreads, marker="o", capsize=3)
left.set(xlabel="share of zeros, eps", ylabel="accuracy, %", ylim=(90, 100))
right.plot(shares, [kilobytes(eps) for eps in shares], "o-", label="ternary weights")
right.axhline(4 * n_weights / 1000, color="0.5", ls=":", label="dense float32")
right.axhline(0.008, color="C2", ls="--", label="the seed")
right.set(xlabel="share of zeros, eps", ylabel="hidden weights, kB", yscale="log")
right.legend()
plt.show()
