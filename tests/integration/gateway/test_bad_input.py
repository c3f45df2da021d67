"""Tests that a wrong request gets status, reason and field, and reaches no provider."""

from __future__ import annotations

from typing import Any

import pytest

from services.tts.providers.interface import AudioChunk
from tests.fakes.speech import FakeSpeechProvider
from tests.integration.gateway.conftest import MAX_BODY_BYTES, Gateway

CHUNK = AudioChunk(b"\x01" * 1000)
PATHS = ("/api/speech", "/api/speech/stream", "/api/speech/timestamps", "/api/speech/captions")
JSON = {"Content-Type": "application/json"}

WRONG_FIELDS: list[tuple[dict[str, Any], str, str]] = [
    ({}, "text", "VALIDATION_ERROR"),
    ({"text": ""}, "text", "VALIDATION_ERROR"),
    ({"text": " \t\n"}, "text", "VALIDATION_ERROR"),
    ({"text": "\u200b"}, "text", "VALIDATION_ERROR"),
    ({"text": None}, "text", "VALIDATION_ERROR"),
    ({"text": 5}, "text", "VALIDATION_ERROR"),
    ({"text": ["Hi"]}, "text", "VALIDATION_ERROR"),
    ({"text": "x" * 10_001}, "text", "TEXT_TOO_LONG"),
    ({"text": "Hi", "speed": 0.69}, "speed", "VALIDATION_ERROR"),
    ({"text": "Hi", "speed": 1.21}, "speed", "VALIDATION_ERROR"),
    ({"text": "Hi", "speed": "fast"}, "speed", "VALIDATION_ERROR"),
    ({"text": "Hi", "speed": True}, "speed", "VALIDATION_ERROR"),
    ({"text": "Hi", "stability": 1.01}, "stability", "VALIDATION_ERROR"),
    ({"text": "Hi", "seed": -1}, "seed", "VALIDATION_ERROR"),
    ({"text": "Hi", "seed": 4294967296}, "seed", "VALIDATION_ERROR"),
    ({"text": "Hi", "seed": 1.5}, "seed", "VALIDATION_ERROR"),
    ({"text": "Hi", "voice": "Unknown"}, "voice", "VOICE_NOT_FOUND"),
    ({"text": "Hi", "voice": "../../etc"}, "voice", "VOICE_NOT_FOUND"),
    ({"text": "Hi", "voice": "a/b"}, "voice", "VOICE_NOT_FOUND"),
    ({"text": "Hi", "voice": "Ar\x07ia"}, "voice", "VALIDATION_ERROR"),
    ({"text": "Hi", "provider": "unknown"}, "provider", "VALIDATION_ERROR"),
    ({"text": "Hi", "outputFormat": "mp3_1"}, "outputFormat", "VALIDATION_ERROR"),
    ({"text": "Hi", "output_format": "flac"}, "outputFormat", "VALIDATION_ERROR"),
    ({"text": "Hi", "languageCode": "English"}, "languageCode", "VALIDATION_ERROR"),
    ({"text": "Hi", "vioce": "Aria"}, "vioce", "VALIDATION_ERROR"),
    ({"text": "Hi", "previousRequestIds": ["a", "b", "c", "d"]}, "previousRequestIds", "VALIDATION_ERROR"),
]
WRONG_BODIES = [
    (b"", JSON, 400, "VALIDATION_ERROR"),
    (b"{", JSON, 400, "VALIDATION_ERROR"),
    (b"[]", JSON, 400, "VALIDATION_ERROR"),
    (b'"Hi"', JSON, 400, "VALIDATION_ERROR"),
    (b'{"text": "\xff"}', JSON, 400, "VALIDATION_ERROR"),
    (b'{"text": "\\ud800"}', JSON, 400, "VALIDATION_ERROR"),
    (b'{"text": "Hi", "speed": NaN}', JSON, 400, "VALIDATION_ERROR"),
    (b'{"text": "Hi"}', {"Content-Type": "text/plain"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    (b'{"text": "Hi"}', {"Content-Type": "application/json; charset=latin-1"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    (b'{"text": "' + b"x" * MAX_BODY_BYTES + b'"}', JSON, 413, "PAYLOAD_TOO_LARGE"),
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("body", "field", "code"), WRONG_FIELDS)
async def test_a_wrong_field_is_named(gateway: Gateway, path: str, body: dict[str, Any], field: str, code: str) -> None:
    engine = FakeSpeechProvider(CHUNK)
    async with gateway(engine) as http, http.post(path, json=body) as answer:
        error = (await answer.json())["error"]
        assert answer.status == (404 if code == "VOICE_NOT_FOUND" else 400)
    assert error["code"] == code
    assert [detail["field"] for detail in error["details"]] == [field]
    assert all(detail["description"] for detail in error["details"])
    assert error["requestId"]
    assert engine.specs == []


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("body", "headers", "status", "code"), WRONG_BODIES)
async def test_a_body_that_is_no_json_object_is_refused(
    gateway: Gateway, path: str, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    engine = FakeSpeechProvider(CHUNK)
    async with gateway(engine) as http, http.post(path, data=body, headers=headers) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (status, code)
    assert engine.specs == []


async def test_every_wrong_field_is_named_at_once(gateway: Gateway) -> None:
    body = {"text": "", "speed": 3, "stability": -1}
    async with gateway(FakeSpeechProvider(CHUNK)) as http, http.post("/api/speech", json=body) as answer:
        details = (await answer.json())["error"]["details"]
    assert {detail["field"] for detail in details} == {"text", "speed", "stability"}


async def test_include_alignment_is_refused_for_audio_only(gateway: Gateway) -> None:
    body = {"text": "Hi", "includeAlignment": True}
    async with gateway(FakeSpeechProvider(CHUNK)) as http, http.post("/api/speech", json=body) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["details"][0]["field"] == "includeAlignment"


async def test_an_unknown_path_and_a_wrong_method_have_the_same_shape(gateway: Gateway) -> None:
    async with gateway(FakeSpeechProvider(CHUNK)) as http:
        async with http.get("/api/nothing") as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (404, "NOT_FOUND")
        async with http.get("/api/speech") as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (405, "METHOD_NOT_ALLOWED")
            assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    ("query", "field"),
    [("pageSize=101", "pageSize"), ("pageSize=x", "pageSize"), ("pageToken=bogus", "pageToken"), ("size=1", "size")],
)
async def test_a_wrong_query_parameter_is_named(gateway: Gateway, query: str, field: str) -> None:
    async with gateway(FakeSpeechProvider(CHUNK)) as http, http.get(f"/api/voices?{query}") as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["details"][0]["field"] == field


async def test_an_unknown_voice_has_its_own_reason(gateway: Gateway) -> None:
    async with gateway(FakeSpeechProvider(CHUNK)) as http, http.get("/api/voices/Unknown") as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (404, "VOICE_NOT_FOUND")
