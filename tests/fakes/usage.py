"""Usage without a database: a store that keeps records in memory and fails when it is told to, and records to keep."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import Any

import grpc

from services.common.usage import DayTotals, UsageRecord, UsageRecorder, UsageStore, UsageStoreError
from services.common.usage.servicer import register_usage_service
from services.common.usage.totals import Group, group_by_day
from tests.fakes.grpc_server import Served, served

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
TODAY = NOON.date()


def usage_record(**fields: Any) -> UsageRecord:
    """Return the record of a call; what is not given is that of a plain one."""
    plain: dict[str, Any] = {
        "at": NOON,
        "principal": "alice",
        "characters": 10,
        "cache_status": "miss",
        "latency_seconds": 0.5,
    }
    return UsageRecord(**(plain | fields))


class Ledger:
    """Takes records like the recorder, and keeps them where a test can see them."""

    def __init__(self) -> None:
        self.records: list[UsageRecord] = []

    def record(self, record: UsageRecord) -> None:
        """Keep a record."""
        self.records.append(record)


class FakeUsageStore(UsageStore):
    """Keeps records in a dict; every number in it can be had by adding them up by hand."""

    def __init__(self) -> None:
        self.stored: dict[str, UsageRecord] = {}
        self.batches: list[int] = []
        self.purged_before: list[date] = []
        self.failure: Exception | None = None
        """Raised by everything while it is set."""
        self.proceed = asyncio.Event()
        """Writes wait for it."""
        self.proceed.set()
        self._changed = asyncio.Condition()

    async def add_many(self, records: Sequence[UsageRecord]) -> None:
        """Keep the records, or fails."""
        await self._note(len(records))
        await self.proceed.wait()
        self._fail()
        self.stored.update({record.record_id: record for record in records if record.record_id not in self.stored})
        await self._note()

    async def sum_days(self, principal: str, start: date, end: date, service: str = "") -> list[DayTotals]:
        """Add up the records one by one."""
        self._fail()
        return group_by_day(
            _alone(item)
            for item in self.stored.values()
            if item.principal == principal and start <= item.day <= end and service in ("", item.service)
        )

    async def purge_before(self, day: date) -> int:
        """Forget what is older."""
        self.purged_before.append(day)
        await self._note()
        self._fail()
        old = [item.record_id for item in self.stored.values() if item.day < day]
        for record_id in old:
            del self.stored[record_id]
        return len(old)

    async def keeps(self, records: int, within_seconds: float = 30) -> None:
        """Return once so many records are kept."""
        async with asyncio.timeout(within_seconds), self._changed:
            await self._changed.wait_for(lambda: len(self.stored) >= records)

    async def attempted(self, writes: int, within_seconds: float = 30) -> None:
        """Return once so many writes have begun."""
        async with asyncio.timeout(within_seconds), self._changed:
            await self._changed.wait_for(lambda: len(self.batches) >= writes)

    async def purged(self, times: int, within_seconds: float = 30) -> None:
        """Return once old records were looked for so often."""
        async with asyncio.timeout(within_seconds), self._changed:
            await self._changed.wait_for(lambda: len(self.purged_before) >= times)

    async def _note(self, *batch: int) -> None:
        async with self._changed:
            self.batches += batch
            self._changed.notify_all()

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


def down() -> UsageStoreError:
    """Return what a store raises that cannot be reached."""
    return UsageStoreError("ServerSelectionTimeoutError")


@asynccontextmanager
async def usage_service(recorder: UsageRecorder, today: date = TODAY) -> AsyncIterator[Served]:
    """Serve media.usage.v1.UsageService over what `recorder` records, on a free port."""

    def register(server: grpc.aio.Server) -> list[str]:
        return [register_usage_service(server, recorder, lambda: today)]

    async with served(register) as running:
        yield running


def _alone(record: UsageRecord) -> Group:
    return Group(
        record.day,
        record.cache_status,
        record.outcome,
        1,
        record.characters,
        record.cost_units or 0,
        record.cached_characters,
        record.saved_cost_units,
    )
