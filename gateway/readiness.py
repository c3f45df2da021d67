"""Asks the services for their health, for GET /readyz and for gRPC health."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import grpc
from grpc_health.v1 import health_pb2

from gateway.suite_state import PartState, SuiteState
from services.common import VERSION

CHECK_SECONDS = 2.0
"""Longest wait for the health of one service."""
FRESH_SECONDS = 1.0
"""How long an answer is reused, so that many questions cost the services one check a second."""
GATEWAY = "gateway"

Check = grpc.aio.UnaryUnaryMultiCallable[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]


class ServiceCheck:
    """Asks one service for its health.

    Args:
        channel: Channel to the service.
        name: Full name under which the service reports its health.
    """

    def __init__(self, channel: grpc.aio.Channel, name: str) -> None:
        self._request = health_pb2.HealthCheckRequest(service=name)
        self._check: Check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )

    async def read_state(self) -> PartState:
        """Return the state of the service now; takes CHECK_SECONDS at most."""
        try:
            reply = await self._check(self._request, timeout=CHECK_SECONDS)
        except grpc.aio.AioRpcError as error:
            is_silent = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            return PartState.NO_ANSWER if is_silent else PartState.NOT_SERVING
        is_serving = reply.status == health_pb2.HealthCheckResponse.SERVING
        return PartState.SERVING if is_serving else PartState.NOT_SERVING


class Readiness:
    """Reads the state of all parts; concurrent and quickly repeated questions share one check.

    Args:
        checks: The check of each service by the name of its part.
        is_draining: Returns whether the gateway itself is stopping.
    """

    def __init__(self, checks: Mapping[str, ServiceCheck], is_draining: Callable[[], bool]) -> None:
        self._checks = checks
        self._is_draining = is_draining
        self._lock = asyncio.Lock()
        self._states: Mapping[str, PartState] = {}
        self._read_at = float("-inf")

    async def read(self) -> SuiteState:
        """Return the state of the suite; at most FRESH_SECONDS old."""
        async with self._lock:
            clock = asyncio.get_running_loop().time
            if clock() - self._read_at > FRESH_SECONDS:
                states = await asyncio.gather(*(check.read_state() for check in self._checks.values()))
                self._states, self._read_at = dict(zip(self._checks, states, strict=True)), clock()
        own = PartState.NOT_SERVING if self._is_draining() else PartState.SERVING
        return SuiteState(VERSION, {GATEWAY: own, **self._states})
