"""Start and end of a server: port, health, reflection, drain, signals."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc_health.v1 import health_pb2

from deploy.local.ports import find_free_ports
from services.common.errors import Reason
from services.common.rpc.channel import open_channel
from services.common.rpc.server import ServerOptions, run_server, serve
from services.common.rpc.status import from_rpc_error
from services.common.settings import ConfigurationError
from tests.conftest import LogLines
from tests.fakes.counting import LiveCount
from tests.fakes.grpc_server import (
    SERVER_STREAM,
    SERVICE,
    UNARY,
    Call,
    Context,
    Request,
    Response,
    build_probe,
    list_reflected_services,
    make_health_stub,
    run_test_server,
)
from tests.fakes.waiting import eventually

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class TwoPartStreamer:
    """Streams `first`, waits for `proceed`, then streams `last`; answers unary calls at once."""

    def __init__(self) -> None:
        self.live = LiveCount()
        self.proceed = asyncio.Event()

    async def stream(self, request: Request, context: Context) -> AsyncIterator[Response]:
        with self.live.one():
            yield Response(value=b"first")
            await self.proceed.wait()
            yield Response(value=b"last")

    async def unary(self, request: Request, context: Context) -> Response:
        return Response(value=b"answer")

    def register(self, server: grpc.aio.Server) -> list[str]:
        return list(build_probe({SERVER_STREAM: self.stream, UNARY: self.unary})(server))


class Watch:
    """Follows the health status that a server reports."""

    def __init__(self, channel: grpc.aio.Channel, service: str = SERVICE) -> None:
        stub = make_health_stub(channel)
        self._call = stub.Watch(health_pb2.HealthCheckRequest(service=service), timeout=10, wait_for_ready=True)

    async def wait_for(self, wanted: int) -> None:
        while (await self._call.read()).status != wanted:
            pass

    def cancel(self) -> None:
        self._call.cancel()


async def catch_unavailable(channel: grpc.aio.Channel) -> grpc.aio.AioRpcError:
    """Call until a call is refused as UNAVAILABLE.

    The library drops a call that arrives while the port closes as CANCELLED, or does not answer it. The notice before
    the drain exists so that callers do not meet this moment.
    """
    async with asyncio.timeout(10):
        while True:
            try:
                await Call(timeout_seconds=0.5).run(channel, UNARY)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.UNAVAILABLE:
                    return error


async def test_a_taken_port_is_an_error_that_names_its_variable() -> None:
    async with run_test_server(TwoPartStreamer().register) as first:
        options = ServerOptions(host="127.0.0.1", port=first.server.port, port_variable="TTS_PORT")
        with pytest.raises(ConfigurationError) as caught:
            async with run_server(TwoPartStreamer().register, options):
                pass
        assert str(caught.value).startswith(f"TTS_PORT: cannot listen on 127.0.0.1:{first.server.port}")
        assert "set TTS_PORT to a free port" in str(caught.value)
        assert await Call().run(first.channel, UNARY) == [b"answer"]


async def test_no_other_server_can_share_the_port() -> None:
    async with run_test_server(TwoPartStreamer().register) as running:
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            with pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", running.server.port))


async def test_a_foreign_host_is_an_error_that_names_the_variable() -> None:
    options = ServerOptions(host="203.0.113.1", port=0, port_variable="TTS_PORT")
    with pytest.raises(ConfigurationError, match=r"TTS_PORT: cannot listen on 203\.0\.113\.1:0"):
        async with run_server(TwoPartStreamer().register, options):
            pass


async def test_health_is_reported_for_each_service_and_for_the_server() -> None:
    async with run_test_server(TwoPartStreamer().register) as running:
        health = make_health_stub(running.channel)
        for service in (SERVICE, ""):
            assert (await health.Check(health_pb2.HealthCheckRequest(service=service))).status == SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health.Check(health_pb2.HealthCheckRequest(service="media.Unknown"))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_reflection_lists_the_services_and_health() -> None:
    async with run_test_server(TwoPartStreamer().register, reflection=True) as running:
        assert {SERVICE, "grpc.health.v1.Health"} <= set(await list_reflected_services(running.channel))


async def test_reflection_is_off_by_default() -> None:
    async with run_test_server(TwoPartStreamer().register) as running:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await list_reflected_services(running.channel)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_message_over_the_limit_is_refused() -> None:
    async with run_test_server(TwoPartStreamer().register, max_message_bytes=1024) as running:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Call([Request(voice="a" * 2000)]).run(running.channel, UNARY)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_draining_server_reports_not_serving_before_it_refuses_calls() -> None:
    async with run_test_server(TwoPartStreamer().register, notice_seconds=60) as running:
        watch = Watch(running.channel)
        await watch.wait_for(SERVING)
        draining = asyncio.create_task(running.server.drain())
        await watch.wait_for(NOT_SERVING)
        # Our own channels leave the server now; a client without health checks may still call it.
        async with grpc.aio.insecure_channel(running.target) as unaware:
            assert await Call().run(unaware, UNARY) == [b"answer"]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Call().run(running.channel, UNARY)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        draining.cancel()
        watch.cancel()


async def test_a_drain_refuses_new_calls_finishes_those_in_flight_and_stops(log_lines: LogLines) -> None:
    streamer = TwoPartStreamer()
    async with run_test_server(streamer.register, notice_seconds=0) as running, open_channel(running.target) as another:
        call = Call().start(running.channel, SERVER_STREAM)
        assert (await call.read()).value == b"first"
        draining = asyncio.create_task(running.server.drain())
        refusal = await catch_unavailable(another)
        assert from_rpc_error(refusal).reason is Reason.UNAVAILABLE
        assert not draining.done()
        streamer.proceed.set()
        assert (await call.read()).value == b"last"
        assert await call.code() is grpc.StatusCode.OK
        await draining
    lines = [line for line in log_lines() if line["event"] in ("draining", "stopped")]
    assert [line["event"] for line in lines] == ["draining", "stopped"]
    assert lines[0]["calls_in_flight"] == 1


async def test_a_stream_is_cut_at_the_end_of_the_grace() -> None:
    streamer = TwoPartStreamer()
    async with run_test_server(streamer.register, notice_seconds=0, grace_seconds=0.05) as running:
        call = Call().start(running.channel, SERVER_STREAM)
        assert (await call.read()).value == b"first"
        await running.server.drain()
        await streamer.live.wait_for(0)
        with pytest.raises(grpc.aio.AioRpcError):
            await call.read()
        assert await call.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


async def test_leaving_the_context_ends_calls_at_once() -> None:
    streamer = TwoPartStreamer()
    async with run_test_server(streamer.register) as running:
        call = Call().start(running.channel, SERVER_STREAM)
        assert (await call.read()).value == b"first"
    await streamer.live.wait_for(0)
    assert await call.code() is not grpc.StatusCode.OK


async def test_a_server_stops_after_its_handlers_have_cleaned_up_and_are_logged(log_lines: LogLines) -> None:
    cleaned: list[str] = []

    async def clean_up_slowly(request: Request, context: Context) -> AsyncIterator[Response]:
        try:
            yield Response(value=b"first")
            await asyncio.Event().wait()
        finally:
            for step in ("file", "flight", "record"):
                await asyncio.sleep(0)
                cleaned.append(step)

    async with run_test_server(build_probe({SERVER_STREAM: clean_up_slowly})) as running:
        assert (await Call().start(running.channel, SERVER_STREAM).read()).value == b"first"
    assert cleaned == ["file", "flight", "record"]
    assert [line["outcome"] for line in log_lines() if line["event"] == "rpc"] == ["CANCELLED"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_then_ends_the_server(number: signal.Signals) -> None:
    streamer = TwoPartStreamer()
    before = signal.getsignal(number)
    (port,) = find_free_ports(1)
    options = ServerOptions(host="127.0.0.1", port=port, port_variable="TEST_PORT", notice_seconds=0)
    serving = asyncio.create_task(serve(streamer.register, options))
    async with open_channel(f"127.0.0.1:{port}") as channel:
        watch = Watch(channel)
        await watch.wait_for(SERVING)
        call = Call().start(channel, SERVER_STREAM)
        assert (await call.read()).value == b"first"
        os.kill(os.getpid(), number)
        await watch.wait_for(NOT_SERVING)
        watch.cancel()
        streamer.proceed.set()
        assert (await call.read()).value == b"last"
        assert await call.code() is grpc.StatusCode.OK
        await serving
    assert signal.getsignal(number) in (before, signal.SIG_DFL, signal.default_int_handler)


async def test_a_stream_outlives_the_age_of_its_connection() -> None:
    proceed = asyncio.Event()

    async def stream(request: Request, context: Context) -> AsyncIterator[Response]:
        yield Response(value=b"first")
        await proceed.wait()
        yield Response(value=b"last")

    async def tell_peer(request: Request, context: Context) -> Response:
        return Response(value=context.peer().encode())

    register = build_probe({SERVER_STREAM: stream, UNARY: tell_peer})
    async with run_test_server(register, connection_age_seconds=0.05) as running:
        call = Call().start(running.channel, SERVER_STREAM)
        assert (await call.read()).value == b"first"
        [first_connection] = await Call().run(running.channel, UNARY)

        async def has_reconnected() -> bool:
            return await Call().run(running.channel, UNARY) != [first_connection]

        await eventually(has_reconnected)
        proceed.set()
        assert (await call.read()).value == b"last"
        assert await call.code() is grpc.StatusCode.OK
