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
    VideoFailed,
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
    failed,
    job,
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
    told: list[tuple[str, float]] = field(default_factory=list)

    async def follow_job(self) -> None:
        """Listen until the job has ended."""
        await follow_job(self.session, JOB_ID, lambda *told: self.told.append(told), RETRY_MILLISECONDS / 1000)

    async def download(self, name: str, file: Path) -> None:
        """Download a file of the edge."""
        await download(f"{self.url}media/{name}", file)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    headers = {"Authorization": "Bearer a token"}
    async with run_video_edge() as (edge, url), aiohttp.ClientSession(url, headers=headers) as session:
        yield Client(edge, url, session)


def files_in(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


async def test_an_image_is_painted_or_brought_along(client: Client) -> None:
    assert (await generate_image(client.session, "A cat"))["key"] == "images/image.png"
    assert (await upload_image(client.session, b"bytes"))["key"] == "images/image.png"
    assert client.edge.asked == [
        ("/api/image/generate", {"prompt": "A cat", "imageSize": "landscape_16_9"}),
        ("/api/image/upload", b"bytes"),
    ]


async def test_a_video_is_asked_for_with_speech_and_a_track_of_captions(client: Client) -> None:
    assert await create_job(client.session, "images/image.png", SCRIPT) == JOB_ID
    spec = {
        "video": {"imageKey": "images/image.png", "prompt": "zoom in"},
        "narration": {"text": "Hi", "voice": "Sarah"},
        "captions": "JOB_CAPTIONS_TRACK",
    }
    assert client.edge.asked == [("/api/jobs", {"talkingVideo": spec})]


async def test_every_change_is_reported_in_words(client: Client) -> None:
    client.edge.changes = (*CHANGES[:2], job("video", 15, "QUEUED"), *CHANGES[2:])
    await client.follow_job()
    assert client.told == [
        ("waiting for a worker", 0),
        ("generating speech", 1),
        ("waiting for the next attempt", 15),
        ("generating video", 15),
        ("muxing speech and video", 85),
        ("done", 100),
    ]
    assert client.edge.came_back == [""]


async def test_a_client_that_reconnects_continues_after_the_last_event(client: Client) -> None:
    client.edge.breaks = deque([2, 0, 1])
    await client.follow_job()
    assert [percent for _, percent in client.told] == [0, 1, 15, 85, 100]
    assert client.edge.came_back == ["", "2", "2", "3"]


async def test_a_part_that_is_away_for_a_moment_is_waited_for(client: Client) -> None:
    client.edge.refusals[EVENTS] = deque([Refusal(503, "UNAVAILABLE"), Refusal(502)])
    await client.follow_job()
    assert client.told[-1] == ("done", 100)


async def test_breaks_without_any_news_come_to_an_end(client: Client) -> None:
    client.edge.breaks = deque([2] + [0] * MAX_BREAKS)
    with pytest.raises(VideoFailed, match=r"cannot be followed.*make doctor"):
        await client.follow_job()
    assert client.edge.came_back == ["", *["2"] * MAX_BREAKS]


async def test_a_suite_that_stays_away_is_quoted(client: Client) -> None:
    client.edge.refusals[EVENTS] = deque([Refusal(503, "UNAVAILABLE")] * (MAX_BREAKS + 1))
    with pytest.raises(VideoFailed, match="UNAVAILABLE: Not this one"):
        await client.follow_job()


async def test_a_refusal_to_listen_is_not_asked_again(client: Client) -> None:
    client.edge.refusals[EVENTS] = deque([Refusal(404, "JOB_NOT_FOUND")])
    with pytest.raises(VideoFailed, match=r"JOB_NOT_FOUND: Not this one\. \(request r1\)"):
        await client.follow_job()
    assert client.edge.came_back == []


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (failed("CONTENT_BLOCKED", "video"), "failed at the stage video: CONTENT_BLOCKED: Draw something else"),
        (failed("INTERNAL", ""), "failed: INTERNAL"),
        (job("video", 20, "CANCELLED"), "was cancelled"),
    ],
)
async def test_a_job_without_a_video_says_why_and_what_to_do(client: Client, end: dict[str, Any], words: str) -> None:
    client.edge.changes = (*CHANGES[:2], end)
    with pytest.raises(VideoFailed, match=f"{JOB_ID} {words}[\\s\\S]*make doctor"):
        await client.follow_job()


async def test_a_client_that_stops_listening_ends_the_job(client: Client) -> None:
    # The edge says nothing of the end, so that the listener would come back for long.
    client.edge.changes = CHANGES[:2]
    listening = asyncio.create_task(client.follow_job())
    await until(lambda: len(client.told) == 2)
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
    assert client.edge.asked == [(f"/api/jobs/{JOB_ID}/cancel", {})]


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (Refusal(429, "QUOTA_EXCEEDED"), r"QUOTA_EXCEEDED: Not this one\. \(request r1\)"),
        (Refusal(502), "HTTP status 502.*make doctor"),
    ],
)
async def test_a_refusal_is_reported_with_its_message(client: Client, refusal: Refusal, words: str) -> None:
    client.edge.refusals["/api/jobs"] = deque([refusal])
    with pytest.raises(VideoFailed, match=words):
        await create_job(client.session, "images/image.png", SCRIPT)


async def test_a_suite_that_cannot_be_reached_is_reported() -> None:
    async with run_video_edge() as (_, gone):
        pass
    async with aiohttp.ClientSession(gone) as session:
        with pytest.raises(VideoFailed, match=r"POST /api/image/generate was not answered.*make doctor"):
            await generate_image(session, "A cat")


async def test_a_result_has_its_timing(client: Client) -> None:
    assert (await fetch_result(client.session, JOB_ID))["alignment"] == ALIGNMENT


async def test_a_file_arrives_whole_and_takes_the_place_of_the_one_before(client: Client, tmp_path: Path) -> None:
    (tmp_path / "talking.mp4").write_bytes(b"of yesterday")
    await client.download("c.mp4", tmp_path / "talking.mp4")
    assert (tmp_path / "talking.mp4").read_bytes() == FILES["c.mp4"]
    assert files_in(tmp_path) == ["talking.mp4"]
    assert client.edge.shown_tokens == set()


async def test_a_cut_file_is_an_error_and_leaves_the_one_before(client: Client, tmp_path: Path) -> None:
    (tmp_path / "talking.mp4").write_bytes(b"of yesterday")
    client.edge.cut = {"c.mp4"}
    with pytest.raises(VideoFailed, match=r"talking\.mp4 was cut off"):
        await client.download("c.mp4", tmp_path / "talking.mp4")
    assert (tmp_path / "talking.mp4").read_bytes() == b"of yesterday"
    assert files_in(tmp_path) == ["talking.mp4"]


async def test_an_expired_link_is_reported(client: Client, tmp_path: Path) -> None:
    client.edge.refusals["/media/c.mp4"] = deque([Refusal(404, "NOT_FOUND")])
    with pytest.raises(VideoFailed, match="NOT_FOUND"):
        await client.download("c.mp4", tmp_path / "talking.mp4")
    assert files_in(tmp_path) == []


async def test_a_folder_that_cannot_be_written_names_the_option(client: Client, tmp_path: Path) -> None:
    with pytest.raises(VideoFailed, match="--output"):
        await client.download("c.mp4", tmp_path / "nowhere" / "talking.mp4")
