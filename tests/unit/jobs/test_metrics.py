"""Tests of the Prometheus metrics of workers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from services.jobs.metrics import JobMetrics
from services.jobs.record import JobFailure, Status
from tests.unit.jobs.memory_buckets import make_record


def test_jobs_are_counted_by_status_and_duration() -> None:
    registry = CollectorRegistry()
    metrics = JobMetrics(registry)
    began = (datetime.now(UTC) - timedelta(seconds=30)).isoformat()
    record = make_record("story", created_at=began)
    metrics.count_end(record.end_attempt(Status.SUCCEEDED))
    metrics.count_end(record.end_attempt(Status.FAILED, JobFailure("CONTENT_BLOCKED", "It was refused.", "image")))
    for status, reason in (("succeeded", "OK"), ("failed", "CONTENT_BLOCKED")):
        labels = {"kind": "story", "status": status, "reason": reason}
        assert registry.get_sample_value("media_jobs_ended_total", labels) == 1
    taken = registry.get_sample_value("media_jobs_seconds_sum", {"kind": "story", "status": "succeeded"})
    assert taken == pytest.approx(30, abs=5)


def test_a_job_from_a_clock_that_is_ahead_took_no_time() -> None:
    registry = CollectorRegistry()
    ahead = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    JobMetrics(registry).count_end(make_record("story", created_at=ahead).end_attempt(Status.SUCCEEDED))
    assert registry.get_sample_value("media_jobs_seconds_sum", {"kind": "story", "status": "succeeded"}) == 0


def test_failed_attempts_lost_leases_and_sweeps_are_counted() -> None:
    registry = CollectorRegistry()
    metrics = JobMetrics(registry)
    metrics.count_failure("animate", "PROVIDER_BUSY")
    metrics.count_lost_lease("animate")
    metrics.count_maintenance("put_back", 2)
    labels = {"kind": "animate", "reason": "PROVIDER_BUSY"}
    assert registry.get_sample_value("media_jobs_failed_attempts_total", labels) == 1
    assert registry.get_sample_value("media_jobs_lost_leases_total", {"kind": "animate"}) == 1
    assert registry.get_sample_value("media_jobs_upkeep_total", {"action": "put_back"}) == 2


def test_running_jobs_are_counted_at_each_scrape() -> None:
    registry = CollectorRegistry()
    running = [3]
    JobMetrics(registry).expose_running(lambda: running[0])
    assert registry.get_sample_value("media_jobs_running") == 3
    running[0] = 0
    assert registry.get_sample_value("media_jobs_running") == 0
