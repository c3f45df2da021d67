"""Tests of the retry policy: reasons, numbers of failures, wait budget and delays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.common.errors import MediaError, Reason
from services.jobs.job_type import JobType
from services.jobs.lease import Lease
from services.jobs.record import JobFailure, JobRecord, Status, now
from services.jobs.retry_policy import compute_delay_seconds, decide_retry, is_last_attempt

AWAY = [
    Reason.UNAVAILABLE,
    Reason.OVERLOADED,
    Reason.RATE_LIMITED,
    Reason.STORAGE_FAILED,
    Reason.PROVIDER_UNAVAILABLE,
    Reason.PROVIDER_BUSY,
]


async def _nothing(lease: Lease) -> None:
    return


WORK = JobType(_nothing, max_failures=3, wait_budget_seconds=600)


def failing(times: int, since_seconds: float = 0.0, reason: Reason = Reason.UNAVAILABLE) -> JobRecord:
    """Return the record of a job that failed `times` times, first `since_seconds` ago."""
    record = JobRecord("1" * 32, "alice", "animate", {}, now())
    for _ in range(times):
        record = record.start_attempt("w-1", 1).end_attempt(Status.QUEUED, JobFailure(reason.name, "", "video"))
    since = datetime.now(UTC) - timedelta(seconds=since_seconds)
    return replace(record, failing_since=since.isoformat() if times else "")


def last(reason: Reason, record: JobRecord, work: JobType = WORK) -> bool:
    return is_last_attempt(JobFailure(reason.name, "", "video"), record, work)


@pytest.mark.parametrize("reason", [Reason.VALIDATION_ERROR, Reason.CONTENT_BLOCKED, Reason.MEDIA_INVALID])
def test_other_reasons_end_the_job_at_once(reason: Reason) -> None:
    assert last(reason, failing(0))


@pytest.mark.parametrize("reason", [Reason.INTERNAL, Reason.DEADLINE_EXCEEDED, *AWAY])
def test_retryable_reasons_end_the_job_at_max_failures(reason: Reason) -> None:
    assert not last(reason, failing(1, 10_000))
    assert last(reason, failing(2, 10_000))


@pytest.mark.parametrize("reason", AWAY)
def test_temporary_reasons_retry_for_the_whole_wait_budget(reason: Reason) -> None:
    assert not last(reason, failing(30, 590))
    assert last(reason, failing(30, 601))
    assert last(reason, failing(2, 0), replace(WORK, wait_budget_seconds=0.0))


@pytest.mark.parametrize("reason", [Reason.INTERNAL, Reason.DEADLINE_EXCEEDED])
def test_other_retryable_reasons_have_no_wait_budget(reason: Reason) -> None:
    assert last(reason, failing(2))


def test_three_provider_timeouts_end_the_job() -> None:
    assert not last(Reason.PROVIDER_TIMEOUT, failing(1, reason=Reason.PROVIDER_TIMEOUT))
    assert last(Reason.PROVIDER_TIMEOUT, failing(2, reason=Reason.PROVIDER_TIMEOUT))
    assert not last(Reason.PROVIDER_TIMEOUT, failing(7))


def test_failing_since_is_the_time_of_the_first_failure() -> None:
    first = failing(1, 100)
    second = first.start_attempt("w-1", 2).end_attempt(Status.QUEUED, JobFailure("UNAVAILABLE", "", "video"))
    assert second.failing_since == first.failing_since


@pytest.mark.parametrize("failed", [1, 8, 60, 200])
def test_delays_stay_within_their_bound_for_any_number_of_failures(failed: int) -> None:
    assert 0.5 <= compute_delay_seconds(WORK, failed, MediaError(Reason.UNAVAILABLE)) <= 60


def test_a_decision_has_the_failure_to_store_and_a_delay_unless_the_job_fails() -> None:
    retry = decide_retry(MediaError(Reason.UNAVAILABLE, retry_after_seconds=7), failing(1), WORK)
    assert (retry.failure.reason, retry.delay_seconds) == ("UNAVAILABLE", 7)
    assert decide_retry(MediaError(Reason.MEDIA_INVALID), failing(0), WORK).delay_seconds is None
