"""How inputs become codes, as the parameters of an estimator ask."""

from __future__ import annotations

from functools import partial
from typing import Any

from sklearn.utils import Tags

from ._columns import Columns
from ._validation import warn_of_lost_columns
from .data import Data, uniform_rows
from .network import CodeStatistics, code_sums
from .network.quantizer import AnyQuantizer
from .network.quantizer_choice import quantizer_and_range
from .network.threshold_choice import choose_columns, column_counts
from .training import Checkpoint

__all__ = ["code_inputs", "set_tags"]

#: Rows that quantiles are taken of, at most, and numbers in them.
_SAMPLE_ROWS = 2**18
_SAMPLE_SIZE = 2**25


def code_inputs(
    estimator: Any, data: Data, checkpoint: Checkpoint | None = None
) -> tuple[AnyQuantizer, CodeStatistics]:
    """Choose the quantiser of an estimator's inputs, and take statistics of its codes.

    Parameters
    ----------
    estimator : NTKCompressor
        Its parameters count.
    data : Data
    checkpoint : Checkpoint or None, default=None
        Where an earlier training has ended: the quantiser is its own.

    Returns
    -------
    quantizer : Quantizer or ThresholdQuantizer
    statistics : CodeStatistics
    """
    if checkpoint is not None:
        quantizer = checkpoint.quantizer
        statistics = data.total_inputs(partial(code_sums, quantizer)).statistics()
        if not statistics.variance.any():
            raise ValueError(
                "X is constant on the scale of the previous call to fit, with which "
                "warm_start=True goes on."
            )
        return quantizer, statistics
    names = getattr(estimator, "feature_names_in_", None)
    columns = estimator._columns
    if columns is not None:
        table = _table(estimator, data, columns, names)
        return table, data.total_inputs(partial(code_sums, table)).statistics()
    linear, seen = quantizer_and_range(data.total_inputs, estimator.input_bits)
    statistics = data.total_inputs(partial(code_sums, linear)).statistics()
    varies = seen.low < seen.high
    warn_of_lost_columns(varies, varies & (statistics.variance == 0), names)
    return linear, statistics


def _table(estimator: Any, data: Data, columns: Columns, names: Any) -> Any:
    """Choose the thresholds and categories of a table."""
    counts = data.total_inputs(partial(column_counts, columns.n_categories))
    n_rows = min(_SAMPLE_ROWS, max(1000, _SAMPLE_SIZE // data.n_features))
    sample = uniform_rows(data, n_rows)
    return choose_columns(
        counts,
        sample.X,
        sample.weight,
        n_thresholds=estimator.n_thresholds,
        n_categories=columns.n_categories,
        min_frequency=estimator.min_frequency,
        max_categories=estimator.max_categories,
        names=names,
    )


def set_tags(estimator: Any, tags: Tags) -> None:
    """Say what inputs and targets an estimator takes."""
    is_table = estimator.input_encoding == "thresholds"
    tags.input_tags.sparse = not is_table
    tags.input_tags.allow_nan = is_table
    tags.input_tags.categorical = is_table
    tags.input_tags.three_d_array = hasattr(estimator, "_as_rows")  # pictures
    if not hasattr(estimator, "alpha"):  # a compressor, whose layers may be trained
        trains = estimator.hidden_weights == "trained"
        tags.target_tags.required = tags.target_tags.multi_output = trains
