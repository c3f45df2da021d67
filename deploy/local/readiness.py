"""Readiness checks of the supervisor: one for each kind of address."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import aiohttp
import grpc
from grpc_health.v1 import health_pb2

ReadinessCheck = Callable[[], Awaitable[bool]]
"""Checks once and returns whether the process is ready; does not raise an error if it is not."""

_TIMEOUT_SECONDS = 2.0
_HTTP_OK = 200
_CHANNEL_OPTIONS = [
    # Each check opens its own connection: a shared one would wait for the back-off of the last refused connection.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
]


def build_readiness_check(url: str) -> ReadinessCheck:
    """Return the check for `url`: the gRPC health for grpc://host:port/service, status 200 for http://."""
    parts = urlsplit(url)
    checks: dict[str, ReadinessCheck] = {
        "grpc": lambda: is_grpc_serving(parts.netloc, parts.path.removeprefix("/")),
        "http": lambda: is_http_ok(url),
    }
    return checks[parts.scheme]


async def is_grpc_serving(target: str, service: str) -> bool:
    """Return whether the server at `target` reports `service` as SERVING."""
    async with grpc.aio.insecure_channel(target, options=_CHANNEL_OPTIONS) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            response = await check(health_pb2.HealthCheckRequest(service=service), timeout=_TIMEOUT_SECONDS)
        except grpc.aio.AioRpcError:
            return False
    return bool(response.status == health_pb2.HealthCheckResponse.SERVING)


async def is_http_ok(url: str) -> bool:
    """Return whether GET `url` returns status 200."""
    try:
        async with (
            asyncio.timeout(_TIMEOUT_SECONDS),
            aiohttp.ClientSession() as session,
            session.get(url) as response,
        ):
            return response.status == _HTTP_OK
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False
