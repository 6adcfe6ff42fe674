"""What every fitted estimator carries: its report."""

from __future__ import annotations

from typing import Any

from sklearn.utils.validation import check_is_fitted

from .inspection import CompressionReport

__all__ = ["ReportMixin"]


class ReportMixin:
    """Estimators with a report on what the compressed network keeps."""

    @property
    def report_(self) -> CompressionReport:
        """Moments, kernel distance and bytes, of the fitted network."""
        check_is_fitted(self, "network_")
        return CompressionReport.from_estimator(self)

    def __getstate__(self) -> dict[str, Any]:
        # Rows that fit set aside for the report stay out of pickles and copies.
        state: Any = super().__getstate__()
        return {key: each for key, each in state.items() if key != "_report_rows"}
