"""An object store in memory, with failures that a test sets."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from services.common.errors import MediaError, Reason
from services.common.storage import ByteRange, ObjectInfo, ObjectPage, ObjectSpec, ObjectStore, ObjectUrl, OpenObject
from services.common.storage.keys import check_key, check_new_key

EXPIRES = datetime(2027, 1, 1, tzinfo=UTC)


class FakeObjectStore(ObjectStore):
    """Stores objects in a dict."""

    name = "memory"

    def __init__(self) -> None:
        self.objects: dict[str, tuple[ObjectInfo, bytes]] = {}
        self.puts_until_failure: int | None = None
        """Number of successful puts before puts fail; None: they never fail."""
        self.unreadable = False
        """Whether reads fail."""

    @property
    def keys(self) -> list[str]:
        """All keys, sorted."""
        return sorted(self.objects)

    async def put(
        self, key: str, data: bytes | AsyncIterator[bytes], spec: ObjectSpec, *, overwrite: bool = False
    ) -> ObjectInfo:
        """Store an object."""
        check_new_key(key)
        if self.puts_until_failure is not None:
            if self.puts_until_failure == 0:
                raise MediaError(Reason.STORAGE_FAILED)
            self.puts_until_failure -= 1
        whole = data if isinstance(data, bytes) else b"".join([piece async for piece in data])
        if key in self.objects and not overwrite:
            raise MediaError(Reason.ALREADY_EXISTS)
        info = ObjectInfo(
            key,
            len(whole),
            spec.content_type,
            hashlib.sha256(whole).hexdigest(),
            datetime.now(UTC),
            dict(spec.metadata),
            spec.cache_control,
        )
        self.objects[key] = info, whole
        return info

    @asynccontextmanager
    async def open(self, key: str, byte_range: ByteRange | None = None) -> AsyncIterator[OpenObject]:
        """Open an object for reading."""
        info = await self.head(key)
        wanted = byte_range or ByteRange(0, info.size_bytes)

        async def chunks() -> AsyncIterator[bytes]:
            yield self.objects[key][1][wanted.start : wanted.end]

        yield OpenObject(info, chunks())

    async def head(self, key: str) -> ObjectInfo:
        """Return the metadata of an object."""
        check_key(key)
        if self.unreadable:
            raise MediaError(Reason.STORAGE_FAILED)
        if key not in self.objects:
            raise MediaError(Reason.NOT_FOUND)
        return self.objects[key][0]

    async def url(self, key: str, *, lifetime_seconds: float | None = None) -> ObjectUrl:
        """Return a URL with the key; its expiry shows the requested lifetime."""
        ends = EXPIRES if lifetime_seconds is None else EXPIRES + timedelta(seconds=lifetime_seconds)
        return ObjectUrl(f"https://store.example/{check_key(key)}", ends)

    async def delete(self, key: str) -> bool:
        """Delete an object."""
        return self.objects.pop(check_key(key), None) is not None

    async def list(self, prefix: str, *, page_size: int = 100, page_token: str = "") -> ObjectPage:
        """List objects in the order of their keys."""
        found = [key for key in self.keys if key.startswith(prefix) and key > page_token]
        page = tuple(self.objects[key][0] for key in found[:page_size])
        return ObjectPage(page, page[-1].key if len(found) > page_size else "")
