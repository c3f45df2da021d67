"""Bytes of kept images that are too large for a document: objects in folders by the day on which they end."""

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
    """Keeps bytes for as long as cache entries live, and a day at most beyond that.

    Args:
        store: Where they are kept.
        ttl_seconds: How long a cache entry lives.
        now: Tells the time in UTC.
    """

    def __init__(
        self, store: ObjectStore, ttl_seconds: float, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._ttl = timedelta(seconds=ttl_seconds)
        self._now = now

    async def put(self, key: str, data: bytes, content_type: str) -> str:
        """Keep `data` and returns the key of the object.

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
        """Return the bytes, or None if they are gone.

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
        """Delete the folders of days that are over and returns how many objects there were.

        Raises:
            MediaError: STORAGE_FAILED.
        """
        today = self._now().date()
        swept = 0
        # Keys are in the order of days, so that the first one that is not over ends the search.
        while True:
            page = await self._store.list(PREFIX, page_size=100)
            over = [item.key for item in page.objects if _parse_day(item.key) < today]
            for key in over:
                swept += await self._store.delete(key)
            if len(over) < len(page.objects) or not page.next_page_token:
                break
        return swept


def _parse_day(key: str) -> date:
    """Return the day in `key`; the far future for what is not ours."""
    try:
        return date.fromisoformat(key.removeprefix(PREFIX).split("/")[0])
    except ValueError:
        return date.max
