"""A file that comes in pieces: whole, or refused."""

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


async def test_the_pieces_are_put_together() -> None:
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
async def test_what_is_not_as_announced_is_refused_by_name(
    parts: tuple[bytes, ...], size_bytes: int, sha256: str, field: str
) -> None:
    with pytest.raises(MediaError) as caught:
        await receive_upload(send_chunks(*parts), size_bytes=size_bytes, sha256=sha256)
    assert caught.value.reason is Reason.MEDIA_INVALID
    assert [item.field for item in caught.value.violations] == [field]


async def test_nothing_is_read_beyond_the_largest_file() -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1024 * 1024
            yield bytes(1024 * 1024)

    with pytest.raises(MediaError) as caught:
        await receive_upload(endless(), size_bytes=0, sha256="")
    assert caught.value.reason is Reason.PAYLOAD_TOO_LARGE
    assert taken == MAX_UPLOAD_BYTES + 1024 * 1024


@in_virtual_time
async def test_a_file_that_stops_coming_is_not_waited_for() -> None:
    async def stopping() -> AsyncIterator[bytes]:
        yield FILE[:5]
        await asyncio.Event().wait()

    with pytest.raises(MediaError) as caught:
        await receive_upload(stopping(), size_bytes=0, sha256="")
    assert caught.value.reason is Reason.DEADLINE_EXCEEDED
    assert asyncio.get_running_loop().time() < 60


async def test_a_file_of_exactly_the_largest_size_is_taken() -> None:
    whole = bytes(MAX_UPLOAD_BYTES)
    assert len(await receive_upload(send_chunks(whole), size_bytes=MAX_UPLOAD_BYTES, sha256="")) == MAX_UPLOAD_BYTES
