"""Where usage records are kept: the interface of the stores, and their one error."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import date

from services.common.usage.record import UsageRecord
from services.common.usage.totals import DayTotals


class UsageStoreError(Exception):
    """The store cannot be used at present; it may be later."""


class UsageStore(ABC):
    """Keeps usage records and sums them; connects to what keeps them when it is first used."""

    @abstractmethod
    async def add_many(self, records: Sequence[UsageRecord]) -> None:
        """Keep `records`; one that is there already stays as it is, so a failed attempt may be repeated.

        Raises:
            UsageStoreError: It is not known that all of them are kept.
        """

    @abstractmethod
    async def sum_days(self, principal: str, start: date, end: date, service: str = "") -> list[DayTotals]:
        """Return the totals of `principal` for each day with a call from `start` to `end`, both included.

        Days are in UTC, newest first. Calls of one `service` only are counted if it is named.

        Raises:
            UsageStoreError: The store could not be read.
        """

    @abstractmethod
    async def purge_before(self, day: date) -> int:
        """Remove the records of all days before `day`; returns how many they were.

        Raises:
            UsageStoreError: Some may be left.
        """
