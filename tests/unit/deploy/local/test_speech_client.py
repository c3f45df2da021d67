"""Tests of the demo's client against a scripted edge."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from deploy.local.speech_client import SpeechFailed, fetch_timing, save_speech

REQUEST = {"text": "Hi"}
REFUSAL = {
    "success": False,
    "error": {"code": "VOICE_NOT_FOUND", "message": "No such voice.", "details": [], "requestId": "r1"},
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def an_edge(handler: Handler) -> AsyncIterator[aiohttp.ClientSession]:
    app = web.Application()
    app.router.add_post("/api/speech/{kind}", handler)
    async with TestServer(app) as server, aiohttp.ClientSession(str(server.make_url("/"))) as session:
        yield session


def streams(*pieces: bytes, cut: bool = False) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        assert await request.json() == REQUEST
        response = web.StreamResponse(headers={"X-Media-Provider": "espeak"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        if cut and request.transport is not None:
            request.transport.close()
        return response

    return answer


async def refuses(_: web.Request) -> web.Response:
    return web.json_response(REFUSAL, status=404)


async def is_no_edge(_: web.Request) -> web.Response:
    return web.Response(status=502, text="Bad Gateway")


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def line(content: object) -> bytes:
    return json.dumps(content).encode() + b"\n"


def piece(text: str, start: float, *, audio: str = "") -> bytes:
    alignment = {
        "characters": list(text),
        "character_start_times_seconds": [start + index for index in range(len(text))],
        "character_end_times_seconds": [start + index + 1 for index in range(len(text))],
    }
    return line({"audioBase64": audio, "alignment": alignment})


DONE = line({"done": {"durationSeconds": 4.0}})


async def test_audio_is_written_as_it_came(tmp_path: Path) -> None:
    async with an_edge(streams(b"one", b"two")) as session:
        audio = await save_speech(session, REQUEST, tmp_path / "speech.mp3")
    assert (tmp_path / "speech.mp3").read_bytes() == b"onetwo"
    assert (audio.size_bytes, audio.provider) == (6, "espeak")
    assert audio.first_byte_seconds > 0


async def test_cut_audio_is_an_error_and_leaves_no_file(tmp_path: Path) -> None:
    async with an_edge(streams(b"one", cut=True)) as session:
        with pytest.raises(SpeechFailed, match="cut off"):
            await save_speech(session, REQUEST, tmp_path / "speech.mp3")
    assert files_in(tmp_path) == []


async def test_timing_is_joined_over_lines_longer_than_any_buffer() -> None:
    lines = streams(
        line({"header": {}}), piece("Hi", 0, audio="A" * 400_000), line({"audioBase64": ""}), piece("!", 2), DONE
    )
    async with an_edge(lines) as session:
        timing = await fetch_timing(session, REQUEST)
    assert timing.duration_seconds == 4.0
    assert timing.alignment == {
        "characters": ["H", "i", "!"],
        "character_start_times_seconds": [0, 1, 2],
        "character_end_times_seconds": [1, 2, 3],
    }


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (streams(piece("Hi", 0), line(REFUSAL), cut=True), "VOICE_NOT_FOUND: No such voice."),
        (streams(piece("Hi", 0), cut=True), "cut off"),
        (streams(piece("Hi", 0)), "before it was complete"),
        (refuses, r"VOICE_NOT_FOUND: No such voice\. \(request r1\)"),
        (is_no_edge, "HTTP status 502"),
    ],
)
async def test_timing_that_is_not_whole_is_an_error(handler: Handler, message: str) -> None:
    async with an_edge(handler) as session:
        with pytest.raises(SpeechFailed, match=message):
            await fetch_timing(session, REQUEST)


async def test_a_refusal_is_told_in_its_own_words_and_leaves_no_file(tmp_path: Path) -> None:
    async with an_edge(refuses) as session:
        with pytest.raises(SpeechFailed, match="VOICE_NOT_FOUND"):
            await save_speech(session, REQUEST, tmp_path / "speech.mp3")
    assert files_in(tmp_path) == []
