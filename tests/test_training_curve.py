"""Of trained hidden layers the report and a display show the training."""

import copy
import json
import pickle
import re
import sys

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline

from sklearn_lossless import (
    CompressedMLPClassifier,
    CompressedMLPRegressor,
    NTKCompressor,
)
from sklearn_lossless.export.archive import from_bytes, to_bytes
from sklearn_lossless.inspection import (
    CompressionReport,
    MomentDisplay,
    SpectrumDisplay,
    TrainingCurveDisplay,
    _kernels,
)

TRAINED = {
    "hidden_layer_sizes": (20, 10),
    "eps": 0.5,
    "hidden_weights": "trained",
    "max_iter": 12,
    "random_state": 0,
}
ESTIMATORS = [NTKCompressor, CompressedMLPClassifier, CompressedMLPRegressor]
LEARNED = "learned from the targets and not random; theory does not tell their kernel"


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:300], y[:300]


@pytest.fixture(scope="module")
def trained(digits):
    return CompressedMLPClassifier(**TRAINED).fit(*digits)


@pytest.fixture(scope="module")
def scored(digits):
    return CompressedMLPClassifier(**TRAINED, early_stopping=True).fit(*digits)


@pytest.fixture(scope="module")
def random(digits):
    return CompressedMLPClassifier((20,), eps=0.5, random_state=0).fit(*digits)


@pytest.fixture(scope="module")
def interrupted(digits):
    """A training that was interrupted in its first epoch."""
    clf = CompressedMLPClassifier(**TRAINED)

    def interrupt(*args):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sklearn_lossless.training.train._Schedule.rate", interrupt)
        with pytest.warns(match="Training interrupted by user"):
            return clf.fit(*digits)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


# --- report -------------------------------------------------------------------


@pytest.mark.parametrize("Estimator", ESTIMATORS)
@pytest.mark.parametrize("given", [False, True])
def test_no_kernel_is_measured(digits, monkeypatch, Estimator, given):
    fitted = Estimator(**TRAINED).fit(*digits)
    monkeypatch.delattr(_kernels, "exact_kernels")
    monkeypatch.delattr(_kernels, "compressed_kernels")
    report = CompressionReport.from_estimator(fitted, digits[0] if given else None)
    assert report.kernel is None
    (note,) = report.notes
    assert LEARNED in note
    for layer in report.layers:
        assert (layer.distance, layer.distance_dense) == (None, None)
        assert (layer.alpha, layer.alpha_compressed) == (None, None)
    for lines in (str(report), report._repr_html_()):
        text = " ".join(lines.split())
        assert text.count(note) == 1
        for word in ("kernel distance", "dense</th>", "a1", "None", "nan"):
            assert word not in text
    assert report.loss_curve == tuple(fitted.loss_curve_)


def test_no_rows_are_set_aside(digits, random, trained):
    assert trained.compressor_._report_rows[1] is None
    fitted = copy.copy(random).set_params(**TRAINED).fit(*digits)
    assert fitted.compressor_._report_rows[1] is None  # nor those of an earlier fit


def test_what_the_report_says_of_steps_zeros_and_bytes(trained, random):
    report = trained.report_
    assert report.met
    assert report.zeros == pytest.approx(0.5)
    assert report.sizes["seed"] > 8
    first = report.layers[0]
    assert first.moments == random.report_.layers[0].moments
    assert first.n_levels == 8
    text = " ".join(str(report).split())
    for each in first.moments:
        assert f"{each.achieved:.6g}" in text
    assert f"{report.sizes['file_int8']:,}" in text
    assert repr(report).endswith(f"loss {trained.loss_curve_[-1]:.3g} in epoch 12>")


def test_tables_show_the_training(scored):
    report = scored.report_
    losses, scores = scored.loss_curve_, scored.validation_scores_
    assert report.validation_scores == tuple(scores)
    best = np.argmin(losses), np.argmax(scores)
    for text in (str(report), report._repr_html_()):
        lines = re.sub("<[^>]*>", " ", text.replace("</tr>", "\n")).splitlines()
        rows = [line.split() for line in lines]
        (epochs,) = (row[1:-1] for row in rows if row[:1] == ["epoch"])
        assert (epochs[0], epochs[-1], len(epochs)) == ("1", str(len(losses)), 6)
        told = [f"{losses[int(epoch) - 1]:.4g}" for epoch in epochs]
        assert ["loss", *told] in [row[:7] for row in rows]
        told = [f"{scores[int(epoch) - 1]:.4g}" for epoch in epochs]
        assert ["validation", "score", *told] in [row[:8] for row in rows]
        assert f"{losses[best[0]]:.4g}, epoch {best[0] + 1}" in text
        assert f"{scores[best[1]]:.4g}, epoch {best[1] + 1}" in text


