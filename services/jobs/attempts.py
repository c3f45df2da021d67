"""How attempts follow each other: after which failures there is another one, and when."""

from __future__ import annotations

import random

from services.common.errors import MediaError, Reason
from services.jobs.kind import Work
from services.jobs.record import Failure, Record

_FIRST_DELAY_SECONDS = 1.0
_MOST_TIMEOUTS = 3
"""How often a provider may be waited for in vain: each time may take the better part of an hour."""
_LONGEST_ASKED_SECONDS = 600.0
"""Most that a provider's wish for a delay is kept to: a job that waits keeps its place in the fleet."""
AGAIN = frozenset(
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
"""What another attempt may mend; films are not paid for again by it."""


def is_last(failure: Failure, record: Record, enough: bool) -> bool:
    """Says whether a job ends with this failure."""
    before = [attempt.failure.reason for attempt in record.attempts if attempt.failure is not None]
    timeouts = [*before, failure.reason].count(Reason.PROVIDER_TIMEOUT.name)
    return enough or Reason[failure.reason] not in AGAIN or timeouts >= _MOST_TIMEOUTS


def delay_seconds(work: Work, failed: int, error: Exception) -> float:
    """Returns the seconds until another attempt: ours, or the longer ones that were asked for."""
    longest = min(work.longest_delay_seconds, _FIRST_DELAY_SECONDS * 2 ** (failed - 1))
    asked = (error.retry_after_seconds if isinstance(error, MediaError) else None) or 0.0
    ours: float = longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load
    return max(ours, min(asked, _LONGEST_ASKED_SECONDS))


def failure_of(error: Exception, stage: str) -> Failure:
    """Returns what is written down of an error."""
    if isinstance(error, MediaError):
        return Failure(error.reason.name, error.message, stage)
    return Failure(Reason.INTERNAL.name, "The suite itself failed; report the id of the job.", stage)
