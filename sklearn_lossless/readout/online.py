"""What `partial_fit` keeps of the data: sums, and a sample for the calibration."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ..data import Report
from ..network import CompressedNetwork
from .calibration import SAMPLE_SIZE, LeftOut, RowSample
from .leave_one_out import predict_left_out
from .linear import LinearReadout
from .samples import Samples
from .statistics import Decomposition, RidgeStatistics

__all__ = ["OnlineRidge"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class OnlineRidge:
    """The ridge readout of all batches so far, solved when it is asked for.

    A batch makes a new one, so that an interrupted batch changes nothing.

    Parameters
    ----------
    network : CompressedNetwork
        Gives the codes; fixed from the first batch on.
    n_targets : int
        Number of columns of the targets.
    offset : ndarray of shape (n_targets,) or float, default=0.0
        Subtracted from the targets, so that sums of products lose less to rounding.
    single : bool, default=False
        Whether targets had one dimension.
    alpha : float or None, default=None
        Regularisation. None: the best by generalised cross-validation.
    statistics : RidgeStatistics or None, default=None
        Sums over the batches; None for no batch.
    sample : RowSample or None, default=None
        Rows for the calibration of probabilities; None for real targets.
    report : callable or None, default=None
        Takes lines of text about the progress.
    """

    network: CompressedNetwork
    n_targets: int
    offset: Array | float = 0.0
    single: bool = False
    alpha: float | None = None
    statistics: RidgeStatistics | None = None
    sample: RowSample | None = None
    report: Report | None = None

    def with_batch(
        self, samples: Samples, alpha: float | None, report: Report | None
    ) -> Self:
        """Return the readout of one more batch.

        Parameters
        ----------
        samples : Samples
            Real targets are less the offset.
        alpha, report
            As of the class.

        Returns
        -------
        OnlineRidge
        """
        statistics, sample = RidgeStatistics.of(samples), self.sample
        if samples.labels is not None:
            if sample is None:
                sample = RowSample.of(samples, SAMPLE_SIZE)
            else:
                sample = sample.with_batch(samples)
        if self.statistics is not None:
            statistics = self.statistics + statistics
        return replace(
            self, statistics=statistics, sample=sample, alpha=alpha, report=report
        )

    @property
    def is_solved(self) -> bool:
        """Whether `readout` has been computed."""
        return "readout" in self.__dict__

    @cached_property
    def readout(self) -> LinearReadout:
        """The readout of all batches so far."""
        assert self.statistics is not None
        offset, step_size = self.network.code_line
        decomposition = Decomposition.of(self.statistics, step_size)
        alphas = decomposition.default_alphas()
        if self.alpha is not None:
            alphas = np.array([self.alpha])
        losses = decomposition.gcv_losses(alphas)
        best = int(losses.argmin())
        coef = decomposition.coef(alphas[best])
        temperature = None
        if self.sample is not None:
            samples = self.sample.samples
            path = decomposition.path(alphas[[best]])
            scores = predict_left_out(samples, path, 0)
            temperature = LeftOut.of(samples, scores).temperature()
        if self.report is not None:
            self.report(
                f"ridge readout: alpha={alphas[best]:.3g}, generalised "
                f"cross-validation {losses.min():.4g}"
            )
        return LinearReadout(
            coef=coef,
            intercept=decomposition.intercept(coef) - coef @ offset + self.offset,
            alpha=float(alphas[best]),
            alphas=alphas,
            losses=losses,
            criterion="gcv",
            temperature=temperature,
            single=self.single,
        )
