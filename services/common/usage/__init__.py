"""Usage of the callers: one record per call, stored beside the cache and summed by day."""

from __future__ import annotations

from services.common.usage.interface import (
    DayTotals,
    Totals,
    UsageRecord,
    UsageStore,
    UsageStoreError,
    sum_totals,
    utc_today,
)
from services.common.usage.recorder import RecorderOptions, RecorderStats, UsageRecorder, open_usage

__all__ = [
    "DayTotals",
    "RecorderOptions",
    "RecorderStats",
    "Totals",
    "UsageRecord",
    "UsageRecorder",
    "UsageStore",
    "UsageStoreError",
    "open_usage",
    "sum_totals",
    "utc_today",
]
