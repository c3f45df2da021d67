"""The interceptor of every RPC: request id, limits, validation, deadline, error status and log line."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol, TypeVar, cast

import grpc
from google.protobuf.message import Message

from services.common.cancellation import is_cancelled
from services.common.errors import MediaError, Reason, unwrap_group
from services.common.log import bind_request_id, describe_error, logger
from services.common.rpc.metadata import REQUEST_ID, choose_request_id, find_metadata
from services.common.rpc.status import from_rpc_error, to_status
from services.common.rpc.validation import MalformedRequest, make_lenient_deserializer, validate

log = logger(__name__)

Handler = Any  # grpc.RpcMethodHandler: its attributes are not part of any published type.
Context = grpc.aio.ServicerContext[Any, Any]
T = TypeVar("T")

# Health checks must work while other calls are refused, and reflection helps to find out why they are.
EXEMPT = ("/grpc.health.v1.Health/", "/grpc.reflection.")
_OWN_DEADLINE_SLACK_SECONDS = 1.0
_PAUSE_SECONDS = 0.25
_MAX_READ_SECONDS = 10.0


class Continuation(Protocol):
    """The next interceptor, or the handler itself."""

    def __call__(self, details: grpc.HandlerCallDetails) -> Awaitable[Handler]:
        """Return the handler of the method, or None."""


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Limits on the calls of a service."""

    concurrent_rpcs: int = 1000
    """Most calls at once; further ones are refused as OVERLOADED."""
    deadline_seconds: float = 600
    """Longest that any call may take, whatever its own deadline says."""


