"""What the classifier and the regressor share: compressor and linear readout."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from numbers import Real
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from ._compressor import NTKCompressor
from ._fitted import FittedMixin
from ._inputs import set_tags
from ._teaching import squared_scores, with_scores, with_smaller_scores
from ._validation import Interval, StrOptions, validate_input, warn_user
from .data import Data, MemoryData, Part, is_dask, read_data, varies
from .readout import LinearReadout, OnlineRidge, Samples, fit_ridge, samples_of
from .readout.calibration import SAMPLE_SIZE, LeftOut
from .readout.linear import scores_of
from .readout.samples import feature_squares
from .readout.target_line import TargetLine
from .reference.architecture import (
    Architecture,
    read_architecture,
    thawed,
    warn_ignored,
)
from .reference.network import NOT_FITTED_HINT, check_n_features
from .reference.teacher import read_teacher
from .training import Course, Goal

__all__ = ["Agreement", "CompressedMLP"]

#: Attributes of the readout; after `partial_fit` they are computed when asked for.
_OF_READOUT = (
    "_readout",
    "alpha_",
    "alphas_",
    "gcv_losses_",
    "loo_losses_",
    "readout_",
    "temperature_",
)


class Agreement(NamedTuple):
    """Agreement with the teacher and with the labels on the training data."""

    with_teacher: float
    with_labels: float | None = None


class CompressedMLP(FittedMixin, BaseEstimator):
    """Compressor and linear readout, the part that both estimators share."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **NTKCompressor._parameter_constraints,
        "alpha": [Interval(Real, 0, None, closed="neither"), None],
        "target": [StrOptions({"labels", "teacher", "both"})],
    }

    #: Makes the hidden layers.
    _compressor_class: ClassVar[type[NTKCompressor]] = NTKCompressor

    #: The fitted linear readout, or the batches that it follows from.
    _kept: LinearReadout | OnlineRidge | None = None

    #: The fitted readout that is an estimator of its own.
    _own_readout: Any = None

    #: Rows of a stream that has had equal ones only, from which no scale follows.
    _waiting: Part | None = None

    #: How near the student is to its teacher, where it has one.
    _agreement: Agreement | None = None

    # --- hidden layers ----------------------------------------------------------------

    def _hidden(self) -> Architecture | NTKCompressor:
        """Read from the parameters what the hidden layers are, or raise."""
        compressor = thawed(self.estimator)
        if not isinstance(compressor, NTKCompressor):
            return read_architecture(self)
        for name, *allowed in (
            ("widen", 1),
            ("hidden_weights", None, "random"),
            ("target", "labels"),
        ):
            value, only = getattr(self, name), allowed[0]
            if value not in allowed:
                raise ValueError(
                    f"{name}={value!r} needs the network that was compressed, but "
                    "estimator is a fitted NTKCompressor. Use "
                    f"{name}={only!r}."
                )
        own = ("random_state", "n_jobs", "verbose")
        others = sorted(set(NTKCompressor._get_param_names()) - {"estimator", *own})
        warn_ignored(self, others, "its hidden layers")
        return compressor

    def _fit_hidden(
        self,
        data: Data,
        hidden: Architecture | NTKCompressor,
        goal: Goal | None = None,
        earlier: Course | None = None,
    ) -> None:
        """Fit the hidden layers, from an earlier training on, or adopt fitted ones."""
        if isinstance(hidden, NTKCompressor):
            compressor = self._adopted(hidden, data.n_features)
        else:
            cls = self._compressor_class
            names = cls._get_param_names()
            compressor = cls(**{name: getattr(self, name) for name in names})
            if hasattr(self, "feature_names_in_"):
                compressor.feature_names_in_ = self.feature_names_in_
            compressor._columns = self._columns
            compressor._fit_data(data, hidden, goal, earlier)
        self.compressor_ = compressor
        self._course = getattr(compressor, "_course", None)
        self.network_ = compressor.network_
        self.matching_ = compressor.matching_
        self.mean_ = compressor.mean_
        self.scale_ = compressor.scale_

    def _adopted(self, compressor: NTKCompressor, n_features: int) -> NTKCompressor:
        """Return the fitted compressor that `estimator` is, as our own."""
        if not hasattr(compressor, "network_"):
            raise NotFittedError(
                f"estimator is an NTKCompressor that is not fitted. {NOT_FITTED_HINT}"
            )
        check_n_features(n_features, "NTKCompressor", compressor.n_features_in_)
        own = getattr(self, "feature_names_in_", None)
        given = getattr(compressor, "feature_names_in_", None)
        if own is not None and given is not None and list(own) != list(given):
            raise ValueError(
                f"X has features {list(own)!r}, but estimator NTKCompressor was fitted "
                f"with {list(given)!r}."
            )
        return compressor._shallow_copy()

    # --- training ---------------------------------------------------------------------

    def _read(
        self, X: Any, y: Any, weight: Any, targets: str, hidden: Any, earlier: Any
    ) -> Data:
        """Validate the data of a fit, which may go on from an earlier training."""
        return read_data(
            self,
            X,
            y,
            weight,
            targets=None if y is None and self.target == "teacher" else targets,
            reset=earlier is None,
            like=hidden if isinstance(hidden, NTKCompressor) else None,
            report=self._progress,
        )

    def _read_batch(
        self, X: Any, y: Any, sample_weight: Any, targets: str, hidden: Any
    ) -> Data:
        """Validate a batch, in memory, with labels as its target."""
        if self.target != "labels":
            raise ValueError(
                f"target={self.target!r} needs all samples at once, but partial_fit "
                "has batches. Use fit."
            )
        if is_dask(X, y, sample_weight):
            raise TypeError(
                "partial_fit takes batches in memory, got a dask array. Use fit, which "
                "takes it as a whole."
            )
        return read_data(
            self,
            X,
            y,
            sample_weight,
            targets=targets,
            like=hidden if isinstance(hidden, NTKCompressor) else None,
            # Later batches have the features of those before.
            reset=not hasattr(self, "compressor_") and self._waiting is None,
            min_samples=1,
            report=self._progress,
        )

    def _teach(
        self, data: Data, hidden: Architecture | NTKCompressor
    ) -> tuple[Data, float]:
        """Return the data with what the teacher says of each row, and its unit."""
        assert isinstance(hidden, Architecture)
        teacher = read_teacher(
            hidden.reference,
            self.target,
            classifier=is_classifier(self),
            n_features=data.n_features,
            feature_names=getattr(self, "feature_names_in_", None),
        )
        data = data.map(with_scores, teacher)
        if not is_classifier(self):
            return data, 1.0
        squares, weight = data.total(squared_scores)
        unit = float(np.sqrt(squares / weight)) or 1.0
        return data.map(with_smaller_scores, unit), unit

    def _fit_ridge(
        self,
        data: Data,
        targets: Any,
        loss: Any = None,
        *,
        calibrate: bool,
        line: TargetLine | None = None,
    ) -> tuple[LinearReadout, LeftOut | None]:
        """Fit the ridge readout, with left-out scores for a calibration or without."""
        readout, left_out = fit_ridge(
            data.map(samples_of, self.network_, targets),
            *self.network_.code_line,
            alphas=None if self.alpha is None else np.array([self.alpha]),
            loss=loss,
            n_left_out=SAMPLE_SIZE if calibrate else 0,
            line=line,
        )
        if self._progress is not None:
            assert readout.losses is not None
            self._progress(
                f"ridge readout: alpha={readout.alpha:.3g}, "
                f"leave-one-out loss {readout.losses.min():.4g}"
            )
        return readout, left_out

    def _add_batch(
        self,
        data: Data,
        hidden: Architecture | NTKCompressor | None,
        targets: Any,
        goal: Callable[[Data], Goal],
        **start: Any,
    ) -> None:
        """Add a batch to those before; fix the hidden layers if they are not."""
        online = self._kept if isinstance(self._kept, OnlineRidge) else None
        if hidden is not None:  # they are to be fixed
            part = data.take_all()
            if self._waiting is not None:
                part = Part.join([self._waiting, part])
                data = MemoryData.of(part, data.y_shape)
            if not isinstance(hidden, NTKCompressor) and not varies(data):
                self._waiting = part
                return
            trains = self.hidden_weights == "trained"
            self._fit_hidden(data, hidden, goal(data) if trains else None)
        elif online is None and (self._kept, self._own_readout) != (None, None):
            warn_user(
                "partial_fit cannot add to the readout of fit, which has kept no sums "
                "of its rows. The hidden layers stay as they are, the readout starts "
                "anew with this batch."
            )
        if online is None:
            online = OnlineRidge(self.network_, **start)
        samples: Samples = data.map(samples_of, self.network_, targets).take_all()
        self._keep_readout(online.with_batch(samples, self.alpha, self._progress))

    def _squared_norm(self, samples: Data) -> float:
        """Return the mean squared norm of the features."""
        network = self.network_
        if network.is_dense:  # as the theory says
            taus = self.matching_.tau_compressed[-len(network.output_layers) :]
            return float(np.square(taus).sum())
        squares, weight = samples.total(feature_squares, *network.code_line)
        return float(squares / weight)

    def _keep_readout(
        self, readout: LinearReadout | OnlineRidge | None, own: Any = None
    ) -> None:
        """Keep a fitted readout in place of all that an earlier fit has left."""
        self._kept, self._own_readout = readout, own
        self._agreement = self._waiting = None

    # --- the fitted readout -----------------------------------------------------------

    @property
    def _readout(self) -> LinearReadout | None:
        """The fitted linear readout; None if it is an estimator of its own."""
        kept = self._kept
        return kept.readout if isinstance(kept, OnlineRidge) else kept

    def _missing(self, name: str) -> AttributeError:
        """Return the error of an attribute that this fit has not."""
        return AttributeError(
            f"{type(self).__name__!r} object has no attribute {name!r}"
        )

    @property
    def readout_(self) -> Any:
        """The fitted readout."""
        # Its coefficients are not the estimator's own: there is one for each feature
        # that the hidden layers give, not for each column of X.
        readout = self._readout if self._own_readout is None else self._own_readout
        if readout is None:
            raise self._missing("readout_")
        return readout

    @property
    def alpha_(self) -> float:
        """Regularisation used."""
        readout = self._readout
        if readout is None or readout.alpha is None:
            raise self._missing("alpha_")
        return readout.alpha

    @property
    def alphas_(self) -> npt.NDArray[np.float64]:
        """Regularisations tried."""
        readout = self._readout
        if readout is None or readout.alphas is None:
            raise self._missing("alphas_")
        return readout.alphas

    @property
    def loo_losses_(self) -> npt.NDArray[np.float64]:
        """Leave-one-out loss of each regularisation."""
        return self._losses("loo")

    @property
    def gcv_losses_(self) -> npt.NDArray[np.float64]:
        """Generalised cross-validation of each regularisation."""
        return self._losses("gcv")

    def _losses(self, criterion: str) -> npt.NDArray[np.float64]:
        readout = self._readout
        if readout is None or readout.losses is None or readout.criterion != criterion:
            raise self._missing(f"{criterion}_losses_")
        return readout.losses

    @property
    def teacher_agreement_(self) -> float:
        """Agreement with the teacher on the training data."""
        if self._agreement is None:
            raise self._missing("teacher_agreement_")
        return self._agreement.with_teacher

    def _agreement_with_labels(self, name: str) -> float:
        if self._agreement is None or self._agreement.with_labels is None:
            raise self._missing(name)
        return self._agreement.with_labels

    def __dir__(self) -> list[str]:
        # What looks at all attributes, as notebooks do, is not to solve for them. Not
        # by super(): it has a look at each, to leave out methods that are not there.
        names = set(object.__dir__(self))
        if isinstance(self._kept, OnlineRidge) and not self._kept.is_solved:
            names.difference_update(_OF_READOUT)
        return [name for name in names if hasattr(self, name)]

    def _predictor(self) -> Self:
        """Return a copy that predicts the same and holds nothing more."""
        light = copy(self)
        light._kept = self._readout
        if hasattr(self, "compressor_"):
            light.compressor_ = self.compressor_._predictor()
        light._course = None
        return light

    # --- predictions ------------------------------------------------------------------

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether there is a readout."""
        return (self._kept, self._own_readout) != (None, None)

    def _validated(self, X: Any) -> Any:
        """Return the `X` of a prediction, checked against that of the fit."""
        if self._waiting is not None:
            raise NotFittedError(
                f"All {self._waiting.n_samples} rows that partial_fit has had are "
                "equal. The scale of the inputs does not follow from them. Go on with "
                "other rows, or fit the hidden layers first, on rows that are typical: "
                "estimator=NTKCompressor(...).fit(X)."
            )
        check_is_fitted(self)
        return validate_input(self, X, reset=False)

    def _linear(self, X: Any, **then: Any) -> npt.NDArray[Any]:
        """Return what `scores_of` does of validated `X` with the fitted readout."""
        readout = self._readout
        assert readout is not None
        return scores_of(readout, self.network_, X, n_jobs=self.n_jobs, **then)

    def __sklearn_tags__(self) -> Tags:
        """Return the tags of the estimator."""
        tags = super().__sklearn_tags__()
        set_tags(self, tags)
        return tags
