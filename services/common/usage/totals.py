"""Totals of usage records, computed in the same way for every store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import date

from services.common.usage.record import COMPLETE


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
