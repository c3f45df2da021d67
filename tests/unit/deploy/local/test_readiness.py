"""Tests of the readiness checks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from deploy.local.ports import Port, choose_free_ports
from deploy.local.readiness import build_readiness_check
from services.common.rpc.server import ServerOptions, run_server

NAME = "media.tts.v1.TextToSpeechService"


@asynccontextmanager
async def run_page(status: int) -> AsyncIterator[str]:
    async def respond(_: web.Request) -> web.Response:
        return web.Response(status=status)

    app = web.Application()
    app.router.add_get("/health", respond)
    async with TestServer(app) as server:
        yield str(server.make_url("/health"))


def find_free_port() -> int:
    return choose_free_ports([Port("ANY_PORT", "")])["ANY_PORT"]


@pytest.mark.parametrize(("status", "ready"), [(200, True), (503, False), (404, False)])
async def test_a_page_with_status_200_is_ready(status: int, ready: bool) -> None:
    async with run_page(status) as url:
        assert await build_readiness_check(url)() is ready


async def test_a_server_that_reports_serving_is_ready() -> None:
    def register(_: grpc.aio.Server) -> list[str]:
        return [NAME]

    async with run_server(register, ServerOptions("127.0.0.1", 0, "TTS_PORT")) as server:
        assert await build_readiness_check(f"grpc://127.0.0.1:{server.port}/{NAME}")()
        assert not await build_readiness_check(f"grpc://127.0.0.1:{server.port}/media.other.v1.OtherService")()


@pytest.mark.parametrize("scheme", ["grpc", "http"])
async def test_an_address_without_a_listener_is_not_ready(scheme: str) -> None:
    assert not await build_readiness_check(f"{scheme}://127.0.0.1:{find_free_port()}/health")()
