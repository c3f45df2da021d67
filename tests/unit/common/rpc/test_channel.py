"""How services call each other: abandoned streams end, retries are few, and no service runs far ahead of its reader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from media.tts.v1 import tts_pb2, tts_pb2_grpc

from services.common.errors import MediaError, Reason
from services.common.log import bind_request_id
from services.common.rpc.channel import MAX_MESSAGE_BYTES, call_metadata, open_stream
from tests.fakes.counting import LiveCount
from tests.fakes.grpc_server import SERVER_STREAM, UNARY, Call, Context, Request, Response, build_probe, run_test_server


class Endless:
    """Streams chunks for ever, as fast as they are taken."""

    def __init__(self, chunk_bytes: int = 16) -> None:
        self.live = LiveCount()
        self.made_bytes = 0
        self.megabyte_made = asyncio.Event()
        self._chunk = Response(value=bytes(chunk_bytes))

    async def stream(self, request: Request, context: Context) -> AsyncIterator[Response]:
        with self.live.one():
            while True:
                yield self._chunk
                self.made_bytes += len(self._chunk.value)
                if self.made_bytes >= 1_000_000:
                    self.megabyte_made.set()


async def test_breaking_out_of_a_stream_ends_it_at_the_service() -> None:
    endless = Endless()
    async with run_test_server(build_probe({SERVER_STREAM: endless.stream})) as probed:
        async with open_stream(Call().start(probed.channel, SERVER_STREAM)) as stream:
            async for _ in stream:
                break
            assert endless.live.now == 1
        await endless.live.wait_for(0)


async def test_an_exception_between_two_reads_ends_the_stream_at_the_service() -> None:
    endless = Endless()

    async def fail_after_one(stream: grpc.aio.UnaryStreamCall[Request, Response]) -> None:
        async with open_stream(stream):
            async for _ in stream:
                raise ZeroDivisionError

    async with run_test_server(build_probe({SERVER_STREAM: endless.stream})) as probed:
        with pytest.raises(ZeroDivisionError):
            await fail_after_one(Call().start(probed.channel, SERVER_STREAM))
        await endless.live.wait_for(0)


async def test_cancelling_a_task_between_two_reads_ends_the_stream_at_the_service() -> None:
    endless = Endless()
    busy_elsewhere = asyncio.Event()

    async def read_one_then_write_for_ever(stream: grpc.aio.UnaryStreamCall[Request, Response]) -> None:
        async with open_stream(stream):
            async for _ in stream:
                busy_elsewhere.set()
                await asyncio.Event().wait()

    async with run_test_server(build_probe({SERVER_STREAM: endless.stream})) as probed:
        task = asyncio.create_task(read_one_then_write_for_ever(Call().start(probed.channel, SERVER_STREAM)))
        await busy_elsewhere.wait()
        task.cancel()
        await endless.live.wait_for(0)
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_stream_that_is_read_to_its_end_stays_ok() -> None:
    async def stream(request: Request, context: Context) -> AsyncIterator[Response]:
        yield Response(value=b"all")

    async with run_test_server(build_probe({SERVER_STREAM: stream})) as probed:
        call = Call().start(probed.channel, SERVER_STREAM)
        async with open_stream(call) as opened:
            assert [response.value async for response in opened] == [b"all"]
        assert await call.code() is grpc.StatusCode.OK


async def test_a_service_does_not_run_a_megabyte_ahead_of_a_reader_that_stopped() -> None:
    endless = Endless(chunk_bytes=4096)
    async with run_test_server(build_probe({SERVER_STREAM: endless.stream})) as probed:
        async with open_stream(Call().start(probed.channel, SERVER_STREAM)) as stream:
            await stream.read()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(endless.megabyte_made.wait(), 0.5)
            assert 0 < endless.made_bytes < 512 * 1024
        await endless.live.wait_for(0)


class Unsteady:
    """Fails a number of times, then answers: with a reason of its own, or as a server that is stopping."""

    def __init__(self, failures: int, reason: Reason | None = None) -> None:
        self.calls = 0
        self._failures = failures
        self._reason = reason

    async def unary(self, request: Request, context: Context) -> Response:
        await self.begin(context)
        return Response(value=b"answer")

    async def fail_late(self, request: Request, context: Context) -> AsyncIterator[Response]:
        yield Response(value=b"answer")
        await self.begin(context)

    async def begin(self, context: Context) -> None:
        """Count a call, and fail it while failures are left."""
        self.calls += 1
        if self.calls > self._failures:
            return
        if self._reason is not None:
            raise MediaError(self._reason)
        await context.abort(grpc.StatusCode.UNAVAILABLE, "stopping")


class UnsteadySpeech(tts_pb2_grpc.TextToSpeechServiceServicer):
    """A speech service whose first calls fail as if the server were stopping."""

    def __init__(self, failures: int) -> None:
        self.unsteady = Unsteady(failures)

    async def GetVoice(self, request: tts_pb2.GetVoiceRequest, context: Context) -> tts_pb2.GetVoiceResponse:  # noqa: N802 - the contract's name
        await self.unsteady.begin(context)
        return tts_pb2.GetVoiceResponse()

    async def Synthesize(self, request: tts_pb2.SynthesizeRequest, context: Context) -> tts_pb2.SynthesizeResponse:  # noqa: N802 - the contract's name
        await self.unsteady.begin(context)
        return tts_pb2.SynthesizeResponse()


@asynccontextmanager
async def run_unsteady_speech(
    failures: int,
) -> AsyncIterator[tuple[tts_pb2_grpc.TextToSpeechServiceAsyncStub, Unsteady]]:
    """Yield the stub of a speech service that is unavailable for a number of calls, and the counter of calls."""
    speech = UnsteadySpeech(failures)  # type: ignore[abstract] # nothing else is called

    def register(server: grpc.aio.Server) -> list[str]:
        tts_pb2_grpc.add_TextToSpeechServiceServicer_to_server(speech, server)
        return []

    async with run_test_server(register) as running:
        stub: tts_pb2_grpc.TextToSpeechServiceAsyncStub = tts_pb2_grpc.TextToSpeechServiceStub(running.channel)
        yield stub, speech.unsteady


async def test_an_idempotent_call_is_retried_once() -> None:
    async with run_unsteady_speech(failures=1) as (stub, unsteady):
        await stub.GetVoice(tts_pb2.GetVoiceRequest(voice="Aria"))
    assert unsteady.calls == 2


async def test_an_unavailable_service_is_called_twice_at_most() -> None:
    async with run_unsteady_speech(failures=9) as (stub, unsteady):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetVoice(tts_pb2.GetVoiceRequest(voice="Aria"))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert unsteady.calls == 2


async def test_a_call_that_costs_money_is_not_retried() -> None:
    async with run_unsteady_speech(failures=1) as (stub, unsteady):
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.Synthesize(tts_pb2.SynthesizeRequest(text="Hello."))
    assert unsteady.calls == 1


async def test_a_stream_that_has_begun_is_not_retried() -> None:
    unsteady = Unsteady(failures=1)
    async with run_test_server(build_probe({SERVER_STREAM: unsteady.fail_late})) as probed:
        call = Call().start(probed.channel, SERVER_STREAM)
        assert (await call.read()).value == b"answer"
        with pytest.raises(grpc.aio.AioRpcError):
            await call.read()
    assert unsteady.calls == 1


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
async def test_an_error_of_the_service_itself_is_final(reason: Reason) -> None:
    unsteady = Unsteady(failures=1, reason=reason)
    async with run_test_server(build_probe({UNARY: unsteady.unary})) as probed:
        with pytest.raises(grpc.aio.AioRpcError):
            await Call().run(probed.channel, UNARY)
    assert unsteady.calls == 1


def test_a_call_carries_its_request_id_its_principal_and_its_limit() -> None:
    limit = ("x-max-response-bytes", str(MAX_MESSAGE_BYTES))
    with bind_request_id("req-1"):
        assert call_metadata("alice") == (("x-request-id", "req-1"), ("x-media-principal", "alice"), limit)
        assert call_metadata() == (("x-request-id", "req-1"), limit)
    assert call_metadata() == (limit,)
