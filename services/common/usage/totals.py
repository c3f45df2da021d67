"""Sums of usage records: what each kind of call adds to a day, in one place for every store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import date

from services.common.usage.record import WHOLE


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of calls."""

    calls: int = 0
    """Calls that delivered a whole result."""
    unfinished_calls: int = 0
    """Calls that failed or were left before their end."""
    characters: int = 0
    """Code points of text of the whole results."""
    provider_cost_units: int = 0
    """What providers charged, in their own units, also for calls without a whole result."""
    cache_hits: int = 0
    """Whole results from the cache."""
    joined_calls: int = 0
    """Whole results of a provider call that an identical request had begun."""
    saved_characters: int = 0
    """Code points of whole results that nobody had to pay for."""
    saved_cost_units: int = 0
    """What those cost when they were paid for, in the provider's units."""

    def __add__(self, other: Totals) -> Totals:
        return Totals(*(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class DayTotals:
    """Sums of the calls of one day."""

    day: date
    """The day in UTC."""
    totals: Totals
    """What was used on it."""


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

    def totals(self) -> Totals:
        """Return what the group adds to its day."""
        if self.outcome != WHOLE:
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
        found[group.day] = found.get(group.day, Totals()) + group.totals()
    return [DayTotals(day, found[day]) for day in sorted(found, reverse=True)]


def sum_totals(days: Iterable[DayTotals]) -> Totals:
    """Return the sum of all days."""
    return sum((item.totals for item in days), Totals())
