"""A tiered cache with clocks and a store that tests hold in their hands."""

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
from tests.fakes.result_store import FakeStore, ImageStore

DEADLINE_SECONDS = 5.0
PATIENT = TieredOptions(read_timeout_seconds=DEADLINE_SECONDS, drain_seconds=DEADLINE_SECONDS)
HASTY = TieredOptions(
    read_timeout_seconds=0.02,
    write_timeout_seconds=0.02,
    drain_seconds=0.02,
    circuit=CircuitOptions(failures=3, first_pause_seconds=10, longest_pause_seconds=40),
)


class TextCodec:
    """Keeps texts as UTF-8."""

    def encode(self, key: str, value: str, created_at: datetime, expires_at: datetime) -> Entry:
        return Entry(key, {"contentType": "text/plain"}, value.encode(), created_at, expires_at)

    def decode(self, entry: Entry) -> str:
        return entry.data.decode()

    def size_bytes(self, value: str) -> int:
        return len(value)


@dataclass
class Rig:
    """A cache, its clocks, and what its store is made of."""

    clocks: Clocks
    shelf: ImageStore = field(default_factory=ImageStore)

    def store(self) -> FakeStore:
        return FakeStore(self.shelf, now=self.clocks.steady().now)

    def cache(self, store: FakeStore | None, options: TieredOptions = PATIENT) -> TieredCache[str]:
        return TieredCache(store, TextCodec(), options, self.clocks.steady())

    @asynccontextmanager
    async def opened(self, options: TieredOptions = PATIENT) -> AsyncIterator[tuple[TieredCache[str], FakeStore]]:
        """Yield a cache of a new process, with its store, after the first purge."""
        store = self.store()
        async with self.cache(store, options) as cache:
            await until(store.purged)
            store.asked.clear()
            yield cache, store

    async def remembers(self, key: str, value: str, ttl_seconds: float = 60) -> None:
        """Have another process put something."""
        async with self.opened() as (cache, _):
            cache.put(key, value, ttl_seconds)


async def until(event: asyncio.Event) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        await event.wait()


async def settled(condition: Callable[[], bool]) -> None:
    """Let others run until `condition` holds."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in code that has no event to offer
            await asyncio.sleep(0)
