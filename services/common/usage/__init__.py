"""Usage of the callers: one record per call, stored beside the cache and summed by day."""

from __future__ import annotations

from services.common.usage.factory import open_usage
from services.common.usage.record import UsageRecord, utc_today
from services.common.usage.recorder import RecorderOptions, RecorderStats, UsageRecorder
from services.common.usage.store import UsageStore, UsageStoreError
from services.common.usage.totals import DayTotals, Totals, sum_totals

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
