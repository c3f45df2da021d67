"""Runs the HTTP application on a port, notices clients that disconnect, and drains."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from services.common.log import logger
from services.common.settings import ConfigurationError

log = logger(__name__)


@asynccontextmanager
async def run_http(app: web.Application, host: str, port: int, *, grace_seconds: float) -> AsyncIterator[RunningHttp]:
    """Serve `app` until the context ends.

    Args:
        app: The application.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        grace_seconds: How long requests in flight may continue during a drain.

    Raises:
        ConfigurationError: The port is taken or not permitted.
    """
    # Without handler_cancellation, aiohttp notices a disconnect only when it writes, and a provider may be silent long.
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
            "Stop the process that uses it, or set GATEWAY_PORT to a free port."
        ) from None
    log.info("serving", host=host, port=port)


class RunningHttp:
    """An HTTP server that accepts requests until it is drained."""

    def __init__(self, runner: web.AppRunner) -> None:
        self._runner = runner

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._runner.addresses[0][1])

    async def drain(self) -> None:
        """Stop accepting requests, let those in flight finish within the grace time, then cut the rest."""
        await self._runner.cleanup()
