"""Pictures that a caller gives to be transformed: by URL, as a data URI, or by key."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Protocol

import pybase64

from services.common.errors import MediaError, Reason, invalid
from services.common.fetch import Fetched
from services.common.storage import ObjectStore, read_all
from services.common.storage.keys import belongs_to, check_key, check_own_key
from services.image.providers.interface import SourceImage
from services.image.rendition import normalize
from services.image.workers import Workers

MAX_SOURCE_BYTES = 20 * 1024 * 1024
"""Largest file that a picture may come in."""
LONGEST_SIDE_PIXELS = 1536
"""What is given to providers: larger pictures are scaled down, because none of them sees more."""
_DECODED_IN_PLACE_LETTERS = 256 * 1024


class Downloads(Protocol):
    """Fetches what a caller's URL names, if that may be fetched."""

    async def fetch(self, url: str, *, field: str, max_bytes: int) -> Fetched:
        """Returns the file; raises MediaError that names `field`."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Reads given pictures."""

    downloads: Downloads
    """Fetches URLs."""
    store: ObjectStore
    """Where keys lead."""
    workers: Workers
    """Where files are looked into."""

    async def source(self, url: str, key: str, principal: str) -> SourceImage:
        """Returns the picture, upright, without metadata, and no larger than providers see.

        Args:
            url: An http or https URL or a data URI; empty where `key` is given.
            key: Key of a picture of the caller's own; empty where `url` is given.
            principal: Who calls.

        Raises:
            MediaError: VALIDATION_ERROR, URL_FORBIDDEN, URL_UNREACHABLE, PAYLOAD_TOO_LARGE, MEDIA_INVALID, NOT_FOUND,
                PERMISSION_DENIED or STORAGE_FAILED.
        """
        if key:
            data = await self._stored(key, principal)
        elif url[:5].lower() == "data:":
            data = await _inline(url)
        else:
            data = (await self.downloads.fetch(url, field="image_url", max_bytes=MAX_SOURCE_BYTES)).data
        given = await self.workers.run(normalize, data, LONGEST_SIDE_PIXELS)
        digest = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
        return SourceImage(given.data, given.content_type, given.size, digest)

    async def _stored(self, key: str, principal: str) -> bytes:
        check_key(key, "image_key")
        if key.startswith("users/"):
            check_own_key(key, principal, "image_key")
        info = await self.store.head(key)
        if not belongs_to(info, principal):
            raise invalid("image_key", "must be the key of a picture of yours", Reason.NOT_FOUND)
        data, _ = await read_all(self.store, key, max_bytes=MAX_SOURCE_BYTES)
        return data


async def _inline(uri: str) -> bytes:
    head, comma, body = uri.partition(",")
    if not comma or not head.lower().endswith(";base64"):
        raise invalid("image_url", "must be data:image/png;base64,... (or jpeg, webp, avif) if it is a data URI")
    if len(body) * 3 // 4 > MAX_SOURCE_BYTES:
        raise MediaError(Reason.PAYLOAD_TOO_LARGE, f"image_url: the picture must have at most {MAX_SOURCE_BYTES} bytes")
    try:
        if len(body) <= _DECODED_IN_PLACE_LETTERS:
            return pybase64.b64decode(body, validate=True)
        return await asyncio.to_thread(pybase64.b64decode, body, None, True)
    except ValueError:
        raise invalid("image_url", "must be valid base64 after the comma of a data URI") from None
