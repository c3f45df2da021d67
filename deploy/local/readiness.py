"""Readiness checks of the supervisor: one for each kind of address."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import aiohttp
import grpc
from grpc_health.v1 import health_pb2

Check = Callable[[], Awaitable[bool]]
"""Checks once and returns whether the process serves; does not raise if it does not."""

_ANSWER_SECONDS = 2.0
_HTTP_OK = 200
_CHANNEL_OPTIONS = [
    # Each check opens a channel: a shared one would wait for the back-off of the last refused connection.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
]


def check_for(url: str) -> Check:
    """Return the check for `url`: grpc://host:port/service asks for health, http:// for status 200."""
    parts = urlsplit(url)
    checks: dict[str, Check] = {
        "grpc": lambda: grpc_serving(parts.netloc, parts.path.removeprefix("/")),
        "http": lambda: http_ok(url),
    }
    return checks[parts.scheme]


async def grpc_serving(target: str, service: str) -> bool:
    """Return whether the server at `target` reports `service` as SERVING."""
    async with grpc.aio.insecure_channel(target, options=_CHANNEL_OPTIONS) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = await check(health_pb2.HealthCheckRequest(service=service), timeout=_ANSWER_SECONDS)
        except grpc.aio.AioRpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def http_ok(url: str) -> bool:
    """Return whether GET `url` answers with status 200."""
    try:
        async with (
            asyncio.timeout(_ANSWER_SECONDS),
            aiohttp.ClientSession() as session,
            session.get(url) as response,
        ):
            return response.status == _HTTP_OK
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False
