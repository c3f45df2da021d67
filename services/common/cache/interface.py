"""The interface of result stores: entries, their expiry, the errors of a store, and the statistics of a cache."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from services.common.log import logger

log = logger(__name__)

_MAX_INLINE_DIGEST_BYTES = 512 * 1024
_MAX_CLOCK_SKEW = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection of entries, with the field names of its documents."""

    name: str = "TTSCache"
    """Name of the collection."""
    data_field: str = "audioData"
    """Field of a document that holds the data."""
    url_field: str = "audioUrl"
    """Field of a document that holds the URL of data that is stored elsewhere; null if the entry does not set it."""
    max_entry_bytes: int = 15 * 1024 * 1024
    """Longest data that is stored. A MongoDB document is limited to 16 MiB, including its other fields."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored result."""

    cache_key: str
    """SHA-256 of everything that determines the result, in hexadecimal."""
    fields: Mapping[str, Any]
    """Further fields of the document, as JSON values under the names of the document.

    Integers fit 64 bits with sign. No name may be one that the store itself writes.
    """
    data: bytes
    """The result."""
    created_at: datetime
    """Time of creation in UTC, stored to the millisecond."""
    expires_at: datetime
    """Time in UTC from which the entry must not be served, stored to the millisecond."""


class ExpiryClock:
    """Returns the later of two times: the wall clock, and its value at the start plus the time since.

    A wall clock that jumps forward therefore expires entries, and one that jumps back prolongs none.

    Args:
        wall: Wall clock, in seconds since 1970 (UTC).
        monotonic: Monotonic clock, in seconds.
    """

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self.monotonic = monotonic
        self._offset_seconds = wall() - monotonic()

    def now(self) -> datetime:
        """Return the time in UTC, to the millisecond, which is the precision of the stores."""
        seconds = max(self._wall(), self._offset_seconds + self.monotonic())
        return datetime.fromtimestamp(int(seconds * 1000) / 1000, UTC)

    def seconds_left(self, entry: Entry) -> float:
        """Return how long `entry` may still be served; 0 or less if it has expired.

        An entry that was created in the future was written with a wrong clock, so its expiry is not trusted.
        """
        now = self.now()
        if entry.created_at > now + _MAX_CLOCK_SKEW:
            return 0.0
        return min(entry.expires_at - now, entry.expires_at - entry.created_at).total_seconds()


class StoreError(Exception):
    """Raised when the store cannot perform an operation.

    Args:
        cause: Name of an error class or code, safe to log; never a message of the driver.
    """

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__(cause)


class CorruptEntryError(Exception):
    """Raised when an entry differs from what was stored; the message quotes no content."""


class Store(ABC):
    """Entries of one collection, shared by all processes that open the same store.

    Writes are atomic: a process that dies while it writes leaves no partial entry. If two processes write the same key,
    one of them wins, and neither sees an error.
    """

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self.corrupt_entries = 0
        """Number of entries that were deleted because they were corrupt."""

    async def get(self, key: str) -> Entry | None:
        """Return the entry of `key`, or None; the caller must check whether the entry has expired.

        A corrupt entry is logged, deleted and reported as None.

        Raises:
            StoreError: The store cannot be read.
        """
        try:
            return await self._read(key)
        except CorruptEntryError as error:
            self.corrupt_entries += 1
            log.warning(
                "a corrupt entry was deleted", collection=self.collection.name, defect=str(error), cache_key=key
            )
        with suppress(StoreError):
            await self.delete(key)
        return None

    @abstractmethod
    async def _read(self, key: str) -> Entry | None:
        """Return the entry of `key` after its digest was verified.

        Raises:
            StoreError: The store cannot be read.
            CorruptEntryError: The entry differs from what was stored.
        """

    @abstractmethod
    async def put(self, entry: Entry) -> None:
        """Store `entry` in place of an older entry of its key.

        An entry that exceeds `Collection.max_entry_bytes`, or does not fit the format of the store, is skipped.

        Raises:
            StoreError: The store cannot be written.
        """

    @abstractmethod
    async def delete(self, key: str) -> None:
        """Delete the entry of `key`, if there is one.

        Raises:
            StoreError: The store cannot be written.
        """

    @abstractmethod
    async def purge_expired(self) -> int:
        """Delete every expired entry and return the number of deleted entries.

        Raises:
            StoreError: The store cannot be written.
        """

    @abstractmethod
    async def close(self) -> None:
        """Release files, threads and connections; a closed store only raises StoreError."""


async def digest(data: bytes) -> str:
    """Return the SHA-256 of `data` in hexadecimal; long data is hashed in a thread."""
    if len(data) <= _MAX_INLINE_DIGEST_BYTES:
        return hashlib.sha256(data).hexdigest()
    return await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())


async def verify(data: object, expected: object) -> bytes:
    """Return `data` if its digest is the expected one.

    Raises:
        CorruptEntryError: The digest differs, or data or digest has the wrong type.
    """
    if not isinstance(data, bytes) or not isinstance(expected, str):
        raise CorruptEntryError("data or digest is missing")
    # Drivers may return a subclass of bytes, such as bson.Binary, that compares unequal to bytes.
    plain = bytes(data)
    if not hmac.compare_digest((await digest(plain)).encode(), expected.encode()):
        raise CorruptEntryError("the digest is wrong")
    return plain


def log_skipped_entry(entry: Entry, collection: Collection, reason: str) -> None:
    """Log that a store skipped `entry`."""
    log.info("a result is not stored", collection=collection.name, reason=reason, data_bytes=len(entry.data))


Stat = Literal[
    "hits_memory", "hits_store", "misses", "errors", "skipped_open_circuit", "skipped_busy", "dropped_writes", "corrupt"
]
Counts = Counter[Stat]
CacheStatus = Literal["miss", "hit", "joined", "bypass"]
"""What the cache did for one call; `joined` shared a running provider call, `bypass` skipped the cache."""


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Counts since the cache was created."""

    hits_memory: int = 0
    """Reads answered from the memory of this process."""
    hits_store: int = 0
    """Reads answered from the store."""
    misses: int = 0
    """Reads without a value, for whatever reason."""
    errors: int = 0
    """Reads, writes and purges that failed or timed out."""
    skipped_open_circuit: int = 0
    """Reads and writes that skipped the store because its circuit was open."""
    skipped_busy: int = 0
    """Reads that skipped the store because too many others were running."""
    dropped_writes: int = 0
    """Writes that were dropped because the queue was full or the process ended first."""
    corrupt: int = 0
    """Entries that were deleted because they were corrupt."""
