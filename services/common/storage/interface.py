"""The interface of object stores: whole objects with metadata under hierarchical keys."""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from services.common.errors import MediaError, Reason
from services.common.storage.signed_urls import UrlSigner

IMMUTABLE = "public, max-age=31536000, immutable"
"""Cache-Control of objects that never change under their key; answers limit it, since objects can be deleted."""
REPLACEABLE = "public, max-age=0, must-revalidate"
"""Cache-Control of objects under a key that the caller chose and may overwrite: caches revalidate by entity tag."""
OWNER = "owner"
"""Metadata key of the principal that owns an object."""
_CHUNK_BYTES = 1024 * 1024
_MAX_AGE = re.compile(r"max-age=([0-9]+)")


@dataclass(frozen=True, slots=True)
class ObjectSpec:
    """Properties of an object that are set when it is stored."""

    content_type: str
    """Media type, such as image/webp."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Texts by lower-case name (a-z, 0-9, _; at most 32 characters); at most 2,000 bytes of UTF-8 in all."""
    cache_control: str = IMMUTABLE
    """Cache-Control header for browsers and CDNs."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """Properties of a stored object."""

    key: str
    """Key of the object."""
    size_bytes: int
    """Size of the data."""
    content_type: str
    """Media type."""
    etag: str
    """Entity tag, which changes with the data; without quotes."""
    modified_at: datetime
    """Time at which it was stored, in UTC."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Metadata from the `ObjectSpec`; empty in lists, since stores do not list it."""
    cache_control: str = ""
    """Cache-Control from the `ObjectSpec`; empty in lists."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A range of bytes of an object."""

    start: int
    """Offset of the first byte."""
    end: int
    """Offset after the last byte; greater than `start` and at most the size of the object."""


@dataclass(frozen=True, slots=True)
class OpenObject:
    """An object that is open for reading."""

    info: ObjectInfo
    """Properties of the object."""
    chunks: AsyncIterator[bytes]
    """The data, or the requested range, in chunks of at most 1 MiB; raises STORAGE_FAILED if the data ends early."""


@dataclass(frozen=True, slots=True)
class ObjectUrl:
    """A URL that lets anyone read an object."""

    url: str
    """The URL."""
    expires_at: datetime | None = None
    """Time of expiry in UTC; None if the URL does not expire."""


@dataclass(frozen=True, slots=True)
class ObjectPage:
    """A page of the objects under a prefix, in the order of their keys."""

    objects: tuple[ObjectInfo, ...]
    """Objects of this page."""
    next_page_token: str = ""
    """Token for the next page; empty on the last page."""


