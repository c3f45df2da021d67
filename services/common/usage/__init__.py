"""Usage of the callers: one record per call, stored beside the cache and summed by day."""

from __future__ import annotations

from services.common.usage.interface import (
    DayTotals,
    Totals,
    UsageRecord,
    UsageStore,
    UsageStoreError,
    get_utc_today,
    sum_totals,
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
    "get_utc_today",
    "open_usage",
    "sum_totals",
]
