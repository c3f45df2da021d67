"""Tests of videos over HTTP: lines of progress, streamed videos, files in JSON, and webhooks."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from services.common.images import Size
from services.common.storage import ObjectSpec
from services.common.worker_pool import WorkerPool
from tests.fakes.gateway import run_gateway
from tests.fakes.image_provider import make_image
from tests.fakes.media import make_speech
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.replicate import API_TOKEN, WEBHOOK_SECRET, FakeReplicate, Run, run_replicate
from tests.integration.video.conftest import VideoSuite, pool, run_video_service, two_seconds, workers

__all__ = ["pool", "two_seconds", "workers"]

ALICE = {"X-Media-Principal": "alice"}


@pytest.fixture
async def replicate(two_seconds: bytes) -> AsyncIterator[FakeReplicate]:
    async with run_replicate() as fake:
        fake.video = two_seconds
        yield fake


@pytest.fixture
async def suite(workers: WorkerPool, tmp_path: Path, replicate: FakeReplicate) -> AsyncIterator[VideoSuite]:
    store = FakeObjectStore()
    await store.put("images/cat.png", make_image(Size(320, 200)), ObjectSpec("image/png", {"owner": "alice"}))
    async with run_video_service(
        workers,
        tmp_path / "work",
        store,
        default_provider="embedded",
        replicate_api_token=API_TOKEN,
        replicate_base_url=replicate.base_url,
        replicate_webhook_secret=WEBHOOK_SECRET,
    ) as started:
        yield started


@pytest.fixture
async def http(suite: VideoSuite) -> AsyncIterator[aiohttp.ClientSession]:
    async with run_gateway(video=suite.channel) as session:
        yield session


def encode_base64(data: bytes) -> dict[str, str]:
    return {"data": base64.b64encode(data).decode()}


async def read_lines(answer: aiohttp.ClientResponse) -> list[dict[str, Any]]:
    assert answer.content_type == "application/x-ndjson"
    return [orjson.loads(line) async for line in answer.content]


async def read_error(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    error: dict[str, Any] = (await answer.json())["error"]
    return error


async def test_lines_of_progress_come_first_and_the_video_last(http: aiohttp.ClientSession) -> None:
    body = {"prompt": "zoom in", "imageKey": "images/cat.png", "seconds": 1, "resolution": "512p"}
    async with http.post("/api/video/generate", json=body, headers=ALICE) as answer:
        assert answer.status == 200
        *progress, last = await read_lines(answer)
    assert [set(line) for line in progress] == [{"progress"}] * len(progress)
    assert {line["progress"]["predictionId"] for line in progress} == {last["video"]["predictionId"]}
    assert last["video"]["file"]["contentType"] == "video/mp4"
    body = {"predictionId": last["video"]["predictionId"]}
    async with http.post("/api/video/resume", json=body, headers=ALICE) as answer:
        assert (await read_lines(answer))[-1]["video"]["file"]["key"] == last["video"]["file"]["key"]
    async with http.delete(f"/api/video/{last['video']['file']['key']}", headers=ALICE) as answer:
        assert await answer.json() == {"success": True, "deletedKeys": [last["video"]["file"]["key"]]}


async def test_speech_and_video_may_be_sent_in_base64(http: aiohttp.ClientSession, two_seconds: bytes) -> None:
    body = {
        "video": encode_base64(two_seconds),
        "audio": encode_base64(make_speech(3.0)),
        "lengthPolicy": "loop",
    }
    async with http.post("/api/video/mux", json=body, headers=ALICE) as answer:
        video = (await read_lines(answer))[-1]["video"]
    assert (video["loopedSeconds"], video["audioDelayMs"], video["videoCopied"]) == (1.5, 500, True)


async def test_a_video_is_streamed_while_it_is_muxed(http: aiohttp.ClientSession, two_seconds: bytes) -> None:
    body = {"video": encode_base64(two_seconds), "audio": encode_base64(make_speech(1.0))}
    async with http.post("/api/video/mux/stream", json=body, headers=ALICE) as answer:
        assert (answer.status, answer.content_type, answer.content_length) == (200, "video/mp4", None)
        video = await answer.read()
    assert video[4:8] == b"ftyp"
    assert b"moof" in video


async def test_the_type_of_a_file_is_detected(http: aiohttp.ClientSession, two_seconds: bytes) -> None:
    async with http.post("/api/video/probe", json={"media": encode_base64(two_seconds)}, headers=ALICE) as answer:
        report = await answer.json()
    assert (report["success"], report["container"], report["durationSeconds"]) == (True, "mp4", 2.0)
    assert [(stream["kind"], stream["codec"], stream["width"]) for stream in report["streams"]] == [
        ("video", "h264", 320)
    ]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/video/generate", {"prompt": "", "imageKey": "images/cat.png"}, "prompt"),
        ("/api/video/generate", {"prompt": "x", "imageKey": "images/cat.png", "seconds": 61}, "seconds"),
        ("/api/video/generate", {"prompt": "x", "imageKey": "images/cat.png", "colour": 1}, "colour"),
        ("/api/video/generate", {"prompt": "x", "imageUrl": "http://169.254.169.254/"}, "imageUrl"),
        ("/api/video/mux", {"video": {"data": "AAAA"}}, "audio"),
        (
            "/api/video/mux",
            {"video": encode_base64(b"#EXTM3U\n" * 9), "audio": encode_base64(make_speech(0.1))},
            "video",
        ),
        (
            "/api/video/mux/stream",
            {"video": encode_base64(b"<svg/>" * 9), "audio": encode_base64(make_speech(0.1))},
            "video",
        ),
        ("/api/video/probe", {"media": {"url": "file:///etc/passwd"}}, "media.url"),
        ("/api/video/resume", {"predictionId": "nobody-knows-it"}, "predictionId"),
        ("/api/video/cancel", {"predictionId": "../../x"}, "predictionId"),
    ],
)
async def test_an_early_refusal_is_a_plain_error(
    http: aiohttp.ClientSession, path: str, body: dict[str, Any], field: str
) -> None:
    async with http.post(path, json=body, headers=ALICE) as answer:
        assert 400 <= answer.status < 500
        assert field in [detail["field"] for detail in (await read_error(answer))["details"]]


async def test_stream_media_is_refused_with_the_name_of_its_route(http: aiohttp.ClientSession) -> None:
    body = {"video": {"key": "a"}, "audio": {"key": "b"}, "streamMedia": True}
    async with http.post("/api/video/mux", json=body, headers=ALICE) as answer:
        assert answer.status == 400
        assert "/api/video/mux/stream" in (await read_error(answer))["message"]


async def test_a_late_failure_is_the_last_line_and_cuts_the_answer(
    http: aiohttp.ClientSession, replicate: FakeReplicate
) -> None:
    replicate.runs.append(Run(statuses=("processing", "failed"), error="NSFW content detected: the prompt was X"))
    body = {"prompt": "x", "imageKey": "images/cat.png", "provider": "replicate"}
    received, is_cut = b"", False
    async with http.post("/api/video/generate", json=body, headers=ALICE) as answer:
        try:
            async for chunk in answer.content.iter_any():
                received += chunk
        except aiohttp.ClientPayloadError:
            is_cut = True
    assert is_cut
    last = orjson.loads(received.splitlines()[-1])
    assert last["error"]["code"] == "CONTENT_BLOCKED"
    assert b"the prompt was" not in received


async def test_a_webhook_needs_a_valid_signature(http: aiohttp.ClientSession, replicate: FakeReplicate) -> None:
    body = {"prompt": "x", "imageKey": "images/cat.png", "provider": "replicate"}
    async with http.post("/api/video/generate", json=body, headers=ALICE) as answer:
        await read_lines(answer)
    headers, data = replicate.webhook("p1", time.time())
    async with http.post("/webhooks/replicate", data=data, headers=headers) as answer:
        assert await answer.json() == {"success": True, "awaited": False}
    async with http.post("/webhooks/replicate", data=data + b" ", headers=headers) as answer:
        assert answer.status == 403
    async with http.post("/webhooks/replicate", data=data) as answer:
        assert answer.status == 400
