"""A tiered cache over a store and clocks that the test controls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from services.common.cache.circuit_breaker import CircuitOptions
from services.common.cache.interface import Entry
from services.common.cache.tiered import TieredCache, TieredOptions
from tests.fakes.clocks import Clocks
from tests.fakes.result_store import FakeStore, StoredEntries

DEADLINE_SECONDS = 5.0
LONG_TIMEOUTS = TieredOptions(read_timeout_seconds=DEADLINE_SECONDS, drain_seconds=DEADLINE_SECONDS)
SHORT_TIMEOUTS = TieredOptions(
    read_timeout_seconds=0.02,
    write_timeout_seconds=0.02,
    drain_seconds=0.02,
    circuit=CircuitOptions(failures=3, first_pause_seconds=10, longest_pause_seconds=40),
)


class TextCodec:
    """Encodes texts as UTF-8."""

    def encode(self, key: str, value: str, created_at: datetime, expires_at: datetime) -> Entry:
        return Entry(key, {"contentType": "text/plain"}, value.encode(), created_at, expires_at)

    def decode(self, entry: Entry) -> str:
        return entry.data.decode()

    def size_bytes(self, value: str) -> int:
        return len(value)


@dataclass
class Rig:
    """Builds caches and stores over one storage and one pair of clocks."""

    clocks: Clocks
    storage: StoredEntries = field(default_factory=StoredEntries)

    def store(self) -> FakeStore:
        return FakeStore(self.storage, now=self.clocks.steady().now)

    def cache(self, store: FakeStore | None, options: TieredOptions = LONG_TIMEOUTS) -> TieredCache[str]:
        return TieredCache(store, TextCodec(), options, self.clocks.steady())

    @asynccontextmanager
    async def open(self, options: TieredOptions = LONG_TIMEOUTS) -> AsyncIterator[tuple[TieredCache[str], FakeStore]]:
        """Yield a cache of a new process, with its store, after the first purge."""
        store = self.store()
        async with self.cache(store, options) as cache:
            await wait_for(store.purged)
            store.calls.clear()
            yield cache, store

    async def put_from_other_process(self, key: str, value: str, ttl_seconds: float = 60) -> None:
        """Put a value as another process would."""
        async with self.open() as (cache, _):
            cache.put(key, value, ttl_seconds)


async def wait_for(event: asyncio.Event) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        await event.wait()


async def wait_until(condition: Callable[[], bool]) -> None:
    """Let other tasks run until `condition` holds."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():  # noqa: ASYNC110 - the awaited code has no event
            await asyncio.sleep(0)
