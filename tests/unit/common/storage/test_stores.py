"""The contract of every object store."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.common.errors import MediaError, Reason
from services.common.storage import ByteRange, ObjectSpec, ObjectStore, delete_older_than, read_all
from services.common.storage.keys import belongs_to, prefix_for

SPEC = ObjectSpec("image/webp", {"owner": "alice", "note": "a text"}, "public, max-age=31536000, immutable")
KEY = "images/2026/11/one.webp"


async def get_reason(work: Coroutine[Any, Any, object]) -> Reason:
    with pytest.raises(MediaError) as caught:
        await work
    return caught.value.reason


async def read_content(store: ObjectStore, key: str, byte_range: ByteRange | None = None) -> bytes:
    async with store.open(key, byte_range) as found:
        return b"".join([chunk async for chunk in found.chunks])


async def yield_pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def make_file(folder: Path, data: bytes) -> tuple[Path, str]:
    """Create a file with this data and return it with its digest."""
    path = folder / "source_file"
    path.write_bytes(data)
    return path, hashlib.sha256(data).hexdigest()


async def test_a_stored_object_is_read_with_its_properties(store: ObjectStore) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    stored = await store.put(KEY, b"content", SPEC)
    assert (stored.key, stored.size_bytes, stored.content_type) == (KEY, 7, "image/webp")
    assert dict(stored.metadata) == dict(SPEC.metadata)
    # Objects can be deleted, so that buckets let caches answer for a short time only.
    longest = {"local": "31536000", "s3": "60", "supabase": "3600"}
    assert f"max-age={longest[store.name]}" in stored.cache_control
    assert stored.etag
    assert '"' not in stored.etag
    assert before <= stored.modified_at <= datetime.now(UTC) + timedelta(seconds=2)
    assert await store.head(KEY) == stored
    assert await read_all(store, KEY, max_bytes=7) == (b"content", stored)


@pytest.mark.parametrize(
    "text", ["plain", "two  words", "Größe", "退職", "a\nb", "tab\t", " within ", "\x7f", "=?UTF-8?B?eA==?=", "=?x"]
)
async def test_metadata_may_be_any_text(store: ObjectStore, text: str) -> None:
    stored = await store.put(KEY, b"content", ObjectSpec("image/webp", {"owner": text, "voice_name": text}))
    assert dict(stored.metadata) == {"owner": text, "voice_name": text}


async def test_pieces_are_joined(store: ObjectStore) -> None:
    pieces = [bytes([number]) * 700_000 for number in range(4)]
    stored = await store.put(KEY, yield_pieces(*pieces, b"end"), SPEC)
    assert stored.size_bytes == 2_800_003
    assert dict(stored.metadata) == dict(SPEC.metadata)
    assert await read_content(store, KEY) == b"".join(pieces) + b"end"
    assert await store.put("a/empty", b"", SPEC) == await store.head("a/empty")


async def test_a_file_is_stored_like_its_bytes(store: ObjectStore, tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    stored = await store.put_file(KEY, *make_file(tmp_path, data), SPEC)
    assert (stored.key, stored.size_bytes, stored.content_type) == (KEY, len(data), "image/webp")
    assert dict(stored.metadata) == dict(SPEC.metadata)
    assert await store.head(KEY) == stored
    assert await read_content(store, KEY) == data
    assert await read_content(store, KEY, ByteRange(2_000_000, 2_000_010)) == data[2_000_000:2_000_010]


async def test_a_file_replaces_an_object_only_with_overwrite(store: ObjectStore, tmp_path: Path) -> None:
    await store.put(KEY, b"first", SPEC)
    assert await get_reason(store.put_file(KEY, *make_file(tmp_path, b"second"), SPEC)) is Reason.ALREADY_EXISTS
    assert await read_content(store, KEY) == b"first"
    await store.put_file(KEY, *make_file(tmp_path, b"third"), SPEC, overwrite=True)
    assert await read_content(store, KEY) == b"third"


@pytest.mark.parametrize(("start", "end"), [(0, 1), (2, 5), (6, 7), (0, 7)])
async def test_only_the_requested_range_is_read(store: ObjectStore, start: int, end: int) -> None:
    await store.put(KEY, b"content", SPEC)
    async with store.open(KEY, ByteRange(start, end)) as found:
        assert found.info.size_bytes == 7
        assert b"".join([chunk async for chunk in found.chunks]) == b"content"[start:end]


async def test_an_object_is_replaced_only_with_overwrite(store: ObjectStore) -> None:
    first = await store.put(KEY, b"first", SPEC)
    assert await get_reason(store.put(KEY, b"second", SPEC)) is Reason.ALREADY_EXISTS
    assert await get_reason(store.put(KEY, yield_pieces(b"second"), SPEC)) is Reason.ALREADY_EXISTS
    assert await read_content(store, KEY) == b"first"
    second = await store.put(KEY, b"second", SPEC, overwrite=True)
    assert second.etag != first.etag
    assert await read_content(store, KEY) == b"second"


async def test_one_of_two_concurrent_writers_of_a_key_is_refused(store: ObjectStore) -> None:
    outcomes = await asyncio.gather(
        *(store.put(KEY, f"number {number}".encode(), SPEC) for number in range(4)), return_exceptions=True
    )
    refusals = [outcome for outcome in outcomes if isinstance(outcome, MediaError)]
    assert [error.reason for error in refusals] == [Reason.ALREADY_EXISTS] * 3
    assert (await read_content(store, KEY)).startswith(b"number ")


async def test_an_iterator_that_fails_stores_nothing(store: ObjectStore) -> None:
    async def fail_halfway() -> AsyncIterator[bytes]:
        yield bytes(6 * 1024 * 1024)
        raise MediaError(Reason.CANCELLED)

    assert await get_reason(store.put(KEY, fail_halfway(), SPEC)) in (Reason.CANCELLED, Reason.STORAGE_FAILED)
    assert await get_reason(store.head(KEY)) is Reason.NOT_FOUND
    assert (await store.list("")).objects == ()


async def test_a_missing_object_is_not_found(store: ObjectStore) -> None:
    await store.put("images/here", b"x", SPEC)
    for key in ("images/gone", "images", "images/here/below"):
        assert await get_reason(store.head(key)) is Reason.NOT_FOUND
        assert await get_reason(read_content(store, key)) is Reason.NOT_FOUND


async def test_a_deleted_object_is_gone(store: ObjectStore) -> None:
    await store.put(KEY, b"x", SPEC)
    assert await store.delete(KEY) is True
    assert await get_reason(store.head(KEY)) is Reason.NOT_FOUND
    await store.delete(KEY)
    await store.put(KEY, b"again", SPEC)
    assert await read_content(store, KEY) == b"again"


async def test_lists_are_paged_in_the_order_of_keys(store: ObjectStore) -> None:
    keys = ["a", "b/1", "b/2/x", "b/2/y", "b/3", "b-c/1", "b.c", "c/1"]
    for key in keys:
        await store.put(key, key.encode(), SPEC)

    async def list_pages(prefix: str, page_size: int) -> list[list[str]]:
        found, token = [], ""
        while True:
            page = await store.list(prefix, page_size=page_size, page_token=token)
            found.append([item.key for item in page.objects])
            token = page.next_page_token
            if not token:
                return found

    assert await list_pages("", 100) == [sorted(keys)]
    assert await list_pages("b/", 3) == [["b/1", "b/2/x", "b/2/y"], ["b/3"]]
    assert await list_pages("", 3) == [sorted(keys)[:3], sorted(keys)[3:6], sorted(keys)[6:]]
    assert await list_pages("b/2/", 1) == [["b/2/x"], ["b/2/y"]]
    assert await list_pages("unknown/", 5) == [[]]
    (item,) = (await store.list("c/")).objects
    assert (item.size_bytes, item.etag != "") == (3, True)


async def test_a_token_of_another_prefix_is_refused(store: ObjectStore) -> None:
    assert await get_reason(store.list("b/", page_token="c/1")) is Reason.VALIDATION_ERROR


@pytest.mark.parametrize("key", ["", "/absolute", "a//b", "a/../b", "..", "a/", "a\\b", "a%2f", "x" * 2048, "a\n", "ä"])
async def test_an_invalid_key_is_refused_by_every_method(store: ObjectStore, key: str) -> None:
    assert await get_reason(store.put(key, b"x", SPEC)) is Reason.VALIDATION_ERROR
    assert await get_reason(store.head(key)) is Reason.VALIDATION_ERROR
    assert await get_reason(read_content(store, key)) is Reason.VALIDATION_ERROR
    assert await get_reason(store.url(key)) is Reason.VALIDATION_ERROR
    assert await get_reason(store.delete(key)) is Reason.VALIDATION_ERROR


async def test_an_object_that_is_too_large_is_not_read(store: ObjectStore) -> None:
    await store.put(KEY, bytes(100), SPEC)
    assert await get_reason(read_all(store, KEY, max_bytes=99)) is Reason.PAYLOAD_TOO_LARGE


async def test_only_old_objects_under_the_prefix_are_deleted(store: ObjectStore) -> None:
    for key in ("links/a", "links/b/c", "other/a"):
        await store.put(key, b"x", SPEC)
    stored_at = (await store.head("links/a")).modified_at.timestamp()
    assert await delete_older_than(store, "links/", stored_at - 60) == 0
    assert await delete_older_than(store, "links/", stored_at + 60) == 2
    assert [info.key for info in (await store.list("")).objects] == ["other/a"]


@pytest.mark.parametrize(
    "principal",
    [
        "alice",
        "auth0|5f7c8ec7c33c6c004bbafe82",
        "me+you@example.com",
        "spiffe://a.example/app",
        "x" * 65,
        "ж" * 200,
        "😀 =?",
        "",
    ],
)
async def test_every_principal_can_store_read_list_and_delete(store: ObjectStore, principal: str) -> None:
    prefix = prefix_for(principal)
    key = f"{prefix}goals/a+b=c@d.png"
    stored = await store.put(key, b"x", SPEC)
    assert belongs_to(stored, principal)
    assert await read_content(store, key) == b"x"
    assert [info.key for info in (await store.list(prefix)).objects] == [key]
    assert (await store.url(key)).url
    assert await store.delete(key)
    assert await get_reason(store.head(key)) is Reason.NOT_FOUND
