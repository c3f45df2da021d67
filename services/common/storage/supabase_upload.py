"""Resumable uploads to Supabase Storage: TUS 1.0.0 with chunks of 6 MiB."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeVar

import aiohttp
import orjson
import pybase64

from services.common.errors import MediaError, Reason
from services.common.log import logger
from services.common.storage.supabase_errors import build_connection_error, error_from_body, find_error

log = logger(__name__)

T = TypeVar("T")

RESUMABLE_ABOVE_BYTES = 6_000_000
"""Largest object of one plain request; Supabase recommends resumable uploads above it."""
CHUNK_BYTES = 6 * 1024 * 1024
"""Size of each chunk but the last; the server takes no other."""
_READ_BYTES = 256 * 1024
_MAX_FAILURES = 4
"""Requests in a row that may fail without progress."""
_FIRST_DELAY_SECONDS = 0.5
_VERSION = {"Tus-Resumable": "1.0.0"}
_OK, _CREATED, _NO_CONTENT, _CONFLICT = 200, 201, 204, 409


@dataclass(frozen=True, slots=True)
class UploadTarget:
    """The object that an upload creates."""

    bucket: str
    key: str
    content_type: str
    max_age_seconds: str
    """Digits; the server turns them into Cache-Control."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    overwrite: bool = False
    """Whether an existing object may be replaced."""


@dataclass(frozen=True, slots=True)
class ResumableUploader:
    """Uploads files in chunks and continues after a broken one."""

    session: aiohttp.ClientSession
    url: str
    """Address of the route, such as https://project.supabase.co/storage/v1/upload/resumable."""
    headers: Mapping[str, str] = field(repr=False)
    """Headers with the credential."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    """Waits for a number of seconds."""

    async def upload(self, path: Path, target: UploadTarget) -> None:
        """Upload a file.

        Raises:
            MediaError: ALREADY_EXISTS, PAYLOAD_TOO_LARGE, STORAGE_REFUSED; STORAGE_FAILED, several requests in a row
                failed for a reason that may pass.
        """
        size_bytes = (await asyncio.to_thread(path.stat)).st_size
        url = await self._retry(lambda: self._create(size_bytes, target))
        offset, failures = 0, 0
        with await asyncio.to_thread(path.open, "rb") as file:
            while offset < size_bytes:
                try:
                    reached = await self._send_chunk(url, file, offset, size_bytes, target)
                except MediaError as error:
                    failures += 1
                    if error.reason is not Reason.STORAGE_FAILED or failures >= _MAX_FAILURES:
                        raise
                    log.warning("resuming an upload", store="supabase", offset=offset, failures=failures)
                    await self.sleep(_FIRST_DELAY_SECONDS * 2 ** (failures - 1))
                    reached = await self._retry(lambda: self._find_offset(url, size_bytes))
                if reached > offset:
                    failures = 0
                offset = reached

    async def _create(self, size_bytes: int, target: UploadTarget) -> str:
        """Create the upload and return its address."""
        headers = {
            **self.headers,
            **_VERSION,
            "Upload-Length": str(size_bytes),
            "Upload-Metadata": _encode_metadata(target),
            "x-upsert": "true" if target.overwrite else "false",
        }
        status, answer, body = await self._request("POST", self.url, headers)
        location = answer.get("Location", "")
        if status != _CREATED or not location:
            raise _build_error(status, body, target)
        # Behind proxies the server may not know its own address, so only the id is taken: the credential stays here.
        return f"{self.url}/{location.rstrip('/').rpartition('/')[2]}"

    async def _send_chunk(self, url: str, file: BinaryIO, offset: int, size_bytes: int, target: UploadTarget) -> int:
        """Send the chunk at `offset` and return the offset after it."""
        length = min(CHUNK_BYTES, size_bytes - offset)
        headers = {
            **self.headers,
            **_VERSION,
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(length),
            "x-upsert": "true" if target.overwrite else "false",
        }
        status, answer, body = await self._request("PATCH", url, headers, _read_range(file, offset, length))
        if status == _NO_CONTENT:
            return _parse_offset(answer, size_bytes)
        if status == _CONFLICT and b"already exists" not in body:
            # The server has another offset, since an answer was lost.
            return await self._find_offset(url, size_bytes)
        raise _build_error(status, body, target)

    async def _find_offset(self, url: str, size_bytes: int) -> int:
        """Return the number of bytes that the server has."""
        status, answer, _ = await self._request("HEAD", url, {**self.headers, **_VERSION})
        if status != _OK:
            # An upload that the server lost can be sent again from the start.
            raise find_error("NoSuchUpload" if status in (404, 410) else "", "", str(status))
        return _parse_offset(answer, size_bytes)

    async def _retry(self, call: Callable[[], Awaitable[T]]) -> T:
        for failures in range(1, _MAX_FAILURES):
            try:
                return await call()
            except MediaError as error:
                if error.reason is not Reason.STORAGE_FAILED:
                    raise
            await self.sleep(_FIRST_DELAY_SECONDS * 2 ** (failures - 1))
        return await call()

    async def _request(
        self, method: str, url: str, headers: Mapping[str, str], data: AsyncIterator[bytes] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        try:
            async with self.session.request(method, url, headers=headers, data=data, allow_redirects=False) as response:
                return response.status, response.headers, await response.content.read(64 * 1024)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise build_connection_error(error) from None


async def _read_range(file: BinaryIO, offset: int, length: int) -> AsyncIterator[bytes]:
    await asyncio.to_thread(file.seek, offset)
    while length > 0:
        piece = await asyncio.to_thread(file.read, min(_READ_BYTES, length))
        length -= len(piece)
        yield piece


def _encode_metadata(target: UploadTarget) -> str:
    """Return the header Upload-Metadata: names with values in base64, separated by commas."""
    values = {
        "bucketName": target.bucket,
        "objectName": target.key,
        "contentType": target.content_type,
        "cacheControl": target.max_age_seconds,
        "metadata": orjson.dumps(dict(target.metadata)).decode(),
    }
    return ",".join(f"{name} {pybase64.b64encode(value.encode()).decode()}" for name, value in values.items())


def _parse_offset(headers: Mapping[str, str], size_bytes: int) -> int:
    text = headers.get("Upload-Offset", "")
    offset = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= offset <= size_bytes:
        raise find_error("InternalError", "", "")
    return offset


def _build_error(status: int, body: bytes, target: UploadTarget) -> MediaError:
    """Return the error of a refused request: its body is JSON from the server's own routes, else a text."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if isinstance(document, dict):
        return error_from_body({"statusCode": str(status), **document})
    if status == 404 or body.startswith(b"Bucket not found"):  # noqa: PLR2004 - the status Not Found
        # The route exists on every server, so the upload or its bucket is missing.
        return find_error("NoSuchBucket" if body.startswith(b"Bucket") else "NoSuchUpload", "", "")
    if body.startswith(b"Invalid key"):
        return find_error("InvalidKey", "", "")
    return find_error("", "", str(status))
