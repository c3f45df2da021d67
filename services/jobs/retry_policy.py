"""Decide whether another attempt follows a failed one, and after which delay."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime

from services.common.errors import MediaError, Reason
from services.jobs.job_type import JobType
from services.jobs.record import JobFailure, JobRecord

RETRYABLE = frozenset(
    {
        Reason.UNAVAILABLE,
        Reason.OVERLOADED,
        Reason.RATE_LIMITED,
        Reason.DEADLINE_EXCEEDED,
        Reason.STORAGE_FAILED,
        Reason.PROVIDER_UNAVAILABLE,
        Reason.PROVIDER_BUSY,
        Reason.PROVIDER_TIMEOUT,
        Reason.INTERNAL,
    }
)
"""Reasons after which another attempt may succeed; it finds a video that is already paid for."""
_TEMPORARY = frozenset(
    {
        Reason.UNAVAILABLE,
        Reason.OVERLOADED,
        Reason.RATE_LIMITED,
        Reason.STORAGE_FAILED,
        Reason.PROVIDER_UNAVAILABLE,
        Reason.PROVIDER_BUSY,
    }
)
"""Reasons that pass without a change of the request: the job retries for its whole wait budget."""
_MAX_TIMEOUTS = 3
"""Attempts that may end in a provider timeout: each one may take most of an hour."""
_FIRST_DELAY_SECONDS = 1.0
_MAX_RETRY_AFTER_SECONDS = 600.0
"""Longest Retry-After of a provider that is honoured: a waiting job counts against the limit of running jobs."""


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """What follows a failed attempt."""

    failure: JobFailure
    """Failure to store in the record."""
    delay_seconds: float | None
    """Delay before the next attempt; None if the job fails now."""


def decide_retry(error: Exception, record: JobRecord, job_type: JobType) -> RetryDecision:
    """Return what follows `error`, which ended an attempt and is not in the record yet."""
    failure = build_failure(error, record.stage)
    if is_last_attempt(failure, record, job_type):
        return RetryDecision(failure, None)
    return RetryDecision(failure, compute_delay_seconds(job_type, record.failed_attempts + 1, error))


def is_last_attempt(failure: JobFailure, record: JobRecord, job_type: JobType) -> bool:
    """Return whether the job ends with this failure, which is not in the record yet."""
    reason = Reason[failure.reason]
    if reason not in RETRYABLE:
        return True
    if reason is Reason.PROVIDER_TIMEOUT:
        earlier = [attempt.failure.reason for attempt in record.attempts if attempt.failure is not None]
        return earlier.count(reason.name) + 1 >= _MAX_TIMEOUTS
    if record.failed_attempts + 1 < job_type.max_failures:
        return False
    return reason not in _TEMPORARY or _get_failing_seconds(record) >= job_type.wait_budget_seconds


def compute_delay_seconds(job_type: JobType, failed: int, error: Exception) -> float:
    """Return the seconds until the next attempt: exponential backoff with jitter, or a longer Retry-After.

    Args:
        job_type: Has the longest delay.
        failed: Number of failed attempts, this one included.
        error: The failure; may carry a Retry-After of the provider.
    """
    longest = min(job_type.max_delay_seconds, _FIRST_DELAY_SECONDS * 2 ** (failed - 1))
    retry_after = (error.retry_after_seconds if isinstance(error, MediaError) else None) or 0.0
    backoff: float = longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load
    return max(backoff, min(retry_after, _MAX_RETRY_AFTER_SECONDS))


def build_failure(error: Exception, stage: str) -> JobFailure:
    """Return the failure to store for an error; unexpected errors become INTERNAL without their text."""
    if isinstance(error, MediaError):
        return JobFailure(error.reason.name, error.message, stage, error.violations)
    return JobFailure(Reason.INTERNAL.name, "The suite itself failed; report the id of the job.", stage)


def _get_failing_seconds(record: JobRecord) -> float:
    if not record.failing_since:
        return 0.0
    return (datetime.now(UTC) - datetime.fromisoformat(record.failing_since)).total_seconds()
