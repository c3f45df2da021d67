"""Tests of the edge over gRPC and gRPC-Web."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from media.tts.v1 import tts_pb2

from tests.integration.edge.harness import EdgeHarness

pytestmark = pytest.mark.asyncio(loop_scope="module")

VOICE = tts_pb2.GetVoiceRequest(voice="Aria")
SPEECH_REQUEST = tts_pb2.SynthesizeStreamRequest(text="Hello.")


@pytest.mark.parametrize(
    ("lifetime_seconds", "words"), [(None, "carries no token"), (-60, "has expired")], ids=["no token", "expired"]
)
async def test_a_refused_caller_gets_a_status_and_a_message(
    harness: EdgeHarness, lifetime_seconds: float | None, words: str
) -> None:
    metadata = [] if lifetime_seconds is None else [*harness.build_bearer("a", lifetime_seconds).items()]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await harness.make_speech_stub().GetVoice(VOICE, metadata=metadata, timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert words in (caught.value.details() or "")
    assert "{" not in (caught.value.details() or "")
    assert "x-request-id" in dict(caught.value.trailing_metadata() or ())


async def test_another_audience_is_permission_denied(harness: EdgeHarness) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await harness.make_speech_stub().GetVoice(
            VOICE, metadata=[*harness.build_bearer(audience="other").items()], timeout=5
        )
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_an_unknown_method_is_unimplemented(harness: EdgeHarness) -> None:
    call: grpc.aio.UnaryUnaryMultiCallable[Any, Any] = harness.channel.unary_unary(
        "/media.tts.v1.TextToSpeechService/Sing"
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(b"", metadata=[*harness.build_bearer().items()], timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def _check_health(harness: EdgeHarness, headers: dict[str, str]) -> health_pb2.HealthCheckResponse:
    check = harness.channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    answer: health_pb2.HealthCheckResponse = await check(
        health_pb2.HealthCheckRequest(), metadata=[*headers.items()], timeout=5
    )
    return answer


async def test_health_of_the_suite_is_answered(harness: EdgeHarness) -> None:
    answer = await _check_health(harness, harness.build_bearer())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_health_needs_a_token_too(harness: EdgeHarness) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _check_health(harness, {})
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_stream_is_passed_on_without_buffering(harness: EdgeHarness) -> None:
    call: grpc.aio.UnaryStreamCall[Any, Any] = harness.make_speech_stub().SynthesizeStream(
        SPEECH_REQUEST, metadata=[*harness.build_bearer().items()], timeout=10
    )
    try:
        assert await call.read() == tts_pb2.SynthesizeStreamResponse()
        harness.upstreams.speech.proceed.set()
        assert await call.read() == tts_pb2.SynthesizeStreamResponse()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK
    finally:
        harness.upstreams.speech.proceed.clear()
        call.cancel()


async def test_browsers_can_call_with_grpc_web(harness: EdgeHarness) -> None:
    frame = b"\x00" + len(VOICE.SerializeToString()).to_bytes(4, "big") + VOICE.SerializeToString()
    headers = harness.build_bearer("alice") | {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    url = f"{harness.edge.url}/media.tts.v1.TextToSpeechService/GetVoice"
    async with harness.session.post(url, headers=headers, data=frame) as answer:
        body = await answer.read()
    assert answer.status == 200
    assert b"grpc-status:0" in body
    assert harness.upstreams.speech.calls[-1]["x-media-principal"] == "alice"


async def test_a_draining_service_gets_no_more_calls(harness: EdgeHarness) -> None:
    service = "media.tts.v1.TextToSpeechService"
    metadata = [*harness.build_bearer().items()]
    await harness.upstreams.speech_health.set(service, health_pb2.HealthCheckResponse.NOT_SERVING)
    try:
        async with asyncio.timeout(5):
            error = await _wait_for_refusal(harness, metadata)
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert error.details() == "A part of the suite is starting, stopping or down; retry."
        assert (await harness.send("GET", "/api/voices", harness.build_bearer())).status == 200
    finally:
        await harness.upstreams.speech_health.set(service, health_pb2.HealthCheckResponse.SERVING)


async def _wait_for_refusal(harness: EdgeHarness, metadata: list[tuple[str, str]]) -> grpc.aio.AioRpcError:
    while True:
        try:
            await harness.make_speech_stub().GetVoice(VOICE, metadata=metadata, timeout=5)
        except grpc.aio.AioRpcError as error:
            return error
