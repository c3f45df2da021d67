"""The gRPC port of the gateway: health of each service and of the suite, and errors with details."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2

from gateway.envoy.route_table import DIRECTORY
from gateway.reflection_and_health import AggregateHealth, add_reflection
from services.common.errors import Reason
from services.common.rpc.channel import open_channel
from services.common.rpc.server import ServerOptions, run_server
from services.common.rpc.status import from_rpc_error
from tests.fakes.grpc_server import SERVICE, build_probe, make_health_stub, run_test_server

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
DOWN = "test.v1.DownService"


@pytest_asyncio.fixture
async def directory() -> AsyncIterator[grpc.aio.Channel]:
    async with run_test_server(build_probe({})) as service, open_channel("ipv4:127.0.0.1:9") as nowhere:

        def register(server: grpc.aio.Server) -> list[str]:
            add_reflection(server, [SERVICE])
            return [DIRECTORY]

        health = AggregateHealth({SERVICE: service.channel, DOWN: nowhere})
        options = ServerOptions("127.0.0.1", 0, "TEST_PORT")
        async with (
            run_server(register, options, health) as running,
            grpc.aio.insecure_channel(f"127.0.0.1:{running.port}") as channel,
        ):
            yield channel


@pytest.mark.parametrize(
    ("name", "status"), [(SERVICE, SERVING), (DOWN, NOT_SERVING), ("", NOT_SERVING), (DIRECTORY, SERVING)]
)
async def test_each_name_has_its_own_health(directory: grpc.aio.Channel, name: str, status: int) -> None:
    answer = await make_health_stub(directory).Check(health_pb2.HealthCheckRequest(service=name), timeout=30)
    assert answer.status == status


async def test_an_unknown_name_is_an_error_with_details(directory: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await make_health_stub(directory).Check(health_pb2.HealthCheckRequest(service="x"), timeout=30)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    error = from_rpc_error(caught.value)
    assert (error.reason, error.message[:9]) == (Reason.NOT_FOUND, "The suite")
