"""Data in memory and on dask arrays behind one protocol."""

import dask
import dask.array as da
import numpy as np
import pytest
from scipy import sparse

from sklearn_lossless.data import Data, MemoryData, Part, has_weight
from sklearn_lossless.data.dask import DaskData

CHUNKS = [(20,), (7, 7, 6), (1, 0, 19)]


@pytest.fixture(autouse=True)
def one_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


def arrays():
    rng = np.random.default_rng(0)
    return rng.normal(size=(20, 3)), rng.integers(3, size=20), rng.integers(3, size=20)


def both(chunks, weighted=True):
    X, y, weight = arrays()
    weight = weight * 1.0 if weighted else None
    memory: Data = MemoryData.of(Part(X, y, weight), y.shape)
    chunked: Data = DaskData.of(
        da.from_array(X, chunks=(chunks, 3)), y, weight, targets="labels"
    )
    return memory, chunked


def weighted_sum(part, factor=1.0):
    return factor * (part.X * part.weight[:, None]).sum(axis=0)


def doubled(part, factor):
    return part._replace(X=part.X * factor)


def beside(part, numbers):
    assert len(numbers) == part.n_samples
    return part._replace(y=numbers)


@pytest.mark.parametrize("chunks", CHUNKS)
def test_what_is_asked_of_data_has_the_same_answer(chunks):
    memory, chunked = both(chunks)
    assert (memory.n_samples, memory.n_features) == (20, 3)
    assert (chunked.n_samples, chunked.n_features) == (20, 3)
    assert memory.y_shape == chunked.y_shape == (20,)
    X, _, weight = arrays()
    expected = weight @ X
    for data in (memory, chunked):
        np.testing.assert_allclose(data.total(weighted_sum), expected)
        np.testing.assert_allclose(data.total(weighted_sum, 2.0), 2 * expected)
        kept = data.apply(np.multiply, data.total(weighted_sum, keep=True), 3.0)
        np.testing.assert_allclose(data.fetch(kept), 3 * expected)
        mapped = data.map(doubled, 2.0)
        np.testing.assert_allclose(mapped.total(weighted_sum), 2 * expected)
        np.testing.assert_array_equal(data.gather(has_weight), weight > 0)
        numbers = data.map(beside, beside=np.arange(20)).take_all().y
        np.testing.assert_array_equal(numbers, np.arange(20))
        total = data.total_inputs(lambda X, weight: weight @ X)
        np.testing.assert_allclose(total, expected)


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("weighted", [False, True])
def test_rows_are_taken_by_their_numbers(chunks, weighted):
    X, y, weight = arrays()
    for data in both(chunks, weighted):
        for rows in (np.array([0, 6, 7, 19]), np.array([8]), np.arange(20)):
            part = data.take(rows)
            np.testing.assert_array_equal(part.X, X[rows])
            np.testing.assert_array_equal(part.y, y[rows])
            assert (part.weight is None) != weighted
            if weighted:
                np.testing.assert_array_equal(part.weight, weight[rows])
        assert data.take_all().n_samples == 20


def test_sparse_chunks_are_joined():
    X, _, _ = arrays()
    X_dask = da.from_array(X, chunks=(7, 3)).map_blocks(sparse.csr_array)
    data = DaskData.of(X_dask, targets=None)
    assert data.is_sparse
    np.testing.assert_array_equal(data.take(np.arange(5, 9)).X.toarray(), X[5:9])
