"""What the classifier and the regressor share: compressor and linear readout."""

from __future__ import annotations

import warnings
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from ._chunked import is_dask
from ._compat import Interval, StrOptions
from ._compressor import NTKCompressor, given_architecture, validate_input
from ._online import OnlineRidge
from ._readout import RidgeReadout, fit_ridge
from ._reporting import ReportMixin
from ._saving import SavingMixin
from .network import LazyCodes
from .reference.architecture import thawed
from .reference.network import NOT_FITTED_HINT, check_n_features

__all__ = ["CompressedMLP"]


class CompressedMLP(SavingMixin, ReportMixin, BaseEstimator):
    """Compressor and linear readout, the part that both estimators share."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **NTKCompressor._parameter_constraints,
        "alpha": [Interval(Real, 0, None, closed="neither"), None],
        "target": [StrOptions({"labels", "teacher", "both"})],
    }

    #: Attributes that tell how near the student is to its teacher, and to the labels.
    _of_teacher: ClassVar[tuple[str, ...]] = ("teacher_agreement_",)

    #: Attributes of the readout; after `partial_fit` they are computed when asked for.
    _of_readout: ClassVar[tuple[str, ...]] = (
        "coef_",
        "intercept_",
        "alpha_",
        "alphas_",
        "gcv_losses_",
    )

    def _fit_compressor(self, X: Any, sample_weight: Any) -> LazyCodes:
        """Fit the hidden layers, or take given ones, and return the codes of `X`."""
        compressor = self._given_compressor(X.shape[1])
        if compressor is None:
            compressor = self._make_compressor()._fit_validated(X, sample_weight)
        self._keep_compressor(compressor)
        return LazyCodes(self.network_, X, self.n_jobs)

    def _check_architecture(self) -> None:
        """Raise if parameters do not say what the hidden layers are."""
        if not isinstance(thawed(self.estimator), NTKCompressor):
            given_architecture(self)
            return
        for name, only in (
            ("widen", 1),
            ("hidden_weights", "random"),
            ("target", "labels"),
        ):
            value = getattr(self, name)
            if value != only:
                raise ValueError(
                    f"{name}={value!r} needs the network that was compressed; "
                    f"estimator is a fitted NTKCompressor, which goes with "
                    f"{name}={only!r}."
                )

    def _given_compressor(self, n_features: int) -> NTKCompressor | None:
        """Return the fitted compressor that `estimator` is, if it is one."""
        compressor = thawed(self.estimator)
        if not isinstance(compressor, NTKCompressor):
            return None
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
        # A later fit of the given one must not change this estimator. (Copies as made
        # for others leave out the rows of the report.)
        taken = NTKCompressor.__new__(NTKCompressor)
        taken.__dict__.update(vars(compressor))
        return taken

    def _make_compressor(self) -> NTKCompressor:
        parameters = {
            name: getattr(self, name) for name in NTKCompressor._get_param_names()
        }
        compressor = NTKCompressor(**parameters)
        if hasattr(self, "feature_names_in_"):
            compressor.feature_names_in_ = self.feature_names_in_
        return compressor

    def _keep_compressor(self, compressor: NTKCompressor) -> None:
        self.compressor_ = compressor
        self.network_ = compressor.network_
        self.matching_ = compressor.matching_
        self.mean_ = compressor.mean_
        self.scale_ = compressor.scale_

    def _check_labels_are_the_target(self, what: str) -> None:
        if self.target != "labels":
            raise ValueError(
                f"target={self.target!r} needs all samples at once, in memory; {what}."
            )

    def _check_batch(self, *arrays: Any) -> None:
        """Raise if there is no batch in memory, with labels as its target."""
        self._check_labels_are_the_target("partial_fit has batches")
        if is_dask(*arrays):
            raise TypeError(
                "partial_fit takes batches in memory, got a dask array, which fit "
                "takes as a whole."
            )

    def _forget_readout(self) -> None:
        """Remove what an earlier fit has left."""
        names = *self._of_readout, *self._of_teacher, "loo_losses_", "readout_"
        for name in (*names, "_online"):
            self.__dict__.pop(name, None)

    def _report(self, text: str) -> None:
        print(f"[{type(self).__name__}] {text}", flush=True)

    def _fit_ridge(
        self,
        codes: LazyCodes,
        Y: Any,
        sample_weight: Any,
        costs: Any = None,
        loss: Any = None,
        *,
        predict: bool,
    ) -> RidgeReadout:
        """Fit the ridge readout, with leave-one-out predictions or without."""
        ridge = fit_ridge(
            codes,
            Y,
            scale=self.compressor_.code_line_[1],
            sample_weight=sample_weight,
            costs=costs,
            alphas=None if self.alpha is None else np.array([self.alpha]),
            loss=loss,
            predict=predict,
            report=self._report if self.verbose else None,
        )
        self._keep_ridge(
            ridge.coef, ridge.intercept, ridge.alpha, ridge.alphas, ridge.loo_losses
        )
        return ridge

    def _is_linear(self) -> bool:
        """Whether the fitted readout is one of ours, not an estimator of its own."""
        return "readout_" not in vars(self) or "alpha_" in vars(self)

    def _exact_readout(
        self,
    ) -> tuple[
        npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]
    ]:
        """Return the readout of codes: ``scores = (codes @ weights) * grid + offset``.

        Returns
        -------
        weights : ndarray of shape (n_features_out, n_targets), dtype float64
            Whole numbers of 31 bits.
        grid : ndarray of shape (n_targets,), dtype float64
            Powers of two.
        offset : ndarray of shape (n_targets,), dtype float64
        """
        check_is_fitted(self)
        first, unit = self.compressor_.code_line_
        coef = np.atleast_2d(self.coef_)
        constants, step = _on_grid((coef * first).T)
        weights, grid = _on_grid((coef * unit).T)
        return weights, grid, self.intercept_ + constants.sum(axis=0) * step

    def _keep_ridge(
        self, coef: Any, intercept: Any, alpha: float, alphas: Any, loo_losses: Any
    ) -> None:
        self._forget_readout()
        # From codes to features: feature = first + unit * code.
        first, _ = self.compressor_.code_line_
        self.coef_ = coef
        self.intercept_ = intercept - coef @ first
        self.alpha_ = float(alpha)
        self.alphas_ = alphas
        self.loo_losses_ = loo_losses
        if self.verbose:
            self._report(
                f"ridge readout: alpha={self.alpha_:.3g}, "
                f"leave-one-out loss {loo_losses.min():.4g}"
            )

    def _start_online(self, X: Any, sample_weight: Any, **targets: Any) -> OnlineRidge:
        """Return the sums of no samples; fix the hidden layers if they are not."""
        if not hasattr(self, "compressor_"):
            self._fit_compressor(X, sample_weight)
        elif hasattr(self, "coef_") or hasattr(self, "readout_"):
            warnings.warn(
                "fit keeps no statistics that partial_fit could add to: the hidden "
                "layers stay as they are, the readout starts anew with this batch.",
                UserWarning,
                stacklevel=3,
            )
        return OnlineRidge(self.network_, **targets)

    def _solve_online(self) -> None:
        """Compute the readout of the batches so far."""
        first, unit = self.compressor_.code_line_
        solution = self._online.solve(unit, self.alpha)
        self.coef_ = solution.coef
        self.intercept_ = solution.intercept - solution.coef @ first
        self.alpha_ = solution.alpha
        self.alphas_ = solution.alphas
        self.gcv_losses_ = solution.gcv_losses
        if solution.temperature is not None:
            self.temperature_ = solution.temperature
        if self.verbose:
            self._report(
                f"ridge readout: alpha={self.alpha_:.3g}, generalised "
                f"cross-validation {self.gcv_losses_.min():.4g}"
            )

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the readout that `partial_fit` has left open."""
        if name not in type(self)._of_readout or "_online" not in self.__dict__:
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}"
            )
        self._solve_online()
        return self.__dict__[name]

    def _validated(self, X: Any) -> Any:
        """Return the `X` of a prediction, checked against that of the fit."""
        check_is_fitted(self)
        return validate_input(self, X, reset=False)

    def _linear(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the linear readout of validated `X`, (n_samples, n_targets)."""
        weights, grid, offset = self._exact_readout()
        scores = self.network_.scores(X, weights, n_jobs=self.n_jobs)
        return scores * grid + offset

    def __sklearn_tags__(self) -> Tags:
        """Return the tags of the estimator."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _on_grid(
    weights: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Round each column of `weights` to 31-bit integers times a power of two.

    Sums of such integers times 4-bit codes are exact in float64, so that scores
    do not depend on the batch, the threads or the machine.
    """
    _, exponents = np.frexp(np.abs(weights).max(axis=0, initial=0.0))
    grid = np.ldexp(1.0, np.maximum(exponents - 31, -1022))
    return np.rint(weights / grid), grid
