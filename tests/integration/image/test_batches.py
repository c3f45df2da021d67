"""Tests of batches: several images in one call."""

from __future__ import annotations

from typing import Any

import pytest
from media.image.v1 import image_pb2

from services.common.errors import Reason, invalid
from services.common.rpc.channel import call_metadata, open_stream
from tests.fakes.image_provider import FakeImageProvider
from tests.integration.image.conftest import ImageSuite, catch_error

Item = image_pb2.BatchImage


def generate(prompt: str, **fields: Any) -> Item:
    return Item(generate=image_pb2.GenerateImageRequest(prompt=prompt, image_size="card", **fields))


async def collect_events(
    suite: ImageSuite, *items: Item, parallelism: int = 2
) -> list[image_pb2.BatchGenerateImagesResponse]:
    request = image_pb2.BatchGenerateImagesRequest(items=items, parallelism=parallelism)
    async with open_stream(suite.stub.BatchGenerateImages(request, metadata=call_metadata("alice"))) as call:
        return [event async for event in call]


async def test_each_image_is_sent_and_one_failure_does_not_stop_the_others(
    suite: ImageSuite, provider: FakeImageProvider
) -> None:
    provider.outcomes.append(invalid("prompt", "must be harmless", Reason.CONTENT_BLOCKED))
    fast = Item(generate_fast=image_pb2.GenerateImageFastRequest(prompt="c", image_size="thumbnail"))
    events = await collect_events(suite, generate("a"), generate("b"), fast, parallelism=1)
    assert [event.index for event in events] == [0, 1, 2]
    failed = events[0].failure
    assert (failed.reason, failed.retryable, bool(failed.message)) == ("CONTENT_BLOCKED", False, True)
    assert [(item.field, item.description) for item in failed.details] == [("prompt", "must be harmless")]
    assert [(event.image.prompt, event.image.width) for event in events[1:]] == [("b", 512), ("c", 256)]
    assert len(await suite.wait_for_records(3)) == 3


async def test_identical_images_of_a_batch_are_paid_for_once(suite: ImageSuite, provider: FakeImageProvider) -> None:
    events = await collect_events(suite, *(generate("a") for _ in range(6)), parallelism=3)
    assert len({event.image.key for event in events}) == 6
    assert len(provider.specs) == 1


async def test_cancelling_a_batch_cancels_its_running_images(suite: ImageSuite, provider: FakeImageProvider) -> None:
    provider.proceed.clear()
    request = image_pb2.BatchGenerateImagesRequest(items=[generate(str(number)) for number in range(9)], parallelism=3)
    async with open_stream(suite.stub.BatchGenerateImages(request)):
        await provider.until(lambda: len(provider.specs) == 3)
    await provider.until(lambda: provider.cancelled == 3)
    assert len(provider.specs) == 3


@pytest.mark.parametrize(
    ("items", "field"),
    [
        ([], "items"),
        ([Item()], "items[0].request"),
        ([generate("a"), generate("")], "items[1].generate.prompt"),
        ([generate("a")] * 51, "items"),
    ],
)
async def test_a_batch_with_bad_input_is_refused_as_a_whole(
    suite: ImageSuite, provider: FakeImageProvider, items: list[Item], field: str
) -> None:
    error = await catch_error(collect_events(suite, *items))
    assert [item.field for item in error.violations] == [field]
    assert provider.specs == []
