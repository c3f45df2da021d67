"""A result store in memory that can be told to fail, to hang, and to remember what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from services.common.cache.interface import Collection, Entry, Store, StoreError, digest, verify

COLLECTION = Collection(max_entry_bytes=4096)


@dataclass(slots=True)
class ImageStore:
    """What is stored; outlives the stores that are opened over it."""

    entries: dict[str, tuple[Entry, str]] = field(default_factory=dict)


class FakeStore(Store):
    """Keeps entries on a shelf.

    Args:
        shelf: Where entries are; stores over one shelf see each other's.
        collection: What is cached.
        now: Tells what is expired.
    """

    def __init__(
        self,
        shelf: ImageStore | None = None,
        collection: Collection = COLLECTION,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(collection)
        self.shelf = shelf or ImageStore()
        self.asked: list[str] = []
        self.answers = asyncio.Event()
        self.answers.set()
        self.failure: Exception | None = None
        self.read_only = False
        self.purged = asyncio.Event()
        self._now = now
        self._closed = False

    async def _read(self, key: str) -> Entry | None:
        await self._serve(f"get {key}", writes=False)
        if key not in self.shelf.entries:
            return None
        entry, sha256 = self.shelf.entries[key]
        await verify(entry.data, sha256)
        return entry

    async def put(self, entry: Entry) -> None:
        """Put `entry` on the shelf."""
        await self._serve(f"put {entry.cache_key}", writes=True)
        if len(entry.data) <= self.collection.max_entry_bytes:
            self.shelf.entries[entry.cache_key] = (entry, await digest(entry.data))

    async def delete(self, key: str) -> None:
        """Take the entry off the shelf."""
        await self._serve(f"delete {key}", writes=True)
        self.shelf.entries.pop(key, None)

    async def purge_expired(self) -> int:
        """Take everything off the shelf that is past its expiry."""
        self.purged.set()
        await self._serve("purge", writes=True)
        expired = [key for key, (entry, _) in self.shelf.entries.items() if entry.expires_at <= self._now()]
        for key in expired:
            del self.shelf.entries[key]
        return len(expired)

    async def close(self) -> None:
        """Refuse everything from now on."""
        self._closed = True

    async def _serve(self, what: str, *, writes: bool) -> None:
        self.asked.append(what)
        await self.answers.wait()
        if self._closed:
            raise StoreError("closed")
        if self.failure is not None:
            raise self.failure
        if writes and self.read_only:
            raise StoreError("read-only")
