"""A fitted first layer under a random second one, against both fitted, on MNIST.

    python benchmarks/first_layer.py --data mnist.npz

The readout is logistic regression on the features of both layers, or ridge regression
where the second layer is wide. Takes some 3 minutes.
"""

import argparse
import warnings
from copy import deepcopy

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neural_network import MLPClassifier

from sklearn_lossless import NTKCompressor
from sklearn_lossless.datasets import load_mnist

EPS = 0.9


def of_first_layer(teacher):
    """The teacher without its second hidden layer, for its first weights."""
    one = deepcopy(teacher)
    width = teacher.coefs_[0].shape[1]
    one.hidden_layer_sizes = (width,)
    one.coefs_ = [teacher.coefs_[0], np.ones((width, 10))]
    one.intercepts_ = [teacher.intercepts_[0], np.ones(10)]
    return one


def accuracy(readout, train, test, y_train, y_test):
    size = np.sqrt(np.mean(np.square(train)))
    return readout.fit(train / size, y_train).score(test / size, y_test)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="npz with X_train, y_train, X_test, y_test")
    X_train, y_train, X_test, y_test = load_mnist(parser.parse_args().data)
    X_train, X_test = ((X / 255).astype(np.float32) for X in (X_train, X_test))
    warnings.simplefilter("ignore", ConvergenceWarning)
    teacher = MLPClassifier((500, 500), max_iter=15, batch_size=256, random_state=0)
    teacher.fit(X_train, y_train)
    print(f"teacher: {100 * teacher.score(X_test, y_test):.2f} %", flush=True)
    fitted = {"hidden_weights": "fitted", "eps": EPS, "random_state": 0}
    both = NTKCompressor(estimator=teacher, readout_layers="all", **fitted)
    features = {"both fitted": [both.fit_transform(X_train), both.transform(X_test)]}
    first = NTKCompressor(estimator=of_first_layer(teacher), **fitted)
    below = [first.fit_transform(X_train), first.transform(X_test)]
    for width in (500, 4000):
        second = NTKCompressor((width,), eps=EPS, random_state=1).fit(below[0])
        features[f"first fitted, second random, {width}"] = [
            np.hstack([Z, second.transform(Z)]) for Z in below
        ]
    for name, (train, test) in features.items():
        readouts = {"ridge": RidgeClassifier(alpha=1e-3 * len(train))}
        if train.shape[1] <= 1000:
            readouts["logistic"] = LogisticRegression(C=30.0, max_iter=300)
        for kind, readout in readouts.items():
            found = accuracy(readout, train, test, y_train, y_test)
            print(f"{name}, {kind}: {100 * found:.2f} %", flush=True)


if __name__ == "__main__":
    main()
