"""Tests that an image is paid for once: by concurrent requests, by later ones, and after a restart."""

from __future__ import annotations

import asyncio
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from media.common.v1 import cache_pb2
from media.image.v1 import image_pb2
from PIL import Image

from services.common.errors import MediaError, Reason
from services.common.rpc.channel import open_stream
from services.common.worker_pool import WorkerPool
from services.image.generation import INLINE_BYTES
from services.image.providers.interface import GeneratedImage
from tests.fakes.image_provider import FakeImageProvider, make_image
from tests.fakes.object_store import FakeObjectStore
from tests.integration.image.conftest import ImageSuite, catch_error, run_image_service

MISS, JOINED = cache_pb2.CACHE_STATUS_MISS, cache_pb2.CACHE_STATUS_JOINED
URL = "https://v3.fal.media/files/cat.png"


def make_large_image() -> bytes:
    """Return an image that is too large for a cache entry."""
    file = BytesIO()
    Image.effect_noise((700, 500), 90).convert("RGB").save(file, "PNG")
    assert len(file.getvalue()) > INLINE_BYTES
    return file.getvalue()


async def test_fifty_concurrent_identical_requests_are_one_call(suite: ImageSuite, provider: FakeImageProvider) -> None:
    provider.proceed.clear()
    calls = [asyncio.create_task(suite.generate(f"user{number % 5}")) for number in range(50)]
    await provider.until(lambda: bool(provider.specs))
    provider.proceed.set()
    images = await asyncio.gather(*calls)
    assert len(provider.specs) == 1
    # Each caller has its own object.
    assert len({image.key for image in images}) == 50
    assert len({image.sha256 for image in images}) == 1
    wait_for_records = await suite.wait_for_records(50)
    assert sum(record.cost_units or 0 for record in wait_for_records) == 3
    # A request that arrives when the first one has just ended finds the cache entry.
    statuses = [record.cache_status for record in wait_for_records]
    assert statuses.count("miss") == 1
    assert set(statuses) <= {"miss", "joined", "hit"}


async def test_the_last_caller_that_leaves_cancels_the_provider_call(
    suite: ImageSuite, provider: FakeImageProvider
) -> None:
    provider.proceed.clear()
    alone = asyncio.create_task(suite.generate())
    await provider.until(lambda: len(provider.specs) == 1)
    alone.cancel()
    await provider.until(lambda: provider.cancelled == 1)
    assert (len(provider.specs), provider.cancelled) == (1, 1)


async def test_a_later_request_is_served_from_the_cache_in_another_format(
    suite: ImageSuite, provider: FakeImageProvider
) -> None:
    first = await suite.generate()
    second = await suite.generate("bob", output={"format": "png", "variants": [{"name": "thumbnail"}]})
    assert (second.from_cache, second.seed, second.model) == (True, first.seed, first.model)
    assert second.content_type == "image/png"
    assert len(provider.specs) == 1
    wait_for_records = await suite.wait_for_records(2)
    assert [(record.cost_units, record.saved_cost_units) for record in wait_for_records] == [(3, 0), (None, 3)]


@pytest.mark.parametrize(
    "fields",
    [{"prompt": "a dog"}, {"image_size": "banner"}, {"seed": 8}, {"num_inference_steps": 9}, {"guidance_scale": 4}],
)
async def test_another_parameter_causes_another_generation(
    suite: ImageSuite, provider: FakeImageProvider, fields: Any
) -> None:
    await suite.generate()
    assert not (await suite.generate(**fields)).from_cache
    assert len(provider.specs) == 2


async def test_a_request_without_cache_is_neither_shared_nor_cached(
    suite: ImageSuite, provider: FakeImageProvider
) -> None:
    for _ in range(2):
        assert not (await suite.generate(use_cache=False)).from_cache
    assert not (await suite.generate()).from_cache
    assert len(provider.specs) == 3


@pytest.mark.parametrize("store_binary", [False, True])
@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize("url", ["", URL])
async def test_a_cached_image_survives_a_restart(
    provider: FakeImageProvider,
    store: FakeObjectStore,
    workers: WorkerPool,
    tmp_path: Path,
    store_binary: bool,
    size: str,
    url: str,
) -> None:
    data = make_large_image() if size == "large" else make_image()
    provider.stored[url] = data
    provider.outcomes.append(GeneratedImage(data, "image/png", 2**64 - 1, url, cost_units=3))
    async with run_image_service({"fal": provider}, store, workers, tmp_path, store_binary=store_binary) as suite:
        await suite.generate()
    async with run_image_service({"fal": provider}, store, workers, tmp_path, store_binary=store_binary) as suite:
        image = await suite.generate()
    assert (image.from_cache, image.seed) == (True, 2**64 - 1)
    assert len(provider.specs) == 1
    by_url = bool(url) and not store_binary
    assert provider.downloads == (1 if by_url else 0)
    blobs = [key for key in store.keys if key.startswith("cache/")]
    assert len(blobs) == (1 if size == "large" and not by_url else 0)


async def test_an_expired_provider_url_causes_a_new_generation(suite: ImageSuite, provider: FakeImageProvider) -> None:
    provider.url = URL
    await suite.generate()
    provider.stored.clear()
    assert not (await suite.generate()).from_cache
    assert len(provider.specs) == 2
    provider.download_failure = MediaError(Reason.PROVIDER_UNAVAILABLE)
    assert not (await suite.generate()).from_cache


async def test_a_missing_cache_blob_causes_a_new_generation(
    suite: ImageSuite, provider: FakeImageProvider, store: FakeObjectStore
) -> None:
    provider.outcomes.append(GeneratedImage(make_large_image(), "image/png"))
    await suite.generate()
    (blob,) = [key for key in store.keys if key.startswith("cache/")]
    del store.objects[blob]
    assert not (await suite.generate()).from_cache


async def test_a_failed_cache_write_does_not_break_later_requests(
    suite: ImageSuite, provider: FakeImageProvider, store: FakeObjectStore
) -> None:
    provider.outcomes.append(GeneratedImage(make_large_image(), "image/png"))
    store.puts_until_failure = 0
    assert (await catch_error(suite.generate())).reason is Reason.STORAGE_FAILED
    store.puts_until_failure = None
    assert not (await suite.generate()).from_cache


async def test_concurrent_requests_are_shared_without_a_cache(
    provider: FakeImageProvider, store: FakeObjectStore, workers: WorkerPool, tmp_path: Path
) -> None:
    same = image_pb2.BatchImage(generate=image_pb2.GenerateImageRequest(prompt="a cat", image_size="card"))
    batch = image_pb2.BatchGenerateImagesRequest(items=[same] * 3, parallelism=3)
    async with run_image_service({"fal": provider}, store, workers, tmp_path, caching_enabled=False) as suite:
        async with open_stream(suite.stub.BatchGenerateImages(batch)) as call:
            events = [event async for event in call]
        assert sorted(event.image.cache_status for event in events) == [MISS, JOINED, JOINED]
        assert len(provider.specs) == 1
        assert (await suite.generate()).cache_status == MISS
    assert len(provider.specs) == 2
