"""Tests of GET /media/{key}: signed links, owners, ranges, entity tags, and safe headers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from email.utils import format_datetime
from pathlib import Path

import aiohttp
import pytest

from services.common.storage import ObjectSpec, ObjectStore, StorageSettings, open_object_store
from tests.fakes.gateway import run_gateway

SUITE = "http://suite.example"
DATA = b"0123456789"
KEY = "images/2026/11/a.png"
ALICE = {"X-Media-Principal": "alice"}


@pytest.fixture
def storage(tmp_path: Path) -> StorageSettings:
    return StorageSettings(storage="local", storage_dir=tmp_path, public_url=SUITE)


@pytest.fixture
async def store(storage: StorageSettings) -> AsyncIterator[ObjectStore]:
    async with open_object_store(storage) as object_store:
        await object_store.put(KEY, DATA, ObjectSpec("image/png", {"owner": "alice"}))
        yield object_store


@pytest.fixture
async def http(store: ObjectStore, storage: StorageSettings) -> AsyncIterator[aiohttp.ClientSession]:
    async with run_gateway(storage=storage) as session:
        yield session


async def sign_link(store: ObjectStore, key: str = KEY, lifetime_seconds: float = 60) -> str:
    return (await store.url(key, lifetime_seconds=lifetime_seconds)).url.removeprefix(SUITE)


async def test_a_signed_link_needs_no_credential(http: aiohttp.ClientSession, store: ObjectStore) -> None:
    async with http.get(await sign_link(store)) as answer:
        assert (answer.status, await answer.read()) == (200, DATA)
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["Content-Length"] == "10"
        # A cache must not answer after the link has expired.
        assert answer.headers["Cache-Control"] in ("public, max-age=60", "public, max-age=59")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Content-Disposition"] == "inline"


async def test_an_invalid_or_expired_link_is_refused(http: aiohttp.ClientSession, store: ObjectStore) -> None:
    good = await sign_link(store)
    for bad in (
        await sign_link(store, lifetime_seconds=-1),
        good[:-1],
        good.replace("a.png", "b.png"),
        f"/media/{KEY}?signature=",
    ):
        async with http.get(bad) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    ("headers", "status"),
    [(ALICE, 200), ({"X-Media-Principal": "bob"}, 404), ({}, 404)],
    ids=["owner", "other", "none"],
)
async def test_without_a_signature_only_the_owner_may_read(
    http: aiohttp.ClientSession, headers: dict[str, str], status: int
) -> None:
    async with http.get(f"/media/{KEY}", headers=headers) as answer:
        assert answer.status == status


async def test_an_object_that_only_its_owner_may_read_is_not_cached_on_the_way(http: aiohttp.ClientSession) -> None:
    async with http.get(f"/media/{KEY}", headers=ALICE) as answer:
        assert answer.headers["Cache-Control"] == "private, max-age=3600"
        tag = answer.headers["ETag"]
    async with http.get(f"/media/{KEY}", headers={**ALICE, "If-None-Match": tag}) as answer:
        assert (answer.status, answer.headers["Cache-Control"].split(",")[0]) == (304, "private")


@pytest.mark.parametrize("key", ["gone.png", "..%2f..%2fsigning.key", "a//b", "%00", "x" * 3000])
async def test_a_missing_object_is_not_found(http: aiohttp.ClientSession, key: str) -> None:
    async with http.get(f"/media/{key}", headers=ALICE) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("wanted", "status", "data", "content_range"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-99", 206, DATA, "bytes 0-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=99-100", 416, b"", "bytes */10"),
        ("bytes=5-2", 200, DATA, None),
        ("lines=1-2", 200, DATA, None),
        ("bytes=0-1,3-4", 200, DATA, None),
    ],
)
async def test_a_range_is_answered(
    http: aiohttp.ClientSession, wanted: str, status: int, data: bytes, content_range: str | None
) -> None:
    async with http.get(f"/media/{KEY}", headers={**ALICE, "Range": wanted}) as answer:
        assert (answer.status, await answer.read(), answer.headers.get("Content-Range")) == (
            status,
            data,
            content_range,
        )


async def test_a_range_of_another_version_returns_the_whole_object(
    http: aiohttp.ClientSession, store: ObjectStore
) -> None:
    tag = f'"{(await store.head(KEY)).etag}"'
    modified = format_datetime((await store.head(KEY)).modified_at, usegmt=True)
    earlier, later = "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2099 07:28:00 GMT"
    same, others = (tag, modified), ('"another"', earlier, later, "odd")
    for condition, status in (*((one, 206) for one in same), *((one, 200) for one in others)):
        headers = {**ALICE, "Range": "bytes=0-0", "If-Range": condition}
        async with http.get(f"/media/{KEY}", headers=headers) as answer:
            assert answer.status == status


async def test_the_current_version_is_not_sent_again(http: aiohttp.ClientSession) -> None:
    async with http.get(f"/media/{KEY}", headers=ALICE) as answer:
        tag, modified = answer.headers["ETag"], answer.headers["Last-Modified"]
    for headers in ({"If-None-Match": tag}, {"If-None-Match": f'"x", {tag}'}, {"If-Modified-Since": modified}):
        async with http.get(f"/media/{KEY}", headers={**ALICE, **headers}) as answer:
            assert (answer.status, await answer.read(), answer.headers["ETag"]) == (304, b"", tag)
    async with http.get(f"/media/{KEY}", headers={**ALICE, "If-None-Match": '"x"'}) as answer:
        assert answer.status == 200


async def test_a_head_request_returns_the_length_and_no_body(http: aiohttp.ClientSession) -> None:
    async with http.head(f"/media/{KEY}", headers={**ALICE, "Range": "bytes=0-3"}) as answer:
        assert (answer.status, answer.headers["Content-Length"], await answer.read()) == (200, "10", b"")


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "application/json"])
async def test_content_that_a_browser_could_run_is_an_attachment(
    http: aiohttp.ClientSession, store: ObjectStore, kind: str
) -> None:
    await store.put("users/alice/odd", b"<script>", ObjectSpec(kind))
    async with http.get("/media/users/alice/odd", headers=ALICE) as answer:
        assert answer.headers["Content-Disposition"] == "attachment"


async def test_an_empty_object_is_returned(http: aiohttp.ClientSession, store: ObjectStore) -> None:
    await store.put("users/alice/empty", b"", ObjectSpec("text/plain"))
    async with http.get("/media/users/alice/empty", headers=ALICE) as answer:
        assert (answer.status, await answer.read()) == (200, b"")


async def test_a_remote_store_accepts_no_signature_of_the_gateway() -> None:
    storage = StorageSettings(
        storage="spaces",
        spaces_key="key",
        spaces_secret="secret",
        spaces_bucket="bucket",
        spaces_cdn="https://cdn.example",
    )
    async with run_gateway(storage=storage) as session, session.get(f"/media/{KEY}?signature=x") as answer:
        assert answer.status == 404
