"""Small model files of networks that are large, and what it takes to use them.

    python tests/large_models.py FILE N_ROWS

loads a file, predicts rows of zeros, sparse ones and others, and prints what was added
to the memory of the process.
"""

import dataclasses
import resource
import sys

import numpy as np
from scipy import sparse

from sklearn_lossless import NTKCompressor, load
from sklearn_lossless.export import _sections, archive
from sklearn_lossless.network import CompressedNetwork, Dense, Quantizer
from sklearn_lossless.theory import StepActivation


def file_of(n_features, *layers):
    """The file of a compressor whose layers are (neurons, nonzeros, levels) each."""
    X = np.random.default_rng(0).integers(0, 9, size=(20, 30)).astype(float)
    small = NTKCompressor((2,) * len(layers), eps=0.5, random_state=0).fit(X)
    content = archive.content_of(small)
    dense, matched, n_inputs = [], [], n_features
    for match, (n_outputs, n_nonzeros, n_levels) in zip(
        content.matching.layers, layers, strict=True
    ):
        levels = np.resize([0, 1], n_levels).astype(np.uint8)
        dense.append(
            Dense(
                n_inputs=n_inputs,
                n_outputs=n_outputs,
                n_nonzeros=n_nonzeros,
                thresholds=np.arange(n_levels - 1),
                levels=levels,
                centre=np.array([0]),
            )
        )
        step = StepActivation(np.arange(n_levels - 1.0), levels, 1.0, 0.0)
        matched.append(dataclasses.replace(match, step=step))
        n_inputs = n_outputs
    quantizer = Quantizer(1.0, np.full(n_features, 128), n_bits=8)
    network = CompressedNetwork(quantizer, tuple(dense), seed=0)
    matching = dataclasses.replace(content.matching, layers=tuple(matched))
    content = dataclasses.replace(content, network=network, matching=matching)
    return _sections.encode(content, "float64")


def peak():
    """The most memory that the process has had, in bytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(path, n_rows):
    warm = archive.from_bytes(file_of(20, (10, 5, 3)))
    for n in (1, 20, 600):
        warm.codes(np.zeros((n, 20)))
    before = peak()
    model = load(path, max_memory=None)
    shape = int(n_rows), model.n_features_in_
    model.codes(sparse.csr_matrix(shape))
    model.codes(np.zeros(shape, dtype=np.uint8))
    print(peak() - before)


if __name__ == "__main__":
    main(*sys.argv[1:])
