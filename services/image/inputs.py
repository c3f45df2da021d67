"""Read the images that callers send: by URL, as a data URI, by key, or as an upload."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from services.common.errors import MediaError, Reason, invalid
from services.common.input_files import InputFiles
from services.common.worker_pool import WorkerPool
from services.image.providers.interface import SourceImage
from services.image.rendition import normalize

MAX_SOURCE_BYTES = 20 * 1024 * 1024
"""Largest file that an image may come in."""
MAX_UPLOAD_BYTES = 20 * 1024 * 1024
"""Largest file of an upload."""
LONGEST_SIDE_PIXELS = 1536
"""What is given to providers: larger images are scaled down, because none of them sees more."""
_MAX_PAUSE_SECONDS = 20.0
"""Between two chunks: who sends nothing more would keep others from their turn."""


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


async def receive_upload(chunks: AsyncIterator[bytes], *, size_bytes: int, sha256: str) -> bytes:
    """Return the file.

    Args:
        chunks: The file as it comes.
        size_bytes: Its length as the caller says; 0 if he does not.
        sha256: Its digest in hexadecimal, in any case; empty if he does not say.

    Raises:
        MediaError: PAYLOAD_TOO_LARGE; DEADLINE_EXCEEDED, it stopped coming; MEDIA_INVALID, it is empty, or not what was
            announced.
    """
    received = bytearray()
    while (chunk := await _read_chunk(chunks)) is not None:
        received += chunk
        if len(received) > MAX_UPLOAD_BYTES:
            raise MediaError(Reason.PAYLOAD_TOO_LARGE, f"An image must have at most {MAX_UPLOAD_BYTES} bytes.")
    if not received:
        raise invalid("chunk", "must bring at least one byte of the file", Reason.MEDIA_INVALID)
    if size_bytes and len(received) != size_bytes:
        raise invalid(
            "size_bytes",
            f"announces {size_bytes} bytes, but {len(received)} came: send the file whole",
            Reason.MEDIA_INVALID,
        )
    data = bytes(received)
    digest = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
    if sha256 and digest != sha256.lower():
        raise invalid("sha256", "is not the digest of the bytes that came: send the file again", Reason.MEDIA_INVALID)
    return data


async def _read_chunk(chunks: AsyncIterator[bytes]) -> bytes | None:
    """Return the next chunk; None at the end."""
    try:
        async with asyncio.timeout(_MAX_PAUSE_SECONDS) as limit:
            return await anext(chunks, None)
    except TimeoutError:
        if not limit.expired():
            raise
        message = f"Nothing of the file came for {_MAX_PAUSE_SECONDS:g} seconds; send it again."
        raise MediaError(Reason.DEADLINE_EXCEEDED, message) from None
