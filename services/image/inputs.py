"""Read the images that callers send: by URL, as a data URI, by key, or as an upload."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from services.common.cancellation import StalledError, next_within
from services.common.errors import MediaError, Reason, invalid
from services.common.input_files import InputFiles
from services.common.worker_pool import WorkerPool
from services.image.providers.interface import SourceImage
from services.image.rendition import normalize_source

MAX_SOURCE_BYTES = 20 * 1024 * 1024
"""Largest file of an image to transform."""
MAX_UPLOAD_BYTES = 20 * 1024 * 1024
"""Largest file of an upload."""
LONGEST_SIDE_PIXELS = 1536
"""Longest side that is sent to providers: larger images are scaled down, because no model uses more."""
_MAX_PAUSE_SECONDS = 20.0
"""Longest pause between two chunks: a caller that stops sending must not hold an upload permit."""


@dataclass(frozen=True, slots=True)
class SourceImages:
    """Reads images that are to be transformed."""

    files: InputFiles
    """Reads the files at URLs and keys."""
    workers: WorkerPool
    """Worker pool that decodes the files."""

    async def read(self, url: str, key: str, principal: str) -> SourceImage:
        """Return the image upright, without metadata, with sides of at most LONGEST_SIDE_PIXELS.

        Args:
            url: An http or https URL or a data URI; empty if `key` is set.
            key: Key of a stored image of the caller; empty if `url` is set.
            principal: The caller.

        Raises:
            MediaError: VALIDATION_ERROR, URL_FORBIDDEN, URL_UNREACHABLE, PAYLOAD_TOO_LARGE, MEDIA_INVALID, NOT_FOUND,
                PERMISSION_DENIED or STORAGE_FAILED.
        """
        data = await self.files.read(url, key, principal, max_bytes=MAX_SOURCE_BYTES)
        normalized = await self.workers.run(normalize_source, data, LONGEST_SIDE_PIXELS)
        digest = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
        return SourceImage(normalized.data, normalized.content_type, normalized.size, digest)


async def receive_upload(chunks: AsyncIterator[bytes], *, size_bytes: int, sha256: str) -> bytes:
    """Return the whole uploaded file.

    Args:
        chunks: The file in chunks, as they arrive.
        size_bytes: Length that the caller announced; 0 if it announced none.
        sha256: SHA-256 that the caller announced, in hexadecimal, upper or lower case; empty if it announced none.

    Raises:
        MediaError: PAYLOAD_TOO_LARGE; DEADLINE_EXCEEDED, the upload stalled; MEDIA_INVALID, the file is empty or does
            not match the announced length or digest.
    """
    received = bytearray()
    while (chunk := await _read_chunk(chunks)) is not None:
        received += chunk
        if len(received) > MAX_UPLOAD_BYTES:
            raise MediaError(Reason.PAYLOAD_TOO_LARGE, f"An image must have at most {MAX_UPLOAD_BYTES} bytes.")
    if not received:
        raise invalid("chunk", "must contain at least one byte of the file", Reason.MEDIA_INVALID)
    if size_bytes and len(received) != size_bytes:
        raise invalid(
            "size_bytes",
            f"announces {size_bytes} bytes, but {len(received)} arrived: send the whole file",
            Reason.MEDIA_INVALID,
        )
    data = bytes(received)
    digest = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
    if sha256 and digest != sha256.lower():
        raise invalid(
            "sha256", "is not the digest of the bytes that arrived: send the file again", Reason.MEDIA_INVALID
        )
    return data


async def _read_chunk(chunks: AsyncIterator[bytes]) -> bytes | None:
    """Return the next chunk, or None at the end; raise DEADLINE_EXCEEDED if the caller pauses for too long."""
    try:
        return await next_within(chunks, _MAX_PAUSE_SECONDS)
    except StalledError:
        message = f"No data of the file arrived for {_MAX_PAUSE_SECONDS:g} seconds; send the file again."
        raise MediaError(Reason.DEADLINE_EXCEEDED, message) from None
