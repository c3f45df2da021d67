"""Streaming mux: ffmpeg does not wait for the reader, and an early cancellation stores nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from services.video.ffmpeg import Command, FfmpegRunner, RunCallbacks
from services.video.ffmpeg.arguments import RESULT, Input
from services.video.frame_format import FrameFormat
from services.video.frame_times import FrameTimes
from services.video.inputs import Inputs, LocalInput, Source
from services.video.mux import Muxer, MuxRequest
from services.video.probe import MediaFile, StreamInfo
from services.video.progress import ProgressChannel
from services.video.video_store import StoredVideo, VideoStore
from services.video.workspace import Workspaces
from tests.fakes.waiting import until

IMAGE = StreamInfo(
    "video",
    "h264",
    2.0,
    320,
    240,
    24.0,
    packets=48,
    frames=FrameTimes(48, 0.0, 2.0, 24.0, is_steady=True, typical_interval_seconds=1 / 24),
    format=FrameFormat(320, 240, "yuv420p"),
)
SOUND = StreamInfo("audio", "mp3", 1.0, sample_rate_hz=44_100, channels=1, packets=40)
MEDIA = MediaFile("mp4", 1000, (IMAGE, SOUND))
RESULT_MEDIA = MediaFile("mp4", 1000, (IMAGE, replace(SOUND, duration_seconds=2.0)))
PIECES = [bytes([number]) * 100_000 for number in range(20)]
REQUEST = MuxRequest(Source(data=b"video"), Source(data=b"speech"), stream_media=True)


class FakeInputs:
    """Returns a video and speech for any source."""

    async def fetch(self, source: Source, folder: Path, name: str, principal: str, **_: Any) -> LocalInput:
        return LocalInput(Input(f"{name}.mp4", "mov"), MEDIA)

    async def probe(self, path: Path, *_: Any) -> MediaFile:
        return RESULT_MEDIA


class FakeRunner:
    """Writes the output at once."""

    def __init__(self) -> None:
        self.ended = 0

    async def run(
        self,
        command: Command,
        folder: Path,
        watch: RunCallbacks,
        sink: Callable[[bytes], Awaitable[None]] | None = None,
    ) -> None:
        if sink is not None:
            for piece in PIECES:
                await sink(piece)
        else:
            await asyncio.to_thread((folder / RESULT).write_bytes, b"the whole video")
        self.ended += 1


class FakeVideoStore:
    """Stores videos in memory."""

    def __init__(self) -> None:
        self.stored: list[str] = []

    async def check(self, *_: Any) -> None:
        return

    async def put(self, path: Path, sha256: str, *_: Any) -> StoredVideo:
        self.stored.append(path.name)
        return StoredVideo("videos/1.mp4", sha256, MEDIA)


@pytest.fixture
async def workspaces(tmp_path: Path) -> AsyncIterator[Workspaces]:
    with Workspaces(tmp_path).open() as opened:
        yield opened


def make_muxer(runner: FakeRunner, video_store: FakeVideoStore, workspaces: Workspaces) -> Muxer:
    return Muxer(
        cast("Inputs", FakeInputs()), cast("FfmpegRunner", runner), cast("VideoStore", video_store), workspaces, 600
    )


async def test_ffmpeg_finishes_without_a_reader(workspaces: Workspaces) -> None:
    runner, video_store, channel = FakeRunner(), FakeVideoStore(), ProgressChannel()
    work = asyncio.create_task(make_muxer(runner, video_store, workspaces).mux(REQUEST, "alice", channel))
    await until(lambda: runner.ended == 2)
    assert video_store.stored == []
    received = b""
    while len(received) < sum(map(len, PIECES)):
        received += b"".join(item for item in await channel.receive() if isinstance(item, bytes))
    assert received == b"".join(PIECES)
    assert (await work).video.key == "videos/1.mp4"
    assert video_store.stored == [RESULT]


async def test_a_call_that_is_cancelled_early_stores_nothing(workspaces: Workspaces, tmp_path: Path) -> None:
    runner, video_store = FakeRunner(), FakeVideoStore()
    work = asyncio.create_task(make_muxer(runner, video_store, workspaces).mux(REQUEST, "alice", ProgressChannel()))
    await until(lambda: runner.ended == 2)
    work.cancel()
    await asyncio.wait([work])
    assert work.cancelled()
    assert video_store.stored == []
    assert not await asyncio.to_thread(lambda: [path for path in tmp_path.rglob("*") if path.is_file()])
