"""At the limit of concurrent calls: refusals have a retry delay, and health and reflection still answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from services.common.errors import MediaError, Reason
from services.common.rpc.interceptor import ServerLimits
from services.common.rpc.status import from_rpc_error
from tests.fakes.counting import LiveCount
from tests.fakes.grpc_server import (
    KINDS,
    SERVER_STREAM,
    SERVICE,
    UNARY,
    Call,
    Context,
    Request,
    Response,
    ServerAndChannel,
    build_probe,
    build_probe_of_all_kinds,
    list_reflected_services,
    make_health_stub,
    run_test_server,
)

SERVING = health_pb2.HealthCheckResponse.SERVING


class HeldCalls:
    """A handler that waits until the test lets it continue or fail."""

    def __init__(self) -> None:
        self.live = LiveCount()
        self.released = asyncio.Event()
        self.failure: Exception | None = None

    async def body(self, request: Request, context: Context) -> Response:
        with self.live.one():
            await self.released.wait()
            if self.failure is not None:
                raise self.failure
            return Response(value=b"done")


@asynccontextmanager
async def run_saturated_server(
    kind: str = UNARY, calls: int = 2
) -> AsyncIterator[tuple[ServerAndChannel, HeldCalls, list[asyncio.Task[Any]]]]:
    """Run a server at its limit: every permitted call is of this kind and waits in its handler."""
    limiter = HeldCalls()
    register = build_probe_of_all_kinds(limiter.body)
    async with run_test_server(register, limits=ServerLimits(concurrent_rpcs=calls), reflection=True) as probed:
        tasks = [asyncio.create_task(Call().run(probed.channel, kind)) for _ in range(calls)]
        await limiter.live.wait_for(calls)
        yield probed, limiter, tasks
        limiter.released.set()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def expect_overloaded() -> Iterator[None]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        yield
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    media_error = from_rpc_error(caught.value)
    assert media_error.reason is Reason.OVERLOADED
    assert media_error.retry_after_seconds == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_beyond_the_limit_is_refused_with_a_retry_delay(kind: str) -> None:
    async with run_saturated_server(kind) as (probed, limiter, tasks):
        assert probed.server.guard.running == 2
        with expect_overloaded():
            await Call().run(probed.channel, kind)
        assert limiter.live.total == 2
        limiter.released.set()
        assert await asyncio.gather(*tasks) == [[b"done"], [b"done"]]
        assert await Call().run(probed.channel, kind) == [b"done"]
        assert probed.server.guard.running == 0


async def test_health_answers_at_the_limit() -> None:
    async with run_saturated_server() as (probed, _, _):
        health = make_health_stub(probed.channel)
        checked = await health.Check(health_pb2.HealthCheckRequest(service=SERVICE), timeout=5)
        assert checked.status == SERVING
        watch = health.Watch(health_pb2.HealthCheckRequest(service=SERVICE), timeout=5)
        assert (await watch.read()).status == SERVING
        watch.cancel()


async def test_watching_health_does_not_count_as_a_call() -> None:
    async with run_test_server(
        build_probe_of_all_kinds(HeldCalls().body), limits=ServerLimits(concurrent_rpcs=1)
    ) as probed:
        health = make_health_stub(probed.channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=5)
        assert (await watch.read()).status == SERVING
        assert probed.server.guard.running == 0
        watch.cancel()


async def test_reflection_answers_at_the_limit() -> None:
    async with run_saturated_server() as (probed, _, _):
        assert SERVICE in await list_reflected_services(probed.channel)


@pytest.mark.parametrize("failure", [MediaError(Reason.CONTENT_BLOCKED), RuntimeError("unexpected")])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_failed_call_does_not_count_any_more(kind: str, failure: Exception) -> None:
    async with run_saturated_server(kind, calls=1) as (probed, limiter, tasks):
        limiter.failure = failure
        limiter.released.set()
        with pytest.raises(grpc.aio.AioRpcError):
            await tasks[0]
        limiter.failure = None
        assert await Call().run(probed.channel, kind) == [b"done"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_cancelled_call_does_not_count_any_more(kind: str) -> None:
    async with run_saturated_server(kind, calls=1) as (probed, limiter, tasks):
        tasks[0].cancel()
        await limiter.live.wait_for(0)
        limiter.released.set()
        assert await Call().run(probed.channel, kind) == [b"done"]


async def test_a_call_past_its_deadline_does_not_count_any_more() -> None:
    limiter = HeldCalls()
    limits = ServerLimits(concurrent_rpcs=1, deadline_seconds=0.1)
    async with run_test_server(build_probe_of_all_kinds(limiter.body), limits=limits) as probed:
        with pytest.raises(grpc.aio.AioRpcError):
            await Call().run(probed.channel, UNARY)
        limiter.released.set()
        assert await Call().run(probed.channel, UNARY) == [b"done"]


async def test_a_stream_counts_until_its_last_message() -> None:
    going_on = asyncio.Event()

    async def handler(request: Request, context: Context) -> AsyncIterator[Response]:
        yield Response(value=b"first")
        await going_on.wait()
        yield Response(value=b"last")

    async with run_test_server(build_probe({SERVER_STREAM: handler}), limits=ServerLimits(concurrent_rpcs=1)) as probed:
        call = Call().start(probed.channel, SERVER_STREAM)
        assert (await call.read()).value == b"first"
        with expect_overloaded():
            await Call().run(probed.channel, SERVER_STREAM)
        going_on.set()
        assert (await call.read()).value == b"last"
        assert await call.code() is grpc.StatusCode.OK
