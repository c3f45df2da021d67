"""The interface of usage stores: the record of one call, totals by day, and the store."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field
from datetime import UTC, date, datetime

from services.common.cache.interface import CacheStatus

COMPLETE = "OK"
"""Outcome of a call that delivered a complete result."""


def get_utc_today() -> date:
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


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of calls."""

    calls: int = 0
    """Calls that delivered a complete result."""
    unfinished_calls: int = 0
    """Calls that failed or were cancelled."""
    characters: int = 0
    """Code points of text of the complete results."""
    provider_cost_units: int = 0
    """What providers charged, in their own units, also for calls without a complete result."""
    cache_hits: int = 0
    """Complete results from the cache."""
    joined_calls: int = 0
    """Complete results that were shared with an identical request in progress."""
    saved_characters: int = 0
    """Code points of complete results that cost nothing."""
    saved_cost_units: int = 0
    """Original cost of the saved characters, in the provider's units."""

    def __add__(self, other: Totals) -> Totals:
        return Totals(*(left + right for left, right in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class DayTotals:
    """Sums of the calls of one day."""

    day: date
    """The day in UTC."""
    totals: Totals
    """Totals of that day."""


@dataclass(frozen=True, slots=True)
class Group:
    """Sums over the records of one principal that share day, cache status and outcome."""

    day: date
    cache_status: str
    outcome: str
    calls: int
    characters: int
    cost_units: int
    cached_characters: int
    saved_cost_units: int

    def to_totals(self) -> Totals:
        """Return the part of the day's totals that comes from this group."""
        if self.outcome != COMPLETE:
            return Totals(unfinished_calls=self.calls, provider_cost_units=self.cost_units)
        return Totals(
            calls=self.calls,
            characters=self.characters,
            provider_cost_units=self.cost_units,
            cache_hits=self.calls if self.cache_status == "hit" else 0,
            joined_calls=self.calls if self.cache_status == "joined" else 0,
            saved_characters=self.cached_characters,
            saved_cost_units=self.saved_cost_units,
        )


def group_by_day(groups: Iterable[Group]) -> list[DayTotals]:
    """Return the totals of every day that has a group, newest first."""
    found: dict[date, Totals] = {}
    for group in groups:
        found[group.day] = found.get(group.day, Totals()) + group.to_totals()
    return [DayTotals(day, found[day]) for day in sorted(found, reverse=True)]


def sum_totals(days: Iterable[DayTotals]) -> Totals:
    """Return the sum of all days."""
    return sum((item.totals for item in days), Totals())


class UsageStoreError(Exception):
    """Raised when a usage store cannot be used at present; a later attempt may succeed."""


class UsageStore(ABC):
    """Stores usage records and sums them; connects to its database on first use."""

    @abstractmethod
    async def add_many(self, records: Sequence[UsageRecord]) -> None:
        """Store `records`; existing records are left unchanged, so a failed attempt may be repeated.

        Raises:
            UsageStoreError: Some of the records may not be stored.
        """

    @abstractmethod
    async def sum_days(self, principal: str, start: date, end: date, service: str = "") -> list[DayTotals]:
        """Return the totals of `principal` for each day with a call from `start` to `end`, both included.

        Days are in UTC, newest first. A non-empty `service` restricts the totals to its calls.

        Raises:
            UsageStoreError: The store cannot be read.
        """

    @abstractmethod
    async def purge_before(self, day: date) -> int:
        """Remove the records of all days before `day` and return their number.

        Raises:
            UsageStoreError: Some of the records may be left.
        """
