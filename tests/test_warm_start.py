"""Trainings that go on where the last one ended, with warm_start=True."""

import math
import pickle
import warnings
from copy import deepcopy

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
)
from sklearn_lossless.export.archive import from_bytes, to_bytes
from sklearn_lossless.inspection import TrainingCurveDisplay
from sklearn_lossless.training.train import Options, _Schedule

WARM = {
    "eps": 0.5,
    "hidden_weights": "trained",
    "max_iter": 5,
    "warm_start": True,
    "random_state": 0,
}
X, Y = load_digits(return_X_y=True)
X, Y = X[:800], Y[:800]


def make(kind=CompressedMLPClassifier, sizes=(20,), **parameters):
    return kind(sizes, **{**WARM, **parameters})


def targets(kind):
    return Y + 0.5 if kind is CompressedMLPRegressor else Y


ALL = pytest.mark.parametrize(
    "kind", [NTKCompressor, CompressedMLPClassifier, CompressedMLPRegressor]
)


# --- it goes on -----------------------------------------------------------------------


@ALL
@pytest.mark.parametrize("early_stopping", [False, True])
def test_the_second_fit_goes_on(kind, early_stopping):
    y = targets(kind)
    est = make(kind, (20, 10), early_stopping=early_stopping).fit(X, y)
    first = list(est.loss_curve_)
    assert est.n_iter_ == len(first) == 5
    est.fit(X, y)
    assert est.loss_curve_[:5] == first
    assert est.n_iter_ == 5
    assert len(est.loss_curve_) == 10
    # Where it goes on, not where it starts.
    assert est.loss_curve_[5] < 0.5 * (first[0] + first[-1])
    assert est.loss_curve_[-1] < first[-1]
    assert est.best_loss_ == min(est.loss_curve_)
    if early_stopping:
        assert len(est.validation_scores_) == 10
        assert max(est.validation_scores_[5:]) > max(est.validation_scores_[:5])
    est.fit(X, y)
    assert len(est.loss_curve_) == 15


