"""Tests of captions through the edge: they match the audio of the embedded engine in text and time."""

from __future__ import annotations

import aiohttp
import orjson

from tests.e2e.conftest import Suite
from tests.unit.common.timing.subtitles import read_srt, read_webvtt

TEXT = (
    "The quick brown fox jumps over the lazy dog, and no one asks it why. Mr. Fox, now 3.5 years old, says nothing."
    " Nothing of this is paid for!"
)
BODY = {"text": TEXT, "provider": "espeak"}


async def test_captions_contain_the_text_and_end_with_the_audio(http: aiohttp.ClientSession) -> None:
    async with http.post("/api/speech/captions", json=BODY) as response:
        assert (response.status, response.content_type, response.charset) == (200, "text/vtt", "utf-8")
        duration_seconds = float(response.headers["X-Media-Duration-Seconds"])
        cues = read_webvtt(await response.text())
    assert " ".join(line for cue in cues for line in cue.lines) == TEXT
    assert len(cues) > 1
    assert cues[0].start_milliseconds < 500
    assert abs(cues[-1].end_milliseconds / 1000 - duration_seconds) < 0.5


async def test_subrip_has_the_same_captions(http: aiohttp.ClientSession) -> None:
    async with http.post("/api/speech/captions", json=BODY) as response:
        webvtt = read_webvtt(await response.text())
    async with http.post("/api/speech/captions?format=srt", json=BODY) as response:
        assert response.headers["Content-Type"] == "application/x-subrip"
        assert read_srt((await response.read()).decode()) == webvtt


async def test_words_lie_within_their_sentences(http: aiohttp.ClientSession) -> None:
    async with http.post("/api/speech/timestamps", json=BODY) as response:
        lines = [orjson.loads(line) async for line in response.content]
    done = lines[-1]["done"]
    assert " ".join(word["text"] for word in done["words"]) == TEXT
    assert " ".join(sentence["text"] for sentence in done["sentences"]) == TEXT
    assert len(done["sentences"]) == 3
    for word in done["words"]:
        assert TEXT[word["textOffset"] :][: word["textLength"]] == word["text"]
        assert any(
            sentence["startSeconds"] <= word["startSeconds"] <= word["endSeconds"] <= sentence["endSeconds"]
            for sentence in done["sentences"]
        )


async def test_captions_need_a_token_and_a_text(suite: Suite, http: aiohttp.ClientSession) -> None:
    async with (
        aiohttp.ClientSession(suite.url) as anonymous,
        anonymous.post("/api/speech/captions", json=BODY) as response,
    ):
        assert response.status == 401
    async with http.post("/api/speech/captions", json={"text": " "}) as response:
        assert response.status == 400
        assert (await response.json())["error"]["details"][0]["field"] == "text"
