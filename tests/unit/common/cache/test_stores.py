"""The contract of every result store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from services.common.cache.interface import Collection, Store, StoreError
from tests.conftest import LogLines
from tests.fakes.clocks import Clocks
from tests.unit.common.cache.backends import Backend
from tests.unit.common.cache.conftest import make_entry

SPEECH = Collection(max_entry_bytes=100_000)
IMAGES = Collection("ImageCache", "imageData", "imageUrl")


@pytest.fixture
async def store(backend: Backend, clocks: Clocks) -> AsyncIterator[Store]:
    async with backend.open(SPEECH, clocks.steady().now) as store:
        yield store


async def test_a_stored_entry_is_returned(store: Store) -> None:
    assert await store.get("a" * 64) is None
    await store.put(make_entry())
    assert await store.get("a" * 64) == make_entry()


async def test_an_entry_outlives_the_store(backend: Backend, clocks: Clocks) -> None:
    for _ in range(2):
        async with backend.open(SPEECH, clocks.steady().now) as store:
            await store.put(make_entry())
    async with backend.open(SPEECH, clocks.steady().now) as store:
        assert await store.get("a" * 64) == make_entry()


async def test_a_later_entry_replaces_an_earlier_one(store: Store) -> None:
    later = replace(
        make_entry(data=b"later", contentType="audio/wav"), expires_at=make_entry(ttl_seconds=99).expires_at
    )
    await store.put(make_entry())
    await store.put(later)
    assert await store.get("a" * 64) == later


@pytest.mark.parametrize("data", [b"", bytes(range(256)) * 300])
async def test_any_bytes_are_returned_unchanged(store: Store, data: bytes) -> None:
    await store.put(make_entry(data=data))
    found = await store.get("a" * 64)
    assert found is not None
    assert found.data == data
    assert type(found.data) is bytes


async def test_a_deleted_entry_is_gone(store: Store) -> None:
    await store.put(make_entry("a"))
    await store.put(make_entry("b"))
    await store.delete("a")
    await store.delete("never there")
    assert await store.get("a") is None
    assert await store.get("b") == make_entry("b")


async def test_a_purge_deletes_only_expired_entries(store: Store, clocks: Clocks) -> None:
    for seconds in (10, 20, 30):
        await store.put(make_entry(f"for {seconds}", ttl_seconds=seconds))
    assert await store.purge_expired() == 0
    clocks.pass_seconds(20)
    assert await store.purge_expired() == 2
    assert [await store.get(f"for {seconds}") is None for seconds in (10, 20, 30)] == [True, True, False]


async def test_an_entry_that_exceeds_the_limit_is_skipped(store: Store) -> None:
    await store.put(make_entry("fits", b"x" * SPEECH.max_entry_bytes))
    await store.put(make_entry("does not", b"x" * (SPEECH.max_entry_bytes + 1)))
    assert await store.get("fits") is not None
    assert await store.get("does not") is None


@pytest.mark.parametrize("fields", [{"width": 512}, {"width": 512, "imageUrl": "https://images.example/1"}])
async def test_the_url_field_is_stored_like_other_fields(
    backend: Backend, clocks: Clocks, fields: dict[str, Any]
) -> None:
    async with backend.open(IMAGES, clocks.steady().now) as images:
        await images.put(make_entry(**fields))
        assert (found := await images.get("a" * 64)) is not None
    assert found.fields == fields


async def test_collections_in_one_database_share_no_entries(backend: Backend, clocks: Clocks) -> None:
    now = clocks.steady().now
    async with backend.open(SPEECH, now) as speech, backend.open(IMAGES, now) as images:
        await speech.put(make_entry(data=b"sound"))
        await images.put(make_entry(data=b"image"))
        await images.delete("never there")
        assert (found := await speech.get("a" * 64)) is not None
        assert found.data == b"sound"
        clocks.pass_seconds(100)
        assert await images.purge_expired() == 1
        assert await speech.get("a" * 64) is not None


@pytest.mark.parametrize(
    ("data", "digest"),
    [(b"short", None), (b"", None), (None, "0" * 64), (None, "\u00e9"), (None, "no digest")],
    ids=["truncated", "empty", "wrong digest", "not hexadecimal", "no digest"],
)
async def test_a_corrupt_entry_is_deleted_and_logged(
    backend: Backend, clocks: Clocks, log_lines: LogLines, data: bytes | None, digest: str | None
) -> None:
    async with backend.open(SPEECH, clocks.steady().now) as store:
        await store.put(make_entry())
        await store.put(make_entry("whole"))
        backend.damage(SPEECH, "a" * 64, data, digest)
        log_lines()
        assert await store.get("a" * 64) is None
        (line,) = [line for line in log_lines() if line["level"] == "warning"]
        assert line["event"] == "a corrupt entry was deleted"
        assert await store.get("a" * 64) is None
        assert log_lines() == []
        assert store.corrupt_entries == 1
        assert await store.get("whole") == make_entry("whole")
        await store.put(make_entry())
        assert await store.get("a" * 64) == make_entry()


async def test_one_of_two_writers_of_a_key_wins_and_neither_fails(backend: Backend, clocks: Clocks) -> None:
    now = clocks.steady().now
    async with backend.open(SPEECH, now) as one, backend.open(SPEECH, now) as other:
        candidates = [make_entry(data=bytes([number]) * 5000, number=number) for number in range(16)]
        await asyncio.gather(*((one if n % 2 else other).put(entry) for n, entry in enumerate(candidates)))
        assert await one.get("a" * 64) in candidates
        assert await one.get("a" * 64) == await other.get("a" * 64)


async def test_a_cancelled_caller_does_not_affect_others(store: Store) -> None:
    async with asyncio.TaskGroup() as tasks:
        given_up = [tasks.create_task(store.put(make_entry(str(number)))) for number in range(5)]
        write = tasks.create_task(store.put(make_entry("key")))
        await asyncio.sleep(0)
        for task in given_up:
            task.cancel()
        await write
    assert await store.get("key") == make_entry("key")


async def test_a_closed_store_raises(backend: Backend, clocks: Clocks) -> None:
    async with backend.open(SPEECH, clocks.steady().now) as store:
        await store.put(make_entry())
    for attempt in (store.get("a"), store.put(make_entry()), store.delete("a"), store.purge_expired()):
        with pytest.raises(StoreError):
            await attempt
