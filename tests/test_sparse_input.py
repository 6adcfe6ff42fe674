"""Sparse input of any format and type is taken as `toarray` has it, and left alone."""

import copy

import numpy as np
import pytest
from scipy import sparse

from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
    network,
)
from sklearn_lossless.inspection import CompressionReport
from sklearn_lossless.network.quantizer_choice import fit_quantizer

#: Rows, columns, and entries that are more than there are places.
SHAPE, N_ENTRIES = (12, 20), 1500

FORMATS = ["csr", "csc", "coo", "bsr", "dia", "lil", "dok"]
DTYPES = [np.float64, np.float32, np.int8, np.uint8, np.uint16, np.int64, bool]
KINDS = ["array", "matrix"]

every_format = pytest.mark.parametrize("form", FORMATS)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def make(form, dtype=np.float64, kind="array", seed=0):
    """Make a matrix with several entries in most places, where the format can."""
    rng = np.random.default_rng(seed)
    data = rng.normal(size=(N_ENTRIES, 2, 4)) * 60
    if dtype is bool:
        data = data > 120
    elif np.issubdtype(dtype, np.unsignedinteger):
        data = np.abs(data)
    data = data.astype(dtype)
    rows, columns = (rng.integers(0, n, N_ENTRIES) for n in SHAPE)
    container = getattr(sparse, f"{form}_{kind}")
    if form in ("csr", "csc", "bsr"):
        major, minor = (columns, rows) if form == "csc" else (rows, columns)
        n_major = SHAPE[1] if form == "csc" else SHAPE[0]
        if form == "bsr":
            major, minor, n_major = major // 2, minor // 4, n_major // 2
        else:
            data = data[:, 0, 0]
        counts = np.bincount(major, minlength=n_major)
        ends = np.concatenate([[0], np.cumsum(counts)])
        minor = minor[np.argsort(major, kind="stable")]
        return container((data, minor, ends), shape=SHAPE)
    X = sparse.coo_array((data[:, 0, 0], (rows, columns)), shape=SHAPE)
    return container((X.data, X.coords), shape=SHAPE) if form == "coo" else container(X)


class Unchanged:
    """Fails if anything of a matrix is another after the block, SciPy's notes too."""

    def __init__(self, X):
        self.X, self.before = X, copy.deepcopy(vars(X))

    def __enter__(self):
        return self.X

    def __exit__(self, *error):
        after = vars(self.X)
        assert after.keys() == self.before.keys()
        for name, value in self.before.items():
            np.testing.assert_equal(after[name], value)


def assert_same(call, X):
    """Check that a function gives the same of a sparse matrix and a dense one."""
    with Unchanged(X):
        found = call(X)
    np.testing.assert_equal(found, call(X.toarray()))


NETWORK = (
    NTKCompressor((15, 10), eps=0.5, random_state=0).fit(make("csr").toarray()).network_
)

OF_NETWORKS = {
    "forward": NETWORK.forward,
    "threads": lambda X: NETWORK.forward(X, n_jobs=2),
    "features": NETWORK.features,
    "scores": lambda X: NETWORK.scores(X, np.ones((10, 1))),
    "LazyCodes": lambda X: network.LazyCodes(NETWORK, X)[3:9],
    "codes": NETWORK.quantizer.codes,
    "value_range": lambda X: vars(network.value_range(X)),
    "code_sums": lambda X: vars(network.code_sums(NETWORK.quantizer, X)),
    "fit_quantizer": lambda X: vars(fit_quantizer(X, 8)),
}


@pytest.mark.parametrize("call", OF_NETWORKS.values(), ids=OF_NETWORKS)
@every_format
@every_dtype
def test_networks(call, form, dtype):
    for kind in KINDS:
        assert_same(call, make(form, dtype, kind))


@pytest.mark.parametrize("call", OF_NETWORKS.values(), ids=OF_NETWORKS)
@every_format
@every_dtype
def test_networks_on_entries(call, form, dtype, monkeypatch):
    monkeypatch.setattr("sklearn_lossless.network._engine.entries_pay", lambda *a: True)
    assert_same(call, make(form, dtype))


@every_format
@every_dtype
def test_sums_in_wide_matrices(form, dtype, monkeypatch):
    monkeypatch.setattr("sklearn_lossless.network.quantizer._WIDE", 10)
    assert_same(OF_NETWORKS["code_sums"], make(form, dtype))


@every_format
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float64, np.int8, bool])
@pytest.mark.filterwarnings("ignore:Columns")
def test_estimators(form, kind, dtype):
    X, other = make(form, dtype, kind), make(form, dtype, kind, seed=1)
    y = np.arange(SHAPE[0]) % 2
    hidden = {"eps": 0.5, "random_state": 0}

    def features(X):
        return NTKCompressor((15,), **hidden).fit(X).transform(X)

    def classes(X):
        clf = CompressedMLPClassifier((15,), alpha=1.0, **hidden).fit(X, y)
        return clf.predict_proba(other)

    def numbers(X):
        model = CompressedMLPRegressor((15,), alpha=1.0, **hidden)
        return model.partial_fit(X, y).partial_fit(other, y).predict(X)

    with Unchanged(other):
        for call in (features, classes, numbers):
            assert_same(call, X)


@every_format
def test_reports(form):
    X = make(form)
    compressor = NTKCompressor((15,), eps=0.5, random_state=0).fit(X)
    with Unchanged(X):
        found = CompressionReport.from_estimator(compressor, X).kernel
    expected = CompressionReport.from_estimator(compressor, X.toarray()).kernel
    np.testing.assert_allclose(found.compressed, expected.compressed, rtol=1e-8)


def test_what_scipy_took_note_of_is_not_believed():
    X = make("csr")
    X.has_canonical_format = True
    assert_same(NETWORK.forward, X)


def test_one_axis_is_refused():
    X = sparse.coo_array(np.ones(20))
    with pytest.raises(ValueError, match="Expected 2D array, got 1D array"):
        NETWORK.forward(X)
    with pytest.raises(ValueError, match="Expected 2D input"):
        NTKCompressor((15,)).fit(X)