def test_html_has_a_curve(trained, random):
    page = trained.report_._repr_html_()
    assert page.count("<table>") == page.count("</table>") == 4
    (points,) = re.findall(r'<polyline[^>]*points="([^"]*)"', page)
    heights = np.array([each.split(",") for each in points.split()], float)[:, 1]
    assert np.corrcoef(heights, trained.loss_curve_)[0, 1] < -0.999
    assert "<svg" not in random.report_._repr_html_()


@pytest.mark.parametrize("max_iter", [1, 2, 3])
def test_short_trainings(digits, max_iter):
    clf = CompressedMLPClassifier(**{**TRAINED, "max_iter": max_iter}).fit(*digits)
    report = clf.report_
    rows = [line.split() for line in str(report).splitlines()]
    epochs = [str(number + 1) for number in range(max_iter)]
    assert ["epoch", *epochs, "best"] in rows
    assert ("<svg" in report._repr_html_()) == (max_iter > 1)


def test_dict_and_frame(scored, trained, random):
    found = json.loads(json.dumps(scored.report_.to_dict(), allow_nan=False))
    assert found["loss_curve"] == scored.loss_curve_
    assert found["validation_scores"] == scored.validation_scores_
    assert found["kernel"] is None
    assert found["layers"][0]["alpha"] is None
    assert random.report_.to_dict()["loss_curve"] == []

    frame = scored.report_.frame("training")
    assert list(frame.index) == list(range(1, scored.n_iter_ + 1))
    assert frame["loss"].tolist() == scored.loss_curve_
    assert frame["validation_score"].tolist() == scored.validation_scores_
    assert list(trained.report_.frame("training").columns) == ["loss"]
    layers = trained.report_.frame()
    assert layers[["a1", "a3_compressed", "distance"]].isna().all(axis=None)
    assert layers["m1"].tolist() == [0.5, 0.5]
    with pytest.raises(ValueError, match="there is no training"):
        random.report_.frame("training")


def test_copies_have_the_same_report(scored):
    for other in (pickle.loads(pickle.dumps(scored)), copy.deepcopy(scored)):
        assert other.report_ == scored.report_
    report = scored.report_
    assert pickle.loads(pickle.dumps(report)) == report
    assert str(pickle.loads(pickle.dumps(report))) == str(report)


def test_report_of_a_later_training(digits):
    clf = CompressedMLPClassifier(**TRAINED).fit(*digits)
    early, losses = clf.report_, tuple(clf.loss_curve_)
    clf.set_params(max_iter=3).fit(*digits)
    assert early.loss_curve == losses
    assert len(clf.report_.loss_curve) == 3


@pytest.mark.parametrize("Estimator", ESTIMATORS)
def test_model_files_tell_that_layers_are_trained(digits, Estimator):
    fitted = Estimator(**TRAINED).fit(*digits)
    loaded = from_bytes(to_bytes(fitted))
    report = loaded.report_
    assert report.notes == fitted.report_.notes
    assert (report.kernel, report.loss_curve) == (None, ())
    assert "epoch" not in str(report)
    assert report.layers == fitted.report_.layers
    assert loaded._repr_html_()
    for name in ("n_iter_", "loss_curve_", "best_loss_", "validation_scores_"):
        assert not hasattr(loaded, name)
    with pytest.raises(AttributeError, match="model files do not hold how"):
        loaded.n_iter_  # noqa: B018


@pytest.mark.parametrize("hidden_weights", ["random", "fitted"])
def test_model_files_know_where_there_was_no_training(digits, hidden_weights):
    mlp = MLPClassifier((20,), max_iter=200, random_state=0, tol=1e-2).fit(*digits)
    clf = CompressedMLPClassifier(
        estimator=mlp, eps=0.5, hidden_weights=hidden_weights, random_state=0
    )
    loaded = from_bytes(to_bytes(clf.fit(*digits)))
    assert loaded.n_iter_ == loaded.compressor_.n_iter_ == clf.n_iter_ == 1
    with pytest.raises(AttributeError, match="hidden_weights='trained' only"):
        loaded.loss_curve_  # noqa: B018
    with pytest.raises(ValueError, match="its hidden layers were not trained"):
        TrainingCurveDisplay.from_estimator(loaded)


def test_a_trained_compressor_as_estimator(digits):
    compressor = NTKCompressor(**TRAINED).fit(*digits)
    clf = CompressedMLPClassifier(estimator=FrozenEstimator(compressor)).fit(*digits)
    for each in (clf, FrozenEstimator(compressor), FrozenEstimator(clf)):
        report = CompressionReport.from_estimator(each)
        assert report.loss_curve == tuple(compressor.loss_curve_)
        assert LEARNED in report.notes[0]
        display = TrainingCurveDisplay.from_estimator(each)
        assert display.loss_curve == report.loss_curve
    # A file does not tell what the layers of the compressor came from.
    loaded = from_bytes(to_bytes(clf))
    assert "weights of their own, not random ones" in loaded.report_.notes[0]
    assert not hasattr(loaded, "n_iter_")


