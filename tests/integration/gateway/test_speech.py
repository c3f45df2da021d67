"""Tests of successful responses of the speech routes."""

from __future__ import annotations

import asyncio
import base64
import hashlib

import orjson

from services.common.timing.alignment import Alignment
from services.tts.providers.interface import AudioChunk
from tests.fakes.speech import FakeSpeechProvider
from tests.integration.gateway.conftest import Gateway

FIRST = AudioChunk(b"\x01\x02" * 3200, Alignment(("H", "i"), (0.0, 0.1), (0.1, 0.2)))
SECOND = AudioChunk(b"\x03\x04" * 1600, Alignment(("!",), (0.2,), (0.3,)))
AUDIO = FIRST.audio + SECOND.audio
REQUEST = {"text": "Hi!", "outputFormat": "pcm_16000"}


async def test_whole_speech_has_length_type_and_digest(gateway: Gateway) -> None:
    async with gateway(FakeSpeechProvider(FIRST, SECOND)) as http, http.post("/api/speech", json=REQUEST) as answer:
        assert answer.status == 200
        assert await answer.read() == AUDIO
        assert answer.headers["Content-Length"] == str(len(AUDIO))
        assert answer.headers["Content-Type"] == "audio/pcm;rate=16000;channels=1"
        digest = base64.b64encode(hashlib.sha256(AUDIO).digest()).decode()
        assert answer.headers["Repr-Digest"] == f"sha-256=:{digest}:"
        assert float(answer.headers["X-Media-Duration-Seconds"]) == len(AUDIO) / 2 / 16000
        assert answer.headers["X-Media-Voice-Name"] == "Aria"
        assert answer.headers["X-Media-Cache"] == "miss"


async def test_streamed_speech_arrives_while_it_is_generated(gateway: Gateway) -> None:
    more = asyncio.Event()
    engine = FakeSpeechProvider(FIRST, more, SECOND)
    async with gateway(engine) as http, http.post("/api/speech/stream", json=REQUEST) as answer:
        assert answer.status == 200
        assert answer.headers["Transfer-Encoding"] == "chunked"
        assert await answer.content.readexactly(len(FIRST.audio)) == FIRST.audio
        assert engine.live.now == 1
        more.set()
        assert await answer.content.read() == SECOND.audio


async def test_lines_with_timestamps_are_header_pieces_and_done(gateway: Gateway) -> None:
    engine = FakeSpeechProvider(FIRST, SECOND)
    async with gateway(engine) as http, http.post("/api/speech/timestamps", json=REQUEST) as answer:
        assert answer.headers["Content-Type"] == "application/x-ndjson"
        lines = [orjson.loads(line) async for line in answer.content]
    header, first, second, last = lines
    assert header["header"]["voiceName"] == "Aria"
    assert base64.b64decode(first["audioBase64"]) + base64.b64decode(second["audioBase64"]) == AUDIO
    assert first["alignment"] == {
        "characters": ["H", "i"],
        "character_start_times_seconds": [0.0, 0.1],
        "character_end_times_seconds": [0.1, 0.2],
    }
    assert last["done"]["sha256"] == hashlib.sha256(AUDIO).hexdigest()
    assert last["done"]["characters"] == 3
    assert last["done"]["audioBytes"] == len(AUDIO)


async def test_snake_case_names_are_accepted(gateway: Gateway) -> None:
    engine = FakeSpeechProvider(FIRST)
    async with gateway(engine) as http:
        body = {"text": "Hi!", "output_format": "pcm_8000", "similarity_boost": 0.5, "seed": 4294967295}
        async with http.post("/api/speech", json=body) as answer:
            assert answer.status == 200
    (spec, _), *_ = engine.specs
    assert (spec.output_format.name, spec.settings.similarity_boost, spec.seed) == ("pcm_8000", 0.5, 4294967295)


async def test_voices_are_listed_in_pages(gateway: Gateway) -> None:
    async with gateway(FakeSpeechProvider(FIRST), FakeSpeechProvider(FIRST, name="elevenlabs")) as http:
        async with http.get("/api/voices?pageSize=1") as answer:
            first = await answer.json()
        async with http.get("/api/voices", params={"page_size": "1", "pageToken": first["nextPageToken"]}) as answer:
            second = await answer.json()
        async with http.get("/api/voices/aria") as answer:
            one = await answer.json()
    assert first["success"] is True
    assert [voice["provider"] for voice in first["voices"] + second["voices"]] == ["espeak", "elevenlabs"]
    assert second["nextPageToken"] == ""
    assert one["voice"]["voiceId"] == "aria-id"
    assert one["voice"]["type"] == "embedded"


async def test_the_request_id_of_the_caller_is_kept(gateway: Gateway) -> None:
    headers = {"X-Request-Id": "trace-7"}
    async with gateway(FakeSpeechProvider(FIRST)) as http:
        for path in ("/api/speech", "/api/speech/stream", "/api/speech/timestamps"):
            async with http.post(path, json=REQUEST, headers=headers) as answer:
                assert answer.headers["X-Request-Id"] == "trace-7"
