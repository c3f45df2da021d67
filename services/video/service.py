"""The gRPC face of the video service: messages in, domain calls, messages out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial

import grpc
from media.video.v1 import video_pb2, video_pb2_grpc

from services.common.errors import MediaError, Reason
from services.common.rpc.metadata import get_principal
from services.common.webhooks import Webhook
from services.video.accounting import Accounting
from services.video.generation_manager import Studio
from services.video.inputs import Inputs
from services.video.mux import Muxer
from services.video.progress import Completed, Progress, stream_progress
from services.video.providers.replicate import ReplicateProvider
from services.video.reading import to_generation_request, to_mux_request, to_source
from services.video.records import Record
from services.video.video_store import VideoStore
from services.video.workspace import Workspaces
from services.video.writing import to_generated_video, to_media_info, to_muxed_video, to_progress, to_status_progress

SERVICE_NAME = video_pb2.DESCRIPTOR.services_by_name["VideoService"].full_name

Context = grpc.aio.ServicerContext[object, object]


class VideoServicer(video_pb2_grpc.VideoServiceServicer):
    """Answers media.video.v1.VideoService.

    Args:
        manager: Makes videos.
        muxer: Lays speech over them.
        inputs: Brings files and looks into them.
        workspaces: Where files are looked into.
        video_store: Keeps videos.
        replicate: Is told of webhooks.
        accounting: Writes down what calls took.
    """

    def __init__(
        self,
        manager: Studio,
        muxer: Muxer,
        inputs: Inputs,
        workspaces: Workspaces,
        video_store: VideoStore,
        replicate: ReplicateProvider,
        accounting: Accounting,
    ) -> None:
        self._manager = manager
        self._muxer = muxer
        self._inputs = inputs
        self._workspaces = workspaces
        self._video_store = video_store
        self._replicate = replicate
        self._accounting = accounting

    async def GenerateVideo(
        self, request: video_pb2.GenerateVideoRequest, context: Context
    ) -> AsyncIterator[video_pb2.GenerateVideoResponse]:
        """Make a still move."""
        principal = get_principal(context)
        with self._accounting.watch("GenerateVideo", principal, len(request.prompt)) as account:
            async with aclosing(self._manager.generate(to_generation_request(request), principal)) as items:
                async for item in items:
                    if isinstance(item, Completed):
                        yield video_pb2.GenerateVideoResponse(video=await self._to_message(item.result))
                    else:
                        account.provider = item.provider
                        yield video_pb2.GenerateVideoResponse(progress=to_status_progress(item))

    async def ResumeVideo(
        self, request: video_pb2.ResumeVideoRequest, context: Context
    ) -> AsyncIterator[video_pb2.ResumeVideoResponse]:
        """Go on listening to a video."""
        principal = get_principal(context)
        with self._accounting.watch("ResumeVideo", principal) as account:
            found = self._manager.resume(request.prediction_id, principal, detach=request.detach)
            async with aclosing(found) as items:
                async for item in items:
                    if isinstance(item, Completed):
                        yield video_pb2.ResumeVideoResponse(video=await self._to_message(item.result))
                    else:
                        account.provider = item.provider
                        yield video_pb2.ResumeVideoResponse(progress=to_status_progress(item))

    async def CancelVideo(
        self, request: video_pb2.CancelVideoRequest, context: Context
    ) -> video_pb2.CancelVideoResponse:
        """End the work on a video."""
        principal = get_principal(context)
        if request.request_id:
            ended = await self._manager.cancel_request(request.request_id, principal)
        else:
            ended = await self._manager.cancel(request.prediction_id, principal)
        return video_pb2.CancelVideoResponse(cancelled=ended)

    async def MuxVideo(
        self, request: video_pb2.MuxVideoRequest, context: Context
    ) -> AsyncIterator[video_pb2.MuxVideoResponse]:
        """Lay speech over a video."""
        principal, mux_request = get_principal(context), to_mux_request(request)
        with self._accounting.watch("MuxVideo", principal):
            async with aclosing(stream_progress(partial(self._muxer.mux, mux_request, principal))) as items:
                async for item in items:
                    if isinstance(item, Progress):
                        yield video_pb2.MuxVideoResponse(progress=to_progress(item))
                    elif isinstance(item, bytes):
                        yield video_pb2.MuxVideoResponse(media_chunk=item)
                    else:
                        url = await self._video_store.url(item.result.video)
                        yield video_pb2.MuxVideoResponse(video=to_muxed_video(item.result, mux_request, url))

    async def ProbeMedia(self, request: video_pb2.ProbeMediaRequest, context: Context) -> video_pb2.ProbeMediaResponse:
        """Look into a file."""
        principal = get_principal(context)
        with self._accounting.watch("ProbeMedia", principal), self._workspaces.folder() as folder:
            brought = await self._inputs.bring(to_source(request.media), folder, "media", principal)
        return video_pb2.ProbeMediaResponse(info=to_media_info(brought.media))

    async def DeleteVideo(
        self, request: video_pb2.DeleteVideoRequest, context: Context
    ) -> video_pb2.DeleteVideoResponse:
        """Delete a video of the caller's own."""
        return video_pb2.DeleteVideoResponse(
            deleted_keys=await self._video_store.delete(request.key, get_principal(context))
        )

    async def ReceiveWebhook(
        self, request: video_pb2.ReceiveWebhookRequest, context: Context
    ) -> video_pb2.ReceiveWebhookResponse:
        """Wake whoever waits for a video."""
        webhook = Webhook(request.webhook_id, request.webhook_timestamp, request.webhook_signature, request.body)
        return video_pb2.ReceiveWebhookResponse(awaited=await self._replicate.accept_webhook(webhook))

    async def _to_message(self, record: Record) -> video_pb2.GeneratedVideo:
        if record.video is None:
            raise MediaError(Reason.INTERNAL)
        return to_generated_video(record, record.video, await self._video_store.url(record.video))
