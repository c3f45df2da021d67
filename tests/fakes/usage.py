"""Usage without a database: sample records, and a store in memory that can fail on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import Any

import grpc

from services.common.usage import DayTotals, UsageRecord, UsageRecorder, UsageStore, UsageStoreError
from services.common.usage.interface import Group, group_by_day
from services.common.usage.servicer import register_usage_service
from tests.fakes.grpc_server import ServerAndChannel, run_test_server

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
TODAY = NOON.date()


def make_usage_record(**fields: Any) -> UsageRecord:
    """Return a usage record with defaults for the fields that are not set."""
    defaults: dict[str, Any] = {
        "at": NOON,
        "principal": "alice",
        "characters": 10,
        "cache_status": "miss",
        "latency_seconds": 0.5,
    }
    return UsageRecord(**(defaults | fields))


class Ledger:
    """Takes records like `UsageRecorder` and collects them in a list."""

    def __init__(self) -> None:
        self.records: list[UsageRecord] = []

    def record(self, record: UsageRecord) -> None:
        """Append a record."""
        self.records.append(record)


class FakeUsageStore(UsageStore):
    """Stores records in a dictionary and sums them one by one."""

    def __init__(self) -> None:
        self.stored: dict[str, UsageRecord] = {}
        self.batches: list[int] = []
        self.purged_before: list[date] = []
        self.failure: Exception | None = None
        """Raised by every method while it is set."""
        self.proceed = asyncio.Event()
        """Writes wait for this event."""
        self.proceed.set()
        self._changed = asyncio.Condition()

    async def add_many(self, records: Sequence[UsageRecord]) -> None:
        """Store the records, or raise `failure`."""
        await self._notify(len(records))
        await self.proceed.wait()
        self._raise_failure()
        self.stored.update({record.record_id: record for record in records if record.record_id not in self.stored})
        await self._notify()

    async def sum_days(self, principal: str, start: date, end: date, service: str = "") -> list[DayTotals]:
        """Sum the records one by one."""
        self._raise_failure()
        return group_by_day(
            _to_group(item)
            for item in self.stored.values()
            if item.principal == principal and start <= item.day <= end and service in ("", item.service)
        )

    async def purge_before(self, day: date) -> int:
        """Remove the older records."""
        self.purged_before.append(day)
        await self._notify()
        self._raise_failure()
        old = [item.record_id for item in self.stored.values() if item.day < day]
        for record_id in old:
            del self.stored[record_id]
        return len(old)

    async def wait_for_records(self, records: int, within_seconds: float = 30) -> None:
        """Wait until this many records are stored."""
        async with asyncio.timeout(within_seconds), self._changed:
            await self._changed.wait_for(lambda: len(self.stored) >= records)

    async def wait_for_writes(self, writes: int, within_seconds: float = 30) -> None:
        """Wait until this many writes have started."""
        async with asyncio.timeout(within_seconds), self._changed:
            await self._changed.wait_for(lambda: len(self.batches) >= writes)

    async def wait_for_purges(self, times: int, within_seconds: float = 30) -> None:
        """Wait until this many purges have run."""
        async with asyncio.timeout(within_seconds), self._changed:
            await self._changed.wait_for(lambda: len(self.purged_before) >= times)

    async def _notify(self, *batch: int) -> None:
        async with self._changed:
            self.batches += batch
            self._changed.notify_all()

    def _raise_failure(self) -> None:
        if self.failure is not None:
            raise self.failure


def make_store_error() -> UsageStoreError:
    """Return the error of an unreachable store."""
    return UsageStoreError("ServerSelectionTimeoutError")


@asynccontextmanager
async def serve_usage(recorder: UsageRecorder, today: date = TODAY) -> AsyncIterator[ServerAndChannel]:
    """Serve media.usage.v1.UsageService for the records of `recorder`, on a free port."""

    def register(server: grpc.aio.Server) -> list[str]:
        return [register_usage_service(server, recorder, lambda: today)]

    async with run_test_server(register) as running:
        yield running


def _to_group(record: UsageRecord) -> Group:
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
