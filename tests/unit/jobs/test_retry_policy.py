"""Tests of the retry policy: reasons, numbers of failures, wait budget and delays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.common.errors import FieldViolation, MediaError, Reason, invalid
from services.jobs.job_type import JobType
from services.jobs.lease import Lease
from services.jobs.record import JobFailure, JobRecord, Status, format_now
from services.jobs.retry_policy import build_failure, compute_delay_seconds, decide_retry, is_last_attempt

AWAY = [
    Reason.UNAVAILABLE,
    Reason.OVERLOADED,
    Reason.RATE_LIMITED,
    Reason.STORAGE_FAILED,
    Reason.PROVIDER_UNAVAILABLE,
    Reason.PROVIDER_BUSY,
]


async def _do_nothing(lease: Lease) -> None:
    return


JOB_TYPE = JobType(_do_nothing, max_failures=3, wait_budget_seconds=600)


def make_failing_record(times: int, since_seconds: float = 0.0, reason: Reason = Reason.UNAVAILABLE) -> JobRecord:
    """Return the record of a job that failed `times` times, first `since_seconds` ago."""
    record = JobRecord("1" * 32, "alice", "animate", {}, format_now())
    for _ in range(times):
        record = record.start_attempt("w-1", 1).end_attempt(Status.QUEUED, JobFailure(reason.name, "", "video"))
    since = datetime.now(UTC) - timedelta(seconds=since_seconds)
    return replace(record, failing_since=since.isoformat() if times else "")


def is_last(reason: Reason, record: JobRecord, job_type: JobType = JOB_TYPE) -> bool:
    return is_last_attempt(JobFailure(reason.name, "", "video"), record, job_type)


@pytest.mark.parametrize("reason", [Reason.VALIDATION_ERROR, Reason.CONTENT_BLOCKED, Reason.MEDIA_INVALID])
def test_other_reasons_end_the_job_at_once(reason: Reason) -> None:
    assert is_last(reason, make_failing_record(0))


@pytest.mark.parametrize("reason", [Reason.INTERNAL, Reason.DEADLINE_EXCEEDED, *AWAY])
def test_retryable_reasons_end_the_job_at_max_failures(reason: Reason) -> None:
    assert not is_last(reason, make_failing_record(1, 10_000))
    assert is_last(reason, make_failing_record(2, 10_000))


@pytest.mark.parametrize("reason", AWAY)
def test_temporary_reasons_retry_for_the_whole_wait_budget(reason: Reason) -> None:
    assert not is_last(reason, make_failing_record(30, 590))
    assert is_last(reason, make_failing_record(30, 601))
    assert is_last(reason, make_failing_record(2, 0), replace(JOB_TYPE, wait_budget_seconds=0.0))


@pytest.mark.parametrize("reason", [Reason.INTERNAL, Reason.DEADLINE_EXCEEDED])
def test_other_retryable_reasons_have_no_wait_budget(reason: Reason) -> None:
    assert is_last(reason, make_failing_record(2))


def test_three_provider_timeouts_end_the_job() -> None:
    assert not is_last(Reason.PROVIDER_TIMEOUT, make_failing_record(1, reason=Reason.PROVIDER_TIMEOUT))
    assert is_last(Reason.PROVIDER_TIMEOUT, make_failing_record(2, reason=Reason.PROVIDER_TIMEOUT))
    assert not is_last(Reason.PROVIDER_TIMEOUT, make_failing_record(7))


def test_failing_since_is_the_time_of_the_first_failure() -> None:
    first = make_failing_record(1, 100)
    second = first.start_attempt("w-1", 2).end_attempt(Status.QUEUED, JobFailure("UNAVAILABLE", "", "video"))
    assert second.failing_since == first.failing_since


@pytest.mark.parametrize("failed", [1, 8, 60, 200])
def test_delays_stay_within_their_bound_for_any_number_of_failures(failed: int) -> None:
    assert 0.5 <= compute_delay_seconds(JOB_TYPE, failed, MediaError(Reason.UNAVAILABLE)) <= 60


def test_a_decision_has_the_failure_to_store_and_a_delay_unless_the_job_fails() -> None:
    retry = decide_retry(MediaError(Reason.UNAVAILABLE, retry_after_seconds=7), make_failing_record(1), JOB_TYPE)
    assert (retry.failure.reason, retry.delay_seconds) == ("UNAVAILABLE", 7)
    assert decide_retry(MediaError(Reason.MEDIA_INVALID), make_failing_record(0), JOB_TYPE).delay_seconds is None


def test_a_failure_keeps_the_wrong_fields() -> None:
    failure = build_failure(invalid("voice", "must be one of ListVoices"), "audio")
    assert failure == JobFailure(
        "VALIDATION_ERROR",
        "voice: must be one of ListVoices",
        "audio",
        (FieldViolation("voice", "must be one of ListVoices"),),
    )


def test_the_text_of_an_unexpected_error_is_not_stored() -> None:
    assert "secret" not in repr(build_failure(RuntimeError("secret"), "audio"))
