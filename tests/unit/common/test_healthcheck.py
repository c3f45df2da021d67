"""The health check of containers, over gRPC and HTTP: healthy, unhealthy, and unsupported addresses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from grpc_health.v1._async import HealthServicer

from services.common import healthcheck as probe
from services.common.rpc.server import ServerOptions, run_server
from tests.fakes.grpc_server import SERVICE, Context, Request, Response, build_probe_of_all_kinds, run_test_server


async def run_probe(address: str, seconds: float = 5) -> int:
    """Run the probe in a thread: it blocks, and the server that it calls runs in this event loop."""
    return await asyncio.to_thread(probe.main, [address, "--seconds", str(seconds)])


async def answer(_request: Request, _context: Context) -> Response:
    return Response()


@asynccontextmanager
async def run_http_server(status: int) -> AsyncIterator[str]:
    app = web.Application()

    async def health(_request: web.Request) -> web.Response:
        return web.Response(status=status)

    app.router.add_get("/health", health)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}/health"
    finally:
        await runner.cleanup()


async def test_a_serving_service_is_healthy() -> None:
    async with run_test_server(build_probe_of_all_kinds(answer)) as running:
        assert await run_probe(f"grpc://{running.target}/{SERVICE}") == 0
        assert await run_probe(f"grpc://{running.target}") == 0


async def test_a_draining_service_is_unhealthy(capsys: pytest.CaptureFixture[str]) -> None:
    health = HealthServicer()
    options = ServerOptions(host="127.0.0.1", port=0, port_variable="TEST_PORT")
    async with run_server(build_probe_of_all_kinds(answer), options, health) as server:
        await health.enter_graceful_shutdown()
        assert await run_probe(f"grpc://127.0.0.1:{server.port}/{SERVICE}") == 1
    assert "health status" in capsys.readouterr().err


async def test_an_unknown_service_is_unhealthy(capsys: pytest.CaptureFixture[str]) -> None:
    async with run_test_server(build_probe_of_all_kinds(answer)) as running:
        assert await run_probe(f"grpc://{running.target}/other.v1.Service") == 1
    assert "NOT_FOUND" in capsys.readouterr().err


async def test_http_status_200_is_healthy() -> None:
    async with run_http_server(200) as address:
        assert await run_probe(address) == 0


async def test_http_status_503_is_unhealthy(capsys: pytest.CaptureFixture[str]) -> None:
    async with run_http_server(503) as address:
        assert await run_probe(address) == 1
    assert "status 503" in capsys.readouterr().err


@pytest.mark.parametrize("scheme", ["grpc", "http"])
async def test_an_unreachable_address_is_unhealthy(scheme: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with run_http_server(200) as address:
        port = address.split(":")[2].split("/")[0]
    assert await run_probe(f"{scheme}://127.0.0.1:{port}/", seconds=1) == 1
    assert f"127.0.0.1:{port}" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["127.0.0.1:50051", "ftp://127.0.0.1:21/", "grpc:///Service", "http://host/health"])
def test_an_unsupported_address_is_refused(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        probe.main([address])
    assert ended.value.code == 2
    assert "grpc://HOST:PORT/SERVICE" in capsys.readouterr().err
