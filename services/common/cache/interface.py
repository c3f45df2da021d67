"""What a result store is: entries, the collection they live in, and the one error a store raises."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.common.log import logger

log = logger(__name__)

_DIGESTED_IN_PLACE_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class Collection:
    """Where entries of one kind live, and what their documents call things."""

    name: str = "TTSCache"
    """Name of the collection."""
    data_field: str = "audioData"
    """What a document calls the bytes."""
    url_field: str = "audioUrl"
    """What a document calls the address of bytes that are kept elsewhere: a field of the entry, null without it."""
    max_entry_bytes: int = 15 * 1024 * 1024
    """Longest data that is stored. A MongoDB document ends at 16 MiB, and the fields need room too."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored result."""

    cache_key: str
    """SHA-256 of all that decides what the result is, in hexadecimal."""
    fields: Mapping[str, Any]
    """What the document says beside key, data and times, as JSON values under the document's own names.

    Integers fit 64 bits with sign; None of the names is one that the store itself writes.
    """
    data: bytes
    """The result itself."""
    created_at: datetime
    """When it was made, in UTC, kept to the millisecond."""
    expires_at: datetime
    """From when on it must not be served, in UTC, kept to the millisecond."""


class StoreError(Exception):
    """The store cannot do what was asked.

    Args:
        cause: What failed, as the name of an error class or code: fit to be logged, never a text of the driver.
    """

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__(cause)


class CorruptEntryError(Exception):
    """An entry is there but is not what was stored; the text says in what way, and quotes nothing of it."""


class Store(ABC):
    """Keeps entries of one collection, for all processes that open the same store.

    An entry is there whole or not at all, whatever happens to the process that writes it. Of two writers of one key one
    wins, and neither sees an error.
    """

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self.corrupt_entries = 0
        """How many entries were dropped because they were not what was stored."""

    async def get(self, key: str) -> Entry | None:
        """Return the entry of `key`, or None. It may be past its expiry: that is for the caller's clock to say.

        A corrupt entry is logged, deleted and reported as None.

        Raises:
            StoreError: The store cannot be read.
        """
        try:
            return await self._read(key)
        except CorruptEntryError as error:
            self.corrupt_entries += 1
            log.warning("a corrupt entry was dropped", collection=self.collection.name, what=str(error), cache_key=key)
        with suppress(StoreError):
            await self.delete(key)
        return None

    @abstractmethod
    async def _read(self, key: str) -> Entry | None:
        """Return the entry of `key` once its digest was verified.

        Raises:
            StoreError: The store cannot be read.
            CorruptEntryError: What is there is not what was stored.
        """

    @abstractmethod
    async def put(self, entry: Entry) -> None:
        """Store `entry` in place of any older one of its key.

        What exceeds `Collection.max_entry_bytes`, or cannot be expressed in the store's format, is left out.

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
        """Delete every entry past its expiry and returns how many there were.

        Raises:
            StoreError: The store cannot be written.
        """

    @abstractmethod
    async def close(self) -> None:
        """Let go of files, threads and connections; a closed store only raises StoreError."""


async def digest(data: bytes) -> str:
    """Return the SHA-256 of `data` in hexadecimal, without holding up the event loop for long data."""
    if len(data) <= _DIGESTED_IN_PLACE_BYTES:
        return hashlib.sha256(data).hexdigest()
    return await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())


async def verify(data: object, expected: object) -> bytes:
    """Return `data` once its digest is the expected one.

    Raises:
        CorruptEntryError: It is not, or one of the two is no such thing at all.
    """
    if not isinstance(data, bytes) or not isinstance(expected, str):
        raise CorruptEntryError("data or digest is missing")
    # Drivers may hand out a subclass of bytes that compares unequal to bytes.
    plain = bytes(data)
    if not hmac.compare_digest((await digest(plain)).encode(), expected.encode()):
        raise CorruptEntryError("the digest is wrong")
    return plain


def log_skipped_entries(entry: Entry, collection: Collection, why: str) -> None:
    """Say that a store left `entry` out."""
    log.info("a result is not stored", collection=collection.name, why=why, data_bytes=len(entry.data))
