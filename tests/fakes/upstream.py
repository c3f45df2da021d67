"""Fake services behind the edge, which record the calls that reach them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from aiohttp import web
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health
from media.tts.v1 import tts_pb2, tts_pb2_grpc

from gateway.envoy.route_table import DIRECTORY
from services.common.rpc.addresses import Address

LOOPBACK = "127.0.0.1"
SPEECH = tts_pb2.DESCRIPTOR.services_by_name["TextToSpeechService"].full_name
Context = grpc.aio.ServicerContext[Any, Any]


class FakeSpeechService(tts_pb2_grpc.TextToSpeechServiceServicer):
    """Records the metadata of each call; a synthesis ends after `proceed` is set."""

    def __init__(self) -> None:
        self.calls: list[dict[str, str]] = []
        self.proceed = asyncio.Event()
        self.failure: tuple[grpc.StatusCode, str] | None = None
        """Code and text with which GetVoice fails, as the gRPC library would."""
        self.status: grpc.Status | None = None
        """Status with which GetVoice fails, as the services do."""

    async def GetVoice(self, request: tts_pb2.GetVoiceRequest, context: Context) -> tts_pb2.GetVoiceResponse:  # noqa: N802 - the contract's name
        self._record_call(context)
        if self.failure is not None:
            await context.abort(*self.failure)
        if self.status is not None:
            await context.abort_with_status(self.status)
        return tts_pb2.GetVoiceResponse()

    async def SynthesizeStream(  # noqa: N802 - the contract's name
        self, request: tts_pb2.SynthesizeStreamRequest, context: Context
    ) -> AsyncIterator[tts_pb2.SynthesizeStreamResponse]:
        self._record_call(context)
        yield tts_pb2.SynthesizeStreamResponse()
        await self.proceed.wait()
        yield tts_pb2.SynthesizeStreamResponse()

    async def Synthesize(self, request: tts_pb2.SynthesizeRequest, context: Context) -> tts_pb2.SynthesizeResponse:  # noqa: N802 - the contract's name
        self._record_call(context)
        await self.proceed.wait()
        return tts_pb2.SynthesizeResponse()

    async def ConvertAlignment(  # noqa: N802 - the contract's name
        self, request: tts_pb2.ConvertAlignmentRequest, context: Context
    ) -> tts_pb2.ConvertAlignmentResponse:
        return tts_pb2.ConvertAlignmentResponse()

    async def CheckSpeech(  # noqa: N802 - the contract's name
        self, request: tts_pb2.CheckSpeechRequest, context: Context
    ) -> tts_pb2.CheckSpeechResponse:
        return tts_pb2.CheckSpeechResponse()

    async def ListSpeechModels(  # noqa: N802 - the contract's name
        self, request: tts_pb2.ListSpeechModelsRequest, context: Context
    ) -> tts_pb2.ListSpeechModelsResponse:
        return tts_pb2.ListSpeechModelsResponse()

    async def ListVoices(self, request: tts_pb2.ListVoicesRequest, context: Context) -> tts_pb2.ListVoicesResponse:  # noqa: N802 - the contract's name
        self._record_call(context)
        return tts_pb2.ListVoicesResponse()

    async def GetStoredAudio(  # noqa: N802 - the contract's name
        self, request: tts_pb2.GetStoredAudioRequest, context: Context
    ) -> tts_pb2.GetStoredAudioResponse:
        return tts_pb2.GetStoredAudioResponse()

    async def ListStoredAudio(  # noqa: N802 - the contract's name
        self, request: tts_pb2.ListStoredAudioRequest, context: Context
    ) -> tts_pb2.ListStoredAudioResponse:
        return tts_pb2.ListStoredAudioResponse()

    async def DeleteStoredAudio(  # noqa: N802 - the contract's name
        self, request: tts_pb2.DeleteStoredAudioRequest, context: Context
    ) -> tts_pb2.DeleteStoredAudioResponse:
        return tts_pb2.DeleteStoredAudioResponse()

    def _record_call(self, context: Context) -> None:
        self.calls.append({str(key): str(value) for key, value in context.invocation_metadata() or ()})


@dataclass
class Upstreams:
    """All services behind one edge."""

    gateway_address: Address
    gateway_grpc_address: Address
    tts_address: Address
    speech: FakeSpeechService
    speech_health: health.HealthServicer
    common_health: health.HealthServicer
    proceed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set to end speech over HTTP."""

    def get_addresses(self) -> dict[str, Address]:
        """Return the address settings of the edge for these services."""
        return {
            "gateway_address": self.gateway_address,
            "gateway_grpc_address": self.gateway_grpc_address,
            "tts_address": self.tts_address,
        }


@asynccontextmanager
async def run_upstreams() -> AsyncIterator[Upstreams]:
    """Run a gateway that echoes requests, a health service, and a speech service, each on a free port."""
    async with AsyncExitStack() as stack:
        proceed = asyncio.Event()
        speech, speech_health, common_health = FakeSpeechService(), health.HealthServicer(), health.HealthServicer()
        await speech_health.set(SPEECH, health_pb2.HealthCheckResponse.SERVING)
        await common_health.set(DIRECTORY, health_pb2.HealthCheckResponse.SERVING)
        http_port = await stack.enter_async_context(_run_gateway(proceed))
        common_port = await stack.enter_async_context(_run_grpc_server(common_health))
        speech_port = await stack.enter_async_context(_run_grpc_server(speech_health, speech))
        yield Upstreams(
            Address(LOOPBACK, http_port),
            Address(LOOPBACK, common_port),
            Address(LOOPBACK, speech_port),
            speech,
            speech_health,
            common_health,
            proceed,
        )


@asynccontextmanager
async def _run_gateway(proceed: asyncio.Event) -> AsyncIterator[int]:
    async def echo(request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        received = {"method": request.method, "path": request.path, "headers": headers, "body_bytes": len(body)}
        return web.Response(text=json.dumps(received), content_type="application/json")

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        await proceed.wait()
        await response.write(b"last")
        return response

    app = web.Application(client_max_size=64 * 1024 * 1024)

    async def whole(request: web.Request) -> web.Response:
        await request.read()
        await proceed.wait()
        return web.Response(body=b"whole")

    app.router.add_post("/api/speech/stream", stream)
    app.router.add_post("/api/speech", whole)
    app.router.add_route("*", "/{path:.*}", echo)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, LOOPBACK, 0)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _run_grpc_server(
    health_servicer: health.HealthServicer, speech: FakeSpeechService | None = None
) -> AsyncIterator[int]:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0), ("grpc.http2.max_ping_strikes", 0)])
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    if speech is not None:
        tts_pb2_grpc.add_TextToSpeechServiceServicer_to_server(speech, server)
    port = server.add_insecure_port(f"{LOOPBACK}:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(grace=0)
