"""What a fitted estimator holds: one value for its readout, nothing written later."""

import pickle
import threading
import warnings

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline

from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
)
from sklearn_lossless.readout.decomposition import Decomposition

ESTIMATORS = [NTKCompressor, CompressedMLPClassifier, CompressedMLPRegressor]
READOUTS = [CompressedMLPClassifier, CompressedMLPRegressor]


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)


def trained_on_batches(Estimator, X, y):
    options = {"classes": np.unique(y)} if hasattr(Estimator, "predict_proba") else {}
    fitted = Estimator((50,), random_state=0).partial_fit(X[:900], y[:900], **options)
    return fitted.partial_fit(X[900:], y[900:])


@pytest.mark.parametrize("Estimator", READOUTS)
def test_predictions_write_no_attribute(digits, Estimator):
    X, y = digits
    for fitted in (
        Estimator((50,), random_state=0).fit(X, y),
        trained_on_batches(Estimator, X, y),
    ):
        before = dict(vars(fitted))
        fitted.predict(X)
        assert fitted.readout_.coef_.shape[-1] == 50
        assert all(vars(fitted)[name] is value for name, value in before.items())
        assert vars(fitted).keys() == before.keys()


def test_threads_may_predict_after_a_batch(digits):
    X, y = digits
    expected = trained_on_batches(CompressedMLPClassifier, X, y).predict_proba(X)
    shared = trained_on_batches(CompressedMLPClassifier, X, y)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(shared.predict_proba(X)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for each in found:
        np.testing.assert_array_equal(each, expected)


@pytest.mark.parametrize("Estimator", READOUTS)
def test_a_notebook_does_not_solve_for_the_readout(digits, Estimator, monkeypatch):
    fitted = trained_on_batches(Estimator, *digits)

    def refuse(*args):
        raise AssertionError("solved")

    with monkeypatch.context() as patch:
        patch.setattr(Decomposition, "of", refuse)
        fitted._repr_html_()
        assert "readout_" not in dir(fitted)
        pickle.dumps(fitted)
    assert fitted.readout_.coef_ is not None
    assert {"readout_", "alpha_", "gcv_losses_"} <= set(dir(fitted))


@pytest.mark.parametrize("Estimator", READOUTS)
def test_attributes_of_a_readout_are_there_when_it_is(digits, Estimator):
    names = ["readout_", "alpha_", "alphas_", "loo_losses_", "gcv_losses_"]
    names += ["readout_", "teacher_agreement_"]
    fresh = Estimator((50,), random_state=0)
    for name in names:
        with pytest.raises(AttributeError, match=f"has no attribute '{name}'"):
            getattr(fresh, name)
    fitted = fresh.fit(*digits)
    there = {name for name in names if hasattr(fitted, name)}
    assert there == {"readout_", "alpha_", "alphas_", "loo_losses_"}
    fitted = trained_on_batches(Estimator, *digits)
    there = {name for name in names if hasattr(fitted, name)}
    assert there == {"readout_", "alpha_", "alphas_", "gcv_losses_"}


@pytest.mark.parametrize("Estimator", ESTIMATORS)
@pytest.mark.parametrize("pipeline", [False, True])
def test_warnings_point_at_the_users_line(digits, Estimator, pipeline):
    X, y = digits
    unmatched = Estimator((20, 20, 20), n_levels=2, eps=0.99)
    if pipeline:
        unmatched = make_pipeline(unmatched)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        unmatched.fit(X, y)
    assert {each.category for each in caught} == {UserWarning, ConvergenceWarning}
    assert {each.filename for each in caught} == {__file__}


def test_other_warnings_point_at_the_users_line(digits, monkeypatch):
    X, y = digits
    fitted = CompressedMLPClassifier((20,), random_state=0).fit(X, y)
    with pytest.warns(UserWarning, match="readout starts anew") as caught:
        fitted.partial_fit(X, y)
    assert caught[0].filename == __file__
    monkeypatch.setattr("sklearn_lossless.readout.streamed_logistic.MAX_ITERATIONS", 2)
    monkeypatch.setattr("sklearn_lossless.readout.logistic._DENSE_BYTES", 0)
    clf = CompressedMLPClassifier((20,), readout="logistic", alpha=0.01)
    with pytest.warns(ConvergenceWarning, match="did not converge") as caught:
        clf.fit(X, y)
    assert caught[0].filename == __file__