def test_curves_are_as_long_as_those_of_mlp_classifier():
    ours, mlp = make(), MLPClassifier((20,), max_iter=5, warm_start=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for max_iter in (5, 3):
            for est in (ours, mlp):
                est.set_params(max_iter=max_iter).fit(X, Y)
            assert ours.n_iter_ == mlp.n_iter_ == max_iter
            assert len(ours.loss_curve_) == len(mlp.loss_curve_)


def test_without_warm_start_a_fit_starts_anew():
    clf = make(warm_start=False).fit(X, Y)
    first = list(clf.loss_curve_)
    assert clf.fit(X, Y).loss_curve_ == first


@pytest.mark.parametrize("readout", [None, "ridge"])
def test_going_on_without_a_step_changes_no_code(readout):
    """Weights, gains, shifts, readout and quantiser are those of before."""
    clf = make(sizes=(20, 10), readout=readout).fit(X, Y)
    again = deepcopy(clf).set_params(max_iter=1, learning_rate_init=1e-30).fit(X, Y)
    np.testing.assert_array_equal(again.compressor_.codes(X), clf.compressor_.codes(X))
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


def test_other_rows_of_the_same_columns():
    """The quantiser stays, or the weights would not mean the same."""
    rng = np.random.default_rng(0)
    clf = make(max_iter=20).fit(X, Y)
    quantizer, loss = clf.network_.quantizer, clf.loss_curve_[-1]
    moved = np.vstack([X, X + rng.normal(0, 2, X.shape)])
    clf.fit(moved, np.tile(Y, 2))
    assert clf.network_.quantizer is quantizer
    assert clf.loss_curve_[20] < 0.5 * (clf.loss_curve_[0] + loss)
    mean = np.clip(moved, 0, 16).mean(0)  # what is out of its range is cut
    np.testing.assert_allclose(clf.mean_, mean, atol=0.5 / quantizer.inv_step)


def test_numbers_keep_their_unit():
    reg = make(CompressedMLPRegressor, max_iter=10).fit(X, Y + 0.5)
    loss = reg.loss_curve_[-1]
    # By weight alone, mean and deviation of these numbers are others.
    reg.set_params(max_iter=1, learning_rate_init=1e-30)
    reg.fit(X, Y + 0.5, np.where(Y > 6, 1.0, 0.01))
    assert reg.loss_curve_[10] < 1.5 * loss


def test_a_constant_target_may_vary_later():
    y = np.column_stack([Y + 0.5, np.zeros(len(Y))])
    reg = make(CompressedMLPRegressor, max_iter=10).fit(X, y)
    assert not reg.predict(X)[:, 1].any()
    y[:, 1] = Y**2 + 0.5
    assert reg.fit(X, y).score(X, y) > 0.5


def test_more_zeros_step_by_step():
    clf = make(sizes=(30,), max_iter=20)
    for eps in (0.5, 0.7, 0.9):
        clf.set_params(eps=eps).fit(X, Y)
        assert clf.network_.layers[0].n_nonzeros == round((1 - eps) * 64)
    assert clf.loss_curve_[-1] < clf.loss_curve_[19]


def test_readouts_are_fitted_to_the_layers_of_now():
    clf = make(readout="logistic").fit(X, Y)
    before = clf.score(X, Y)
    assert clf.set_params(max_iter=20).fit(X, Y).score(X, Y) > before


def test_sparse_and_dask_rows_go_on_like_dense_ones():
    from scipy import sparse

    clf = make().fit(X, Y)
    expected = deepcopy(clf).fit(X, Y).decision_function(X)
    found = deepcopy(clf).fit(sparse.csr_array(X), Y).decision_function(X)
    np.testing.assert_array_equal(found, expected)
    da = pytest.importorskip("dask.array")
    chunks = da.from_array(X, chunks=(300, 64))
    found = deepcopy(clf).fit(chunks, Y).decision_function(X)
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="X has 63 features, but CompressedMLP"):
        clf.fit(chunks[:, 1:], Y)


def test_the_schedule_starts_again():
    schedule = _Schedule(Options(max_iter=10, learning_rate_init=0.1))
    assert schedule.rate(0.0) == pytest.approx(0.1)
    assert schedule.rate(10.0) == pytest.approx(0.0)
    # The last epochs move next to nothing, the first ones of the next fit do.
    clf = make(max_iter=20).fit(X, Y)
    ends = np.abs(np.diff(clf.loss_curve_[-3:])).max()
    clf.fit(X, Y)
    assert np.abs(np.diff(clf.loss_curve_[20:24])).max() > 2 * ends


def test_held_out_rows_are_never_trained_on(monkeypatch):
    seen = []

    def split(rows, *args, **kwargs):
        seen.append(whole(rows, *args, **kwargs))
        return seen[-1]

    from sklearn_lossless.training import start

    whole = start.train_test_split
    monkeypatch.setattr(start, "train_test_split", split)
    clf = make(early_stopping=True, max_iter=1, random_state=None)
    clf.fit(X, Y).fit(X, Y)
    np.testing.assert_array_equal(seen[0][1], seen[1][1])


def test_batches_differ_from_fit_to_fit():
    """Else three fits would see the same batches three times."""
    clf = make(max_iter=1, learning_rate_init=1e-30, batch_size=100)
    losses = clf.fit(X, Y).fit(X, Y).fit(X, Y).loss_curve_
    assert len(set(losses)) == 3


def test_interrupted_trainings_go_on_from_their_best(monkeypatch):
    clf = make(max_iter=30, verbose=1)

    def interrupt(name, text):
        if text.startswith("Iteration 10,"):
            raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr("sklearn_lossless._fitted.print_progress", interrupt)
        with pytest.warns(ConvergenceWarning, match="interrupted"):
            clf.fit(X, Y)
    assert clf.n_iter_ == 10
    clf.set_params(verbose=0, max_iter=5).fit(X, Y)
    assert clf.n_iter_ == 5
    assert len(clf.loss_curve_) == 15
    assert clf.loss_curve_[-1] < clf.loss_curve_[9]


