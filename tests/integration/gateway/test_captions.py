"""Tests of captions, and of the times of words and sentences in the last line of a stream."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from services.common.errors import Reason
from services.common.timing.alignment import Alignment
from services.tts.providers.interface import AudioChunk
from tests.fakes.speech import FakeSpeechProvider
from tests.integration.gateway.conftest import Gateway
from tests.unit.common.timing.samples import align_evenly
from tests.unit.common.timing.subtitles import read_srt, read_webvtt

TEXT = "Hi! All is <well>."
ALIGNMENT = align_evenly(TEXT, 0.125)
FIRST = AudioChunk(
    b"\x01\x02" * 6000, Alignment(tuple(TEXT[:3]), ALIGNMENT.starts_seconds[:3], ALIGNMENT.ends_seconds[:3])
)
SECOND = AudioChunk(
    b"\x03\x04" * 30_000, Alignment(tuple(TEXT[3:]), ALIGNMENT.starts_seconds[3:], ALIGNMENT.ends_seconds[3:])
)
AUDIO = FIRST.audio + SECOND.audio
REQUEST = {"text": TEXT, "outputFormat": "pcm_16000"}
PATH = "/api/speech/captions"
WEBVTT = "text/vtt; charset=utf-8"
SUBRIP = "application/x-subrip"


async def test_captions_are_webvtt_and_name_their_audio(gateway: Gateway) -> None:
    async with gateway(FakeSpeechProvider(FIRST, SECOND)) as http, http.post(PATH, json=REQUEST) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == WEBVTT
        assert answer.headers["X-Media-Voice-Name"] == "Aria"
        assert answer.headers["X-Media-Provider"] == "espeak"
        assert answer.headers["Cache-Control"] == "no-store"
        assert float(answer.headers["X-Media-Duration-Seconds"]) == len(AUDIO) / 2 / 16000
        (cue,) = read_webvtt(await answer.text())
    assert (cue.start_milliseconds, cue.end_milliseconds, cue.lines) == (0, 2250, (TEXT,))


async def test_captions_end_with_the_audio(gateway: Gateway) -> None:
    engine = FakeSpeechProvider(AudioChunk(bytes(16_000), align_evenly("Hi!", 0.2)))
    async with gateway(engine) as http, http.post(PATH, json={**REQUEST, "text": "Hi!"}) as answer:
        (cue,) = read_webvtt(await answer.text())
    assert (cue.start_milliseconds, cue.end_milliseconds) == (0, 500)


async def test_captions_have_the_headers_of_the_audio(gateway: Gateway) -> None:
    async with gateway(FakeSpeechProvider(FIRST, SECOND)) as http:
        async with http.post(PATH, json=REQUEST) as answer:
            of_captions = {name for name in answer.headers if name.startswith("X-Media-")}
        async with http.post("/api/speech", json=REQUEST) as answer:
            of_audio = {name for name in answer.headers if name.startswith("X-Media-")}
    assert of_captions == of_audio


@pytest.mark.parametrize(
    ("query", "accept", "expected"),
    [
        ("", "*/*", WEBVTT),
        ("", "application/json", WEBVTT),
        ("", "text/vtt", WEBVTT),
        ("", SUBRIP, SUBRIP),
        ("", "text/vtt;q=0.5, application/x-subrip;q=0.9", SUBRIP),
        ("", "Application/X-SubRip ; q=0.5, text/vtt", WEBVTT),
        ("", "application/x-subrip;q=0, */*", WEBVTT),
        ("", "text/vtt;q=none, ;;,application/x-subrip;q=0.1", SUBRIP),
        ("?format=vtt", SUBRIP, WEBVTT),
        ("?format=srt", "text/vtt", SUBRIP),
    ],
)
async def test_the_query_decides_the_format_before_the_accept_header(
    gateway: Gateway, query: str, accept: str, expected: str
) -> None:
    speaking, headers = gateway(FakeSpeechProvider(FIRST, SECOND)), {"Accept": accept}
    async with speaking as http, http.post(PATH + query, json=REQUEST, headers=headers) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, expected)
        file = (await answer.read()).decode()
    (cue,) = (read_webvtt if expected == WEBVTT else read_srt)(file)
    assert cue.lines == (TEXT,)


@pytest.mark.parametrize(
    ("query", "field"),
    [("format=ass", "format"), ("format=", "format"), ("format=vtt&format=srt", "format"), ("fromat=srt", "fromat")],
)
async def test_a_wrong_query_is_named_and_reaches_no_provider(gateway: Gateway, query: str, field: str) -> None:
    engine = FakeSpeechProvider(FIRST, SECOND)
    async with gateway(engine) as http, http.post(f"{PATH}?{query}", json=REQUEST) as answer:
        assert answer.status == 400
        error = (await answer.json())["error"]
    assert (error["code"], error["details"][0]["field"]) == ("VALIDATION_ERROR", field)
    assert engine.specs == []


async def test_speech_without_timing_has_no_captions(gateway: Gateway) -> None:
    async with gateway(FakeSpeechProvider(AudioChunk(AUDIO))) as http, http.post(PATH, json=REQUEST) as answer:
        assert answer.status == Reason.GENERATION_FAILED.info.http_status
        error = (await answer.json())["error"]
    assert error["code"] == "GENERATION_FAILED"
    assert "timing" in error["message"]


async def test_captions_can_only_be_posted(gateway: Gateway) -> None:
    async with gateway(FakeSpeechProvider(FIRST)) as http, http.get(PATH) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")


async def test_the_last_line_of_timestamps_has_words_and_sentences_of_all_pieces(gateway: Gateway) -> None:
    engine = FakeSpeechProvider(FIRST, SECOND)
    async with gateway(engine) as http, http.post("/api/speech/timestamps", json=REQUEST) as answer:
        done = [orjson.loads(line) async for line in answer.content][-1]["done"]
    assert done["audioBytes"] == len(AUDIO)
    assert [word["text"] for word in done["words"]] == ["Hi!", "All", "is", "<well>."]
    assert done["words"][1] == {
        "text": "All",
        "startSeconds": 0.5,
        "endSeconds": 0.875,
        "textOffset": 4,
        "textLength": 3,
    }
    assert [sentence["text"] for sentence in done["sentences"]] == ["Hi!", "All is <well>."]
    assert done["sentences"][1]["endSeconds"] == 2.25


async def test_without_timing_there_are_no_words(gateway: Gateway) -> None:
    engine = FakeSpeechProvider(AudioChunk(AUDIO))
    async with gateway(engine) as http, http.post("/api/speech/timestamps", json=REQUEST) as answer:
        done = [orjson.loads(line) async for line in answer.content][-1]["done"]
    assert (done["words"], done["sentences"]) == ([], [])


async def test_a_long_text_has_all_its_words(gateway: Gateway) -> None:
    text = "A sentence of some words. " * 100
    engine = FakeSpeechProvider(AudioChunk(bytes(len(text) * 320), align_evenly(text, 0.04)))
    body: dict[str, Any] = {"outputFormat": "ulaw_8000", "text": text}
    async with gateway(engine) as http:
        async with http.post("/api/speech/timestamps", json=body) as answer:
            lines = (await answer.read()).splitlines()
        async with http.post(PATH, json=body) as answer:
            captions = read_webvtt(await answer.text())
    done = orjson.loads(lines[-1])["done"]
    assert (len(done["words"]), len(done["sentences"])) == (100 * 5, 100)
    assert sum(len(line.split()) for cue in captions for line in cue.lines) == 100 * 5


async def test_captions_refuse_to_store_and_name_the_route_that_stores(gateway: Gateway) -> None:
    engine = FakeSpeechProvider(FIRST, SECOND)
    async with gateway(engine) as http, http.post(PATH, json={**REQUEST, "store": True}) as answer:
        assert answer.status == 400
        (detail,) = (await answer.json())["error"]["details"]
    assert detail["field"] == "store"
    assert "POST /api/speech" in detail["description"]
    assert not engine.specs
