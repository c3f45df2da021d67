"""Calls between our processes: open a channel, build the metadata of a call, and close streams safely."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import grpc
from media.image.v1 import image_pb2
from media.jobs.v1 import jobs_pb2
from media.tts.v1 import tts_pb2
from media.usage.v1 import usage_pb2
from media.video.v1 import video_pb2

from services.common.log import request_id
from services.common.rpc.metadata import MAX_RESPONSE_BYTES, PRINCIPAL, REQUEST_ID

Call = TypeVar("Call", bound=grpc.aio.Call)

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
CONNECT_MILLISECONDS = 2000
"""Longest attempt to connect to a replica."""
KEEPALIVE_INTERVAL_MILLISECONDS = 2000
"""Time between two pings of a connection."""
KEEPALIVE_TIMEOUT_MILLISECONDS = 3000
"""Longest wait for the answer to a ping; then all calls on the connection fail as UNAVAILABLE."""

_CONTRACTS = (image_pb2, jobs_pb2, tts_pb2, usage_pb2, video_pb2)
_IDEMPOTENT_PREFIXES = ("Get", "List", "Probe", "Cancel", "Delete")
"""Prefixes of methods that are safe to repeat: a broken connection does not show whether the work was done."""


def open_channel(target: str, health_service: str = "") -> grpc.aio.Channel:
    """Return a channel that spreads calls over all healthy replicas of a service.

    Args:
        target: gRPC name of the service, such as `dns:///tts:50051` or `ipv4:10.0.0.1:50051,10.0.0.2:50051`.
        health_service: Name under which each replica reports its health; empty: that of the whole process.
    """
    return grpc.aio.insecure_channel(
        target,
        options=[
            ("grpc.service_config", _build_service_config(health_service)),
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            # Left on, the window grows until a service runs megabytes ahead of a caller that stopped reading.
            ("grpc.http2.bdp_probe", 0),
            # A proxy for the internet has no route to our own processes.
            ("grpc.enable_http_proxy", 0),
            *_RECONNECT_OPTIONS,
            *_KEEPALIVE_OPTIONS,
        ],
    )


# Reconnect to a restarted service within a second; the default takes up to twenty. A frozen process still accepts
# connections, so that the limit of one attempt, `min_reconnect_backoff`, decides when callers are refused.
_RECONNECT_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", CONNECT_MILLISECONDS),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # The default waits 30 s, in which a replica with a new address gets no calls.
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
)
_KEEPALIVE_OPTIONS = (
    ("grpc.keepalive_time_ms", KEEPALIVE_INTERVAL_MILLISECONDS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MILLISECONDS),
    # Without it the connection ends only after a minute, as `keepalive_timeout` waits for any data.
    ("grpc.http2.ping_timeout_ms", KEEPALIVE_TIMEOUT_MILLISECONDS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)


def _build_service_config(health_service: str) -> str:
    """Return balancing, health checks and retries of a channel.

    gRPC retries calls that never left the process by itself, and never retries after the first message of an answer.
    The throttle stops the retries while a service is down.
    """
    return json.dumps(
        {
            "loadBalancingConfig": [{"round_robin": {}}],
            "healthCheckConfig": {"serviceName": health_service},
            "methodConfig": [
                {
                    "name": _list_idempotent_methods(),
                    "retryPolicy": {
                        "maxAttempts": 2,
                        "initialBackoff": "0.05s",
                        "maxBackoff": "0.5s",
                        "backoffMultiplier": 2,
                        "retryableStatusCodes": ["UNAVAILABLE"],
                    },
                }
            ],
            "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
        }
    )


def _list_idempotent_methods() -> list[dict[str, str]]:
    return [
        {"service": method.containing_service.full_name, "method": method.name}
        for contract in _CONTRACTS
        for service in contract.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if method.name.startswith(_IDEMPOTENT_PREFIXES)
    ]


def call_metadata(principal: str = "") -> tuple[tuple[str, str], ...]:
    """Return the metadata of a call through `open_channel`: request id, principal if there is one, message size."""
    entries = ((REQUEST_ID, request_id.get()), (PRINCIPAL, principal), (MAX_RESPONSE_BYTES, str(MAX_MESSAGE_BYTES)))
    return tuple(item for item in entries if item[1])


@asynccontextmanager
async def open_stream(call: Call) -> AsyncIterator[Call]:
    """Cancel `call` when the context is left; open every client stream through this, in either direction.

    A call that is only dropped continues at the service forever (grpc issue 43462), so leaving always cancels. On a
    finished call that has no effect.
    """
    try:
        yield call
    finally:
        call.cancel()
