"""When a failure is the last: at once, after so many, or after so long."""

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
    """Return the record of a job that has failed so often, the first time so long ago."""
    record = JobRecord("1" * 32, "alice", "animate", {}, now())
    for _ in range(times):
        record = record.start_attempt("w-1", 1).end_attempt(Status.QUEUED, JobFailure(reason.name, "", "video"))
    since = datetime.now(UTC) - timedelta(seconds=since_seconds)
    return replace(record, failing_since=since.isoformat() if times else "")


def last(reason: Reason, record: JobRecord, work: JobType = WORK) -> bool:
    return is_last_attempt(JobFailure(reason.name, "", "video"), record, work)


@pytest.mark.parametrize("reason", [Reason.VALIDATION_ERROR, Reason.CONTENT_BLOCKED, Reason.MEDIA_INVALID])
def test_what_would_be_the_same_again_is_the_last_at_once(reason: Reason) -> None:
    assert last(reason, failing(0))


@pytest.mark.parametrize("reason", [Reason.INTERNAL, Reason.DEADLINE_EXCEEDED, *AWAY])
def test_the_last_is_not_before_as_many_have_failed_as_may(reason: Reason) -> None:
    assert not last(reason, failing(1, 10_000))
    assert last(reason, failing(2, 10_000))


@pytest.mark.parametrize("reason", AWAY)
def test_what_is_away_is_waited_for_however_often_it_failed(reason: Reason) -> None:
    assert not last(reason, failing(30, 590))
    assert last(reason, failing(30, 601))
    assert last(reason, failing(2, 0), replace(WORK, wait_budget_seconds=0.0))


@pytest.mark.parametrize("reason", [Reason.INTERNAL, Reason.DEADLINE_EXCEEDED])
def test_what_may_be_the_jobs_own_fault_is_not_waited_for(reason: Reason) -> None:
    assert last(reason, failing(2))


def test_a_provider_is_waited_for_in_vain_three_times() -> None:
    assert not last(Reason.PROVIDER_TIMEOUT, failing(1, reason=Reason.PROVIDER_TIMEOUT))
    assert last(Reason.PROVIDER_TIMEOUT, failing(2, reason=Reason.PROVIDER_TIMEOUT))
    assert not last(Reason.PROVIDER_TIMEOUT, failing(7))


def test_the_time_is_counted_from_the_first_failure() -> None:
    first = failing(1, 100)
    second = first.start_attempt("w-1", 2).end_attempt(Status.QUEUED, JobFailure("UNAVAILABLE", "", "video"))
    assert second.failing_since == first.failing_since


@pytest.mark.parametrize("failed", [1, 8, 60, 200])
def test_delays_stay_within_their_bound_however_many_have_failed(failed: int) -> None:
    assert 0.5 <= compute_delay_seconds(WORK, failed, MediaError(Reason.UNAVAILABLE)) <= 60


def test_a_decision_has_the_failure_to_store_and_a_delay_unless_the_job_fails() -> None:
    retry = decide_retry(MediaError(Reason.UNAVAILABLE, retry_after_seconds=7), failing(1), WORK)
    assert (retry.failure.reason, retry.delay_seconds) == ("UNAVAILABLE", 7)
    assert decide_retry(MediaError(Reason.MEDIA_INVALID), failing(0), WORK).delay_seconds is None
