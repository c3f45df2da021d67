"""Records of media that are paid for: written at once where possible, and later if the database is down."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from services.common.errors import MediaError, Reason
from services.common.log import LogThrottle, logger
from services.common.records.interface import Record, RecordKey, RecordPage, RecordStore, build_unavailable_error

log = logger(__name__)

_LOG_INTERVAL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class BufferOptions:
    """Bounds of the records that wait to be written."""

    max_waiting: int = 1000
    """Most records that may wait; further ones are lost, so `check_room` refuses new work before that."""
    save_seconds: float = 2.0
    """How long `save` waits for the database."""
    write_seconds: float = 10.0
    """Timeout of one attempt."""
    pause_seconds: float = 1.0
    """Pause after a failed attempt; it doubles with each further failure."""
    longest_pause_seconds: float = 30.0
    """Longest pause after failed attempts."""
    close_seconds: float = 5.0
    """Timeout of the last attempts at close, together."""


class BufferedRecords:
    """Reads and writes records; a record of finished work survives a database that is down for a while.

    Media are paid for before their record is written. So `save` never fails: if the database cannot be written, the
    record waits in memory, is found by `get`, and is written as soon as the database works. It is lost only if the
    process ends before that; the object itself remains in the object store, with its owner.

    Args:
        store: The records of all processes.
        options: Bounds and timeouts.
        clock: Monotonic clock, in seconds.
    """

    def __init__(
        self,
        store: RecordStore,
        options: BufferOptions = BufferOptions(),
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._options = options
        self._waiting: OrderedDict[RecordKey, Record] = OrderedDict()
        self._saves: dict[RecordKey, asyncio.Future[None]] = {}
        self._writing = asyncio.Lock()
        self._writer: asyncio.Task[None] | None = None
        self._failures_in_a_row = 0
        self._throttle = LogThrottle(_LOG_INTERVAL_SECONDS, clock)

    @property
    def waiting(self) -> int:
        """Number of records that wait to be written."""
        return len(self._waiting)

    def check_room(self) -> None:
        """Raise if no further record may wait; call this before work that costs something.

        Raises:
            MediaError: UNAVAILABLE.
        """
        if len(self._waiting) >= self._options.max_waiting:
            raise build_unavailable_error()

    async def save(self, record: Record) -> None:
        """Write a record in place of an earlier one; never raises, and a cancelled call still writes it."""
        key = record.key
        if key not in self._waiting and len(self._waiting) >= self._options.max_waiting:
            log.error("a record was lost: too many wait to be written", kind=record.kind)
            return
        self._waiting[key] = record
        done = self._saves.setdefault(key, asyncio.get_running_loop().create_future())
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all(), name="record writer")
        if self._failures_in_a_row:
            # The database is down: another wait would only delay this call, too.
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._options.save_seconds):
                await asyncio.shield(done)

    async def create(self, record: Record) -> None:
        """Write a record at once.

        Raises:
            MediaError: ALREADY_EXISTS, UNAVAILABLE, OUTPUT_TOO_LARGE.
        """
        await self._store.create(record)

    async def get(self, key: RecordKey) -> Record | None:
        """Return a record, written or not, or None.

        Raises:
            MediaError: UNAVAILABLE.
        """
        waiting = self._waiting.get(key)
        return waiting if waiting is not None else await self._store.get(key)

    async def delete(self, key: RecordKey) -> bool:
        """Delete a record and return whether it existed.

        Raises:
            MediaError: UNAVAILABLE.
        """
        # Not while it is written: the write would bring it back.
        async with self._writing:
            was_waiting = self._waiting.pop(key, None) is not None
            self._release(key)
            return await self._store.delete(key) or was_waiting

    async def list_page(self, owner: str, kind: str, *, page_size: int, page_token: str = "") -> RecordPage:
        """Return a page of the written records of `owner`, newest first.

        Raises:
            MediaError: UNAVAILABLE; VALIDATION_ERROR, the token does not belong to this kind.
        """
        return await self._store.list_page(owner, kind, page_size=page_size, page_token=page_token)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._options.close_seconds):
                while self._waiting and await self._write_next():
                    pass
        for key in list(self._saves):
            self._release(key)
        if self._waiting:
            log.error("records were lost: the database could not be written before the end", lost=len(self._waiting))

    async def _write_all(self) -> None:
        """Write until no record waits, with longer and longer pauses while the database fails."""
        while self._waiting:
            if not await self._write_next():
                pause_seconds = self._options.pause_seconds * 2 ** min(self._failures_in_a_row - 1, 16)
                await asyncio.sleep(min(pause_seconds, self._options.longest_pause_seconds))

    async def _write_next(self) -> bool:
        """Write the record that waits longest, and return whether the database took it."""
        async with self._writing:
            if not self._waiting:
                return True
            key, record = next(iter(self._waiting.items()))
            try:
                async with asyncio.timeout(self._options.write_seconds):
                    await self._store.replace(record)
            except TimeoutError:
                return self._record_failure("TimeoutError")
            except MediaError as error:
                if error.reason is not Reason.OUTPUT_TOO_LARGE:
                    return self._record_failure(error.reason.name)
                self._shrink(record)
                return True
            self._failures_in_a_row = 0
            # Unless a newer version arrived during the write.
            if self._waiting.get(key) is record:
                self._remove(key)
            return True

    def _record_failure(self, cause: str) -> bool:
        self._failures_in_a_row += 1
        # The calls must not wait for a database that is down.
        for key in list(self._saves):
            self._release(key)
        if self._throttle.allows():
            log.warning("records cannot be written and will be retried", waiting=len(self._waiting), cause=cause)
        return False

    def _shrink(self, record: Record) -> None:
        """Drop the attachment of a record that is too large, or the record if it has none."""
        log.error("a record is too large", kind=record.kind, attachment_bytes=len(record.attachment))
        if record.attachment:
            self._waiting[record.key] = replace(record, attachment=b"")
        else:
            self._remove(record.key)

    def _remove(self, key: RecordKey) -> None:
        self._waiting.pop(key, None)
        self._release(key)

    def _release(self, key: RecordKey) -> None:
        """End the wait of the calls of `save` for `key`."""
        done = self._saves.pop(key, None)
        if done is not None and not done.done():
            done.set_result(None)
