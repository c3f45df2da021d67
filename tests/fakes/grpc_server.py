"""A small gRPC service with one method of each kind, run by the suite's own server on a free port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import wrappers_pb2
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from media.tts.v1 import tts_pb2

from services.common.rpc.channel import open_channel
from services.common.rpc.server import Register, RunningServer, ServerOptions, run_server

SERVICE = "test.v1.ProbeService"
UNARY, SERVER_STREAM, CLIENT_STREAM, BIDIRECTIONAL = KINDS = (
    "unary_unary",
    "unary_stream",
    "stream_unary",
    "stream_stream",
)

Context = grpc.aio.ServicerContext[Any, Any]
# A request with a validation rule (voice is 1 to 100 code points), and a response of any size.
Request = tts_pb2.GetVoiceRequest
Response = wrappers_pb2.BytesValue
Body = Callable[[Request, Context], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class ServerAndChannel:
    """A running server and a channel to it."""

    server: RunningServer
    channel: grpc.aio.Channel
    target: str


@asynccontextmanager
async def run_test_server(register: Register, **options: Any) -> AsyncIterator[ServerAndChannel]:
    """Run a server on a free port, and open a channel to it; `options` are those of ServerOptions."""
    chosen = ServerOptions(**{"host": "127.0.0.1", "port": 0, "port_variable": "TEST_PORT", **options})
    async with run_server(register, chosen) as server:
        target = f"127.0.0.1:{server.port}"
        async with open_channel(target) as channel:
            yield ServerAndChannel(server, channel, target)


def build_probe(handlers: Mapping[str, Callable[..., Any]]) -> Register:
    """Return a function that registers the probe service with these handlers, by kind."""

    def register(server: grpc.aio.Server) -> Sequence[str]:
        by_kind = {kind: _build_method_handler(kind, handler) for kind, handler in handlers.items()}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, by_kind),))
        return [SERVICE]

    return register


def build_probe_of_all_kinds(body: Body) -> Register:
    """Return a function that registers the probe service; `body` answers each request of each kind."""

    async def unary(request: Request, context: Context) -> Response:
        return await body(request, context)

    async def server_stream(request: Request, context: Context) -> AsyncIterator[Response]:
        yield await body(request, context)

    async def client_stream(requests: AsyncIterator[Request], context: Context) -> Response:
        answers = [await body(request, context) async for request in requests]
        return answers[-1] if answers else Response()

    async def bidirectional(requests: AsyncIterator[Request], context: Context) -> AsyncIterator[Response]:
        async for request in requests:
            yield await body(request, context)

    return build_probe(dict(zip(KINDS, (unary, server_stream, client_stream, bidirectional), strict=True)))


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the probe service."""

    requests: Sequence[Request | bytes] = (Request(voice="Aria"),)
    timeout_seconds: float | None = 30
    metadata: Sequence[tuple[str, str]] = field(default=())

    def start(self, channel: grpc.aio.Channel, kind: str) -> Any:
        """Start a call of this kind, and return the call object of the library."""
        method = getattr(channel, kind)(
            f"/{SERVICE}/{kind}", request_serializer=_serialize, response_deserializer=Response.FromString
        )
        argument: object = self.requests[0] if kind.startswith("unary") else _iterate(self.requests)
        return method(argument, timeout=self.timeout_seconds, metadata=tuple(self.metadata))

    async def run(self, channel: grpc.aio.Channel, kind: str) -> list[bytes]:
        """Run a call of this kind, and return the values of its responses."""
        call = self.start(channel, kind)
        if kind.endswith("stream"):
            return [response.value async for response in call]
        return [(await call).value]


def make_health_stub(channel: grpc.aio.Channel) -> Any:
    """Return a stub of the health service; its published types have no methods."""
    return health_pb2_grpc.HealthStub(channel)


async def list_reflected_services(channel: grpc.aio.Channel) -> list[str]:
    """Return the names of the services that reflection lists."""
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]  # typed for blocking calls
    call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=5)
    answer = await call.read()
    call.cancel()
    return [item.name for item in answer.list_services_response.service]


def _build_method_handler(kind: str, handler: Callable[..., Any]) -> grpc.RpcMethodHandler[Any, Any]:
    make: Callable[..., grpc.RpcMethodHandler[Any, Any]] = getattr(grpc, f"{kind}_rpc_method_handler")
    return make(
        handler, request_deserializer=Request.FromString, response_serializer=wrappers_pb2.BytesValue.SerializeToString
    )


def _serialize(request: Request | bytes) -> bytes:
    return request if isinstance(request, bytes) else request.SerializeToString()


def _iterate(requests: Iterable[Request | bytes]) -> Iterable[Request | bytes]:
    yield from requests
