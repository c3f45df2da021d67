"""A handler that fails: the caller and the log get the reason, and no secret."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest

from services.common.errors import MediaError, Reason
from services.common.rpc.status import from_rpc_error
from tests.conftest import LogLines
from tests.fakes.grpc_server import (
    BIDIRECTIONAL,
    KINDS,
    SERVER_STREAM,
    UNARY,
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
SECRET = "sk-live-4711"


def make_raising_body(error: BaseException) -> Body:
    async def body(request: Request, context: Context) -> Response:
        raise error

    return body


async def catch_failure(body: Body, kind: str) -> grpc.aio.AioRpcError:
    async with run_test_server(build_probe_of_all_kinds(body)) as probed:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Call().run(probed.channel, kind)
    return caught.value


@of_each_kind
async def test_a_secret_in_an_exception_reaches_neither_the_caller_nor_the_log(kind: str, log_lines: LogLines) -> None:
    failure = await catch_failure(make_raising_body(RuntimeError(f"secret {SECRET}")), kind)
    assert failure.code() is grpc.StatusCode.INTERNAL
    assert SECRET not in str(failure)
    assert SECRET not in repr(failure.trailing_metadata())
    lines = log_lines()
    assert SECRET not in json.dumps(lines)
    (logged,) = [line for line in lines if line["event"] == "a handler failed"]
    assert logged["error_type"] == "RuntimeError"
    assert logged["method"].endswith(kind)
    assert logged["frames"][-1].endswith(" body")


@of_each_kind
async def test_an_error_of_the_system_is_logged_with_errno_and_path_and_stays_inside(
    kind: str, log_lines: LogLines
) -> None:
    failure = await catch_failure(make_raising_body(OSError(errno.ETIMEDOUT, SECRET, "/data/file")), kind)
    assert failure.code() is grpc.StatusCode.INTERNAL
    assert "/data" not in str(failure) + repr(failure.trailing_metadata())
    (logged,) = [line for line in log_lines() if line["event"] == "a handler failed"]
    assert (logged["errno"], logged["path"]) == (errno.ETIMEDOUT, "/data/file")
    assert SECRET not in json.dumps(logged)


@of_each_kind
async def test_an_expected_failure_keeps_reason_message_and_code(kind: str) -> None:
    failure = await catch_failure(make_raising_body(MediaError(Reason.VOICE_NOT_FOUND, "No voice of this name.")), kind)
    assert failure.code() is grpc.StatusCode.NOT_FOUND
    media_error = from_rpc_error(failure)
    assert (media_error.reason, media_error.message) == (Reason.VOICE_NOT_FOUND, "No voice of this name.")


@of_each_kind
async def test_a_failure_in_a_group_of_tasks_keeps_its_reason(kind: str) -> None:
    group = ExceptionGroup("tasks", [RuntimeError(SECRET), ExceptionGroup("inner", [MediaError(Reason.NOT_FOUND)])])
    failure = await catch_failure(make_raising_body(group), kind)
    assert from_rpc_error(failure).reason is Reason.NOT_FOUND
    assert SECRET not in str(failure)


@of_each_kind
async def test_a_timeout_inside_a_handler_is_deadline_exceeded(kind: str) -> None:
    failure = await catch_failure(make_raising_body(TimeoutError(SECRET)), kind)
    assert from_rpc_error(failure).reason is Reason.DEADLINE_EXCEEDED
    assert SECRET not in str(failure)


@of_each_kind
async def test_the_failure_of_a_called_service_keeps_its_reason(kind: str) -> None:
    behind = await catch_failure(make_raising_body(MediaError(Reason.PROVIDER_BUSY, retry_after_seconds=7)), UNARY)
    media_error = from_rpc_error(await catch_failure(make_raising_body(behind), kind))
    assert (media_error.reason, media_error.retry_after_seconds) == (Reason.PROVIDER_BUSY, 7)


@of_each_kind
async def test_a_handler_that_aborts_itself_keeps_its_status(kind: str) -> None:
    async def body(request: Request, context: Context) -> Response:
        await context.abort(grpc.StatusCode.ALREADY_EXISTS, "as the handler says")

    failure = await catch_failure(body, kind)
    assert (failure.code(), failure.details()) == (grpc.StatusCode.ALREADY_EXISTS, "as the handler says")


async def yield_messages(request: Request, context: Context) -> AsyncIterator[Response]:
    yield Response(value=b"first")
    yield Response(value=b"second")
    raise RuntimeError(SECRET)


async def write_messages(request: Request, context: Context) -> None:
    await context.write(Response(value=b"first"))
    await context.write(Response(value=b"second"))
    raise RuntimeError(SECRET)


class Servicer:
    """Has handlers as methods, as generated servicers do."""

    async def yield_messages(self, request: Request, context: Context) -> AsyncIterator[Response]:
        async for response in yield_messages(request, context):
            yield response

    async def write_messages(self, request: Request, context: Context) -> None:
        await write_messages(request, context)


@pytest.mark.parametrize(
    "handler", [yield_messages, write_messages, Servicer().yield_messages, Servicer().write_messages]
)
@pytest.mark.parametrize("kind", [SERVER_STREAM, BIDIRECTIONAL])
async def test_both_styles_of_stream_deliver_their_messages_before_a_failure(
    kind: str, handler: Callable[..., Any], log_lines: LogLines
) -> None:
    async with run_test_server(build_probe({kind: handler})) as probed:
        call = Call().start(probed.channel, kind)
        assert [(await call.read()).value, (await call.read()).value] == [b"first", b"second"]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert SECRET not in str(caught.value)
    assert SECRET not in json.dumps(log_lines())


@pytest.mark.parametrize("kind", [SERVER_STREAM, BIDIRECTIONAL])
async def test_a_complete_stream_ends_with_ok(kind: str, log_lines: LogLines) -> None:
    async def handler(request: Request | AsyncIterator[Request], context: Context) -> AsyncIterator[Response]:
        if isinstance(request, AsyncIterator):
            assert [item async for item in request]
        yield Response(value=b"all")

    async with run_test_server(build_probe({kind: handler})) as probed:
        assert await Call().run(probed.channel, kind) == [b"all"]
    assert [line["outcome"] for line in log_lines() if line["event"] == "rpc"] == ["OK"]


@of_each_kind
async def test_a_method_that_does_not_exist_is_unimplemented(kind: str) -> None:
    # The library reports a message that arrives after the refusal as a failure of its own.
    call = Call(requests=()) if kind.startswith("stream") else Call()
    async with run_test_server(build_probe({})) as probed:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.run(probed.channel, kind)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("library", ["asyncio", "grpc._cython.cygrpc", "grpc.aio._server", "aiohttp.server"])
def test_the_message_of_a_library_is_not_logged(library: str, log_lines: LogLines) -> None:
    error = RuntimeError(SECRET)
    logging.getLogger(library).error("failed with %s", error, exc_info=error)
    (line,) = log_lines()
    assert (line["library"], line["error_type"], line["level"]) == (library, "RuntimeError", "error")
    assert SECRET not in json.dumps(line)


async def test_a_task_that_was_never_awaited_is_logged_without_its_message(log_lines: LogLines) -> None:
    asyncio.get_running_loop().call_exception_handler(
        {"message": f"Task exception was never retrieved: {SECRET}", "exception": RuntimeError(SECRET)}
    )
    (line,) = log_lines()
    assert (line["library"], line["error_type"]) == ("asyncio", "RuntimeError")
    assert SECRET not in json.dumps(line)
