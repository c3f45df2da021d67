"""A caller cancels a generation by request id, in every stage and from every process."""

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
from tests.fakes.gateway import run_gateway
from tests.fakes.image_provider import make_image
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.records import FakeRecordStore
from tests.fakes.replicate import API_TOKEN, DOWN, FakeReplicate, Run, run_replicate
from tests.fakes.waiting import until
from tests.integration.video.conftest import VideoSuite, get_error, run_video_service

NAME = "job-7"
FIELDS = {"image_key": "images/cat.png", "request_id": NAME}


class StartSuite(Protocol):
    """Starts the service with a fake Replicate, any number of times over the same store."""

    def __call__(self, **changes: Any) -> AbstractAsyncContextManager[VideoSuite]: ...


@pytest.fixture
async def replicate(two_seconds: bytes) -> AsyncIterator[FakeReplicate]:
    async with run_replicate() as fake:
        fake.video = two_seconds
        fake.runs.append(Run(statuses=("processing",)))
        yield fake


@pytest.fixture
async def start_suite(workers: WorkerPool, tmp_path: Path, replicate: FakeReplicate) -> StartSuite:
    store, records = FakeObjectStore(), FakeRecordStore()
    await store.put("images/cat.png", make_image(Size(640, 400)), ObjectSpec("image/png", {"owner": "alice"}))

    def start(**changes: Any) -> AbstractAsyncContextManager[VideoSuite]:
        settings = {"replicate_api_token": API_TOKEN, "replicate_base_url": replicate.base_url, **changes}
        return run_video_service(workers, tmp_path / "work", store, records, **settings)

    return start


async def cancel(suite: VideoSuite, name: str = NAME, principal: str = "alice") -> bool:
    """Cancel a request id and return whether its generation was running."""
    request = video_pb2.CancelVideoRequest(request_id=name)
    return (await suite.stub.CancelVideo(request, metadata=call_metadata(principal))).cancelled


async def begin(suite: VideoSuite, **fields: Any) -> None:
    """Begin a detached generation."""
    request = video_pb2.GenerateVideoRequest(prompt="zoom in", detach=True, **{**FIELDS, **fields})
    async with open_stream(suite.stub.GenerateVideo(request, metadata=call_metadata("alice"))) as call:
        assert (await anext(aiter(call))).progress.prediction_id == "p1"


async def test_a_cancellation_reaches_the_listener_and_the_provider(
    start_suite: StartSuite, replicate: FakeReplicate
) -> None:
    async with start_suite() as suite:
        listening = asyncio.create_task(get_error(suite.generate(**FIELDS)))
        await until(lambda: bool(suite.progress))
        assert await cancel(suite)
        assert (await listening).reason is Reason.CANCELLED
        await until(lambda: replicate.cancelled == ["p1"])
        await until(lambda: suite.leftovers == [])


async def test_a_generation_without_listeners_is_cancelled(start_suite: StartSuite, replicate: FakeReplicate) -> None:
    async with start_suite() as suite:
        await begin(suite)
        assert await cancel(suite)
        await until(lambda: replicate.cancelled == ["p1"])


async def test_a_generation_is_cancelled_before_its_id_is_known(
    start_suite: StartSuite, replicate: FakeReplicate
) -> None:
    replicate.responds.clear()
    async with start_suite() as suite:
        listening = asyncio.create_task(get_error(suite.generate(**FIELDS)))
        await replicate.until(lambda: replicate.created == 1)
        assert await cancel(suite)
        # The video is paid for: its id must not be lost before the cancellation.
        assert replicate.cancelled == []
        replicate.responds.set()
        assert (await listening).reason is Reason.CANCELLED
        await until(lambda: replicate.cancelled == ["p1"])


async def test_a_generation_of_an_ended_process_is_cancelled(start_suite: StartSuite, replicate: FakeReplicate) -> None:
    async with start_suite() as suite:
        await begin(suite)
    assert replicate.cancelled == []
    async with start_suite() as suite:
        assert await cancel(suite)
    assert replicate.cancelled == ["p1"]


async def test_a_cancelled_request_id_returns_cancelled(start_suite: StartSuite, replicate: FakeReplicate) -> None:
    async with start_suite() as suite:
        await begin(suite)
        assert await cancel(suite)
        await until(lambda: replicate.cancelled == ["p1"])
        assert (await get_error(suite.generate(**FIELDS))).reason is Reason.CANCELLED
    assert replicate.created == 1


async def test_a_finished_video_stays(start_suite: StartSuite, replicate: FakeReplicate) -> None:
    replicate.runs.clear()
    async with start_suite() as suite:
        video = await suite.generate(**FIELDS)
        assert not await cancel(suite)
        assert video.file.key in suite.store.objects
        assert (await suite.generate(**FIELDS)).file.key == video.file.key
    assert (replicate.created, replicate.cancelled) == (1, [])


@pytest.mark.parametrize(("name", "principal"), [("job-8", "alice"), (NAME, "bob"), (NAME, ""), ("p1", "alice")])
async def test_another_request_id_or_another_caller_cancels_nothing(
    start_suite: StartSuite, replicate: FakeReplicate, name: str, principal: str
) -> None:
    async with start_suite() as suite:
        await begin(suite)
        assert not await cancel(suite, name, principal)
    # A process that knows only the record cannot cancel it either.
    async with start_suite() as suite:
        assert not await cancel(suite, name, principal)
    assert replicate.cancelled == []


async def test_a_request_that_never_began_cannot_be_cancelled(
    start_suite: StartSuite, replicate: FakeReplicate
) -> None:
    replicate.failures["create"].append(DOWN)
    async with start_suite(max_attempts=1) as suite:
        assert (await get_error(suite.generate(**FIELDS))).reason is Reason.PROVIDER_UNAVAILABLE
        assert not await cancel(suite)
    assert (replicate.created, replicate.cancelled) == (0, [])


async def test_an_unreachable_provider_is_an_error(start_suite: StartSuite, replicate: FakeReplicate) -> None:
    async with start_suite() as suite:
        await begin(suite)
    replicate.failures["cancel"] += [DOWN] * 10
    async with start_suite() as suite:
        request = video_pb2.CancelVideoRequest(request_id=NAME)
        error = await get_error(suite.stub.CancelVideo(request, metadata=call_metadata("alice")))
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
    start_suite: StartSuite, replicate: FakeReplicate, fields: dict[str, str]
) -> None:
    async with start_suite() as suite:
        request = video_pb2.CancelVideoRequest(**fields)
        error = await get_error(suite.stub.CancelVideo(request, metadata=call_metadata("alice")))
    assert error.reason is Reason.VALIDATION_ERROR
    assert replicate.requests == []


@pytest.mark.parametrize("spelling", ["requestId", "request_id"])
async def test_a_request_is_cancelled_over_http(
    start_suite: StartSuite, replicate: FakeReplicate, spelling: str
) -> None:
    headers = {"X-Media-Principal": "alice"}
    async with start_suite() as suite, run_gateway(video=suite.channel) as http:
        await begin(suite)
        assert await _post_cancel(http, headers, **{spelling: NAME}) == {"success": True, "cancelled": True}
        await until(lambda: replicate.cancelled == ["p1"])
        assert await _post_cancel(http, headers, **{spelling: "job-8"}) == {"success": True, "cancelled": False}


async def _post_cancel(http: aiohttp.ClientSession, headers: dict[str, str], **body: str) -> Any:
    async with http.post("/api/video/cancel", json=body, headers=headers) as answer:
        assert answer.status == 200
        return await answer.json()