class ObjectStore(ABC):
    """Objects that are shared by all processes that open the same store.

    Writes are atomic: a process that dies while it writes leaves no partial object. Every method raises MediaError:
    VALIDATION_ERROR for a key that `services.common.storage.keys` refuses, STORAGE_FAILED if the store fails for a
    time, and STORAGE_REFUSED if it refuses until its configuration changes. The messages name what to check (bucket,
    credentials, reachability) and never quote the store.
    """

    name: str
    """Kind of the store: local, s3, spaces or supabase."""
    signer: UrlSigner | None = None
    """Signs the links if the suite serves the objects; None if the store itself does."""

    @abstractmethod
    async def put(
        self, key: str, data: bytes | AsyncIterator[bytes], spec: ObjectSpec, *, overwrite: bool = False
    ) -> ObjectInfo:
        """Store an object.

        Args:
            key: Key of the object.
            data: The data; if the iterator raises, nothing is stored.
            spec: Properties of the object.
            overwrite: Whether an existing object of this key may be replaced.

        Raises:
            MediaError: ALREADY_EXISTS, the key is taken and `overwrite` is false.
        """

    async def put_file(
        self, key: str, path: Path, sha256: str, spec: ObjectSpec, *, overwrite: bool = False
    ) -> ObjectInfo:
        """Store a file and take ownership of it: the store may move it, so do not write to it again.

        Args:
            key: Key of the object.
            path: The complete file.
            sha256: SHA-256 of the file in hexadecimal.
            spec: Properties of the object.
            overwrite: Whether an existing object of this key may be replaced.

        Raises:
            MediaError: ALREADY_EXISTS, the key is taken and `overwrite` is false.
        """
        del sha256
        return await self.put(key, _read_file(path), spec, overwrite=overwrite)

    @abstractmethod
    def open(self, key: str, byte_range: ByteRange | None = None) -> AbstractAsyncContextManager[OpenObject]:
        """Return the context in which an object can be read.

        Raises:
            MediaError: NOT_FOUND, no object has this key.
        """

    @abstractmethod
    async def head(self, key: str) -> ObjectInfo:
        """Return the properties of an object.

        Raises:
            MediaError: NOT_FOUND, no object has this key.
        """

    @abstractmethod
    async def url(self, key: str, *, lifetime_seconds: float | None = None) -> ObjectUrl:
        """Return a URL of the object without checking that the object exists.

        Args:
            key: Key of the object.
            lifetime_seconds: Lifetime of the URL; None uses the configured one. A store with a public bucket returns a
                URL that does not expire, whatever the lifetime.
        """

    def key_from_url(self, url: str) -> str | None:
        """Return the key of the object in `url` if it is a valid link of this store, otherwise None."""
        return None

    @abstractmethod
    async def delete(self, key: str) -> bool:
        """Delete an object and return whether it existed; S3 does not report this and always returns True."""

    @abstractmethod
    async def list(self, prefix: str, *, page_size: int = 100, page_token: str = "") -> ObjectPage:
        """Return a page of the objects under `prefix`, in the order of their keys.

        Args:
            prefix: Whole segments that end in `/`; empty for all objects.
            page_size: Most objects of the page, 1 to 1,000.
            page_token: `next_page_token` of the previous page.

        Raises:
            MediaError: VALIDATION_ERROR, the token does not belong to this prefix.
        """

    async def remove_stale_drafts(self, older_than_seconds: float) -> int:
        """Remove the unfinished objects of writers that died, and return the number of removed ones.

        Only the local store has drafts. The parts of unfinished uploads to a bucket are left to its
        lifecycle rules.

        Args:
            older_than_seconds: Least time since the last write to a draft.
        """
        del older_than_seconds
        return 0

    async def close(self) -> None:
        """Release connections and files; the store cannot be used afterwards."""
        return


async def _read_file(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while piece := await asyncio.to_thread(file.read, _CHUNK_BYTES):
            yield piece


async def read_all(store: ObjectStore, key: str, *, max_bytes: int) -> tuple[bytes, ObjectInfo]:
    """Return the data and the properties of an object.

    Raises:
        MediaError: NOT_FOUND; PAYLOAD_TOO_LARGE, the object exceeds `max_bytes`; STORAGE_FAILED.
    """
    async with store.open(key) as opened:
        if opened.info.size_bytes > max_bytes:
            raise MediaError(Reason.PAYLOAD_TOO_LARGE, f"The stored object has more than {max_bytes} bytes.")
        return b"".join([chunk async for chunk in opened.chunks]), opened.info


async def delete_older_than(store: ObjectStore, prefix: str, stored_before: float) -> int:
    """Delete the objects under `prefix` that were stored before a time, and return their number.

    Args:
        store: The object store.
        prefix: Whole segments that end in `/`.
        stored_before: Seconds since 1970.

    Raises:
        MediaError: STORAGE_FAILED, STORAGE_REFUSED.
    """
    deleted, token = 0, ""
    while True:
        page = await store.list(prefix, page_token=token)
        for info in page.objects:
            if info.modified_at.timestamp() < stored_before:
                deleted += await store.delete(info.key)
        token = page.next_page_token
        if not token:
            return deleted


def limit_age(cache_control: str, longest_seconds: float) -> str:
    """Return `cache_control` with a shorter max-age, and without `immutable`, if it allows more.

    Args:
        cache_control: Cache-Control of an object.
        longest_seconds: Longest time for which a cache may answer without asking.
    """
    found, longest = _MAX_AGE.search(cache_control), max(0, int(longest_seconds))
    if found is None or int(found[1]) <= longest:
        return cache_control
    parts = [part.strip() for part in cache_control.split(",")]
    # `immutable` would keep browsers from asking again within the age.
    return ", ".join(f"max-age={longest}" if _MAX_AGE.match(part) else part for part in parts if part != "immutable")
