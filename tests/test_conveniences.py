"""What users expect of estimators beside `fit` and `predict`."""

import io
import re

import numpy as np
import pytest
import sklearn
from sklearn.datasets import load_iris
from sklearn.utils import get_tags

import sklearn_lossless
from sklearn_lossless import (
    CompressedCNNClassifier,
    CompressedCNNRegressor,
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
    NTKConvCompressor,
    load,
)
from sklearn_lossless._version import DOCS_URL
from sklearn_lossless.export import save
from sklearn_lossless.inspection import CompressionReport

ESTIMATORS = [
    CompressedCNNClassifier,
    CompressedCNNRegressor,
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
    NTKConvCompressor,
]


@pytest.fixture(scope="module")
def clf():
    X, y = load_iris(return_X_y=True)
    return CompressedMLPClassifier((40,), eps=0.0, random_state=0).fit(X, y)


def test_open_files_and_paths(clf, tmp_path):
    X, _ = load_iris(return_X_y=True)
    memory = io.BytesIO(b"before")
    memory.seek(6)
    clf.save(memory)
    assert not memory.closed
    save(clf, tmp_path / "model.lnn")
    clf.save(str(tmp_path / "again.lnn"))
    data = (tmp_path / "model.lnn").read_bytes()
    assert memory.getvalue() == b"before" + data
    assert (tmp_path / "again.lnn").read_bytes() == data
    memory.seek(6)
    for source in (memory, tmp_path / "model.lnn", str(tmp_path / "model.lnn")):
        loaded = load(source)
        np.testing.assert_array_equal(loaded.predict(X), clf.predict(X))
    with open(tmp_path / "model.lnn", "rb") as file:
        assert type(load(file)) is CompressedMLPClassifier
    with pytest.raises(ValueError, match="Not a valid model file: it begins with"):
        load(io.BytesIO(b"something else"))


@pytest.mark.parametrize("wrong", [io.StringIO(), 3, None])
def test_what_is_neither_a_path_nor_a_binary_file(clf, wrong):
    with pytest.raises(TypeError, match="a path or a file opened with mode 'wb', got"):
        save(clf, wrong)
    with pytest.raises(TypeError, match="a path or a file opened with mode 'rb', got"):
        load(wrong)


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_notebooks_link_to_the_page_of_the_class(cls):
    link = cls()._get_doc_link()
    assert link == f"{DOCS_URL}generated/sklearn_lossless.{cls.__name__}.html"
    assert f'href="{link}"' in cls()._repr_html_()

    class Derived(cls):
        pass

    assert Derived()._get_doc_link() == ""


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_tags(cls):
    tags = get_tags(cls())
    is_compressor = "Compressor" in cls.__name__
    of_pictures = "CNN" in cls.__name__ or "Conv" in cls.__name__
    assert (tags.transformer_tags is not None) == is_compressor
    assert (tags.classifier_tags is not None) == cls.__name__.endswith("Classifier")
    assert (tags.regressor_tags is not None) == cls.__name__.endswith("Regressor")
    assert tags.target_tags.required != is_compressor
    assert tags.target_tags.multi_output == cls.__name__.endswith("Regressor")
    assert tags.input_tags.three_d_array == of_pictures
    assert tags.input_tags.sparse
    assert not tags.input_tags.allow_nan
    assert not tags.non_deterministic


def test_tags_follow_the_parameters():
    tags = get_tags(NTKCompressor(hidden_weights="trained"))
    assert tags.target_tags.required
    assert tags.target_tags.multi_output
    for cls in (CompressedMLPClassifier, CompressedMLPRegressor):
        assert not get_tags(cls(target="teacher")).target_tags.required
        assert get_tags(cls(target="both")).target_tags.required
    tags = get_tags(CompressedMLPRegressor(input_encoding="thresholds"))
    assert tags.input_tags.allow_nan
    assert tags.input_tags.categorical
    assert not tags.input_tags.sparse


def test_names_of_features():
    X, _ = load_iris(return_X_y=True)
    names = NTKCompressor((3,), eps=0.0, random_state=0).fit(X).get_feature_names_out()
    assert list(names) == ["ntkcompressor0", "ntkcompressor1", "ntkcompressor2"]


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_weights_may_be_asked_for_by_routing(cls):
    with sklearn.config_context(enable_metadata_routing=True):
        est = cls().set_fit_request(sample_weight=True)
        routing = est.get_metadata_routing()
    assert routing.fit.requests["sample_weight"] is True


def public_things(clf):
    X, y = load_iris(return_X_y=True)
    network, report = clf.network_, clf.report_
    yield from (clf, network, network.quantizer, network.layers[0], report)
    yield from (clf.matching_, clf.readout_, report.layers[0], report.kernel)
    yield from (clf.size_report(), sklearn_lossless.export.integer_readout(clf))
    yield from (sklearn_lossless.Conv2D(3, 3), network.weights(0))
    table = CompressedMLPClassifier((9,), input_encoding="thresholds", random_state=0)
    yield table.fit(X, y).network_.quantizer


def test_what_is_printed_fits_a_screen(clf):
    for thing in public_things(clf):
        # Some have a text of their own, and are one line as parts of others.
        is_table = isinstance(thing, (dict, CompressionReport))
        for text in (str(thing),) if is_table else (str(thing), repr(thing)):
            lines = text.splitlines()
            name = type(thing).__name__
            assert len(lines) <= 40, f"{name} prints {len(lines)} lines"
            widest = max(map(len, lines))
            assert widest <= 88, f"{name} prints a line of {widest}"
            assert not re.search(r"object at 0x", text), name
