"""Cache of images: keys, entries, and the store of large files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.common.errors import MediaError
from services.common.fetch import open_fetcher
from services.common.images import Size
from services.common.storage import ObjectSpec
from services.image.cache import CacheBlobs, build_cache_key
from services.image.planning import Candidate
from services.image.providers.fal import FalSettings, open_fal
from services.image.providers.gemini import GeminiSettings, open_gemini
from services.image.providers.interface import ImageProvider, ImageSpec, Mode, SourceImage
from tests.fakes.image_provider import FakeImageProvider
from tests.fakes.object_store import FakeObjectStore

SOURCE = SourceImage(b"", "image/png", Size(64, 64), "5" * 64)
SPEC = ImageSpec(Mode.STANDARD, "a cat", Size(1024, 768), steps=28, guidance_scale=3.5, seed=7)
DECISIVE: tuple[dict[str, Any], ...] = (
    {"prompt": "a dog"},
    {"size": Size(768, 1024)},
    {"negative_prompt": "rain"},
    {"steps": 27},
    {"guidance_scale": 3.0},
    {"seed": None},
    {"seed": 2**64 - 1},
    {"safety_checker": False},
    {"source": SOURCE},
    {"source": replace(SOURCE, sha256="6" * 64)},
    {"strength": 0.5},
)


def make_key(provider: ImageProvider, spec: ImageSpec) -> str:
    return build_cache_key(Candidate(provider, next(iter(provider.models.values())), spec, ()))


@pytest.fixture
async def paid_providers() -> AsyncIterator[dict[str, ImageProvider]]:
    """The paid providers, by name."""
    async with AsyncExitStack() as stack:
        downloads = await stack.enter_async_context(open_fetcher())
        yield {
            "fal": await stack.enter_async_context(open_fal(FalSettings("key"), downloads)),
            "gemini": await stack.enter_async_context(open_gemini(GeminiSettings("key"))),
        }


def test_every_decisive_parameter_changes_the_key() -> None:
    provider = FakeImageProvider()
    keys = {make_key(provider, replace(SPEC, **change)) for change in DECISIVE}
    assert len({*keys, make_key(provider, SPEC), make_key(FakeImageProvider("another"), SPEC)}) == len(DECISIVE) + 2


def test_the_name_of_a_size_does_not_change_the_key() -> None:
    provider = FakeImageProvider()
    assert make_key(provider, replace(SPEC, preset="landscape_4_3")) == make_key(provider, SPEC)


@pytest.mark.parametrize(
    ("name", "mode", "size", "same"),
    [
        ("fal", Mode.STANDARD, Size(512, 384), False),
        ("fal", Mode.FAST, Size(512, 384), False),
        ("fal", Mode.TRANSFORM, Size(512, 384), True),
        ("gemini", Mode.STANDARD, Size(512, 384), True),
        ("gemini", Mode.STANDARD, Size(384, 512), False),
        ("gemini", Mode.STANDARD, Size(2048, 1536), False),
        ("gemini", Mode.FAST, Size(2048, 1536), True),
    ],
)
def test_another_size_has_the_same_key_if_the_provider_request_is_the_same(
    paid_providers: dict[str, ImageProvider], name: str, mode: Mode, size: Size, same: bool
) -> None:
    spec = replace(SPEC, mode=mode, source=SOURCE if mode is Mode.TRANSFORM else None)
    assert (make_key(paid_providers[name], spec) == make_key(paid_providers[name], replace(spec, size=size))) is same


NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = 86_400.0


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


async def test_stored_bytes_are_read_again_and_have_no_owner() -> None:
    store = FakeObjectStore()
    blobs = CacheBlobs(store, DAY, Clock())
    make_key = await blobs.put("ab" * 32, b"image", "image/png")
    assert make_key == f"cache/images/2026-11-22/{'ab' * 32}.png"
    assert await blobs.get(make_key) == b"image"
    assert "owner" not in store.objects[make_key][0].metadata
    assert "no-store" in store.objects[make_key][0].cache_control


async def test_missing_bytes_return_nothing_and_a_broken_store_is_an_error() -> None:
    store = FakeObjectStore()
    blobs = CacheBlobs(store, DAY, Clock())
    assert await blobs.get("cache/images/2026-11-22/gone.png") is None
    store.unreadable = True
    with pytest.raises(MediaError):
        await blobs.get("cache/images/2026-11-22/gone.png")


async def test_the_sweep_deletes_past_days_only() -> None:
    store, clock = FakeObjectStore(), Clock()
    blobs = CacheBlobs(store, DAY, clock)
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
