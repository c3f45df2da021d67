"""Inputs: the same file from pieces of any size."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.common.errors import MediaError, Reason
from services.common.fetch import FetchedFile, StreamedFile
from services.common.input_files import InputFiles
from services.common.worker_pool import WorkerPool
from services.video.ffmpeg.arguments import Input
from services.video.inputs import Inputs, LocalInput, Source
from tests.fakes.audio import build_id3_tag
from tests.fakes.media import make_speech, run_ffmpeg
from tests.fakes.object_store import FakeObjectStore

MEBIBYTE = 1024 * 1024
MAX_BYTES = 2 * MEBIBYTE


SPEECH = make_speech(13)
"""A little more than one write of the service."""


class InPieces:
    """Serves one file for every URL, split at given offsets."""

    def __init__(self, data: bytes, cuts: Sequence[int] = ()) -> None:
        self._pieces = [data[start:end] for start, end in pairwise([0, *sorted(cuts), len(data)])]

    @asynccontextmanager
    async def stream(self, url: str, *, field: str, max_bytes: int) -> AsyncIterator[StreamedFile]:
        yield StreamedFile("audio/wav", None, self._chunks())

    async def fetch(self, url: str, *, field: str, max_bytes: int) -> FetchedFile:
        raise AssertionError("no input is held in memory")

    async def _chunks(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


class InPlace:
    """Runs the work of worker processes in this process."""

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)


async def fetch(downloads: InPieces, folder: Path) -> LocalInput:
    files = InputFiles(downloads, FakeObjectStore())
    inputs = Inputs(files, cast("WorkerPool", InPlace()), MAX_BYTES, 600)
    return await inputs.fetch(Source(url="https://example.com/a"), folder, "audio", "alice")


@settings(max_examples=20)
@given(st.lists(st.integers(0, len(SPEECH)), max_size=6))
@example(list(range(1, 40)))
@example([MEBIBYTE])
@example([5, 5 + MEBIBYTE])
async def test_the_split_of_a_download_does_not_matter(cuts: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        fetch_video = await fetch(InPieces(SPEECH, cuts), Path(folder))
        assert (Path(folder) / fetch_video.input.name).read_bytes() == SPEECH
        assert (fetch_video.input.name, fetch_video.input.format) == ("audio.wav", "wav")


async def test_a_chained_file_is_heard_whole(tmp_path: Path) -> None:
    plain, ogg = tmp_path / "plain.wav", tmp_path / "link.ogg"
    plain.write_bytes(make_speech(1))
    run_ffmpeg("-i", str(plain), "-c:a", "libopus", str(ogg))
    chain = ogg.read_bytes() * 3
    found = await fetch(InPieces(chain), tmp_path)
    assert found.input == Input("audio.wav", "wav")
    assert (found.media.container, found.media.size_bytes) == ("ogg", len(chain))
    assert found.media.streams[0].codec == "opus"
    assert found.media.duration_seconds == pytest.approx(3, abs=0.001)


async def test_what_a_large_tag_describes_is_found_behind_it(tmp_path: Path) -> None:
    plain, aac = tmp_path / "plain.wav", tmp_path / "a.aac"
    plain.write_bytes(make_speech(1))
    run_ffmpeg("-i", str(plain), str(aac))
    found = await fetch(InPieces(build_id3_tag(100_000) + aac.read_bytes(), [70_000]), tmp_path)
    assert (found.input.name, found.input.format, found.media.streams[0].codec) == ("audio.aac", "aac", "aac")
    with pytest.raises(MediaError) as caught:
        await fetch(InPieces(build_id3_tag(100_000) + b"x" * 50_000), tmp_path)
    assert caught.value.reason is Reason.MEDIA_INVALID


@pytest.mark.parametrize("cuts", [[], [8], list(range(1, 16))])
async def test_an_unsupported_file_is_rejected_by_its_first_bytes(cuts: list[int], tmp_path: Path) -> None:
    with pytest.raises(MediaError) as caught:
        await fetch(InPieces(b"#EXTM3U\nhttp://10.0.0.1/a.ts\n" * 4, cuts), tmp_path)
    assert caught.value.reason is Reason.MEDIA_INVALID
    assert [violation.field for violation in caught.value.violations] == ["audio"]


async def test_a_too_large_file_is_rejected_during_the_download(tmp_path: Path) -> None:
    with pytest.raises(MediaError) as caught:
        await fetch(InPieces(SPEECH + bytes(MEBIBYTE), [100, MEBIBYTE]), tmp_path)
    assert caught.value.reason is Reason.PAYLOAD_TOO_LARGE
