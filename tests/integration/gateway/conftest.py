"""Starts services and gateway in one event loop, with scripted providers and a fake job service."""

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
    """Run a gateway in front of these providers, and yield a session with its base URL; the first is the default."""
    servicer = build_servicer(*engines, stall_seconds=stall_seconds)
    async with (
        serve_speech(servicer) as tts,
        run_gateway(tts=tts.channel, health=health, max_body_bytes=MAX_BODY_BYTES) as session,
    ):
        yield session


@pytest.fixture
def gateway() -> Gateway:
    """Function that runs a gateway in front of scripted providers."""
    return run_gateway_with


@pytest.fixture
def jobs() -> FakeJobService:
    """The fake job service."""
    return FakeJobService()


@pytest.fixture
async def jobs_http(jobs: FakeJobService) -> AsyncIterator[aiohttp.ClientSession]:
    """A session with the base URL of a gateway in front of the fake job service."""
    async with (
        serve_jobs(jobs) as service,
        run_gateway(jobs=service.channel, max_body_bytes=MAX_BODY_BYTES) as session,
    ):
        yield session


async def send_as_alice(
    http: aiohttp.ClientSession, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, Any]:
    """Send a request with the principal alice, and return status and body."""
    async with http.request(method, path, json=body, headers={"X-Media-Principal": "alice", **headers}) as answer:
        return answer.status, await answer.json()
