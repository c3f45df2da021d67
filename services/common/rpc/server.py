"""Run a gRPC server with health checks and reflection; SIGTERM drains it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from services.common.log import logger
from services.common.rpc.interceptor import GuardInterceptor, ServerLimits
from services.common.settings import ConfigurationError

log = logger(__name__)

_SETTLE_SECONDS = 5.0

Register = Callable[[grpc.aio.Server], Sequence[str]]
"""Called with a server to add servicers; returns the full names of their services."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Where and how a server listens."""

    host: str
    """Address to listen on."""
    port: int
    """Port to listen on; 0 takes a free one."""
    port_variable: str
    """Environment variable that sets the port, for error messages."""
    limits: ServerLimits = ServerLimits()
    """Limits on the calls of the server."""
    reflection: bool = False
    """Whether the server offers gRPC reflection."""
    notice_seconds: float = 1.0
    """How long the server reports NOT_SERVING before it refuses calls; longer than a health-check interval of Envoy."""
    grace_seconds: float = 20.0
    """How long running calls may continue once new ones are refused."""
    connection_age_seconds: float = 60.0
    """Age at which a connection takes no new calls; its client then resolves the name of the service again."""
    max_message_bytes: int = 64 * 1024 * 1024
    """Largest message in either direction."""


class RunningServer:
    """A server that accepts calls, until it is drained."""

    def __init__(
        self,
        server: grpc.aio.Server,
        health: HealthServicer,
        port: int,
        guard: GuardInterceptor,
        options: ServerOptions,
    ):
        self._server = server
        self._health = health
        self._options = options
        self.port = port
        self.guard = guard

    async def drain(self) -> None:
        """Report NOT_SERVING, wait until load balancers notice, let running calls finish, then stop."""
        log.info("draining", calls_in_flight=self.guard.running)
        await self._health.enter_graceful_shutdown()
        await asyncio.sleep(self._options.notice_seconds)
        await self._server.stop(self._options.grace_seconds)
        log.info("stopped")


@asynccontextmanager
async def run_server(
    register: Register, options: ServerOptions, health: HealthServicer | None = None
) -> AsyncIterator[RunningServer]:
    """Serve what `register` adds until the context is left; leaving it stops without a drain.

    Args:
        register: Adds the servicers.
        options: Where and how to listen.
        health: Servicer of health checks; by default one that knows the registered services.

    Raises:
        ConfigurationError: The port is taken.
    """
    guard = GuardInterceptor(options.limits)
    server = grpc.aio.server(interceptors=[guard], options=_build_channel_options(options))
    health = health or HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    names = list(register(server))
    if options.reflection:
        reflected = (*names, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(reflected, server)
    port = _bind(server, options)
    await server.start()
    try:
        for name in (*names, ""):
            await health.set(name, health_pb2.HealthCheckResponse.SERVING)
        log.info("serving", host=options.host, port=port, services=names)
        yield RunningServer(server, health, port, guard, options)
    finally:
        await server.stop(0)
        await guard.wait_until_settled(_SETTLE_SECONDS)


async def serve(register: Register, options: ServerOptions) -> None:
    """Serve what `register` adds until SIGTERM or SIGINT, then drain.

    Raises:
        ConfigurationError: The port is taken.
    """
    async with run_server(register, options) as running:
        await stop_signal()
        await running.drain()


async def stop_signal() -> None:
    """Wait for SIGTERM or SIGINT; a second signal ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    watched = (signal.SIGTERM, signal.SIGINT)
    for number in watched:
        loop.add_signal_handler(number, stop.set)
    try:
        await stop.wait()
    finally:
        for number in watched:
            loop.remove_signal_handler(number)


def _bind(server: grpc.aio.Server, options: ServerOptions) -> int:
    address = f"{options.host}:{options.port}"
    try:
        return server.add_insecure_port(address)
    except RuntimeError:
        raise ConfigurationError(
            f"{options.port_variable}: cannot listen on {address}: the port is taken or not permitted. "
            f"Stop what uses it, or set {options.port_variable} to a free port."
        ) from None


def _build_channel_options(options: ServerOptions) -> list[tuple[str, int]]:
    return [
        # Without this, two servers can share one port without an error.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", options.max_message_bytes),
        ("grpc.max_send_message_length", options.max_message_bytes),
        # Envoy and other long-lived clients ping idle connections; the default answers that with GOAWAY.
        ("grpc.http2.max_ping_strikes", 0),
        # Clients look for new replicas only when a connection ends. Running calls continue.
        ("grpc.max_connection_age_ms", int(options.connection_age_seconds * 1000)),
    ]
