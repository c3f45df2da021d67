"""The usage recorder: writes usage records in the background, so that no call waits for it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from services.common.log import LogThrottle, describe_error, logger
from services.common.usage.interface import UsageRecord, UsageStore, UsageStoreError, get_utc_today
from services.common.usage.sqlite import open_sqlite_usage

log = logger(__name__)

_LOG_INTERVAL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class RecorderOptions:
    """Bounds, intervals and retention of a usage recorder."""

    max_waiting: int = 10_000
    """Most records that may wait to be written; further records are lost."""
    batch_records: int = 200
    """Records per write; as soon as this many wait, they are written."""
    interval_seconds: float = 0.5
    """How long a record waits for the rest of its batch."""
    longest_pause_seconds: float = 30.0
    """Longest pause between two attempts while the store fails."""
    write_seconds: float = 10.0
    """Timeout of one attempt."""
    close_seconds: float = 5.0
    """Timeout of all attempts at close, together."""
    retention_days: int = 400
    """Number of days after which records are purged."""
    purge_interval_seconds: float = 3600.0
    """Interval of the purge."""


@dataclass(frozen=True, slots=True)
class RecorderStats:
    """Counts since the start, and the number of records that wait now."""

    written: int
    """Records that are stored."""
    lost: int
    """Records that will never be stored: too many waited, the store refused them, or closing timed out."""
    waiting: int
    """Records that wait to be written."""
    failed_writes: int
    """Attempts that failed and left their records waiting."""


@asynccontextmanager
async def open_usage(
    mongodb_uri: str,
    sqlite_path: Path,
    options: RecorderOptions = RecorderOptions(),
) -> AsyncIterator[UsageRecorder]:
    """Yield the usage recorder and its store; a database that is down does not delay the start.

    Args:
        mongodb_uri: Connection string of MongoDB; empty for the SQLite file.
        sqlite_path: The file; the cache and other processes may share it.
        options: Bounds, intervals and retention.

    Raises:
        ConfigurationError: `mongodb_uri` is not a connection string.
    """
    async with (
        _open_store(mongodb_uri, sqlite_path, options.retention_days) as store,
        UsageRecorder(store, options) as recorder,
    ):
        yield recorder


def _open_store(mongodb_uri: str, sqlite_path: Path, retention_days: int) -> AbstractAsyncContextManager[UsageStore]:
    if not mongodb_uri:
        return open_sqlite_usage(sqlite_path)
    from services.common.usage.mongo import open_mongo_usage  # noqa: PLC0415 - costs 30 MB and is often not needed

    return open_mongo_usage(mongodb_uri, retention_days)


class UsageRecorder:
    """Writes usage records in batches while its context is open, and the rest when the context closes.

    Args:
        store: Store of the records; read it for totals.
        options: Bounds, intervals and retention.
        clock: Monotonic clock, in seconds.
        today: Called for the current day in UTC.
    """

    def __init__(
        self,
        store: UsageStore,
        options: RecorderOptions = RecorderOptions(),
        *,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], date] = get_utc_today,
    ) -> None:
        self.store = store
        self._options = options
        self._today = today
        self._waiting: deque[UsageRecord] = deque()
        self._arrived = asyncio.Event()
        self._batch_full = asyncio.Event()
        self._writing = asyncio.Lock()
        self._background: list[asyncio.Task[None]] = []
        self._written = self._lost = self._failed_writes = self._failed_in_a_row = 0
        self._loss_throttle = LogThrottle(_LOG_INTERVAL_SECONDS, clock)
        self._failure_throttle = LogThrottle(_LOG_INTERVAL_SECONDS, clock)

    @property
    def stats(self) -> RecorderStats:
        """Counts of the records so far."""
        return RecorderStats(self._written, self._lost, len(self._waiting), self._failed_writes)

    def record(self, record: UsageRecord) -> None:
        """Queue `record`; never waits or raises. If the queue is full, the record is lost and counted."""
        if len(self._waiting) >= self._options.max_waiting:
            self._count_lost(1)
            return
        self._waiting.append(record)
        self._arrived.set()
        if len(self._waiting) >= self._options.batch_records:
            self._batch_full.set()

    async def flush(self) -> bool:
        """Write the waiting records now, up to the first failure; return whether none is left."""
        async with self._writing:
            while batch := list(islice(self._waiting, self._options.batch_records)):
                if not await self._write(batch):
                    return False
                # Records leave the queue only once they are written, so that a cancelled attempt loses none. New ones
                # arrive at the other end.
                for _ in batch:
                    self._waiting.popleft()
        return True

    async def __aenter__(self) -> Self:
        self._background = [
            asyncio.create_task(self._write_regularly(), name="usage writer"),
            asyncio.create_task(self._purge_regularly(), name="usage purge"),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._options.close_seconds):
                await self.flush()
        if unwritten := len(self._waiting):
            self._waiting.clear()
            self._lost += unwritten
            log.warning("usage records were lost: closing timed out before they were written", lost=unwritten)

    async def _write_regularly(self) -> None:
        while True:
            await self._arrived.wait()
            await self._wait_for_batch()
            self._arrived.clear()
            self._batch_full.clear()
            if not await self.flush():
                self._arrived.set()

    async def _wait_for_batch(self) -> None:
        """Wait until a batch is full or its interval is over; after failures, back off exponentially instead."""
        if self._failed_in_a_row:
            # The exponent is bounded so that the product stays a float.
            pause_seconds = self._options.interval_seconds * 2 ** min(self._failed_in_a_row, 16)
            await asyncio.sleep(min(pause_seconds, self._options.longest_pause_seconds))
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._options.interval_seconds):
                await self._batch_full.wait()

    async def _write(self, batch: Sequence[UsageRecord]) -> bool:
        """Write `batch` and return whether it may leave the queue: it is stored, or it can never be."""
        try:
            async with asyncio.timeout(self._options.write_seconds):
                await self.store.add_many(batch)
        except (UsageStoreError, TimeoutError) as error:
            self._failed_writes += 1
            self._failed_in_a_row += 1
            if self._failure_throttle.allows():
                cause = str(error) or type(error).__name__
                log.warning(
                    "usage records cannot be written and will be retried", waiting=len(self._waiting), cause=cause
                )
            return False
        except Exception as error:  # noqa: BLE001 - a batch that the store refuses must not block the next ones
            log.error("usage records were refused", **describe_error(error))
            self._lost += len(batch)
            return True
        self._written += len(batch)
        self._failed_in_a_row = 0
        return True

    async def _purge_regularly(self) -> None:
        while True:
            try:
                await self.store.purge_before(self._today() - timedelta(days=self._options.retention_days))
            except Exception as error:  # noqa: BLE001 - the next purge may succeed
                log.warning("old usage records could not be removed", error_type=type(error).__name__)
            await asyncio.sleep(self._options.purge_interval_seconds)

    def _count_lost(self, records: int) -> None:
        self._lost += records
        if self._loss_throttle.allows():
            log.warning("usage records were lost: too many wait to be written", lost_so_far=self._lost)
