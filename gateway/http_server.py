"""Runs the HTTP application on a port: notices clients that leave, and drains."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from services.common.log import logger
from services.common.settings import ConfigurationError

log = logger(__name__)


class RunningHttp:
    """An HTTP server that accepts requests, until it is drained."""

    def __init__(self, runner: web.AppRunner) -> None:
        self._runner = runner

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._runner.addresses[0][1])

    async def drain(self) -> None:
        """Accept nothing more, lets requests in flight finish within the grace time, then stops."""
        await self._runner.cleanup()


@asynccontextmanager
async def run_http(app: web.Application, host: str, port: int, *, grace_seconds: float) -> AsyncIterator[RunningHttp]:
    """Serve `app` until the context is left.

    Args:
        app: What is served.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        grace_seconds: How long requests in flight may go on at a drain.

    Raises:
        ConfigurationError: The port is taken.
    """
    # Without handler_cancellation a client that disconnects while the provider is silent goes unnoticed.
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=grace_seconds)
    await runner.setup()
    try:
        await _listen(runner, host, port)
        yield RunningHttp(runner)
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()
    except OSError:
        raise ConfigurationError(
            f"GATEWAY_PORT: cannot listen on {host}:{port}: the port is taken or not permitted. "
            "Stop what uses it, or set GATEWAY_PORT to a free port."
        ) from None
    log.info("serving", host=host, port=port)
