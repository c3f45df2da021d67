"""Every path that the edge lets through, where it leads, and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from google.api import annotations_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from grpc_health.v1 import health_pb2
from media.tts.v1 import tts_pb2


class Upstream(Enum):
    """The processes behind the edge; the value is the cluster's name."""

    GATEWAY = "gateway"
    GATEWAY_GRPC = "gateway-grpc"
    TTS = "tts"


class Kind(Enum):
    """How an answer arrives, which decides what bounds it."""

    HTTP = "http"
    """One HTTP answer: bounded in time as a whole, the request body in bytes."""
    HTTP_STREAM = "http-stream"
    """An HTTP answer sent while it is made: bounded in silence and life, the request body in bytes."""
    RPC = "rpc"
    """A unary RPC: bounded by the caller's deadline and our own."""
    RPC_STREAM = "rpc-stream"
    """A streaming RPC: bounded in silence and life."""
    RPC_WATCH = "rpc-watch"
    """A streaming RPC for which long silence is normal: bounded in life."""


_READ = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Route:
    """One row: the first that fits a request decides."""

    path: str
    """An exact path, or a prefix when it ends in `*`."""
    upstream: Upstream
    kind: Kind
    methods: tuple[str, ...] = ()
    """HTTP methods that fit; empty: all."""
    public: bool = False
    """Whether no credential is asked for."""
    safe: bool = False
    """Whether sending the request twice does nothing twice, so that a failed connection may be tried once more."""


def rpc_routes(
    service: ServiceDescriptor, upstream: Upstream, watches: frozenset[str] = frozenset()
) -> tuple[Route, ...]:
    """Returns one row per method of a gRPC service, so that a new method needs no edit here.

    Args:
        service: The service's descriptor.
        upstream: Who answers it.
        watches: Methods that may be silent for as long as they live.
    """
    return tuple(_rpc_route(method, upstream, method.name in watches) for method in service.methods)


def _rpc_route(method: MethodDescriptor, upstream: Upstream, watch: bool) -> Route:
    streams = method.server_streaming or method.client_streaming
    kind = Kind.RPC_WATCH if watch else Kind.RPC_STREAM if streams else Kind.RPC
    return Route(f"/{method.containing_service.full_name}/{method.name}", upstream, kind, safe=_reads_only(method))


def _reads_only(method: MethodDescriptor) -> bool:
    options = method.GetOptions()
    mapped_to_get = bool(options.Extensions[annotations_pb2.http].get)
    return mapped_to_get or method.containing_service.full_name == _HEALTH.full_name


_HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"]
_SPEECH = tts_pb2.DESCRIPTOR.services_by_name["TextToSpeechService"]

RPC_SERVICES: tuple[ServiceDescriptor, ...] = (_HEALTH, _SPEECH)
"""The services whose methods are counted one by one."""

TABLE: tuple[Route, ...] = (
    Route("/health", Upstream.GATEWAY, Kind.HTTP, _READ, public=True, safe=True),
    Route("/openapi.json", Upstream.GATEWAY, Kind.HTTP, _READ, public=True, safe=True),
    Route("/docs", Upstream.GATEWAY, Kind.HTTP, _READ, public=True, safe=True),
    Route("/docs/*", Upstream.GATEWAY, Kind.HTTP, _READ, public=True, safe=True),
    Route("/api/speech/stream", Upstream.GATEWAY, Kind.HTTP_STREAM),
    Route("/api/speech/timestamps", Upstream.GATEWAY, Kind.HTTP_STREAM),
    Route("/api/*", Upstream.GATEWAY, Kind.HTTP, _READ, safe=True),
    Route("/api/*", Upstream.GATEWAY, Kind.HTTP),
    *rpc_routes(_HEALTH, Upstream.GATEWAY_GRPC, watches=frozenset({"Watch"})),
    Route("/grpc.reflection.*", Upstream.GATEWAY_GRPC, Kind.RPC_WATCH),
    *rpc_routes(_SPEECH, Upstream.TTS),
)
"""All rows; whatever fits none is answered 404 by the edge itself."""