def test_early_stopping_that_comes_later():
    clf = make().fit(X, Y).set_params(early_stopping=True).fit(X, Y)
    scores = clf.validation_scores_
    assert all(map(math.isnan, scores[:5]))
    assert all(0 < score <= 1 for score in scores[5:])
    clf.set_params(early_stopping=False).fit(X, Y)
    assert len(clf.validation_scores_) == len(clf.loss_curve_) == 15
    assert "validation score" in str(clf.report_)
    assert len(clf.report_.frame("training")) == 15
    pytest.importorskip("matplotlib")
    TrainingCurveDisplay.from_estimator(clf)


# --- what it cannot go on from --------------------------------------------------------


def message_of(estimator, *args):
    with pytest.raises(ValueError, match=r"\w") as caught:
        estimator.fit(*args)
    return str(caught.value).replace(type(estimator).__name__, "ESTIMATOR")


@pytest.mark.parametrize(
    "other",
    [
        (X[:, :60], Y),
        (X[Y < 5], Y[Y < 5]),
        (X, np.where(Y == 0, 11, Y)),
        (X, Y.astype(str)),
        (np.where(X > 8, np.nan, X), Y),
    ],
    ids=["features", "fewer classes", "other classes", "strings", "nan"],
)
def test_errors_are_those_of_mlp_classifier(other):
    mlp = MLPClassifier((20,), max_iter=2, warm_start=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mlp.fit(X, Y)
    clf = make(max_iter=2).fit(X, Y)
    before = clf.predict(X)
    expected = message_of(mlp, *other).split("\n")[0]
    assert message_of(clf, *other).split("\n")[0] == expected
    # It is as fitted as before, and goes on.
    np.testing.assert_array_equal(clf.predict(X), before)
    assert len(clf.fit(X, Y).loss_curve_) == 4


@ALL
def test_other_shapes_of_the_network(kind):
    est = make(kind, max_iter=1).fit(X, targets(kind))
    for parameters, said in [
        ({"hidden_layer_sizes": (21,)}, r"Previously got \(20,\), now \(21,\)"),
        ({"hidden_layer_sizes": (20, 20)}, r"hidden_layer_sizes is the same"),
        ({"input_bits": 4}, "input_bits is the same .* Previously got 8, now 4"),
    ]:
        with pytest.raises(ValueError, match=said):
            deepcopy(est).set_params(**parameters).fit(X, targets(kind))


def test_other_targets():
    reg = make(CompressedMLPRegressor, max_iter=1).fit(X, Y + 0.5)
    with pytest.raises(ValueError, match="as many targets .* got 1, `y` has 2"):
        reg.fit(X, X[:, 2:4])
    compressor = make(NTKCompressor, max_iter=1).fit(X, Y)
    with pytest.raises(ValueError, match="Previously got class labels, .* numbers"):
        compressor.fit(X, Y + 0.5)
    compressor = make(NTKCompressor, max_iter=1).fit(X, Y + 0.5)
    with pytest.raises(ValueError, match="Previously got numbers, .* class labels"):
        compressor.fit(X, Y)
    with pytest.raises(ValueError, match="requires y to be passed"):
        compressor.fit(X)


def test_rows_that_the_kept_quantiser_cannot_tell_apart():
    clf = make(max_iter=1).fit(X, Y)
    with pytest.raises(ValueError, match="constant on the scale of the previous call"):
        clf.fit(X + 1000, Y)


def test_other_names_of_columns():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=[f"x{number}" for number in range(64)])
    clf = make(max_iter=1).fit(frame, Y).fit(frame, Y)
    assert list(clf.feature_names_in_) == list(frame.columns)
    with pytest.raises(ValueError, match="feature names should match"):
        clf.fit(frame.rename(columns={"x0": "first"}), Y)


