"""Identical video requests: a running generation is joined, a finished one is reused, and each is paid once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media.common.v1 import cache_pb2
from media.video.v1 import video_pb2

from services.common.errors import Reason
from services.common.images import Size
from services.common.rpc.channel import call_metadata, open_stream
from services.common.storage import ObjectSpec
from services.common.worker_pool import WorkerPool
from services.video.providers.interface import VideoRequest, VideoSpec
from services.video.sharing import build_cache_key
from tests.fakes.image_provider import make_image
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.records import FakeRecordStore
from tests.fakes.replicate import API_TOKEN, FakeReplicate, Run, run_replicate
from tests.integration.video.conftest import VideoSuite, get_error, run_video_service

KEYS = {"alice": "images/alice.png", "bob": "images/bob.png"}
MISS, HIT = cache_pb2.CACHE_STATUS_MISS, cache_pb2.CACHE_STATUS_HIT
JOINED, BYPASS = cache_pb2.CACHE_STATUS_JOINED, cache_pb2.CACHE_STATUS_BYPASS
SPEC = VideoSpec(VideoRequest("a cat"), "m", b"image")


class World:
    """A provider, and services over one store and one database."""

    def __init__(self, workers: WorkerPool, folder: Path, replicate: FakeReplicate) -> None:
        self.store, self.records, self.replicate = FakeObjectStore(), FakeRecordStore(), replicate
        self._workers, self._folder = workers, folder

    def start(self, **changes: Any) -> AbstractAsyncContextManager[VideoSuite]:
        """Start a service."""
        settings = {"replicate_api_token": API_TOKEN, "replicate_base_url": self.replicate.base_url, **changes}
        return run_video_service(self._workers, self._folder / "work", self.store, self.records, **settings)


@pytest.fixture
async def world(workers: WorkerPool, tmp_path: Path, two_seconds: bytes) -> AsyncIterator[World]:
    async with run_replicate() as replicate:
        replicate.video = two_seconds
        opened = World(workers, tmp_path, replicate)
        for owner, key in KEYS.items():
            # The same image of two callers.
            await opened.store.put(key, make_image(Size(640, 400)), ObjectSpec("image/png", {"owner": owner}))
        yield opened


async def generate(suite: VideoSuite, principal: str = "alice", **fields: Any) -> video_pb2.GeneratedVideo:
    # A stub of its own for every call: VideoSuite collects the progress of one call at a time.
    request = video_pb2.GenerateVideoRequest(**{"prompt": "zoom in", "image_key": KEYS[principal], **fields})
    async with open_stream(suite.stub.GenerateVideo(request, metadata=call_metadata(principal))) as call:
        async for event in call:
            if event.HasField("video"):
                return event.video
    raise AssertionError("a stream ended without a video")


async def join_running(
    world: World, suite: VideoSuite, principal: str = "bob", **fields: Any
) -> tuple[asyncio.Task[video_pb2.GeneratedVideo], asyncio.Task[video_pb2.GeneratedVideo]]:
    """Start a generation of alice, and an identical request that has joined it."""
    world.replicate.runs.append(Run(statuses=("processing",)))
    first = asyncio.create_task(generate(suite))
    await world.replicate.until(lambda: world.replicate.created == 1)
    second = asyncio.create_task(generate(suite, principal, **fields))
    # The record of the second request, which it writes when it has joined; its intent is written before.
    await world.replicate.until(lambda: bool(list_aliases(world)))
    return first, second


def list_aliases(world: World) -> list[str]:
    """Return the prediction ids of the requests that joined another one."""
    return [record_id for _, _, record_id in world.records.keys if record_id.startswith("shared-")]


async def test_a_repeated_request_is_paid_once(world: World, two_seconds: bytes) -> None:
    async with world.start(caching_enabled=True) as suite:
        first = await generate(suite)
        second = await generate(suite, "bob", object_key="users/bob/cat.mp4", request_id="order-1")
        again = await generate(suite, "bob", object_key="users/bob/cat.mp4", request_id="order-1")
        assert world.replicate.created == 1
        assert (first.cache_status, second.cache_status) == (MISS, HIT)
        assert second.file.key == "users/bob/cat.mp4"
        assert world.store.objects[second.file.key][1] == two_seconds
        assert world.store.objects[second.file.key][0].metadata["owner"] == "bob"
        assert (second.prompt, second.model, second.file.sha256) == (first.prompt, first.model, first.file.sha256)
        assert again == replace_url(second, again)
        assert (await suite.resume(second.prediction_id, "bob")).file.key == second.file.key
        assert (await get_error(suite.resume(second.prediction_id, "alice"))).reason is Reason.NOT_FOUND


def replace_url(video: video_pb2.GeneratedVideo, other: video_pb2.GeneratedVideo) -> video_pb2.GeneratedVideo:
    """Return `video` with the URL of `other`."""
    video.file.url = other.file.url
    video.file.url_expire_time.CopyFrom(other.file.url_expire_time)
    return video


async def test_a_finished_video_is_reused_by_another_process(world: World) -> None:
    async with world.start(caching_enabled=True) as suite:
        await generate(suite)
    async with world.start(caching_enabled=True) as suite:
        assert (await generate(suite, "bob")).cache_status == HIT
    assert world.replicate.created == 1


async def test_the_first_caller_may_delete_its_video(world: World) -> None:
    async with world.start(caching_enabled=True) as suite:
        key = (await generate(suite)).file.key
        await suite.stub.DeleteVideo(video_pb2.DeleteVideoRequest(key=key), metadata=call_metadata("alice"))
        assert (await generate(suite, "bob")).cache_status == HIT


async def test_a_running_generation_is_joined_across_callers(world: World, two_seconds: bytes) -> None:
    # Without a cache: sharing in flight is always on.
    async with world.start() as suite:
        first, second = await join_running(world, suite)
        world.replicate.move("p1", "succeeded")
        made, joined = await first, await second
    assert world.replicate.created == 1
    assert (made.cache_status, joined.cache_status) == (MISS, JOINED)
    assert made.file.key != joined.file.key
    assert world.store.objects[joined.file.key][1] == two_seconds
    assert world.store.objects[joined.file.key][0].metadata["owner"] == "bob"


async def test_the_first_caller_may_leave_while_others_wait(world: World) -> None:
    async with world.start() as suite:
        first, second = await join_running(world, suite)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        world.replicate.move("p1", "succeeded")
        assert (await second).cache_status == JOINED
    assert (world.replicate.created, world.replicate.cancelled) == (1, [])


async def test_a_joined_caller_may_leave_without_an_effect_on_the_first(world: World) -> None:
    async with world.start() as suite:
        first, second = await join_running(world, suite)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        world.replicate.move("p1", "succeeded")
        assert (await first).cache_status == MISS
    assert (world.replicate.created, world.replicate.cancelled) == (1, [])


async def test_a_request_whose_first_caller_cancels_is_generated_for_the_other(world: World) -> None:
    async with world.start() as suite:
        first, second = await join_running(world, suite)
        world.replicate.runs.append(Run())
        request = video_pb2.CancelVideoRequest(prediction_id="p1")
        await suite.stub.CancelVideo(request, metadata=call_metadata("alice"))
        assert (await get_error(first)).reason is Reason.CANCELLED
        assert (await second).cache_status == MISS
    assert world.replicate.created == 2


async def test_a_failure_is_shared_and_not_cached(world: World) -> None:
    async with world.start(caching_enabled=True) as suite:
        first, second = await join_running(world, suite)
        world.replicate.move("p1", "failed")
        errors = [await get_error(first), await get_error(second)]
        assert {error.reason for error in errors} == {Reason.GENERATION_FAILED}
        assert (await generate(suite)).cache_status == MISS
    assert world.replicate.created == 2


@pytest.mark.parametrize("fields", [{"use_cache": False}, {"prompt": "zoom out"}, {"resolution": "512p"}])
async def test_another_request_is_generated(world: World, fields: dict[str, Any]) -> None:
    async with world.start(caching_enabled=True) as suite:
        await generate(suite)
        other = await generate(suite, **fields)
    assert world.replicate.created == 2
    assert other.cache_status == (BYPASS if "use_cache" in fields else MISS)


async def test_a_video_whose_file_is_gone_is_generated_again(world: World) -> None:
    async with world.start(caching_enabled=True) as suite:
        await generate(suite)
        for key in [key for key in world.store.keys if key.startswith("cache/")]:
            await world.store.delete(key)
        assert (await generate(suite)).cache_status == MISS
        assert (await generate(suite)).cache_status == HIT
    assert world.replicate.created == 2


async def test_a_joined_video_is_resumed_after_a_restart(world: World) -> None:
    async with world.start() as suite:
        first, second = await join_running(world, suite, detach=True, request_id="order-1")
        (alias,) = list_aliases(world)
    await asyncio.gather(first, second, return_exceptions=True)
    world.replicate.move("p1", "succeeded")
    async with world.start() as suite:
        assert (await suite.resume(alias, "bob")).prediction_id == alias
        assert (await generate(suite, "bob", request_id="order-1")).prediction_id == alias
    assert world.replicate.created == 1


DECISIVE = (
    {"prompt": "a dog"},
    {"seconds": 10},
    # A model that the suite does not know has defaults of its own, which may differ from these.
    {"seconds": 6},
    {"resolution": "512p"},
    {"resolution": "768p"},
    {"prompt_optimizer": False},
    {"model_input": {"seed": 1}},
    {"image_input_name": "image"},
)


@pytest.mark.parametrize("changes", DECISIVE)
def test_every_field_that_decides_the_video_is_in_the_key(changes: dict[str, Any]) -> None:
    other = replace(SPEC, request=replace(SPEC.request, **changes))
    assert build_cache_key("replicate", other) != build_cache_key("replicate", SPEC)


def test_provider_model_and_image_are_in_the_key() -> None:
    keys = {
        build_cache_key(provider, spec)
        for provider, spec in (
            ("replicate", SPEC),
            ("embedded", SPEC),
            ("replicate", replace(SPEC, model="n")),
            ("replicate", replace(SPEC, source_image=b"other")),
        )
    }
    assert len(keys) == 4


@given(st.dictionaries(st.text(max_size=5), st.integers(-9, 9), max_size=5))
def test_the_order_of_inputs_does_not_matter(inputs: dict[str, int]) -> None:
    first = replace(SPEC, request=VideoRequest("a cat", model_input=inputs))
    reversed_inputs = dict(reversed(list(inputs.items())))
    second = VideoSpec(VideoRequest("a cat", model_input=reversed_inputs), "m", b"image", "https://x")
    assert build_cache_key("replicate", first) == build_cache_key("replicate", second)
