"""The tiered cache: memory in front of a store; failures of the store do not reach its callers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from services.common.cache.circuit_breaker import CircuitBreaker, CircuitOptions
from services.common.cache.coalesced_reads import SLOW, CoalescedReads
from services.common.cache.interface import CacheStats, Collection, Counts, Entry, ExpiryClock, Store, StoreError
from services.common.cache.memory import MemoryCache
from services.common.cache.settings import CacheSettings
from services.common.cache.sqlite import DEFAULT_MAX_BYTES, open_sqlite_store
from services.common.cache.write_behind import Write, WriteQueue
from services.common.log import LogThrottle, logger

log = logger(__name__)

T = TypeVar("T")

_LOG_INTERVAL_SECONDS = 60


@asynccontextmanager
async def open_cache(
    settings: CacheSettings, collection: Collection, codec: Codec[T]
) -> AsyncIterator[TieredCache[T] | None]:
    """Open the result cache of a service and its store; yield None if the settings disable caching."""
    if not settings.caching_enabled:
        yield None
        return
    options = TieredOptions(ttl_seconds=settings.cache_ttl_seconds, memory_bytes=settings.cache_memory_bytes)
    async with (
        open_result_store(settings.mongodb_uri.get_secret_value(), settings.database_file, collection) as store,
        TieredCache(store, codec, options) as cache,
    ):
        yield cache


def open_result_store(
    mongodb_uri: str, sqlite_path: Path, collection: Collection, *, sqlite_max_bytes: int = DEFAULT_MAX_BYTES
) -> AbstractAsyncContextManager[Store]:
    """Return the context of the store; the store connects or opens its file on first use.

    Args:
        mongodb_uri: Connection string; empty for the SQLite file.
        sqlite_path: The file; several collections and processes may share it.
        collection: Collection of the entries.
        sqlite_max_bytes: Most bytes that the collection may take in the file. MongoDB is bounded on its server.

    Raises:
        ConfigurationError: On entering, `mongodb_uri` is not a connection string.
    """
    if not mongodb_uri:
        return open_sqlite_store(sqlite_path, collection, max_bytes=sqlite_max_bytes)
    from services.common.cache.mongo import open_mongo_store  # noqa: PLC0415 - costs 30 MB and is often not needed

    return open_mongo_store(mongodb_uri, collection)


class Codec(Protocol[T]):
    """Converts values to entries and back."""

    def encode(self, key: str, value: T, created_at: datetime, expires_at: datetime) -> Entry:
        """Return the entry of `value`; called in the background, so cached values must not change."""

    def decode(self, entry: Entry) -> T:
        """Return the value of `entry`; if this raises any error, the entry is deleted as corrupt."""

    def size_bytes(self, value: T) -> int:
        """Return the size of `value` in memory."""


@dataclass(frozen=True, slots=True)
class TieredOptions:
    """Bounds, lifetimes and timeouts of a cache."""

    ttl_seconds: float = 86_400
    """Lifetime of a value unless `put` specifies one."""
    memory_bytes: int = 64 * 1024 * 1024
    """Most bytes that the values in memory take."""
    read_timeout_seconds: float = 0.05
    """Longest time that a caller waits for the store."""
    write_timeout_seconds: float = 5.0
    """Timeout of one write or purge."""
    max_running_reads: int = 256
    """Most concurrent reads of the store."""
    queue_bytes: int = 64 * 1024 * 1024
    """Most bytes that the values waiting for the store take."""
    drain_seconds: float = 2.0
    """How long closing waits for queued writes."""
    purge_interval_seconds: float = 600.0
    """Interval at which expired entries are deleted, beginning at the start."""
    circuit: CircuitOptions = field(default_factory=CircuitOptions)
    """Circuit breaker options. Reads and writes have one each, since a store that is full can still be read."""


class TieredCache(Generic[T]):
    """Values by key, in memory and in a store that other processes share; an async context manager.

    A failure of the store never makes `get` or `put` raise. Outside its context the cache uses only the memory.

    Args:
        store: Store that outlives the process; None to use only memory. The cache does not close it.
        codec: Converts values to entries and back.
        options: Bounds, lifetimes and timeouts.
        clock: Clock for expiry.
    """

    def __init__(
        self,
        store: Store | None,
        codec: Codec[T],
        options: TieredOptions = TieredOptions(),
        clock: ExpiryClock | None = None,
    ) -> None:
        self._store = store
        self._codec = codec
        self._options = options
        self._clock = clock or ExpiryClock()
        self._memory: MemoryCache[T] = MemoryCache(options.memory_bytes, codec.size_bytes, self._clock)
        self._counts: Counts = Counts()
        self._log_throttle = LogThrottle(_LOG_INTERVAL_SECONDS, self._clock.monotonic)
        self._write_circuit = CircuitBreaker(options.circuit, self._clock.monotonic)
        self._writes = WriteQueue(options.queue_bytes)
        self._reads: CoalescedReads[T] = CoalescedReads(
            self._read,
            CircuitBreaker(options.circuit, self._clock.monotonic),
            self._counts,
            lambda cause: self._record_failure("read", cause),
            timeout_seconds=options.read_timeout_seconds,
            max_running=options.max_running_reads,
        )
        self._running = AsyncExitStack()
        self._is_open = False

    async def __aenter__(self) -> Self:
        if self._store is not None:
            group = await self._running.enter_async_context(asyncio.TaskGroup())
            for work in (self._writes.run(), self._purge_regularly(self._store)):
                self._running.callback(group.create_task(work).cancel)
            self._is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_open = False
        async with self._running:
            await self._reads.close()
            if unwritten := await self._writes.drain(self._options.drain_seconds):
                self._counts["dropped_writes"] += unwritten
                log.warning("results were not stored: closing timed out", entries=unwritten)

    @property
    def stats(self) -> CacheStats:
        """Counts so far, with the corrupt entries that the store deleted."""
        counts = self._counts.copy()
        counts["corrupt"] += self._store.corrupt_entries if self._store is not None else 0
        return CacheStats(**{str(name): count for name, count in counts.items()})

    async def get(self, key: str) -> T | None:
        """Return the value of `key` unless it is absent or expired.

        A failure of the store counts as absent, and the call takes at most `read_timeout_seconds`.
        """
        value = self._memory.get(key)
        if value is not None:
            self._counts["hits_memory"] += 1
            return value
        if self._is_open:
            value = await self._reads.get(key)
        if value is None:
            # Another task may have put the value while the store was read.
            value = self._memory.get(key)
        self._counts["misses" if value is None else "hits_store"] += 1
        return value

    def peek(self, key: str) -> T | None:
        """Return the value of `key` if it is in memory; does not wait, and is not counted in `stats`."""
        return self._memory.get(key)

    def put(self, key: str, value: T, ttl_seconds: float | None = None) -> None:
        """Store `value` in memory at once and in the store in the background.

        Args:
            key: SHA-256 of everything that determines the value, in hexadecimal.
            value: The value, which must not change afterwards.
            ttl_seconds: Lifetime of the value; 0 or less stores nothing. None uses that of the options.
        """
        lifetime_seconds = self._options.ttl_seconds if ttl_seconds is None else ttl_seconds
        self._memory.put(key, value, lifetime_seconds)
        if self._store is None or not self._is_open or lifetime_seconds <= 0:
            return
        store = self._store
        created_at = self._clock.now()
        expires_at = created_at + timedelta(seconds=lifetime_seconds)

        async def write() -> None:
            await store.put(self._codec.encode(key, value, created_at, expires_at))

        self._enqueue("write", key, self._codec.size_bytes(value), write)

    def discard(self, key: str) -> None:
        """Remove the value of `key` from the memory at once and from the store in the background."""
        self._memory.discard(key)
        if self._store is not None and self._is_open:
            store = self._store
            self._enqueue("delete", key, len(key), lambda: store.delete(key))

    async def _read(self, key: str) -> T | None:
        entry = await self._store.get(key) if self._store is not None else None
        if entry is None or (seconds_left := self._clock.seconds_left(entry)) <= 0:
            return None
        newer = self._memory.get(key)
        if newer is not None:
            return newer
        try:
            value = self._codec.decode(entry)
        except Exception as error:  # noqa: BLE001 - an entry that cannot be decoded is treated as corrupt
            self._counts["corrupt"] += 1
            log.warning("a corrupt entry was deleted", defect=type(error).__name__, cache_key=key)
            self.discard(key)
            return None
        self._memory.put(key, value, seconds_left)
        return value

    def _enqueue(self, operation: str, key: str, size_bytes: int, work: Callable[[], Awaitable[None]]) -> None:
        if not self._writes.offer(Write(key, size_bytes, lambda: self._run_guarded(operation, work))):
            self._counts["dropped_writes"] += 1
            self._log_failure(operation, "queue full")

    async def _run_guarded(self, operation: str, work: Callable[[], Awaitable[object]]) -> None:
        """Run `work` on the store unless the circuit is open; never raises."""
        if not self._write_circuit.allows():
            self._counts["skipped_open_circuit"] += 1
            return
        try:
            async with asyncio.timeout(self._options.write_timeout_seconds):
                await work()
        except StoreError as error:
            cause = error.cause
        except TimeoutError:
            cause = SLOW
        except Exception as error:  # noqa: BLE001 - an unexpected driver error must not stop the queue
            cause = type(error).__name__
        else:
            self._write_circuit.record_success()
            return
        self._write_circuit.record_failure()
        self._record_failure(operation, cause)

    async def _purge_regularly(self, store: Store) -> None:
        while True:
            await self._run_guarded("purge", store.purge_expired)
            await asyncio.sleep(self._options.purge_interval_seconds)

    def _record_failure(self, operation: str, cause: str) -> None:
        self._counts["errors"] += 1
        self._log_failure(operation, cause)

    def _log_failure(self, operation: str, cause: str) -> None:
        if self._log_throttle.allows():
            log.warning(
                "the result store failed; results are served uncached",
                operation=operation,
                cause=cause,
                suppressed=self._log_throttle.suppressed,
            )
