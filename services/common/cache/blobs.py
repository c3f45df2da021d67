"""Files that are too large for a cache entry, in the object store, in folders by day of expiry."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, date, datetime, timedelta

from services.common.errors import MediaError, Reason
from services.common.log import logger
from services.common.storage import ObjectSpec, ObjectStore, read_all

log = logger(__name__)

_EXTENSIONS: Mapping[str, str] = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/avif": "avif",
    "video/mp4": "mp4",
}
_MAX_BLOB_BYTES = 256 * 1024 * 1024
_SWEEP_SECONDS = 3600.0


class CacheBlobs:
    """Stores the files of a cache; `sweep` deletes those of past days.

    Args:
        store: The object store.
        prefix: Folder of the files, such as `cache/images/`.
        ttl_seconds: Lifetime of a cache entry.
        now: Clock that returns the time in UTC.
    """

    def __init__(
        self,
        store: ObjectStore,
        prefix: str,
        ttl_seconds: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._prefix = prefix
        self._ttl = timedelta(seconds=ttl_seconds)
        self._now = now

    async def put(self, key: str, data: bytes | AsyncIterator[bytes], content_type: str) -> str:
        """Store `data` and return the key of the object.

        Args:
            key: Key of the cache entry.
            data: The file.
            content_type: Its media type.

        Raises:
            MediaError: STORAGE_FAILED.
        """
        ends = (self._now() + self._ttl).date()
        object_key = f"{self._prefix}{ends.isoformat()}/{key}.{_EXTENSIONS[content_type]}"
        spec = ObjectSpec(content_type, cache_control="private, no-store")
        await self._store.put(object_key, data, spec, overwrite=True)
        return object_key

    async def get(self, object_key: str) -> bytes | None:
        """Return the bytes, or None if the object no longer exists.

        Raises:
            MediaError: STORAGE_FAILED.
        """
        try:
            data, _ = await read_all(self._store, object_key, max_bytes=_MAX_BLOB_BYTES)
        except MediaError as error:
            if error.reason is Reason.NOT_FOUND:
                return None
            raise
        return data

    async def sweep(self) -> int:
        """Delete the objects of past days and return how many were deleted.

        Raises:
            MediaError: STORAGE_FAILED.
        """
        today = self._now().date()
        swept = 0
        # Keys sort by day, so the first object that has not expired ends the search.
        while True:
            page = await self._store.list(self._prefix, page_size=100)
            expired = [item.key for item in page.objects if self._parse_day(item.key) < today]
            for key in expired:
                swept += await self._store.delete(key)
            if len(expired) < len(page.objects) or not page.next_page_token:
                break
        return swept

    async def sweep_regularly(self) -> None:
        """Sweep every hour until cancelled; a failure is logged."""
        while True:
            try:
                if swept := await self.sweep():
                    log.info("expired files of the cache were deleted", prefix=self._prefix, objects=swept)
            except MediaError as error:
                log.warning("cannot delete expired files of the cache", reason=error.reason.name)
            await asyncio.sleep(_SWEEP_SECONDS)

    def _parse_day(self, key: str) -> date:
        """Return the day in `key`; the far future for a key of another form, so that it is never deleted."""
        try:
            return date.fromisoformat(key.removeprefix(self._prefix).split("/")[0])
        except ValueError:
            return date.max
