"""The usage record of one call: caller, quantities and cost, never the text itself."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from services.common.cache.stats import CacheStatus

COMPLETE = "OK"
"""Outcome of a call that delivered a complete result."""


def utc_today() -> date:
    """Return the day that calls count for now."""
    return datetime.now(UTC).date()


def _new_id() -> str:
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRecord:
    """One call, complete or not."""

    at: datetime
    """End of the call, with a time zone."""
    principal: str
    """Caller, as verified by the edge; empty for calls that did not pass the edge."""
    service: str = "tts"
    """Name of the service."""
    characters: int
    """Code points of the text."""
    cost_units: int | None = None
    """What the provider charged for this call, in its own units; None if unknown or free."""
    cache_status: CacheStatus
    """Source of the result."""
    saved_cost_units: int = 0
    """Original cost of the part of the result that this call did not have to pay for."""
    cached_characters: int = 0
    """How many of `characters` came from the cache or a shared call."""
    latency_seconds: float
    """Time from the request to the end."""
    first_audio_seconds: float | None = None
    """Time from the request to the first audio; None without audio."""
    outcome: str = COMPLETE
    """`OK`, or the name of the Reason that ended the call."""
    record_id: str = field(default_factory=_new_id)
    """Unique id: a record that is written twice is stored once."""

    @property
    def day(self) -> date:
        """The day in UTC that the call counts for."""
        return self.at.astimezone(UTC).date()