# --- what is kept ---------------------------------------------------------------------


@ALL
def test_clones_start_anew_and_pickles_go_on(kind):
    y = targets(kind)
    est = make(kind).fit(X, y)
    assert len(clone(est).fit(X, y).loss_curve_) == 5
    copies = [pickle.loads(pickle.dumps(est)), deepcopy(est)]
    est.fit(X, y)
    for each in copies:
        assert each.fit(X, y).loss_curve_ == est.loss_curve_
        assert len(each.loss_curve_) == 10


def test_fits_leave_earlier_copies_as_they_were():
    clf = make().fit(X, Y)
    shallow = clf.compressor_._shallow_copy()
    before = [p.copy() for p in shallow._course.checkpoint.parameters]
    clf.fit(X, Y)
    for p, q in zip(shallow._course.checkpoint.parameters, before, strict=True):
        np.testing.assert_array_equal(p, q)
    assert len(shallow.loss_curve_) == 5


def test_real_weights_are_kept_only_if_asked_for():
    warm, cold = (make(sizes=(100,), warm_start=w, max_iter=1) for w in (True, False))
    sizes = [len(pickle.dumps(each.fit(X, Y))) for each in (warm, cold)]
    assert sizes[0] > sizes[1] + 4 * 64 * 100
    # Nor do tasks of a cluster carry them.
    light = len(pickle.dumps(warm._predictor()))
    assert light == pytest.approx(len(pickle.dumps(cold._predictor())), abs=1000)
    assert len(to_bytes(warm)) == pytest.approx(len(to_bytes(cold)), abs=100)


@pytest.mark.parametrize("how", ["file", "warm_start=False"])
def test_where_the_real_weights_are_not_known_training_starts_anew(how):
    clf = make(warm_start=how == "file").fit(X, Y)
    if how == "file":
        clf = from_bytes(to_bytes(clf))
        assert clf.warm_start
    clf.set_params(warm_start=True)
    with pytest.warns(UserWarning, match="real weights .* are not known.* anew"):
        clf.fit(X, Y)
    assert len(clf.loss_curve_) == 5
    assert len(clf.fit(X, Y).loss_curve_) == 10


@pytest.mark.parametrize("hidden_weights", [None, "random"])
def test_no_effect_on_random_layers(hidden_weights):
    clf = make(hidden_weights=hidden_weights).fit(X, Y)
    some = Y < 5
    clf.fit(X[some, 1:], Y[some])
    expected = make(hidden_weights=hidden_weights, warm_start=False)
    expected.fit(X[some, 1:], Y[some])
    np.testing.assert_array_equal(
        clf.decision_function(X[:, 1:]), expected.decision_function(X[:, 1:])
    )
    clf.set_params(hidden_weights="trained").fit(X, Y)
    assert len(clf.loss_curve_) == 5


def test_from_a_reference_network_only_once():
    mlp = MLPClassifier((20,), max_iter=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mlp.fit(X, Y)
    clf = CompressedMLPClassifier(estimator=mlp, target="both", **WARM)
    clf.fit(X, Y).fit(X, Y)
    assert len(clf.loss_curve_) == 10
    assert clf.loss_curve_[-1] < clf.loss_curve_[4]


def test_partial_fit_and_fit_take_turns():
    clf = make().partial_fit(X[:400], Y[:400], classes=range(10))
    assert len(clf.fit(X, Y).loss_curve_) == 10
    with pytest.warns(UserWarning, match="readout starts anew"):
        clf.partial_fit(X, Y)
    assert len(clf.fit(X, Y).loss_curve_) == 15


def test_bad_warm_start():
    with pytest.raises(ValueError, match="'warm_start' parameter"):
        make(warm_start="yes").fit(X, Y)
