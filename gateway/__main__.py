"""Serves HTTP in front of the services: `python -m gateway --help`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import grpc
from aiohttp import web

from gateway.app import Upstreams, build_app
from gateway.directory import DirectoryHealth, add_reflection
from gateway.routes.health import Health
from gateway.settings import GatewaySettings
from services.common.channel import open_channel
from services.common.log import logger
from services.common.runtime import run
from services.common.server import RunningServer, ServerOptions, running_server, stop_signal
from services.common.settings import ConfigurationError

log = logger(__name__)


async def main(settings: GatewaySettings) -> None:
    """Serves HTTP, and gRPC reflection and health, until asked to stop; then drains both."""
    async with open_channel(settings.tts_address) as tts:
        upstreams = Upstreams(tts=tts)
        health = Health()
        async with _directory(settings, upstreams) as directory, _http(settings, upstreams, health) as runner:
            await stop_signal()
            health.drain()
            async with asyncio.TaskGroup() as draining:
                draining.create_task(directory.drain())
                draining.create_task(_drain_http(settings, runner))


def _directory(settings: GatewaySettings, upstreams: Upstreams) -> AbstractAsyncContextManager[RunningServer]:
    channels = upstreams.by_service()

    def register(server: grpc.aio.Server) -> list[str]:
        add_reflection(server, list(channels))
        return []

    options = ServerOptions(
        host=settings.host,
        port=settings.grpc_port,
        port_variable="GATEWAY_GRPC_PORT",
        notice_seconds=settings.drain_notice_seconds,
        grace_seconds=settings.drain_grace_seconds,
    )
    return running_server(register, options, health=DirectoryHealth(channels))


@asynccontextmanager
async def _http(settings: GatewaySettings, upstreams: Upstreams, health: Health) -> AsyncIterator[web.AppRunner]:
    app = build_app(upstreams, health, max_body_bytes=settings.max_body_bytes, call_seconds=settings.call_seconds)
    # Without handler_cancellation nobody notices that a client left while the provider is silent.
    runner = web.AppRunner(
        app, handler_cancellation=True, access_log=None, shutdown_timeout=settings.drain_grace_seconds
    )
    await runner.setup()
    try:
        await _listen(settings, runner)
        yield runner
    finally:
        await runner.cleanup()


async def _listen(settings: GatewaySettings, runner: web.AppRunner) -> None:
    try:
        await web.TCPSite(runner, settings.host, settings.port, backlog=1024).start()
    except OSError:
        raise ConfigurationError(
            f"GATEWAY_PORT: can not listen on {settings.host}:{settings.port}: the port is taken or not permitted. "
            "Stop what uses it, or set GATEWAY_PORT to a free port."
        ) from None
    log.info("serving", host=settings.host, port=settings.port)


async def _drain_http(settings: GatewaySettings, runner: web.AppRunner) -> None:
    await asyncio.sleep(settings.drain_notice_seconds)
    await runner.cleanup()


if __name__ == "__main__":
    run("gateway", "Serves HTTP in front of the services.", GatewaySettings, main)