class GuardInterceptor(grpc.aio.ServerInterceptor):
    """Guards all four kinds of RPC in the same way.

    The guard itself sends the messages of a stream, with `context.write`, also for handlers that are generators. So a
    caller that leaves always causes a CancelledError here, generators are closed at once, and a deadline that passes
    while a slow reader blocks a write still ends in a status.
    """

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._running = 0
        self._calls: set[asyncio.Task[Any]] = set()
        self._wrapped: dict[str, Handler] = {}

    @property
    def running(self) -> int:
        """Number of calls in progress."""
        return self._running

    async def wait_until_settled(self, within_seconds: float) -> None:
        """Wait until every handler has cleaned up and logged its call, or until the time is over.

        When a server has stopped, its calls have ended, but their handlers may still run.
        """
        if self._calls:
            await asyncio.wait(self._calls, timeout=within_seconds)

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Return the guarded handler of the method."""
        method = handler_call_details.method
        handler = await continuation(handler_call_details)
        if handler is None or method.startswith(EXEMPT):
            return handler
        if method not in self._wrapped:
            self._wrapped[method] = self._wrap(method, handler)
        return self._wrapped[method]

    def _wrap(self, method: str, handler: Handler) -> Handler:
        serialization = {
            "request_deserializer": make_lenient_deserializer(handler.request_deserializer),
            "response_serializer": handler.response_serializer,
        }
        match handler.request_streaming, handler.response_streaming:
            case False, False:
                return grpc.unary_unary_rpc_method_handler(
                    self._wrap_unary(method, handler.unary_unary), **serialization
                )
            case False, True:
                return grpc.unary_stream_rpc_method_handler(
                    self._wrap_server_stream(method, handler.unary_stream), **serialization
                )
            case True, False:
                return grpc.stream_unary_rpc_method_handler(
                    self._wrap_client_stream(method, handler.stream_unary), **serialization
                )
            case _:
                return grpc.stream_stream_rpc_method_handler(
                    self._wrap_bidirectional(method, handler.stream_stream), **serialization
                )

    def _wrap_unary(self, method: str, behaviour: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        async def call(request: Message | MalformedRequest, context: Context) -> T:
            async with self._call(method, context):
                return await behaviour(_check(request), context)

        return call

    def _wrap_server_stream(self, method: str, behaviour: Callable[..., Any]) -> Callable[..., Awaitable[None]]:
        async def call(request: Message | MalformedRequest, context: Context) -> None:
            async with self._call(method, context):
                await _send(behaviour, _check(request), context)

        return call

    def _wrap_client_stream(self, method: str, behaviour: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        async def call(requests: AsyncIterator[Message | MalformedRequest], context: Context) -> T:
            async with self._call(method, context):
                try:
                    return await behaviour(_check_each(requests), context)
                except Exception:
                    await _read_to_end(requests)
                    raise

        return call

    def _wrap_bidirectional(self, method: str, behaviour: Callable[..., Any]) -> Callable[..., Awaitable[None]]:
        async def call(requests: AsyncIterator[Message | MalformedRequest], context: Context) -> None:
            async with self._call(method, context):
                try:
                    await _send(behaviour, _check_each(requests), context)
                except Exception:
                    await _read_to_end(requests)
                    raise

        return call

    @asynccontextmanager
    async def _call(self, method: str, context: Context) -> AsyncIterator[None]:
        started = time.monotonic()
        self._track_task(asyncio.current_task())
        outcome = "OK"
        request_id = choose_request_id(find_metadata(context, REQUEST_ID))
        with bind_request_id(request_id):
            try:
                self._refuse_if_full()
                self._running += 1
                try:
                    async with asyncio.timeout(self._compute_seconds_left(context)):
                        yield
                finally:
                    self._running -= 1
            except asyncio.CancelledError:
                if _has_caller_left():
                    outcome = Reason.CANCELLED.name
                    raise
                # The handler raised it, not the end of the call: without a status the caller would wait forever.
                outcome = Reason.INTERNAL.name
                log.error("a cancellation leaked from a handler", method=method)
                await _abort(context, MediaError(Reason.INTERNAL), request_id)
            except grpc.aio.AbortError:
                outcome = "ABORTED_BY_HANDLER"
                raise
            except Exception as error:  # noqa: BLE001 - every failure needs a status
                failure = _to_media_error(error, method)
                outcome = failure.reason.name
                await _abort(context, failure, request_id)
            finally:
                level = log.debug if outcome == "OK" else log.info
                level("rpc", method=method, outcome=outcome, seconds=round(time.monotonic() - started, 4))

    def _track_task(self, call: asyncio.Task[Any] | None) -> None:
        if call is not None:
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    def _refuse_if_full(self) -> None:
        if self._running >= self._limits.concurrent_rpcs:
            raise MediaError(Reason.OVERLOADED, retry_after_seconds=1)

    def _compute_seconds_left(self, context: Context) -> float:
        remaining = cast("float | None", context.time_remaining())  # the stubs omit None, the value without a deadline
        limit = self._limits.deadline_seconds
        # gRPC itself ends a call at the caller's deadline; ours comes later, as a second line of defence.
        return limit if remaining is None else min(limit, remaining + _OWN_DEADLINE_SLACK_SECONDS)


async def _send(behaviour: Callable[..., Any], request: object, context: Context) -> None:
    """Run a streaming handler; if it is a generator, send what it yields."""
    if not inspect.isasyncgenfunction(behaviour):
        await behaviour(request, context)
        return
    async with aclosing(behaviour(request, context)) as messages:
        async for message in messages:
            await context.write(message)


async def _read_to_end(requests: AsyncIterator[Message | MalformedRequest]) -> None:
    """Read and drop what the caller still sends, until it pauses.

    If a call ends while its caller writes, the gRPC library treats it as broken: the caller would see INTERNAL instead
    of the reason.
    """
    with suppress(TimeoutError, StopAsyncIteration):
        async with asyncio.timeout(_MAX_READ_SECONDS):
            while True:
                async with asyncio.timeout(_PAUSE_SECONDS):
                    await anext(aiter(requests))


def _check(request: Message | MalformedRequest) -> Message:
    if isinstance(request, MalformedRequest):
        raise request.to_error()
    validate(request)
    return request


async def _check_each(requests: AsyncIterator[Message | MalformedRequest]) -> AsyncIterator[Message]:
    async for request in requests:
        yield _check(request)


def _has_caller_left() -> bool:
    """Return whether a CancelledError comes from the end of the call, not from inside the handler."""
    return is_cancelled()


def _to_media_error(error: Exception, method: str) -> MediaError:
    match error := unwrap_group(error):
        case MediaError():
            return error
        case grpc.aio.AioRpcError():
            return from_rpc_error(error)
        case TimeoutError(errno=None):  # with an errno, the operating system raised it
            return MediaError(Reason.DEADLINE_EXCEEDED)
        case _:
            log.error("a handler failed", method=method, **describe_error(error))
            return MediaError(Reason.INTERNAL)


async def _abort(context: Context, error: MediaError, request_id: str) -> NoReturn:
    await context.abort_with_status(to_status(error, request_id))
    raise AssertionError("abort_with_status returns by raising")
