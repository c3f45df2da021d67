"""Every request is checked before its handler runs, and has a request id."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from services.common.errors import MediaError, Reason
from services.common.log import logger, request_id
from services.common.rpc.status import from_rpc_error
from tests.conftest import LogLines
from tests.fakes.grpc_server import (
    BIDIRECTIONAL,
    CLIENT_STREAM,
    KINDS,
    UNARY,
    Call,
    Context,
    Request,
    Response,
    build_probe,
    build_probe_of_all_kinds,
    run_test_server,
)

of_each_kind = pytest.mark.parametrize("kind", KINDS)
of_each_client_stream = pytest.mark.parametrize("kind", [CLIENT_STREAM, BIDIRECTIONAL])

GOOD = Request(voice="Aria")
NOT_UTF8 = b"\x0a\x03a\xffb"
NOT_PROTOBUF = b"\xff\xff\xff"


class VoiceLog:
    """A handler that records the voices it receives."""

    def __init__(self) -> None:
        self.voices: list[str] = []

    async def body(self, request: Request, context: Context) -> Response:
        self.voices.append(request.voice)
        return Response(value=request.voice.encode())


async def catch_refusal(kind: str, *requests: Request | bytes) -> tuple[grpc.StatusCode, MediaError, list[str]]:
    """Make a call that must fail, and return its code, its error, and the voices that the handler received."""
    seen = VoiceLog()
    async with run_test_server(build_probe_of_all_kinds(seen.body)) as probed:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Call(requests).run(probed.channel, kind)
    return caught.value.code(), from_rpc_error(caught.value), seen.voices


@of_each_kind
async def test_a_request_that_breaks_a_rule_is_refused_by_field_before_the_handler(kind: str) -> None:
    code, media_error, seen = await catch_refusal(kind, Request(voice="", provider="nobody"))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert media_error.reason is Reason.VALIDATION_ERROR
    assert [item.field for item in media_error.violations] == ["voice", "provider"]
    assert all(item.description for item in media_error.violations)
    assert seen == []


@of_each_kind
async def test_a_string_that_is_not_utf8_is_refused_by_field(kind: str) -> None:
    code, media_error, seen = await catch_refusal(kind, NOT_UTF8)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert [(item.field, item.description) for item in media_error.violations] == [("voice", "must be valid UTF-8")]
    assert seen == []


@of_each_kind
async def test_bytes_that_are_not_a_message_are_refused(kind: str) -> None:
    code, media_error, seen = await catch_refusal(kind, NOT_PROTOBUF)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert media_error.reason is Reason.VALIDATION_ERROR
    assert "not a valid protobuf message" in media_error.message
    assert seen == []


@of_each_client_stream
@pytest.mark.parametrize("bad", [Request(), NOT_UTF8, NOT_PROTOBUF])
async def test_each_message_of_a_client_stream_is_checked(kind: str, bad: Request | bytes) -> None:
    code, media_error, seen = await catch_refusal(kind, GOOD, GOOD, bad, GOOD)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert media_error.reason is Reason.VALIDATION_ERROR
    assert seen == ["Aria", "Aria"]


@of_each_client_stream
async def test_a_client_stream_without_messages_reaches_the_handler(kind: str) -> None:
    async with run_test_server(build_probe_of_all_kinds(VoiceLog().body)) as probed:
        assert b"".join(await Call(()).run(probed.channel, kind)) == b""


@of_each_client_stream
async def test_a_handler_that_fails_while_its_caller_writes_delivers_its_reason(kind: str) -> None:
    async def client_stream(requests: AsyncIterator[Request], context: Context) -> Response:
        raise MediaError(Reason.CONTENT_BLOCKED)

    async def bidirectional(requests: AsyncIterator[Request], context: Context) -> AsyncIterator[Response]:
        yield Response(value=b"first")
        raise MediaError(Reason.CONTENT_BLOCKED)

    async with run_test_server(build_probe({CLIENT_STREAM: client_stream, BIDIRECTIONAL: bidirectional})) as probed:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Call([GOOD] * 500).run(probed.channel, kind)
    assert from_rpc_error(caught.value).reason is Reason.CONTENT_BLOCKED


async def request_id_of_call(kind: str, metadata: list[tuple[str, str]]) -> tuple[str, str]:
    """Make a call that fails; returns the request id that the handler saw and the one in the ErrorInfo."""
    seen: list[str] = []

    async def body(request: Request, context: Context) -> Response:
        seen.append(request_id.get())
        logger("test").info("inside")
        raise MediaError(Reason.CONTENT_BLOCKED)

    async with run_test_server(build_probe_of_all_kinds(body)) as probed:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Call(metadata=metadata).run(probed.channel, kind)
    return seen[0], parse_error_info(caught.value).metadata["request_id"]


def parse_error_info(error: grpc.aio.AioRpcError) -> error_details_pb2.ErrorInfo:
    trailers = dict(error.trailing_metadata())
    content = trailers["grpc-status-details-bin"]
    assert isinstance(content, bytes)
    info = error_details_pb2.ErrorInfo()
    assert status_pb2.Status.FromString(content).details[0].Unpack(info)
    return info


@of_each_kind
@pytest.mark.parametrize("sent_id", ["req-1", "A" * 64, "0.a_B-c"])
async def test_a_well_formed_request_id_is_in_log_and_error(kind: str, sent_id: str, log_lines: LogLines) -> None:
    assert await request_id_of_call(kind, [("x-request-id", sent_id)]) == (sent_id, sent_id)
    lines = [line for line in log_lines() if line["event"] in ("inside", "rpc")]
    assert [(line["event"], line["request_id"]) for line in lines] == [("inside", sent_id), ("rpc", sent_id)]


@pytest.mark.parametrize("sent_id", [None, "", "a" * 65, "with space", "new%0aline", 'quote"', "../../etc"])
async def test_a_missing_or_malformed_request_id_is_replaced(sent_id: str | None) -> None:
    seen, reported = await request_id_of_call(UNARY, [] if sent_id is None else [("x-request-id", sent_id)])
    assert seen == reported
    assert re.fullmatch("[0-9a-f]{32}", seen)


async def test_concurrent_calls_have_their_own_request_ids() -> None:
    barrier = asyncio.Barrier(3)

    async def body(request: Request, context: Context) -> Response:
        await barrier.wait()
        return Response(value=request_id.get().encode())

    async with run_test_server(build_probe_of_all_kinds(body)) as probed:
        sent_ids = ["one", "two", "three"]
        calls = [Call(metadata=[("x-request-id", item)]).run(probed.channel, UNARY) for item in sent_ids]
        assert await asyncio.gather(*calls) == [[item.encode()] for item in sent_ids]


async def test_outside_a_call_no_request_id_is_logged(log_lines: LogLines) -> None:
    logger("test").info("outside")
    assert "request_id" not in log_lines()[0]
