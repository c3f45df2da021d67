"""A caller cancels its own video by request id, in every stage and from every process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import pytest
from media.video.v1 import video_pb2

from services.common.errors import Reason
from services.common.images import Size
from services.common.rpc.channel import call_metadata, open_stream
from services.common.storage import ObjectSpec
from services.common.worker_pool import WorkerPool
from tests.fakes.gateway import gateway_before
from tests.fakes.image_provider import make_image
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.replicate import API_TOKEN, DOWN, FakeReplicate, Run, running_replicate
from tests.fakes.waiting import until
from tests.integration.video.conftest import VideoSuite, failure, running

NAME = "job-7"
ORDER = {"image_key": "images/cat.png", "request_id": NAME}


class Starts(Protocol):
    """Starts the service with Replicate; again and again, over the same store."""

    def __call__(self, **changes: Any) -> AbstractAsyncContextManager[VideoSuite]: ...


@pytest.fixture
async def replicate(two_seconds: bytes) -> AsyncIterator[FakeReplicate]:
    async with running_replicate() as fake:
        fake.video = two_seconds
        fake.runs.append(Run(statuses=("processing",)))
        yield fake


@pytest.fixture
async def starts(workers: WorkerPool, tmp_path: Path, replicate: FakeReplicate) -> Starts:
    store = FakeObjectStore()
    await store.put("images/cat.png", make_image(Size(640, 400)), ObjectSpec("image/png", {"owner": "alice"}))

    def start(**changes: Any) -> AbstractAsyncContextManager[VideoSuite]:
        settings = {"replicate_api_token": API_TOKEN, "replicate_base_url": replicate.base_url, **changes}
        return running(workers, tmp_path / "work", store, **settings)

    return start


async def cancel(suite: VideoSuite, name: str = NAME, principal: str = "alice") -> bool:
    """End what was begun under a name; returns whether there was anything to end."""
    request = video_pb2.CancelVideoRequest(request_id=name)
    return (await suite.stub.CancelVideo(request, metadata=call_metadata(principal))).cancelled


async def begin(suite: VideoSuite, **fields: Any) -> None:
    """Begin a video that goes on without its caller."""
    request = video_pb2.GenerateVideoRequest(prompt="zoom in", detach=True, **{**ORDER, **fields})
    async with open_stream(suite.stub.GenerateVideo(request, metadata=call_metadata("alice"))) as call:
        assert (await anext(aiter(call))).progress.prediction_id == "p1"


async def test_whoever_listens_is_told_and_so_is_the_provider(starts: Starts, replicate: FakeReplicate) -> None:
    async with starts() as suite:
        listening = asyncio.create_task(failure(suite.generate(**ORDER)))
        await until(lambda: bool(suite.progress))
        assert await cancel(suite)
        assert (await listening).reason is Reason.CANCELLED
        await until(lambda: replicate.cancelled == ["p1"])
        await until(lambda: suite.leftovers == [])


async def test_a_video_that_nobody_listens_to_is_ended(starts: Starts, replicate: FakeReplicate) -> None:
    async with starts() as suite:
        await begin(suite)
        assert await cancel(suite)
        await until(lambda: replicate.cancelled == ["p1"])


async def test_a_video_is_ended_before_its_id_is_known(starts: Starts, replicate: FakeReplicate) -> None:
    replicate.tells_ids.clear()
    async with starts() as suite:
        listening = asyncio.create_task(failure(suite.generate(**ORDER)))
        await replicate.until(lambda: replicate.created == 1)
        assert await cancel(suite)
        # It is paid for: whoever would forget it now could not tell the provider.
        assert replicate.cancelled == []
        replicate.tells_ids.set()
        assert (await listening).reason is Reason.CANCELLED
        await until(lambda: replicate.cancelled == ["p1"])


async def test_a_video_of_a_process_that_is_gone_is_ended(starts: Starts, replicate: FakeReplicate) -> None:
    async with starts() as suite:
        await begin(suite)
    assert replicate.cancelled == []
    async with starts() as suite:
        assert await cancel(suite)
    assert replicate.cancelled == ["p1"]


async def test_once_it_was_ended_there_is_no_video_to_come_back_to(starts: Starts, replicate: FakeReplicate) -> None:
    async with starts() as suite:
        await begin(suite)
        assert await cancel(suite)
        await until(lambda: replicate.cancelled == ["p1"])
        assert (await failure(suite.generate(**ORDER))).reason is Reason.CANCELLED
    assert replicate.created == 1


async def test_a_video_that_is_done_stays(starts: Starts, replicate: FakeReplicate) -> None:
    replicate.runs.clear()
    async with starts() as suite:
        made = await suite.generate(**ORDER)
        assert not await cancel(suite)
        assert made.file.key in suite.store.objects
        assert (await suite.generate(**ORDER)).file.key == made.file.key
    assert (replicate.created, replicate.cancelled) == (1, [])


@pytest.mark.parametrize(("name", "principal"), [("job-8", "alice"), (NAME, "bob"), (NAME, ""), ("p1", "alice")])
async def test_another_name_or_another_caller_ends_nothing(
    starts: Starts, replicate: FakeReplicate, name: str, principal: str
) -> None:
    async with starts() as suite:
        await begin(suite)
        assert not await cancel(suite, name, principal)
    # Nor from a process that knows the video from its record alone.
    async with starts() as suite:
        assert not await cancel(suite, name, principal)
    assert replicate.cancelled == []


async def test_what_never_began_is_not_there_to_be_ended(starts: Starts, replicate: FakeReplicate) -> None:
    replicate.failures["create"].append(DOWN)
    async with starts(max_attempts=1) as suite:
        assert (await failure(suite.generate(**ORDER))).reason is Reason.PROVIDER_UNAVAILABLE
        assert not await cancel(suite)
    assert (replicate.created, replicate.cancelled) == (0, [])


async def test_a_provider_that_cannot_be_asked_is_told(starts: Starts, replicate: FakeReplicate) -> None:
    async with starts() as suite:
        await begin(suite)
    replicate.failures["cancel"] += [DOWN] * 10
    async with starts() as suite:
        request = video_pb2.CancelVideoRequest(request_id=NAME)
        error = await failure(suite.stub.CancelVideo(request, metadata=call_metadata("alice")))
        assert error.reason is Reason.PROVIDER_UNAVAILABLE
        replicate.failures["cancel"].clear()
        assert await cancel(suite)
    assert replicate.cancelled == ["p1"]


@pytest.mark.parametrize(
    "fields",
    [{}, {"prediction_id": "p1", "request_id": NAME}, {"request_id": "a b"}, {"request_id": "x" * 101}],
    ids=["neither", "both", "no name", "a long name"],
)
async def test_a_video_is_named_by_its_id_or_by_its_request(
    starts: Starts, replicate: FakeReplicate, fields: dict[str, str]
) -> None:
    async with starts() as suite:
        request = video_pb2.CancelVideoRequest(**fields)
        error = await failure(suite.stub.CancelVideo(request, metadata=call_metadata("alice")))
    assert error.reason is Reason.VALIDATION_ERROR
    assert replicate.requests == []


@pytest.mark.parametrize("spelling", ["requestId", "request_id"])
async def test_it_is_ended_over_http_too(starts: Starts, replicate: FakeReplicate, spelling: str) -> None:
    headers = {"X-Media-Principal": "alice"}
    async with starts() as suite, gateway_before(video=suite.channel) as http:
        await begin(suite)
        assert await _told(http, headers, **{spelling: NAME}) == {"success": True, "cancelled": True}
        await until(lambda: replicate.cancelled == ["p1"])
        assert await _told(http, headers, **{spelling: "job-8"}) == {"success": True, "cancelled": False}


async def _told(http: aiohttp.ClientSession, headers: dict[str, str], **body: str) -> Any:
    async with http.post("/api/video/cancel", json=body, headers=headers) as answer:
        assert answer.status == 200
        return await answer.json()
