"""Does the theory see the spectrum of a real kernel?
===================================================

The first experiment of the paper (Gu et al., NeurIPS 2022, Figure 2): two classes of
Gaussian data that are barely apart in high dimension, and the conjugate kernel of three
ReLU layers on them. Theory says that the whole matrix follows from a few Gaussian
moments of the activations, so that a network of sparse ternary weights and staircase
activations has the same one. Eigenvalues and dominant eigenvectors tell.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklearn_lossless import NTKCompressor
from sklearn_lossless.datasets import make_gaussian_mixture
from sklearn_lossless.inspection import SpectrumDisplay
from sklearn_lossless.theory import (
    conjugate_kernel,
    empirical_ck,
    equivalent_ck,
    mixture_statistics,
    spectral_error,
)

ACTIVATIONS = ["relu"] * 3
WIDTHS = (2000, 2000, 1000)
N_DRAWS = 12

# %%
# The classes differ in mean and in the size of their covariance, both by amounts that
# vanish beside the norm of a sample. There are twice as many samples as features.

mixture = make_gaussian_mixture("mixed", 1200, 600, random_state=0)
X, y = mixture.data, mixture.target
X = X - X.mean(axis=0)
X /= np.sqrt(np.mean(np.sum(X**2, axis=1)))

# %%
# Three matrices: the exact kernel of infinitely wide dense layers; its random-matrix
# equivalent, which knows no more of the activations than their moments; and the kernel
# of compressed networks, 90 % of their weights zero, the others +1 and -1. One network
# has noise of its finite width; like the paper we take the mean of some.

exact = conjugate_kernel(X, ACTIVATIONS)
equivalent = equivalent_ck(X, ACTIVATIONS, mixture_statistics(X, y))
draws = [
    empirical_ck(
        NTKCompressor(WIDTHS, "relu", eps=0.9, random_state=seed).fit_transform(X)
    )
    for seed in range(N_DRAWS)
]
compressed = np.mean(draws, axis=0)

print("Relative spectral distance from the exact kernel")
print(f"  random-matrix equivalent      {spectral_error(equivalent, exact):.3f}")
print(f"  one compressed network        {spectral_error(draws[0], exact):.3f}")
print(
    f"  mean of {N_DRAWS} compressed networks {spectral_error(compressed, exact):.3f}"
)

# %%
# On the left theory against the exact kernel, on the right against the compressed
# networks. Both spectra have a bulk, and one eigenvalue far from it. Its eigenvector
# tells the classes apart (samples are in the order of their classes), which is what a
# readout lives on.

figure = plt.figure(figsize=(11, 5), layout="constrained")
left, right = figure.subfigures(1, 2)
for part, kernel, name in (
    (left, exact, "exact, dense"),
    (right, compressed, f"compressed, mean of {N_DRAWS}"),
):
    display = SpectrumDisplay.from_kernels(
        equivalent,
        kernel,
        y,
        names=("equivalent", name),
        n_vectors=1,
        ax=part.subplots(),
    )
    display.ax_.set_title(f"conjugate kernel after {len(ACTIVATIONS)} layers: {name}")
    print(
        f"{name}: |cosine| of the dominant eigenvectors "
        f"{display.comparison.cosines[0]:.3f}"
    )
plt.show()
