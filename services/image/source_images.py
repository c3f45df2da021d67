"""Images that a caller gives to be transformed: by URL, as a data URI, or by key."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass

from services.common.input_files import InputFiles
from services.common.worker_pool import WorkerPool
from services.image.providers.interface import SourceImage
from services.image.rendition import normalize

MAX_SOURCE_BYTES = 20 * 1024 * 1024
"""Largest file that an image may come in."""
LONGEST_SIDE_PIXELS = 1536
"""What is given to providers: larger images are scaled down, because none of them sees more."""


@dataclass(frozen=True, slots=True)
class SourceImages:
    """Reads given images."""

    files: InputFiles
    """Where URLs and keys lead."""
    workers: WorkerPool
    """Where files are looked into."""

    async def read(self, url: str, key: str, principal: str) -> SourceImage:
        """Return the image, upright, without metadata, and no larger than providers see.

        Args:
            url: An http or https URL or a data URI; empty where `key` is normalized.
            key: Key of an image of the caller's own; empty where `url` is normalized.
            principal: Who calls.

        Raises:
            MediaError: VALIDATION_ERROR, URL_FORBIDDEN, URL_UNREACHABLE, PAYLOAD_TOO_LARGE, MEDIA_INVALID, NOT_FOUND,
                PERMISSION_DENIED or STORAGE_FAILED.
        """
        data = await self.files.read(url, key, principal, max_bytes=MAX_SOURCE_BYTES)
        normalized = await self.workers.run(normalize, data, LONGEST_SIDE_PIXELS)
        digest = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
        return SourceImage(normalized.data, normalized.content_type, normalized.size, digest)
