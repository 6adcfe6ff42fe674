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
from .gcv import fit_by_gcv
from .leave_one_out import predict_left_out
from .linear import LinearReadout
from .samples import Samples
from .statistics import RidgeStatistics
from .target_line import TargetLine

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
    line : TargetLine or None, default=None
        On which real targets are; None for classes.
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
    line: TargetLine | None = None
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
            Real targets are on the line.
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

    def with_exponent(self, exponent: Array) -> Self:
        """Return the readout of the same batches, for targets in other units."""
        assert self.line is not None
        assert self.statistics is not None
        line = self.line.with_exponent(exponent)
        statistics = self.statistics.in_units(exponent - self.line.exponent)
        return replace(self, line=line, statistics=statistics)

    @property
    def is_solved(self) -> bool:
        """Whether `readout` has been computed."""
        return "readout" in self.__dict__

    @cached_property
    def readout(self) -> LinearReadout:
        """The readout of all batches so far."""
        assert self.statistics is not None
        offset, step_size = self.network.code_line
        line = self.line
        units = 1.0 if line is None else line.units
        given = None if self.alpha is None else np.array([self.alpha])
        solution, ridge = fit_by_gcv(self.statistics, step_size, given, units)
        losses = solution.losses
        temperature = None
        if self.sample is not None:
            samples = self.sample.samples
            scores = predict_left_out(samples, ridge)
            temperature = LeftOut.of(samples, scores).temperature()
        if line is not None:
            losses = line.losses(losses)
        if self.report is not None:
            self.report(
                f"ridge readout: alpha={solution.alpha:.3g}, generalised "
                f"cross-validation {losses.min():.4g}"
            )
        readout = LinearReadout(
            coef=solution.coef,
            intercept=solution.intercept - solution.coef @ offset,
            alpha=solution.alpha,
            alphas=solution.alphas,
            losses=losses,
            criterion="gcv",
            temperature=temperature,
            single=self.single,
        )
        return readout if line is None else line.undo(readout)
