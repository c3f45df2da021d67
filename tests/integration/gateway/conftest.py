"""Starts services and gateway in one loop, as their processes do, around scripted engines and jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp
import pytest

from gateway.routes.suite import Health
from tests.fakes.gateway import run_gateway
from tests.fakes.jobs import FakeJobService, serve_jobs
from tests.fakes.speech import FakeSpeechProvider
from tests.fakes.speech_service import build_servicer, serve_speech

MAX_BODY_BYTES = 16 * 1024

Gateway = Callable[..., AbstractAsyncContextManager[aiohttp.ClientSession]]


@asynccontextmanager
async def run_gateway_with(
    *engines: FakeSpeechProvider, stall_seconds: float = 10, health: Health | None = None
) -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a session whose base URL is a gateway in front of these engines; the first is the default."""
    servicer = build_servicer(*engines, stall_seconds=stall_seconds)
    async with (
        serve_speech(servicer) as tts,
        run_gateway(tts=tts.channel, health=health, max_body_bytes=MAX_BODY_BYTES) as session,
    ):
        yield session


@pytest.fixture
def gateway() -> Gateway:
    """What starts a gateway in front of scripted engines."""
    return run_gateway_with


@pytest.fixture
def jobs() -> FakeJobService:
    """The service of jobs."""
    return FakeJobService()


@pytest.fixture
async def jobs_http(jobs: FakeJobService) -> AsyncIterator[aiohttp.ClientSession]:
    """A session whose base URL is a gateway in front of that service."""
    async with (
        serve_jobs(jobs) as service,
        run_gateway(jobs=service.channel, max_body_bytes=MAX_BODY_BYTES) as session,
    ):
        yield session


async def send_as_alice(
    http: aiohttp.ClientSession, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, Any]:
    """Ask as the edge would for alice; returns status and body."""
    async with http.request(method, path, json=body, headers={"X-Media-Principal": "alice", **headers}) as answer:
        return answer.status, await answer.json()
