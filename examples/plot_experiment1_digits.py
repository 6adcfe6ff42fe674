"""Does the theory hold for digits, which are not Gaussian?
========================================================

The first experiment of the paper (Gu et al., NeurIPS 2022, Figure 2) on real images:
scikit-learn's digits or, with ``--data PATH``, MNIST (an npz file as
:func:`sklearn_lossless.datasets.load_mnist` reads it). Theory assumes Gaussian classes
in high dimension; digits are neither. What of it is left?
"""

import argparse

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from sklearn_lossless import NTKCompressor
from sklearn_lossless.datasets import load_mnist
from sklearn_lossless.inspection import CompressionReport, SpectrumDisplay

parser = argparse.ArgumentParser(description="The first experiment on digits")
parser.add_argument("--data", help="npz file of MNIST; default: scikit-learn's digits")
arguments = parser.parse_args()

if arguments.data:
    X, y, _, _ = load_mnist(arguments.data)
    name = "MNIST"
else:
    X, y = load_digits(return_X_y=True)
    name = "digits"

# %%
# One hidden layer of 8000 neurons, 90 % of the weights zero, eight levels. The report
# compares its kernel, on a few hundred samples, with that of the reference network
# (the dense one at infinite width), and has a yardstick: how far is a dense random
# network of the same width? Width is what is missing, not precision, if both are as
# far.

compressor = NTKCompressor((8000,), "relu", eps=0.9, random_state=0).fit(X)
report = CompressionReport.from_estimator(compressor, X, n_samples=400)
print(report)

# %%
# On the left the random-matrix equivalent of the reference network (in the form that
# needs no classes) against the compressed network; on the right the exact kernel.
# Several eigenvalues are isolated here: ten digits are more than two Gaussian classes.
# Their eigenvectors, drawn class by class, agree all the same.

figure = plt.figure(figsize=(11, 6.2), layout="constrained")
for part, theory in zip(figure.subfigures(1, 2), ("equivalent", "exact"), strict=True):
    display = SpectrumDisplay.from_estimator(
        compressor, X, y, theory=theory, n_samples=800, ax=part.subplots()
    )
    display.ax_.set_title(f"{name}: {theory} theory")
    print(
        f"{theory}: |cosine| of the dominant eigenvectors "
        f"{display.comparison.cosines.round(3)}"
    )
plt.show()
