"""Tests of uploads: the file is complete and as announced, or an error."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest

from services.common.errors import MediaError, Reason
from services.image.inputs import MAX_UPLOAD_BYTES, receive_upload
from tests.fakes.virtual_time import in_virtual_time

FILE = b"an image, as it were"


async def send_chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_the_chunks_are_joined() -> None:
    digest = hashlib.sha256(FILE).hexdigest().upper()
    assert await receive_upload(send_chunks(FILE[:5], b"", FILE[5:]), size_bytes=len(FILE), sha256=digest) == FILE
    assert await receive_upload(send_chunks(FILE), size_bytes=0, sha256="") == FILE


@pytest.mark.parametrize(
    ("parts", "size_bytes", "sha256", "field"),
    [
        ((), 0, "", "chunk"),
        ((b"", b""), 0, "", "chunk"),
        ((FILE[:-1],), len(FILE), "", "size_bytes"),
        ((FILE, b"more"), len(FILE), "", "size_bytes"),
        ((FILE,), len(FILE), "0" * 64, "sha256"),
    ],
)
async def test_an_upload_that_differs_from_its_announcement_names_the_field(
    parts: tuple[bytes, ...], size_bytes: int, sha256: str, field: str
) -> None:
    with pytest.raises(MediaError) as caught:
        await receive_upload(send_chunks(*parts), size_bytes=size_bytes, sha256=sha256)
    assert caught.value.reason is Reason.MEDIA_INVALID
    assert [item.field for item in caught.value.violations] == [field]


async def test_reading_stops_at_the_maximum_size() -> None:
    sent = 0

    async def send_endlessly() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1024 * 1024
            yield bytes(1024 * 1024)

    with pytest.raises(MediaError) as caught:
        await receive_upload(send_endlessly(), size_bytes=0, sha256="")
    assert caught.value.reason is Reason.PAYLOAD_TOO_LARGE
    assert sent == MAX_UPLOAD_BYTES + 1024 * 1024


@in_virtual_time
async def test_a_stalled_upload_is_an_error() -> None:
    async def stall() -> AsyncIterator[bytes]:
        yield FILE[:5]
        await asyncio.Event().wait()

    with pytest.raises(MediaError) as caught:
        await receive_upload(stall(), size_bytes=0, sha256="")
    assert caught.value.reason is Reason.DEADLINE_EXCEEDED
    assert asyncio.get_running_loop().time() < 60


async def test_an_upload_of_the_maximum_size_is_accepted() -> None:
    whole = bytes(MAX_UPLOAD_BYTES)
    assert len(await receive_upload(send_chunks(whole), size_bytes=MAX_UPLOAD_BYTES, sha256="")) == MAX_UPLOAD_BYTES
