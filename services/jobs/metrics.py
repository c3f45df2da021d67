"""Prometheus metrics of a worker."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.jobs.record import JobRecord, format_now

_SECONDS = (1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640, 1280, 3600, 14_400)


class JobMetrics:
    """Counters and histograms of a worker.

    Args:
        registry: Registry that exposes them.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._ended = Counter(
            "media_jobs_ended",
            "Jobs that ended in this worker, by kind, status and reason (OK without a failure).",
            ("kind", "status", "reason"),
            registry=registry,
        )
        self._seconds = Histogram(
            "media_jobs_seconds",
            "Time from the acceptance of a job to its end, waiting included, by kind and status.",
            ("kind", "status"),
            buckets=_SECONDS,
            registry=registry,
        )
        self._failed = Counter(
            "media_jobs_failed_attempts",
            "Attempts that failed in this worker, by kind and reason; the job may be retried.",
            ("kind", "reason"),
            registry=registry,
        )
        self._lost = Counter(
            "media_jobs_lost_leases",
            "Jobs that another worker took before this one had finished.",
            ("kind",),
            registry=registry,
        )
        self._upkeep = Counter(
            "media_jobs_upkeep", "Jobs that a maintenance sweep changed, by action.", ("action",), registry=registry
        )

    def count_end(self, record: JobRecord) -> None:
        """Count a job that has ended."""
        reason = "OK" if record.failure is None else record.failure.reason
        self._ended.labels(record.kind, record.status.value, reason).inc()
        took = datetime.fromisoformat(format_now()) - datetime.fromisoformat(record.created_at)
        self._seconds.labels(record.kind, record.status.value).observe(max(0.0, took.total_seconds()))

    def count_failure(self, kind: str, reason: str) -> None:
        """Count an attempt that failed."""
        self._failed.labels(kind, reason).inc()

    def count_lost_lease(self, kind: str) -> None:
        """Count a job that another worker has taken."""
        self._lost.labels(kind).inc()

    def count_maintenance(self, action: str, count: int) -> None:
        """Count jobs that a maintenance sweep changed."""
        self._upkeep.labels(action).inc(count)

    def expose_running(self, count_running: Callable[[], int]) -> None:
        """Expose the number of running jobs; `count_running` is called at each scrape."""
        running = Gauge("media_jobs_running", "Jobs that this worker runs at the moment.", registry=self._registry)
        running.set_function(count_running)
