"""Tests of native gRPC through the edge: typed stubs, reflection, health, and grpcurl if it is installed."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator
from typing import Any

import grpc
import orjson
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from media.tts.v1 import tts_pb2, tts_pb2_grpc

from services.common.errors import Reason
from services.common.rpc.channel import open_stream
from services.common.rpc.status import from_rpc_error
from tests.e2e.conftest import Suite

TEXT = "This is requested through a typed stub."
SERVICE = "media.tts.v1.TextToSpeechService"
GRPCURL = shutil.which("grpcurl")


@pytest.fixture
async def stub(suite: Suite) -> AsyncIterator[tts_pb2_grpc.TextToSpeechServiceAsyncStub]:
    async with grpc.aio.insecure_channel(suite.target) as channel:
        yield tts_pb2_grpc.TextToSpeechServiceStub(channel)


@pytest.fixture
def metadata(suite: Suite) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {suite.token()}"),)


async def test_a_stream_has_header_chunks_and_done(
    stub: tts_pb2_grpc.TextToSpeechServiceAsyncStub, metadata: tuple[tuple[str, str], ...]
) -> None:
    request = tts_pb2.SynthesizeStreamRequest(text=TEXT, include_alignment=True)
    async with open_stream(stub.SynthesizeStream(request, metadata=metadata, timeout=20)) as call:
        messages = [message async for message in call]
    kinds = [message.WhichOneof("event") for message in messages]
    assert (kinds[0], set(kinds[1:-1]), kinds[-1]) == ("header", {"chunk"}, "done")
    audio = b"".join(message.chunk.audio for message in messages[1:-1])
    assert messages[-1].done.sha256 == hashlib.sha256(audio).hexdigest()
    assert "".join("".join(message.chunk.alignment.characters) for message in messages[1:-1]) == TEXT


async def test_voices_come_in_pages(
    stub: tts_pb2_grpc.TextToSpeechServiceAsyncStub, metadata: tuple[tuple[str, str], ...]
) -> None:
    names: list[str] = []
    token = ""
    while True:
        request = tts_pb2.ListVoicesRequest(page_size=40, page_token=token)
        page = await stub.ListVoices(request, metadata=metadata, timeout=20)
        names += [f"{voice.provider}/{voice.voice_id}" for voice in page.voices]
        token = page.next_page_token
        if not token:
            break
    assert len(names) == len(set(names)) > 40


async def test_an_error_carries_reason_and_field(
    stub: tts_pb2_grpc.TextToSpeechServiceAsyncStub, metadata: tuple[tuple[str, str], ...]
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error_info:
        await stub.Synthesize(tts_pb2.SynthesizeRequest(text="Hi", speed=1.21), metadata=metadata, timeout=20)
    error = from_rpc_error(error_info.value)
    assert error.reason is Reason.VALIDATION_ERROR
    assert [violation.field for violation in error.violations] == ["speed"]


async def test_a_call_without_a_token_is_unauthenticated(stub: tts_pb2_grpc.TextToSpeechServiceAsyncStub) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error_info:
        await stub.Synthesize(tts_pb2.SynthesizeRequest(text="Hi"), timeout=20)
    assert error_info.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_health_reports_every_service(suite: Suite, metadata: tuple[tuple[str, str], ...]) -> None:
    async with grpc.aio.insecure_channel(suite.target) as channel:
        # The published types of this stub do not know asynchronous channels.
        health: Any = health_pb2_grpc.HealthStub(channel)
        for name in ("", SERVICE):
            reply = await health.Check(health_pb2.HealthCheckRequest(service=name), metadata=metadata, timeout=5)
            assert reply.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as error_info:
            await health.Check(health_pb2.HealthCheckRequest(service="no.such"), metadata=metadata, timeout=5)
    assert error_info.value.code() is grpc.StatusCode.NOT_FOUND


async def test_reflection_describes_every_service(suite: Suite, metadata: tuple[tuple[str, str], ...]) -> None:
    async with grpc.aio.insecure_channel(suite.target) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub
        reflection = stub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        responses = [response async for response in reflection.ServerReflectionInfo(iter([request]), metadata=metadata)]
    services = {service.name for service in responses[0].list_services_response.service}
    assert {SERVICE, "grpc.health.v1.Health"} <= services


if GRPCURL is not None:

    async def test_grpcurl_lists_services_and_streams_speech(suite: Suite) -> None:
        header = f"authorization: Bearer {suite.token()}"
        listed = await _grpcurl("-plaintext", "-H", header, suite.target, "list")
        assert SERVICE in listed.splitlines()
        streamed = await _grpcurl(
            *("-plaintext", "-H", header, "-d", '{"text": "Hello."}', suite.target, f"{SERVICE}/SynthesizeStream")
        )
        assert '"header"' in streamed
        assert orjson.loads(streamed[streamed.rindex("\n{") :])["done"]["characters"] == 6

    async def _grpcurl(*arguments: str) -> str:
        assert GRPCURL is not None
        process = await asyncio.create_subprocess_exec(GRPCURL, *arguments, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        assert process.returncode == 0
        return output.decode()
