"""Tests of failures: an error status before the first byte, a cut after it, and cancelled calls to providers."""

from __future__ import annotations

import asyncio

import aiohttp
import orjson
import pytest

from gateway.routes.suite import Health
from services.common.errors import MediaError, Reason
from services.tts.providers.interface import AudioChunk
from tests.fakes.speech import FakeSpeechProvider
from tests.integration.gateway.conftest import Gateway

CHUNK = AudioChunk(b"\x01" * 1000)
BIG_CHUNK = AudioChunk(b"\x01" * 65536)
REQUEST = {"text": "Hi!", "outputFormat": "pcm_16000"}
STREAMS = ("/api/speech/stream", "/api/speech/timestamps")
ALL = ("/api/speech", "/api/speech/captions", *STREAMS)


@pytest.mark.parametrize("path", ALL)
@pytest.mark.parametrize(
    "reason", [Reason.PROVIDER_UNAVAILABLE, Reason.PROVIDER_QUOTA_EXCEEDED, Reason.VOICE_NOT_FOUND]
)
async def test_a_refusal_has_its_own_status(gateway: Gateway, path: str, reason: Reason) -> None:
    engine = FakeSpeechProvider(refusal=MediaError(reason, "No."))
    async with gateway(engine) as http, http.post(path, json=REQUEST) as answer:
        assert answer.status == reason.info.http_status
        error = (await answer.json())["error"]
    assert (error["code"], error["message"]) == (reason.name, "No.")


@pytest.mark.parametrize("path", ALL)
async def test_the_error_of_a_busy_provider_has_a_retry_delay(gateway: Gateway, path: str) -> None:
    busy = MediaError(Reason.PROVIDER_BUSY, "Wait.", retry_after_seconds=2.5)
    async with gateway(FakeSpeechProvider(refusal=busy)) as http, http.post(path, json=REQUEST) as answer:
        assert answer.status == 429
        assert answer.headers["Retry-After"] == "3"


@pytest.mark.parametrize("path", ALL)
async def test_a_failure_before_the_first_audio_has_its_status(gateway: Gateway, path: str) -> None:
    failure = MediaError(Reason.GENERATION_FAILED, "Broke.")
    async with gateway(FakeSpeechProvider(failure)) as http, http.post(path, json=REQUEST) as answer:
        assert answer.status == 500
        assert (await answer.json())["error"]["code"] == "GENERATION_FAILED"


@pytest.mark.parametrize("path", ALL)
async def test_no_audio_at_all_is_an_error(gateway: Gateway, path: str) -> None:
    async with gateway(FakeSpeechProvider()) as http, http.post(path, json=REQUEST) as answer:
        assert answer.status == 500
        assert (await answer.json())["error"]["code"] == "GENERATION_FAILED"


@pytest.mark.parametrize("path", ALL)
async def test_a_silent_provider_is_a_timeout(gateway: Gateway, path: str) -> None:
    engine = FakeSpeechProvider(asyncio.Event())
    async with gateway(engine, stall_seconds=0.05) as http, http.post(path, json=REQUEST) as answer:
        assert answer.status == 504
        assert (await answer.json())["error"]["code"] == "PROVIDER_TIMEOUT"
    assert engine.live.now == 0


@pytest.mark.parametrize("failure", [MediaError(Reason.PROVIDER_UNAVAILABLE), RuntimeError("secret"), asyncio.Event()])
async def test_a_failure_after_the_first_audio_cuts_the_stream(
    gateway: Gateway, failure: BaseException | asyncio.Event
) -> None:
    speaking = gateway(FakeSpeechProvider(CHUNK, failure), stall_seconds=0.2)
    async with speaking as http, http.post("/api/speech/stream", json=REQUEST) as answer:
        assert answer.status == 200
        assert await answer.content.readexactly(len(CHUNK.audio)) == CHUNK.audio
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.content.read()


async def test_the_last_line_is_the_error_before_the_cut(gateway: Gateway) -> None:
    engine = FakeSpeechProvider(CHUNK, MediaError(Reason.PROVIDER_UNAVAILABLE, "Gone."))
    async with gateway(engine) as http, http.post("/api/speech/timestamps", json=REQUEST) as answer:
        lines = [orjson.loads(await answer.content.readline()) for _ in range(3)]
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.content.readline()
    assert lines[-1]["error"]["code"] == "PROVIDER_UNAVAILABLE"
    assert lines[-1]["error"]["message"] == "Gone."
    assert not any("done" in line for line in lines)


@pytest.mark.parametrize("path", ALL)
async def test_a_disconnect_before_the_first_audio_cancels_the_synthesis(gateway: Gateway, path: str) -> None:
    engine = FakeSpeechProvider(asyncio.Event())
    async with gateway(engine) as http:
        request = asyncio.create_task(http.post(path, json=REQUEST).__aenter__())
        await engine.live.wait_for(1)
        request.cancel()
        await engine.live.wait_for(0)
    assert (engine.live.now, engine.live.total) == (0, 1)


@pytest.mark.parametrize("path", STREAMS)
async def test_a_disconnect_while_the_provider_is_silent_cancels_the_synthesis(gateway: Gateway, path: str) -> None:
    engine = FakeSpeechProvider(CHUNK, asyncio.Event())
    async with gateway(engine) as http, http.post(path, json=REQUEST) as answer:
        await answer.content.readany()
        answer.close()
        await engine.live.wait_for(0)
    assert (engine.live.now, engine.live.total) == (0, 1)


@pytest.mark.parametrize("path", STREAMS)
async def test_a_disconnect_between_two_chunks_cancels_the_synthesis(gateway: Gateway, path: str) -> None:
    engine = FakeSpeechProvider(BIG_CHUNK, endless=True)
    async with gateway(engine) as http, http.post(path, json=REQUEST) as answer:
        await answer.content.readany()
        answer.close()
        await engine.live.wait_for(0)
    assert (engine.live.now, engine.live.total) == (0, 1)


async def test_health_reports_the_drain_of_the_gateway(gateway: Gateway) -> None:
    health = Health()
    async with gateway(FakeSpeechProvider(CHUNK), health=health) as http:
        async with http.get("/health") as answer:
            assert (answer.status, await answer.json()) == (200, {"ok": True})
        health.drain()
        async with http.get("/health") as answer:
            assert (answer.status, await answer.json()) == (503, {"ok": False})
