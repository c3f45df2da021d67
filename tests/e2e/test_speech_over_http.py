"""Tests of speech through the edge over HTTP: from text to a playable file, and refused requests."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io

import aiohttp
import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from services.tts.audio_duration import build_duration_meter
from services.tts.formats import FORMATS
from tests.e2e.conftest import Suite

TEXT = "The quick brown fox jumps over the lazy dog. Nothing of this sentence is paid for."
# Bounds around 84 characters at 14 per second, the pace of ordinary reading.
SPOKEN_SECONDS = (4, 9)


@pytest.mark.parametrize("output_format", ["mp3_44100_128", "mp3_22050_32", "wav_22050", "pcm_16000"])
async def test_streamed_and_whole_speech_are_the_same_audio(http: aiohttp.ClientSession, output_format: str) -> None:
    body = {"text": TEXT, "outputFormat": output_format}
    async with http.post("/api/speech/stream", json=body) as response:
        assert response.status == 200
        streamed = await response.read()
    async with http.post("/api/speech", json=body) as response:
        whole = await response.read()
        assert response.content_length == len(whole)
    assert streamed == whole
    meter = build_duration_meter(FORMATS[output_format])
    meter.feed(whole)
    assert SPOKEN_SECONDS[0] < meter.seconds < SPOKEN_SECONDS[1]


async def test_timestamps_contain_the_text_and_cover_the_audio(http: aiohttp.ClientSession) -> None:
    async with http.post("/api/speech/timestamps", json={"text": TEXT}) as response:
        lines = [orjson.loads(line) async for line in response.content]
    pieces, done = lines[1:-1], lines[-1]["done"]
    audio = b"".join(base64.b64decode(piece["audioBase64"]) for piece in pieces)
    alignments = [piece["alignment"] for piece in pieces if "alignment" in piece]
    characters = [item for alignment in alignments for item in alignment["characters"]]
    starts = [item for alignment in alignments for item in alignment["character_start_times_seconds"]]
    ends = [item for alignment in alignments for item in alignment["character_end_times_seconds"]]
    assert "".join(characters) == TEXT
    assert starts == sorted(starts)
    assert ends == sorted(ends)
    assert hashlib.sha256(audio).hexdigest() == done["sha256"]
    assert abs(ends[-1] - done["durationSeconds"]) < 0.2


async def test_the_headers_name_the_requested_voice(http: aiohttp.ClientSession) -> None:
    async with http.post("/api/speech", json={"text": TEXT, "voice": "george"}) as response:
        assert response.headers["X-Media-Voice-Name"] == "George"
        assert response.headers["X-Media-Provider"] == "espeak"


async def test_the_error_of_a_provider_without_a_key_names_the_variable(http: aiohttp.ClientSession) -> None:
    async with http.post("/api/speech/stream", json={"text": TEXT, "provider": "elevenlabs"}) as response:
        assert response.status == 500
        error = (await response.json())["error"]
    assert error["code"] == "API_KEY_MISSING"
    assert "ELEVENLABS_API_KEY" in error["message"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"text": " "}, "text"),
        ({"text": "Hi", "speed": 0.69}, "speed"),
        ({"text": "Hi", "speed": 1.21}, "speed"),
        ({"text": "Hi", "voice": "Ar\x07ia"}, "voice"),
        ({"text": "Hi", "vioce": "Aria"}, "vioce"),
        ({"text": "x" * 100_001}, "text"),
    ],
)
async def test_an_error_names_the_invalid_field(
    http: aiohttp.ClientSession, body: dict[str, object], field: str
) -> None:
    async with http.post("/api/speech/stream", json=body) as response:
        assert response.status == 400
        assert [item["field"] for item in (await response.json())["error"]["details"]] == [field]


async def test_a_path_is_no_voice(http: aiohttp.ClientSession) -> None:
    async with http.post("/api/speech/stream", json={"text": "Hi", "voice": "../../etc"}) as response:
        assert response.status == 404
        assert (await response.json())["error"]["code"] == "VOICE_NOT_FOUND"


async def test_equal_texts_are_one_speech_with_the_characters_of_each(http: aiohttp.ClientSession) -> None:
    done = []
    for text in ("Scho\u0308n, <break time='1s'/>ja?", "Sch\u00f6n, <break time='1s'/>ja?"):
        async with http.post("/api/speech/timestamps", json={"text": text, "languageCode": "de"}) as response:
            lines = [orjson.loads(line) async for line in response.content]
        characters = [item for line in lines for item in line.get("alignment", {}).get("characters", [])]
        assert "".join(characters) == text
        done.append(lines[-1]["done"])
    assert done[0]["sha256"] == done[1]["sha256"]
    assert [word["text"] for word in done[1]["words"]] == ["Sch\u00f6n,", "ja?"]
    assert 1.5 < done[1]["durationSeconds"] < 2.5


async def test_a_body_over_the_limit_is_refused(http: aiohttp.ClientSession) -> None:
    body = io.BytesIO(orjson.dumps({"text": "x" * 2_000_000}))
    async with http.post("/api/speech", data=body, headers={"Content-Type": "application/json"}) as response:
        assert response.status == 413
        assert (await response.json())["error"]["code"] == "PAYLOAD_TOO_LARGE"


async def test_many_callers_are_served_at_once(http: aiohttp.ClientSession) -> None:
    async def speak(number: int) -> int:
        async with http.post("/api/speech/stream", json={"text": f"Caller number {number}."}) as response:
            assert response.status == 200
            return len(await response.read())

    assert all(await asyncio.gather(*(speak(number) for number in range(20))))


@pytest.mark.parametrize("kind", ["none", "garbage", "expired", "foreign"])
async def test_speech_without_a_valid_token_is_refused(suite: Suite, kind: str) -> None:
    foreign = jwt.encode(
        {"iss": "media-suite", "aud": "media-suite", "sub": "eve", "exp": 4102444800},
        ec.generate_private_key(ec.SECP256R1()),
        algorithm="ES256",
    )
    tokens = {"garbage": "garbage", "expired": suite.token(lifetime_seconds=-3600), "foreign": foreign}
    headers = {"Authorization": f"Bearer {tokens[kind]}"} if kind in tokens else {}
    async with aiohttp.ClientSession(suite.url) as http, http.post("/api/speech", json={}, headers=headers) as response:
        assert response.status == 401
        error = (await response.json())["error"]
    assert error["code"] == "UNAUTHENTICATED"


async def test_health_and_documents_are_public(suite: Suite) -> None:
    async with aiohttp.ClientSession(suite.url) as http:
        async with http.get("/health") as response:
            assert (response.status, await response.json()) == (200, {"ok": True})
        async with http.get("/openapi.json") as response:
            paths = (await response.json())["paths"]
        async with http.get("/docs") as response:
            assert response.status == 200
            assert "text/html" in response.headers["Content-Type"]
    assert {"/api/speech", "/api/speech/stream", "/api/speech/timestamps", "/api/voices", "/health"} <= set(paths)
