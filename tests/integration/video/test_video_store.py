"""GenerateVideo with the embedded engine, and with a provider that is paid once, whatever fails."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

import pytest
from media.video.v1 import video_pb2

from services.common.errors import Reason
from services.common.images import Size
from services.common.rpc.channel import call_metadata, open_stream
from services.common.storage import ObjectSpec
from services.common.worker_pool import WorkerPool
from tests.fakes.image_provider import make_image
from tests.fakes.media import FFPROBE, run_ffprobe
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.records import FakeRecordStore
from tests.fakes.replicate import API_TOKEN, BROKEN, DOWN, FakeReplicate, Run, run_replicate
from tests.fakes.waiting import until
from tests.integration.video.conftest import VideoSuite, get_error, run_video_service

SOURCE_IMAGE = make_image(Size(640, 400))


def make_waiting_run() -> Run:
    """Return the script of a prediction that waits for the test."""
    return Run(statuses=("processing",))


class StartSuite(Protocol):
    """Starts the service with a fake Replicate, any number of times over the same store."""

    def __call__(self, **changes: Any) -> AbstractAsyncContextManager[VideoSuite]: ...


@pytest.fixture
async def replicate(two_seconds: bytes) -> AsyncIterator[FakeReplicate]:
    async with run_replicate() as fake:
        fake.video = two_seconds
        yield fake


@pytest.fixture
def store() -> FakeObjectStore:
    return FakeObjectStore()


@pytest.fixture
def records() -> FakeRecordStore:
    return FakeRecordStore()


@pytest.fixture
async def start_suite(
    workers: WorkerPool, tmp_path: Path, store: FakeObjectStore, records: FakeRecordStore, replicate: FakeReplicate
) -> StartSuite:
    await store.put("images/cat.png", SOURCE_IMAGE, _build_spec("alice"))

    def start(**changes: Any) -> AbstractAsyncContextManager[VideoSuite]:
        settings = {"replicate_api_token": API_TOKEN, "replicate_base_url": replicate.base_url, **changes}
        return run_video_service(workers, tmp_path / "work", store, records, **settings)

    return start


def _build_spec(owner: str) -> ObjectSpec:
    return ObjectSpec("image/png", {"owner": owner})


async def test_the_embedded_engine_keeps_the_aspect_ratio_of_the_image(suite: VideoSuite, tmp_path: Path) -> None:
    await suite.store.put("images/cat.png", SOURCE_IMAGE, _build_spec("alice"))
    video = await suite.generate(image_key="images/cat.png", seconds=2, resolution="512p")
    assert (video.provider, video.model, video.seconds, video.resolution) == ("embedded", "embedded", 2, "512p")
    assert (video.file.width, video.file.height, video.file.frame_rate) == (818, 512, 24.0)
    assert video.file.duration_seconds == 2.0
    assert [stream.codec for stream in video.file.streams] == ["h264"]
    percents = [progress.percent for progress in suite.progress]
    assert percents == sorted(percents)
    assert {progress.prediction_id for progress in suite.progress} == {video.prediction_id}
    assert suite.leftovers == []
    if FFPROBE is not None:
        probed = run_ffprobe(suite.file(video.file.key, tmp_path))
        assert (probed.stream("video")["nb_frames"], probed.stream("video")["pix_fmt"]) == ("48", "yuv420p")


async def test_a_video_is_begun_paid_once_and_copied(
    start_suite: StartSuite, replicate: FakeReplicate, two_seconds: bytes
) -> None:
    replicate.runs.append(Run(statuses=("starting", "processing", "succeeded"), logs="sampling: 40%"))
    async with start_suite() as suite:
        video = await suite.generate(image_key="images/cat.png")
        assert suite.store.objects[video.file.key][1] == two_seconds
        assert suite.store.objects[video.file.key][0].metadata["provider"] == "replicate"
    assert replicate.created == 1
    assert (video.provider, video.model, video.prediction_id) == ("replicate", "minimax/hailuo-02", "p1")
    states = [progress.state for progress in suite.progress]
    assert states[0] == video_pb2.VIDEO_STATE_QUEUED
    assert video_pb2.VIDEO_STATE_RUNNING in states
    assert 40.0 in [progress.percent for progress in suite.progress]
    assert {progress.prediction_id for progress in suite.progress} == {"p1"}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"resolution": "1080p", "seconds": 10}, "seconds"),
        ({"seconds": 7}, "seconds"),
        ({"model_input": {"x": 1}}, "model_input"),
        ({"object_key": "users/bob/cat.mp4"}, "object_key"),
        ({"image_key": "images/of_bob.png"}, "image_key"),
        ({"image_key": "", "image_url": "data:image/png;base64,QUJD"}, None),
        ({"image_key": "", "image_url": "http://169.254.169.254/cat.png"}, "image_url"),
        ({"image_key": "images/tiny.png"}, "image_key"),
        ({"prompt": " "}, "prompt"),
        ({"model": "../x"}, "model"),
    ],
)
async def test_an_unsupported_request_is_rejected_before_any_provider_request(
    start_suite: StartSuite, replicate: FakeReplicate, fields: dict[str, Any], field: str | None
) -> None:
    async with start_suite() as suite:
        await suite.store.put("images/of_bob.png", SOURCE_IMAGE, _build_spec("bob"))
        await suite.store.put("images/tiny.png", make_image(Size(8, 8)), _build_spec("alice"))
        error = await get_error(suite.generate(**{"image_key": "images/cat.png", **fields}))
        assert suite.leftovers == []
    assert [item.field for item in error.violations] == ([field] if field else [])
    assert 400 <= error.reason.info.http_status < 500
    assert replicate.requests == []


async def test_a_provider_that_is_down_is_retried_and_paid_once(
    start_suite: StartSuite, replicate: FakeReplicate
) -> None:
    replicate.failures["create"] += [DOWN, DOWN]
    replicate.failures["get"] += [DOWN, DOWN]
    async with start_suite() as suite:
        await suite.generate(image_key="images/cat.png")
    assert replicate.created == 1


async def test_a_request_that_may_be_charged_is_not_retried(start_suite: StartSuite, replicate: FakeReplicate) -> None:
    replicate.failures["create"].append(BROKEN)
    async with start_suite() as suite:
        error = await get_error(suite.generate(image_key="images/cat.png"))
    assert error.reason is Reason.GENERATION_FAILED
    assert len(replicate.requests) == 1


async def test_a_leaving_caller_cancels_the_video_at_the_provider(
    start_suite: StartSuite, replicate: FakeReplicate
) -> None:
    replicate.runs.append(make_waiting_run())
    async with start_suite() as suite:
        await _begin_and_leave(suite)
        await until(lambda: replicate.cancelled == ["p1"])
        await until(lambda: suite.leftovers == [])


async def test_a_detached_video_is_found_again(start_suite: StartSuite, replicate: FakeReplicate) -> None:
    replicate.runs.append(make_waiting_run())
    async with start_suite() as suite:
        await _begin_and_leave(suite, detach=True)
        listening = asyncio.create_task(suite.resume("p1"))
        await until(lambda: bool(suite.progress))
        replicate.move("p1", "succeeded")
        video = await listening
    assert video.prediction_id == "p1"
    assert (replicate.created, replicate.cancelled) == (1, [])


async def test_a_video_outlives_the_process_that_began_it(start_suite: StartSuite, replicate: FakeReplicate) -> None:
    replicate.runs.append(make_waiting_run())
    async with start_suite() as suite:
        await _begin_and_leave(suite, detach=True, object_key="users/alice/cat.mp4")
    assert replicate.cancelled == []
    replicate.move("p1", "succeeded")
    async with start_suite() as suite:
        video = await suite.resume("p1")
        again = await suite.resume("p1")
    assert video.file.key == again.file.key == "users/alice/cat.mp4"
    assert video.prompt == "zoom in"
    assert len(replicate.downloads) == 1
    assert replicate.created == 1


async def test_a_video_is_found_by_its_owner_alone(start_suite: StartSuite, replicate: FakeReplicate) -> None:
    async with start_suite() as suite:
        await suite.generate(image_key="images/cat.png")
        foreign = await get_error(suite.resume("p1", "mallory"))
        request = video_pb2.CancelVideoRequest(prediction_id="p1")
        cancelled = await get_error(suite.stub.CancelVideo(request, metadata=call_metadata("mallory")))
    assert foreign.reason is cancelled.reason is Reason.NOT_FOUND


async def test_a_cancellation_of_the_owner_reaches_every_listener(
    start_suite: StartSuite, replicate: FakeReplicate
) -> None:
    replicate.runs.append(make_waiting_run())
    async with start_suite() as suite:
        listening = asyncio.create_task(get_error(suite.generate(image_key="images/cat.png", detach=True)))
        await until(lambda: bool(suite.progress))
        request = video_pb2.CancelVideoRequest(prediction_id="p1")
        first = await suite.stub.CancelVideo(request, metadata=call_metadata("alice"))
        assert (await listening).reason is Reason.CANCELLED
    assert first.cancelled
    assert replicate.cancelled == ["p1"]


async def test_equal_requests_at_once_share_one_video(start_suite: StartSuite, replicate: FakeReplicate) -> None:
    async with start_suite() as suite:
        video = await asyncio.gather(
            *(suite.generate(image_key="images/cat.png", request_id="story-7") for _ in range(5))
        )
    assert {item.file.key for item in video} == {video[0].file.key}
    assert replicate.created == 1


async def test_a_repeated_request_returns_the_same_video(start_suite: StartSuite, replicate: FakeReplicate) -> None:
    async with start_suite() as suite:
        first = await suite.generate(image_key="images/cat.png", request_id="story-7")
    async with start_suite() as suite:
        second = await suite.generate(image_key="images/cat.png", request_id="story-7")
        other = await get_error(suite.generate(image_key="images/cat.png", prompt="other", request_id="story-7"))
        await suite.generate("bob", image_url=_make_data_uri(), request_id="story-7")
    assert first.file.key == second.file.key
    assert (other.reason, [item.field for item in other.violations]) == (Reason.ALREADY_EXISTS, ["request_id"])
    assert replicate.created == 2


async def test_a_repeated_request_finds_its_video_at_its_destination(
    start_suite: StartSuite, replicate: FakeReplicate
) -> None:
    fields = {"image_key": "images/cat.png", "object_key": "users/alice/cat.mp4"}
    async with start_suite() as suite:
        first = await suite.generate(request_id="story-7", **fields)
        second = await suite.generate(request_id="story-7", **fields)
        other = await get_error(suite.generate(request_id="story-8", **fields))
        # A rejected request leaves no intent.
        await suite.generate(image_key="images/cat.png", request_id="story-8")
    assert first.file.key == second.file.key == "users/alice/cat.mp4"
    assert (other.reason, [item.field for item in other.violations]) == (Reason.ALREADY_EXISTS, ["object_key"])
    assert replicate.created == 2


async def test_a_request_that_failed_unpaid_may_be_repeated(start_suite: StartSuite, replicate: FakeReplicate) -> None:
    async with start_suite(max_attempts=1) as suite:
        replicate.failures["create"].append(DOWN)
        error = await get_error(suite.generate(image_key="images/cat.png", request_id="story-7"))
        assert error.reason is Reason.PROVIDER_UNAVAILABLE
        await suite.generate(image_key="images/cat.png", request_id="story-7")
    assert replicate.created == 1


@pytest.mark.parametrize("key", ["", "users/alice/cat.mp4"], ids=["any key", "a key of one's own"])
async def test_a_video_can_be_stored_later_if_the_store_was_down(
    start_suite: StartSuite, replicate: FakeReplicate, store: FakeObjectStore, key: str
) -> None:
    async with start_suite() as suite:
        store.puts_until_failure = 0
        error = await get_error(suite.generate(image_key="images/cat.png", object_key=key))
        assert error.reason is Reason.STORAGE_FAILED
        store.puts_until_failure = None
        video = await suite.resume("p1")
        assert video.file.key in store.objects
        assert not key or video.file.key == key
    assert replicate.created == 1


async def test_a_video_does_not_replace_another_that_was_stored_meanwhile(
    start_suite: StartSuite, replicate: FakeReplicate, store: FakeObjectStore
) -> None:
    replicate.runs.append(make_waiting_run())
    async with start_suite() as suite:
        await _begin_and_leave(suite, detach=True, object_key="users/alice/cat.mp4")
        await store.put("users/alice/cat.mp4", b"another", ObjectSpec("video/mp4", {"owner": "alice"}))
        replicate.move("p1", "succeeded")
        error = await get_error(suite.resume("p1"))
    assert error.reason is Reason.ALREADY_EXISTS
    assert store.objects["users/alice/cat.mp4"][1] == b"another"


async def test_a_video_that_is_paid_while_the_database_is_down_is_delivered_and_recorded_later(
    start_suite: StartSuite, replicate: FakeReplicate, records: FakeRecordStore
) -> None:
    async with start_suite() as suite:
        records.is_down = True
        video = await suite.generate(image_key="images/cat.png")
        assert (await suite.resume(video.prediction_id)).file.key == video.file.key
        records.is_down = False
        await until(lambda: ("alice", "video", video.file.key) in records.keys)
    assert (replicate.created, replicate.cancelled) == (1, [])


async def test_a_request_id_that_cannot_be_recorded_is_refused_unpaid(
    start_suite: StartSuite, replicate: FakeReplicate, records: FakeRecordStore
) -> None:
    records.is_down = True
    async with start_suite() as suite:
        error = await get_error(suite.generate(image_key="images/cat.png", request_id="story-7"))
    assert (error.reason, replicate.created) == (Reason.UNAVAILABLE, 0)


async def test_a_result_that_is_not_a_video_is_a_failure_of_the_provider(
    start_suite: StartSuite, replicate: FakeReplicate
) -> None:
    replicate.video = b"<html>gone</html>"
    async with start_suite() as suite:
        error = await get_error(suite.generate(image_key="images/cat.png"))
        assert suite.leftovers == []
    assert error.reason is Reason.GENERATION_FAILED


async def _begin_and_leave(suite: VideoSuite, **fields: Any) -> None:
    """Begin a generation and leave once its id is known."""
    request = video_pb2.GenerateVideoRequest(prompt="zoom in", image_key="images/cat.png", **fields)
    async with open_stream(suite.stub.GenerateVideo(request, metadata=call_metadata("alice"))) as call:
        assert (await anext(aiter(call))).progress.prediction_id == "p1"


def _make_data_uri() -> str:
    return f"data:image/png;base64,{base64.b64encode(SOURCE_IMAGE).decode()}"
