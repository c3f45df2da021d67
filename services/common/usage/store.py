"""The interface of the usage stores and their one error."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import date

from services.common.usage.record import UsageRecord
from services.common.usage.totals import DayTotals


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
