"""Starts TTS server and gateway in one loop, as their processes do, around a scripted engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import aiohttp
import pytest

from gateway.routes.health import Health
from tests.fakes.gateway import gateway_before
from tests.fakes.speech import FakeSpeechProvider
from tests.fakes.speech_service import served_by, servicer_of

MAX_BODY_BYTES = 16 * 1024

Gateway = Callable[..., AbstractAsyncContextManager[aiohttp.ClientSession]]


@asynccontextmanager
async def gateway_before_engines(
    *engines: FakeSpeechProvider, stall_seconds: float = 10, health: Health | None = None
) -> AsyncIterator[aiohttp.ClientSession]:
    """Yields a session whose base URL is a gateway in front of these engines; the first is the default."""
    servicer = servicer_of(*engines, stall_seconds=stall_seconds)
    async with (
        served_by(servicer) as tts,
        gateway_before(tts=tts.channel, health=health, max_body_bytes=MAX_BODY_BYTES) as session,
    ):
        yield session


@pytest.fixture
def gateway() -> Gateway:
    """What starts a gateway in front of scripted engines."""
    return gateway_before_engines
