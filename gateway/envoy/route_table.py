"""The route table of the edge: every path that passes, its upstream, its credentials and its limits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from google.api import annotations_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from media.image.v1 import image_pb2
from media.jobs.v1 import jobs_pb2
from media.tts.v1 import tts_pb2
from media.usage.v1 import usage_pb2
from media.video.v1 import video_pb2


class Upstream(Enum):
    """Processes behind the edge; the value is the name of the cluster."""

    GATEWAY = "gateway"
    GATEWAY_GRPC = "gateway-grpc"
    TTS = "tts"
    IMAGE = "image"
    VIDEO = "video"
    JOBS = "jobs"


class Kind(Enum):
    """How the answer arrives, which decides which limits apply."""

    HTTP = "http"
    """One HTTP answer: a limit on the total time and on the request body."""
    HTTP_STREAM = "http-stream"
    """A streamed HTTP answer: limits on idle time, on total time and on the request body."""
    HTTP_UPLOAD = "http-upload"
    """One HTTP answer to a file: a limit on the total time; the gateway limits the body while it passes."""
    HTTP_UPLOAD_STREAM = "http-upload-stream"
    """As HTTP_STREAM, but the gateway limits the body, which may contain files."""
    HTTP_WAIT = "http-wait"
    """One HTTP answer that waits for a job: the total time of a stream, and a limit on the request body."""
    RPC = "rpc"
    """A unary RPC: the shorter of the caller's deadline and the limit of the edge."""
    RPC_STREAM = "rpc-stream"
    """A streaming RPC: limits on idle time and on total time."""
    RPC_WATCH = "rpc-watch"
    """A streaming RPC in which long silence is normal: a limit on the total time."""


