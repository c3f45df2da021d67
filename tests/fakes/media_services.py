"""Fakes of the speech, image and video services that only delete, and record each deletion."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from media.image.v1 import image_pb2, image_pb2_grpc
from media.tts.v1 import tts_pb2, tts_pb2_grpc
from media.video.v1 import video_pb2, video_pb2_grpc

from services.common.errors import MediaError, Reason
from services.common.rpc.metadata import get_principal
from services.jobs.clients import ServiceClients
from tests.fakes.grpc_server import Context, run_test_server


class FakeMediaServices:
    """The deletions of the three services, and the failures that a test sets."""

    def __init__(self) -> None:
        self.deleted: list[tuple[str, str]] = []
        """Principal and key, or id, of each successful call."""
        self.reasons: dict[str, Reason] = {}
        """Why a key, or id, cannot be deleted."""

    def delete(self, name: str, context: Context) -> None:
        """Record the deletion, or raise the failure that the test has set."""
        if reason := self.reasons.get(name):
            raise MediaError(reason)
        self.deleted.append((get_principal(context), name))

    def register(self, server: grpc.aio.Server) -> list[str]:
        """Add the three services to a server."""
        tts_pb2_grpc.add_TextToSpeechServiceServicer_to_server(_Speech(self), server)  # type: ignore[abstract] # only the deletion is implemented
        image_pb2_grpc.add_ImageServiceServicer_to_server(_Images(self), server)  # type: ignore[abstract] # as above
        video_pb2_grpc.add_VideoServiceServicer_to_server(_Videos(self), server)  # type: ignore[abstract] # as above
        return ["media services"]


@asynccontextmanager
async def run_media_services() -> AsyncIterator[tuple[FakeMediaServices, ServiceClients]]:
    """Run the services on a free port; yield their state and their clients."""
    services = FakeMediaServices()
    async with run_test_server(services.register) as server:
        yield services, ServiceClients.from_channels(server.channel, server.channel, server.channel)


class _Speech(tts_pb2_grpc.TextToSpeechServiceServicer):
    def __init__(self, services: FakeMediaServices) -> None:
        self._services = services

    async def DeleteStoredAudio(  # noqa: N802 - the contract's name
        self, request: tts_pb2.DeleteStoredAudioRequest, context: Context
    ) -> tts_pb2.DeleteStoredAudioResponse:
        self._services.delete(request.id, context)
        return tts_pb2.DeleteStoredAudioResponse()


class _Images(image_pb2_grpc.ImageServiceServicer):
    def __init__(self, services: FakeMediaServices) -> None:
        self._services = services

    async def DeleteImage(  # noqa: N802 - the contract's name
        self, request: image_pb2.DeleteImageRequest, context: Context
    ) -> image_pb2.DeleteImageResponse:
        self._services.delete(request.key, context)
        return image_pb2.DeleteImageResponse(deleted_keys=[request.key])


class _Videos(video_pb2_grpc.VideoServiceServicer):
    def __init__(self, services: FakeMediaServices) -> None:
        self._services = services

    async def DeleteVideo(  # noqa: N802 - the contract's name
        self, request: video_pb2.DeleteVideoRequest, context: Context
    ) -> video_pb2.DeleteVideoResponse:
        self._services.delete(request.key, context)
        return video_pb2.DeleteVideoResponse(deleted_keys=[request.key])
