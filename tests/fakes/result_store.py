"""A result store in memory that can fail or hang on demand and records its calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from services.common.cache.interface import Collection, Entry, Store, StoreError, digest, verify

COLLECTION = Collection(max_entry_bytes=4096)


@dataclass(slots=True)
class StoredEntries:
    """The content of a fake store; outlives the stores that share it."""

    entries: dict[str, tuple[Entry, str]] = field(default_factory=dict)


class FakeStore(Store):
    """Stores entries in memory.

    Args:
        storage: Content; stores with the same content share their entries.
        collection: Collection of the entries.
        now: Called for the current time.
    """

    def __init__(
        self,
        storage: StoredEntries | None = None,
        collection: Collection = COLLECTION,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(collection)
        self.storage = storage or StoredEntries()
        self.calls: list[str] = []
        self.proceed = asyncio.Event()
        self.proceed.set()
        self.failure: Exception | None = None
        self.read_only = False
        self.purged = asyncio.Event()
        self._now = now
        self._closed = False

    async def _read(self, key: str) -> Entry | None:
        await self._record_call(f"get {key}", writes=False)
        if key not in self.storage.entries:
            return None
        entry, sha256 = self.storage.entries[key]
        await verify(entry.data, sha256)
        return entry

    async def put(self, entry: Entry) -> None:
        """Store `entry`."""
        await self._record_call(f"put {entry.cache_key}", writes=True)
        if len(entry.data) <= self.collection.max_entry_bytes:
            self.storage.entries[entry.cache_key] = (entry, await digest(entry.data))

    async def delete(self, key: str) -> None:
        """Remove the entry."""
        await self._record_call(f"delete {key}", writes=True)
        self.storage.entries.pop(key, None)

    async def purge_expired(self) -> int:
        """Remove every expired entry."""
        self.purged.set()
        await self._record_call("purge", writes=True)
        expired = [key for key, (entry, _) in self.storage.entries.items() if entry.expires_at <= self._now()]
        for key in expired:
            del self.storage.entries[key]
        return len(expired)

    async def close(self) -> None:
        """Make every later call fail."""
        self._closed = True

    async def _record_call(self, call: str, *, writes: bool) -> None:
        self.calls.append(call)
        await self.proceed.wait()
        if self._closed:
            raise StoreError("closed")
        if self.failure is not None:
            raise self.failure
        if writes and self.read_only:
            raise StoreError("read-only")
