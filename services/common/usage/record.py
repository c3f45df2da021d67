"""What is kept of one call: who called, what it took, what it cost. Never what was said."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Literal

CacheStatus = Literal["miss", "hit", "joined", "bypass"]

WHOLE = "OK"
"""Outcome of a call that delivered a whole result."""


def utc_today() -> date:
    """Return the day that calls count for now."""
    return datetime.now(UTC).date()


def _new_id() -> str:
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRecord:
    """One call, whole or not."""

    at: datetime
    """When it ended; aware of its time zone."""
    principal: str
    """Who called, as the edge verified it; empty for calls that came past no edge."""
    service: str = "tts"
    """Which service answered."""
    characters: int
    """Code points of the text."""
    cost_units: int | None = None
    """What the provider charged for this very call, in its own units; None where it did not tell, or nobody paid."""
    cache_status: CacheStatus
    """Where the result came from."""
    saved_cost_units: int = 0
    """What the part that nobody had to pay for cost when it was paid for."""
    cached_characters: int = 0
    """How many of `characters` came from the cache or a shared call."""
    latency_seconds: float
    """From request to end."""
    first_audio_seconds: float | None = None
    """From request to the first audio; None where there was none."""
    outcome: str = WHOLE
    """`OK`, or the name of the Reason that ended the call."""
    record_id: str = field(default_factory=_new_id)
    """Tells this record from every other, so that writing it twice keeps one."""

    @property
    def day(self) -> date:
        """The day in UTC that the call counts for."""
        return self.at.astimezone(UTC).date()
