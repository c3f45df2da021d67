"""Tests of the edge over gRPC and gRPC-Web."""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2
from grpc_status import rpc_status
from media.tts.v1 import tts_pb2

from services.common.errors import MediaError, Reason
from services.common.rpc.addresses import ServiceAddress
from services.common.rpc.channel import MAX_MESSAGE_BYTES
from services.common.rpc.status import from_rpc_error, to_status
from tests.fakes.replica import run_replica
from tests.integration.edge.harness import EdgeHarness, run_harness

pytestmark = pytest.mark.asyncio(loop_scope="module")

VOICE = tts_pb2.GetVoiceRequest(voice="Aria")
SPEECH_REQUEST = tts_pb2.SynthesizeStreamRequest(text="Hello.")


def read_error_info(error: grpc.aio.AioRpcError) -> error_details_pb2.ErrorInfo:
    """Return the ErrorInfo of a failed call; fail if it has none of our domain, or if code and message differ."""
    status = rpc_status.from_call(cast("grpc.Call", error))  # typed for blocking calls
    assert status is not None
    assert status.message == error.details()
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    assert info.domain == "media"
    return info


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
    assert from_rpc_error(caught.value).reason is Reason.UNAUTHENTICATED
    assert "x-request-id" in dict(caught.value.trailing_metadata() or ())


async def test_another_audience_is_permission_denied(harness: EdgeHarness) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await harness.make_speech_stub().GetVoice(
            VOICE, metadata=[*harness.build_bearer(audience="other").items()], timeout=5
        )
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert "another audience" in from_rpc_error(caught.value).message


async def test_an_unknown_method_is_unimplemented(harness: EdgeHarness) -> None:
    call: grpc.aio.UnaryUnaryMultiCallable[Any, Any] = harness.channel.unary_unary(
        "/media.tts.v1.TextToSpeechService/Sing"
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(b"", metadata=[*harness.build_bearer().items()], timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert read_error_info(caught.value).reason == "UNIMPLEMENTED"


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
        assert read_error_info(error).reason == "UNAVAILABLE"
        assert from_rpc_error(error).retry_after_seconds == 1
        assert error.details() == "A part of the suite is starting, stopping or down; retry."
        assert (await harness.send("GET", "/api/voices", harness.build_bearer())).status == 200
    finally:
        await harness.upstreams.speech_health.set(service, health_pb2.HealthCheckResponse.SERVING)
        async with asyncio.timeout(30):
            await _wait_until_accepted(harness, metadata)


async def _wait_until_accepted(harness: EdgeHarness, metadata: list[tuple[str, str]]) -> None:
    while True:
        with suppress(grpc.aio.AioRpcError):
            await harness.make_speech_stub().GetVoice(VOICE, metadata=metadata, timeout=5)
            return


async def _wait_for_refusal(harness: EdgeHarness, metadata: list[tuple[str, str]]) -> grpc.aio.AioRpcError:
    while True:
        try:
            await harness.make_speech_stub().GetVoice(VOICE, metadata=metadata, timeout=5)
        except grpc.aio.AioRpcError as error:
            return error


async def test_a_caller_over_its_limit_learns_when_to_return(tmp_path: Path) -> None:
    async with run_harness(tmp_path, rate_limit_per_second=1) as harness:
        async with asyncio.timeout(30):
            error = await _wait_for_refusal(harness, [*harness.build_bearer().items()])
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert read_error_info(error).reason == "RATE_LIMITED"
    assert from_rpc_error(error).retry_after_seconds == 1


async def test_a_call_over_the_time_of_the_edge_ends_with_details(tmp_path: Path) -> None:
    async with run_harness(tmp_path, unary_timeout_seconds=0.2) as harness:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await harness.make_speech_stub().Synthesize(
                tts_pb2.SynthesizeRequest(text="Hello."), metadata=[*harness.build_bearer().items()], timeout=60
            )
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert read_error_info(caught.value).reason == "DEADLINE_EXCEEDED"


async def test_a_refused_page_gets_the_details_over_grpc_web(harness: EdgeHarness) -> None:
    headers = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    url = f"{harness.edge.url}/media.tts.v1.TextToSpeechService/GetVoice"
    async with harness.session.post(url, headers=headers, data=bytes(5)) as answer:
        assert answer.headers["grpc-status"] == str(code_pb2.UNAUTHENTICATED)
        status = status_pb2.Status.FromString(base64.b64decode(answer.headers["grpc-status-details-bin"]))
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.reason == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "PAYLOAD_TOO_LARGE"),
        (grpc.StatusCode.UNKNOWN, "INTERNAL"),
        (grpc.StatusCode.UNIMPLEMENTED, "UNIMPLEMENTED"),
    ],
)
async def test_an_error_of_the_library_gets_details(harness: EdgeHarness, code: grpc.StatusCode, reason: str) -> None:
    harness.upstreams.speech.failure = (code, "sent message larger than max (5 vs. 4)")
    try:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await harness.make_speech_stub().GetVoice(VOICE, metadata=[*harness.build_bearer().items()], timeout=60)
    finally:
        harness.upstreams.speech.failure = None
    assert caught.value.code() is code
    assert read_error_info(caught.value).reason == reason


async def test_a_message_over_the_limit_of_a_service_gets_details(tmp_path: Path) -> None:
    async with run_replica() as replica, run_harness(tmp_path, tts_address=ServiceAddress.parse(replica.name)) as edge:
        large = tts_pb2.SynthesizeRequest(text="x" * (MAX_MESSAGE_BYTES + 1))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await edge.make_speech_stub().Synthesize(
                large, metadata=[*edge.build_bearer().items()], timeout=60, wait_for_ready=True
            )
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert read_error_info(caught.value).reason == "PAYLOAD_TOO_LARGE"


async def test_an_error_of_a_service_keeps_its_own_details(harness: EdgeHarness) -> None:
    error = to_status(MediaError(Reason.VOICE_NOT_FOUND, "No voice of 'this' name: 100%."), "")
    harness.upstreams.speech.status = error
    try:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await harness.make_speech_stub().GetVoice(VOICE, metadata=[*harness.build_bearer().items()], timeout=60)
    finally:
        harness.upstreams.speech.status = None
    assert read_error_info(caught.value).reason == "VOICE_NOT_FOUND"
    assert caught.value.details() == "No voice of 'this' name: 100%."
