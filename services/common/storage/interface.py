"""What an object store is: whole objects under hierarchical keys, with what is known about each."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from services.common.errors import MediaError, Reason

IMMUTABLE = "public, max-age=31536000, immutable"
"""Cache-Control of objects whose bytes never change under their key."""
REPLACEABLE = "public, max-age=0, must-revalidate"
"""Cache-Control of objects whose key somebody chose who may put other bytes there: asked for again by entity tag."""
OWNER = "owner"
"""Name of the metadata entry that says whose an object is."""
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ObjectSpec:
    """What is said about an object when it is stored."""

    content_type: str
    """Media type, such as image/webp."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case (a-z, 0-9, _; at most 32 letters) with texts; at most 2,000 bytes of UTF-8 in all."""
    cache_control: str = IMMUTABLE
    """What browsers and CDNs may do with it."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What is known about a stored object."""

    key: str
    """Its key."""
    size_bytes: int
    """Its length."""
    content_type: str
    """Media type."""
    etag: str
    """Changes with the bytes; without quotes."""
    modified_at: datetime
    """When it was stored, in UTC."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """As given when it was stored; empty in lists, where stores do not tell."""
    cache_control: str = ""
    """As given when it was stored; empty in lists."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A piece of an object."""

    start: int
    """First byte, from 0."""
    end: int
    """First byte behind it; greater than `start` and at most the object's length."""


@dataclass(frozen=True, slots=True)
class OpenObject:
    """An object that is being read."""

    info: ObjectInfo
    """What is known about it."""
    chunks: AsyncIterator[bytes]
    """Its bytes, or those of the range, in pieces of at most 1 MiB; raises MediaError, STORAGE_FAILED, if cut."""


@dataclass(frozen=True, slots=True)
class ObjectUrl:
    """An address at which whoever has it can read an object."""

    url: str
    """The address."""
    expires_at: datetime | None = None
    """When it ends, in UTC; None if it lasts."""


@dataclass(frozen=True, slots=True)
class ObjectPage:
    """Some of the objects under a prefix, in the order of their keys."""

    objects: tuple[ObjectInfo, ...]
    """The objects."""
    next_page_token: str = ""
    """Asks for what follows; empty at the end."""


class ObjectStore(ABC):
    """Keeps objects, for all processes that open the same store.

    An object is there whole or not at all, whatever happens to the process that writes it. Every method raises
    MediaError: VALIDATION_ERROR for a key that `services.common.storage.keys` refuses, STORAGE_FAILED where the store
    cannot do what was asked (with a message that names what to look at: bucket, credentials, reachability, and never
    the store's own words).
    """

    name: str
    """Which kind of store this is: local, s3, spaces or supabase."""

    @abstractmethod
    async def put(
        self, key: str, data: bytes | AsyncIterator[bytes], spec: ObjectSpec, *, overwrite: bool = False
    ) -> ObjectInfo:
        """Store an object.

        Args:
            key: Where.
            data: The bytes; an iterator that raises leaves nothing behind.
            spec: What is said about it.
            overwrite: Whether an object of this key may be replaced.

        Raises:
            MediaError: ALREADY_EXISTS, there is an object of this key and `overwrite` is false.
        """

    async def put_file(
        self, key: str, path: Path, sha256: str, spec: ObjectSpec, *, overwrite: bool = False
    ) -> ObjectInfo:
        """Store a file, which is the store's from then on: it may be gone, and must not be written to.

        Args:
            key: Where.
            path: The file, whole.
            sha256: The digest of its bytes, in hexadecimal.
            spec: What is said about it.
            overwrite: Whether an object of this key may be replaced.

        Raises:
            MediaError: ALREADY_EXISTS, there is an object of this key and `overwrite` is false.
        """
        del sha256
        return await self.put(key, _read(path), spec, overwrite=overwrite)

    @abstractmethod
    def open(self, key: str, byte_range: ByteRange | None = None) -> AbstractAsyncContextManager[OpenObject]:
        """Return the context in which an object is read.

        Raises:
            MediaError: NOT_FOUND, there is no object of this key.
        """

    @abstractmethod
    async def head(self, key: str) -> ObjectInfo:
        """Return what is known about an object.

        Raises:
            MediaError: NOT_FOUND, there is no object of this key.
        """

    @abstractmethod
    async def url(self, key: str, *, lifetime_seconds: float | None = None) -> ObjectUrl:
        """Return an address of the object; does not look whether it is there.

        Args:
            key: Which object.
            lifetime_seconds: For how long the address works; None for the store's own choice. A store whose objects
                are public gives their lasting address whatever is asked.
        """

    def key_from_url(self, url: str) -> str | None:
        """Return the key of the object that a link of this store's own leads to, if it is one and still works."""
        return None

    @abstractmethod
    async def delete(self, key: str) -> bool:
        """Delete an object and returns whether there was one, as far as the store tells (S3 says yes always)."""

    @abstractmethod
    async def list(self, prefix: str, *, page_size: int = 100, page_token: str = "") -> ObjectPage:
        """Return objects whose keys begin with `prefix`, in order of their keys.

        Args:
            prefix: Whole segments, ending in `/`; empty for everything.
            page_size: Most objects of the answer, 1 to 1,000.
            page_token: From the page before.

        Raises:
            MediaError: VALIDATION_ERROR, the token is not one of ours for this prefix.
        """

    async def remove_stale_drafts(self, older_than_seconds: float) -> int:
        """Remove drafts of objects whose writers died, and returns how many there were.

        Stores that keep no drafts where we see them have none; what is left of an upload in parts to a bucket is for a
        lifecycle rule of the bucket.

        Args:
            older_than_seconds: How long nobody has written to a draft, at least.
        """
        del older_than_seconds
        return 0

    async def close(self) -> None:
        """Free what the store holds; the instance is not used afterwards."""
        return


async def _read(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while piece := await asyncio.to_thread(file.read, _CHUNK_BYTES):
            yield piece


async def read_all(store: ObjectStore, key: str, *, max_bytes: int) -> tuple[bytes, ObjectInfo]:
    """Return the whole object.

    Raises:
        MediaError: NOT_FOUND; PAYLOAD_TOO_LARGE, it has more than `max_bytes`; STORAGE_FAILED.
    """
    async with store.open(key) as found:
        if found.info.size_bytes > max_bytes:
            raise MediaError(Reason.PAYLOAD_TOO_LARGE, f"The stored object has more than {max_bytes} bytes.")
        return b"".join([chunk async for chunk in found.chunks]), found.info
