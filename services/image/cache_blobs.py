"""Store the bytes of cached images that are too large for a cache entry, in folders by their day of expiry."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from services.common.errors import MediaError, Reason
from services.common.log import logger
from services.common.storage import ObjectSpec, ObjectStore, read_all

log = logger(__name__)

PREFIX = "cache/images/"
_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/avif": "avif"}
_MAX_BYTES = 256 * 1024 * 1024


class CacheBlobs:
    """Stores bytes for the lifetime of a cache entry; `sweep` deletes them within a day after that.

    Args:
        store: The object store.
        ttl_seconds: Lifetime of a cache entry.
        now: Clock that returns the time in UTC.
    """

    def __init__(
        self, store: ObjectStore, ttl_seconds: float, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._ttl = timedelta(seconds=ttl_seconds)
        self._now = now

    async def put(self, key: str, data: bytes, content_type: str) -> str:
        """Store `data` and return the key of the object.

        Args:
            key: Key of the cache entry.
            data: The file.
            content_type: Its media type.

        Raises:
            MediaError: STORAGE_FAILED.
        """
        ends = (self._now() + self._ttl).date()
        object_key = f"{PREFIX}{ends.isoformat()}/{key}.{_EXTENSIONS[content_type]}"
        spec = ObjectSpec(content_type, cache_control="private, no-store")
        await self._store.put(object_key, data, spec, overwrite=True)
        return object_key

    async def get(self, object_key: str) -> bytes | None:
        """Return the bytes, or None if the object no longer exists.

        Raises:
            MediaError: STORAGE_FAILED.
        """
        try:
            data, _ = await read_all(self._store, object_key, max_bytes=_MAX_BYTES)
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
            page = await self._store.list(PREFIX, page_size=100)
            expired = [item.key for item in page.objects if _parse_day(item.key) < today]
            for key in expired:
                swept += await self._store.delete(key)
            if len(expired) < len(page.objects) or not page.next_page_token:
                break
        return swept


def _parse_day(key: str) -> date:
    """Return the day in `key`; the far future for a key of another form, so that it is never deleted."""
    try:
        return date.fromisoformat(key.removeprefix(PREFIX).split("/")[0])
    except ValueError:
        return date.max
