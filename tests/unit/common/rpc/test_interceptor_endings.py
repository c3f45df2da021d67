"""Calls that end early: a caller that leaves, a deadline, a cancellation that leaks from inside a handler."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from services.common.errors import Reason
from services.common.rpc.interceptor import ServerLimits
from services.common.rpc.status import from_rpc_error
from tests.conftest import LogLines
from tests.fakes.counting import LiveCount
from tests.fakes.grpc_server import (
    BIDIRECTIONAL,
    KINDS,
    SERVER_STREAM,
    Body,
    Call,
    Context,
    Request,
    Response,
    build_probe,
    build_probe_of_all_kinds,
    run_test_server,
)

of_each_kind = pytest.mark.parametrize("kind", KINDS)

LARGER_THAN_ANY_WINDOW = Response(value=bytes(8 * 1024 * 1024))


def make_waiting_body(live: LiveCount) -> Body:
    async def body(request: Request, context: Context) -> Response:
        with live.one():
            await asyncio.Event().wait()
        return Response()

    return body


async def leak_cancellation(request: Request, context: Context) -> Response:
    inner = asyncio.ensure_future(asyncio.Event().wait())
    inner.cancel()
    await inner
    return Response()


@of_each_kind
async def test_a_leaked_cancellation_is_an_internal_error_at_once(kind: str, log_lines: LogLines) -> None:
    async with run_test_server(build_probe_of_all_kinds(leak_cancellation)) as probed:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async with asyncio.timeout(5):
                await Call().run(probed.channel, kind)
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        assert from_rpc_error(caught.value).reason is Reason.INTERNAL
        assert probed.server.guard.running == 0
    assert "a cancellation leaked from a handler" in [line["event"] for line in log_lines()]


async def test_a_cancellation_that_leaks_after_a_message_is_an_internal_error_at_once() -> None:
    async def handler(request: Request, context: Context) -> None:
        await context.write(Response(value=b"first"))
        await leak_cancellation(request, context)

    async with run_test_server(build_probe({SERVER_STREAM: handler})) as probed:
        call = Call().start(probed.channel, SERVER_STREAM)
        assert (await call.read()).value == b"first"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async with asyncio.timeout(5):
                await call.read()
        assert caught.value.code() is grpc.StatusCode.INTERNAL


@of_each_kind
async def test_a_caller_that_leaves_ends_a_handler_that_waits(kind: str, log_lines: LogLines) -> None:
    live = LiveCount()
    async with run_test_server(build_probe_of_all_kinds(make_waiting_body(live))) as probed:
        call = Call().start(probed.channel, kind)
        await live.wait_for(1)
        call.cancel()
        await live.wait_for(0)
    outcomes = [line["outcome"] for line in log_lines() if line["event"] == "rpc"]
    assert outcomes == ["CANCELLED"]


@of_each_kind
async def test_the_callers_deadline_ends_a_handler_that_waits(kind: str, log_lines: LogLines) -> None:
    live = LiveCount()
    async with run_test_server(build_probe_of_all_kinds(make_waiting_body(live))) as probed:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Call(timeout_seconds=0.1).run(probed.channel, kind)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await live.wait_for(0)
        assert live.total == 1
    assert "library" not in [line["component"] for line in log_lines()]


@of_each_kind
async def test_no_call_outlasts_the_servers_own_limit(kind: str) -> None:
    live = LiveCount()
    limits = ServerLimits(deadline_seconds=0.1)
    async with run_test_server(build_probe_of_all_kinds(make_waiting_body(live)), limits=limits) as probed:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Call(timeout_seconds=None).run(probed.channel, kind)
        assert from_rpc_error(caught.value).reason is Reason.DEADLINE_EXCEEDED
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert live.now == 0


@of_each_kind
async def test_a_handler_sees_how_much_of_the_callers_deadline_is_left(kind: str) -> None:
    left: list[float | None] = []

    async def body(request: Request, context: Context) -> Response:
        left.append(context.time_remaining())
        return Response()

    async with run_test_server(build_probe_of_all_kinds(body)) as probed:
        await Call(timeout_seconds=20).run(probed.channel, kind)
        await Call(timeout_seconds=None).run(probed.channel, kind)
    assert left[0] is not None
    assert 10 < left[0] < 21  # on the wire a timeout is rounded up
    assert left[1] is None


class BlockedWriter:
    """A stream of either style that sends one small message and then one that no flow-control window holds."""

    def __init__(self) -> None:
        self.live = LiveCount()
        self.second_begun = asyncio.Event()
        self.second_sent = asyncio.Event()

    async def yield_messages(self, request: Request, context: Context) -> AsyncIterator[Response]:
        with self.live.one():
            yield Response(value=b"first")
            self.second_begun.set()
            yield LARGER_THAN_ANY_WINDOW
            self.second_sent.set()
            await asyncio.Event().wait()

    async def write_messages(self, request: Request, context: Context) -> None:
        with self.live.one():
            await context.write(Response(value=b"first"))
            self.second_begun.set()
            await context.write(LARGER_THAN_ANY_WINDOW)
            self.second_sent.set()
            await asyncio.Event().wait()


of_each_style = pytest.mark.parametrize("style", ["yield_messages", "write_messages"])
of_each_stream = pytest.mark.parametrize("kind", [SERVER_STREAM, BIDIRECTIONAL])


@of_each_style
@of_each_stream
async def test_a_caller_that_leaves_ends_a_handler_that_is_blocked_by_a_slow_reader(kind: str, style: str) -> None:
    writer = BlockedWriter()
    async with run_test_server(build_probe({kind: getattr(writer, style)})) as probed:
        call = Call().start(probed.channel, kind)
        await call.read()
        await writer.second_begun.wait()
        call.cancel()
        await writer.live.wait_for(0)
        assert not writer.second_sent.is_set()


@of_each_style
@of_each_stream
async def test_a_deadline_ends_a_handler_that_is_blocked_by_a_slow_reader(kind: str, style: str) -> None:
    writer = BlockedWriter()
    async with run_test_server(build_probe({kind: getattr(writer, style)})) as probed:
        call = Call(timeout_seconds=0.3).start(probed.channel, kind)
        await call.read()
        await writer.second_begun.wait()
        await writer.live.wait_for(0)
        assert not writer.second_sent.is_set()
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED


@of_each_style
@of_each_stream
async def test_the_servers_own_limit_ends_a_handler_that_is_blocked_by_a_slow_reader(kind: str, style: str) -> None:
    writer = BlockedWriter()
    async with run_test_server(
        build_probe({kind: getattr(writer, style)}), limits=ServerLimits(deadline_seconds=0.2)
    ) as probed:
        call = Call().start(probed.channel, kind)
        await call.read()
        await writer.live.wait_for(0)
        assert not writer.second_sent.is_set()
        call.cancel()
