"""Takes usage records from calls at once and writes them in the background, so that no call waits or fails for them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from types import TracebackType
from typing import Self

from services.common.cache.log_throttle import LogThrottle
from services.common.log import logger, where
from services.common.usage.record import UsageRecord, utc_today
from services.common.usage.store import UsageStore, UsageStoreError

log = logger(__name__)

_LOG_EVERY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class RecorderOptions:
    """How much waits, how long, and what is kept."""

    most_waiting: int = 10_000
    """Records that may wait to be written; further ones are lost."""
    batch_records: int = 200
    """Records written at once; as soon as so many wait, they are written."""
    interval_seconds: float = 0.5
    """How long a record waits for others to be written with."""
    longest_pause_seconds: float = 30.0
    """Longest time between two attempts while the store fails."""
    write_seconds: float = 10.0
    """Longest that one attempt may take."""
    close_seconds: float = 5.0
    """Longest that the last attempts at close may take, together."""
    retention_days: int = 400
    """For how many days records are kept."""
    purge_every_seconds: float = 3600.0
    """How often older ones are looked for."""


@dataclass(frozen=True, slots=True)
class RecorderStats:
    """Counts since the start, and what waits now."""

    written: int
    """Records that the store has."""
    lost: int
    """Records that it will never have: there was no room, the store refused them, or time ran out at close."""
    waiting: int
    """Records on their way."""
    failed_writes: int
    """Attempts that failed; their records went on waiting."""


class UsageRecorder:
    """Writes usage records in batches for as long as its context is open, and what is left when that closes.

    Args:
        store: Where records go.
        options: How much waits, how long, and what is kept.
        clock: Seconds that never go backwards.
        today: The day in UTC.
    """

    def __init__(
        self,
        store: UsageStore,
        options: RecorderOptions = RecorderOptions(),
        *,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], date] = utc_today,
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
        self._loss_throttle = LogThrottle(_LOG_EVERY_SECONDS, clock)
        self._failure_throttle = LogThrottle(_LOG_EVERY_SECONDS, clock)

    @property
    def stats(self) -> RecorderStats:
        """What has become of the records so far."""
        return RecorderStats(self._written, self._lost, len(self._waiting), self._failed_writes)

    def record(self, record: UsageRecord) -> None:
        """Take `record`; returns at once and never raises. Without room it is lost, counted and logged."""
        if len(self._waiting) >= self._options.most_waiting:
            self._lose(1)
            return
        self._waiting.append(record)
        self._arrived.set()
        if len(self._waiting) >= self._options.batch_records:
            self._batch_full.set()

    async def flush(self) -> bool:
        """Write what waits, at once; stops at the first failure. Returns whether nothing waits any more."""
        async with self._writing:
            while batch := list(islice(self._waiting, self._options.batch_records)):
                if not await self._write(batch):
                    return False
                # Records leave only now, and from the left, where none arrive: a cancelled attempt loses nothing.
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
        if left := len(self._waiting):
            self._waiting.clear()
            self._lost += left
            log.warning("usage records are lost: they could not be written before the end", lost=left)

    async def _write_regularly(self) -> None:
        while True:
            await self._arrived.wait()
            await self._pause()
            self._arrived.clear()
            self._batch_full.clear()
            if not await self.flush():
                self._arrived.set()

    async def _pause(self) -> None:
        """Wait for a batch to fill; after a failure, longer each time, whatever fills."""
        if self._failed_in_a_row:
            # The exponent is bounded so that the product stays a float.
            longer = self._options.interval_seconds * 2 ** min(self._failed_in_a_row, 16)
            await asyncio.sleep(min(longer, self._options.longest_pause_seconds))
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._options.interval_seconds):
                await self._batch_full.wait()

    async def _write(self, batch: Sequence[UsageRecord]) -> bool:
        """Return whether the batch is done with."""
        try:
            async with asyncio.timeout(self._options.write_seconds):
                await self.store.add_many(batch)
        except (UsageStoreError, TimeoutError) as error:
            self._failed_writes += 1
            self._failed_in_a_row += 1
            if self._failure_throttle.allows():
                cause = str(error) or type(error).__name__
                log.warning("usage records cannot be written now and wait", waiting=len(self._waiting), cause=cause)
            return False
        except Exception as error:  # noqa: BLE001 - what no store can take must not keep the rest waiting
            log.error("usage records were refused", error_type=type(error).__name__, frames=where(error))
            self._lost += len(batch)
            return True
        self._written += len(batch)
        self._failed_in_a_row = 0
        return True

    async def _purge_regularly(self) -> None:
        while True:
            try:
                await self.store.purge_before(self._today() - timedelta(days=self._options.retention_days))
            except Exception as error:  # noqa: BLE001 - the next round may succeed
                log.warning("old usage records could not be removed", error_type=type(error).__name__)
            await asyncio.sleep(self._options.purge_every_seconds)

    def _lose(self, records: int) -> None:
        self._lost += records
        if self._loss_throttle.allows():
            log.warning("usage records are lost: too many wait to be written", lost_so_far=self._lost)
