"""Every path that the edge lets through, where it leads, and how long it may take."""

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
    """The processes behind the edge; the value is the cluster's name."""

    GATEWAY = "gateway"
    GATEWAY_GRPC = "gateway-grpc"
    TTS = "tts"
    IMAGE = "image"
    VIDEO = "video"
    JOBS = "jobs"


class Kind(Enum):
    """How an answer arrives, which decides what bounds it."""

    HTTP = "http"
    """One HTTP answer: bounded in time as a whole, the request body in bytes."""
    HTTP_STREAM = "http-stream"
    """An HTTP answer sent while it is made: bounded in silence and life, the request body in bytes."""
    HTTP_UPLOAD = "http-upload"
    """One HTTP answer to a file: bounded in time as a whole, the body in bytes by the gateway while it passes."""
    HTTP_UPLOAD_STREAM = "http-upload-stream"
    """As HTTP_STREAM, but the gateway bounds the body, in which files may come."""
    HTTP_WAIT = "http-wait"
    """One HTTP answer that takes as long as a video: bounded in life, the request body in bytes."""
    RPC = "rpc"
    """A unary RPC: bounded by the caller's deadline and our own."""
    RPC_STREAM = "rpc-stream"
    """A streaming RPC: bounded in silence and life."""
    RPC_WATCH = "rpc-watch"
    """A streaming RPC for which long silence is normal: bounded in life."""


_READ = ("GET", "HEAD")
_RPC_KINDS = frozenset({Kind.RPC, Kind.RPC_STREAM, Kind.RPC_WATCH})


@dataclass(frozen=True, slots=True)
class Route:
    """One row: the first that fits a request decides."""

    path: str
    """An exact path, a prefix when it ends in `*`, or one with segments that may be anything, such as `{id}`."""
    upstream: Upstream
    kind: Kind
    methods: tuple[str, ...] = ()
    """HTTP methods that fit; empty: all."""
    public: bool = False
    """Whether no credential is asked for."""
    query: str = ""
    """Name of a query parameter that the request must have; empty: any request fits."""
    safe: bool = False
    """Whether sending the request twice does nothing twice, so that a failed connection may be tried once more."""


def build_rpc_rows(service: ServiceDescriptor, upstream: Upstream) -> tuple[Route, ...]:
    """Return one row per method of a gRPC service, so that a new method needs no edit here."""
    return tuple(_build_rpc_row(service, method, upstream) for method in service.methods)


def _build_rpc_row(service: ServiceDescriptor, method: MethodDescriptor, upstream: Upstream) -> Route:
    kind = Kind.RPC_STREAM if method.server_streaming or method.client_streaming else Kind.RPC
    # What is a GET over HTTP changes nothing.
    safe = bool(method.GetOptions().Extensions[annotations_pb2.http].get)
    return Route(f"/{service.full_name}/{method.name}", upstream, kind, safe=safe)


SPEECH = tts_pb2.DESCRIPTOR.services_by_name["TextToSpeechService"]
IMAGE = image_pb2.DESCRIPTOR.services_by_name["ImageService"]
VIDEO = video_pb2.DESCRIPTOR.services_by_name["VideoService"]
JOBS = jobs_pb2.DESCRIPTOR.services_by_name["JobService"]
USAGE = usage_pb2.DESCRIPTOR.services_by_name["UsageService"]

TABLE: tuple[Route, ...] = (
    Route("/health", Upstream.GATEWAY, Kind.HTTP, _READ, public=True, safe=True),
    Route("/openapi.json", Upstream.GATEWAY, Kind.HTTP, _READ, public=True, safe=True),
    Route("/docs", Upstream.GATEWAY, Kind.HTTP, _READ, public=True, safe=True),
    Route("/docs/*", Upstream.GATEWAY, Kind.HTTP, _READ, public=True, safe=True),
    Route("/api/speech/stream", Upstream.GATEWAY, Kind.HTTP_STREAM),
    Route("/api/speech/timestamps", Upstream.GATEWAY, Kind.HTTP_STREAM),
    Route("/api/image/batch", Upstream.GATEWAY, Kind.HTTP_STREAM),
    Route("/api/image/upload", Upstream.GATEWAY, Kind.HTTP_UPLOAD),
    Route("/api/image/generate/transform", Upstream.GATEWAY, Kind.HTTP_UPLOAD),
    Route("/api/video/generate", Upstream.GATEWAY, Kind.HTTP_UPLOAD_STREAM),
    Route("/api/video/resume", Upstream.GATEWAY, Kind.HTTP_STREAM),
    Route("/api/video/mux", Upstream.GATEWAY, Kind.HTTP_UPLOAD_STREAM),
    Route("/api/video/mux/stream", Upstream.GATEWAY, Kind.HTTP_UPLOAD_STREAM),
    Route("/api/video/probe", Upstream.GATEWAY, Kind.HTTP_UPLOAD),
    Route("/api/jobs/{id}/events", Upstream.GATEWAY, Kind.HTTP_STREAM, _READ, safe=True),
    Route("/jobs_prompt_only", Upstream.GATEWAY, Kind.HTTP_WAIT),
    Route("/jobs_prompt_tts", Upstream.GATEWAY, Kind.HTTP_WAIT),
    # A signature in its headers is its credential; the video service looks at it.
    Route("/webhooks/replicate", Upstream.GATEWAY, Kind.HTTP, ("POST",), public=True),
    Route("/api/image/sizes", Upstream.GATEWAY, Kind.HTTP, _READ, public=True, safe=True),
    # A signed link is a credential of its own.
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
"""All rows; whatever fits none is answered 404 by the edge itself."""


def list_rpc_methods() -> dict[str, list[str]]:
    """Return the methods of the table by the full name of their service."""
    found: dict[str, list[str]] = {}
    for row in TABLE:
        if row.kind in _RPC_KINDS and not row.path.endswith("*"):
            service, method = row.path.removeprefix("/").split("/")
            found.setdefault(service, []).append(method)
    return found
