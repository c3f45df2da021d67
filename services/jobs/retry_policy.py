"""How attempts follow each other: after which failures there is another one, and when."""

from __future__ import annotations

import random
from datetime import UTC, datetime

from services.common.errors import MediaError, Reason
from services.jobs.job_type import JobType
from services.jobs.record import JobFailure, JobRecord

_FIRST_DELAY_SECONDS = 1.0
_MAX_TIMEOUTS = 3
"""How often a provider may be waited for in vain: each time may take the better part of an hour."""
_MAX_RETRY_AFTER_SECONDS = 600.0
"""Most that a provider's wish for a delay is kept to: a job that waits keeps its place in the fleet."""
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
"""What another attempt may mend; videos are not paid for again by it."""
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
"""What is nobody's fault who asks, and passes: a job that has paid for something waits for it to be over."""


def is_last_attempt(failure: JobFailure, record: JobRecord, job_type: JobType) -> bool:
    """Say whether a job ends with this failure of an attempt, which the record does not tell of yet."""
    reason = Reason[failure.reason]
    if reason not in RETRYABLE:
        return True
    if reason is Reason.PROVIDER_TIMEOUT:
        before = [attempt.failure.reason for attempt in record.attempts if attempt.failure is not None]
        return before.count(reason.name) + 1 >= _MAX_TIMEOUTS
    if record.failed_attempts + 1 < job_type.max_failures:
        return False
    return reason not in _TEMPORARY or _get_failing_seconds(record) >= job_type.wait_budget_seconds


def _get_failing_seconds(record: JobRecord) -> float:
    if not record.failing_since:
        return 0.0
    return (datetime.now(UTC) - datetime.fromisoformat(record.failing_since)).total_seconds()


def compute_delay_seconds(job_type: JobType, failed: int, error: Exception) -> float:
    """Return the seconds until another attempt: ours, or the longer ones that were asked for."""
    longest = min(job_type.max_delay_seconds, _FIRST_DELAY_SECONDS * 2 ** (failed - 1))
    asked = (error.retry_after_seconds if isinstance(error, MediaError) else None) or 0.0
    ours: float = longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load
    return max(ours, min(asked, _MAX_RETRY_AFTER_SECONDS))


def build_failure(error: Exception, stage: str) -> JobFailure:
    """Return what is written down of an error."""
    if isinstance(error, MediaError):
        return JobFailure(error.reason.name, error.message, stage)
    return JobFailure(Reason.INTERNAL.name, "The suite itself failed; report the id of the job.", stage)