_READ = ("GET", "HEAD")
_RPC_KINDS = frozenset({Kind.RPC, Kind.RPC_STREAM, Kind.RPC_WATCH})


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table; the first that matches a request decides."""

    path: str
    """An exact path, a prefix if it ends in `*`, or a path with variable segments such as `{id}`."""
    upstream: Upstream
    kind: Kind
    methods: tuple[str, ...] = ()
    """HTTP methods that match; empty: all."""
    public: bool = False
    """Whether the route needs no credential."""
    query: str = ""
    """Name of a query parameter that the request must have; empty: none."""
    safe: bool = False
    """Whether the request changes nothing, so that Envoy may retry it after a failed connection."""


def build_rpc_rows(service: ServiceDescriptor, upstream: Upstream) -> tuple[Route, ...]:
    """Return one row per method of a gRPC service, so that a new method needs no new row here."""
    return tuple(_build_rpc_row(service, method, upstream) for method in service.methods)


def _build_rpc_row(service: ServiceDescriptor, method: MethodDescriptor, upstream: Upstream) -> Route:
    kind = Kind.RPC_STREAM if method.server_streaming or method.client_streaming else Kind.RPC
    # A method that is GET over HTTP changes nothing.
    safe = bool(method.GetOptions().Extensions[annotations_pb2.http].get)
    return Route(f"/{service.full_name}/{method.name}", upstream, kind, safe=safe)


SPEECH = tts_pb2.DESCRIPTOR.services_by_name["TextToSpeechService"]
IMAGE = image_pb2.DESCRIPTOR.services_by_name["ImageService"]
VIDEO = video_pb2.DESCRIPTOR.services_by_name["VideoService"]
JOBS = jobs_pb2.DESCRIPTOR.services_by_name["JobService"]
USAGE = usage_pb2.DESCRIPTOR.services_by_name["UsageService"]

DIRECTORY = "gateway.directory"
"""Name under which the gateway reports the health of its own gRPC port, whatever the state of the services."""

TABLE: tuple[Route, ...] = (
    Route("/health", Upstream.GATEWAY, Kind.HTTP, _READ, public=True, safe=True),
    Route("/readyz", Upstream.GATEWAY, Kind.HTTP, _READ, public=True, safe=True),
    Route("/openapi.json", Upstream.GATEWAY, Kind.HTTP, _READ, public=True, safe=True),
    Route("/", Upstream.GATEWAY, Kind.HTTP, _READ, public=True, safe=True),
    Route("/docs", Upstream.GATEWAY, Kind.HTTP, _READ, public=True, safe=True),
    Route("/docs/*", Upstream.GATEWAY, Kind.HTTP, _READ, public=True, safe=True),
    Route("/api/speech/stream", Upstream.GATEWAY, Kind.HTTP_STREAM),
    # As for the events of a job: <audio> sends no header.
    Route(
        "/api/speech/links/{id}", Upstream.GATEWAY, Kind.HTTP_STREAM, _READ, public=True, query="signature", safe=True
    ),
    Route("/api/speech/links/{id}", Upstream.GATEWAY, Kind.HTTP_STREAM, _READ, safe=True),
    Route("/api/speech/timestamps", Upstream.GATEWAY, Kind.HTTP_STREAM),
    Route("/api/image/batch", Upstream.GATEWAY, Kind.HTTP_STREAM),
    Route("/api/image/upload", Upstream.GATEWAY, Kind.HTTP_UPLOAD),
    Route("/api/image/generate/transform", Upstream.GATEWAY, Kind.HTTP_UPLOAD),
    Route("/api/video/generate", Upstream.GATEWAY, Kind.HTTP_UPLOAD_STREAM),
    Route("/api/video/resume", Upstream.GATEWAY, Kind.HTTP_STREAM),
    Route("/api/video/mux", Upstream.GATEWAY, Kind.HTTP_UPLOAD_STREAM),
    Route("/api/video/mux/stream", Upstream.GATEWAY, Kind.HTTP_UPLOAD_STREAM),
    Route("/api/video/probe", Upstream.GATEWAY, Kind.HTTP_UPLOAD),
    # Its credential may be the signature in the link, which the gateway verifies: EventSource sends no header.
    Route(
        "/api/jobs/{id}/events",
        Upstream.GATEWAY,
        Kind.HTTP_STREAM,
        _READ,
        public=True,
        query="signature",
        safe=True,
    ),
    Route("/api/jobs/{id}/events", Upstream.GATEWAY, Kind.HTTP_STREAM, _READ, safe=True),
    Route("/jobs_prompt_only", Upstream.GATEWAY, Kind.HTTP_WAIT),
    Route("/jobs_prompt_tts", Upstream.GATEWAY, Kind.HTTP_WAIT),
    # Its credential is a signature in its headers, which the video service verifies.
    Route("/webhooks/replicate", Upstream.GATEWAY, Kind.HTTP, ("POST",), public=True),
    Route("/api/image/sizes", Upstream.GATEWAY, Kind.HTTP, _READ, public=True, safe=True),
    Route("/api/image/styles", Upstream.GATEWAY, Kind.HTTP, _READ, public=True, safe=True),
    # Its credential is the signature in the link, which the gateway verifies.
    Route("/media/*", Upstream.GATEWAY, Kind.HTTP_STREAM, _READ, public=True, query="signature", safe=True),
    Route("/media/*", Upstream.GATEWAY, Kind.HTTP_STREAM, _READ, safe=True),
    Route("/debug/head", Upstream.GATEWAY, Kind.HTTP),
    Route("/api/*", Upstream.GATEWAY, Kind.HTTP, _READ, safe=True),
    Route("/api/*", Upstream.GATEWAY, Kind.HTTP),
    Route("/grpc.health.v1.Health/Check", Upstream.GATEWAY_GRPC, Kind.RPC, safe=True),
    Route("/grpc.health.v1.Health/List", Upstream.GATEWAY_GRPC, Kind.RPC, safe=True),
    Route("/grpc.health.v1.Health/Watch", Upstream.GATEWAY_GRPC, Kind.RPC_WATCH),
    Route("/grpc.reflection.*", Upstream.GATEWAY_GRPC, Kind.RPC_WATCH),
    *build_rpc_rows(SPEECH, Upstream.TTS),
    *build_rpc_rows(IMAGE, Upstream.IMAGE),
    *build_rpc_rows(VIDEO, Upstream.VIDEO),
    *build_rpc_rows(JOBS, Upstream.JOBS),
    *build_rpc_rows(USAGE, Upstream.TTS),
)
"""All rows. The edge itself answers 404 to a request that matches none."""


def list_rpc_methods() -> dict[str, list[str]]:
    """Return the RPC methods of the table by the full name of their service."""
    found: dict[str, list[str]] = {}
    for row in TABLE:
        if row.kind in _RPC_KINDS and not row.path.endswith("*"):
            service, method = row.path.removeprefix("/").split("/")
            found.setdefault(service, []).append(method)
    return found