def test_training_without_a_whole_epoch(interrupted):
    report = interrupted.report_
    assert report.loss_curve == ()
    assert LEARNED in " ".join(str(report).split())
    assert interrupted.n_iter_ == 0
    assert interrupted.best_loss_ == np.inf
    assert interrupted._repr_html_()
    with pytest.raises(ValueError, match="interrupted in its first epoch"):
        TrainingCurveDisplay.from_estimator(interrupted)


# --- display ------------------------------------------------------------------


@pytest.mark.parametrize("Estimator", ESTIMATORS)
def test_display_draws_the_loss(digits, Estimator):
    fitted = Estimator(**TRAINED).fit(*digits)
    display = TrainingCurveDisplay.from_estimator(fitted)
    epochs, losses = display.line_.get_data()
    assert list(epochs) == list(range(1, 13))
    assert list(losses) == fitted.loss_curve_
    assert display.figure_ is display.ax_.figure
    assert display.ax_.get_xlabel() == "epoch"
    assert (display.score_ax_, display.score_line_) == (None, None)


def test_display_draws_the_validation_score(scored):
    display = TrainingCurveDisplay.from_estimator(scored)
    epochs, scores = display.score_line_.get_data()
    assert list(epochs) == list(display.line_.get_xdata())
    assert list(scores) == scored.validation_scores_
    assert display.score_ax_.get_ylabel() == "validation score"
    texts = display.score_ax_.get_legend().get_texts()
    assert [text.get_text() for text in texts] == ["loss", "validation score"]


def test_display_takes_axes_and_style(trained):
    _, ax = plt.subplots()
    first = TrainingCurveDisplay.from_estimator(trained, ax=ax)
    second = TrainingCurveDisplay.from_estimator(
        trained, ax=ax, c="black", ls="--", label="again"
    )
    assert first.ax_ is second.ax_ is ax
    assert ax.get_lines() == [first.line_, second.line_]
    assert second.line_.get_color() == "black"
    assert second.line_.get_linestyle() == "--"
    assert second.line_.get_label() == "again"
    assert second.plot() is second
    assert second.ax_ is not ax


def test_estimators_without_training_are_told_why(digits, trained, random):
    with pytest.raises(
        ValueError,
        match="CompressedMLPClassifier has no training curve: its hidden layers were "
        "not trained, as by hidden_weights='trained'",
    ):
        TrainingCurveDisplay.from_estimator(random)
    with pytest.raises(ValueError, match="model files do not hold it"):
        TrainingCurveDisplay.from_estimator(from_bytes(to_bytes(trained)))
    with pytest.raises(NotFittedError):
        TrainingCurveDisplay.from_estimator(CompressedMLPClassifier(**TRAINED))
    pipeline = make_pipeline(NTKCompressor(**TRAINED)).fit(*digits)
    with pytest.raises(TypeError, match="got Pipeline; of a pipeline take the step"):
        TrainingCurveDisplay.from_estimator(pipeline)


def test_a_missing_package_is_named(trained, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"sklearn-lossless\[plot\]"):
        TrainingCurveDisplay.from_estimator(trained)


# --- other displays -----------------------------------------------------------


@pytest.mark.parametrize("theory", ["exact", "equivalent"])
def test_spectra_of_trained_layers_are_refused(digits, trained, theory):
    for each in (trained, trained.compressor_, from_bytes(to_bytes(trained))):
        with pytest.raises(ValueError, match=LEARNED):
            SpectrumDisplay.from_estimator(each, *digits, theory=theory)


def test_spectra_of_trained_features_can_be_drawn_as_kernels(digits, trained, random):
    kernels = [each.compressor_.transform(digits[0]) for each in (random, trained)]
    kernels = [Z @ Z.T for Z in kernels]
    display = SpectrumDisplay.from_kernels(*kernels, digits[1])
    expected = np.linalg.eigvalsh(kernels[1])[::-1]
    np.testing.assert_allclose(display.comparison.eigenvalues_b, expected, atol=1e-8)


@pytest.mark.parametrize("layer", [1, 2])
def test_moments_are_those_of_the_matched_step(trained, layer):
    for each in (trained, from_bytes(to_bytes(trained))):
        display = MomentDisplay.from_estimator(each, layer)
        match = trained.matching_.layers[layer - 1]
        assert display.match.equations == match.equations
