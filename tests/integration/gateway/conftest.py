"""Starts TTS server and gateway in one loop, as their processes do, around a scripted engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import aiohttp
import grpc
import pytest
from media.tts.v1 import tts_pb2_grpc

from gateway.app import Upstreams, build_app
from gateway.routes.health import Health
from gateway.serving import running_http
from services.tts.service import SERVICE_NAME, TextToSpeechServicer
from services.tts.synthesis import SynthesisOptions, Synthesizer
from tests.fakes.grpc_server import served
from tests.fakes.speech import FakeSpeechProvider

MAX_BODY_BYTES = 16 * 1024

Gateway = Callable[..., AbstractAsyncContextManager[aiohttp.ClientSession]]


@asynccontextmanager
async def gateway_before(
    *engines: FakeSpeechProvider, stall_seconds: float = 10, health: Health | None = None
) -> AsyncIterator[aiohttp.ClientSession]:
    """Yields a session whose base URL is a gateway in front of these engines; the first is the default."""
    providers = {engine.name: engine for engine in engines}
    options = SynthesisOptions(default_provider=engines[0].name, stall_seconds=stall_seconds)
    servicer = TextToSpeechServicer(Synthesizer(providers, options), providers, max_unary_bytes=1024 * 1024)

    def register(server: grpc.aio.Server) -> list[str]:
        tts_pb2_grpc.add_TextToSpeechServiceServicer_to_server(servicer, server)
        return [SERVICE_NAME]

    async with served(register) as tts:
        app = build_app(Upstreams(tts=tts.channel), health or Health(), max_body_bytes=MAX_BODY_BYTES, call_seconds=30)
        async with (
            running_http(app, "127.0.0.1", 0, grace_seconds=1) as http,
            aiohttp.ClientSession(f"http://127.0.0.1:{http.port}") as session,
        ):
            yield session


@pytest.fixture
def gateway() -> Gateway:
    """What starts a gateway in front of scripted engines."""
    return gateway_before
