"""Builds the HTTP application of the gateway: middleware, routes, OpenAPI document."""

from __future__ import annotations

from dataclasses import dataclass

import grpc
from aiohttp import web
from google.protobuf.descriptor import ServiceDescriptor
from media.image.v1 import image_pb2
from media.jobs.v1 import jobs_pb2
from media.tts.v1 import tts_pb2
from media.usage.v1 import usage_pb2
from media.video.v1 import video_pb2

from gateway import OPENAPI_FILE
from gateway.errors import handle_errors
from gateway.readiness import Readiness, ServiceCheck
from gateway.routes.captions import CaptionRoutes
from gateway.routes.docs import build_docs_routes
from gateway.routes.images import ImageRoutes
from gateway.routes.jobs import JobRoutes
from gateway.routes.media import MediaRoutes
from gateway.routes.rpc import build_rpc_routes
from gateway.routes.speech import SpeechRoutes
from gateway.routes.speech_links import SpeechLinkRoutes
from gateway.routes.suite import DebugRoutes, Health, HealthRoutes
from gateway.routes.sync_jobs import SyncJobRoutes
from gateway.routes.videos import VideoRoutes
from gateway.speech_links import SpeechLinks
from services.common.fetch import Fetcher
from services.common.rpc.call_limits import CallLimits
from services.common.storage import ObjectStore, RouteLinks

SPEECH: ServiceDescriptor = tts_pb2.DESCRIPTOR.services_by_name["TextToSpeechService"]
IMAGE: ServiceDescriptor = image_pb2.DESCRIPTOR.services_by_name["ImageService"]
VIDEO: ServiceDescriptor = video_pb2.DESCRIPTOR.services_by_name["VideoService"]
JOBS: ServiceDescriptor = jobs_pb2.DESCRIPTOR.services_by_name["JobService"]
USAGE: ServiceDescriptor = usage_pb2.DESCRIPTOR.services_by_name["UsageService"]

SERVICES: tuple[ServiceDescriptor, ...] = (SPEECH, IMAGE, VIDEO, JOBS, USAGE)


@dataclass(frozen=True, slots=True)
class Upstreams:
    """What the routes use: a channel per service, the object store, the fetcher. The caller opens and closes them."""

    tts: grpc.aio.Channel
    image: grpc.aio.Channel
    video: grpc.aio.Channel
    jobs: grpc.aio.Channel
    store: ObjectStore
    """Holds the stored media."""
    links: RouteLinks
    """Signs and checks links to routes."""
    speech_links: SpeechLinks
    """Produces the speech of links."""
    fetcher: Fetcher
    """Downloads from the URLs that callers name."""

    def list_parts(self) -> dict[str, tuple[grpc.aio.Channel, str]]:
        """Return channel and health name of each process by the name of the process."""
        return {
            "tts": (self.tts, SPEECH.full_name),
            "image": (self.image, IMAGE.full_name),
            "video": (self.video, VIDEO.full_name),
            "jobs": (self.jobs, JOBS.full_name),
        }

    def list_channels(self) -> dict[str, grpc.aio.Channel]:
        """Return the channel of each service by the service's full name."""
        return {
            SPEECH.full_name: self.tts,
            IMAGE.full_name: self.image,
            VIDEO.full_name: self.video,
            JOBS.full_name: self.jobs,
            USAGE.full_name: self.tts,
        }


def build_app(
    upstreams: Upstreams, health: Health, *, max_body_bytes: int, limits: CallLimits, cache_seconds: float
) -> web.Application:
    """Return the application; gateway/http_server.py runs it.

    Args:
        upstreams: What the routes use.
        health: Whether the gateway drains.
        max_body_bytes: Largest request body.
        limits: Time limits of calls to services.
        cache_seconds: Longest time for which caches may answer with a stored object.
    """
    app = web.Application(middlewares=[handle_errors], client_max_size=max_body_bytes)
    checks = {name: ServiceCheck(channel, service) for name, (channel, service) in upstreams.list_parts().items()}
    readiness = Readiness(checks, lambda: health.is_draining)
    app.router.add_routes(HealthRoutes(health, readiness).build_routes())
    speech_links = SpeechLinkRoutes(upstreams.speech_links, upstreams.links)
    app.router.add_routes(SpeechRoutes(upstreams.tts, limits, speech_links).build_routes())
    app.router.add_routes(speech_links.build_routes())
    app.router.add_routes(CaptionRoutes(upstreams.tts, limits).build_routes())
    app.router.add_routes(ImageRoutes(upstreams.image, limits).build_routes())
    app.router.add_routes(VideoRoutes(upstreams.video, limits).build_routes())
    app.router.add_routes(JobRoutes(upstreams.jobs, upstreams.links, limits).build_routes())
    app.router.add_routes(SyncJobRoutes(upstreams.jobs, limits).build_routes())
    app.router.add_routes(MediaRoutes(upstreams.store, cache_seconds).build_routes())
    app.router.add_routes(DebugRoutes(upstreams.fetcher, upstreams.store).build_routes())
    channels = upstreams.list_channels()
    for service in SERVICES:
        app.router.add_routes(build_rpc_routes(channels[service.full_name], service, limits))
    app.router.add_routes(build_docs_routes(OPENAPI_FILE.read_bytes()))
    return app
