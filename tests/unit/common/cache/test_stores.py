"""What every result store does, whatever it is made of."""

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
from tests.unit.common.cache.conftest import entry_of

SPEECH = Collection(max_entry_bytes=100_000)
IMAGES = Collection("ImageCache", "imageData", "imageUrl")


@pytest.fixture
async def store(backend: Backend, clocks: Clocks) -> AsyncIterator[Store]:
    async with backend.open(SPEECH, clocks.steady().now) as opened:
        yield opened


async def test_what_was_put_comes_back(store: Store) -> None:
    assert await store.get("a" * 64) is None
    await store.put(entry_of())
    assert await store.get("a" * 64) == entry_of()


async def test_what_was_put_outlives_the_store(backend: Backend, clocks: Clocks) -> None:
    for _ in range(2):
        async with backend.open(SPEECH, clocks.steady().now) as opened:
            await opened.put(entry_of())
    async with backend.open(SPEECH, clocks.steady().now) as opened:
        assert await opened.get("a" * 64) == entry_of()


async def test_a_later_entry_replaces_an_earlier_one(store: Store) -> None:
    later = replace(entry_of(data=b"later", contentType="audio/wav"), expires_at=entry_of(ttl_seconds=99).expires_at)
    await store.put(entry_of())
    await store.put(later)
    assert await store.get("a" * 64) == later


@pytest.mark.parametrize("data", [b"", bytes(range(256)) * 300])
async def test_any_bytes_come_back_as_they_were(store: Store, data: bytes) -> None:
    await store.put(entry_of(data=data))
    found = await store.get("a" * 64)
    assert found is not None
    assert found.data == data
    assert type(found.data) is bytes


async def test_what_was_deleted_is_gone(store: Store) -> None:
    await store.put(entry_of("a"))
    await store.put(entry_of("b"))
    await store.delete("a")
    await store.delete("never there")
    assert await store.get("a") is None
    assert await store.get("b") == entry_of("b")


async def test_a_purge_deletes_what_is_expired_and_nothing_else(store: Store, clocks: Clocks) -> None:
    for seconds in (10, 20, 30):
        await store.put(entry_of(f"for {seconds}", ttl_seconds=seconds))
    assert await store.purge_expired() == 0
    clocks.pass_seconds(20)
    assert await store.purge_expired() == 2
    assert [await store.get(f"for {seconds}") is None for seconds in (10, 20, 30)] == [True, True, False]


async def test_what_exceeds_the_limit_is_left_out_without_an_error(store: Store) -> None:
    await store.put(entry_of("fits", b"x" * SPEECH.max_entry_bytes))
    await store.put(entry_of("does not", b"x" * (SPEECH.max_entry_bytes + 1)))
    assert await store.get("fits") is not None
    assert await store.get("does not") is None


@pytest.mark.parametrize("fields", [{"width": 512}, {"width": 512, "imageUrl": "https://images.example/1"}])
async def test_the_address_of_what_is_kept_elsewhere_is_a_field_like_others(
    backend: Backend, clocks: Clocks, fields: dict[str, Any]
) -> None:
    async with backend.open(IMAGES, clocks.steady().now) as images:
        await images.put(entry_of(**fields))
        assert (found := await images.get("a" * 64)) is not None
    assert found.fields == fields


async def test_collections_share_a_place_and_no_entries(backend: Backend, clocks: Clocks) -> None:
    now = clocks.steady().now
    async with backend.open(SPEECH, now) as speech, backend.open(IMAGES, now) as images:
        await speech.put(entry_of(data=b"sound"))
        await images.put(entry_of(data=b"image"))
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
async def test_a_corrupt_entry_is_dropped_and_logged(
    backend: Backend, clocks: Clocks, log_lines: LogLines, data: bytes | None, digest: str | None
) -> None:
    async with backend.open(SPEECH, clocks.steady().now) as store:
        await store.put(entry_of())
        await store.put(entry_of("whole"))
        backend.damage(SPEECH, "a" * 64, data, digest)
        log_lines()
        assert await store.get("a" * 64) is None
        (line,) = [line for line in log_lines() if line["level"] == "warning"]
        assert line["event"] == "a corrupt entry was dropped"
        assert await store.get("a" * 64) is None
        assert log_lines() == []
        assert store.corrupt_entries == 1
        assert await store.get("whole") == entry_of("whole")
        await store.put(entry_of())
        assert await store.get("a" * 64) == entry_of()


async def test_of_two_writers_of_one_key_one_wins_and_neither_fails(backend: Backend, clocks: Clocks) -> None:
    now = clocks.steady().now
    async with backend.open(SPEECH, now) as one, backend.open(SPEECH, now) as other:
        candidates = [entry_of(data=bytes([number]) * 5000, number=number) for number in range(16)]
        await asyncio.gather(*((one if n % 2 else other).put(entry) for n, entry in enumerate(candidates)))
        assert await one.get("a" * 64) in candidates
        assert await one.get("a" * 64) == await other.get("a" * 64)


async def test_a_caller_who_gives_up_disturbs_nobody(store: Store) -> None:
    async with asyncio.TaskGroup() as tasks:
        given_up = [tasks.create_task(store.put(entry_of(str(number)))) for number in range(5)]
        kept = tasks.create_task(store.put(entry_of("kept")))
        await asyncio.sleep(0)
        for task in given_up:
            task.cancel()
        await kept
    assert await store.get("kept") == entry_of("kept")


async def test_a_store_that_was_closed_only_fails(backend: Backend, clocks: Clocks) -> None:
    async with backend.open(SPEECH, clocks.steady().now) as store:
        await store.put(entry_of())
    for attempt in (store.get("a"), store.put(entry_of()), store.delete("a"), store.purge_expired()):
        with pytest.raises(StoreError):
            await attempt
