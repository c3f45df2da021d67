"""Tests of the demo's client against a scripted edge."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from examples.talking_video.video_client import (
    MAX_BREAKS,
    Script,
    VideoError,
    create_job,
    download,
    fetch_result,
    follow_job,
    generate_image,
    upload_image,
)
from tests.fakes.video_edge import (
    ALIGNMENT,
    CHANGES,
    FILES,
    JOB_ID,
    RETRY_MILLISECONDS,
    Refusal,
    VideoEdge,
    make_failed_job,
    make_job,
    run_video_edge,
)
from tests.fakes.waiting import until

EVENTS = f"/api/jobs/{JOB_ID}/events"
SCRIPT = Script("Hi", "Sarah", "zoom in")


@dataclass(frozen=True, slots=True)
class Client:
    """A client of the edge, and the events that it receives."""

    edge: VideoEdge
    url: str
    session: aiohttp.ClientSession
    progress: list[tuple[str, float]] = field(default_factory=list)

    async def follow_job(self) -> None:
        """Follow the job until it has ended."""
        await follow_job(
            self.session, JOB_ID, lambda *progress: self.progress.append(progress), RETRY_MILLISECONDS / 1000
        )

    async def download(self, name: str, file: Path) -> None:
        """Download a file of the edge."""
        await download(f"{self.url}media/{name}", file)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    headers = {"Authorization": "Bearer a token"}
    async with run_video_edge() as (edge, url), aiohttp.ClientSession(url, headers=headers) as session:
        yield Client(edge, url, session)


def list_files(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


async def test_an_image_is_generated_or_uploaded(client: Client) -> None:
    assert (await generate_image(client.session, "A cat"))["key"] == "images/image.png"
    assert (await upload_image(client.session, b"bytes"))["key"] == "images/image.png"
    assert client.edge.requests == [
        ("/api/image/generate", {"prompt": "A cat", "imageSize": "landscape_16_9"}),
        ("/api/image/upload", b"bytes"),
    ]


async def test_the_job_has_speech_and_a_caption_track(client: Client) -> None:
    assert await create_job(client.session, "images/image.png", SCRIPT) == JOB_ID
    spec = {
        "video": {"imageKey": "images/image.png", "prompt": "zoom in"},
        "narration": {"text": "Hi", "voice": "Sarah"},
        "captions": "track",
    }
    assert client.edge.requests == [("/api/jobs", {"talkingVideo": spec})]


async def test_every_change_is_reported(client: Client) -> None:
    client.edge.changes = (*CHANGES[:2], make_job("video", 15, "QUEUED"), *CHANGES[2:])
    await client.follow_job()
    assert client.progress == [
        ("waiting for a worker", 0),
        ("generating speech", 1),
        ("waiting for the next attempt", 15),
        ("generating video", 15),
        ("muxing speech and video", 85),
        ("done", 100),
    ]
    assert client.edge.last_event_ids == [""]


async def test_a_client_that_reconnects_continues_after_the_last_event(client: Client) -> None:
    client.edge.breaks = deque([2, 0, 1])
    await client.follow_job()
    assert [percent for _, percent in client.progress] == [0, 1, 15, 85, 100]
    assert client.edge.last_event_ids == ["", "2", "2", "3"]


async def test_a_short_outage_is_survived(client: Client) -> None:
    client.edge.refusals[EVENTS] = deque([Refusal(503, "UNAVAILABLE"), Refusal(502)])
    await client.follow_job()
    assert client.progress[-1] == ("done", 100)


async def test_repeated_breaks_without_events_are_an_error(client: Client) -> None:
    client.edge.breaks = deque([2] + [0] * MAX_BREAKS)
    with pytest.raises(VideoError, match=r"cannot be followed.*make doctor"):
        await client.follow_job()
    assert client.edge.last_event_ids == ["", *["2"] * MAX_BREAKS]


async def test_the_error_of_a_long_outage_is_quoted(client: Client) -> None:
    client.edge.refusals[EVENTS] = deque([Refusal(503, "UNAVAILABLE")] * (MAX_BREAKS + 1))
    with pytest.raises(VideoError, match="UNAVAILABLE: Not this one"):
        await client.follow_job()


async def test_a_refused_event_stream_is_not_retried(client: Client) -> None:
    client.edge.refusals[EVENTS] = deque([Refusal(404, "JOB_NOT_FOUND")])
    with pytest.raises(VideoError, match=r"JOB_NOT_FOUND: Not this one\. \(request r1\)"):
        await client.follow_job()
    assert client.edge.last_event_ids == []


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (make_failed_job("CONTENT_BLOCKED", "video"), "failed at the stage video: CONTENT_BLOCKED: Change the prompt"),
        (make_failed_job("INTERNAL", ""), "failed: INTERNAL"),
        (make_job("video", 20, "CANCELLED"), "was cancelled"),
    ],
)
async def test_the_error_of_a_failed_job_has_reason_and_remedy(client: Client, end: dict[str, Any], words: str) -> None:
    client.edge.changes = (*CHANGES[:2], end)
    with pytest.raises(VideoError, match=f"{JOB_ID} {words}[\\s\\S]*make doctor"):
        await client.follow_job()


async def test_cancelling_the_client_cancels_the_job(client: Client) -> None:
    # The edge never sends the end, so without a cancellation the client would reconnect many times.
    client.edge.changes = CHANGES[:2]
    following = asyncio.create_task(client.follow_job())
    await until(lambda: len(client.progress) == 2)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    assert client.edge.requests == [(f"/api/jobs/{JOB_ID}/cancel", {})]


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (Refusal(429, "QUOTA_EXCEEDED"), r"QUOTA_EXCEEDED: Not this one\. \(request r1\)"),
        (Refusal(502), "HTTP status 502.*make doctor"),
    ],
)
async def test_a_refusal_is_reported_with_its_message(client: Client, refusal: Refusal, words: str) -> None:
    client.edge.refusals["/api/jobs"] = deque([refusal])
    with pytest.raises(VideoError, match=words):
        await create_job(client.session, "images/image.png", SCRIPT)


async def test_a_suite_that_cannot_be_reached_is_reported() -> None:
    async with run_video_edge() as (_, closed_url):
        pass
    async with aiohttp.ClientSession(closed_url) as session:
        with pytest.raises(VideoError, match=r"POST /api/image/generate was not answered.*make doctor"):
            await generate_image(session, "A cat")


async def test_a_result_has_its_timing(client: Client) -> None:
    assert (await fetch_result(client.session, JOB_ID))["alignment"] == ALIGNMENT


async def test_a_download_replaces_the_previous_file(client: Client, tmp_path: Path) -> None:
    (tmp_path / "talking.mp4").write_bytes(b"previous")
    await client.download("c.mp4", tmp_path / "talking.mp4")
    assert (tmp_path / "talking.mp4").read_bytes() == FILES["c.mp4"]
    assert list_files(tmp_path) == ["talking.mp4"]
    assert client.edge.token_paths == set()


async def test_a_cut_download_is_an_error_and_leaves_the_previous_file(client: Client, tmp_path: Path) -> None:
    (tmp_path / "talking.mp4").write_bytes(b"previous")
    client.edge.cut = {"c.mp4"}
    with pytest.raises(VideoError, match=r"talking\.mp4 was cut off"):
        await client.download("c.mp4", tmp_path / "talking.mp4")
    assert (tmp_path / "talking.mp4").read_bytes() == b"previous"
    assert list_files(tmp_path) == ["talking.mp4"]


async def test_an_expired_link_is_reported(client: Client, tmp_path: Path) -> None:
    client.edge.refusals["/media/c.mp4"] = deque([Refusal(404, "NOT_FOUND")])
    with pytest.raises(VideoError, match="NOT_FOUND"):
        await client.download("c.mp4", tmp_path / "talking.mp4")
    assert list_files(tmp_path) == []


async def test_a_folder_that_cannot_be_written_names_the_option(client: Client, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="--output"):
        await client.download("c.mp4", tmp_path / "nowhere" / "talking.mp4")
