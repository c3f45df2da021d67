"""Unsupported, too long and hostile files: each has its error and leaves no files."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from media.video.v1 import video_pb2

from services.common.errors import Reason
from services.common.rpc.channel import call_metadata, open_stream
from services.common.worker_pool import WorkerPool
from tests.fakes.media import make_speech, make_video
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.waiting import until
from tests.fakes.web_host import WebHost, run_web_host
from tests.integration.video.conftest import VideoSuite, get_error, run_video_service

HLS = b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
CONCAT = b"ffconcat version 1.0\nfile '/etc/passwd'\n"
NOTHING_KNOWN = {"playlist": HLS, "svg": SVG, "concat script": CONCAT, "html": b"<html>" * 9, "letters": b"x"}


@pytest.mark.parametrize("field", ["video", "audio"])
@pytest.mark.parametrize("data", NOTHING_KNOWN.values(), ids=NOTHING_KNOWN)
async def test_an_unsupported_file_is_rejected_by_its_first_bytes(
    suite: VideoSuite, two_seconds: bytes, data: bytes, field: str
) -> None:
    given = {"video": two_seconds, "audio": make_speech(1.0)} | {field: data}
    error = await get_error(suite.mux(given["video"], given["audio"]))
    assert error.reason is Reason.MEDIA_INVALID
    assert [item.field for item in error.violations] == [field]
    assert suite.leftovers == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:12] + HLS,
        lambda data: data[: len(data) // 3],
        lambda data: data[:64],
        lambda data: b"\x00\x00\x00\x20ftypisom" + b"\xff" * 5000,
    ],
    ids=["a playlist behind a header", "cut", "a header alone", "noise"],
)
async def test_a_broken_video_is_rejected(suite: VideoSuite, two_seconds: bytes, damage: Any) -> None:
    error = await get_error(suite.mux(damage(two_seconds), make_speech(1.0)))
    assert error.reason is Reason.MEDIA_INVALID
    assert [item.field for item in error.violations] == ["video"]
    assert suite.leftovers == []


async def test_speech_without_audio_and_a_video_without_image_are_rejected(
    suite: VideoSuite, two_seconds: bytes
) -> None:
    silent = await get_error(suite.mux(two_seconds, two_seconds))
    assert (silent.reason, [item.field for item in silent.violations]) == (Reason.MEDIA_INVALID, ["audio"])
    dark = await get_error(suite.mux(make_speech(1.0), make_speech(1.0)))
    assert (dark.reason, [item.field for item in dark.violations]) == (Reason.MEDIA_INVALID, ["video"])


async def test_an_empty_file_does_not_reach_ffmpeg(suite: VideoSuite, two_seconds: bytes) -> None:
    error = await get_error(suite.mux(two_seconds, b""))
    assert error.reason is Reason.VALIDATION_ERROR


async def test_a_file_of_hours_is_rejected(workers: WorkerPool, tmp_path: Path, two_seconds: bytes) -> None:
    hours = make_video(tmp_path, 30.0, rate=1, size="64x64").read_bytes()
    async with run_video_service(workers, tmp_path / "work", FakeObjectStore(), max_seconds=20.0) as suite:
        long = await get_error(suite.mux(hours, make_speech(1.0)))
        assert (long.reason, [item.field for item in long.violations]) == (Reason.MEDIA_INVALID, ["video"])
        assert "at most 20" in long.message
        together = await get_error(suite.mux(two_seconds, make_speech(19.8), audio_delay_ms=500))
        assert (together.reason, [item.field for item in together.violations]) == (Reason.MEDIA_INVALID, ["audio"])
        assert suite.leftovers == []


async def test_speech_is_at_most_nine_and_a_half_mebibytes(suite: VideoSuite, two_seconds: bytes) -> None:
    error = await get_error(suite.mux(two_seconds, make_speech(115.0)))
    assert error.reason is Reason.PAYLOAD_TOO_LARGE
    assert [item.field for item in error.violations] == ["audio"]


@pytest.fixture
async def web_host() -> AsyncIterator[WebHost]:
    async with run_web_host() as host:
        yield host


async def test_a_url_with_a_too_large_content_length_is_not_read(suite: VideoSuite, web_host: WebHost) -> None:
    async def announce_too_much(_: web.Request) -> web.StreamResponse:
        return web.Response(headers={"Content-Length": str(20 * 1024**3)})

    web_host.pages["/video.mp4"] = announce_too_much
    url = video_pb2.MediaSource(url=web_host.url("/video.mp4"))
    error = await get_error(suite.mux(url, make_speech(1.0)))
    assert error.reason is Reason.PAYLOAD_TOO_LARGE
    assert [item.field for item in error.violations] == ["video.url"]


async def test_a_download_of_an_unsupported_file_stops_after_its_first_bytes(
    suite: VideoSuite, web_host: WebHost
) -> None:
    left = asyncio.Event()

    async def send_endlessly(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(HLS)
                await asyncio.sleep(0)
        except (ConnectionError, asyncio.CancelledError):
            left.set()
            raise

    web_host.pages["/video.mp4"] = send_endlessly
    error = await get_error(suite.mux(video_pb2.MediaSource(url=web_host.url("/video.mp4")), make_speech(1.0)))
    assert error.reason is Reason.MEDIA_INVALID
    async with asyncio.timeout(5):
        await left.wait()
    assert suite.leftovers == []


async def test_a_url_of_a_private_address_is_rejected(workers: WorkerPool, tmp_path: Path) -> None:
    async with run_video_service(workers, tmp_path / "work", FakeObjectStore(), fetch_allow="") as suite:
        for url in (
            "http://127.0.0.1/a.mp4",
            "http://169.254.169.254/a.mp4",
            "http://[::1]/a.mp4",
            "file:///etc/passwd",
        ):
            error = await get_error(suite.mux(video_pb2.MediaSource(url=url), make_speech(1.0)))
            assert error.reason in (Reason.URL_FORBIDDEN, Reason.VALIDATION_ERROR), url
            assert [item.field for item in error.violations] == ["video.url"]


@asynccontextmanager
async def run_with_ffmpeg(script: str, workers: WorkerPool, folder: Path, **changes: Any) -> AsyncIterator[VideoSuite]:
    """Run the service with a script in place of ffmpeg."""
    program = folder / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    async with run_video_service(
        workers, folder / "work", FakeObjectStore(), ffmpeg_binary=str(program), ffmpeg_slots=1, **changes
    ) as suite:
        yield suite


HANGS = 'echo $$ > "$HOME/../../../pid"; sleep 600 & echo $! > "$HOME/../../../child"; wait'


def is_alive(file: Path) -> bool:
    try:
        # Empty if the process was killed before it wrote its number.
        number = int(file.read_text() or 0)
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    # Raised if the process has gone before, or goes during the read.
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


async def test_a_hanging_ffmpeg_is_killed_with_its_children(
    workers: WorkerPool, tmp_path: Path, two_seconds: bytes
) -> None:
    async with run_with_ffmpeg(HANGS, workers, tmp_path, ffmpeg_timeout_seconds=0.5) as suite:
        error = await get_error(suite.mux(two_seconds, make_speech(1.0)))
        assert error.reason is Reason.MEDIA_INVALID
        # A killed process closes its pipes shortly before it is gone.
        await until(lambda: not (is_alive(tmp_path / "pid") or is_alive(tmp_path / "child")))
        assert suite.leftovers == []
        # The only permit is free again.
        again = await get_error(suite.mux(two_seconds, make_speech(1.0)))
        assert again.reason is Reason.MEDIA_INVALID


async def test_a_cancelled_call_kills_ffmpeg(workers: WorkerPool, tmp_path: Path, two_seconds: bytes) -> None:
    async with run_with_ffmpeg(HANGS, workers, tmp_path) as suite:
        request = video_pb2.MuxVideoRequest(
            video=video_pb2.MediaSource(data=two_seconds), audio=video_pb2.MediaSource(data=make_speech(1.0))
        )
        call = suite.stub.MuxVideo(request, metadata=call_metadata("alice"))
        async with open_stream(call):
            async for event in call:
                if event.progress.state == video_pb2.VIDEO_STATE_RUNNING:
                    break
        await until(lambda: not (suite.leftovers or is_alive(tmp_path / "pid") or is_alive(tmp_path / "child")))


async def test_a_killed_ffmpeg_is_an_error_and_leaves_no_files(
    workers: WorkerPool, tmp_path: Path, two_seconds: bytes
) -> None:
    async with run_with_ffmpeg("kill -9 $$", workers, tmp_path) as suite:
        error = await get_error(suite.mux(two_seconds, make_speech(1.0)))
        assert error.reason is Reason.GENERATION_FAILED
        assert suite.leftovers == []


async def test_messages_of_ffmpeg_are_not_returned_to_the_caller(
    workers: WorkerPool, tmp_path: Path, two_seconds: bytes
) -> None:
    async with run_with_ffmpeg('echo "secret words of a video" >&2; exit 1', workers, tmp_path) as suite:
        error = await get_error(suite.mux(two_seconds, make_speech(1.0)))
        assert error.reason is Reason.MEDIA_INVALID
        assert "secret" not in error.message


async def test_no_key_reaches_the_environment_of_ffmpeg(
    workers: WorkerPool, tmp_path: Path, two_seconds: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPLICATE_API_TOKEN", "r8_secret")
    async with run_with_ffmpeg('env > "$HOME/../../../env"; exit 1', workers, tmp_path) as suite:
        await get_error(suite.mux(two_seconds, make_speech(1.0)))
    assert "r8_secret" not in (tmp_path / "env").read_text()
    assert "REPLICATE" not in (tmp_path / "env").read_text()


async def test_progress_reports_the_position_in_the_queue(
    workers: WorkerPool, tmp_path: Path, two_seconds: bytes
) -> None:
    async with run_with_ffmpeg(HANGS, workers, tmp_path) as suite:
        request = video_pb2.MuxVideoRequest(
            video=video_pb2.MediaSource(data=two_seconds), audio=video_pb2.MediaSource(data=make_speech(1.0))
        )
        first = suite.stub.MuxVideo(request, metadata=call_metadata("alice"))
        async with open_stream(first):
            assert (await anext(aiter(first))).progress.state == video_pb2.VIDEO_STATE_RUNNING
            second = suite.stub.MuxVideo(request, metadata=call_metadata("bob"))
            async with open_stream(second):
                progress = (await anext(aiter(second))).progress
                assert (progress.state, progress.queue_position) == (video_pb2.VIDEO_STATE_QUEUED, 1)
