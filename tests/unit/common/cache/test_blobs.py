"""CacheBlobs: large files of a cache, by day of expiry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.common.cache.blobs import CacheBlobs
from services.common.errors import MediaError
from services.common.storage import ObjectSpec
from tests.fakes.object_store import FakeObjectStore

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = 86_400.0
PREFIX = "cache/images/"


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


async def test_stored_bytes_are_read_again_and_have_no_owner() -> None:
    store = FakeObjectStore()
    blobs = CacheBlobs(store, PREFIX, DAY, Clock())
    make_key = await blobs.put("ab" * 32, b"image", "image/png")
    assert make_key == f"cache/images/2026-11-22/{'ab' * 32}.png"
    assert await blobs.get(make_key) == b"image"
    assert "owner" not in store.objects[make_key][0].metadata
    assert "no-store" in store.objects[make_key][0].cache_control


async def test_missing_bytes_return_nothing_and_a_broken_store_is_an_error() -> None:
    store = FakeObjectStore()
    blobs = CacheBlobs(store, PREFIX, DAY, Clock())
    assert await blobs.get("cache/images/2026-11-22/gone.png") is None
    store.unreadable = True
    with pytest.raises(MediaError):
        await blobs.get("cache/images/2026-11-22/gone.png")


async def test_the_sweep_deletes_past_days_only() -> None:
    store, clock = FakeObjectStore(), Clock()
    blobs = CacheBlobs(store, PREFIX, DAY, clock)
    for number in range(250):
        await blobs.put(f"{number:064x}", b"x", "image/webp")
    clock.now = NOON + timedelta(days=1)
    current = await blobs.put("f" * 64, b"x", "image/webp")
    for make_key in ("cache/images/odd", "images/2020/01/mine.png", "cache/imagesque/2020-01-01/x"):
        await store.put(make_key, b"x", ObjectSpec("image/png"))
    others = ["cache/images/odd", "cache/imagesque/2020-01-01/x", "images/2020/01/mine.png"]
    assert await blobs.sweep() == 0
    clock.now = NOON + timedelta(days=2)
    assert await blobs.sweep() == 250
    assert store.keys == sorted([current, *others])
    assert await blobs.sweep() == 0
